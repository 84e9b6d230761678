/* result: what came of a render, as one line of JSON: length, channels and how they were found,
 * losses by stream, digits, warnings.
 * Not here: finding it out (render.c).
 * RFC 8259, 3339. */
#include <jansson.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "render/render.h"

/* Bytes that are no UTF-8 (labels are as the SRC wrote them) become question marks. */
static json_t *text_of(struct view text)
{
    json_t *json = text.len > 0 ? json_stringn(text.at, text.len) : json_string("");
    if (json)
        return json;
    char *copy = malloc(text.len + 1);
    if (!copy)
        return NULL;
    for (size_t i = 0; i < text.len; i++)
        copy[i] = (unsigned char)text.at[i] < 0x80 ? text.at[i] : '?';
    json = json_stringn(copy, text.len);
    free(copy);
    return json;
}

static json_t *text_or_null(struct view text)
{
    return text.len > 0 ? text_of(text) : json_null();
}

static json_t *time_of(struct wall at)
{
    return json_string(wall_print(at).s);
}

static json_t *participant_of(const struct siprec_participant *who)
{
    if (!who)
        return json_null();
    return json_pack("{s:o,s:o,s:o}", "id", text_or_null(who->id), "aor",
                     text_or_null(siprec_participant_aor(who)), "name",
                     text_or_null(siprec_participant_name(who)));
}

static json_t *channel_of(const struct render_run *run, size_t index)
{
    const struct render_channel *channel = &run->cast.channels[index];
    json_t *json = json_pack("{s:I,s:o,s:o,s:s}", "channel", (json_int_t)index, "participant",
                             participant_of(channel->who), "label", text_or_null(channel->label),
                             "derived", siprec_derivation_name(channel->how));
    if (channel->mixed_count > 0) {
        json_t *list = json_array();
        for (size_t i = 0; i < channel->mixed_count; i++)
            json_array_append_new(list, participant_of(channel->mixed[i]));
        json_object_set_new(json, "participants", list);
    }
    if (run->job.layout == RENDER_LAYOUT_EACH && index < run->job.file_count)
        json_object_set_new(json, "file", json_string(run->job.names[index]));
    return json;
}

/* Everybody in one channel: who is in it is still told, each with how it was found. */
static json_t *channels_of(const struct render_run *run)
{
    json_t *list = json_array();
    bool mono = run->mix.channels == 1 && run->cast.count > 1;
    json_t *everybody = json_array();
    for (size_t i = 0; i < run->cast.count; i++) {
        json_t *channel = channel_of(run, i);
        if (!mono)
            json_array_append_new(list, channel);
        else
            json_array_append_new(everybody, channel);
    }
    if (mono)
        json_array_append_new(list, json_pack("{s:i,s:n,s:n,s:s,s:O}", "channel", 0, "participant",
                                              "label", "derived", "sum", "sum_of", everybody));
    json_decref(everybody);
    return list;
}

struct counts {
    uint64_t packets, lost, duplicates, reordered, epochs;
    uint64_t late, misplaced, broken, refused;
    double drift_ppm, longest;
    bool by_reports;
};

static struct counts stream_count(const struct render_run *run, const struct render_stream *stream)
{
    struct counts sum = {0};
    for (size_t k = 0; k < stream->source_count; k++) {
        const struct render_source *source = stream->sources[k];
        const struct render_track *track = run->tracks[source->index];
        double length = 0;
        sum.packets += source->packets;
        sum.lost += source->lost;
        sum.duplicates += source->duplicates;
        sum.reordered += source->reordered;
        sum.epochs += source->clock.count;
        sum.by_reports |= source->by_reports;
        for (size_t i = 0; i < source->clock.count; i++) {
            const struct render_segment *segment = &source->clock.segments[i];
            length += (double)(segment->high - segment->low) / segment->rate_hz;
        }
        if (length > sum.longest) {
            sum.longest = length;
            sum.drift_ppm = render_clock_drift_ppm(&source->clock);
        }
        if (track) {
            sum.late += track->late;
            sum.misplaced += track->misplaced;
            sum.broken += track->broken;
            sum.refused += track->refused;
        }
    }
    return sum;
}

static json_t *stream_of(const struct render_run *run, size_t index)
{
    const struct render_stream *stream = &run->survey.streams[index];
    struct counts sum = stream_count(run, stream);
    json_t *codecs = json_array();
    for (int kind = SDP_CODEC_UNKNOWN + 1; kind < SDP_CODEC_COUNT; kind++)
        if (stream->carried[kind])
            json_array_append_new(codecs, json_string(sdp_codec_name((enum sdp_codec)kind)));
    const struct render_scene *last =
        run->survey.scenes.count ? &run->survey.scenes.scenes[run->survey.scenes.count - 1] : NULL;
    uint32_t channel = render_cast_channel(&run->cast, &run->survey, last, index);
    const struct siprec_participant *who = run->cast.channels[channel].who;
    return json_pack(
        "{s:I,s:o,s:I,s:o,s:o,s:I,s:I,s:I,s:I,s:I,s:I,s:f,s:s}", "stream",
        (json_int_t)stream->number, "label", text_or_null(stream->label), "mline",
        (json_int_t)stream->mline, "participant", who ? text_or_null(who->id) : json_null(),
        "codecs", codecs, "packets", (json_int_t)sum.packets, "lost", (json_int_t)sum.lost,
        "duplicates", (json_int_t)sum.duplicates, "reordered", (json_int_t)sum.reordered, "late",
        (json_int_t)sum.late, "epochs", (json_int_t)sum.epochs, "drift_ppm",
        round(sum.drift_ppm * 10) / 10, "clock", sum.by_reports ? "reports" : "arrival");
}

static json_t *digit_of(const struct render_run *run, const struct render_digit *digit)
{
    const struct render_stream *stream = &run->survey.streams[digit->stream];
    char name[2] = {digit->digit, '\0'};
    int64_t at_ms = run->has_audio ? wall_diff_ms(digit->at, run->grid.start) : 0;
    return json_pack("{s:s,s:o,s:o,s:I,s:I}", "digit", name, "label", text_or_null(stream->label),
                     "at", time_of(digit->at), "at_ms", (json_int_t)(at_ms > 0 ? at_ms : 0),
                     "duration_ms", (json_int_t)digit->duration_ms);
}

struct warnings {
    json_t *list;
    struct wall at;
};

__attribute__((format(printf, 3, 4))) static void warn(struct warnings *warnings, const char *code,
                                                       const char *format, ...)
{
    char text[256];
    va_list arguments;
    va_start(arguments, format);
    (void)vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    json_array_append_new(warnings->list,
                          json_pack("{s:s,s:o,s:o}", "code", code, "text",
                                    text_of(view_of_string(text)), "at", time_of(warnings->at)));
}

static void stream_warn(const struct render_run *run, size_t index, struct warnings *warnings)
{
    const struct render_stream *stream = &run->survey.streams[index];
    struct counts sum = stream_count(run, stream);
    char name[64];
    (void)snprintf(name, sizeof name, "stream " VIEW_FMT " (m-line %u)",
                   VIEW_ARG(view_take(stream->label, 32)), stream->mline);
    if (sum.packets == 0 && !stream->idle)
        warn(warnings, "stream-empty", "%s: no RTP packet", name);
    if (stream->unknown > 0)
        warn(warnings, "payload-unknown",
             "%s: %llu packets of payload types that nobody agreed on are silence", name,
             (unsigned long long)stream->unknown);
    if (sum.broken > 0)
        warn(warnings, "payload-broken", "%s: %llu payloads do not follow their format", name,
             (unsigned long long)sum.broken);
    if (sum.refused > 0)
        warn(warnings, "decoder-refused", "%s: %llu frames could not be decoded and are silence",
             name, (unsigned long long)sum.refused);
    if (sum.misplaced > 0)
        warn(warnings, "timestamp-bogus",
             "%s: %llu packets have a timestamp that fits nowhere and are left out", name,
             (unsigned long long)sum.misplaced);
    if (stream->sources_refused > 0)
        warn(warnings, "ssrc-flood", "%s: %llu packets of more than %d SSRCs are left out", name,
             (unsigned long long)stream->sources_refused, RENDER_SOURCES_MAX);
}

static json_t *warnings_of(const struct render_run *run)
{
    const struct render_survey *survey = &run->survey;
    struct warnings warnings = {json_array(), survey->last};
    if (!run->has_audio)
        warn(&warnings, "no-audio", "the journal holds no audio");
    for (size_t i = 0; i < survey->stream_count; i++)
        stream_warn(run, i, &warnings);
    if (survey->walk.damage > 0)
        warn(&warnings, "journal-damaged", "%llu bytes of the journal could not be read",
             (unsigned long long)survey->walk.damage);
    if (survey->walk.malformed > 0)
        warn(&warnings, "rtp-malformed", "%llu packets are no RTP",
             (unsigned long long)survey->walk.malformed);
    if (survey->walk.timeline.set_back_ns > 0)
        warn(&warnings, "clock-set-back", "our clock was set back by %llu ms in the call",
             (unsigned long long)(survey->walk.timeline.set_back_ns / NS_PER_MS));
    if (survey->walk.timeline.set_forward_ns > 0)
        warn(&warnings, "clock-set-forward", "our clock was set forward by %llu s in the call",
             (unsigned long long)(survey->walk.timeline.set_forward_ns / NS_PER_S));
    if (survey->scenes.unread > 0)
        warn(&warnings, "signalling-too-large", "%llu messages were too much to be taken in",
             (unsigned long long)survey->scenes.unread);
    if (run->reports_refused > 0)
        warn(&warnings, "reports-disagree",
             "sender reports of %u sources contradict arrival and are not used",
             run->reports_refused);
    if (run->mono_forced)
        warn(&warnings, "channels-summed", "%s holds at most %u channels, not %zu: all are summed",
             render_format_name(run->job.format), render_format_channels(run->job.format),
             run->cast.count);
    if (run->cast.merged > 0)
        warn(&warnings, "channels-merged", "more than %d voices: the last channel holds several",
             RENDER_CHANNELS_MAX);
    return warnings.list;
}

char *render_result_print(const struct render_run *run)
{
    static const char *const layouts[] = {"stereo", "mono", "each"};
    json_t *files = json_array(), *streams = json_array(), *digits = json_array();
    size_t file_count = run->job.layout == RENDER_LAYOUT_EACH ? run->mix.channels : 1;
    for (size_t i = 0; i < file_count && i < run->job.file_count; i++)
        json_array_append_new(files, json_string(run->job.names[i]));
    for (size_t i = 0; i < run->survey.stream_count; i++)
        json_array_append_new(streams, stream_of(run, i));
    for (size_t i = 0; i < run->survey.digit_count; i++)
        json_array_append_new(digits, digit_of(run, &run->survey.digits[i]));
    json_t *json = json_pack(
        "{s:I,s:I,s:s,s:s,s:I,s:o,s:o,s:o,s:o,s:o,s:o}", "duration_ms",
        (json_int_t)(run->length * 1000 / run->grid.rate_hz), "sample_rate",
        (json_int_t)run->grid.rate_hz, "format", render_format_name(run->job.format), "layout",
        layouts[run->job.layout], "frames", (json_int_t)run->length, "audio_started_at",
        run->has_audio ? time_of(run->grid.start) : json_null(), "files", files, "channels",
        channels_of(run), "streams", streams, "digits", digits, "warnings", warnings_of(run));
    char *text = json ? json_dumps(json, JSON_COMPACT) : NULL;
    json_decref(json);
    return text;
}
