/* Tests of siprec-call's reading of SIP messages and SDP answers. */
#include "tools/siprec-call/message.h"

#include "tap.h"
#include "tools/siprec-call/answer.h"

static const char ok[] =
    "SIP/2.0 200 OK\r\nv: SIP/2.0/UDP 192.0.2.1;branch=z9hG4bKa\r\n"
    "Via: SIP/2.0/UDP 192.0.2.2\r\nt: <sip:b@example.com>\r\n ;tag=b1\r\n"
    "Record-Route: <sip:p2;lr>, <sip:p1;lr>\r\nRecord-Route: <sip:p0;lr>\r\n"
    "Call-ID: 7-x@y\r\nCSeq: 12 INVITE\r\nm: \"A\" <sip:srs@192.0.2.9:5070>;+sip.srs\r\n"
    "Content-Length: 4\r\n\r\nbodyREST";

static void test_response(void)
{
    char bytes[sizeof ok];
    char routes[256];
    struct call_message m;
    memcpy(bytes, ok, sizeof ok);
    if (!CHECK(call_message_parse(&m, bytes, sizeof ok - 1)))
        return;
    CHECK(!m.request);
    CHECK_INT(m.code, 200);
    CHECK_INT(m.cseq, 12);
    CHECK_VIEW(m.method, "INVITE");
    CHECK_VIEW(m.call_id, "7-x@y");
    CHECK_VIEW(m.body, "body");
    CHECK_VIEW(call_message_header(&m, "Via", 1), "SIP/2.0/UDP 192.0.2.2");
    CHECK(call_message_header(&m, "Via", 2).at == NULL);
    CHECK_VIEW(call_parameter(call_message_header(&m, "To", 0), "tag"), "b1");
    CHECK_VIEW(call_uri_of(call_message_header(&m, "Contact", 0)), "sip:srs@192.0.2.9:5070");
    /* RFC 3261 §12.1.2: the caller's route set is the Record-Route, reversed. */
    struct writer w = writer_of(routes, sizeof routes);
    call_route_set(&m, &w);
    CHECK_VIEW(writer_done(&w),
               "Route: <sip:p0;lr>\r\nRoute: <sip:p1;lr>\r\nRoute: <sip:p2;lr>\r\n");
}

static void test_what_is_no_message(void)
{
    static const char *const bad[] = {"",
                                      "\r\n\r\n",
                                      "SIP/2.0 2 OK\r\n\r\n",
                                      "BYE sip:x HTTP/1.1\r\nCall-ID: a\r\nCSeq: 1 BYE\r\n\r\n",
                                      "SIP/2.0 200 OK\r\nCSeq: 1 BYE\r\n\r\n",
                                      "SIP/2.0 200 OK\r\nCall-ID: a\r\nCSeq: x BYE\r\n\r\n",
                                      "SIP/2.0 200 OK\r\nCall-ID: a\r\nCSeq: 1 BYE\r\n"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        char bytes[256];
        struct call_message m;
        size_t len = strlen(bad[i]);
        memcpy(bytes, bad[i], len + 1);
        CHECK(!call_message_parse(&m, bytes, len));
    }
}

static void test_framing(void)
{
    bool broken = false;
    size_t whole = sizeof ok - 1 - 4; /* REST belongs to the next message */
    CHECK_INT(call_message_frame(view_of(ok, sizeof ok - 1), &broken), whole);
    for (size_t i = 0; i < whole; i++)
        CHECK_INT(call_message_frame(view_of(ok, i), &broken), 0);
    CHECK(!broken);
    CHECK_INT(call_message_frame(VIEW_LIT("\r\n\r\nSIP/2.0 200 OK\r\nl: 0\r\n\r\n"), &broken), 28);
    CHECK_INT(call_message_frame(VIEW_LIT("SIP/2.0 200 OK\r\n\r\n"), &broken), 0);
    CHECK(broken);
}

static void test_answer(void)
{
    static const struct view sdp = VIEW(
        "v=0\r\no=srs 1 2 IN IP4 192.0.2.9\r\ns=-\r\nc=IN IP4 192.0.2.9\r\nt=0 0\r\n"
        "m=audio 10000 RTP/AVP 111 0\r\na=rtpmap:111 opus/48000/2\r\na=recvonly\r\na=label:7\r\n"
        "m=video 0 RTP/AVP 96\r\n"
        "m=audio 10002 RTP/AVP 8\r\nc=IN IP4 198.51.100.1\r\na=rtcp:20003\r\na=inactive\r\n"
        "m=audio 10004 RTP/AVP 0\r\na=rtcp-mux\r\na=recvonly\r\n");
    static struct call_answer a;
    if (!CHECK(call_answer_parse(&a, VIEW_LIT("application/sdp"), sdp)))
        return;
    CHECK_INT(a.count, 4);
    CHECK_VIEW(a.origin, "srs 1 2 IN IP4 192.0.2.9");
    CHECK_VIEW(a.media[0].label, "7");
    CHECK_INT(a.media[0].direction, CALL_RECVONLY);
    CHECK_TEXT(addr_print(&a.media[0].rtp).s, "192.0.2.9:10000");
    CHECK_TEXT(addr_print(&a.media[0].rtcp).s, "192.0.2.9:10001");
    CHECK_VIEW(call_media_rtpmap(&a.media[0], 111), "opus/48000/2");
    CHECK_VIEW(call_media_rtpmap(&a.media[0], 0), "PCMU/8000");
    CHECK_INT(a.media[1].rtp.port, 0);
    CHECK_TEXT(addr_print(&a.media[2].rtp).s, "198.51.100.1:10002");
    CHECK_TEXT(addr_print(&a.media[2].rtcp).s, "198.51.100.1:20003");
    CHECK_INT(a.media[2].direction, CALL_INACTIVE);
    CHECK_TEXT(addr_print(&a.media[3].rtcp).s, "192.0.2.9:10004");
    CHECK(!call_answer_parse(&a, VIEW_LIT("application/sdp"), VIEW_LIT("nonsense")));
    CHECK(call_answer_parse(
        &a, VIEW_LIT("multipart/mixed;boundary=x"),
        VIEW_LIT("--x\r\nContent-Type: application/sdp\r\n\r\nv=0\r\no=a 1 1 IN IP4 192.0.2.1\r\n"
                 "m=audio 4 RTP/AVP 0\r\n--x--\r\n")));
    CHECK_INT(a.count, 1);
}

int main(void)
{
    RUN(test_response);
    RUN(test_what_is_no_message);
    RUN(test_framing);
    RUN(test_answer);
    return tap_done();
}
