/* The reader: everything that was put comes out again, from whole files, from growing ones, from
 * ones with holes, and from ones that another tool wrote in big endian with microseconds. */
#include "journal/reader.h"
#include "journal_fixture.h"
#include "tap.h"

static const char invite[] =
    "INVITE sip:srs@example.com SIP/2.0\r\nCall-ID: call/1@example.com\r\n\r\n";

static void make_call(struct fixture *f)
{
    struct journal_flow flow;
    struct addr from = addr_v4(192, 0, 2, 10, 4000), to = addr_v4(198, 51, 100, 5, 10000);
    fixture_start(f);
    fixture_sip(f, 0, false, false, view_of_string(invite));
    fixture_sip(f, 10, false, true, VIEW_LIT("SIP/2.0 200 OK\r\n\r\n"));
    uint32_t stream = fixture_interface(f, JOURNAL_ROLE_MEDIA, 0);
    journal_flow_init(&flow, stream, &from, &to);
    for (unsigned n = 0; n < 5; n++)
        fixture_rtp(f, &flow, 0x11, n,
                    n == 2 ? VIEW_LIT("{\"siprecd\":\"digit\",\"digit\":\"5\"}") : VIEW_NONE);
    static const uint8_t rr[] = {0x80, 201, 0, 1, 0, 0, 0, 0x11};
    assert(
        journal_writer_packet(&f->w, &flow, fixture_time(1200), view_of(rr, sizeof rr), VIEW_NONE));
    fixture_take(f);
    fixture_event(f, stream, 1300, JOURNAL_EVENT_PAUSE);
    fixture_event(f, 0, 2000, JOURNAL_EVENT_ENDED);
}

static const enum journal_record_kind kinds[] = {
    JOURNAL_RECORD_SECTION,   JOURNAL_RECORD_INTERFACE, JOURNAL_RECORD_SIP,  JOURNAL_RECORD_SIP,
    JOURNAL_RECORD_INTERFACE, JOURNAL_RECORD_RTP,       JOURNAL_RECORD_RTP,  JOURNAL_RECORD_RTP,
    JOURNAL_RECORD_RTP,       JOURNAL_RECORD_RTP,       JOURNAL_RECORD_RTCP, JOURNAL_RECORD_EVENT,
    JOURNAL_RECORD_EVENT,
};
#define KINDS (sizeof kinds / sizeof kinds[0])

static void check_rtp(const struct journal_record *r, unsigned n)
{
    struct rtp_packet p;
    CHECK_INT(rtp_packet_decode(&p, r->payload), RTP_PACKET_OK);
    CHECK_INT(p.seq, n);
    CHECK_INT(p.payload.len, 160);
    CHECK_INT(r->time.ns, fixture_time(1000 + 20 * (int64_t)n).ns);
    CHECK_TEXT(addr_print(&r->source).s, "192.0.2.10:4000");
    CHECK_TEXT(addr_print(&r->destination).s, "198.51.100.5:10000");
    CHECK(r->role == JOURNAL_ROLE_MEDIA && r->stream == 0 && r->interface == 1);
    CHECK_INT(r->comment.len > 0, n == 2);
}

static void test_whole(void)
{
    static struct fixture f;
    make_call(&f);
    struct journal_reader *r = journal_reader_create();
    struct journal_record record;
    journal_reader_feed(r, fixture_file(&f), true);
    for (size_t i = 0; i < KINDS; i++) {
        if (!CHECK(journal_reader_next(r, &record)))
            return;
        CHECK_INT(record.kind, kinds[i]);
        if (record.kind == JOURNAL_RECORD_RTP)
            check_rtp(&record, (unsigned)(i - 5));
        if (i == 0)
            CHECK_VIEW(record.comment, "{\"siprecd\":1,\"id\":\"019ca3f0-0000-7000-8000-"
                                       "000000000001\",\"call_id\":\"call/1@example.com\"}");
        if (i == 2)
            CHECK_VIEW(record.payload, invite);
        if (i == 3)
            CHECK_TEXT(addr_print(&record.source).s, "198.51.100.5:5060");
        if (i == 7)
            CHECK_INT(record.event, JOURNAL_EVENT_DIGIT);
        if (i == 11)
            CHECK(record.event == JOURNAL_EVENT_PAUSE && record.interface == 1);
        if (i == 12)
            CHECK(record.event == JOURNAL_EVENT_ENDED && record.interface == 0);
    }
    CHECK(!journal_reader_next(r, &record));
    CHECK_INT(journal_reader_offset(r), f.len);
    CHECK_INT(journal_reader_interfaces(r), 2);
    const struct journal_interface *d = journal_reader_interface(r, 1);
    CHECK_VIEW(d->label, "1");
    CHECK_TEXT(addr_print(&d->advertised).s, "198.51.100.5:10000");
    CHECK_TEXT(addr_print(&d->bound).s, "10.0.0.5:10000");
    CHECK(!addr_is_set(&d->relay));
    char codec[8];
    CHECK(journal_event_text(d->more, "codec", codec, sizeof codec));
    CHECK_TEXT(codec, "PCMU");
    CHECK(journal_reader_interface(r, 2) == NULL);
    journal_reader_destroy(r);
    fixture_finish(&f);
}

/* Fed byte by byte, each time from another place: the same records,
 * none before its block is whole. */
static void test_growing(void)
{
    static struct fixture f;
    make_call(&f);
    struct journal_reader *r = journal_reader_create();
    struct journal_record record;
    size_t seen = 0;
    for (size_t len = 0; len <= f.len; len++) {
        char *copy = malloc(len + 1);
        memcpy(copy, f.file, len);
        journal_reader_feed(r, view_of(copy, len), false);
        while (journal_reader_next(r, &record)) {
            CHECK(seen < KINDS && record.kind == kinds[seen]);
            CHECK_INT(record.offset + record.length, len);
            seen++;
        }
        if (journal_reader_interface(r, 1))
            CHECK_VIEW(journal_reader_interface(r, 1)->label, "1");
        free(copy);
    }
    CHECK_INT(seen, KINDS);
    journal_reader_destroy(r);
    fixture_finish(&f);
}

/* A SIP message of many segments is one record. */
static void test_large_message(void)
{
    static struct fixture f;
    static char text[300000];
    for (size_t i = 0; i < sizeof text; i++)
        text[i] = (char)('a' + i % 23);
    fixture_start(&f);
    fixture_sip(&f, 1, true, false, view_of(text, sizeof text));
    fixture_sip(&f, 2, true, true, VIEW_LIT("SIP/2.0 413 Too large\r\n\r\n"));
    fixture_sip(&f, 3, false, false, view_of(text, 65507));
    struct journal_reader *r = journal_reader_create();
    struct journal_record record;
    journal_reader_feed(r, fixture_file(&f), true);
    CHECK(journal_reader_next(r, &record) && journal_reader_next(r, &record));
    CHECK(journal_reader_next(r, &record));
    CHECK(record.tcp && !record.truncated);
    CHECK(view_equal(record.payload, view_of(text, sizeof text)));
    CHECK(journal_reader_next(r, &record));
    CHECK_VIEW(record.payload, "SIP/2.0 413 Too large\r\n\r\n");
    CHECK(journal_reader_next(r, &record));
    CHECK(!record.tcp && view_equal(record.payload, view_of(text, 65507)));
    journal_reader_destroy(r);
    fixture_finish(&f);
}

/* A page that a power cut lost: what stands behind it is found again. */
static void test_damage(void)
{
    static struct fixture f;
    struct journal_record record;
    make_call(&f);
    size_t at = 0, starts[KINDS + 1], n = 0;
    while (at < f.len) {
        uint32_t total;
        memcpy(&total, f.file + at + 4, 4);
        starts[n++] = at;
        at += total;
    }
    starts[n] = at;
    CHECK_INT(n, KINDS);
    for (size_t lost = 2; lost + 1 < n; lost++) {
        char *copy = malloc(f.len);
        memcpy(copy, f.file, f.len);
        memset(copy + starts[lost], 0, starts[lost + 1] - starts[lost]);
        struct journal_reader *r = journal_reader_create();
        size_t records = 0, damages = 0;
        journal_reader_feed(r, view_of(copy, f.len), true);
        while (journal_reader_next(r, &record)) {
            if (record.kind == JOURNAL_RECORD_DAMAGE) {
                damages++;
                CHECK_INT(record.offset, starts[lost]);
                CHECK_INT(record.length, starts[lost + 1] - starts[lost]);
            } else {
                records++;
            }
        }
        CHECK_INT(damages, 1);
        CHECK_INT(records, n - 1);
        CHECK_INT(journal_reader_offset(r), f.len);
        journal_reader_destroy(r);
        free(copy);
    }
    fixture_finish(&f);
}

/* The page with an interface is lost: packets of the next one are not taken for its packets. */
static void test_lost_interface(void)
{
    static struct fixture f;
    struct journal_flow flow;
    struct journal_record record;
    struct addr from = addr_v4(192, 0, 2, 10, 4000), to = addr_v4(198, 51, 100, 5, 10002);
    fixture_start(&f);
    size_t lost = f.len;
    (void)fixture_interface(&f, JOURNAL_ROLE_MEDIA, 0);
    memset(f.file + lost, 0, f.len - lost);
    journal_flow_init(&flow, fixture_interface(&f, JOURNAL_ROLE_MEDIA, 1), &from, &to);
    fixture_rtp(&f, &flow, 7, 0, VIEW_NONE);
    journal_flow_init(&flow, 1, &from, &to);
    fixture_rtp(&f, &flow, 8, 0, VIEW_NONE);
    struct journal_reader *r = journal_reader_create();
    journal_reader_feed(r, fixture_file(&f), true);
    CHECK(journal_reader_next(r, &record) && journal_reader_next(r, &record));
    CHECK(journal_reader_next(r, &record) && record.kind == JOURNAL_RECORD_DAMAGE);
    CHECK(journal_reader_next(r, &record) && record.kind == JOURNAL_RECORD_INTERFACE);
    CHECK_INT(record.interface, 2);
    CHECK(journal_reader_next(r, &record) && record.kind == JOURNAL_RECORD_RTP);
    CHECK_INT(record.stream, 1);
    CHECK(journal_reader_next(r, &record) && record.kind == JOURNAL_RECORD_OTHER);
    CHECK_INT(journal_reader_interfaces(r), 3);
    journal_reader_destroy(r);
    fixture_finish(&f);
}

/* Two equal lengths make a block, and a length that runs past the end may be one whose rest is to
 * come: as long as the file grows. */
static void test_wrong_lengths(void)
{
    static struct fixture f;
    struct journal_record record;
    uint32_t head, second, wrong = 20000;
    make_call(&f);
    memcpy(&head, f.file + 4, 4);
    memcpy(&second, f.file + head + 4, 4);
    size_t invite_at = head + second;
    for (int which = 0; which < 2; which++) {
        uint32_t total;
        char *copy = malloc(f.len);
        memcpy(copy, f.file, f.len);
        memcpy(&total, copy + invite_at + 4, 4);
        memcpy(copy + invite_at + (which ? 4 : total - 4), &wrong, 4);
        struct journal_reader *r = journal_reader_create();
        journal_reader_feed(r, view_of(copy, f.len), false);
        CHECK(journal_reader_next(r, &record) && journal_reader_next(r, &record));
        if (which)
            CHECK(!journal_reader_next(r, &record));
        journal_reader_feed(r, view_of(copy, f.len), true);
        CHECK(journal_reader_next(r, &record));
        CHECK_INT(record.kind, JOURNAL_RECORD_DAMAGE);
        CHECK_INT(record.offset, invite_at);
        CHECK_INT(record.length, total);
        journal_reader_destroy(r);
        free(copy);
    }
    fixture_finish(&f);
}

static void put_block_be(struct writer *out, uint32_t type, struct view body)
{
    writer_u32(out, type);
    writer_u32(out, (uint32_t)(12 + body.len));
    writer_view(out, body);
    writer_u32(out, (uint32_t)(12 + body.len));
}

/* The same section as a big-endian machine writes it, in microseconds (the default). */
static void test_other_order(void)
{
    static const uint8_t section[] = {0x1a, 0x2b, 0x3c, 0x4d, 0,   1,   0,   0,
                                      255,  255,  255,  255,  255, 255, 255, 255};
    static const uint8_t interface[] = {0, 101, 0, 0, 0, 0, 0, 0};
    static const uint8_t packet[] = {0, 0,    0,    0,    0,    0, 0,   1,    0, 0,   0,   5,  0,
                                     0, 0,    30,   0,    0,    0, 30,  0x45, 0, 0,   30,  0,  0,
                                     0, 0,    64,   17,   0,    0, 192, 0,    2, 1,   198, 51, 100,
                                     5, 0x13, 0xc4, 0x13, 0xc4, 0, 10,  0,    0, 'h', 'i', 0,  0};
    char file[256];
    struct writer out = writer_of(file, sizeof file);
    put_block_be(&out, 0x0a0d0d0a, view_of(section, sizeof section));
    put_block_be(&out, 1, view_of(interface, sizeof interface));
    put_block_be(&out, 6, view_of(packet, sizeof packet));
    struct journal_reader *r = journal_reader_create();
    struct journal_record record;
    journal_reader_feed(r, writer_done(&out), true);
    CHECK(journal_reader_next(r, &record) && record.kind == JOURNAL_RECORD_SECTION);
    CHECK(journal_reader_next(r, &record) && record.kind == JOURNAL_RECORD_INTERFACE);
    CHECK(journal_reader_next(r, &record) && record.kind == JOURNAL_RECORD_SIP);
    CHECK_VIEW(record.payload, "hi");
    CHECK_INT(record.time.ns, ((INT64_C(1) << 32) + 5) * 1000);
    journal_reader_destroy(r);
}

/* An IP header that promises more than was captured gives nothing away. */
static void test_lying_header(void)
{
    static struct fixture f;
    struct journal_record record;
    fixture_start(&f);
    size_t at = f.len;
    fixture_sip(&f, 1, false, false, VIEW_LIT("short"));
    f.file[at + 28 + 2] = 0x7f;
    struct journal_reader *r = journal_reader_create();
    journal_reader_feed(r, fixture_file(&f), true);
    CHECK(journal_reader_next(r, &record) && journal_reader_next(r, &record));
    CHECK(journal_reader_next(r, &record));
    CHECK_INT(record.kind, JOURNAL_RECORD_OTHER);
    CHECK_INT(record.payload.len, 0);
    journal_reader_destroy(r);
    fixture_finish(&f);
}

static void test_not_a_journal(void)
{
    struct journal_reader *r = journal_reader_create();
    struct journal_record record;
    journal_reader_feed(r, VIEW_LIT("RIFF....WAVEfmt and so on, which is no pcapng at all"), true);
    CHECK(!journal_reader_next(r, &record));
    CHECK_INT(journal_reader_offset(r), 0);
    journal_reader_feed(r, VIEW_NONE, true);
    CHECK(!journal_reader_next(r, &record));
    journal_reader_destroy(r);
    journal_reader_destroy(NULL);
}

int main(void)
{
    RUN(test_whole);
    RUN(test_growing);
    RUN(test_large_message);
    RUN(test_damage);
    RUN(test_lost_interface);
    RUN(test_wrong_lengths);
    RUN(test_other_order);
    RUN(test_lying_header);
    RUN(test_not_a_journal);
    return tap_done();
}
