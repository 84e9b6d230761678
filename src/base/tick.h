/* tick: monotonic and wall-clock time as types of their own, so that units and clocks cannot mix.
 * Not here: reading a clock (io/clock.h does).
 * RFC 3339 for the printed form. */
#ifndef BASE_TICK_H
#define BASE_TICK_H

#include "base/view.h"

/* A moment on a monotonic clock, in nanoseconds from an unknown start. */
struct tick {
    int64_t ns;
};

/* A moment in UTC, in nanoseconds since 1970-01-01. */
struct wall {
    int64_t ns;
};

#define TICK_NEVER ((struct tick){INT64_MAX})
#define NS_PER_US  INT64_C(1000)
#define NS_PER_MS  INT64_C(1000000)
#define NS_PER_S   INT64_C(1000000000)

static inline bool tick_is_never(struct tick t)
{
    return t.ns == INT64_MAX;
}

/* Saturates at TICK_NEVER. */
static inline struct tick tick_add_ns(struct tick t, int64_t ns)
{
    struct tick sum;
    if (__builtin_add_overflow(t.ns, ns, &sum.ns))
        return TICK_NEVER;
    return sum;
}

static inline struct tick tick_add_ms(struct tick t, int64_t ms)
{
    return tick_add_ns(t, ms * NS_PER_MS);
}

/* a - b. Neither may be TICK_NEVER. */
static inline int64_t tick_diff_ns(struct tick a, struct tick b)
{
    return a.ns - b.ns;
}

static inline int64_t tick_diff_ms(struct tick a, struct tick b)
{
    return (a.ns - b.ns) / NS_PER_MS;
}

static inline bool tick_before(struct tick a, struct tick b)
{
    return a.ns < b.ns;
}

/* True when deadline has come: deadline <= now. */
static inline bool tick_due(struct tick deadline, struct tick now)
{
    return deadline.ns <= now.ns;
}

static inline struct tick tick_min(struct tick a, struct tick b)
{
    return a.ns < b.ns ? a : b;
}

static inline struct wall wall_add_ms(struct wall t, int64_t ms)
{
    return (struct wall){t.ns + ms * NS_PER_MS};
}

static inline int64_t wall_diff_ms(struct wall a, struct wall b)
{
    return (a.ns - b.ns) / NS_PER_MS;
}

/* One moment on both clocks. */
struct moment {
    struct tick tick;
    struct wall wall;
};

/* What the wall clock shows at t, and when it showed at. True unless it was set in between. */
static inline struct wall moment_wall(const struct moment *m, struct tick t)
{
    return (struct wall){m->wall.ns + tick_diff_ns(t, m->tick)};
}

static inline struct tick moment_tick(const struct moment *m, struct wall at)
{
    return (struct tick){m->tick.ns - (m->wall.ns - at.ns)};
}

/* "2026-03-01T12:00:00.123Z" (RFC 3339, UTC, milliseconds): 24 bytes and a NUL. */
#define WALL_TEXT_SIZE 32
struct wall_text {
    char s[WALL_TEXT_SIZE];
};
struct wall_text wall_print(struct wall t);

/* RFC 3339, and what is seen instead: no zone (taken as UTC), "+0000", any number of fraction
 * digits, a blank for the T. False, *out untouched, when it is no time. */
WARN_UNUSED bool wall_parse(struct view text, struct wall *out);

/* UTC date of t, for directories. */
struct wall_date {
    int year, month, day;
};
struct wall_date wall_date_of(struct wall t);

#endif
