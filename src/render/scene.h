/* scene: what offers, answers and metadata said, message by message: which payload types may come
 * on which m-line, and who is to be heard there.
 * Not here: reading SDP and metadata (sdp, siprec), packets (survey.h), channels (cast.h).
 * RFC 3264, 7865 §6.7, §6.8, 7866 §9.1. */
#ifndef RENDER_SCENE_H
#define RENDER_SCENE_H

#include "journal/reader.h"
#include "render/codec.h"
#include "sdp/agree.h"
#include "siprec/state.h"
#include "siprec/voices.h"

struct render_mapping {
    uint8_t payload_type;
    struct render_codec codec;
};

/* An m-line as agreed. */
struct render_line {
    struct view label;
    bool active;           /* audio that neither side refused */
    bool flows;            /* our direction receives; otherwise it is on hold */
    struct addr local_rtp; /* as our SDP advertised it */
    size_t format_count;
    struct render_mapping *formats;
    enum siprec_derivation how;
    size_t who_count;
    const struct siprec_participant **who;
};

/* In force for the records behind `offset`, until the next scene. */
struct render_scene {
    uint64_t offset;
    size_t line_count;
    struct render_line *lines;
};

struct render_scenes {
    struct arena *arena;
    struct siprec_state state;
    bool has_state;
    struct siprec_warnings warnings;
    struct render_scene *scenes;
    size_t count, room;
    /* Who is who: the first request of a recording goes to us. */
    struct addr us;
    struct view text[2]; /* the last SDP of each side */
    struct sdp_session *parsed[2];
    uint64_t unread; /* messages left out because memory is bounded */
};

/* False when memory is out. */
WARN_UNUSED bool render_scenes_init(struct render_scenes *scenes);
void render_scenes_release(struct render_scenes *scenes);
/* Takes a SIP record in. False when memory is out. */
WARN_UNUSED bool render_scenes_input(struct render_scenes *scenes,
                                     const struct journal_record *record);

/* The scene in force at a place in the file; before the first one the first. NULL: none at all. */
const struct render_scene *render_scenes_find(const struct render_scenes *scenes, uint64_t offset);
/* The m-line that an interface of the journal stands for in this scene; NULL: none. */
const struct render_line *render_scene_line(const struct render_scene *scene,
                                            const struct journal_interface *interface);
/* What a payload type means on a line; without one, or not agreed, what RFC 3551 says. */
void render_line_codec(const struct render_line *line, uint8_t payload_type,
                       struct render_codec *codec);

#endif
