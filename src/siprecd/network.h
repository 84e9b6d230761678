/* network: which of our addresses each SRC is told, from the settings alone.
 * Not here: finding addresses out (nat), sockets.
 * RFC 1918, 6598, 4193 (what counts as local). */
#ifndef SIPRECD_NETWORK_H
#define SIPRECD_NETWORK_H

#include "base/addr.h"
#include "siprecd/settings.h"

/* Plain data, copied freely. */
struct network {
    struct addr external[2]; /* IPv4, IPv6; not set: unknown */
    struct addr internal[2];
    bool behind_nat;    /* false: said to be in the open; external addresses do not count */
    bool local_by_kind; /* local_networks=auto: private and link-local addresses are local */
    struct values_prefixes local;
    struct values_listeners listeners;
};

struct network network_of(const struct settings *settings);

/* What Contact and SDP tell peer, who called local (an address of this machine and the listener's
 * port) on listener number listener. */
struct addr network_advertise(const struct network *network, size_t listener,
                              const struct addr *local, const struct addr *peer);

#endif
