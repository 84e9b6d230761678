/* reach: what the recorder is told about ways in: the network's profile, media ports and relays, and
 * what changes about those that calls have.
 * Not here: choosing among them (way.c), the stock itself (stock.c).
 * RFC 5389 §2, 6887 §11, 8656 §7. */
#include "recorder/call.h"

/* The lease that a call has on a port; NULL: none has. */
static struct recorder_lease *find_lease(struct recorder *recorder,
                                         const struct recorder_port *port)
{
    uint32_t index = 0;
    struct pool_id id;
    struct recorder_call *call;
    while ((call = pool_next(recorder->calls, &index, &id))) {
        for (unsigned i = 0; call->worker == port->worker && i < LIMIT_STREAMS_PER_RECORDING; i++) {
            struct recorder_lease *lease = &call->leases[i];
            if (lease->held && lease->ticket.port == port->port &&
                lease->ticket.generation == port->generation)
                return lease;
        }
    }
    return NULL;
}

static struct recorder_ticket *find_ticket(struct recorder *recorder,
                                           const struct recorder_port *port)
{
    struct recorder_ticket *ticket = recorder_stock_find(&recorder->stock, port);
    if (ticket)
        return ticket;
    struct recorder_lease *lease = find_lease(recorder, port);
    return lease ? &lease->ticket : NULL;
}

void recorder_know(struct recorder *recorder, struct recorder_now now,
                   const struct nat_profile profiles[2])
{
    (void)now;
    recorder->profiles[0] = profiles[0];
    recorder->profiles[1] = profiles[1];
}

void recorder_ticket(struct recorder *recorder, struct recorder_now now,
                     const struct recorder_ticket *ticket)
{
    (void)now;
    struct recorder_port port = {ticket->worker, ticket->port, ticket->generation};
    struct recorder_ticket *known = find_ticket(recorder, &port);
    if (known) {
        known->seen = ticket->seen;
        known->seen_rtcp = ticket->seen_rtcp;
        known->seen_at = ticket->seen_at;
        return;
    }
    recorder_return_ticket(recorder, ticket);
    recorder->new_tickets = true;
}

bool recorder_ticket_mapped(struct recorder *recorder, struct recorder_now now,
                            const struct recorder_port *port, const struct addr mapped[2])
{
    (void)now;
    struct recorder_ticket *known = find_ticket(recorder, port);
    if (!known)
        return false;
    known->mapped = mapped[0];
    known->mapped_rtcp = mapped[1];
    return true;
}

void recorder_relay(struct recorder *recorder, struct recorder_now now,
                    const struct recorder_relay *relay)
{
    (void)now;
    /* Without memory for it a call has one choice less. */
    if (relay->gone)
        recorder_stock_drop_relay(&recorder->stock, relay->worker, relay->slot);
    else
        (void)!recorder_stock_put_relay(&recorder->stock, relay);
}
