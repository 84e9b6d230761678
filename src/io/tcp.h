/* tcp: TCP listeners and connections of one loop: accepting within limits, connecting, bounded
 * queues of unsent bytes, idle and stuck connections.
 * Not here: finding messages in the bytes (sip), TLS.
 * RFC 3261 §18 (a connection is a flow that carries many dialogs), 5626 §3.5.1. */
#ifndef IO_TCP_H
#define IO_TCP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/tick.h"
#include "base/view.h"
#include "io/loop.h"

struct io_tcp;

struct io_tcp_limits {
    size_t connections_max;          /* in all */
    size_t connections_per_peer_max; /* from one IP address */
    size_t listeners_max;
    size_t unsent_bytes_max; /* queued on one connection before it is given up */
    int64_t first_bytes_ns;  /* an accepted connection that says nothing is closed after this */
    int64_t idle_ns;         /* any connection without bytes either way */
    int64_t unsent_ns;       /* a peer that takes none of our bytes for this long is gone */
    int64_t connect_ns;      /* for our own connects */
};

enum io_tcp_what {
    IO_TCP_OPENED, /* accepted, or our connect succeeded */
    IO_TCP_BYTES,  /* bytes, borrowed until the next io_tcp_event */
    IO_TCP_CLOSED, /* it is gone, for reason; the flow's id is dead */
};

enum io_tcp_reason {
    IO_TCP_BY_PEER,     /* orderly close */
    IO_TCP_BY_ERROR,    /* reset, unreachable; error holds errno */
    IO_TCP_BY_IDLE,     /* one of the time limits */
    IO_TCP_BY_OVERFLOW, /* the peer does not read what we send */
    IO_TCP_BY_US,       /* io_tcp_close */
    IO_TCP_BY_TLS,      /* the handshake or a record failed (tls.h) */
    IO_TCP_BY_PROXY,    /* the proxy gave no way (tls.h) */
};

struct io_tcp_event {
    enum io_tcp_what what;
    uint64_t flow;     /* never used twice */
    uint32_t listener; /* the listener's number, or the one given to connect */
    bool outgoing;     /* we connected */
    struct addr local; /* of this connection: never a wildcard */
    struct addr peer;
    struct view bytes;
    struct wall at;    /* when the newest of them arrived */
    struct wall since; /* and after when all did; at, where they were read as they came */
    enum io_tcp_reason reason;
    int error;
    bool secure;     /* TLS; that and what follows only from tls.h */
    bool verified;   /* the peer proved who it is by a certificate that we trust */
    const char *why; /* CLOSED by TLS or a proxy: in words; else NULL */
};

/* Works on loop (borrowed); tokens of its descriptors carry tag in their top 8 bits. */
struct io_tcp *io_tcp_create(struct io_loop *loop, uint8_t tag, const struct io_tcp_limits *limits);

/* Closes everything. */
void io_tcp_destroy(struct io_tcp *tcp);

/* Listens on local as number listener, also where this host has not got the address (yet); *bound (may be NULL) gets the address with its port.
 * Returns 0 or an errno. */
WARN_UNUSED int io_tcp_listen(struct io_tcp *tcp, const struct addr *local, uint32_t listener,
                              struct addr *bound);

/* Begins a connection to peer, from local's IP address unless that is a wildcard. Returns 0 and the
 * flow, whose OPENED or CLOSED comes as an event, or an errno. Bytes may be sent at once. */
WARN_UNUSED int io_tcp_connect(struct io_tcp *tcp, struct tick now, uint32_t listener,
                               const struct addr *local, const struct addr *peer, uint64_t *flow);

/* A connection to peer that can be sent on, whoever made it; false if there is none. */
bool io_tcp_find(const struct io_tcp *tcp, const struct addr *peer, uint64_t *flow);

/* Sends bytes, or queues (copies) what the kernel does not take. False: there is no such flow. */
bool io_tcp_send(struct io_tcp *tcp, struct tick now, uint64_t flow, struct view bytes);

/* The addresses of this host have changed: what was accepted at one that is not ours any more is over
 * (EADDRNOTAVAIL), though the kernel would go on sending for a quarter of an hour. */
void io_tcp_leave(struct io_tcp *tcp);

/* Closes a flow once its queue is sent; the CLOSED event follows. No such flow: nothing. */
void io_tcp_close(struct io_tcp *tcp, struct tick now, uint64_t flow);

/* Tells that loop reported ready, whose token carries our tag. */
void io_tcp_ready(struct io_tcp *tcp, struct tick now, const struct io_ready *ready);

/* Has the bytes of a connection wait for io_tcp_sweep() from now on, where sweeps go on: many that bring
 * little each are read for less than waking up for each costs. Its end, and room to send, are told by
 * the loop as ever. One that brings nothing for a while is watched again. */
void io_tcp_defer(struct io_tcp *tcp, uint64_t flow);

/* Reads what was deferred. goes_on: the next sweep is soon; otherwise all are watched again. */
void io_tcp_sweep(struct io_tcp *tcp, bool goes_on);

/* Closes what is past its limit; to be called at or after the deadline. */
void io_tcp_expire(struct io_tcp *tcp, struct tick now);
struct tick io_tcp_deadline(const struct io_tcp *tcp);

/* The next event, until false. */
bool io_tcp_event(struct io_tcp *tcp, struct tick now, struct io_tcp_event *event);

size_t io_tcp_connections(const struct io_tcp *tcp);

/* When the part of an event's bytes that ends so far in arrived: the kernel dates what is read at once by
 * its newest byte alone, so as if all had come evenly. */
static inline struct wall io_tcp_arrival(const struct io_tcp_event *event, size_t end, size_t len)
{
    int64_t ns = event->at.ns - event->since.ns;
    return (struct wall){event->since.ns + (int64_t)((double)ns * (double)end / (double)len)};
}

/* A number below connections_max that no other open flow has: for tables beside this one. */
static inline size_t io_tcp_slot(uint64_t flow)
{
    return (uint32_t)flow;
}

#endif
