/* stunhost: a STUN server in the simulated network, with the other address of RFC 5780 or, as most
 * are, without, and with the faults that servers have. Not here: what an answer says
 * (src/stun/server.c). */
#ifndef NATSIM_STUNHOST_H
#define NATSIM_STUNHOST_H

#include "natsim/natsim.h"

struct stunhost {
    struct addr primary, other; /* other unset: a classic server */
    bool silent;
    bool ignores_change;    /* CHANGE-REQUEST is answered from where it was asked */
    bool swallows_change;   /* not answered at all */
    bool other_is_dead;     /* told, but not there */
    bool no_response_port;  /* answered to where it came from */
    struct tick dead_after; /* 0: never */
    int64_t late_us;        /* its answers take so long */
    size_t hosts[2];
    uint64_t asked;
};

/* It must stay where it is. */
void stunhost_add(struct natsim *sim, struct stunhost *server);

#endif
