/* outside: does what is sent from the Internet to an address of ours arrive? A datagram is sent
 * there through a TURN relay; where there is none, a STUN server is asked to answer from another
 * address (RFC 5780).
 * Not here: receiving it (media, base/sightings.h), what follows (doctor).
 * RFC 8656 §10; RFC 5780 §7.2 (CHANGE-REQUEST). Blocks for up to some seconds: on a thread that may. */
#ifndef SIPRECD_OUTSIDE_H
#define SIPRECD_OUTSIDE_H

#include "nat/path.h"
#include "siprecd/mail.h"

/* advertised: as the SRC was told; bound: the local port, opened for the time of the look where
 * nobody has it now. UNKNOWN: there is nobody outside who could send. */
enum path_answer outside_look(const struct worker_network *network, const struct addr *advertised,
                              const struct addr *bound);

#endif
