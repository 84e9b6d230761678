/* wait: offers that wait for media ports, or for the network to be known, and are taken in again.
 * Not here: ports (stock.c), the network (reach.c), what an offer means (recorder.c).
 * RFC 3261 §8.2.6.1, §17.2.1 (100). */
#include <stdlib.h>

#include "recorder/call.h"

#define PORTS_WAIT_MS 500

void recorder_unpark(struct recorder_parked *parked)
{
    list_remove(&parked->link);
    sip_message_release((struct sip_message *)(uintptr_t)parked->event.message);
    free(parked);
}

static bool park(struct recorder *recorder, const struct sip_event *event, struct tick until,
                 bool settles)
{
    struct recorder_parked *parked = calloc(1, sizeof *parked);
    if (!parked)
        return false;
    parked->event = *event;
    parked->event.message = sip_message_hold((struct sip_message *)(uintptr_t)event->message);
    parked->until = until;
    parked->settles = settles;
    list_append(&recorder->parked, &parked->link);
    return true;
}

/* "503 only when none is free": workers lend more within milliseconds of the last ones' use. The
 * engine sends 100 by itself meanwhile. False: no waiting (any more). */
bool recorder_park(struct recorder *recorder, struct recorder_now now,
                   const struct sip_event *event)
{
    if (!recorder->patient || (recorder->refusals & RECORDER_NO_PORTS))
        return false;
    return park(recorder, event, tick_add_ms(now.tick, PORTS_WAIT_MS), false);
}

bool recorder_park_settling(struct recorder *recorder, struct recorder_now now,
                            const struct sip_event *event)
{
    if (!(recorder->refusals & RECORDER_SETTLING) || recorder->hurried ||
        !park(recorder, event, tick_add_ms(now.tick, PROFILE_SETTLE_MS), true))
        return false;
    (void)sip_answer(recorder->sip, now.tick, event->request, &(struct sip_answer){.status = 100});
    return true;
}

struct tick recorder_parked_deadline(const struct recorder *recorder)
{
    struct tick deadline = TICK_NEVER;
    if (recorder->new_tickets && !list_is_empty(&recorder->parked))
        return (struct tick){0};
    list_each_safe (at, &recorder->parked)
        deadline = tick_min(deadline, container_of(at, struct recorder_parked, link)->until);
    return deadline;
}

/* What was taken back while it waited, by CANCEL (RFC 3261 §9.2) or with its dialog, is no longer
 * for the ports to decide. */
void recorder_forget_parked(struct recorder *recorder, struct recorder_now now, uint64_t dialog)
{
    list_each_safe (at, &recorder->parked) {
        struct recorder_parked *parked = container_of(at, struct recorder_parked, link);
        if (parked->event.dialog != dialog)
            continue;
        if (parked->event.kind == SIP_EVENT_INVITE)
            recorder_count_refused(recorder, now, &parked->event, 487, "cancelled while it waited");
        recorder_unpark(parked);
    }
}

/* Takes the parked in again, oldest first; each for good when its time is over. */
void recorder_try_parked(struct recorder *recorder, struct recorder_now now)
{
    struct list again;
    list_init(&again);
    while (!list_is_empty(&recorder->parked)) {
        struct list *link = list_first(&recorder->parked);
        list_remove(link);
        list_append(&again, link);
    }
    recorder->new_tickets = false;
    while (!list_is_empty(&again)) {
        struct recorder_parked *parked =
            container_of(list_first(&again), struct recorder_parked, link);
        struct tick until = parked->until;
        bool settled = parked->settles;
        if (settled && (recorder->refusals & RECORDER_SETTLING) && tick_before(now.tick, until)) {
            list_remove(&parked->link);
            list_append(&recorder->parked, &parked->link);
            continue;
        }
        struct list *last = recorder->parked.prev;
        recorder->patient = settled || tick_before(now.tick, until);
        recorder->replaying = recorder->hurried = true;
        recorder_take_in(recorder, now, &parked->event);
        recorder->replaying = recorder->hurried = false;
        if (recorder->parked.prev != last && !settled) /* once more: its time goes on running */
            container_of(recorder->parked.prev, struct recorder_parked, link)->until = until;
        recorder_unpark(parked);
    }
}
