/* gate: see gate.h.
 * Not here: tests. */
#include "gate.h"

#include <assert.h>
#include <string.h>

const struct addr gate_stun = {.family = ADDR_V4, .ip = {192, 0, 2, 250}, .port = 3478};
const struct addr gate_relayed = {.family = ADDR_V4, .ip = {203, 0, 113, 60}};

struct addr gate_relay_address(uint32_t slot)
{
    return addr_with_port(gate_relayed, (uint16_t)(49152 + slot));
}

void gate_init(struct gate *gate, const struct gate_options *options)
{
    memset(gate, 0, sizeof *gate);
    gate->options = *options;
    gate->next = 61000;
}

static bool is_alive(const struct gate *gate, const struct gate_mapping *m, struct tick now)
{
    return m->used && (gate->options.lifetime_ms == 0 ||
                       tick_diff_ms(now, m->last) < gate->options.lifetime_ms);
}

static struct gate_mapping *find_out(struct gate *gate, struct tick now, uint16_t inside,
                                     const struct addr *to)
{
    struct gate_mapping *room = NULL;
    for (size_t i = 0; i < GATE_MAPPINGS; i++) {
        struct gate_mapping *m = &gate->mappings[i];
        if (!is_alive(gate, m, now)) {
            room = room ? room : m;
            continue;
        }
        if (m->inside == inside && (!gate->options.by_destination || addr_equal(&m->to, to)))
            return m;
    }
    assert(room);
    uint16_t same = (uint16_t)(inside + 20000 + gate->shift);
    *room = (struct gate_mapping){.used = true, .inside = inside, .to = *to};
    bool is_new = gate->options.by_destination || gate->options.other_ports;
    room->outside = is_new ? gate->next++ : same;
    return room;
}

struct addr gate_out(struct gate *gate, struct tick now, struct addr inside, const struct addr *to)
{
    if (!addr_is_set(&gate->options.outside))
        return inside;
    struct gate_mapping *m = find_out(gate, now, inside.port, to);
    m->last = now;
    unsigned i = 0;
    while (i < m->peer_count && !addr_equal(&m->peers[i], to))
        i++;
    if (i == m->peer_count && m->peer_count < GATE_PEERS)
        m->peers[m->peer_count++] = *to;
    return addr_with_port(gate->options.outside, m->outside);
}

static bool lets_in(const struct gate *gate, const struct gate_mapping *m, const struct addr *from)
{
    if (gate->options.filtering == NAT_FILTERING_INDEPENDENT)
        return true;
    bool ip_is_enough = gate->options.filtering == NAT_FILTERING_ADDRESS;
    for (unsigned i = 0; i < m->peer_count; i++) {
        if (ip_is_enough ? addr_equal_ip(&m->peers[i], from) : addr_equal(&m->peers[i], from))
            return true;
    }
    return false;
}

uint16_t gate_in(struct gate *gate, struct tick now, const struct addr *from, uint16_t port)
{
    if (gate->options.open_ports && port >= GATE_INSIDE_FIRST + 30000)
        return (uint16_t)(port - 30000);
    for (size_t i = 0; i < GATE_MAPPINGS; i++) {
        const struct gate_mapping *m = &gate->mappings[i];
        if (is_alive(gate, m, now) && m->outside == port && lets_in(gate, m, from))
            return m->inside;
    }
    gate->dropped++;
    return 0;
}

void gate_reboot(struct gate *gate)
{
    memset(gate->mappings, 0, sizeof gate->mappings);
    gate->shift = (uint16_t)(gate->shift + 1000);
}

bool gate_want(struct gate *gate, const struct media_relay_want *want)
{
    assert(want->slot < GATE_RELAYS);
    struct gate_relay *relay = &gate->relays[want->slot];
    switch (want->kind) {
    case MEDIA_RELAY_PERMIT:
        for (unsigned i = 0; i < want->count && !relay->gone; i++) {
            if (!gate_permits(gate, want->slot, &want->peers[i]))
                relay->permitted[relay->permitted_count++] = want->peers[i];
        }
        break;
    case MEDIA_RELAY_BIND:
        relay->bound++;
        break;
    case MEDIA_RELAY_RELEASE:
        relay->released++;
        break;
    case MEDIA_RELAY_SUSPECT:
        break;
    }
    return !relay->gone;
}

bool gate_permits(const struct gate *gate, uint32_t slot, const struct addr *peer)
{
    const struct gate_relay *relay = &gate->relays[slot];
    for (unsigned i = 0; i < relay->permitted_count && !relay->gone; i++) {
        if (addr_equal_ip(&relay->permitted[i], peer))
            return true;
    }
    return false;
}

bool gate_answer(struct gate *gate, struct view request, const struct addr *seen,
                 uint8_t answer[32])
{
    static const uint8_t head[4] = {1, 1, 0, 12}, attribute[6] = {0, 0x20, 0, 8, 0, 1};
    static const uint8_t cookie[4] = {0x21, 0x12, 0xa4, 0x42};
    gate->stun_requests++;
    if (gate->stun_is_down || request.len < 20 || memcmp(request.at, "\0\1", 2) != 0)
        return false;
    memcpy(answer, head, 4);
    memcpy(answer + 4, request.at + 4, 16);
    memcpy(answer + 20, attribute, 6);
    answer[26] = (uint8_t)(seen->port >> 8 ^ cookie[0]);
    answer[27] = (uint8_t)((seen->port & 0xff) ^ cookie[1]);
    for (int i = 0; i < 4; i++)
        answer[28 + i] = seen->ip[i] ^ cookie[i];
    return true;
}
