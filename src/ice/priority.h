/* priority: the formulas by which candidates and pairs are ranked.
 * Not here: which local preference a candidate deserves (the owner, RFC 8421).
 * RFC 8445 §5.1.2, §6.1.2.3. */
#ifndef ICE_PRIORITY_H
#define ICE_PRIORITY_H

#include "base/candidate.h"

/* §5.1.2.1, with the RECOMMENDED type preferences 126, 110, 100, 0. */
static inline uint32_t ice_candidate_priority(enum candidate_type type, uint16_t local_preference,
                                              uint16_t component)
{
    static const uint8_t preference[] = {
        [CANDIDATE_HOST] = 126,
        [CANDIDATE_SERVER_REFLEXIVE] = 100,
        [CANDIDATE_PEER_REFLEXIVE] = 110,
        [CANDIDATE_RELAYED] = 0,
    };
    return (uint32_t)preference[type] << 24 | (uint32_t)local_preference << 8 |
           (uint32_t)(256 - component);
}

/* RFC 6544 §4.2: a TCP candidate's local preference, from one of an address (0..65535), by who
 * opens the connection. */
static inline uint16_t ice_tcp_local_preference(enum candidate_type type,
                                                enum candidate_transport transport,
                                                uint16_t local_preference)
{
    bool is_mapped = type == CANDIDATE_SERVER_REFLEXIVE || type == CANDIDATE_PEER_REFLEXIVE;
    unsigned direction = 0;
    switch (transport) {
    case CANDIDATE_TCP_ACTIVE:
        direction = is_mapped ? 4 : 6;
        break;
    case CANDIDATE_TCP_PASSIVE:
        direction = is_mapped ? 2 : 4;
        break;
    case CANDIDATE_TCP_SIMULTANEOUS:
        direction = is_mapped ? 6 : 2;
        break;
    case CANDIDATE_UDP:
        return local_preference;
    }
    return (uint16_t)(direction << 13 | local_preference >> 3);
}

/* For RTP UDP is preferred, but a better type over a better transport (RFC 6544 §4.2 and its
 * Appendix C): one less of type preference. local_preference is that of
 * ice_tcp_local_preference. */
static inline uint32_t ice_transport_priority(enum candidate_type type,
                                              enum candidate_transport transport,
                                              uint16_t local_preference, uint16_t component)
{
    uint32_t priority = ice_candidate_priority(type, local_preference, component);
    return transport == CANDIDATE_UDP || type == CANDIDATE_RELAYED ? priority
                                                                   : priority - (1u << 24);
}

/* §6.1.2.3: g is the controlling side's candidate, d the controlled side's. */
static inline uint64_t ice_pair_priority(uint32_t g, uint32_t d)
{
    uint64_t low = g < d ? g : d, high = g < d ? d : g;
    return (low << 32) + 2 * high + (g > d ? 1 : 0);
}

#endif
