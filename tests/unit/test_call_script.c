/* Tests of siprec-call's scripts. */
#include "tools/siprec-call/script.h"

#include "tap.h"
#include "tools/siprec-call/embedded.h"
#include "tools/siprec-call/profile.h"

static struct call_script script;
static char error[256];

static bool parse(const char *text)
{
    return call_script_parse(&script, view_of_string(text), error, sizeof error);
}

static void test_steps(void)
{
    if (!CHECK(parse("# comment\n\nwait 250ms ; a moment\nhold 1 zero\ndtmf 0 12*#\ndtmf 42\n"
                     "update partial expect 491\n")))
        return;
    CHECK_INT(script.count, 5);
    CHECK_INT(script.steps[0].wait_ms, 250);
    CHECK_INT(script.steps[1].stream, 1);
    CHECK_VIEW(script.steps[1].word, "zero");
    CHECK_INT(script.steps[2].stream, 0);
    CHECK_VIEW(script.steps[2].word, "12*#");
    CHECK_INT(script.steps[3].stream, CALL_ALL_STREAMS);
    CHECK_VIEW(script.steps[3].word, "42");
    CHECK_INT(script.steps[4].content, CALL_CONTENT_PARTIAL);
    CHECK_INT(script.steps[4].expect, 491);
    CHECK_INT(script.steps[1].expect, 200);
}

static void test_faults_name_their_line(void)
{
    CHECK(!parse("wait 1s\njump\n"));
    CHECK(strstr(error, "line 2") != NULL);
    CHECK(!parse("wait\n"));
    CHECK(!parse("wait soon\n"));
    CHECK(!parse("hold sideways\n"));
    CHECK(!parse("dtmf 0\n") || script.steps[0].stream == CALL_ALL_STREAMS);
    CHECK(!parse("dtmf\n"));
    CHECK(!parse("bye 1\n"));
    CHECK(!parse("hold expect 20\n"));
    CHECK(!parse("wait 1s\ncancel\n"));
    CHECK(!parse("hold 99\n"));
}

static void test_durations(void)
{
    int64_t ms = 0;
    CHECK(call_duration_parse(VIEW_LIT("2s"), &ms) && ms == 2000);
    CHECK(call_duration_parse(VIEW_LIT("1.5"), &ms) && ms == 1500);
    CHECK(call_duration_parse(VIEW_LIT("0.25s"), &ms) && ms == 250);
    CHECK(call_duration_parse(VIEW_LIT("40ms"), &ms) && ms == 40);
    CHECK(!call_duration_parse(VIEW_LIT(""), &ms));
    CHECK(!call_duration_parse(VIEW_LIT("-1s"), &ms));
    CHECK(!call_duration_parse(VIEW_LIT("99999999999999999999"), &ms));
    CHECK(!call_duration_parse(VIEW_LIT("100000s"), &ms));
}

static void test_what_is_built_in_can_be_read(void)
{
    struct call_profile profile;
    for (const struct call_embedded *e = call_scripts; e->name; e++) {
        if (!CHECK(call_script_load(&script, e->name, error, sizeof error)))
            printf("# %s\n", error);
        call_script_finish(&script);
    }
    for (const struct call_embedded *e = call_profiles; e->name; e++) {
        if (!CHECK(call_profile_load(&profile, e->name, error, sizeof error)))
            printf("# %s: %s\n", e->name, error);
        for (unsigned i = 0; i < CALL_SECTION_COUNT; i++)
            CHECK(profile.section[i].len > 0);
        call_profile_finish(&profile);
    }
}

int main(void)
{
    RUN(test_steps);
    RUN(test_faults_name_their_line);
    RUN(test_durations);
    RUN(test_what_is_built_in_can_be_read);
    return tap_done();
}
