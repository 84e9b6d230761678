/* mix: the recording's channels as a window of samples that moves along, summed and bounded.
 * Not here: where sound belongs in time (clock.h, resample.h), files (output.h).
 * RFC: none. */
#include "render/mix.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#define KNEE 24576 /* three quarters of full scale: below it sums stay as they are */
#define FULL 32767

bool render_mix_init(struct render_mix *mix, uint32_t channels, size_t room_frames)
{
    assert(channels >= 1 && channels <= RENDER_CHANNELS_MAX);
    *mix = (struct render_mix){.channels = channels, .room = 1024};
    while (mix->room < room_frames)
        mix->room *= 2;
    mix->ring = calloc(mix->room * channels, sizeof *mix->ring);
    return mix->ring;
}

void render_mix_release(struct render_mix *mix)
{
    free(mix->ring);
    *mix = (struct render_mix){0};
}

void render_mix_add(struct render_mix *mix, uint32_t channel, int64_t at, const int16_t *samples,
                    size_t count)
{
    assert(channel < mix->channels);
    int64_t from = at < mix->base ? mix->base : at;
    int64_t to = at + (int64_t)count;
    int64_t limit = mix->base + (int64_t)mix->room;
    if (to <= from) {
        mix->late += count;
        return;
    }
    mix->late += (uint64_t)(from - at);
    if (to > limit) {
        mix->early += (uint64_t)(to - (from > limit ? from : limit));
        to = limit;
    }
    if (to <= from)
        return;
    int32_t *ring = mix->ring + channel * mix->room;
    samples += from - at;
    for (size_t left = (size_t)(to - from); left > 0;) {
        size_t start = (size_t)from & (mix->room - 1);
        size_t run = mix->room - start < left ? mix->room - start : left;
        for (size_t i = 0; i < run; i++)
            ring[start + i] += samples[i];
        samples += run;
        from += (int64_t)run;
        left -= run;
    }
    if (to > mix->end)
        mix->end = to;
}

/* Above the knee the rest of the way to full scale is approached and never reached, so that two
 * people who talk at once do not crack. */
static int16_t bound_soft(int32_t value)
{
    int32_t size = value < 0 ? -value : value;
    if (size > KNEE) {
        int64_t over = size - KNEE, head = FULL - KNEE;
        size = (int32_t)(KNEE + head * over / (over + head));
    }
    return (int16_t)(value < 0 ? -size : size);
}

static int16_t bound_hard(int32_t value)
{
    return (int16_t)(value > FULL ? FULL : value < -FULL - 1 ? -FULL - 1 : value);
}

void render_mix_take(struct render_mix *mix, int16_t *frames, size_t count)
{
    assert(count <= mix->room);
    for (uint32_t channel = 0; channel < mix->channels; channel++) {
        int32_t *ring = mix->ring + channel * mix->room;
        int16_t *out = frames + channel;
        size_t start = (size_t)mix->base & (mix->room - 1);
        for (size_t left = count; left > 0; start = 0) {
            size_t run = mix->room - start < left ? mix->room - start : left;
            if (mix->shared[channel])
                for (size_t i = 0; i < run; i++, out += mix->channels)
                    *out = bound_soft(ring[start + i]);
            else
                for (size_t i = 0; i < run; i++, out += mix->channels)
                    *out = bound_hard(ring[start + i]);
            memset(ring + start, 0, run * sizeof *ring);
            left -= run;
        }
    }
    mix->base += (int64_t)count;
}
