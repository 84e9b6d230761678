/* netlink: what addresses, links and routes the machine has, and news when they change.
 * Not here: what follows from it (siprecd/surveyor.h), changing anything.
 * RFC: none (rtnetlink(7)). */
#include "io/netlink.h"

#include <errno.h>
#include <linux/if_addr.h>
#include <linux/if_link.h>
#include <linux/rtnetlink.h>
#include <net/if.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/map.h"

enum {
    NETLINK_BUFFER = 32768, /* what the kernel puts into one message of a dump at most */
    NETLINK_WAIT_S = 1,     /* it answers at once; a lost answer must not stop the caller */
};

/* An errno when the exchange failed, else 0; each message of the answer goes to take. */
typedef void netlink_take(const struct nlmsghdr *message, void *context);

static int netlink_receive(int fd, uint32_t sequence, bool dump, netlink_take *take, void *context)
{
    _Alignas(struct nlmsghdr) char buffer[NETLINK_BUFFER];
    for (;;) {
        ssize_t got = recv(fd, buffer, sizeof buffer, 0);
        size_t left = got > 0 ? (size_t)got : 0;
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got < 0 ? errno : EIO;
        for (struct nlmsghdr *m = (struct nlmsghdr *)buffer; NLMSG_OK(m, left);
             m = NLMSG_NEXT(m, left)) {
            if (m->nlmsg_seq != sequence)
                continue;
            if (m->nlmsg_type == NLMSG_DONE)
                return 0;
            if (m->nlmsg_type == NLMSG_ERROR)
                return -((const struct nlmsgerr *)NLMSG_DATA(m))->error;
            take(m, context);
            if (!dump)
                return 0;
        }
    }
}

/* Sends one request on a socket of its own and takes the answer in. */
static int netlink_ask(struct nlmsghdr *request, netlink_take *take, void *context)
{
    struct timeval wait = {.tv_sec = NETLINK_WAIT_S};
    bool dump = (request->nlmsg_flags & NLM_F_DUMP) == NLM_F_DUMP;
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_ROUTE);
    int error;
    if (fd < 0)
        return errno;
    (void)setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &wait, sizeof wait);
    request->nlmsg_seq = 1;
    if (send(fd, request, request->nlmsg_len, 0) < 0)
        error = errno;
    else
        error = netlink_receive(fd, 1, dump, take, context);
    close(fd);
    return error;
}

/* The attribute of that type, or NULL. */
static const struct rtattr *netlink_find(const struct rtattr *first, size_t len, unsigned type)
{
    for (const struct rtattr *a = first; RTA_OK(a, len); a = RTA_NEXT(a, len)) {
        if ((a->rta_type & NLA_TYPE_MASK) == type)
            return a;
    }
    return NULL;
}

static struct addr netlink_address(const struct rtattr *a)
{
    struct addr addr = {0};
    if (!a || (RTA_PAYLOAD(a) != 4 && RTA_PAYLOAD(a) != 16))
        return addr;
    addr.family = RTA_PAYLOAD(a) == 4 ? ADDR_V4 : ADDR_V6;
    memcpy(addr.ip, RTA_DATA(a), RTA_PAYLOAD(a));
    return addr;
}

static void netlink_text(const struct rtattr *a, char out[IO_LINK_NAME_SIZE])
{
    if (a)
        (void)view_copy(view_of(RTA_DATA(a), strnlen(RTA_DATA(a), RTA_PAYLOAD(a))), out,
                        IO_LINK_NAME_SIZE);
}

/* ---- links and addresses -------------------------------------------------------------------- */

static void netlink_take_link(const struct nlmsghdr *m, void *context)
{
    struct io_links *links = context;
    const struct ifinfomsg *info = NLMSG_DATA(m);
    size_t len = IFLA_PAYLOAD(m);
    const struct rtattr *linkinfo;
    struct io_link *link;
    if (m->nlmsg_type != RTM_NEWLINK)
        return;
    links->is_cut = links->is_cut || links->count == IO_LINKS_MAX;
    if (links->count == IO_LINKS_MAX)
        return;
    link = &links->list[links->count++];
    *link = (struct io_link){.index = (uint32_t)info->ifi_index,
                             .is_up = (info->ifi_flags & IFF_UP) && (info->ifi_flags & IFF_RUNNING),
                             .is_loopback = (info->ifi_flags & IFF_LOOPBACK) != 0};
    netlink_text(netlink_find(IFLA_RTA(info), len, IFLA_IFNAME), link->name);
    linkinfo = netlink_find(IFLA_RTA(info), len, IFLA_LINKINFO);
    if (linkinfo)
        netlink_text(netlink_find(RTA_DATA(linkinfo), RTA_PAYLOAD(linkinfo), IFLA_INFO_KIND),
                     link->kind);
    /* tun and tap devices of old kernels say nothing about their kind, but have no hardware. */
    if (link->kind[0] == '\0' && !link->is_loopback && (info->ifi_flags & IFF_POINTOPOINT))
        strcpy(link->kind, "pointopoint");
}

/* The kernel's order is of no account. */
static void netlink_add_fingerprint(struct io_links *links, uint32_t link, const struct addr *addr)
{
    static const uint8_t no_secret[16];
    struct {
        uint32_t link;
        uint8_t ip[16];
    } one = {.link = link};
    memcpy(one.ip, addr->ip, sizeof one.ip);
    links->fingerprint += map_siphash(no_secret, view_of((const char *)&one, sizeof one));
}

static void netlink_take_address(const struct nlmsghdr *m, void *context)
{
    struct io_links *links = context;
    const struct ifaddrmsg *info = NLMSG_DATA(m);
    size_t len = IFA_PAYLOAD(m);
    const struct rtattr *a = netlink_find(IFA_RTA(info), len, IFA_LOCAL);
    const struct rtattr *flags_are = netlink_find(IFA_RTA(info), len, IFA_FLAGS);
    uint32_t flags = info->ifa_flags;
    struct addr addr;
    if (m->nlmsg_type != RTM_NEWADDR)
        return;
    addr = netlink_address(a ? a : netlink_find(IFA_RTA(info), len, IFA_ADDRESS));
    if (flags_are && RTA_PAYLOAD(flags_are) == sizeof flags)
        memcpy(&flags, RTA_DATA(flags_are), sizeof flags);
    if (!addr_is_set(&addr) || (flags & (IFA_F_TENTATIVE | IFA_F_DADFAILED)))
        return;
    if (addr_is_link_local(&addr) && addr.family == ADDR_V6)
        addr.scope = info->ifa_index;
    netlink_add_fingerprint(links, info->ifa_index, &addr);
    for (size_t i = 0; i < links->count; i++) {
        struct io_link *link = &links->list[i];
        if (link->index != info->ifa_index)
            continue;
        links->is_cut = links->is_cut || link->count == IO_LINK_ADDRESSES;
        if (link->count < IO_LINK_ADDRESSES)
            link->addresses[link->count++] = addr;
    }
}

int io_netlink_links(struct io_links *out)
{
    struct {
        struct nlmsghdr header;
        struct ifinfomsg body;
    } links = {.header = {.nlmsg_len = sizeof links,
                          .nlmsg_type = RTM_GETLINK,
                          .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP}};
    struct {
        struct nlmsghdr header;
        struct ifaddrmsg body;
    } addresses = {.header = {.nlmsg_len = sizeof addresses,
                              .nlmsg_type = RTM_GETADDR,
                              .nlmsg_flags = NLM_F_REQUEST | NLM_F_DUMP}};
    int error;
    out->count = 0;
    out->is_cut = false;
    out->fingerprint = 0;
    error = netlink_ask(&links.header, netlink_take_link, out);
    return error ? error : netlink_ask(&addresses.header, netlink_take_address, out);
}

/* ---- routes --------------------------------------------------------------------------------- */

static void netlink_take_route(const struct nlmsghdr *m, void *context)
{
    struct io_route *route = context;
    const struct rtmsg *info = NLMSG_DATA(m);
    size_t len = RTM_PAYLOAD(m);
    const struct rtattr *out = netlink_find(RTM_RTA(info), len, RTA_OIF);
    const struct rtattr *via = netlink_find(RTM_RTA(info), len, RTA_VIA);
    if (m->nlmsg_type != RTM_NEWROUTE)
        return;
    route->source = netlink_address(netlink_find(RTM_RTA(info), len, RTA_PREFSRC));
    route->gateway = netlink_address(netlink_find(RTM_RTA(info), len, RTA_GATEWAY));
    /* IPv4 through an IPv6 next hop (RFC 5549): nobody there whom an IPv4 protocol could ask. */
    if (via)
        route->gateway = (struct addr){0};
    if (out)
        memcpy(&route->link, RTA_DATA(out), sizeof route->link);
    if (addr_is_link_local(&route->gateway) && route->gateway.family == ADDR_V6)
        route->gateway.scope = route->link;
}

static void netlink_put_address(struct nlmsghdr *header, unsigned short type,
                                const struct addr *addr)
{
    unsigned short len = addr->family == ADDR_V6 ? 16 : 4;
    struct rtattr *attribute = (void *)((char *)header + NLMSG_ALIGN(header->nlmsg_len));
    attribute->rta_type = type;
    attribute->rta_len = (unsigned short)RTA_LENGTH(len);
    memcpy(RTA_DATA(attribute), addr->ip, len);
    header->nlmsg_len = NLMSG_ALIGN(header->nlmsg_len) + attribute->rta_len;
}

int io_netlink_route(const struct addr *peer, const struct addr *source, struct io_route *out)
{
    struct {
        struct nlmsghdr header;
        struct rtmsg body;
        uint8_t attributes[2 * RTA_SPACE(16)];
    } request = {.header = {.nlmsg_len = NLMSG_LENGTH(sizeof(struct rtmsg)),
                            .nlmsg_type = RTM_GETROUTE,
                            .nlmsg_flags = NLM_F_REQUEST},
                 .body = {.rtm_family = peer->family == ADDR_V6 ? AF_INET6 : AF_INET}};
    unsigned char bits = peer->family == ADDR_V6 ? 128 : 32;
    int error;
    request.body.rtm_dst_len = bits;
    netlink_put_address(&request.header, RTA_DST, peer);
    if (source) {
        request.body.rtm_src_len = bits;
        netlink_put_address(&request.header, RTA_SRC, source);
    }
    *out = (struct io_route){0};
    error = netlink_ask(&request.header, netlink_take_route, out);
    if (source)
        out->source = addr_with_port(*source, 0);
    if (!error && (!addr_is_set(&out->source) || out->link == 0))
        error = ENETUNREACH;
    return error;
}

/* ---- news ----------------------------------------------------------------------------------- */

int io_netlink_open(void)
{
    struct sockaddr_nl address = {.nl_family = AF_NETLINK,
                                  .nl_groups = RTMGRP_LINK | RTMGRP_IPV4_IFADDR |
                                               RTMGRP_IPV6_IFADDR | RTMGRP_IPV4_ROUTE |
                                               RTMGRP_IPV6_ROUTE | RTMGRP_IPV4_RULE};
    int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_ROUTE);
    if (fd < 0)
        return -1;
    if (bind(fd, (struct sockaddr *)&address, sizeof address) != 0) {
        int error = errno;
        close(fd);
        errno = error;
        return -1;
    }
    return fd;
}

bool io_netlink_drain(int fd)
{
    char buffer[NETLINK_BUFFER];
    bool any = false;
    for (;;) {
        ssize_t got = recv(fd, buffer, sizeof buffer, 0);
        /* ENOBUFS: more happened than there was room for. */
        if (got > 0 || (got < 0 && errno == ENOBUFS))
            any = true;
        else if (got >= 0 || errno != EINTR)
            return any;
    }
}
