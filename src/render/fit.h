/* fit: the line through the smallest delays of a segment: the sender's clock against ours.
 * Not here: which packets make a segment (clock.h).
 * RFC: none; the method is that of clock skew estimation from one-way delays. */
#ifndef RENDER_FIT_H
#define RENDER_FIT_H

#include "render/clock.h"

/* Sets base_ns, slope and knots from the points. False when memory is out. */
WARN_UNUSED bool render_segment_settle(struct render_segment *segment);

/* The knots' correction at an RTP time since the origin; beyond the ends it stays. */
double render_knots_at(const struct render_segment *segment, double at_s);

#endif
