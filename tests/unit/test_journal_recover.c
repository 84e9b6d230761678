/* Killed anywhere: a journal cut at every byte gives the whole records before the cut, and goes on
 * from there. */
#include "journal/reader.h"
#include "journal/recover.h"
#include "journal_fixture.h"
#include "tap.h"

static size_t ends[256], n_ends;

static void mark(const struct fixture *f)
{
    ends[n_ends++] = f->len;
}

static void make_call(struct fixture *f, bool ended)
{
    struct journal_flow flows[2];
    struct addr from = addr_v4(192, 0, 2, 10, 4000);
    n_ends = 0;
    fixture_start(f);
    fixture_sip(f, 0, false, false, VIEW_LIT("INVITE sip:srs@example.com SIP/2.0\r\n\r\n"));
    mark(f);
    for (uint32_t i = 0; i < 2; i++) {
        struct addr to = addr_v4(198, 51, 100, 5, (uint16_t)(10000 + 2 * i));
        uint32_t stream = fixture_interface(f, JOURNAL_ROLE_MEDIA, i);
        mark(f);
        journal_flow_init(&flows[i], stream, &from, &to);
    }
    for (unsigned n = 0; n < 10; n++) {
        fixture_rtp(f, &flows[n % 2], 0x11 + n % 2, n, VIEW_NONE);
        mark(f);
    }
    if (ended) {
        fixture_event(f, 0, 2000, JOURNAL_EVENT_ENDED);
        mark(f);
    }
}

static void test_finished(void)
{
    static struct fixture f;
    struct journal_recovery v;
    struct journal_span spans[3];
    make_call(&f, true);
    journal_recover(fixture_file(&f), &v, spans, 3);
    CHECK(v.usable && v.ended && !v.recovered_before);
    CHECK_INT(v.length, f.len);
    CHECK_INT(v.interfaces, 3);
    CHECK_INT(v.records, 2 + 1 + 2 + 10 + 1);
    CHECK_INT(v.first.ns, fixture_time(0).ns);
    CHECK_INT(v.last.ns, fixture_time(2000).ns);
    CHECK_INT(v.ended_at.ns, fixture_time(2000).ns);
    CHECK_INT(spans[1].packets, 5);
    CHECK_INT(spans[1].first.ns, fixture_time(1000).ns);
    CHECK_INT(spans[1].last.ns, fixture_time(1160).ns);
    CHECK_INT(spans[2].last.ns, fixture_time(1180).ns);
    fixture_finish(&f);
}

static void test_cut_at_every_byte(void)
{
    static struct fixture f;
    make_call(&f, true);
    for (size_t len = 0; len <= f.len; len++) {
        struct journal_recovery v;
        char *copy = malloc(len + 1);
        memcpy(copy, f.file, len);
        journal_recover(view_of(copy, len), &v, NULL, 0);
        free(copy);
        CHECK(v.length <= len);
        CHECK_INT(v.damages, 0);
        CHECK_INT(v.ended, len == f.len);
        size_t whole = 0;
        while (whole < n_ends && ends[whole] <= len)
            whole++;
        if (whole) {
            CHECK_INT(v.length, ends[whole - 1]);
            CHECK_INT(v.records, 2 + whole);
            CHECK(v.usable);
        }
    }
    fixture_finish(&f);
}

/* Cut, completed with the recovered event and the end: a journal like any other. */
static void test_goes_on(void)
{
    static struct fixture f;
    static char buffer[JOURNAL_BUFFER_MIN];
    struct journal_recovery v, again;
    struct journal_writer w;
    char text[256];
    int64_t gap;
    make_call(&f, false);
    size_t cut = f.len - 7;
    journal_recover(view_of(f.file, cut), &v, NULL, 0);
    struct wall now = fixture_time(60000);
    struct view event = journal_recover_event(&v, now, text, sizeof text);
    CHECK(journal_event_number(event, "gap_ms", &gap));
    CHECK_INT(gap, 60000 - 1160);
    journal_writer_resume(&w, buffer, sizeof buffer, v.interfaces);
    CHECK(journal_writer_event(&w, 2, now, event));
    CHECK(journal_writer_event(&w, 0, now,
                               VIEW_LIT("{\"siprecd\":\"ended\",\"why\":\"recovered\"}")));
    struct view more = journal_writer_pending(&w);
    char *file = malloc(v.length + more.len);
    memcpy(file, f.file, v.length);
    memcpy(file + v.length, more.at, more.len);
    journal_recover(view_of(file, v.length + more.len), &again, NULL, 0);
    CHECK(again.ended && again.recovered_before);
    CHECK_INT(again.length, v.length + more.len);
    CHECK_INT(again.records, v.records + 2);
    free(file);
    fixture_finish(&f);
}

/* Pages lost in the middle (a power cut keeps no order): patched, so that every reader goes on
 * behind them. */
static void test_patch(void)
{
    static struct fixture f;
    struct journal_recovery v, again;
    make_call(&f, true);
    size_t from = ends[5], to = ends[8];
    memset(f.file + from, 0, to - from);
    journal_recover(fixture_file(&f), &v, NULL, 0);
    if (!CHECK_INT(v.damages, 1))
        return;
    CHECK_INT(v.damage[0].offset, from);
    CHECK_INT(v.damage[0].length, to - from);
    CHECK_INT(v.damaged_bytes, to - from);
    CHECK(v.ended);
    struct journal_patch patch = journal_patch(&v.damage[0]);
    memcpy(f.file + from, patch.head, sizeof patch.head);
    memcpy(f.file + to - sizeof patch.tail, patch.tail, sizeof patch.tail);
    journal_recover(fixture_file(&f), &again, NULL, 0);
    CHECK_INT(again.damages, 0);
    CHECK_INT(again.records, v.records + 1);
    CHECK_INT(again.length, f.len);
    fixture_finish(&f);
}

/* More than any block of ours can hold is patched over by one all the same. */
static void test_patch_a_large_hole(void)
{
    static struct fixture f;
    struct journal_recovery v, again;
    make_call(&f, true);
    size_t hole = 400 * 1024, len = f.len + hole;
    char *file = calloc(1, len);
    memcpy(file, f.file, ends[6]);
    memcpy(file + ends[6] + hole, f.file + ends[6], f.len - ends[6]);
    journal_recover(view_of(file, len), &v, NULL, 0);
    CHECK_INT(v.damages, 1);
    CHECK_INT(v.damaged_bytes, hole);
    struct journal_patch patch = journal_patch(&v.damage[0]);
    memcpy(file + ends[6], patch.head, sizeof patch.head);
    memcpy(file + ends[6] + hole - sizeof patch.tail, patch.tail, sizeof patch.tail);
    journal_recover(view_of(file, len), &again, NULL, 0);
    CHECK(again.ended && again.damages == 0);
    CHECK_INT(again.records, v.records + 1);
    free(file);
    fixture_finish(&f);
}

static void test_zero_tail(void)
{
    static struct fixture f;
    struct journal_recovery v;
    make_call(&f, false);
    char *file = calloc(1, f.len + 4096);
    memcpy(file, f.file, f.len);
    journal_recover(view_of(file, f.len + 4096), &v, NULL, 0); /* extended, never written */
    CHECK_INT(v.length, f.len);
    CHECK_INT(v.damages, 0);
    free(file);
    journal_recover(VIEW_NONE, &v, NULL, 0);
    CHECK(!v.usable && v.length == 0);
    fixture_finish(&f);
}

int main(void)
{
    RUN(test_finished);
    RUN(test_cut_at_every_byte);
    RUN(test_goes_on);
    RUN(test_patch);
    RUN(test_patch_a_large_hole);
    RUN(test_zero_tail);
    return tap_done();
}
