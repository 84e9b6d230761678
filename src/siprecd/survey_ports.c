/* survey_ports: which of our ports (media's and SIP's) want a mapping at the gateway, and which have
 * one.
 * Not here: asking the gateway (mapper.h).
 * RFC 6887 §11. */
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "siprecd/surveyor_inside.h"

enum {
    DOUBT_AGAIN_MS = 20000,
    DOUBT_MOST_MS = 600000,
    DOUBT_LOG_MS = 1000,   /* a gateway that has restarted makes it one a port */
    DOUBT_OVER_MS = 30000, /* it was heard meanwhile */
};

/* Mapped are ports that the gateway's packets can reach: of the address it knows us by. */
static bool is_mappable(const struct surveyor *s, const struct addr *bound)
{
    return addr_is_unspecified(bound) ||
           addr_equal_ip(bound, &s->places[bound->family == ADDR_V6].local);
}

void surveyor_listener(struct surveyor *s, struct recorder_now now, size_t number, bool is_tcp,
                       const struct addr *bound)
{
    struct survey_listener *listener = &s->listeners[number];
    *listener = (struct survey_listener){.is_wanted = is_mappable(s, bound),
                                         .is_v6 = bound->family == ADDR_V6,
                                         .protocol = is_tcp ? PORTMAP_TCP : PORTMAP_UDP,
                                         .number = bound->port};
    if (listener->is_wanted)
        listener->is_wanted =
            mapper_want(s->mappers[listener->is_v6], now.tick, listener->protocol, bound->port);
}

static struct survey_port *port_of(struct surveyor *s, uint32_t worker, uint32_t port)
{
    if (worker >= SURVEYOR_WORKERS)
        return NULL;
    if (port >= s->ports.of[worker].count) {
        uint32_t count = (port + 1) * 2;
        struct survey_port *grown =
            realloc(s->ports.of[worker].list, count * sizeof *s->ports.of[worker].list);
        if (!grown)
            return NULL;
        memset(grown + s->ports.of[worker].count, 0,
               (count - s->ports.of[worker].count) * sizeof *grown);
        s->ports.of[worker].list = grown;
        s->ports.of[worker].count = count;
    }
    return &s->ports.of[worker].list[port];
}

static void port_close(struct surveyor *s, struct recorder_now now, struct survey_port *port)
{
    if (!port->is_open)
        return;
    port->is_open = false;
    for (size_t k = 0; k < 2; k++)
        mapper_drop(s->mappers[port->is_v6], now.tick, PORTMAP_UDP, port->number[k]);
}

/* Nothing arrives at a port that is mapped, which is as often the silence of an SRC: the gateway is asked ever less
 * often. */
static bool is_patient(struct survey_port *port, struct tick now)
{
    if (tick_due(tick_add_ms(port->doubted, DOUBT_OVER_MS), now))
        port->pause_ms = 0;
    port->doubted = now;
    return port->pause_ms > 0 && !tick_due(tick_add_ms(port->asked, port->pause_ms), now);
}

static void put_off(struct survey_port *port, struct tick now)
{
    int64_t next_ms = port->pause_ms > 0 ? 2 * port->pause_ms : DOUBT_AGAIN_MS;
    port->asked = now;
    port->pause_ms = next_ms < DOUBT_MOST_MS ? next_ms : DOUBT_MOST_MS;
}

/* The gateway may have come up anew without a word, and map nothing any more: STUN sees a mapped port
 * elsewhere than before, and not where it is mapped, or nothing arrives at one. */
static void doubt(struct surveyor *s, struct tick now, struct survey_port *port,
                  const struct recorder_ticket *ticket)
{
    const struct addr *seen[] = {&ticket->seen, &ticket->seen_rtcp};
    bool has_moved = false, is_silent = false;
    uint64_t held_back;
    for (size_t k = 0; k < 2; k++) {
        bool is_mapped = addr_is_set(&port->mapped[k]);
        is_silent |= is_mapped && ticket->doubted;
        if (!addr_is_set(seen[k]))
            continue;
        has_moved |= is_mapped && addr_is_set(&port->seen[k]) &&
                     !addr_equal(seen[k], &port->seen[k]) && !addr_equal(seen[k], &port->mapped[k]);
        port->seen[k] = *seen[k];
    }
    is_silent = is_silent && !is_patient(port, now);
    if (!has_moved && !is_silent)
        return;
    put_off(port, now);
    if (log_limit_pass(&s->ports.doubts, now, DOUBT_LOG_MS, &held_back))
        LOG_INFO("nat", VIEW_NONE, "is it still mapped? asking the gateway port=%u seen=%s",
                 port->number[0], addr_print(seen[0]).s);
    mapper_doubt(s->mappers[port->is_v6], now, PORTMAP_UDP, port->number[0]);
}

void surveyor_ticket(struct surveyor *s, struct recorder_now now,
                     const struct recorder_ticket *ticket)
{
    struct survey_port *port = port_of(s, ticket->worker, ticket->port);
    bool was_dirty;
    if (!port)
        return;
    if (port->is_open && port->generation == ticket->generation) {
        doubt(s, now.tick, port, ticket);
        return;
    }
    port_close(s, now, port);
    if (!is_mappable(s, &ticket->bound))
        return;
    was_dirty = port->is_dirty; /* it stands in the queue once */
    *port = (struct survey_port){.is_open = true,
                                 .is_dirty = was_dirty,
                                 .is_v6 = ticket->bound.family == ADDR_V6,
                                 .generation = ticket->generation,
                                 .number = {ticket->bound.port, ticket->bound_rtcp.port},
                                 .seen = {ticket->seen, ticket->seen_rtcp}};
    for (size_t k = 0; k < 2; k++) {
        /* RTP without RTCP is of use; neither where the table is full. */
        if (!mapper_want(s->mappers[port->is_v6], now.tick, PORTMAP_UDP, port->number[k]))
            return;
    }
}

void surveyor_port_closed(struct surveyor *s, struct recorder_now now,
                          const struct recorder_port *which)
{
    struct survey_port *port = port_of(s, which->worker, which->port);
    if (port && port->generation == which->generation)
        port_close(s, now, port);
}

static void mark(struct surveyor *s, uint32_t worker, uint32_t id, size_t k,
                 const struct addr *external)
{
    struct survey_ports *ports = &s->ports;
    struct survey_port *port = &ports->of[worker].list[id];
    port->mapped[k] = *external;
    if (port->is_dirty || ports->dirty_count == SURVEYOR_MAPPINGS)
        return;
    port->is_dirty = true;
    ports->dirty[(ports->dirty_first + ports->dirty_count++) % SURVEYOR_MAPPINGS] =
        (struct survey_port_id){worker, id};
}

void survey_ports_mapped(struct surveyor *s, bool v6, const struct mapper_event *event)
{
    for (size_t i = 0; i < VALUES_LISTENERS_MAX; i++) {
        struct survey_listener *listener = &s->listeners[i];
        /* A pinhole changes no address. */
        if (listener->is_wanted && !v6 && !listener->is_v6 &&
            listener->protocol == event->protocol && listener->number == event->port)
            listener->mapped = event->external;
    }
    s->has_news = true;
    for (uint32_t w = 0; w < SURVEYOR_WORKERS; w++) {
        for (uint32_t id = 0; id < s->ports.of[w].count; id++) {
            const struct survey_port *port = &s->ports.of[w].list[id];
            for (size_t k = 0; k < 2 && port->is_open; k++) {
                if (event->protocol != PORTMAP_UDP || port->is_v6 != v6 ||
                    port->number[k] != event->port)
                    continue;
                s->ports.unmapped +=
                    addr_is_set(&port->mapped[k]) && !addr_is_set(&event->external);
                mark(s, w, id, k, &event->external);
            }
        }
    }
}

bool surveyor_mapping(struct surveyor *s, struct surveyor_mapping *out)
{
    struct survey_ports *ports = &s->ports;
    while (ports->dirty_count > 0) {
        struct survey_port_id at = ports->dirty[ports->dirty_first];
        struct survey_port *port = &ports->of[at.worker].list[at.port];
        ports->dirty_first = (ports->dirty_first + 1) % SURVEYOR_MAPPINGS;
        ports->dirty_count--;
        port->is_dirty = false;
        if (!port->is_open)
            continue;
        out->port = (struct recorder_port){at.worker, at.port, port->generation};
        memcpy(out->mapped, port->mapped, sizeof out->mapped);
        return true;
    }
    return false;
}

/* Of IPv4: what is mapped for IPv6 is a pinhole. */
static size_t count_mapped(const struct surveyor *s)
{
    size_t count = 0;
    for (uint32_t w = 0; w < SURVEYOR_WORKERS; w++) {
        for (uint32_t id = 0; id < s->ports.of[w].count; id++) {
            const struct survey_port *port = &s->ports.of[w].list[id];
            count += port->is_open && !port->is_v6 && addr_is_set(&port->mapped[0]);
        }
    }
    return count;
}

/* It comes to one port after the other, and takes its time: to be known is not yet to let anybody in. */
struct tick survey_ports_deadline(const struct surveyor *s, struct tick now)
{
    const struct nat_profile *p = &s->profiles[0];
    struct tick end = tick_add_ms(p->started, PROFILE_SETTLE_MS);
    if (!s->is_mapping[0] || tick_due(end, now) || p->behind_nat == PATH_NO ||
        !profile_trusts_gateway(p))
        return TICK_NEVER;
    struct path_us us = profile_us(p, now, false, false);
    struct gateway_status gateway = mapper_status(s->mappers[0]);
    bool is_done = gateway.is_refused || gateway.mapped >= gateway.wanted ||
                   count_mapped(s) >= SURVEYOR_PORTS_MAPPED;
    return us.is_open || us.is_static || is_done ? TICK_NEVER : end;
}

void survey_ports_finish(struct surveyor *s)
{
    for (size_t w = 0; w < SURVEYOR_WORKERS; w++)
        free(s->ports.of[w].list);
}
