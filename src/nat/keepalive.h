/* keepalive: when to send on a media socket so that the NATs on the way let the SRC in, and go on
 * doing so.
 * Not here: what is sent and to whom (media), ICE's consent (ice), permissions and channels (turn).
 * doc/nat.md 8; RFC 6263 §4, §7 (the very tuple, also when nothing else is sent);
 * RFC 4787 REQ-6. Pure. */
#ifndef NAT_KEEPALIVE_H
#define NAT_KEEPALIVE_H

#include "base/rng.h"
#include "base/tick.h"
#include "nat/behaviour.h"

enum {
    KEEPALIVE_LEAST_MS = 5000,
    KEEPALIVE_MOST_MS =
        20000, /* and where the lifetime is not known; 12 s where mappings depend on the destination */
    /* Before anything has come back: who is in sip.allow, and who is not (DESIGN.md). */
    KEEPALIVE_LIMIT_LISTED = 20,
    KEEPALIVE_LIMIT_UNLISTED = 3,
    KEEPALIVE_ENDLESS = UINT8_MAX, /* somebody else counts (way.h) */
};

struct keepalive {
    struct tick started, next;
    uint16_t interval_ms; /* once heard, before chance shortens it */
    uint8_t limit, sent;  /* before it was heard */
    bool heard;
};

/* Begins to punch at once; behaviour may be NULL: nothing is known. Again after a hold: what waits
 * for packets that do not come is as if new (two-stage timers). */
void keepalive_start(struct keepalive *k, struct tick now, const struct nat_behaviour *behaviour,
                     uint8_t limit);
/* More is known of our NAT now than when it began. */
void keepalive_learn(struct keepalive *k, struct tick now, const struct nat_behaviour *behaviour);
/* A packet has come from the peer: from now on slowly. */
void keepalive_heard(struct keepalive *k, struct tick now);
/* True when one is to be sent now; then the next is planned. */
bool keepalive_due(struct keepalive *k, struct tick now, struct rng *rng);
static inline struct tick keepalive_deadline(const struct keepalive *k)
{
    return k->next;
}
/* No more; until it is started again. */
void keepalive_stop(struct keepalive *k);

#endif
