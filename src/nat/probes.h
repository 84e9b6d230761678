/* probes: the inside of struct discovery, shared by discovery.c, vantage.c and lifetime.c.
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
    /* With R, a relayed address of ours, as the other vantage point: */
    PROBE_RELAY_ASK,   /* A:p1 from Y */
    PROBE_RELAY_SEEN,  /* R from Y: what R sees of it */
    PROBE_RELAY_BACK,  /* from R to that: it must arrive */
    PROBE_RELAY_FIRST, /* A:p1 from the filtering socket F */
    PROBE_RELAY_NONE,  /* from R to F's mapping, R not having been addressed */
    PROBE_RELAY_TOUCH, /* another port of R's address from F */
    PROBE_RELAY_IP,    /* from R again */
    PROBE_RELAY_OPEN,  /* R itself from F */
    PROBE_RELAY_EXACT, /* from R again */
    PROBE_HOLD_BACK,   /* from R to X's mapping: so that it has been answered */
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
    bool to_relay;   /* the same, over the relay */
    bool from_relay; /* sent over the relay, and "answered" by coming in */
    bool is_touch;   /* only sent: nobody answers */
    int64_t cap_ms;  /* 0: as the options say */
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
    ROUND_RELAY_WANTED,
    ROUND_RELAY_CONTROL,
    ROUND_RELAY_BACK,
    ROUND_RELAY_NONE,
    ROUND_RELAY_IP,
    ROUND_RELAY_EXACT,
    ROUND_PATIENCE, /* does one answer who did not in time? */
    ROUND_HOLD,     /* lifetime: X asks, then T is waited */
    ROUND_ALIVE,    /* lifetime: Y asks */
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
    struct addr relay; /* unset: none */
    struct tick wait;  /* lifetime: until T is over */
    enum lifetime_goal goal;
    int32_t alive_s, gone_s, wait_s; /* alive after, gone after, now being tried */
    uint8_t retries;
    struct discovery_result result;
    enum discovery_event_kind events[5];
    size_t event_next, event_count;
    uint8_t packet[64];
};

void discovery_tell(struct discovery *d, enum discovery_event_kind kind);
void probe_start(struct discovery *d, struct tick now, enum probe_name name, struct probe what);

/* The address that a probe's answer told; NULL: none. */
const struct addr *probe_mapped(const struct discovery *d, enum probe_name name);
/* Judges, tells, and goes on with the lifetime where that is wanted and can be done. */
void discovery_finish(struct discovery *d, struct tick now);

/* ---- vantage.c ------------------------------------------------------------------------------ */

void vantage_round_over(struct discovery *d, struct tick now);
/* Is the relay at the one server that answers? Then it is nobody whom we have not addressed. */
bool vantage_is_same_host(const struct discovery *d);
/* What the relay has told, into behaviour: all of it that the servers did not. */
void vantage_judge(const struct discovery *d, struct nat_behaviour *b);

/* ---- lifetime.c ----------------------------------------------------------------------------- */

void lifetime_start(struct discovery *d, struct tick now);
void lifetime_round_over(struct discovery *d, struct tick now);
void lifetime_wait_over(struct discovery *d, struct tick now);

#endif
