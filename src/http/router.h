/* router: which route a method and a path mean, and what stands in the path's {parameters}.
 * Not here: what the routes do (api), access rules (access.h).
 * RFC 9110 §9 (methods, 404, 405), RFC 3986 §3.3 (path segments, percent-encoding). */
#ifndef HTTP_ROUTER_H
#define HTTP_ROUTER_H

#include "base/view.h"

enum http_method {
    HTTP_METHOD_GET,
    HTTP_METHOD_HEAD,
    HTTP_METHOD_POST,
    HTTP_METHOD_PUT,
    HTTP_METHOD_PATCH,
    HTTP_METHOD_DELETE,
    HTTP_METHOD_OPTIONS,
    HTTP_METHOD_OTHER,
    HTTP_METHOD_COUNT = HTTP_METHOD_OTHER,
};

const char *http_method_name(enum http_method method);
/* GET, HEAD and OPTIONS change nothing (RFC 9110 §9.2.1). */
bool http_method_is_safe(enum http_method method);

struct http_exchange;

struct http_route {
    enum http_method method; /* a GET route answers HEAD too */
    const char *path;        /* "/v1/recordings/{id}/audio": literal segments and parameters */
    void (*handle)(struct http_exchange *exchange, void *context);
};

#define HTTP_ROUTER_PARAMETERS 2
#define HTTP_ROUTER_PATH_SIZE  512

enum http_match {
    HTTP_MATCH_FOUND,
    HTTP_MATCH_NO_PATH,   /* 404 */
    HTTP_MATCH_NO_METHOD, /* 405; allowed says what there is */
    HTTP_MATCH_BAD_PATH,  /* 400: broken percent-encoding, a NUL, or far too long */
};

struct http_routing {
    size_t route;
    struct view parameters[HTTP_ROUTER_PARAMETERS]; /* decoded; in text */
    size_t parameter_count;
    unsigned allowed; /* bit 1 << method */
    char text[HTTP_ROUTER_PATH_SIZE];
};

/* path: as it came, percent-encoded, without query. *out holds its own copy of what it needs. */
enum http_match http_router_find(const struct http_route *routes, size_t count,
                                 enum http_method method, struct view path,
                                 struct http_routing *out);

#endif
