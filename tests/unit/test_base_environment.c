/* What a program that we start gets to know of our environment.
 * RFC: none. */
#include "base/environment.h"

#include "tap.h"

static void test_only_what_is_needed(void)
{
    char *ours[] = {(char *)"TURN_PASSWORD=s3cret",
                    (char *)"PATH=/usr/bin:/bin",
                    (char *)"PATHS=no",
                    (char *)"https_proxy=http://u:p",
                    (char *)"LANG=C.UTF-8",
                    (char *)"PATH=/second",
                    (char *)"NOTIFY_SOCKET=@x",
                    (char *)"LC_ALL",
                    NULL};
    char *out[ENVIRONMENT_CHILD_MAX];
    environment_for_child(ours, out);
    CHECK_TEXT(out[0], "PATH=/usr/bin:/bin");
    CHECK_TEXT(out[1], "LANG=C.UTF-8");
    CHECK(out[2] == NULL);
}

static void test_nothing(void)
{
    char *ours[] = {NULL};
    char *out[ENVIRONMENT_CHILD_MAX];
    environment_for_child(ours, out);
    CHECK(out[0] == NULL);
}

int main(void)
{
    RUN(test_only_what_is_needed);
    RUN(test_nothing);
    return tap_done();
}
