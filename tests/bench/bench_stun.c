/* bench_stun: what a check costs: decoded, its integrity checked, and answered; beside OpenSSL's
 * bare HMAC-SHA1 over the same bytes, once for request and answer each. Lines of name, ns, ratio.
 * Not here: sockets, ICE (bench_ice.c). RFC 8489. */
#include "stun/server.h"

#include <assert.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <time.h>

#define MESSAGES 1024
#define ROUNDS   60
#define TRIES    7
#define PASSWORD "VOkJxbRl1RmTxUk/WvJxBt"

static uint8_t requests[MESSAGES][256];
static size_t lens[MESSAGES];
static struct stun_key *key;
static volatile uint64_t sink;
static size_t answer_len;

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

/* What a browser sends: USERNAME, PRIORITY, the role, integrity, fingerprint. */
static void make_requests(void)
{
    struct rng rng;
    rng_init_number(&rng, 1);
    key = stun_key_create_short(VIEW_LIT(PASSWORD));
    assert(key);
    for (size_t i = 0; i < MESSAGES; i++) {
        struct stun_transaction id = stun_transaction_make(&rng);
        struct writer w = writer_of(requests[i], sizeof requests[i]);
        stun_begin(&w, STUN_REQUEST, STUN_BINDING, &id);
        stun_put(&w, STUN_USERNAME, VIEW_LIT("evtj:h6vY"));
        stun_put_u32(&w, STUN_PRIORITY, 0x6e0001ff);
        stun_put_u64(&w, STUN_ICE_CONTROLLING, rng_u64(&rng));
        stun_sign(&w, key);
        stun_finish(&w, true);
        lens[i] = writer_done(&w).len;
    }
}

static void run_decode(void)
{
    for (size_t i = 0; i < MESSAGES; i++) {
        struct stun_message m;
        sink += stun_message_decode(view_of(requests[i], lens[i]), &m) == STUN_DECODED;
    }
}

static void run_check(void)
{
    for (size_t i = 0; i < MESSAGES; i++) {
        struct stun_message m;
        if (stun_message_decode(view_of(requests[i], lens[i]), &m) == STUN_DECODED)
            sink += stun_check(&m, key);
    }
}

static void run_answer(void)
{
    static const uint16_t known[] = {STUN_PRIORITY, STUN_USE_CANDIDATE};
    struct stun_server server = {
        .key = key, .username = VIEW_LIT("evtj:h6vY"), .known = known, .known_count = 2};
    struct addr from = addr_v4(192, 0, 2, 1, 32853);
    for (size_t i = 0; i < MESSAGES; i++) {
        struct stun_message m;
        uint8_t answer[STUN_SERVER_ANSWER_MAX];
        struct writer w = writer_of(answer, sizeof answer);
        if (stun_message_decode(view_of(requests[i], lens[i]), &m) == STUN_DECODED)
            sink += stun_server_answer(&server, &m, &from, &w).code;
        answer_len = writer_done(&w).len;
    }
}

/* The key's pads hashed each time: HMAC() as anybody would call it. */
static void run_bare(void)
{
    uint8_t mac[EVP_MAX_MD_SIZE];
    unsigned len;
    for (size_t i = 0; i < MESSAGES; i++)
        sink += HMAC(EVP_sha1(), PASSWORD, sizeof PASSWORD - 1, requests[i], lens[i], mac, &len)[0];
}

static void run_bare_twice(void)
{
    uint8_t mac[EVP_MAX_MD_SIZE];
    unsigned len;
    run_bare();
    for (size_t i = 0; i < MESSAGES; i++)
        sink +=
            HMAC(EVP_sha1(), PASSWORD, sizeof PASSWORD - 1, requests[i], answer_len, mac, &len)[0];
}

/* The cheapest OpenSSL has: a context that knows the key already. */
static EVP_MAC_CTX *ready;

static void ready_over(size_t i, size_t len)
{
    uint8_t mac[EVP_MAX_MD_SIZE];
    size_t mac_len = 0;
    sink += (uint64_t)EVP_MAC_init(ready, NULL, 0, NULL);
    sink += (uint64_t)EVP_MAC_update(ready, requests[i], len);
    sink += (uint64_t)EVP_MAC_final(ready, mac, &mac_len, sizeof mac) + mac[0];
}

static void run_ready(void)
{
    for (size_t i = 0; i < MESSAGES; i++)
        ready_over(i, lens[i]);
}

static void run_ready_twice(void)
{
    run_ready();
    for (size_t i = 0; i < MESSAGES; i++)
        ready_over(i, answer_len);
}

static void make_ready(void)
{
    char digest[] = "SHA1";
    OSSL_PARAM params[] = {OSSL_PARAM_construct_utf8_string("digest", digest, 0),
                           OSSL_PARAM_construct_end()};
    EVP_MAC *mac = EVP_MAC_fetch(NULL, "HMAC", NULL);
    ready = EVP_MAC_CTX_new(mac);
    int ok = EVP_MAC_init(ready, (const uint8_t *)PASSWORD, sizeof PASSWORD - 1, params);
    assert(ok == 1);
    EVP_MAC_free(mac);
}

/* The best of TRIES: what the machine's other work takes is not ours. */
static double measure(void (*run)(void))
{
    double best = 1e18;
    for (int try = 0; try < TRIES; try++) {
        double start = now_ns();
        for (int i = 0; i < ROUNDS; i++)
            run();
        double each = (now_ns() - start) / (ROUNDS * (double)MESSAGES);
        best = each < best ? each : best;
    }
    return best;
}

int main(void)
{
    make_requests();
    make_ready();
    run_answer();
    double bare = measure(run_bare), twice = measure(run_bare_twice);
    double ready_once = measure(run_ready), ready_both = measure(run_ready_twice);
    double decode = measure(run_decode), check = measure(run_check), answer = measure(run_answer);
    printf("stun.hmac_bare            %7.0f ns\n", bare);
    printf("stun.hmac_ready           %7.0f ns\n", ready_once);
    printf("stun.decode               %7.0f ns\n", decode);
    printf("stun.decode_check         %7.0f ns  %.2f x bare, %.2f x ready\n", check, check / bare,
           check / ready_once);
    printf("stun.decode_check_answer  %7.0f ns  %.2f x bare, %.2f x ready\n", answer,
           answer / twice, answer / ready_both);
    EVP_MAC_CTX_free(ready);
    stun_key_destroy(key);
    return 0;
}
