/* kept: counting within a window.
 * Not here: sockets.
 * RFC: none. */
#include "siprecd/kept.h"

#include <string.h>

void kept_init(struct kept *k, struct tick now, uint32_t fixed)
{
    memset(k, 0, sizeof *k);
    k->fixed = fixed;
    k->refill_ms = KEPT_REFILL_MS;
    k->peak_at = now;
    for (uint32_t i = 0; i < KEPT_TAKES; i++)
        k->takes[i] = tick_add_ms(now, -KEPT_RECENT_MS);
}

static uint32_t taken_within(const struct kept *k, struct tick now, int64_t ms)
{
    uint32_t count = 0;
    while (count < KEPT_TAKES &&
           tick_diff_ms(now, k->takes[(k->at + KEPT_TAKES - 1 - count) % KEPT_TAKES]) <= ms)
        count++;
    return count;
}

void kept_taken(struct kept *k, struct tick now)
{
    k->takes[k->at] = now;
    k->at = (k->at + 1) % KEPT_TAKES;
    uint32_t busy = taken_within(k, now, k->refill_ms);
    if (busy >= k->peak || tick_diff_ms(now, k->peak_at) > KEPT_RECENT_MS) {
        k->peak = busy;
        k->peak_at = now;
    }
}

void kept_refilled(struct kept *k, int64_t took_ms)
{
    /* Slower at once, faster by and by: a stock that is too small costs a call its best path. */
    if (took_ms >= k->refill_ms)
        k->refill_ms = took_ms < KEPT_RECENT_MS ? took_ms : KEPT_RECENT_MS;
    else
        k->refill_ms -= (k->refill_ms - took_ms) / 8;
}

uint32_t kept_target(const struct kept *k, struct tick now, uint32_t bearable)
{
    uint32_t peak = tick_diff_ms(now, k->peak_at) > KEPT_RECENT_MS ? 0 : k->peak;
    uint32_t target = (peak * 3 + 1) / 2;
    if (target < KEPT_LEAST)
        target = KEPT_LEAST;
    if (k->fixed)
        target = k->fixed;
    return target < bearable ? target : bearable;
}
