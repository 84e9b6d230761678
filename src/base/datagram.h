/* datagram: one received UDP datagram, as io hands it to media and sip, and as tests make it.
 * Not here: receiving (io/batch.h), or what the bytes mean.
 * RFC: none. */
#ifndef BASE_DATAGRAM_H
#define BASE_DATAGRAM_H

#include "base/addr.h"
#include "base/tick.h"

struct datagram {
    uint32_t socket;   /* the receiver's own number for the socket */
    struct addr from;  /* the peer as seen */
    struct addr to;    /* the local address and port it arrived at */
    struct wall at;    /* when the kernel received it */
    struct view bytes; /* borrowed until the next batch */
    bool refused;      /* no bytes: ICMP says that nobody listens at from, where we sent to */
    bool truncated;    /* longer than the room for it */
    uint32_t dropped;  /* how many the kernel has dropped on this socket so far for lack of room in
                          its buffer; 0 where none */
};

#endif
