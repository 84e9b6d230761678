/* scene: what offers, answers and metadata said, message by message: which payload types may come
 * on which m-line, and who is to be heard there.
 * Not here: reading SDP and metadata (sdp, siprec), packets (survey.h), channels (cast.h).
 * RFC 3264, 7865 §6.7, §6.8, 7866 §9.1. */
#include "render/scene.h"

#include <stdlib.h>
#include <string.h>

#include "render/message.h"
#include "siprec/rules.h"

#define ARENA_CHUNK ((size_t)64 << 10)
#define ARENA_LIMIT ((size_t)64 << 20) /* signalling of one call; what exceeds it is counted */
#define BODY_LIMIT  ((size_t)4 << 20)
#define SCENES_MAX  4096 /* a change a minute for three days; later ones are counted only */

enum { OURS, THEIRS };

bool render_scenes_init(struct render_scenes *scenes)
{
    *scenes = (struct render_scenes){0};
    scenes->arena = arena_create(ARENA_CHUNK, ARENA_LIMIT);
    scenes->has_state = siprec_state_init(&scenes->state);
    scenes->parsed[OURS] = malloc(sizeof *scenes->parsed[OURS]);
    scenes->parsed[THEIRS] = malloc(sizeof *scenes->parsed[THEIRS]);
    if (!scenes->arena || !scenes->has_state || !scenes->parsed[OURS] ||
        scenes->parsed[THEIRS] == NULL) {
        render_scenes_release(scenes);
        return false;
    }
    return true;
}

void render_scenes_release(struct render_scenes *scenes)
{
    if (scenes->has_state)
        siprec_state_finish(&scenes->state);
    arena_destroy(scenes->arena);
    free(scenes->parsed[OURS]);
    free(scenes->parsed[THEIRS]);
    free(scenes->scenes);
    *scenes = (struct render_scenes){0};
}

static int side_of(struct render_scenes *scenes, const struct render_message *message,
                   const struct journal_record *record)
{
    if (!addr_is_set(&scenes->us)) {
        if (!message->is_request)
            return OURS;
        scenes->us = record->destination;
    }
    if (addr_equal(&record->source, &scenes->us))
        return OURS;
    if (addr_equal(&record->destination, &scenes->us))
        return THEIRS;
    return addr_equal_ip(&record->source, &scenes->us) ? OURS : THEIRS;
}

static bool line_set(struct render_scenes *scenes, struct render_line *line,
                     const struct sdp_agreed *agreed)
{
    line->label = arena_copy(scenes->arena, agreed->label);
    line->active = agreed->active && agreed->kind == SDP_KIND_AUDIO;
    line->flows = line->active && !agreed->held && sdp_direction_receives(agreed->direction);
    line->local_rtp = agreed->local_rtp;
    line->format_count = agreed->format_count;
    line->formats = arena_take(scenes->arena, (agreed->format_count + 1) * sizeof *line->formats);
    if (!line->formats)
        return false;
    for (size_t i = 0; i < agreed->format_count; i++) {
        line->formats[i].payload_type = agreed->formats[i].payload_type;
        render_codec_set(&line->formats[i].codec, &agreed->formats[i]);
    }
    return true;
}

static struct render_line *lines_agree(struct render_scenes *scenes, size_t *count)
{
    for (int side = OURS; side <= THEIRS; side++)
        sdp_session_parse(scenes->parsed[side], scenes->text[side]);
    size_t n = scenes->parsed[OURS]->media_count;
    if (n > scenes->parsed[THEIRS]->media_count)
        n = scenes->parsed[THEIRS]->media_count;
    struct render_line *lines = arena_take(scenes->arena, (n + 1) * sizeof *lines);
    struct sdp_agreed *agreed = malloc(sizeof *agreed);
    bool ok = lines && agreed != NULL;
    for (size_t i = 0; ok && i < n; i++) {
        sdp_agree(agreed, scenes->parsed[OURS], scenes->parsed[THEIRS], i);
        ok = line_set(scenes, &lines[i], agreed);
    }
    free(agreed);
    *count = n;
    return ok ? lines : NULL;
}

/* Who is heard, as the metadata stands now. */
static bool lines_cast(struct render_scenes *scenes, struct render_line *lines, size_t count)
{
    struct siprec_line *asked = calloc(count + 1, sizeof *asked);
    struct siprec_voice *voices = calloc(count + 1, sizeof *voices);
    bool ok = asked && voices != NULL;
    if (ok) {
        for (size_t i = 0; i < count; i++)
            asked[i] = (struct siprec_line){lines[i].label, lines[i].active};
        siprec_voices_find(voices, &scenes->state, asked, count, &scenes->warnings);
    }
    for (size_t i = 0; ok && i < count; i++) {
        lines[i].how = voices[i].how;
        lines[i].who_count = voices[i].count;
        lines[i].who =
            arena_take(scenes->arena, (voices[i].count + 1) * sizeof(struct siprec_participant *));
        ok = lines[i].who;
        if (ok)
            memcpy(lines[i].who, voices[i].who, voices[i].count * sizeof voices[i].who[0]);
    }
    free(asked);
    free(voices);
    return ok;
}

static bool line_equal(const struct render_line *a, const struct render_line *b)
{
    if (a->active != b->active || a->flows != b->flows || a->how != b->how ||
        a->format_count != b->format_count || a->who_count != b->who_count ||
        !view_equal(a->label, b->label) || !addr_equal(&a->local_rtp, &b->local_rtp))
        return false;
    for (size_t i = 0; i < a->format_count; i++)
        if (a->formats[i].payload_type != b->formats[i].payload_type ||
            !render_codec_equal(&a->formats[i].codec, &b->formats[i].codec))
            return false;
    for (size_t i = 0; i < a->who_count; i++)
        if (a->who[i] != b->who[i])
            return false;
    return true;
}

static bool scene_is_last(const struct render_scenes *scenes, const struct render_line *lines,
                          size_t count)
{
    if (scenes->count == 0)
        return false;
    const struct render_scene *last = &scenes->scenes[scenes->count - 1];
    if (last->line_count != count)
        return false;
    for (size_t i = 0; i < count; i++)
        if (!line_equal(&last->lines[i], &lines[i]))
            return false;
    return true;
}

/* Adds a scene unless nothing has changed. What the arena cannot hold is left out and counted. */
static bool scene_push(struct render_scenes *scenes, struct render_line *lines, size_t count,
                       uint64_t offset)
{
    if (!lines || !lines_cast(scenes, lines, count) || scenes->count >= SCENES_MAX) {
        scenes->unread++;
        return true;
    }
    if (scene_is_last(scenes, lines, count))
        return true;
    if (scenes->count == scenes->room) {
        size_t room = scenes->room ? scenes->room * 2 : 8;
        struct render_scene *list = realloc(scenes->scenes, room * sizeof *list);
        if (!list)
            return false;
        scenes->scenes = list;
        scenes->room = room;
    }
    scenes->scenes[scenes->count++] = (struct render_scene){offset, count, lines};
    return true;
}

/* The same lines again, for another cast. */
static bool scene_recast(struct render_scenes *scenes, uint64_t offset)
{
    if (scenes->count == 0)
        return true;
    const struct render_scene *last = &scenes->scenes[scenes->count - 1];
    struct render_line *lines = arena_take(scenes->arena, (last->line_count + 1) * sizeof *lines);
    if (lines)
        memcpy(lines, last->lines, last->line_count * sizeof *lines);
    return scene_push(scenes, lines, last->line_count, offset);
}

/* RFC 3264: what comes in a response, an ACK or a PRACK completes an exchange, whichever side began
 * it; an offer alone changes nothing, and may be refused. */
static bool sdp_input(struct render_scenes *scenes, int side, const struct render_message *message,
                      struct view sdp, uint64_t offset)
{
    struct view copy = arena_copy(scenes->arena, sdp);
    if (!copy.at) {
        scenes->unread++;
        return true;
    }
    scenes->text[side] = copy;
    bool completes = !message->is_request || view_equal(message->method, VIEW_LIT("ACK")) ||
                     view_equal(message->method, VIEW_LIT("PRACK"));
    if (!completes || !scenes->text[1 - side].at)
        return true;
    size_t count = 0;
    struct render_line *lines = lines_agree(scenes, &count);
    return scene_push(scenes, lines, count, offset);
}

static void metadata_input(struct render_scenes *scenes, struct view xml)
{
    struct arena *arena = arena_create(ARENA_CHUNK, BODY_LIMIT);
    struct siprec_metadata *document = arena ? malloc(sizeof *document) : NULL;
    if (document) {
        siprec_metadata_parse(document, xml, arena, &scenes->warnings);
        (void)siprec_state_apply(&scenes->state, document, &scenes->warnings);
    }
    free(document);
    arena_destroy(arena);
}

bool render_scenes_input(struct render_scenes *scenes, const struct journal_record *record)
{
    struct render_message *message = malloc(sizeof *message);
    struct siprec_body *body = malloc(sizeof *body);
    struct siprec_content content = {0};
    struct arena *arena = arena_create(ARENA_CHUNK, BODY_LIMIT);
    bool ok = message && body && arena != NULL;
    if (ok) {
        render_message_parse(message, record->payload);
        int side = side_of(scenes, message, record);
        siprec_body_parse(body, &message->headers, message->body, arena, &scenes->warnings);
        siprec_rules_select(&content, body, &scenes->warnings);
        if (content.has_sdp && message->status < 300)
            ok = sdp_input(scenes, side, message, content.sdp, record->offset);
        for (size_t i = 0; side == THEIRS && i < content.metadata_count; i++)
            metadata_input(scenes, content.metadata[i]);
        if (ok && side == THEIRS && content.metadata_count > 0)
            ok = scene_recast(scenes, record->offset);
    }
    arena_destroy(arena);
    free(body);
    free(message);
    return ok;
}

const struct render_scene *render_scenes_find(const struct render_scenes *scenes, uint64_t offset)
{
    if (scenes->count == 0)
        return NULL;
    size_t low = 0, high = scenes->count;
    while (high - low > 1) {
        size_t middle = low + (high - low) / 2;
        if (scenes->scenes[middle].offset <= offset)
            low = middle;
        else
            high = middle;
    }
    return &scenes->scenes[low];
}

const struct render_line *render_scene_line(const struct render_scene *scene,
                                            const struct journal_interface *interface)
{
    const struct render_line *by_label = NULL;
    size_t labelled = 0;
    if (!scene)
        return NULL;
    /* The address is what our SDP and the packets have in common; label and position help where it
     * was not kept. */
    for (size_t i = 0; i < scene->line_count; i++) {
        const struct render_line *line = &scene->lines[i];
        if (addr_is_set(&interface->advertised) && line->active &&
            addr_equal(&line->local_rtp, &interface->advertised))
            return line;
        if (interface->label.len > 0 && view_equal(line->label, interface->label)) {
            by_label = line;
            labelled++;
        }
    }
    if (labelled == 1)
        return by_label;
    return interface->mline < scene->line_count ? &scene->lines[interface->mline] : NULL;
}

void render_line_codec(const struct render_line *line, uint8_t payload_type,
                       struct render_codec *codec)
{
    for (size_t i = 0; line != NULL && i < line->format_count; i++) {
        if (line->formats[i].payload_type == payload_type) {
            *codec = line->formats[i].codec;
            return;
        }
    }
    struct sdp_format format = sdp_format_static(payload_type);
    render_codec_set(codec, &format);
}
