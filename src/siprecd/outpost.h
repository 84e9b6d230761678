/* outpost: one TURN allocation of signalling's own, over a UDP socket: a place outside from where discovery looks at us.
 * Not here: what is looked at (nat/discovery.h), calls' relays (relays.h).
 * RFC 8656 §6, §10, §11. */
#ifndef SIPRECD_OUTPOST_H
#define SIPRECD_OUTPOST_H

#include "base/tick.h"
#include "io/loop.h"
#include "siprecd/mail.h"

/* A TURN server that may be asked over UDP. Plain data; address unset: none. */
struct outpost_server {
    struct addr address;
    char username[WORKER_CREDENTIAL_SIZE], password[WORKER_CREDENTIAL_SIZE];
};

struct outpost;

/* Opens a socket, watched by loop with token, and asks for the allocation. NULL when that cannot be. */
WARN_UNUSED struct outpost *outpost_create(struct io_loop *loop, uint64_t token, struct tick now,
                                           const struct outpost_server *server);
/* Gives the allocation back, without waiting for the answer. NULL is harmless. */
void outpost_destroy(struct outpost *o, struct tick now);

/* Who may send to the relayed address. */
void outpost_let_in(struct outpost *o, struct tick now, const struct addr *peer);
/* From the relayed address to peer; lost until peer's address is let in, which this asks for. */
void outpost_send(struct outpost *o, struct tick now, const struct addr *peer, struct view bytes);

enum outpost_event_kind {
    OUTPOST_STANDS, /* addr: the relayed address */
    OUTPOST_DATA,   /* addr: the peer, bytes */
    OUTPOST_LOST,   /* it is gone, or was never to be had */
};
struct outpost_event {
    enum outpost_event_kind kind;
    struct addr addr;
    struct view bytes; /* borrowed until the next call */
};
/* What has come, until false. */
bool outpost_event(struct outpost *o, struct tick now, struct outpost_event *out);
/* Sends what is due. */
void outpost_expire(struct outpost *o, struct tick now);
struct tick outpost_deadline(const struct outpost *o);

#endif
