/* fragment: candidates that are told on their own, in SIP's INFO: printing them. They are read as a
 * session is (sdp_session_parse()): their m-lines say nothing but which m-line is meant, by a=mid.
 * Not here: when they are sent, and what of them is news (recorder).
 * RFC 8840 §4.4, §9.2. */
#ifndef SDP_FRAGMENT_H
#define SDP_FRAGMENT_H

#include "sdp/answer.h"

#define SDP_FRAGMENT_TYPE "application/trickle-ice-sdpfrag"

/* One m-line's part: the credentials, and all candidates that were ever told with them. */
void sdp_fragment_print(struct writer *w, struct view mid, bool rtcp_mux,
                        const struct sdp_ice *ice);

#endif
