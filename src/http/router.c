/* router: matching paths segment by segment.
 * Not here: what the routes do.
 * RFC 9110 §9, RFC 3986 §3.3. */
#include "http/router.h"

#include <assert.h>

#include "base/percent.h"

static const char *const method_names[] = {
    [HTTP_METHOD_GET] = "GET",         [HTTP_METHOD_HEAD] = "HEAD",
    [HTTP_METHOD_POST] = "POST",       [HTTP_METHOD_PUT] = "PUT",
    [HTTP_METHOD_PATCH] = "PATCH",     [HTTP_METHOD_DELETE] = "DELETE",
    [HTTP_METHOD_OPTIONS] = "OPTIONS", [HTTP_METHOD_OTHER] = "?",
};

const char *http_method_name(enum http_method method)
{
    assert(method <= HTTP_METHOD_OTHER);
    return method_names[method];
}

bool http_method_is_safe(enum http_method method)
{
    return method == HTTP_METHOD_GET || method == HTTP_METHOD_HEAD || method == HTTP_METHOD_OPTIONS;
}

/* Segments of the request's path, decoded one by one: a %2F inside one does not cut it. */
#define SEGMENTS 8
struct segments {
    struct view at[SEGMENTS];
    size_t count;
};

static bool split(struct view path, struct http_routing *out, struct segments *segments)
{
    size_t used = 0;
    struct view rest = path, segment;
    if (path.len == 0 || path.at[0] != '/')
        return false;
    rest = view_skip(rest, 1);
    segments->count = 0;
    while (view_cut(&rest, '/', &segment)) {
        struct view *decoded = &segments->at[segments->count];
        if (segments->count == SEGMENTS)
            return true; /* longer than any route */
        if (!percent_decode(segment, false, out->text + used, sizeof out->text - used, decoded) ||
            view_find_char(*decoded, '\0') < decoded->len)
            return false;
        used += decoded->len;
        segments->count++;
    }
    return true;
}

static bool matches(const char *pattern, const struct segments *segments, struct http_routing *out)
{
    struct view rest = view_skip(view_of_string(pattern), 1), want;
    size_t n = 0;
    out->parameter_count = 0;
    while (view_cut(&rest, '/', &want)) {
        if (n == segments->count)
            return false;
        struct view got = segments->at[n++];
        if (want.len > 0 && want.at[0] == '{') {
            assert(out->parameter_count < HTTP_ROUTER_PARAMETERS);
            if (got.len == 0)
                return false;
            out->parameters[out->parameter_count++] = got;
        } else if (!view_equal(want, got)) {
            return false;
        }
    }
    return n == segments->count;
}

enum http_match http_router_find(const struct http_route *routes, size_t count,
                                 enum http_method method, struct view path,
                                 struct http_routing *out)
{
    struct segments segments;
    *out = (struct http_routing){0};
    if (!split(path, out, &segments))
        return HTTP_MATCH_BAD_PATH;
    for (size_t i = 0; i < count; i++) {
        enum http_method has = routes[i].method;
        if (!matches(routes[i].path, &segments, out))
            continue;
        if (has == method || (has == HTTP_METHOD_GET && method == HTTP_METHOD_HEAD)) {
            out->route = i;
            return HTTP_MATCH_FOUND;
        }
        out->allowed |= 1U << has;
        if (has == HTTP_METHOD_GET)
            out->allowed |= 1U << HTTP_METHOD_HEAD;
    }
    return out->allowed ? HTTP_MATCH_NO_METHOD : HTTP_MATCH_NO_PATH;
}
