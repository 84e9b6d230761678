/* resample: lays decoded sound out on the recording's samples: rate conversion and clock drift in
 * one step, by reading between the source's samples.
 * Not here: where sound belongs (clock.h), the channels (mix.h).
 * RFC: none. */
#ifndef RENDER_RESAMPLE_H
#define RENDER_RESAMPLE_H

#include "render/mix.h"

/* Why not libswresample: it takes a rate and corrections to it, and its position follows from all
 * that went before; here each packet says where it begins and ends, to a fraction of a sample, so
 * that nothing can add up over hours. Only upwards and sideways: the output's rate is never below
 * the source's (by more than drift). */

#define RENDER_TAPS   48
#define RENDER_SOURCE 32768 /* samples at once, decoder's or gap's: 680 ms at 48 kHz */

/* A stretch of sound on its way into a channel: sample indices of the source, places as fractions
 * of the output's frames. */
struct render_piece {
    int64_t index;
    const int16_t *samples;
    size_t count;
    double place, place_end;
    bool exact; /* same rate, no drift: samples are copied */
};

struct render_resampler {
    struct render_mix *mix;
    int64_t first; /* source index of source[0] */
    size_t held;
    bool running;
    int64_t next;       /* output frame to be made next; never goes back */
    double place, pace; /* of the last piece: source index = index + (frame - place) * pace */
    int64_t index;
    int64_t until;  /* source index behind the last piece */
    int64_t copied; /* exact pieces: output frame minus source index */
    bool exact;
    uint32_t channel;
    int64_t gap_max; /* source samples: a shorter gap is filled with zeros, a longer one ends the
                        run */
    int16_t source[2 * RENDER_SOURCE];
};

/* Borrows mix. */
void render_resampler_init(struct render_resampler *r, struct render_mix *mix, uint32_t channel,
                           uint32_t source_hz);
/* Pieces in the order of their places; what overlaps the last one is left out. count <=
 * RENDER_SOURCE. */
void render_resampler_put(struct render_resampler *r, const struct render_piece *piece);
/* Writes what is still held back; the next piece begins anew. */
void render_resampler_flush(struct render_resampler *r);

#endif
