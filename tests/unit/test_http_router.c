/* Tests of http/router: segments, parameters, methods, percent-encoding (RFC 3986 §2.1). */
#include "http/router.h"

#include "tap.h"

static const struct http_route routes[] = {
    {HTTP_METHOD_GET, "/v1/things", NULL},
    {HTTP_METHOD_GET, "/v1/things/{id}", NULL},
    {HTTP_METHOD_DELETE, "/v1/things/{id}", NULL},
    {HTTP_METHOD_GET, "/v1/things/{id}/parts/{part}", NULL},
    {HTTP_METHOD_POST, "/v1/run", NULL},
};

static enum http_match find(enum http_method method, const char *path, struct http_routing *out)
{
    return http_router_find(routes, sizeof routes / sizeof *routes, method, view_of_string(path),
                            out);
}

static void test_found(void)
{
    struct http_routing r;
    CHECK_INT(find(HTTP_METHOD_GET, "/v1/things", &r), HTTP_MATCH_FOUND);
    CHECK_INT(r.route, 0);
    CHECK_INT(find(HTTP_METHOD_DELETE, "/v1/things/a-b", &r), HTTP_MATCH_FOUND);
    CHECK_INT(r.route, 2);
    CHECK_VIEW(r.parameters[0], "a-b");
    CHECK_INT(find(HTTP_METHOD_HEAD, "/v1/things/x/parts/y", &r), HTTP_MATCH_FOUND);
    CHECK_INT(r.route, 3);
    CHECK_VIEW(r.parameters[0], "x");
    CHECK_VIEW(r.parameters[1], "y");
}

static void test_not_found(void)
{
    static const char *const paths[] = {
        "/",
        "/v1",
        "/v1/thing",
        "/v1/things/",
        "//v1/things",
        "/v1//things",
        "/v1/things/x/parts",
        "/v1/things/x/parts/y/z",
        "/V1/things",
        "/v1/things/x/parts/",
        "/a/b/c/d/e/f/g/h/i/j/k",
    };
    struct http_routing r;
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        if (!CHECK_INT(find(HTTP_METHOD_GET, paths[i], &r), HTTP_MATCH_NO_PATH))
            printf("# %s\n", paths[i]);
    }
}

static void test_method(void)
{
    struct http_routing r;
    CHECK_INT(find(HTTP_METHOD_PUT, "/v1/things/x", &r), HTTP_MATCH_NO_METHOD);
    CHECK_INT(r.allowed, 1 << HTTP_METHOD_GET | 1 << HTTP_METHOD_HEAD | 1 << HTTP_METHOD_DELETE);
    CHECK_INT(find(HTTP_METHOD_GET, "/v1/run", &r), HTTP_MATCH_NO_METHOD);
    CHECK_INT(r.allowed, 1 << HTTP_METHOD_POST);
    CHECK_INT(find(HTTP_METHOD_HEAD, "/v1/run", &r), HTTP_MATCH_NO_METHOD);
    CHECK_INT(find(HTTP_METHOD_OTHER, "/v1/things", &r), HTTP_MATCH_NO_METHOD);
}

static void test_encoding(void)
{
    struct http_routing r;
    CHECK_INT(find(HTTP_METHOD_GET, "/v1/%74hings/a%2Fb", &r), HTTP_MATCH_FOUND);
    CHECK_VIEW(r.parameters[0], "a/b");
    CHECK_INT(find(HTTP_METHOD_GET, "/v1/things/%2e%2e", &r), HTTP_MATCH_FOUND);
    CHECK_VIEW(r.parameters[0], "..");
    CHECK_INT(find(HTTP_METHOD_GET, "/v1/things/a+b", &r), HTTP_MATCH_FOUND);
    CHECK_VIEW(r.parameters[0], "a+b");
    CHECK_INT(find(HTTP_METHOD_GET, "/v1/things/%", &r), HTTP_MATCH_BAD_PATH);
    CHECK_INT(find(HTTP_METHOD_GET, "/v1/things/%4", &r), HTTP_MATCH_BAD_PATH);
    CHECK_INT(find(HTTP_METHOD_GET, "/v1/things/%zz", &r), HTTP_MATCH_BAD_PATH);
    CHECK_INT(find(HTTP_METHOD_GET, "/v1/things/a%00b", &r), HTTP_MATCH_BAD_PATH);
    CHECK_INT(find(HTTP_METHOD_GET, "", &r), HTTP_MATCH_BAD_PATH);
    CHECK_INT(find(HTTP_METHOD_GET, "v1/things", &r), HTTP_MATCH_BAD_PATH);
    char path[HTTP_ROUTER_PATH_SIZE + 20];
    memset(path, 'a', sizeof path);
    memcpy(path, "/v1/things/", 11);
    path[sizeof path - 1] = '\0';
    CHECK_INT(find(HTTP_METHOD_GET, path, &r), HTTP_MATCH_BAD_PATH);
}

int main(void)
{
    RUN(test_found);
    RUN(test_not_found);
    RUN(test_method);
    RUN(test_encoding);
    return tap_done();
}
