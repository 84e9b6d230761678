/* Fuzz target: the client of a TURN allocation. Each step of the input is an answer to what it
 * asked, made from small choices and signed with the right or a wrong key, data of peers, raw
 * bytes, time, or a call of its owner. */
#include "fuzz/bytes.h"
#include "stun/key.h"
#include "turn/allocation.h"
#include "turn/frame.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
    struct turn_allocation *turn;
    struct stun_key *key, *wrong_key;
    struct tick now;
    struct view rest;
    uint8_t requests[8][TURN_REQUEST_SIZE];
    size_t lens[8], last;
};

static struct addr peer_of(unsigned choice)
{
    struct addr peer =
        addr_v4(203, 0, 113, (uint8_t)(choice & 63), (uint16_t)(1000 + (choice >> 6)));
    if ((choice & 31) == 31)
        (void)!addr_parse(VIEW_LIT("[2001:db8::9]:5"), 0, &peer);
    return peer;
}

static void pull(struct world *w)
{
    struct view out;
    struct turn_event event;
    int count = 0;
    while (turn_output(w->turn, w->now, &out)) {
        assert(++count < 300 && out.len <= TURN_REQUEST_SIZE);
        w->last = (w->last + 1) % 8;
        memcpy(w->requests[w->last], out.at, out.len);
        w->lens[w->last] = out.len;
    }
    while (turn_event(w->turn, &event))
        assert(++count < 600);
}

static void answer(struct world *w)
{
    static const uint16_t codes[] = {0,   0,   0,   0,   300, 400, 401, 403,
                                     405, 420, 437, 438, 440, 441, 486, 508};
    struct stun_message m;
    uint8_t bytes[1024];
    unsigned flags = fuzz_next(&w->rest), more = fuzz_next(&w->rest);
    size_t at = (w->last + 8 - (more & 3)) % 8;
    struct addr relayed = peer_of(fuzz_next(&w->rest)), alternate = peer_of(fuzz_next(&w->rest));
    if (stun_message_decode(view_of(w->requests[at], w->lens[at]), &m) != STUN_DECODED)
        return;
    struct writer out = writer_of(bytes, sizeof bytes);
    uint16_t code = codes[flags & 15];
    stun_begin_answer(&out, code ? STUN_ERROR : STUN_SUCCESS, &m);
    if (code)
        stun_put_error(&out, code, "no");
    if (code == 401 || code == 438 || more & 4) {
        stun_put(&out, STUN_REALM, more & 8 ? VIEW_LIT("example.net") : VIEW_LIT("example.org"));
        stun_put(&out, STUN_NONCE, view_of(&flags, sizeof flags));
    }
    if (code == 300)
        stun_put_address(&out, STUN_ALTERNATE_SERVER, &alternate);
    if (!code && !(more & 16))
        stun_put_address(&out, STUN_XOR_RELAYED_ADDRESS, &relayed);
    if (!(more & 32))
        stun_put_u32(&out, STUN_LIFETIME, fuzz_next(&w->rest) * 10);
    if (more & 64)
        stun_put(&out, STUN_MOBILITY_TICKET, VIEW_LIT("ticket"));
    if (!(flags & 16))
        stun_sign(&out, flags & 32 ? w->wrong_key : w->key);
    stun_finish(&out, flags & 64);
    (void)turn_input(w->turn, w->now, writer_done(&out));
}

static void data_of_a_peer(struct world *w)
{
    uint8_t bytes[256];
    struct writer out = writer_of(bytes, sizeof bytes);
    struct stun_transaction id = {{1}};
    struct addr peer = peer_of(fuzz_next(&w->rest));
    stun_begin(&out, STUN_INDICATION, STUN_DATA, &id);
    stun_put_address(&out, STUN_XOR_PEER_ADDRESS, &peer);
    stun_put(&out, STUN_DATA_VALUE, VIEW_LIT("data"));
    stun_finish(&out, false);
    struct turn_input in = turn_input(w->turn, w->now, writer_done(&out));
    assert(in.kind != TURN_INPUT_DATA || turn_is_permitted(w->turn, w->now, &in.peer));
}

static void wrap(struct world *w)
{
    uint8_t bytes[128];
    struct writer out = writer_of(bytes, sizeof bytes);
    struct addr peer = peer_of(fuzz_next(&w->rest));
    uint16_t channel;
    struct view data;
    if (!turn_wrap(w->turn, w->now, &peer, VIEW_LIT("ours"), &out))
        return;
    assert(turn_is_permitted(w->turn, w->now, &peer));
    /* What we send on a channel its peer may send back. */
    if (turn_channel_data_decode(writer_done(&out), &channel, &data)) {
        struct turn_input in = turn_input(w->turn, w->now, writer_done(&out));
        assert(in.kind == TURN_INPUT_DATA && addr_equal(&in.peer, &peer) && in.data.len == 4);
    }
}

static void step(struct world *w)
{
    unsigned op = fuzz_next(&w->rest);
    struct addr peers[3];
    switch (op % 12) {
    case 0: {
        size_t len = fuzz_next(&w->rest);
        struct view bytes = view_take(w->rest, len);
        w->rest = view_skip(w->rest, len);
        (void)turn_input(w->turn, w->now, bytes);
        break;
    }
    case 1:
    case 2:
        w->now = tick_add_ms(w->now, fuzz_next(&w->rest) * (op & 16 ? 4000 : 100));
        turn_expire(w->turn, w->now);
        break;
    case 3:
        for (size_t i = 0; i < 3; i++)
            peers[i] = peer_of(fuzz_next(&w->rest));
        (void)turn_permit(w->turn, w->now, peers, 3);
        break;
    case 4:
        peers[0] = peer_of(fuzz_next(&w->rest));
        (void)turn_bind(w->turn, w->now, &peers[0]);
        break;
    case 5:
        peers[0] = peer_of(fuzz_next(&w->rest));
        turn_forbid(w->turn, &peers[0]);
        break;
    case 6:
        wrap(w);
        break;
    case 7:
        data_of_a_peer(w);
        break;
    case 8:
        if (op & 16)
            turn_moved(w->turn, w->now);
        else if (op & 32)
            turn_close(w->turn, w->now);
        break;
    default:
        answer(w);
    }
    pull(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world w = {.now = {NS_PER_S}, .rest = view_of(data, size)};
    unsigned flags = fuzz_next(&w.rest);
    struct turn_options options = {.username = VIEW_LIT("user"),
                                   .password = VIEW_LIT("pass"),
                                   .stream = flags & 1,
                                   .want_v4 = !(flags & 2),
                                   .want_v6 = flags & 4,
                                   .even_port = flags & 8,
                                   .mobility = flags & 16,
                                   .seed = {1}};
    w.turn = turn_create(&options);
    w.key =
        stun_key_create_long(STUN_MD5, VIEW_LIT("user"), VIEW_LIT("example.org"), VIEW_LIT("pass"));
    w.wrong_key = stun_key_create_short(VIEW_LIT("wrong"));
    if (w.turn && w.key && w.wrong_key) {
        turn_start(w.turn, w.now);
        pull(&w);
        for (int i = 0; i < 400 && w.rest.len > 0; i++)
            step(&w);
        /* With a silent server everything ends. */
        for (int i = 0; i < 3000 && !tick_is_never(turn_deadline(w.turn)); i++) {
            struct tick due = turn_deadline(w.turn);
            if (tick_before(w.now, due))
                w.now = due;
            turn_expire(w.turn, w.now);
            pull(&w);
            assert(tick_before(w.now, turn_deadline(w.turn))); /* no busy loop */
        }
        assert(tick_is_never(turn_deadline(w.turn)));
    }
    turn_destroy(w.turn);
    stun_key_destroy(w.key);
    stun_key_destroy(w.wrong_key);
    return 0;
}
