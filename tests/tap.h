/* tap: what a test program needs to speak TAP. A failed check says where and fails the test; the
 * program goes on. Use: static void test_x(void) { CHECK(1 + 1 == 2); }  int main(void) {
 * RUN(test_x); return tap_done(); } Not here: fixtures. TAP version 13. */
#ifndef TESTS_TAP_H
#define TESTS_TAP_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int tap_tests, tap_failed_tests, tap_failed_checks;

static inline bool tap_check(bool ok, const char *what, const char *file, int line)
{
    if (!ok) {
        tap_failed_checks++;
        printf("# %s:%d: failed: %s\n", file, line, what);
    }
    return ok;
}

static inline bool tap_check_int(int64_t got, int64_t want, const char *what, const char *file,
                                 int line)
{
    if (got != want)
        printf("# %s: got %" PRId64 ", want %" PRId64 "\n", what, got, want);
    return tap_check(got == want, what, file, line);
}

static inline bool tap_check_text(const char *got, size_t got_len, const char *want,
                                  const char *what, const char *file, int line)
{
    bool ok = got_len == strlen(want) && (got_len == 0 || memcmp(got, want, got_len) == 0);
    if (!ok)
        printf("# %s: got \"%.*s\", want \"%s\"\n", what, (int)got_len, got ? got : "", want);
    return tap_check(ok, what, file, line);
}

/* Each yields whether it held, so that a test can stop: if (!CHECK(p)) return; */
#define CHECK(condition) tap_check((condition), #condition, __FILE__, __LINE__)
#define FAIL(what)       tap_check(false, (what), __FILE__, __LINE__)
#define CHECK_INT(got, want)                                                                       \
    tap_check_int((int64_t)(got), (int64_t)(want), #got " == " #want, __FILE__, __LINE__)
#define CHECK_TEXT(got, want) tap_check_text((got), strlen(got), (want), #got, __FILE__, __LINE__)
#define CHECK_VIEW(got, want)                                                                      \
    do {                                                                                           \
        struct view tap_got_ = (got);                                                              \
        tap_check_text(tap_got_.at, tap_got_.len, (want), #got, __FILE__, __LINE__);               \
    } while (0)

static inline void tap_run(void (*test)(void), const char *name)
{
    int before = tap_failed_checks;
    test();
    tap_tests++;
    bool ok = tap_failed_checks == before;
    tap_failed_tests += !ok;
    printf("%s %d - %s\n", ok ? "ok" : "not ok", tap_tests, name);
    fflush(stdout);
}

#define RUN(test) tap_run(test, #test)

static inline void tap_skip(const char *name, const char *reason)
{
    printf("ok %d - %s # SKIP %s\n", ++tap_tests, name, reason);
}

static inline int tap_done(void)
{
    printf("1..%d\n", tap_tests);
    return tap_failed_tests ? EXIT_FAILURE : EXIT_SUCCESS;
}

#endif
