/* netlink: what addresses, links and routes the machine has, and news when they change.
 * Not here: what follows from it (siprecd/surveyor.h), changing anything.
 * RFC: none (rtnetlink(7)). */
#ifndef IO_NETLINK_H
#define IO_NETLINK_H

#include <stddef.h>

#include "base/addr.h"

enum {
    IO_LINKS_MAX =
        64, /* a host with more (containers) has its bridges and veths cut, not its cards:
                          those have the lowest indices */
    IO_LINK_ADDRESSES = 32,
    IO_LINK_NAME_SIZE = 16,
};

struct io_link {
    uint32_t index;
    char name[IO_LINK_NAME_SIZE];
    char kind[IO_LINK_NAME_SIZE]; /* "bridge", "veth", "wireguard", ...; "": a network card */
    bool is_up;                   /* and something is at the other end */
    bool is_loopback;
    size_t count;
    struct addr addresses[IO_LINK_ADDRESSES]; /* port 0; tentative and failed ones are left out */
};

struct io_links {
    size_t count;
    bool is_cut; /* there are more links or addresses than these */
    /* Of every address and its link, those that were cut too: as long as it is the same they are. */
    uint64_t fingerprint;
    struct io_link list[IO_LINKS_MAX];
};

/* All of them, as they are now. 0 or an errno. Takes a millisecond or two. */
WARN_UNUSED int io_netlink_links(struct io_links *out);

struct io_route {
    struct addr source;  /* what we would send from; port 0 */
    struct addr gateway; /* the next hop; not set: peer is on the link itself */
    uint32_t link;
};

/* The route to peer as the kernel would take it now, rules and all, for what leaves from source (NULL:
 * whatever it chooses). 0 or an errno (ENETUNREACH: none; EINVAL: an IPv4 source that is
 * not of this host; with one of IPv6 the kernel does not mind). */
WARN_UNUSED int io_netlink_route(const struct addr *peer, const struct addr *source,
                                 struct io_route *out);

/* A descriptor that is readable when addresses, links, routes or rules have changed; -1 with errno.
 */
WARN_UNUSED int io_netlink_open(void);
/* Reads what stands in it; true when something did change. */
bool io_netlink_drain(int fd);

#endif
