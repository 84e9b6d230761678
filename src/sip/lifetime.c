/* lifetime: the dialogs of an engine: finding them, what their timers do, how they end.
 * Not here: what they hold (dialog.c), messages (server.c, client.c).
 * RFC 3261 §12, 13.3.1.4, 15; RFC 3262 §3; RFC 4028 §10. */
#include "sip/engine.h"
#include "sip/keepalive.h"

#include <stdlib.h>

const char *sip_end_name(enum sip_end end)
{
    static const char *const names[] = {
        [SIP_END_NONE] = "none",         [SIP_END_PEER_BYE] = "peer-bye",
        [SIP_END_OUR_BYE] = "our-bye",   [SIP_END_CANCELLED] = "cancelled",
        [SIP_END_REFUSED] = "refused",   [SIP_END_NO_ACK] = "no-ack",
        [SIP_END_NO_PRACK] = "no-prack", [SIP_END_EXPIRED] = "expired",
        [SIP_END_GONE] = "gone",         [SIP_END_NO_ANSWER] = "no-answer",
        [SIP_END_DROPPED] = "dropped",
    };
    return names[end];
}

struct sip_dialog *sip_dialog_find(const struct sip *sip, struct pool_id id)
{
    return pool_find(sip->dialogs, id);
}

/* Call-ID, NUL, local tag. */
static struct view make_key(struct view call_id, struct view tag)
{
    char *text = malloc(call_id.len + tag.len + 2);
    if (!text)
        return VIEW_NONE;
    struct writer w = writer_of(text, call_id.len + tag.len + 2);
    writer_view(&w, call_id);
    writer_u8(&w, 0);
    writer_view(&w, tag);
    return view_of(text, w.len);
}

struct sip_dialog *sip_dialog_match(const struct sip *sip, struct view call_id,
                                    struct view local_tag, struct view remote_tag)
{
    struct view key = make_key(call_id, local_tag);
    struct map_node *node = key.at ? map_find(&sip->by_dialog, key) : NULL;
    struct sip_dialog *found = NULL;
    for (; node && !found; node = map_find_next(node)) {
        struct sip_dialog *d = container_of(node, struct sip_dialog, node);
        if (view_equal(d->remote_tag, remote_tag))
            found = d;
    }
    sip_text_free(&key);
    return found;
}

struct sip_dialog *sip_dialog_open(struct sip *sip)
{
    static const char digits[] = "0123456789abcdef";
    struct pool_id id;
    struct sip_dialog *d = pool_take(sip->dialogs, &id);
    if (!d)
        return NULL;
    d->timed.kind = SIP_TIMED_DIALOG;
    d->id = id;
    d->session.refresh_at = d->session.expire_at = d->keep_at = TICK_NEVER;
    for (size_t i = 0; i < SIP_SESSION_ID_LEN; i++)
        d->session_id[i] = digits[rng_below(&sip->rng, 16)];
    metric_add(METRIC_SIP_DIALOGS, 1);
    return d;
}

bool sip_dialog_enlist(struct sip *sip, struct sip_dialog *d, struct view call_id)
{
    char tag[SIP_TAG_LEN + 1];
    rng_text(&sip->rng, tag, SIP_TAG_LEN);
    d->key = make_key(call_id, view_of(tag, SIP_TAG_LEN));
    if (!d->key.at)
        return false;
    d->call_id = view_take(d->key, call_id.len);
    d->local_tag = view_skip(d->key, call_id.len + 1);
    map_insert(&sip->by_dialog, &d->node, d->key);
    return true;
}

bool sip_dialog_pending(const struct sip *sip, struct pool_id transaction)
{
    const struct sip_transaction *t = pool_find(sip->transactions, transaction);
    if (!t)
        return false;
    if (t->timing.kind == SIP_SERVER_INVITE || t->timing.kind == SIP_SERVER_OTHER)
        return !t->final;
    return t->timing.state == SIP_STATE_TRYING || t->timing.state == SIP_STATE_PROCEEDING;
}

/* RFC 3261 §15.1.2: what still waits for an answer gets 487. */
static void abandon(struct sip *sip, struct sip_dialog *d, enum sip_end end)
{
    struct pool_id owed[] = {d->invite_in, d->update_in, d->prack_in};
    struct sip_answer terminated = {.status = 487};
    for (size_t i = 0; i < sizeof owed / sizeof owed[0]; i++) {
        struct sip_transaction *t = pool_find(sip->transactions, owed[i]);
        bool unanswered = t && (!t->final || (d->held && t->method == SIP_METHOD_INVITE));
        if (unanswered && end == SIP_END_DROPPED)
            sip_transaction_close(sip, t);
        else if (unanswered)
            sip_answer_final(sip, sip->now, t, &terminated);
    }
}

void sip_dialog_end(struct sip *sip, struct sip_dialog *d, enum sip_end end, unsigned status)
{
    abandon(sip, d, end);
    struct sip_event event = {.kind = SIP_EVENT_ENDED,
                              .end = end,
                              .dialog = d->id.value,
                              .flow = d->flow,
                              .status = status};
    sip_queue_event(sip, &event, NULL);
    timers_clear(&sip->timers, &d->timed.timer);
    map_remove(&sip->by_dialog, &d->node);
    sip_dialog_finish(d);
    pool_give(sip->dialogs, d->id);
    metric_add(METRIC_SIP_DIALOGS, -1);
}

void sip_drop(struct sip *sip, uint64_t dialog)
{
    struct sip_dialog *d = sip_dialog_find(sip, (struct pool_id){dialog});
    if (d)
        sip_dialog_end(sip, d, SIP_END_DROPPED, 0);
}

static void send_bye(struct sip *sip, struct tick now, struct sip_dialog *d, struct view headers)
{
    struct sip_outgoing bye = {.method = SIP_METHOD_BYE, .headers = headers};
    struct sip_event event = {
        .kind = SIP_EVENT_ENDING, .end = d->end, .dialog = d->id.value, .flow = d->flow};
    enum sip_end end = d->end;
    sip_repeated_stop(&d->ok);
    sip_session_timer_start(&d->session, 0, false, now);
    d->bye_wanted = false;
    d->state = SIP_DIALOG_ENDING;
    sip_queue_event(sip, &event, NULL);
    if (sip_client_send(sip, now, d, &bye))
        sip_dialog_settle(sip, d);
    else
        sip_dialog_end(sip, d, end, 0);
}

void sip_dialog_bye(struct sip *sip, struct tick now, struct sip_dialog *d, enum sip_end end,
                    struct view headers)
{
    if (d->state == SIP_DIALOG_ENDING || d->bye_wanted)
        return;
    d->end = end;
    /* RFC 3261 §15: not before the ACK, unless that will not come. */
    if (d->ok.packet && end != SIP_END_NO_ACK) {
        d->bye_wanted = true;
        if (!sip_text_set(&d->bye_headers, headers))
            d->bye_headers = VIEW_NONE;
        return;
    }
    send_bye(sip, now, d, headers);
}

void sip_bye(struct sip *sip, struct tick now, uint64_t dialog, struct view headers)
{
    struct sip_dialog *d = sip_dialog_find(sip, (struct pool_id){dialog});
    sip->now = now;
    if (!d)
        return;
    if (d->state != SIP_DIALOG_EARLY) {
        sip_dialog_bye(sip, now, d, SIP_END_OUR_BYE, headers);
        return;
    }
    if (d->we_called) {
        sip_cancel(sip, now, dialog);
        return;
    }
    struct sip_answer gone = {.status = 480, .headers = headers};
    struct sip_transaction *t = sip_transaction_find(sip, d->invite_in.value);
    sip_packet_replace(&d->held, NULL);
    if (t)
        sip_answer_final(sip, now, t, &gone);
    sip_dialog_end(sip, d, SIP_END_OUR_BYE, 0);
}

static struct tick deadline(const struct sip_dialog *d)
{
    struct tick t = tick_min(sip_repeated_deadline(&d->ok), sip_repeated_deadline(&d->early));
    return tick_min(tick_min(t, d->keep_at), sip_session_timer_deadline(&d->session));
}

void sip_dialog_settle(struct sip *sip, struct sip_dialog *d)
{
    sip_keepalive_plan(sip, d);
    timers_set(&sip->timers, &d->timed.timer, deadline(d));
}

static void repeat(struct sip *sip, struct tick now, struct sip_repeated *r, bool capped)
{
    metric_add(METRIC_SIP_RETRANSMISSIONS_SENT, 1);
    sip_queue_packet(sip, &r->flow, &r->reconnect, r->packet);
    r->interval_ms *= 2;
    if (capped && r->interval_ms > SIP_T2_MS)
        r->interval_ms = SIP_T2_MS;
    r->next = tick_add_ms(now, r->interval_ms);
}

/* §4 and 7.4: UPDATE, since it needs no offer; a re-INVITE with the same description where the peer
 * has no UPDATE. */
static void refresh(struct sip *sip, struct tick now, struct sip_dialog *d)
{
    bool busy = sip_dialog_pending(sip, d->invite_in) || sip_dialog_pending(sip, d->invite_out) ||
                sip_dialog_pending(sip, d->update_out) || d->ok.packet || d->ack_owed;
    sip_session_timer_refreshing(&d->session, now);
    if (busy)
        return;
    struct sip_outgoing out = {.method = SIP_METHOD_UPDATE, .refresh = true};
    if (d->update_allowed == SIP_ALLOWED_NO) {
        if (d->sdp.len == 0)
            return;
        out.method = SIP_METHOD_INVITE;
        out.content_type = VIEW_LIT("application/sdp");
        out.body = d->sdp;
    }
    struct sip_transaction *t = sip_client_send(sip, now, d, &out);
    if (t && t->method == SIP_METHOD_INVITE)
        d->invite_out = t->id;
    else if (t)
        d->update_out = t->id;
}

static void give_up_early(struct sip *sip, struct tick now, struct sip_dialog *d)
{
    /* RFC 3262 §3: no PRACK within 64*T1, the INVITE is rejected with a 5xx. */
    struct sip_answer late = {.status = 504};
    struct sip_transaction *t = sip_transaction_find(sip, d->invite_in.value);
    bool initial = d->state == SIP_DIALOG_EARLY;
    sip_repeated_stop(&d->early);
    sip_packet_replace(&d->held, NULL);
    d->offered = false;
    if (t)
        sip_answer_final(sip, now, t, &late);
    if (initial)
        sip_dialog_end(sip, d, SIP_END_NO_PRACK, 0);
    else
        sip_dialog_settle(sip, d);
}

void sip_dialog_expire(struct sip *sip, struct tick now, struct sip_dialog *d)
{
    if (d->ok.packet && tick_due(d->ok.end, now)) {
        metric_add(METRIC_SIP_ACK_TIMEOUTS, 1);
        LOG_WARN("sip", d->call_id, "no ack came peer=%s", addr_print(&d->flow.peer).s);
        sip_repeated_stop(&d->ok);
        d->bye_wanted = false;
        sip_dialog_bye(sip, now, d, SIP_END_NO_ACK, VIEW_NONE);
        return;
    }
    if (d->early.packet && tick_due(d->early.end, now)) {
        give_up_early(sip, now, d);
        return;
    }
    if (d->ok.packet && tick_due(d->ok.next, now))
        repeat(sip, now, &d->ok, true);
    if (d->early.packet && tick_due(d->early.next, now))
        repeat(sip, now, &d->early, false);
    if (d->session.interval_s > 0 && tick_due(d->session.expire_at, now)) {
        LOG_WARN("sip", d->call_id, "session expired peer=%s interval_s=%u",
                 addr_print(&d->flow.peer).s, d->session.interval_s);
        sip_session_timer_start(&d->session, 0, false, now);
        sip_dialog_bye(sip, now, d, SIP_END_EXPIRED,
                       VIEW_LIT("Reason: SIP;cause=408;text=\"Session expired\"\r\n"));
        if (d->bye_wanted)
            sip_dialog_settle(sip, d);
        return;
    }
    if (d->session.interval_s > 0 && tick_due(d->session.refresh_at, now))
        refresh(sip, now, d);
    if (tick_due(d->keep_at, now))
        sip_keepalive_send(sip, now, d);
    sip_dialog_settle(sip, d);
}

bool sip_dialog_facts(const struct sip *sip, uint64_t dialog, struct sip_dialog_facts *out)
{
    const struct sip_dialog *d = sip_dialog_find(sip, (struct pool_id){dialog});
    if (!d)
        return false;
    *out = (struct sip_dialog_facts){
        .call_id = d->call_id,
        .local_tag = d->local_tag,
        .remote_tag = d->remote_tag,
        .flow = d->flow,
        .confirmed = d->state == SIP_DIALOG_CONFIRMED,
        .acknowledged = d->state == SIP_DIALOG_CONFIRMED && !d->ok.packet,
        .peer_allows_update = d->update_allowed == SIP_ALLOWED_YES,
        .session_expires_s = d->session.interval_s,
        .we_refresh = d->session.we_refresh,
    };
    return true;
}

/* What was sent from the old address: its answer would go there. */
static void relocate_request(struct sip *sip, struct tick now, struct sip_transaction *t,
                             const struct sip_flow *there)
{
    bool client = t->timing.kind == SIP_CLIENT_INVITE || t->timing.kind == SIP_CLIENT_OTHER;
    if (!client || addr_equal_ip(&t->flow.local, &there->local))
        return;
    if (t->timing.reliable) {
        sip_client_unreachable(sip, now, t);
        return;
    }
    t->flow.local = there->local;
    t->flow.listener = there->listener;
    if (t->final)
        return;
    sip_transaction_repeat(sip, t);
}

void sip_relocate(struct sip *sip, struct tick now, uint64_t dialog, const struct sip_flow *there)
{
    struct sip_transaction *t;
    struct pool_id id;
    struct sip_dialog *d = sip_dialog_find(sip, (struct pool_id){dialog});
    if (!d)
        return;
    sip->now = now;
    for (uint32_t i = 0; (t = pool_next(sip->transactions, &i, &id));) {
        if (t->dialog.value == dialog)
            relocate_request(sip, now, t, there);
    }
    /* What failed may have ended it. */
    d = sip_dialog_find(sip, (struct pool_id){dialog});
    if (!d)
        return;
    /* A connection is bound to the address that is gone: another one has to be made. */
    if (!addr_equal_ip(&d->flow.local, &there->local))
        d->flow.id = 0;
    d->flow.listener = there->listener;
    d->flow.local = there->local;
    d->flow.advertised = there->advertised;
}

uint32_t sip_dialog_count(const struct sip *sip)
{
    return pool_count(sip->dialogs);
}
