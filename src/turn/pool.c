/* pool: slots of allocations, their stock, and servers that come and go.
 * Not here: the protocol (allocation.c).
 * nat.md 5.4. */
#include "turn/pool.h"

#include <stdlib.h>
#include <string.h>

#define REQUEST_CAP_MS 3000 /* dead servers are to be noticed while a warm one is at hand */
#define DOWN_FIRST_MS  5000
#define DOWN_MOST_MS   60000
/* nat.md 5.5: idle ways to the server are kept open, and it is seen whether it lives. */
#define PROBE_MS       25000
#define PROBE_CAP_MS   2000
#define PROBES_MISSED  2
#define ALTERNATE_HOPS 2
#define EVENTS         256 /* every slot lost, closed and told of */

enum slot_state {
    SLOT_FREE,
    SLOT_MAKING,
    SLOT_READY, /* has served nobody */
    SLOT_LENT,
    SLOT_RESERVED, /* for its SRC */
    SLOT_CLOSING,
};

struct slot {
    enum slot_state state;
    uint8_t server;
    uint64_t src;     /* 0: none yet */
    struct tick free; /* SLOT_RESERVED: since then */
    struct addr to;   /* the server, where it was found */
    struct stun_client probe;
    struct tick probe_at;
    uint8_t missed;
    struct turn_allocation *allocation;
};

struct server {
    struct addr address; /* after ALTERNATE-SERVER */
    char username[TURN_POOL_CREDENTIAL], password[TURN_POOL_CREDENTIAL];
    bool stream;
    bool is_down; /* nothing new is made there until `again`; */
    bool is_dead; /* and what is there is of no use: it does not answer */
    bool told_down;
    bool is_simple; /* does not do both families at once */
    uint8_t hops, mismatches;
    int32_t pause_ms;
    struct tick again; /* while it is down */
};

struct turn_pool {
    struct turn_pool_options options;
    struct rng rng;
    struct server servers[TURN_POOL_SERVERS];
    struct slot slots[TURN_POOL_SLOTS];
    bool drains;
    uint64_t refused;
    struct turn_pool_event events[EVENTS];
    size_t event_first, event_count;
    uint8_t packet[64];
};

static void tell(struct turn_pool *pool, struct turn_pool_event event)
{
    if (pool->event_count < EVENTS)
        pool->events[(pool->event_first + pool->event_count++) % EVENTS] = event;
}

bool turn_pool_event(struct turn_pool *pool, struct turn_pool_event *out)
{
    if (pool->event_count == 0)
        return false;
    *out = pool->events[pool->event_first];
    pool->event_first = (pool->event_first + 1) % EVENTS;
    pool->event_count--;
    return true;
}

bool turn_pool_set_credentials(struct turn_pool *pool, size_t server, struct view username,
                               struct view password)
{
    if (server >= pool->options.server_count || username.len >= TURN_POOL_CREDENTIAL ||
        password.len >= TURN_POOL_CREDENTIAL)
        return false;
    struct server *s = &pool->servers[server];
    (void)view_copy(username, s->username, sizeof s->username);
    (void)view_copy(password, s->password, sizeof s->password);
    return true;
}

struct turn_pool *turn_pool_create(const struct turn_pool_options *options)
{
    struct turn_pool *pool = calloc(1, sizeof *pool);
    if (!pool)
        return NULL;
    pool->options = *options;
    rng_init(&pool->rng, options->seed);
    for (size_t i = 0; i < options->server_count; i++) {
        const struct turn_pool_server *from = &options->servers[i];
        pool->servers[i] = (struct server){
            .address = from->address, .stream = from->stream, .pause_ms = DOWN_FIRST_MS};
        if (!turn_pool_set_credentials(pool, i, from->username, from->password)) {
            turn_pool_destroy(pool);
            return NULL;
        }
    }
    return pool;
}

void turn_pool_destroy(struct turn_pool *pool)
{
    for (size_t i = 0; pool && i < TURN_POOL_SLOTS; i++)
        turn_destroy(pool->slots[i].allocation);
    free(pool);
}

void turn_pool_set_ready(struct turn_pool *pool, uint8_t ready)
{
    pool->options.ready = ready;
}

struct turn_allocation *turn_pool_allocation(struct turn_pool *pool, uint32_t slot)
{
    return slot < TURN_POOL_SLOTS ? pool->slots[slot].allocation : NULL;
}

/* ---- servers ------------------------------------------------------------------------------------------------- */

/* The best that is not down; server_count: none. after: the next best beyond it. */
static size_t server_from(const struct turn_pool *pool, size_t from)
{
    while (from < pool->options.server_count && pool->servers[from].is_down)
        from++;
    return from;
}

static void server_down(struct turn_pool *pool, struct tick now, size_t at, int32_t pause_ms,
                        uint16_t code)
{
    struct server *s = &pool->servers[at];
    if (!s->told_down)
        tell(pool,
             (struct turn_pool_event){.kind = TURN_POOL_SERVER_DOWN, .server = at, .code = code});
    s->is_down = s->told_down = true;
    s->is_dead |= code == 0;
    s->again = tick_add_ms(now, pause_ms);
    s->address = pool->options.servers[at].address;
    s->hops = s->mismatches = 0;
}

static void server_works(struct turn_pool *pool, size_t at)
{
    struct server *s = &pool->servers[at];
    if (s->told_down)
        tell(pool, (struct turn_pool_event){.kind = TURN_POOL_SERVER_UP, .server = at});
    s->told_down = s->is_dead = false;
    s->pause_ms = DOWN_FIRST_MS;
    s->mismatches = 0;
}

/* Where the server sends us: not into our own network from outside of it, not for ever (nat.md 5.4). */
static bool may_follow(const struct server *s, const struct addr *to)
{
    return s->hops < ALTERNATE_HOPS && addr_is_set(to) && to->port != 0 &&
           to->family == s->address.family && !addr_is_unspecified(to) && !addr_is_multicast(to) &&
           addr_is_loopback(to) == addr_is_loopback(&s->address) &&
           (!addr_is_private(to) || addr_is_private(&s->address)) && !addr_is_link_local(to);
}

/* What a lost allocation says of its server; the stock is filled again after that (nat.md 5.6 step 6). */
static void judge_server(struct turn_pool *pool, struct tick now, size_t at,
                         const struct turn_event *e)
{
    struct server *s = &pool->servers[at];
    switch (e->action) {
    case TURN_ALTERNATE:
        if (may_follow(s, &e->alternate)) {
            s->address = e->alternate;
            s->hops++;
        } else {
            server_down(pool, now, at, TURN_PAUSE_MS, e->code);
        }
        return;
    case TURN_NEW_SOCKET: /* §7.4: not for ever from one client */
        if (++s->mismatches >= TURN_MISMATCH_TRIES)
            server_down(pool, now, at, TURN_MISMATCH_PAUSE_MS, e->code);
        return;
    case TURN_SIMPLER:
        if (s->is_simple)
            server_down(pool, now, at, TURN_PAUSE_MS, e->code);
        s->is_simple = true;
        return;
    case TURN_GONE: /* it has forgotten this one (437); without a code, it answers no more */
        if (e->code != 0)
            return;
        break;
    default:
        break;
    }
    if (e->code != 0) {
        server_down(pool, now, at, TURN_PAUSE_MS, e->code);
        return;
    }
    server_down(pool, now, at, s->pause_ms, 0);
    s->pause_ms = 2 * s->pause_ms > DOWN_MOST_MS ? DOWN_MOST_MS : 2 * s->pause_ms;
}

/* ---- slots --------------------------------------------------------------------------------------------------- */

static size_t count_of(const struct turn_pool *pool, enum slot_state state, size_t server)
{
    size_t n = 0;
    for (size_t i = 0; i < TURN_POOL_SLOTS; i++)
        n += pool->slots[i].state == state &&
             (server == TURN_POOL_SERVERS || pool->slots[i].server == server);
    return n;
}

static void free_slot(struct turn_pool *pool, uint32_t at)
{
    struct slot *slot = &pool->slots[at];
    tell(pool, (struct turn_pool_event){.kind = TURN_POOL_CLOSED, .slot = at, .src = slot->src});
    turn_destroy(slot->allocation);
    *slot = (struct slot){.state = SLOT_FREE};
}

static void close_slot(struct slot *slot, struct tick now)
{
    slot->state = SLOT_CLOSING;
    turn_close(slot->allocation, now);
}

static bool make(struct turn_pool *pool, struct tick now, size_t server)
{
    const struct server *s = &pool->servers[server];
    struct turn_options options = {
        .username = view_of_string(s->username),
        .password = view_of_string(s->password),
        .stream = s->stream,
        .want_v4 = pool->options.want_v4,
        .want_v6 = pool->options.want_v6 && !(s->is_simple && pool->options.want_v4),
        .request_cap_ms = REQUEST_CAP_MS,
    };
    for (size_t i = 0; i < TURN_POOL_SLOTS; i++) {
        struct slot *slot = &pool->slots[i];
        if (slot->state != SLOT_FREE)
            continue;
        rng_bytes(&pool->rng, options.seed, sizeof options.seed);
        struct turn_allocation *allocation = turn_create(&options);
        if (!allocation)
            return false;
        *slot = (struct slot){.state = SLOT_MAKING,
                              .server = (uint8_t)server,
                              .to = s->address,
                              .probe = {.next = TICK_NEVER},
                              .probe_at = TICK_NEVER,
                              .allocation = allocation};
        turn_start(allocation, now);
        return true;
    }
    return false;
}

/* Fills one server's stock of those that served nobody. */
static void fill(struct turn_pool *pool, struct tick now, size_t server, size_t want)
{
    size_t making = count_of(pool, SLOT_MAKING, TURN_POOL_SERVERS);
    size_t have = count_of(pool, SLOT_READY, server) + count_of(pool, SLOT_MAKING, server);
    while (have < want && making < TURN_POOL_MAKING && make(pool, now, server)) {
        have++;
        making++;
    }
}

static void restock(struct turn_pool *pool, struct tick now)
{
    size_t first = server_from(pool, 0);
    if (pool->drains || first == pool->options.server_count)
        return;
    size_t second = server_from(pool, first + 1);
    fill(pool, now, first, pool->options.ready);
    if (second < pool->options.server_count)
        fill(pool, now, second, pool->options.warm);
}

/* Reserved ones that nobody came for, and those beyond what stands ready: the longest unused first. */
static void trim(struct turn_pool *pool, struct tick now)
{
    size_t reserved = count_of(pool, SLOT_RESERVED, TURN_POOL_SERVERS);
    for (;;) {
        struct slot *oldest = NULL;
        for (size_t i = 0; i < TURN_POOL_SLOTS; i++) {
            struct slot *slot = &pool->slots[i];
            if (slot->state == SLOT_RESERVED && (!oldest || tick_before(slot->free, oldest->free)))
                oldest = slot;
        }
        if (!oldest || (reserved <= TURN_POOL_SLOTS / 2 && !pool->drains &&
                        !tick_due(tick_add_ms(oldest->free, TURN_POOL_KEEP_MS), now)))
            return;
        close_slot(oldest, now);
        reserved--;
    }
}

void turn_pool_drain(struct turn_pool *pool, struct tick now)
{
    pool->drains = true;
    for (uint32_t i = 0; i < TURN_POOL_SLOTS; i++) {
        if (pool->slots[i].state == SLOT_READY)
            close_slot(&pool->slots[i], now);
        else if (pool->slots[i].state == SLOT_MAKING)
            free_slot(pool, i);
    }
    trim(pool, now);
}

/* ---- lending --------------------------------------------------------------------------------------------------- */

static bool is_better(const struct slot *a, const struct slot *b)
{
    return !b || a->server < b->server;
}

bool turn_pool_lend(struct turn_pool *pool, struct tick now, uint64_t src, uint32_t *slot)
{
    struct slot *own = NULL, *fresh = NULL;
    for (size_t i = 0; i < TURN_POOL_SLOTS; i++) {
        struct slot *s = &pool->slots[i];
        bool is_dead = pool->servers[s->server].is_dead;
        if (s->state == SLOT_RESERVED && s->src == src && !is_dead &&
            tick_due(tick_add_ms(s->free, TURN_POOL_REST_MS), now) && is_better(s, own))
            own = s;
        if (s->state == SLOT_READY && !is_dead && is_better(s, fresh))
            fresh = s;
    }
    struct slot *found = own ? own : fresh;
    if (!found) {
        pool->refused++;
        return false;
    }
    found->state = SLOT_LENT;
    found->src = src;
    *slot = (uint32_t)(found - pool->slots);
    restock(pool, now);
    return true;
}

void turn_pool_give_back(struct turn_pool *pool, struct tick now, uint32_t slot)
{
    if (slot >= TURN_POOL_SLOTS || pool->slots[slot].state != SLOT_LENT)
        return;
    pool->slots[slot].state = SLOT_RESERVED;
    pool->slots[slot].free = now;
    trim(pool, now);
}

/* ---- the verbs --------------------------------------------------------------------------------------------------- */

static void slot_lost(struct turn_pool *pool, struct tick now, uint32_t at,
                      const struct turn_event *e)
{
    struct slot *slot = &pool->slots[at];
    if (slot->state == SLOT_LENT)
        tell(pool, (struct turn_pool_event){.kind = TURN_POOL_LOST,
                                            .slot = at,
                                            .server = slot->server,
                                            .src = slot->src,
                                            .code = e->code});
    size_t server = slot->server;
    bool was_closing = slot->state == SLOT_CLOSING;
    free_slot(pool, at);
    if (!was_closing)
        judge_server(pool, now, server, e);
}

static void plan_probe(struct turn_pool *pool, struct tick now, struct slot *slot)
{
    slot->probe_at =
        tick_add_ms(now, PROBE_MS * (800 + (int64_t)rng_below(&pool->rng, 201)) / 1000);
    slot->missed = 0;
}

/* Takes what an allocation has to tell. */
static void listen(struct turn_pool *pool, struct tick now, uint32_t at)
{
    struct slot *slot = &pool->slots[at];
    struct turn_event e;
    while (slot->allocation && turn_event(slot->allocation, &e)) {
        struct turn_pool_event told = {
            .slot = at, .server = slot->server, .src = slot->src, .code = e.code, .peer = e.peer};
        switch (e.kind) {
        case TURN_ALLOCATED:
            slot->state = SLOT_READY;
            plan_probe(pool, now, slot);
            server_works(pool, slot->server);
            told.kind = TURN_POOL_READY;
            tell(pool, told);
            break;
        case TURN_PERMITTED:
        case TURN_DENIED:
            told.kind = e.kind == TURN_DENIED ? TURN_POOL_DENIED : TURN_POOL_PERMITTED;
            tell(pool, told);
            break;
        case TURN_LOST:
            slot_lost(pool, now, at, &e);
            break;
        case TURN_CLOSED:
            free_slot(pool, at);
            break;
        case TURN_BOUND:
        case TURN_MOVED_OVER:
            break;
        }
    }
}

/* The answer to a probe. Seen from another address than before: a NAT has moved us, and the server knows our 5-tuple no
 * more (nat.md 5.13). */
static bool take_probe(struct turn_pool *pool, struct tick now, uint32_t at, struct view datagram)
{
    struct slot *slot = &pool->slots[at];
    struct stun_message m;
    struct addr mapped, before = turn_status(slot->allocation).mapped;
    if (!stun_client_is_open(&slot->probe) || stun_message_decode(datagram, &m) != STUN_DECODED ||
        !stun_client_matches(&slot->probe, &m))
        return false;
    stun_client_stop(&slot->probe);
    plan_probe(pool, now, slot);
    if (stun_read_mapped(&m, &mapped) && addr_is_set(&before) && !addr_equal(&mapped, &before)) {
        slot_lost(pool, now, at, &(struct turn_event){.action = TURN_GONE, .code = 437});
        restock(pool, now);
    }
    return true;
}

/* True when one is to be sent. */
static bool step_probe(struct turn_pool *pool, struct tick now, uint32_t at)
{
    struct slot *slot = &pool->slots[at];
    const struct stun_client_options schedule = {.cap_ms = PROBE_CAP_MS};
    if (tick_due(slot->probe_at, now)) {
        slot->probe_at = TICK_NEVER;
        stun_client_start(&slot->probe, now, &pool->rng, &schedule);
    }
    switch (stun_client_step(&slot->probe, now)) {
    case STUN_CLIENT_SEND:
        return true;
    case STUN_CLIENT_WAIT:
        return false;
    case STUN_CLIENT_TIMEOUT:
        break;
    }
    if (++slot->missed < PROBES_MISSED) {
        stun_client_start(&slot->probe, now, &pool->rng, &schedule);
        return stun_client_step(&slot->probe, now) == STUN_CLIENT_SEND;
    }
    slot_lost(pool, now, at, &(struct turn_event){.action = TURN_WAIT_SERVER});
    restock(pool, now);
    return false;
}

struct turn_input turn_pool_input(struct turn_pool *pool, struct tick now, uint32_t slot,
                                  struct view datagram)
{
    struct turn_allocation *t = turn_pool_allocation(pool, slot);
    if (!t)
        return (struct turn_input){.kind = TURN_INPUT_NONE};
    if (take_probe(pool, now, slot, datagram))
        return (struct turn_input){.kind = TURN_INPUT_TAKEN};
    struct turn_input in = turn_input(t, now, datagram);
    if (in.kind == TURN_INPUT_TAKEN) {
        listen(pool, now, slot);
        restock(pool, now);
    }
    return in;
}

void turn_pool_lost_socket(struct turn_pool *pool, struct tick now, uint32_t slot)
{
    /* A connection that ends tells as much of its server as an answer that does not come. */
    if (turn_pool_allocation(pool, slot))
        slot_lost(pool, now, slot, &(struct turn_event){.action = TURN_WAIT_SERVER});
    restock(pool, now);
}

void turn_pool_expire(struct turn_pool *pool, struct tick now)
{
    for (uint32_t i = 0; i < TURN_POOL_SLOTS; i++) {
        if (!pool->slots[i].allocation)
            continue;
        turn_expire(pool->slots[i].allocation, now);
        listen(pool, now, i);
    }
    for (size_t i = 0; i < pool->options.server_count; i++) {
        if (pool->servers[i].is_down && tick_due(pool->servers[i].again, now))
            pool->servers[i].is_down = pool->servers[i].is_dead =
                false; /* its next allocation tells whether it is up */
    }
    trim(pool, now);
    restock(pool, now);
}

struct tick turn_pool_deadline(const struct turn_pool *pool)
{
    struct tick first = TICK_NEVER;
    for (size_t i = 0; i < TURN_POOL_SLOTS; i++) {
        const struct slot *slot = &pool->slots[i];
        if (slot->allocation) {
            first = tick_min(first, turn_deadline(slot->allocation));
            first = tick_min(first, tick_min(slot->probe_at, stun_client_deadline(&slot->probe)));
        }
        if (slot->state == SLOT_RESERVED)
            first = tick_min(first, tick_add_ms(slot->free, TURN_POOL_KEEP_MS));
    }
    for (size_t i = 0; i < pool->options.server_count; i++) {
        if (pool->servers[i].is_down)
            first = tick_min(first, pool->servers[i].again);
    }
    return first;
}

bool turn_pool_output(struct turn_pool *pool, struct tick now, struct turn_pool_packet *out)
{
    for (uint32_t i = 0; i < TURN_POOL_SLOTS; i++) {
        struct slot *slot = &pool->slots[i];
        if (!slot->allocation)
            continue;
        if (step_probe(pool, now, i)) {
            struct writer w = writer_of(pool->packet, sizeof pool->packet);
            stun_begin(&w, STUN_REQUEST, STUN_BINDING, &slot->probe.transaction);
            stun_finish(&w, true);
            out->bytes = writer_done(&w);
        } else if (!slot->allocation || !turn_output(slot->allocation, now, &out->bytes)) {
            continue;
        }
        out->slot = i;
        out->to = slot->to;
        out->stream = pool->servers[slot->server].stream;
        return true;
    }
    return false;
}

struct turn_pool_status turn_pool_status(const struct turn_pool *pool)
{
    return (struct turn_pool_status){
        .making = count_of(pool, SLOT_MAKING, TURN_POOL_SERVERS),
        .ready = count_of(pool, SLOT_READY, TURN_POOL_SERVERS),
        .reserved = count_of(pool, SLOT_RESERVED, TURN_POOL_SERVERS),
        .lent = count_of(pool, SLOT_LENT, TURN_POOL_SERVERS),
        .closing = count_of(pool, SLOT_CLOSING, TURN_POOL_SERVERS),
        .active = server_from(pool, 0),
        .refused = pool->refused,
    };
}
