/* ports: which pairs of media ports of a range are lent, resting or free: the choice alone.
 * Not here: sockets: the caller binds what it is told and says when that failed.
 * RFC 3550 §11 (RTP on an even port, RTCP on the next). */
#ifndef IO_PORTS_H
#define IO_PORTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/rng.h"
#include "base/tick.h"
#include "base/view.h"

struct io_ports;

enum io_ports_result {
    IO_PORTS_OK,      /* a pair that rested as long as it should, or was never used */
    IO_PORTS_PRESSED, /* a pair that rested less than 30 s, at least 2 s */
    IO_PORTS_NONE,    /* every pair is lent, or rested less than 2 s */
};

struct io_ports_range {
    uint16_t min; /* lowest and highest port that may be used, both inclusive */
    uint16_t max;
    unsigned share;  /* this is share number share... */
    unsigned shares; /* ...of shares (>= 1): every shares-th pair, so that workers never meet */
};

/* The pairs of range, in an order that starts at a random place; NULL when out of memory. A range
 * without one whole pair gives an allocator that has none. */
struct io_ports *io_ports_create(const struct io_ports_range *range, struct rng *rng);
void io_ports_destroy(struct io_ports *ports);

/* Lends the least recently used pair; *rtp_port is even, RTCP has the next. */
WARN_UNUSED enum io_ports_result io_ports_take(struct io_ports *ports, struct tick now,
                                               uint16_t *rtp_port);

/* Takes a lent pair back; it rests from now. */
void io_ports_return(struct io_ports *ports, struct tick now, uint16_t rtp_port);

/* Takes a lent pair back that some other program occupies: it goes to the end of the line. */
void io_ports_blocked(struct io_ports *ports, struct tick now, uint16_t rtp_port);

size_t io_ports_total(const struct io_ports *ports);

#endif
