/* framing: packets on a TCP connection of ICE: two bytes of length before each.
 * Not here: connections (io), what a packet is (RFC 7983).
 * RFC 4571 §2, RFC 6544 §7.1. */
#ifndef ICE_FRAMING_H
#define ICE_FRAMING_H

#include "base/writer.h"

#define ICE_FRAMING_HEADER 2
#define ICE_FRAMING_MAX    65535

/* Fails the writer when the packet is over ICE_FRAMING_MAX. */
void ice_framing_encode(struct writer *w, struct view packet);

/* The first packet of what has come so far, borrowed, and how many bytes it took with its header.
 * False: more bytes are needed. An empty packet is one too (RFC 4571 §2 calls it a null packet); it
 * means nothing. */
bool ice_framing_next(struct view received, struct view *packet, size_t *used);

#endif
