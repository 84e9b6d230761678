/* Tests of base/utf8: RFC 3629 §4's grammar, its first and last of each row, and what §3 and §10 forbid. */
#include "base/utf8.h"

#include "tap.h"

static void test_well_formed(void)
{
    static const struct {
        const char *bytes;
        size_t len;
    } rows[] = {
        {"\x01", 1},
        {"\x7f", 1},
        {"\xc2\x80", 2},
        {"\xdf\xbf", 2},
        {"\xe0\xa0\x80", 3},
        {"\xe0\xbf\xbf", 3},
        {"\xe1\x80\x80", 3},
        {"\xec\xbf\xbf", 3},
        {"\xed\x80\x80", 3},
        {"\xed\x9f\xbf", 3},
        {"\xee\x80\x80", 3},
        {"\xef\xbf\xbf", 3},
        {"\xf0\x90\x80\x80", 4},
        {"\xf0\xbf\xbf\xbf", 4},
        {"\xf1\x80\x80\x80", 4},
        {"\xf3\xbf\xbf\xbf", 4},
        {"\xf4\x80\x80\x80", 4},
        {"\xf4\x8f\xbf\xbf", 4},
        {"\xe2\x89\xa2\xce\x91.", 3},
        {"A\xe2\x89\xa2", 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_INT(utf8_len(view_of_string(rows[i].bytes)), rows[i].len);
    CHECK_INT(utf8_len(VIEW_LIT("\0a")), 1);
}

static void test_anything_else(void)
{
    static const char *const rows[] = {
        "",
        "\x80",
        "\xbf",
        "\xc0\x80",
        "\xc1\xbf",
        "\xc2",
        "\xc2\x7f",
        "\xc2\xc0",
        "\xe0\x9f\xbf",
        "\xe0\xa0",
        "\xe1\x80\x7f",
        "\xed\xa0\x80",
        "\xed\xbf\xbf",
        "\xf0\x8f\xbf\xbf",
        "\xf0\x90\x80",
        "\xf4\x90\x80\x80",
        "\xf5\x80\x80\x80",
        "\xff",
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        CHECK_INT(utf8_len(view_of_string(rows[i])), 0);
    CHECK_INT(utf8_len(view_of("\xe2\x89\xa2", 2)), 0); /* the view ends before the character */
}

int main(void)
{
    RUN(test_well_formed);
    RUN(test_anything_else);
    return tap_done();
}
