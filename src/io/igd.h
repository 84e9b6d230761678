/* igd: port mappings at a gateway that speaks UPnP.
 * Not here: when (siprecd/mapper.h), threads: every call here waits for the gateway.
 * UPnP WANIPConnection:1 and :2, by miniupnpc. */
#ifndef IO_IGD_H
#define IO_IGD_H

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

struct io_igd;

/* Looks for gateway on the network that local is an address of, for about wait_ms. NULL: it does not
 * answer. Whoever else says on that network to be a gateway is not listened to, and nothing is asked
 * of any other host, whatever a description says (UPnP knows no authentication). */
struct io_igd *io_igd_find(const struct addr *local, const struct addr *gateway, int wait_ms);
void io_igd_destroy(struct io_igd *igd); /* NULL is fine */

/* The gateway's own outside address; false: it does not say. */
bool io_igd_external(const struct io_igd *igd, struct addr *external);

/* Maps local's port for lease_s seconds, the same port outside if that is free, else another.
 * False: refused; *error is UPnP's code, or negative where it did not answer. A gateway that knows
 * no finite leases (725) is given none: what nobody renews has to end. */
bool io_igd_map(const struct io_igd *igd, bool is_tcp, uint16_t internal_port, uint32_t lease_s,
                uint16_t *external_port, int *error);
/* Does it still map that port outside to local's? False also where it does not say. */
bool io_igd_has(const struct io_igd *igd, bool is_tcp, uint16_t internal_port,
                uint16_t external_port);
/* False: it does not answer. */
bool io_igd_unmap(const struct io_igd *igd, bool is_tcp, uint16_t external_port);

#endif
