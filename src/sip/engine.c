/* engine: bytes in, time in; creation and end of an engine, connections, dispatch of what is due.
 * Not here: requests (server.c), responses (client.c), dialogs (lifetime.c).
 * RFC 3261 §18, RFC 5626 §4.4.1. */
#include "sip/engine.h"

#include "base/limits.h"
#include "sip/keepalive.h"

#include <assert.h>
#include <stdlib.h>

#define LOG_INTERVAL_MS         10000
#define DIALOGS_DEFAULT         4096
#define CONNECTIONS_DEFAULT     1024
#define TRANSACTIONS_PER_DIALOG 4
/* A message that is not whole after this long never will be: its Content-Length lies, or somebody
 * holds connections open on purpose. */
#define INCOMPLETE_MS INT64_C(32000)
/* Head and body of the largest message we compose. */
#define HEAD_MAX (3 * LIMIT_SIP_DATAGRAM)

static void set_defaults(struct sip_config *config)
{
    if (config->dialogs_max == 0)
        config->dialogs_max = DIALOGS_DEFAULT;
    if (config->transactions_max == 0)
        config->transactions_max = config->dialogs_max * TRANSACTIONS_PER_DIALOG;
    if (config->connections_max == 0)
        config->connections_max = CONNECTIONS_DEFAULT;
    if (config->body_max == 0)
        config->body_max = LIMIT_SIP_BODY;
    if (config->min_se_s < SIP_MIN_SE_S)
        config->min_se_s = SIP_MIN_SE_S;
}

struct sip *sip_create(const struct sip_config *config)
{
    struct sip *sip = calloc(1, sizeof *sip);
    if (!sip)
        return NULL;
    sip->config = *config;
    set_defaults(&sip->config);
    const struct sip_config *c = &sip->config;
    rng_init(&sip->rng, c->seed);
    rng_bytes(&sip->rng, sip->tag_secret, sizeof sip->tag_secret);
    list_init(&sip->outputs);
    list_init(&sip->events);
    sip->available = true;
    sip->scratch_size = HEAD_MAX + c->body_max;
    sip->scratch = malloc(sip->scratch_size);
    sip->dialogs = pool_create(sizeof(struct sip_dialog), c->dialogs_max);
    sip->transactions = pool_create(sizeof(struct sip_transaction), c->transactions_max);
    sip->connections = pool_create(sizeof(struct sip_connection), c->connections_max);
    bool ok = sip->scratch && sip->dialogs && sip->transactions && sip->connections;
    ok = map_init(&sip->by_dialog, c->dialogs_max, &sip->rng) && ok;
    ok = map_init(&sip->by_transaction, c->transactions_max, &sip->rng) && ok;
    ok = map_init(&sip->by_merge, c->transactions_max, &sip->rng) && ok;
    ok = map_init(&sip->by_flow, c->connections_max, &sip->rng) && ok;
    ok = timers_init(&sip->timers,
                     (size_t)c->dialogs_max + c->transactions_max + c->connections_max) &&
         ok;
    if (!ok) {
        sip_destroy(sip);
        return NULL;
    }
    return sip;
}

static void close_connection(struct sip *sip, struct sip_connection *c)
{
    timers_clear(&sip->timers, &c->timed.timer);
    map_remove(&sip->by_flow, &c->node);
    sip_stream_finish(&c->stream);
    pool_give(sip->connections, c->id);
}

static void close_all(struct sip *sip)
{
    struct pool_id id;
    struct sip_transaction *t;
    struct sip_connection *c;
    for (uint32_t i = 0; sip->dialogs && pool_next(sip->dialogs, &i, &id);)
        sip_drop(sip, id.value);
    for (uint32_t i = 0; sip->transactions && (t = pool_next(sip->transactions, &i, &id));)
        sip_transaction_close(sip, t);
    for (uint32_t i = 0; sip->connections && (c = pool_next(sip->connections, &i, &id));)
        close_connection(sip, c);
}

void sip_destroy(struct sip *sip)
{
    if (!sip)
        return;
    close_all(sip);
    sip_queue_clear(sip);
    pool_destroy(sip->dialogs);
    pool_destroy(sip->transactions);
    pool_destroy(sip->connections);
    map_finish(&sip->by_dialog);
    map_finish(&sip->by_transaction);
    map_finish(&sip->by_merge);
    map_finish(&sip->by_flow);
    timers_finish(&sip->timers);
    free(sip->scratch);
    free(sip);
}

void sip_set_available(struct sip *sip, bool available, uint32_t retry_after_s)
{
    sip->available = available;
    sip->retry_after_s = retry_after_s;
}

void sip_set_family_available(struct sip *sip, bool v6, bool available)
{
    sip->unavailable[v6] = !available;
}

/* Takes message. */
static void receive(struct sip *sip, struct tick now, const struct sip_flow *flow,
                    struct sip_message *message)
{
    if (!message)
        return; /* no memory: as if it had been lost */
    metric_add(METRIC_SIP_MESSAGES_RECEIVED, 1);
    if (message->is_request)
        sip_server_receive(sip, now, flow, message);
    else if (message->status != 0)
        sip_client_receive(sip, now, flow, message);
    else
        metric_add(METRIC_SIP_MALFORMED, 1);
    sip_message_release(message);
}

static bool is_blank(struct view bytes)
{
    for (size_t i = 0; i < bytes.len; i++)
        if (bytes.at[i] != '\r' && bytes.at[i] != '\n' && bytes.at[i] != '\0')
            return false;
    return true;
}

void sip_hear(struct sip *sip, struct tick now, const struct sip_flow *flow)
{
    sip->now = now;
    sip_keepalive_hear(sip, flow);
}

void sip_input_datagram(struct sip *sip, struct tick now, const struct sip_flow *flow,
                        struct view bytes, bool truncated)
{
    sip_hear(sip, now, flow);
    if (is_blank(bytes))
        return; /* keeps a NAT's mapping open and asks for nothing */
    receive(sip, now, flow,
            sip_message_parse(bytes, truncated ? SIP_MESSAGE_DATAGRAM_CUT : SIP_MESSAGE_DATAGRAM));
}

struct sip_connection *sip_connection_find(const struct sip *sip, uint64_t flow_id)
{
    struct map_node *node = map_find(&sip->by_flow, view_of(&flow_id, sizeof flow_id));
    return node ? container_of(node, struct sip_connection, node) : NULL;
}

struct sip_connection *sip_connection_open(struct sip *sip, uint64_t flow_id)
{
    struct pool_id id;
    struct sip_connection *c = pool_take(sip->connections, &id);
    if (!c)
        return NULL;
    c->timed.kind = SIP_TIMED_CONNECTION;
    c->id = id;
    c->flow_id = flow_id;
    map_insert(&sip->by_flow, &c->node, view_of(&c->flow_id, sizeof c->flow_id));
    return c;
}

static void send_pong(struct sip *sip, const struct sip_flow *flow)
{
    struct sip_packet *pong = sip_packet_create(VIEW_LIT("\r\n"));
    if (!pong)
        return;
    sip_queue_packet(sip, flow, &flow->peer, pong);
    sip_packet_release(pong);
}

void sip_ping(struct sip *sip, struct tick now, const struct sip_flow *flow)
{
    struct sip_connection *c = sip_connection_find(sip, flow->id);
    struct sip_packet *ping = c ? sip_packet_create(VIEW_LIT("\r\n\r\n")) : NULL;
    sip->now = now;
    if (!ping)
        return;
    c->stream.pongs_due = 1;
    sip_queue_packet(sip, flow, &flow->peer, ping);
    sip_packet_release(ping);
}

/* The framing of this connection is lost: what can be told to the peer is told, then it ends. */
static void break_connection(struct sip *sip, struct tick now, const struct sip_flow *flow,
                             struct sip_connection *c, struct view head, const char *reason)
{
    struct sip_message *m = head.len > 0 ? sip_message_parse(head, SIP_MESSAGE_STREAM) : NULL;
    uint64_t held_back;
    if (m && m->fault_status == 0) {
        m->fault_status = 400;
        m->fault_reason = reason;
    }
    if (log_limit_pass(&sip->malformed_log, now, LOG_INTERVAL_MS, &held_back))
        LOG_WARN("sip", m ? m->call_id : VIEW_NONE,
                 "connection closed peer=%s reason=\"%s\" held_back=%llu",
                 addr_print(&flow->peer).s, reason, (unsigned long long)held_back);
    receive(sip, now, flow, m);
    timers_clear(&sip->timers, &c->timed.timer);
    c->closing = true;
    sip_queue_close(sip, flow);
}

static void watch(struct sip *sip, struct tick now, struct sip_connection *c)
{
    bool incomplete = c->stream.len > 0 || c->stream.discard > 0;
    if (!incomplete || c->closing)
        timers_clear(&sip->timers, &c->timed.timer);
    else if (!timer_is_set(&c->timed.timer))
        timers_set(&sip->timers, &c->timed.timer, tick_add_ms(now, INCOMPLETE_MS));
}

static void expire_connection(struct sip *sip, struct tick now, struct sip_connection *c)
{
    struct view head = view_of(c->stream.buffer, c->stream.body_at);
    break_connection(sip, now, &c->flow, c, head, "Message Incomplete");
}

/* One message, or whatever else the stream has to say. */
static void take(struct sip *sip, struct tick now, const struct sip_flow *flow,
                 struct sip_connection *c, enum sip_stream_result result, struct view message)
{
    /* Its time starts anew with each message. */
    timers_clear(&sip->timers, &c->timed.timer);
    switch (result) {
    case SIP_STREAM_MESSAGE:
        receive(sip, now, flow, sip_message_parse(message, SIP_MESSAGE_STREAM));
        break;
    case SIP_STREAM_TOO_LARGE:
        receive(sip, now, flow, sip_message_parse(message, SIP_MESSAGE_HEAD_ONLY));
        break;
    case SIP_STREAM_PING:
        send_pong(sip, flow);
        break;
    case SIP_STREAM_PONG:
        sip_queue_event(sip, &(struct sip_event){.kind = SIP_EVENT_PONG, .flow = *flow}, NULL);
        break;
    case SIP_STREAM_BROKEN:
        /* RFC 3261 §20.14 */
        break_connection(sip, now, flow, c, message, "Missing Content-Length");
        break;
    case SIP_STREAM_NO_MEMORY:
        break_connection(sip, now, flow, c, VIEW_NONE, "Out Of Memory");
        break;
    case SIP_STREAM_MORE:
        break;
    }
}

void sip_input_stream(struct sip *sip, struct tick now, const struct sip_flow *flow,
                      struct view bytes)
{
    struct sip_connection *c = sip_connection_find(sip, flow->id);
    enum sip_stream_result result;
    struct view message;
    assert(flow->id != 0);
    sip->now = now;
    if (!c)
        c = sip_connection_open(sip, flow->id);
    if (!c) {
        sip_queue_close(sip, flow);
        return;
    }
    c->flow = *flow;
    while (!c->closing) {
        result = sip_stream_next(&c->stream, &bytes, sip->config.body_max, &message);
        if (result == SIP_STREAM_MORE)
            break;
        take(sip, now, flow, c, result, message);
    }
    watch(sip, now, c);
}

static bool is_same_hop(const struct sip_flow *a, const struct sip_flow *b)
{
    return a->listener == b->listener && a->protocol == b->protocol &&
           addr_equal(&a->peer, &b->peer);
}

void sip_flow_closed(struct sip *sip, struct tick now, const struct sip_flow *flow)
{
    struct sip_connection *c = flow->id ? sip_connection_find(sip, flow->id) : NULL;
    struct sip_transaction *t;
    struct pool_id id;
    sip->now = now;
    if (c)
        close_connection(sip, c);
    for (uint32_t i = 0; (t = pool_next(sip->transactions, &i, &id));) {
        bool client = t->timing.kind == SIP_CLIENT_INVITE || t->timing.kind == SIP_CLIENT_OTHER;
        bool hit = flow->id ? t->flow.id == flow->id : is_same_hop(&t->flow, flow);
        if (client && hit)
            sip_client_unreachable(sip, now, t);
    }
}

void sip_expire(struct sip *sip, struct tick now)
{
    struct timer *timer;
    sip->now = now;
    while ((timer = timers_take_due(&sip->timers, now))) {
        struct sip_timed *timed = container_of(timer, struct sip_timed, timer);
        if (timed->kind == SIP_TIMED_DIALOG) {
            sip_dialog_expire(sip, now, container_of(timed, struct sip_dialog, timed));
            continue;
        }
        if (timed->kind == SIP_TIMED_CONNECTION) {
            expire_connection(sip, now, container_of(timed, struct sip_connection, timed));
            continue;
        }
        struct sip_transaction *t = container_of(timed, struct sip_transaction, timed);
        if (t->timing.kind == SIP_SERVER_INVITE || t->timing.kind == SIP_SERVER_OTHER)
            sip_server_expire(sip, now, t);
        else
            sip_client_expire(sip, now, t);
    }
}

struct tick sip_deadline(const struct sip *sip)
{
    return timers_deadline(&sip->timers);
}
