/* flow: where a SIP message came from and where one goes: a listener, a protocol, two ends.
 * Not here: sockets and connections themselves (io).
 * RFC 3261 §18, RFC 3581. */
#ifndef SIP_FLOW_H
#define SIP_FLOW_H

#include "base/addr.h"

enum sip_protocol {
    SIP_PROTOCOL_UDP,
    SIP_PROTOCOL_TCP,
    SIP_PROTOCOL_TLS,
};

/* Plain data, copied freely. */
struct sip_flow {
    uint64_t id; /* a connection: io's number, never used twice, never 0; UDP: 0. In an output 0
                    with TCP or TLS means: any connection to peer, a new one if there is none. */
    uint32_t listener; /* io's number of the listening socket; goes back unchanged in outputs */
    enum sip_protocol protocol;
    struct addr local;      /* our end; never a wildcard */
    struct addr advertised; /* what Contact and Via name; local where nothing else is known */
    struct addr peer;       /* their end as seen */
    bool outbound;          /* we registered over it by RFC 5626 */
    bool trusted;           /* it proved who it is by a certificate, or is where we registered */
};

static inline bool sip_protocol_is_reliable(enum sip_protocol protocol)
{
    return protocol != SIP_PROTOCOL_UDP;
}

/* Who is answered at the source port instead of what the Via says (RFC 3581
 * without being asked). */
enum sip_force_rport {
    SIP_FORCE_RPORT_AUTO, /* UDP requests whose Via names a private address not their source */
    SIP_FORCE_RPORT_TRUE,
    SIP_FORCE_RPORT_FALSE,
};

#endif
