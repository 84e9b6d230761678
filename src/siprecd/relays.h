/* relays: a worker's TURN allocations: the pool with its sockets and connections, tickets of what stands ready, packets
 * in and out for media.
 * Not here: the protocol (turn), the ways to servers (conduit.h), who is answered with which relay (recorder), finding
 * servers' addresses and making credentials (signalling).
 * RFC 8656. */
#ifndef SIPRECD_RELAYS_H
#define SIPRECD_RELAYS_H

#include "base/datagram.h"
#include "io/loop.h"
#include "io/mailbox.h"
#include "io/sweep.h"
#include "media/relay.h"
#include "siprecd/mail.h"

struct relays;

struct relays_config {
    uint32_t worker;
    uint32_t slots; /* allocations at once, at most */
    int64_t ready;  /* held ready for SRCs not seen before, or VALUES_AUTO: by demand */
    size_t binds_count;
    struct addr binds[VALUES_ADDRESSES_MAX]; /* our end is one of these, of the server's family */
    struct io_sweep *sweep;                  /* UDP sockets are its sweep_base + slot; borrowed */
    uint32_t sweep_base;
    struct io_loop *loop; /* connections; borrowed */
    uint8_t tag;
    const char *ca;                /* sip.tls_ca */
    struct io_mailbox *signalling; /* gets tickets and reports; borrowed */
};

/* NULL when memory is out. */
struct relays *relays_create(const struct relays_config *config);
/* Closes all sockets; allocations that were not given back live on at their servers for minutes. */
void relays_destroy(struct relays *r);

/* What is known of our network and of the servers. Without servers nothing is kept. */
void relays_know(struct relays *r, struct tick now, const struct worker_network *network);
/* Gives everything back, what is lent, too. */
void relays_drain(struct relays *r, struct tick now);
/* No allocation is left. */
bool relays_is_empty(const struct relays *r);

/* A stream has the slot that its answer named: MEDIA_RELAY_LOST follows if it is gone meanwhile. */
void relays_lend(struct relays *r, struct tick now, uint32_t slot, uint32_t generation,
                 uint64_t src);
/* A slot that was picked was not used after all. */
void relays_unused(struct relays *r, struct tick now, uint32_t slot, uint32_t generation);
void relays_want(struct relays *r, struct tick now, const struct media_relay_want *want);
/* From the relayed address to peer. False: it did not leave; where that was for lack of a permission it is asked for
 * now. */
bool relays_send(struct relays *r, struct tick now, uint32_t slot, const struct addr *peer,
                 struct view bytes);

/* True when the sweep's socket is a relay's. */
bool relays_owns(const struct relays *r, uint32_t socket);
/* Takes in what the sweep received. Datagrams of relays become their peers' (socket MEDIA_RELAY(slot), bytes inside) in
 * out, which has room for count; others are copied as they are. Returns how many there are. */
size_t relays_unwrap(struct relays *r, struct tick now, const struct datagram *in, size_t count,
                     struct datagram *out);
/* The same for what connections brought: at most room, all of it valid until the next call. 0: nothing more. */
size_t relays_streams(struct relays *r, struct tick now, struct datagram *out, size_t room);
/* Connections that bring media are read at sweeps, while those go on; relays_streams() has what they brought. */
void relays_sweep(struct relays *r, bool goes_on);
void relays_ready(struct relays *r, struct tick now, const struct io_ready *ready);

/* Sends, opens, closes, posts what is due. Never within a sweep. */
void relays_expire(struct relays *r, struct tick now);
struct tick relays_deadline(const struct relays *r);
/* Somebody waits for an answer of a server: sweep soon. */
bool relays_is_waiting(const struct relays *r, struct tick now);
/* What media has to know, until false. */
bool relays_event(struct relays *r, struct media_relay_event *out);

#endif
