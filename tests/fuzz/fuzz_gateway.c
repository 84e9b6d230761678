/* Fuzz target: the keeper of port mappings. Each step of the input is an answer to what it asked,
 * made of the question and small choices, raw bytes, time, or a call of its owner. */
#include "fuzz/bytes.h"
#include "nat/gateway.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct world {
    struct gateway *gateway;
    struct tick now;
    struct view rest;
    uint8_t request[PORTMAP_MESSAGE_MAX];
    size_t request_len;
};

static void pull(struct world *w)
{
    struct view out;
    struct gateway_event event;
    int count = 0;
    while (gateway_output(w->gateway, w->now, &out)) {
        assert(++count < 1000 && out.len <= sizeof w->request);
        memcpy(w->request, out.at, out.len);
        w->request_len = out.len;
    }
    while (gateway_event(w->gateway, &event))
        assert(++count < 4000);
    struct gateway_status status = gateway_status(w->gateway);
    assert(status.mapped <= status.wanted && status.wanted <= GATEWAY_MAPPINGS);
}

static void put_u32(uint8_t *at, uint32_t value)
{
    for (int i = 0; i < 4; i++)
        at[i] = (uint8_t)(value >> (24 - 8 * i));
}

/* The request, made an answer: RFC 6887 §7.2 and §11.1, RFC 6886 §3.2 and §3.3. */
static void answer(struct world *w)
{
    uint8_t bytes[PORTMAP_MESSAGE_MAX] = {0};
    size_t len = w->request_len;
    unsigned flags = fuzz_next(&w->rest), result = flags & 15 ? 0 : fuzz_next(&w->rest) % 16;
    uint32_t epoch_s = fuzz_next(&w->rest) * 100, lifetime_s = fuzz_next(&w->rest) * 60;
    if (len < 2)
        return;
    memcpy(bytes, w->request, len);
    bytes[1] |= 0x80;
    if (bytes[0] == 2) {
        bytes[3] = (uint8_t)result;
        put_u32(bytes + 4, lifetime_s);
        put_u32(bytes + 8, epoch_s);
        if (flags & 16)
            bytes[44] ^= 1; /* another external port */
        if (len >= 60 && flags & 32)
            memcpy(bytes + 44, "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc6\x33\x64\x07", 16);
    } else {
        bytes[3] = (uint8_t)result;
        put_u32(bytes + 4, epoch_s);
        if (len == 2) {
            put_u32(bytes + 8, 0xc6336407);
            len = 12;
        } else {
            memmove(bytes + 8, w->request + 4, 4);
            put_u32(bytes + 12, lifetime_s);
            len = 16;
        }
    }
    if (flags & 128)
        len -= flags >> 4 & 7;
    (void)gateway_input(w->gateway, w->now, view_of(bytes, len));
}

static void step(struct world *w)
{
    unsigned op = fuzz_next(&w->rest);
    enum portmap_protocol protocol = op & 16 ? PORTMAP_TCP : PORTMAP_UDP;
    switch (op % 10) {
    case 0: {
        size_t len = fuzz_next(&w->rest);
        struct view bytes = view_take(w->rest, len);
        w->rest = view_skip(w->rest, len);
        (void)gateway_input(w->gateway, w->now, bytes);
        break;
    }
    case 1:
    case 2:
        w->now = tick_add_ms(w->now, fuzz_next(&w->rest) * (op & 16 ? 60000 : 100));
        gateway_expire(w->gateway, w->now);
        break;
    case 3:
        (void)gateway_map(w->gateway, w->now, protocol, (uint16_t)(5000 + fuzz_next(&w->rest)));
        break;
    case 4:
        gateway_unmap(w->gateway, w->now, protocol, (uint16_t)(5000 + fuzz_next(&w->rest)));
        break;
    case 5:
        gateway_retry(w->gateway, w->now);
        break;
    default:
        answer(w);
    }
    pull(w);
}

/* All is given back, whatever was under way: each mapping once, after which there is nothing left to
 * do. */
static void end(struct world *w)
{
    struct view out;
    size_t count = 0;
    while (gateway_end(w->gateway, &out))
        assert(++count <= GATEWAY_MAPPINGS && out.len > 0 && out.len <= PORTMAP_MESSAGE_MAX);
    assert(gateway_status(w->gateway).wanted == 0);
    /* It may still ask NAT-PMP's address. */
    for (size_t i = 0; i < 10 && !tick_is_never(gateway_deadline(w->gateway)); i++) {
        w->now = gateway_deadline(w->gateway);
        pull(w);
    }
    assert(tick_is_never(gateway_deadline(w->gateway)));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gateway_options options = {
        .server = addr_v4(192, 0, 2, 1, 0), .internal = addr_v4(192, 0, 2, 10, 0), .seed = {1}};
    struct world w = {.now = {NS_PER_S}, .rest = view_of(data, size)};
    w.gateway = gateway_create(&options);
    if (!w.gateway)
        return 0;
    for (int i = 0; i < 300 && w.rest.len > 0; i++)
        step(&w);
    bool ends = size > 0 && data[0] & 1;
    for (int i = 0; i < 200 && !ends && !tick_is_never(gateway_deadline(w.gateway)); i++) {
        struct tick due = gateway_deadline(w.gateway);
        if (tick_before(w.now, due))
            w.now = due;
        gateway_expire(w.gateway, w.now);
        pull(&w);
        assert(tick_before(w.now, gateway_deadline(w.gateway))); /* no busy loop */
    }
    end(&w);
    gateway_destroy(w.gateway);
    return 0;
}
