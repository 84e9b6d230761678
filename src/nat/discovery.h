/* discovery: finds out by STUN what the NATs between us and the Internet do, with spare sockets, in
 * the background.
 * Not here: sockets, when to do it again, gateways (gateway.h), what follows from it (path.h).
 * RFC 5780 §3, §4 with the order of filtering tests kept (§4.4); classic servers still tell whether
 * mappings depend on the destination, and a relay (RFC 8656) the rest. Sans-IO. */
#ifndef NAT_DISCOVERY_H
#define NAT_DISCOVERY_H

#include "base/addr.h"
#include "base/tick.h"
#include "nat/behaviour.h"

enum {
    DISCOVERY_SERVERS = 4,
    DISCOVERY_PATIENT_MS = 8000, /* a test's time where servers are slow */
};

/* Sockets that nothing else uses, and that were never used before: the tests are sensitive to what
 * the NAT remembers. */
enum discovery_socket {
    DISCOVERY_MAPPING_SOCKET,
    DISCOVERY_FILTERING_SOCKET,
    DISCOVERY_HAIRPIN_SOCKET,
    DISCOVERY_HELD_SOCKET,  /* X of §4.6 */
    DISCOVERY_PROBE_SOCKET, /* Y */
    DISCOVERY_SOCKETS,
    /* Not one of ours: what is sent from, and what arrives at, a relayed address of ours. */
    DISCOVERY_OVER_RELAY = DISCOVERY_SOCKETS,
};

struct discovery_options {
    struct addr servers[DISCOVERY_SERVERS]; /* all asked at once; of one family */
    size_t server_count;
    struct addr local[DISCOVERY_SOCKETS]; /* where each socket is bound */
    /* A TURN server is there: where no STUN server does the tests of RFC 5780, its relay is the second vantage point.
     * DISCOVERY_WANTS_RELAY asks for it. */
    bool may_relay;
    bool lifetime;  /* go on with the lifetime of mappings, for up to an hour or so */
    int64_t cap_ms; /* how long one test waits for its answer, 0: 2000; asked three times within */
    uint8_t seed[32];
};

struct discovery;

/* NULL when memory is out. */
WARN_UNUSED struct discovery *discovery_create(const struct discovery_options *options);
void discovery_destroy(struct discovery *d);

/* Starts. Once. */
void nat_discover_mapping(struct discovery *d, struct tick now);

/* The relayed address that DISCOVERY_WANTS_RELAY asked for; NULL: none is to be had. It is wanted until the discovery is
 * done: packets with DISCOVERY_OVER_RELAY go out from it (once there is a permission for their `to`; until then they may
 * be dropped, they are repeated), what comes to it is discovery_input's, `from` the peer as the relay sees it. */
void discovery_relay(struct discovery *d, struct tick now, const struct addr *relayed);
/* It is lost: what is known stays. */
void discovery_lost_relay(struct discovery *d, struct tick now);

/* What came to one of the sockets. False when it was none of ours. */
bool discovery_input(struct discovery *d, struct tick now, enum discovery_socket socket,
                     const struct addr *from, struct view datagram);
void discovery_expire(struct discovery *d, struct tick now);
struct tick discovery_deadline(const struct discovery *d);

struct discovery_packet {
    enum discovery_socket socket;
    struct addr to;
    struct view bytes; /* borrowed until the next call */
};
bool discovery_output(struct discovery *d, struct tick now, struct discovery_packet *out);

enum discovery_event_kind {
    DISCOVERY_EXTERNAL,    /* somebody has told our address: result.external */
    DISCOVERY_BEHAVIOUR,   /* all but the lifetime is as known as it gets */
    DISCOVERY_LIFETIME,    /* that, too */
    DISCOVERY_WANTS_RELAY, /* discovery_relay is waited for, some seconds */
    DISCOVERY_SILENT,      /* nobody answers: no UDP, or no server */
};
bool discovery_event(struct discovery *d, enum discovery_event_kind *out);

struct discovery_result {
    struct nat_behaviour behaviour;
    struct addr external; /* of the mapping socket, as the first to answer saw it */
    struct addr server;   /* that did the tests of RFC 5780; unset: none could */
    bool by_relay;        /* a relay did what there was no such server for */
    bool is_natted, is_done;
    /* Somebody answers, but later than cap_ms, who would have told more: once more, with DISCOVERY_PATIENT_MS. */
    bool is_slow;
};
struct discovery_result discovery_result(const struct discovery *d);

#endif
