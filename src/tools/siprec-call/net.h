/* net: the sockets of a call: names to addresses, RTP port pairs, and the one SIP socket or
 * connection all calls share.
 * Not here: what is said over them.
 * RFC 3261 §18; RFC 3550 §11 (an even port for RTP, the next for RTCP). */
#ifndef TOOLS_SIPREC_CALL_NET_H
#define TOOLS_SIPREC_CALL_NET_H

#include "base/addr.h"
#include "base/tick.h"
#include "tools/siprec-call/secure.h"

/* A name or address; the first answer of family (ADDR_NONE: any). False with a reason. */
WARN_UNUSED bool call_net_resolve(const char *host, uint16_t port, struct addr *out, char *error,
                                  size_t size);
/* A UDP socket on ip (port 0: any free one); -1 with errno. */
int call_net_udp(const struct addr *ip, uint16_t port);
/* A pair of bound sockets on ip, ports from *next in [min, max], which moves on. False: none free.
 * */
struct call_net_range {
    uint16_t min, max, next; /* even */
};
WARN_UNUSED bool call_net_pair(struct call_net_range *range, const struct addr *ip, int fds[2],
                               uint16_t *port);

enum call_transport { CALL_UDP, CALL_TCP, CALL_TLS };

/* "udp", "tcp", "tls"; the Contact's parameter. */
const char *call_transport_name(enum call_transport transport);
const char *call_transport_parameter(enum call_transport transport);

/* Where SIP goes. One for all calls of a run. */
struct call_wire {
    enum call_transport transport;
    int fd;
    struct call_secure *secure; /* TLS */
    struct addr local, peer;
    char *in; /* TCP: bytes not yet cut; UDP: the datagram */
    size_t in_len, in_used;
    char *out; /* TCP: bytes the kernel has not taken */
    size_t out_len, out_size;
    struct wall received; /* when the last message came: over UDP by the kernel's clock, so that
                           * our own lateness counts for nobody's answer time */
    int fault;            /* errno of what broke it; 0 while it works */
    int listener;         /* TCP: where the Contact says that we are; -1: nowhere */
    char *last;           /* TCP: the last message sent, for when it met a dead connection */
    size_t last_len;
    unsigned renewals; /* connections after the first */
    bool is_opening;   /* TCP: what is to be sent waits until the connection stands ... */
    struct tick until; /* ...and that for so long */
    int broken;        /* what broke the one before */
};

/* Opens towards peer, from local (port 0: any). TCP and TLS wait up to timeout_ms for the
 * connection, and for the handshake. */
WARN_UNUSED bool call_wire_open(struct call_wire *wire, const struct addr *local,
                                const struct call_secure_options *secure, int timeout_ms,
                                char *error, size_t size);
void call_wire_close(struct call_wire *wire);
/* TCP: the SRS has opened a connection to us, or ours has broken and is opened anew (three times at most; what was sent
 * last goes out again). Waits for nothing: whether it comes to stand within timeout_ms the next calls tell, and fault
 * when it does not. True: fd is another one. */
WARN_UNUSED bool call_wire_renew(struct call_wire *wire, struct tick now, int timeout_ms);
/* Something waits to be sent: to be received from once fd can be written to. */
bool call_wire_is_pending(const struct call_wire *wire);
/* When to call it again at the latest; TICK_NEVER: when something comes. */
struct tick call_wire_deadline(const struct call_wire *wire);
/* Sends a whole message; over a connection to is not looked at. */
void call_wire_send(struct call_wire *wire, const struct addr *to, struct view bytes);
/* The next message that has arrived; valid until the next call; false when there is none now. A
 * refused port or a closed connection sets fault. */
WARN_UNUSED bool call_wire_receive(struct call_wire *wire, char **bytes, size_t *len,
                                   struct addr *from);

#endif
