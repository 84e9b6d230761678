/* Tests of base/utf8: RFC 3629 §4's grammar, its first and last of each row, and what §3 and §10 forbid. */
#include "base/utf8.h"

#include <string.h>

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

/* The RFC's own examples (§7), and the ends of each length. */
static void test_what_character(void)
{
    CHECK_INT(utf8_decode(VIEW_LIT("A")), 0x41);
    CHECK_INT(utf8_decode(VIEW_LIT("\xe2\x89\xa2")), 0x2262);
    CHECK_INT(utf8_decode(VIEW_LIT("\xed\x95\x9c")), 0xd55c);
    CHECK_INT(utf8_decode(VIEW_LIT("\xf0\xa3\x8e\xb4")), 0x233b4);
    CHECK_INT(utf8_decode(VIEW_LIT("\xc2\x80")), 0x80);
    CHECK_INT(utf8_decode(VIEW_LIT("\xdf\xbf")), 0x7ff);
    CHECK_INT(utf8_decode(VIEW_LIT("\xf4\x8f\xbf\xbf")), 0x10ffff);
}

static void test_no_terminal_is_commanded(void)
{
    static const struct {
        const char *said, *shown;
    } texts[] = {{"Gr\xc3\xbc\xc3\x9f\x65", "Gr\xc3\xbc\xc3\x9f\x65"},
                 {"\x1b[2J\a", "?[2J?"},
                 {"\xc2\x9b[2J \x7f \x9b", "?[2J ? ?"},
                 {"a\xe2\x80\xae\x62\xe2\x81\xa6", "a?b?"},
                 {"cut \xe2\x80", "cut ??"},
                 {"", ""}};
    static const uint32_t fine[] = {' ', 0x7e, 0xa0, 0x2029, 0x202f, 0x2065, 0x206a, 0x1f600};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        char text[64];
        (void)view_copy(view_of_string(texts[i].said), text, sizeof text);
        utf8_make_plain(text);
        CHECK_TEXT(text, texts[i].shown);
    }
    for (size_t i = 0; i < sizeof fine / sizeof *fine; i++)
        CHECK(!utf8_is_control(fine[i]));
}

int main(void)
{
    RUN(test_well_formed);
    RUN(test_anything_else);
    RUN(test_what_character);
    RUN(test_no_terminal_is_commanded);
    return tap_done();
}
