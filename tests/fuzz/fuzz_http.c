/* fuzz_http: the router's, the range's and the access rules' parsers. The first byte says which; a
 * NUL cuts two arguments apart. Not here: evhttp's own parser.
 * RFC 9110. */
#include <stdlib.h>

#include "base/percent.h"
#include "http/access.h"
#include "http/range.h"
#include "http/router.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct http_route routes[] = {
    {HTTP_METHOD_GET, "/v1/things", NULL},
    {HTTP_METHOD_DELETE, "/v1/things/{id}", NULL},
    {HTTP_METHOD_GET, "/v1/things/{id}/parts/{part}", NULL},
};

static void fuzz_range(struct view field, struct view other)
{
    static const uint64_t sizes[] = {0, 1, 10000, UINT64_MAX};
    struct http_validators now = {VIEW("\"a-b-c\""), VIEW("Sat, 29 Oct 1994 19:43:31 GMT")};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct http_range range;
        enum http_range_result result = http_range_parse(field, sizes[i], &range);
        if (result == HTTP_RANGE_PART &&
            (range.len == 0 || range.first >= sizes[i] || range.len > sizes[i] - range.first))
            abort();
    }
    (void)http_range_if(other, &now);
    (void)http_range_match(other, &now, true);
    if (http_range_match(field, &now, true) && !http_range_match(field, &now, false))
        abort();
}

static void fuzz_router(struct view path, struct view query)
{
    static struct http_routing routing;
    static char text[256];
    struct view out;
    enum http_match match = http_router_find(routes, 3, HTTP_METHOD_GET, path, &routing);
    if (match == HTTP_MATCH_FOUND && routing.route != 0 && routing.parameter_count != 2)
        abort();
    for (size_t i = 0; match == HTTP_MATCH_FOUND && i < routing.parameter_count; i++) {
        if (routing.parameters[i].len == 0 ||
            view_find_char(routing.parameters[i], '\0') < routing.parameters[i].len)
            abort();
    }
    if (percent_decode(query, true, text, sizeof text, &out) && out.len > query.len)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    struct view first, rest = view_of(data + 1, size - 1);
    if (!view_cut(&rest, '\0', &first))
        first = VIEW_NONE;
    if (data[0] == 'r')
        fuzz_range(first, rest);
    else if (data[0] == 'p')
        fuzz_router(first, rest);
    else
        (void)(http_access_host(first, rest) || http_access_json(first));
    return 0;
}
