/* server: the HTTP server: listeners, its thread, limits on connections, time and sizes; it checks
 * access, finds the route and calls its handler.
 * Not here: what is served (api).
 * RFC 9112 (by libevent's evhttp), RFC 9110. */
#ifndef HTTP_SERVER_H
#define HTTP_SERVER_H

#include "base/addr.h"
#include "http/exchange.h"

struct http_server_options {
    const struct addr *listen; /* ports 0: any free one, see http_server_port */
    size_t listen_count;
    const char *hostnames; /* http.hostnames; NULL: none */
    const struct http_route *routes;
    size_t route_count;
    void *context;            /* for the handlers */
    unsigned max_connections; /* 0: 256 */
    unsigned idle_seconds;    /* for a whole request to come in, and between requests; 0: 30 */
};

/* Binds. The routes and the context must outlive it. NULL, with a sentence in error, when an
 * address cannot be bound. */
struct http_server *http_server_create(const struct http_server_options *options, char *error,
                                       size_t error_size);
/* Starts the thread: from now the handlers are called. False with errno. */
WARN_UNUSED bool http_server_start(struct http_server *server);
/* Ends the thread: no handler is called any more. NULL, or twice, is fine. */
void http_server_stop(struct http_server *server);
/* Stops, runs what was posted and has not been run, cuts what is open, frees. NULL is fine. */
void http_server_destroy(struct http_server *server);

/* The port that listener n got. */
uint16_t http_server_port(const struct http_server *server, size_t n);

/* Runs call(argument) on the server's thread. Any thread. False when memory is out. */
WARN_UNUSED bool http_server_post(struct http_server *server, void (*call)(void *argument),
                                  void *argument);

#endif
