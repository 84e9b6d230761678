/* cast: which channel each stream is heard on, scene by scene: one a participant, and how that was
 * found out.
 * Not here: who takes part (siprec/state.h), the sound (track.h).
 * RFC 7865 §6.7, §6.8; 7866 §8.3.2 (mixed streams). */
#ifndef RENDER_CAST_H
#define RENDER_CAST_H

#include "render/mix.h"
#include "render/survey.h"

struct render_channel {
    const struct siprec_participant *who; /* NULL: a mixed stream, or nobody knows */
    enum siprec_derivation how;
    struct view label;  /* of its first stream */
    size_t streams;     /* that are heard on it, ever */
    size_t mixed_count; /* of a mixed stream: everybody on it */
    const struct siprec_participant **mixed;
};

struct render_cast {
    struct render_channel channels[RENDER_CHANNELS_MAX];
    size_t count;
    size_t merged; /* voices beyond RENDER_CHANNELS_MAX: they share the last channel */
    size_t scene_count, stream_count;
    uint8_t *map; /* scene x stream: channel */
};

/* False when memory is out. At least one channel, always. */
WARN_UNUSED bool render_cast_make(struct render_cast *cast, const struct render_survey *survey);
void render_cast_release(struct render_cast *cast);

/* The channel of a stream (by index) in a scene; scene NULL: there is none. */
uint32_t render_cast_channel(const struct render_cast *cast, const struct render_survey *survey,
                             const struct render_scene *scene, size_t stream);

#endif
