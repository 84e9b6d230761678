/* agree: what offer and answer come to together, for one m-line, from the two texts.
 * Not here: making either of them (answer.h).
 * RFC 3264 §6.1, §7; 5761 §5.1.1. */
#ifndef SDP_AGREE_H
#define SDP_AGREE_H

#include "sdp/session.h"

struct sdp_agreed {
    bool active; /* neither side's port is 0 */
    enum sdp_kind kind;
    enum sdp_direction direction; /* ours: recvonly when media comes, inactive when it must not */
    bool held;                    /* their c= is 0.0.0.0 or ::: nothing is to be expected or sent */
    bool rtcp_mux;                /* both said so */
    struct addr remote_rtp;       /* unset when they gave no usable address */
    struct addr remote_rtcp;
    struct addr local_rtp; /* what we advertised */
    struct view label;     /* theirs, else ours (RFC 4574); borrows */
    uint32_t ptime_ms;
    size_t format_count;
    struct sdp_format formats[LIMIT_SDP_FORMATS]; /* what may arrive; views borrow the texts */
};

/* line < both media_counts. It does not matter which of the two was the offer. */
void sdp_agree(struct sdp_agreed *agreed, const struct sdp_session *ours,
               const struct sdp_session *theirs, size_t line);

/* The agreed format of a payload type, or NULL: not agreed. */
const struct sdp_format *sdp_agreed_format(const struct sdp_agreed *agreed, uint8_t payload_type);

#endif
