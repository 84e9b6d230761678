/* Fuzz target: media ports' addresses outside. Each step of the input is an answer to what was asked,
 * made of the question and small choices, raw bytes, time, or a call of the owner. */
#include "media/port.h"

#include <assert.h>
#include <string.h>

#include "fuzz/bytes.h"
#include "media/media.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { PORTS = 12, ASKED = 8 };

struct world {
    struct media_ports *ports;
    struct tick now;
    struct view rest;
    struct media_network network;
    struct {
        uint32_t socket;
        struct addr to;
        uint8_t bytes[20];
    } asked[ASKED]; /* the last ones */
    unsigned asked_count;
};

static void pull(struct world *w)
{
    struct media_port_packet out;
    struct media_port_news news;
    int count = 0;
    while (media_port_output(w->ports, w->now, &out)) {
        unsigned at = w->asked_count++ % ASKED;
        assert(++count < 100 && out.bytes.len == 20 && w->network.keep_mappings);
        assert(MEDIA_SOCKET_PORT(out.socket) < PORTS && addr_is_set(&out.to));
        w->asked[at].socket = out.socket;
        w->asked[at].to = out.to;
        memcpy(w->asked[at].bytes, out.bytes.at, 20);
    }
    while (media_port_news(w->ports, &news)) {
        assert(++count < 1000 && news.port < PORTS);
        for (int k = 0; k < 2; k++)
            assert(!addr_is_set(&news.seen[k]) ||
                   (news.seen[k].port && !addr_is_multicast(&news.seen[k])));
    }
    struct media_ports_status status = media_port_status(w->ports, w->now);
    assert(status.seen <= 2 * PORTS && status.sockets <= 2 * PORTS);
}

/* RFC 8489 §5, §14.1, §14.2: an answer to one of the last requests, more or less. */
static void answer(struct world *w)
{
    unsigned at = fuzz_next(&w->rest) % ASKED, flags = fuzz_next(&w->rest);
    uint8_t b[64] = {1, (flags & 1) ? 0x11 : 1, 0, 12};
    size_t len = 32;
    memcpy(b + 4, w->asked[at].bytes + 4, 16);
    if (flags & 2)
        b[4 + fuzz_next(&w->rest) % 16] ^= (uint8_t)fuzz_next(&w->rest);
    b[21] = (flags & 4) ? 0x20 : 1;
    b[23] = 8;
    b[25] = (flags & 8) ? 2 : 1;
    for (int i = 26; i < 32; i++)
        b[i] = (uint8_t)fuzz_next(&w->rest);
    if (flags & 16)
        len = fuzz_next(&w->rest) % sizeof b;
    struct datagram d = {
        .socket = w->asked[at].socket, .from = w->asked[at].to, .bytes = view_of(b, len)};
    if (flags & 32)
        d.from.port ^= 1;
    if (flags & 64)
        d.socket = fuzz_next(&w->rest) % (2 * PORTS + 2);
    (void)media_port_input(w->ports, w->now, &d);
}

static void own(struct world *w)
{
    uint32_t port = fuzz_next(&w->rest) % PORTS;
    struct addr bound[2] = {addr_v4(10, 0, 0, 1, 4000), addr_v4(10, 0, 0, 1, 4001)};
    switch (fuzz_next(&w->rest) % 6) {
    case 0:
        media_port_add(w->ports, w->now, port, fuzz_next(&w->rest), bound);
        break;
    case 1:
        media_port_remove(w->ports, port);
        break;
    case 2:
        media_port_lend(w->ports, w->now, port, fuzz_next(&w->rest) & 1);
        break;
    case 3:
        media_port_ask(w->ports, w->now, port);
        break;
    case 4:
        w->network.change[0] += fuzz_next(&w->rest) & 1;
        w->network.keep_mappings = fuzz_next(&w->rest) & 3;
        w->network.servers[0][0] =
            (fuzz_next(&w->rest) & 7) ? addr_v4(192, 0, 2, 1, 3478) : (struct addr){0};
        w->network.servers[0][1] =
            (fuzz_next(&w->rest) & 1) && addr_is_set(&w->network.servers[0][0])
                ? addr_v4(192, 0, 2, 2, 3478)
                : (struct addr){0};
        w->network.behaviour[0].lifetime_s = (uint16_t)fuzz_next(&w->rest);
        media_port_know(w->ports, w->now, &w->network);
        break;
    default: {
        size_t len = fuzz_next(&w->rest) % 40;
        struct datagram d = {.socket = fuzz_next(&w->rest),
                             .from = addr_v4(192, 0, 2, 1, 3478),
                             .bytes = view_take(w->rest, len)};
        (void)media_port_input(w->ports, w->now, &d);
        w->rest = view_skip(w->rest, d.bytes.len);
        break;
    }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct media_ports_options options = {.ports = PORTS, .workers = 1 + (size & 1)};
    struct world w = {.now = {NS_PER_S}, .rest = view_of(data, size)};
    w.network.keep_mappings = true;
    w.network.servers[0][0] = addr_v4(192, 0, 2, 1, 3478);
    w.network.servers[0][1] = addr_v4(192, 0, 2, 2, 3478);
    w.ports = media_port_create(&options);
    media_port_know(w.ports, w.now, &w.network);
    for (uint32_t i = 0; i < PORTS / 2; i++) {
        struct addr bound[2] = {addr_v4(10, 0, 0, 1, 4000), addr_v4(10, 0, 0, 1, 4001)};
        media_port_add(w.ports, w.now, i, i, bound);
    }
    while (w.rest.len) {
        unsigned what = fuzz_next(&w.rest);
        if (what < 110)
            answer(&w);
        else if (what < 200)
            w.now = tick_add_ms(w.now, (int64_t)fuzz_next(&w.rest) * ((what & 1) ? 5 : 200));
        else
            own(&w);
        if (tick_due(media_port_deadline(w.ports), w.now))
            media_port_expire(w.ports, w.now);
        pull(&w);
    }
    media_port_destroy(w.ports);
    return 0;
}
