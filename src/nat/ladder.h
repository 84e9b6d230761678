/* ladder: what is tried when no media arrives, and when: after the ACK, and in the midst of a call.
 * Not here: doing it (media, recorder, sip), which path comes next (path.h), TURN's own errors (turn/error.h, turn/pool.h).
 * doc/nat.md 9: each may be done twice without harm. Pure. */
#ifndef NAT_LADDER_H
#define NAT_LADDER_H

#include "base/tick.h"
#include "nat/path.h"

enum {
    LADDER_PUNCH_MS = 400,
    LADDER_PERMIT_MS = 1000,
    LADDER_NEXT_MS = 2000, /* and again as long after each change */
    LADDER_SILENCE_MS =
        5000, /* in a call that was heard: silence suppression is told by RTCP and keepalives */
};

enum ladder_step {
    LADDER_WAIT,
    LADDER_PUNCH_AGAIN, /* the burst once more, to all that is known */
    LADDER_PERMIT_ALL,  /* permissions for every IP known; probes over the relay and raw */
    LADDER_NEXT_PATH,   /* re-INVITE with path_choose's next: leave out ladder->tried */
    LADDER_ASK_STUN, /* the call went silent: is the socket's mapping still the one we answered with? */
    LADDER_OUT_OF_PATHS, /* told once: the verdict is "unreachable"; what comes after all is recorded */
};

struct ladder {
    struct tick next;
    unsigned tried; /* 1 << path code, for path_choose */
    enum ladder_step step;
    bool heard, may_reinvite;
};

/* The answer went out with this path and was acknowledged now. may_reinvite: the SRC's profile allows it. */
void ladder_start(struct ladder *l, struct tick now, enum path_code path, bool may_reinvite);
/* Media came, or something that says that the SRC is alive and silent (RTCP, a keepalive). */
void ladder_heard(struct ladder *l, struct tick now);
/* The stream is on hold, or over: nothing is missing. */
void ladder_stop(struct ladder *l);
/* Media is due from now on, on the path in use: after the answer's ACK, a re-INVITE's 2xx, a hold. */
void ladder_expect(struct ladder *l, struct tick now);
/* Something came that may turn out to be the stream's: nothing is tried for so long. */
void ladder_wait(struct ladder *l, struct tick now, int64_t for_ms);
/* What is to be done now; LADDER_WAIT: nothing. */
enum ladder_step ladder_due(struct ladder *l, struct tick now);
/* LADDER_NEXT_PATH was followed: this path is in use now. LADDER_OUT_OF_PATHS follows PATH_BEST_EFFORT. */
void ladder_moved(struct ladder *l, struct tick now, enum path_code path);
static inline struct tick ladder_deadline(const struct ladder *l)
{
    return l->next;
}

#endif
