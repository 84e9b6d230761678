/* network: one side's line to the Internet as the tables name it, made of boxes: the world's side of
 * a play.
 * Not here: what anybody behind it finds out (iceside.h): no engine is told any of this.
 * RFC 4787; RFC 6092 for firewalls of IPv6. */
#ifndef NATSIM_NETWORK_H
#define NATSIM_NETWORK_H

#include "natsim/natsim.h"

enum { NETWORK_LEVELS = 3 };

enum network_way_in {
    NETWORK_NO_WAY_IN,
    NETWORK_WHOLE_ADDRESS, /* 1:1: its owner knows, by a setting */
    NETWORK_GATEWAY,       /* a port is forwarded when a gateway is asked */
};

struct network {
    struct natbox_options boxes[NETWORK_LEVELS]; /* the outermost first */
    size_t levels;
    enum network_way_in way_in;
    bool v6;         /* firewalls, and addresses of IPv6 */
    bool speaks_tcp; /* offers ICE-TCP, and a passive candidate where tcp_port is set */
    uint16_t tcp_port;
    bool has_turn, is_lite;
    bool has_proxy; /* and nothing leaves but through it */
    /* Set by network_build. */
    size_t realm;
    struct addr address; /* of the host that stands in it, without port */
    struct addr outside; /* of the outermost box, or the host's own */
};

/* The network with that name in the tables ("EDM+ADF", "CGN eff. EIM", "443 only"...), its particulars
 * by words of the form "pool=arbitrary map=ADM scope=endpoint filter=APDF turn=no tcp=443 lite=yes";
 * what is not said is rolled. False for a name or word that is none. */
WARN_UNUSED bool network_make(struct network *network, const char *name, const char *words,
                              struct rng *rng);
/* Any network at all: for random worlds. */
void network_roll(struct network *network, struct rng *rng);
/* Puts it into the simulated network; side 0 is ours, 1 theirs: each has addresses of its own. */
void network_build(struct network *network, struct natsim *sim, int side);
/* "NAT(ADM+APDF endpoint arbitrary random) < NAT(...)": for who reads a failure. */
void network_print(const struct network *network, char *out, size_t size);

#endif
