/* reach: what the recorder is told about ways in: the network's profile, media ports and relays, and
 * what changes about those that calls have.
 * Not here: choosing among them (way.c), the stock itself (stock.c).
 * RFC 5389 §2, 6887 §11, 8656 §7. */
#include "recorder/ice.h"
#include "recorder/late.h"
#include "recorder/second.h"

#include <stdlib.h>
#include <string.h>

/* ---- Who has which port --------------------------------------------------------------------- */

void recorder_note_holder(struct recorder *recorder, const struct recorder_call *call,
                          const struct recorder_ticket *ticket)
{
    if (ticket->worker >= RECORDER_WORKERS_MAX || ticket->port == MEDIA_PORT_SHARED)
        return;
    struct recorder_holders *holders = &recorder->holders[ticket->worker];
    if (ticket->port >= holders->room) {
        uint32_t room = (ticket->port + 1) * 2;
        struct pool_id *bigger = realloc(holders->calls, room * sizeof *bigger);
        if (!bigger)
            return; /* what comes about the port finds no call then */
        memset(bigger + holders->room, 0, (room - holders->room) * sizeof *bigger);
        holders->calls = bigger;
        holders->room = room;
    }
    holders->calls[ticket->port] = call->id;
}

void recorder_finish_holders(struct recorder *recorder)
{
    for (unsigned i = 0; i < RECORDER_WORKERS_MAX; i++)
        free(recorder->holders[i].calls);
}

/* The ticket of a port that a call has; the call, and its stream. NULL: none has it. */
static struct recorder_ticket *find_lent(struct recorder *recorder,
                                         const struct recorder_port *port,
                                         struct recorder_call **call, unsigned *stream)
{
    if (port->worker >= RECORDER_WORKERS_MAX || port->port >= recorder->holders[port->worker].room)
        return NULL;
    *call = pool_find(recorder->calls, recorder->holders[port->worker].calls[port->port]);
    for (unsigned i = 0; *call && i < (*call)->record.stream_count; i++) {
        struct recorder_ticket *tickets[] = {(*call)->leases[i].held ? &(*call)->leases[i].ticket
                                                                     : NULL,
                                             recorder_second_ticket(*call, i)};
        *stream = i;
        for (unsigned k = 0; k < 2; k++) {
            if (tickets[k] && tickets[k]->port == port->port &&
                tickets[k]->generation == port->generation)
                return tickets[k];
        }
    }
    *call = NULL;
    return NULL;
}

/* ---- Our addresses -------------------------------------------------------------------------- */

/* What we told the SRC is not where we are any more: it is told anew. */
static void check_address(struct recorder *recorder, struct recorder_call *call,
                          struct recorder_now now, unsigned stream)
{
    const struct recorder_lease *lease = &call->leases[stream];
    struct addr address = recorder_way_address(recorder, call, lease, false);
    if (lease->held && !addr_equal(&address, &lease->advertised))
        recorder_move_want(recorder, call, now, stream, VERDICT_ADDRESS_CHANGED, &(struct addr){0});
}

/* Where one family's addresses were, and are. */
struct change {
    bool v6, local, external;
    bool was_known; /* the address outside */
    struct addr old_local, new_local, new_external;
};

static struct change change_of(const struct nat_profile *before, const struct nat_profile *after,
                               const struct addr *located, bool v6)
{
    enum profile_source source;
    struct addr was = profile_external(before, &source);
    struct change change = {.v6 = v6,
                            .was_known = addr_is_set(&was),
                            .old_local = *located,
                            .new_local = after->local,
                            .new_external = profile_external(after, &source)};
    change.local = addr_is_set(located) && addr_is_set(&after->local) &&
                   !addr_equal_ip(located, &after->local);
    /* One that is not known (yet) is nowhere to go to. */
    change.external =
        addr_is_set(&change.new_external) && !addr_equal_ip(&was, &change.new_external);
    return change;
}

static bool hears(const struct recorder_listener *listener, const struct sip_flow *flow)
{
    return listener->bound.port && listener->protocol == flow->protocol &&
           (addr_equal_ip(&listener->bound, &flow->local) ||
            (addr_is_unspecified(&listener->bound) &&
             listener->bound.family == flow->local.family));
}

/* The flow's address has become another one. Where its listener is not heard there, one that is takes
 * over; it may have another port. */
static void take_listener(const struct recorder_settings *settings, struct sip_flow *flow)
{
    uint32_t to = 0;
    if (flow->listener >= RECORDER_LISTENERS_MAX ||
        hears(&settings->listeners[flow->listener], flow))
        return;
    while (to < RECORDER_LISTENERS_MAX && !hears(&settings->listeners[to], flow))
        to++;
    if (to == RECORDER_LISTENERS_MAX)
        return;
    const struct recorder_listener *from = &settings->listeners[flow->listener],
                                   *other = &settings->listeners[to];
    if (addr_is_set(&other->advertise))
        flow->advertised = other->advertise;
    else if (addr_is_set(&from->advertise))
        flow->advertised = flow->local;
    if (flow->advertised.port == 0 || flow->advertised.port == from->bound.port)
        flow->advertised.port = other->bound.port;
    if (flow->local.port == from->bound.port)
        flow->local.port = other->bound.port;
    flow->listener = to;
}

/* The SRC shall find us where we are now: Contact, and where our requests leave from. */
static void relocate(struct recorder *recorder, struct recorder_call *call, struct recorder_now now,
                     const struct change *change)
{
    struct sip_flow *flow = &call->flow, there = *flow;
    if ((flow->local.family == ADDR_V6) != change->v6)
        return;
    if (change->local && addr_equal_ip(&flow->local, &change->old_local)) {
        if (addr_equal_ip(&flow->advertised, &flow->local))
            there.advertised = addr_with_port(change->new_local, flow->advertised.port);
        there.local = addr_with_port(change->new_local, flow->local.port);
        take_listener(&recorder->settings, &there);
    }
    if (call->by_external && addr_is_set(&change->new_external))
        there.advertised = addr_with_port(change->new_external, there.advertised.port);
    if (addr_equal(&there.local, &flow->local) && addr_equal(&there.advertised, &flow->advertised))
        return;
    *flow = there;
    sip_relocate(recorder->sip, now.tick, call->dialog, &there);
    recorder_move_refresh(recorder, call, now);
}

/* What STUN saw through the old address says nothing about the new one. */
static void forget_seen(struct recorder_ticket *ticket, bool v6)
{
    if ((ticket->bound.family == ADDR_V6) != v6)
        return;
    ticket->seen = ticket->seen_rtcp = (struct addr){0};
    ticket->mapped = ticket->mapped_rtcp = (struct addr){0};
}

/* A relay's address stays what it was, or is lost next: that we are elsewhere is told all the same,
 * and what led nowhere from there may lead somewhere from here. */
static void note_change(struct recorder *recorder, struct recorder_call *call,
                        struct recorder_now now, unsigned stream, const struct change *change)
{
    struct recorder_lease *lease = &call->leases[stream];
    const struct addr *there = change->local ? &change->new_local : &change->new_external;
    if (!lease->held || (lease->ticket.bound.family == ADDR_V6) != change->v6)
        return;
    if (!change->local && !change->was_known)
        return;
    bool is_lost = recorder_way_is_relayed(lease) && !lease->has_relay;
    lease->tried = is_lost ? 0 : 1u << (unsigned)lease->choice.code;
    if (!recorder_way_is_relayed(lease))
        return;
    verdict_note(&call->record.streams[stream].story.verdict, now.tick, VERDICT_ADDRESS_CHANGED,
                 there);
    recorder_call_changed(recorder, call, now);
}

static void follow(struct recorder *recorder, struct recorder_now now, const struct change *change)
{
    uint32_t index = 0;
    struct pool_id id;
    struct recorder_call *call;
    for (uint32_t i = 0; change->local && i < recorder->stock.count; i++)
        forget_seen(&recorder->stock.tickets[i], change->v6);
    while ((call = pool_next(recorder->calls, &index, &id))) {
        relocate(recorder, call, now, change);
        for (unsigned i = 0; i < call->record.stream_count; i++) {
            struct recorder_ticket *second = recorder_second_ticket(call, i);
            if (change->local)
                forget_seen(&call->leases[i].ticket, change->v6);
            if (change->local && second)
                forget_seen(second, change->v6);
            check_address(recorder, call, now, i);
            if (change->local && second && addr_is_unspecified(&second->bound) &&
                (second->bound.family == ADDR_V6) == change->v6)
                recorder_second_moved(recorder, call, now, i);
            note_change(recorder, call, now, i, change);
        }
    }
}

void recorder_know(struct recorder *recorder, struct recorder_now now,
                   const struct nat_profile profiles[2])
{
    struct change changes[2];
    for (unsigned v6 = 0; v6 < 2; v6++)
        changes[v6] =
            change_of(&recorder->profiles[v6], &profiles[v6], &recorder->located[v6], v6 == 1);
    recorder->profiles[0] = profiles[0];
    recorder->profiles[1] = profiles[1];
    for (unsigned v6 = 0; v6 < 2; v6++) {
        /* Between two addresses there may be a while without any. */
        if (addr_is_set(&profiles[v6].local))
            recorder->located[v6] = profiles[v6].local;
        if (changes[v6].local || changes[v6].external)
            follow(recorder, now, &changes[v6]);
    }
}

/* ---- Addresses that come and go ------------------------------------------------------------- */

bool recorder_is_here(const struct recorder *recorder, const struct addr *address)
{
    return recorder->here_count == 0 || addr_is_unspecified(address) || addr_is_loopback(address) ||
           addr_is_among(recorder->here, recorder->here_count, address);
}

/* Where we are then: by the route, else where ports stand ready, else anywhere. */
static struct addr another_address(const struct recorder *recorder, const struct addr *gone)
{
    const struct addr *placed = &recorder->profiles[gone->family == ADDR_V6].local;
    if (addr_is_set(placed) && addr_is_among(recorder->here, recorder->here_count, placed))
        return *placed;
    for (uint32_t i = 0; i < recorder->stock.count; i++) {
        const struct addr *bound = &recorder->stock.tickets[i].bound;
        if (bound->family == gone->family &&
            addr_is_among(recorder->here, recorder->here_count, bound))
            return addr_with_port(*bound, 0);
    }
    for (size_t i = 0; i < recorder->here_count; i++) {
        if (recorder->here[i].family == gone->family && !addr_is_link_local(&recorder->here[i]))
            return recorder->here[i];
    }
    return (struct addr){0};
}

static void lose_port(struct recorder *recorder, struct recorder_call *call,
                      struct recorder_now now, unsigned stream)
{
    struct recorder_lease *lease = &call->leases[stream];
    if (!lease->held || lease->lost)
        return;
    lease->lost = true;
    lease->lost_at = now.tick;
    recorder_move_want(recorder, call, now, stream, VERDICT_ADDRESS_CHANGED, &(struct addr){0});
}

static void lose_address(struct recorder *recorder, struct recorder_now now,
                         const struct addr *gone)
{
    struct change change = {.v6 = gone->family == ADDR_V6,
                            .old_local = *gone,
                            .new_local = another_address(recorder, gone)};
    uint32_t index = 0;
    struct pool_id id;
    struct recorder_call *call;
    change.local = addr_is_set(&change.new_local);
    while ((call = pool_next(recorder->calls, &index, &id))) {
        if (change.local)
            relocate(recorder, call, now, &change);
        for (unsigned i = 0; i < call->record.stream_count; i++) {
            const struct recorder_ticket *second = recorder_second_ticket(call, i);
            if (addr_equal_ip(&call->leases[i].ticket.bound, gone))
                lose_port(recorder, call, now, i);
            else
                check_address(recorder, call, now, i);
            if (second && addr_equal_ip(&second->bound, gone))
                recorder_second_lost(recorder, call, now, i);
        }
    }
}

/* The sockets of lent ports on it work again. */
static void find_address(struct recorder *recorder, const struct addr *back)
{
    uint32_t index = 0;
    struct pool_id id;
    struct recorder_call *call;
    while ((call = pool_next(recorder->calls, &index, &id))) {
        for (unsigned i = 0; i < call->record.stream_count; i++) {
            struct recorder_lease *lease = &call->leases[i];
            const struct recorder_ticket *second = recorder_second_ticket(call, i);
            if (addr_equal_ip(&lease->ticket.bound, back))
                lease->lost = lease->closed;
            if (second && addr_equal_ip(&second->bound, back))
                recorder_second_found(call, i);
        }
    }
}

void recorder_here(struct recorder *recorder, struct recorder_now now, const struct addr *list,
                   size_t count)
{
    struct addr before[RECORDER_ADDRESSES_MAX];
    size_t before_count = recorder->here_count;
    memcpy(before, recorder->here, sizeof before);
    recorder->here_count = !list                            ? 0
                           : count < RECORDER_ADDRESSES_MAX ? count
                                                            : RECORDER_ADDRESSES_MAX;
    if (!list)
        return;
    memcpy(recorder->here, list, recorder->here_count * sizeof *list);
    for (size_t i = 0; i < recorder->here_count; i++) {
        if (!addr_is_among(before, before_count, &list[i]))
            find_address(recorder, &list[i]);
    }
    for (size_t i = 0; i < before_count; i++) {
        if (!addr_is_among(list, count, &before[i]))
            lose_address(recorder, now, &before[i]);
    }
}

void recorder_port_closed(struct recorder *recorder, struct recorder_now now,
                          const struct recorder_port *port)
{
    unsigned stream = 0;
    struct recorder_call *call = NULL;
    if (recorder_stock_drop(&recorder->stock, port))
        return;
    struct recorder_ticket *ticket = find_lent(recorder, port, &call, &stream);
    if (!ticket || call->closing)
        return;
    if (ticket == &call->leases[stream].ticket) {
        call->leases[stream].closed = true;
        lose_port(recorder, call, now, stream);
    } else {
        recorder_second_closed(recorder, call, now, stream);
    }
}

/* ---- Ports and relays ----------------------------------------------------------------------- */

void recorder_ticket(struct recorder *recorder, struct recorder_now now,
                     const struct recorder_ticket *ticket)
{
    struct recorder_port port = {ticket->worker, ticket->port, ticket->generation};
    struct recorder_ticket *known = recorder_stock_find(&recorder->stock, &port);
    unsigned stream = 0;
    struct recorder_call *call = NULL;
    if (!known)
        known = find_lent(recorder, &port, &call, &stream);
    bool is_news = known && !addr_is_set(&known->seen) && addr_is_set(&ticket->seen);
    if (known) {
        known->seen = ticket->seen;
        known->seen_rtcp = ticket->seen_rtcp;
        known->seen_at = ticket->seen_at;
    } else if (ticket->is_new) {
        recorder_return_ticket(recorder, ticket);
        recorder->new_tickets = true;
    }
    if (call && addr_is_set(&ticket->seen)) {
        recorder_trickle_found(recorder, call, now, stream);
        check_address(recorder, call, now, stream);
    }
    /* Nobody had asked before: the settings ordered an address, and nothing came there. */
    if (call && is_news && call->moves.turns[stream].stranded)
        recorder_move_want(recorder, call, now, stream, VERDICT_RETRIED, &(struct addr){0});
}

bool recorder_ticket_mapped(struct recorder *recorder, struct recorder_now now,
                            const struct recorder_port *port, const struct addr mapped[2])
{
    struct recorder_ticket *known = recorder_stock_find(&recorder->stock, port);
    unsigned stream = 0;
    struct recorder_call *call = NULL;
    if (!known)
        known = find_lent(recorder, port, &call, &stream);
    if (!known)
        return false;
    bool is_news = !addr_is_set(&known->mapped) && addr_is_set(&mapped[0]);
    known->mapped = mapped[0];
    known->mapped_rtcp = mapped[1];
    if (call)
        check_address(recorder, call, now, stream);
    /* A slow gateway: the call came before its port was mapped, and nothing else let anybody in. */
    if (call && is_news && call->moves.turns[stream].stranded)
        recorder_move_want(recorder, call, now, stream, VERDICT_RETRIED, &(struct addr){0});
    return true;
}

/* The relays that calls have are few: each is looked at. */
static void lose_relay(struct recorder *recorder, struct recorder_now now,
                       const struct recorder_relay *relay)
{
    uint32_t index = 0;
    struct pool_id id;
    struct recorder_call *call;
    while ((call = pool_next(recorder->calls, &index, &id))) {
        for (unsigned i = 0; call->worker == relay->worker && i < call->record.stream_count; i++) {
            struct recorder_lease *lease = &call->leases[i];
            if (!lease->held || !lease->has_relay || lease->relay.slot != relay->slot ||
                lease->relay.generation != relay->generation)
                continue;
            bool advertised = recorder_way_is_relayed(lease);
            lease->has_relay = false;
            /* Another relay may do. */
            lease->tried &= ~(1u << PATH_RELAY | 1u << PATH_RELAY_STREAM);
            recorder_late_lost(recorder, call, now, i);
            if (advertised)
                recorder_move_want(recorder, call, now, i, VERDICT_RELAY_LOST, &(struct addr){0});
        }
    }
}

void recorder_relay(struct recorder *recorder, struct recorder_now now,
                    const struct recorder_relay *relay)
{
    if (relay->gone) {
        recorder_stock_lose_relay(&recorder->stock, relay);
        lose_relay(recorder, now, relay);
        return;
    }
    /* Without memory for it a call has one choice less. */
    (void)!recorder_stock_put_relay(&recorder->stock, relay);
    recorder_move_hope(recorder, now, relay->worker);
    recorder_late_relay(recorder, now, relay->worker);
}
