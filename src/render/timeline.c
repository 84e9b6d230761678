/* timeline: the journal's times made to go on where our wall clock was set during the call.
 * Not here: the senders' clocks (clock.h), the order of records (walk.h).
 * RFC: none. */
#include "render/timeline.h"

/* A clock that is slewed, or two that read it, may go back by less. */
#define SET_BACK_NS (2 * NS_PER_S)
/* So far a flow that is new may be behind the others, after a worker stood still. Later than that
 * its sound would have missed the mix. */
#define STOOD_STILL_MAX_NS (30 * NS_PER_S)
/* No call is silent on the wire and in its signalling for a day: the clock was set forward, as at
 * the start of a machine without one of its own. */
#define SET_FORWARD_NS (24 * 3600 * NS_PER_S)

/* Marks come from more than one thread and tell of times that are not now: they are of no flow. */
static bool has_flow(const struct journal_record *record)
{
    return record->kind == JOURNAL_RECORD_RTP || record->kind == JOURNAL_RECORD_RTCP ||
           record->kind == JOURNAL_RECORD_SIP;
}

/* The record's flow, or the one it takes the place of: that which was silent for longest. */
static struct render_timeline_flow *flow_find(struct render_timeline *timeline,
                                              const struct journal_record *record)
{
    struct render_timeline_flow *oldest = &timeline->flows[0];
    for (size_t i = 0; i < RENDER_TIMELINE_FLOWS; i++) {
        struct render_timeline_flow *flow = &timeline->flows[i];
        if (!flow->used)
            return flow;
        if (flow->interface == record->interface && addr_equal(&flow->source, &record->source) &&
            addr_equal(&flow->destination, &record->destination))
            return flow;
        if (flow->last.ns < oldest->last.ns)
            oldest = flow;
    }
    oldest->used = false;
    return oldest;
}

static void flow_take(struct render_timeline_flow *flow, const struct journal_record *record)
{
    struct wall last = record->time;
    if (flow->used && flow->last.ns > last.ns)
        last = flow->last;
    *flow = (struct render_timeline_flow){true, record->interface, record->source,
                                          record->destination, last};
}

static bool was_set_back(const struct render_timeline *timeline,
                         const struct render_timeline_flow *flow, int64_t time_ns)
{
    if (flow && flow->used)
        return time_ns < flow->last.ns - SET_BACK_NS;
    return time_ns < timeline->latest.ns - STOOD_STILL_MAX_NS;
}

void render_timeline_correct(struct render_timeline *timeline, struct journal_record *record)
{
    if (record->time.ns <= 0)
        return;
    struct render_timeline_flow *flow = has_flow(record) ? flow_find(timeline, record) : NULL;
    int64_t time_ns, latest_ns = timeline->latest.ns;
    if (__builtin_add_overflow(record->time.ns, timeline->shift_ns, &time_ns))
        time_ns = latest_ns;
    int64_t step_ns = time_ns - latest_ns;
    bool back = latest_ns != 0 && was_set_back(timeline, flow, time_ns);
    bool forward = latest_ns != 0 && step_ns > SET_FORWARD_NS;
    if (back || forward) {
        timeline->shift_ns -= step_ns;
        if (back)
            timeline->set_back_ns += (uint64_t)-step_ns;
        else
            timeline->set_forward_ns += (uint64_t)step_ns;
        time_ns = latest_ns;
    }
    record->time.ns = time_ns;
    if (flow)
        flow_take(flow, record);
    if (time_ns > latest_ns)
        timeline->latest.ns = time_ns;
}
