/* connections: which connections the HTTP server has open, and how long each may stay silent.
 * evhttp 2.1 has no limit on their number and none on the time a request may take to come in, and
 * tells nobody when one goes; so each is known by its descriptor and the kernel's cookie for it,
 * and looked up once a second.
 * Not here: requests (exchange.h).
 * RFC: none. */
#ifndef HTTP_CONNECTIONS_H
#define HTTP_CONNECTIONS_H

#include "base/tick.h"

struct http_connection {
    int fd; /* -1: unused */
    uint64_t cookie;
    uint64_t acknowledged; /* bytes the peer has taken */
    struct tick deadline;
    bool replying; /* a request is in, its reply not yet out */
};

struct http_connections {
    struct http_connection *at;
    size_t max, count;
    int64_t idle_ms;
};

WARN_UNUSED bool http_connections_init(struct http_connections *c, size_t max, int64_t idle_ms);
void http_connections_finish(struct http_connections *c);

/* A new one. */
void http_connections_add(struct http_connections *c, int fd, struct tick now);
/* A request came in whole: the reply may take its time as long as the peer takes bytes. */
void http_connections_request(struct http_connections *c, int fd, struct tick now);
/* The reply will be silent until until. */
void http_connections_extend(struct http_connections *c, int fd, struct tick until);
/* The reply is out: from now the next request must come in in time. */
void http_connections_replied(struct http_connections *c, int fd, struct tick now);

/* Forgets those that are closed and shuts those that were silent for too long. */
void http_connections_sweep(struct http_connections *c, struct tick now);

#endif
