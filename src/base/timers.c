/* timers: a binary heap whose entries know their place.
 * Not here: the clock.
 * RFC: none. */
#include "base/timers.h"

#include <assert.h>
#include <stdlib.h>

bool timers_init(struct timers *timers, size_t capacity)
{
    *timers = (struct timers){.capacity = capacity};
    timers->heap = calloc(capacity, sizeof(struct timer *));
    return timers->heap;
}

void timers_finish(struct timers *timers)
{
    free(timers->heap);
    *timers = (struct timers){0};
}

static void place(struct timers *timers, size_t at, struct timer *timer)
{
    timers->heap[at] = timer;
    timer->place = at + 1;
}

static bool earlier(const struct timers *timers, size_t a, size_t b)
{
    return tick_before(timers->heap[a]->deadline, timers->heap[b]->deadline);
}

static void swap(struct timers *timers, size_t a, size_t b)
{
    struct timer *held = timers->heap[a];
    place(timers, a, timers->heap[b]);
    place(timers, b, held);
}

static void settle(struct timers *timers, size_t at)
{
    while (at > 0 && earlier(timers, at, (at - 1) / 2)) {
        swap(timers, at, (at - 1) / 2);
        at = (at - 1) / 2;
    }
    for (;;) {
        size_t first = at, left = 2 * at + 1;
        if (left < timers->count && earlier(timers, left, first))
            first = left;
        if (left + 1 < timers->count && earlier(timers, left + 1, first))
            first = left + 1;
        if (first == at)
            return;
        swap(timers, at, first);
        at = first;
    }
}

void timers_set(struct timers *timers, struct timer *timer, struct tick deadline)
{
    if (tick_is_never(deadline)) {
        timers_clear(timers, timer);
        return;
    }
    timer->deadline = deadline;
    if (!timer->place) {
        assert(timers->count < timers->capacity);
        place(timers, timers->count++, timer);
    }
    settle(timers, timer->place - 1);
}

void timers_clear(struct timers *timers, struct timer *timer)
{
    if (!timer->place)
        return;
    size_t at = timer->place - 1;
    struct timer *last = timers->heap[--timers->count];
    timer->place = 0;
    if (last == timer)
        return;
    place(timers, at, last);
    settle(timers, at);
}

struct tick timers_deadline(const struct timers *timers)
{
    return timers->count ? timers->heap[0]->deadline : TICK_NEVER;
}

struct timer *timers_take_due(struct timers *timers, struct tick now)
{
    if (!timers->count || !tick_due(timers->heap[0]->deadline, now))
        return NULL;
    struct timer *due = timers->heap[0];
    timers_clear(timers, due);
    return due;
}
