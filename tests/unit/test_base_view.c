/* Tests of base/view. */
#include "base/view.h"

#include "tap.h"

static void test_cut_gives_every_piece(void)
{
    struct view rest = VIEW_LIT("a,,b,"), head;
    CHECK(view_cut(&rest, ',', &head));
    CHECK_VIEW(head, "a");
    CHECK(view_cut(&rest, ',', &head));
    CHECK_VIEW(head, "");
    CHECK(view_cut(&rest, ',', &head));
    CHECK_VIEW(head, "b");
    CHECK(view_cut(&rest, ',', &head));
    CHECK_VIEW(head, "");
    CHECK(!view_cut(&rest, ',', &head));
}

static void test_cut_line_knows_all_line_ends(void)
{
    struct view rest = VIEW_LIT("one\r\ntwo\nthree\r\rfive"), line;
    const char *want[] = {"one", "two", "three", "", "five"};
    for (size_t i = 0; i < 5; i++) {
        CHECK(view_cut_line(&rest, &line));
        CHECK_VIEW(line, want[i]);
    }
    CHECK(!view_cut_line(&rest, &line));
    rest = VIEW_LIT("last\r\n");
    CHECK(view_cut_line(&rest, &line));
    CHECK(!view_cut_line(&rest, &line));
}

static void test_numbers_refuse_what_is_no_number(void)
{
    uint64_t wide = 7;
    uint16_t narrow = 7;
    CHECK(view_parse_u64(VIEW_LIT("18446744073709551615"), &wide));
    CHECK(wide == UINT64_MAX);
    CHECK(!view_parse_u64(VIEW_LIT("18446744073709551616"), &wide));
    CHECK(!view_parse_u64(VIEW_LIT(""), &wide));
    CHECK(!view_parse_u64(VIEW_LIT("1 "), &wide));
    CHECK(!view_parse_u64(VIEW_LIT("-1"), &wide));
    CHECK(wide == UINT64_MAX);
    CHECK(!view_parse_u16(VIEW_LIT("65536"), &narrow));
    CHECK_INT(narrow, 7);
    CHECK(view_parse_u16(VIEW_LIT("65535"), &narrow));
    CHECK_INT(narrow, 65535);
    CHECK(view_parse_hex(VIEW_LIT("fFfFfFfF00000001"), &wide));
    CHECK(wide == 0xffffffff00000001);
    CHECK(!view_parse_hex(VIEW_LIT("0x1"), &wide));
    CHECK(!view_parse_hex(VIEW_LIT("10000000000000000"), &wide));
}

static void test_compare_and_find(void)
{
    CHECK(view_equal_nocase(VIEW_LIT("Call-ID"), VIEW_LIT("call-id")));
    CHECK(!view_equal_nocase(VIEW_LIT("a@"),
                             VIEW_LIT("a`"))); /* '@' and '`' differ by the case bit */
    CHECK(view_equal(VIEW_NONE, VIEW_LIT("")));
    CHECK(view_starts_with(VIEW_LIT("sips:a"), VIEW_LIT("sip")));
    CHECK(!view_starts_with(VIEW_LIT("si"), VIEW_LIT("sip")));
    CHECK(view_starts_with_nocase(VIEW_LIT("SIP:a"), VIEW_LIT("sip:")));
    CHECK_INT(view_find(VIEW_LIT("abcabd"), VIEW_LIT("abd")), 3);
    CHECK_INT(view_find(VIEW_LIT("abc"), VIEW_LIT("x")), 3);
    CHECK_INT(view_find_char(VIEW_NONE, 'x'), 0);
}

static void test_copy_says_when_it_cut(void)
{
    char small[4];
    CHECK(view_copy(VIEW_LIT("abc"), small, sizeof small));
    CHECK_TEXT(small, "abc");
    CHECK(!view_copy(VIEW_LIT("abcd"), small, sizeof small));
    CHECK_TEXT(small, "abc");
    CHECK_VIEW(view_trim(VIEW_LIT(" \t\r\n x y \n")), "x y");
    CHECK_VIEW(view_skip(VIEW_LIT("abc"), 5), "");
}

int main(void)
{
    RUN(test_cut_gives_every_piece);
    RUN(test_cut_line_knows_all_line_ends);
    RUN(test_numbers_refuse_what_is_no_number);
    RUN(test_compare_and_find);
    RUN(test_copy_says_when_it_cut);
    return tap_done();
}
