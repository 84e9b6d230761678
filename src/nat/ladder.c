/* ladder: the steps in their order.
 * Not here: what a step does.
 * doc/nat.md 9. */
#include "nat/ladder.h"

static void plan(struct ladder *l, struct tick now, enum ladder_step step, int64_t after_ms)
{
    l->step = step;
    l->next = tick_add_ms(now, after_ms);
}

void ladder_start(struct ladder *l, struct tick now, enum path_code path, bool may_reinvite)
{
    *l = (struct ladder){.tried = 1u << (unsigned)path, .may_reinvite = may_reinvite};
    plan(l, now, LADDER_PUNCH_AGAIN, LADDER_PUNCH_MS);
}

void ladder_stop(struct ladder *l)
{
    l->next = TICK_NEVER;
}

void ladder_heard(struct ladder *l, struct tick now)
{
    l->heard = true;
    plan(l, now, LADDER_PUNCH_AGAIN, LADDER_SILENCE_MS);
}

void ladder_moved(struct ladder *l, struct tick now, enum path_code path)
{
    l->tried |= 1u << (unsigned)path;
    if (path == PATH_BEST_EFFORT)
        plan(l, now, LADDER_OUT_OF_PATHS, 0);
    else
        plan(l, now, LADDER_PUNCH_AGAIN, LADDER_PUNCH_MS);
}

void ladder_expect(struct ladder *l, struct tick now)
{
    l->heard = false;
    plan(l, now, LADDER_PUNCH_AGAIN, LADDER_PUNCH_MS);
}

void ladder_wait(struct ladder *l, struct tick now, int64_t for_ms)
{
    struct tick end = tick_add_ms(now, for_ms);
    if (!tick_is_never(l->next) && tick_before(l->next, end))
        l->next = end;
}

enum ladder_step ladder_due(struct ladder *l, struct tick now)
{
    enum ladder_step step = l->step;
    if (tick_is_never(l->next) || !tick_due(l->next, now))
        return LADDER_WAIT;
    switch (step) {
    case LADDER_PUNCH_AGAIN:
        /* Silence in a call that was heard: a mapping that moved is the likeliest cause (step 4). */
        plan(l, now, l->heard ? LADDER_ASK_STUN : LADDER_PERMIT_ALL,
             LADDER_PERMIT_MS - LADDER_PUNCH_MS);
        break;
    case LADDER_ASK_STUN:
        plan(l, now, LADDER_PERMIT_ALL, LADDER_PERMIT_MS);
        break;
    case LADDER_PERMIT_ALL:
        plan(l, now, l->may_reinvite ? LADDER_NEXT_PATH : LADDER_OUT_OF_PATHS,
             LADDER_NEXT_MS - LADDER_PERMIT_MS);
        break;
    case LADDER_NEXT_PATH:
        ladder_stop(l); /* until it is told which */
        break;
    case LADDER_OUT_OF_PATHS:
    case LADDER_WAIT:
        ladder_stop(l);
        break;
    }
    return step;
}
