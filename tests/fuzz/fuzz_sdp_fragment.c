/* fuzz: any bytes as the body of an INFO that names candidates. What was read of an m-line and is
 * printed again must be read back as it was: whoever repeats what it was told repeats nothing else.
 * RFC 8840 §4.4, §9.2. */
#include "sdp/fragment.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_inside(struct view v, struct view text)
{
    assert(v.len == 0 || (v.at >= text.at && v.at + v.len <= text.at + text.len));
}

static void check_same(const struct candidate *a, const struct candidate *b)
{
    /* Of an address that is to be reached the port counts, too; raddr is there for diagnosis. */
    assert(a->type == b->type && a->transport == b->transport && a->component == b->component &&
           a->priority == b->priority && strcmp(a->foundation, b->foundation) == 0 &&
           addr_equal(&a->address, &b->address));
    assert(!addr_is_set(&a->related) || addr_equal(&a->related, &b->related));
}

static void print_again(const struct sdp_session *s, const struct sdp_media *m)
{
    static char text[65536];
    static struct sdp_session again;
    struct writer w = writer_of(text, sizeof text);
    struct sdp_ice ice = {.ends = m->ice_ends,
                          .ufrag = m->ice_ufrag,
                          .pwd = m->ice_pwd,
                          .candidates = &s->candidates[m->candidate_first],
                          .candidate_count = m->candidate_count};
    sdp_fragment_print(&w, m->mid, m->rtcp_mux, &ice);
    if (w.failed)
        return;
    sdp_session_parse(&again, writer_done(&w));
    assert(again.media_count == 1 && again.lost_candidates == 0);
    const struct sdp_media *n = &again.media[0];
    assert(view_equal(n->mid, m->mid) && view_equal(n->ice_ufrag, m->ice_ufrag) &&
           view_equal(n->ice_pwd, m->ice_pwd) && n->rtcp_mux == m->rtcp_mux &&
           n->ice_ends == m->ice_ends && n->candidate_count == m->candidate_count);
    for (size_t i = 0; i < n->candidate_count; i++)
        check_same(&ice.candidates[i], &again.candidates[n->candidate_first + i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct sdp_session s;
    struct view text = view_of(data, size);
    sdp_session_parse(&s, text);
    check_inside(s.ice_ufrag, text);
    check_inside(s.ice_pwd, text);
    assert(s.candidate_used <= SDP_CANDIDATES_POOL);
    assert(s.lost_candidates == 0 || s.candidate_used == SDP_CANDIDATES_POOL);
    for (size_t i = 0; i < s.media_count; i++) {
        const struct sdp_media *m = &s.media[i];
        check_inside(m->mid, text);
        check_inside(m->ice_ufrag, text);
        check_inside(m->ice_pwd, text);
        assert((size_t)m->candidate_first + m->candidate_count <= s.candidate_used);
        if (view_find_char(text, 0) == text.len) /* a mid or password would end there */
            print_again(&s, m);
    }
    return 0;
}
