/* candidate: one address at which media may be received, as ICE and SDP both speak of it.
 * Not here: the text form (sdp), pairs and checks (ice).
 * RFC 8445 §5.1, RFC 8839 §5.1, RFC 6544 for TCP. */
#ifndef BASE_CANDIDATE_H
#define BASE_CANDIDATE_H

#include "base/addr.h"

enum candidate_type {
    CANDIDATE_HOST,
    CANDIDATE_SERVER_REFLEXIVE,
    CANDIDATE_PEER_REFLEXIVE,
    CANDIDATE_RELAYED,
};

enum candidate_transport {
    CANDIDATE_UDP,
    CANDIDATE_TCP_ACTIVE,
    CANDIDATE_TCP_PASSIVE,
    CANDIDATE_TCP_SIMULTANEOUS,
};

/* RFC 8839 §5.1: foundation is 1 to 32 ice-chars. */
#define CANDIDATE_FOUNDATION_SIZE 33

struct candidate {
    enum candidate_type type;
    enum candidate_transport transport;
    uint16_t component; /* 1 RTP, 2 RTCP */
    uint32_t priority;
    struct addr address;
    struct addr related; /* base of a reflexive, mapped address of a relayed one; may be unset */
    char foundation[CANDIDATE_FOUNDATION_SIZE];
};

#endif
