/* server: what a request of the peer leads to: the checks of §8.2, the dialog it is for, the event.
 * Not here: composing responses (answer.c), what a new call means (the user of sip.h).
 * RFC 3261 §8.2, 9.2, 11.2, 12.2.2, 14.2, 15.1.2; RFC 3262 §3; 3311 §5.2; 4028 §9; 6086 §4.2.2. */
#include "sip/engine.h"
#include "sip/print.h"
#include "sip/via.h"

#define LOG_INTERVAL_MS 10000

static void event_of(struct sip *sip, enum sip_event_kind kind, const struct sip_flow *flow,
                     struct sip_message *m, const struct sip_dialog *d,
                     const struct sip_transaction *owed)
{
    struct sip_event event = {.kind = kind,
                              .dialog = d ? d->id.value : 0,
                              .request = owed ? owed->id.value : 0,
                              .method = m->method,
                              .flow = *flow};
    sip_queue_event(sip, &event, m);
}

/* Option tags of Require that we do not have, as the value of Unsupported; false: none. */
static bool list_unsupported(const struct sip_message *m, struct writer *w)
{
    static const struct view known[] = {VIEW("siprec"), VIEW("timer"), VIEW("100rel"),
                                        VIEW("trickle-ice")};
    struct sip_header at = {0};
    while (sip_message_header_named(m, VIEW_LIT("Require"), &at)) {
        struct view rest = at.value, tag;
        while (sip_list_next(&rest, &tag)) {
            bool found = tag.len == 0;
            for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
                found = found || view_equal_nocase(tag, known[i]);
            if (found)
                continue;
            if (w->len > 0)
                writer_string(w, ", ");
            writer_view(w, tag);
        }
    }
    return w->len > 0 || w->failed;
}

/* One that cannot be parsed, or is more than we take. The answer leaves nothing behind. */
static void refuse_faulty(struct sip *sip, struct tick now, const struct sip_flow *flow,
                          struct sip_message *m)
{
    struct sip_answer answer = {.status = m->fault_status};
    uint64_t held_back;
    if (m->truncated) {
        metric_add(METRIC_SIP_TRUNCATED, 1);
        if (log_limit_pass(&sip->truncated_log, now, LOG_INTERVAL_MS, &held_back))
            LOG_WARN("sip", m->call_id,
                     "message truncated peer=%s bytes=%zu held_back=%llu advice=\"let the SRC use "
                     "TCP: its message does not fit its datagrams\"",
                     addr_print(&flow->peer).s, m->bytes.len, (unsigned long long)held_back);
    } else {
        metric_add(METRIC_SIP_MALFORMED, 1);
        if (log_limit_pass(&sip->malformed_log, now, LOG_INTERVAL_MS, &held_back))
            LOG_WARN("sip", m->call_id, "message refused peer=%s reason=\"%s\" held_back=%llu",
                     addr_print(&flow->peer).s, m->fault_reason, (unsigned long long)held_back);
    }
    if (!m->answerable || m->method == SIP_METHOD_ACK)
        return;
    /* §21.4.1: the reason phrase should say what is wrong. */
    if (m->fault_status == 400)
        answer.reason = view_of_string(m->fault_reason);
    sip_answer_stateless(sip, flow, m, &answer);
    if (m->method == SIP_METHOD_INVITE) {
        struct sip_event event = {
            .kind = SIP_EVENT_REFUSED, .flow = *flow, .method = m->method, .status = answer.status};
        sip_queue_event(sip, &event, m);
    }
}

static struct sip_transaction *open_server(struct sip *sip, struct tick now,
                                           const struct sip_flow *flow, const struct sip_message *m)
{
    bool invite = m->method == SIP_METHOD_INVITE;
    struct sip_flow to = sip_via_route(&m->via, flow, sip->config.force_rport);
    struct sip_transaction *t = sip_transaction_open(
        sip, now, invite ? SIP_SERVER_INVITE : SIP_SERVER_OTHER, &to, sip_server_key(m, m->method));
    if (!t)
        return NULL;
    t->method = m->method;
    t->cseq = m->cseq;
    t->reconnect = sip_via_reconnect(&m->via, flow);
    t->offers = sip_message_has_sdp(m);
    t->requires_100rel = sip_message_lists(m, VIEW_LIT("Require"), VIEW_LIT("100rel"));
    t->supports_100rel =
        t->requires_100rel || sip_message_lists(m, VIEW_LIT("Supported"), VIEW_LIT("100rel"));
    rng_text(&sip->rng, t->to_tag, SIP_TAG_LEN);
    t->merge_key = sip_merge_key(m);
    if (t->merge_key.at)
        map_insert(&sip->by_merge, &t->merged, t->merge_key);
    return t;
}

/* What responses repeat of m. Without memory for it the transaction goes: the peer will repeat
 * itself. */
static bool set_frame(struct sip *sip, const struct sip_flow *flow, struct sip_transaction *t,
                      const struct sip_message *m, struct view to_tag)
{
    struct writer w = writer_of(sip->scratch, sip->scratch_size);
    sip_print_frame(&w, m, flow, to_tag);
    t->frame_len = w.len;
    sip_print_record_route(&w, m);
    t->frame = w.failed ? NULL : sip_packet_create(writer_done(&w));
    if (!t->frame)
        sip_transaction_close(sip, t);
    return t->frame;
}

static void refuse_full(struct sip *sip, struct tick now, const struct sip_flow *flow,
                        struct sip_message *m)
{
    struct sip_answer full = {.status = 503, .retry_after_s = 5};
    uint64_t held_back;
    if (log_limit_pass(&sip->full_log, now, LOG_INTERVAL_MS, &held_back))
        LOG_WARN("sip", m->call_id, "request refused reason=full peer=%s dialogs=%u held_back=%llu",
                 addr_print(&flow->peer).s, pool_count(sip->dialogs),
                 (unsigned long long)held_back);
    sip_answer_stateless(sip, flow, m, &full);
    if (m->method == SIP_METHOD_INVITE) {
        struct sip_event event = {
            .kind = SIP_EVENT_REFUSED, .flow = *flow, .method = m->method, .status = 503};
        sip_queue_event(sip, &event, m);
    }
}

/* Pings are no news, and whoever provokes refusals must not fill the log. */
static void log_refusal(struct sip *sip, struct tick now, const struct sip_flow *flow,
                        const struct sip_message *m, unsigned status)
{
    uint64_t held_back = 0;
    if (status >= 300 && log_limit_pass(&sip->refused_log, now, LOG_INTERVAL_MS, &held_back))
        LOG_INFO("sip", m->call_id,
                 "request refused method=" VIEW_FMT " status=%u peer=%s held_back=%llu",
                 VIEW_ARG(m->method_name), status, addr_print(&flow->peer).s,
                 (unsigned long long)held_back);
}

/* A final answer by the engine to a request outside of any dialog. */
static void refuse(struct sip *sip, struct tick now, const struct sip_flow *flow,
                   struct sip_message *m, const struct sip_answer *answer)
{
    struct sip_transaction *t = open_server(sip, now, flow, m);
    if (!t) {
        refuse_full(sip, now, flow, m);
        return;
    }
    if (!set_frame(sip, flow, t, m, view_of(t->to_tag, SIP_TAG_LEN)))
        return;
    log_refusal(sip, now, flow, m, answer->status);
    sip_answer_final(sip, now, t, answer);
    if (m->method == SIP_METHOD_INVITE) {
        struct sip_event event = {.kind = SIP_EVENT_REFUSED,
                                  .flow = *flow,
                                  .method = m->method,
                                  .status = answer->status};
        sip_queue_event(sip, &event, m);
    }
}

/* The same in a dialog. */
static void refuse_within(struct sip *sip, struct tick now, const struct sip_flow *flow,
                          struct sip_transaction *t, struct sip_message *m,
                          struct sip_answer answer)
{
    struct sip_dialog *d = sip_dialog_find(sip, t->dialog);
    sip_trace_received(sip, d, flow, m);
    log_refusal(sip, now, flow, m, answer.status);
    sip_answer_final(sip, now, t, &answer);
}

static uint32_t retry_soon(struct sip *sip)
{
    return 1 + rng_below(&sip->rng, 10); /* §14.2: 0 to 10 seconds; 0 would leave the header out */
}

static void too_small(struct sip *sip, struct writer *w)
{
    uint32_t min_se_s = sip->config.min_se_s;
    writer_printf(w, "Min-SE: %u\r\n", min_se_s);
}

static void receive_invite(struct sip *sip, struct tick now, const struct sip_flow *flow,
                           struct sip_message *m)
{
    struct sip_session_terms terms;
    char header[64];
    struct writer w = writer_of(header, sizeof header);
    if (!sip_session_timer_answer(m, sip->config.min_se_s, sip->config.session_expires_s, &terms)) {
        too_small(sip, &w);
        struct sip_answer answer = {.status = 422, .headers = writer_done(&w)};
        refuse(sip, now, flow, m, &answer);
        return;
    }
    struct sip_dialog *d = sip_dialog_open(sip);
    struct sip_transaction *t = d ? open_server(sip, now, flow, m) : NULL;
    bool ok = t && sip_dialog_enlist(sip, d, m->call_id) && sip_dialog_accept(d, m);
    if (!ok) {
        if (d)
            sip_drop(sip, d->id.value);
        if (t)
            sip_transaction_close(sip, t);
        refuse_full(sip, now, flow, m);
        return;
    }
    sip_dialog_hear(d, m, flow);
    d->peer_keeps = m->via.keep_asked; /* the answers' Via takes it at its word */
    t->dialog = d->id;
    t->terms = terms;
    d->invite_in = t->id;
    if (!set_frame(sip, flow, t, m, d->local_tag)) {
        sip_drop(sip, d->id.value);
        return;
    }
    event_of(sip, SIP_EVENT_INVITE, flow, m, d, t);
    sip_trace_received(sip, d, flow, m);
}

/* RFC 3261 §14.2 and RFC 3311 §5.2: who may offer now. status 0: go on. */
static struct sip_answer check_offer(struct sip *sip, const struct sip_dialog *d,
                                     const struct sip_message *m)
{
    bool invite = m->method == SIP_METHOD_INVITE;
    bool offer = sip_message_has_sdp(m) || invite; /* an INVITE without SDP asks for one */
    bool ours = d->offered || d->ack_owed || sip_dialog_pending(sip, d->invite_out);
    const struct sip_transaction *update = pool_find(sip->transactions, d->update_out);
    if (update && update->offers && sip_dialog_pending(sip, d->update_out))
        ours = true;
    bool theirs =
        sip_dialog_pending(sip, d->update_in) || (sip_dialog_pending(sip, d->invite_in) && offer);

    if (offer && ours)
        return (struct sip_answer){.status = 491};
    if (theirs)
        return (struct sip_answer){.status = 500, .retry_after_s = retry_soon(sip)};
    return (struct sip_answer){0};
}

static void receive_session_change(struct sip *sip, struct tick now, const struct sip_flow *flow,
                                   struct sip_transaction *t, struct sip_message *m)
{
    struct sip_dialog *d = sip_dialog_find(sip, t->dialog);
    bool invite = m->method == SIP_METHOD_INVITE;
    struct sip_answer refusal = check_offer(sip, d, m);
    char header[64];
    struct writer w = writer_of(header, sizeof header);
    if (refusal.status == 0 &&
        !sip_session_timer_answer(m, sip->config.min_se_s, sip->config.session_expires_s,
                                  &t->terms)) {
        too_small(sip, &w);
        refusal = (struct sip_answer){.status = 422, .headers = writer_done(&w)};
    }
    if (refusal.status != 0) {
        refuse_within(sip, now, flow, t, m, refusal);
        return;
    }
    if (invite)
        d->invite_in = t->id;
    else
        d->update_in = t->id;
    sip_dialog_retarget(d, m);
    event_of(sip, invite ? SIP_EVENT_REINVITE : SIP_EVENT_UPDATE, flow, m, d, t);
    sip_trace_received(sip, d, flow, m);
}

static void receive_bye(struct sip *sip, struct tick now, const struct sip_flow *flow,
                        struct sip_transaction *t, struct sip_message *m)
{
    struct sip_dialog *d = sip_dialog_find(sip, t->dialog);
    struct sip_answer ok = {.status = 200};
    enum sip_end end = d->state == SIP_DIALOG_ENDING ? d->end : SIP_END_PEER_BYE;
    event_of(sip, SIP_EVENT_BYE, flow, m, d, NULL);
    sip_trace_received(sip, d, flow, m);
    sip_answer_final(sip, now, t, &ok);
    /* Also before the ACK, and before any answer to the INVITE: that then gets 487 (§15.1.2). */
    sip_dialog_end(sip, d, end, 0);
}

static void receive_prack(struct sip *sip, struct tick now, const struct sip_flow *flow,
                          struct sip_transaction *t, struct sip_message *m)
{
    struct sip_dialog *d = sip_dialog_find(sip, t->dialog);
    struct sip_answer ok = {.status = 200};
    bool matches = d->rseq != 0 && m->rack_rseq == d->rseq && m->rack_cseq == d->early.cseq &&
                   m->rack_method == SIP_METHOD_INVITE;
    if (!matches) {
        refuse_within(sip, now, flow, t, m, (struct sip_answer){.status = 481}); /* RFC 3262 §3 */
        return;
    }
    sip_repeated_stop(&d->early);
    bool answers_us = d->offered && sip_message_has_sdp(m);
    if (answers_us)
        d->offered = false;
    /* An offer in the PRACK is the user's to answer; an answer to ours is not. */
    bool owed = m->body.len > 0 && !answers_us;
    if (owed)
        d->prack_in = t->id;
    event_of(sip, SIP_EVENT_PRACK, flow, m, d, owed ? t : NULL);
    sip_trace_received(sip, d, flow, m);
    if (!owed)
        sip_answer_final(sip, now, t, &ok);
    sip_answer_held(sip, now, d);
    sip_dialog_settle(sip, d);
}

static void receive_info(struct sip *sip, struct tick now, const struct sip_flow *flow,
                         struct sip_transaction *t, struct sip_message *m)
{
    struct sip_dialog *d = sip_dialog_find(sip, t->dialog);
    struct sip_answer answer = {.status = 200};
    bool metadata = view_starts_with_nocase(m->content_type, VIEW_LIT("application/rs-metadata")) ||
                    view_starts_with_nocase(m->content_type, VIEW_LIT("multipart/"));
    struct view package = sip_message_header(m, VIEW_LIT("Info-Package"));
    bool ours = view_starts_with_nocase(package, VIEW_LIT(SIP_TRICKLE));
    /* RFC 6086 §4.2.2; but metadata is never refused, whatever package it claims to be. */
    if (package.len > 0 && !ours && !metadata) {
        answer = (struct sip_answer){.status = 469, .headers = VIEW_LIT(SIP_RECV_INFO)};
        refuse_within(sip, now, flow, t, m, answer);
        return;
    }
    event_of(sip, SIP_EVENT_INFO, flow, m, d, NULL);
    sip_trace_received(sip, d, flow, m);
    sip_answer_final(sip, now, t, &answer);
}

static struct sip_answer health(const struct sip *sip, const struct sip_flow *flow)
{
    if (sip->available && !sip->unavailable[flow->peer.family == ADDR_V6])
        return (struct sip_answer){.status = 200};
    return (struct sip_answer){.status = 503, .retry_after_s = sip->retry_after_s};
}

static void receive_within(struct sip *sip, struct tick now, const struct sip_flow *flow,
                           struct sip_transaction *t, struct sip_message *m)
{
    struct sip_dialog *d = sip_dialog_find(sip, t->dialog);
    struct sip_answer answer = health(sip, flow);
    sip_dialog_hear(d, m, flow);
    switch (m->method) {
    case SIP_METHOD_INVITE:
    case SIP_METHOD_UPDATE:
        receive_session_change(sip, now, flow, t, m);
        break;
    case SIP_METHOD_BYE:
        receive_bye(sip, now, flow, t, m);
        break;
    case SIP_METHOD_PRACK:
        receive_prack(sip, now, flow, t, m);
        break;
    case SIP_METHOD_INFO:
        receive_info(sip, now, flow, t, m);
        break;
    default:
        event_of(sip, SIP_EVENT_OPTIONS, flow, m, d, NULL);
        sip_trace_received(sip, d, flow, m);
        sip_answer_final(sip, now, t, &answer);
    }
}

static void receive_in_dialog(struct sip *sip, struct tick now, const struct sip_flow *flow,
                              struct sip_message *m)
{
    struct sip_dialog *d = sip_dialog_match(sip, m->call_id, m->to_tag, m->from_tag);
    bool ending = d && d->state == SIP_DIALOG_ENDING && m->method != SIP_METHOD_BYE;
    if (!d || ending) {
        struct sip_answer unknown = {.status = 481};
        refuse(sip, now, flow, m, &unknown);
        return;
    }
    struct sip_transaction *t = open_server(sip, now, flow, m);
    if (!t) {
        refuse_full(sip, now, flow, m);
        return;
    }
    t->dialog = d->id;
    if (!set_frame(sip, flow, t, m, d->local_tag))
        return;
    if (!sip_dialog_accept_cseq(d, m)) {
        struct sip_answer late = {.status = 500, .reason = VIEW_LIT("CSeq Out Of Order")};
        refuse_within(sip, now, flow, t, m, late);
        return;
    }
    receive_within(sip, now, flow, t, m);
}

/* §9.2: the INVITE it names has the same branch. */
static void receive_cancel(struct sip *sip, struct tick now, const struct sip_flow *flow,
                           struct sip_message *m)
{
    struct view key = sip_server_key(m, SIP_METHOD_INVITE);
    struct map_node *node = key.at ? map_find(&sip->by_transaction, key) : NULL;
    struct sip_transaction *invite = node ? container_of(node, struct sip_transaction, node) : NULL;
    struct sip_transaction *t = open_server(sip, now, flow, m);
    struct sip_answer answer = {.status = invite ? 200 : 481};
    sip_text_free(&key);
    if (!t) {
        refuse_full(sip, now, flow, m);
        return;
    }
    struct sip_dialog *d = invite ? sip_dialog_find(sip, invite->dialog) : NULL;
    struct view tag = d ? d->local_tag : view_of(t->to_tag, SIP_TAG_LEN);
    if (!set_frame(sip, flow, t, m, tag))
        return;
    bool effective = d && (!invite->final || d->held);
    if (d) {
        t->dialog = d->id;
        if (effective)
            event_of(sip, SIP_EVENT_CANCEL, flow, m, d, NULL);
        sip_trace_received(sip, d, flow, m);
    }
    sip_answer_final(sip, now, t, &answer);
    if (!effective)
        return; /* too late: the final answer stands */
    if (d->state == SIP_DIALOG_EARLY) {
        sip_dialog_end(sip, d, SIP_END_CANCELLED, 0);
        return;
    }
    struct sip_answer terminated = {.status = 487};
    sip_packet_replace(&d->held, NULL);
    sip_answer_final(sip, now, invite, &terminated);
}

/* The ACK of a 2xx (RFC 3261 §13.3.1.4): nothing answers it. */
static void receive_ack(struct sip *sip, struct tick now, const struct sip_flow *flow,
                        struct sip_message *m)
{
    struct sip_dialog *d = sip_dialog_match(sip, m->call_id, m->to_tag, m->from_tag);
    if (!d || !d->ok.packet || m->cseq != d->ok.cseq)
        return;
    sip_repeated_stop(&d->ok);
    d->offered = false;
    sip_dialog_hear(d, m, flow);
    event_of(sip, SIP_EVENT_ACK, flow, m, d, NULL);
    sip_trace_received(sip, d, flow, m);
    if (d->bye_wanted) {
        struct view headers = d->bye_headers;
        d->bye_headers = VIEW_NONE;
        d->bye_wanted = false;
        sip_dialog_bye(sip, now, d, d->end, headers);
        sip_text_free(&headers);
        return;
    }
    sip_dialog_settle(sip, d);
}

/* True when an existing transaction took it. */
static bool absorb(struct sip *sip, struct tick now, const struct sip_message *m)
{
    bool ack = m->method == SIP_METHOD_ACK;
    struct view key = sip_server_key(m, ack ? SIP_METHOD_INVITE : m->method);
    struct map_node *node = key.at ? map_find(&sip->by_transaction, key) : NULL;
    sip_text_free(&key);
    if (!node)
        return false;
    struct sip_transaction *t = container_of(node, struct sip_transaction, node);
    unsigned actions =
        sip_transaction_step(&t->timing, ack ? SIP_INPUT_ACK : SIP_INPUT_REQUEST, now);
    if (ack && (actions & SIP_DO_PASS))
        return false; /* the ACK of a 2xx under the INVITE's own branch, as some do */
    if (!ack)
        metric_add(METRIC_SIP_RETRANSMISSIONS_RECEIVED, 1);
    if (actions & SIP_DO_REPEAT)
        sip_transaction_repeat(sip, t);
    sip_transaction_settle(sip, t);
    return true;
}

/* §8.2.1 to 8.2.2: true when it was refused. */
static bool refuse_unable(struct sip *sip, struct tick now, const struct sip_flow *flow,
                          struct sip_message *m)
{
    char text[1024];
    struct writer w = writer_of(text, sizeof text);
    struct sip_answer answer = {0};
    writer_string(&w, "Unsupported: ");
    struct writer tags = writer_of(text + w.len, sizeof text - w.len - 2);
    if (m->method == SIP_METHOD_FOREIGN || m->method == SIP_METHOD_REGISTER) {
        answer.status = 405;
    } else if (m->method == SIP_METHOD_UNKNOWN) {
        answer.status = 501; /* §21.5.2: the method itself is not known */
    } else if (!view_equal_nocase(m->uri_scheme, VIEW_LIT("sip")) &&
               !view_equal_nocase(m->uri_scheme, VIEW_LIT("sips"))) {
        answer.status = 416;
    } else if (m->method != SIP_METHOD_CANCEL && list_unsupported(m, &tags)) {
        w.len += tags.len;
        writer_string(&w, "\r\n");
        answer.status = 420;
        answer.headers = writer_done(&w);
    }
    if (answer.status == 0)
        return false;
    refuse(sip, now, flow, m, &answer);
    return true;
}

void sip_server_receive(struct sip *sip, struct tick now, const struct sip_flow *flow,
                        struct sip_message *m)
{
    if (m->fault_status == 0 && m->body.len > sip->config.body_max) {
        m->fault_status = 413;
        m->fault_reason = "Body Too Large";
    }
    if (m->fault_status != 0) {
        refuse_faulty(sip, now, flow, m);
        return;
    }
    if (absorb(sip, now, m))
        return;
    if (m->method == SIP_METHOD_ACK) {
        receive_ack(sip, now, flow, m);
        return;
    }
    if (refuse_unable(sip, now, flow, m))
        return;
    if (m->method == SIP_METHOD_CANCEL) {
        receive_cancel(sip, now, flow, m);
        return;
    }
    if (m->to_tag.len > 0) {
        receive_in_dialog(sip, now, flow, m);
        return;
    }
    struct sip_answer answer = {.status = 481};
    struct view merged = sip_merge_key(m);
    bool loops = merged.at && map_find(&sip->by_merge, merged);
    sip_text_free(&merged);
    /* Pings that repeat a Call-ID and CSeq under new branches are common, and there is nothing to
     * do twice. */
    if (loops && m->method != SIP_METHOD_OPTIONS) {
        answer.status = 482; /* §8.2.2.2: the same request came by another path */
    } else if (m->method == SIP_METHOD_INVITE) {
        receive_invite(sip, now, flow, m);
        return;
    } else if (m->method == SIP_METHOD_OPTIONS) {
        answer = health(sip, flow);
        event_of(sip, SIP_EVENT_OPTIONS, flow, m, NULL, NULL);
    }
    refuse(sip, now, flow, m, &answer);
}

void sip_server_expire(struct sip *sip, struct tick now, struct sip_transaction *t)
{
    enum sip_transaction_input input;
    struct sip_answer trying = {.status = 100};
    while (sip_transaction_due(&t->timing, now, &input)) {
        unsigned actions = sip_transaction_step(&t->timing, input, now);
        if (actions & SIP_DO_TRYING) {
            if (!t->packet && !t->final)
                sip_answer_send(sip, now, t, &trying);
        }
        if (actions & SIP_DO_REPEAT)
            sip_transaction_repeat(sip, t);
        if (t->timing.state == SIP_STATE_TERMINATED)
            break;
        if (actions == SIP_DO_NOTHING)
            break;
    }
    sip_transaction_settle(sip, t);
}
