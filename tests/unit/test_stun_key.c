/* Tests of stun/key: RFC 5769 and RFC 8489 B.1; messages built by hand and signed by `openssl
 * dgst`. */
#include "stun/key.h"

#include "base/reader.h"
#include "stun_vectors.h"

static uint8_t buffer[2048];

static void test_rfc5769_short_term(void)
{
    static const char *names[] = {"rfc5769-2.1-request", "rfc5769-2.2-response-ipv4",
                                  "rfc5769-2.3-response-ipv6"};
    struct stun_key *key = stun_key_create_short(VECTOR_PASSWORD),
                    *wrong = stun_key_create_short(VIEW_LIT("x"));
    for (size_t i = 0; i < 3; i++) {
        struct stun_message m;
        CHECK_INT(stun_message_decode(vector_load(names[i], buffer, sizeof buffer), &m),
                  STUN_DECODED);
        CHECK_INT(stun_check(&m, key), STUN_INTEGRITY_GOOD);
        CHECK_INT(stun_check(&m, wrong), STUN_INTEGRITY_BAD);
        CHECK_INT(stun_check(&m, key),
                  STUN_INTEGRITY_GOOD); /* a key is good for more than one message */
    }
    stun_key_destroy(key);
    stun_key_destroy(wrong);
    stun_key_destroy(NULL);
}

static void test_rfc5769_long_term(void)
{
    struct stun_message m;
    struct stun_key *key =
        stun_key_create_long(STUN_MD5, VECTOR_LONG_USER, VECTOR_LONG_REALM, VECTOR_LONG_PASS);
    CHECK_INT(stun_message_decode(vector_load("rfc5769-2.4-long-term", buffer, sizeof buffer), &m),
              STUN_DECODED);
    CHECK_INT(stun_check(&m, key), STUN_INTEGRITY_GOOD);
    stun_key_destroy(key);
    /* RFC 8489 §9.2.2's own example */
    key = stun_key_create_long(STUN_MD5, VIEW_LIT("user"), VIEW_LIT("realm"), VIEW_LIT("pass"));
    CHECK(view_equal(stun_key_bytes(key),
                     VIEW_LIT("\x84\x93\xfb\xc5\x3b\xa5\x82\xfb\x4c\x04\x4c\x45\x6b\xdc\x40\xeb")));
    stun_key_destroy(key);
}

/* The HMAC that `openssl dgst` gives over bytes, under a raw key. */
static bool openssl_hmac(const char *digest, struct view key, struct view bytes, uint8_t *out,
                         size_t size)
{
    char command[4096], line[256];
    size_t at = (size_t)snprintf(command, sizeof command, "printf '");
    for (size_t i = 0; i < bytes.len; i++)
        at += (size_t)snprintf(command + at, sizeof command - at, "\\%03o", (uint8_t)bytes.at[i]);
    at += (size_t)snprintf(command + at, sizeof command - at,
                           "' | openssl dgst -%s -mac HMAC -macopt hexkey:", digest);
    for (size_t i = 0; i < key.len; i++)
        at += (size_t)snprintf(command + at, sizeof command - at, "%02x", (uint8_t)key.at[i]);
    FILE *pipe = popen(command, "r");
    bool ok = pipe && fgets(line, sizeof line, pipe);
    if (pipe)
        pclose(pipe);
    const char *hex = ok ? strstr(line, "= ") : NULL;
    for (size_t i = 0; hex && i < size; i++) {
        unsigned byte = 0;
        ok = ok && sscanf(hex + 2 + 2 * i, "%2x", &byte) == 1;
        out[i] = (uint8_t)byte;
    }
    return ok && hex;
}

/* Its length field counts 20 bytes that are not there, and its HMAC holds only over that: so key,
 * USERHASH and HMAC are checked on the printed bytes, and the decoder refuses the message
 * (test_stun_message). */
static void test_rfc8489_b1(void)
{
    enum { INTEGRITY_AT = 20 + 0x88 - 36 };
    uint8_t hash[STUN_USERHASH_SIZE], want[32];
    struct view printed = vector_load("rfc8489-b.1-sha256", buffer, sizeof buffer);
    CHECK_INT(printed.len, 20 + 0x88);
    stun_userhash(VECTOR_LONG_USER, VECTOR_LONG_REALM, hash);
    CHECK(memcmp(hash, buffer + 24, sizeof hash) == 0);
    struct stun_key *key =
        stun_key_create_long(STUN_SHA256, VECTOR_LONG_USER, VECTOR_LONG_REALM, VECTOR_LONG_PASS);
    CHECK(openssl_hmac("sha256", stun_key_bytes(key), view_take(printed, INTEGRITY_AT), want, 32));
    CHECK(memcmp(want, buffer + INTEGRITY_AT + 4, 32) == 0);
    struct stun_message m = {.bytes = printed, .integrity_sha256 = INTEGRITY_AT};
    CHECK_INT(stun_check(&m, key),
              STUN_INTEGRITY_BAD); /* over the true length 0x88 it does not hold */
    stun_key_destroy(key);
}

/* Whole messages whose HMAC comes from `openssl dgst`, over bytes laid out by hand here. */
static void test_both_integrities_against_openssl(void)
{
    static const char head[] = "\0\1\0\x0c\x21\x12\xa4\x42"
                               "abcdefghijkl"
                               "\0\x06\0\x05"
                               "user1\0\0\0";
    uint8_t m1[256], sha1[20], sha256[32];
    memcpy(m1, head, 32);
    m1[3] = 12 + 24; /* up to the end of MESSAGE-INTEGRITY */
    CHECK(openssl_hmac("sha1", VIEW_LIT("secret"), view_of(m1, 32), sha1, 20));
    memcpy(m1 + 32, "\0\x08\0\x14", 4);
    memcpy(m1 + 36, sha1, 20);
    m1[3] = 12 + 24 + 36;
    CHECK(openssl_hmac("sha256", VIEW_LIT("secret"), view_of(m1, 56), sha256, 32));
    memcpy(m1 + 56, "\0\x1c\0\x20", 4);
    memcpy(m1 + 60, sha256, 32);
    struct stun_message m;
    struct stun_key *key = stun_key_create_short(VIEW_LIT("secret"));
    CHECK_INT(stun_message_decode(view_of(m1, 92), &m), STUN_DECODED);
    CHECK_INT(stun_check(&m, key), STUN_INTEGRITY_GOOD);
    m1[60] ^= 1; /* each must hold where both stand */
    CHECK_INT(stun_check(&m, key), STUN_INTEGRITY_BAD);
    m1[60] ^= 1;
    m1[36] ^= 1;
    CHECK_INT(stun_check(&m, key), STUN_INTEGRITY_BAD);
    m1[36] ^= 1;
    /* our own signatures are the same bytes */
    uint8_t ours[256];
    struct writer w = writer_of(ours, sizeof ours);
    struct stun_transaction t;
    memcpy(t.id, "abcdefghijkl", 12);
    stun_begin(&w, STUN_REQUEST, STUN_BINDING, &t);
    stun_put(&w, STUN_USERNAME, VIEW_LIT("user1"));
    stun_sign(&w, key);
    stun_sign_sha256(&w, key);
    stun_finish(&w, false);
    CHECK_INT(w.len, 92);
    CHECK(memcmp(ours, m1, 92) == 0);
    stun_key_destroy(key);
}

static void test_sha256_may_be_cut(void)
{
    struct stun_key *key = stun_key_create_short(VIEW_LIT("secret"));
    struct stun_transaction t = {{5}};
    for (size_t cut = 0; cut <= 36; cut++) {
        uint8_t sha256[32];
        uint8_t bytes[128];
        struct writer w = writer_of(bytes, sizeof bytes);
        stun_begin(&w, STUN_REQUEST, STUN_BINDING, &t);
        bytes[3] = (uint8_t)(4 + cut);
        CHECK(cut > 32 ||
              openssl_hmac("sha256", VIEW_LIT("secret"), view_of(bytes, 20), sha256, 32));
        char padded[40] = {0};
        memcpy(padded, sha256, 32);
        stun_put(&w, STUN_MESSAGE_INTEGRITY_SHA256, view_of(padded, cut));
        stun_finish(&w, false);
        struct stun_message m;
        CHECK_INT(stun_message_decode(writer_done(&w), &m), STUN_DECODED);
        bool legal = cut >= 16 && cut <= 32 && cut % 4 == 0;
        if (!CHECK(stun_check(&m, key) == (legal ? STUN_INTEGRITY_GOOD : STUN_INTEGRITY_BAD)))
            printf("# cut to %zu\n", cut);
    }
    stun_key_destroy(key);
}

int main(void)
{
    RUN(test_rfc5769_short_term);
    RUN(test_rfc5769_long_term);
    RUN(test_rfc8489_b1);
    RUN(test_both_integrities_against_openssl);
    RUN(test_sha256_may_be_cut);
    return tap_done();
}
