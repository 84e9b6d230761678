/* portmap: the messages by which a gateway is asked for port mappings: PCP's MAP and ANNOUNCE, and
 * NAT-PMP's.
 * Not here: when to ask, again, or for how long (gateway.h).
 * RFC 6887 §7, §11.1, §14.1; RFC 6886 §3. */
#ifndef NAT_PORTMAP_H
#define NAT_PORTMAP_H

#include "base/addr.h"
#include "base/writer.h"

#define PORTMAP_SERVER_PORT 5351
#define PORTMAP_NONCE_SIZE  12
/* RFC 6887 §7: a PCP message has at most 1100 bytes. */
#define PORTMAP_MESSAGE_MAX 1100

enum portmap_protocol {
    PORTMAP_TCP = 6,
    PORTMAP_UDP = 17,
};

/* Result codes of both protocols, by what they mean. */
enum portmap_result {
    PORTMAP_OK,
    PORTMAP_OTHER_VERSION, /* PCP 1, NAT-PMP 1: the gateway speaks another version */
    PORTMAP_REFUSED,       /* PCP 2, NAT-PMP 2: switched off, or not for us */
    PORTMAP_NETWORK,       /* PCP 7, NAT-PMP 3: it has no address itself */
    PORTMAP_FULL,          /* PCP 8 and 10, NAT-PMP 4 */
    PORTMAP_BEHIND_NAT,    /* PCP 12: another NAT stands between us and it */
    PORTMAP_UNSUPPORTED,   /* anything else */
};
const char *portmap_result_name(enum portmap_result result);

struct portmap_request {
    uint8_t nonce[PORTMAP_NONCE_SIZE]; /* PCP only */
    enum portmap_protocol protocol;
    struct addr internal;  /* PCP: our address, as the packet's source */
    struct addr suggested; /* unset: any; only its port counts for NAT-PMP */
    uint32_t lifetime_s;   /* 0: delete */
};

void portmap_pcp_write(struct writer *w, const struct portmap_request *request);
void portmap_natpmp_write(struct writer *w, const struct portmap_request *request);
/* Asks NAT-PMP for the external address (RFC 6886 §3.2). */
void portmap_natpmp_write_address(struct writer *w);

enum portmap_kind {
    PORTMAP_PCP_MAP,
    PORTMAP_PCP_ANNOUNCE, /* the gateway has lost its state or has come up (§14.1.2) */
    PORTMAP_NATPMP_MAP,
    PORTMAP_NATPMP_ADDRESS, /* unasked for, too: the address changed (RFC 6886 §3.2.1) */
};

struct portmap_response {
    enum portmap_kind kind;
    enum portmap_result result;
    uint32_t epoch_s;
    uint32_t lifetime_s; /* of the mapping; of the error with PCP */
    uint8_t nonce[PORTMAP_NONCE_SIZE];
    enum portmap_protocol protocol;
    uint16_t internal_port;
    struct addr external; /* NAT-PMP: its address (ADDRESS) or its port (MAP) */
};

/* False: not a response of either protocol, or cut. */
WARN_UNUSED bool portmap_read(struct view datagram, struct portmap_response *out);

#endif
