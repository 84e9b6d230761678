/* ageing: the arithmetic.
 * Not here: packets.
 * RFC 4787 REQ-6: what comes in need not refresh a mapping. */
#include "nat/ageing.h"

static bool is_heard_since(const struct ageing *a)
{
    return !tick_is_never(a->heard) && !tick_before(a->heard, a->sent);
}

/* How long after ours theirs came last. What we have sent since then found the mapping gone. */
static int64_t lived_ms(const struct ageing *a)
{
    return is_heard_since(a) ? tick_diff_ms(a->heard, a->sent) : a->lived_ms;
}

static void note_sent(struct ageing *a, struct tick now)
{
    if (!tick_is_never(a->sent)) {
        int64_t pause_ms = tick_diff_ms(now, a->sent);
        a->lived_ms = lived_ms(a);
        if (a->lived_ms > a->proven_ms)
            a->proven_ms = a->lived_ms;
        if (pause_ms > a->longest_ms)
            a->longest_ms = pause_ms;
    }
    a->sent = now;
}

void ageing_sent(struct ageing *a, struct tick now)
{
    a->asks = false;
    note_sent(a, now);
}

void ageing_asked(struct ageing *a, struct tick now)
{
    a->asked = now;
    a->asks = a->asks || tick_is_never(a->sent);
    if (a->asks)
        note_sent(a, now);
}

static int64_t plausible(const struct ageing *a, int64_t age_ms)
{
    return age_ms >= AGEING_LEAST_MS && age_ms + AGEING_SAME_MS >= a->proven_ms ? age_ms : 0;
}

/* Was it opened by us, in the midst of silence, and just now? */
static bool is_opened(const struct ageing *a, struct tick now, struct tick at)
{
    return !tick_is_never(at) && tick_before(a->heard, at) &&
           tick_diff_ms(now, at) <= AGEING_ANSWERED_MS;
}

int64_t ageing_heard(struct ageing *a, struct tick now, uint64_t missing)
{
    int64_t age_ms = 0;
    bool was_silent = !tick_is_never(a->heard) && tick_diff_ms(now, a->heard) >= AGEING_SILENT_MS;
    if (was_silent && missing >= AGEING_MISSING && !tick_is_never(a->sent) &&
        (is_opened(a, now, a->sent) || is_opened(a, now, a->asked)))
        age_ms = plausible(a, lived_ms(a));
    a->heard = now;
    a->longest_ms = 0;
    return age_ms;
}

int64_t ageing_moved(const struct ageing *a, struct tick now, bool flowed)
{
    if (tick_is_never(a->sent) || tick_is_never(a->heard) ||
        tick_diff_ms(now, a->heard) < AGEING_GONE_MS)
        return 0;
    if (flowed)
        return plausible(a, lived_ms(a));
    int64_t pause_ms = tick_diff_ms(now, a->sent);
    return plausible(a, pause_ms > a->longest_ms ? pause_ms : a->longest_ms);
}
