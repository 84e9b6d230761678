/* port: what our media sockets look like from outside, kept true by STUN, while they stand ready and while they are lent.
 * Not here: opening sockets and how many (siprecd/stock.h), discovery of what the NAT does (nat), ICE's checks.
 * RFC 8489 §6.3, §6.2.1; RFC 4787 REQ-5, REQ-6 (only what we send keeps a mapping); RFC 7983. Sans-IO. */
#ifndef MEDIA_PORT_H
#define MEDIA_PORT_H

#include "base/addr.h"
#include "base/datagram.h"
#include "base/tick.h"
#include "nat/behaviour.h"

enum {
    MEDIA_PORT_SERVERS = 4,
    /* From sockets that stand ready, in all workers together. */
    MEDIA_PORT_IDLE_A_SECOND = 10,
    MEDIA_PORT_MOST_MS = 25000, /* between two looks at a mapping */
    MEDIA_PORT_LEAST_MS = 5000,
};

struct media_ports_options {
    uint32_t ports;   /* port ids run from 0 to ports - 1; each has two sockets, MEDIA_SOCKET() */
    uint32_t workers; /* that share the ten requests a second; 0: 1 */
    uint8_t seed[32];
};

/* What a worker is told of the network, as far as it matters here. */
struct media_network {
    bool keep_mappings; /* false: not a single packet */
    /* IPv4, IPv6: grows when our address became another one: all mappings are doubtful. */
    uint32_t change[2];
    uint32_t
        unmapped; /* grows when the gateway maps a port no more: STUN may have seen its mapping */
    /* IPv4, IPv6; best first; unset ones at the end. */
    struct addr servers[2][MEDIA_PORT_SERVERS];
    struct nat_behaviour behaviour[2]; /* of which lifetimes matter here */
    struct addr
        source[2]; /* where sockets bound to all addresses ask from; unset: as routes choose */
};

struct media_ports;

/* NULL when memory is out. */
WARN_UNUSED struct media_ports *media_port_create(const struct media_ports_options *options);
void media_port_destroy(struct media_ports *ports);

/* The whole of it, again whenever a part differs. */
void media_port_know(struct media_ports *ports, struct tick now,
                     const struct media_network *network);

/* A port stands ready, bound so. Its generation comes back with what is told of it. */
void media_port_add(struct media_ports *ports, struct tick now, uint32_t port, uint32_t generation,
                    const struct addr bound[2]);
/* A stream has it now; without rtcp its second socket is of no more use. Lent ports are looked at as often, but their
 * packets are not the stock's. */
void media_port_lend(struct media_ports *ports, struct tick now, uint32_t port, bool rtcp);
/* It closes. */
void media_port_remove(struct media_ports *ports, uint32_t port);
/* Nothing arrives there: is its mapping still the same? Asked at once. */
void media_port_ask(struct media_ports *ports, struct tick now, uint32_t port);

/* A datagram that is STUN by its first byte. True: it was an answer to us, good or bad. */
bool media_port_input(struct media_ports *ports, struct tick now, const struct datagram *datagram);
void media_port_expire(struct media_ports *ports, struct tick now);
struct tick media_port_deadline(const struct media_ports *ports);
/* Somebody waits for an answer now: whoever sleeps shall look soon. */
bool media_port_awaits(const struct media_ports *ports);

struct media_port_packet {
    uint32_t socket; /* MEDIA_SOCKET() */
    struct addr to;
    struct addr from;  /* where it is to leave from; unset: where its socket is bound */
    struct view bytes; /* borrowed until the next call */
};
bool media_port_output(struct media_ports *ports, struct tick now, struct media_port_packet *out);

/* What became known of a port; again each time it is confirmed. */
struct media_port_news {
    uint32_t port, generation;
    bool lent;
    bool asked;          /* media_port_ask() is answered with this */
    bool changed;        /* other than it was: for lent ports only told when seen twice */
    struct addr seen[2]; /* RTP, RTCP; unset: nobody answers (any more), or not wanted */
    struct tick seen_at; /* the older of the two */
};
bool media_port_news(struct media_ports *ports, struct media_port_news *out);

struct media_ports_status {
    uint32_t sockets; /* looked after */
    uint32_t seen;    /* of these with an address outside that is at most a minute old */
    uint64_t requests, failures, strays; /* strays: STUN that nobody asked for */
};
/* How many ports can stand ready: so many as ten requests a second keep, and, where new sockets found
 * no mapping while old ones had theirs, so many as the NAT bore. UINT32_MAX: no bound. */
uint32_t media_port_bearable(const struct media_ports *ports, struct tick now);
struct media_ports_status media_port_status(const struct media_ports *ports, struct tick now);

#endif
