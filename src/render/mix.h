/* mix: the recording's channels as a window of samples that moves along, summed and bounded.
 * Not here: where sound belongs in time (clock.h, resample.h), files (output.h).
 * RFC: none. */
#ifndef RENDER_MIX_H
#define RENDER_MIX_H

#include "base/view.h"

#define RENDER_CHANNELS_MAX 32

struct render_mix {
    int32_t *ring; /* channels x room */
    uint32_t channels;
    size_t room;                      /* frames, a power of two */
    int64_t base;                     /* the next frame to be taken */
    int64_t end;                      /* behind the last frame with sound in it */
    bool shared[RENDER_CHANNELS_MAX]; /* several streams meet there: sums are bounded softly */
    uint64_t late, early;             /* samples that fell outside the window */
};

/* room_frames is rounded up. False when memory is out. */
WARN_UNUSED bool render_mix_init(struct render_mix *mix, uint32_t channels, size_t room_frames);
void render_mix_release(struct render_mix *mix);

/* Adds samples to a channel from frame `at` on; what lies outside the window is counted and left
 * out. */
void render_mix_add(struct render_mix *mix, uint32_t channel, int64_t at, const int16_t *samples,
                    size_t count);
/* Takes the next frames out, interleaved, and moves on. count <= room. */
void render_mix_take(struct render_mix *mix, int16_t *frames, size_t count);

#endif
