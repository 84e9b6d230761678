/* tls: connections that may be TLS, may go through an HTTP proxy, or be plain: io_tcp with the same
 * events, OPENED only once all of that stands.
 * Not here: descriptors and their limits (tcp.h), what CONNECT says (proxy.h), names (dns).
 * RFC 8446, 5246 (TLS 1.3, 1.2), 6066 §3 (SNI), 6125, 5922 (SIP domain certificates), 9110 §9.3.6.
 *
 * Whoever makes one takes all of tcp's events through it: io_tls_event in place of io_tcp_event,
 * io_tls_expire and io_tls_deadline in place of tcp's. io_tcp_ready and io_tcp_listen stay. */
#ifndef IO_TLS_H
#define IO_TLS_H

#include "io/proxy.h"
#include "io/tcp.h"

struct io_tls;

/* Names of PEM files; NULL or "": none. */
struct io_tls_files {
    const char *certificate; /* ours, with the chain behind it */
    const char *key;
    const char *ca; /* trusted beside the system's; with it clients are asked for certificates */
};

/* Borrows tcp, whose connections_max is given again. NULL when memory is out. */
struct io_tls *io_tls_create(struct io_tcp *tcp, size_t connections_max);

/* Closes nothing: that is tcp's. NULL is harmless. */
void io_tls_destroy(struct io_tls *tls);

/* Reads the files, at first and on SIGHUP; open connections keep what they have. False: a sentence
 * in error, and the former ones stay. An expired certificate is refused. */
WARN_UNUSED bool io_tls_load(struct io_tls *tls, const struct io_tls_files *files, char *error,
                             size_t error_size);

/* The same files, read and forgotten: is all well with them? */
WARN_UNUSED bool io_tls_check(const struct io_tls_files *files, char *error, size_t error_size);

/* As io_tcp_listen, for connections that begin with a handshake. */
WARN_UNUSED int io_tls_listen(struct io_tls *tls, const struct addr *local, uint32_t listener,
                              struct addr *bound);

/* How to get somewhere. Pointers are borrowed for the call. */
struct io_tls_route {
    struct addr local; /* our end; not set: any */
    struct addr peer;  /* where it leads, and what events call the peer */
    const char *name;  /* TLS: what the certificate must name, a host or a literal; NULL: no TLS */
    bool sip;          /* the certificate is a SIP domain's: RFC 5922 §7 */
    const struct io_proxy *proxy; /* NULL: directly */
    struct addr proxy_at;         /* the proxy's address */
    const char *proxy_target;     /* host for CONNECT (the proxy resolves it); NULL: peer's address.
                                     The port is peer's */
};

/* Begins a connection. Returns 0 and the flow, whose OPENED or CLOSED comes as an event, or an
 * errno. Bytes may be sent at once; none leaves before the peer has proved who it is. */
WARN_UNUSED int io_tls_connect(struct io_tls *tls, struct tick now, uint32_t listener,
                               const struct io_tls_route *route, uint64_t *flow);

/* A connection to peer that can be sent on, of the kind asked for; false if there is none. */
bool io_tls_find(const struct io_tls *tls, const struct addr *peer, bool secure, uint64_t *flow);

/* As io_tcp_send and io_tcp_close. */
bool io_tls_send(struct io_tls *tls, struct tick now, uint64_t flow, struct view bytes);
void io_tls_close(struct io_tls *tls, struct tick now, uint64_t flow);

/* The next event, until false. The event's strings live as long as its bytes. */
bool io_tls_event(struct io_tls *tls, struct tick now, struct io_tcp_event *event);

/* tcp's, and an end to handshakes that last too long. */
void io_tls_expire(struct io_tls *tls, struct tick now);
struct tick io_tls_deadline(const struct io_tls *tls);

/* When our certificate ends; ns 0: there is none. */
struct wall io_tls_certificate_ends(const struct io_tls *tls);

#endif
