/* survey: the first pass over a journal: who sent what and when, every sender's clock, what was
 * negotiated, digits, holds. Nothing is decoded.
 * Not here: the second pass (track.h), channels (cast.h).
 * RFC 3550, 4733. */
#include "render/survey.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "rtp/rtcp.h"

#define AUDIO_HZ_MAX 48000
#define LATE_MAX_NS  (30 * NS_PER_S)

struct render_stream *render_survey_find(const struct render_survey *survey, uint32_t number)
{
    for (size_t i = 0; i < survey->stream_count; i++)
        if (survey->streams[i].number == number)
            return &survey->streams[i];
    return NULL;
}

struct render_source *render_stream_source(const struct render_stream *stream, uint32_t ssrc)
{
    for (size_t i = stream->source_count; i > 0; i--)
        if (stream->sources[i - 1]->ssrc == ssrc)
            return stream->sources[i - 1];
    return NULL;
}

static bool address_push(struct render_survey *survey, const struct render_stream *stream,
                         const struct addr *advertised)
{
    if (survey->address_count == survey->address_room) {
        size_t room = survey->address_room ? survey->address_room * 2 : 16;
        struct render_address *list = realloc(survey->addresses, room * sizeof *list);
        if (!list)
            return false;
        survey->addresses = list;
        survey->address_room = room;
    }
    survey->addresses[survey->address_count++] =
        (struct render_address){*advertised, (size_t)(stream - survey->streams)};
    return true;
}

static bool interface_input(struct render_survey *survey, uint32_t number)
{
    const struct journal_interface *interface =
        journal_reader_interface(survey->walk.reader, number);
    if (!interface || interface->role == JOURNAL_ROLE_SIP)
        return true;
    struct render_stream *stream = render_survey_find(survey, interface->stream);
    if (!stream) {
        if (survey->stream_count >= RENDER_STREAMS_MAX)
            return true;
        stream = &survey->streams[survey->stream_count++];
        *stream = (struct render_stream){.number = interface->stream, .mline = interface->mline};
        stream->sources = calloc(RENDER_SOURCES_MAX, sizeof(struct render_source *));
        if (!stream->sources)
            return false;
    }
    if (stream->label.len == 0)
        stream->label = arena_copy(survey->scenes.arena, interface->label);
    return interface->role != JOURNAL_ROLE_MEDIA || !addr_is_set(&interface->advertised) ||
           address_push(survey, stream, &interface->advertised);
}

static struct render_source *source_add(struct render_stream *stream, uint32_t ssrc)
{
    struct render_source *source = calloc(1, sizeof *source);
    if (!source)
        return NULL;
    source->ssrc = ssrc;
    source->report_stride = 1;
    render_clock_init(&source->clock);
    stream->sources[stream->source_count++] = source;
    return source;
}

static bool digits_push(struct render_survey *survey, size_t stream, const struct rtp_digit *digits,
                        size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (digits[i].digit == 0 || survey->digit_count >= RENDER_DIGITS_MAX)
            continue;
        if (survey->digit_count == survey->digit_room) {
            size_t room = survey->digit_room ? survey->digit_room * 2 : 32;
            struct render_digit *list = realloc(survey->digits, room * sizeof *list);
            if (!list)
                return false;
            survey->digits = list;
            survey->digit_room = room;
        }
        survey->digits[survey->digit_count++] = (struct render_digit){
            digits[i].digit, digits[i].code, stream, digits[i].at, digits[i].duration_ms};
    }
    return true;
}

static bool event_input(struct render_survey *survey, struct render_stream *stream,
                        struct render_source *source, const struct render_step *step,
                        const struct render_codec *codec)
{
    struct rtp_digit digits[RTP_DTMF_DIGITS_MAX];
    if (!source->has_dtmf) {
        rtp_dtmf_init(&source->dtmf, codec->clock_hz);
        source->has_dtmf = true;
    }
    size_t count = rtp_dtmf_input(&source->dtmf, &step->packet, step->record.time, digits);
    return digits_push(survey, (size_t)(stream - survey->streams), digits, count);
}

static void sequence_close(struct render_source *source)
{
    if (source->sequenced)
        source->lost += rtp_sequence_lost(&source->sequence);
    source->sequenced = false;
}

static enum rtp_sequence_verdict sequence_input(struct render_source *source,
                                                const struct render_step *step, uint32_t clock_hz)
{
    struct rtp_position position;
    if (!source->sequenced) {
        rtp_sequence_init(&source->sequence, clock_hz);
        source->sequenced = true;
    }
    enum rtp_sequence_verdict verdict = rtp_sequence_update(
        &source->sequence, step->packet.seq, step->packet.timestamp, step->record.time, &position);
    source->packets++;
    source->duplicates += verdict == RTP_SEQUENCE_DUPLICATE;
    source->reordered += verdict == RTP_SEQUENCE_LATE;
    return verdict;
}

static bool voice_input(struct render_survey *survey, struct render_source *source,
                        const struct render_step *step, const struct render_codec *codec)
{
    struct render_stamp stamp = {
        .ordinal = source->packets - 1,
        .seq = step->packet.seq,
        .timestamp = step->packet.timestamp,
        .clock_hz = codec->clock_hz,
        .arrival = step->record.time,
    };
    source->clock_hz = codec->clock_hz;
    if (!codec->undecodable && codec->audio_hz <= AUDIO_HZ_MAX &&
        codec->audio_hz > survey->audio_hz)
        survey->audio_hz = codec->audio_hz;
    /* What was held apart at first comes out later than it came in. */
    int64_t held = survey->walk.timeline.latest.ns - step->record.time.ns;
    if (held > survey->late_ns)
        survey->late_ns = held;
    return render_clock_observe(&source->clock, &stamp);
}

static bool media_input(struct render_survey *survey, const struct render_step *step)
{
    struct render_stream *stream = render_survey_find(survey, step->stream);
    if (!stream)
        return true;
    struct render_source *source = render_stream_source(stream, step->packet.ssrc);
    if (!source && stream->source_count < RENDER_SOURCES_MAX) {
        source = source_add(stream, step->packet.ssrc);
        if (!source)
            return false;
    }
    if (!source) {
        stream->sources_refused++;
        return true;
    }
    const struct render_scene *scene = render_scenes_find(&survey->scenes, step->record.offset);
    const struct render_codec *codec =
        render_types_find(&stream->types, scene, survey->walk.reader, step->record.interface,
                          step->packet.payload_type);
    survey->media++;
    stream->had_media = true;
    stream->carried[codec->kind] = true;
    enum rtp_sequence_verdict verdict = sequence_input(source, step, codec->clock_hz);
    if (codec->kind == SDP_CODEC_UNKNOWN)
        stream->unknown++;
    if (codec->kind == SDP_CODEC_TELEPHONE_EVENT)
        return event_input(survey, stream, source, step, codec);
    if (verdict == RTP_SEQUENCE_DUPLICATE || !sdp_codec_is_voice(codec->kind) ||
        step->packet.payload.len == 0)
        return true;
    return voice_input(survey, source, step, codec);
}

static void report_keep(struct render_source *source, const struct render_report *report)
{
    if (++source->report_skipped < source->report_stride)
        return;
    source->report_skipped = 0;
    if (source->report_count == RENDER_REPORTS_MAX) {
        for (size_t i = 0; i < RENDER_REPORTS_MAX / 2; i++)
            source->reports[i] = source->reports[2 * i];
        source->report_count = RENDER_REPORTS_MAX / 2;
        source->report_stride *= 2;
    }
    source->reports[source->report_count++] = *report;
}

static void rtcp_input(struct render_survey *survey, const struct journal_record *record)
{
    struct render_stream *stream = render_survey_find(survey, record->stream);
    if (!stream || record->role != JOURNAL_ROLE_MEDIA)
        return;
    struct rtcp_reader reader = rtcp_reader_of(record->payload);
    struct rtcp_packet packet;
    while (rtcp_reader_next(&reader, &packet)) {
        if (packet.type == RTCP_SR && packet.sender.ntp != 0) {
            struct render_source *source = render_stream_source(stream, packet.ssrc);
            struct render_report report = {packet.sender.ntp, packet.sender.timestamp,
                                           record->time};
            if (source)
                report_keep(source, &report);
        }
        for (size_t i = 0; packet.type == RTCP_SDES && i < stream->source_count; i++) {
            struct render_source *source = stream->sources[i];
            struct view cname;
            if (source->cname[0] == '\0' && rtcp_sdes_cname(&packet, source->ssrc, &cname) &&
                !view_copy(cname, source->cname, sizeof source->cname))
                source->cname[0] = '\0';
        }
    }
}

static void direction_input(struct render_stream *stream, struct view json)
{
    char direction[16];
    if (!journal_event_text(json, "direction", direction, sizeof direction))
        return;
    bool inactive = strcmp(direction, "recvonly") != 0;
    stream->idle = inactive && (stream->idle || !stream->told);
    stream->told = true;
}

static void mark_input(struct render_survey *survey, const struct journal_record *record)
{
    struct render_stream *stream =
        record->role == JOURNAL_ROLE_SIP ? NULL : render_survey_find(survey, record->stream);
    switch (record->event) {
    case JOURNAL_EVENT_PAUSE:
    case JOURNAL_EVENT_RESUME:
        if (!stream)
            return;
        stream->paused = record->event == JOURNAL_EVENT_PAUSE;
        /* What the SRC sent while on hold was not journaled: no loss. */
        for (size_t i = 0; i < stream->source_count; i++)
            sequence_close(stream->sources[i]);
        return;
    case JOURNAL_EVENT_STREAM:
        if (stream)
            direction_input(stream, record->comment);
        return;
    case JOURNAL_EVENT_ENDED:
        survey->ended = record->time;
        return;
    case JOURNAL_EVENT_RECOVERED:
        survey->recovered = true;
        return;
    default:
        return;
    }
}

static bool step_input(struct render_survey *survey, const struct render_step *step)
{
    const struct journal_record *record = &step->record;
    survey->records++;
    if (record->time.ns != 0) {
        if (survey->first.ns == 0)
            survey->first = record->time;
        if (record->event != JOURNAL_EVENT_RECOVERED || record->comment.len == 0)
            survey->last = survey->walk.timeline.latest;
    }
    if (step->is_media)
        return media_input(survey, step);
    if (record->comment.len > 0 && record->kind != JOURNAL_RECORD_SECTION)
        mark_input(survey, record);
    switch (record->kind) {
    case JOURNAL_RECORD_INTERFACE:
        return interface_input(survey, record->interface);
    case JOURNAL_RECORD_SIP:
        return record->truncated || render_scenes_input(&survey->scenes, record);
    case JOURNAL_RECORD_RTCP:
        rtcp_input(survey, record);
        return true;
    default:
        return true;
    }
}

static bool sources_end(struct render_survey *survey)
{
    for (size_t i = 0; i < survey->stream_count; i++) {
        struct render_stream *stream = &survey->streams[i];
        for (size_t k = 0; k < stream->source_count; k++) {
            struct render_source *source = stream->sources[k];
            struct rtp_digit digit;
            sequence_close(source);
            if (source->has_dtmf && rtp_dtmf_flush(&source->dtmf, &digit) &&
                !digits_push(survey, i, &digit, 1))
                return false;
            if (!render_clock_end(&source->clock))
                return false;
            if (source->clock.late_ns > survey->late_ns)
                survey->late_ns = source->clock.late_ns;
        }
    }
    if (survey->late_ns > LATE_MAX_NS)
        survey->late_ns = LATE_MAX_NS;
    return true;
}

bool render_survey_read(struct render_survey *survey, struct view file, bool mapped)
{
    struct render_step *step = malloc(sizeof *step);
    *survey = (struct render_survey){.audio_hz = 8000};
    survey->streams = calloc(RENDER_STREAMS_MAX, sizeof *survey->streams);
    bool ok = step && survey->streams && render_scenes_init(&survey->scenes) &&
              render_walk_begin(&survey->walk, file, mapped);
    while (ok && render_walk_next(&survey->walk, step))
        ok = step_input(survey, step);
    if (ok) {
        survey->length = journal_reader_offset(survey->walk.reader);
        ok = sources_end(survey);
    }
    free(step);
    if (!ok)
        render_survey_release(survey);
    return ok;
}

void render_survey_release(struct render_survey *survey)
{
    assert(survey->streams || survey->stream_count == 0);
    for (size_t i = 0; i < survey->stream_count; i++) {
        struct render_stream *stream = &survey->streams[i];
        for (size_t k = 0; k < stream->source_count; k++) {
            render_clock_release(&stream->sources[k]->clock);
            free(stream->sources[k]);
        }
        free(stream->sources);
    }
    free(survey->streams);
    free(survey->digits);
    free(survey->addresses);
    render_walk_end(&survey->walk);
    render_scenes_release(&survey->scenes);
    *survey = (struct render_survey){0};
}
