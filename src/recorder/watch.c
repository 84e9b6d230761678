/* watch: see watch.h. OPTIONS in the dialog: any answer, a refusal too, says that somebody is there.
 * Not here: what is done about it.
 * RFC 3261 §11.2, 12.2.1.2. */
#include "recorder/watch.h"

#include "recorder/call.h"

void recorder_watch_hear(struct recorder_call *call, struct tick now)
{
    call->watch.heard_at = now;
    call->watch.missed = 0;
}

void recorder_watch_count(struct recorder_call *call, struct tick now)
{
    uint64_t packets = 0;
    for (unsigned i = 0; i < call->record.stream_count; i++)
        packets += call->record.streams[i].counters.packets + call->record.streams[i].counters.rtcp;
    if (packets != call->watch.packets)
        recorder_watch_hear(call, now);
    call->watch.packets = packets;
}

/* Nothing of it is due. */
static bool is_held(const struct recorder_call *call)
{
    for (unsigned i = 0; i < call->record.stream_count; i++) {
        const struct recorder_stream *stream = &call->record.streams[i];
        if (call->leases[i].held && !stream->paused && !stream->mute)
            return false;
    }
    return true;
}

struct tick recorder_watch_deadline(const struct recorder_call *call)
{
    const struct recorder_watch *watch = &call->watch;
    if (!call->confirmed || call->closing || watch->request)
        return TICK_NEVER;
    if (watch->missed)
        return watch->ask_at;
    return tick_add_ms(watch->heard_at, is_held(call) ? RECORDER_WATCH_HELD_MS : RECORDER_WATCH_MS);
}

void recorder_watch_expire(struct recorder *recorder, struct recorder_call *call,
                           struct recorder_now now)
{
    struct sip_request request = {.method = SIP_METHOD_OPTIONS};
    if (!tick_due(recorder_watch_deadline(call), now.tick))
        return;
    call->watch.request = sip_request(recorder->sip, now.tick, call->dialog, &request);
    if (call->watch.request)
        return;
    /* Another request is out: its answer is as good. */
    call->watch.missed += call->watch.missed == 0;
    call->watch.ask_at = tick_add_ms(now.tick, RECORDER_WATCH_AGAIN_MS);
}

bool recorder_watch_response(struct recorder_call *call, struct tick now,
                             const struct sip_event *event, bool *gone)
{
    struct recorder_watch *watch = &call->watch;
    *gone = false;
    if (!watch->request || event->request != watch->request)
        return false;
    watch->request = 0;
    if (event->message) {
        recorder_watch_hear(call, now);
        return true;
    }
    watch->ask_at = tick_add_ms(now, RECORDER_WATCH_AGAIN_MS);
    *gone = ++watch->missed == RECORDER_WATCH_MISSES;
    return true;
}
