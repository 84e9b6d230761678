/* Tests of sdp/session: lenient reading. */
#include "sdp/session.h"

#include "tap.h"

static struct sdp_session s;

static const struct sdp_media *parse(const char *text)
{
    sdp_session_parse(&s, view_of_string(text));
    return s.media;
}

static void check_addr(const struct addr *got, const char *want)
{
    CHECK_TEXT(addr_print(got).s, want);
}

/* RFC 7866 figure 5, shortened. */
static void test_standard_offer(void)
{
    const struct sdp_media *m =
        parse("v=0\r\no=SRC 2890844526 2890844527 IN IP4 198.51.100.1\r\ns=-\r\n"
              "c=IN IP4 198.51.100.1\r\nt=0 0\r\n"
              "m=audio 12240 RTP/AVP 0 4 8\r\na=sendonly\r\na=label:1\r\n"
              "m=video 22456 RTP/AVP 98\r\na=rtpmap:98 H264/90000\r\n"
              "a=sendonly\r\na=label:2\r\n");
    CHECK_INT(s.media_count, 2);
    CHECK(s.has_version);
    CHECK_VIEW(s.origin_user, "SRC");
    CHECK_VIEW(s.origin_version, "2890844527");
    CHECK_VIEW(s.timing, "0 0");
    CHECK(m[0].kind == SDP_KIND_AUDIO && m[1].kind == SDP_KIND_VIDEO);
    CHECK(m[0].profile == SDP_PROFILE_AVP);
    CHECK(m[0].direction == SDP_SENDONLY && m[0].direction_given);
    CHECK_VIEW(m[1].label, "2");
    check_addr(&m[0].rtp, "198.51.100.1:12240");
    check_addr(&m[0].rtcp, "198.51.100.1:12241");
    CHECK_INT(m[0].format_count, 3);
    CHECK(sdp_media_format(&s, m, 1)->codec == SDP_CODEC_UNKNOWN);
    CHECK(sdp_media_find_format(&s, m, 8)->codec == SDP_CODEC_PCMA);
    CHECK(!sdp_media_find_format(&s, m, 98));
    CHECK_VIEW(sdp_media_format(&s, &m[1], 0)->name, "H264");
}

/* What vendors leave out or put in (requirements: V15). */
static void test_missing_and_odd_lines(void)
{
    const struct sdp_media *m = parse(
        "\n  \nv=0\nrubbish\no=x\ns=\nm=audio  5000   RTP/AVP\t0 101  \n\na=label: 7 \n"
        "a=3gOoBTC\na=fmtp:101 0-15\na=direction:both\na=SendOnly \nc=IN IP4 192.0.2.1\n=\nz");
    CHECK_INT(s.media_count, 1);
    CHECK_VIEW(m->label, "7");
    CHECK(m->direction == SDP_SENDONLY);
    check_addr(&m->rtp, "192.0.2.1:5000");
    /* fmtp without rtpmap: a list of events can only be telephone-event. */
    CHECK(sdp_media_find_format(&s, m, 101)->codec == SDP_CODEC_TELEPHONE_EVENT);
    CHECK_INT(s.timing.len, 0);
    parse("");
    CHECK_INT(s.media_count, 0);
    parse("hello");
    CHECK(!s.has_version);
    m = parse("m=audio 1 RTP/AVP 0"); /* no c= at all */
    CHECK_INT(s.media_count, 1);
    CHECK(!addr_is_set(&m->rtp) && !addr_is_set(&m->rtcp) && !m->held);
    CHECK_INT(m->port, 1);
}

static void test_m_lines_that_are_hardly_any(void)
{
    const struct sdp_media *m =
        parse("m=\nm=audio\nm=audio x RTP/AVP 0\nm=audio 70000 RTP/AVP 0\n"
              "m=audio 49170/2 RTP/AVP 0 0 128 -1 abc 96\nm=text 1 TCP/MSRP *\n");
    CHECK_INT(s.media_count, 6);
    CHECK(m[0].kind == SDP_KIND_OTHER && m[0].port == 0);
    CHECK(m[1].kind == SDP_KIND_AUDIO && m[1].profile == SDP_PROFILE_OTHER);
    CHECK_INT(m[2].port, 0);
    CHECK_INT(m[3].port, 0);
    CHECK_INT(m[4].port, 49170);
    CHECK_INT(m[4].format_count, 2);
    CHECK_VIEW(m[5].formats_text, "*");
    CHECK_INT(m[5].format_count, 0);
}

static void test_connections(void)
{
    const struct sdp_media *m =
        parse("c=IN IP4 192.0.2.1/127\nm=audio 10 RTP/AVP 0\n"
              "m=audio 20 RTP/AVP 0\nc=IN IP6 2001:db8::5\nc=IN IP6 2001:db8::6\n"
              "m=audio 30 RTP/AVP 0\nc=IN IP4 src.example.com\n"
              "m=audio 0 RTP/AVP 0\nm=audio 65535 RTP/AVP 0\n");
    check_addr(&m[0].rtp, "192.0.2.1:10");
    check_addr(&m[1].rtp, "[2001:db8::5]:20");
    CHECK(!addr_is_set(&m[2].rtp)); /* names are not looked up */
    CHECK(!addr_is_set(&m[3].rtp));
    CHECK_INT(m[4].rtcp.port, 0);
}

/* RFC 3605, RFC 5761 §5.1.1. */
static void test_rtcp(void)
{
    const struct sdp_media *m = parse("c=IN IP4 192.0.2.1\n"
                                      "m=audio 10 RTP/AVP 0\na=rtcp:53020\n"
                                      "m=audio 20 RTP/AVP 0\na=rtcp:53020 IN IP4 192.0.2.9\n"
                                      "m=audio 30 RTP/AVP 0\na=rtcp:53020\na=rtcp-mux\n"
                                      "m=audio 40 RTP/AVP 0\na=rtcp:x\n"
                                      "m=audio 50 RTP/AVP 0\na=rtcp:1 IN IP4 0.0.0.0\n");
    check_addr(&m[0].rtcp, "192.0.2.1:53020");
    check_addr(&m[1].rtcp, "192.0.2.9:53020");
    CHECK(m[2].rtcp_mux);
    check_addr(&m[2].rtcp, "192.0.2.1:30");
    check_addr(&m[3].rtcp, "192.0.2.1:41");
    check_addr(&m[4].rtcp, "192.0.2.1:1");
}

/* RFC 3264 §8.4, and RFC 8840 §4.1.1 that looks like it. */
static void test_hold(void)
{
    const struct sdp_media *m =
        parse("o=- 1 1 IN IP4 0.0.0.0\nc=IN IP4 0.0.0.0\nm=audio 10 RTP/AVP 0\n"
              "m=audio 20 RTP/AVP 0\nc=IN IP6 ::\nm=audio 30 RTP/AVP 0\nc=IN IP4 192.0.2.1\n"
              "m=audio 9 RTP/AVP 0\na=ice-ufrag:abcd\na=ice-pwd:x\n");
    CHECK(m[0].held && m[1].held && !m[2].held && !m[3].held);
    CHECK(!addr_is_set(&m[0].rtp));
    parse("o=- 1 1 IN IP4 0.0.0.0\nm=audio 10 RTP/AVP 0\n");
    CHECK(!s.media[0].held); /* only c= holds */
}

static void test_session_level_is_inherited(void)
{
    const struct sdp_media *m =
        parse("a=inactive\na=ptime:30\na=setup:actpass\na=fingerprint:sha-256 AA\n"
              "m=audio 1 RTP/AVP 0\nm=audio 2 RTP/AVP 0\na=sendonly\na=ptime:20\n"
              "a=maxptime:40\n");
    CHECK(m[0].direction == SDP_INACTIVE && m[0].direction_given);
    CHECK(m[1].direction == SDP_SENDONLY);
    CHECK_INT(m[0].ptime_ms, 30);
    CHECK_INT(m[1].ptime_ms, 20);
    CHECK_INT(m[1].maxptime_ms, 40);
    CHECK_VIEW(m[1].setup, "actpass");
    CHECK_VIEW(m[0].fingerprint, "sha-256 AA");
}

/* RFC 9143 §6: bundle-only means something in a bundled m-line with port 0, and nowhere else. */
static void test_bundle(void)
{
    const struct sdp_media *m =
        parse("a=group:LS a b\na=group:BUNDLE a b c\n"
              "m=audio 1 RTP/AVP 0\na=mid:a\nm=audio 0 RTP/AVP 0\na=mid:b\na=bundle-only\n"
              "m=audio 3 RTP/AVP 0\na=mid:c\na=bundle-only\nm=audio 0 RTP/AVP "
              "0\na=mid:d\na=bundle-only\n");
    CHECK(m[0].bundled && m[1].bundled && m[2].bundled && !m[3].bundled);
    CHECK(m[1].bundle_only && !m[2].bundle_only && !m[3].bundle_only);
}

static void test_a_second_description_in_the_same_part(void)
{
    const struct sdp_media *m = parse("v=0\nc=IN IP4 192.0.2.1\nm=audio 10 RTP/AVP 0\na=label:1\n\n"
                                      "--boundary\nContent-Type: application/sdp\n\nv=0\n"
                                      "c=IN IP4 192.0.2.2\na=inactive\nm=audio 20 RTP/AVP 0\n");
    CHECK_INT(s.media_count, 2);
    check_addr(&m[0].rtp, "192.0.2.1:10");
    CHECK(!m[0].direction_given);
    check_addr(&m[1].rtp, "192.0.2.2:20");
    CHECK(m[1].direction == SDP_INACTIVE);
}

static void test_capacities(void)
{
    static char text[64 * 1024];
    struct writer w = writer_of(text, sizeof text);
    for (int i = 0; i < LIMIT_SDP_MEDIA + 5; i++) {
        writer_printf(&w, "m=audio %d RTP/AVP", 1000 + i);
        for (int pt = 0; pt < 20; pt++)
            writer_printf(&w, " %d", pt);
        writer_string(&w, "\r\na=candidate:1 1 UDP 1 192.0.2.1 9 typ host\r\n"
                          "a=candidate:2 1 UDP 1 192.0.2.1 9 typ host\r\n");
    }
    sdp_session_parse(&s, writer_done(&w));
    CHECK_INT(s.media_count, LIMIT_SDP_MEDIA);
    CHECK_INT(s.lost_media, 5);
    CHECK_INT(s.format_used, SDP_FORMATS_POOL);
    CHECK_INT(s.lost_formats, LIMIT_SDP_MEDIA * 20 - SDP_FORMATS_POOL);
    CHECK_INT(s.lost_candidates, LIMIT_SDP_MEDIA * 2 - SDP_CANDIDATES_POOL);
    CHECK(view_starts_with(s.lost_text, VIEW_LIT("m=audio 1064 ")));
}

static void test_attributes_one_by_one(void)
{
    const struct sdp_media *m =
        parse("a=x\nm=audio 1 RTP/SAVP 0\na=crypto:1 AES_CM_128_HMAC_SHA1_80 inline:k\nb=AS:64\n"
              "a=sendonly\nm=audio 2 RTP/AVP 0\na=y:z\n");
    struct view rest = m[0].text, name, value;
    CHECK_INT(m[0].crypto_count, 1);
    CHECK(sdp_attribute_next(&rest, &name, &value));
    CHECK_VIEW(name, "crypto");
    CHECK_VIEW(value, "1 AES_CM_128_HMAC_SHA1_80 inline:k");
    CHECK(sdp_attribute_next(&rest, &name, &value));
    CHECK_VIEW(name, "sendonly");
    CHECK_INT(value.len, 0);
    CHECK(!sdp_attribute_next(&rest, &name, &value));
}

static void test_repeated_labels(void)
{
    parse("m=audio 1 RTP/AVP 0\na=label:1\nm=audio 2 RTP/AVP 0\na=label:1\nm=audio 3 RTP/AVP 0\n"
          "a=label:2\nm=audio 4 RTP/AVP 0\nm=audio 5 RTP/AVP 0\n");
    CHECK(sdp_media_label_repeats(&s, 0) && sdp_media_label_repeats(&s, 1));
    CHECK(!sdp_media_label_repeats(&s, 2) && !sdp_media_label_repeats(&s, 3));
}

/* RFC 4091 §3: the mids in the order of preference, whatever that of the m-lines; as many groups as
 * there are media. */
static void test_alternatives(void)
{
    const struct sdp_media *m = parse("v=0\r\na=group:ANAT 2 1\r\na=group:anat 3 4\r\nt=0 0\r\n"
                                      "m=audio 4000 RTP/AVP 0\r\na=mid:1\r\n"
                                      "m=audio 4002 RTP/AVP 0\r\na=mid:2\r\n"
                                      "m=audio 4004 RTP/AVP 0\r\na=mid:4\r\n"
                                      "m=audio 4006 RTP/AVP 0\r\na=mid:5\r\n"
                                      "m=audio 4008 RTP/AVP 0\r\n");
    CHECK(m[0].anat == 1 && m[0].anat_rank == 1);
    CHECK(m[1].anat == 1 && m[1].anat_rank == 0);
    CHECK(m[2].anat == 2 && m[2].anat_rank == 1);
    CHECK(m[3].anat == 0 && m[4].anat == 0);
}

static void test_directions(void)
{
    CHECK(sdp_direction_sends(SDP_SENDRECV) && !sdp_direction_sends(SDP_INACTIVE));
}

int main(void)
{
    RUN(test_standard_offer);
    RUN(test_missing_and_odd_lines);
    RUN(test_m_lines_that_are_hardly_any);
    RUN(test_connections);
    RUN(test_rtcp);
    RUN(test_hold);
    RUN(test_session_level_is_inherited);
    RUN(test_bundle);
    RUN(test_a_second_description_in_the_same_part);
    RUN(test_capacities);
    RUN(test_attributes_one_by_one);
    RUN(test_repeated_labels);
    RUN(test_alternatives);
    RUN(test_directions);
    return tap_done();
}
