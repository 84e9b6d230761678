/* Tests of siprec-call's template filler. */
#include "tools/siprec-call/text.h"

#include "tap.h"

static const struct call_text_value root_values[] = {
    {"who", VIEW("Alice")}, {"port", VIEW("4000")}, {"none", VIEW("")}};
static const struct call_text_value first_values[] = {{"label", VIEW("1")}};
static const struct call_text_value second_values[] = {{"label", VIEW("2")}};

/* What text expands to, NULL when it is refused. */
static const char *expand(const char *text, struct view eol)
{
    static char out[512];
    struct call_text_scope root = {.values = root_values, .value_count = 3};
    const struct call_text_scope items[] = {
        {.values = first_values, .value_count = 1, .outer = &root},
        {.values = second_values, .value_count = 1, .outer = &root}};
    const struct call_text_list lists[] = {{"stream", items, 2}, {"nobody", NULL, 0}};
    root.lists = lists;
    root.list_count = 2;
    struct writer w = writer_of(out, sizeof out);
    struct view fault;
    if (!call_text_expand(view_of_string(text), &root, eol, &w, &fault))
        return NULL;
    struct view done = writer_done(&w);
    out[done.len] = '\0';
    return out;
}

static void test_values_and_line_ends(void)
{
    CHECK_TEXT(expand("To {who}\nx\n", VIEW_LIT("\r\n")), "To Alice\r\nx\r\n");
    CHECK_TEXT(expand("{port+2}", VIEW_LIT("\n")), "4002");
}

static void test_blocks_alone_on_a_line_leave_no_line(void)
{
    CHECK_TEXT(expand("a\n{each stream}\nm={label} {who}\n{end}\nb", VIEW_LIT("\n")),
               "a\nm=1 Alice\nm=2 Alice\nb");
    CHECK_TEXT(expand("a\n  {if none}\nx\n  {end}\nb", VIEW_LIT("\n")), "a\nb");
    CHECK_TEXT(expand("a{unless none}x{end}b", VIEW_LIT("\n")), "axb");
    CHECK_TEXT(expand("{each nobody}x{end}", VIEW_LIT("\n")), "");
}

static void test_blocks_nest(void)
{
    CHECK_TEXT(expand("{each stream}{if who}{label}{if none}!{end}{end};{end}", VIEW_LIT("\n")),
               "1;2;");
}

static void test_what_is_unknown_is_refused(void)
{
    CHECK(expand("{nothing}", VIEW_LIT("\n")) == NULL);
    CHECK(expand("{who+1}", VIEW_LIT("\n")) == NULL);
    CHECK(expand("{each stream}no end", VIEW_LIT("\n")) == NULL);
    CHECK(expand("{each strangers}{end}", VIEW_LIT("\n")) == NULL);
}

int main(void)
{
    RUN(test_values_and_line_ends);
    RUN(test_blocks_alone_on_a_line_leave_no_line);
    RUN(test_blocks_nest);
    RUN(test_what_is_unknown_is_refused);
    return tap_done();
}
