/* rebuild: plays a journal's SIP messages and events into a record, as the call once did.
 * Not here: what they mean (record.c), the journal's format (journal).
 * RFC 3264, 7866. */
#include "recorder/rebuild.h"

#include <stdlib.h>
#include <string.h>

#include "journal/reader.h"
#include "recorder/document.h"
#include "recorder/record.h"
#include "sip/message.h"
#include "siprec/rules.h"

#define ARENA_CHUNK 65536
#define ARENA_LIMIT (4 * LIMIT_SIP_MESSAGE)
#define TAG_SIZE    128

/* What the interfaces and packets say of a stream; SDP says the rest. */
struct seen {
    struct addr bound;
    struct addr advertised; /* the last that stood, by answers or offers of ours */
    bool has_first;
    struct wall first;
    struct addr observed;
    uint64_t packets, bytes;
    struct recorder_story story;
};

/* A description that waits for its counterpart. */
struct pending {
    char *sdp;
    size_t len;
    uint32_t cseq;
};

struct rebuild {
    struct recorder_record record;
    bool begun; /* the section header was read */
    bool ended, recovered;
    struct wall last; /* of what was recorded */
    struct wall recovered_at;
    uint64_t damaged;
    char src_tag[TAG_SIZE]; /* From tag of the first INVITE: whose transactions are the SRC's */
    struct pending offer;   /* theirs, awaits our 200 */
    struct pending own;     /* ours in a 200, awaits the ACK */
    struct seen seen[LIMIT_STREAMS_PER_RECORDING];
    struct arena *arena;
    struct sdp_session *ours, *theirs;
    struct journal_reader *reader;
};

/* ---- SIP ------------------------------------------------------------------------------------ */

static void keep(struct pending *pending, struct view sdp, uint32_t cseq)
{
    free(pending->sdp);
    pending->sdp = malloc(sdp.len + 1);
    pending->len = pending->sdp ? sdp.len : 0;
    pending->cseq = cseq;
    if (pending->sdp && sdp.len)
        memcpy(pending->sdp, sdp.at, sdp.len);
}

static void drop(struct pending *pending)
{
    free(pending->sdp);
    memset(pending, 0, sizeof *pending);
}

static void agree(struct rebuild *r, struct view ours, struct view theirs, struct wall at)
{
    int found[LIMIT_SDP_MEDIA];
    sdp_session_parse(r->ours, ours);
    if (theirs.len)
        sdp_session_parse(r->theirs, theirs);
    recorder_record_match(&r->record, theirs.len ? r->theirs : r->ours, found);
    for (size_t i = theirs.len ? r->theirs->media_count : r->ours->media_count; i < LIMIT_SDP_MEDIA;
         i++)
        found[i] = SDP_MATCH_NEW;
    recorder_record_agree(&r->record, r->ours, theirs.len ? r->theirs : NULL, found, at);
}

static void take_request(struct rebuild *r, const struct sip_message *m,
                         const struct siprec_content *content, struct wall at)
{
    if (m->method == SIP_METHOD_ACK) {
        if (r->own.len && content->has_sdp)
            agree(r, view_of(r->own.sdp, r->own.len), content->sdp, at);
        drop(&r->own);
    } else if (content->has_sdp || m->method == SIP_METHOD_INVITE) {
        keep(&r->offer, content->has_sdp ? content->sdp : VIEW_NONE, m->cseq);
    }
    for (size_t i = 0; i < content->metadata_count; i++)
        (void)recorder_record_metadata(&r->record, content->metadata[i], at);
}

static void take_answer(struct rebuild *r, const struct sip_message *m,
                        const struct siprec_content *content, struct wall at)
{
    if (m->status / 100 != 2 || !content->has_sdp || r->offer.cseq != m->cseq)
        return;
    if (r->offer.len) {
        agree(r, content->sdp, view_of(r->offer.sdp, r->offer.len), at);
    } else {
        if (r->record.stream_count == 0)
            agree(r, content->sdp, VIEW_NONE, at);
        keep(&r->own, content->sdp, m->cseq);
    }
    drop(&r->offer);
}

static void take_message(struct rebuild *r, const struct sip_message *m, struct wall at)
{
    struct siprec_body body;
    struct siprec_content content;
    struct siprec_warnings warnings = {0};
    if (m->is_request && m->method == SIP_METHOD_INVITE && !r->src_tag[0]) {
        (void)view_copy(m->from_tag, r->src_tag, sizeof r->src_tag);
        char *call_id = malloc(m->call_id.len + 1);
        if (call_id) {
            (void)view_copy(m->call_id, call_id, m->call_id.len + 1);
            free(r->record.call_id);
            r->record.call_id = call_id;
        }
    }
    /* A response carries its request's From: our own requests and their responses say nothing. */
    if (!view_equal(view_take(m->from_tag, TAG_SIZE - 1), view_of_string(r->src_tag)))
        return;
    arena_reset(r->arena);
    struct siprec_body_headers headers = {
        .content_type = m->content_type,
        .content_disposition = sip_message_header(m, VIEW_LIT("Content-Disposition")),
        .content_encoding = sip_message_header(m, VIEW_LIT("Content-Transfer-Encoding")),
    };
    siprec_body_parse(&body, &headers, m->body, r->arena, &warnings);
    siprec_rules_select(&content, &body, &warnings);
    if (m->is_request)
        take_request(r, m, &content, at);
    else
        take_answer(r, m, &content, at);
}

/* ---- Packets and events --------------------------------------------------------------------- */

static struct seen *seen_on(struct rebuild *r, const struct journal_record *record, int *stream)
{
    const struct journal_interface *on = journal_reader_interface(r->reader, record->interface);
    *stream = -1;
    if (!on || on->role == JOURNAL_ROLE_SIP || on->stream >= LIMIT_STREAMS_PER_RECORDING)
        return NULL;
    *stream = (int)on->stream;
    return on->role == JOURNAL_ROLE_MEDIA ? &r->seen[on->stream] : NULL;
}

static void take_interface(struct rebuild *r, const struct journal_record *record)
{
    int stream;
    struct seen *seen = seen_on(r, record, &stream);
    if (seen)
        seen->bound = journal_reader_interface(r->reader, record->interface)->bound;
}

static void take_packet(struct rebuild *r, const struct journal_record *record)
{
    int stream;
    struct seen *seen = seen_on(r, record, &stream);
    if (!seen)
        return;
    if (!seen->has_first) {
        seen->has_first = true;
        seen->first = record->time;
    }
    seen->observed = record->source;
    seen->packets++;
    seen->bytes += record->payload.len;
}

static void take_gap(struct rebuild *r, struct view json, struct recorder_happening what)
{
    struct wall from, to;
    if (!journal_event_wall(json, "from", &from) || !journal_event_wall(json, "to", &to) ||
        to.ns < from.ns)
        return;
    what.at = from;
    what.duration_ms = (uint32_t)wall_diff_ms(to, from);
    recorder_record_happened(&r->record, &what);
}

static void take_event(struct rebuild *r, const struct journal_record *record)
{
    struct view json = record->comment;
    struct recorder_happening what = {.kind = record->event, .at = record->time};
    char code[RECORDER_CODE_SIZE], text[RECORDER_TEXT_SIZE];
    int64_t number;
    struct wall at = record->time;
    struct seen *seen = seen_on(r, record, &what.stream);
    switch (record->event) {
    case JOURNAL_EVENT_WARNING:
        (void)!journal_event_wall(json, "at", &at);
        if (journal_event_text(json, "code", code, sizeof code) &&
            journal_event_text(json, "text", text, sizeof text))
            recorder_record_warn(&r->record, at, code, "%s", text);
        break;
    case JOURNAL_EVENT_STREAM:
        if (seen)
            (void)!journal_event_addr(json, "advertised", &seen->advertised);
        if (seen && journal_event_text(json, "path", text, sizeof text))
            (void)view_copy(view_of_string(text), seen->story.path, sizeof seen->story.path);
        break;
    case JOURNAL_EVENT_GAP:
        take_gap(r, json, what);
        break;
    case JOURNAL_EVENT_PATH:
        if (seen)
            recorder_story_recall(&seen->story, json);
        break;
    case JOURNAL_EVENT_EPOCH:
    case JOURNAL_EVENT_SOURCE:
    case JOURNAL_EVENT_FOREIGN:
    case JOURNAL_EVENT_SILENT:
    case JOURNAL_EVENT_RTCP_BYE:
    case JOURNAL_EVENT_DIGIT:
        (void)!journal_event_addr(json, "address", &what.addr);
        if (journal_event_number(json, "ssrc", &number))
            what.ssrc = (uint32_t)number;
        if (journal_event_text(json, "digit", text, sizeof text))
            what.digit = text[0];
        if (journal_event_number(json, "duration_ms", &number))
            what.duration_ms = (uint32_t)number;
        /* The first SSRC of a stream is its beginning, no change. */
        if (what.kind != JOURNAL_EVENT_EPOCH || (seen && seen->has_first))
            recorder_record_saw(&r->record, &what);
        break;
    case JOURNAL_EVENT_ENDED:
        r->ended = true;
        r->record.ended = record->time;
        (void)!journal_event_text(json, "why", r->record.ended_why, sizeof r->record.ended_why);
        break;
    case JOURNAL_EVENT_RECOVERED:
        r->recovered = true;
        if (!journal_event_wall(json, "at", &r->recovered_at))
            r->recovered_at = record->time;
        break;
    default:
        break;
    }
}

static bool begin(struct rebuild *r, const struct journal_record *record)
{
    char id[UUID_TEXT_LEN + 1], call_id[1024] = "";
    struct uuid uuid;
    struct wall started;
    if (r->begun || !journal_event_text(record->comment, "id", id, sizeof id) ||
        !uuid_parse(view_of_string(id), &uuid))
        return r->begun;
    (void)!journal_event_text(record->comment, "call_id", call_id, sizeof call_id);
    if (!journal_event_wall(record->comment, "started_at", &started))
        started = uuid_time(&uuid);
    r->begun = recorder_record_init(&r->record, &uuid, view_of_string(call_id), started);
    r->last = started;
    return r->begun;
}

static void take_record(struct rebuild *r, const struct journal_record *record)
{
    switch (record->kind) {
    case JOURNAL_RECORD_SIP: {
        struct sip_message *m = sip_message_parse(
            record->payload, record->truncated ? SIP_MESSAGE_DATAGRAM_CUT : SIP_MESSAGE_DATAGRAM);
        if (m)
            take_message(r, m, record->time);
        sip_message_release(m);
        break;
    }
    case JOURNAL_RECORD_INTERFACE:
        take_interface(r, record);
        break;
    case JOURNAL_RECORD_RTP:
        take_packet(r, record);
        break;
    case JOURNAL_RECORD_DAMAGE:
        r->damaged += record->length;
        break;
    case JOURNAL_RECORD_SECTION:
    case JOURNAL_RECORD_RTCP:
    case JOURNAL_RECORD_EVENT:
    case JOURNAL_RECORD_OTHER:
        break;
    }
    if (record->comment.len && record->kind != JOURNAL_RECORD_SECTION &&
        record->kind != JOURNAL_RECORD_INTERFACE)
        take_event(r, record);
    bool real = record->kind == JOURNAL_RECORD_SIP || record->kind == JOURNAL_RECORD_RTP ||
                record->kind == JOURNAL_RECORD_RTCP;
    if (real && record->time.ns > r->last.ns)
        r->last = record->time;
}

/* ---- The whole ------------------------------------------------------------------------------ */

static void conclude(struct rebuild *r, struct wall now)
{
    struct recorder_record *record = &r->record;
    for (unsigned i = 0; i < record->stream_count; i++) {
        struct recorder_stream *stream = &record->streams[i];
        struct seen *seen = &r->seen[i];
        stream->bound = seen->bound;
        if (addr_is_set(&seen->advertised))
            stream->advertised = seen->advertised;
        stream->story = seen->story;
        seen->story.recalled = NULL; /* the stream owns it now */
        stream->has_first = seen->has_first;
        stream->first = seen->first;
        stream->observed = seen->observed;
        stream->counters.packets = seen->packets;
        stream->counters.bytes = seen->bytes;
    }
    recorder_record_check_labels(record, r->last);
    record->state = RECORDER_FINISHING;
    if (r->damaged)
        recorder_record_warn(record, now, "journal-damaged",
                             "%llu bytes of the journal could not be read",
                             (unsigned long long)r->damaged);
    if (r->ended && !r->recovered)
        return;
    struct wall gap_end = r->recovered ? r->recovered_at : now;
    record->recovered = true;
    if (!r->ended) {
        record->ended = r->last;
        memcpy(record->ended_why, "crash", sizeof "crash");
    }
    recorder_record_happened(record, &(struct recorder_happening){.kind = JOURNAL_EVENT_RECOVERED,
                                                                  .at = record->ended,
                                                                  .stream = -1});
    recorder_record_warn(record, gap_end, "recovered",
                         "siprecd stopped during the call: what came between %s and %s is missing",
                         wall_print(record->ended).s, wall_print(gap_end).s);
}

static bool print(struct rebuild *r, struct recorder_rebuilt *out)
{
    struct recorder_record *record = &r->record;
    memset(out, 0, sizeof *out);
    out->id = record->id;
    recorder_record_directory(record, out->directory);
    out->ended = r->ended;
    out->document = recorder_document_print(record);
    out->metadata = record->latest;
    out->metadata_len = record->latest_len;
    record->latest = NULL;
    if (out->document)
        return true;
    recorder_rebuilt_finish(out);
    return false;
}

bool recorder_rebuild(struct view journal, struct wall now, struct recorder_rebuilt *out)
{
    struct rebuild *r = calloc(1, sizeof *r);
    if (!r)
        return false;
    bool ok = false;
    r->arena = arena_create(ARENA_CHUNK, ARENA_LIMIT);
    r->ours = malloc(sizeof *r->ours);
    r->theirs = malloc(sizeof *r->theirs);
    r->reader = journal_reader_create();
    if (r->arena && r->ours && r->theirs && r->reader) {
        struct journal_record record;
        journal_reader_feed(r->reader, journal, true);
        while (journal_reader_next(r->reader, &record)) {
            if (record.kind == JOURNAL_RECORD_SECTION ? !begin(r, &record) : !r->begun)
                break;
            take_record(r, &record);
        }
        if (r->begun) {
            conclude(r, now);
            ok = print(r, out);
        }
    }
    if (r->begun)
        recorder_record_finish(&r->record);
    for (size_t i = 0; i < LIMIT_STREAMS_PER_RECORDING; i++)
        recorder_story_finish(&r->seen[i].story);
    drop(&r->offer);
    drop(&r->own);
    journal_reader_destroy(r->reader);
    arena_destroy(r->arena);
    free(r->ours);
    free(r->theirs);
    free(r);
    return ok;
}

void recorder_rebuilt_finish(struct recorder_rebuilt *rebuilt)
{
    free(rebuilt->document);
    free(rebuilt->metadata);
    memset(rebuilt, 0, sizeof *rebuilt);
}
