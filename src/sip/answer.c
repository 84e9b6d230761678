/* answer: our responses: what they carry, and what the dialog learns from sending them.
 * Not here: which response it is, where the engine itself decides (server.c).
 * RFC 3261 §8.2.6, 12.1.1, 13.3.1; RFC 3262 §3; RFC 4028 §9. */
#include "sip/engine.h"
#include "sip/print.h"
#include "sip/via.h"

/* What a message over UDP had better not exceed (§18.1.1). */
#define DATAGRAM_SIZE 1300

static bool is_provisional(const struct sip_answer *a)
{
    return a->status > 100 && a->status < 200;
}

static bool is_success(const struct sip_answer *a)
{
    return a->status >= 200 && a->status < 300;
}

static void print_start(struct writer *w, const struct sip_answer *answer)
{
    struct view reason = answer->reason.len > 0 ? answer->reason : sip_print_reason(answer->status);
    writer_printf(w, "SIP/2.0 %u ", answer->status);
    writer_view(w, reason);
    writer_string(w, "\r\n");
}

static void print_tail(struct writer *w, const struct sip *sip, const struct sip_answer *answer,
                       bool brief)
{
    if (answer->status == 405 || answer->status == 501)
        sip_print_allow(w);
    if (answer->retry_after_s > 0)
        writer_printf(w, "Retry-After: %u\r\n", answer->retry_after_s);
    if (sip->config.product.len > 0 && !brief)
        sip_print_line(w, "Server", sip->config.product);
    writer_view(w, answer->headers);
    sip_print_body(w, answer->content_type, answer->body);
}

/* brief: without what an answer only may have. */
static struct writer write_answer(struct sip *sip, const struct sip_transaction *t,
                                  const struct sip_dialog *d, const struct sip_answer *answer,
                                  uint32_t rseq, bool brief)
{
    struct writer w = writer_of(sip->scratch, sip->scratch_size);
    struct view frame = sip_packet_view(t->frame);
    bool early = t->method == SIP_METHOD_INVITE && is_provisional(answer);
    bool success = is_success(answer);
    bool session = t->method == SIP_METHOD_INVITE || t->method == SIP_METHOD_UPDATE;
    print_start(&w, answer);
    writer_view(&w, view_take(frame, t->frame_len));
    if (t->method == SIP_METHOD_INVITE && (early || success))
        writer_view(&w, view_skip(frame, t->frame_len));
    if (early || (success && (session || t->method == SIP_METHOD_OPTIONS)))
        sip_print_contact(&w, &sip->config, &t->flow, d && d->secure);
    if (success && (session || t->method == SIP_METHOD_OPTIONS))
        sip_print_abilities(&w, brief);
    /* Who asks before calling learns that candidates may come later. */
    if (success && t->method == SIP_METHOD_OPTIONS)
        writer_string(&w, SIP_TRICKLES);
    if (success && session)
        sip_print_session_terms(&w, &t->terms);
    if (rseq > 0)
        writer_printf(&w, "Require: 100rel\r\nRSeq: %u\r\n", rseq);
    if (d)
        sip_print_session_id(&w, d);
    print_tail(&w, sip, answer, brief);
    return w;
}

/* NULL when it does not fit or memory is out. */
static struct sip_packet *compose(struct sip *sip, const struct sip_transaction *t,
                                  const struct sip_dialog *d, const struct sip_answer *answer,
                                  uint32_t rseq)
{
    struct writer w = write_answer(sip, t, d, answer, rseq, false);
    /* RFC 3261 §13.3.1.4: Accept is a MAY. A datagram in fragments may never arrive. */
    if (w.len > DATAGRAM_SIZE && t->flow.protocol == SIP_PROTOCOL_UDP)
        w = write_answer(sip, t, d, answer, rseq, true);
    if (w.failed) {
        LOG_ERROR("sip", d ? d->call_id : VIEW_NONE, "answer too large status=%u body=%zu",
                  answer->status, answer->body.len);
        return NULL;
    }
    return sip_packet_create(writer_done(&w));
}

static enum sip_transaction_input input_of(unsigned status)
{
    if (status < 200)
        return SIP_INPUT_PROVISIONAL;
    return status < 300 ? SIP_INPUT_SUCCESS : SIP_INPUT_FAILURE;
}

/* Takes packet. */
static void send_packet(struct sip *sip, struct tick now, struct sip_transaction *t,
                        struct sip_packet *packet, unsigned status)
{
    struct sip_dialog *d = sip_dialog_find(sip, t->dialog);
    sip_transaction_step(&t->timing, input_of(status), now);
    t->final = t->final || status >= 200;
    sip_transaction_send(sip, t, packet);
    if (status >= 200)
        sip_packet_replace(&t->frame, NULL); /* no other answer will need it */
    if (d)
        sip_trace_sent(sip, d, &t->flow, t->packet);
    sip_transaction_settle(sip, t);
}

bool sip_answer_send(struct sip *sip, struct tick now, struct sip_transaction *t,
                     const struct sip_answer *answer)
{
    struct sip_packet *packet = compose(sip, t, sip_dialog_find(sip, t->dialog), answer, 0);
    if (!packet)
        return false;
    send_packet(sip, now, t, packet, answer->status);
    return true;
}

void sip_answer_final(struct sip *sip, struct tick now, struct sip_transaction *t,
                      const struct sip_answer *answer)
{
    if (!sip_answer_send(sip, now, t, answer))
        sip_transaction_close(sip, t); /* no memory: the peer will repeat itself */
}

void sip_answer_stateless(struct sip *sip, const struct sip_flow *flow, const struct sip_message *m,
                          const struct sip_answer *answer)
{
    struct writer w = writer_of(sip->scratch, sip->scratch_size);
    struct sip_flow to = sip_via_route(&m->via, flow, sip->config.force_rport);
    struct addr reconnect = sip_via_reconnect(&m->via, flow);
    char tag[SIP_TAG_LEN + 1];
    /* §8.2.7: the same tag for the same request, without remembering it. */
    uint64_t hash = map_siphash(sip->tag_secret, m->call_id);
    struct writer tag_writer = writer_of(tag, sizeof tag);
    writer_printf(&tag_writer, "%016llx", (unsigned long long)hash);
    print_start(&w, answer);
    sip_print_frame(&w, m, flow, writer_done(&tag_writer));
    print_tail(&w, sip, answer, false);
    struct sip_packet *packet = w.failed ? NULL : sip_packet_create(writer_done(&w));
    if (!packet)
        return;
    sip_queue_packet(sip, &to, &reconnect, packet);
    sip_packet_release(packet);
}

static bool is_sdp(const struct sip_answer *answer)
{
    return answer->body.len > 0 &&
           view_starts_with_nocase(answer->content_type, VIEW_LIT("application/sdp"));
}

static void remember_sdp(struct sip_dialog *d, const struct sip_answer *answer)
{
    if (is_sdp(answer) && !sip_text_set(&d->sdp, answer->body))
        LOG_WARN("sip", d->call_id, "session description not kept reason=memory");
}

/* RFC 3262 §3: one at a time, repeated until its PRACK. */
static bool send_reliable(struct sip *sip, struct tick now, struct sip_transaction *t,
                          struct sip_dialog *d, const struct sip_answer *answer)
{
    if (d->early.packet)
        return false;
    if (d->rseq == 0)
        d->rseq = 1 + rng_below(&sip->rng, 0x7fffff00);
    else
        d->rseq++;
    struct sip_packet *packet = compose(sip, t, d, answer, d->rseq);
    if (!packet)
        return false;
    d->early.flow = t->flow;
    d->early.reconnect = t->reconnect;
    d->early.cseq = t->cseq;
    d->early_has_body = answer->body.len > 0;
    d->offered = d->offered || (is_sdp(answer) && !t->offers);
    sip_repeated_start(&d->early, packet, now);
    remember_sdp(d, answer);
    send_packet(sip, now, t, packet, answer->status);
    sip_dialog_settle(sip, d);
    return true;
}

static void start_session(struct sip_dialog *d, const struct sip_session_terms *terms,
                          struct tick now)
{
    sip_session_timer_start(&d->session, terms->interval_s, !terms->refresher_uac, now);
}

/* Takes packet. */
static void send_accept(struct sip *sip, struct tick now, struct sip_transaction *t,
                        struct sip_packet *packet)
{
    struct sip_dialog *d = sip_dialog_find(sip, t->dialog);
    d->state = SIP_DIALOG_CONFIRMED;
    d->ok.flow = t->flow;
    d->ok.reconnect = t->reconnect;
    d->ok.cseq = t->cseq;
    /* A reliable 1xx whose PRACK never came need not be repeated any more. */
    sip_repeated_stop(&d->early);
    sip_repeated_start(&d->ok, packet, now);
    start_session(d, &t->terms, now);
    send_packet(sip, now, t, packet, 200);
    sip_dialog_settle(sip, d);
}

static bool accept_invite(struct sip *sip, struct tick now, struct sip_transaction *t,
                          const struct sip_answer *answer)
{
    struct sip_dialog *d = sip_dialog_find(sip, t->dialog);
    struct sip_packet *packet = compose(sip, t, d, answer, 0);
    if (!packet)
        return false;
    remember_sdp(d, answer);
    d->offered = d->offered || (is_sdp(answer) && !t->offers);
    t->final = true;
    if (d->early.packet && d->early_has_body) {
        /* RFC 3262 §3: a 2xx must not overtake an unacknowledged 1xx with a session description. */
        sip_packet_replace(&d->held, packet);
        return true;
    }
    send_accept(sip, now, t, packet);
    return true;
}

void sip_answer_held(struct sip *sip, struct tick now, struct sip_dialog *d)
{
    struct sip_transaction *t = sip_transaction_find(sip, d->invite_in.value);
    struct sip_packet *packet = d->held;
    if (!packet)
        return;
    d->held = NULL;
    if (t)
        send_accept(sip, now, t, packet);
    else
        sip_packet_release(packet);
}

static bool answer_invite(struct sip *sip, struct tick now, struct sip_transaction *t,
                          const struct sip_answer *answer)
{
    struct sip_dialog *d = sip_dialog_find(sip, t->dialog);
    bool initial = d->state == SIP_DIALOG_EARLY;
    if (is_provisional(answer) && (t->requires_100rel || (answer->reliable && t->supports_100rel)))
        return send_reliable(sip, now, t, d, answer);
    if (is_success(answer))
        return accept_invite(sip, now, t, answer);
    if (!sip_answer_send(sip, now, t, answer))
        return false;
    if (answer->status >= 300) {
        sip_repeated_stop(&d->early);
        if (initial)
            sip_dialog_end(sip, d, SIP_END_REFUSED, answer->status);
        else
            sip_dialog_settle(sip, d);
    }
    return true;
}

bool sip_answer(struct sip *sip, struct tick now, uint64_t request, const struct sip_answer *answer)
{
    struct sip_transaction *t = sip_transaction_find(sip, request);
    bool server = t && (t->timing.kind == SIP_SERVER_INVITE || t->timing.kind == SIP_SERVER_OTHER);
    sip->now = now;
    if (!server || t->final)
        return false;
    struct sip_dialog *d = sip_dialog_find(sip, t->dialog);
    if (!d)
        return false;
    if (t->method == SIP_METHOD_INVITE)
        return answer_invite(sip, now, t, answer);
    struct sip_session_terms terms = t->terms;
    bool update = t->method == SIP_METHOD_UPDATE;
    if (!sip_answer_send(sip, now, t, answer))
        return false;
    if (is_success(answer)) {
        remember_sdp(d, answer);
        if (update)
            start_session(d, &terms, now);
        sip_dialog_settle(sip, d);
    }
    return true;
}

size_t sip_answer_size(struct sip *sip, uint64_t request, const struct sip_answer *answer)
{
    struct sip_transaction *t = sip_transaction_find(sip, request);
    bool server = t && (t->timing.kind == SIP_SERVER_INVITE || t->timing.kind == SIP_SERVER_OTHER);
    if (!server || t->final)
        return 0;
    struct sip_packet *packet = compose(sip, t, sip_dialog_find(sip, t->dialog), answer, 0);
    size_t size = packet ? sip_packet_view(packet).len : 0;
    sip_packet_release(packet);
    return size;
}
