/* Tests of what a journal shows: the SRC's own reports, its clocks, a second sender. */
#include "doctor/recorded.h"

#include "journal_fixture.h"
#include "rtp/rtcp.h"
#include "tap.h"

struct call {
    struct fixture f;
    uint32_t media;
    struct journal_flow flow;
};

static void begin(struct call *c)
{
    struct addr src = addr_v4(192, 0, 2, 10, 4000), us = addr_v4(198, 51, 100, 5, 10000);
    fixture_start(&c->f);
    fixture_sip(&c->f, 0, true, false, VIEW_LIT("INVITE sip:srs@example.com SIP/2.0\r\n\r\n"));
    c->media = fixture_interface(&c->f, JOURNAL_ROLE_MEDIA, 0);
    journal_flow_init(&c->flow, c->media, &src, &us);
}

/* A packet that leaves at ms by our clock, with the network's whim on top. */
static void rtp(struct call *c, double ms, uint32_t timestamp, uint16_t seq)
{
    char bytes[200], audio[160] = {0};
    struct rtp_packet p = {
        .seq = seq, .timestamp = timestamp, .ssrc = 7, .payload = view_of(audio, sizeof audio)};
    struct writer out = writer_of(bytes, sizeof bytes);
    rtp_packet_encode(&p, &out);
    struct wall at = {FIXTURE_START + (int64_t)(ms * NS_PER_MS)};
    CHECK(journal_writer_packet(&c->f.w, &c->flow, at, writer_done(&out), VIEW_NONE));
    fixture_take(&c->f);
}

static void report(struct call *c, int64_t ms, int64_t clock_ms, uint32_t packets)
{
    char bytes[200];
    struct writer out = writer_of(bytes, sizeof bytes);
    struct rtcp_sender_report sr = {
        .ssrc = 7, .info = {.ntp = rtcp_ntp_of(fixture_time(ms + clock_ms)), .packets = packets}};
    rtcp_encode_sr(&out, &sr, VIEW_LIT("a@example.com"));
    CHECK(journal_writer_packet(&c->f.w, &c->flow, fixture_time(ms), writer_done(&out), VIEW_NONE));
    fixture_take(&c->f);
}

static struct doctor_stream read_back(struct call *c, struct addr *signalled)
{
    struct doctor_evidence e = {.stream_count = 1};
    doctor_read_journal(fixture_file(&c->f), &e);
    *signalled = e.signalled;
    fixture_finish(&c->f);
    return e.streams[0];
}

/* Timestamps at 8000 Hz made by a clock that is ppm fast; jitter up to 30 ms, never less than 0. */
static struct doctor_stream talk(double ppm, int seconds, uint32_t first)
{
    struct call c;
    struct addr signalled;
    begin(&c);
    for (int n = 0; n < seconds * 50; n++) {
        double true_ms = n * 20 / (1 + ppm / 1e6);
        rtp(&c, 100 + true_ms + (n * 7919) % 31, first + (uint32_t)n * 160, (uint16_t)n);
    }
    return read_back(&c, &signalled);
}

static void test_drift(void)
{
    struct doctor_stream s = talk(1000, 60, 0xffff0000);
    CHECK(s.drift_is_known && s.drift_ppm > 950 && s.drift_ppm < 1050);
    s = talk(-600, 60, 5);
    CHECK(s.drift_is_known && s.drift_ppm > -650 && s.drift_ppm < -550);
    s = talk(0, 20, 5);
    CHECK(s.drift_is_known && s.drift_ppm > -60 && s.drift_ppm < 60);
    s = talk(1000, 10, 5);
    CHECK(!s.drift_is_known); /* too short to say */
}

static void test_reports(void)
{
    struct call c;
    struct addr signalled, caller = addr_v4(192, 0, 2, 10, 40123);
    begin(&c);
    report(&c, 1000, 2500, 0);
    struct doctor_stream s = read_back(&c, &signalled);
    CHECK(addr_equal(&signalled, &caller));
    CHECK_INT(s.src_sends, PATH_NO);
    CHECK_INT(s.rtcp, 1);
    CHECK(s.clock_is_known);
    CHECK_INT(s.clock_ms, 2500);
    begin(&c);
    report(&c, 1000, 0, 0);
    report(&c, 6000, -3000, 250);
    s = read_back(&c, &signalled);
    CHECK_INT(s.src_sends, PATH_YES);
    CHECK_INT(s.clock_ms, -3000);
}

static void test_second_sender(void)
{
    struct call c;
    struct addr signalled, other = addr_v4(192, 0, 2, 66, 7000),
                           us = addr_v4(198, 51, 100, 5, 10000);
    begin(&c);
    uint32_t apart = fixture_interface(&c.f, JOURNAL_ROLE_APART, 0);
    struct journal_flow flow;
    journal_flow_init(&flow, apart, &other, &us);
    fixture_rtp(&c.f, &flow, 9, 1, VIEW_NONE);
    struct doctor_stream s = read_back(&c, &signalled);
    CHECK(addr_equal(&s.foreign, &other));
    CHECK_INT(s.src_sends, PATH_UNKNOWN);
}

/* ---- Whose packets ---- */

static const struct addr src = {.family = ADDR_V4, .port = 4000, .ip = {192, 0, 2, 10}};

/* Two streams that the SRC is to send, answered at 198.51.100.5:10000 and 10002. */
static struct doctor_evidence two_streams(void)
{
    struct doctor_evidence e = {.has_call = true, .stream_count = 2};
    for (size_t i = 0; i < 2; i++) {
        e.streams[i].offered = addr_with_port(src, (uint16_t)(4000 + 2 * i));
        e.streams[i].advertised = addr_v4(198, 51, 100, 5, (uint16_t)(10000 + 2 * i));
        e.streams[i].expects_media = true;
    }
    return e;
}

static void send(struct call *c, enum journal_role role, struct addr from, uint32_t ssrc,
                 unsigned count)
{
    struct journal_flow flow;
    struct addr us = addr_v4(198, 51, 100, 5, 10000);
    uint32_t interface =
        role == JOURNAL_ROLE_MEDIA ? c->media : fixture_interface(&c->f, JOURNAL_ROLE_APART, 0);
    journal_flow_init(&flow, interface, &from, &us);
    for (unsigned n = 0; n < count; n++)
        fixture_rtp(&c->f, &flow, ssrc, n, VIEW_NONE);
}

static void read_into(struct call *c, struct doctor_evidence *e)
{
    doctor_read_journal(fixture_file(&c->f), e);
    fixture_finish(&c->f);
}

static void test_what_waited_is_nobody_elses(void)
{
    struct call c;
    struct doctor_evidence e = two_streams();
    e.streams[1].packets = 50;
    begin(&c);
    send(&c, JOURNAL_ROLE_APART, addr_with_port(src, 7777), 7, 3);
    send(&c, JOURNAL_ROLE_MEDIA, addr_with_port(src, 7777), 7, 50);
    read_into(&c, &e);
    CHECK(!addr_is_set(&e.streams[0].foreign));
    CHECK_INT(e.streams[0].packets, 50); /* the document did not know yet */
}

/* Both streams come to the first one's port, from two sockets or from one. */
static void test_led_astray(void)
{
    for (uint16_t port = 4000; port <= 4002; port = (uint16_t)(port + 2)) {
        struct call c;
        struct doctor_evidence e = two_streams();
        e.streams[0].packets = 50;
        begin(&c);
        send(&c, JOURNAL_ROLE_MEDIA, src, 7, 50);
        send(&c, JOURNAL_ROLE_APART, addr_with_port(src, port), 8, 50);
        read_into(&c, &e);
        CHECK(addr_equal(&e.streams[1].led_to, &e.streams[0].advertised));
        CHECK(!addr_is_set(&e.streams[0].foreign));
    }
    struct call c;
    struct doctor_evidence e = two_streams();
    e.streams[0].packets = 50;
    begin(&c);
    send(&c, JOURNAL_ROLE_MEDIA, src, 7, 50);
    send(&c, JOURNAL_ROLE_APART, addr_v4(203, 0, 113, 5, 4000), 8, 50);
    read_into(&c, &e);
    CHECK(!addr_is_set(&e.streams[1].led_to) && addr_is_set(&e.streams[0].foreign));
}

static void answered(struct call *c, const char *types)
{
    char text[256];
    struct writer w = writer_of(text, sizeof text);
    writer_printf(&w,
                  "SIP/2.0 200 OK\r\nCSeq: 1 INVITE\r\n\r\nv=0\r\nm=audio 10000 RTP/AVP %s\r\n"
                  "m=audio 10002 RTP/AVP 8\r\n",
                  types);
    fixture_sip(&c->f, 1, true, true, writer_done(&w));
}

static void test_a_type_nobody_agreed_to(void)
{
    static const struct {
        const char *types;
        bool unagreed;
    } plays[] = {{"8 101", true}, {"8 0", false}, {"0", false}, {"127 96", true}};
    for (size_t i = 0; i < sizeof plays / sizeof *plays; i++) {
        struct call c;
        struct doctor_evidence e = two_streams();
        begin(&c);
        answered(&c, plays[i].types);
        send(&c, JOURNAL_ROLE_APART, addr_with_port(src, 7777), 7, 60);
        read_into(&c, &e);
        CHECK_INT(e.streams[0].apart, 60);
        CHECK_INT(e.streams[0].apart_type, 0);
        CHECK_INT(e.streams[0].apart_is_unagreed, plays[i].unagreed);
        CHECK(!addr_is_set(&e.streams[0].foreign) && e.streams[1].apart == 0);
    }
}

static void test_farewell(void)
{
    static const struct {
        const char *line;
        enum path_answer sends;
        uint64_t sent;
    } plays[] = {{"P-RTP-Stat: PS=250,OS=40000,PR=0,OR=0,PL=0", PATH_YES, 250},
                 {"p-rtp-stat:OS=0, PS=0", PATH_NO, 0},
                 {"X-RTP-Stat: PS=7", PATH_YES, 7},
                 {"X-RTP-Stat: PS=much", PATH_UNKNOWN, 0},
                 {"X-Other: PS=7", PATH_UNKNOWN, 0}};
    for (size_t i = 0; i < sizeof plays / sizeof *plays; i++) {
        struct call c;
        char text[256];
        struct writer w = writer_of(text, sizeof text);
        struct doctor_evidence e = two_streams();
        begin(&c);
        writer_printf(&w, "BYE sip:srs@example.com SIP/2.0\r\n%s\r\n\r\n", plays[i].line);
        fixture_sip(&c.f, 9, true, false, writer_done(&w));
        read_into(&c, &e);
        CHECK_INT(e.streams[0].src_sends, plays[i].sends);
        CHECK_INT(e.streams[1].src_sent, plays[i].sent);
    }
}

int main(void)
{
    RUN(test_what_waited_is_nobody_elses);
    RUN(test_led_astray);
    RUN(test_a_type_nobody_agreed_to);
    RUN(test_farewell);
    RUN(test_drift);
    RUN(test_reports);
    RUN(test_second_sender);
    return tap_done();
}
