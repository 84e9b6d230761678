/* second: see second.h.
 * Not here: candidates (ice.c), the stream's own port (call.c).
 * RFC 8421 §4, §5; 8445 §5.1.1. */
#include "recorder/second.h"

#include "recorder/ice_inside.h"
#include "recorder/share.h"

uint8_t recorder_second_family(const struct recorder_lease *lease)
{
    return lease->ticket.bound.family == ADDR_V4 ? ADDR_V6 : ADDR_V4;
}

bool recorder_second_offered(const struct recorder *recorder, const struct recorder_call *call,
                             const struct sdp_media *media, uint8_t family)
{
    for (size_t i = 0; i < media->candidate_count; i++) {
        const struct candidate *c = &recorder->theirs.candidates[media->candidate_first + i];
        if (c->address.family == family && recorder_ice_may_check(recorder, call, &c->address))
            return true;
    }
    return false;
}

void recorder_second_take(struct recorder *recorder, const struct recorder_call *call,
                          const struct sdp_media *media, const struct recorder_lease *lease,
                          struct recorder_ice *ice)
{
    struct recorder_second *second = &ice->second;
    uint8_t family = recorder_second_family(lease);
    struct recorder_wish wish = recorder_way_wish(recorder, call, family);
    wish.worker = lease->ticket.worker;
    if (second->held || !recorder_second_offered(recorder, call, media, family))
        return;
    if (lease->ticket.port == MEDIA_PORT_SHARED)
        second->held = recorder_share_ticket(recorder, family, &call->flow.local, &second->ticket);
    else
        second->held = recorder_stock_take(&recorder->stock, &wish, &second->ticket, 1);
    second->fresh = second->held;
    if (!second->held)
        return;
    struct recorder_lease other = {.ticket = second->ticket};
    struct addr own = recorder_way_own(recorder, call, &other);
    struct addr first = recorder_way_own(recorder, call, lease);
    /* An address of this host alone stands for no other one; and one that went may still have ports in
     * stock. */
    if (!addr_is_set(&own) || !recorder_is_here(recorder, &second->ticket.bound) ||
        addr_is_loopback(&own) != addr_is_loopback(&first))
        recorder_second_give_back(recorder, ice);
}

void recorder_second_give_back(struct recorder *recorder, struct recorder_ice *ice)
{
    if (ice->second.fresh && ice->second.named)
        recorder_retire_ticket(recorder, &ice->second.ticket);
    else if (ice->second.fresh)
        recorder_return_ticket(recorder, &ice->second.ticket);
    ice->second = (struct recorder_second){0};
}

bool recorder_second_lease(const struct recorder *recorder, const struct recorder_call *call,
                           struct recorder_now now, const struct recorder_ice *ice,
                           struct recorder_lease *out)
{
    if (!ice->second.held || ice->second.lost)
        return false;
    *out = (struct recorder_lease){.held = true, .ticket = ice->second.ticket};
    recorder_way_look(recorder, call, now, out);
    return true;
}

struct recorder_ticket *recorder_second_ticket(struct recorder_call *call, unsigned number)
{
    struct recorder_ice *ice = call->ices[number];
    return ice && ice->second.held ? &ice->second.ticket : NULL;
}

void recorder_second_moved(struct recorder *recorder, struct recorder_call *call,
                           struct recorder_now now, unsigned number)
{
    recorder_ice_move(call->ices[number]);
    recorder_move_refresh(recorder, call, now);
}

void recorder_second_lost(struct recorder *recorder, struct recorder_call *call,
                          struct recorder_now now, unsigned number)
{
    struct recorder_second *second = &call->ices[number]->second;
    if (second->lost)
        return;
    second->lost = true;
    recorder_second_moved(recorder, call, now, number);
}

void recorder_second_closed(struct recorder *recorder, struct recorder_call *call,
                            struct recorder_now now, unsigned number)
{
    call->ices[number]->second.closed = true;
    recorder_second_lost(recorder, call, now, number);
}

void recorder_second_found(struct recorder_call *call, unsigned number)
{
    struct recorder_second *second = &call->ices[number]->second;
    second->lost = second->closed;
}

void recorder_second_fill(const struct recorder *recorder, const struct recorder_call *call,
                          struct recorder_ice *ice, struct media_stream_facts *facts)
{
    struct recorder_second *second = &ice->second;
    struct recorder_lease lease = {.ticket = second->ticket};
    if (!second->held || second->closed)
        return;
    second->fresh = false;
    facts->second = (struct media_second){.held = true,
                                          .port = second->ticket.port,
                                          .generation = second->ticket.generation,
                                          .socket = recorder_share_socket(&second->ticket, false),
                                          .bound = recorder_way_own(recorder, call, &lease)};
}
