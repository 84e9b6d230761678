/* sockaddr: struct addr to the kernel's sockaddr and back, and asking the kernel about addresses.
 * Not here: parsing, printing, classifying addresses (base/addr.h).
 * RFC 3493. */
#ifndef IO_SOCKADDR_H
#define IO_SOCKADDR_H

#include <stdbool.h>
#include <sys/socket.h>

#include "base/addr.h"

/* Fills sa from addr; returns its length. */
socklen_t io_sockaddr_from(const struct addr *addr, struct sockaddr_storage *sa);

/* The address in sa, which must be of AF_INET or AF_INET6. An IPv4-mapped IPv6 address comes back
 * as it is: our sockets are IPv6 only, so it was really sent as such. */
struct addr io_sockaddr_to(const struct sockaddr *sa);

/* The local address from which the kernel would send to peer (a route lookup by connecting a UDP
 * socket: nothing is sent), port 0. False: no route. */
bool io_sockaddr_local_for(const struct addr *peer, struct addr *local);

#endif
