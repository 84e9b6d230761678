/* relays: the pool's slots with their sockets, tickets and reports.
 * Not here: sockets and connections themselves (conduit.c).
 * RFC 8656. */
#include "siprecd/relays.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/limits.h"
#include "base/log.h"
#include "base/metrics.h"
#include "io/clock.h"
#include "io/udp.h"
#include "siprecd/conduit.h"
#include "turn/pool.h"

enum {
    /* Ready for SRCs not seen before: two streams of two calls that come at once. */
    RELAYS_READY_MIN = 4,
    RELAYS_READY_MAX = 128,
    RELAYS_LOOK_MS =
        1000, /* demand is what calls take within this: what making new ones may last */
    RELAYS_SHRINK_MS = 10000,
    RELAYS_WAIT_MS = 500,    /* how long an answer is worth looking for in every tick */
    RELAYS_REPORT_MS = 1000, /* between two reports */
    /* Without a way to everywhere there may be one to the server: it is not left alone for long. */
    RELAYS_REST_MS = 30000,
    RELAYS_EVENTS = 256,
    RELAYS_UNSEEN = -1,
};

struct relays_slot {
    uint32_t generation;
    uint8_t turn; /* its server's place in network.turn */
    bool is_ready, is_lent;
    bool want_post; /* the mailbox was full */
    struct recorder_relay ticket;
};

struct relays_server {
    uint8_t turn; /* its place in network.turn */
    bool by_proxy;
    int32_t rtt_ms;
    char why[CONDUIT_WHY_SIZE]; /* the last connection failed */
};

struct relays {
    struct relays_config config;
    struct turn_pool *pool;
    struct conduit *conduit;
    struct conduit_config ways;
    struct relays_slot *slots;
    struct worker_network network; /* the last one in which we were anywhere */
    bool is_known;
    struct tick
        rests_until; /* without an address of ours nothing is asked, and no silence counts */
    struct relays_server servers[TURN_POOL_SERVERS];
    size_t server_count;
    bool drains;
    uint32_t target, taken; /* ready ones; lent since the last look */
    struct tick look_at, shrink_at, wait_until, report_at, reported_at;
    struct media_relay_event *events;
    size_t event_room, event_first, event_count;
    struct log_limit log_limit;
    uint8_t packet[LIMIT_MEDIA_DATAGRAM + 128];
};

/* ---- life ---------------------------------------------------------------------------------------------------------- */

struct relays *relays_create(const struct relays_config *config)
{
    struct turn_pool_options options = {.slots = config->slots, .mobility = true};
    struct relays *r = calloc(1, sizeof *r);
    if (!r)
        return NULL;
    r->config = *config;
    r->ways = (struct conduit_config){.slots = config->slots,
                                      .sweep = config->sweep,
                                      .sweep_base = config->sweep_base,
                                      .loop = config->loop,
                                      .tag = config->tag,
                                      .ca = config->ca};
    r->target = config->ready == VALUES_AUTO ? RELAYS_READY_MIN
                : config->ready > UINT8_MAX  ? UINT8_MAX
                                             : (uint32_t)config->ready;
    r->shrink_at = r->report_at = TICK_NEVER;
    r->event_room = (size_t)config->slots + RELAYS_EVENTS;
    r->slots = calloc(config->slots, sizeof *r->slots);
    r->events = calloc(r->event_room, sizeof *r->events);
    r->conduit = conduit_create(&r->ways);
    io_clock_seed(options.seed, sizeof options.seed);
    r->pool = turn_pool_create(&options);
    if (!r->slots || !r->events || !r->conduit || !r->pool) {
        relays_destroy(r);
        return NULL;
    }
    return r;
}

void relays_destroy(struct relays *r)
{
    if (!r)
        return;
    turn_pool_destroy(r->pool);
    conduit_destroy(r->conduit);
    free(r->slots);
    free(r->events);
    free(r);
}

/* ---- where servers are ----------------------------------------------------------------------- */

/* Of a pair by family: the one that we have a route for, IPv4 first; unset: there is none. */
static struct addr choose_family(const struct worker_network *network, const struct addr *pair)
{
    for (size_t family = 0; family < 2; family++) {
        if (addr_is_set(&pair[family]) && addr_is_set(&network->local[family]))
            return pair[family];
    }
    return addr_is_set(&pair[0]) ? pair[0] : pair[1];
}

static bool has_proxy(const struct worker_network *network)
{
    return network->proxy.host[0] != '\0' &&
           (addr_is_set(&network->proxy_at[0]) || addr_is_set(&network->proxy_at[1]));
}

/* By what the pool knows it: its address, or, where its name means nothing here and a proxy will ask for it, the proxy's
 * with its port. False: there is no way to it. */
static bool identity_of(const struct worker_network *network, const struct worker_turn_server *turn,
                        struct addr *out)
{
    *out = choose_family(network, turn->address);
    if (!addr_is_set(out) && turn->transport != WORKER_TURN_UDP && has_proxy(network))
        *out = addr_with_port(choose_family(network, network->proxy_at), turn->port);
    return addr_is_set(out);
}

/* ---- telling ------------------------------------------------------------------------------------------------------- */

static void tell_media(struct relays *r, struct media_relay_event event)
{
    if (r->event_count < r->event_room)
        r->events[(r->event_first + r->event_count++) % r->event_room] = event;
}

bool relays_event(struct relays *r, struct media_relay_event *out)
{
    if (r->event_count == 0)
        return false;
    *out = r->events[r->event_first];
    r->event_first = (r->event_first + 1) % r->event_room;
    r->event_count--;
    return true;
}

static void post_ticket(struct relays *r, uint32_t slot)
{
    struct signalling_mail mail = {
        .kind = SIGNALLING_RELAY, .worker = r->config.worker, .relay = r->slots[slot].ticket};
    r->slots[slot].want_post = !io_mailbox_post(r->config.signalling, &mail);
    if (r->slots[slot].want_post)
        r->wait_until = tick_add_ms(io_clock_tick(), RELAYS_WAIT_MS);
}

static void withdraw(struct relays *r, uint32_t slot)
{
    r->slots[slot].ticket.gone = true;
    post_ticket(r, slot);
}

static void want_report(struct relays *r, struct tick now)
{
    if (tick_is_never(r->report_at))
        r->report_at = tick_add_ms(r->reported_at, RELAYS_REPORT_MS);
    (void)now;
}

static struct relay_server_report report_of(const struct relays *r, size_t server)
{
    const struct relays_server *s = &r->servers[server];
    const struct worker_turn_server *turn = &r->network.turn[s->turn];
    struct turn_pool_server_status status = turn_pool_server_status(r->pool, server);
    struct relay_server_report report = {.state = status.is_down && status.code
                                                      ? RELAY_SERVER_REFUSES
                                                  : status.is_down   ? RELAY_SERVER_SILENT
                                                  : status.is_proven ? RELAY_SERVER_SERVING
                                                                     : RELAY_SERVER_UNKNOWN,
                                         .transport = turn->transport,
                                         .by_proxy = s->by_proxy,
                                         .address = choose_family(&r->network, turn->address),
                                         .code = status.code,
                                         .rtt_ms = s->rtt_ms,
                                         .ready = (uint32_t)status.ready,
                                         .reserved = (uint32_t)status.reserved,
                                         .lent = (uint32_t)status.lent};
    memcpy(report.name, turn->name, sizeof report.name);
    if (report.state == RELAY_SERVER_SILENT)
        (void)snprintf(report.why, sizeof report.why, "%s", s->why);
    return report;
}

static void post_report(struct relays *r, struct tick now)
{
    struct signalling_mail mail = {.kind = SIGNALLING_RELAYS, .worker = r->config.worker};
    mail.relays = calloc(1, sizeof *mail.relays);
    r->report_at = TICK_NEVER;
    r->reported_at = now;
    if (!mail.relays)
        return;
    for (size_t i = 0; i < r->server_count; i++)
        mail.relays->servers[mail.relays->count++] = report_of(r, i);
    if (!io_mailbox_post(r->config.signalling, &mail)) {
        free(mail.relays);
        want_report(r, now);
    }
}

/* ---- servers -------------------------------------------------------------------------------------------------------- */

/* Time-limited credentials say themselves when they end: "<seconds since 1970>:<name>". Digits alone may as well be
 * a telephone number: they are a time only while it is to come. */
static struct tick expiry_of(const char *username)
{
    struct moment now = io_clock_moment();
    char *end;
    errno = 0;
    unsigned long long seconds = strtoull(username, &end, 10);
    if (end == username || (*end != ':' && *end != '\0') || errno != 0 || seconds < 1000000000 ||
        seconds > INT64_MAX / NS_PER_S)
        return TICK_NEVER;
    struct wall at = {(int64_t)seconds * NS_PER_S};
    return *end == '\0' && at.ns <= now.wall.ns ? TICK_NEVER : moment_tick(&now, at);
}

static uint8_t warm_of(const struct relays *r)
{
    return (uint8_t)(r->target == 0 ? 0 : r->target < 8 ? 1 : r->target / 8);
}

static void set_target(struct relays *r, struct tick now)
{
    turn_pool_set_ready(r->pool, now, r->server_count > 0 ? (uint8_t)r->target : 0, warm_of(r));
}

static struct relays_server known_server(const struct relays *r,
                                         const struct worker_network *network, uint8_t turn)
{
    const struct worker_turn_server *to = &network->turn[turn];
    for (size_t i = 0; i < r->server_count; i++) {
        const struct worker_turn_server *was = &r->network.turn[r->servers[i].turn];
        if (was->transport == to->transport && strcmp(was->name, to->name) == 0 &&
            was->port == to->port) {
            struct relays_server same = r->servers[i];
            same.turn = turn;
            return same;
        }
    }
    return (struct relays_server){.turn = turn, .rtt_ms = RELAYS_UNSEEN};
}

void relays_know(struct relays *r, struct tick now, const struct worker_network *network)
{
    struct turn_pool_server list[TURN_POOL_SERVERS];
    struct relays_server servers[TURN_POOL_SERVERS];
    size_t count = 0;
    bool is_nowhere = !addr_is_set(&network->local[0]) && !addr_is_set(&network->local[1]);
    bool has_moved = r->is_known && network->change != r->network.change;
    /* Between two addresses there is nobody to ask. The next one tells that we have moved. */
    if (is_nowhere && r->is_known) {
        r->rests_until = tick_add_ms(now, RELAYS_REST_MS);
        return;
    }
    r->rests_until = now;
    r->is_known = true;
    for (size_t i = 0; i < network->turn_count && count < TURN_POOL_SERVERS; i++) {
        struct addr identity;
        if (!identity_of(network, &network->turn[i], &identity))
            continue;
        servers[count] = known_server(r, network, (uint8_t)i);
        list[count++] =
            (struct turn_pool_server){.address = identity,
                                      .stream = network->turn[i].transport != WORKER_TURN_UDP,
                                      .username = view_of_string(network->turn_username),
                                      .password = view_of_string(network->turn_password),
                                      .expires = expiry_of(network->turn_username)};
    }
    /* Also of the family that we have not: it leads to SRCs that have no other. */
    turn_pool_set_families(r->pool, true, true);
    memcpy(r->servers, servers, count * sizeof *servers);
    r->network = *network;
    r->server_count = count;
    if (!turn_pool_set_servers(r->pool, now, list, count))
        LOG_ERROR("relay", VIEW_NONE, "nat.turn_username or nat.turn_password is too long");
    set_target(r, now);
    if (has_moved)
        turn_pool_moved(r->pool, now);
    want_report(r, now);
    r->wait_until = tick_add_ms(now, RELAYS_WAIT_MS);
}

void relays_drain(struct relays *r, struct tick now)
{
    r->drains = true;
    turn_pool_drain(r->pool, now);
    for (uint32_t i = 0; i < r->config.slots; i++) {
        if (r->slots[i].is_lent)
            turn_pool_give_back(r->pool, now, i);
    }
}

bool relays_is_empty(const struct relays *r)
{
    struct turn_pool_status s = turn_pool_status(r->pool);
    return s.making + s.ready + s.reserved + s.lent + s.closing == 0;
}

static void take_pool_events(struct relays *r, struct tick now);

/* ---- what streams want ---------------------------------------------------------------------------------------------- */

static bool is_current(const struct relays *r, uint32_t slot, uint32_t generation)
{
    return slot < r->config.slots && r->slots[slot].generation == generation &&
           r->slots[slot].is_lent;
}

/* Signalling named one that is not to be had any more: it shall have its stream look for another. */
static void refuse(struct relays *r, uint32_t slot, uint32_t generation)
{
    struct signalling_mail mail = {
        .kind = SIGNALLING_RELAY,
        .worker = r->config.worker,
        .relay = {.worker = r->config.worker, .slot = slot, .generation = generation, .gone = true},
    };
    if (!io_mailbox_post(r->config.signalling, &mail))
        LOG_WARN("relay", VIEW_NONE, "a stream is left without its relay: too much mail");
}

void relays_lend(struct relays *r, struct tick now, uint32_t slot, uint32_t generation,
                 uint64_t src)
{
    if (is_current(r, slot, generation))
        return; /* the same stream, described anew */
    if (!turn_pool_take(r->pool, now, slot, generation, src)) {
        tell_media(r, (struct media_relay_event){
                          .kind = MEDIA_RELAY_LOST, .slot = slot, .generation = generation});
        refuse(r, slot, generation);
        return;
    }
    r->slots[slot].is_lent = true;
    r->taken++;
    metric_add(METRIC_RELAYS_READY, -1);
    metric_add(METRIC_RELAYS_LENT, 1);
    r->wait_until = tick_add_ms(now, RELAYS_WAIT_MS);
    want_report(r, now);
}

void relays_unused(struct relays *r, struct tick now, uint32_t slot, uint32_t generation)
{
    (void)now;
    if (slot < r->config.slots && r->slots[slot].generation == generation &&
        r->slots[slot].is_ready && !r->slots[slot].is_lent)
        post_ticket(r, slot);
}

void relays_want(struct relays *r, struct tick now, const struct media_relay_want *want)
{
    struct turn_allocation *t;
    /* A server's refusal may have ended the allocation since. */
    take_pool_events(r, now);
    if (!is_current(r, want->slot, want->generation))
        return;
    r->wait_until = tick_add_ms(now, RELAYS_WAIT_MS);
    switch (want->kind) {
    case MEDIA_RELAY_PERMIT:
        t = turn_pool_allocation(r->pool, want->slot);
        for (uint8_t i = 0; i < want->count; i++) {
            /* What stands already is told again: the stream that asks may be another than before. */
            if (turn_is_permitted(t, now, &want->peers[i]))
                tell_media(r, (struct media_relay_event){.kind = MEDIA_RELAY_PERMITTED,
                                                         .slot = want->slot,
                                                         .generation = want->generation,
                                                         .peer = want->peers[i]});
        }
        (void)turn_permit(t, now, want->peers, want->count);
        break;
    case MEDIA_RELAY_BIND:
        (void)turn_bind(turn_pool_allocation(r->pool, want->slot), now, &want->peers[0]);
        break;
    case MEDIA_RELAY_SUSPECT:
        if (tick_due(r->rests_until, now))
            turn_pool_suspect(r->pool, now, want->slot);
        break;
    case MEDIA_RELAY_RELEASE:
        r->slots[want->slot].is_lent = false;
        r->slots[want->slot].is_ready = false; /* until it has rested */
        metric_add(METRIC_RELAYS_LENT, -1);
        turn_pool_give_back(r->pool, now, want->slot);
        want_report(r, now);
        break;
    }
}

bool relays_send(struct relays *r, struct tick now, uint32_t slot, const struct addr *peer,
                 struct view bytes)
{
    struct writer w = writer_of(r->packet, sizeof r->packet);
    if (slot >= r->config.slots || !turn_pool_wrap(r->pool, now, slot, peer, bytes, &w)) {
        metric_add(METRIC_RELAY_PACKETS_UNPERMITTED, 1);
        /* ICE finds peers as it goes (RFC 8445 §7.3.1.3): its next check to this one passes. */
        if (slot < r->config.slots && r->slots[slot].is_lent) {
            (void)turn_permit(turn_pool_allocation(r->pool, slot), now, peer, 1);
            r->wait_until = tick_add_ms(now, RELAYS_WAIT_MS);
        }
        return false;
    }
    int error = conduit_send(r->conduit, now, slot, writer_done(&w));
    if (error == ECONNREFUSED)
        turn_pool_suspect(r->pool, now, slot);
    metric_add(METRIC_RELAY_PACKETS_SENT, error == 0);
    return error == 0;
}

/* ---- what comes in -------------------------------------------------------------------------------------------------- */

bool relays_owns(const struct relays *r, uint32_t socket)
{
    uint32_t slot;
    return conduit_slot_of(&r->ways, socket, &slot);
}

/* True when message holds a peer's datagram: then *out is it. */
static bool take(struct relays *r, struct tick now, uint32_t slot, struct view message,
                 struct wall at, struct datagram *out)
{
    struct turn_input in = turn_pool_input(r->pool, now, slot, message);
    if (in.kind != TURN_INPUT_DATA)
        return false;
    *out = (struct datagram){.socket = MEDIA_RELAY(slot),
                             .from = in.peer,
                             .to = r->slots[slot].ticket.relayed[in.peer.family == ADDR_V6],
                             .at = at,
                             .bytes = in.data};
    return true;
}

size_t relays_unwrap(struct relays *r, struct tick now, const struct datagram *in, size_t count,
                     struct datagram *out)
{
    size_t kept = 0, relayed = 0;
    for (size_t i = 0; i < count; i++) {
        uint32_t slot;
        if (!conduit_slot_of(&r->ways, in[i].socket, &slot)) {
            out[kept++] = in[i];
            continue;
        }
        if (!take(r, now, slot, in[i].bytes, in[i].at, &out[kept]))
            continue;
        out[kept].truncated = in[i].truncated;
        kept++;
        relayed++;
    }
    metric_add(METRIC_RELAY_PACKETS_RECEIVED, (int64_t)relayed);
    return kept;
}

static void way_broken(struct relays *r, struct tick now, const struct conduit_event *e)
{
    uint8_t turn = r->slots[e->slot].turn;
    for (size_t i = 0; i < r->server_count; i++) {
        if (r->servers[i].turn == turn)
            (void)snprintf(r->servers[i].why, sizeof r->servers[i].why, "%s", e->why);
    }
    turn_pool_lost_socket(r->pool, now, e->slot);
    want_report(r, now);
}

static void way_by_proxy(struct relays *r, uint32_t slot)
{
    for (size_t i = 0; i < r->server_count; i++) {
        if (r->servers[i].turn == r->slots[slot].turn)
            r->servers[i].by_proxy = true;
    }
}

size_t relays_streams(struct relays *r, struct tick now, struct datagram *out, size_t room)
{
    struct conduit_event e;
    size_t kept = 0;
    /* One at a time: the bytes of each are good until the next is looked at. */
    while (kept == 0 && room > 0 && conduit_event(r->conduit, now, &e)) {
        if (e.kind == CONDUIT_BROKEN)
            way_broken(r, now, &e);
        else if (e.kind == CONDUIT_BY_PROXY)
            way_by_proxy(r, e.slot);
        else if (take(r, now, e.slot, e.message, e.at, &out[kept])) {
            kept++;
            conduit_defer(r->conduit, e.slot);
        }
    }
    metric_add(METRIC_RELAY_PACKETS_RECEIVED, (int64_t)kept);
    return kept;
}

void relays_sweep(struct relays *r, bool goes_on)
{
    conduit_sweep(r->conduit, goes_on);
}

void relays_ready(struct relays *r, struct tick now, const struct io_ready *ready)
{
    conduit_ready(r->conduit, now, ready);
}

/* ---- what the pool tells -------------------------------------------------------------------------------------------- */

static void stands_ready(struct relays *r, const struct turn_pool_event *e)
{
    struct relays_slot *slot = &r->slots[e->slot];
    struct turn_status status = turn_status(turn_pool_allocation(r->pool, e->slot));
    const struct worker_turn_server *turn = &r->network.turn[slot->turn];
    slot->generation = e->generation;
    slot->is_ready = true;
    slot->is_lent = false;
    slot->ticket =
        (struct recorder_relay){.worker = r->config.worker,
                                .slot = e->slot,
                                .generation = e->generation,
                                .relayed = {status.relayed_v4, status.relayed_v6},
                                .src = e->src,
                                .server = (uint8_t)e->server,
                                .transport = (enum recorder_relay_transport)turn->transport,
                                .server_address = choose_family(&r->network, turn->address),
                                .rtt_ms = (int32_t)status.rtt_ms};
    if (e->server < r->server_count) {
        r->servers[e->server].rtt_ms = (int32_t)status.rtt_ms;
        r->servers[e->server].why[0] = '\0';
    }
    metric_add(METRIC_RELAYS_READY, 1);
    post_ticket(r, e->slot);
}

static void is_gone(struct relays *r, const struct turn_pool_event *e)
{
    struct relays_slot *slot = &r->slots[e->slot];
    if (slot->generation != e->generation)
        return;
    if (slot->is_lent)
        metric_add(METRIC_RELAYS_LENT, -1);
    else if (slot->is_ready)
        metric_add(METRIC_RELAYS_READY, -1);
    slot->is_ready = slot->is_lent = false;
    withdraw(r, e->slot);
}

static void server_down(struct relays *r, const struct turn_pool_event *e)
{
    if (e->server >= r->server_count)
        return; /* it is no more in the list */
    const struct worker_turn_server *turn = &r->network.turn[r->servers[e->server].turn];
    const char *why = r->servers[e->server].why;
    metric_add(METRIC_RELAY_SERVERS_DOWN, 1);
    if (e->code == 401 || e->code == 441)
        LOG_ERROR("relay", VIEW_NONE, "TURN credentials refused server=%s code=%u", turn->name,
                  e->code);
    else if (e->code != 0)
        LOG_WARN("relay", VIEW_NONE, "TURN server refuses server=%s code=%u", turn->name, e->code);
    else
        LOG_WARN("relay", VIEW_NONE, "TURN server does not answer server=%s why=\"%s\"", turn->name,
                 why[0] ? why : "no answer");
}

static void tell_peer(struct relays *r, const struct turn_pool_event *e)
{
    bool denied = e->kind == TURN_POOL_DENIED;
    metric_add(METRIC_RELAY_PERMISSIONS_DENIED, denied);
    if (is_current(r, e->slot, e->generation))
        tell_media(r, (struct media_relay_event){.kind = denied ? MEDIA_RELAY_DENIED
                                                                : MEDIA_RELAY_PERMITTED,
                                                 .slot = e->slot,
                                                 .generation = e->generation,
                                                 .code = e->code,
                                                 .peer = e->peer});
}

static void take_pool_event(struct relays *r, struct tick now, const struct turn_pool_event *e)
{
    switch (e->kind) {
    case TURN_POOL_READY:
        metric_add(METRIC_RELAYS_MADE, 1);
        stands_ready(r, e);
        break;
    case TURN_POOL_RESTED:
        stands_ready(r, e);
        break;
    case TURN_POOL_WITHDRAWN:
        is_gone(r, e);
        break;
    case TURN_POOL_PERMITTED:
    case TURN_POOL_DENIED:
        tell_peer(r, e);
        return;
    case TURN_POOL_ENDING:
        withdraw(r, e->slot); /* it works until its stream has another one */
        return;
    case TURN_POOL_LOST:
        metric_add(METRIC_RELAYS_LOST, 1);
        tell_media(r, (struct media_relay_event){.kind = MEDIA_RELAY_LOST,
                                                 .slot = e->slot,
                                                 .generation = e->generation,
                                                 .code = e->code});
        is_gone(r, e);
        break;
    case TURN_POOL_REOPEN:
    case TURN_POOL_CLOSED:
        conduit_close(r->conduit, now, e->slot);
        return;
    case TURN_POOL_SERVER_DOWN:
        server_down(r, e);
        break;
    case TURN_POOL_SERVER_UP:
        if (e->server < r->server_count)
            LOG_INFO("relay", VIEW_NONE, "TURN server serves again server=%s",
                     r->network.turn[r->servers[e->server].turn].name);
        break;
    }
    want_report(r, now);
}

static void take_pool_events(struct relays *r, struct tick now)
{
    struct turn_pool_event e;
    while (turn_pool_event(r->pool, &e))
        take_pool_event(r, now, &e);
}

/* ---- what is due ----------------------------------------------------------------------------------------------------- */

/* Where media ports are bound, the first address that this host has; on all addresses: nat.internal_ip. */
static struct addr local_for(const struct relays *r, const struct addr *peer)
{
    const struct addr *source = &r->network.source[peer->family == ADDR_V6];
    struct addr found = {0};
    for (size_t i = 0; i < r->config.binds_count; i++) {
        const struct addr *bind = &r->config.binds[i];
        if (bind->family == peer->family && (!addr_is_set(&found) || !io_udp_is_here(&found)))
            found = addr_with_port(*bind, 0);
    }
    if (!addr_is_set(&found))
        found.family = peer->family;
    return addr_is_unspecified(&found) && addr_is_set(source) ? *source : found;
}

static int open_way(struct relays *r, struct tick now, const struct turn_pool_packet *packet)
{
    struct relays_server *server = &r->servers[packet->server];
    const struct worker_turn_server *turn = &r->network.turn[server->turn];
    bool has_address = addr_is_set(&turn->address[0]) || addr_is_set(&turn->address[1]);
    server->by_proxy = server->by_proxy || !has_address;
    struct conduit_route route = {.transport = (enum conduit_transport)turn->transport,
                                  .local = local_for(r, &packet->to),
                                  .port = turn->port,
                                  .has_proxy = has_proxy(&r->network),
                                  .proxy_first = server->by_proxy,
                                  .proxy = r->network.proxy,
                                  .proxy_at = choose_family(&r->network, r->network.proxy_at)};
    if (has_address)
        route.peer = packet->to;
    memcpy(route.name, turn->name, sizeof route.name);
    r->slots[packet->slot].turn = server->turn;
    return conduit_open(r->conduit, now, packet->slot, &route);
}

static void send_one(struct relays *r, struct tick now, const struct turn_pool_packet *packet)
{
    struct relays_slot *slot = &r->slots[packet->slot];
    int error = 0;
    if (!conduit_is_open(r->conduit, packet->slot)) {
        /* Of a server that is no more in the list nothing is made anew. */
        error = packet->server < r->server_count ? open_way(r, now, packet) : ENOTCONN;
        if (error != 0) {
            uint64_t held_back;
            if (log_limit_pass(&r->log_limit, now, 10000, &held_back))
                LOG_WARN("relay", VIEW_NONE, "no way to a TURN server error=\"%s\"",
                         strerror(error));
            turn_pool_lost_socket(r->pool, now, packet->slot);
            return;
        }
    }
    if (!slot->is_ready && !slot->is_lent)
        r->wait_until = tick_add_ms(now, RELAYS_WAIT_MS);
    if (conduit_send(r->conduit, now, packet->slot, packet->bytes) == ECONNREFUSED)
        turn_pool_suspect(r->pool, now, packet->slot);
}

/* As many stand ready as calls have just taken, and fewer once that is long ago. */
static void adapt(struct relays *r, struct tick now)
{
    bool shrink = tick_due(r->shrink_at, now);
    uint32_t target = r->target;
    if (r->config.ready != VALUES_AUTO)
        return;
    if (r->taken * 2 > target && target < RELAYS_READY_MAX) {
        target *= 2;
        r->taken = 0;
        r->shrink_at = tick_add_ms(now, RELAYS_SHRINK_MS);
    } else if (shrink) {
        target = target / 2 > RELAYS_READY_MIN ? target / 2 : RELAYS_READY_MIN;
        r->shrink_at = target > RELAYS_READY_MIN ? tick_add_ms(now, RELAYS_SHRINK_MS) : TICK_NEVER;
    }
    if (tick_due(r->look_at, now)) {
        r->taken = 0;
        r->look_at = tick_add_ms(now, RELAYS_LOOK_MS);
    }
    if (target == r->target)
        return;
    r->target = target;
    set_target(r, now);
}

void relays_expire(struct relays *r, struct tick now)
{
    struct turn_pool_packet packet;
    bool rests = tick_before(now, r->rests_until);
    conduit_expire(r->conduit, now);
    adapt(r, now);
    if (!rests)
        turn_pool_expire(r->pool, now);
    take_pool_events(r, now);
    while (!rests && turn_pool_output(r->pool, now, &packet)) {
        take_pool_events(r, now); /* a slot may have been closed, and made anew at once */
        send_one(r, now, &packet);
        take_pool_events(r, now);
    }
    take_pool_events(r, now);
    if (tick_due(r->report_at, now))
        post_report(r, now);
    for (uint32_t i = 0; i < r->config.slots && relays_is_waiting(r, now); i++) {
        if (r->slots[i].want_post)
            post_ticket(r, i);
    }
}

struct tick relays_deadline(const struct relays *r)
{
    struct tick pool = turn_pool_deadline(r->pool);
    if (tick_before(pool, r->rests_until))
        pool = r->rests_until;
    return tick_min(tick_min(pool, conduit_deadline(r->conduit)),
                    tick_min(r->shrink_at, r->report_at));
}

bool relays_is_waiting(const struct relays *r, struct tick now)
{
    return tick_before(now, r->wait_until);
}
