/* Tests of sdp/candidate with lines of RFC 8839 §5.1 and RFC 6544 §4.5. */
#include "sdp/candidate.h"

#include "tap.h"

static void check_round_trip(const char *line)
{
    struct candidate c;
    char text[256];
    struct writer w = writer_of(text, sizeof text);
    struct view value = view_skip(view_of_string(line), strlen("a=candidate:"));
    if (!CHECK(sdp_candidate_parse(value, &c)))
        return;
    sdp_candidate_print(&w, &c);
    CHECK(view_equal(view_trim(writer_done(&w)), view_of_string(line)));
}

static void test_round_trips(void)
{
    check_round_trip("a=candidate:1 1 UDP 2130706431 203.0.113.141 8998 typ host");
    check_round_trip(
        "a=candidate:2 1 UDP 1694498815 192.0.2.3 45664 typ srflx raddr 203.0.113.141 rport 8998");
    check_round_trip(
        "a=candidate:3 2 UDP 16777215 2001:db8::9 3478 typ relay raddr 192.0.2.1 rport 5");
    check_round_trip("a=candidate:1 1 TCP 2128609279 198.51.100.1 9 typ host tcptype active");
    check_round_trip("a=candidate:4 1 TCP 1 198.51.100.1 8998 typ prflx tcptype passive");
}

static void test_fields(void)
{
    struct candidate c;
    CHECK(sdp_candidate_parse(
        VIEW_LIT("x+/ 2 udp 7 192.0.2.7 9 typ host generation 0 ufrag abc network-id 3"), &c));
    CHECK_TEXT(c.foundation, "x+/");
    CHECK_INT(c.component, 2);
    CHECK_INT(c.priority, 7);
    CHECK(c.transport == CANDIDATE_UDP && c.type == CANDIDATE_HOST);
    CHECK(!addr_is_set(&c.related));
}

static void test_what_cannot_be_used_is_refused(void)
{
    static const char *const lines[] = {
        "",
        "1",
        "1 1 UDP 1 abc.local 9 typ host", /* mDNS */
        "1 0 UDP 1 192.0.2.1 9 typ host",
        "1 257 UDP 1 192.0.2.1 9 typ host",
        "1 1 SCTP 1 192.0.2.1 9 typ host",
        "1 1 UDP 99999999999 192.0.2.1 9 typ host",
        "1 1 UDP 1 192.0.2.1 99999 typ host",
        "1 1 UDP 1 192.0.2.1 9 typ what",
        "1 1 UDP 1 192.0.2.1 9 host",
        "1 1 TCP 1 192.0.2.1 9 typ host",
        "123456789012345678901234567890123 1 UDP 1 192.0.2.1 9 typ host",
    };
    struct candidate c;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        CHECK(!sdp_candidate_parse(view_of_string(lines[i]), &c));
    CHECK(!sdp_candidate_parse(VIEW_LIT("\0001 1 UDP 1 192.0.2.1 9 typ host"), &c));
    CHECK(!sdp_candidate_parse(VIEW_LIT("1\x80 1 UDP 1 192.0.2.1 9 typ host"), &c));
}

int main(void)
{
    RUN(test_round_trips);
    RUN(test_fields);
    RUN(test_what_cannot_be_used_is_refused);
    return tap_done();
}
