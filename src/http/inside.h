/* inside: what server.c and exchange.c know of each other.
 * Not here: anything for handlers (exchange.h).
 * RFC: none. */
#ifndef HTTP_INSIDE_H
#define HTTP_INSIDE_H

#include <event2/http.h>

#include "base/tick.h"
#include "http/exchange.h"

/* More parameters than any route has; the rest is ignored. */
#define HTTP_QUERY_MAX 16

struct http_query_parameter {
    struct view name, value; /* decoded; in the exchange's query_text */
};

struct http_exchange {
    struct evhttp_request *request;
    struct http_server *server;
    enum http_method method;
    struct http_routing routing;
    struct view body;
    char *query_text; /* owned */
    struct http_query_parameter query[HTTP_QUERY_MAX];
    size_t query_count;
};

/* False when the query cannot be decoded or memory is out. */
WARN_UNUSED bool http_exchange_read_query(struct http_exchange *exchange, struct view query);

/* The exchange's descriptor, -1 when the peer has gone. */
int http_exchange_fd(const struct http_exchange *exchange);
/* The reply begins; the exchange's own memory goes when this returns. */
void http_server_replying(struct http_server *server, struct http_exchange *exchange);
void http_server_extend(struct http_server *server, int fd, unsigned seconds);

#endif
