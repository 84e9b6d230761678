/* ageing: how long after our last packet a stream's mapping was still there, and whether it was gone then.
 * Not here: what is made of that (keepalive.h, way.c), tests of mappings that carry nothing (lifetime.c).
 * RFC 4787 REQ-5, REQ-6; RFC 6263 §4. Pure. */
#ifndef NAT_AGEING_H
#define NAT_AGEING_H

#include "base/tick.h"

enum {
    AGEING_SILENT_MS = 1000,   /* shorter silences are the network's affair, */
    AGEING_GONE_MS = 250,      /* unless another mapping is seen */
    AGEING_ANSWERED_MS = 1000, /* what comes so soon after our packet came for its sake */
    AGEING_MISSING = 10,    /* packets: who merely was silent has numbered none that did not come */
    AGEING_LEAST_MS = 4000, /* sooner nothing forgets: a NAT that restarts does */
    AGEING_SAME_MS = 100,   /* times are as exact as that */
};

/* One way: from our socket, or by a relay. */
struct ageing {
    struct tick sent, heard; /* our last packet to them, and theirs; TICK_NEVER: none */
    struct tick asked;       /* our last one to somebody else, which opens a mapping as well */
    bool asks;               /* those are all that we send */
    int64_t lived_ms;        /* theirs came so long after ours, when we had last sent */
    int64_t proven_ms;       /* the longest of these: so long nothing forgets */
    int64_t longest_ms;      /* the longest that we sent nothing, since theirs came last */
};

#define AGEING_NEW ((struct ageing){.sent = TICK_NEVER, .heard = TICK_NEVER, .asked = TICK_NEVER})
/* A packet of ours has left that way, to them; to somebody else. */
void ageing_sent(struct ageing *a, struct tick now);
void ageing_asked(struct ageing *a, struct tick now);
/* One of theirs came by it, and before it so many of theirs are missing. How long after our packet the
 * mapping was gone, in ms, if this shows that it was: silence, packets that did not come, and then one
 * that came as soon as we had sent. Else 0. */
int64_t ageing_heard(struct ageing *a, struct tick now, uint64_t missing);
/* The mapping is another one now. How long after our packet the old one was gone, in ms; 0: who knows.
 * flowed: theirs had come all the time until they did not; else nothing was to come. */
int64_t ageing_moved(const struct ageing *a, struct tick now, bool flowed);

/* In whole seconds, upwards. */
static inline uint16_t ageing_seconds(int64_t age_ms)
{
    return (uint16_t)(age_ms < UINT16_MAX * INT64_C(1000) ? (age_ms + 999) / 1000 : UINT16_MAX);
}

#endif
