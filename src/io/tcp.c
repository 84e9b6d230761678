/* tcp: TCP listeners and connections of one loop: accepting within limits, connecting, bounded
 * queues of unsent bytes, idle and stuck connections.
 * Not here: finding messages in the bytes (sip), TLS.
 * RFC 3261 §18 (a connection is a flow that carries many dialogs), 5626 §3.5.1. */
#include "io/tcp.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/log.h"
#include "base/metrics.h"
#include "io/clock.h"
#include "io/sockaddr.h"
#include "io/udp.h"

enum {
    TCP_READ_BYTES = 65536,
    TCP_BACKLOG = 512,
    TCP_IDLE_S = 60, /* the kernel's keepalive: after this, this often, so many without an answer */
    TCP_PROBE_S = 15,
    TCP_PROBES = 4,
    TCP_ACCEPTS_MAX = 64, /* in a row, before the connections that are open get their turn */
    TCP_QUIET_MS = 250,   /* without bytes, before a deferred connection is watched again */
};

/* Limits are checked this often; they are seconds long, so that is exact enough. */
static const int64_t tcp_check_ns = INT64_C(500000000);

struct tcp_connection {
    int fd; /* -1: the slot is free */
    uint32_t generation;
    uint32_t listener;
    bool outgoing;
    bool connecting;
    bool announced;    /* OPENED was given out */
    bool heard;        /* bytes came */
    bool closing;      /* close once the queue is sent */
    bool dead;         /* CLOSED is due, for reason */
    bool pending;      /* in the list of those that have something to tell */
    bool deferred;     /* read at sweeps */
    struct wall since; /* while deferred: its newest byte arrived, or a sweep found none */
    uint32_t deferred_place;
    enum io_tcp_reason reason;
    int error;
    struct addr local;
    struct addr peer;
    struct tick active_at; /* bytes last moved, or the connection was made */
    struct tick unsent_at; /* the queue last became shorter, or began */
    char *unsent;
    size_t unsent_start;
    size_t unsent_end;
    size_t unsent_room;
    uint32_t pending_next;
};

struct tcp_listener {
    int fd;      /* -1: free */
    bool paused; /* out of descriptors; tried again at the next check */
    uint32_t number;
};

struct io_tcp {
    struct io_loop *loop;
    uint8_t tag;
    struct io_tcp_limits limits;
    struct tcp_listener *listeners;
    struct tcp_connection *connections;
    size_t connections_count;
    uint32_t free_hint;
    uint32_t pending_first; /* list of connections, UINT32_MAX ends it */
    uint32_t pending_last;
    uint32_t *deferred; /* slots */
    size_t deferred_count;
    bool sweeps; /* another one is soon */
    struct tick check_at;
    struct log_limit refused_limit;
    char bytes[TCP_READ_BYTES];
};

static const uint32_t tcp_none = UINT32_MAX;

/* A token: our tag, whether it is a listener, the slot. */
static uint64_t tcp_token(const struct io_tcp *tcp, bool is_listener, uint32_t slot)
{
    return (uint64_t)tcp->tag << 56 | (uint64_t)is_listener << 32 | slot;
}

static uint64_t tcp_flow(const struct io_tcp *tcp, const struct tcp_connection *connection)
{
    return (uint64_t)connection->generation << 32 | (uint64_t)(connection - tcp->connections);
}

static struct tcp_connection *tcp_find(struct io_tcp *tcp, uint64_t flow)
{
    uint32_t slot = (uint32_t)flow;
    struct tcp_connection *connection;
    if (slot >= tcp->limits.connections_max)
        return NULL;
    connection = &tcp->connections[slot];
    if (connection->fd < 0 || connection->generation != (uint32_t)(flow >> 32))
        return NULL;
    return connection;
}

struct io_tcp *io_tcp_create(struct io_loop *loop, uint8_t tag, const struct io_tcp_limits *limits)
{
    struct io_tcp *tcp = calloc(1, sizeof *tcp);
    if (!tcp)
        return NULL;
    tcp->loop = loop;
    tcp->tag = tag;
    tcp->limits = *limits;
    tcp->pending_first = tcp_none;
    tcp->pending_last = tcp_none;
    tcp->check_at = TICK_NEVER;
    tcp->listeners = calloc(limits->listeners_max, sizeof *tcp->listeners);
    tcp->connections = calloc(limits->connections_max, sizeof *tcp->connections);
    tcp->deferred = calloc(limits->connections_max, sizeof *tcp->deferred);
    if (!tcp->listeners || !tcp->connections || !tcp->deferred) {
        free(tcp->listeners);
        free(tcp->connections);
        free(tcp->deferred);
        free(tcp);
        return NULL;
    }
    for (size_t i = 0; i < limits->listeners_max; i++)
        tcp->listeners[i].fd = -1;
    for (size_t i = 0; i < limits->connections_max; i++)
        tcp->connections[i].fd = -1;
    return tcp;
}

/* ---- what is to be told --------------------------------------------------------------------- */

static void tcp_pend(struct io_tcp *tcp, struct tcp_connection *connection)
{
    uint32_t slot = (uint32_t)(connection - tcp->connections);
    if (connection->pending)
        return;
    connection->pending = true;
    connection->pending_next = tcp_none;
    if (tcp->pending_last == tcp_none)
        tcp->pending_first = slot;
    else
        tcp->connections[tcp->pending_last].pending_next = slot;
    tcp->pending_last = slot;
}

static struct tcp_connection *tcp_unpend(struct io_tcp *tcp)
{
    struct tcp_connection *connection;
    if (tcp->pending_first == tcp_none)
        return NULL;
    connection = &tcp->connections[tcp->pending_first];
    tcp->pending_first = connection->pending_next;
    if (tcp->pending_first == tcp_none)
        tcp->pending_last = tcp_none;
    connection->pending = false;
    return connection;
}

/* Out of the deferred ones: the last takes its place. */
static void tcp_undefer(struct io_tcp *tcp, struct tcp_connection *connection)
{
    if (!connection->deferred)
        return;
    uint32_t last = tcp->deferred[--tcp->deferred_count];
    tcp->deferred[connection->deferred_place] = last;
    tcp->connections[last].deferred_place = connection->deferred_place;
    connection->deferred = false;
}

static void tcp_die(struct io_tcp *tcp, struct tcp_connection *connection,
                    enum io_tcp_reason reason, int error)
{
    if (!connection->dead) {
        connection->dead = true;
        connection->reason = reason;
        connection->error = error;
        tcp_undefer(tcp, connection);
        io_loop_change(tcp->loop, connection->fd, 0,
                       tcp_token(tcp, false, (uint32_t)(connection - tcp->connections)));
    }
    tcp_pend(tcp, connection);
}

static void tcp_free(struct io_tcp *tcp, struct tcp_connection *connection)
{
    uint32_t generation = connection->generation;
    tcp_undefer(tcp, connection);
    io_loop_remove(tcp->loop, connection->fd);
    close(connection->fd);
    free(connection->unsent);
    *connection = (struct tcp_connection){.fd = -1, .generation = generation};
    tcp->connections_count--;
}

void io_tcp_destroy(struct io_tcp *tcp)
{
    if (!tcp)
        return;
    for (size_t i = 0; i < tcp->limits.connections_max; i++) {
        if (tcp->connections[i].fd >= 0)
            tcp_free(tcp, &tcp->connections[i]);
    }
    for (uint32_t i = 0; i < tcp->limits.listeners_max; i++) {
        if (tcp->listeners[i].fd >= 0) {
            io_loop_remove(tcp->loop, tcp->listeners[i].fd);
            close(tcp->listeners[i].fd);
        }
    }
    free(tcp->listeners);
    free(tcp->connections);
    free(tcp->deferred);
    free(tcp);
}

/* ---- listeners ------------------------------------------------------------------------------ */

int io_tcp_listen(struct io_tcp *tcp, const struct addr *local, uint32_t listener,
                  struct addr *bound)
{
    struct sockaddr_storage sa;
    socklen_t sa_len = io_sockaddr_from(local, &sa);
    int on = 1;
    uint32_t slot = 0;
    int fd;
    int error;
    while (slot < tcp->limits.listeners_max && tcp->listeners[slot].fd >= 0)
        slot++;
    if (slot == tcp->limits.listeners_max)
        return ENOSPC;
    fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return errno;
    /* Connections of a former run in TIME_WAIT must not keep us from starting again. */
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        (local->family == ADDR_V6 &&
         setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on) != 0) ||
        setsockopt(fd, local->family == ADDR_V6 ? IPPROTO_IPV6 : IPPROTO_IP,
                   local->family == ADDR_V6 ? IPV6_FREEBIND : IP_FREEBIND, &on, sizeof on) != 0 ||
        bind(fd, (struct sockaddr *)&sa, sa_len) != 0 || listen(fd, TCP_BACKLOG) != 0) {
        goto fail;
    }
    sa_len = sizeof sa;
    if (getsockname(fd, (struct sockaddr *)&sa, &sa_len) != 0)
        goto fail;
    error = io_loop_add(tcp->loop, fd, IO_READ, tcp_token(tcp, true, slot));
    if (error != 0) {
        errno = error;
        goto fail;
    }
    if (bound)
        *bound = io_sockaddr_to((struct sockaddr *)&sa);
    tcp->listeners[slot] = (struct tcp_listener){.fd = fd, .number = listener};
    return 0;
fail:
    error = errno;
    close(fd);
    return error;
}

/* ---- connections ---- */

/* Takes fd over as a new connection; NULL (and fd closed) when there is no slot or no memory. */
static struct tcp_connection *tcp_adopt(struct io_tcp *tcp, struct tick now, int fd,
                                        uint32_t listener, bool outgoing)
{
    uint32_t max = (uint32_t)tcp->limits.connections_max;
    uint32_t slot = tcp->free_hint;
    struct tcp_connection *connection;
    int on = 1, idle_s = TCP_IDLE_S, interval_s = TCP_PROBE_S, count = TCP_PROBES;
    assert(max > 0);
    for (uint32_t tried = 0; tried < max && tcp->connections[slot].fd >= 0; tried++)
        slot = (slot + 1) % max;
    connection = &tcp->connections[slot];
    if (connection->fd >= 0 || io_loop_add(tcp->loop, fd, outgoing ? IO_READ | IO_WRITE : IO_READ,
                                           tcp_token(tcp, false, slot)) != 0) {
        close(fd);
        return NULL;
    }
    /* SIP messages are whole when we send them; waiting for more only delays the answer. Keepalive
     * finds peers that vanished between two long dialogs' requests, and keeps the NATs and
     * firewalls on the way open, whose patience is a few minutes and not the kernel's two hours. */
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof on);
    (void)setsockopt(fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle_s, sizeof idle_s);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval_s, sizeof interval_s);
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &count, sizeof count);
    tcp->free_hint = (slot + 1) % max;
    tcp->connections_count++;
    *connection = (struct tcp_connection){.fd = fd,
                                          .generation = connection->generation + 1,
                                          .listener = listener,
                                          .outgoing = outgoing,
                                          .connecting = outgoing,
                                          .active_at = now};
    if (tick_is_never(tcp->check_at))
        tcp->check_at.ns = now.ns + tcp_check_ns;
    return connection;
}

static bool tcp_learn_local(struct tcp_connection *connection)
{
    struct sockaddr_storage sa;
    socklen_t sa_len = sizeof sa;
    if (getsockname(connection->fd, (struct sockaddr *)&sa, &sa_len) != 0)
        return false;
    connection->local = io_sockaddr_to((struct sockaddr *)&sa);
    return true;
}

static size_t tcp_count_from(const struct io_tcp *tcp, const struct addr *peer)
{
    size_t count = 0;
    for (size_t i = 0; i < tcp->limits.connections_max; i++) {
        const struct tcp_connection *connection = &tcp->connections[i];
        if (connection->fd >= 0 && addr_equal_ip(&connection->peer, peer))
            count++;
    }
    return count;
}

/* An accepted descriptor becomes a flow unless the limits forbid it. */
static void tcp_accepted(struct io_tcp *tcp, struct tick now, const struct tcp_listener *listener,
                         int fd, const struct sockaddr_storage *sa)
{
    struct addr peer = io_sockaddr_to((const struct sockaddr *)sa);
    struct tcp_connection *connection;
    const char *why = NULL;
    if (tcp->connections_count >= tcp->limits.connections_max)
        why = "too_many_connections";
    else if (tcp_count_from(tcp, &peer) >= tcp->limits.connections_per_peer_max)
        why = "too_many_connections_from_this_address";
    if (why) {
        struct addr_text text = addr_print(&peer);
        uint64_t held_back;
        metric_add(METRIC_SIP_CONNECTIONS_REFUSED, 1);
        if (log_limit_pass(&tcp->refused_limit, now, 10000, &held_back)) {
            LOG_WARN("io", VIEW_NONE, "connection refused peer=%s reason=%s held_back=%" PRIu64,
                     text.s, why, held_back);
        }
        close(fd);
        return;
    }
    connection = tcp_adopt(tcp, now, fd, listener->number, false);
    if (!connection)
        return;
    connection->peer = peer;
    if (tcp_learn_local(connection))
        tcp_pend(tcp, connection);
    else
        tcp_free(tcp, connection);
}

static void tcp_accept(struct io_tcp *tcp, struct tick now, uint32_t slot)
{
    struct tcp_listener *listener = &tcp->listeners[slot];
    for (int i = 0; i < TCP_ACCEPTS_MAX && listener->fd >= 0; i++) {
        struct sockaddr_storage sa;
        socklen_t sa_len = sizeof sa;
        int fd =
            accept4(listener->fd, (struct sockaddr *)&sa, &sa_len, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
            tcp_accepted(tcp, now, listener, fd, &sa);
            continue;
        }
        if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) {
            /* The listener stays readable: without a pause we would spin. */
            LOG_ERROR("io", VIEW_NONE, "accept failed error=\"%s\"", strerror(errno));
            listener->paused = true;
            io_loop_change(tcp->loop, listener->fd, 0, tcp_token(tcp, true, slot));
            tcp->check_at = tick_min(tcp->check_at, (struct tick){now.ns + tcp_check_ns});
        }
        if (errno != ECONNABORTED && errno != EINTR && errno != EPROTO)
            return;
    }
}

int io_tcp_connect(struct io_tcp *tcp, struct tick now, uint32_t listener, const struct addr *local,
                   const struct addr *peer, uint64_t *flow)
{
    struct sockaddr_storage sa;
    socklen_t sa_len = io_sockaddr_from(peer, &sa);
    int fd = socket(sa.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct tcp_connection *connection;
    int error;
    if (fd < 0)
        return errno;
    if (local && local->family == peer->family && !addr_is_unspecified(local)) {
        struct sockaddr_storage from;
        struct addr any_port = *local;
        any_port.port = 0;
        socklen_t from_len = io_sockaddr_from(&any_port, &from);
        if (bind(fd, (struct sockaddr *)&from, from_len) != 0) {
            error = errno;
            close(fd);
            return error;
        }
    }
    if (connect(fd, (struct sockaddr *)&sa, sa_len) != 0 && errno != EINPROGRESS) {
        error = errno;
        close(fd);
        return error;
    }
    connection = tcp_adopt(tcp, now, fd, listener, true);
    if (!connection)
        return ENOSPC;
    connection->peer = *peer;
    (void)tcp_learn_local(connection);
    *flow = tcp_flow(tcp, connection);
    return 0;
}

bool io_tcp_find(const struct io_tcp *tcp, const struct addr *peer, uint64_t *flow)
{
    for (size_t i = 0; i < tcp->limits.connections_max; i++) {
        const struct tcp_connection *connection = &tcp->connections[i];
        if (connection->fd >= 0 && !connection->dead && !connection->closing &&
            addr_equal(&connection->peer, peer)) {
            *flow = tcp_flow(tcp, connection);
            return true;
        }
    }
    return false;
}

/* ---- sending -------------------------------------------------------------------------------- */

static void tcp_watch(struct io_tcp *tcp, struct tcp_connection *connection)
{
    bool unsent = connection->unsent_end > connection->unsent_start;
    uint32_t what = connection->deferred ? IO_END : IO_READ;
    if (unsent || connection->connecting)
        what |= IO_WRITE;
    if (!connection->dead) {
        io_loop_change(tcp->loop, connection->fd, what,
                       tcp_token(tcp, false, (uint32_t)(connection - tcp->connections)));
    }
}

static void tcp_flush(struct io_tcp *tcp, struct tick now, struct tcp_connection *connection)
{
    while (connection->unsent_end > connection->unsent_start) {
        ssize_t sent = send(connection->fd, connection->unsent + connection->unsent_start,
                            connection->unsent_end - connection->unsent_start, MSG_NOSIGNAL);
        if (sent < 0) {
            if (errno != EAGAIN && errno != EINTR)
                tcp_die(tcp, connection, IO_TCP_BY_ERROR, errno);
            return;
        }
        connection->unsent_start += (size_t)sent;
        connection->unsent_at = now;
        connection->active_at = now;
    }
    /* A queue is rare; a connection at rest holds no memory for one. */
    free(connection->unsent);
    connection->unsent = NULL;
    connection->unsent_start = connection->unsent_end = connection->unsent_room = 0;
    if (connection->closing)
        tcp_die(tcp, connection, IO_TCP_BY_US, 0);
}

static void tcp_queue(struct io_tcp *tcp, struct tick now, struct tcp_connection *connection,
                      struct view bytes)
{
    size_t used = connection->unsent_end - connection->unsent_start;
    if (used + bytes.len > tcp->limits.unsent_bytes_max) {
        tcp_die(tcp, connection, IO_TCP_BY_OVERFLOW, 0);
        return;
    }
    if (used == 0)
        connection->unsent_at = now;
    if (connection->unsent_start > 0) {
        memmove(connection->unsent, connection->unsent + connection->unsent_start, used);
        connection->unsent_start = 0;
        connection->unsent_end = used;
    }
    if (used + bytes.len > connection->unsent_room) {
        size_t room = (used + bytes.len) * 2;
        char *grown = realloc(connection->unsent, room);
        if (!grown) {
            tcp_die(tcp, connection, IO_TCP_BY_OVERFLOW, ENOMEM);
            return;
        }
        connection->unsent = grown;
        connection->unsent_room = room;
    }
    memcpy(connection->unsent + connection->unsent_end, bytes.at, bytes.len);
    connection->unsent_end += bytes.len;
}

bool io_tcp_send(struct io_tcp *tcp, struct tick now, uint64_t flow, struct view bytes)
{
    struct tcp_connection *connection = tcp_find(tcp, flow);
    if (!connection || connection->dead || connection->closing)
        return false;
    if (!connection->connecting && connection->unsent_end == connection->unsent_start) {
        ssize_t sent = send(connection->fd, bytes.at, bytes.len, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN && errno != EINTR) {
            tcp_die(tcp, connection, IO_TCP_BY_ERROR, errno);
            return true;
        }
        if (sent > 0) {
            connection->active_at = now;
            bytes = (struct view){bytes.at + sent, bytes.len - (size_t)sent};
        }
        if (bytes.len == 0)
            return true;
    }
    tcp_queue(tcp, now, connection, bytes);
    tcp_watch(tcp, connection);
    return true;
}

void io_tcp_close(struct io_tcp *tcp, struct tick now, uint64_t flow)
{
    struct tcp_connection *connection = tcp_find(tcp, flow);
    if (!connection || connection->dead)
        return;
    connection->closing = true;
    if (connection->connecting || connection->unsent_end == connection->unsent_start)
        tcp_die(tcp, connection, IO_TCP_BY_US, 0);
    else
        tcp_flush(tcp, now, connection);
}

void io_tcp_leave(struct io_tcp *tcp)
{
    struct addr last = {0}; /* most connections share one */
    bool here = true;
    for (size_t i = 0; i < tcp->limits.connections_max; i++) {
        struct tcp_connection *connection = &tcp->connections[i];
        if (connection->fd < 0 || connection->outgoing)
            continue;
        if (!addr_equal_ip(&connection->local, &last))
            here = io_udp_is_here(&connection->local);
        last = connection->local;
        if (!here)
            tcp_die(tcp, connection, IO_TCP_BY_ERROR, EADDRNOTAVAIL);
    }
}

/* ---- what the loop says --------------------------------------------------------------------- */

/* Our connect came to an end. */
static void tcp_connected(struct io_tcp *tcp, struct tick now, struct tcp_connection *connection)
{
    int error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(connection->fd, SOL_SOCKET, SO_ERROR, &error, &len) != 0)
        error = errno;
    if (error != 0 || !tcp_learn_local(connection)) {
        tcp_die(tcp, connection, IO_TCP_BY_ERROR, error);
        return;
    }
    connection->connecting = false;
    connection->active_at = now;
    connection->unsent_at = now;
    tcp_flush(tcp, now, connection);
    tcp_watch(tcp, connection);
    tcp_pend(tcp, connection);
}

void io_tcp_ready(struct io_tcp *tcp, struct tick now, const struct io_ready *ready)
{
    uint32_t slot = (uint32_t)ready->token;
    struct tcp_connection *connection;
    if ((ready->token >> 32 & 1) != 0) {
        tcp_accept(tcp, now, slot);
        return;
    }
    connection = &tcp->connections[slot];
    if (connection->fd < 0 || connection->dead)
        return;
    if (connection->connecting) {
        if ((ready->what & (IO_WRITE | IO_FAIL)) != 0)
            tcp_connected(tcp, now, connection);
        return;
    }
    if ((ready->what & IO_WRITE) != 0) {
        tcp_flush(tcp, now, connection);
        tcp_watch(tcp, connection);
    }
    if ((ready->what & (IO_READ | IO_FAIL)) != 0)
        tcp_pend(tcp, connection);
}

static void tcp_check(struct io_tcp *tcp, struct tick now, struct tcp_connection *connection)
{
    const struct io_tcp_limits *limits = &tcp->limits;
    bool unsent = connection->unsent_end > connection->unsent_start;
    int64_t quiet_ns = now.ns - connection->active_at.ns;
    int64_t limit_ns = limits->idle_ns;
    if (connection->connecting)
        limit_ns = limits->connect_ns;
    else if (!connection->outgoing && !connection->heard)
        limit_ns = limits->first_bytes_ns;
    if (quiet_ns >= limit_ns || (unsent && !connection->connecting &&
                                 now.ns - connection->unsent_at.ns >= limits->unsent_ns)) {
        tcp_die(tcp, connection, IO_TCP_BY_IDLE, ETIMEDOUT);
    }
}

void io_tcp_expire(struct io_tcp *tcp, struct tick now)
{
    if (now.ns < tcp->check_at.ns)
        return;
    for (uint32_t i = 0; i < tcp->limits.listeners_max; i++) {
        struct tcp_listener *listener = &tcp->listeners[i];
        if (listener->fd >= 0 && listener->paused) {
            listener->paused = false;
            io_loop_change(tcp->loop, listener->fd, IO_READ, tcp_token(tcp, true, i));
        }
    }
    for (size_t i = 0; i < tcp->limits.connections_max; i++) {
        struct tcp_connection *connection = &tcp->connections[i];
        if (connection->fd >= 0 && !connection->dead)
            tcp_check(tcp, now, connection);
    }
    tcp->check_at = TICK_NEVER;
    if (tcp->connections_count > 0)
        tcp->check_at.ns = now.ns + tcp_check_ns;
}

struct tick io_tcp_deadline(const struct io_tcp *tcp)
{
    return tcp->check_at;
}

static struct io_tcp_event tcp_event_of(const struct io_tcp *tcp,
                                        const struct tcp_connection *connection,
                                        enum io_tcp_what what)
{
    return (struct io_tcp_event){.what = what,
                                 .flow = tcp_flow(tcp, connection),
                                 .listener = connection->listener,
                                 .outgoing = connection->outgoing,
                                 .local = connection->local,
                                 .peer = connection->peer,
                                 .reason = connection->reason,
                                 .error = connection->error};
}

/* ---- sweeps --------------------------------------------------------------------------------- */

void io_tcp_defer(struct io_tcp *tcp, uint64_t flow)
{
    struct tcp_connection *connection = tcp->sweeps ? tcp_find(tcp, flow) : NULL;
    if (!connection || connection->deferred || connection->dead || connection->connecting)
        return;
    connection->deferred = true;
    connection->deferred_place = (uint32_t)tcp->deferred_count;
    tcp->deferred[tcp->deferred_count++] = (uint32_t)(connection - tcp->connections);
    tcp_watch(tcp, connection);
}

static void tcp_watch_again(struct io_tcp *tcp, struct tcp_connection *connection)
{
    tcp_undefer(tcp, connection);
    tcp_watch(tcp, connection);
}

void io_tcp_sweep(struct io_tcp *tcp, bool goes_on)
{
    tcp->sweeps = goes_on;
    for (size_t i = tcp->deferred_count; i-- > 0;) {
        struct tcp_connection *connection = &tcp->connections[tcp->deferred[i]];
        tcp_pend(tcp, connection);
        if (!goes_on)
            tcp_watch_again(tcp, connection);
    }
}

/* ---- events --------------------------------------------------------------------------------- */

/* When the kernel got the newest of what was read. */
static struct wall tcp_arrival(struct msghdr *message)
{
    struct wall at;
    for (struct cmsghdr *control = CMSG_FIRSTHDR(message); control;
         control = CMSG_NXTHDR(message, control)) {
        if (io_clock_stamp(control, &at))
            return at;
    }
    return io_clock_wall();
}

/* Reads once; false: nothing to tell of this connection now. */
static bool tcp_read(struct io_tcp *tcp, struct tick now, struct tcp_connection *connection,
                     struct io_tcp_event *event)
{
    char control[CMSG_SPACE(sizeof(struct timespec))];
    struct iovec vector = {tcp->bytes, sizeof tcp->bytes};
    struct msghdr message = {.msg_iov = &vector,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof control};
    ssize_t got = recvmsg(connection->fd, &message, 0);
    if (got > 0) {
        connection->heard = true;
        connection->active_at = now;
        /* More may wait: others get their turn first. What comes later, a close too, the loop tells. */
        if ((size_t)got == sizeof tcp->bytes)
            tcp_pend(tcp, connection);
        *event = tcp_event_of(tcp, connection, IO_TCP_BYTES);
        event->bytes = (struct view){tcp->bytes, (size_t)got};
        event->at = event->since = tcp_arrival(&message);
        if (connection->deferred && connection->since.ns < event->at.ns)
            event->since = connection->since;
        connection->since = event->at;
        return true;
    }
    if (got == 0)
        tcp_die(tcp, connection, IO_TCP_BY_PEER, 0);
    else if (errno != EAGAIN && errno != EINTR)
        tcp_die(tcp, connection, IO_TCP_BY_ERROR, errno);
    else if (connection->deferred &&
             tick_due(tick_add_ms(connection->active_at, TCP_QUIET_MS), now))
        tcp_watch_again(tcp, connection);
    connection->since = io_clock_wall();
    return false;
}

bool io_tcp_event(struct io_tcp *tcp, struct tick now, struct io_tcp_event *event)
{
    struct tcp_connection *connection;
    while ((connection = tcp_unpend(tcp)) != NULL) {
        if (!connection->announced && !connection->connecting &&
            !(connection->dead && connection->outgoing)) {
            connection->announced = true;
            tcp_pend(tcp, connection);
            *event = tcp_event_of(tcp, connection, IO_TCP_OPENED);
            return true;
        }
        if (connection->dead) {
            *event = tcp_event_of(tcp, connection, IO_TCP_CLOSED);
            tcp_free(tcp, connection);
            return true;
        }
        if (!connection->connecting && tcp_read(tcp, now, connection, event))
            return true;
    }
    return false;
}

size_t io_tcp_connections(const struct io_tcp *tcp)
{
    return tcp->connections_count;
}
