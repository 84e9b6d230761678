/* shared: the sockets that many streams of one worker share: rtp.mux_port, and the TCP listeners and
 * connections of ICE-TCP.
 * Not here: whose a datagram is (media/shared.h), media ports (stock.h).
 * RFC 6544 §7, 4571 (framing), 7983. */
#ifndef SIPRECD_SHARED_H
#define SIPRECD_SHARED_H

#include "base/datagram.h"
#include "io/batch.h"
#include "io/loop.h"
#include "media/media.h"
#include "siprecd/values.h"

struct shared;

struct shared_config {
    uint16_t mux_port, tcp_port; /* 0: none */
    size_t binds_count;
    struct addr binds[VALUES_ADDRESSES_MAX];
    struct io_loop *loop;
    uint8_t tag; /* of its tokens there */
};

/* Opens what it can and says in the log what it cannot. NULL when memory is short, or when nothing
 * of what was asked for could be opened (errno says why). Borrows the loop. */
struct shared *shared_create(const struct shared_config *config);
void shared_destroy(struct shared *shared);

/* Sends; opens a TCP connection first where ICE checks one from us (RFC 6544 §7.1). */
void shared_send(struct shared *shared, struct tick now, const struct media_packet *packet);
/* Before a sweep: what connections that bring media have brought is read now. goes_on: the next sweep is soon. */
void shared_sweep(struct shared *shared, bool goes_on);
/* What came since, in batches, until 0. Borrowed until the next call. */
size_t shared_receive(struct shared *shared, struct tick now, struct io_batch *batch,
                      const struct datagram **out);
void shared_ready(struct shared *shared, struct tick now, const struct io_ready *ready);
/* Closes connections that no stream has taken in time. media: knows whose paths they are. */
void shared_expire(struct shared *shared, struct tick now, struct media *media);
struct tick shared_deadline(const struct shared *shared);

#endif
