/* Tests of base/percent: what RFC 3986 §2.1 and the form encoding of queries say. */
#include "base/percent.h"

#include "tap.h"

static void test_decoding(void)
{
    char text[8];
    struct view out;
    CHECK(percent_decode(VIEW_LIT("a+%2B"), true, text, sizeof text, &out));
    CHECK_VIEW(out, "a +");
    CHECK(percent_decode(VIEW_LIT("a+%2b"), false, text, sizeof text, &out));
    CHECK_VIEW(out, "a++");
    CHECK(percent_decode(VIEW_LIT("%20%7e%FF"), false, text, sizeof text, &out));
    CHECK_VIEW(out, " ~\xff");
    CHECK(percent_decode(VIEW_NONE, false, text, sizeof text, &out));
    CHECK_INT(out.len, 0);
}

static void test_broken(void)
{
    static const char *const broken[] = {"%", "a%2", "%zz", "%-1", "% 1", "%%41", "%4"};
    char text[8];
    struct view out;
    for (size_t i = 0; i < sizeof broken / sizeof *broken; i++)
        CHECK(!percent_decode(view_of_string(broken[i]), true, text, sizeof text, &out));
}

static void test_room(void)
{
    char text[8];
    struct view out;
    CHECK(percent_decode(VIEW_LIT("1234567%38"), true, text, sizeof text, &out));
    CHECK_VIEW(out, "12345678");
    CHECK(!percent_decode(VIEW_LIT("123456789"), true, text, sizeof text, &out));
}

int main(void)
{
    RUN(test_decoding);
    RUN(test_broken);
    RUN(test_room);
    return tap_done();
}
