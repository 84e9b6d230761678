/* network: which of our addresses each SRC is told, by the settings and by what was found out.
 * Not here: finding out (surveyor.h), sockets.
 * RFC 1918, 6598, 4193 (what counts as local). */
#ifndef SIPRECD_NETWORK_H
#define SIPRECD_NETWORK_H

#include "base/addr.h"
#include "siprecd/settings.h"

/* Plain data, copied freely. */
struct network {
    struct addr external[2]; /* IPv4, IPv6; not set: unknown, or none but our own */
    struct addr internal[2];
    bool behind_nat;    /* false: said to be in the open; external addresses do not count */
    bool local_by_kind; /* local_networks=auto: private and link-local addresses are local */
    struct values_prefixes local;
    struct values_listeners listeners;
    struct addr
        mapped[VALUES_LISTENERS_MAX]; /* what the gateway maps to a listener; not set: none */
};

/* As far as the settings say; surveyor_fill_network() adds what was found out. */
struct network network_of(const struct settings *settings);

/* What Contact and SDP tell peer, who called local (an address of this machine and the listener's
 * port) on listener number listener. */
struct addr network_advertise(const struct network *network, size_t listener,
                              const struct addr *local, const struct addr *peer);

#endif
