/* candidate: the value of an a=candidate line, to and from base's struct candidate.
 * Not here: gathering and checking (ice).
 * RFC 8839 §5.1, 6544 §4.5 for TCP. */
#ifndef SDP_CANDIDATE_H
#define SDP_CANDIDATE_H

#include "base/candidate.h"
#include "base/writer.h"

/* Reads what stands behind "a=candidate:". False for what cannot be used: names instead of
 * addresses (mDNS), unknown transports or types, numbers out of range. */
WARN_UNUSED bool sdp_candidate_parse(struct view value, struct candidate *out);

/* Writes a whole a=candidate line. */
void sdp_candidate_print(struct writer *w, const struct candidate *candidate);

#endif
