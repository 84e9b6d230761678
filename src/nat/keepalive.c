/* keepalive: the schedule of punches and keepalives.
 * Not here: packets.
 * doc/nat.md 8. */
#include "nat/keepalive.h"

/* Mappings that nobody has answered live 15 s at some carriers, 30 s on Linux:
 * so often until the first packet. */
static const int32_t punches_ms[] = {0, 200, 500, 1000, 2000, 4000, 8000, 12000};
#define PUNCHES       (sizeof punches_ms / sizeof *punches_ms)
#define PUNCH_LONG_MS 12000

/* Where the mapping depends on the destination, what comes to the address that STUN showed is let in
 * for the sake of a mapping that nothing comes to: to its NAT that one is never answered. */
static int32_t most_of(const struct nat_behaviour *b)
{
    return b && nat_mapping_is_dependent(b->mapping) ? PUNCH_LONG_MS : KEEPALIVE_MOST_MS;
}

static uint16_t interval_of(const struct nat_behaviour *b)
{
    int32_t third, lives_s = b ? nat_lifetime_s(b) : 0, most = most_of(b);
    if (b && b->forgotten_s && (lives_s == 0 || b->forgotten_s < lives_s))
        lives_s = b->forgotten_s;
    if (lives_s == 0)
        return (uint16_t)most;
    third = lives_s * 1000 / 3;
    if (third < KEEPALIVE_LEAST_MS)
        third = KEEPALIVE_LEAST_MS;
    return (uint16_t)(third > most ? most : third);
}

void keepalive_start(struct keepalive *k, struct tick now, const struct nat_behaviour *behaviour,
                     uint8_t limit)
{
    *k = (struct keepalive){
        .started = now, .next = now, .interval_ms = interval_of(behaviour), .limit = limit};
}

void keepalive_learn(struct keepalive *k, struct tick now, const struct nat_behaviour *behaviour)
{
    struct tick next;
    k->interval_ms = interval_of(behaviour);
    next = tick_add_ms(now, k->interval_ms);
    if (k->heard && !tick_is_never(k->next) && tick_before(next, k->next))
        k->next = next;
}

void keepalive_stop(struct keepalive *k)
{
    k->next = TICK_NEVER;
}

void keepalive_heard(struct keepalive *k, struct tick now)
{
    if (k->heard)
        return;
    k->heard = true;
    k->next = tick_add_ms(now, k->interval_ms);
}

/* Chance shortens only: 0.8 to 1.0. */
static int64_t shortened(int64_t ms, struct rng *rng)
{
    return ms * (800 + (int64_t)rng_below(rng, 201)) / 1000;
}

bool keepalive_due(struct keepalive *k, struct tick now, struct rng *rng)
{
    if (tick_is_never(k->next) || !tick_due(k->next, now))
        return false;
    if (k->heard) {
        k->next = tick_add_ms(now, shortened(k->interval_ms, rng));
        return true;
    }
    bool is_endless = k->limit == KEEPALIVE_ENDLESS;
    if (k->sent >= k->limit && !is_endless) {
        k->next = TICK_NEVER;
        return false;
    }
    if (k->sent < UINT8_MAX)
        k->sent++;
    if (k->sent >= k->limit && !is_endless)
        k->next = TICK_NEVER;
    else if (k->sent < PUNCHES)
        k->next = tick_add_ms(k->started, punches_ms[k->sent]);
    else
        k->next = tick_add_ms(now, shortened(PUNCH_LONG_MS, rng));
    return true;
}
