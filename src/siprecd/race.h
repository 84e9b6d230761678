/* race: the addresses of one registrar, tried one beside the other: in which order, and when the next.
 * Not here: opening flows and what is heard over them (outbound.h), names (io/dns.h).
 * RFC 8305 §4, 5; RFC 3263 §4.3 (priorities and protocols stay in turn). Pure. */
#ifndef SIPRECD_RACE_H
#define SIPRECD_RACE_H

#include "base/tick.h"
#include "io/dns.h"

enum {
    RACE_NEXT_MS = 250, /* RFC 8305 §5: Connection Attempt Delay */
    /* Until what comes second by priority or protocol is tried beside what is silent, or what was
     * quickest and brought nothing: a connection and its TLS take some trips, and a lost datagram is
     * sent again after 0.5 and 1.5 s. */
    RACE_CONNECT_MS = 2000,
    RACE_ASK_MS = 3000,
};

enum race_state {
    RACE_WAITS,
    RACE_RUNS,
    RACE_STANDS, /* a connection, over which nobody has said anything yet */
    RACE_LOST,
};

struct race_try {
    struct io_dns_place place;
    enum race_state state;
    uint64_t flow; /* the owner's */
};

struct race {
    struct race_try tries[IO_DNS_PLACES_MAX];
    size_t count, begun;
    bool skips;          /* those before the first have brought nothing: it has longer for itself */
    struct tick next_at; /* the next try; TICK_NEVER: all have begun */
};

/* Nobody runs. */
void race_init(struct race *race);

/* Places in the order of io_dns_answer; of each rank IPv6 first, then in turns. The first try is due at once:
 * it is the one skip places further, for whom those before it have brought nothing. */
void race_begin(struct race *race, struct tick now, const struct io_dns_place *places, size_t count,
                size_t skip);

/* The next try that is due, RUNS from now on; NULL: none is. */
struct race_try *race_next(struct race *race, struct tick now);

/* A connection stands, and its other end is asked whether it serves: others begin only where it stays silent
 * (RFC 8305 §5 has no more attempts once one has succeeded). */
void race_stand(struct race *race, struct tick now, struct race_try *one);

/* True while it is under way. */
bool race_tries(const struct race_try *one);

/* One came to nothing: another one as good is due at once. */
void race_lose(struct race *race, struct tick now, struct race_try *one);

/* True when all have come to nothing. */
bool race_is_over(const struct race *race);

#endif
