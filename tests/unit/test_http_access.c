/* Tests of http/access: which Host cannot be a foreign name that points here (DNS rebinding). */
#include "http/access.h"

#include "tap.h"

static bool host(const char *name)
{
    return http_access_host(view_of_string(name),
                            view_of_string("recorder.example.com, rec2.example.com"));
}

static void test_allowed(void)
{
    static const char *const names[] = {
        "127.0.0.1",
        "127.0.0.1:8080",
        "192.0.2.7:1",
        "[::1]",
        "[::1]:8080",
        "[2001:db8::7]:80",
        "localhost",
        "LocalHost:8080",
        "recorder.example.com",
        "REC2.example.com:8080",
        "10.1.2.3:",
        " 127.0.0.1 ",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!CHECK(host(names[i])))
            printf("# %s\n", names[i]);
    }
}

static void test_refused(void)
{
    static const char *const names[] = {
        "",
        "evil.example.com",
        "evil.example.com:8080",
        "localhost.example.com",
        "127.0.0.1.example.com",
        "recorder.example.com.example.net",
        "xrecorder.example.com",
        "::1",
        "[::1",
        "[::1]x",
        "[127.0.0.1]",
        "127.0.0.1:80x",
        "127.0.0.1:80:80",
        "127.1",
        "2130706433",
        "0x7f.0.0.1",
        "localhost@evil.example.com",
        "recorder.example.com,",
        ":8080",
    };
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        if (!CHECK(!host(names[i])))
            printf("# %s\n", names[i]);
    }
    CHECK(!http_access_host(VIEW_LIT("a.example.com"), VIEW_NONE));
    CHECK(!http_access_host(VIEW_LIT(""), VIEW_LIT(", ,")));
}

static void test_json(void)
{
    CHECK(http_access_json(VIEW_LIT("application/json")));
    CHECK(http_access_json(VIEW_LIT("Application/JSON; charset=utf-8")));
    /* The three a form can send without asking first (Fetch: CORS-safelisted), and none. */
    CHECK(!http_access_json(VIEW_LIT("text/plain")));
    CHECK(!http_access_json(VIEW_LIT("application/x-www-form-urlencoded")));
    CHECK(!http_access_json(VIEW_LIT("multipart/form-data; boundary=x")));
    CHECK(!http_access_json(VIEW_NONE));
    CHECK(!http_access_json(VIEW_LIT("application/jsonx")));
    CHECK(!http_access_json(VIEW_LIT("text/plain; application/json")));
}

int main(void)
{
    RUN(test_allowed);
    RUN(test_refused);
    RUN(test_json);
    return tap_done();
}
