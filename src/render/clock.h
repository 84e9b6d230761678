/* clock: where on the wall clock each packet of one sender belongs: RTP timestamps unwrapped, cut
 * into segments wherever they stop making sense, and fitted to arrival times.
 * Not here: sequence numbers and loss (rtp/sequence.h), sound, several senders (align.h).
 * RFC 3550 §5.1 (timestamps), §6.4.1. */
#ifndef RENDER_CLOCK_H
#define RENDER_CLOCK_H

#include "base/tick.h"

/* The method, in two passes over the packets of one SSRC. First every packet is observed. Its
 * delay, arrival minus RTP time, is constant but for jitter (only ever upwards) and the drift of
 * the two clocks, so the smallest delays of short windows lie on a line, and the line is the
 * sender's clock as we see it. Where timestamps jump away from the line for good, or stand still
 * over a gap, a new segment begins with a line of its own; what only comes late does not. In the
 * second pass a packet's place is read off the line: never later than it arrived, so no timestamp
 * can stretch a recording. */

struct render_stamp {
    uint64_t ordinal; /* counts the packets of this sender; the second pass gives the same number */
    uint16_t seq;
    uint32_t timestamp;
    uint32_t clock_hz; /* of its payload type, > 0 */
    struct wall arrival;
};

/* The smallest delay of a window. */
struct render_point {
    int64_t rtp; /* since the segment's origin */
    int64_t delay_ns;
};

/* A correction of the line, for clocks that do not run evenly; linear between two. */
struct render_knot {
    double at_s; /* RTP time since the origin */
    double offset_ns;
};

struct render_segment {
    uint64_t first; /* ordinal of its first packet */
    uint64_t packets;
    uint32_t clock_hz;
    uint32_t rate_hz; /* what the sender really counts by; usually clock_hz */
    int64_t origin;   /* unwrapped timestamp of its first packet; the base of all below */
    int64_t low, high;
    struct wall arrival_first, arrival_last;

    /* While observing. */
    uint16_t last_seq;
    int64_t last; /* unwrapped */
    int64_t step; /* timestamps between packets that follow each other */
    int64_t floor_ns;
    struct render_point window;
    int64_t window_ns;
    struct wall window_start;
    struct render_point *points;
    size_t point_count, point_room;

    /* After render_clock_finish: wall = arrival_first + t + base_ns + slope * t + knots(t). */
    double base_ns, slope;
    struct render_knot *knots;
    size_t knot_count;
};

#define RENDER_SEGMENTS_MAX 4096

struct render_clock {
    struct render_segment *segments;
    size_t count, room;
    bool has_candidate;
    bool candidate_ahead; /* its timestamps ran ahead; otherwise they stood still */
    struct render_segment candidate;
    int64_t late_ns; /* no packet that fits came later than the least delayed by more */
};

void render_clock_init(struct render_clock *clock);
void render_clock_release(struct render_clock *clock);
/* First pass, in order of arrival. False when memory is out. */
WARN_UNUSED bool render_clock_observe(struct render_clock *clock, const struct render_stamp *stamp);
/* Ends the first pass: every segment gets its line. False when memory is out. */
WARN_UNUSED bool render_clock_end(struct render_clock *clock);

/* Second pass: the segment a packet belongs to and its unwrapped timestamp; NULL when the
 * timestamp fits nowhere (a bogus one). */
const struct render_segment *render_clock_find(const struct render_clock *clock,
                                               const struct render_stamp *stamp, int64_t *rtp);
/* The wall-clock moment of an unwrapped timestamp. */
struct wall render_segment_place(const struct render_segment *segment, int64_t rtp);
/* The unwrapped timestamp nearest to what the segment's clock showed at a moment. */
int64_t render_segment_unwrap(const struct render_segment *segment, uint32_t timestamp,
                              struct wall at);
/* Moves a segment's line: align.h found that all of it is early or late. */
void render_segment_shift(struct render_segment *segment, int64_t by_ns);
/* How much faster than ours the sender's clock runs, over all segments, weighted by length. */
double render_clock_drift_ppm(const struct render_clock *clock);

#endif
