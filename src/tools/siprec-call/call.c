/* call: begins and ends one call; see call.h. Its parts are in dialog.c, request.c, judge.c,
 * steps.c and streams.c.
 * Not here: the loop (world.c).
 * RFC 3261 §8.1.1, §12.1.2. */
#include "tools/siprec-call/call.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/clock.h"
#include "tools/siprec-call/world.h"

static void names_make(struct call *call)
{
    struct call_world *world = call->world;
    char random[17];
    struct addr_text host = addr_print_ip(&world->wire.local);
    rng_text(&world->rng, random, 16);
    snprintf(call->call_id, sizeof call->call_id, "%u-%s@%s", call->number, random, host.s);
    rng_text(&world->rng, call->from_tag, 12);
    snprintf(call->to, sizeof call->to, "<%s>", world->options->uri);
    snprintf(call->target, sizeof call->target, "%s", world->options->uri);
    call->cseq = 1 + rng_below(&world->rng, 1000);
    call->sdp_id = 1 + rng_u32(&world->rng) / 2;
    call->sdp_version = 1;
    for (unsigned i = 0; i < CALL_ID_COUNT; i++)
        rng_bytes(&world->rng, call->ids[i], CALL_ID_BYTES);
}

bool call_begin(struct call *call, struct call_world *world, unsigned number, struct tick now)
{
    *call = (struct call){.world = world, .number = number, .state = CALL_INVITING};
    call->began = io_clock_wall();
    call->next_hop = world->wire.peer;
    call->resume_at = now;
    call->hang_up_at = call->refresh_at = call->service_again = TICK_NEVER;
    call->sip = (struct call_alarm){.kind = CALL_ALARM_SIP, .owner = call};
    call->script = (struct call_alarm){.kind = CALL_ALARM_SCRIPT, .owner = call};
    names_make(call);
    for (unsigned i = 0; i < world->streams; i++) {
        if (!call_stream_add(call, now)) {
            call_fail(call, "no ports for stream %u", i);
            return false;
        }
    }
    unsigned parties = world->profile.parties > 0 ? world->profile.parties : world->streams;
    for (unsigned i = 0; i < parties; i++)
        call_party_add(call, i < world->streams ? i : world->streams - 1, false);
    if (world->wire.fault) {
        call_fail(call, "%s", strerror(world->wire.fault));
        return false;
    }
    enum call_content content = !world->profile.offerless ? CALL_CONTENT_BOTH
                                : world->profile.silent   ? CALL_CONTENT_NONE
                                                          : CALL_CONTENT_METADATA;
    call_request(call, "INVITE", content, now);
    if (call->state == CALL_INVITING && world->script.count > 0 &&
        world->script.steps[0].verb == CALL_CANCEL)
        call_cancel(call, now);
    return true;
}

void call_finish(struct call *call)
{
    for (unsigned i = 0; i < call->stream_count; i++)
        call_stream_finish(&call->streams[i]);
    free(call->invite.bytes);
    free(call->other.bytes);
    free(call->cancel.bytes);
    free(call->ack);
    free(call->reply);
}
