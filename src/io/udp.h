/* udp: UDP sockets: opening them as siprecd needs them, and sending from a given local address.
 * Not here: choosing ports (ports.h), receiving (batch.h, sweep.h).
 * RFC 3493 (IPv6 API), 3542 (packet information). */
#ifndef IO_UDP_H
#define IO_UDP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"
#include "base/view.h"

struct io_udp_options {
    int receive_buffer; /* bytes asked of the kernel, 0: the system's default */
    bool want_local;    /* tell each datagram's local address, for wildcard binds that must answer
                           from the address that was called */
    bool want_errors;   /* what ICMP answers to what was sent: io_batch_errors() */
    bool may_come;      /* an address that this host has not got (yet) will do */
    bool reuse;         /* never for media: two sockets on a port would share its packets */
};

/* Opens a non-blocking socket bound to local (port 0: any; *bound gets what it became; may be
 * NULL). IPv6 sockets are IPv6 only, so that both families can have the same port. Returns the
 * descriptor, or -1 with errno set. */
WARN_UNUSED int io_udp_open(const struct addr *local, const struct io_udp_options *options,
                            struct addr *bound);

/* Switches options.want_local on or off for a socket of the family (ADDR_V4, ADDR_V6): each datagram then costs a little
 * more. Returns 0 or an errno. */
WARN_UNUSED int io_udp_want_local(int fd, uint8_t family, bool want);

/* The receive buffer that the kernel really gave, in bytes of its own accounting. */
int io_udp_receive_buffer(int fd);

/* Has this host the address now (or is it a wildcard)? */
bool io_udp_is_here(const struct addr *local);

/* Has fd speak with peer alone: what comes from others is dropped, and errors that the network reports come back from
 * io_udp_send. Returns 0 or an errno. */
WARN_UNUSED int io_udp_connect(int fd, const struct addr *peer);

/* Sends bytes to peer (NULL: the one it is connected to), from the address of local unless that is NULL, a wildcard, or
 * none of this host's (any more). Returns 0 or an errno (EAGAIN: the socket's buffer is full, the datagram is dropped). */
WARN_UNUSED int io_udp_send(int fd, const struct addr *local, const struct addr *peer,
                            struct view bytes);

/* The same with so many hops to live (RFC 791 §3.2, 8200 §3); 0: as ever. peer is not NULL then. */
WARN_UNUSED int io_udp_send_near(int fd, const struct addr *local, const struct addr *peer,
                                 struct view bytes, uint8_t hops);

/* Takes one datagram; false when there is none. bytes borrows buffer. For sockets with little to
 * read: media comes by sweep.h. */
bool io_udp_receive(int fd, char *buffer, size_t size, struct view *bytes, struct addr *from);

#endif
