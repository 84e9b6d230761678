/* Fuzz target: finding out what the NATs do. Each step of the input is an answer to a question it asked, made of the
 * question and small choices, raw bytes, a question turned round (hairpin, relay), a relay that comes or goes, or time. */
#include "nat/discovery.h"

#include "fuzz/bytes.h"
#include "stun/message.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ASKED = 16 };

struct world {
    struct discovery *discovery;
    struct tick now;
    struct view rest;
    struct {
        enum discovery_socket socket;
        struct addr to;
        uint8_t bytes[64];
        size_t len;
    } asked[ASKED];
    size_t count;
};

static const struct addr servers[2] = {{ADDR_V4, {198, 51, 100, 1}, 3478, 0},
                                       {ADDR_V4, {198, 51, 100, 9}, 3478, 0}};
static const struct addr other = {ADDR_V4, {198, 51, 100, 2}, 3479, 0};

static void pull(struct world *w)
{
    struct discovery_packet out;
    enum discovery_event_kind kind;
    int count = 0;
    while (discovery_output(w->discovery, w->now, &out)) {
        assert(++count < 100 && out.bytes.len <= sizeof w->asked[0].bytes &&
               out.socket <= DISCOVERY_OVER_RELAY && addr_is_set(&out.to));
        size_t at = w->count++ % ASKED;
        w->asked[at].socket = out.socket;
        w->asked[at].to = out.to;
        w->asked[at].len = out.bytes.len;
        memcpy(w->asked[at].bytes, out.bytes.at, out.bytes.len);
    }
    while (discovery_event(w->discovery, &kind))
        assert(++count < 200 && kind <= DISCOVERY_SILENT);
    struct discovery_result r = discovery_result(w->discovery);
    assert(r.behaviour.lifetime_s <= 600 && r.behaviour.lifetime_most_s <= 600);
    assert(r.behaviour.lifetime_most_s == 0 ||
           r.behaviour.lifetime_s < r.behaviour.lifetime_most_s);
}

static void answer(struct world *w)
{
    uint8_t bytes[256];
    struct stun_message m;
    struct writer out = writer_of(bytes, sizeof bytes);
    unsigned which = fuzz_next(&w->rest), flags = fuzz_next(&w->rest), port = fuzz_next(&w->rest);
    if (w->count == 0)
        return;
    size_t at = which % (w->count < ASKED ? w->count : ASKED);
    if (stun_message_decode(view_of(w->asked[at].bytes, w->asked[at].len), &m) != STUN_DECODED)
        return;
    struct addr mapped =
        addr_v4(203, 0, 113, (uint8_t)(1 + (flags >> 6)), (uint16_t)(40000 + port));
    struct addr from = w->asked[at].to;
    stun_begin_answer(&out, flags & 1 ? STUN_ERROR : STUN_SUCCESS, &m);
    if (flags & 1)
        stun_put_error(&out, 420, "no");
    if (!(flags & 2))
        stun_put_address(&out, STUN_XOR_MAPPED_ADDRESS, &mapped);
    if (flags & 4)
        stun_put_address(&out, STUN_OTHER_ADDRESS, flags & 8 ? &servers[0] : &other);
    stun_finish(&out, false);
    if (flags & 16)
        from = other;
    if (flags & 32)
        from.port = other.port;
    struct view datagram =
        which & 128 ? view_of(w->asked[at].bytes, w->asked[at].len) : writer_done(&out);
    enum discovery_socket socket =
        which & 64 ? (enum discovery_socket)(port % (DISCOVERY_SOCKETS + 1)) : w->asked[at].socket;
    (void)discovery_input(w->discovery, w->now, socket, &from, datagram);
}

static void step(struct world *w)
{
    unsigned op = fuzz_next(&w->rest);
    switch (op % 8) {
    case 0: {
        struct view bytes = view_take(w->rest, fuzz_next(&w->rest));
        (void)discovery_input(w->discovery, w->now,
                              (enum discovery_socket)(op / 8 % (DISCOVERY_SOCKETS + 1)),
                              &servers[op & 1], bytes);
        w->rest = view_skip(w->rest, bytes.len);
        break;
    }
    case 1: {
        const struct addr relayed = addr_v4(198, 51, 100, op & 16 ? 33 : 1, 50000);
        if (op & 128)
            discovery_lost_relay(w->discovery, w->now);
        else
            discovery_relay(w->discovery, w->now, op & 8 ? &relayed : NULL);
        break;
    }
    case 2:
        w->now = tick_add_ms(w->now, fuzz_next(&w->rest) * (op & 16 ? 1000 : 10));
        discovery_expire(w->discovery, w->now);
        break;
    default:
        answer(w);
    }
    pull(w);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct discovery_options options = {.servers = {servers[0], servers[1]},
                                        .server_count = 2,
                                        .lifetime = true,
                                        .may_relay = size & 1,
                                        .seed = {1}};
    struct world w = {.now = {NS_PER_S}, .rest = view_of(data, size)};
    for (int i = 0; i < DISCOVERY_SOCKETS; i++)
        options.local[i] = addr_v4(10, 0, 0, 7, (uint16_t)(40000 + i));
    w.discovery = discovery_create(&options);
    if (!w.discovery)
        return 0;
    nat_discover_mapping(w.discovery, w.now);
    pull(&w);
    for (int i = 0; i < 300 && w.rest.len > 0; i++)
        step(&w);
    /* Whatever was said: in silence it ends. */
    for (int i = 0; i < 500 && !discovery_result(w.discovery).is_done; i++) {
        struct tick due = discovery_deadline(w.discovery);
        assert(!tick_is_never(due));
        if (tick_before(w.now, due))
            w.now = due;
        discovery_expire(w.discovery, w.now);
        pull(&w);
        assert(discovery_result(w.discovery).is_done ||
               tick_before(w.now, discovery_deadline(w.discovery))); /* no busy loop */
    }
    assert(discovery_result(w.discovery).is_done);
    discovery_destroy(w.discovery);
    return 0;
}
