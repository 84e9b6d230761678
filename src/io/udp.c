/* udp: UDP sockets: opening them as siprecd needs them, and sending from a given local address.
 * Not here: choosing ports (ports.h), receiving (batch.h, sweep.h).
 * RFC 3493 (IPv6 API), 3542 (packet information). */
#include "io/udp.h"

#include <errno.h>
#include <netinet/in.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "io/sockaddr.h"

static bool udp_option(int fd, int level, int name, int value)
{
    return setsockopt(fd, level, name, &value, sizeof value) == 0;
}

static bool udp_configure(int fd, const struct addr *local, const struct io_udp_options *options)
{
    bool ok = true;
    if (local->family == ADDR_V6)
        ok = ok && udp_option(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    if (options->may_come && local->family == ADDR_V6)
        ok = ok && udp_option(fd, IPPROTO_IPV6, IPV6_FREEBIND, 1);
    else if (options->may_come)
        ok = ok && udp_option(fd, IPPROTO_IP, IP_FREEBIND, 1);
    if (options->reuse)
        ok = ok && udp_option(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (options->want_local && local->family == ADDR_V6)
        ok = ok && udp_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, 1);
    else if (options->want_local)
        ok = ok && udp_option(fd, IPPROTO_IP, IP_PKTINFO, 1);
    if (options->want_errors && local->family == ADDR_V6)
        ok = ok && udp_option(fd, IPPROTO_IPV6, IPV6_RECVERR, 1);
    else if (options->want_errors)
        ok = ok && udp_option(fd, IPPROTO_IP, IP_RECVERR, 1);
    ok = ok && udp_option(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
    ok = ok && udp_option(fd, SOL_SOCKET, SO_RXQ_OVFL, 1);
    if (options->receive_buffer > 0 &&
        !udp_option(fd, SOL_SOCKET, SO_RCVBUFFORCE, options->receive_buffer)) {
        /* Without CAP_NET_ADMIN the kernel silently gives at most net.core.rmem_max. */
        ok = ok && udp_option(fd, SOL_SOCKET, SO_RCVBUF, options->receive_buffer);
    }
    return ok;
}

int io_udp_open(const struct addr *local, const struct io_udp_options *options, struct addr *bound)
{
    struct sockaddr_storage sa;
    socklen_t sa_len = io_sockaddr_from(local, &sa);
    int fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    int saved;
    if (fd < 0)
        return -1;
    if (!udp_configure(fd, local, options) || bind(fd, (struct sockaddr *)&sa, sa_len) != 0)
        goto fail;
    if (bound) {
        sa_len = sizeof sa;
        if (getsockname(fd, (struct sockaddr *)&sa, &sa_len) != 0)
            goto fail;
        *bound = io_sockaddr_to((struct sockaddr *)&sa);
    }
    return fd;
fail:
    saved = errno;
    close(fd);
    errno = saved;
    return -1;
}

bool io_udp_is_here(const struct addr *local)
{
    struct sockaddr_storage sa;
    struct addr any_port = addr_with_port(*local, 0);
    socklen_t sa_len = io_sockaddr_from(&any_port, &sa);
    int fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    /* Whatever else goes wrong says nothing of the address. */
    bool here = fd < 0 || bind(fd, (struct sockaddr *)&sa, sa_len) == 0 || errno != EADDRNOTAVAIL;
    if (fd >= 0)
        close(fd);
    return here;
}

int io_udp_receive_buffer(int fd)
{
    int value = 0;
    socklen_t len = sizeof value;
    return getsockopt(fd, SOL_SOCKET, SO_RCVBUF, &value, &len) == 0 ? value : 0;
}

int io_udp_connect(int fd, const struct addr *peer)
{
    struct sockaddr_storage sa;
    socklen_t sa_len = io_sockaddr_from(peer, &sa);
    return connect(fd, (struct sockaddr *)&sa, sa_len) == 0 ? 0 : errno;
}

/* One more thing to say about a message, behind what its control buffer, zeroed, says already. */
static void udp_say(struct msghdr *message, int level, int type, const void *what, size_t size)
{
    struct cmsghdr *control =
        (struct cmsghdr *)(void *)((char *)message->msg_control + message->msg_controllen);
    control->cmsg_level = level;
    control->cmsg_type = type;
    control->cmsg_len = CMSG_LEN(size);
    memcpy(CMSG_DATA(control), what, size);
    message->msg_controllen += CMSG_SPACE(size);
}

static void udp_set_source(struct msghdr *message, const struct addr *local)
{
    if (local->family == ADDR_V6) {
        struct in6_pktinfo info = {0};
        memcpy(&info.ipi6_addr, local->ip, 16);
        udp_say(message, IPPROTO_IPV6, IPV6_PKTINFO, &info, sizeof info);
    } else {
        struct in_pktinfo info = {0};
        memcpy(&info.ipi_spec_dst, local->ip, 4);
        udp_say(message, IPPROTO_IP, IP_PKTINFO, &info, sizeof info);
    }
}

static void udp_set_hops(struct msghdr *message, const struct addr *peer, uint8_t hops)
{
    int value = hops;
    if (peer->family == ADDR_V6)
        udp_say(message, IPPROTO_IPV6, IPV6_HOPLIMIT, &value, sizeof value);
    else
        udp_say(message, IPPROTO_IP, IP_TTL, &value, sizeof value);
}

int io_udp_send_near(int fd, const struct addr *local, const struct addr *peer, struct view bytes,
                     uint8_t hops)
{
    _Alignas(struct cmsghdr) unsigned char
        control[CMSG_SPACE(sizeof(struct in6_pktinfo)) + CMSG_SPACE(sizeof(int))] = {0};
    struct sockaddr_storage sa;
    struct iovec vector = {.iov_base = (void *)(uintptr_t)bytes.at, .iov_len = bytes.len};
    struct msghdr message = {.msg_iov = &vector, .msg_iovlen = 1, .msg_control = control};
    if (peer) {
        message.msg_name = &sa;
        message.msg_namelen = io_sockaddr_from(peer, &sa);
    }
    if (hops)
        udp_set_hops(&message, peer, hops);
    size_t without_source = message.msg_controllen;
    if (local && addr_is_set(local) && !addr_is_unspecified(local))
        udp_set_source(&message, local);
    if (sendmsg(fd, &message, MSG_NOSIGNAL) >= 0)
        return 0;
    /* What the kernel says of a source that it does not have: it may be one that only others have
     * (nat.internal_ip on a container's host), or went a moment ago. */
    if ((errno != EINVAL && errno != ENETUNREACH) || message.msg_controllen == without_source)
        return errno;
    message.msg_controllen = without_source;
    return sendmsg(fd, &message, MSG_NOSIGNAL) >= 0 ? 0 : errno;
}

int io_udp_send(int fd, const struct addr *local, const struct addr *peer, struct view bytes)
{
    return io_udp_send_near(fd, local, peer, bytes, 0);
}

int io_udp_want_local(int fd, uint8_t family, bool want)
{
    bool ok = family == ADDR_V6 ? udp_option(fd, IPPROTO_IPV6, IPV6_RECVPKTINFO, want)
                                : udp_option(fd, IPPROTO_IP, IP_PKTINFO, want);
    return ok ? 0 : errno;
}

bool io_udp_receive(int fd, char *buffer, size_t size, struct view *bytes, struct addr *from)
{
    for (;;) {
        struct sockaddr_storage sa;
        socklen_t sa_len = sizeof sa;
        ssize_t got = recvfrom(fd, buffer, size, 0, (struct sockaddr *)&sa, &sa_len);
        /* An ICMP error of an earlier packet stands before the next datagram. */
        if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK || errno == EBADF))
            return false;
        if (got < 0)
            continue;
        *bytes = view_of(buffer, (size_t)got);
        *from = io_sockaddr_to((struct sockaddr *)&sa);
        return true;
    }
}
