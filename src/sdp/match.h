/* match: which m-line of a new offer continues which stream that we already have.
 * Not here: what to do about those that begin or end.
 * RFC 3264 §8 (by position), 4574 and 7866 §7.1.1 (by label, which goes first here). */
#ifndef SDP_MATCH_H
#define SDP_MATCH_H

#include "sdp/session.h"

/* A stream as the last offer/answer left it. */
struct sdp_known {
    struct view label; /* empty: none */
    enum sdp_kind kind;
    size_t line; /* its m-line in the last description */
    bool gone;   /* removed or rejected there: its slot may be used for something new */
};

#define SDP_MATCH_NEW (-1)

/* found[i] = index into known of the stream that m-line i continues, or SDP_MATCH_NEW. By label
 * where it is unique on both sides; what is left, by position. No stream is found twice. m-lines
 * with port 0 are matched too: they tell which stream ended.
 * found has room for offer->media_count. */
void sdp_match(const struct sdp_session *offer, const struct sdp_known *known, size_t known_count,
               int found[]);

#endif
