/* sockaddr: struct addr to the kernel's sockaddr and back, and asking the kernel about addresses.
 * Not here: parsing, printing, classifying addresses (base/addr.h).
 * RFC 3493. */
#include "io/sockaddr.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <string.h>
#include <unistd.h>

socklen_t io_sockaddr_from(const struct addr *addr, struct sockaddr_storage *sa)
{
    if (addr->family == ADDR_V6) {
        struct sockaddr_in6 in6 = {
            .sin6_family = AF_INET6, .sin6_port = htons(addr->port), .sin6_scope_id = addr->scope};
        memcpy(&in6.sin6_addr, addr->ip, 16);
        memcpy(sa, &in6, sizeof in6);
        return sizeof in6;
    }
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(addr->port)};
    memcpy(&in.sin_addr, addr->ip, 4);
    memcpy(sa, &in, sizeof in);
    return sizeof in;
}

struct addr io_sockaddr_to(const struct sockaddr *sa)
{
    struct addr addr = {0};
    if (sa->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, sa, sizeof in6);
        addr.family = ADDR_V6;
        addr.port = ntohs(in6.sin6_port);
        addr.scope = in6.sin6_scope_id;
        memcpy(addr.ip, &in6.sin6_addr, 16);
    } else {
        struct sockaddr_in in;
        memcpy(&in, sa, sizeof in);
        addr.family = ADDR_V4;
        addr.port = ntohs(in.sin_port);
        memcpy(addr.ip, &in.sin_addr, 4);
    }
    return addr;
}

bool io_sockaddr_local_for(const struct addr *peer, struct addr *local)
{
    struct sockaddr_storage sa;
    struct addr target = *peer;
    socklen_t sa_len;
    bool found = false;
    int fd;
    if (target.port == 0) {
        target.port = 9; /* discard: any port but 0 will do */
    }
    sa_len = io_sockaddr_from(&target, &sa);
    fd = socket(sa.ss_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    if (connect(fd, (struct sockaddr *)&sa, sa_len) == 0) {
        sa_len = sizeof sa;
        found = getsockname(fd, (struct sockaddr *)&sa, &sa_len) == 0;
    }
    close(fd);
    if (found) {
        *local = io_sockaddr_to((struct sockaddr *)&sa);
        local->port = 0;
    }
    return found;
}
