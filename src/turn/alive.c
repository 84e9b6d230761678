/* alive: is a slot's server still there, and does it still know us? Asked now and then, and quickly where there is doubt.
 * Not here: what follows (pool.c).
 * RFC 8489 §6.2.1; RFC 8656 §3.2: an allocation is bound to our address as the server sees it. */
#include "turn/slots.h"

/* Idle ways to the server are kept open, and it is seen whether it lives. */
#define PROBE_MS      25000
#define PROBE_CAP_MS  2000
#define PROBES_MISSED 2
/* Suspected: three questions in a row, and the last is waited for as long as the others. */
#define SUSPECT_STEP_MS   200
#define SUSPECT_QUESTIONS 3
#define SUSPECT_MS        700
#define SUSPECT_STREAM_MS 900 /* TCP sends again after 200 ms at the soonest */
/* A server that delivers to others is busy, not dead: it is asked on, for so long at most. */
#define SUSPECT_BUSY_STEP_MS 300
#define SUSPECT_BUSY_MS      3000

void turn_alive_plan(struct turn_pool *pool, struct tick now, struct slot *slot)
{
    slot->probe_at =
        tick_add_ms(now, PROBE_MS * (800 + (int64_t)rng_below(&pool->rng, 201)) / 1000);
    slot->missed = 0;
    slot->is_suspected = false;
    slot->suspect_at = slot->suspect_until = TICK_NEVER;
}

void turn_alive_suspect(struct turn_pool *pool, struct tick now, struct slot *slot)
{
    int64_t rtt_ms = turn_status(slot->allocation).rtt_ms;
    bool stream = slot->server != ORPHANS && pool->servers[slot->server].stream;
    int64_t wait_ms = stream ? SUSPECT_STREAM_MS : SUSPECT_MS;
    if (slot->is_suspected || !turn_slot_stands(slot))
        return;
    if (rtt_ms > 0 && wait_ms < SUSPECT_STEP_MS + 2 * rtt_ms)
        wait_ms = SUSPECT_STEP_MS + 2 * rtt_ms;
    slot->is_suspected = true;
    slot->questions = stream ? 1 : SUSPECT_QUESTIONS;
    slot->suspected_at = slot->suspect_at = now;
    slot->suspect_until = tick_add_ms(now, wait_ms);
    if (!stun_client_is_open(&slot->probe)) {
        const struct stun_client_options schedule = {.reliable = true};
        stun_client_start(&slot->probe, now, &pool->rng, &schedule);
    }
    slot->probe_at = TICK_NEVER;
    turn_check(slot->allocation, now);
    turn_slot_touch(pool, slot);
}

void turn_alive_deliver(struct turn_pool *pool, struct tick now, struct slot *slot)
{
    slot->is_heard = true;
    if (slot->server != ORPHANS)
        pool->servers[slot->server].delivered_at = now;
    if (!slot->is_suspected)
        return;
    stun_client_stop(&slot->probe);
    turn_alive_plan(pool, now, slot);
    turn_slot_touch(pool, slot);
}

/* The answer to a probe. Seen from another address than before: a NAT has moved us, and the server knows our 5-tuple no
 * more. */
bool turn_alive_input(struct turn_pool *pool, struct tick now, struct slot *slot,
                      struct view datagram)
{
    struct stun_message m;
    struct addr mapped, before = slot->mapped;
    if (!stun_client_is_open(&slot->probe) || stun_message_decode(datagram, &m) != STUN_DECODED ||
        !stun_client_matches(&slot->probe, &m))
        return false;
    stun_client_stop(&slot->probe);
    /* The server is there. That it knows us still is told by data, or by a Refresh: it may have been restarted. */
    if (!slot->is_heard && !slot->is_suspected)
        turn_check(slot->allocation, now);
    slot->is_heard = false;
    turn_alive_plan(pool, now, slot);
    if (slot->server != ORPHANS && pool->servers[slot->server].is_dead)
        turn_slots_prove(pool, slot->server);
    if (!stun_read_mapped(&m, &mapped) || (addr_is_set(&before) && addr_equal(&mapped, &before)))
        return true;
    slot->mapped = mapped;
    if (!addr_is_set(&before))
        return true;
    if (turn_status(slot->allocation).movable) {
        turn_moved(slot->allocation, now); /* RFC 8016: the ticket takes it over to the new one */
        return true;
    }
    turn_slot_lost(pool, now, slot, &(struct turn_event){.action = TURN_GONE, .code = 437});
    turn_stock_fill(pool, now);
    return true;
}

static void dead(struct turn_pool *pool, struct tick now, struct slot *slot)
{
    turn_slot_lost(pool, now, slot, &(struct turn_event){.action = TURN_WAIT_SERVER});
    turn_stock_fill(pool, now);
}

static bool is_busy(const struct turn_pool *pool, const struct slot *slot)
{
    return slot->server != ORPHANS &&
           turn_server_has_delivered(&pool->servers[slot->server], slot->suspected_at);
}

/* True when a question is to be sent; the slot may be gone afterwards. */
static bool step_suspicion(struct turn_pool *pool, struct tick now, struct slot *slot)
{
    if (slot->questions > 0 && tick_due(slot->suspect_at, now)) {
        slot->questions--;
        slot->suspect_at =
            slot->questions ? tick_add_ms(now, SUSPECT_STEP_MS) : slot->suspect_until;
        slot->probe.sent = 1; /* answers are taken from now on */
        return true;
    }
    if (!tick_due(slot->suspect_until, now))
        return false;
    if (is_busy(pool, slot) && tick_diff_ms(now, slot->suspected_at) < SUSPECT_BUSY_MS) {
        slot->suspect_at = slot->suspect_until = tick_add_ms(now, SUSPECT_BUSY_STEP_MS);
        return true;
    }
    dead(pool, now, slot);
    return false;
}

/* The same. */
bool turn_alive_step(struct turn_pool *pool, struct tick now, struct slot *slot)
{
    const struct stun_client_options schedule = {.cap_ms = PROBE_CAP_MS,
                                                 .reliable = slot->server != ORPHANS &&
                                                             pool->servers[slot->server].stream};
    if (slot->is_suspected)
        return step_suspicion(pool, now, slot);
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
    dead(pool, now, slot);
    return false;
}
