/* fragment: see fragment.h.
 * Not here: reading (session.c).
 * RFC 8840 §4.4, §9.2. */
#include "sdp/fragment.h"

#include "sdp/candidate.h"

void sdp_fragment_print(struct writer *w, struct view mid, bool rtcp_mux, const struct sdp_ice *ice)
{
    /* §4.4: these very values where the m-line itself has no say; a=mid right before the
     * candidates. */
    writer_printf(w,
                  "m=audio 9 RTP/AVP 0\r\n"
                  "a=ice-ufrag:" VIEW_FMT "\r\n"
                  "a=ice-pwd:" VIEW_FMT "\r\n",
                  VIEW_ARG(ice->ufrag), VIEW_ARG(ice->pwd));
    if (rtcp_mux)
        writer_string(w, "a=rtcp-mux\r\n");
    writer_printf(w, "a=mid:" VIEW_FMT "\r\n", VIEW_ARG(mid));
    for (size_t i = 0; i < ice->candidate_count; i++)
        sdp_candidate_print(w, &ice->candidates[i]);
    if (ice->ends)
        writer_string(w, "a=end-of-candidates\r\n");
}
