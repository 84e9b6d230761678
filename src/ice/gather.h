/* gather: which of our addresses become candidates, and in which order of preference.
 * Not here: finding them (io, nat), STUN and TURN (they brought what stands here), how candidates
 * are checked (ice.h).
 * RFC 8445 §5.1.1, RFC 8421 §4 and §5; DESIGN: made of the network profile, before the call. */
#ifndef ICE_GATHER_H
#define ICE_GATHER_H

#include "ice/ice.h"

/* What an interface is, by what the kernel says of it (IFLA_INFO_KIND), never by its name alone. */
enum ice_link {
    ICE_LINK_PLAIN,
    ICE_LINK_VPN,       /* tun, wireguard, ipsec, gre...: unreliable in RFC 8421's sense */
    ICE_LINK_CONTAINER, /* bridge, veth, dummy...: to neighbours on this host, if not the way out */
    ICE_LINK_LOOPBACK,
};
/* kind: IFLA_INFO_KIND, empty for hardware. */
enum ice_link ice_link_of(struct view kind);

enum { ICE_GATHER_RELAYS = 2 /* one a family, or one of each of two servers */ };

/* A bound socket of one component, and all that is known about it. */
struct ice_gather_base {
    struct ice_base base;
    uint16_t component;
    uint32_t interface; /* number */
    enum ice_link link;
    struct addr address; /* as bound, with its port; never a wildcard */
    enum candidate_transport
        transport;      /* TCP: a listener (passive), or an interface to open from (active) */
    uint8_t preference; /* of the owner, by metric say: 0 is the best; ties by order */
    bool is_way_out; /* the default route of its family, or the route to this peer, leaves by it */
    bool is_temporary; /* IPv6 that prevents tracking (RFC 8981) */
    bool is_deprecated;
    struct addr mapped; /* 1:1, static or by PCP, NAT-PMP, UPnP; may be unset */
    /* As STUN saw it; may be unset. Behind an endpoint-dependent mapping its port is of no use to
     * anybody else, but its IP is what opens the peer's filter and its relay's permissions to us. */
    struct addr reflexive;
    struct {
        struct ice_base base; /* the owner's number for sending through it */
        struct addr address;  /* unset: none */
    } relayed[ICE_GATHER_RELAYS];
};

struct ice_gather_settings {
    bool lite;       /* host candidates only; a mapped address stands for its host (§5.2) */
    bool relay_only; /* nothing of our network is told but the relay's addresses */
    bool use_vpn;    /* without it a VPN's address is used only where it is the way out */
};

/* Adds to ice what the settings allow, best first, until its table is full. Bases that lead nowhere
 * are left out; where that would leave none at all, they are taken.
 * Returns how many candidates were added. */
size_t ice_gather_candidates(struct ice *ice, const struct ice_gather_settings *settings,
                             const struct ice_gather_base *bases, size_t count);

#endif
