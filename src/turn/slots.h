/* slots: the inside of struct turn_pool, shared by pool.c, stock.c and alive.c.
 * Not here: what owners may know (pool.h).
 * RFC: none. */
#ifndef TURN_SLOTS_H
#define TURN_SLOTS_H

#include "base/list.h"
#include "base/timers.h"
#include "turn/pool.h"

#define ORPHANS                TURN_POOL_SERVERS /* where the lent ones of servers left out are counted */
#define NO_SERVER(pool, index) ((index) >= (pool)->options.server_count)

enum slot_state {
    SLOT_FREE,
    SLOT_MAKING,
    SLOT_READY,  /* has served nobody */
    SLOT_FADING, /* the same, of credentials that are being replaced: goes when others stand ready */
    SLOT_DOUBTED, /* was ready; its server has just been found dead, or to have forgotten another */
    SLOT_LENT,
    SLOT_RESERVED, /* for its SRC */
    SLOT_CLOSING,
    SLOT_STATES,
};

struct slot {
    enum slot_state state;
    uint8_t server;
    uint8_t missed;
    uint8_t questions; /* of a suspicion, still to be asked */
    bool is_suspected;
    bool is_doubted; /* SLOT_RESERVED: as SLOT_DOUBTED */
    bool is_heard;   /* data has come since the last probe */
    bool is_stale;   /* of credentials that were replaced */
    bool is_rested;  /* SLOT_RESERVED: its rest is over and has been told */
    uint32_t generation;
    uint64_t src;       /* 0: none yet */
    struct tick made;   /* allocated */
    struct tick free;   /* SLOT_RESERVED: since then */
    struct tick ends;   /* its credentials run out; TICK_NEVER */
    struct addr to;     /* the server, where it was found */
    struct addr mapped; /* ours, as the server sees us; unset: just moved */
    struct stun_client probe;
    struct tick probe_at;
    struct tick suspected_at, suspect_at, suspect_until;
    struct timer timer;
    struct list dirty; /* in pool->dirty: something may have changed */
    struct turn_allocation *allocation;
};

struct turn_pool {
    struct turn_pool_options options;
    struct rng rng;
    struct turn_server servers[TURN_POOL_SERVERS];
    uint32_t slot_count, free_count, generation;
    struct slot *slots;
    uint32_t *free; /* the last of them is taken next */
    size_t counts[SLOT_STATES][TURN_POOL_SERVERS + 1];
    struct timers timers;
    struct list dirty;
    bool drains;
    uint64_t refused;
    struct turn_pool_event *events;
    size_t event_room, event_first, event_count;
    uint8_t packet[64];
};

static inline uint32_t turn_slot_index(const struct turn_pool *pool, const struct slot *slot)
{
    return (uint32_t)(slot - pool->slots);
}

static inline bool turn_slot_stands(const struct slot *slot)
{
    return slot->state == SLOT_READY || slot->state == SLOT_FADING || slot->state == SLOT_LENT ||
           slot->state == SLOT_RESERVED || slot->state == SLOT_DOUBTED;
}

/* ---- pool.c ---------------------------------------------------------------------------------- */

size_t turn_slots_count(const struct turn_pool *pool, enum slot_state state);
void turn_slot_set(struct turn_pool *pool, struct slot *slot, enum slot_state state);
/* Its outputs, events and deadline are looked at before the owner sleeps. */
void turn_slot_touch(struct turn_pool *pool, struct slot *slot);
/* Gives one back that is not lent. */
void turn_slot_close(struct turn_pool *pool, struct tick now, struct slot *slot);
/* It is gone: who had it is told, and its server is judged by it. */
void turn_slot_lost(struct turn_pool *pool, struct tick now, struct slot *slot,
                    const struct turn_event *e);
/* The server has answered. */
void turn_slots_prove(struct turn_pool *pool, size_t server);

/* ---- stock.c --------------------------------------------------------------------------------- */

/* The best that may be asked, from `from` on; server_count: none. proven: and is known to serve. */
size_t turn_stock_server(const struct turn_pool *pool, size_t from, bool proven);
/* Makes what is missing, and gives back what is too much. */
void turn_stock_fill(struct turn_pool *pool, struct tick now);
/* Gives back the reserved ones beyond what can be kept, the longest unused first. */
void turn_stock_trim(struct turn_pool *pool, struct tick now);

/* ---- alive.c --------------------------------------------------------------------------------- */

/* All is well: the next probe in its time. */
void turn_alive_plan(struct turn_pool *pool, struct tick now, struct slot *slot);
/* Is its server there? Known within a second. */
void turn_alive_suspect(struct turn_pool *pool, struct tick now, struct slot *slot);
/* Data came on it: it stands, and its server lives. */
void turn_alive_deliver(struct turn_pool *pool, struct tick now, struct slot *slot);
/* True when the datagram is the answer to a probe; the slot may be gone afterwards. */
bool turn_alive_input(struct turn_pool *pool, struct tick now, struct slot *slot,
                      struct view datagram);
/* True when a probe is to be sent; the slot may be gone afterwards. */
bool turn_alive_step(struct turn_pool *pool, struct tick now, struct slot *slot);

#endif
