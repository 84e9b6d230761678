/* late: see late.h.
 * Not here: candidates of offers and answers (ice.c), telling by INFO (trickle.c), turning a stream
 * and offering (move.c).
 * RFC 8838 §8, 8839 §4.4.1.2.1, 8445 §9. */
#include "recorder/late.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "ice/priority.h"
#include "recorder/ice_inside.h"
#include "recorder/move.h"
#include "recorder/trickle.h"

/* Behind those that the answer may have had. */
#define LATE_PREFERENCE (UINT16_MAX - 8)

static bool wants_relay(const struct recorder *recorder, const struct recorder_call *call,
                        unsigned number)
{
    const struct recorder_ice *ice = call->ices[number];
    const struct recorder_lease *lease = &call->leases[number];
    return !call->closing && lease->held && recorder_ice_runs(call, number) && !ice->lite &&
           (ice->failed || (!ice->has_path && ice->count < RECORDER_ICE_TOLD)) &&
           recorder_way_wants_relay(recorder, lease, ice->bridges);
}

/* The relay's addresses of families that the SRC has, told behind the others. */
static size_t tell_relay(struct recorder_ice *ice, const struct recorder_lease *lease,
                         struct candidate *list)
{
    size_t count = 0;
    bool v6 = lease->ticket.bound.family == ADDR_V6;
    for (unsigned k = 0; k < 2; k++) {
        struct candidate c = {.type = CANDIDATE_RELAYED,
                              .component = 1,
                              .address = lease->relay.relayed[v6 != (k == 1)],
                              .related = lease->ticket.bound};
        bool needed = k == 0 || ice->bridges || ice->second.held;
        if (!needed || !addr_is_set(&c.address) || ice->count == RECORDER_ICE_TOLD ||
            recorder_ice_has_told(ice, &c.address))
            continue;
        if (addr_is_set(&lease->ticket.seen))
            c.related = lease->ticket.seen;
        c.priority = ice_candidate_priority(c.type, (uint16_t)(LATE_PREFERENCE - k), c.component);
        (void)snprintf(c.foundation, sizeof c.foundation, "r%u", k);
        list[count++] = ice->told[ice->count++] = c;
    }
    return count;
}

/* Where checks go on, or ICE begins anew with it where they have come to nothing. */
static void bring_relay(struct recorder *recorder, struct recorder_call *call,
                        struct recorder_now now, unsigned number)
{
    struct recorder_ice *ice = call->ices[number];
    struct recorder_lease *lease = &call->leases[number];
    /* Before any offer: the worker gives the relay back, whatever becomes of that. */
    recorder_post_stream(recorder, call, number, now.wall, false);
    if (ice->failed) {
        ice->renews = true;
        recorder_move_refresh(recorder, call, now);
        return;
    }
    struct candidate *list = calloc(2, sizeof *list);
    if (!list)
        return;
    size_t count = tell_relay(ice, lease, list);
    struct media_command command = {.kind = MEDIA_TRICKLE,
                                    .at = now.wall,
                                    .trickle = {.stream = (uint8_t)number,
                                                .is_ours = true,
                                                .base = MEDIA_RELAY(lease->relay.slot)}};
    if (!recorder_trickle_more(recorder, call, now, number))
        recorder_move_refresh(recorder, call, now);
    recorder_post(recorder, call, command, list, count * sizeof *list);
}

static bool take_relay(struct recorder *recorder, struct recorder_call *call,
                       struct recorder_now now, unsigned number)
{
    struct recorder_lease *lease = &call->leases[number];
    if (!wants_relay(recorder, call, number))
        return false;
    recorder_way_stand_by(recorder, call, lease, call->ices[number]->bridges);
    if (!lease->has_relay)
        return false;
    bring_relay(recorder, call, now, number);
    return true;
}

void recorder_late_family(struct recorder *recorder, struct recorder_call *call,
                          struct recorder_now now, unsigned number, const struct sdp_media *media)
{
    struct recorder_ice *ice = call->ices[number];
    const struct recorder_lease *lease = &call->leases[number];
    uint8_t family = recorder_second_family(lease);
    if (ice->bridges || ice->second.held || ice->lite || ice->has_path ||
        !recorder_second_offered(recorder, call, media, family))
        return;
    ice->bridges = true;
    if (!lease->has_relay)
        (void)take_relay(recorder, call, now, number);
    else if (addr_is_set(&lease->relay.relayed[family == ADDR_V6]))
        bring_relay(recorder, call, now, number);
}

void recorder_late_relay(struct recorder *recorder, struct recorder_now now, uint32_t worker)
{
    uint32_t index = 0;
    struct pool_id id;
    struct recorder_call *call;
    while ((call = pool_next(recorder->calls, &index, &id))) {
        for (unsigned i = 0; call->worker == worker && i < call->record.stream_count; i++)
            (void)take_relay(recorder, call, now, i);
    }
}

void recorder_late_lost(struct recorder *recorder, struct recorder_call *call,
                        struct recorder_now now, unsigned number)
{
    struct recorder_stream *stream = &call->record.streams[number];
    if (!recorder_ice_runs(call, number) || !stream->ice_path ||
        strcmp(stream->ice_path, "relay") != 0)
        return;
    verdict_note(&stream->story.verdict, now.tick, VERDICT_RELAY_LOST, &(struct addr){0});
    call->ices[number]->failed = true;
    (void)take_relay(recorder, call, now, number);
}

void recorder_late_failed(struct recorder *recorder, struct recorder_call *call,
                          struct recorder_now now, unsigned number)
{
    call->ices[number]->failed = true;
    if (!take_relay(recorder, call, now, number))
        recorder_move_want(recorder, call, now, number, VERDICT_RETRIED, &(struct addr){0});
}
