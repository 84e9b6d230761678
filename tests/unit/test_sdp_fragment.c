/* Tests of sdp/fragment with RFC 8840's own bodies: figure 7, and the one of §6 (its long lines joined:
 * the RFC says that real ones have no breaks). */
#include "sdp/fragment.h"

#include "sdp/candidate.h"
#include "tap.h"

#define FIGURE_7                                                                                   \
    "a=ice-pwd:asd88fgpdd777uzjYhagZg\r\n"                                                         \
    "a=ice-ufrag:8hhY\r\n"                                                                         \
    "m=audio 9 RTP/AVP 0\r\n"                                                                      \
    "a=mid:1\r\n"                                                                                  \
    "a=candidate:1 1 UDP 2130706432 2001:db8:a0b:12f0::1 5000 typ host\r\n"                        \
    "a=candidate:1 2 UDP 2130706432 2001:db8:a0b:12f0::1 5001 typ host\r\n"                        \
    "a=candidate:1 1 UDP 2130706431 192.0.2.1 5010 typ host\r\n"                                   \
    "a=candidate:1 2 UDP 2130706431 192.0.2.1 5011 typ host\r\n"                                   \
    "a=candidate:2 1 UDP 1694498815 192.0.2.3 5010 typ srflx raddr 192.0.2.1 rport 8998\r\n"       \
    "a=candidate:2 2 UDP 1694498815 192.0.2.3 5011 typ srflx raddr 192.0.2.1 rport 8998\r\n"       \
    "a=end-of-candidates\r\n"                                                                      \
    "m=audio 9 RTP/AVP 0\r\n"                                                                      \
    "a=mid:2\r\n"                                                                                  \
    "a=candidate:1 1 UDP 2130706432 2001:db8:a0b:12f0::1 6000 typ host\r\n"                        \
    "a=candidate:1 2 UDP 2130706432 2001:db8:a0b:12f0::1 6001 typ host\r\n"                        \
    "a=candidate:1 1 UDP 2130706431 192.0.2.1 6010 typ host\r\n"                                   \
    "a=candidate:1 2 UDP 2130706431 192.0.2.1 6011 typ host\r\n"                                   \
    "a=candidate:2 1 UDP 1694498815 192.0.2.3 6010 typ srflx raddr 192.0.2.1 rport 9998\r\n"       \
    "a=candidate:2 2 UDP 1694498815 192.0.2.3 6011 typ srflx raddr 192.0.2.1 rport 9998\r\n"       \
    "a=end-of-candidates\r\n"

static struct sdp_session session;

static void test_figure_7(void)
{
    const struct addr first = addr_v4(192, 0, 2, 3, 5010);
    sdp_session_parse(&session, VIEW_LIT(FIGURE_7));
    CHECK_INT(session.media_count, 2);
    CHECK(!session.ice_ends);
    for (size_t i = 0; i < 2; i++) {
        const struct sdp_media *m = &session.media[i];
        CHECK(view_equal(m->mid, i ? VIEW_LIT("2") : VIEW_LIT("1")));
        CHECK(view_equal(m->ice_ufrag, VIEW_LIT("8hhY")));
        CHECK(view_equal(m->ice_pwd, VIEW_LIT("asd88fgpdd777uzjYhagZg")));
        CHECK_INT(m->candidate_count, 6);
        CHECK(m->ice_ends);
    }
    const struct candidate *c = &session.candidates[session.media[0].candidate_first + 4];
    CHECK(c->type == CANDIDATE_SERVER_REFLEXIVE && addr_equal(&c->address, &first));
}

static void test_the_end_of_all(void)
{
    sdp_session_parse(&session, VIEW_LIT("a=ice-pwd:asd88fgpdd777uzjYhagZg\r\n"
                                         "a=ice-ufrag:8hhY\r\n"
                                         "a=end-of-candidates\r\n"));
    CHECK(session.ice_ends);
    CHECK_INT(session.media_count, 0);
}

/* §6's body, but for the credentials, which stand where our answers have them: with the m-line. */
static void test_printing(void)
{
    char text[1024];
    struct writer w = writer_of(text, sizeof text);
    struct candidate c;
    CHECK(
        sdp_candidate_parse(VIEW_LIT("1 1 UDP 1658497382 2001:db8:a0b:12f0::4 6000 typ host"), &c));
    struct sdp_ice ice = {.ufrag = VIEW_LIT("8hhY"),
                          .pwd = VIEW_LIT("asd88fgpdd777uzjYhagZg"),
                          .candidates = &c,
                          .candidate_count = 1};
    sdp_fragment_print(&w, VIEW_LIT("1"), true, &ice);
    CHECK(view_equal(
        writer_done(&w),
        VIEW_LIT("m=audio 9 RTP/AVP 0\r\n"
                 "a=ice-ufrag:8hhY\r\n"
                 "a=ice-pwd:asd88fgpdd777uzjYhagZg\r\n"
                 "a=rtcp-mux\r\n"
                 "a=mid:1\r\n"
                 "a=candidate:1 1 UDP 1658497382 2001:db8:a0b:12f0::4 6000 typ host\r\n")));
    ice.ends = true;
    sdp_fragment_print(&w, VIEW_LIT("2"), false, &ice);
    sdp_session_parse(&session, writer_done(&w));
    CHECK_INT(session.media_count, 2);
    CHECK(!session.media[0].ice_ends && session.media[1].ice_ends);
    CHECK(view_equal(session.media[1].mid, VIEW_LIT("2")));
    CHECK_INT(session.media[1].candidate_count, 1);
}

int main(void)
{
    RUN(test_figure_7);
    RUN(test_the_end_of_all);
    RUN(test_printing);
    return tap_done();
}
