/* connections: the table of open connections.
 * Not here: reading and writing.
 * RFC: none. */
#include "http/connections.h"

#include <assert.h>
#include <linux/tcp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

bool http_connections_init(struct http_connections *c, size_t max, int64_t idle_ms)
{
    *c =
        (struct http_connections){.at = calloc(max, sizeof *c->at), .max = max, .idle_ms = idle_ms};
    for (size_t i = 0; c->at && i < max; i++)
        c->at[i].fd = -1;
    return c->at;
}

void http_connections_finish(struct http_connections *c)
{
    free(c->at);
    c->at = NULL;
}

static uint64_t cookie_of(int fd)
{
    uint64_t cookie = 0;
    socklen_t size = sizeof cookie;
    return getsockopt(fd, SOL_SOCKET, SO_COOKIE, &cookie, &size) == 0 ? cookie : 0;
}

static uint64_t acknowledged_of(int fd)
{
    struct tcp_info info = {0};
    socklen_t size = sizeof info;
    return getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &size) == 0 ? info.tcpi_bytes_acked : 0;
}

static struct http_connection *find(struct http_connections *c, int fd)
{
    for (size_t i = 0; fd >= 0 && i < c->max; i++) {
        if (c->at[i].fd == fd)
            return &c->at[i];
    }
    return NULL;
}

void http_connections_add(struct http_connections *c, int fd, struct tick now)
{
    struct http_connection *one = find(c, fd);
    for (size_t i = 0; !one && i < c->max; i++) {
        if (c->at[i].fd < 0) {
            one = &c->at[i];
            c->count++;
        }
    }
    if (!one)
        return; /* two accepted in one go at the very limit: evhttp's own time-out has this one */
    *one = (struct http_connection){
        .fd = fd, .cookie = cookie_of(fd), .deadline = tick_add_ms(now, c->idle_ms)};
}

static void set(struct http_connections *c, int fd, bool replying, struct tick deadline)
{
    struct http_connection *one = find(c, fd);
    if (!one)
        return;
    one->replying = replying;
    one->deadline = deadline;
}

void http_connections_request(struct http_connections *c, int fd, struct tick now)
{
    set(c, fd, true, tick_add_ms(now, c->idle_ms));
}

void http_connections_extend(struct http_connections *c, int fd, struct tick until)
{
    set(c, fd, true, until);
}

void http_connections_replied(struct http_connections *c, int fd, struct tick now)
{
    set(c, fd, false, tick_add_ms(now, c->idle_ms));
}

static void look_at(struct http_connections *c, struct http_connection *one, struct tick now)
{
    if (cookie_of(one->fd) != one->cookie) {
        one->fd = -1;
        c->count--;
        return;
    }
    uint64_t acknowledged = acknowledged_of(one->fd);
    if (one->replying && acknowledged != one->acknowledged) {
        struct tick later = tick_add_ms(now, c->idle_ms);
        one->acknowledged = acknowledged;
        if (tick_before(one->deadline, later))
            one->deadline = later;
    }
    /* Shut, not closed: the descriptor is evhttp's, which now reads the end and cleans up. */
    if (tick_due(one->deadline, now))
        shutdown(one->fd, SHUT_RDWR);
}

void http_connections_sweep(struct http_connections *c, struct tick now)
{
    for (size_t i = 0; i < c->max; i++) {
        if (c->at[i].fd >= 0)
            look_at(c, &c->at[i], now);
    }
}
