/* world: simulated time and a simulated network: the clock jumps to the next event, links lose,
 * repeat and delay by a seeded rng.
 * Not here: who sits on the network (src.h: the SRC, srs.h: siprecd).
 * RFC: none. */
#ifndef SIM_WORLD_H
#define SIM_WORLD_H

#include "base/addr.h"
#include "base/rng.h"
#include "base/tick.h"

struct src;
struct srs;

/* What happens to datagrams on their way; SIP and media each have one. */
struct link {
    double loss, repeat; /* chances, 0..1 */
    int64_t delay_us;    /* the least */
    int64_t jitter_us;   /* evenly on top: re-orders what is sent closer together */
};

enum { WORLD_SRCS = 512 };

struct world {
    uint64_t seed;
    struct rng rng;
    struct tick now;
    struct link sip, media;
    struct srs *srs;
    struct src *srcs[WORLD_SRCS];
    unsigned src_count;
    struct flight **flights; /* heap by arrival */
    size_t flight_count, flight_room;
    uint64_t order;
    uint64_t sent, lost;
};

/* A perfect network at noon of 2026-03-01. The seed is printed by whoever chooses it. */
void world_init(struct world *world, uint64_t seed);
void world_finish(struct world *world);

struct wall world_wall(const struct world *world);

/* Puts a datagram on the wire; copies it. */
void world_send(struct world *world, struct addr from, struct addr to, struct view bytes);

/* The same over a connection: nothing is lost, repeated or overtaken. */
void world_stream(struct world *world, struct addr from, struct addr to, struct view bytes);

/* Plays what happens in the next ms. */
void world_run(struct world *world, int64_t ms);

/* Plays until done(context) or `ms` are over; what done said last. */
bool world_until(struct world *world, int64_t ms, bool (*done)(void *context), void *context);

#endif
