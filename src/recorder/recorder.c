/* recorder: what each SIP event and each media event means for the call it belongs to.
 * Not here: offers and answers (call.c), what is known of a recording (record.c), JSON
 * (document.c).
 * RFC 7866 §6, §9; 3261 §13.3, §15; 4028. */
#include "recorder/recorder.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/metrics.h"
#include "recorder/call.h"
#include "recorder/document.h"
#include "recorder/ice.h"

#define ARENA_CHUNK 65536
#define ARENA_LIMIT (4 * LIMIT_SIP_MESSAGE)

/* ---- Making and unmaking -------------------------------------------------------------------- */

/* Calls that have ended keep their place until the tail is in, about a second. */
uint32_t recorder_slots(const struct recorder_settings *settings)
{
    return settings->recordings + settings->recordings / 4 + 16;
}

struct recorder *recorder_create(const struct recorder_settings *settings, struct sip *sip,
                                 const uint8_t seed[32])
{
    struct recorder *recorder = calloc(1, sizeof *recorder);
    if (!recorder)
        return NULL;
    uint32_t slots = recorder_slots(settings);
    recorder->settings = *settings;
    for (int v6 = 0; v6 < 2; v6++) {
        struct nat_profile *profile = &recorder->profiles[v6];
        profile_init(profile, (struct tick){0}, settings->behind_nat, settings->external[v6]);
        (void)profile_set_local(profile, (struct tick){0}, settings->own[v6]);
        recorder->located[v6] = settings->own[v6];
    }
    recorder->sip = sip;
    recorder->waiting_end = &recorder->waiting;
    list_init(&recorder->parked);
    rng_init(&recorder->rng, seed);
    recorder->calls = pool_create(sizeof(struct recorder_call), slots);
    recorder->arena = arena_create(ARENA_CHUNK, ARENA_LIMIT);
    if (!recorder->calls || !recorder->arena ||
        !map_init(&recorder->by_dialog, slots, &recorder->rng) ||
        !timers_init(&recorder->timers, slots) ||
        !recorder_srcs_init(&recorder->srcs, &recorder->rng)) {
        recorder_destroy(recorder);
        return NULL;
    }
    return recorder;
}

static void finish_waiting(struct recorder_waiting *waiting)
{
    if (!waiting)
        return;
    free((void *)(uintptr_t)waiting->output.document.at);
    free((void *)(uintptr_t)waiting->output.metadata.at);
    free(waiting);
}

void recorder_free_call(struct recorder *recorder, struct recorder_call *call)
{
    recorder_finish_work(call);
    recorder_move_finish(call);
    timers_clear(&recorder->timers, &call->timer);
    map_remove(&recorder->by_dialog, &call->node);
    recorder_record_finish(&call->record);
    for (unsigned i = 0; i < LIMIT_STREAMS_PER_RECORDING; i++)
        recorder_ice_destroy(recorder, call->ices[i]);
    free((void *)(uintptr_t)call->ours.at);
    free((void *)(uintptr_t)call->theirs.at);
    pool_give(recorder->calls, call->id);
}

void recorder_destroy(struct recorder *recorder)
{
    if (!recorder)
        return;
    uint32_t index = 0;
    struct pool_id id;
    struct recorder_call *call;
    while (recorder->calls && (call = pool_next(recorder->calls, &index, &id)))
        recorder_free_call(recorder, call);
    while (!list_is_empty(&recorder->parked))
        recorder_unpark(container_of(list_first(&recorder->parked), struct recorder_parked, link));
    while (recorder->waiting) {
        struct recorder_waiting *waiting = recorder->waiting;
        recorder->waiting = waiting->next;
        media_command_finish(&waiting->output.command);
        finish_waiting(waiting);
    }
    finish_waiting(recorder->lent);
    recorder_stock_finish(&recorder->stock);
    recorder_finish_holders(recorder);
    recorder_srcs_finish(&recorder->srcs);
    map_finish(&recorder->by_dialog);
    timers_finish(&recorder->timers);
    arena_destroy(recorder->arena);
    pool_destroy(recorder->calls);
    free(recorder);
}

void recorder_configure(struct recorder *recorder, const struct recorder_settings *settings)
{
    uint32_t recordings = recorder->settings.recordings;
    recorder->settings = *settings;
    recorder->settings.recordings = recordings;
}

/* ---- Outputs -------------------------------------------------------------------------------- */

static struct recorder_output *put_output(struct recorder *recorder, enum recorder_output_kind kind)
{
    struct recorder_waiting *waiting = calloc(1, sizeof *waiting);
    /* Commands keep worker and recorder in step; without memory for one nothing below holds. */
    assert(waiting);
    waiting->output.kind = kind;
    *recorder->waiting_end = waiting;
    recorder->waiting_end = &waiting->next;
    return &waiting->output;
}

void recorder_post(struct recorder *recorder, const struct recorder_call *call,
                   struct media_command command, void *bytes, size_t len)
{
    struct recorder_output *out = put_output(recorder, RECORDER_COMMAND);
    out->worker = call->worker;
    out->command = command;
    out->command.recording = call->id;
    out->command.bytes = bytes;
    out->command.len = len;
}

void *recorder_copy(struct view v)
{
    void *copy = malloc(v.len + 1);
    if (copy && v.len)
        memcpy(copy, v.at, v.len);
    return copy;
}

void recorder_post_mark(struct recorder *recorder, const struct recorder_call *call, int stream,
                        struct wall at, struct view line)
{
    void *copy = recorder_copy(line);
    if (copy)
        recorder_post(
            recorder, call,
            (struct media_command){.kind = MEDIA_MARK, .at = at, .mark = {.stream = stream}}, copy,
            line.len);
}

void recorder_tell_src(struct recorder *recorder, const struct uuid *id, const char *key,
                       const char *profile)
{
    struct view text = view_of_string(profile);
    char *copy = recorder_copy(text);
    if (!copy)
        return; /* the next call teaches again */
    struct recorder_output *out = put_output(recorder, RECORDER_SRC);
    out->src = *id;
    (void)snprintf(out->key, sizeof out->key, "%s", key);
    out->document = view_of(copy, text.len);
}

void recorder_return_ticket(struct recorder *recorder, const struct recorder_ticket *ticket)
{
    if (ticket->port == MEDIA_PORT_SHARED)
        return; /* shared: it was never taken */
    /* It has not been named in any SDP that left: the next call may have it. */
    if (!recorder_stock_put(&recorder->stock, ticket))
        recorder_retire_ticket(recorder, ticket);
}

void recorder_retire_ticket(struct recorder *recorder, const struct recorder_ticket *ticket)
{
    put_output(recorder, RECORDER_TICKET)->ticket = *ticket;
}

static void put_document(struct recorder *recorder, struct recorder_call *call,
                         enum recorder_output_kind kind)
{
    struct recorder_record *record = &call->record;
    char *text = recorder_document_print(record);
    if (!text) /* memory is short: a later one will tell */
        return;
    struct recorder_output *out = put_output(recorder, kind);
    out->recording = record->id;
    recorder_record_directory(record, out->directory);
    out->document = view_of_string(text);
    if (kind == RECORDER_DOCUMENT && record->latest_is_new) {
        struct view latest = view_of(record->latest, record->latest_len);
        out->metadata = view_of(recorder_copy(latest), latest.len);
        record->latest_is_new = !out->metadata.at;
    }
}

bool recorder_output(struct recorder *recorder, struct recorder_output *out)
{
    finish_waiting(recorder->lent);
    recorder->lent = recorder->waiting;
    if (!recorder->lent)
        return false;
    recorder->waiting = recorder->lent->next;
    if (!recorder->waiting)
        recorder->waiting_end = &recorder->waiting;
    *out = recorder->lent->output;
    return true;
}

/* ---- A call's own time ---------------------------------------------------------------------- */

void recorder_arm(struct recorder *recorder, struct recorder_call *call)
{
    struct tick next = TICK_NEVER;
    if (call->document_due)
        next = call->document_at;
    /* Not before the ACK: an UPDATE that overtakes our 200 would be for no dialog the SRC knows. */
    if (call->snapshot_wanted && !call->snapshot_request && call->confirmed)
        next = tick_min(next, call->snapshot_at);
    next = tick_min(next, tick_min(recorder_move_deadline(call), recorder_watch_deadline(call)));
    next = tick_min(next, recorder_trickle_deadline(call));
    if (call->work)
        next = (struct tick){0}; /* as soon as the answer has left */
    timers_set(&recorder->timers, &call->timer, next);
}

void recorder_call_changed(struct recorder *recorder, struct recorder_call *call,
                           struct recorder_now now)
{
    struct recorder_record *record = &call->record;
    for (; record->warnings_told < record->warning_count; record->warnings_told++) {
        const struct recorder_warning *warning = &record->warnings[record->warnings_told];
        char text[1024];
        struct journal_event line = journal_event_begin(text, sizeof text, JOURNAL_EVENT_WARNING);
        journal_event_put_text(&line, "code", view_of_string(warning->code));
        journal_event_put_text(&line, "text", view_of_string(warning->text));
        journal_event_put_wall(&line, "at", warning->at);
        /* Written when it is known: a journal whose time goes back tells of a clock that was set. */
        recorder_post_mark(recorder, call, -1, now.wall, journal_event_end(&line));
        LOG_WARN("recorder", view_of_string(record->call_id), "warning code=%s text=\"%s\"",
                 warning->code, warning->text);
    }
    if (!call->document_due) {
        call->document_due = true;
        call->document_at = tick_add_ms(call->document_last, RECORDER_DOCUMENT_EVERY_MS);
        if (tick_before(call->document_at, now.tick))
            call->document_at = now.tick;
    }
    recorder_arm(recorder, call);
}

/* OPTIONS is how SRCs and balancers ask whether to send calls here. */
void recorder_tell_available(struct recorder *recorder)
{
    bool full = recorder->active >= recorder->settings.recordings;
    bool settling = recorder->refusals == RECORDER_SETTLING;
    sip_set_available(recorder->sip, recorder->refusals == 0 && !full,
                      settling ? PROFILE_SETTLE_MS / 1000 : recorder->settings.retry_after_s);
}

/* What changed about the streams' ways, into the journal: the document can be made from it alone. */
static void post_stories(struct recorder *recorder, struct recorder_call *call, struct wall at)
{
    char text[RECORDER_STORY_SIZE];
    struct view line;
    for (unsigned i = 0; i < call->record.stream_count; i++) {
        if (recorder_story_line(&call->record.streams[i].story, i, text, &line))
            recorder_post_mark(recorder, call, (int)i, at, line);
    }
}

/* ---- The end -------------------------------------------------------------------------------- */

static void finish_call(struct recorder *recorder, struct recorder_call *call,
                        struct recorder_now now, const char *why)
{
    struct recorder_record *record = &call->record;
    if (call->closing)
        return;
    call->closing = true;
    call->snapshot_wanted = false;
    recorder_do_work(recorder, call, now);
    record->state = RECORDER_FINISHING;
    record->ended = now.wall;
    (void)snprintf(record->ended_why, sizeof record->ended_why, "%s", why);
    recorder_call_changed(recorder, call, now);
    post_stories(recorder, call, now.wall);
    char text[256];
    struct journal_event line = journal_event_begin(text, sizeof text, JOURNAL_EVENT_ENDED);
    journal_event_put_text(&line, "why", view_of_string(why));
    journal_event_put_wall(&line, "at", now.wall);
    struct view last = journal_event_end(&line);
    recorder_post(recorder, call, (struct media_command){.kind = MEDIA_CLOSE, .at = now.wall},
                  recorder_copy(last), last.len);
    recorder->active--;
    recorder_tell_available(recorder);
    metric_add(METRIC_RECORDINGS_ACTIVE, -1);
    LOG_INFO("recorder", view_of_string(record->call_id),
             "recording ended id=%s why=%s duration_ms=%" PRId64, record->id.s, why,
             wall_diff_ms(record->ended, record->started));
}

/* An end that the SRC did not ask for is worth a warning. */
static void warn_end(struct recorder_call *call, struct wall at, enum sip_end end)
{
    static const char *const texts[] = {
        [SIP_END_NO_ACK] = "the SRC never acknowledged our 200: we sent BYE",
        [SIP_END_EXPIRED] = "the SRC did not refresh the session in time: we sent BYE",
        [SIP_END_GONE] = "the SRC no longer knew the call",
        [SIP_END_NO_ANSWER] = "the SRC no longer answered: we sent BYE",
        [SIP_END_NO_PRACK] = "the SRC never sent PRACK",
        [SIP_END_DROPPED] = "the call was dropped",
    };
    if ((size_t)end < sizeof texts / sizeof texts[0] && texts[end])
        recorder_record_warn(&call->record, at, sip_end_name(end), "%s", texts[end]);
}

/* ---- Within the call ------------------------------------------------------------------------ */

void recorder_take_trace(struct recorder *recorder, struct recorder_call *call,
                         struct recorder_now now, const struct sip_event *event)
{
    void *copy = recorder_copy(event->bytes);
    if (!copy)
        return;
    struct media_command command = {.kind = MEDIA_SIP, .at = now.wall};
    command.sip = (struct media_sip){
        .from = event->sent ? event->flow.local : event->flow.peer,
        .to = event->sent ? event->flow.peer : event->flow.local,
        .tcp = sip_protocol_is_reliable(event->flow.protocol),
        .sent = event->sent,
    };
    recorder_post(recorder, call, command, copy, event->bytes.len);
}

/* re-INVITE, UPDATE, PRACK with a body. What cannot be agreed leaves everything as it was (RFC 6141
 * §3, 3261 §14.2). */
static void take_offer(struct recorder *recorder, struct recorder_call *call,
                       struct recorder_now now, const struct sip_event *event)
{
    struct siprec_body body;
    struct siprec_content content;
    struct siprec_warnings warnings = {0};
    struct sip_answer answer = {.status = 200};
    bool gone = false;
    bool has_sdp = recorder_read_body(recorder, event->message, &body, &content, &warnings);
    if (content.refusal) {
        answer.status = (unsigned)content.refusal;
        answer.headers = VIEW_LIT("Accept: " SIPREC_ACCEPT "\r\n");
    } else if (has_sdp || event->kind == SIP_EVENT_REINVITE) {
        unsigned status = recorder_call_offer(recorder, call, now, event->request,
                                              has_sdp ? content.sdp : VIEW_NONE, &gone);
        if (status == 503 && recorder_park(recorder, now, event))
            return;
        answer.status = status ? status : 200;
        if (status == 503)
            answer.retry_after_s = recorder->settings.retry_after_s;
        if (status)
            LOG_WARN("recorder", view_of_string(call->record.call_id),
                     "offer refused status=%u: the session stays as it was", status);
    }
    bool answered_with_sdp = answer.status == 200 && (has_sdp || event->kind == SIP_EVENT_REINVITE);
    if (!answered_with_sdp)
        (void)sip_answer(recorder->sip, now.tick, event->request, &answer);
    if (gone || answer.status != 200)
        return;
    recorder_record_warn_siprec(&call->record, now.wall, &warnings);
    recorder_put_work(recorder, call, &content, now.wall);
    /* The message's own metadata is read later, and its labels are looked up then. */
    if (has_sdp && content.metadata_count == 0)
        recorder_record_check_labels(&call->record, now.wall);
    recorder_call_changed(recorder, call, now);
}

static void take_metadata(struct recorder *recorder, struct recorder_call *call,
                          struct recorder_now now, const struct sip_message *message)
{
    struct siprec_body body;
    struct siprec_content content;
    struct siprec_warnings warnings = {0};
    if (!message || message->body.len == 0)
        return;
    (void)recorder_read_body(recorder, message, &body, &content, &warnings);
    if (content.metadata_count)
        recorder_put_work(recorder, call, &content, now.wall);
}

static void take_ack(struct recorder *recorder, struct recorder_call *call, struct recorder_now now,
                     const struct sip_message *message)
{
    struct siprec_body body;
    struct siprec_content content = {0};
    struct siprec_warnings warnings = {0};
    if (!call->confirmed)
        call->confirmed_at = now.wall;
    if (!call->confirmed)
        recorder_post(recorder, call, (struct media_command){.kind = MEDIA_CONFIRM, .at = now.wall},
                      NULL, 0);
    if (!call->confirmed)
        recorder_watch_hear(call, now.tick);
    if (!call->confirmed && call->waits)
        recorder_move_resume(recorder, call, now);
    call->confirmed = true;
    recorder_arm(recorder, call);
    if (message && message->body.len)
        (void)recorder_read_body(recorder, message, &body, &content, &warnings);
    if (call->offer_out && content.has_sdp) {
        recorder_call_answered(recorder, call, now, content.sdp);
        recorder_record_check_labels(&call->record, now.wall);
        recorder_call_changed(recorder, call, now);
    } else if (call->offer_out) {
        call->offer_out = false;
        recorder_record_warn(&call->record, now.wall, "answer-missing",
                             "the SRC's ACK did not answer our offer: what comes is recorded");
        recorder_call_changed(recorder, call, now);
    }
    if (content.metadata_count)
        recorder_put_work(recorder, call, &content, now.wall);
}

/* Neither its media nor its SIP comes any more, and it answers nothing. */
static void lose_src(struct recorder *recorder, struct recorder_call *call, struct recorder_now now)
{
    if (call->closing)
        return;
    recorder_record_warn(&call->record, now.wall, sip_end_name(SIP_END_NO_ANSWER),
                         "nothing has come from the SRC for %" PRId64
                         " s, and it answers nothing: we sent BYE",
                         tick_diff_ms(now.tick, call->watch.heard_at) / 1000);
    sip_bye(recorder->sip, now.tick, call->dialog,
            VIEW_LIT("Reason: SIP;cause=408;text=\"no media and no answer\"\r\n"));
    finish_call(recorder, call, now, sip_end_name(SIP_END_NO_ANSWER));
}

static void take_response(struct recorder *recorder, struct recorder_call *call,
                          struct recorder_now now, const struct sip_event *event)
{
    bool gone;
    if (recorder_move_response(recorder, call, now, event) ||
        recorder_trickle_response(recorder, call, now, event))
        return;
    if (!recorder_watch_response(call, now.tick, event, &gone))
        recorder_take_response(recorder, call, now, event);
    else if (gone)
        lose_src(recorder, call, now);
    recorder_arm(recorder, call);
}

static struct recorder_call *find_call(const struct recorder *recorder, uint64_t dialog)
{
    struct map_node *node = map_find(&recorder->by_dialog, view_of(&dialog, sizeof dialog));
    return node ? container_of(node, struct recorder_call, node) : NULL;
}

static void take_in_dialog(struct recorder *recorder, struct recorder_call *call,
                           struct recorder_now now, const struct sip_event *event)
{
    if (event->request)
        recorder_move_reached(recorder, call, now);
    switch (event->kind) {
    case SIP_EVENT_REINVITE:
    case SIP_EVENT_UPDATE:
    case SIP_EVENT_PRACK:
        if (event->request && call->closing)
            (void)sip_answer(recorder->sip, now.tick, event->request,
                             &(struct sip_answer){.status = 481});
        else if (event->request)
            take_offer(recorder, call, now, event);
        break;
    case SIP_EVENT_INFO:
        take_metadata(recorder, call, now, event->message);
        recorder_trickle_take(recorder, call, now, event->message);
        break;
    case SIP_EVENT_ACK:
        take_ack(recorder, call, now, event->message);
        break;
    case SIP_EVENT_BYE:
        take_metadata(recorder, call, now, event->message);
        finish_call(recorder, call, now, "bye");
        break;
    case SIP_EVENT_RESPONSE:
        take_response(recorder, call, now, event);
        break;
    case SIP_EVENT_ENDING:
    case SIP_EVENT_ENDED:
        if (!call->closing)
            warn_end(call, now.wall, event->end);
        finish_call(recorder, call, now, sip_end_name(event->end));
        break;
    case SIP_EVENT_TRACE:
        if (!event->sent)
            recorder_watch_hear(call, now.tick);
        recorder_take_trace(recorder, call, now, event);
        break;
    case SIP_EVENT_INVITE:
    case SIP_EVENT_CANCEL:
    case SIP_EVENT_OPTIONS:
    case SIP_EVENT_REFUSED:
    case SIP_EVENT_PROVISIONAL:
    case SIP_EVENT_PONG:
        break;
    }
}

void recorder_take_in(struct recorder *recorder, struct recorder_now now,
                      const struct sip_event *event)
{
    if (event->kind == SIP_EVENT_CANCEL || event->kind == SIP_EVENT_ENDED)
        recorder_forget_parked(recorder, now, event->dialog);
    if (event->kind == SIP_EVENT_INVITE) {
        recorder_take_invite(recorder, now, event);
    } else if (event->kind == SIP_EVENT_REFUSED) {
        recorder_count_refused(recorder, now, event, event->status,
                               "what it says cannot be taken (RFC 3261)");
    } else {
        struct recorder_call *call = find_call(recorder, event->dialog);
        if (call)
            take_in_dialog(recorder, call, now, event);
        else if (event->request &&
                 (event->kind == SIP_EVENT_REINVITE || event->kind == SIP_EVENT_UPDATE ||
                  event->kind == SIP_EVENT_PRACK))
            /* The recording is closed already, the dialog about to be. */
            (void)sip_answer(recorder->sip, now.tick, event->request,
                             &(struct sip_answer){.status = 481});
    }
}

void recorder_input(struct recorder *recorder, struct recorder_now now,
                    const struct sip_event *event)
{
    recorder->ledger.invites += event->kind == SIP_EVENT_INVITE || event->kind == SIP_EVENT_REFUSED;
    recorder->patient = true;
    recorder_take_in(recorder, now, event);
}

/* ---- Time, and what may go on --------------------------------------------------------------- */

struct tick recorder_deadline(const struct recorder *recorder)
{
    return tick_min(timers_deadline(&recorder->timers), recorder_parked_deadline(recorder));
}

void recorder_expire(struct recorder *recorder, struct recorder_now now)
{
    if (tick_due(recorder_parked_deadline(recorder), now.tick))
        recorder_try_parked(recorder, now);
    struct timer *due;
    while ((due = timers_take_due(&recorder->timers, now.tick))) {
        struct recorder_call *call = container_of(due, struct recorder_call, timer);
        recorder_do_work(recorder, call, now);
        if (call->snapshot_wanted && !call->snapshot_request && call->confirmed &&
            tick_due(call->snapshot_at, now.tick))
            recorder_ask_snapshot(recorder, call, now);
        recorder_move_expire(recorder, call, now);
        recorder_watch_expire(recorder, call, now);
        recorder_trickle_expire(recorder, call, now);
        if (call->document_due && tick_due(call->document_at, now.tick)) {
            call->document_due = false;
            call->document_last = now.tick;
            if (!call->closing)
                post_stories(recorder, call, now.wall);
            put_document(recorder, call, RECORDER_DOCUMENT);
        }
        recorder_arm(recorder, call);
    }
}

void recorder_exhausted(struct recorder *recorder, bool v6, bool on)
{
    bool bound = false;
    for (size_t i = 0; i < recorder->settings.binds_count; i++)
        bound = bound || (recorder->settings.binds[i].family == ADDR_V6) == v6;
    /* A family that no port is ever bound to is no reason: media comes by the other. */
    on = on && bound;
    sip_set_family_available(recorder->sip, v6, !on);
}

void recorder_refuse(struct recorder *recorder, enum recorder_refusal why, bool on)
{
    if (on)
        recorder->refusals |= (unsigned)why;
    else
        recorder->refusals &= ~(unsigned)why;
    /* What waited for the network to be known need not wait longer. */
    recorder->new_tickets |= why == RECORDER_SETTLING && !on;
    recorder_tell_available(recorder);
}

void recorder_hang_up(struct recorder *recorder, struct recorder_now now)
{
    uint32_t index = 0;
    struct pool_id id;
    struct recorder_call *call;
    while ((call = pool_next(recorder->calls, &index, &id))) {
        if (call->closing)
            continue;
        sip_bye(recorder->sip, now.tick, call->dialog, VIEW_NONE);
        recorder_record_warn(&call->record, now.wall, "hung-up",
                             "siprecd was stopped: it sent BYE");
        finish_call(recorder, call, now, "stopped");
    }
}

/* ---- From the workers ----------------------------------------------------------------------- */

/* The journal is whole: the last document, the render, and the call is gone. */
static void let_go(struct recorder *recorder, struct recorder_call *call, struct recorder_now now)
{
    finish_call(recorder, call, now, "lost"); /* only when media gave up before signalling did */
    struct recorder_record *record = &call->record;
    for (unsigned i = 0; i < record->stream_count; i++) {
        const struct recorder_stream *stream = &record->streams[i];
        recorder_learn_stream(recorder, call, i, record->ended, true);
        recorder_story_count(stream->ice_path ? stream->ice_path : stream->story.path);
    }
    if (record->nothing_kept)
        record->state = RECORDER_FAILED;
    put_document(recorder, call, RECORDER_DOCUMENT);
    if (record->state == RECORDER_FINISHING)
        put_document(recorder, call, RECORDER_RENDER);
    metric_add(record->state == RECORDER_FAILED ? METRIC_RECORDINGS_FAILED
                                                : METRIC_RECORDINGS_FINISHED,
               1);
    recorder_free_call(recorder, call);
}

static void lose_journal(struct recorder *recorder, struct recorder_call *call,
                         struct recorder_now now, const struct media_event *event)
{
    recorder_record_warn(&call->record, now.wall, "journal-failed",
                         "the journal could not be written any more: %s", strerror(event->error));
    call->record.nothing_kept = event->nothing_kept;
    /* The SRC shall know that nobody records, so that it can go elsewhere (RFC 3326). */
    if (!call->closing)
        sip_bye(recorder->sip, now.tick, call->dialog,
                VIEW_LIT("Reason: SIP;cause=503;text=\"recording failed\"\r\n"));
    finish_call(recorder, call, now, "journal-failed");
}

void recorder_call_lost(struct recorder *recorder, struct recorder_call *call,
                        struct recorder_now now, const struct addr *address)
{
    recorder_record_warn(&call->record, now.wall, "address-gone",
                         "%s, where media arrived, is not on this host any more, and there was no "
                         "other port to move to",
                         addr_print_ip(address).s);
    if (!call->closing)
        sip_bye(recorder->sip, now.tick, call->dialog,
                VIEW_LIT("Reason: SIP;cause=503;text=\"media address gone\"\r\n"));
    finish_call(recorder, call, now, "address-gone");
}

/* A router forwards to another of our addresses than was thought. */
static void take_arrived(struct recorder_call *call, const struct media_event *event)
{
    if (event->stream >= call->record.stream_count || !addr_is_set(&event->arrived))
        return;
    call->leases[event->stream].arrived = event->arrived;
    call->record.streams[event->stream].bound = event->arrived;
}

static void log_first(const struct recorder_call *call, const struct media_event *event)
{
    if (event->stream >= call->record.stream_count)
        return;
    const struct recorder_stream *stream = &call->record.streams[event->stream];
    LOG_INFO("recorder", view_of_string(call->record.call_id),
             "first packet label=%s bound=%s from=%s payload_type=%u ssrc=0x%08x", stream->label,
             addr_print(&stream->bound).s, addr_print(&event->addr).s, event->payload_type,
             event->ssrc);
}

/* What media wants of a stream's way, or has left of it. */
static void take_wish(struct recorder *recorder, struct recorder_call *call,
                      struct recorder_now now, const struct media_event *event)
{
    struct recorder_lease *lease = &call->leases[event->stream];
    if (event->kind == MEDIA_EVENT_LEFT_RELAY) {
        /* It may serve the SRC's next call: the worker says when. */
        lease->has_relay &= recorder_way_is_relayed(lease);
        return;
    }
    if (event->kind == MEDIA_EVENT_NEXT_PATH && event->reason == WAY_RELAY_LOST)
        recorder_move_hear(call, event);
    if (event->kind == MEDIA_EVENT_NEXT_PATH && event->reason == WAY_NOTHING_CAME)
        recorder_way_hear(recorder, lease, now.tick, false);
    /* The direct path that was tried was none, and the relay still stands. */
    if (event->reason == WAY_BACK)
        lease->tried &= ~(1u << PATH_RELAY | 1u << PATH_RELAY_STREAM);
    recorder_move_want(recorder, call, now, event->stream,
                       event->kind == MEDIA_EVENT_MIGRATE ? VERDICT_MIGRATED : VERDICT_RETRIED,
                       &event->addr);
}

void recorder_media(struct recorder *recorder, struct recorder_now now, uint32_t worker,
                    const struct media_event *event)
{
    struct recorder_call *call = pool_find(recorder->calls, event->recording);
    if (!call || call->worker != worker)
        return;
    switch (event->kind) {
    case MEDIA_EVENT_CLOSED:
        let_go(recorder, call, now);
        return;
    case MEDIA_EVENT_FAILED:
        lose_journal(recorder, call, now, event);
        return;
    case MEDIA_EVENT_ICE:
        if (!recorder_ice_hear(recorder, call, now, event))
            return;
        if (event->ice.kind == MEDIA_ICE_DIRECT)
            recorder_move_refresh(recorder, call, now);
        recorder_call_changed(recorder, call, now);
        return;
    case MEDIA_EVENT_NEXT_PATH:
    case MEDIA_EVENT_MIGRATE:
    case MEDIA_EVENT_LEFT_RELAY:
        if (event->stream < call->record.stream_count)
            take_wish(recorder, call, now, event);
        return;
    case MEDIA_EVENT_FIRST:
        log_first(call, event);
        if (event->stream < call->record.stream_count)
            recorder_way_hear(recorder, &call->leases[event->stream], now.tick, true);
        __attribute__((fallthrough));
    case MEDIA_EVENT_GAP:
    case MEDIA_EVENT_UNREACHABLE:
        if (event->stream < call->record.stream_count)
            recorder_move_hear(call, event);
        __attribute__((fallthrough));
    case MEDIA_EVENT_REFUSES:
    case MEDIA_EVENT_FORGOTTEN:
    case MEDIA_EVENT_WAY:
    case MEDIA_EVENT_ALARM:
    case MEDIA_EVENT_COUNT:
    case MEDIA_EVENT_SILENT:
    case MEDIA_EVENT_EPOCH:
    case MEDIA_EVENT_SOURCE:
    case MEDIA_EVENT_FOREIGN:
    case MEDIA_EVENT_DIGIT:
    case MEDIA_EVENT_OVERFLOW:
    case MEDIA_EVENT_BYE:
        take_arrived(call, event);
        /* Counters alone are not worth a document each time: the last one has them. */
        if (recorder_record_media(&call->record, event))
            recorder_call_changed(recorder, call, now);
        recorder_watch_count(call, now.tick);
        if (event->kind == MEDIA_EVENT_COUNT && event->stream < call->record.stream_count)
            recorder_learn_stream(recorder, call, event->stream, now.wall, false);
        return;
    }
}

/* ---- Looking at it -------------------------------------------------------------------------- */

static bool is_relayed(const struct recorder_call *call, unsigned number)
{
    const char *by_ice = call->record.streams[number].ice_path;
    return by_ice ? strcmp(by_ice, "relay") == 0 : recorder_way_is_relayed(&call->leases[number]);
}

struct recorder_usage recorder_usage(const struct recorder *recorder)
{
    struct recorder_usage usage = recorder->ledger;
    usage.recordings = pool_count(recorder->calls);
    usage.tickets = recorder->stock.count;
    uint32_t index = 0;
    struct pool_id id;
    const struct recorder_call *call;
    while ((call = pool_next(recorder->calls, &index, &id))) {
        for (unsigned i = 0; i < call->record.stream_count; i++) {
            usage.streams += call->leases[i].held;
            usage.relayed += call->leases[i].held && is_relayed(call, i);
        }
    }
    return usage;
}

char *recorder_sessions(const struct recorder *recorder)
{
    struct recorder_documents all;
    recorder_documents_begin(&all);
    uint32_t index = 0;
    struct pool_id id;
    const struct recorder_call *call;
    while ((call = pool_next(recorder->calls, &index, &id)))
        recorder_documents_add(&all, &call->record);
    return recorder_documents_end(&all);
}
