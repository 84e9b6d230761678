/* icetcp: the TCP connections of an ICE party: opened, accepted, framed.
 * Not here: sockets and relays (iceside.c).
 * RFC 6544 §7.1, RFC 4571 §2. */
#ifndef NATSIM_ICETCP_H
#define NATSIM_ICETCP_H

#include "natsim/iceside.h"

void icetcp_take(struct iceside *side, const struct natsim_packet *packet);
/* Over the path's connection; an active one is opened first. */
void icetcp_send(struct iceside *side, const struct ice_path *path, struct view bytes);

/* iceside.c: a packet for the agent, or media. */
void iceside_take(struct iceside *side, size_t base, const struct addr *from, struct view bytes);

#endif
