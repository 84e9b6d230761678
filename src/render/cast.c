/* cast: which channel each stream is heard on, scene by scene: one a participant, and how that was
 * found out.
 * Not here: who takes part (siprec/state.h), the sound (track.h).
 * RFC 7865 §6.7, §6.8; 7866 §8.3.2 (mixed streams). */
#include "render/cast.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

/* A voice is what gets a channel: a participant, a mixed stream, or a stream nobody knows about. */
struct voice {
    const struct siprec_participant *who;
    size_t stream; /* when who is NULL */
    const struct render_line *line;
    uint8_t channel; /* NO_CHANNEL: not heard */
    bool set;
};

#define NO_CHANNEL 255

/* What stream k is in scene i; line NULL: it was not there. */
struct grid {
    struct voice *cells;
    size_t scenes, streams;
};

static struct voice *cell(const struct grid *grid, size_t scene, size_t stream)
{
    return &grid->cells[scene * grid->streams + stream];
}

static const struct render_line *line_by_address(const struct render_survey *survey,
                                                 const struct render_scene *scene, size_t stream)
{
    for (size_t i = survey->address_count; i > 0; i--) {
        const struct render_address *address = &survey->addresses[i - 1];
        for (size_t m = 0; address->stream == stream && m < scene->line_count; m++)
            if (scene->lines[m].active &&
                addr_equal(&scene->lines[m].local_rtp, &address->advertised))
                return &scene->lines[m];
    }
    return NULL;
}

static bool line_is_taken(const struct grid *grid, size_t scene, const struct render_line *line)
{
    for (size_t k = 0; k < grid->streams; k++)
        if (cell(grid, scene, k)->line == line)
            return true;
    return false;
}

static void scene_lay_out(const struct grid *grid, const struct render_survey *survey, size_t i)
{
    const struct render_scene *scene = &survey->scenes.scenes[i];
    for (size_t k = 0; k < grid->streams; k++)
        cell(grid, i, k)->line = line_by_address(survey, scene, k);
    /* Where addresses say nothing, label and position do; never a line that is another's. */
    for (size_t k = 0; k < grid->streams; k++) {
        const struct render_stream *stream = &survey->streams[k];
        struct journal_interface interface = {.label = stream->label, .mline = stream->mline};
        if (cell(grid, i, k)->line != NULL)
            continue;
        const struct render_line *line = render_scene_line(scene, &interface);
        if (line && line->active && !line_is_taken(grid, i, line))
            cell(grid, i, k)->line = line;
    }
    for (size_t k = 0; k < grid->streams; k++) {
        struct voice *voice = cell(grid, i, k);
        voice->stream = k;
        voice->set = voice->line && voice->line->how != SIPREC_BY_NONE;
        if (voice->set && voice->line->who_count == 1 && voice->line->how != SIPREC_BY_MIXED)
            voice->who = voice->line->who[0];
    }
}

/* Metadata often comes after the first packets, or leaves a stream out later: what is not known is
 * taken from the next scene that knows, else from the last. */
static void voices_fill(const struct grid *grid)
{
    for (size_t k = 0; k < grid->streams; k++) {
        const struct voice *known = NULL;
        for (size_t i = grid->scenes; i > 0; i--) {
            struct voice *voice = cell(grid, i - 1, k);
            if (voice->set)
                known = voice;
            else if (known)
                *voice = *known;
        }
        /* Those before it are now filled, so what is left lies behind the last that is known. */
        known = NULL;
        for (size_t i = 0; i < grid->scenes; i++) {
            struct voice *voice = cell(grid, i, k);
            if (voice->set)
                known = voice;
            else if (known)
                *voice = *known;
        }
    }
}

/* Are both heard on different streams of one scene? Then they are two, whatever their address. */
static bool heard_together(const struct grid *grid, const struct siprec_participant *a,
                           const struct siprec_participant *b)
{
    for (size_t i = 0; i < grid->scenes; i++) {
        bool has_a = false, has_b = false;
        for (size_t k = 0; k < grid->streams; k++) {
            has_a |= cell(grid, i, k)->who == a;
            has_b |= cell(grid, i, k)->who == b;
        }
        if (has_a && has_b)
            return true;
    }
    return false;
}

static bool participants_same(const struct grid *grid, const struct siprec_participant *a,
                              const struct siprec_participant *b)
{
    if (a == b)
        return true;
    struct view aor = siprec_participant_aor(a);
    return aor.len > 0 && view_equal_nocase(aor, siprec_participant_aor(b)) &&
           !heard_together(grid, a, b);
}

static bool line_has(const struct grid *grid, const struct render_line *line,
                     const struct siprec_participant *who)
{
    for (size_t i = 0; line != NULL && i < line->who_count; i++)
        if (participants_same(grid, line->who[i], who))
            return true;
    return false;
}

/* A participant keeps their channel wherever they are heard alone. Where somebody joins or leaves a
 * stream that carries several, it stays on the channel of those who stay. */
static bool channel_fits(const struct grid *grid, const struct render_channel *channel,
                         const struct voice *owner, const struct voice *voice)
{
    if (voice->who && channel->who)
        return participants_same(grid, channel->who, voice->who);
    assert(owner); /* whose coming opened the channel */
    if (owner->stream != voice->stream)
        return false;
    if (voice->who)
        return line_has(grid, owner->line, voice->who);
    return !channel->who || line_has(grid, voice->line, channel->who);
}

struct channels {
    struct render_cast *cast;
    const struct grid *grid;
    const struct voice *owners[RENDER_CHANNELS_MAX];
};

/* Everybody on a mixed stream is named: the largest company it ever had. */
static void channel_join(struct render_channel *channel, const struct voice *voice)
{
    if (!voice->line || voice->line->who_count <= channel->mixed_count)
        return;
    channel->mixed = voice->line->who;
    channel->mixed_count = voice->line->who_count;
}

static uint8_t channel_find(struct channels *channels, const struct voice *voice,
                            const struct render_stream *stream)
{
    struct render_cast *cast = channels->cast;
    for (size_t i = 0; i < cast->count; i++) {
        if (!channel_fits(channels->grid, &cast->channels[i], channels->owners[i], voice))
            continue;
        if (!voice->who)
            channel_join(&cast->channels[i], voice);
        return (uint8_t)i;
    }
    if (cast->count == RENDER_CHANNELS_MAX) {
        cast->merged++;
        return RENDER_CHANNELS_MAX - 1;
    }
    struct render_channel *channel = &cast->channels[cast->count];
    *channel = (struct render_channel){.who = voice->who, .how = SIPREC_BY_NONE};
    channel->label = stream->label;
    if (voice->line) {
        channel->how = voice->line->how;
        if (voice->line->label.len > 0)
            channel->label = voice->line->label;
        if (!voice->who)
            channel_join(channel, voice);
        if (channel->mixed_count > 1)
            channel->how = SIPREC_BY_MIXED;
    }
    channels->owners[cast->count] = voice;
    return (uint8_t)cast->count++;
}

/* An m-line on hold that nobody is known to send on, and where nothing came, gets no channel. */
static bool is_heard(const struct voice *voice, const struct render_stream *stream)
{
    return stream->had_media || voice->who || voice->line->flows;
}

/* Scene after scene, in each by m-line: the first that is heard is on the left. */
static void channels_assign(struct channels *channels, const struct render_survey *survey)
{
    const struct grid *grid = channels->grid;
    for (size_t i = 0; i < grid->scenes; i++) {
        const struct render_scene *scene = &survey->scenes.scenes[i];
        for (size_t m = 0; m < scene->line_count; m++)
            for (size_t k = 0; k < grid->streams; k++)
                if (cell(grid, i, k)->line == &scene->lines[m] &&
                    is_heard(cell(grid, i, k), &survey->streams[k]))
                    cell(grid, i, k)->channel =
                        channel_find(channels, cell(grid, i, k), &survey->streams[k]);
        for (size_t k = 0; k < grid->streams; k++) {
            /* Filled in from another scene, or on no m-line at all: a channel only for sound. */
            struct voice *voice = cell(grid, i, k);
            bool here =
                voice->line >= scene->lines && voice->line < scene->lines + scene->line_count;
            if (!here && (voice->set || survey->streams[k].had_media))
                voice->channel = channel_find(channels, voice, &survey->streams[k]);
        }
    }
}

static void streams_count(struct render_cast *cast)
{
    for (size_t k = 0; k < cast->stream_count; k++) {
        bool on[RENDER_CHANNELS_MAX] = {false};
        for (size_t i = 0; i < cast->scene_count; i++) {
            uint8_t channel = cast->map[i * cast->stream_count + k];
            if (channel == NO_CHANNEL)
                continue;
            if (!on[channel])
                cast->channels[channel].streams++;
            on[channel] = true;
        }
    }
}

/* Without any signalling each stream that sent something is on a channel of its own. */
static void channels_bare(struct channels *channels, const struct render_survey *survey)
{
    for (size_t k = 0; k < survey->stream_count; k++) {
        struct voice *voice = cell(channels->grid, 0, k);
        voice->stream = k;
        voice->channel = channel_find(channels, voice, &survey->streams[k]);
    }
}

bool render_cast_make(struct render_cast *cast, const struct render_survey *survey)
{
    struct grid grid = {.scenes = survey->scenes.count, .streams = survey->stream_count};
    size_t rows = grid.scenes ? grid.scenes : 1;
    *cast = (struct render_cast){.scene_count = rows, .stream_count = grid.streams};
    grid.cells = calloc(rows * grid.streams + 1, sizeof *grid.cells);
    cast->map = calloc(rows * grid.streams + 1, 1);
    if (!grid.cells || !cast->map) {
        free(grid.cells);
        render_cast_release(cast);
        return false;
    }
    for (size_t i = 0; i < rows * grid.streams; i++)
        grid.cells[i].channel = NO_CHANNEL;
    struct channels channels = {.cast = cast, .grid = &grid};
    for (size_t i = 0; i < grid.scenes; i++)
        scene_lay_out(&grid, survey, i);
    voices_fill(&grid);
    if (grid.scenes == 0)
        channels_bare(&channels, survey);
    else
        channels_assign(&channels, survey);
    for (size_t i = 0; i < rows * grid.streams; i++)
        cast->map[i] = grid.cells[i].channel;
    if (cast->count == 0)
        cast->count = 1;
    else
        streams_count(cast);
    free(grid.cells);
    return true;
}

void render_cast_release(struct render_cast *cast)
{
    free(cast->map);
    cast->map = NULL;
}

uint32_t render_cast_channel(const struct render_cast *cast, const struct render_survey *survey,
                             const struct render_scene *scene, size_t stream)
{
    size_t row = scene ? (size_t)(scene - survey->scenes.scenes) : 0;
    if (row >= cast->scene_count || stream >= cast->stream_count)
        return 0;
    uint8_t channel = cast->map[row * cast->stream_count + stream];
    return channel == NO_CHANNEL ? 0 : channel;
}
