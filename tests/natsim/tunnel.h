/* tunnel: a TCP connection of a host of the simulated network, through its HTTP proxy where it has
 * one, with what our own code says to proxies.
 * Not here: the proxy (proxyhost.h).
 * RFC 9110 §9.3.6. */
#ifndef NATSIM_TUNNEL_H
#define NATSIM_TUNNEL_H

#include "natsim/natsim.h"

struct tunnel {
    size_t stream;      /* 0: none */
    struct addr target; /* to be asked for yet; unset: none, or asked */
    bool is_open;
    size_t len;
    char head[256];
};

/* proxy: unset: none. */
void tunnel_open(struct tunnel *t, struct natsim *sim, size_t host, struct addr local,
                 struct addr server, struct addr proxy);
void tunnel_close(struct tunnel *t, struct natsim *sim);
/* Something of its stream: *bytes are the server's, perhaps none. False: it is closed. */
WARN_UNUSED bool tunnel_take(struct tunnel *t, struct natsim *sim,
                             const struct natsim_packet *packet, struct view *bytes);

#endif
