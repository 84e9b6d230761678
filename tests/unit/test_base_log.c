/* Tests of base/log. */
#include "base/log.h"

#include "tap.h"

#include <errno.h>

static char last[4096];
static int lines;

static void keep(void *context, const struct log_line *line)
{
    (void)context;
    lines++;
    snprintf(last, sizeof last, "%s %s [" VIEW_FMT "] " VIEW_FMT, log_level_name(line->level),
             line->module, VIEW_ARG(line->call_id), VIEW_ARG(line->text));
    errno = EBADF;
}

static void test_lines_reach_the_sink(void)
{
    LOG_INFO("sip", VIEW_NONE, "dropped: no sink yet");
    log_set_sink(keep, NULL);
    errno = ENOENT;
    LOG_WARN("sip", VIEW_LIT("abc@x"), "bye reason=%s", "expired");
    CHECK_TEXT(last, "warn sip [abc@x] bye reason=expired");
    CHECK_INT(errno, ENOENT);
    CHECK_INT(lines, 1);
    LOG_DEBUG("sip", VIEW_NONE, "below the level");
    CHECK_INT(lines, 1);
    log_set_level(LOG_LEVEL_DEBUG);
    LOG_DEBUG("sip", VIEW_NONE, "now %0*d", 3000, 1);
    CHECK_INT(lines, 2);
    CHECK(strlen(last) < 2100);
    log_set_sink(NULL, NULL);
}

static void test_limit(void)
{
    struct log_limit limit = {0};
    uint64_t held = 9;
    CHECK(log_limit_pass(&limit, (struct tick){0}, 1000, &held));
    CHECK_INT(held, 0);
    CHECK(!log_limit_pass(&limit, (struct tick){1}, 1000, &held));
    CHECK(!log_limit_pass(&limit, (struct tick){999 * NS_PER_MS}, 1000, &held));
    CHECK(log_limit_pass(&limit, (struct tick){1000 * NS_PER_MS}, 1000, &held));
    CHECK_INT(held, 2);
}

static void test_level_names(void)
{
    enum log_level level = LOG_LEVEL_INFO;
    CHECK(log_level_parse(VIEW_LIT("WARN"), &level));
    CHECK_INT(level, LOG_LEVEL_WARN);
    CHECK(!log_level_parse(VIEW_LIT("loud"), &level));
}

int main(void)
{
    RUN(test_lines_reach_the_sink);
    RUN(test_limit);
    RUN(test_level_names);
    return tap_done();
}
