/* track: the second pass for one SSRC: its packets back in order, decoded, and laid on its channel.
 * Not here: the first pass (survey.h), what a frame sounds like (decoder.h), files (output.h).
 * RFC 3550 §5.1; loss, silence suppression and holds are silence, never a shift. */
#ifndef RENDER_TRACK_H
#define RENDER_TRACK_H

#include "render/decoder.h"
#include "render/resample.h"
#include "render/survey.h"

/* How long a packet waits for those that should come before it. */
#define RENDER_TRACK_WAIT_NS (1 * NS_PER_S)
#define RENDER_TRACK_HELD    256

/* The recording's samples: frame 0 is at `start`. */
struct render_grid {
    struct wall start;
    uint32_t rate_hz;
};

struct render_held {
    struct wall place, arrival;
    const struct render_segment *segment;
    int64_t rtp;
    uint16_t seq;
    uint32_t channel;
    struct render_codec codec;
    struct view payload;
};

struct render_track {
    struct render_source *source;
    struct render_grid grid;
    struct render_mix *mix;
    uint64_t ordinal;
    struct render_held held[RENDER_TRACK_HELD]; /* by place */
    size_t held_count;

    /* What was played last. */
    const struct render_segment *segment;
    int64_t rtp;
    uint16_t seq;
    struct render_codec codec;
    struct render_decoder *decoder;
    bool decoder_missing;

    uint64_t played;
    uint64_t misplaced; /* timestamps that fit nowhere */
    uint64_t late;      /* came when their place was past */
    uint64_t broken;    /* payloads that did not follow their format */
    uint64_t refused;   /* frames that the decoder refused, or has no decoder for */

    struct render_payload payload;
    int16_t samples[RENDER_SOURCE];
    struct render_resampler resampler;
};

/* Borrows source and mix. NULL when memory is out. */
WARN_UNUSED struct render_track *render_track_create(struct render_source *source,
                                                     struct render_mix *mix,
                                                     const struct render_grid *grid);
void render_track_destroy(struct render_track *track);

/* Counts a packet that carries no voice, so that the passes agree. */
void render_track_skip(struct render_track *track);
/* A packet of a voice codec, heard on channel; its payload is borrowed until it is played. */
void render_track_input(struct render_track *track, const struct render_step *step,
                        const struct render_codec *codec, uint32_t channel);
/* Plays what has waited long enough at now. */
void render_track_expire(struct render_track *track, struct wall now);
/* Plays everything. */
void render_track_end(struct render_track *track);

#endif
