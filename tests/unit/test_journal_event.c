/* The one-line JSON: what is written is JSON (python's parser reads it in tests/interop), and what
 * is read is found wherever it stands. */
#include "journal/event.h"
#include "tap.h"

static char buffer[512];

static void test_write(void)
{
    struct addr a = addr_v4(192, 0, 2, 1, 4000), none = {0};
    struct journal_event e = journal_event_begin(buffer, sizeof buffer, JOURNAL_EVENT_SOURCE);
    journal_event_put_addr(&e, "address", &a);
    journal_event_put_addr(&e, "relay", &none);
    journal_event_put_number(&e, "ssrc", 4294967295);
    journal_event_put_json(&e, "more", VIEW_LIT("[1,{\"a\":2}]"));
    journal_event_put_wall(&e, "at", (struct wall){INT64_C(1772366400123000000)});
    CHECK_VIEW(
        journal_event_end(&e),
        "{\"siprecd\":\"source\",\"address\":\"192.0.2.1:4000\",\"relay\":null,\"ssrc\":4294967295,"
        "\"more\":[1,{\"a\":2}],\"at\":\"2026-03-01T12:00:00.123Z\"}");
}

/* RFC 8259 §7: quote, backslash and controls are escaped; what is no UTF-8 becomes U+FFFD. */
static void test_escapes(void)
{
    struct journal_event e = journal_object_begin(buffer, sizeof buffer);
    journal_event_put_text(&e, "t",
                           VIEW_LIT("a\"b\\c\n\0\x7f\xc3\xa4\xff\xc3\xf0\x9f\x98\x80\xed\xa0\x80"));
    struct view json = journal_event_end(&e);
    CHECK_VIEW(json,
               "{\"t\":\"a\\\"b\\\\c\\u000a\\u0000\\u007f\xc3\xa4\\ufffd\\ufffd\xf0\x9f\x98\x80"
               "\\ufffd\\ufffd\\ufffd\"}");
    char text[64];
    CHECK(journal_event_text(json, "t", text, sizeof text));
    CHECK(memcmp(text, "a\"b\\c\n\0\x7f\xc3\xa4\xef\xbf\xbd", 13) == 0);
}

static void test_too_small(void)
{
    for (size_t size = 2; size < 60; size++) {
        struct journal_event e = journal_event_begin(buffer, size, JOURNAL_EVENT_WARNING);
        journal_event_put_text(&e, "text", VIEW_LIT("something long enough to fill it"));
        journal_event_put_number(&e, "n", 1);
        CHECK_INT(journal_event_end(&e).len, 0);
    }
}

static void test_read(void)
{
    struct view json =
        VIEW(" { \"siprecd\" : \"pause\" , \"deep\":{\"label\":\"no\",\"l\":[\"}\",\"]\"]},"
             "\"label\":\"\\u00e4\\ud83d\\ude00\\/\\t\",\"n\":-12,\"yes\":true,\"no\":null,"
             "\"a\":\"[2001:db8::1]:5060\",\"at\":\"2026-03-01T12:00:00.123Z\"}");
    enum journal_event_kind kind;
    char text[32];
    int64_t n;
    struct addr a;
    struct wall t;
    CHECK(journal_event_decode(json, &kind));
    CHECK_INT(kind, JOURNAL_EVENT_PAUSE);
    CHECK(journal_event_text(json, "label", text, sizeof text));
    CHECK_TEXT(text, "\xc3\xa4\xf0\x9f\x98\x80/\t");
    CHECK(journal_event_text(json, "label", text, 3)); /* cut to what fits */
    CHECK(journal_event_number(json, "n", &n));
    CHECK_INT(n, -12);
    CHECK(!journal_event_text(json, "no", text, sizeof text));
    CHECK(!journal_event_number(json, "label", &n));
    CHECK(!journal_event_number(json, "nothing", &n));
    CHECK(journal_event_addr(json, "a", &a));
    CHECK_TEXT(addr_print(&a).s, "[2001:db8::1]:5060");
    CHECK(journal_event_wall(json, "at", &t));
    CHECK_INT(t.ns, INT64_C(1772366400123000000));
    for (size_t len = 0; len < json.len; len++) {
        struct view value;
        if (journal_event_find(view_take(json, len), "at", &value))
            CHECK(len >= json.len - 1);
    }
}

static void test_kinds(void)
{
    enum journal_event_kind kind;
    for (int k = JOURNAL_EVENT_STARTED; k <= JOURNAL_EVENT_OTHER; k++) {
        struct journal_event e =
            journal_event_begin(buffer, sizeof buffer, (enum journal_event_kind)k);
        CHECK(journal_event_decode(journal_event_end(&e), &kind));
        CHECK_INT(kind, k);
    }
    CHECK(journal_event_decode(VIEW_LIT("{\"siprecd\":\"of tomorrow\"}"), &kind));
    CHECK_INT(kind, JOURNAL_EVENT_OTHER);
    CHECK(!journal_event_decode(VIEW_LIT("a remark of somebody's"), &kind));
    CHECK(!journal_event_decode(VIEW_LIT("{\"siprecd\":1,\"id\":\"x\"}"), &kind));
    CHECK(!journal_event_decode(VIEW_NONE, &kind));
}

int main(void)
{
    RUN(test_write);
    RUN(test_escapes);
    RUN(test_too_small);
    RUN(test_read);
    RUN(test_kinds);
    return tap_done();
}
