/* Tests of base/tick: dates checked against those of RFC 3339 §5.8 and of date(1). */
#include "base/tick.h"

#include "tap.h"

static int64_t ms_of(const char *text)
{
    struct wall t = {-1};
    CHECK(wall_parse(view_of_string(text), &t));
    return t.ns / NS_PER_MS;
}

static void test_rfc3339_examples(void)
{
    /* `date -u -d ... +%s%3N` of each example of RFC 3339 §5.8 */
    CHECK_INT(ms_of("1985-04-12T23:20:50.52Z"), INT64_C(482196050520));
    CHECK_INT(ms_of("1996-12-19T16:39:57-08:00"), INT64_C(851042397000));
    CHECK_INT(ms_of("1937-01-01T12:00:27.87+00:20"), INT64_C(-1041337172130));
}

static void test_what_vendors_write(void)
{
    CHECK_INT(ms_of("1985-04-12T23:20:50"), INT64_C(482196050000));
    CHECK_INT(ms_of("1985-04-12T23:20:50+0000"), INT64_C(482196050000));
    CHECK_INT(ms_of(" 1985-04-12 23:20:50.1234567Z\n"), INT64_C(482196050123));
    struct wall t = {42};
    const char *bad[] = {"",
                         "now",
                         "1985-13-12T23:20:50Z",
                         "1985-04-12",
                         "1985-04-12T23:20:50+1",
                         "1985-04-12T23:20:50Zx",
                         "9999-04-12T23:20:50Z"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        CHECK(!wall_parse(view_of_string(bad[i]), &t));
    CHECK_INT(t.ns, 42);
}

static void test_print(void)
{
    /* date -u -d @1709251199.999 */
    CHECK_TEXT(wall_print((struct wall){INT64_C(1709251199999) * NS_PER_MS}).s,
               "2024-02-29T23:59:59.999Z");
    CHECK_TEXT(wall_print((struct wall){0}).s, "1970-01-01T00:00:00.000Z");
    CHECK_TEXT(wall_print((struct wall){-1}).s, "1969-12-31T23:59:59.999Z");
    struct wall_date d = wall_date_of((struct wall){INT64_C(951782400) * NS_PER_S});
    CHECK_INT(d.year * 10000 + d.month * 100 + d.day, 20000229);
    for (int64_t day = -30000; day < 100000; day += 7) {
        struct wall t = {day * 86400 * NS_PER_S}, back;
        if (day < 90000 &&
            (!wall_parse(view_of_string(wall_print(t).s), &back) || back.ns != t.ns)) {
            CHECK(false);
            break;
        }
    }
}

static void test_never_is_late(void)
{
    CHECK(tick_is_never(tick_add_ms(TICK_NEVER, 1)));
    CHECK(tick_is_never(tick_add_ns((struct tick){INT64_MAX - 1}, 5)));
    CHECK(!tick_due((struct tick){100}, (struct tick){99}));
    CHECK(tick_due((struct tick){100}, (struct tick){100}));
}

int main(void)
{
    RUN(test_rfc3339_examples);
    RUN(test_what_vendors_write);
    RUN(test_print);
    RUN(test_never_is_late);
    return tap_done();
}
