/* proxyhost: an HTTP proxy at the edge of a network that lets nothing else out: it opens connections
 * to port 443 when CONNECT asks for them; and a connection of somebody inside, through it or not.
 * Not here: what CONNECT says (io/proxy.h).
 * RFC 9110 §9.3.6. */
#ifndef NATSIM_PROXYHOST_H
#define NATSIM_PROXYHOST_H

#include "natsim/natsim.h"

enum { PROXYHOST_PORT = 3128, PROXYHOST_TUNNELS = 48, PROXYHOST_HEAD = 512 };

struct proxyhost_tunnel {
    size_t inside, outside; /* streams; 0: none */
    size_t len;
    char head[PROXYHOST_HEAD];
    bool is_open;
};

struct proxyhost {
    struct addr address;  /* its inside one */
    struct addr external; /* what its connections come from */
    /* Its own. */
    struct natsim *sim;
    size_t host;
    struct proxyhost_tunnel tunnels[PROXYHOST_TUNNELS];
    uint64_t opened, refused;
};

/* It must stay where it is. */
void proxyhost_add(struct natsim *sim, size_t realm, struct proxyhost *proxy);

#endif
