/* net: the sockets of a call; see net.h.
 * Not here: what is said over them.
 * RFC 3261 §18. */
#include "tools/siprec-call/net.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/errqueue.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "io/clock.h"
#include "io/sockaddr.h"
#include "tools/siprec-call/message.h"

enum { RENEWALS_MAX = 3 };

bool call_net_resolve(const char *host, uint16_t port, struct addr *out, char *error, size_t size)
{
    if (addr_parse_ip(view_of_string(host), out)) {
        *out = addr_with_port(*out, port);
        return true;
    }
    struct addrinfo hints = {.ai_socktype = SOCK_DGRAM}, *found = NULL;
    int fault = getaddrinfo(host, NULL, &hints, &found);
    if (fault != 0) {
        snprintf(error, size, "%s: %s", host, gai_strerror(fault));
        return false;
    }
    struct sockaddr_storage first = {0};
    memcpy(&first, found->ai_addr, found->ai_addrlen);
    freeaddrinfo(found);
    *out = addr_with_port(io_sockaddr_to((struct sockaddr *)&first), port);
    return addr_is_set(out);
}

static int socket_open(uint8_t family, int type)
{
    return socket(family == ADDR_V6 ? AF_INET6 : AF_INET, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static bool socket_bind(int fd, const struct addr *a)
{
    struct sockaddr_storage sa;
    socklen_t len = io_sockaddr_from(a, &sa);
    return bind(fd, (struct sockaddr *)&sa, len) == 0;
}

static struct addr socket_local(int fd)
{
    struct sockaddr_storage sa = {0};
    socklen_t len = sizeof sa;
    if (getsockname(fd, (struct sockaddr *)&sa, &len) != 0)
        return (struct addr){0};
    return io_sockaddr_to((struct sockaddr *)&sa);
}

int call_net_udp(const struct addr *ip, uint16_t port)
{
    struct addr a = addr_with_port(*ip, port);
    int fd = socket_open(ip->family, SOCK_DGRAM);
    if (fd >= 0 && !socket_bind(fd, &a)) {
        close(fd);
        return -1;
    }
    return fd;
}

bool call_net_pair(struct call_net_range *range, const struct addr *ip, int fds[2], uint16_t *port)
{
    for (unsigned tries = (unsigned)(range->max - range->min) / 2 + 1; tries > 0; tries--) {
        uint16_t at = range->next;
        range->next = at + 3u > range->max ? range->min : (uint16_t)(at + 2);
        fds[0] = call_net_udp(ip, at);
        if (fds[0] < 0 && errno == EMFILE)
            return false;
        if (fds[0] < 0)
            continue;
        fds[1] = call_net_udp(ip, (uint16_t)(at + 1));
        if (fds[1] >= 0) {
            *port = at;
            return true;
        }
        close(fds[0]);
    }
    return false;
}

static bool connection_wait(int fd, int timeout_ms)
{
    struct pollfd ready = {.fd = fd, .events = POLLOUT};
    if (poll(&ready, 1, timeout_ms) != 1) {
        errno = ETIMEDOUT;
        return false;
    }
    int fault = 0;
    socklen_t len = sizeof fault;
    if (getsockopt(fd, SOL_SOCKET, SO_ERROR, &fault, &len) != 0 || fault != 0) {
        errno = fault;
        return false;
    }
    return true;
}

/* True also while it is being opened. */
static bool wire_connect(struct call_wire *wire)
{
    struct sockaddr_storage sa;
    socklen_t len = io_sockaddr_from(&wire->peer, &sa);
    int on = 1;
    (void)setsockopt(wire->fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return connect(wire->fd, (struct sockaddr *)&sa, len) == 0 || errno == EINPROGRESS;
}

/* Without it the SRS has no way to us once the connection is gone, as without a Contact. */
static void wire_listen(struct call_wire *wire)
{
    int on = 1;
    wire->listener = socket_open(wire->local.family, SOCK_STREAM);
    if (wire->listener >= 0 &&
        setsockopt(wire->listener, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
        socket_bind(wire->listener, &wire->local) && listen(wire->listener, 8) == 0)
        return;
    if (wire->listener >= 0)
        close(wire->listener);
    wire->listener = -1;
}

const char *call_transport_name(enum call_transport transport)
{
    static const char *const names[] = {"udp", "tcp", "tls"};
    return names[transport];
}

const char *call_transport_parameter(enum call_transport transport)
{
    static const char *const parameters[] = {"", ";transport=tcp", ";transport=tls"};
    return parameters[transport];
}

bool call_wire_open(struct call_wire *wire, const struct addr *local,
                    const struct call_secure_options *secure, int timeout_ms, char *error,
                    size_t size)
{
    struct addr peer = wire->peer;
    int on = 1, bytes = 4 * 1024 * 1024;
    wire->fd = socket_open(peer.family, wire->transport == CALL_UDP ? SOCK_DGRAM : SOCK_STREAM);
    wire->in = malloc(LIMIT_SIP_MESSAGE + 1);
    wire->listener = -1;
    if (wire->fd >= 0 && wire->transport == CALL_TCP)
        (void)setsockopt(wire->fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    bool good = wire->fd >= 0 && wire->in && socket_bind(wire->fd, local);
    if (good && wire->transport != CALL_UDP)
        good = wire_connect(wire) && connection_wait(wire->fd, timeout_ms);
    if (good && wire->transport == CALL_UDP) {
        /* An unconnected socket hears of refused ports only so; connected it would not hear an SRS
         * that speaks from another address. */
        (void)setsockopt(wire->fd, peer.family == ADDR_V6 ? IPPROTO_IPV6 : IPPROTO_IP,
                         peer.family == ADDR_V6 ? IPV6_RECVERR : IP_RECVERR, &on, sizeof on);
        (void)setsockopt(wire->fd, SOL_SOCKET, SO_RCVBUF, &bytes, sizeof bytes);
        (void)setsockopt(wire->fd, SOL_SOCKET, SO_TIMESTAMPNS, &on, sizeof on);
    }
    if (!good) {
        struct addr_text text = addr_print(&peer);
        snprintf(error, size, "%s: %s", text.s, strerror(errno));
        call_wire_close(wire);
        return false;
    }
    if (wire->transport == CALL_TLS) {
        wire->secure = call_secure_open(wire->fd, secure, timeout_ms, error, size);
        if (!wire->secure) {
            call_wire_close(wire);
            return false;
        }
    }
    wire->local = socket_local(wire->fd);
    if (wire->transport == CALL_TCP)
        wire_listen(wire);
    return true;
}

void call_wire_close(struct call_wire *wire)
{
    call_secure_close(wire->secure);
    wire->secure = NULL;
    if (wire->fd >= 0)
        close(wire->fd);
    if (wire->listener >= 0)
        close(wire->listener);
    wire->fd = wire->listener = -1;
    free(wire->in);
    free(wire->out);
    free(wire->last);
    wire->in = wire->out = wire->last = NULL;
}

/* What waits whole, since no connection stood, is for the new one; of what an old one was given who knows how much
 * arrived. */
static void wire_replace(struct call_wire *wire, int fd)
{
    close(wire->fd);
    wire->fd = fd;
    wire->fault = 0;
    wire->in_len = wire->in_used = 0;
    if (!wire->is_opening)
        wire->out_len = 0;
    wire->is_opening = false;
}

static bool wire_reopen(struct call_wire *wire, struct tick now, int timeout_ms)
{
    if (wire->transport != CALL_TCP || !wire->last || wire->renewals == RENEWALS_MAX)
        return false;
    int fd = socket_open(wire->peer.family, SOCK_STREAM);
    if (fd < 0)
        return false;
    wire->renewals++;
    wire->broken = wire->fault;
    wire_replace(wire, fd);
    wire->until = tick_add_ms(now, timeout_ms);
    wire->is_opening = wire_connect(wire);
    if (wire->is_opening)
        call_wire_send(wire, &wire->peer, view_of(wire->last, wire->last_len));
    else
        wire->fault = wire->broken;
    return true;
}

bool call_wire_renew(struct call_wire *wire, struct tick now, int timeout_ms)
{
    int fd = wire->listener >= 0 ? accept4(wire->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)
                                 : -1;
    if (fd >= 0) {
        wire_replace(wire, fd);
        return true;
    }
    if (wire->is_opening && (wire->fault || tick_due(wire->until, now))) {
        wire->fault = wire->broken;
        wire->is_opening = false;
        return false;
    }
    return wire->fault && wire_reopen(wire, now, timeout_ms);
}

bool call_wire_is_pending(const struct call_wire *wire)
{
    return wire->out_len > 0;
}

struct tick call_wire_deadline(const struct call_wire *wire)
{
    return wire->is_opening ? wire->until : TICK_NEVER;
}

/* Gives the kernel what it takes; the rest waits. */
static void stream_flush(struct call_wire *wire)
{
    size_t done = 0;
    while (done < wire->out_len) {
        ssize_t n = wire->secure
                        ? call_secure_send(wire->secure, wire->out + done, wire->out_len - done)
                        : send(wire->fd, wire->out + done, wire->out_len - done, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0) {
            if (errno != EAGAIN)
                wire->fault = errno;
            break;
        }
        done += (size_t)n;
        wire->is_opening = false;
    }
    memmove(wire->out, wire->out + done, wire->out_len - done);
    wire->out_len -= done;
}

static void keep_last(struct call_wire *wire, struct view bytes)
{
    if (wire->listener < 0 || bytes.at == wire->last)
        return;
    char *copy = realloc(wire->last, bytes.len + 1);
    if (!copy)
        return;
    memcpy(copy, bytes.at, bytes.len);
    wire->last = copy;
    wire->last_len = bytes.len;
}

void call_wire_send(struct call_wire *wire, const struct addr *to, struct view bytes)
{
    if (wire->fault && wire->transport != CALL_UDP)
        return;
    if (wire->transport == CALL_UDP) {
        struct sockaddr_storage sa;
        socklen_t len = io_sockaddr_from(to, &sa);
        /* An error here is an earlier datagram's (IP_RECVERR): once more sends this one. */
        for (int i = 0; i < 2; i++) {
            if (sendto(wire->fd, bytes.at, bytes.len, 0, (struct sockaddr *)&sa, len) >= 0)
                return;
        }
        if (errno != EAGAIN)
            wire->fault = errno;
        return;
    }
    if (wire->out_len + bytes.len > wire->out_size) {
        size_t size = (wire->out_len + bytes.len) * 2;
        char *grown = realloc(wire->out, size);
        if (!grown) {
            wire->fault = ENOMEM;
            return;
        }
        wire->out = grown;
        wire->out_size = size;
    }
    memcpy(wire->out + wire->out_len, bytes.at, bytes.len);
    wire->out_len += bytes.len;
    keep_last(wire, bytes);
    stream_flush(wire);
}

/* ICMP errors of datagrams sent earlier. */
static void errors_drain(struct call_wire *wire)
{
    char control[512], byte;
    struct iovec iov = {&byte, 1};
    for (;;) {
        struct msghdr m = {.msg_iov = &iov,
                           .msg_iovlen = 1,
                           .msg_control = control,
                           .msg_controllen = sizeof control};
        if (recvmsg(wire->fd, &m, MSG_ERRQUEUE) < 0)
            return;
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
            if ((c->cmsg_level == IPPROTO_IP && c->cmsg_type == IP_RECVERR) ||
                (c->cmsg_level == IPPROTO_IPV6 && c->cmsg_type == IPV6_RECVERR))
                wire->fault =
                    (int)((const struct sock_extended_err *)(const void *)CMSG_DATA(c))->ee_errno;
        }
    }
}

/* When the kernel took a datagram; now when it does not say. */
static struct wall arrival_of(struct msghdr *m)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        struct timespec at;
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_TIMESTAMPNS)
            continue;
        memcpy(&at, CMSG_DATA(c), sizeof at);
        return (struct wall){(int64_t)at.tv_sec * NS_PER_S + at.tv_nsec};
    }
    return io_clock_wall();
}

static bool datagram_receive(struct call_wire *wire, char **bytes, size_t *len, struct addr *from)
{
    for (int tries = 0; tries < 16; tries++) {
        struct sockaddr_storage sa = {0};
        char control[256];
        struct iovec iov = {wire->in, LIMIT_SIP_MESSAGE};
        struct msghdr m = {.msg_name = &sa,
                           .msg_namelen = sizeof sa,
                           .msg_iov = &iov,
                           .msg_iovlen = 1,
                           .msg_control = control,
                           .msg_controllen = sizeof control};
        ssize_t n = recvmsg(wire->fd, &m, 0);
        if (n >= 0) {
            *bytes = wire->in;
            *len = (size_t)n;
            *from = io_sockaddr_to((struct sockaddr *)&sa);
            wire->received = arrival_of(&m);
            return true;
        }
        if (errno == EAGAIN) {
            errors_drain(wire);
            return false;
        }
        if (errno != EINTR)
            errors_drain(wire);
    }
    return false;
}

bool call_wire_receive(struct call_wire *wire, char **bytes, size_t *len, struct addr *from)
{
    if (wire->transport == CALL_UDP)
        return datagram_receive(wire, bytes, len, from);
    if (wire->out_len > 0)
        stream_flush(wire);
    memmove(wire->in, wire->in + wire->in_used, wire->in_len - wire->in_used);
    wire->in_len -= wire->in_used;
    wire->in_used = 0;
    for (;;) {
        bool broken = false;
        size_t frame = call_message_frame(view_of(wire->in, wire->in_len), &broken);
        if (frame > 0) {
            size_t lead = 0;
            while (wire->in[lead] == '\r' || wire->in[lead] == '\n')
                lead++;
            *bytes = wire->in + lead;
            *len = frame - lead;
            *from = wire->peer;
            wire->received = io_clock_wall();
            wire->in_used = frame;
            return true;
        }
        if (broken || wire->in_len >= LIMIT_SIP_MESSAGE) {
            wire->fault = EBADMSG;
            return false;
        }
        char *room = wire->in + wire->in_len;
        size_t left = LIMIT_SIP_MESSAGE - wire->in_len;
        ssize_t n = wire->secure ? call_secure_receive(wire->secure, room, left)
                                 : recv(wire->fd, room, left, 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            if (n == 0 || errno != EAGAIN)
                wire->fault = n == 0 ? ECONNRESET : errno;
            return false;
        }
        wire->in_len += (size_t)n;
    }
}
