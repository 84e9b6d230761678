/* Fuzz target: the stock of TURN allocations. Each step of the input is a server's answer to what a slot asked, signed or
 * not, raw bytes, time, or a call of its owner. */
#include "fuzz/bytes.h"
#include "turn/pool.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
    struct turn_pool *pool;
    struct stun_key *key;
    struct tick now;
    struct view rest;
    uint8_t asked[TURN_POOL_SLOTS][TURN_REQUEST_SIZE];
    size_t len[TURN_POOL_SLOTS];
    uint64_t owner[TURN_POOL_SLOTS]; /* whose permissions may stand there */
    bool lent[TURN_POOL_SLOTS];
    uint32_t last;
};

static void pull(struct world *w)
{
    struct turn_pool_packet out;
    struct turn_pool_event e;
    int count = 0;
    while (turn_pool_output(w->pool, w->now, &out)) {
        assert(++count < 2000 && out.slot < TURN_POOL_SLOTS && out.bytes.len <= TURN_REQUEST_SIZE);
        memcpy(w->asked[out.slot], out.bytes.at, out.bytes.len);
        w->len[out.slot] = out.bytes.len;
        w->last = out.slot;
    }
    while (turn_pool_event(w->pool, &e)) {
        assert(++count < 4000 && e.slot < TURN_POOL_SLOTS);
        if (e.kind == TURN_POOL_CLOSED) {
            w->owner[e.slot] = 0;
            w->lent[e.slot] = false;
            w->len[e.slot] = 0;
        }
    }
    struct turn_pool_status s = turn_pool_status(w->pool);
    assert(s.making + s.ready + s.reserved + s.lent + s.closing <= TURN_POOL_SLOTS);
}

static void answer(struct world *w)
{
    static const uint16_t codes[] = {300, 400, 401, 403, 437, 438, 440, 486, 508, 500};
    uint8_t bytes[512];
    struct stun_message m;
    struct writer out = writer_of(bytes, sizeof bytes);
    unsigned flags = fuzz_next(&w->rest);
    uint32_t slot = flags & 1 ? w->last : fuzz_next(&w->rest) % TURN_POOL_SLOTS;
    if (stun_message_decode(view_of(w->asked[slot], w->len[slot]), &m) != STUN_DECODED)
        return;
    uint16_t code = flags & 2 ? codes[fuzz_next(&w->rest) % (sizeof codes / sizeof *codes)] : 0;
    if (!m.integrity && m.method != STUN_BINDING && !(flags & 4))
        code = 401;
    struct addr relayed = addr_v4(203, 0, 113, 1, 50000), mapped = addr_v4(198, 51, 100, 7, 6000);
    struct addr alternate = addr_v4(203, 0, 113, (uint8_t)fuzz_next(&w->rest), 3478);
    stun_begin_answer(&out, code ? STUN_ERROR : STUN_SUCCESS, &m);
    if (code)
        stun_put_error(&out, code, "so");
    if (code == 401 || code == 438) {
        stun_put(&out, STUN_REALM, VIEW_LIT("example.org"));
        stun_put(&out, STUN_NONCE, VIEW_LIT("nonce"));
    }
    if (code == 300)
        stun_put_address(&out, STUN_ALTERNATE_SERVER, &alternate);
    if (!code && flags & 32)
        stun_put(&out, STUN_MOBILITY_TICKET, VIEW_LIT("ticket"));
    if (!code && m.method == STUN_ALLOCATE)
        stun_put_address(&out, STUN_XOR_RELAYED_ADDRESS, &relayed);
    if (!code && flags & 8)
        mapped.port++;
    if (!code)
        stun_put_address(&out, STUN_XOR_MAPPED_ADDRESS, &mapped);
    if (!code && (m.method == STUN_ALLOCATE || m.method == STUN_REFRESH))
        stun_put_u32(&out, STUN_LIFETIME, 600);
    if (m.integrity && !(flags & 16))
        stun_sign(&out, w->key);
    stun_finish(&out, false);
    (void)turn_pool_input(w->pool, w->now, slot, writer_done(&out));
}

static void lend(struct world *w)
{
    uint64_t src = 1 + fuzz_next(&w->rest) % 5;
    uint32_t slot;
    struct addr peer = addr_v4(192, 0, 2, (uint8_t)src, 4000);
    if (!turn_pool_lend(w->pool, w->now, src, &slot))
        return;
    /* A relayed address serves one SRC, and one call at a time. */
    assert(slot < TURN_POOL_SLOTS && !w->lent[slot]);
    assert(w->owner[slot] == 0 || w->owner[slot] == src);
    w->owner[slot] = src;
    w->lent[slot] = true;
    (void)turn_permit(turn_pool_allocation(w->pool, slot), w->now, &peer, 1);
}

/* The owner's rarer calls. */
static void rare(struct world *w, uint32_t slot)
{
    struct turn_pool_server servers[3];
    unsigned what = fuzz_next(&w->rest);
    for (size_t i = 0; i < 3; i++)
        servers[i] = (struct turn_pool_server){
            .address = addr_v4(203, 0, 113, (uint8_t)(1 + (what / 8 + i) % 4), 3478),
            .username = view_of_string("user"),
            .password = view_of_string(what & 128 ? "pass" : "other"),
            .expires = what & 64 ? tick_add_ms(w->now, 400 * 1000) : (struct tick){0},
            .stream = i == 1};
    switch (what % 8) {
    case 0:
    case 1:
    case 2:
        turn_pool_suspect(w->pool, w->now, slot);
        break;
    case 3:
        assert(turn_pool_set_servers(w->pool, w->now, servers, what / 32 % 4));
        break;
    case 4:
        (void)!turn_pool_set_credentials(w->pool, w->now, what / 32 % 3, servers);
        break;
    case 5:
        turn_pool_moved(w->pool, w->now);
        break;
    default:
        if (turn_pool_take(w->pool, w->now, slot, fuzz_next(&w->rest), 1 + fuzz_next(&w->rest) % 5))
            turn_pool_give_back(w->pool, w->now, slot);
        break;
    }
}

static void step(struct world *w)
{
    unsigned op = fuzz_next(&w->rest);
    uint32_t slot = op / 8 % TURN_POOL_SLOTS;
    switch (op % 11) {
    case 0: {
        struct view bytes = view_take(w->rest, fuzz_next(&w->rest));
        (void)turn_pool_input(w->pool, w->now, slot, bytes);
        w->rest = view_skip(w->rest, bytes.len);
        break;
    }
    case 1:
    case 2:
        w->now = tick_add_ms(w->now, fuzz_next(&w->rest) * (op & 16 ? 4000 : 50));
        turn_pool_expire(w->pool, w->now);
        break;
    case 3:
        lend(w);
        break;
    case 4:
        turn_pool_give_back(w->pool, w->now, slot);
        w->lent[slot] = false;
        break;
    case 5:
        if (op & 128)
            turn_pool_set_ready(w->pool, w->now, (uint8_t)(fuzz_next(&w->rest) % 16), 1);
        else
            turn_pool_lost_socket(w->pool, w->now, slot);
        break;
    case 6:
        rare(w, slot);
        break;
    default:
        answer(w);
    }
    pull(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view user = view_of_string("user"), password = view_of_string("pass");
    struct turn_pool_options options = {
        .server_count = 2, .want_v4 = true, .ready = 3, .warm = 1, .mobility = size & 1};
    struct world *w = calloc(1, sizeof *w);
    assert(w);
    for (size_t i = 0; i < 2; i++)
        options.servers[i] =
            (struct turn_pool_server){.address = addr_v4(203, 0, 113, (uint8_t)(1 + i), 3478),
                                      .username = user,
                                      .password = password,
                                      .stream = i == 1};
    w->now = (struct tick){NS_PER_S};
    w->rest = view_of(data, size);
    w->pool = turn_pool_create(&options);
    w->key = stun_key_create_long(STUN_MD5, user, view_of_string("example.org"), password);
    assert(w->pool && w->key);
    turn_pool_expire(w->pool, w->now);
    pull(w);
    for (int i = 0; i < 300 && w->rest.len > 0; i++)
        step(w);
    turn_pool_drain(w->pool, w->now);
    for (uint32_t i = 0; i < TURN_POOL_SLOTS; i++)
        turn_pool_give_back(w->pool, w->now, i);
    /* Drained, and nobody answers: everything is gone in the end. */
    for (int i = 0; i < 3000; i++) {
        struct tick due = turn_pool_deadline(w->pool);
        struct turn_pool_status s = turn_pool_status(w->pool);
        if (tick_is_never(due) || s.making + s.ready + s.reserved + s.lent + s.closing == 0)
            break;
        if (tick_before(w->now, due))
            w->now = due;
        turn_pool_expire(w->pool, w->now);
        pull(w);
        assert(tick_before(w->now, turn_pool_deadline(w->pool))); /* no busy loop */
    }
    struct turn_pool_status s = turn_pool_status(w->pool);
    assert(s.making + s.ready + s.reserved + s.lent + s.closing == 0);
    turn_pool_destroy(w->pool);
    stun_key_destroy(w->key);
    free(w);
    return 0;
}
