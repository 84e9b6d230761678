/* maphost: a gateway in the simulated network that maps ports when it is asked: a PCP or a NAT-PMP
 * server in front of a box, with the faults that they have.
 * Not here: the client (src/nat/gateway.h): this is written from the RFCs alone; the box itself.
 * RFC 6887 §7, §11; RFC 6886 §3. */
#ifndef NATSIM_MAPHOST_H
#define NATSIM_MAPHOST_H

#include "natsim/natsim.h"

enum maphost_speech { MAPHOST_PCP, MAPHOST_NATPMP };

struct maphost {
    enum maphost_speech speech;
    struct addr address;  /* its inside one: a host of the realm */
    struct addr external; /* what it says is its outside address */
    bool silent;
    bool refuses;        /* result 2 */
    bool other_port;     /* never the one that was suggested */
    uint32_t lifetime_s; /* most that it gives; 0: what is asked */
    /* Its own. */
    struct natsim *sim;
    size_t host, realm;
    struct tick started;
    uint64_t asked, mapped;
};

/* It must stay where it is. The realm's box does what it says. */
void maphost_add(struct natsim *sim, size_t realm, struct maphost *gateway);
/* It comes up again with nothing of before: its epoch starts anew. */
void maphost_restart(struct maphost *gateway);

#endif
