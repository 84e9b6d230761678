/* outside: does what is sent from the Internet to an address of ours arrive? A datagram is sent
 * there through a TURN relay; where there is none, a STUN server is asked to answer from another
 * address (RFC 5780).
 * Not here: receiving it (media, base/sightings.h), what follows (doctor).
 * RFC 8656 §10; RFC 5780 §7.2 (CHANGE-REQUEST). Blocks for up to some seconds: on a thread that may. */
#ifndef SIPRECD_OUTSIDE_H
#define SIPRECD_OUTSIDE_H

#include "nat/path.h"
#include "siprecd/mail.h"

struct outside_port {
    struct addr advertised; /* as the SRC was told */
    struct addr bound; /* the local port, opened for the time of the look where nobody has it */
    uint16_t port_min, port_max; /* the range that it is of */
    bool opens; /* what is sent from the port may let its answer in: that is looked at, too */
    /* Found out; UNKNOWN: there is nobody outside who could send. */
    enum path_answer arrives;        /* what a stranger sends */
    enum path_answer answers_arrive; /* what answers a datagram from the port (opens) */
};
/* At all of them at once, SIGHTINGS_PROBES at most. */
void outside_look(const struct worker_network *network, struct outside_port *ports, size_t count);

/* What a neighbour sends to our address outside: does our NAT lead it back to us? Sent from this host
 * itself, to an address that is ours. */
enum path_answer outside_look_back(const struct addr *advertised, const struct addr *bound);

/* STUN is silent: is it the servers, or UDP? A TCP connection to each at the same port, closed at
 * once (RFC 8489 §6.2.2, 8656 §3.1). YES where one is taken. Others are asked of nobody. */
void outside_ask_by_tcp(const struct worker_network *network, bool v6, enum path_answer *stun,
                        enum path_answer *turn);

#endif
