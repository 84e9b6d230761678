/* Tests of sdp/match and sdp/agree: what a re-INVITE continues, and what two texts come to. */
#include "sdp/agree.h"
#include "sdp/answer.h"
#include "sdp/match.h"

#include "tap.h"

static struct sdp_session ours, theirs;
static struct sdp_agreed agreed;

#define A(label, port) "m=audio " #port " RTP/AVP 0\na=label:" #label "\n"

static void check_match(const char *offer, const struct sdp_known *known, size_t count,
                        const int *want)
{
    int found[LIMIT_SDP_MEDIA];
    sdp_session_parse(&theirs, view_of_string(offer));
    sdp_match(&theirs, known, count, found);
    for (size_t i = 0; i < theirs.media_count; i++)
        CHECK_INT(found[i], want[i]);
}

static const struct sdp_known two[] = {
    {.label = VIEW("1"), .line = 0},
    {.label = VIEW("2"), .line = 1},
};

static void test_same_offer(void)
{
    check_match(A(1, 10) A(2, 20), two, 2, (int[]){0, 1});
}

static void test_new_address_is_the_same_stream(void)
{
    check_match("c=IN IP4 192.0.2.77\n" A(1, 90) A(2, 92), two, 2, (int[]){0, 1});
}

static void test_reordered(void)
{
    check_match(A(2, 20) A(1, 10), two, 2, (int[]){1, 0});
}

static void test_added(void)
{
    check_match(A(1, 10) A(2, 20) A(3, 30), two, 2, (int[]){0, 1, SDP_MATCH_NEW});
    /* In front of the others: their labels still tell them. */
    check_match(A(3, 30) A(1, 10) A(2, 20), two, 2, (int[]){SDP_MATCH_NEW, 0, 1});
}

static void test_removed(void)
{
    check_match(A(1, 0) A(2, 20), two, 2, (int[]){0, 1});
    /* Its m-line left out, against RFC 3264 §8: the label still tells the other. */
    check_match(A(2, 20), two, 2, (int[]){1});
}

static void test_without_labels_by_position(void)
{
    check_match("m=audio 10 RTP/AVP 0\nm=audio 20 RTP/AVP 0\n", two, 2, (int[]){0, 1});
    const struct sdp_known bare[] = {{.line = 0}, {.line = 1}};
    check_match(A(1, 10) A(2, 20), bare, 2, (int[]){0, 1});
}

static void test_repeated_labels_by_position(void)
{
    check_match(A(1, 10) A(1, 20), two, 2, (int[]){0, 1});
}

static void test_relabelled_by_position(void)
{
    check_match(A(7, 10) A(8, 20), two, 2, (int[]){0, 1});
    /* One label moved, one new: the moved one is not taken twice. */
    check_match(A(2, 10) A(9, 20), two, 2, (int[]){1, SDP_MATCH_NEW});
}

static void test_a_slot_that_was_given_up_is_new(void)
{
    const struct sdp_known gone[] = {{.label = VIEW("1"), .line = 0, .gone = true},
                                     {.label = VIEW("2"), .line = 1}};
    check_match(A(3, 10) A(2, 20), gone, 2, (int[]){SDP_MATCH_NEW, 1});
}

static void test_another_medium_is_another_stream(void)
{
    check_match("m=video 10 RTP/AVP 96\na=label:1\n" A(2, 20), two, 2, (int[]){SDP_MATCH_NEW, 1});
}

static void agree(const char *mine, const char *other)
{
    sdp_session_parse(&ours, view_of_string(mine));
    sdp_session_parse(&theirs, view_of_string(other));
    sdp_agree(&agreed, &ours, &theirs, 0);
}

static void test_agreed_after_our_answer(void)
{
    agree("c=IN IP4 192.0.2.200\nm=audio 10000 RTP/AVP 8 101\na=rtpmap:8 PCMA/8000\n"
          "a=rtpmap:101 telephone-event/8000\na=fmtp:101 0-15\na=recvonly\na=label:1\na=rtcp-mux\n",
          "c=IN IP4 192.0.2.1\nm=audio 5000 RTP/AVP 8 4 101\na=rtpmap:101 telephone-event/8000\n"
          "a=sendonly\na=label:1\na=rtcp-mux\na=ptime:30\n");
    CHECK(agreed.active && agreed.rtcp_mux && !agreed.held);
    CHECK(agreed.direction == SDP_RECVONLY);
    CHECK_TEXT(addr_print(&agreed.remote_rtp).s, "192.0.2.1:5000");
    CHECK_TEXT(addr_print(&agreed.remote_rtcp).s, "192.0.2.1:5000");
    CHECK_TEXT(addr_print(&agreed.local_rtp).s, "192.0.2.200:10000");
    CHECK_INT(agreed.format_count, 2);
    CHECK(sdp_agreed_format(&agreed, 8)->codec == SDP_CODEC_PCMA);
    CHECK(!sdp_agreed_format(&agreed, 4));
    CHECK_INT(agreed.ptime_ms, 30);
}

static void test_agreed_directions(void)
{
    static const struct {
        const char *mine, *other;
        enum sdp_direction want;
    } rows[] = {
        {"recvonly", "sendonly", SDP_RECVONLY}, {"recvonly", "sendrecv", SDP_RECVONLY},
        {"recvonly", "inactive", SDP_INACTIVE}, {"inactive", "sendonly", SDP_INACTIVE},
        {"sendonly", "recvonly", SDP_SENDONLY}, {"recvonly", "recvonly", SDP_INACTIVE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char mine[128], other[128];
        (void)snprintf(mine, sizeof mine, "m=audio 2 RTP/AVP 0\na=%s\n", rows[i].mine);
        (void)snprintf(other, sizeof other, "m=audio 2 RTP/AVP 0\na=%s\n", rows[i].other);
        agree(mine, other);
        CHECK(agreed.direction == rows[i].want);
    }
    agree("m=audio 2 RTP/AVP 0\na=recvonly\n",
          "c=IN IP4 0.0.0.0\nm=audio 2 RTP/AVP 0\na=sendonly\n");
    CHECK(agreed.held && agreed.direction == SDP_INACTIVE);
    CHECK(!addr_is_set(&agreed.remote_rtp));
}

/* The ACK brings the SRC's answer to our offer: no label in it, and numbers of its own. */
static void test_agreed_after_their_answer(void)
{
    agree(
        "c=IN IP4 192.0.2.200\nm=audio 10000 RTP/AVP 0 8 97\na=rtpmap:97 iLBC/8000\na=recvonly\n"
        "a=label:1\n",
        "c=IN IP4 192.0.2.1\nm=audio 5000 RTP/AVP 8 96\na=rtpmap:96 iLBC/8000\na=fmtp:96 mode=20\n"
        "a=sendonly\n");
    CHECK(agreed.direction == SDP_RECVONLY);
    CHECK_VIEW(agreed.label, "1");
    CHECK(sdp_agreed_format(&agreed, 97)->codec == SDP_CODEC_ILBC);
    CHECK(sdp_agreed_format(&agreed, 96)->codec == SDP_CODEC_ILBC);
    CHECK_VIEW(sdp_agreed_format(&agreed, 96)->fmtp, "mode=20");
    CHECK_INT(agreed.format_count, 4);
    agree("m=audio 10000 RTP/AVP 0\n", "m=audio 0 RTP/AVP 0\n");
    CHECK(!agreed.active);
}

static void test_mux_that_only_they_want(void)
{
    agree("c=IN IP4 192.0.2.200\nm=audio 10000 RTP/AVP 0\n",
          "c=IN IP4 192.0.2.1\nm=audio 5000 RTP/AVP 0\na=rtcp-mux\n");
    CHECK(!agreed.rtcp_mux);
    CHECK_TEXT(addr_print(&agreed.remote_rtcp).s, "192.0.2.1:5001");
}

int main(void)
{
    RUN(test_same_offer);
    RUN(test_new_address_is_the_same_stream);
    RUN(test_reordered);
    RUN(test_added);
    RUN(test_removed);
    RUN(test_without_labels_by_position);
    RUN(test_repeated_labels_by_position);
    RUN(test_relabelled_by_position);
    RUN(test_a_slot_that_was_given_up_is_new);
    RUN(test_another_medium_is_another_stream);
    RUN(test_agreed_after_our_answer);
    RUN(test_agreed_directions);
    RUN(test_agreed_after_their_answer);
    RUN(test_mux_that_only_they_want);
    return tap_done();
}
