/* types: what each payload type of one stream means just now, looked up once and kept.
 * Not here: where that is written (scene.h).
 * RFC 3551 §6. */
#ifndef RENDER_TYPES_H
#define RENDER_TYPES_H

#include "render/scene.h"

struct render_types {
    const struct render_scene *scene;
    uint32_t interface;
    bool set;
    const struct render_line *line; /* NULL: the stream is on no m-line */
    bool known[128];
    struct render_codec codecs[128];
};

/* What a payload type (0..127) of a packet on this interface means in this scene (may be NULL).
 * Borrowed until the next call with another scene or interface. */
const struct render_codec *render_types_find(struct render_types *types,
                                             const struct render_scene *scene,
                                             struct journal_reader *reader, uint32_t interface,
                                             uint8_t payload_type);

#endif
