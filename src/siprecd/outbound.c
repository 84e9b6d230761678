/* outbound: the flows of sip.register: names looked up, connections opened (through nat.proxy where
 * there is no other way), STUN over those that are UDP.
 * Not here: what REGISTER says and when (sip/register.h), listeners (flows.h).
 * RFC 5626 §4, 3263 (names), 8489 (STUN), 5922 (certificates). */
#include "siprecd/outbound.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/metrics.h"
#include "base/target.h"
#include "io/clock.h"
#include "io/sockaddr.h"
#include "io/udp.h"
#include "siprecd/race.h"
#include "stun/client.h"

_Static_assert((int)IO_DNS_UDP == SIP_PROTOCOL_UDP && (int)IO_DNS_TCP == SIP_PROTOCOL_TCP &&
                   (int)IO_DNS_TLS == SIP_PROTOCOL_TLS,
               "both count protocols alike");

enum outbound_stage {
    OUTBOUND_IDLE,    /* nothing is asked for, or the flow stands */
    OUTBOUND_LOOKING, /* the registrar's name up */
    OUTBOUND_LOOKING_UP_PROXY,
    OUTBOUND_RACING, /* its addresses are tried */
};

/* The way to one registrar. */
struct outbound_way {
    enum outbound_stage stage;
    struct sip_register_target target;
    uint64_t question; /* of dns; 0: none is out */
    struct race race;
    size_t rotation; /* where to begin: another each time that a flow came to nothing */
    struct addr proxy_at;
    bool by_proxy;    /* this try is */
    bool proxy_first; /* the last flow that came about was: directly is known to fail */
    uint64_t flow;    /* the connection in use; 0: none */
    struct addr peer; /* of the flow in use */
    struct stun_client stun;
    struct sip_flow stun_flow;
    char why[SIP_REGISTER_WHY_MAX];
};

struct outbound {
    struct outbound_config config;
    struct sip_register *reg;
    struct io_dns *dns;
    struct rng rng;
    struct outbound_way ways[SIP_REGISTER_MAX];
};

static void outbound_say(struct outbound_way *way, const char *why)
{
    struct writer w = writer_of(way->why, sizeof way->why - 1);
    writer_view(&w, view_take(view_of_string(way->target.host), 60));
    writer_string(&w, ": ");
    writer_view(&w, view_take(view_of_string(why), 120));
    way->why[w.len] = '\0';
}

/* ---- flows over UDP ------------------------------------------------------------------------- */

/* The UDP listener that leads to peer: on the address that the route begins at, or on all. */
static bool outbound_socket_for(const struct outbound *outbound, const struct addr *peer,
                                uint32_t *number, struct addr *local)
{
    struct addr route;
    bool found = false;
    if (!io_sockaddr_local_for(peer, &route))
        return false;
    for (uint32_t i = 0; i < VALUES_LISTENERS_MAX; i++) {
        const struct outbound_socket *socket = &outbound->config.sockets[i];
        bool any = addr_is_unspecified(&socket->bound);
        if (socket->fd < 0 || socket->bound.family != peer->family ||
            !(any || addr_equal_ip(&socket->bound, &route)) || (found && any))
            continue;
        found = true;
        *number = i;
        *local = addr_with_port(route, socket->bound.port);
    }
    return found;
}

/* The flow to peer; false: there is none, way->why says so. */
static bool outbound_flow_udp(const struct outbound *outbound, struct outbound_way *way,
                              const struct addr *peer, struct sip_flow *flow)
{
    *flow = (struct sip_flow){.protocol = SIP_PROTOCOL_UDP, .peer = *peer};
    if (!outbound_socket_for(outbound, peer, &flow->listener, &flow->local)) {
        snprintf(way->why, sizeof way->why, "no udp: listener of sip.listen can reach %s",
                 addr_print(peer).s);
        return false;
    }
    flow->advertised =
        network_advertise(outbound->config.network, flow->listener, &flow->local, peer);
    return true;
}

static void outbound_stun_step(struct outbound *outbound, struct tick now, size_t index)
{
    struct outbound_way *way = &outbound->ways[index];
    char bytes[64];
    int error;
    for (;;) {
        struct writer w = writer_of(bytes, sizeof bytes);
        switch (stun_client_step(&way->stun, now)) {
        case STUN_CLIENT_WAIT:
            return;
        case STUN_CLIENT_TIMEOUT:
            stun_client_stop(&way->stun);
            sip_register_stun(outbound->reg, now, index, NULL);
            return;
        case STUN_CLIENT_SEND:
            stun_begin(&w, STUN_REQUEST, STUN_BINDING, &way->stun.transaction);
            stun_finish(&w, true);
            error = io_udp_send(outbound->config.sockets[way->stun_flow.listener].fd,
                                &way->stun_flow.local, &way->stun_flow.peer, writer_done(&w));
            if (error != 0) /* as if the network had lost it */
                LOG_DEBUG("sip", VIEW_NONE, "stun not sent error=\"%s\"", strerror(error));
            break;
        }
    }
}

void outbound_stun(struct outbound *outbound, struct tick now, const struct addr *from,
                   struct view bytes)
{
    struct stun_message message;
    struct addr seen;
    if (stun_message_decode(bytes, &message) != STUN_DECODED)
        return;
    for (size_t i = 0; i < sip_register_count(outbound->reg); i++) {
        struct outbound_way *way = &outbound->ways[i];
        if (!addr_equal(&way->stun_flow.peer, from) || !stun_client_matches(&way->stun, &message))
            continue;
        stun_client_stop(&way->stun);
        /* RFC 5626 §4.4.2: an error response, too, is a dead flow. */
        if (message.class == STUN_SUCCESS && stun_read_mapped(&message, &seen))
            sip_register_stun(outbound->reg, now, i, &seen);
        else
            sip_register_stun(outbound->reg, now, i, NULL);
        return;
    }
}

/* ---- connections ---------------------------------------------------------------------------- */

/* The listener whose number goes with what we open: one of the same kind says the port that our
 * Contact names. */
static uint32_t outbound_listener(const struct outbound *outbound, enum sip_protocol protocol,
                                  const struct addr *peer)
{
    const struct values_listeners *listeners = &outbound->config.network->listeners;
    uint32_t best = 0;
    int best_rank = -1;
    for (uint32_t i = 0; i < listeners->count; i++) {
        const struct values_listener *listener = &listeners->list[i];
        int rank = (listener->protocol == protocol) * 2 + (listener->bind.family == peer->family);
        if (rank > best_rank) {
            best_rank = rank;
            best = i;
        }
    }
    return best;
}

static bool outbound_connect(struct outbound *outbound, struct tick now, struct outbound_way *way,
                             struct race_try *one)
{
    const struct addr *peer = &one->place.addr;
    enum sip_protocol protocol = (enum sip_protocol)one->place.protocol;
    struct io_tls_route route = {.peer = *peer, .sip = true};
    uint32_t listener = outbound_listener(outbound, protocol, peer);
    int error;
    if (protocol == SIP_PROTOCOL_TLS)
        route.name = way->target.host;
    if (way->by_proxy) {
        route.proxy = &outbound->config.settings.proxy;
        route.proxy_at = way->proxy_at;
        route.proxy_target = way->target.host;
    }
    error = io_tls_connect(outbound->config.tls, now, listener, &route, &one->flow);
    if (error != 0)
        snprintf(way->why, sizeof way->why, "%s cannot be reached: %s", addr_print(peer).s,
                 strerror(error));
    return error == 0;
}

/* No registrar can make us talk to our own machine, its cloud's metadata or, from outside, our own
 * network: what listens there may take a REGISTER for something else. */
static bool outbound_bars(const struct outbound_way *way, const struct addr *to)
{
    struct target_rule rule = {.signalled = way->target.sent_by, .listed = true};
    return addr_is_set(&way->target.sent_by) && !target_may_get(&rule, to, false);
}

static bool outbound_may_proxy(const struct outbound *outbound, const struct outbound_way *way)
{
    const struct sip_register_target *target = &way->target;
    struct addr literal;
    const char *spared = getenv("no_proxy");
    if (outbound->config.settings.proxy.host[0] == '\0' || way->by_proxy ||
        (addr_parse_ip(view_of_string(target->host), &literal) && outbound_bars(way, &literal)))
        return false;
    if (!spared)
        spared = getenv("NO_PROXY");
    if (spared && io_proxy_spares(view_of_string(spared), view_of_string(target->host)))
        return false;
    return !(target->protocol_given && target->protocol == SIP_PROTOCOL_UDP);
}

/* RFC 3263 cannot be followed where no name server answers: the proxy resolves the host, and the
 * protocol is the URI's, or the one that is common for it. */
static void outbound_plan_proxy(struct outbound_way *way, struct tick now)
{
    struct io_dns_place place = {.protocol = IO_DNS_UDP};
    way->by_proxy = true;
    for (size_t i = 0; i < way->race.count && place.protocol == IO_DNS_UDP; i++)
        place = way->race.tries[i].place;
    if (place.protocol == IO_DNS_UDP) {
        struct addr peer;
        place.protocol = way->target.secure           ? IO_DNS_TLS
                         : way->target.protocol_given ? (enum io_dns_protocol)way->target.protocol
                                                      : IO_DNS_TCP;
        if (!addr_parse_ip(view_of_string(way->target.host), &peer))
            peer = addr_v4(0, 0, 0, 0, 0);
        peer.port = way->target.port               ? way->target.port
                    : place.protocol == IO_DNS_TLS ? 5061
                                                   : 5060;
        place.addr = peer;
    }
    race_begin(&way->race, now, &place, 1, 0);
}

static void outbound_ask_for_proxy(struct outbound *outbound, struct tick now, size_t index)
{
    struct outbound_way *way = &outbound->ways[index];
    struct io_dns_question question = {.host = outbound->config.settings.proxy.host,
                                       .port = outbound->config.settings.proxy.port,
                                       .protocol_given = true,
                                       .protocol = IO_DNS_TCP};
    outbound_plan_proxy(way, now);
    way->stage = OUTBOUND_LOOKING_UP_PROXY;
    way->question = io_dns_ask(outbound->dns, now, &question);
    if (way->question == 0) {
        way->stage = OUTBOUND_IDLE;
        sip_register_failed(outbound->reg, now, index, "too many names are looked up");
    }
}

/* Nobody is tried any more: what is under way, but for the connection that is kept, ends. */
static void outbound_end_race(struct outbound *outbound, struct tick now, struct outbound_way *way,
                              uint64_t kept)
{
    for (size_t i = 0; i < way->race.begun; i++) {
        struct race_try *one = &way->race.tries[i];
        if (race_tries(one) && one->flow != 0 && one->flow != kept)
            io_tls_close(outbound->config.tls, now, one->flow);
    }
    race_init(&way->race);
}

/* One of those that were tried answers: the registration takes its flow, and no other is left. */
static void outbound_win(struct outbound *outbound, struct tick now, size_t index,
                         const struct sip_flow *flow)
{
    struct outbound_way *way = &outbound->ways[index];
    outbound_end_race(outbound, now, way, flow->id);
    way->stage = OUTBOUND_IDLE;
    way->flow = flow->id;
    way->peer = flow->peer;
    way->proxy_first = way->by_proxy;
    sip_register_opened(outbound->reg, now, index, flow);
}

/* One place. Over UDP nothing is opened that could be seen to stand: several are asked who is there, a single
 * one is just told. False: it is none. */
static bool outbound_try(struct outbound *outbound, struct tick now, size_t index,
                         struct race_try *one)
{
    struct outbound_way *way = &outbound->ways[index];
    struct sip_flow flow;
    if (one->place.protocol != IO_DNS_UDP)
        return outbound_connect(outbound, now, way, one);
    if (!outbound_flow_udp(outbound, way, &one->place.addr, &flow))
        return false;
    if (way->race.count > 1) {
        if (sip_register_ask(outbound->reg, now, index, &flow))
            return true;
        outbound_say(way, "too many requests are under way");
        return false;
    }
    outbound_win(outbound, now, index, &flow);
    return true;
}

/* The places that are due, then the proxy, then no more. */
static void outbound_go_on(struct outbound *outbound, struct tick now, size_t index)
{
    struct outbound_way *way = &outbound->ways[index];
    struct race_try *one;
    while ((one = race_next(&way->race, now)) != NULL) {
        if (way->race.begun > 1)
            LOG_INFO("sip", VIEW_NONE, "trying another address of the registrar peer=%s",
                     addr_print(&one->place.addr).s);
        if (!outbound_try(outbound, now, index, one))
            race_lose(&way->race, now, one);
    }
    if (way->stage != OUTBOUND_RACING || !race_is_over(&way->race))
        return;
    if (outbound_may_proxy(outbound, way)) {
        outbound_ask_for_proxy(outbound, now, index);
        return;
    }
    outbound_end_race(outbound, now, way, 0);
    way->stage = OUTBOUND_IDLE;
    way->proxy_first = false;
    sip_register_failed(outbound->reg, now, index, way->why);
}

/* What is tried over this connection, or, by UDP, at peer; NULL: nothing. */
static struct race_try *outbound_find_try(struct outbound_way *way, uint64_t flow,
                                          const struct addr *peer)
{
    for (size_t i = 0; i < way->race.begun && way->stage == OUTBOUND_RACING; i++) {
        struct race_try *one = &way->race.tries[i];
        bool is_udp = one->place.protocol == IO_DNS_UDP;
        if (race_tries(one) && is_udp == (flow == 0) &&
            (is_udp ? addr_equal(&one->place.addr, peer) : one->flow == flow))
            return one;
    }
    return NULL;
}

static void outbound_open(struct outbound *outbound, struct tick now, size_t index,
                          const struct sip_register_target *target)
{
    struct outbound_way *way = &outbound->ways[index];
    struct io_dns_question question = {.host = target->host,
                                       .port = target->port,
                                       .secure = target->secure,
                                       .protocol_given = target->protocol_given,
                                       .protocol = (enum io_dns_protocol)target->protocol};
    outbound_end_race(outbound, now, way, 0);
    way->target = *target;
    way->flow = 0;
    way->by_proxy = false;
    way->stage = OUTBOUND_LOOKING;
    snprintf(way->why, sizeof way->why, "the name %.120s is not known", target->host);
    if (way->proxy_first && outbound_may_proxy(outbound, way)) {
        outbound_ask_for_proxy(outbound, now, index);
        return;
    }
    way->question = io_dns_ask(outbound->dns, now, &question);
    if (way->question == 0) {
        way->stage = OUTBOUND_IDLE;
        sip_register_failed(outbound->reg, now, index, "too many names are looked up");
    }
}

static void outbound_take_places(struct outbound *outbound, struct tick now, size_t index,
                                 const struct io_dns_answer *answer)
{
    struct outbound_way *way = &outbound->ways[index];
    struct io_dns_place places[IO_DNS_PLACES_MAX];
    size_t count = 0;
    for (size_t i = 0; i < answer->count; i++) {
        if (!outbound_bars(way, &answer->list[i].addr))
            places[count++] = answer->list[i];
    }
    if (count < answer->count && count == 0) {
        way->stage = OUTBOUND_IDLE;
        outbound_say(way, "no redirect of a registrar may lead there");
        sip_register_failed(outbound->reg, now, index, way->why);
        return;
    }
    race_begin(&way->race, now, places, count, way->rotation++);
    way->stage = OUTBOUND_RACING;
    outbound_go_on(outbound, now, index);
}

static void outbound_take_names(struct outbound *outbound, struct tick now,
                                const struct io_dns_answer *answer)
{
    for (size_t i = 0; i < sip_register_count(outbound->reg); i++) {
        struct outbound_way *way = &outbound->ways[i];
        if (way->question != answer->id)
            continue;
        way->question = 0;
        if (way->stage == OUTBOUND_LOOKING_UP_PROXY && answer->count == 0) {
            way->stage = OUTBOUND_IDLE;
            sip_register_failed(outbound->reg, now, i, "the name of the proxy is not known");
        } else if (way->stage == OUTBOUND_LOOKING_UP_PROXY) {
            way->proxy_at = answer->list[0].addr;
            way->stage = OUTBOUND_RACING;
            outbound_go_on(outbound, now, i);
        } else if (way->stage == OUTBOUND_LOOKING) {
            outbound_take_places(outbound, now, i, answer);
        }
        return;
    }
}

bool outbound_opened(struct outbound *outbound, struct tick now, const struct io_tcp_event *event,
                     const struct sip_flow *flow)
{
    for (size_t i = 0; i < sip_register_count(outbound->reg); i++) {
        struct outbound_way *way = &outbound->ways[i];
        struct race_try *one = outbound_find_try(way, event->flow, &event->peer);
        if (!one)
            continue;
        /* Who takes connections may answer nothing all the same, for timer F's 32 s: where there is
         * another, whoever answers first serves. */
        if (way->race.count > 1 && sip_register_ask(outbound->reg, now, i, flow))
            race_stand(&way->race, now, one);
        else
            outbound_win(outbound, now, i, flow);
        return true;
    }
    return false;
}

bool outbound_closed(struct outbound *outbound, struct tick now, const struct io_tcp_event *event)
{
    for (size_t i = 0; i < sip_register_count(outbound->reg); i++) {
        struct outbound_way *way = &outbound->ways[i];
        struct race_try *one = outbound_find_try(way, event->flow, &event->peer);
        if (!one)
            continue;
        if (event->why)
            outbound_say(way, event->why);
        else
            snprintf(way->why, sizeof way->why, "%s cannot be reached: %s",
                     addr_print(&one->place.addr).s,
                     strerror(event->error ? event->error : ECONNRESET));
        race_lose(&way->race, now, one);
        outbound_go_on(outbound, now, i);
        return true;
    }
    sip_register_closed(outbound->reg, now, event->flow,
                        event->why ? event->why : "the registrar closed the connection");
    return false;
}

/* Nobody at the end of that flow serves. */
static void outbound_unheard(struct outbound *outbound, struct tick now,
                             const struct sip_register_output *output)
{
    const struct sip_flow *flow = &output->flow;
    struct outbound_way *way = &outbound->ways[output->index];
    struct race_try *one = outbound_find_try(way, flow->id, &flow->peer);
    if (!one)
        return;
    if (flow->id != 0)
        io_tls_close(outbound->config.tls, now, flow->id);
    if (output->status != 0)
        snprintf(way->why, sizeof way->why, "%s answers %u", addr_print(&flow->peer).s,
                 output->status);
    else
        snprintf(way->why, sizeof way->why, "%s does not answer", addr_print(&flow->peer).s);
    race_lose(&way->race, now, one);
    outbound_go_on(outbound, now, output->index);
}

/* ---- work ----------------------------------------------------------------------------------- */

static void outbound_do(struct outbound *outbound, struct tick now,
                        const struct sip_register_output *output)
{
    struct outbound_way *way = &outbound->ways[output->index];
    struct stun_client_options schedule = {0};
    switch (output->kind) {
    case SIP_REGISTER_OPEN:
        outbound_open(outbound, now, output->index, &output->target);
        break;
    case SIP_REGISTER_CLOSE:
        if (way->flow == output->flow.id)
            way->flow = 0;
        io_tls_close(outbound->config.tls, now, output->flow.id);
        break;
    case SIP_REGISTER_STUN:
        way->stun_flow = output->flow;
        stun_client_start(&way->stun, now, &outbound->rng, &schedule);
        outbound_stun_step(outbound, now, output->index);
        break;
    case SIP_REGISTER_HEARD:
        if (outbound_find_try(way, output->flow.id, &output->flow.peer))
            outbound_win(outbound, now, output->index, &output->flow);
        break;
    case SIP_REGISTER_UNHEARD:
        outbound_unheard(outbound, now, output);
        break;
    }
}

void outbound_work(struct outbound *outbound, struct tick now)
{
    struct sip_register_output output;
    struct io_dns_answer answer;
    int64_t good = 0;
    bool moved = true;
    while (moved) {
        moved = false;
        while (sip_register_output(outbound->reg, &output)) {
            outbound_do(outbound, now, &output);
            moved = true;
        }
        while (io_dns_answer(outbound->dns, &answer)) {
            outbound_take_names(outbound, now, &answer);
            moved = true;
        }
    }
    for (size_t i = 0; i < sip_register_count(outbound->reg); i++) {
        bool is_good = sip_register_status(outbound->reg, i).state == SIP_REGISTER_REGISTERED;
        good += is_good;
        if (is_good)
            outbound->ways[i].rotation = 0;
    }
    metric_set(METRIC_SIP_REGISTRATIONS, good);
}

bool outbound_input(struct outbound *outbound, struct tick now, const struct sip_event *event)
{
    return sip_register_input(outbound->reg, now, event);
}

void outbound_dns_ready(struct outbound *outbound, struct tick now, const struct io_ready *ready)
{
    io_dns_ready(outbound->dns, now, ready);
}

void outbound_mark(const struct outbound *outbound, struct sip_flow *flow)
{
    sip_register_mark(outbound->reg, flow);
}

const char *outbound_name(const struct outbound *outbound, const struct addr *peer)
{
    for (size_t i = 0; i < sip_register_count(outbound->reg); i++) {
        const struct outbound_way *way = &outbound->ways[i];
        if (way->flow != 0 && addr_equal(&way->peer, peer))
            return way->target.host;
    }
    return NULL;
}

void outbound_renew(struct outbound *outbound, struct tick now)
{
    for (size_t i = 0; i < SIP_REGISTER_MAX; i++) {
        stun_client_stop(&outbound->ways[i].stun);
        outbound->ways[i].proxy_first = false;
    }
    sip_register_renew(outbound->reg, now);
}

void outbound_stop(struct outbound *outbound, struct tick now)
{
    for (size_t i = 0; i < sip_register_count(outbound->reg); i++) {
        struct outbound_way *way = &outbound->ways[i];
        outbound_end_race(outbound, now, way, 0);
        way->stage = OUTBOUND_IDLE;
        way->question = 0; /* whatever name is still looked up */
    }
    sip_register_stop(outbound->reg, now);
}

bool outbound_is_stopped(const struct outbound *outbound)
{
    return sip_register_is_stopped(outbound->reg);
}

void outbound_expire(struct outbound *outbound, struct tick now)
{
    io_dns_expire(outbound->dns, now);
    for (size_t i = 0; i < sip_register_count(outbound->reg); i++) {
        if (stun_client_is_open(&outbound->ways[i].stun))
            outbound_stun_step(outbound, now, i);
        if (outbound->ways[i].stage == OUTBOUND_RACING)
            outbound_go_on(outbound, now, i);
    }
    if (tick_due(sip_register_deadline(outbound->reg), now))
        sip_register_expire(outbound->reg, now);
}

struct tick outbound_deadline(const struct outbound *outbound, struct tick now)
{
    struct tick deadline =
        tick_min(sip_register_deadline(outbound->reg), io_dns_deadline(outbound->dns, now));
    for (size_t i = 0; i < sip_register_count(outbound->reg); i++) {
        if (outbound->ways[i].stage == OUTBOUND_RACING)
            deadline = tick_min(deadline, outbound->ways[i].race.next_at);
        if (stun_client_is_open(&outbound->ways[i].stun))
            deadline = tick_min(deadline, stun_client_deadline(&outbound->ways[i].stun));
    }
    return deadline;
}

/* ---- report --------------------------------------------------------------------------------- */

static json_t *outbound_seconds(struct tick at, struct tick now)
{
    return tick_is_never(at) ? json_null() : json_integer(tick_diff_ns(at, now) / NS_PER_S);
}

static json_t *outbound_report_one(const struct outbound *outbound, size_t index, struct tick now)
{
    static const char *const transports[] = {"udp", "tcp", "tls"};
    const struct outbound_way *way = &outbound->ways[index];
    struct sip_register_status status = sip_register_status(outbound->reg, index);
    bool waiting = status.state == SIP_REGISTER_WAITING;
    json_t *one = json_pack("{s:s%, s:s, s:b, s:s}", "uri", status.uri.at, status.uri.len, "state",
                            sip_register_state_name(status.state), "outbound", status.outbound,
                            "why", status.why);
    if (!one)
        return NULL;
    json_object_set_new(one, "peer",
                        status.flow ? json_string(addr_print(&status.flow->peer).s) : json_null());
    json_object_set_new(one, "transport",
                        status.flow ? json_string(transports[status.flow->protocol]) : json_null());
    json_object_set_new(one, "proxy",
                        status.flow && way->by_proxy
                            ? json_string(outbound->config.settings.proxy.host)
                            : json_null());
    json_object_set_new(one, "expires_in_s", outbound_seconds(status.expires_at, now));
    json_object_set_new(one, "retry_in_s",
                        waiting ? outbound_seconds(status.since, now) : json_null());
    return one;
}

char *outbound_report(const struct outbound *outbound, struct tick now)
{
    json_t *list = json_array();
    char *text;
    for (size_t i = 0; list && i < sip_register_count(outbound->reg); i++)
        json_array_append_new(list, outbound_report_one(outbound, i, now));
    text = list ? json_dumps(list, JSON_COMPACT) : NULL;
    json_decref(list);
    return text;
}

/* ---- life ----------------------------------------------------------------------------------- */

struct outbound *outbound_create(const struct outbound_config *config, struct tick now)
{
    const struct outbound_settings *settings = &config->settings;
    struct sip_register_config registrations = {.uris = view_of_string(settings->uris),
                                                .username = view_of_string(settings->username),
                                                .password = view_of_string(settings->password),
                                                .expires_s = settings->expires_s,
                                                .instance = view_of_string(settings->instance),
                                                .contact_user = VIEW("siprecd"),
                                                .contact_params = VIEW(";+sip.srs")};
    struct outbound *outbound = calloc(1, sizeof *outbound);
    uint8_t seed[32];
    if (!outbound)
        return NULL;
    outbound->config = *config;
    io_clock_seed(seed, sizeof seed);
    rng_init(&outbound->rng, seed);
    io_clock_seed(registrations.seed, sizeof registrations.seed);
    io_clock_seed(seed, sizeof seed);
    for (size_t i = 0; i < SIP_REGISTER_MAX; i++) {
        stun_client_stop(&outbound->ways[i].stun);
        race_init(&outbound->ways[i].race);
    }
    outbound->dns = io_dns_create(config->loop, config->tag_dns, seed, NULL);
    outbound->reg = sip_register_create(&registrations, config->sip, now);
    if (!outbound->dns || !outbound->reg) {
        outbound_destroy(outbound);
        return NULL;
    }
    return outbound;
}

void outbound_destroy(struct outbound *outbound)
{
    if (!outbound)
        return;
    io_dns_destroy(outbound->dns);
    sip_register_destroy(outbound->reg);
    explicit_bzero(&outbound->config, sizeof outbound->config);
    free(outbound);
}
