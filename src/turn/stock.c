/* stock: which servers a pool's allocations are made at, how many, and which are given back.
 * Not here: lending, and what allocations tell (pool.c).
 * RFC 8656 §7.4. */
#include "turn/slots.h"

#define REQUEST_CAP_MS 3000 /* dead servers are to be noticed while a warm one is at hand */

static struct turn_options options_of(struct turn_pool *pool, const struct turn_server *s)
{
    struct turn_options options = {
        .username = view_of_string(s->username),
        .password = view_of_string(s->password),
        .stream = s->stream,
        .want_v4 = pool->options.want_v4,
        .want_v6 = pool->options.want_v6 && !(s->is_simple && pool->options.want_v4),
        .mobility = pool->options.mobility && !s->is_fixed,
        .request_cap_ms = REQUEST_CAP_MS,
    };
    rng_bytes(&pool->rng, options.seed, sizeof options.seed);
    return options;
}

static bool make(struct turn_pool *pool, struct tick now, size_t server)
{
    const struct turn_server *s = &pool->servers[server];
    if (pool->free_count == 0)
        return false;
    struct turn_options options = options_of(pool, s);
    struct turn_allocation *allocation = turn_create(&options);
    if (!allocation)
        return false;
    struct slot *slot = &pool->slots[pool->free[--pool->free_count]];
    /* Credentials that were not renewed in time: as long as the server takes them, they will do. */
    bool is_late =
        !tick_is_never(s->expires) && tick_due(tick_add_ms(s->expires, -TURN_POOL_ENDING_MS), now);
    *slot = (struct slot){.server = (uint8_t)server,
                          .generation = ++pool->generation,
                          .to = s->address,
                          .ends = is_late ? TICK_NEVER : s->expires,
                          .probe = {.next = TICK_NEVER},
                          .probe_at = TICK_NEVER,
                          .suspect_at = TICK_NEVER,
                          .suspect_until = TICK_NEVER,
                          .allocation = allocation};
    turn_slot_set(pool, slot, SLOT_MAKING);
    turn_start(allocation, now);
    turn_slot_touch(pool, slot);
    return true;
}

/* ---- which servers -------------------------------------------------------------------------------------------- */

size_t turn_stock_server(const struct turn_pool *pool, size_t from, bool proven)
{
    while (from < pool->options.server_count &&
           (pool->servers[from].is_down || (proven && !pool->servers[from].is_proven)))
        from++;
    return from;
}

/* What goes on when `first` dies: another machine if there is one, else another way to the same. Proven: among those
 * that serve; else it may be one that has yet to show that it does. */
static size_t second_to(const struct turn_pool *pool, size_t first, bool proven)
{
    size_t other_way = pool->options.server_count;
    for (size_t i = 0; i < pool->options.server_count; i++) {
        if (i == first || pool->servers[i].is_down || (proven && !pool->servers[i].is_proven))
            continue;
        if (!addr_equal_ip(&pool->servers[i].given, &pool->servers[first].given))
            return i;
        other_way = other_way < i ? other_way : i;
    }
    return other_way;
}

/* A better one than serves now, not heard from yet: one allocation tells. At first, when none serves, the best way of
 * the other kind is tried beside it, for networks that let no UDP out. */
static size_t other_kind(const struct turn_pool *pool, size_t first)
{
    size_t i = first + 1;
    while (i < pool->options.server_count &&
           (pool->servers[i].is_down || pool->servers[i].stream == pool->servers[first].stream))
        i++;
    return i;
}

/* ---- the stock ------------------------------------------------------------------------------------------------ */

/* Fills one server's stock of those that served nobody. */
static void fill(struct turn_pool *pool, struct tick now, size_t server, size_t want)
{
    size_t making = turn_slots_count(pool, SLOT_MAKING);
    size_t have = pool->counts[SLOT_READY][server] + pool->counts[SLOT_MAKING][server];
    while (have < want && making < TURN_POOL_MAKING && make(pool, now, server)) {
        have++;
        making++;
    }
}

/* One more tells whether it serves, whatever it gave before. */
static void try_one(struct turn_pool *pool, struct tick now, size_t server)
{
    if (pool->counts[SLOT_MAKING][server] == 0)
        (void)make(pool, now, server);
}

/* The longest unused in this state, at this server or any (server_count); NULL: none. */
static struct slot *oldest_of(struct turn_pool *pool, enum slot_state state, size_t server)
{
    struct slot *oldest = NULL;
    for (size_t i = 0; i < pool->slot_count; i++) {
        struct slot *slot = &pool->slots[i];
        if (slot->state == state && (NO_SERVER(pool, server) || slot->server == server) &&
            (!oldest || tick_before(slot->free, oldest->free) ||
             (slot->free.ns == oldest->free.ns && slot->generation < oldest->generation)))
            oldest = slot;
    }
    return oldest;
}

static void close_surplus(struct turn_pool *pool, struct tick now, enum slot_state state,
                          size_t server, size_t keep)
{
    while (pool->counts[state][server] > keep)
        turn_slot_close(pool, now, oldest_of(pool, state, server));
}

/* Gives back what stands at servers that are not needed for it any more, or is of old credentials. */
static void thin(struct turn_pool *pool, struct tick now, size_t active, size_t second)
{
    if (NO_SERVER(pool, active) || pool->counts[SLOT_READY][active] < pool->options.ready)
        return;
    for (size_t i = 0; i < pool->options.server_count; i++) {
        /* A better one that takes no more (486) still serves what it gave. */
        size_t keep = i == active ? pool->options.ready : i == second ? pool->options.warm : 0;
        if (i >= active)
            close_surplus(pool, now, SLOT_READY, i, keep);
        close_surplus(pool, now, SLOT_FADING, i, 0);
    }
}

void turn_stock_fill(struct turn_pool *pool, struct tick now)
{
    size_t best = turn_stock_server(pool, 0, false), active = turn_stock_server(pool, 0, true);
    for (size_t i = 0; pool->options.ready == 0 && i < pool->options.server_count; i++) {
        close_surplus(pool, now, SLOT_READY, i, 0);
        close_surplus(pool, now, SLOT_FADING, i, 0);
    }
    if (pool->drains || NO_SERVER(pool, best) || pool->options.ready == 0)
        return;
    size_t first = NO_SERVER(pool, active) ? best : active;
    size_t second = second_to(pool, first, true), better = second_to(pool, first, false);
    if (best != active)
        try_one(pool, now, best);
    if (!NO_SERVER(pool, active))
        fill(pool, now, active, pool->options.ready);
    else if (!NO_SERVER(pool, other_kind(pool, best)))
        try_one(pool, now, other_kind(pool, best));
    if (!NO_SERVER(pool, second))
        fill(pool, now, second, pool->options.warm);
    if (!NO_SERVER(pool, better) && better != second && pool->options.warm > 0)
        try_one(pool, now, better); /* what stands at the second stays until this one does */
    thin(pool, now, active, second);
}

void turn_stock_trim(struct turn_pool *pool, struct tick now)
{
    size_t most = pool->drains ? 0 : pool->slot_count / 2;
    for (size_t reserved = turn_slots_count(pool, SLOT_RESERVED); reserved > most; reserved--)
        turn_slot_close(pool, now, oldest_of(pool, SLOT_RESERVED, ORPHANS));
}
