/* port: one Binding transaction after the other for each socket, in turn.
 * Not here: what is done with the addresses.
 * RFC 8489 §6.2.1, §6.3.3; RFC 8445 §14.3 (the schedule's floor). */
#include "media/port.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "base/list.h"
#include "base/metrics.h"
#include "base/timers.h"
#include "media/media.h"
#include "stun/client.h"

#define TRY_MS        1500 /* for one server: asked at 0 and at 500 ms */
#define LENT_GAP_MS   10   /* between the requests of lent ports */
#define LENT_SAVED_MS 100
#define JUST_MS       500
#define FRESH_MS      60000
#define AGAIN_MS      1000   /* after the first silence, and twice as long after each more */
#define FULL_AFTER    2      /* silences of one socket while others are answered */
#define FORGETS_AFTER 2      /* moves of one socket: a NAT that restarts does so once */
#define BORNE_FOR_MS  600000 /* a NAT that was full may have room again */

struct socket {
    struct timer timer; /* when it is to be looked at next */
    struct list turn;   /* in ready or urgent: waits for its turn to send */
    struct stun_client client;
    struct addr bound, seen;
    struct addr doubtful; /* seen once, and other than before */
    struct tick seen_at;
    uint8_t server, failures;
    uint8_t silences; /* in a row: all servers were silent */
    uint8_t moves;    /* in a row: its mapping was another one, while it stood ready */
    bool used, lent, asked;
    bool awaited; /* its answer: somebody waits for it */
};

struct port {
    struct socket sockets[2]; /* RTP, RTCP */
    struct list news;         /* in ports.news */
    uint32_t generation;
    bool changed, asked;
};

struct media_ports {
    struct media_ports_options options;
    struct media_network network;
    struct port *ports;
    struct timers timers;
    struct list ready,
        urgent; /* sockets whose turn comes: of the stock; of streams, or asked for */
    struct list news;
    struct tick ready_at, urgent_at; /* the next may leave then */
    struct rng rng;
    uint32_t used, awaited;
    int64_t gone_ms[2];      /* mappings were seen to be gone after that; 0: never */
    struct tick doubt_at[2]; /* all may be doubted again from then on */
    struct tick heard_at;    /* the last good answer to any of them; ns 0: none */
    uint32_t borne;          /* sockets that had mappings when another found none */
    struct tick borne_until;
    struct tick idle_sent[MEDIA_PORT_IDLE_A_SECOND]; /* this worker's share of a second's, a ring */
    uint32_t idle_count;
    uint64_t requests, failures, strays;
    uint8_t bytes[64];
};

/* ---- Making and unmaking -------------------------------------------------------------------- */

struct media_ports *media_port_create(const struct media_ports_options *options)
{
    struct media_ports *ports = calloc(1, sizeof *ports);
    if (!ports)
        return NULL;
    ports->options = *options;
    if (ports->options.workers == 0)
        ports->options.workers = 1;
    ports->ports = calloc(options->ports, sizeof *ports->ports);
    list_init(&ports->ready);
    list_init(&ports->urgent);
    list_init(&ports->news);
    rng_init(&ports->rng, options->seed);
    if (!ports->ports || !timers_init(&ports->timers, (size_t)options->ports * 2)) {
        media_port_destroy(ports);
        return NULL;
    }
    return ports;
}

void media_port_destroy(struct media_ports *ports)
{
    if (!ports)
        return;
    timers_finish(&ports->timers);
    free(ports->ports);
    free(ports);
}

/* ---- One socket ----------------------------------------------------------------------------- */

static unsigned family_of(const struct socket *s)
{
    return s->bound.family == ADDR_V6;
}

static unsigned server_count(const struct media_ports *ports, const struct socket *s)
{
    unsigned count = 0;
    const struct addr *servers = ports->network.servers[family_of(s)];
    while (count < MEDIA_PORT_SERVERS && addr_is_set(&servers[count]))
        count++;
    assert(count > 0); /* nobody asks who has nobody to ask: is_wanted */
    return count;
}

static const struct addr *server_of(const struct media_ports *ports, const struct socket *s)
{
    return &ports->network.servers[family_of(s)][s->server % server_count(ports, s)];
}

static struct port *port_of(struct media_ports *ports, const struct socket *s)
{
    size_t at = (size_t)((const char *)s - (const char *)ports->ports) / sizeof *ports->ports;
    return &ports->ports[at];
}

static int64_t interval_ms(const struct media_ports *ports, unsigned family)
{
    int64_t half = (int64_t)nat_lifetime_s(&ports->network.behaviour[family]) * 1000 / 2;
    int64_t gone = ports->gone_ms[family] / 2;
    if (gone && (half == 0 || gone < half))
        half = gone;
    if (half == 0 || half > MEDIA_PORT_MOST_MS)
        return MEDIA_PORT_MOST_MS;
    return half < MEDIA_PORT_LEAST_MS ? MEDIA_PORT_LEAST_MS : half;
}

/* That a stream's mapping is what it was may be heard late; what is new, or was asked for, may not. */
static void await(struct media_ports *ports, struct socket *s)
{
    bool was = s->awaited,
         is_routine = s->lent && !s->asked && addr_is_set(&s->seen) && !addr_is_set(&s->doubtful);
    s->awaited = stun_client_is_open(&s->client) && !is_routine;
    ports->awaited += (uint32_t)s->awaited - (uint32_t)was;
}

static void close_client(struct media_ports *ports, struct socket *s)
{
    stun_client_stop(&s->client);
    await(ports, s);
}

/* It sends as soon as its turn comes. */
static void queue(struct media_ports *ports, struct socket *s)
{
    timers_clear(&ports->timers, &s->timer);
    list_remove(&s->turn);
    list_append(s->lent || s->asked ? &ports->urgent : &ports->ready, &s->turn);
}

/* What stands ready and was never seen is of no use to a call: packets that were lost must not cost it a whole
 * interval. */
static int64_t rest_ms(const struct media_ports *ports, const struct socket *s)
{
    int64_t ms = interval_ms(ports, family_of(s));
    if (s->lent || s->silences == 0)
        return ms;
    int64_t again = AGAIN_MS;
    for (unsigned i = 1; i < s->silences && again < ms; i++)
        again *= 2;
    return again < ms ? again : ms;
}

/* Chance shortens only, so that sockets made together do not ask together for ever. */
static void rest(struct media_ports *ports, struct tick now, struct socket *s)
{
    int64_t ms = rest_ms(ports, s);
    s->failures = 0;
    list_remove(&s->turn);
    timers_set(&ports->timers, &s->timer,
               tick_add_ms(now, ms * (800 + (int64_t)rng_below(&ports->rng, 201)) / 1000));
}

/* It neither waits for its turn nor for an answer. */
static bool is_at_rest(const struct socket *s)
{
    return !list_is_linked(&s->turn) && !stun_client_is_open(&s->client);
}

/* Both sockets of a lent port move together: what is known of one alone would be told twice. */
static bool waits_for_other(const struct port *port, const struct socket *s)
{
    const struct socket *other = &port->sockets[s == &port->sockets[0]];
    return s->lent && other->used && (other->asked || !is_at_rest(other));
}

static void tell(struct media_ports *ports, struct socket *s, bool changed)
{
    struct port *port = port_of(ports, s);
    port->changed = port->changed || changed;
    port->asked = port->asked || s->asked;
    s->asked = false;
    if (waits_for_other(port, s))
        return;
    if (!list_is_linked(&port->news))
        list_append(&ports->news, &port->news);
}

static bool is_wanted(const struct media_ports *ports, const struct socket *s)
{
    const struct addr *servers = ports->network.servers[family_of(s)];
    return s->used && ports->network.keep_mappings && addr_is_set(&servers[0]) &&
           (!addr_is_loopback(&s->bound) || addr_is_loopback(&servers[0]));
}

static void wake(struct media_ports *ports, struct socket *s)
{
    close_client(ports, s);
    s->failures = s->silences = 0;
    if (is_wanted(ports, s)) {
        queue(ports, s);
    } else {
        list_remove(&s->turn);
        timers_clear(&ports->timers, &s->timer);
    }
}

static uint32_t count_seen(const struct media_ports *ports, struct tick now)
{
    uint32_t seen = 0;
    for (uint32_t i = 0; i < ports->options.ports; i++) {
        for (unsigned k = 0; k < 2; k++) {
            const struct socket *s = &ports->ports[i].sockets[k];
            seen += s->used && addr_is_set(&s->seen) && tick_diff_ms(now, s->seen_at) <= FRESH_MS;
        }
    }
    return seen;
}

/* No server answered. One that never was heard while others are, time and again: the NAT has no mapping to spare for it. */
static void give_up(struct media_ports *ports, struct tick now, struct socket *s)
{
    bool was_seen = addr_is_set(&s->seen);
    bool others_do = ports->heard_at.ns && tick_diff_ms(now, ports->heard_at) < MEDIA_PORT_MOST_MS;
    ports->failures++;
    metric_add(METRIC_STUN_FAILURES, 1);
    if (s->silences < UINT8_MAX)
        s->silences++;
    if (!was_seen && others_do && !s->lent && s->silences >= FULL_AFTER) {
        ports->borne = count_seen(ports, now);
        ports->borne_until = tick_add_ms(now, BORNE_FOR_MS);
    }
    s->seen = s->doubtful = (struct addr){0};
    rest(ports, now, s);
    if (was_seen || s->asked || port_of(ports, s)->changed)
        tell(ports, s, was_seen);
}

static void try_next_server(struct media_ports *ports, struct tick now, struct socket *s)
{
    close_client(ports, s);
    s->failures++;
    s->server = (uint8_t)((s->server + 1u) % server_count(ports, s));
    if (s->failures >= server_count(ports, s))
        give_up(ports, now, s);
    else
        queue(ports, s);
}

/* One mapping that moved is seldom the only one: a NAT that restarts forgets them all. */
static void doubt_all(struct media_ports *ports, struct tick now, unsigned family)
{
    if (tick_before(now, ports->doubt_at[family]))
        return;
    ports->doubt_at[family] = tick_add_ms(now, MEDIA_PORT_LEAST_MS);
    for (uint32_t i = 0; i < ports->options.ports; i++) {
        for (unsigned k = 0; k < 2; k++) {
            struct socket *s = &ports->ports[i].sockets[k];
            bool known = s->seen_at.ns && tick_diff_ms(now, s->seen_at) < JUST_MS;
            if (is_wanted(ports, s) && family_of(s) == family && is_at_rest(s) && !known)
                queue(ports, s);
        }
    }
}

/* What rests now was to rest for longer than it may. */
static void hasten(struct media_ports *ports, struct tick now, unsigned family)
{
    int64_t ms = interval_ms(ports, family);
    for (uint32_t i = 0; i < ports->options.ports; i++) {
        for (unsigned k = 0; k < 2; k++) {
            struct socket *s = &ports->ports[i].sockets[k];
            if (is_wanted(ports, s) && family_of(s) == family && is_at_rest(s) &&
                tick_diff_ms(s->timer.deadline, now) > ms)
                rest(ports, now, s);
        }
    }
}

/* A socket that stands ready was looked at, since_ms after the look before. */
static void note_age(struct media_ports *ports, struct tick now, struct socket *s, bool changed,
                     int64_t since_ms)
{
    unsigned family = family_of(s);
    int64_t before = interval_ms(ports, family);
    if (!changed)
        s->moves = 0;
    else if (s->moves < FORGETS_AFTER)
        s->moves++;
    if (s->moves < FORGETS_AFTER || since_ms < MEDIA_PORT_LEAST_MS ||
        (ports->gone_ms[family] && ports->gone_ms[family] <= since_ms))
        return;
    ports->gone_ms[family] = since_ms;
    if (interval_ms(ports, family) < before)
        hasten(ports, now, family);
}

/* ---- What is told to it --------------------------------------------------------------------- */

void media_port_know(struct media_ports *ports, struct tick now,
                     const struct media_network *network)
{
    bool others = memcmp(ports->network.servers, network->servers, sizeof network->servers) != 0 ||
                  ports->network.keep_mappings != network->keep_mappings;
    bool moved[2] = {ports->network.change[0] != network->change[0],
                     ports->network.change[1] != network->change[1]};
    bool is_unmapped = ports->network.unmapped != network->unmapped;
    int64_t before[2] = {interval_ms(ports, 0), interval_ms(ports, 1)};
    ports->network = *network;
    for (unsigned family = 0; family < 2; family++) {
        if (is_unmapped)
            doubt_all(ports, now, family);
        if (moved[family] || others)
            ports->gone_ms[family] = 0;
        if (interval_ms(ports, family) < before[family])
            hasten(ports, now, family);
    }
    if (!others && !moved[0] && !moved[1])
        return;
    ports->borne = 0;
    for (uint32_t i = 0; i < ports->options.ports && ports->used; i++) {
        for (unsigned k = 0; k < 2; k++) {
            struct socket *s = &ports->ports[i].sockets[k];
            if (!s->used || !(others || moved[family_of(s)]))
                continue;
            /* What a call was answered with stays the measure of whether it changed. */
            bool forget = addr_is_set(&s->seen) && !s->lent &&
                          (moved[family_of(s)] || !network->keep_mappings);
            if (forget) {
                s->seen = (struct addr){0};
                tell(ports, s, true);
            }
            s->server = 0;
            wake(ports, s);
        }
    }
}

void media_port_add(struct media_ports *ports, struct tick now, uint32_t port, uint32_t generation,
                    const struct addr bound[2])
{
    assert(port < ports->options.ports);
    struct port *p = &ports->ports[port];
    media_port_remove(ports, port);
    p->generation = generation;
    for (unsigned k = 0; k < 2; k++) {
        struct socket *s = &p->sockets[k];
        s->used = true;
        s->bound = bound[k];
        s->client.next = TICK_NEVER;
        ports->used++;
        wake(ports, s);
    }
}

void media_port_lend(struct media_ports *ports, struct tick now, uint32_t port, bool rtcp)
{
    assert(port < ports->options.ports);
    for (unsigned k = 0; k < 2; k++) {
        struct socket *s = &ports->ports[port].sockets[k];
        if (!s->used)
            continue;
        s->lent = true;
        if (list_is_linked(&s->turn))
            queue(ports, s);
        if (k == 1 && !rtcp) {
            close_client(ports, s);
            list_remove(&s->turn);
            timers_clear(&ports->timers, &s->timer);
            s->used = false;
            ports->used--;
        }
    }
}

void media_port_remove(struct media_ports *ports, uint32_t port)
{
    assert(port < ports->options.ports);
    struct port *p = &ports->ports[port];
    for (unsigned k = 0; k < 2; k++) {
        struct socket *s = &p->sockets[k];
        if (s->used) {
            close_client(ports, s);
            ports->used--;
        }
        list_remove(&s->turn);
        timers_clear(&ports->timers, &s->timer);
    }
    list_remove(&p->news);
    *p = (struct port){0};
}

void media_port_ask(struct media_ports *ports, struct tick now, uint32_t port)
{
    assert(port < ports->options.ports);
    for (unsigned k = 0; k < 2; k++) {
        struct socket *s = &ports->ports[port].sockets[k];
        if (!is_wanted(ports, s) || s->asked)
            continue;
        s->asked = true;
        if (!stun_client_is_open(&s->client))
            queue(ports, s);
        await(ports, s);
    }
}

/* ---- Datagrams ------------------------------------------------------------------------------ */

/* A server that says something else than an address that packets can come to lies, or is broken. */
static bool is_plausible(const struct socket *s, const struct addr *seen)
{
    return seen->family == s->bound.family && seen->port != 0 && !addr_is_unspecified(seen) &&
           !addr_is_multicast(seen) && !addr_is_reserved(seen) &&
           (!addr_is_loopback(seen) || addr_is_loopback(&s->bound) ||
            addr_is_unspecified(&s->bound));
}

static void take_address(struct media_ports *ports, struct tick now, struct socket *s,
                         const struct addr *seen)
{
    bool changed = addr_is_set(&s->seen) && !addr_equal(&s->seen, seen);
    if (!s->lent)
        note_age(ports, now, s, changed, changed ? tick_diff_ms(now, s->seen_at) : 0);
    s->seen_at = ports->heard_at = now;
    s->silences = 0;
    /* A call moves for it: one answer is not enough. */
    if (changed && s->lent && !addr_equal(&s->doubtful, seen)) {
        s->doubtful = *seen;
        s->failures = 0;
        queue(ports, s);
        return;
    }
    s->seen = *seen;
    s->doubtful = (struct addr){0};
    rest(ports, now, s);
    if (changed)
        doubt_all(ports, now, family_of(s));
    tell(ports, s, changed);
}

bool media_port_input(struct media_ports *ports, struct tick now, const struct datagram *datagram)
{
    struct stun_message message;
    struct addr seen;
    uint32_t port = MEDIA_SOCKET_PORT(datagram->socket);
    if (port >= ports->options.ports)
        return false;
    struct socket *s = &ports->ports[port].sockets[MEDIA_SOCKET_RTCP(datagram->socket)];
    if (!s->used || !stun_client_is_open(&s->client) ||
        stun_message_decode(datagram->bytes, &message) != STUN_DECODED ||
        !stun_client_matches(&s->client, &message))
        return false;
    if (!addr_equal(&datagram->from, server_of(ports, s))) {
        ports->strays++;
        return true; /* RFC 8489 §6.3.3 asks for the right transaction only; we for its server too */
    }
    if (message.class != STUN_SUCCESS || message.method != STUN_BINDING ||
        !stun_read_mapped(&message, &seen) || !is_plausible(s, &seen)) {
        try_next_server(ports, now, s);
        return true;
    }
    close_client(ports, s);
    take_address(ports, now, s, &seen);
    return true;
}

void media_port_expire(struct media_ports *ports, struct tick now)
{
    struct timer *due;
    while ((due = timers_take_due(&ports->timers, now)))
        queue(ports, container_of(due, struct socket, timer));
}

struct tick media_port_deadline(const struct media_ports *ports)
{
    struct tick next = timers_deadline(&ports->timers);
    if (list_first(&ports->urgent))
        next = tick_min(next, ports->urgent_at);
    if (list_first(&ports->ready))
        next = tick_min(next, ports->ready_at);
    return next;
}

bool media_port_awaits(const struct media_ports *ports)
{
    return ports->awaited > 0;
}

/* The socket whose turn it is sends; false: its server had its time. */
static bool send(struct media_ports *ports, struct tick now, struct socket *s,
                 struct media_port_packet *out)
{
    const struct stun_client_options schedule = {.cap_ms = TRY_MS};
    struct writer w = writer_of(ports->bytes, sizeof ports->bytes);
    struct port *port = port_of(ports, s);
    if (!stun_client_is_open(&s->client)) {
        stun_client_start(&s->client, now, &ports->rng, &schedule);
        await(ports, s);
    }
    list_remove(&s->turn);
    enum stun_client_step step = stun_client_step(&s->client, now);
    if (step == STUN_CLIENT_TIMEOUT) {
        try_next_server(ports, now, s);
        return false;
    }
    timers_set(&ports->timers, &s->timer, stun_client_deadline(&s->client));
    if (step == STUN_CLIENT_WAIT)
        return false;
    stun_begin(&w, STUN_REQUEST, STUN_BINDING, &s->client.transaction);
    stun_finish(&w, false);
    ports->requests++;
    metric_add(METRIC_STUN_REQUESTS, 1);
    *out = (struct media_port_packet){
        .socket = MEDIA_SOCKET((uint32_t)(port - ports->ports), s == &port->sockets[1]),
        .to = *server_of(ports, s),
        .from =
            addr_is_unspecified(&s->bound) ? ports->network.source[family_of(s)] : (struct addr){0},
        .bytes = writer_done(&w),
    };
    return true;
}

/* A request of a socket that stands ready has left: the next may go at once as long as no second sees more than there
 * may be of all workers. The first calls after the start come before a steady pace would have looked at their ports. */
static void pace_ready(struct media_ports *ports, struct tick now)
{
    uint32_t workers = ports->options.workers > 0 ? ports->options.workers : 1;
    bool many = workers > MEDIA_PORT_IDLE_A_SECOND;
    uint32_t share = many ? 1 : MEDIA_PORT_IDLE_A_SECOND / workers;
    int64_t window_ms = many ? 1000 * (int64_t)workers / MEDIA_PORT_IDLE_A_SECOND : 1000;
    ports->idle_sent[ports->idle_count++ % share] = now;
    ports->ready_at = ports->idle_count < share
                          ? now
                          : tick_add_ms(ports->idle_sent[ports->idle_count % share], window_ms);
}

bool media_port_output(struct media_ports *ports, struct tick now, struct media_port_packet *out)
{
    struct list *link;
    while ((link = list_first(&ports->urgent)) && tick_due(ports->urgent_at, now)) {
        if (!send(ports, now, container_of(link, struct socket, turn), out))
            continue;
        /* Whoever drives us may look seldom: what was not used of the last moment is not lost. */
        ports->urgent_at =
            tick_add_ms(tick_before(ports->urgent_at, tick_add_ms(now, -LENT_SAVED_MS))
                            ? tick_add_ms(now, -LENT_SAVED_MS)
                            : ports->urgent_at,
                        LENT_GAP_MS);
        return true;
    }
    while ((link = list_first(&ports->ready)) && tick_due(ports->ready_at, now)) {
        if (!send(ports, now, container_of(link, struct socket, turn), out))
            continue;
        pace_ready(ports, now);
        return true;
    }
    return false;
}

bool media_port_news(struct media_ports *ports, struct media_port_news *out)
{
    struct list *link = list_first(&ports->news);
    if (!link)
        return false;
    struct port *port = container_of(link, struct port, news);
    const struct socket *rtp = &port->sockets[0], *rtcp = &port->sockets[1];
    *out = (struct media_port_news){
        .port = (uint32_t)(port - ports->ports),
        .generation = port->generation,
        .lent = rtp->lent,
        .asked = port->asked,
        .changed = port->changed,
        .seen = {rtp->seen, rtcp->used ? rtcp->seen : (struct addr){0}},
        .seen_at = rtp->seen_at,
    };
    if (rtcp->used && addr_is_set(&rtcp->seen))
        out->seen_at = tick_min(out->seen_at, rtcp->seen_at);
    port->changed = port->asked = false;
    list_remove(link);
    return true;
}

struct media_ports_status media_port_status(const struct media_ports *ports, struct tick now)
{
    return (struct media_ports_status){
        .sockets = ports->network.keep_mappings ? ports->used : 0,
        .seen = count_seen(ports, now),
        .requests = ports->requests,
        .failures = ports->failures,
        .strays = ports->strays,
    };
}

uint32_t media_port_bearable(const struct media_ports *ports, struct tick now)
{
    if (!ports->network.keep_mappings)
        return UINT32_MAX;
    int64_t shortest_ms = interval_ms(ports, 0);
    if (interval_ms(ports, 1) < shortest_ms)
        shortest_ms = interval_ms(ports, 1);
    /* Two sockets a port, and chance shortens by a fifth at most. */
    uint32_t most = (uint32_t)(shortest_ms * 8 / 10 * MEDIA_PORT_IDLE_A_SECOND / 1000 /
                               (2 * (int64_t)ports->options.workers));
    if (ports->borne && tick_before(now, ports->borne_until) && ports->borne / 2 < most)
        most = ports->borne / 2;
    return most;
}
