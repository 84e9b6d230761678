/* gateway: the state of a gateway's mappings.
 * Not here: messages.
 * RFC 6887, RFC 6886. */
#include "nat/gateway.h"

#include "base/rng.h"

#include <stdlib.h>
#include <string.h>

/* Finding out: PCP first (§9: a client that speaks both asks with PCP), a few quick tries, since a
 * gateway on the same link answers in milliseconds; then NAT-PMP's own schedule of 250 ms, doubled.
 * RFC 6887's 3 s hold once PCP has been heard. */
#define FIND_MS         250
#define FIND_TRIES      3
#define NATPMP_FIRST_MS 250
#define NATPMP_TRIES    9
#define PCP_IRT_MS      3000
#define PCP_MRT_MS      1024000
#define PCP_AT_ONCE     8
#define DELETE_TRIES    3
#define RENEW_LEAST_MS  4000  /* RFC 6887 §11.2.1 */
#define NATPMP_ERROR_MS 30000 /* RFC 6886 names none; PCP's "short lifetime" */

enum mapping_state {
    MAPPING_FREE,
    MAPPING_WANTED, /* being asked for, or about to be */
    MAPPING_HELD,
    MAPPING_REFUSED, /* asked again when the error's lifetime is over */
    MAPPING_DELETING,
};

struct mapping {
    enum mapping_state state;
    enum portmap_protocol protocol;
    uint16_t internal_port;
    uint8_t nonce[PORTMAP_NONCE_SIZE];
    struct addr external; /* the last that was given; suggested again */
    struct tick due;      /* the next request */
    struct tick expires;
    int64_t rt_ms; /* the wait after the last request */
    uint8_t tries; /* without an answer */
};

#define EVENTS (2 * GATEWAY_MAPPINGS)

struct gateway {
    struct gateway_options options;
    struct rng rng;
    enum gateway_speech speech;
    struct addr external;
    struct mapping mappings[GATEWAY_MAPPINGS];
    size_t count; /* places ever used */
    /* epoch (§8.5) */
    bool has_epoch;
    uint32_t epoch_s;
    struct tick epoch_at;
    /* NAT-PMP's address request, and its rule of one request at a time */
    struct tick address_due;
    int64_t address_rt_ms;
    uint8_t address_tries;
    struct gateway_event events[EVENTS];
    size_t first_event, event_count;
    uint8_t packet[64];
};

struct gateway *gateway_create(const struct gateway_options *options)
{
    struct gateway *g = calloc(1, sizeof *g);
    if (!g)
        return NULL;
    g->options = *options;
    g->address_due = TICK_NEVER;
    rng_init(&g->rng, options->seed);
    return g;
}

void gateway_destroy(struct gateway *g)
{
    free(g);
}

static void tell(struct gateway *g, const struct mapping *m, enum gateway_event_kind kind,
                 enum portmap_result result)
{
    if (g->event_count == EVENTS)
        return;
    struct gateway_event *e = &g->events[(g->first_event + g->event_count++) % EVENTS];
    *e = (struct gateway_event){.kind = kind, .result = result};
    if (m) {
        e->protocol = m->protocol;
        e->internal_port = m->internal_port;
        e->external = m->external;
    }
}

bool gateway_event(struct gateway *g, struct gateway_event *out)
{
    if (g->event_count == 0)
        return false;
    *out = g->events[g->first_event];
    g->first_event = (g->first_event + 1) % EVENTS;
    g->event_count--;
    return true;
}

static struct mapping *find(struct gateway *g, enum portmap_protocol protocol, uint16_t port)
{
    for (size_t i = 0; i < g->count; i++) {
        struct mapping *m = &g->mappings[i];
        if (m->state != MAPPING_FREE && m->protocol == protocol && m->internal_port == port)
            return m;
    }
    return NULL;
}

static void ask_now(struct mapping *m, struct tick now)
{
    m->state = MAPPING_WANTED;
    m->due = now;
    m->rt_ms = 0;
    m->tries = 0;
}

bool gateway_map(struct gateway *g, struct tick now, enum portmap_protocol protocol,
                 uint16_t internal_port)
{
    struct mapping *m = find(g, protocol, internal_port);
    if (m && m->state != MAPPING_DELETING)
        return false;
    for (size_t i = 0; !m && i < GATEWAY_MAPPINGS; i++) {
        if (g->mappings[i].state == MAPPING_FREE) {
            m = &g->mappings[i];
            g->count = i + 1 > g->count ? i + 1 : g->count;
        }
    }
    if (!m)
        return false;
    *m = (struct mapping){.protocol = protocol, .internal_port = internal_port};
    m->external.port = internal_port;
    rng_bytes(&g->rng, m->nonce, sizeof m->nonce);
    ask_now(m, now);
    if (g->speech == GATEWAY_MUTE)
        m->due = TICK_NEVER;
    return true;
}

/* One that was held before may stand, whatever became of asking again; nobody knows of one that was never asked for. */
static bool may_stand(const struct mapping *m)
{
    return m->expires.ns != 0 || m->tries > 0;
}

void gateway_unmap(struct gateway *g, struct tick now, enum portmap_protocol protocol,
                   uint16_t internal_port)
{
    struct mapping *m = find(g, protocol, internal_port);
    if (!m)
        return;
    if (!may_stand(m)) {
        m->state = MAPPING_FREE;
        return;
    }
    ask_now(m, now);
    m->state = MAPPING_DELETING;
}

void gateway_retry(struct gateway *g, struct tick now)
{
    g->speech = GATEWAY_UNKNOWN;
    g->has_epoch = false;
    g->external = (struct addr){0};
    g->address_due = TICK_NEVER;
    for (size_t i = 0; i < g->count; i++) {
        if (g->mappings[i].state != MAPPING_FREE && g->mappings[i].state != MAPPING_DELETING)
            ask_now(&g->mappings[i], now);
    }
}

/* ---- asking --------------------------------------------------------------------------------- */

static void speak_natpmp(struct gateway *g, struct tick now)
{
    g->speech = GATEWAY_NATPMP;
    g->address_due = now;
    g->address_rt_ms = 0;
    g->address_tries = 0;
    for (size_t i = 0; i < g->count; i++) {
        struct mapping *m = &g->mappings[i];
        if (m->state == MAPPING_WANTED || m->state == MAPPING_DELETING) {
            m->due = now;
            m->rt_ms = 0;
            m->tries = 0;
        }
    }
}

static void fall_silent(struct gateway *g)
{
    g->speech = GATEWAY_MUTE;
    g->address_due = TICK_NEVER;
    for (size_t i = 0; i < g->count; i++) {
        struct mapping *m = &g->mappings[i];
        if (m->state == MAPPING_DELETING)
            m->state = MAPPING_FREE;
        m->due = TICK_NEVER;
    }
    tell(g, NULL, GATEWAY_SILENT, PORTMAP_OK);
}

/* NAT-PMP knows no IPv6. */
static void speak_otherwise(struct gateway *g, struct tick now)
{
    if (g->options.internal.family == ADDR_V6)
        fall_silent(g);
    else
        speak_natpmp(g, now);
}

/* The wait after this request; RFC 6887 §8.1.1, RFC 6886 §3.1. */
static void schedule_again(struct gateway *g, struct mapping *m, struct tick now)
{
    m->tries++;
    if (m->state == MAPPING_HELD) {
        /* §11.2.1: half, three quarters, seven eighths of what is left to its end. */
        int64_t left = tick_diff_ms(m->expires, now), wait = left / 2;
        m->due = tick_add_ms(now, wait < RENEW_LEAST_MS ? RENEW_LEAST_MS : wait);
        return;
    }
    if (g->speech == GATEWAY_PCP) {
        int64_t base = m->rt_ms == 0 ? PCP_IRT_MS : 2 * m->rt_ms;
        base = base > PCP_MRT_MS ? PCP_MRT_MS : base;
        m->rt_ms = base * (900 + (int64_t)rng_below(&g->rng, 201)) / 1000; /* RAND: -0.1 to 0.1 */
    } else if (g->speech == GATEWAY_UNKNOWN) {
        m->rt_ms = FIND_MS;
    } else {
        m->rt_ms = m->rt_ms == 0 ? NATPMP_FIRST_MS : 2 * m->rt_ms;
    }
    m->due = tick_add_ms(now, m->rt_ms);
}

static void write_request(struct gateway *g, const struct mapping *m, struct view *out)
{
    struct writer w = writer_of(g->packet, sizeof g->packet);
    struct portmap_request request = {
        .protocol = m->protocol,
        .internal = addr_with_port(g->options.internal, m->internal_port),
        .suggested = m->external,
        .lifetime_s = m->state == MAPPING_DELETING ? 0 : GATEWAY_LIFETIME_S,
    };
    memcpy(request.nonce, m->nonce, sizeof request.nonce);
    if (g->speech == GATEWAY_NATPMP)
        portmap_natpmp_write(&w, &request);
    else
        portmap_pcp_write(&w, &request);
    *out = writer_done(&w);
}

/* A request whose tries are used up: what that means. */
static void give_up(struct gateway *g, struct mapping *m, struct tick now)
{
    if (m->state == MAPPING_DELETING && m->tries >= DELETE_TRIES)
        m->state = MAPPING_FREE;
    else if (g->speech == GATEWAY_UNKNOWN && m->tries >= FIND_TRIES)
        speak_otherwise(g, now);
    else if (g->speech == GATEWAY_NATPMP && !g->has_epoch && m->tries >= NATPMP_TRIES)
        fall_silent(g);
}

/* How many requests may be under way: NAT-PMP allows one (RFC 6886 §3.1), and one is enough to find
 * out what the gateway speaks. A burst of PCP requests overruns small gateways, whose lost answers
 * then cost three seconds each. */
static size_t most_under_way(const struct gateway *g)
{
    return g->speech == GATEWAY_PCP ? PCP_AT_ONCE : 1;
}

/* Others that were asked for, and are neither answered nor given up. */
static bool is_held_back(const struct gateway *g, const struct mapping *but)
{
    size_t under_way = 0;
    if (but->tries > 0 && g->speech != GATEWAY_NATPMP)
        return false; /* it is one of them */
    for (size_t i = 0; i < g->count; i++) {
        const struct mapping *m = &g->mappings[i];
        if (m != but && m->state != MAPPING_FREE && m->state != MAPPING_HELD && m->tries > 0 &&
            m->state != MAPPING_REFUSED && ++under_way >= most_under_way(g))
            return true;
    }
    return false;
}

static bool output_address(struct gateway *g, struct tick now, struct view *out)
{
    if (g->speech != GATEWAY_NATPMP || !tick_due(g->address_due, now))
        return false;
    if (g->address_tries >= NATPMP_TRIES) {
        g->address_due = TICK_NEVER;
        if (!g->has_epoch)
            fall_silent(g);
        return false;
    }
    struct writer w = writer_of(g->packet, sizeof g->packet);
    portmap_natpmp_write_address(&w);
    *out = writer_done(&w);
    g->address_tries++;
    g->address_rt_ms = g->address_rt_ms == 0 ? NATPMP_FIRST_MS : 2 * g->address_rt_ms;
    g->address_due = tick_add_ms(now, g->address_rt_ms);
    return true;
}

bool gateway_output(struct gateway *g, struct tick now, struct view *out)
{
    if (output_address(g, now, out))
        return true;
    /* All of these first: one that is given up may have held back another, which is due now. */
    for (size_t i = 0; i < g->count; i++) {
        struct mapping *m = &g->mappings[i];
        if (m->state != MAPPING_FREE && tick_due(m->due, now))
            give_up(g, m, now);
    }
    for (size_t i = 0; i < g->count; i++) {
        struct mapping *m = &g->mappings[i];
        if (m->state == MAPPING_FREE || !tick_due(m->due, now) || is_held_back(g, m))
            continue;
        if (m->state == MAPPING_REFUSED)
            ask_now(m, now);
        write_request(g, m, out);
        schedule_again(g, m, now);
        return true;
    }
    return false;
}

bool gateway_end(struct gateway *g, struct view *out)
{
    for (size_t i = 0; i < g->count; i++) {
        struct mapping *m = &g->mappings[i];
        bool is_asked = m->state != MAPPING_FREE && may_stand(m);
        m->state = MAPPING_DELETING;
        if (is_asked)
            write_request(g, m, out);
        m->state = MAPPING_FREE;
        if (is_asked)
            return true;
    }
    return false;
}

/* ---- answers -------------------------------------------------------------------------------- */

/* §8.5; RFC 6886 §3.6 has the same idea in other words (7/8 of our own time, less 2 s). */
static void take_epoch(struct gateway *g, struct tick now, uint32_t epoch_s)
{
    bool valid = true;
    if (g->has_epoch) {
        int64_t server = (int64_t)epoch_s - (int64_t)g->epoch_s;
        int64_t client = tick_diff_ms(now, g->epoch_at) / 1000;
        if (server < -1)
            valid = false;
        else if (client + 2 < server - server / 16 || server + 2 < client - client / 16)
            valid = false;
    }
    g->has_epoch = true;
    g->epoch_s = epoch_s;
    g->epoch_at = now;
    if (valid)
        return;
    tell(g, NULL, GATEWAY_RESTARTED, PORTMAP_OK);
    for (size_t i = 0; i < g->count; i++) {
        struct mapping *m = &g->mappings[i];
        if (m->state == MAPPING_HELD)
            m->due = now; /* §16.3.1: renewed promptly, with what it had as suggestion */
    }
}

static void take_refusal(struct gateway *g, struct mapping *m, struct tick now,
                         const struct portmap_response *r)
{
    int64_t pause = r->kind == PORTMAP_PCP_MAP ? (int64_t)r->lifetime_s * 1000 : NATPMP_ERROR_MS;
    bool was_held = m->state == MAPPING_HELD;
    m->state = MAPPING_REFUSED;
    m->tries = 0;
    m->due = tick_add_ms(now, pause < RENEW_LEAST_MS ? RENEW_LEAST_MS : pause);
    tell(g, m, was_held ? GATEWAY_LOST : GATEWAY_REFUSED, r->result);
}

static void take_mapping(struct gateway *g, struct mapping *m, struct tick now,
                         const struct portmap_response *r)
{
    int64_t life = (int64_t)r->lifetime_s * 1000;
    struct addr external = r->external;
    if (r->kind == PORTMAP_NATPMP_MAP)
        external = addr_with_port(g->external, r->external.port);
    else
        g->external = addr_with_port(external, 0);
    bool news = m->state != MAPPING_HELD || !addr_equal(&m->external, &external);
    m->state = MAPPING_HELD;
    m->tries = 0;
    m->external = external;
    m->expires = tick_add_ms(now, life);
    /* §11.2.1: between 1/2 and 5/8 of its life. */
    int64_t early = life / 2 + (int64_t)rng_below(&g->rng, (uint32_t)(life / 8 + 1));
    m->due = tick_add_ms(now, early < RENEW_LEAST_MS ? RENEW_LEAST_MS : early);
    /* NAT-PMP tells the port alone: until the address is known there is nothing to tell. */
    if (news && addr_is_set(&external))
        tell(g, m, GATEWAY_MAPPED, PORTMAP_OK);
}

static void take_address(struct gateway *g, const struct portmap_response *r)
{
    bool changed = !addr_equal_ip(&g->external, &r->external);
    g->external = r->external;
    g->address_due = TICK_NEVER;
    for (size_t i = 0; i < g->count && changed; i++) {
        struct mapping *m = &g->mappings[i];
        if (m->state != MAPPING_HELD)
            continue;
        m->external = addr_with_port(r->external, m->external.port);
        tell(g, m, GATEWAY_MAPPED, PORTMAP_OK);
    }
}

static bool take_map_response(struct gateway *g, struct tick now, const struct portmap_response *r)
{
    struct mapping *m = find(g, r->protocol, r->internal_port);
    /* §11.4: PCP's is matched by its nonce, too. */
    if (!m || (r->kind == PORTMAP_PCP_MAP && memcmp(m->nonce, r->nonce, sizeof m->nonce) != 0))
        return false;
    take_epoch(g, now, r->epoch_s);
    if (m->state == MAPPING_DELETING)
        m->state = MAPPING_FREE;
    else if (r->result != PORTMAP_OK)
        take_refusal(g, m, now, r);
    else if (r->lifetime_s > 0)
        take_mapping(g, m, now, r);
    return true;
}

bool gateway_input(struct gateway *g, struct tick now, struct view datagram)
{
    struct portmap_response r;
    if (!portmap_read(datagram, &r))
        return false;
    if (r.result == PORTMAP_OTHER_VERSION) {
        /* RFC 6887 §9: it does not speak PCP; RFC 6886 §3.5: it speaks version 0. */
        if (g->speech == GATEWAY_UNKNOWN)
            speak_otherwise(g, now);
        return true;
    }
    switch (r.kind) {
    case PORTMAP_PCP_MAP:
        if (!take_map_response(g, now, &r))
            return false;
        g->speech = GATEWAY_PCP;
        return true;
    case PORTMAP_NATPMP_MAP:
        return g->speech == GATEWAY_NATPMP && take_map_response(g, now, &r);
    case PORTMAP_PCP_ANNOUNCE:
        take_epoch(g, now, r.epoch_s);
        return true;
    case PORTMAP_NATPMP_ADDRESS:
        if (g->speech != GATEWAY_NATPMP)
            return false;
        take_epoch(g, now, r.epoch_s);
        if (r.result == PORTMAP_OK)
            take_address(g, &r);
        return true;
    }
    return false;
}

void gateway_expire(struct gateway *g, struct tick now)
{
    for (size_t i = 0; i < g->count; i++) {
        struct mapping *m = &g->mappings[i];
        if (m->state != MAPPING_HELD || !tick_due(m->expires, now))
            continue;
        tell(g, m, GATEWAY_LOST, PORTMAP_OK);
        ask_now(m, now);
    }
}

struct tick gateway_deadline(const struct gateway *g)
{
    struct tick first = g->address_due;
    for (size_t i = 0; i < g->count; i++) {
        const struct mapping *m = &g->mappings[i];
        if (m->state == MAPPING_FREE)
            continue;
        if (m->state == MAPPING_HELD)
            first = tick_min(first, m->expires);
        if (!is_held_back(g, m))
            first = tick_min(first, m->due);
    }
    return first;
}

struct gateway_status gateway_status(const struct gateway *g)
{
    struct gateway_status status = {.speech = g->speech, .external = g->external};
    for (size_t i = 0; i < g->count; i++) {
        status.wanted += g->mappings[i].state != MAPPING_FREE;
        status.mapped += g->mappings[i].state == MAPPING_HELD;
    }
    return status;
}
