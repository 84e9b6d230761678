/* clock: where on the wall clock each packet of one sender belongs: RTP timestamps unwrapped, cut
 * into segments wherever they stop making sense.
 * Not here: fitting a segment's line (fit.c), sequence numbers and loss (rtp/sequence.h), sound.
 * RFC 3550 §5.1, §6.4.1. */
#include "render/clock.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "render/fit.h"

/* Ahead of its line by so much a packet cannot be: jitter only delays. The margin covers the lead
 * that a sender's first packets may have over its later pace. */
#define AHEAD_NS (300 * NS_PER_MS)
/* Behind by so much, and staying there, the sender's clock stood still. Without a gap in the media
 * it takes more to believe it, since a correction would be heard. */
#define BEHIND_NS     (500 * NS_PER_MS)
#define BEHIND_GAP_NS (60 * NS_PER_MS)
#define GAP_NS        (250 * NS_PER_MS)
/* A stall of the network is over within this time, and what it held back then comes at once. */
#define SETTLE_NS (2 * NS_PER_S)
/* So many packets that agree with each other make a new line. */
#define AHEAD_PACKETS  3
#define BEHIND_PACKETS 10
/* A packet that comes later than this has missed the mix anyway. */
#define LATE_MAX_NS (30 * NS_PER_S)
/* The floor may rise so fast, so that a slow drift never looks like a jump. */
#define FLOOR_RISE 0.002
#define WINDOW_NS  NS_PER_S
#define POINTS_MAX 2048

static int64_t ticks_to_ns(int64_t ticks, uint32_t clock_hz)
{
    return ticks / clock_hz * NS_PER_S + ticks % clock_hz * NS_PER_S / clock_hz;
}

static int64_t segment_delay(const struct render_segment *segment, int64_t rtp, struct wall arrival)
{
    return arrival.ns - segment->arrival_first.ns -
           ticks_to_ns(rtp - segment->origin, segment->clock_hz);
}

static int64_t segment_extend(const struct render_segment *segment, uint32_t timestamp)
{
    return segment->last + (int32_t)(timestamp - (uint32_t)segment->last);
}

static bool points_make_room(struct render_segment *segment)
{
    if (segment->point_count < segment->point_room)
        return true;
    if (segment->point_room == POINTS_MAX) {
        /* Long calls: halve the resolution instead of growing. */
        for (size_t i = 0; i < POINTS_MAX / 2; i++) {
            struct render_point a = segment->points[2 * i], b = segment->points[2 * i + 1];
            segment->points[i] = a.delay_ns <= b.delay_ns ? a : b;
        }
        segment->point_count = POINTS_MAX / 2;
        segment->window_ns *= 2;
        return true;
    }
    size_t room = segment->point_room ? segment->point_room * 2 : 16;
    struct render_point *points = realloc(segment->points, room * sizeof *points);
    if (!points)
        return false;
    segment->points = points;
    segment->point_room = room;
    return true;
}

static bool window_close(struct render_segment *segment)
{
    if (!points_make_room(segment))
        return false;
    segment->points[segment->point_count++] = segment->window;
    return true;
}

static void segment_begin(struct render_segment *segment, const struct render_stamp *stamp)
{
    *segment = (struct render_segment){
        .first = stamp->ordinal,
        .packets = 1,
        .clock_hz = stamp->clock_hz,
        .rate_hz = stamp->clock_hz,
        .origin = stamp->timestamp,
        .low = stamp->timestamp,
        .high = stamp->timestamp,
        .last = stamp->timestamp,
        .last_seq = stamp->seq,
        .arrival_first = stamp->arrival,
        .arrival_last = stamp->arrival,
        .window_ns = WINDOW_NS,
        .window_start = stamp->arrival,
    };
}

static int64_t segment_lateness(const struct render_segment *segment,
                                const struct render_stamp *stamp)
{
    int64_t rtp = segment_extend(segment, stamp->timestamp);
    return segment_delay(segment, rtp, stamp->arrival) - segment->floor_ns;
}

/* Where the smallest delay seen so far lets us expect the next, at most. */
static int64_t segment_floor(const struct render_segment *segment, struct wall arrival)
{
    int64_t elapsed = arrival.ns - segment->arrival_last.ns;
    if (elapsed < 0)
        elapsed = 0;
    if (elapsed > NS_PER_S)
        elapsed = NS_PER_S;
    return segment->floor_ns + (int64_t)((double)elapsed * FLOOR_RISE);
}

/* Takes a packet into a segment that it fits. */
static bool segment_add(struct render_segment *segment, const struct render_stamp *stamp)
{
    int64_t rtp = segment_extend(segment, stamp->timestamp);
    int64_t delay = segment_delay(segment, rtp, stamp->arrival);
    int64_t floor = segment_floor(segment, stamp->arrival);
    segment->floor_ns = delay < floor ? delay : floor;
    if (stamp->arrival.ns - segment->window_start.ns >= segment->window_ns) {
        if (!window_close(segment))
            return false;
        segment->window_start = stamp->arrival;
        segment->window = (struct render_point){rtp - segment->origin, delay};
    } else if (delay < segment->window.delay_ns) {
        segment->window = (struct render_point){rtp - segment->origin, delay};
    }
    int64_t step = rtp - segment->last;
    if ((uint16_t)(stamp->seq - segment->last_seq) == 1 && step > 0 &&
        step < (int64_t)segment->clock_hz / 4)
        segment->step = step;
    segment->packets++;
    if (rtp < segment->low)
        segment->low = rtp;
    if (rtp > segment->high)
        segment->high = rtp;
    if ((int16_t)(stamp->seq - segment->last_seq) > 0 || rtp > segment->last) {
        segment->last = rtp;
        segment->last_seq = stamp->seq;
    }
    if (stamp->arrival.ns > segment->arrival_last.ns)
        segment->arrival_last = stamp->arrival;
    return true;
}

enum fit {
    FIT_GOOD,
    FIT_AHEAD,
    FIT_BEHIND,
};

static enum fit segment_fit(const struct render_segment *segment, const struct render_stamp *stamp)
{
    int64_t rtp = segment_extend(segment, stamp->timestamp);
    int64_t diff =
        segment_delay(segment, rtp, stamp->arrival) - segment_floor(segment, stamp->arrival);
    int64_t gap = stamp->arrival.ns - segment->arrival_last.ns;
    if (diff < -AHEAD_NS) {
        /* Timestamps that go with the sequence numbers are no jump: the packets before were held
         * up, and this one was not. */
        int64_t behind = (int16_t)(stamp->seq - segment->last_seq);
        int64_t most = behind * (segment->step + segment->step / 2);
        return behind > 0 && rtp - segment->last <= most ? FIT_GOOD : FIT_AHEAD;
    }
    if (diff > BEHIND_NS || (gap >= GAP_NS && diff > BEHIND_GAP_NS))
        return FIT_BEHIND;
    return FIT_GOOD;
}

/* Is a packet that did not jump back on the old line? A late one after a stall must come close. */
static bool segment_takes_back(const struct render_clock *clock,
                               const struct render_segment *segment,
                               const struct render_stamp *stamp)
{
    int64_t rtp = segment_extend(segment, stamp->timestamp);
    int64_t diff =
        segment_delay(segment, rtp, stamp->arrival) - segment_floor(segment, stamp->arrival);
    int64_t near = clock->candidate_ahead ? BEHIND_NS : BEHIND_GAP_NS / 2;
    return diff >= -AHEAD_NS && diff <= near;
}

static bool segment_push(struct render_clock *clock, const struct render_segment *segment)
{
    if (clock->count == clock->room) {
        size_t room = clock->room ? clock->room * 2 : 4;
        struct render_segment *segments = realloc(clock->segments, room * sizeof *segments);
        if (!segments)
            return false;
        clock->segments = segments;
        clock->room = room;
    }
    assert(clock->segments);
    clock->segments[clock->count++] = *segment;
    return true;
}

static void candidate_drop(struct render_clock *clock)
{
    if (clock->has_candidate)
        free(clock->candidate.points);
    clock->candidate = (struct render_segment){0};
    clock->has_candidate = false;
}

static bool candidate_accept(struct render_clock *clock)
{
    bool ok = segment_push(clock, &clock->candidate);
    if (ok)
        clock->candidate.points = NULL; /* moved */
    candidate_drop(clock);
    return ok;
}

static bool candidate_stands(const struct render_clock *clock)
{
    const struct render_segment *candidate = &clock->candidate;
    if (clock->candidate_ahead)
        return candidate->packets >= AHEAD_PACKETS;
    return candidate->packets >= BEHIND_PACKETS &&
           candidate->arrival_last.ns - candidate->arrival_first.ns >= SETTLE_NS;
}

/* A packet while it is open whether the sender's clock has jumped. */
static bool candidate_input(struct render_clock *clock, const struct render_stamp *stamp)
{
    struct render_segment *current = &clock->segments[clock->count - 1];
    if (segment_takes_back(clock, current, stamp)) {
        candidate_drop(clock);
        return segment_add(current, stamp);
    }
    enum fit fit = segment_fit(&clock->candidate, stamp);
    /* However a clock stood still, what is later than anything played is of no line at all. */
    bool far = segment_lateness(&clock->candidate, stamp) > LATE_MAX_NS;
    if (fit == FIT_GOOD || (fit == FIT_BEHIND && !clock->candidate_ahead && !far)) {
        if (!segment_add(&clock->candidate, stamp))
            return false;
        return candidate_stands(clock) ? candidate_accept(clock) : true;
    }
    candidate_drop(clock);
    clock->has_candidate = true;
    clock->candidate_ahead = segment_fit(current, stamp) == FIT_AHEAD;
    segment_begin(&clock->candidate, stamp);
    return true;
}

static void lateness_note(struct render_clock *clock, const struct render_segment *segment,
                          const struct render_stamp *stamp)
{
    int64_t late = segment_lateness(segment, stamp);
    if (late > clock->late_ns && late <= LATE_MAX_NS)
        clock->late_ns = late;
}

bool render_clock_observe(struct render_clock *clock, const struct render_stamp *stamp)
{
    assert(stamp->clock_hz > 0);
    struct render_segment *current = clock->count ? &clock->segments[clock->count - 1] : NULL;
    if (current && current->clock_hz == stamp->clock_hz)
        lateness_note(clock, current, stamp);
    if (!current || current->clock_hz != stamp->clock_hz) {
        candidate_drop(clock);
        if (clock->count >= RENDER_SEGMENTS_MAX)
            return true;
        struct render_segment segment;
        segment_begin(&segment, stamp);
        return segment_push(clock, &segment);
    }
    if (clock->has_candidate)
        return candidate_input(clock, stamp);
    enum fit fit = segment_fit(current, stamp);
    if (fit == FIT_GOOD || clock->count >= RENDER_SEGMENTS_MAX)
        return fit == FIT_GOOD ? segment_add(current, stamp) : true;
    clock->has_candidate = true;
    clock->candidate_ahead = fit == FIT_AHEAD;
    segment_begin(&clock->candidate, stamp);
    return true;
}

bool render_clock_end(struct render_clock *clock)
{
    /* At the end of a call less has to do. A single stray packet never does. */
    if (clock->has_candidate && clock->candidate.packets >= AHEAD_PACKETS &&
        !candidate_accept(clock))
        return false;
    candidate_drop(clock);
    for (size_t i = 0; i < clock->count; i++) {
        struct render_segment *segment = &clock->segments[i];
        if (!window_close(segment) || !render_segment_settle(segment))
            return false;
    }
    return true;
}

void render_clock_init(struct render_clock *clock)
{
    *clock = (struct render_clock){0};
}

void render_clock_release(struct render_clock *clock)
{
    candidate_drop(clock);
    for (size_t i = 0; i < clock->count; i++) {
        free(clock->segments[i].points);
        free(clock->segments[i].knots);
    }
    free(clock->segments);
    *clock = (struct render_clock){0};
}

static bool segment_holds(const struct render_segment *segment, const struct render_stamp *stamp,
                          int64_t *rtp)
{
    if (segment->clock_hz != stamp->clock_hz)
        return false;
    *rtp = render_segment_unwrap(segment, stamp->timestamp, stamp->arrival);
    int64_t late = stamp->arrival.ns - render_segment_place(segment, *rtp).ns;
    return late >= -AHEAD_NS && late <= LATE_MAX_NS;
}

const struct render_segment *render_clock_find(const struct render_clock *clock,
                                               const struct render_stamp *stamp, int64_t *rtp)
{
    size_t low = 0, high = clock->count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (clock->segments[middle].first <= stamp->ordinal)
            low = middle;
        else
            high = middle;
    }
    if (clock->count == 0)
        return NULL;
    if (segment_holds(&clock->segments[low], stamp, rtp))
        return &clock->segments[low];
    /* Packets that changed places around a jump belong to the neighbour. */
    if (low > 0 && segment_holds(&clock->segments[low - 1], stamp, rtp))
        return &clock->segments[low - 1];
    if (low + 1 < clock->count && segment_holds(&clock->segments[low + 1], stamp, rtp))
        return &clock->segments[low + 1];
    return NULL;
}

int64_t render_segment_unwrap(const struct render_segment *segment, uint32_t timestamp,
                              struct wall at)
{
    double elapsed_s = (double)(at.ns - segment->arrival_first.ns) * 1e-9;
    int64_t expected = segment->origin + (int64_t)(elapsed_s * segment->rate_hz);
    return expected + (int32_t)(timestamp - (uint32_t)expected);
}

struct wall render_segment_place(const struct render_segment *segment, int64_t rtp)
{
    int64_t ns = ticks_to_ns(rtp - segment->origin, segment->rate_hz);
    double t = (double)ns * 1e-9;
    double offset = segment->base_ns + segment->slope * (double)ns + render_knots_at(segment, t);
    return (struct wall){segment->arrival_first.ns + ns + (int64_t)offset};
}

void render_segment_shift(struct render_segment *segment, int64_t by_ns)
{
    segment->base_ns += (double)by_ns;
}

double render_clock_drift_ppm(const struct render_clock *clock)
{
    double sum = 0, weight = 0;
    for (size_t i = 0; i < clock->count; i++) {
        const struct render_segment *segment = &clock->segments[i];
        double length = (double)(segment->high - segment->low) / segment->rate_hz;
        sum -= segment->slope / (1 + segment->slope) * 1e6 * length;
        weight += length;
    }
    return weight > 0 ? sum / weight : 0;
}
