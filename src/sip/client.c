/* client: our requests: what they carry, their responses, ACK, CANCEL and PRACK.
 * Not here: when the session timer or a BYE is due (lifetime.c).
 * RFC 3261 §8.1, 9.1, 12.2.1, 13.2.2, 17.1; RFC 3262 §4; RFC 4028 §7. */
#include "sip/engine.h"
#include "sip/print.h"

#define BRANCH_LEN 24 /* z9hG4bK and 17 random characters */

struct branch {
    char text[BRANCH_LEN + 1];
};

static struct branch make_branch(struct sip *sip)
{
    struct branch b = {"z9hG4bK"};
    rng_text(&sip->rng, b.text + 7, BRANCH_LEN - 7);
    return b;
}

static void print_session(struct writer *w, const struct sip_dialog *d, enum sip_method method)
{
    if (method != SIP_METHOD_INVITE && method != SIP_METHOD_UPDATE)
        return;
    if (d->session.interval_s > 0)
        writer_printf(w, "Session-Expires: %u;refresher=%s\r\n", d->session.interval_s,
                      d->session.we_refresh ? "uac" : "uas");
    else if (d->session_wanted_s > 0)
        writer_printf(w, "Session-Expires: %u\r\n", d->session_wanted_s);
}

static void print_path(struct writer *w, const struct sip_dialog_path *path)
{
    writer_view(w, path->route);
    if (path->last_uri.len > 0) {
        writer_string(w, "Route: <");
        writer_view(w, path->last_uri);
        writer_string(w, ">\r\n");
    }
}

static void print_start(struct writer *w, struct view method, struct view uri)
{
    writer_view(w, method);
    writer_string(w, " ");
    writer_view(w, uri);
    writer_string(w, " SIP/2.0\r\n");
}

static void print_identity(struct writer *w, const struct sip_dialog *d, uint32_t cseq,
                           struct view method)
{
    writer_string(w, "Max-Forwards: 70\r\n");
    sip_print_line(w, "From", d->local);
    sip_print_line(w, "To", d->remote);
    sip_print_line(w, "Call-ID", d->call_id);
    writer_printf(w, "CSeq: %u ", cseq);
    writer_view(w, method);
    writer_string(w, "\r\n");
}

/* A request in a dialog; *path says where it goes. NULL when it does not fit or memory is out. */
static struct sip_packet *compose(struct sip *sip, const struct sip_dialog *d,
                                  const struct sip_outgoing *out, uint32_t cseq,
                                  const struct sip_dialog_path *path, const struct branch *branch)
{
    struct writer w = writer_of(sip->scratch, sip->scratch_size);
    struct view method = sip_method_text(out->method);
    bool target = out->method == SIP_METHOD_INVITE || out->method == SIP_METHOD_UPDATE;
    print_start(&w, method, path->uri);
    sip_print_via(&w, &path->flow, view_of_string(branch->text));
    print_path(&w, path);
    print_identity(&w, d, cseq, method);
    if (target)
        sip_print_contact(&w, &sip->config, &path->flow, d->secure);
    if (target || out->method == SIP_METHOD_OPTIONS)
        sip_print_abilities(&w, false);
    print_session(&w, d, out->method);
    sip_print_session_id(&w, d);
    if (sip->config.product.len > 0)
        sip_print_line(&w, "User-Agent", sip->config.product);
    writer_view(&w, out->headers);
    sip_print_body(&w, out->content_type, out->body);
    return w.failed ? NULL : sip_packet_create(writer_done(&w));
}

static bool is_sdp(struct view content_type, struct view body)
{
    return body.len > 0 && (view_starts_with_nocase(content_type, VIEW_LIT("application/sdp")) ||
                            view_starts_with_nocase(content_type, VIEW_LIT("multipart/")));
}

struct sip_transaction *sip_client_send(struct sip *sip, struct tick now, struct sip_dialog *d,
                                        const struct sip_outgoing *out)
{
    char buffer[ADDR_TEXT_SIZE + 8];
    struct sip_dialog_path path = sip_dialog_path(d, buffer, sizeof buffer);
    struct branch branch = make_branch(sip);
    bool invite = out->method == SIP_METHOD_INVITE;
    struct sip_packet *packet = compose(sip, d, out, d->local_cseq + 1, &path, &branch);
    if (!packet)
        return NULL;
    struct sip_transaction *t =
        sip_transaction_open(sip, now, invite ? SIP_CLIENT_INVITE : SIP_CLIENT_OTHER, &path.flow,
                             sip_client_key(view_of_string(branch.text), out->method));
    if (!t) {
        sip_packet_release(packet);
        return NULL;
    }
    t->method = out->method;
    t->cseq = ++d->local_cseq;
    t->reconnect = path.reconnect;
    t->dialog = d->id;
    t->offers = is_sdp(out->content_type, out->body);
    t->refresh = out->refresh;
    t->keepalive = out->keepalive;
    sip_transaction_send(sip, t, packet);
    if (!t->keepalive)
        sip_trace_sent(sip, d, &path.flow, packet);
    return t;
}

uint64_t sip_request(struct sip *sip, struct tick now, uint64_t dialog,
                     const struct sip_request *request)
{
    struct sip_dialog *d = sip_dialog_find(sip, (struct pool_id){dialog});
    bool invite = request->method == SIP_METHOD_INVITE;
    bool update = request->method == SIP_METHOD_UPDATE;
    bool offer = invite || is_sdp(request->content_type, request->body);
    sip->now = now;
    if (!d || d->state != SIP_DIALOG_CONFIRMED || d->bye_wanted)
        return 0;
    /* RFC 3261 §14.1 and RFC 3311 §5.1: one INVITE, one UPDATE, one offer at a time. */
    bool inviting = sip_dialog_pending(sip, d->invite_out) || sip_dialog_pending(sip, d->invite_in);
    bool updating = sip_dialog_pending(sip, d->update_out) || sip_dialog_pending(sip, d->update_in);
    if ((offer && (inviting || updating || d->offered || d->ack_owed)) ||
        (update && sip_dialog_pending(sip, d->update_out)) || (invite && d->ok.packet))
        return 0;
    struct sip_outgoing out = {.method = request->method,
                               .headers = request->headers,
                               .content_type = request->content_type,
                               .body = request->body};
    struct sip_transaction *t = sip_client_send(sip, now, d, &out);
    if (!t)
        return 0;
    if (invite)
        d->invite_out = t->id;
    else if (update)
        d->update_out = t->id;
    if (is_sdp(request->content_type, request->body) && !sip_text_set(&d->sdp_out, request->body))
        LOG_WARN("sip", d->call_id, "session description not kept reason=memory");
    return t->id.value;
}

static bool start_call(struct sip *sip, struct sip_dialog *d, const struct sip_call *call)
{
    char made_up[33];
    struct view call_id = call->call_id;
    if (call_id.len == 0) {
        rng_text(&sip->rng, made_up, 32);
        call_id = view_of(made_up, 32);
    }
    if (!sip_dialog_enlist(sip, d, call_id))
        return false;
    struct writer w = writer_of(sip->scratch, sip->scratch_size);
    writer_view(&w, call->from);
    writer_string(&w, ";tag=");
    writer_view(&w, d->local_tag);
    d->we_called = true;
    d->secure = view_starts_with_nocase(call->target, VIEW_LIT("sips:"));
    d->flow = call->flow;
    d->local_cseq = rng_below(&sip->rng, 1 << 16);
    d->session_wanted_s = call->session_expires_s;
    return sip_text_set(&d->local, writer_done(&w)) && sip_text_set(&d->remote, call->to) &&
           sip_text_set(&d->target, call->target);
}

/* The first request of a dialog goes where the caller says, not where the URI leads. */
static void pin_connection(struct sip *sip, const struct sip_flow *flow)
{
    if (flow->id != 0 && !sip_connection_find(sip, flow->id) && !sip_connection_open(sip, flow->id))
        LOG_WARN("sip", VIEW_NONE, "connection not kept reason=full");
}

uint64_t sip_invite(struct sip *sip, struct tick now, const struct sip_call *call)
{
    struct sip_dialog *d = sip_dialog_open(sip);
    struct sip_outgoing out = {.method = SIP_METHOD_INVITE,
                               .headers = call->headers,
                               .content_type = call->content_type,
                               .body = call->body};
    sip->now = now;
    if (!d)
        return 0;
    pin_connection(sip, &call->flow);
    d->translated = true; /* until the peer's Contact is known the given flow is the way */
    struct sip_transaction *t =
        start_call(sip, d, call) ? sip_client_send(sip, now, d, &out) : NULL;
    if (!t) {
        sip_drop(sip, d->id.value);
        return 0;
    }
    d->translated = false;
    d->invite_out = t->id;
    if (is_sdp(call->content_type, call->body) && !sip_text_set(&d->sdp, call->body))
        LOG_WARN("sip", d->call_id, "session description not kept reason=memory");
    return d->id.value;
}

/* What stands in w leaves as a request outside of any dialog. */
static uint64_t send_alone(struct sip *sip, const struct sip_flow *flow, const struct writer *w,
                           enum sip_method method, uint32_t cseq, const struct branch *branch)
{
    struct sip_packet *packet = w->failed ? NULL : sip_packet_create(writer_done(w));
    struct sip_transaction *t =
        packet ? sip_transaction_open(sip, sip->now, SIP_CLIENT_OTHER, flow,
                                      sip_client_key(view_of_string(branch->text), method))
               : NULL;
    if (!t) {
        sip_packet_release(packet);
        return 0;
    }
    t->method = method;
    t->cseq = cseq;
    t->reconnect = flow->peer;
    sip_transaction_send(sip, t, packet);
    return t->id.value;
}

uint64_t sip_ask(struct sip *sip, struct tick now, const struct sip_call *call,
                 enum sip_method method)
{
    struct writer w = writer_of(sip->scratch, sip->scratch_size);
    struct branch branch = make_branch(sip);
    struct view name = sip_method_text(method);
    char tag[SIP_TAG_LEN + 1], call_id[33];
    sip->now = now;
    rng_text(&sip->rng, tag, SIP_TAG_LEN);
    rng_text(&sip->rng, call_id, 32);
    pin_connection(sip, &call->flow);
    print_start(&w, name, call->target);
    sip_print_via(&w, &call->flow, view_of_string(branch.text));
    writer_string(&w, "Max-Forwards: 70\r\nFrom: ");
    writer_view(&w, call->from);
    writer_printf(&w, ";tag=%s\r\n", tag);
    sip_print_line(&w, "To", call->to);
    sip_print_line(&w, "Call-ID", call->call_id.len > 0 ? call->call_id : view_of(call_id, 32));
    writer_printf(&w, "CSeq: 1 " VIEW_FMT "\r\n", VIEW_ARG(name));
    sip_print_contact(&w, &sip->config, &call->flow, false);
    if (sip->config.product.len > 0)
        sip_print_line(&w, "User-Agent", sip->config.product);
    writer_view(&w, call->headers);
    sip_print_body(&w, call->content_type, call->body);
    return send_alone(sip, &call->flow, &w, method, 1, &branch);
}

uint64_t sip_post(struct sip *sip, struct tick now, const struct sip_post *post)
{
    struct writer w = writer_of(sip->scratch, sip->scratch_size);
    struct branch branch = make_branch(sip);
    struct view name = sip_method_text(post->method);
    sip->now = now;
    pin_connection(sip, &post->flow);
    print_start(&w, name, post->target);
    sip_print_via(&w, &post->flow, view_of_string(branch.text));
    writer_string(&w, "Max-Forwards: 70\r\n");
    sip_print_line(&w, "From", post->from);
    sip_print_line(&w, "To", post->to);
    sip_print_line(&w, "Call-ID", post->call_id);
    writer_printf(&w, "CSeq: %u " VIEW_FMT "\r\n", post->cseq, VIEW_ARG(name));
    writer_view(&w, post->headers);
    sip_print_allow(&w);
    if (sip->config.product.len > 0)
        sip_print_line(&w, "User-Agent", sip->config.product);
    sip_print_body(&w, VIEW_NONE, VIEW_NONE);
    return send_alone(sip, &post->flow, &w, post->method, post->cseq, &branch);
}

void sip_forget(struct sip *sip, uint64_t request)
{
    struct sip_transaction *t = sip_transaction_find(sip, request);
    if (t)
        sip_transaction_close(sip, t);
}

/* The ACK of a 2xx: a request of its own, without a transaction (RFC 3261 §13.2.2.4). */
static void send_ack(struct sip *sip, struct sip_dialog *d, uint32_t cseq, struct view content_type,
                     struct view body)
{
    char buffer[ADDR_TEXT_SIZE + 8];
    struct sip_dialog_path path = sip_dialog_path(d, buffer, sizeof buffer);
    struct branch branch = make_branch(sip);
    struct sip_outgoing ack = {
        .method = SIP_METHOD_ACK, .content_type = content_type, .body = body};
    struct sip_packet *packet = compose(sip, d, &ack, cseq, &path, &branch);

    d->ack_owed = false;
    if (!packet)
        return;
    sip_packet_replace(&d->ack, packet);
    d->ack_cseq = cseq;
    sip_queue_packet(sip, &path.flow, &path.reconnect, packet);
    sip_trace_sent(sip, d, &path.flow, packet);
}

bool sip_ack(struct sip *sip, struct tick now, uint64_t dialog, struct view content_type,
             struct view body)
{
    struct sip_dialog *d = sip_dialog_find(sip, (struct pool_id){dialog});
    sip->now = now;
    if (!d || !d->ack_owed)
        return false;
    send_ack(sip, d, d->ack_cseq, content_type, body);
    if (is_sdp(content_type, body) && !sip_text_set(&d->sdp, body))
        LOG_WARN("sip", d->call_id, "session description not kept reason=memory");
    return true;
}

/* ACK of a failure and CANCEL repeat the INVITE's Request-URI, Via, Route, From, Call-ID and CSeq
 * number (§9.1, 17.1.1.3); what is kept of it is its bytes. */
static struct sip_packet *compose_twin(struct sip *sip, const struct sip_transaction *t,
                                       enum sip_method method, struct view to)
{
    struct sip_message *invite = sip_message_parse(sip_packet_view(t->packet), SIP_MESSAGE_STREAM);
    struct writer w = writer_of(sip->scratch, sip->scratch_size);
    struct sip_header at = {0};
    if (!invite)
        return NULL;
    print_start(&w, sip_method_text(method), invite->uri);
    sip_print_line(&w, "Via", sip_message_header(invite, VIEW_LIT("Via")));
    while (sip_message_header_named(invite, VIEW_LIT("Route"), &at))
        sip_print_line(&w, "Route", at.value);
    writer_string(&w, "Max-Forwards: 70\r\n");
    sip_print_line(&w, "From", invite->from);
    sip_print_line(&w, "To", to.at ? to : invite->to);
    sip_print_line(&w, "Call-ID", invite->call_id);
    writer_printf(&w, "CSeq: %u " VIEW_FMT "\r\n", t->cseq, VIEW_ARG(sip_method_text(method)));
    sip_print_body(&w, VIEW_NONE, VIEW_NONE);
    sip_message_release(invite);
    return w.failed ? NULL : sip_packet_create(writer_done(&w));
}

static void ack_failure(struct sip *sip, struct sip_transaction *t, const struct sip_message *m)
{
    struct sip_packet *packet = compose_twin(sip, t, SIP_METHOD_ACK, m->to);
    if (!packet)
        return;
    sip_queue_packet(sip, &t->flow, &t->reconnect, packet);
    sip_packet_release(packet);
}

static void send_cancel(struct sip *sip, struct tick now, struct sip_transaction *invite)
{
    struct sip_dialog *d = sip_dialog_find(sip, invite->dialog);
    struct sip_packet *packet = compose_twin(sip, invite, SIP_METHOD_CANCEL, VIEW_NONE);
    struct sip_message *own =
        sip_message_parse(sip_packet_view(invite->packet), SIP_MESSAGE_STREAM);
    struct sip_transaction *t =
        packet && own ? sip_transaction_open(sip, now, SIP_CLIENT_OTHER, &invite->flow,
                                             sip_client_key(own->via.branch, SIP_METHOD_CANCEL))
                      : NULL;
    sip_message_release(own);
    if (!t) {
        sip_packet_release(packet);
        return;
    }
    t->method = SIP_METHOD_CANCEL;
    t->cseq = invite->cseq;
    t->reconnect = invite->reconnect;
    sip_transaction_send(sip, t, packet);
    if (d)
        sip_trace_sent(sip, d, &t->flow, packet);
    /* §9.1: if the INVITE gets no final response in 64*T1 it is over all the same. */
    invite->timing.end_at = tick_add_ms(now, SIP_64_T1_MS);
    timers_set(&sip->timers, &invite->timed.timer, sip_transaction_deadline(&invite->timing));
}

void sip_cancel(struct sip *sip, struct tick now, uint64_t dialog)
{
    struct sip_dialog *d = sip_dialog_find(sip, (struct pool_id){dialog});
    struct sip_transaction *t = d ? pool_find(sip->transactions, d->invite_out) : NULL;
    sip->now = now;
    if (!t || t->cancelled || !sip_dialog_pending(sip, t->id))
        return;
    t->cancelled = true;
    if (t->provisional)
        send_cancel(sip, now, t); /* else once a provisional response is here */
}

static void tell(struct sip *sip, enum sip_event_kind kind, const struct sip_transaction *t,
                 const struct sip_flow *flow, struct sip_message *m, unsigned status)
{
    struct sip_event event = {.kind = kind,
                              .dialog = t->dialog.value,
                              .request = t->id.value,
                              .method = t->method,
                              .flow = *flow,
                              .status = status};
    sip_queue_event(sip, &event, m);
}

static void send_prack(struct sip *sip, struct tick now, struct sip_dialog *d,
                       struct sip_transaction *invite, const struct sip_message *m)
{
    char header[64];
    struct writer w = writer_of(header, sizeof header);
    writer_printf(&w, "RAck: %u %u INVITE\r\n", m->rseq, m->cseq);
    struct sip_outgoing prack = {.method = SIP_METHOD_PRACK, .headers = writer_done(&w)};
    invite->last_rseq = m->rseq;
    if (!sip_client_send(sip, now, d, &prack))
        LOG_WARN("sip", d->call_id, "prack not sent reason=full");
}

static void receive_provisional(struct sip *sip, struct tick now, const struct sip_flow *flow,
                                struct sip_transaction *t, struct sip_message *m)
{
    struct sip_dialog *d = sip_dialog_find(sip, t->dialog);
    bool first = !t->provisional;
    t->provisional = true;
    if (!d)
        return;
    bool reliable = m->rseq > 0 && sip_message_lists(m, VIEW_LIT("Require"), VIEW_LIT("100rel"));
    if (reliable && m->rseq <= t->last_rseq)
        return; /* a repetition; the PRACK repeats itself */
    sip_dialog_hear(d, m, flow);
    if (d->state == SIP_DIALOG_EARLY && m->status > 100 && m->to_tag.len > 0 &&
        !sip_dialog_adopt(d, m))
        return;
    if (m->status > 100)
        tell(sip, SIP_EVENT_PROVISIONAL, t, flow, m, m->status);
    sip_trace_received(sip, d, flow, m);
    if (reliable)
        send_prack(sip, now, d, t, m);
    if (first && t->cancelled)
        send_cancel(sip, now, t);
}

/* Our offer was taken: from now on session refreshes repeat it (RFC 4028 §7.4). One that was not
 * leaves the session as it was (RFC 3261 §14.1). */
static void keep_offer(struct sip_dialog *d, const struct sip_transaction *t, bool taken)
{
    if (!t->offers || t->refresh || d->sdp_out.len == 0)
        return;
    if (taken) {
        sip_text_free(&d->sdp);
        d->sdp = d->sdp_out;
        d->sdp_out = VIEW_NONE;
    }
    sip_text_free(&d->sdp_out);
}

/* RFC 4028 §7.2. */
static void learn_session(struct sip_dialog *d, const struct sip_message *m, struct tick now)
{
    if (m->session_expires_s > 0)
        sip_session_timer_start(&d->session, m->session_expires_s,
                                !view_equal_nocase(m->refresher, VIEW_LIT("uas")), now);
    else if (d->session.interval_s > 0)
        /* The peer lost interest; refreshing still shows whether it is there. */
        sip_session_timer_start(&d->session, d->session.interval_s, true, now);
}

static void receive_invite_success(struct sip *sip, struct tick now, const struct sip_flow *flow,
                                   struct sip_transaction *t, struct sip_message *m)
{
    struct sip_dialog *d = sip_dialog_find(sip, t->dialog);
    if (!d)
        return;
    if (d->state != SIP_DIALOG_EARLY && !view_equal(d->remote_tag, m->to_tag))
        return; /* another branch of a fork: without an ACK it ends by itself */
    if (t->final) {
        /* Our ACK was lost (§13.2.2.4). */
        if (d->ack && d->ack_cseq == m->cseq)
            sip_queue_packet(sip, &d->flow, &d->flow.peer, d->ack);
        return;
    }
    t->final = true;
    if (d->state == SIP_DIALOG_EARLY && !sip_dialog_adopt(d, m))
        return;
    keep_offer(d, t, true);
    sip_dialog_hear(d, m, flow);
    sip_dialog_retarget(d, m);
    bool initial = d->state == SIP_DIALOG_EARLY;
    d->state = initial ? SIP_DIALOG_CONFIRMED : d->state;
    learn_session(d, m, now);
    d->ack_cseq = m->cseq;
    d->ack_owed = !t->offers;
    tell(sip, SIP_EVENT_RESPONSE, t, flow, m, m->status);
    sip_trace_received(sip, d, flow, m);
    if (t->offers || t->cancelled)
        send_ack(sip, d, m->cseq, VIEW_NONE, VIEW_NONE);
    if (t->cancelled && initial)
        sip_dialog_bye(sip, now, d, SIP_END_CANCELLED, VIEW_NONE);
    else
        sip_dialog_settle(sip, d);
}

static enum sip_end end_of_call(const struct sip_transaction *t, unsigned status)
{
    if (t->cancelled)
        return SIP_END_CANCELLED;
    return status == 408 ? SIP_END_NO_ANSWER : SIP_END_REFUSED;
}

/* A final answer other than 2xx, or none: message NULL. */
static void receive_failure(struct sip *sip, struct tick now, struct sip_transaction *t,
                            struct sip_message *m, unsigned status)
{
    struct sip_dialog *d = sip_dialog_find(sip, t->dialog);
    const struct sip_flow *flow = &t->flow;
    t->final = true;
    if (!d) {
        /* After ENDED a dialog's id means nothing any more: only sip_ask() still wants to know. */
        if (!pool_id_is_set(t->dialog))
            tell(sip, SIP_EVENT_RESPONSE, t, flow, m, status);
        return;
    }
    if (t->method == SIP_METHOD_BYE) {
        sip_dialog_end(sip, d, d->end, status);
        return;
    }
    if (t->keepalive) {
        d->peer_is_mute = true;
        return;
    }
    keep_offer(d, t, false);
    if (!t->refresh || t->method == SIP_METHOD_INVITE)
        tell(sip, SIP_EVENT_RESPONSE, t, flow, m, status);
    if (t->method == SIP_METHOD_INVITE && d->state == SIP_DIALOG_EARLY) {
        if (m)
            sip_trace_received(sip, d, flow, m);
        sip_dialog_end(sip, d, end_of_call(t, status), status);
        return;
    }
    if (m)
        sip_trace_received(sip, d, flow, m);
    if (d->state == SIP_DIALOG_ENDING || t->method == SIP_METHOD_PRACK)
        return;
    /* §12.2.1.2: who answers 481 has no dialog any more. */
    if (status == 481)
        sip_dialog_end(sip, d, SIP_END_GONE, status);
    else if (t->refresh && status == 408)
        sip_dialog_bye(sip, now, d, SIP_END_NO_ANSWER, VIEW_NONE); /* RFC 4028 §10 */
    else if (t->refresh && t->method == SIP_METHOD_UPDATE && (status == 405 || status == 501))
        d->update_allowed = SIP_ALLOWED_NO; /* the next refresh is a re-INVITE */
}

static void receive_success(struct sip *sip, struct tick now, const struct sip_flow *flow,
                            struct sip_transaction *t, struct sip_message *m)
{
    struct sip_dialog *d = sip_dialog_find(sip, t->dialog);
    t->final = true;
    if (t->method == SIP_METHOD_CANCEL || t->method == SIP_METHOD_PRACK)
        return;
    if (t->method == SIP_METHOD_BYE) {
        if (d) {
            sip_trace_received(sip, d, flow, m);
            sip_dialog_end(sip, d, d->end, 0);
        }
        return;
    }
    if (!t->refresh && (d || !pool_id_is_set(t->dialog)))
        tell(sip, SIP_EVENT_RESPONSE, t, flow, m, m->status);
    if (!d)
        return;
    keep_offer(d, t, true);
    sip_dialog_hear(d, m, flow);
    sip_trace_received(sip, d, flow, m);
    if (t->method == SIP_METHOD_UPDATE) {
        sip_dialog_retarget(d, m);
        learn_session(d, m, now);
        sip_dialog_settle(sip, d);
    }
}

static enum sip_transaction_input input_of(unsigned status)
{
    if (status < 200)
        return SIP_INPUT_PROVISIONAL;
    return status < 300 ? SIP_INPUT_SUCCESS : SIP_INPUT_FAILURE;
}

void sip_client_receive(struct sip *sip, struct tick now, const struct sip_flow *flow,
                        struct sip_message *m)
{
    if (m->fault_status != 0) {
        metric_add(m->truncated ? METRIC_SIP_TRUNCATED : METRIC_SIP_MALFORMED, 1);
        return;
    }
    struct view key = sip_client_key(m->via.branch, m->method);
    struct map_node *node = key.at ? map_find(&sip->by_transaction, key) : NULL;
    sip_text_free(&key);
    if (!node)
        return; /* too late, or not ours: §18.1.2 */
    struct sip_transaction *t = container_of(node, struct sip_transaction, node);
    enum sip_transaction_input input = input_of(m->status);
    unsigned actions = sip_transaction_step(&t->timing, input, now);

    if (actions & SIP_DO_ACK)
        ack_failure(sip, t, m);
    if ((actions & SIP_DO_PASS) && t->keepalive) {
        /* Whatever it says: it came out through the NAT. */
        struct sip_dialog *d = sip_dialog_find(sip, t->dialog);
        if (d)
            sip_dialog_hear(d, m, flow);
    } else if (actions & SIP_DO_PASS) {
        if (input == SIP_INPUT_PROVISIONAL)
            receive_provisional(sip, now, flow, t, m);
        else if (input == SIP_INPUT_FAILURE)
            receive_failure(sip, now, t, m, m->status);
        else if (t->method == SIP_METHOD_INVITE)
            receive_invite_success(sip, now, flow, t, m);
        else
            receive_success(sip, now, flow, t, m);
    }
    sip_transaction_settle(sip, t);
}

static void fail(struct sip *sip, struct tick now, struct sip_transaction *t, unsigned status)
{
    if (t->method != SIP_METHOD_CANCEL)
        receive_failure(sip, now, t, NULL, status);
}

void sip_client_expire(struct sip *sip, struct tick now, struct sip_transaction *t)
{
    enum sip_transaction_input input;
    while (sip_transaction_due(&t->timing, now, &input)) {
        unsigned actions = sip_transaction_step(&t->timing, input, now);
        if (actions & SIP_DO_REPEAT)
            sip_transaction_repeat(sip, t);
        if (actions & SIP_DO_TIMEOUT)
            fail(sip, now, t, 408); /* §8.1.3.1 */
        if (t->timing.state == SIP_STATE_TERMINATED || actions == SIP_DO_NOTHING)
            break;
    }
    sip_transaction_settle(sip, t);
}

void sip_client_unreachable(struct sip *sip, struct tick now, struct sip_transaction *t)
{
    if (sip_transaction_step(&t->timing, SIP_INPUT_UNREACHABLE, now) & SIP_DO_FAIL)
        fail(sip, now, t, 503);
    sip_transaction_settle(sip, t);
}
