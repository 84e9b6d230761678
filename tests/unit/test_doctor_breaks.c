/* Tests of what a journal shows of media that stopped: since when, and what the SRC did then. */
#include "doctor/breaks.h"

#include "journal_fixture.h"
#include "rtp/rtcp.h"
#include "tap.h"

static const struct addr src = {.family = ADDR_V4, .port = 4000, .ip = {192, 0, 2, 10}};
static const struct addr us = {.family = ADDR_V4, .port = 10000, .ip = {198, 51, 100, 5}};

struct call {
    struct fixture f;
    uint32_t media;
    struct journal_flow flow;
};

static void stream_event(struct call *c, int64_t ms, const char *offered, const char *advertised,
                         const char *bound)
{
    char text[512];
    struct journal_event e = journal_event_begin(text, sizeof text, JOURNAL_EVENT_STREAM);
    journal_event_put_number(&e, "stream", 0);
    journal_event_put_text(&e, "offered", view_of_string(offered));
    journal_event_put_text(&e, "advertised", view_of_string(advertised));
    journal_event_put_text(&e, "bound", view_of_string(bound));
    CHECK(journal_writer_event(&c->f.w, c->media, fixture_time(ms), journal_event_end(&e)));
    fixture_take(&c->f);
}

/* Five seconds of media, from the first to the sixth second. */
static void talk(struct call *c)
{
    fixture_start(&c->f);
    fixture_sip(&c->f, 0, true, false, VIEW_LIT("INVITE sip:srs@example.com SIP/2.0\r\n\r\n"));
    c->media = fixture_interface(&c->f, JOURNAL_ROLE_MEDIA, 0);
    journal_flow_init(&c->flow, c->media, &src, &us);
    stream_event(c, 0, "192.0.2.10:4000", "198.51.100.5:10000", "10.0.0.5:10000");
    for (unsigned n = 0; n < 250; n++)
        fixture_rtp(&c->f, &c->flow, 7, n, VIEW_NONE);
}

/* count < 0: a receiver's report. */
static void report(struct call *c, int64_t ms, int count)
{
    char bytes[200];
    struct writer out = writer_of(bytes, sizeof bytes);
    struct rtcp_sender_report sr = {
        .ssrc = 7, .info = {.ntp = rtcp_ntp_of(fixture_time(ms)), .packets = (uint32_t)count}};
    if (count >= 0)
        rtcp_encode_sr(&out, &sr, VIEW_LIT("a@example.com"));
    else
        writer_view(&out, view_of("\x80\xc9\0\1\0\0\0\7", 8));
    CHECK(journal_writer_packet(&c->f.w, &c->flow, fixture_time(ms), writer_done(&out), VIEW_NONE));
    fixture_take(&c->f);
}

static void refused(struct call *c, int64_t ms, const char *from)
{
    char text[256], said[128];
    struct journal_event e = journal_event_begin(text, sizeof text, JOURNAL_EVENT_WARNING);
    struct writer w = writer_of(said, sizeof said);
    writer_printf(&w, "%s answers what we send with ICMP: it gets no more", from);
    journal_event_put_text(&e, "code", VIEW_LIT("packets-refused"));
    journal_event_put_text(&e, "text", writer_done(&w));
    CHECK(journal_writer_event(&c->f.w, 0, fixture_time(ms), journal_event_end(&e)));
    fixture_take(&c->f);
}

static struct doctor_stream judge(struct call *c, int64_t until_ms, bool is_cut)
{
    struct doctor_evidence e = {.stream_count = 1, .is_cut = is_cut};
    e.streams[0] = (struct doctor_stream){
        .offered = src, .observed = src, .expects_media = true, .packets = 250};
    doctor_read_breaks(fixture_file(&c->f), fixture_time(until_ms), &e);
    fixture_finish(&c->f);
    return e.streams[0];
}

static void test_when(void)
{
    struct call c;
    talk(&c);
    struct doctor_stream s = judge(&c, 5990, false);
    CHECK_INT(s.silent_ms, 10);
    CHECK(!doctor_stream_has_stopped(&s));
    talk(&c);
    s = judge(&c, 15980, false);
    CHECK_INT(s.silent_ms, 10000);
    CHECK(doctor_stream_has_stopped(&s));
    CHECK_INT(s.src_sends, PATH_UNKNOWN);
    talk(&c);
    s = judge(&c, 15980, true); /* what is not written down may have come */
    CHECK_INT(s.silent_ms, 0);
    talk(&c); /* what was not to be written down was not due */
    fixture_event(&c.f, c.media, 7000, JOURNAL_EVENT_PAUSE);
    fixture_event(&c.f, c.media, 14000, JOURNAL_EVENT_RESUME);
    s = judge(&c, 16000, false);
    CHECK_INT(s.silent_ms, 2000);
    fixture_start(&c.f);
    s = judge(&c, 16000, false); /* nothing ever came */
    CHECK_INT(s.silent_ms, 0);
}

/* By the count in its reports, from the last one while media came; whatever it counts from. */
static void test_what_it_says(void)
{
    static const struct {
        int before, after; /* -1: a receiver's report */
        enum path_answer sends;
    } plays[] = {{250, 650, PATH_YES},     {250, 250, PATH_NO},    {250, 252, PATH_NO},
                 {250, 256, PATH_UNKNOWN}, {250, -1, PATH_NO},     {1250, 1250, PATH_NO},
                 {1250, 1300, PATH_YES},   {1250, 3, PATH_UNKNOWN}};
    for (size_t i = 0; i < sizeof plays / sizeof *plays; i++) {
        struct call c;
        talk(&c);
        report(&c, 5981, plays[i].before);
        report(&c, 12000, plays[i].after);
        struct doctor_stream s = judge(&c, 16000, false);
        CHECK_INT(s.src_sends, plays[i].sends);
        CHECK_INT(s.rtcp, 1);
        CHECK(!s.rtcp_ceased);
    }
    struct call c;
    talk(&c);
    report(&c, 5981, 250);
    struct doctor_stream s = judge(&c, 12000, false);
    CHECK_INT(s.src_sends, PATH_UNKNOWN);
    CHECK(!s.rtcp_ceased); /* it may still come */
    talk(&c);
    report(&c, 5981, 250);
    s = judge(&c, 15000, false);
    CHECK(s.rtcp_ceased && s.rtcp == 0);
    talk(&c);
    s = judge(&c, 16000, false);
    CHECK(!s.rtcp_ceased); /* it never sent any */
    talk(&c);
    report(&c, 5000, 200); /* packets that came after it may be those that it counts next */
    report(&c, 12000, 650);
    s = judge(&c, 16000, false);
    CHECK_INT(s.src_sends, PATH_YES);
}

static void test_who_left(void)
{
    struct call c;
    talk(&c);
    refused(&c, 11000, "192.0.2.10:4000");
    struct doctor_stream s = judge(&c, 16000, false);
    CHECK(addr_equal(&s.refused, &src));
    talk(&c);
    refused(&c, 11000, "192.0.2.10:4002"); /* another stream's */
    s = judge(&c, 16000, false);
    CHECK(!addr_is_set(&s.refused));
    talk(&c);
    refused(&c, 500, "192.0.2.10:4000"); /* its port was not open yet */
    fixture_rtp(&c.f, &c.flow, 7, 251, VIEW_NONE);
    s = judge(&c, 16000, false);
    CHECK(!addr_is_set(&s.refused));
}

static void test_other_addresses(void)
{
    struct call c;
    talk(&c);
    stream_event(&c, 11000, "192.0.2.10:4000", "198.51.100.5:20000", "10.0.0.5:10000");
    struct doctor_stream s = judge(&c, 16000, false);
    CHECK(s.is_readdressed && !s.is_renamed);
    talk(&c); /* a fresh port of ours is no matter of our NAT's */
    stream_event(&c, 11000, "192.0.2.10:4008", "198.51.100.5:10002", "10.0.0.5:10002");
    s = judge(&c, 16000, false);
    CHECK(!s.is_readdressed && s.is_renamed);
    talk(&c);
    stream_event(&c, 3000, "192.0.2.10:4000", "198.51.100.5:20000", "10.0.0.5:10000");
    fixture_rtp(&c.f, &c.flow, 7, 251, VIEW_NONE);
    s = judge(&c, 16000, false);
    CHECK(!s.is_readdressed);
}

static void gap(struct call *c, int64_t from_ms, int64_t to_ms, const char *why)
{
    char text[256];
    struct journal_event e = journal_event_begin(text, sizeof text, JOURNAL_EVENT_GAP);
    journal_event_put_wall(&e, "from", fixture_time(from_ms));
    journal_event_put_wall(&e, "to", fixture_time(to_ms));
    journal_event_put_text(&e, "why", view_of_string(why));
    CHECK(journal_writer_event(&c->f.w, c->media, fixture_time(to_ms), journal_event_end(&e)));
    fixture_take(&c->f);
}

static void test_gaps(void)
{
    struct call c;
    talk(&c);
    gap(&c, 2000, 4000, "relay-lost");
    gap(&c, 6000, 12059, "address-changed");
    gap(&c, 13000, 14000, "went-silent");
    gap(&c, 14000, 24000, "back"); /* from a path that was tried: nothing was missing */
    struct doctor_stream s = judge(&c, 5990, false);
    CHECK_INT(s.gap, DOCTOR_GAP_ADDRESS);
    CHECK_INT(s.gap_ms, 6059);
}

static void moves(struct call *c, const char *to)
{
    struct addr from = {0};
    CHECK(addr_parse(view_of_string(to), 0, &from));
    journal_flow_init(&c->flow, c->media, &from, &us);
    for (unsigned n = 500; n < 550; n++) /* from 11.0 s on */
        fixture_rtp(&c->f, &c->flow, 7, n, VIEW_NONE);
}

/* The SRC goes on from another port: its own doing where nobody is at the first any more, or its SDP
 * goes on naming that. */
static void test_moved(void)
{
    struct call c;
    struct doctor_stream s;
    talk(&c);
    moves(&c, "192.0.2.10:4006");
    gap(&c, 5980, 11000, "went-silent");
    s = judge(&c, 11990, false);
    CHECK_INT(s.gap, DOCTOR_GAP_MOVED);
    CHECK_TEXT(addr_print(&s.gap_from).s, "192.0.2.10:4000");
    CHECK_TEXT(addr_print(&s.gap_to).s, "192.0.2.10:4006");

    talk(&c);
    refused(&c, 8000, "192.0.2.10:4000");
    stream_event(&c, 10000, "192.0.2.10:4006", "198.51.100.5:10002", "10.0.0.5:10000");
    gap(&c, 5980, 11000, "went-silent");
    moves(&c, "192.0.2.10:4006");
    CHECK_INT(judge(&c, 11990, false).gap, DOCTOR_GAP_MOVED);

    talk(&c); /* in answer to our offer, which had another reason */
    stream_event(&c, 10000, "192.0.2.10:4006", "198.51.100.5:10002", "10.0.0.5:10000");
    gap(&c, 5980, 11000, "went-silent");
    moves(&c, "192.0.2.10:4006");
    CHECK_INT(judge(&c, 11990, false).gap, DOCTOR_GAP_PATH);

    talk(&c); /* our address had become another, and that is known */
    gap(&c, 5980, 11000, "address-changed");
    moves(&c, "192.0.2.10:4006");
    CHECK_INT(judge(&c, 11990, false).gap, DOCTOR_GAP_ADDRESS);

    talk(&c); /* another gap's */
    gap(&c, 2000, 4000, "went-silent");
    moves(&c, "192.0.2.10:4006");
    CHECK_INT(judge(&c, 11990, false).gap, DOCTOR_GAP_PATH);
}

int main(void)
{
    RUN(test_when);
    RUN(test_what_it_says);
    RUN(test_who_left);
    RUN(test_other_addresses);
    RUN(test_gaps);
    RUN(test_moved);
    return tap_done();
}
