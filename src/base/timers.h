/* timers: deadlines of many objects, the earliest first; the object carries its timer.
 * Not here: what happens then, and the clock.
 * RFC: none. */
#ifndef BASE_TIMERS_H
#define BASE_TIMERS_H

#include "base/tick.h"

/* As a member of the object; all zero: not set. */
struct timer {
    struct tick deadline;
    size_t place; /* index in the heap plus 1; 0: not set */
};

struct timers {
    struct timer **heap;
    size_t count, capacity;
};

/* Room for capacity timers, made now; false when memory is out. */
WARN_UNUSED bool timers_init(struct timers *timers, size_t capacity);
void timers_finish(struct timers *timers);

/* Sets or moves it; TICK_NEVER clears it. More than capacity at once is our mistake (assert). */
void timers_set(struct timers *timers, struct timer *timer, struct tick deadline);
void timers_clear(struct timers *timers, struct timer *timer);

/* The earliest deadline, or TICK_NEVER. */
struct tick timers_deadline(const struct timers *timers);
/* Takes out one timer whose deadline is due, earliest first; NULL when none is. Timers of one
 * deadline come in no particular order. */
struct timer *timers_take_due(struct timers *timers, struct tick now);

static inline bool timer_is_set(const struct timer *timer)
{
    return timer->place != 0;
}

#endif
