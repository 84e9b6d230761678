/* record: see record.h. Everything here is plain bookkeeping, bounded, and the same for a call
 * going on and for a journal read again.
 * Not here: who calls it.
 * RFC 7865, 7866 §9. */
#include "recorder/record.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/metrics.h"
#include "siprec/voices.h"

#define METADATA_ARENA_CHUNK 16384
#define METADATA_ARENA_LIMIT (8 * LIMIT_SIP_BODY)

/* ---- Making and unmaking -------------------------------------------------------------------- */

bool recorder_record_init(struct recorder_record *record, const struct uuid *id,
                          struct view call_id, struct wall started)
{
    memset(record, 0, sizeof *record);
    record->id = *id;
    record->started = started;
    record->call_id = malloc(call_id.len + 1);
    if (!record->call_id)
        return false;
    (void)view_copy(call_id, record->call_id, call_id.len + 1);
    return true;
}

void recorder_record_finish(struct recorder_record *record)
{
    if (record->has_metadata)
        siprec_state_finish(&record->metadata);
    for (unsigned i = 0; i < record->stream_count; i++)
        recorder_story_finish(&record->streams[i].story);
    free(record->call_id);
    free(record->speakers);
    free(record->latest);
    free(record->streams);
    free(record->warnings);
    free(record->events.list);
    free(record->digits.list);
    memset(record, 0, sizeof *record);
}

/* Room for one more; false when memory is short. Lists start small, since most stay so. */
static bool grow(void **list, unsigned count, unsigned *room, size_t size)
{
    if (count < *room)
        return true;
    unsigned wanted = *room ? *room * 2 : 2; /* streams, most of all: a call has two */
    void *bigger = realloc(*list, wanted * size);
    if (!bigger)
        return false;
    *list = bigger;
    *room = wanted;
    return true;
}

/* ---- Warnings and happenings ---------------------------------------------------------------- */

static void add_warning(struct recorder_record *record, const struct recorder_warning *warning)
{
    for (unsigned i = 0; i < record->warning_count; i++) {
        if (strcmp(record->warnings[i].code, warning->code) == 0 &&
            strcmp(record->warnings[i].text, warning->text) == 0)
            return;
    }
    if (record->warning_count == LIMIT_WARNINGS ||
        !grow((void **)&record->warnings, record->warning_count, &record->warning_room,
              sizeof *record->warnings))
        return;
    record->warnings[record->warning_count++] = *warning;
    metric_add(METRIC_WARNINGS, 1);
}

void recorder_record_warn(struct recorder_record *record, struct wall at, const char *code,
                          const char *format, ...)
{
    struct recorder_warning warning = {.at = at};
    (void)snprintf(warning.code, sizeof warning.code, "%s", code);
    va_list args;
    va_start(args, format);
    (void)vsnprintf(warning.text, sizeof warning.text, format, args);
    va_end(args);
    add_warning(record, &warning);
}

void recorder_record_warn_siprec(struct recorder_record *record, struct wall at,
                                 const struct siprec_warnings *warnings)
{
    for (int i = 0; i < SIPREC_WARN_COUNT; i++) {
        enum siprec_warning warning = (enum siprec_warning)i;
        if (!siprec_warned(warnings, warning))
            continue;
        const char *detail = warnings->detail[i];
        recorder_record_warn(record, at, siprec_warning_code(warning), "%s%s%s",
                             siprec_warning_text(warning), detail[0] ? ": " : "", detail);
    }
}

void recorder_record_happened(struct recorder_record *record,
                              const struct recorder_happening *happening)
{
    struct recorder_happenings *to =
        happening->kind == JOURNAL_EVENT_DIGIT ? &record->digits : &record->events;
    if (to->count == RECORDER_EVENTS_MAX ||
        !grow((void **)&to->list, to->count, &to->room, sizeof *to->list))
        return;
    to->list[to->count++] = *happening;
}

static enum journal_event_kind kind_of_event(enum media_event_kind kind)
{
    switch (kind) {
    case MEDIA_EVENT_EPOCH:
        return JOURNAL_EVENT_EPOCH;
    case MEDIA_EVENT_SOURCE:
        return JOURNAL_EVENT_SOURCE;
    case MEDIA_EVENT_FOREIGN:
        return JOURNAL_EVENT_FOREIGN;
    case MEDIA_EVENT_DIGIT:
        return JOURNAL_EVENT_DIGIT;
    case MEDIA_EVENT_SILENT:
        return JOURNAL_EVENT_SILENT;
    case MEDIA_EVENT_BYE:
        return JOURNAL_EVENT_RTCP_BYE;
    case MEDIA_EVENT_ICE:
    case MEDIA_EVENT_WAY:
    case MEDIA_EVENT_ALARM:
    case MEDIA_EVENT_NEXT_PATH:
    case MEDIA_EVENT_UNREACHABLE:
    case MEDIA_EVENT_MIGRATE:
    case MEDIA_EVENT_LEFT_RELAY:
    case MEDIA_EVENT_REFUSES:
    case MEDIA_EVENT_FORGOTTEN:
    case MEDIA_EVENT_GAP:
    case MEDIA_EVENT_FIRST:
    case MEDIA_EVENT_COUNT:
    case MEDIA_EVENT_OVERFLOW:
    case MEDIA_EVENT_FAILED:
    case MEDIA_EVENT_CLOSED:
        break;
    }
    return JOURNAL_EVENT_OTHER;
}

void recorder_record_saw(struct recorder_record *record, const struct recorder_happening *what)
{
    if (what->stream < 0 || (unsigned)what->stream >= record->stream_count)
        return;
    struct recorder_stream *stream = &record->streams[what->stream];
    const char *label = stream->label[0] ? stream->label : "-";
    recorder_record_happened(record, what);
    switch (what->kind) {
    case JOURNAL_EVENT_SOURCE:
        stream->observed = what->addr;
        break;
    case JOURNAL_EVENT_SILENT:
        recorder_record_warn(record, what->at, "stream-silent",
                             "no packet came on the stream with label %s (m-line %u, sent to %s)",
                             label, stream->mline + 1, addr_print(&stream->advertised).s);
        break;
    case JOURNAL_EVENT_FOREIGN:
        recorder_record_warn(record, what->at, "second-sender",
                             "%s sends to the stream with label %s too: its packets are kept apart",
                             addr_print(&what->addr).s, label);
        break;
    default:
        break;
    }
}

/* The commonest cause of trouble behind a NAT, and the first thing to look at. */
static void take_first(struct recorder_record *record, struct recorder_stream *stream,
                       const struct media_event *event)
{
    stream->has_first = true;
    stream->first = event->at;
    stream->observed = event->addr;
    /* With ICE that is no more than its first candidate. */
    if (addr_is_set(&stream->offered) && !addr_equal_ip(&stream->offered, &event->addr) &&
        !stream->ice_path)
        recorder_record_warn(record, event->at, "source-differs",
                             "the SDP says %s, the packets come from %s",
                             addr_print(&stream->offered).s, addr_print(&event->addr).s);
}

static void warn_unreachable(struct recorder_record *record, const struct recorder_stream *stream,
                             struct wall at)
{
    struct verdict_cure cure = verdict_cure(&stream->story.verdict);
    recorder_record_warn(record, at, "unreachable",
                         "nothing comes on the stream with label %s (sent to %s): %s. %s",
                         stream->label[0] ? stream->label : "-", addr_print(&stream->advertised).s,
                         cure.reason, cure.cure);
}

/* Nothing could be recorded for a while, and now it can again: one recording, with a hole. */
static bool take_gap(struct recorder_record *record, const struct recorder_stream *stream,
                     const struct media_event *event)
{
    recorder_record_happened(record,
                             &(struct recorder_happening){.kind = JOURNAL_EVENT_GAP,
                                                          .at = event->at,
                                                          .stream = event->stream,
                                                          .addr = event->addr,
                                                          .duration_ms = event->duration_ms});
    recorder_record_warn(
        record, event->at, "gap", "nothing came on the stream with label %s for %u ms (%s)",
        stream->label[0] ? stream->label : "-", event->duration_ms, way_reason_name(event->reason));
    return true;
}

bool recorder_record_media(struct recorder_record *record, const struct media_event *event)
{
    if (event->stream >= record->stream_count)
        return false;
    struct recorder_stream *stream = &record->streams[event->stream];
    stream->counters = event->counters;
    if (stream->story.verdict.first_packet_ms >= 0)
        stream->story.verdict.lost_before_first = (uint32_t)event->counters.lost_before;
    if (event->kind == MEDIA_EVENT_COUNT)
        return false;
    bool was_unreachable = stream->story.verdict.unreachable;
    bool told = recorder_story_media(&stream->story, event);
    if (event->kind == MEDIA_EVENT_FIRST && !stream->has_first) {
        take_first(record, stream, event);
        return true;
    }
    if (event->kind == MEDIA_EVENT_OVERFLOW) {
        recorder_record_warn(record, event->at, "socket-overflow",
                             "this machine had no room for all packets of the stream with label "
                             "%s: some were dropped",
                             stream->label[0] ? stream->label : "-");
        return true;
    }
    if (event->kind == MEDIA_EVENT_GAP)
        return take_gap(record, stream, event);
    if (event->kind == MEDIA_EVENT_REFUSES) {
        recorder_record_warn(record, event->at, "packets-refused",
                             "%s answers what we send with ICMP: it gets no more",
                             addr_print(&event->addr).s);
        return true;
    }
    if (stream->story.verdict.unreachable && !was_unreachable)
        warn_unreachable(record, stream, event->at);
    if (kind_of_event(event->kind) == JOURNAL_EVENT_OTHER)
        return told;
    recorder_record_saw(record, &(struct recorder_happening){.kind = kind_of_event(event->kind),
                                                             .at = event->at,
                                                             .stream = event->stream,
                                                             .addr = event->addr,
                                                             .ssrc = event->ssrc,
                                                             .digit = event->digit,
                                                             .duration_ms = event->duration_ms});
    return true;
}

/* ---- Streams -------------------------------------------------------------------------------- */

void recorder_record_match(const struct recorder_record *record, const struct sdp_session *offer,
                           int found[])
{
    struct sdp_known known[LIMIT_STREAMS_PER_RECORDING];
    for (unsigned i = 0; i < record->stream_count; i++) {
        const struct recorder_stream *stream = &record->streams[i];
        known[i] = (struct sdp_known){.label = view_of_string(stream->label),
                                      .kind = SDP_KIND_AUDIO,
                                      .line = stream->mline,
                                      .gone = stream->gone};
    }
    sdp_match(offer, known, record->stream_count, found);
    /* A label that had gone and comes back names the same stream, on a port of its own. */
    for (size_t i = 0; i < offer->media_count; i++) {
        struct view label = offer->media[i].label;
        if (found[i] != SDP_MATCH_NEW || label.len == 0 || sdp_media_label_repeats(offer, i))
            continue;
        for (unsigned k = 0; k < record->stream_count; k++) {
            if (known[k].gone && view_equal(known[k].label, label))
                found[i] = (int)k;
        }
    }
}

static enum media_codec_kind kind_of(enum sdp_codec codec)
{
    if (codec == SDP_CODEC_TELEPHONE_EVENT)
        return MEDIA_DIGITS;
    return codec == SDP_CODEC_CN ? MEDIA_NOISE : MEDIA_AUDIO;
}

static void take_formats(struct recorder_stream *stream, const struct sdp_agreed *agreed)
{
    stream->codec_count = 0;
    stream->codec[0] = 0;
    for (size_t i = 0; i < agreed->format_count; i++) {
        const struct sdp_format *format = &agreed->formats[i];
        if (sdp_codec_is_voice(format->codec) && !stream->codec[0])
            (void)snprintf(stream->codec, sizeof stream->codec, "%s",
                           sdp_codec_name(format->codec));
        if (stream->codec_count < MEDIA_CODECS)
            stream->codecs[stream->codec_count++] =
                (struct media_codec){.payload_type = format->payload_type,
                                     .kind = kind_of(format->codec),
                                     .clock_hz = format->clock_hz};
    }
}

static bool is_found(const int found[], size_t count, unsigned stream)
{
    for (size_t i = 0; i < count; i++) {
        if (found[i] == (int)stream)
            return true;
    }
    return false;
}

/* A number for a new stream. A session that lives for days may use them all up: then it gets that
 * of one that is gone, whose packets stay in the journal. */
static int add_stream(struct recorder_record *record, const int found[], size_t count,
                      struct wall at)
{
    if (record->stream_count == LIMIT_STREAMS_PER_RECORDING) {
        for (unsigned i = 0; i < record->stream_count; i++) {
            struct recorder_stream *old = &record->streams[i];
            if (!old->gone || is_found(found, count, i))
                continue;
            old->label[0] = 0;
            return (int)i;
        }
        return SDP_MATCH_NEW;
    }
    if (!grow((void **)&record->streams, record->stream_count, &record->stream_room,
              sizeof *record->streams))
        return SDP_MATCH_NEW;
    struct recorder_stream *stream = &record->streams[record->stream_count];
    memset(stream, 0, sizeof *stream);
    stream->began = at;
    return (int)record->stream_count++;
}

unsigned recorder_record_room(const struct recorder_record *record)
{
    unsigned going_on = 0;
    for (unsigned i = 0; i < record->stream_count; i++)
        going_on += !record->streams[i].gone;
    return LIMIT_STREAMS_PER_RECORDING - going_on;
}

static void take_line(struct recorder_stream *stream, const struct sdp_agreed *agreed, size_t line,
                      bool answered)
{
    stream->gone = false;
    stream->mline = (unsigned)line;
    if (agreed->label.len || !stream->label[0])
        (void)view_copy(agreed->label, stream->label, sizeof stream->label);
    stream->paused = answered && (agreed->direction == SDP_INACTIVE || agreed->held);
    stream->mute = answered && agreed->direction == SDP_SENDONLY;
    stream->rtcp_mux = answered && agreed->rtcp_mux;
    stream->advertised = agreed->local_rtp;
    stream->offered = answered ? agreed->remote_rtp : (struct addr){0};
    stream->offered_rtcp = answered ? agreed->remote_rtcp : (struct addr){0};
    take_formats(stream, agreed);
}

void recorder_record_agree(struct recorder_record *record, const struct sdp_session *ours,
                           const struct sdp_session *theirs, int found[], struct wall at)
{
    bool carried[LIMIT_STREAMS_PER_RECORDING] = {false};
    bool paused[LIMIT_STREAMS_PER_RECORDING] = {false};
    for (unsigned i = 0; i < record->stream_count; i++)
        paused[i] = record->streams[i].paused;
    for (size_t line = 0; line < ours->media_count; line++) {
        struct sdp_agreed agreed;
        if (theirs && line >= theirs->media_count) {
            found[line] = SDP_MATCH_NEW;
            continue;
        }
        sdp_agree(&agreed, ours, theirs ? theirs : ours, line);
        if (!agreed.active || agreed.kind != SDP_KIND_AUDIO) {
            found[line] = SDP_MATCH_NEW;
            continue;
        }
        if (found[line] == SDP_MATCH_NEW)
            found[line] = add_stream(record, found, ours->media_count, at);
        if (found[line] == SDP_MATCH_NEW)
            continue;
        take_line(&record->streams[found[line]], &agreed, line, theirs != NULL);
        carried[found[line]] = true;
    }
    for (unsigned i = 0; i < record->stream_count; i++) {
        struct recorder_stream *stream = &record->streams[i];
        stream->gone = !carried[i];
        if (stream->paused == paused[i] || stream->gone)
            continue;
        recorder_record_happened(
            record, &(struct recorder_happening){.kind = stream->paused ? JOURNAL_EVENT_PAUSE
                                                                        : JOURNAL_EVENT_RESUME,
                                                 .at = at,
                                                 .stream = (int)i});
    }
}

const char *recorder_stream_direction(const struct recorder_stream *stream)
{
    if (stream->gone)
        return "removed";
    if (stream->paused)
        return "inactive";
    return stream->mute ? "sendonly" : "recvonly";
}

/* ---- Metadata ------------------------------------------------------------------------------- */

static void keep_latest(struct recorder_record *record, struct view xml)
{
    if (xml.len > RECORDER_METADATA_MAX)
        return;
    char *copy = malloc(xml.len + 1);
    if (!copy)
        return;
    memcpy(copy, xml.at, xml.len);
    copy[xml.len] = 0;
    free(record->latest);
    record->latest = copy;
    record->latest_len = xml.len;
    record->latest_is_new = true;
}

enum siprec_applied recorder_record_metadata(struct recorder_record *record, struct view xml,
                                             struct wall at)
{
    enum siprec_applied applied = SIPREC_APPLIED_NOTHING;
    struct siprec_warnings warnings = {0};
    keep_latest(record, xml);
    if (!record->has_metadata)
        record->has_metadata = siprec_state_init(&record->metadata);
    struct arena *arena = arena_create(METADATA_ARENA_CHUNK, METADATA_ARENA_LIMIT);
    if (record->has_metadata && arena) {
        struct siprec_metadata document;
        siprec_metadata_parse(&document, xml, arena, &warnings);
        applied = siprec_state_apply(&record->metadata, &document, &warnings);
    }
    arena_destroy(arena);
    recorder_record_warn_siprec(record, at, &warnings);
    return applied;
}

static void note_speaker(struct recorder_record *record, const struct siprec_participant *who,
                         unsigned stream)
{
    for (unsigned i = 0; i < record->speaker_count; i++) {
        if (record->speakers[i].who == who) {
            record->speakers[i].stream = stream;
            return;
        }
    }
    if (record->speaker_count < RECORDER_EVENTS_MAX &&
        grow((void **)&record->speakers, record->speaker_count, &record->speaker_room,
             sizeof *record->speakers))
        record->speakers[record->speaker_count++] = (struct recorder_speaker){who, stream};
}

void recorder_record_check_labels(struct recorder_record *record, struct wall at)
{
    if (!record->has_metadata || record->stream_count == 0)
        return;
    struct siprec_line lines[LIMIT_STREAMS_PER_RECORDING];
    struct siprec_voice voices[LIMIT_STREAMS_PER_RECORDING];
    for (unsigned i = 0; i < record->stream_count; i++)
        lines[i] = (struct siprec_line){.label = view_of_string(record->streams[i].label),
                                        .active = !record->streams[i].gone};
    struct siprec_warnings warnings = {0};
    siprec_voices_find(voices, &record->metadata, lines, record->stream_count, &warnings);
    for (unsigned i = record->stream_count; i-- > 0;) {
        for (size_t k = 0; k < voices[i].count; k++)
            note_speaker(record, voices[i].who[k], i);
    }
    recorder_record_warn_siprec(record, at, &warnings);
}

void recorder_record_directory(const struct recorder_record *record,
                               char directory[MEDIA_DIRECTORY_SIZE])
{
    struct wall_date day = wall_date_of(record->started);
    (void)snprintf(directory, MEDIA_DIRECTORY_SIZE, "%04d/%02d/%02d/%s", day.year, day.month,
                   day.day, record->id.s);
}
