/* metadata: the metadata documents of a call: read after the answer has left, asked for when parts
 * are missing.
 * Not here: their grammar (siprec), what they say (record.c).
 * RFC 7866 §9.1, §9.2; 7865 §7; 3261 §14.1. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "recorder/call.h"
#include "siprec/snapshot.h"

#define SNAPSHOT_TRIES   4
#define SNAPSHOT_WAIT_MS 1000

void recorder_finish_work(struct recorder_call *call)
{
    while (call->work) {
        struct recorder_work *work = call->work;
        call->work = work->next;
        free(work);
    }
    call->work_end = &call->work;
}

bool recorder_read_body(struct recorder *recorder, const struct sip_message *message,
                        struct siprec_body *body, struct siprec_content *content,
                        struct siprec_warnings *warnings)
{
    arena_reset(recorder->arena);
    struct siprec_body_headers headers = {
        .content_type = message->content_type,
        .content_disposition = sip_message_header(message, VIEW_LIT("Content-Disposition")),
        .content_encoding = sip_message_header(message, VIEW_LIT("Content-Transfer-Encoding")),
    };
    siprec_body_parse(body, &headers, message->body, recorder->arena, warnings);
    siprec_rules_select(content, body, warnings);
    return content->has_sdp;
}

/* Reading XML can wait, an SRC's answer cannot: the documents are read once that has left. */
void recorder_put_work(struct recorder *recorder, struct recorder_call *call,
                       const struct siprec_content *content, struct wall at)
{
    for (size_t i = 0; i < content->metadata_count; i++) {
        struct view xml = content->metadata[i];
        struct recorder_work *work = malloc(sizeof *work + xml.len);
        if (!work)
            return;
        work->next = NULL;
        work->at = at;
        work->len = xml.len;
        memcpy(work->xml, xml.at, xml.len);
        *call->work_end = work;
        call->work_end = &work->next;
    }
    recorder_arm(recorder, call);
}

void recorder_do_work(struct recorder *recorder, struct recorder_call *call,
                      struct recorder_now now)
{
    struct recorder_record *record = &call->record;
    if (!call->work)
        return;
    for (struct recorder_work *work = call->work; work; work = work->next) {
        struct view xml = view_of(work->xml, work->len);
        enum siprec_applied applied = recorder_record_metadata(record, xml, work->at);
        recorder_record_happened(record,
                                 &(struct recorder_happening){
                                     .kind = JOURNAL_EVENT_METADATA, .at = work->at, .stream = -1});
        /* RFC 7866 §9.2: it may be asked for all of it; one UPDATE at a time. */
        if (applied == SIPREC_APPLIED_WITHOUT_BASE && !call->closing && !call->snapshot_tries) {
            call->snapshot_wanted = true;
            call->snapshot_at = now.tick;
        }
    }
    recorder_finish_work(call);
    recorder_record_check_labels(record, now.wall);
    recorder_call_changed(recorder, call, now);
}

static void give_up_snapshot(struct recorder *recorder, struct recorder_call *call,
                             struct recorder_now now, const char *why)
{
    call->snapshot_wanted = false;
    recorder_record_warn(&call->record, now.wall, "metadata-incomplete",
                         "the SRC was not able to send all metadata again: %s", why);
    recorder_call_changed(recorder, call, now);
}

/* An UPDATE without SDP (RFC 7866 §9.2), only to those who say that they take UPDATE. */
void recorder_ask_snapshot(struct recorder *recorder, struct recorder_call *call,
                           struct recorder_now now)
{
    struct sip_dialog_facts facts;
    if (!sip_dialog_facts(recorder->sip, call->dialog, &facts) || !facts.peer_allows_update) {
        give_up_snapshot(recorder, call, now, "it does not take UPDATE");
        return;
    }
    char text[512];
    struct writer w = writer_of(text, sizeof text);
    siprec_snapshot_print(&w, VIEW_LIT("a partial update came without a snapshot before it"));
    struct sip_request request = {
        .method = SIP_METHOD_UPDATE,
        .headers = VIEW_LIT("Require: siprec\r\n"
                            "Content-Disposition: " SIPREC_SNAPSHOT_DISPOSITION "\r\n"),
        .content_type = VIEW_LIT(SIPREC_SNAPSHOT_TYPE),
        .body = writer_done(&w),
    };
    call->snapshot_tries++;
    call->snapshot_request = sip_request(recorder->sip, now.tick, call->dialog, &request);
    if (call->snapshot_request)
        return;
    if (call->snapshot_tries == SNAPSHOT_TRIES)
        give_up_snapshot(recorder, call, now, "no UPDATE could be sent");
    else
        call->snapshot_at = tick_add_ms(now.tick, SNAPSHOT_WAIT_MS);
}

void recorder_take_response(struct recorder *recorder, struct recorder_call *call,
                            struct recorder_now now, const struct sip_event *event)
{
    if (!call->snapshot_request || event->request != call->snapshot_request)
        return;
    call->snapshot_request = 0;
    if (event->status / 100 == 2) {
        call->snapshot_wanted = false;
    } else if (event->status == 491 && call->snapshot_tries < SNAPSHOT_TRIES) {
        /* RFC 3261 §14.1: not the owner of the Call-ID waits 0 to 2 s. */
        call->snapshot_at = tick_add_ms(now.tick, rng_below(&recorder->rng, 2000));
    } else {
        char why[32];
        (void)snprintf(why, sizeof why, "it answered %u", event->status);
        give_up_snapshot(recorder, call, now, why);
    }
    recorder_arm(recorder, call);
}
