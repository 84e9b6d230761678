/* render: a journal into audio: first pass, channels, second pass, files, and what came of it.
 * Not here: options, opening files, the sandbox (main.c, sandbox.c), the result's text (result.c).
 * RFC 7866 §7.1.1.1 (what is paused is silence on the wall clock). */
#include "render/render.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "render/align.h"

#define CHUNK        8192 /* frames written at once */
#define TICK_NS      (100 * NS_PER_MS)
#define HOLD_MORE_NS (2 * NS_PER_S) /* reports may shift a stream, resampling holds samples back */

static uint32_t output_rate(uint32_t audio_hz)
{
    return audio_hz <= 8000 ? 8000 : audio_hz <= 16000 ? 16000 : 48000;
}

/* The earliest place of any packet. */
static bool start_find(const struct render_survey *survey, struct wall *start)
{
    bool found = false;
    for (size_t i = 0; i < survey->stream_count; i++) {
        for (size_t k = 0; k < survey->streams[i].source_count; k++) {
            const struct render_clock *clock = &survey->streams[i].sources[k]->clock;
            for (size_t s = 0; s < clock->count; s++) {
                struct wall at = render_segment_place(&clock->segments[s], clock->segments[s].low);
                if (!found || at.ns < start->ns)
                    *start = at;
                found = true;
            }
        }
    }
    /* Before the INVITE nothing of this call was said, whatever the timestamps claim. */
    if (start->ns < survey->first.ns)
        *start = survey->first;
    return found;
}

static bool is_paused(const struct render_survey *survey)
{
    for (size_t i = 0; i < survey->stream_count; i++)
        if (survey->streams[i].paused && survey->streams[i].had_media)
            return true;
    return false;
}

static bool tracks_create(struct render_run *run)
{
    for (size_t i = 0; i < run->survey.stream_count; i++)
        for (size_t k = 0; k < run->survey.streams[i].source_count; k++)
            run->survey.streams[i].sources[k]->index = run->track_count++;
    run->tracks = calloc(run->track_count + 1, sizeof(struct render_track *));
    return run->tracks;
}

static void channels_mark_shared(struct render_run *run)
{
    if (run->mix.channels == 1 && run->cast.count > 1) {
        run->mix.shared[0] = true;
        return;
    }
    for (size_t i = 0; i < run->cast.count; i++)
        run->mix.shared[i] =
            run->cast.channels[i].streams > 1 || (run->cast.merged > 0 && i + 1 == run->cast.count);
}

/* Everything between the passes: where zero is, how fast, how many channels, how much to hold. */
static bool plan(struct render_run *run)
{
    const struct render_survey *survey = &run->survey;
    run->reports_refused = render_align(&run->survey);
    if (!render_cast_make(&run->cast, survey) || !tracks_create(run))
        return false;
    run->grid = (struct render_grid){survey->first, output_rate(survey->audio_hz)};
    run->has_audio = start_find(survey, &run->grid.start);
    struct wall end = survey->ended.ns != 0 && !survey->recovered ? survey->ended : survey->last;
    if (run->has_audio && is_paused(survey))
        run->tail = (end.ns - run->grid.start.ns) / NS_PER_MS * run->grid.rate_hz / 1000;
    run->hold_ns = survey->late_ns + RENDER_TRACK_WAIT_NS + HOLD_MORE_NS;
    uint32_t channels = (uint32_t)run->cast.count;
    if (run->job.layout == RENDER_LAYOUT_STEREO &&
        channels > render_format_channels(run->job.format))
        run->mono_forced = true;
    if (run->job.layout == RENDER_LAYOUT_MONO || run->mono_forced)
        channels = 1;
    size_t room = (size_t)((run->hold_ns + HOLD_MORE_NS) / NS_PER_MS) * run->grid.rate_hz / 1000;
    if (!render_mix_init(&run->mix, channels, room + 4 * CHUNK))
        return false;
    channels_mark_shared(run);
    run->frames = malloc((size_t)CHUNK * channels * sizeof *run->frames);
    run->one = malloc(CHUNK * sizeof *run->one);
    return run->frames && run->one != NULL;
}

static bool outputs_open(struct render_run *run)
{
    bool each = run->job.layout == RENDER_LAYOUT_EACH;
    size_t count = each ? run->mix.channels : 1;
    if (count > run->job.file_count)
        count = run->job.file_count;
    struct render_output_options options = {
        .format = run->job.format,
        .rate_hz = run->grid.rate_hz,
        .channels = each ? 1 : run->mix.channels,
    };
    int64_t most = (run->survey.last.ns - run->grid.start.ns) / NS_PER_S * run->grid.rate_hz +
                   run->grid.rate_hz;
    if (run->tail > most)
        most = run->tail;
    options.large = run->job.force_large || render_output_is_large(most, options.channels);
    for (; run->output_count < count; run->output_count++) {
        run->outputs[run->output_count] =
            render_output_create(&options, run->job.files[run->output_count]);
        if (!run->outputs[run->output_count])
            return false;
    }
    run->files_used = count;
    return true;
}

static bool frames_write(struct render_run *run, size_t count)
{
    render_mix_take(&run->mix, run->frames, count);
    run->length += (int64_t)count;
    if (run->job.layout != RENDER_LAYOUT_EACH)
        return render_output_write(run->outputs[0], run->frames, count);
    for (size_t c = 0; c < run->output_count; c++) {
        for (size_t i = 0; i < count; i++)
            run->one[i] = run->frames[i * run->mix.channels + c];
        if (!render_output_write(run->outputs[c], run->one, count))
            return false;
    }
    return true;
}

/* Moves on to now: plays what has waited long enough, writes what nothing can reach any more. */
static bool tick(struct render_run *run, struct wall now)
{
    if (now.ns < run->next.ns)
        return true;
    run->next.ns = now.ns + TICK_NS;
    for (size_t i = 0; i < run->track_count; i++)
        if (run->tracks[i])
            render_track_expire(run->tracks[i], now);
    int64_t ms = (now.ns - run->hold_ns - run->grid.start.ns) / NS_PER_MS;
    int64_t until = ms * run->grid.rate_hz / 1000;
    while (run->mix.base + CHUNK <= until)
        if (!frames_write(run, CHUNK))
            return false;
    return true;
}

static bool media_play(struct render_run *run, struct render_walk *walk,
                       const struct render_step *step)
{
    struct render_stream *stream = render_survey_find(&run->survey, step->stream);
    struct render_source *source = stream ? render_stream_source(stream, step->packet.ssrc) : NULL;
    if (!source)
        return true;
    const struct render_scene *scene = render_scenes_find(&run->survey.scenes, step->record.offset);
    const struct render_codec *codec = render_types_find(
        &stream->types, scene, walk->reader, step->record.interface, step->packet.payload_type);
    struct render_track **track = &run->tracks[source->index];
    if (!*track)
        *track = render_track_create(source, &run->mix, &run->grid);
    if (!*track)
        return false;
    if (!sdp_codec_is_voice(codec->kind) || step->packet.payload.len == 0) {
        render_track_skip(*track);
        return true;
    }
    uint32_t channel = 0;
    if (run->mix.channels > 1)
        channel = render_cast_channel(&run->cast, &run->survey, scene,
                                      (size_t)(stream - run->survey.streams));
    render_track_input(*track, step, codec, channel);
    return true;
}

static bool end_write(struct render_run *run)
{
    for (size_t i = 0; i < run->track_count; i++)
        if (run->tracks[i])
            render_track_end(run->tracks[i]);
    int64_t end = run->mix.end > run->tail ? run->mix.end : run->tail;
    while (run->mix.base < end) {
        int64_t left = end - run->mix.base;
        if (!frames_write(run, left < CHUNK ? (size_t)left : CHUNK))
            return false;
    }
    bool ok = true;
    while (run->output_count > 0) {
        run->output_count--;
        ok &= render_output_finish(run->outputs[run->output_count]);
    }
    return ok;
}

static bool play(struct render_run *run)
{
    struct render_walk walk;
    struct render_step *step = malloc(sizeof *step);
    if (!step || !render_walk_begin(&walk, run->job.journal, run->job.mapped)) {
        free(step);
        return false;
    }
    for (size_t i = 0; i < run->survey.stream_count; i++)
        run->survey.streams[i].types.set = false;
    bool ok = true;
    while (ok && run->has_audio && render_walk_next(&walk, step)) {
        ok = tick(run, walk.timeline.latest);
        if (ok && step->is_media)
            ok = media_play(run, &walk, step);
    }
    ok = ok && end_write(run);
    render_walk_end(&walk);
    free(step);
    return ok;
}

static void run_release(struct render_run *run)
{
    while (run->output_count > 0) {
        run->output_count--;
        int error = errno;
        bool ignored = render_output_finish(run->outputs[run->output_count]);
        (void)ignored;
        errno = error;
    }
    for (size_t i = 0; i < run->track_count && run->tracks != NULL; i++)
        render_track_destroy(run->tracks[i]);
    free(run->tracks);
    free(run->frames);
    free(run->one);
    render_mix_release(&run->mix);
    render_cast_release(&run->cast);
    render_survey_release(&run->survey);
}

enum render_end render_journal(const struct render_job *job, char **result, uint8_t *used,
                               const char **error)
{
    struct render_run *run = calloc(1, sizeof *run);
    enum render_end end = RENDER_FAILED;
    *result = NULL;
    *error = "out of memory";
    if (!run)
        return end;
    run->job = *job;
    if (!render_survey_read(&run->survey, job->journal, job->mapped)) {
        free(run);
        return end;
    }
    if (run->survey.records == 0) {
        *error = "not a journal: no pcapng block could be read";
        end = RENDER_BAD;
    } else if (plan(run)) {
        *error = "cannot write the output";
        if (outputs_open(run) && play(run)) {
            *result = render_result_print(run);
            *used = (uint8_t)run->files_used;
            *error = "out of memory";
            end = *result ? RENDER_DONE : RENDER_FAILED;
        }
    }
    run_release(run);
    free(run);
    return end;
}
