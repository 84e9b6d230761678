/* invite: the INVITE that begins a call: who may, whether there is room, what is answered, and the
 * ledger in which every one of them ends.
 * Not here: offers (call.c), the rest of a call (recorder.c).
 * RFC 7866 §6, 3261 §13.3. */
#include <inttypes.h>

#include "base/log.h"
#include "base/metrics.h"
#include "base/sightings.h"
#include "recorder/call.h"

#define REFUSED_EVERY_MS 20 /* lines in the log, when there is a flood of them */

/* Every INVITE outside a dialog ends here or in accept_call(): counted, and in the log, unless a
 * flood of them would fill it. */
void recorder_count_refused(struct recorder *recorder, struct recorder_now now,
                            const struct sip_event *event, unsigned status, const char *why)
{
    uint64_t held_back;
    recorder->ledger.refused++;
    metric_add(METRIC_INVITES_REFUSED, 1);
    sightings_refused(event->message ? event->message->call_id : VIEW_NONE, status, why,
                      &event->flow.peer, now.wall);
    if (log_limit_pass(&recorder->refused_log, now.tick, REFUSED_EVERY_MS, &held_back))
        LOG_WARN("recorder", event->message ? event->message->call_id : VIEW_NONE,
                 "invite refused status=%u why=\"%s\" peer=%s held_back=%" PRIu64, status, why,
                 addr_print(&event->flow.peer).s, held_back);
}

static void refuse(struct recorder *recorder, struct recorder_now now,
                   const struct sip_event *event, unsigned status, const char *why)
{
    struct sip_answer answer = {.status = status};
    if (status == 503)
        answer.retry_after_s = recorder->settings.retry_after_s;
    if (status == 415)
        answer.headers = VIEW_LIT("Accept: " SIPREC_ACCEPT "\r\n");
    if (status == 488)
        answer.headers = VIEW_LIT("Warning: 304 siprecd \"no audio that can be recorded\"\r\n");
    (void)sip_answer(recorder->sip, now.tick, event->request, &answer);
    recorder_count_refused(recorder, now, event, status, why);
}

static bool is_listed(const struct recorder *recorder, const struct addr *peer)
{
    const struct recorder_prefixes *allow = &recorder->settings.allow;
    for (uint32_t i = 0; i < allow->count; i++) {
        if (addr_prefix_contains(&allow->list[i], peer))
            return true;
    }
    return false;
}

/* 0, or why not now. */
static unsigned admit(const struct recorder *recorder, const struct sip_event *event,
                      const char **why)
{
    if (recorder->settings.allow.count && !event->flow.trusted &&
        !is_listed(recorder, &event->flow.peer)) {
        *why = "not in sip.allow";
        return 403;
    }
    *why = recorder->refusals & RECORDER_DISK_FULL  ? "disk full"
           : recorder->refusals & RECORDER_DRAINING ? "draining"
           : recorder->refusals & RECORDER_NO_PORTS ? "no media port left"
                                                    : "full";
    bool full = recorder->active >= recorder->settings.recordings;
    return (recorder->refusals & ~(unsigned)RECORDER_SETTLING) || full ? 503 : 0;
}

void recorder_call_open(struct recorder *recorder, const struct recorder_call *call, struct wall at)
{
    const struct recorder_record *record = &call->record;
    struct media_command command = {.kind = MEDIA_OPEN, .at = at};
    command.open.uuid = record->id;
    recorder_record_directory(record, command.open.directory);
    char text[4096];
    struct journal_event head = journal_object_begin(text, sizeof text);
    journal_event_put_text(&head, "id", view_of_string(record->id.s));
    journal_event_put_text(&head, "call_id", view_take(view_of_string(record->call_id), 512));
    journal_event_put_wall(&head, "started_at", record->started);
    journal_event_put_addr(&head, "src", &call->flow.peer);
    journal_event_put_addr(&head, "srs", &call->flow.local);
    struct view object = journal_event_end(&head);
    recorder_post(recorder, call, command, recorder_copy(object), object.len);
}

/* Its Contact names what the profile believes to be our address outside, no listener's own. */
static bool is_outside(const struct recorder *recorder, const struct sip_flow *flow)
{
    enum profile_source source;
    struct addr outside =
        profile_external(&recorder->profiles[flow->advertised.family == ADDR_V6], &source);
    return addr_is_set(&outside) && addr_equal_ip(&outside, &flow->advertised) &&
           (flow->listener >= RECORDER_LISTENERS_MAX ||
            !addr_is_set(&recorder->settings.listeners[flow->listener].advertise));
}

static struct recorder_call *new_call(struct recorder *recorder, struct recorder_now now,
                                      const struct sip_event *event)
{
    struct pool_id id;
    struct recorder_call *call = pool_take(recorder->calls, &id);
    if (!call)
        return NULL;
    call->id = id;
    call->dialog = event->dialog;
    call->flow = event->flow;
    call->listed = event->flow.trusted || is_listed(recorder, &event->flow.peer);
    call->by_external = is_outside(recorder, &event->flow);
    recorder_caller_init(&call->caller, event->message, &event->flow);
    recorder_trickle_meet(call, event->message);
    recorder_learn_begin(recorder, call, now.wall);
    call->work_end = &call->work;
    call->document_last = tick_add_ms(now.tick, -RECORDER_DOCUMENT_EVERY_MS);
    map_insert(&recorder->by_dialog, &call->node, view_of(&call->dialog, sizeof call->dialog));
    struct uuid uuid = uuid_make(now.wall, &recorder->rng);
    if (!recorder_record_init(&call->record, &uuid, event->message->call_id, now.wall)) {
        recorder_free_call(recorder, call);
        return NULL;
    }
    sdp_origin_init(&call->origin, rng_u64(&recorder->rng) >> 2, event->flow.advertised);
    return call;
}

static void accept_call(struct recorder *recorder, struct recorder_call *call,
                        struct recorder_now now, const struct siprec_content *content,
                        const struct siprec_warnings *warnings, enum siprec_evidence evidence)
{
    static const char *const siprec[] = {[SIPREC_EVIDENCE_NONE] = "no",
                                         [SIPREC_EVIDENCE_LOOSE] = "loosely",
                                         [SIPREC_EVIDENCE_FULL] = "yes"};
    recorder->ledger.accepted++;
    recorder->active++;
    recorder_tell_available(recorder);
    metric_add(METRIC_INVITES_ACCEPTED, 1);
    metric_add(METRIC_RECORDINGS_ACTIVE, 1);
    recorder_record_warn_siprec(&call->record, now.wall, warnings);
    if (content->metadata_count == 0) {
        struct siprec_warnings missing = {0};
        siprec_warn(&missing, SIPREC_WARN_METADATA_MISSING, "%s", "");
        recorder_record_warn_siprec(&call->record, now.wall, &missing);
    }
    recorder_put_work(recorder, call, content, now.wall);
    recorder_call_changed(recorder, call, now);
    LOG_INFO("recorder", view_of_string(call->record.call_id),
             "invite accepted recording=%s streams=%u worker=%u peer=%s siprec=%s",
             call->record.id.s, call->record.stream_count, call->worker,
             addr_print(&call->flow.peer).s, siprec[evidence]);
}

void recorder_take_invite(struct recorder *recorder, struct recorder_now now,
                          const struct sip_event *event)
{
    const char *why;
    unsigned status = admit(recorder, event, &why);
    if (status) {
        refuse(recorder, now, event, status, why);
        return;
    }
    if (recorder_park_settling(recorder, now, event))
        return;
    struct siprec_body body;
    struct siprec_content content;
    struct siprec_warnings warnings = {0};
    (void)recorder_read_body(recorder, event->message, &body, &content, &warnings);
    if (content.refusal) {
        refuse(recorder, now, event, (unsigned)content.refusal,
               "a body part that is required and unknown, and no SDP");
        return;
    }
    struct recorder_call *call = new_call(recorder, now, event);
    if (!call) {
        refuse(recorder, now, event, 503, "full");
        return;
    }
    bool gone;
    struct view sdp = content.has_sdp ? content.sdp : VIEW_NONE;
    /* An SDP part without a byte in it is an offer of nothing, not an INVITE without offer. */
    status = content.has_sdp && sdp.len == 0
                 ? 488
                 : recorder_call_offer(recorder, call, now, event->request, sdp, &gone);
    if (status || gone) {
        recorder_free_call(recorder, call);
        if (status == 503 && recorder_park(recorder, now, event))
            return;
        if (status)
            refuse(recorder, now, event, status,
                   status == 488 ? "no audio to record" : "no media port free");
        else
            recorder_count_refused(recorder, now, event, 487, "cancelled while it waited");
        return;
    }
    /* Whoever calls and is allowed to is recorded, siprec in Require or not; the log says what it
     * was. */
    const struct sip_message *message = event->message;
    enum siprec_evidence evidence = siprec_rules_classify(
        message->contact, sip_message_header(message, VIEW_LIT("Require")), &body);
    accept_call(recorder, call, now, &content, &warnings, evidence);
    if (recorder->replaying) { /* its trace went by while it waited */
        struct sip_event trace = *event;
        trace.bytes = event->message->bytes;
        recorder_take_trace(recorder, call, now, &trace);
    }
}
