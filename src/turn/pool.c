/* pool: slots of allocations and their stock.
 * Not here: the protocol (allocation.c), servers that come and go (servers.c).
 * RFC 8656 §3.2, §5, §7.4. */
#include "turn/pool.h"

#include <stdlib.h>
#include <string.h>

#include "turn/slots.h"

#define DOUBT_MS            5000 /* once is enough to ask all */
#define DELIVERS_MS         600  /* less than it takes to find a server dead (alive.c) */
#define LASTS_MS            10000 /* a connection; also how long none is made after one that did not */
#define CUT_OFF             437 /* what was allocated is gone, and the server is there */
#define EVENTS_BESIDE_SLOTS 64
#define EVENTS_A_SLOT       5 /* ready or rested, withdrawn or lost, closed, and a peer */

static void tell(struct turn_pool *pool, struct turn_pool_event event)
{
    if (pool->event_count < pool->event_room)
        pool->events[(pool->event_first + pool->event_count++) % pool->event_room] = event;
}

static void tell_of(struct turn_pool *pool, enum turn_pool_event_kind kind, uint32_t at,
                    uint16_t code)
{
    const struct slot *slot = &pool->slots[at];
    tell(pool, (struct turn_pool_event){.kind = kind,
                                        .slot = at,
                                        .generation = slot->generation,
                                        .server = slot->server,
                                        .src = slot->src,
                                        .code = code});
}

bool turn_pool_event(struct turn_pool *pool, struct turn_pool_event *out)
{
    if (pool->event_count == 0)
        return false;
    *out = pool->events[pool->event_first];
    pool->event_first = (pool->event_first + 1) % pool->event_room;
    pool->event_count--;
    return true;
}

/* ---- slots --------------------------------------------------------------------------------------------------- */

size_t turn_slots_count(const struct turn_pool *pool, enum slot_state state)
{
    size_t n = 0;
    for (size_t i = 0; i <= ORPHANS; i++)
        n += pool->counts[state][i];
    return n;
}

void turn_slot_set(struct turn_pool *pool, struct slot *slot, enum slot_state state)
{
    if (slot->state != SLOT_FREE)
        pool->counts[slot->state][slot->server]--;
    slot->state = state;
    if (state != SLOT_FREE)
        pool->counts[state][slot->server]++;
}

void turn_slot_touch(struct turn_pool *pool, struct slot *slot)
{
    if (slot->state != SLOT_FREE && !list_is_linked(&slot->dirty))
        list_append(&pool->dirty, &slot->dirty);
}

static void free_slot(struct turn_pool *pool, struct slot *slot)
{
    uint32_t at = turn_slot_index(pool, slot);
    tell_of(pool, TURN_POOL_CLOSED, at, 0);
    turn_destroy(slot->allocation);
    timers_clear(&pool->timers, &slot->timer);
    if (list_is_linked(&slot->dirty))
        list_remove(&slot->dirty);
    turn_slot_set(pool, slot, SLOT_FREE);
    *slot = (struct slot){.state = SLOT_FREE};
    pool->free[pool->free_count++] = at;
}

void turn_slot_close(struct turn_pool *pool, struct tick now, struct slot *slot)
{
    if (slot->state != SLOT_MAKING)
        tell_of(pool, TURN_POOL_WITHDRAWN, turn_slot_index(pool, slot), 0);
    turn_slot_set(pool, slot, SLOT_CLOSING);
    slot->is_suspected = false;
    turn_close(slot->allocation, now);
    turn_slot_touch(pool, slot);
}

/* ---- life ------------------------------------------------------------------------------------------------------ */

static bool set_server(struct turn_server *s, const struct turn_pool_server *from)
{
    turn_server_init(s, &from->address, from->stream);
    return turn_server_set_credentials(s, from->username, from->password,
                                       from->expires.ns == 0 ? TICK_NEVER : from->expires);
}

struct turn_pool *turn_pool_create(const struct turn_pool_options *options)
{
    struct turn_pool *pool = calloc(1, sizeof *pool);
    if (!pool)
        return NULL;
    pool->options = *options;
    pool->slot_count = options->slots == 0                    ? TURN_POOL_SLOTS
                       : options->slots > TURN_POOL_SLOTS_MAX ? TURN_POOL_SLOTS_MAX
                                                              : options->slots;
    pool->event_room = (size_t)pool->slot_count * EVENTS_A_SLOT + EVENTS_BESIDE_SLOTS;
    pool->slots = calloc(pool->slot_count, sizeof *pool->slots);
    pool->free = calloc(pool->slot_count, sizeof *pool->free);
    pool->events = calloc(pool->event_room, sizeof *pool->events);
    list_init(&pool->dirty);
    rng_init(&pool->rng, options->seed);
    bool is_good =
        pool->slots && pool->free && pool->events && timers_init(&pool->timers, pool->slot_count);
    for (size_t i = 0; is_good && i < options->server_count; i++)
        is_good = set_server(&pool->servers[i], &options->servers[i]);
    if (!is_good) {
        turn_pool_destroy(pool);
        return NULL;
    }
    while (pool->free_count < pool->slot_count) {
        pool->free[pool->free_count] = pool->slot_count - 1 - pool->free_count;
        pool->free_count++;
    }
    return pool;
}

void turn_pool_destroy(struct turn_pool *pool)
{
    if (!pool)
        return;
    for (size_t i = 0; pool->slots && i < pool->slot_count; i++)
        turn_destroy(pool->slots[i].allocation);
    timers_finish(&pool->timers);
    free(pool->slots);
    free(pool->free);
    free(pool->events);
    free(pool);
}

void turn_pool_set_families(struct turn_pool *pool, bool want_v4, bool want_v6)
{
    pool->options.want_v4 = want_v4;
    pool->options.want_v6 = want_v6;
}

void turn_pool_set_ready(struct turn_pool *pool, struct tick now, uint8_t ready, uint8_t warm)
{
    pool->options.ready = ready;
    pool->options.warm = warm;
    turn_stock_fill(pool, now);
}

/* Where in the list a server as it was stands now. */
static size_t place_of(const struct turn_server *s, const struct turn_server *servers, size_t count)
{
    size_t i = 0;
    while (i < count &&
           !(addr_equal(&s->given, &servers[i].given) && s->stream == servers[i].stream))
        i++;
    return i < count ? i : ORPHANS;
}

/* Gives back what stands at a server that is no more in the list; who is lent one keeps it. */
static void leave_server(struct turn_pool *pool, struct tick now, struct slot *slot)
{
    if (slot->state != SLOT_LENT && slot->state != SLOT_CLOSING)
        turn_slot_close(pool, now, slot);
}

bool turn_pool_set_servers(struct turn_pool *pool, struct tick now,
                           const struct turn_pool_server *servers, size_t count)
{
    struct turn_server before[TURN_POOL_SERVERS], after[TURN_POOL_SERVERS];
    size_t was = pool->options.server_count;
    memcpy(before, pool->servers, sizeof before);
    for (size_t i = 0; i < count; i++) {
        if (i == TURN_POOL_SERVERS || !set_server(&after[i], &servers[i]))
            return false;
    }
    for (size_t i = 0; i < pool->slot_count; i++) {
        struct slot *slot = &pool->slots[i];
        if (slot->state == SLOT_FREE || slot->server == ORPHANS)
            continue;
        size_t place = place_of(&before[slot->server], after, count);
        pool->counts[slot->state][slot->server]--;
        slot->server = (uint8_t)place;
        pool->counts[slot->state][place]++;
        if (place == ORPHANS)
            leave_server(pool, now, slot);
    }
    for (size_t i = 0; i < was; i++) {
        size_t place = place_of(&before[i], after, count);
        if (place != ORPHANS)
            pool->servers[place] = before[i];
    }
    for (size_t i = 0; i < count; i++) {
        if (place_of(&after[i], before, was) == ORPHANS)
            pool->servers[i] = after[i];
    }
    pool->options.server_count = count;
    for (size_t i = 0; i < count; i++)
        (void)!turn_pool_set_credentials(pool, now, i, &servers[i]); /* checked above */
    turn_stock_fill(pool, now);
    return true;
}

bool turn_pool_set_credentials(struct turn_pool *pool, struct tick now, size_t server,
                               const struct turn_pool_server *credentials)
{
    struct turn_server *s = &pool->servers[server];
    if (NO_SERVER(pool, server))
        return false;
    if (view_equal(credentials->username, view_of_string(s->username)) &&
        view_equal(credentials->password, view_of_string(s->password)))
        return true;
    if (!turn_server_set_credentials(s, credentials->username, credentials->password,
                                     credentials->expires.ns == 0 ? TICK_NEVER
                                                                  : credentials->expires))
        return false;
    /* The old ones may be why it refused. */
    s->is_down = s->is_down && s->is_dead;
    for (size_t i = 0; i < pool->slot_count; i++) {
        struct slot *slot = &pool->slots[i];
        if (slot->state == SLOT_FREE || slot->server != server)
            continue;
        slot->is_stale = true;
        if (slot->state == SLOT_READY)
            turn_slot_set(pool, slot, SLOT_FADING);
        else if (slot->state == SLOT_MAKING)
            turn_slot_close(pool, now, slot);
    }
    turn_stock_fill(pool, now);
    return true;
}

void turn_pool_drain(struct turn_pool *pool, struct tick now)
{
    pool->drains = true;
    for (uint32_t i = 0; i < pool->slot_count; i++) {
        struct slot *slot = &pool->slots[i];
        if (slot->state == SLOT_READY || slot->state == SLOT_FADING || slot->state == SLOT_MAKING ||
            slot->state == SLOT_DOUBTED)
            turn_slot_close(pool, now, slot);
    }
    turn_stock_trim(pool, now);
}

/* ---- lending --------------------------------------------------------------------------------------------------- */

static bool may_have(const struct turn_pool *pool, struct tick now, const struct slot *slot,
                     uint64_t src)
{
    bool is_dead = slot->server != ORPHANS && pool->servers[slot->server].is_dead;
    if (is_dead || slot->is_doubted)
        return false;
    return slot->state == SLOT_READY || slot->state == SLOT_FADING ||
           (slot->state == SLOT_RESERVED && slot->src == src &&
            tick_due(tick_add_ms(slot->free, TURN_POOL_REST_MS), now));
}

/* The SRC's own before others, better servers before worse, fresh credentials before old. */
static int order_of(const struct slot *slot)
{
    return (slot->state == SLOT_RESERVED ? 0 : 100) + slot->server * 2 +
           (slot->state == SLOT_FADING);
}

static void lend(struct turn_pool *pool, struct tick now, struct slot *slot, uint64_t src)
{
    turn_slot_set(pool, slot, SLOT_LENT);
    slot->src = src;
    turn_slot_touch(pool, slot);
    turn_stock_fill(pool, now);
}

bool turn_pool_lend(struct turn_pool *pool, struct tick now, uint64_t src, uint32_t *slot)
{
    struct slot *found = NULL;
    for (size_t i = 0; i < pool->slot_count; i++) {
        struct slot *s = &pool->slots[i];
        if (may_have(pool, now, s, src) && (!found || order_of(s) < order_of(found)))
            found = s;
    }
    if (!found) {
        pool->refused++;
        return false;
    }
    *slot = turn_slot_index(pool, found);
    lend(pool, now, found, src);
    return true;
}

bool turn_pool_take(struct turn_pool *pool, struct tick now, uint32_t slot, uint32_t generation,
                    uint64_t src)
{
    if (slot >= pool->slot_count || pool->slots[slot].generation != generation ||
        !may_have(pool, now, &pool->slots[slot], src)) {
        pool->refused++;
        return false;
    }
    lend(pool, now, &pool->slots[slot], src);
    return true;
}

void turn_pool_give_back(struct turn_pool *pool, struct tick now, uint32_t at)
{
    if (at >= pool->slot_count || pool->slots[at].state != SLOT_LENT)
        return;
    struct slot *slot = &pool->slots[at];
    slot->free = now;
    slot->is_rested = false;
    if (slot->is_stale || slot->server == ORPHANS) {
        turn_slot_set(pool, slot, SLOT_CLOSING);
        turn_close(slot->allocation, now);
    } else {
        turn_slot_set(pool, slot, SLOT_RESERVED);
    }
    turn_slot_touch(pool, slot);
    turn_stock_trim(pool, now);
}

/* ---- what an allocation tells ---------------------------------------------------------------------------------- */

/* One was lost as all would be whose server is dead or has been restarted. Nobody is to pick one that may be gone. */
static void doubt(struct turn_pool *pool, struct tick now, size_t server, const struct slot *lost)
{
    pool->servers[server].doubt_at = tick_add_ms(now, DOUBT_MS);
    for (uint32_t i = 0; i < pool->slot_count; i++) {
        struct slot *slot = &pool->slots[i];
        if (slot == lost || slot->server != server || !turn_slot_stands(slot))
            continue;
        if (slot->state != SLOT_LENT && slot->state != SLOT_DOUBTED && !slot->is_doubted)
            tell_of(pool, TURN_POOL_WITHDRAWN, i, 0);
        if (slot->state == SLOT_READY || slot->state == SLOT_FADING)
            turn_slot_set(pool, slot, SLOT_DOUBTED);
        slot->is_doubted = slot->state == SLOT_RESERVED;
        turn_alive_suspect(pool, now, slot);
    }
}

static void trust(struct turn_pool *pool, struct slot *slot)
{
    if (slot->state == SLOT_DOUBTED) {
        turn_slot_set(pool, slot, slot->is_stale ? SLOT_FADING : SLOT_READY);
        tell_of(pool, TURN_POOL_READY, turn_slot_index(pool, slot), 0);
    } else if (slot->is_doubted) {
        slot->is_doubted = false;
        if (slot->is_rested)
            tell_of(pool, TURN_POOL_RESTED, turn_slot_index(pool, slot), 0);
    }
}

void turn_slot_lost(struct turn_pool *pool, struct tick now, struct slot *slot,
                    const struct turn_event *e)
{
    size_t server = slot->server;
    struct turn_server *s = server == ORPHANS ? NULL : &pool->servers[server];
    uint32_t at = turn_slot_index(pool, slot);
    /* No answer, while others hear the server: this one's way there is broken, nothing else. */
    if (s && e->action == TURN_WAIT_SERVER && e->code == 0 &&
        turn_server_has_delivered(s, tick_add_ms(now, -DELIVERS_MS)))
        s = NULL;
    if (s && slot->state != SLOT_CLOSING && turn_server_judge(s, now, e))
        tell(pool, (struct turn_pool_event){
                       .kind = TURN_POOL_SERVER_DOWN, .server = server, .code = s->code});
    if (s && turn_slot_stands(slot) && (s->is_dead || e->action == TURN_GONE) &&
        tick_due(s->doubt_at, now))
        doubt(pool, now, server, slot);
    if (slot->state == SLOT_LENT)
        tell_of(pool, TURN_POOL_LOST, at, e->code);
    else if (turn_slot_stands(slot) && slot->state != SLOT_DOUBTED && !slot->is_doubted)
        tell_of(pool, TURN_POOL_WITHDRAWN, at, e->code);
    free_slot(pool, slot);
}

void turn_slots_prove(struct turn_pool *pool, size_t server)
{
    if (server != ORPHANS && turn_server_works(&pool->servers[server]))
        tell(pool, (struct turn_pool_event){.kind = TURN_POOL_SERVER_UP, .server = server});
}

static void allocated(struct turn_pool *pool, struct tick now, struct slot *slot)
{
    if (slot->state != SLOT_MAKING)
        return;
    turn_slot_set(pool, slot, SLOT_READY);
    slot->made = slot->free = now;
    slot->mapped = turn_status(slot->allocation).mapped;
    turn_alive_plan(pool, now, slot);
    pool->servers[slot->server].is_fixed |=
        pool->options.mobility && !turn_status(slot->allocation).movable;
    turn_slots_prove(pool, slot->server);
    tell_of(pool, TURN_POOL_READY, turn_slot_index(pool, slot), 0);
}

/* Takes what an allocation has to tell; it may be gone afterwards. */
static void listen(struct turn_pool *pool, struct tick now, struct slot *slot)
{
    uint32_t at = turn_slot_index(pool, slot);
    struct turn_event e;
    while (slot->allocation && turn_event(slot->allocation, &e)) {
        switch (e.kind) {
        case TURN_ALLOCATED:
            allocated(pool, now, slot);
            break;
        case TURN_PERMITTED:
        case TURN_DENIED:
            tell(pool, (struct turn_pool_event){.kind = e.kind == TURN_DENIED ? TURN_POOL_DENIED
                                                                              : TURN_POOL_PERMITTED,
                                                .slot = at,
                                                .generation = slot->generation,
                                                .server = slot->server,
                                                .src = slot->src,
                                                .code = e.code,
                                                .peer = e.peer});
            break;
        case TURN_LOST:
            turn_slot_lost(pool, now, slot, &e);
            break;
        case TURN_CLOSED:
            free_slot(pool, slot);
            break;
        case TURN_MOVED_OVER:
            turn_slots_prove(pool, slot->server);
            turn_alive_plan(pool, now, slot);
            break;
        case TURN_REFRESHED:
            trust(pool, slot);
            break;
        case TURN_BOUND:
            break;
        }
    }
}

/* ---- the verbs --------------------------------------------------------------------------------------------------- */

struct turn_allocation *turn_pool_allocation(struct turn_pool *pool, uint32_t slot)
{
    if (slot >= pool->slot_count || !pool->slots[slot].allocation)
        return NULL;
    turn_slot_touch(pool, &pool->slots[slot]);
    return pool->slots[slot].allocation;
}

bool turn_pool_wrap(struct turn_pool *pool, struct tick now, uint32_t slot, const struct addr *peer,
                    struct view data, struct writer *w)
{
    return slot < pool->slot_count && pool->slots[slot].allocation &&
           turn_wrap(pool->slots[slot].allocation, now, peer, data, w);
}

struct turn_input turn_pool_input(struct turn_pool *pool, struct tick now, uint32_t at,
                                  struct view datagram)
{
    if (at >= pool->slot_count || !pool->slots[at].allocation)
        return (struct turn_input){.kind = TURN_INPUT_NONE};
    struct slot *slot = &pool->slots[at];
    struct turn_input in = {.kind = TURN_INPUT_TAKEN};
    if (!turn_alive_input(pool, now, slot, datagram))
        in = turn_input(slot->allocation, now, datagram);
    if (in.kind == TURN_INPUT_DATA)
        turn_alive_deliver(pool, now, slot);
    if (in.kind == TURN_INPUT_TAKEN) {
        turn_slot_touch(pool, slot);
        listen(pool, now, slot);
        turn_stock_fill(pool, now);
    }
    return in;
}

void turn_pool_suspect(struct turn_pool *pool, struct tick now, uint32_t slot)
{
    if (slot < pool->slot_count && pool->slots[slot].allocation)
        turn_alive_suspect(pool, now, &pool->slots[slot]);
}

void turn_pool_lost_socket(struct turn_pool *pool, struct tick now, uint32_t slot)
{
    if (slot >= pool->slot_count || !pool->slots[slot].allocation)
        return;
    struct slot *s = &pool->slots[slot];
    bool stood = turn_slot_stands(s);
    bool was_brief = stood && s->server != ORPHANS && tick_diff_ms(now, s->made) < LASTS_MS;
    if (was_brief && turn_server_down(&pool->servers[s->server], now, LASTS_MS, 0))
        tell(pool, (struct turn_pool_event){.kind = TURN_POOL_SERVER_DOWN, .server = s->server});
    /* One that lasted may have been ended by a NAT that forgot it, and is made anew at once. One that did
     * not, or cannot be had, tells as much of its server as an answer that does not come. */
    turn_slot_lost(pool, now, s,
                   stood && !was_brief ? &(struct turn_event){.action = TURN_GONE, .code = CUT_OFF}
                                       : &(struct turn_event){.action = TURN_WAIT_SERVER});
    turn_stock_fill(pool, now);
}

void turn_pool_moved(struct turn_pool *pool, struct tick now)
{
    for (uint32_t i = 0; i < pool->slot_count; i++) {
        struct slot *slot = &pool->slots[i];
        if (slot->allocation && turn_slot_stands(slot) && turn_status(slot->allocation).movable) {
            stun_client_stop(&slot->probe);
            turn_alive_plan(pool, now, slot);
            slot->mapped = (struct addr){0};
            turn_moved(slot->allocation, now);
            tell_of(pool, TURN_POOL_REOPEN, i, 0);
            turn_slot_touch(pool, slot);
        } else if (slot->allocation) {
            turn_slot_lost(pool, now, slot, &(struct turn_event){.action = TURN_GONE, .code = 437});
        }
    }
    /* What the servers did for the old address says nothing of the new one. */
    for (size_t i = 0; i < pool->options.server_count; i++)
        pool->servers[i].is_down = pool->servers[i].is_dead = pool->servers[i].is_proven = false;
    turn_stock_fill(pool, now);
}

/* What is due of a slot's own. */
static void expire_slot(struct turn_pool *pool, struct tick now, struct slot *slot)
{
    uint32_t at = turn_slot_index(pool, slot);
    if (slot->state == SLOT_RESERVED && !slot->is_rested &&
        tick_due(tick_add_ms(slot->free, TURN_POOL_REST_MS), now)) {
        slot->is_rested = true;
        if (!slot->is_doubted)
            tell_of(pool, TURN_POOL_RESTED, at, 0);
    }
    if (slot->state == SLOT_RESERVED && tick_due(tick_add_ms(slot->free, TURN_POOL_KEEP_MS), now))
        turn_slot_close(pool, now, slot);
    if (turn_slot_stands(slot) && !tick_is_never(slot->ends) &&
        tick_due(tick_add_ms(slot->ends, -TURN_POOL_ENDING_MS), now)) {
        slot->ends = TICK_NEVER;
        slot->is_stale = true;
        if (slot->state == SLOT_LENT)
            tell_of(pool, TURN_POOL_ENDING, at, 0);
        else
            turn_slot_close(pool, now, slot);
    }
    turn_expire(slot->allocation, now);
    turn_slot_touch(pool, slot);
    listen(pool, now, slot);
}

void turn_pool_expire(struct turn_pool *pool, struct tick now)
{
    struct timer *timer;
    while ((timer = timers_take_due(&pool->timers, now)))
        expire_slot(pool, now, container_of(timer, struct slot, timer));
    for (size_t i = 0; i < pool->options.server_count; i++) {
        if (pool->servers[i].is_down && tick_due(pool->servers[i].again, now))
            pool->servers[i].is_down = pool->servers[i].is_dead =
                false; /* its next allocation tells whether it is up */
    }
    turn_stock_fill(pool, now);
}

static struct tick slot_deadline(const struct slot *slot)
{
    struct tick first = turn_deadline(slot->allocation);
    if (slot->state == SLOT_CLOSING)
        return first;
    if (slot->is_suspected)
        first = tick_min(first, tick_min(slot->suspect_at, slot->suspect_until));
    else
        first = tick_min(first, tick_min(slot->probe_at, stun_client_deadline(&slot->probe)));
    if (slot->state == SLOT_RESERVED)
        first = tick_min(first, tick_add_ms(slot->free, slot->is_rested ? TURN_POOL_KEEP_MS
                                                                        : TURN_POOL_REST_MS));
    if (turn_slot_stands(slot) && !tick_is_never(slot->ends))
        first = tick_min(first, tick_add_ms(slot->ends, -TURN_POOL_ENDING_MS));
    return first;
}

struct tick turn_pool_deadline(const struct turn_pool *pool)
{
    struct tick first = timers_deadline(&pool->timers);
    list_each (at, &pool->dirty)
        first = tick_min(first, slot_deadline(container_of(at, const struct slot, dirty)));
    for (size_t i = 0; i < pool->options.server_count; i++) {
        if (pool->servers[i].is_down)
            first = tick_min(first, pool->servers[i].again);
    }
    return first;
}

/* The next thing a slot has to send; false: nothing, or the slot is gone. */
static bool slot_output(struct turn_pool *pool, struct tick now, struct slot *slot,
                        struct turn_pool_packet *out)
{
    if (slot->state != SLOT_CLOSING && turn_alive_step(pool, now, slot)) {
        struct writer w = writer_of(pool->packet, sizeof pool->packet);
        stun_begin(&w, STUN_REQUEST, STUN_BINDING, &slot->probe.transaction);
        stun_finish(&w, true);
        out->bytes = writer_done(&w);
        return true;
    }
    return slot->allocation && turn_output(slot->allocation, now, &out->bytes);
}

bool turn_pool_output(struct turn_pool *pool, struct tick now, struct turn_pool_packet *out)
{
    while (!list_is_empty(&pool->dirty)) {
        struct slot *slot = container_of(pool->dirty.next, struct slot, dirty);
        if (slot_output(pool, now, slot, out)) {
            out->slot = turn_slot_index(pool, slot);
            out->server = slot->server;
            out->to = slot->to;
            out->stream = slot->server != ORPHANS && pool->servers[slot->server].stream;
            return true;
        }
        if (!slot->allocation)
            continue;
        listen(pool, now, slot); /* a request may have failed just now */
        if (slot->allocation) {
            list_remove(&slot->dirty);
            timers_set(&pool->timers, &slot->timer, slot_deadline(slot));
        } else {
            turn_stock_fill(pool, now);
        }
    }
    return false;
}

struct turn_pool_status turn_pool_status(const struct turn_pool *pool)
{
    return (struct turn_pool_status){
        .making = turn_slots_count(pool, SLOT_MAKING),
        .ready = turn_slots_count(pool, SLOT_READY) + turn_slots_count(pool, SLOT_FADING) +
                 turn_slots_count(pool, SLOT_DOUBTED),
        .reserved = turn_slots_count(pool, SLOT_RESERVED),
        .lent = turn_slots_count(pool, SLOT_LENT),
        .closing = turn_slots_count(pool, SLOT_CLOSING),
        .active = turn_stock_server(pool, 0, true),
        .refused = pool->refused,
    };
}

struct turn_pool_server_status turn_pool_server_status(const struct turn_pool *pool, size_t server)
{
    const struct turn_server *s = &pool->servers[server];
    return (struct turn_pool_server_status){
        .is_proven = s->is_proven,
        .is_down = s->is_down,
        .code = s->code,
        .ready = pool->counts[SLOT_READY][server] + pool->counts[SLOT_FADING][server],
        .reserved = pool->counts[SLOT_RESERVED][server],
        .lent = pool->counts[SLOT_LENT][server],
    };
}
