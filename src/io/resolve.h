/* resolve: names of hosts to addresses, by the system's resolver.
 * Not here: when to ask again: names are looked up by threads that may wait (siprecd/asker.h).
 * RFC 6724 (order of addresses), as getaddrinfo(3) has it. */
#ifndef IO_RESOLVE_H
#define IO_RESOLVE_H

#include <stddef.h>

#include "base/addr.h"

/* The addresses of host (a name, or an address itself: then without asking anybody), each with
 * port; at most max of them, in the resolver's order. Returns how many; 0: none, or nobody answers.
 * Waits for as long as the resolver does. */
size_t io_resolve(const char *host, uint16_t port, struct addr *out, size_t max);

#endif
