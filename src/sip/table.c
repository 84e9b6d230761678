/* table: the transactions of an engine: finding them, their timers, the last packet of each.
 * Not here: their state tables (transaction.c), what the messages say (server.c, client.c).
 * RFC 3261 §17.1.3, 17.2.3, 8.2.2.2. */
#include "sip/engine.h"
#include "sip/print.h"

#include <stdlib.h>

struct sip_transaction *sip_transaction_find(struct sip *sip, uint64_t id)
{
    return pool_find(sip->transactions, (struct pool_id){id});
}

struct sip_transaction *sip_transaction_open(struct sip *sip, struct tick now,
                                             enum sip_transaction_kind kind,
                                             const struct sip_flow *flow, struct view key)
{
    struct pool_id id;
    struct sip_transaction *t = key.at ? pool_take(sip->transactions, &id) : NULL;
    if (!t) {
        sip_text_free(&key);
        return NULL;
    }
    t->timed.kind = SIP_TIMED_TRANSACTION;
    t->id = id;
    t->flow = *flow;
    t->key = key;
    map_insert(&sip->by_transaction, &t->node, t->key);
    sip_transaction_start(&t->timing, kind, sip_protocol_is_reliable(flow->protocol), now);
    timers_set(&sip->timers, &t->timed.timer, sip_transaction_deadline(&t->timing));
    return t;
}

void sip_transaction_close(struct sip *sip, struct sip_transaction *t)
{
    timers_clear(&sip->timers, &t->timed.timer);
    map_remove(&sip->by_transaction, &t->node);
    map_remove(&sip->by_merge, &t->merged);
    sip_text_free(&t->key);
    sip_text_free(&t->merge_key);
    sip_packet_release(t->packet);
    sip_packet_release(t->frame);
    pool_give(sip->transactions, t->id);
}

bool sip_transaction_settle(struct sip *sip, struct sip_transaction *t)
{
    if (t->timing.state == SIP_STATE_TERMINATED) {
        sip_transaction_close(sip, t);
        return false;
    }
    timers_set(&sip->timers, &t->timed.timer, sip_transaction_deadline(&t->timing));
    return true;
}

void sip_transaction_send(struct sip *sip, struct sip_transaction *t, struct sip_packet *packet)
{
    sip_packet_replace(&t->packet, packet);
    sip_queue_packet(sip, &t->flow, &t->reconnect, packet);
}

void sip_transaction_repeat(struct sip *sip, struct sip_transaction *t)
{
    if (!t->packet)
        return;
    metric_add(METRIC_SIP_RETRANSMISSIONS_SENT, 1);
    sip_queue_packet(sip, &t->flow, &t->reconnect, t->packet);
}

/* Pieces joined by NUL, which none of them contains. */
static struct view join(const struct view *pieces, size_t n)
{
    size_t len = 1;
    for (size_t i = 0; i < n; i++)
        len += pieces[i].len + 1;
    char *text = malloc(len);
    if (!text)
        return VIEW_NONE;
    struct writer w = writer_of(text, len);
    for (size_t i = 0; i < n; i++) {
        writer_view(&w, pieces[i]);
        writer_u8(&w, 0);
    }
    return view_of(text, w.len);
}

struct view sip_server_key(const struct sip_message *m, enum sip_method method)
{
    char digits[32];
    struct writer w = writer_of(digits, sizeof digits);
    struct view name = method == m->method ? m->method_name : sip_method_text(method);
    struct view via = sip_message_header(m, VIEW_LIT("Via"));
    /* A bare cookie identifies nothing: RFC 4475 §3.2.1. */
    if (view_starts_with(m->via.branch, VIEW_LIT("z9hG4bK")) && m->via.branch.len > 7) {
        writer_printf(&w, "%u", m->via.port);
        struct view pieces[] = {VIEW_LIT("s"), m->via.branch, m->via.host, writer_done(&w), name};
        return join(pieces, 5);
    }
    /* RFC 2543 peers: §17.2.3. The To tag is left out, since an ACK has ours and its INVITE has
     * not. */
    writer_printf(&w, "%u", m->cseq);
    struct view pieces[] = {VIEW_LIT("o"), m->call_id, m->from_tag, writer_done(&w),
                            name,          via,        m->uri};
    return join(pieces, 7);
}

struct view sip_client_key(struct view branch, enum sip_method method)
{
    struct view pieces[] = {VIEW_LIT("c"), branch, sip_method_text(method)};
    return join(pieces, 3);
}

struct view sip_merge_key(const struct sip_message *m)
{
    char digits[32];
    struct writer w = writer_of(digits, sizeof digits);
    writer_printf(&w, "%u", m->cseq);
    struct view pieces[] = {m->call_id, m->from_tag, writer_done(&w), m->method_name};
    return join(pieces, 4);
}
