/* discovery: tests by STUN in rounds, each begun when the one before is over.
 * Not here: the rounds of the lifetime (lifetime.c) and of a relay (vantage.c).
 * RFC 5780 §4.3, §4.4, §3.4. */
#include "nat/probes.h"

#include "base/target.h"
#include "base/writer.h"

#include <stdlib.h>
#include <string.h>

#define RELAY_WAIT_MS 10000 /* for the owner's relay */
#define CAP_MS        2000  /* requests at 0, 500 and 1500 ms */

struct discovery *discovery_create(const struct discovery_options *options)
{
    struct discovery *d = calloc(1, sizeof *d);
    if (!d)
        return NULL;
    d->options = *options;
    if (d->options.server_count > DISCOVERY_SERVERS)
        d->options.server_count = DISCOVERY_SERVERS;
    if (d->options.cap_ms == 0)
        d->options.cap_ms = CAP_MS;
    d->wait = TICK_NEVER;
    for (size_t i = 0; i < PROBES; i++)
        d->probes[i].client.next = TICK_NEVER;
    rng_init(&d->rng, options->seed);
    return d;
}

void discovery_destroy(struct discovery *d)
{
    free(d);
}

void discovery_tell(struct discovery *d, enum discovery_event_kind kind)
{
    if (d->event_count < sizeof d->events / sizeof *d->events)
        d->events[d->event_count++] = kind;
}

bool discovery_event(struct discovery *d, enum discovery_event_kind *out)
{
    if (d->event_next == d->event_count)
        return false;
    *out = d->events[d->event_next++];
    return true;
}

struct discovery_result discovery_result(const struct discovery *d)
{
    return d->result;
}

void probe_start(struct discovery *d, struct tick now, enum probe_name name, struct probe what)
{
    const struct stun_client_options schedule = {.cap_ms =
                                                     what.cap_ms ? what.cap_ms : d->options.cap_ms};
    struct probe *p = &d->probes[name];
    *p = what;
    p->state = PROBE_OPEN;
    if (name != PROBE_ALIVE && !what.from_relay)
        p->arrives = p->socket;
    stun_client_start(&p->client, now, &d->rng, &schedule);
}

/* ---- rounds --------------------------------------------------------------------------------- */

const struct addr *probe_mapped(const struct discovery *d, enum probe_name name)
{
    return d->probes[name].state == PROBE_ANSWERED ? &d->probes[name].mapped : NULL;
}

static const struct addr *race_mapped(const struct discovery *d, size_t server)
{
    return probe_mapped(d, (enum probe_name)(PROBE_RACE + server));
}

/* Servers at two addresses saw one socket: did they see the same? All that a classic server can
 * tell. */
static enum nat_mapping compare_servers(const struct discovery *d)
{
    enum nat_mapping mapping = NAT_MAPPING_UNKNOWN;
    for (size_t a = 0; a < d->options.server_count; a++) {
        for (size_t b = a + 1; b < d->options.server_count; b++) {
            const struct addr *one = race_mapped(d, a);
            const struct addr *two = race_mapped(d, b);
            bool same_host = addr_equal_ip(&d->options.servers[a], &d->options.servers[b]);
            if (!one || !two)
                continue;
            if (!addr_equal(one, two))
                return NAT_MAPPING_DEPENDENT;
            if (!same_host)
                mapping = NAT_MAPPING_INDEPENDENT;
        }
    }
    return mapping;
}

/* §4.3: the same to another address: EIM; else the same to that address's other port: ADM. */
static enum nat_mapping judge_mapping(const struct discovery *d)
{
    const struct addr *primary = probe_mapped(d, d->primary), *ip = probe_mapped(d, PROBE_MAP_IP),
                      *both = probe_mapped(d, PROBE_MAP_BOTH);
    enum nat_mapping by_servers = compare_servers(d);
    if (!primary)
        return by_servers;
    if (addr_equal(primary, &d->options.local[DISCOVERY_MAPPING_SOCKET]))
        return NAT_MAPPING_NONE;
    if (!ip || !both)
        return by_servers;
    if (addr_equal(primary, ip) && addr_equal(ip, both))
        return by_servers == NAT_MAPPING_DEPENDENT ? by_servers : NAT_MAPPING_INDEPENDENT;
    if (addr_equal(primary, ip))
        return NAT_MAPPING_DEPENDENT; /* by port alone: no word of the RFC's for it */
    return addr_equal(ip, both) ? NAT_MAPPING_ADDRESS : NAT_MAPPING_ADDRESS_PORT;
}

/* A mapping that is else the same for all is another one for B:p2, after B:p2 had sent to it: the
 * NAT took what it refused for a flow of its own. So the server did send. */
static bool has_clashed(const struct discovery *d)
{
    const struct addr *first = probe_mapped(d, PROBE_FILTER_FIRST);
    const struct addr *later = probe_mapped(d, PROBE_OPEN_OTHER);
    return !nat_mapping_is_dependent(d->result.behaviour.mapping) && first && later &&
           !addr_equal(first, later);
}

/* §4.4. Silence counts only where both other ends answered when asked directly, and where nothing
 * says that the server does not do as CHANGE-REQUEST asks: a mapping that does not depend on the
 * destination must let the alternate address in once we have addressed it ourselves. */
static enum nat_filtering judge_filtering(const struct discovery *d)
{
    enum probe_state both = d->probes[PROBE_FILTER_BOTH].state;
    enum probe_state port = d->probes[PROBE_FILTER_PORT].state;
    bool depends = nat_mapping_is_dependent(d->result.behaviour.mapping);
    if (both == PROBE_ANSWERED)
        return NAT_FILTERING_INDEPENDENT;
    if (both != PROBE_SILENT || !probe_mapped(d, PROBE_MAP_BOTH) ||
        !probe_mapped(d, PROBE_MAP_PORT))
        return NAT_FILTERING_UNKNOWN;
    if (port == PROBE_ANSWERED)
        return NAT_FILTERING_ADDRESS;
    if (port != PROBE_SILENT ||
        (!depends && !has_clashed(d) && d->probes[PROBE_SCOPE].state != PROBE_ANSWERED))
        return NAT_FILTERING_UNKNOWN;
    return NAT_FILTERING_ADDRESS_PORT;
}

static enum nat_hairpin judge_hairpin(const struct discovery *d)
{
    const struct probe *there = &d->probes[PROBE_HAIRPIN_THERE],
                       *back = &d->probes[PROBE_HAIRPIN_BACK];
    const struct probe *seen = there->state == PROBE_ANSWERED ? there : back;
    if (d->result.behaviour.mapping == NAT_MAPPING_NONE || there->state == PROBE_UNUSED)
        return NAT_HAIRPIN_UNKNOWN;
    if (seen->state != PROBE_ANSWERED)
        return NAT_HAIRPIN_NONE;
    return addr_equal(&seen->seen_from, &d->options.local[seen->socket]) ? NAT_HAIRPIN_INTERNAL
                                                                         : NAT_HAIRPIN_EXTERNAL;
}

static void judge_addresses(struct discovery *d)
{
    struct nat_behaviour *b = &d->result.behaviour;
    const struct addr *first = NULL;
    b->ports_kept = true;
    for (size_t i = 0; i < PROBES; i++) {
        const struct addr *mapped = probe_mapped(d, (enum probe_name)i);
        if (!mapped || !addr_is_set(mapped) || d->probes[i].from_relay ||
            (b->clashes && (i == PROBE_OPEN_OTHER || i == PROBE_RELAY_OPEN)))
            continue;
        if (mapped->port != d->options.local[d->probes[i].socket].port)
            b->ports_kept = false;
        if (first && !addr_equal_ip(first, mapped))
            b->pooling_arbitrary = true;
        first = mapped;
    }
}

static void judge(struct discovery *d)
{
    struct nat_behaviour *b = &d->result.behaviour;
    b->mapping = judge_mapping(d);
    b->filtering = judge_filtering(d);
    b->clashes = has_clashed(d);
    /* doc/nat.md 1: whom does the filter remember? */
    if (nat_mapping_is_dependent(b->mapping) && b->filtering > NAT_FILTERING_INDEPENDENT)
        b->scope = d->probes[PROBE_SCOPE].state == PROBE_ANSWERED ? NAT_SCOPE_ENDPOINT
                   : d->probes[PROBE_SCOPE].state == PROBE_SILENT ? NAT_SCOPE_MAPPING
                                                                  : NAT_SCOPE_UNKNOWN;
    b->hairpin = judge_hairpin(d);
    if (d->result.by_relay)
        vantage_judge(d, b);
    judge_addresses(d);
    d->result.is_natted =
        b->mapping > NAT_MAPPING_NONE ||
        (addr_is_set(&d->result.external) &&
         !addr_equal(&d->result.external, &d->options.local[DISCOVERY_MAPPING_SOCKET]));
}

/* The next server of those that answered and named another address (§4.4);
 * false when there is none. */
static bool choose_server(struct discovery *d)
{
    for (; d->server_next < d->options.server_count; d->server_next++) {
        const struct probe *race = &d->probes[PROBE_RACE + d->server_next];
        if (race->state != PROBE_ANSWERED || !addr_is_set(&race->other))
            continue;
        d->primary = (enum probe_name)(PROBE_RACE + d->server_next++);
        d->server = race->to;
        d->other = race->other;
        return true;
    }
    return false;
}

static void start_mapping(struct discovery *d, struct tick now)
{
    const struct addr ip = addr_with_port(d->other, d->server.port);
    const struct addr port = addr_with_port(d->server, d->other.port);
    for (size_t i = PROBE_MAP_IP; i < PROBES; i++)
        d->probes[i].state = PROBE_UNUSED;
    probe_start(d, now, PROBE_MAP_IP, (struct probe){.to = ip, .from = ip});
    probe_start(d, now, PROBE_MAP_BOTH, (struct probe){.to = d->other, .from = d->other});
    /* Not one of §4.3's, but without it silence to test III of §4.4 could be the server's. */
    probe_start(d, now, PROBE_MAP_PORT, (struct probe){.to = port, .from = port});
    probe_start(
        d, now, PROBE_HAIRPIN_FIRST,
        (struct probe){.socket = DISCOVERY_HAIRPIN_SOCKET, .to = d->server, .from = d->server});
    probe_start(
        d, now, PROBE_FILTER_FIRST,
        (struct probe){.socket = DISCOVERY_FILTERING_SOCKET, .to = d->server, .from = d->server});
    d->round = ROUND_MAPPING;
}

/* Tests II and III go to the primary address, from a socket that has addressed nobody else: so they
 * may run together, and nothing that the mapping's tests opened lets their answers in. */
static void start_filtering(struct discovery *d, struct tick now)
{
    const struct addr port = addr_with_port(d->server, d->other.port);
    const struct addr *ours = probe_mapped(d, d->primary),
                      *theirs = probe_mapped(d, PROBE_HAIRPIN_FIRST);
    const enum discovery_socket socket = DISCOVERY_FILTERING_SOCKET;
    probe_start(d, now, PROBE_FILTER_BOTH,
                (struct probe){.socket = socket,
                               .to = d->server,
                               .from = d->other,
                               .change = STUN_CHANGE_IP | STUN_CHANGE_PORT});
    probe_start(d, now, PROBE_FILTER_PORT,
                (struct probe){
                    .socket = socket, .to = d->server, .from = port, .change = STUN_CHANGE_PORT});
    /* §3.4, by two sockets that address each other:
     * then no filter of an EIM NAT stands in the way. */
    if (ours && theirs) {
        probe_start(
            d, now, PROBE_HAIRPIN_THERE,
            (struct probe){.socket = DISCOVERY_HAIRPIN_SOCKET, .to = *ours, .is_hairpin = true});
        probe_start(d, now, PROBE_HAIRPIN_BACK, (struct probe){.to = *theirs, .is_hairpin = true});
    }
    d->round = ROUND_FILTERING;
}

static void start_scope(struct discovery *d, struct tick now, enum round round)
{
    bool opens = round == ROUND_OPENING;
    probe_start(d, now, opens ? PROBE_OPEN_OTHER : PROBE_SCOPE,
                (struct probe){.socket = DISCOVERY_FILTERING_SOCKET,
                               .to = opens ? d->other : d->server,
                               .from = d->other,
                               .change = opens ? 0 : STUN_CHANGE_IP | STUN_CHANGE_PORT});
    d->round = round;
}

static void all_but_lifetime_done(struct discovery *d, struct tick now)
{
    d->round = ROUND_DONE;
    d->result.is_done = true;
    if (d->options.lifetime && (addr_is_set(&d->server) || d->result.by_relay)) {
        d->result.is_done = false;
        lifetime_start(d, now);
    }
}

/* Whoever was silent in the race may only be slow. Asked where what is known is little, before the lifetime's
 * tests keep that for an hour. False: nobody is asked. */
static bool start_patience(struct discovery *d, struct tick now)
{
    bool is_little = d->result.behaviour.mapping == NAT_MAPPING_UNKNOWN ||
                     (d->result.by_relay && vantage_is_same_host(d));
    bool asks = false;
    if (!is_little || d->options.cap_ms >= DISCOVERY_PATIENT_MS)
        return false;
    for (size_t i = 0; i < d->options.server_count; i++) {
        const struct addr server = d->options.servers[i];
        if (d->probes[PROBE_RACE + i].state != PROBE_SILENT)
            continue;
        asks = true;
        probe_start(d, now, (enum probe_name)(PROBE_RACE + i),
                    (struct probe){.to = server, .from = server, .cap_ms = DISCOVERY_PATIENT_MS});
    }
    if (!asks)
        return false;
    d->round = ROUND_PATIENCE;
    d->result.is_done = false;
    return true;
}

static void patience_over(struct discovery *d, struct tick now)
{
    for (size_t i = 0; i < d->options.server_count; i++) {
        const struct probe *race = &d->probes[PROBE_RACE + i];
        d->result.is_slow |= race->cap_ms != 0 && race->state == PROBE_ANSWERED;
    }
    if (!d->result.is_slow) {
        all_but_lifetime_done(d, now);
        return;
    }
    d->round = ROUND_DONE;
    d->result.is_done = true;
}

void discovery_finish(struct discovery *d, struct tick now)
{
    judge(d);
    discovery_tell(d, DISCOVERY_BEHAVIOUR);
    if (!start_patience(d, now))
        all_but_lifetime_done(d, now);
}

/* The server is given up when its other address does not answer directly. */
static void next_server(struct discovery *d, struct tick now)
{
    if (choose_server(d)) {
        start_mapping(d, now);
        return;
    }
    d->server = (struct addr){0};
    d->result.server = d->server;
    for (size_t i = PROBE_MAP_IP; i < PROBES; i++)
        d->probes[i].state = PROBE_UNUSED;
    if (!d->options.may_relay) {
        discovery_finish(d, now);
        return;
    }
    d->round = ROUND_RELAY_WANTED;
    d->wait = tick_add_ms(now, RELAY_WAIT_MS);
    discovery_tell(d, DISCOVERY_WANTS_RELAY);
}

static void race_over(struct discovery *d, struct tick now)
{
    for (size_t i = 0; i < d->options.server_count; i++) {
        if (d->probes[PROBE_RACE + i].state != PROBE_ANSWERED)
            continue;
        d->primary = (enum probe_name)(PROBE_RACE + i);
        next_server(d, now);
        return;
    }
    d->round = ROUND_DONE;
    d->result.is_done = true;
    discovery_tell(d, DISCOVERY_SILENT);
}

static void round_over(struct discovery *d, struct tick now)
{
    switch (d->round) {
    case ROUND_RACE:
        race_over(d, now);
        return;
    case ROUND_MAPPING:
        if (!probe_mapped(d, PROBE_MAP_IP) || !probe_mapped(d, PROBE_MAP_BOTH)) {
            next_server(d, now);
            return;
        }
        d->result.server = d->server;
        start_filtering(d, now);
        return;
    case ROUND_FILTERING:
        if (d->probes[PROBE_FILTER_BOTH].state == PROBE_SILENT)
            start_scope(d, now, ROUND_OPENING);
        else
            discovery_finish(d, now);
        return;
    case ROUND_OPENING:
        if (d->probes[PROBE_OPEN_OTHER].state == PROBE_ANSWERED)
            start_scope(d, now, ROUND_SCOPE);
        else
            discovery_finish(d, now);
        return;
    case ROUND_SCOPE:
        discovery_finish(d, now);
        return;
    case ROUND_RELAY_WANTED: /* nobody gave one */
        discovery_finish(d, now);
        return;
    case ROUND_RELAY_CONTROL:
    case ROUND_RELAY_BACK:
    case ROUND_RELAY_NONE:
    case ROUND_RELAY_IP:
    case ROUND_RELAY_EXACT:
        vantage_round_over(d, now);
        return;
    case ROUND_PATIENCE:
        patience_over(d, now);
        return;
    default:
        lifetime_round_over(d, now);
        return;
    }
}

static bool has_open(const struct discovery *d)
{
    /* One who hears the other is enough. */
    bool hairpins = d->probes[PROBE_HAIRPIN_THERE].state == PROBE_ANSWERED ||
                    d->probes[PROBE_HAIRPIN_BACK].state == PROBE_ANSWERED;
    for (size_t i = 0; i < PROBES; i++) {
        const struct probe *p = &d->probes[i];
        if (p->state == PROBE_OPEN && !(hairpins && p->is_hairpin) && !p->is_touch)
            return true;
    }
    return false;
}

/* On with the next round, if this one is over. */
static void advance(struct discovery *d, struct tick now)
{
    while (d->round != ROUND_DONE && d->round != ROUND_IDLE && !has_open(d) &&
           tick_is_never(d->wait))
        round_over(d, now);
}

void nat_discover_mapping(struct discovery *d, struct tick now)
{
    if (d->round != ROUND_IDLE)
        return;
    d->round = ROUND_RACE;
    for (size_t i = 0; i < d->options.server_count; i++) {
        struct addr server = d->options.servers[i];
        probe_start(d, now, (enum probe_name)(PROBE_RACE + i),
                    (struct probe){.to = server, .from = server});
    }
    advance(d, now);
}

/* ---- datagrams ------------------------------------------------------------------------------ */

/* An alternate address as §7.4 has it: another address and another port. One that is of no use is
 * as none: a server behind a NAT of its own tells private ones. */
static struct addr read_other(const struct stun_message *m, const struct addr *server)
{
    struct addr other;
    if (!stun_read_address(m, STUN_OTHER_ADDRESS, &other) || other.family != server->family ||
        addr_equal_ip(&other, server) || other.port == server->port || other.port == 0 ||
        addr_is_unspecified(&other) || addr_is_multicast(&other) ||
        addr_is_loopback(&other) != addr_is_loopback(server) ||
        (addr_is_private(&other) && !addr_is_private(server)))
        return (struct addr){0};
    return other;
}

static void take_answer(struct discovery *d, struct probe *p, enum discovery_socket socket,
                        const struct addr *from, const struct stun_message *m)
{
    bool as_asked = addr_equal(from, &p->from);
    if (socket != p->arrives) {
        /* §4.6: the probe's own socket got it: what it was for is gone. */
        if (socket == p->socket && as_asked)
            p->state = PROBE_SILENT;
    } else if (as_asked && m->class == STUN_SUCCESS) {
        /* What cannot be ours is as good as no answer: our own probes would go there. */
        p->state =
            stun_read_mapped(m, &p->mapped) &&
                    target_may_be_ours(&p->mapped, &d->options.local[DISCOVERY_MAPPING_SOCKET])
                ? PROBE_ANSWERED
                : PROBE_REFUSED;
        p->other = read_other(m, &p->to);
    } else if (addr_equal(from, &p->to)) {
        p->state = PROBE_REFUSED; /* 420, or it did not do as CHANGE-REQUEST says */
    }
    if (p->state == PROBE_OPEN)
        return; /* from elsewhere: whoever it is, it is not the one we asked */
    stun_client_stop(&p->client);
    if (p->state == PROBE_ANSWERED && !addr_is_set(&d->result.external)) {
        d->result.external = p->mapped;
        discovery_tell(d, DISCOVERY_EXTERNAL);
    }
}

/* No server answers it: it is looked for where it arrives. */
static bool comes_itself(const struct probe *p)
{
    return p->is_hairpin || p->to_relay || p->from_relay;
}

static bool is_of(const struct probe *p, const struct stun_message *m)
{
    if (p->state != PROBE_OPEN || p->client.sent == 0 ||
        !stun_transaction_equal(&p->client.transaction, &m->transaction))
        return false;
    return comes_itself(p) ? m->class == STUN_REQUEST
                           : m->class == STUN_SUCCESS || m->class == STUN_ERROR;
}

/* The request itself has come to where the probe wants it. */
static bool has_come(const struct probe *p, enum discovery_socket socket)
{
    return p->to_relay     ? socket == DISCOVERY_OVER_RELAY
           : p->from_relay ? socket == p->arrives
                           : socket != p->socket && socket != DISCOVERY_OVER_RELAY;
}

bool discovery_input(struct discovery *d, struct tick now, enum discovery_socket socket,
                     const struct addr *from, struct view datagram)
{
    struct stun_message m;
    if (stun_message_decode(datagram, &m) != STUN_DECODED || m.method != STUN_BINDING)
        return false;
    for (size_t i = 0; i < PROBES; i++) {
        struct probe *p = &d->probes[i];
        if (!is_of(p, &m))
            continue;
        if (comes_itself(p) && has_come(p, socket)) {
            p->state = PROBE_ANSWERED;
            p->seen_from = *from;
            p->mapped = p->to_relay ? *from : (struct addr){0};
            stun_client_stop(&p->client);
        } else if (!comes_itself(p)) {
            take_answer(d, p, socket, from, &m);
        }
        advance(d, now);
        return true;
    }
    return false;
}

void discovery_expire(struct discovery *d, struct tick now)
{
    if (!tick_is_never(d->wait) && tick_due(d->wait, now)) {
        d->wait = TICK_NEVER;
        if (d->round == ROUND_RELAY_WANTED)
            advance(d, now);
        else
            lifetime_wait_over(d, now);
    }
}

struct tick discovery_deadline(const struct discovery *d)
{
    struct tick first = d->wait;
    for (size_t i = 0; i < PROBES; i++) {
        if (d->probes[i].state == PROBE_OPEN)
            first = tick_min(first, stun_client_deadline(&d->probes[i].client));
    }
    return first;
}

static void write_probe(struct discovery *d, const struct probe *p, struct discovery_packet *out)
{
    struct writer w = writer_of(d->packet, sizeof d->packet);
    stun_begin(&w, STUN_REQUEST, STUN_BINDING, &p->client.transaction);
    if (p->change)
        stun_put_u32(&w, STUN_CHANGE_REQUEST, p->change);
    if (p->response_port) /* two bytes of port, two of padding (§7.5) */
        stun_put_u32(&w, STUN_RESPONSE_PORT, (uint32_t)p->response_port << 16);
    stun_finish(&w, false);
    *out = (struct discovery_packet){p->from_relay ? DISCOVERY_OVER_RELAY : p->socket, p->to,
                                     writer_done(&w)};
}

bool discovery_output(struct discovery *d, struct tick now, struct discovery_packet *out)
{
    for (size_t i = 0; i < PROBES; i++) {
        struct probe *p = &d->probes[i];
        if (p->state != PROBE_OPEN)
            continue;
        switch (stun_client_step(&p->client, now)) {
        case STUN_CLIENT_SEND:
            write_probe(d, p, out);
            return true;
        case STUN_CLIENT_TIMEOUT:
            p->state = PROBE_SILENT;
            advance(d, now);
            return discovery_output(d, now, out);
        case STUN_CLIENT_WAIT:
            break;
        }
    }
    return false;
}
