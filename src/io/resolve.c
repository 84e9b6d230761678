/* resolve: names of hosts to addresses, by the system's resolver.
 * Not here: when to ask again.
 * RFC 6724 (order of addresses), as getaddrinfo(3) has it. */
#include "io/resolve.h"

#include <netdb.h>
#include <sys/socket.h>

#include "io/sockaddr.h"

size_t io_resolve(const char *host, uint16_t port, struct addr *out, size_t max)
{
    struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_DGRAM};
    struct addrinfo *found = NULL;
    size_t count = 0;
    if (max > 0 && addr_parse_ip(view_of_string(host), out)) {
        out->port = port;
        return 1;
    }
    if (getaddrinfo(host, NULL, &hints, &found) != 0)
        return 0;
    for (const struct addrinfo *at = found; at && count < max; at = at->ai_next) {
        if (at->ai_family == AF_INET || at->ai_family == AF_INET6)
            out[count++] = addr_with_port(addr_unmap(io_sockaddr_to(at->ai_addr)), port);
    }
    freeaddrinfo(found);
    return count;
}
