/* batch: room for a batch of received datagrams, and filling it from a socket with one system call.
 * Not here: opening sockets (udp.h), watching many of them (sweep.h), what is in the datagrams.
 * RFC: none. */
#ifndef IO_BATCH_H
#define IO_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/datagram.h"
#include "base/view.h"

/* Room for a number of datagrams of any size, and the datagrams that were received into it. */
struct io_batch;

/* Room for capacity datagrams; NULL with errno set. Only the memory that packets touch becomes
 * resident. */
struct io_batch *io_batch_create(size_t capacity);
void io_batch_destroy(struct io_batch *batch);

/* Forgets what was received. */
void io_batch_clear(struct io_batch *batch);

/* How many more datagrams fit. */
size_t io_batch_room(const struct io_batch *batch);

/* What was received since the last clear; valid until then. */
const struct datagram *io_batch_at(const struct io_batch *batch, size_t *count);

/* Drains fd into the batch's free room with one system call; each datagram gets socket as its
 * number and local as the address it arrived at, unless the kernel tells a better one. Returns how
 * many were received; *drained says whether the socket was empty afterwards. A socket error that
 * an earlier packet caused is consumed and not reported. */
size_t io_batch_receive(struct io_batch *batch, int fd, uint32_t socket, const struct addr *local,
                        bool *drained);

/* Appends what ICMP answered to what fd sent (opened with want_errors): datagrams without bytes, refused, from those at
 * whose port nobody listens. Other errors are passed over. */
void io_batch_errors(struct io_batch *batch, int fd, uint32_t socket);

#endif
