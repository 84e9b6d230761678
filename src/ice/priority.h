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

/* §6.1.2.3: g is the controlling side's candidate, d the controlled side's. */
static inline uint64_t ice_pair_priority(uint32_t g, uint32_t d)
{
    uint64_t low = g < d ? g : d, high = g < d ? d : g;
    return (low << 32) + 2 * high + (g > d ? 1 : 0);
}

#endif
