/* turnside: our TURN client at a host of the simulated network: one allocation over a UDP port or a
 * TCP connection.
 * Not here: the protocol (turn/allocation.h), the server (turnhost.h).
 * RFC 8656 §3.1: a message after the other on a connection. */
#ifndef NATSIM_TURNSIDE_H
#define NATSIM_TURNSIDE_H

#include "natsim/tunnel.h"
#include "turn/allocation.h"

enum { TURNSIDE_BYTES = 8192 };

struct turnside {
    struct natsim *sim;
    size_t host;
    struct addr local, server; /* local: as bound */
    struct addr proxy;         /* for a stream; the owner's, set before; unset: none */
    bool stream;
    struct turn_allocation *turn; /* NULL: not started */
    struct tunnel connection;
    bool is_lost;          /* its connection could not be opened, or closed */
    struct tick keepalive; /* UDP: when the line is to be kept open again */
    uint64_t sent;
    size_t len, taken;
    uint8_t bytes[TURNSIDE_BYTES];
};

/* Starts to allocate; options' credentials are the owner's, stream is set here. The local port must
 * be nobody else's. */
void turnside_start(struct turnside *side, struct natsim *sim, size_t host, struct addr local,
                    struct addr server, struct turn_options options);
/* Gives nothing back: turn_close first, where it matters. */
void turnside_finish(struct turnside *side);

/* True when the packet was for it; then turnside_next says what was in it, until false. */
bool turnside_take(struct turnside *side, const struct natsim_packet *packet);
/* What peers sent, unwrapped. data borrows until the next call. */
bool turnside_next(struct turnside *side, struct addr *peer, struct view *data);
/* Expires and sends what is due; on UDP also what keeps the NATs' mappings, which is an owner's affair
 * (turn/pool.c does it with requests). */
void turnside_run(struct turnside *side);
struct tick turnside_deadline(const struct turnside *side);
/* To a peer, over the relay. False without a permission. */
bool turnside_send(struct turnside *side, struct addr peer, struct view data);

#endif
