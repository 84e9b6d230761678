/* What was held apart while a newcomer was watched belongs to the stream once it was accepted, and
 * only then. */
#include "journal/select.h"
#include "journal_fixture.h"
#include "tap.h"

static struct fixture f;
static struct journal_flow media, apart;
static struct addr sdp, nat;
static uint32_t stream, aside;

static void start(void)
{
    struct addr to = addr_v4(198, 51, 100, 5, 10000);
    sdp = addr_v4(192, 0, 2, 10, 4000);
    nat = addr_v4(203, 0, 113, 9, 61000);
    fixture_start(&f);
    stream = fixture_interface(&f, JOURNAL_ROLE_MEDIA, 0);
    aside = fixture_interface(&f, JOURNAL_ROLE_APART, 0);
    journal_flow_init(&media, stream, &sdp, &to);
    journal_flow_init(&apart, aside, &nat, &to);
}

static void tell(enum journal_event_kind kind, uint32_t ssrc, int from_seq)
{
    char text[256];
    struct journal_event e = journal_event_begin(text, sizeof text, kind);
    journal_event_put_addr(&e, "address", &nat);
    journal_event_put_number(&e, "ssrc", ssrc);
    journal_event_put_number(&e, "from_seq", from_seq);
    assert(journal_writer_event(&f.w, stream, fixture_time(5000), journal_event_end(&e)));
    fixture_take(&f);
}

/* The sequence numbers that come out, as text. */
static char taken[256];

static void read_all(void)
{
    static struct journal_select s;
    struct journal_reader *r = journal_reader_create();
    struct journal_record record;
    taken[0] = 0;
    journal_select_init(&s);
    journal_reader_feed(r, fixture_file(&f), true);
    while (journal_reader_next(r, &record)) {
        journal_select_put(&s, &record);
        while (journal_select_take(&s, &record)) {
            struct rtp_packet p;
            size_t len = strlen(taken);
            CHECK_INT(rtp_packet_decode(&p, record.payload), RTP_PACKET_OK);
            CHECK_INT(record.stream, 0);
            snprintf(taken + len, sizeof taken - len, "%u ", p.seq);
        }
    }
    journal_reader_destroy(r);
    fixture_finish(&f);
}

static void test_released(void)
{
    struct addr to = addr_v4(198, 51, 100, 5, 10000);
    start();
    fixture_rtp(&f, &media, 1, 10, VIEW_NONE);
    fixture_rtp(&f, &apart, 1, 9, VIEW_NONE); /* before the run */
    fixture_rtp(&f, &apart, 1, 11, VIEW_NONE);
    fixture_rtp(&f, &apart, 7, 12, VIEW_NONE); /* another SSRC */
    fixture_rtp(&f, &apart, 1, 12, VIEW_NONE);
    tell(JOURNAL_EVENT_SOURCE, 1, 11);
    journal_flow_init(&media, stream, &nat, &to);
    fixture_rtp(&f, &media, 1, 13, VIEW_NONE);
    tell(JOURNAL_EVENT_SOURCE, 1, 11); /* told twice, given once */
    read_all();
    CHECK_TEXT(taken, "10 11 12 13 ");
}

static void test_foreign_stays_apart(void)
{
    start();
    for (unsigned n = 0; n < 3; n++) {
        fixture_rtp(&f, &media, 1, n, VIEW_NONE);
        fixture_rtp(&f, &apart, 9, 100 + n, VIEW_NONE);
    }
    read_all();
    CHECK_TEXT(taken, "0 1 2 ");
}

static void test_more_than_it_holds(void)
{
    start();
    for (unsigned n = 0; n < JOURNAL_SELECT_HELD + 20; n++)
        fixture_rtp(&f, &apart, 1, n, VIEW_NONE);
    tell(JOURNAL_EVENT_EPOCH, 1, JOURNAL_SELECT_HELD + 15);
    read_all();
    CHECK_TEXT(taken, "1039 1040 1041 1042 1043 ");
}

int main(void)
{
    RUN(test_released);
    RUN(test_foreign_stays_apart);
    RUN(test_more_than_it_holds);
    return tap_done();
}
