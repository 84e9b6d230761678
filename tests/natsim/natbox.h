/* natbox: one NAT as RFC 4787 describes them, every axis a setting: it translates addresses and
 * says what passes.
 * Not here: links, hosts and chains (natsim.h). Written from the RFC's rules alone, nothing of
 * src/nat is used.
 * RFC 4787 §4.1 mapping, §4.2 ports, §4.3 timers, §5 filtering, §6 hairpinning; RFC 7857 for
 * two-stage timers. */
#ifndef NATSIM_NATBOX_H
#define NATSIM_NATBOX_H

#include "base/addr.h"
#include "base/rng.h"
#include "base/tick.h"

enum natbox_dependence { NATBOX_INDEPENDENT, NATBOX_ADDRESS, NATBOX_ADDRESS_PORT };

/* Whom the filter remembers: everybody that the internal endpoint addressed, or only what left
 * through this mapping. */
enum natbox_scope { NATBOX_PER_ENDPOINT, NATBOX_PER_MAPPING };

enum natbox_ports {
    NATBOX_KEPT,       /* the internal port where it is free, else any */
    NATBOX_OVERLOADED, /* the internal port, even if taken, as long as the remote end differs (§4.2.1) */
    NATBOX_PARITY,     /* any, of the same parity (§4.2.2) */
    NATBOX_SEQUENTIAL, /* each `step` on from the last */
    NATBOX_RANDOM,
    NATBOX_BLOCK,   /* any of a block of `quota` ports that each inside address has (RFC 7422) */
    NATBOX_SHIFTED, /* the internal port plus `step` where that is free, else any */
};

/* What leaves at all: UDP and TCP, TCP alone, TCP to port 443 alone, or nothing. What comes in
 * unasked then is dropped, whatever the filter. */
enum natbox_policy { NATBOX_ALL, NATBOX_TCP_ONLY, NATBOX_443_ONLY, NATBOX_NOTHING };
enum natbox_protocol { NATBOX_UDP, NATBOX_TCP };

enum natbox_hairpin { NATBOX_NO_HAIRPIN, NATBOX_EXTERNAL_SOURCE, NATBOX_INTERNAL_SOURCE };

struct natbox_options {
    enum natbox_dependence mapping, filtering;
    enum natbox_scope scope;
    enum natbox_ports ports;
    enum natbox_hairpin hairpin;
    struct addr external; /* the first of its pool */
    uint16_t pool;        /* addresses of the pool, from there on; 0 and 1: one */
    bool arbitrary;       /* pooling: each mapping may sit on another address (§4.1) */
    bool rotates; /* arbitrary at its worst: each new mapping on the next address of the pool */
    bool inbound_refreshes;
    /* Remembers what it dropped as a flow, as Linux does: ours to the same end moves. */
    bool clashes;
    bool firewall; /* filters, translates nothing */
    struct addr
        one_to_one; /* 1:1 NAT: all of `external` is this inside address, ports kept, any source */
    bool bare_forwards; /* what a forwarded port sends by itself leaves from another port */
    enum natbox_policy policy;
    enum natbox_protocol protocol; /* natsim sets it: each protocol has a table of its own */
    int64_t initial_ms;            /* lifetime of what has not been answered */
    int64_t established_ms;
    uint16_t step; /* of sequential ports; 0 and 1: the next; and of shifted ones */
    size_t quota;  /* mappings of one inside address at most; 0: no limit */
};

enum { NATBOX_SESSIONS = 24, NATBOX_UNINVITED = 32 };

struct natbox_session {
    struct addr remote;
    struct tick expires, heard; /* heard: the last that came in, 0: nothing yet */
    bool answered;
};

struct natbox_mapping {
    struct addr internal, external;
    struct addr key; /* the remote end that it is for, as far as the mapping depends on it */
    struct tick expires;
    bool answered, forwarded;
    struct natbox_session sessions[NATBOX_SESSIONS];
    size_t session_count;
};

struct natbox {
    struct natbox_options options;
    struct rng rng;
    struct natbox_mapping *mappings;
    size_t count, room;
    uint16_t next_port;
    uint32_t next_address;
    struct natbox_session uninvited[NATBOX_UNINVITED]; /* remote; and at which of our addresses */
    struct addr uninvited_at[NATBOX_UNINVITED];
    size_t uninvited_next;
    uint64_t dropped_filter, dropped_quota;
};

void natbox_init(struct natbox *box, const struct natbox_options *options, uint64_t seed);
void natbox_finish(struct natbox *box);

/* A datagram from inside; *from becomes the external address. False: no mapping is to be had. */
bool natbox_out(struct natbox *box, struct tick now, struct addr *from, const struct addr *to);
/* A datagram from outside; *to becomes the internal address. False: dropped. */
bool natbox_in(struct natbox *box, struct tick now, const struct addr *from, struct addr *to);
/* True for an address of its pool. */
bool natbox_owns(const struct natbox *box, const struct addr *to);
/* A port forwarded until then, TICK_NEVER for good: any source, as PCP and NAT-PMP make them (RFC
 * 6887 §11). Traffic does not make it last. */
void natbox_forward(struct natbox *box, struct addr internal, struct addr external,
                    struct tick expires);
void natbox_unforward(struct natbox *box, const struct addr *external);
/* Where what comes from inside is seen already: by a forwarded port, or, where one mapping serves all,
 * by what has been sent. False: nowhere. */
bool natbox_find(const struct natbox *box, struct tick now, const struct addr *internal,
                 struct addr *external);
/* Forgets everything but its settings. */
void natbox_reboot(struct natbox *box);

#endif
