/* sweep: many UDP sockets looked at now and then: which hold packets, and draining those.
 * Not here: when to look (the worker's affair), opening and closing sockets, what is in the datagrams.
 * RFC: none. */
#ifndef IO_SWEEP_H
#define IO_SWEEP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/view.h"
#include "io/batch.h"

struct io_sweep;

/* For up to capacity sockets; numbers given to add are < capacity. */
struct io_sweep *io_sweep_create(size_t capacity);
void io_sweep_destroy(struct io_sweep *sweep);

/* Has fd (borrowed) swept from now on, as number socket, bound to local. Returns 0 or an errno. */
WARN_UNUSED int io_sweep_add(struct io_sweep *sweep, uint32_t socket, int fd,
                             const struct addr *local);
void io_sweep_remove(struct io_sweep *sweep, uint32_t socket);

/* Opens a sweep: finds out which sockets hold packets. */
void io_sweep_begin(struct io_sweep *sweep);

/* Clears the batch and fills it from ready sockets, all of one socket in a row. False when this
 * sweep is over: every socket that was ready has been drained (but see IO_SWEEP_ROUNDS_MAX). */
bool io_sweep_next(struct io_sweep *sweep, struct io_batch *batch);

#endif
