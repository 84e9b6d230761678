/* Fuzz target: a whole ICE agent. Each step of the input is an operation: a check made from small
 * choices and signed with the right or a wrong key, an answer to what the agent sent, raw bytes,
 * time, or a call of its owner. */
#include "fuzz/bytes.h"
#include "ice/ice.h"
#include "stun/key.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PEER_PWD "0123456789012345678901"

struct world {
    struct ice *ice;
    struct stun_key *peer_key, *own_key, *wrong_key;
    char own_ufrag[ICE_UFRAG_SIZE];
    struct tick now;
    struct view rest;
    uint8_t request[ICE_PACKET_SIZE];
    size_t request_len; /* the agent's last request */
    bool may_answer;    /* a check with good integrity was just given */
};

static struct ice_path path_of(unsigned choice)
{
    struct addr peer =
        addr_v4(203, 0, 113, (uint8_t)(choice & 63), (uint16_t)(1000 + (choice >> 6)));
    if (choice == 63)
        (void)!addr_parse(VIEW_LIT("[2001:db8::9]:5"), 0, &peer);
    return (struct ice_path){{choice % 5}, peer};
}

static void pull(struct world *w)
{
    struct ice_packet packet;
    struct ice_event event;
    struct stun_message m;
    int count = 0;
    while (ice_output(w->ice, w->now, &packet)) {
        assert(++count < 300); /* nothing is sent without end at one moment */
        enum stun_decode_result decoded = stun_message_decode(packet.bytes, &m);
        assert(decoded == STUN_DECODED && packet.path.peer.port != 0);
        /* No check is answered without valid integrity. */
        assert(w->may_answer || m.class == STUN_REQUEST || m.class == STUN_INDICATION);
        if (m.class != STUN_REQUEST)
            continue;
        memcpy(w->request, packet.bytes.at, packet.bytes.len);
        w->request_len = packet.bytes.len;
    }
    while (ice_event(w->ice, &event))
        assert(++count < 600);
    w->may_answer = false;
    struct ice_status status = ice_status(w->ice);
    assert(status.pairs <= ICE_PAIRS && status.remotes <= ICE_REMOTES &&
           status.locals <= ICE_LOCALS);
    if (strcmp(w->own_ufrag, ice_ufrag(w->ice)) != 0) {
        stun_key_destroy(w->own_key);
        w->own_key = stun_key_create_short(view_of_string(ice_pwd(w->ice)));
        (void)view_copy(view_of_string(ice_ufrag(w->ice)), w->own_ufrag, sizeof w->own_ufrag);
    }
}

static void check(struct world *w)
{
    uint8_t bytes[512];
    char username[64];
    unsigned flags = fuzz_next(&w->rest);
    struct ice_path via = path_of(fuzz_next(&w->rest));
    struct stun_transaction id = {{(uint8_t)fuzz_next(&w->rest)}};
    struct writer out = writer_of(bytes, sizeof bytes);
    (void)snprintf(username, sizeof username, "%s%s", w->own_ufrag, flags & 1 ? ":peer" : "");
    stun_begin(&out, STUN_REQUEST, STUN_BINDING, &id);
    stun_put(&out, STUN_USERNAME, view_of_string(username));
    if (flags & 2)
        stun_put_u32(&out, STUN_PRIORITY, fuzz_next(&w->rest) << 24 | 255);
    if (flags & 4)
        stun_put_u64(&out, STUN_ICE_CONTROLLING, (uint64_t)fuzz_next(&w->rest) << 56);
    if (flags & 8)
        stun_put_u64(&out, STUN_ICE_CONTROLLED, (uint64_t)fuzz_next(&w->rest) << 56);
    if (flags & 16)
        stun_put(&out, STUN_USE_CANDIDATE, VIEW_NONE);
    if (flags & 32)
        stun_put_u32(&out, (enum stun_attribute_type)(fuzz_next(&w->rest) << 8), 1);
    w->may_answer = !(flags & 64);
    stun_sign(&out, w->may_answer ? w->own_key : w->wrong_key);
    stun_finish(&out, flags & 128);
    (void)ice_input(w->ice, w->now, &via, writer_done(&out));
}

static void answer(struct world *w)
{
    static const uint16_t codes[] = {0, 0, 0, 487, 400, 403, 500, 420};
    struct stun_message m;
    uint8_t bytes[512];
    unsigned flags = fuzz_next(&w->rest);
    struct addr seen = path_of(fuzz_next(&w->rest)).peer;
    struct ice_path via = path_of(fuzz_next(&w->rest));
    if (stun_message_decode(view_of(w->request, w->request_len), &m) != STUN_DECODED)
        return;
    struct writer out = writer_of(bytes, sizeof bytes);
    uint16_t code = codes[flags & 7];
    stun_begin_answer(&out, code ? STUN_ERROR : STUN_SUCCESS, &m);
    if (code)
        stun_put_error(&out, code, "no");
    else if (!(flags & 8))
        stun_put_address(&out, STUN_XOR_MAPPED_ADDRESS, &seen);
    stun_sign(&out, flags & 16 ? w->wrong_key : w->peer_key);
    stun_finish(&out, flags & 32);
    (void)ice_input(w->ice, w->now, &via, writer_done(&out));
}

static void candidate(struct world *w, bool local)
{
    unsigned flags = fuzz_next(&w->rest), at = fuzz_next(&w->rest);
    struct candidate c = {.type = (enum candidate_type)(flags & 3),
                          .transport = (enum candidate_transport)(flags >> 5 & 3),
                          .component = (uint16_t)(flags >> 2 & 3),
                          .priority = local ? 0 : fuzz_next(&w->rest) << 24 | 1,
                          .address = path_of(at).peer,
                          .related = path_of(fuzz_next(&w->rest)).peer};
    if (flags & 128)
        c.address = addr_v4(127, 0, 0, 1, (uint16_t)at);
    (void)snprintf(c.foundation, sizeof c.foundation, "%s", flags & 16 ? "f" : local ? "" : "g");
    if (local)
        (void)ice_add_local(w->ice, c, (struct ice_base){at % 5}, (uint16_t)(flags << 8));
    else
        (void)ice_add_remote(w->ice, w->now, &c);
}

static void step(struct world *w)
{
    unsigned op = fuzz_next(&w->rest);
    switch (op % 12) {
    case 0: {
        struct ice_path via = path_of(fuzz_next(&w->rest));
        size_t len = fuzz_next(&w->rest);
        struct view bytes = view_take(w->rest, len);
        w->rest = view_skip(w->rest, len);
        (void)ice_input(w->ice, w->now, &via, bytes);
        break;
    }
    case 1:
    case 2:
        w->now = tick_add_ms(w->now, fuzz_next(&w->rest) * (op & 16 ? 500 : 10));
        ice_expire(w->ice, w->now);
        break;
    case 3:
    case 4:
        check(w);
        break;
    case 5:
    case 6:
        answer(w);
        break;
    case 7:
        candidate(w, false);
        break;
    case 8:
        candidate(w, true);
        break;
    case 9:
        (void)!ice_set_remote(w->ice, w->now, op & 16 ? VIEW_LIT("peer") : VIEW_LIT("anew"),
                              VIEW_LIT(PEER_PWD), op & 32);
        break;
    case 10:
        ice_restart(w->ice);
        break;
    default:
        if (op & 16) {
            struct ice_path path = path_of(fuzz_next(&w->rest));
            ice_path_failed(w->ice, w->now, &path);
            break;
        }
        ice_end_remote(w->ice, w->now);
    }
    pull(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct world w = {.now = {NS_PER_S}, .rest = view_of(data, size)};
    unsigned flags = fuzz_next(&w.rest);
    struct ice_options options = {.role = flags & 1 ? ICE_CONTROLLING : ICE_CONTROLLED,
                                  .lite = flags & 2,
                                  .components = flags & 4 ? 2 : 1,
                                  .seed = {1}};
    w.ice = ice_create(&options);
    w.peer_key = stun_key_create_short(VIEW_LIT(PEER_PWD));
    w.wrong_key = stun_key_create_short(VIEW_LIT("neither of both passwords"));
    if (w.ice && w.peer_key && w.wrong_key) {
        pull(&w);
        for (int i = 0; i < 400 && w.rest.len > 0; i++)
            step(&w);
        /* Left alone it comes to rest, but for the keepalives and consent checks of a path that is
         * kept. */
        for (int i = 0; i < 3000 && !tick_is_never(ice_deadline(w.ice)); i++) {
            struct tick due = ice_deadline(w.ice);
            if (tick_before(w.now, due))
                w.now = due;
            ice_expire(w.ice, w.now);
            pull(&w);
            assert(tick_before(w.now, ice_deadline(w.ice))); /* no busy loop */
        }
        assert(options.lite || tick_is_never(ice_deadline(w.ice)));
    }
    ice_destroy(w.ice);
    stun_key_destroy(w.peer_key);
    stun_key_destroy(w.own_key);
    stun_key_destroy(w.wrong_key);
    return 0;
}
