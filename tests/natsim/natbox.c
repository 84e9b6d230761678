/* natbox: the mappings of one NAT.
 * Not here: what is between NATs.
 * RFC 4787. */
#include "natsim/natbox.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_PORT = 1024, PORTS = 64512, TRIES = 1000 };

void natbox_init(struct natbox *box, const struct natbox_options *options, uint64_t seed)
{
    *box = (struct natbox){.options = *options};
    rng_init_number(&box->rng, seed);
    if (box->options.pool == 0)
        box->options.pool = 1;
    box->next_port = (uint16_t)(20000 + rng_below(&box->rng, 20000));
}

void natbox_finish(struct natbox *box)
{
    free(box->mappings);
    box->mappings = NULL;
}

void natbox_reboot(struct natbox *box)
{
    box->count = 0;
    box->next_port = (uint16_t)(20000 + rng_below(&box->rng, 20000));
}

/* The last 16 bits, in which the addresses of a pool differ. */
static uint32_t low_bits(const struct addr *a)
{
    size_t last = a->family == ADDR_V4 ? 3 : 15;
    return (uint32_t)a->ip[last - 1] << 8 | a->ip[last];
}

bool natbox_owns(const struct natbox *box, const struct addr *to)
{
    struct addr first = box->options.external;
    if (box->options.firewall || to->family != first.family)
        return false;
    size_t last = first.family == ADDR_V4 ? 3 : 15;
    return memcmp(to->ip, first.ip, last - 1) == 0 && low_bits(to) >= low_bits(&first) &&
           low_bits(to) < low_bits(&first) + box->options.pool;
}

static bool is_alive(const struct natbox_mapping *m, struct tick now)
{
    return tick_before(now, m->expires);
}

static struct addr key_of(enum natbox_dependence dependence, const struct addr *remote)
{
    if (dependence == NATBOX_INDEPENDENT)
        return (struct addr){0};
    return dependence == NATBOX_ADDRESS ? addr_with_port(*remote, 0) : *remote;
}

static int64_t lifetime(const struct natbox *box, bool answered)
{
    return answered ? box->options.established_ms : box->options.initial_ms;
}

static struct addr pool_address(struct natbox *box, const struct addr *internal)
{
    struct addr a = addr_with_port(box->options.external, 0);
    uint32_t at = 0;
    if (box->options.arbitrary && box->options.rotates) {
        at = box->next_address++ % box->options.pool;
    } else if (box->options.arbitrary) {
        at = rng_below(&box->rng, box->options.pool);
    } else { /* paired: an internal address keeps its external one */
        at = low_bits(internal);
        at %= box->options.pool;
    }
    size_t last = a.family == ADDR_V4 ? 3 : 15;
    at += low_bits(&a);
    a.ip[last - 1] = (uint8_t)(at >> 8);
    a.ip[last] = (uint8_t)at;
    return a;
}

static bool is_clashing(const struct natbox *box, struct tick now, const struct addr *external,
                        const struct addr *remote)
{
    for (size_t i = 0; i < NATBOX_UNINVITED && box->options.clashes; i++) {
        if (tick_before(now, box->uninvited[i].expires) &&
            addr_equal(&box->uninvited[i].remote, remote) &&
            addr_equal(&box->uninvited_at[i], external))
            return true;
    }
    return false;
}

static bool is_taken(const struct natbox *box, struct tick now, const struct addr *external,
                     const struct addr *remote)
{
    if (is_clashing(box, now, external, remote))
        return true;
    for (size_t i = 0; i < box->count; i++) {
        const struct natbox_mapping *m = &box->mappings[i];
        if (!is_alive(m, now) || !addr_equal(&m->external, external))
            continue;
        if (box->options.ports != NATBOX_OVERLOADED || m->forwarded)
            return true;
        for (size_t s = 0; s < m->session_count; s++) {
            if (addr_equal(&m->sessions[s].remote, remote))
                return true; /* two flows could not be told apart */
        }
    }
    return false;
}

static uint16_t any_port(struct natbox *box)
{
    return (uint16_t)(FIRST_PORT + rng_below(&box->rng, PORTS));
}

static uint16_t port_of_block(struct natbox *box, const struct addr *internal)
{
    uint32_t size = box->options.quota ? (uint32_t)box->options.quota : 256, at = 0;
    for (size_t i = 0; i < sizeof internal->ip; i++)
        at = at * 31 + internal->ip[i];
    return (uint16_t)(FIRST_PORT + at % (PORTS / size) * size + rng_below(&box->rng, size));
}

/* The first candidate by the box's manner, then others until one is free. Unset: none is. */
static struct addr assign(struct natbox *box, struct tick now, const struct addr *internal,
                          const struct addr *remote)
{
    struct addr external = pool_address(box, internal);
    for (int try = 0; try < TRIES; try++) {
        switch (box->options.ports) {
        case NATBOX_KEPT:
        case NATBOX_OVERLOADED:
            external.port = try == 0 ? internal->port : any_port(box);
            break;
        case NATBOX_SHIFTED:
            external.port =
                try == 0 ? (uint16_t)(internal->port + box->options.step) : any_port(box);
            break;
        case NATBOX_PARITY:
            external.port = (uint16_t)((any_port(box) & ~1u) | (internal->port & 1u));
            break;
        case NATBOX_SEQUENTIAL:
            external.port = box->next_port;
            box->next_port =
                (uint16_t)(box->next_port + (box->options.step ? box->options.step : 1));
            if (box->next_port < FIRST_PORT)
                box->next_port = FIRST_PORT;
            break;
        case NATBOX_RANDOM:
            external.port = any_port(box);
            break;
        case NATBOX_BLOCK:
            external.port = port_of_block(box, internal);
            break;
        }
        if (!is_taken(box, now, &external, remote))
            return external;
    }
    return (struct addr){0};
}

static struct natbox_session *session_find(struct natbox_mapping *m, const struct addr *remote)
{
    for (size_t i = 0; i < m->session_count; i++) {
        if (addr_equal(&m->sessions[i].remote, remote))
            return &m->sessions[i];
    }
    return NULL;
}

/* Does what a forwarded port sends leave by its forwarded mapping? A bare forward's answers do. */
static bool speaks_for(const struct natbox *box, struct natbox_mapping *m,
                       const struct addr *remote)
{
    return !box->options.bare_forwards || session_find(m, remote);
}

static struct natbox_mapping *place_for(struct natbox *box, struct tick now)
{
    size_t place = 0;
    while (place < box->count && is_alive(&box->mappings[place], now))
        place++;
    if (place == box->count && box->count++ == box->room) {
        box->room = box->room ? 2 * box->room : 16;
        box->mappings = realloc(box->mappings, box->room * sizeof *box->mappings);
        assert(box->mappings);
    }
    return &box->mappings[place];
}

/* A forwarded port goes before others, but who talks with its socket through another mapping already
 * is answered from where he was heard last. */
static struct natbox_mapping *mapping_find(struct natbox *box, struct tick now,
                                           const struct addr *internal, const struct addr *remote)
{
    struct addr key = key_of(box->options.mapping, remote);
    struct natbox_mapping *found = NULL, *talks = NULL;
    struct tick heard = {-1};
    for (size_t i = 0; i < box->count; i++) {
        struct natbox_mapping *m = &box->mappings[i];
        if (!is_alive(m, now) || !addr_equal(&m->internal, internal) ||
            !(m->forwarded ? speaks_for(box, m, remote) : addr_equal(&m->key, &key)))
            continue;
        struct natbox_session *s = session_find(m, remote);
        if (s && tick_before(now, s->expires) && tick_before(heard, s->heard)) {
            talks = m;
            heard = s->heard;
        }
        found = m->forwarded || !found ? m : found;
    }
    return talks ? talks : found;
}

static struct natbox_mapping *mapping_for(struct natbox *box, struct tick now,
                                          const struct addr *internal, const struct addr *remote)
{
    struct natbox_mapping *m = mapping_find(box, now, internal, remote);
    size_t alive = 0;
    if (m)
        return m;
    for (size_t i = 0; i < box->count; i++)
        alive +=
            is_alive(&box->mappings[i], now) && addr_equal_ip(&box->mappings[i].internal, internal);
    struct addr external = {0};
    if (box->options.firewall)
        external = *internal;
    else if (!box->options.quota || alive < box->options.quota)
        external = assign(box, now, internal, remote);
    if (!addr_is_set(&external)) {
        box->dropped_quota++;
        return NULL;
    }
    m = place_for(box, now);
    *m = (struct natbox_mapping){
        .internal = *internal, .external = external, .key = key_of(box->options.mapping, remote)};
    return m;
}

/* The one there is, a new one, or the oldest one's place. */
static struct natbox_session *session_make(struct natbox_mapping *m, const struct addr *remote)
{
    struct natbox_session *s = session_find(m, remote);
    if (s)
        return s;
    if (m->session_count < NATBOX_SESSIONS) {
        s = &m->sessions[m->session_count++];
    } else {
        s = m->sessions;
        for (size_t i = 1; i < NATBOX_SESSIONS; i++)
            s = tick_before(m->sessions[i].expires, s->expires) ? &m->sessions[i] : s;
    }
    *s = (struct natbox_session){.remote = *remote};
    return s;
}

static void refresh(struct natbox *box, struct tick now, struct natbox_mapping *m,
                    struct natbox_session *s)
{
    struct tick of_session = tick_add_ms(now, lifetime(box, s->answered));
    struct tick of_mapping = tick_add_ms(now, lifetime(box, m->answered));
    s->expires = of_session;
    if (!m->forwarded && tick_before(m->expires, of_mapping))
        m->expires = of_mapping;
}

static bool may_leave(const struct natbox_options *o, const struct addr *to)
{
    switch (o->policy) {
    case NATBOX_ALL:
        return true;
    case NATBOX_TCP_ONLY:
        return o->protocol == NATBOX_TCP;
    case NATBOX_443_ONLY:
        return o->protocol == NATBOX_TCP && to->port == 443;
    case NATBOX_NOTHING:
        break;
    }
    return false;
}

bool natbox_out(struct natbox *box, struct tick now, struct addr *from, const struct addr *to)
{
    if (!may_leave(&box->options, to)) {
        box->dropped_filter++;
        return false;
    }
    if (addr_equal_ip(&box->options.one_to_one, from)) {
        *from = addr_with_port(box->options.external, from->port);
        return true;
    }
    struct natbox_mapping *m = mapping_for(box, now, from, to);
    if (!m)
        return false;
    struct natbox_session *s = session_make(m, to);
    if (!tick_before(now, s->expires))
        s->answered = false; /* it had ended: a new one begins */
    refresh(box, now, m, s);
    *from = m->external;
    return true;
}

static bool matches(enum natbox_dependence filtering, const struct addr *known,
                    const struct addr *from)
{
    switch (filtering) {
    case NATBOX_INDEPENDENT:
        return true;
    case NATBOX_ADDRESS:
        return addr_equal_ip(known, from);
    case NATBOX_ADDRESS_PORT:
        return addr_equal(known, from);
    }
    return false;
}

static bool has_addressed(const struct natbox *box, struct tick now, const struct natbox_mapping *m,
                          const struct addr *from)
{
    for (size_t i = 0; i < m->session_count; i++) {
        if (tick_before(now, m->sessions[i].expires) &&
            matches(box->options.filtering, &m->sessions[i].remote, from))
            return true;
    }
    return false;
}

/* §5: may from send to this mapping? */
static bool passes(const struct natbox *box, struct tick now, const struct natbox_mapping *m,
                   const struct addr *from)
{
    if (m->forwarded)
        return true;
    if (box->options.filtering == NATBOX_INDEPENDENT && box->options.policy == NATBOX_ALL)
        return true;
    if (has_addressed(box, now, m, from))
        return true;
    for (size_t i = 0; i < box->count && box->options.scope == NATBOX_PER_ENDPOINT; i++) {
        const struct natbox_mapping *other = &box->mappings[i];
        if (is_alive(other, now) && addr_equal(&other->internal, &m->internal) &&
            has_addressed(box, now, other, from))
            return true;
    }
    return false;
}

bool natbox_in(struct natbox *box, struct tick now, const struct addr *from, struct addr *to)
{
    struct natbox_mapping *found = NULL;
    if (addr_is_set(&box->options.one_to_one) && addr_equal_ip(&box->options.external, to)) {
        *to = addr_with_port(box->options.one_to_one, to->port);
        return true;
    }
    for (size_t i = 0; i < box->count; i++) {
        struct natbox_mapping *m = &box->mappings[i];
        if (!is_alive(m, now) || !addr_equal(&m->external, to) || !passes(box, now, m, from))
            continue;
        /* Of overloaded ones, the one that talks with this remote end. */
        if (!found || session_find(m, from))
            found = m;
    }
    if (!found) {
        size_t at = box->uninvited_next++ % NATBOX_UNINVITED;
        box->uninvited[at] = (struct natbox_session){
            .remote = *from, .expires = tick_add_ms(now, box->options.initial_ms)};
        box->uninvited_at[at] = *to;
        box->dropped_filter++;
        return false;
    }
    struct natbox_session *s =
        found->forwarded ? session_make(found, from) : session_find(found, from);
    /* The second stage begins with the first answer, counted from then. */
    if (box->options.inbound_refreshes || !found->answered) {
        found->answered = true;
        if (!found->forwarded)
            found->expires = tick_add_ms(now, lifetime(box, true));
    }
    if (s)
        s->heard = now;
    if (s && (box->options.inbound_refreshes || !s->answered)) {
        s->answered = true;
        s->expires = tick_add_ms(now, lifetime(box, true));
    }
    *to = found->internal;
    return true;
}

void natbox_unforward(struct natbox *box, const struct addr *external)
{
    for (size_t i = 0; i < box->count; i++) {
        struct natbox_mapping *m = &box->mappings[i];
        if (m->forwarded && addr_equal(&m->external, external))
            *m = (struct natbox_mapping){0};
    }
}

void natbox_forward(struct natbox *box, struct addr internal, struct addr external,
                    struct tick expires)
{
    for (size_t i = 0; i < box->count; i++) { /* what used the port by chance uses it no more */
        if (addr_equal(&box->mappings[i].external, &external) &&
            (box->mappings[i].forwarded || !addr_equal(&box->mappings[i].internal, &internal)))
            box->mappings[i] = (struct natbox_mapping){0};
    }
    *place_for(box, (struct tick){0}) = (struct natbox_mapping){
        .internal = internal, .external = external, .expires = expires, .forwarded = true};
}

bool natbox_find(const struct natbox *box, struct tick now, const struct addr *internal,
                 struct addr *external)
{
    bool has_one = box->options.mapping == NATBOX_INDEPENDENT && !box->options.bare_forwards;
    const struct natbox_mapping *found = NULL;
    for (size_t i = 0; i < box->count; i++) {
        const struct natbox_mapping *m = &box->mappings[i];
        if (is_alive(m, now) && addr_equal(&m->internal, internal) && (m->forwarded || has_one))
            found = found && found->forwarded ? found : m;
    }
    if (found)
        *external = found->external;
    return found;
}
