/* conduit: the ways from a worker to TURN servers, one for each allocation: a UDP socket of the sweep, or a TCP or TLS
 * connection, through an HTTP proxy where there is no other way; whole messages in and out.
 * Not here: what the messages say (turn), which servers (relays.h).
 * RFC 8656 §3.1, §12.5 (framing on streams); RFC 9110 §9.3.6 (CONNECT). */
#ifndef SIPRECD_CONDUIT_H
#define SIPRECD_CONDUIT_H

#include "base/datagram.h"
#include "io/loop.h"
#include "io/proxy.h"
#include "io/sweep.h"

struct conduit;

enum { CONDUIT_NAME_SIZE = 256, CONDUIT_WHY_SIZE = 160 };

enum conduit_transport { CONDUIT_UDP, CONDUIT_TCP, CONDUIT_TLS };

struct conduit_config {
    uint32_t slots;         /* numbered from 0 */
    struct io_sweep *sweep; /* takes up the UDP sockets, as sweep_base + slot; borrowed */
    uint32_t sweep_base;
    struct io_loop *loop; /* for the connections; borrowed */
    uint8_t tag;          /* of the connections' tokens: their top 8 bits */
    const char *ca;       /* PEM file trusted beside the system's; "" or NULL: none */
};

/* Where a slot's messages go. */
struct conduit_route {
    enum conduit_transport transport;
    struct addr local;            /* our end's address; port 0 */
    struct addr peer;             /* the server; not set: only its name is known, and the proxy */
    uint16_t port;                /* the server's, where peer is not set */
    char name[CONDUIT_NAME_SIZE]; /* TLS: what its certificate must name; and CONNECT's target */
    bool has_proxy;
    bool proxy_first; /* it was the only way the last time */
    struct io_proxy proxy;
    struct addr proxy_at;
};

struct conduit *conduit_create(const struct conduit_config *config);
/* Closes all; what leaves the sweep must not be in the midst of one. */
void conduit_destroy(struct conduit *c);

/* Opens a way for a slot that has none. 0, or an errno. On streams messages may be sent at once. */
WARN_UNUSED int conduit_open(struct conduit *c, struct tick now, uint32_t slot,
                             const struct conduit_route *route);
/* No way: nothing happens. Never within a sweep. */
void conduit_close(struct conduit *c, struct tick now, uint32_t slot);
bool conduit_is_open(const struct conduit *c, uint32_t slot);

/* 0, or an errno: ECONNREFUSED tells that nobody is there any more; otherwise the message alone is lost. */
int conduit_send(struct conduit *c, struct tick now, uint32_t slot, struct view message);

/* The slot of a datagram of the sweep; false: it is none of ours. */
static inline bool conduit_slot_of(const struct conduit_config *config, uint32_t socket,
                                   uint32_t *slot)
{
    *slot = socket - config->sweep_base;
    return socket >= config->sweep_base && *slot < config->slots;
}

enum conduit_event_kind {
    CONDUIT_MESSAGE,  /* of a stream: message, at */
    CONDUIT_BY_PROXY, /* the way leads through the proxy: a direct connection failed */
    CONDUIT_BROKEN,   /* it is closed, why in words */
};
struct conduit_event {
    enum conduit_event_kind kind;
    uint32_t slot;
    struct view message; /* borrowed until the next call */
    struct wall at;
    const char *why; /* borrowed likewise */
};
/* The next thing that a stream brought, until false. */
bool conduit_event(struct conduit *c, struct tick now, struct conduit_event *out);

/* As io_tcp_defer and io_tcp_sweep, for streams. */
void conduit_defer(struct conduit *c, uint32_t slot);
void conduit_sweep(struct conduit *c, bool goes_on);

/* Tells what the loop reported ready, whose token carries our tag. */
void conduit_ready(struct conduit *c, struct tick now, const struct io_ready *ready);
void conduit_expire(struct conduit *c, struct tick now);
struct tick conduit_deadline(const struct conduit *c);

#endif
