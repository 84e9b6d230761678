/* probes: the inside of struct discovery, shared by discovery.c and lifetime.c.
 * Not here: what owners may know (discovery.h).
 * RFC 5780 §4. */
#ifndef NAT_PROBES_H
#define NAT_PROBES_H

#include "nat/discovery.h"
#include "stun/client.h"

/* A: the server's address, B: its other one; p1 and p2 their ports. */
enum probe_name {
    PROBE_RACE,                                    /* A:p1 of each server */
    PROBE_MAP_IP = PROBE_RACE + DISCOVERY_SERVERS, /* B:p1 */
    PROBE_MAP_BOTH,                                /* B:p2 */
    PROBE_MAP_PORT,                                /* A:p2 */
    PROBE_FILTER_FIRST,                            /* A:p1 from the filtering socket */
    PROBE_FILTER_BOTH,                             /* A:p1 answers from B:p2 */
    PROBE_FILTER_PORT,                             /* A:p1 answers from A:p2 */
    PROBE_OPEN_OTHER,                              /* B:p2, so that it has been addressed */
    PROBE_SCOPE,                                   /* A:p1 answers from B:p2 again */
    PROBE_HAIRPIN_FIRST,                           /* A:p1 from the hairpin socket */
    PROBE_HAIRPIN_THERE,                           /* to the mapping socket's outside address */
    PROBE_HAIRPIN_BACK,                            /* and from there */
    PROBE_HOLD,                                    /* A:p1 from X: makes or refreshes its mapping */
    PROBE_ALIVE,                                   /* A:p1 from Y, answered to X's mapping */
    PROBES,
};

enum probe_state {
    PROBE_UNUSED,
    PROBE_OPEN,
    PROBE_ANSWERED,
    PROBE_SILENT,
    PROBE_REFUSED, /* the server cannot do this */
};

struct probe {
    enum probe_state state;
    enum discovery_socket socket;  /* sent from */
    enum discovery_socket arrives; /* answered to */
    struct addr to, from;          /* from: where the answer has to come from */
    uint32_t change;
    uint16_t response_port;
    bool is_hairpin; /* "answered" by the request itself coming in */
    struct stun_client client;
    struct addr mapped, other, seen_from;
};

enum round {
    ROUND_IDLE,
    ROUND_RACE,
    ROUND_MAPPING,
    ROUND_FILTERING,
    ROUND_OPENING,
    ROUND_SCOPE,
    ROUND_HOLD,  /* lifetime: X asks, then T is waited */
    ROUND_ALIVE, /* lifetime: Y asks */
    ROUND_DONE,
};

/* What the lifetime's tests are after. */
enum lifetime_goal {
    LIFETIME_WORKS,   /* does RESPONSE-PORT work at all? T = 0 */
    LIFETIME_SEARCH,  /* §4.6 */
    LIFETIME_INBOUND, /* does what comes in refresh? First half-way, */
    LIFETIME_BEYOND,  /* then, without X having sent, beyond the lifetime */
};

struct discovery {
    struct discovery_options options;
    struct rng rng;
    enum round round;
    struct probe probes[PROBES];
    size_t server_next;
    enum probe_name primary;
    struct addr server, other;
    struct tick wait; /* lifetime: until T is over */
    enum lifetime_goal goal;
    int32_t alive_s, gone_s, wait_s; /* alive after, gone after, now being tried */
    uint8_t retries;
    struct discovery_result result;
    enum discovery_event_kind events[4];
    size_t event_next, event_count;
    uint8_t packet[64];
};

void discovery_tell(struct discovery *d, enum discovery_event_kind kind);
void probe_start(struct discovery *d, struct tick now, enum probe_name name, struct probe what);

/* ---- lifetime.c ----------------------------------------------------------------------------- */

void lifetime_start(struct discovery *d, struct tick now);
void lifetime_round_over(struct discovery *d, struct tick now);
void lifetime_wait_over(struct discovery *d, struct tick now);

#endif
