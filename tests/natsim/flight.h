/* flight: what is under way in a simulated network: the inside of natsim, shared by natsim.c and
 * streams.c.
 * Not here: what owners may know (natsim.h).
 * RFC: none. */
#ifndef NATSIM_FLIGHT_H
#define NATSIM_FLIGHT_H

#include "natsim/natsim.h"

enum flight_kind {
    FLIGHT_DATAGRAM,
    FLIGHT_REFUSAL, /* of a datagram */
    FLIGHT_SYN,
    FLIGHT_SYN_ACK,
    FLIGHT_RESET,
    FLIGHT_BYTES,
    FLIGHT_END,
};

struct natsim_flight {
    struct natsim_flight *next;
    struct tick due;
    size_t realm; /* where it was sent */
    struct addr from, to;
    size_t sender;                  /* the host, */
    struct addr sent_from, sent_to; /* and as it saw them */
    enum flight_kind kind;
    size_t stream; /* the sending end */
    uint32_t number;
    int tries;
    bool is_here; /* a segment that has come to its receiver before an earlier one */
    size_t at;    /* the interface that it has reached, plus 1: only its own link is left */
    size_t len;
    uint8_t bytes[];
};

enum stream_state { STREAM_OPENING, STREAM_OPEN, STREAM_CLOSED };

struct natsim_stream {
    size_t host, peer; /* peer: the other end's number, 0 while there is none */
    struct addr local, remote;
    enum stream_state state;
    struct tick last;     /* what was sent last arrives not before */
    uint32_t sent, taken; /* segments */
};

/* Puts it in its place. Takes it. */
void flight_queue(struct natsim *sim, struct natsim_flight *f);
struct natsim_flight *flight_make(const struct natsim_interface *i, struct addr from,
                                  struct addr to, struct view bytes);
/* One passage of a link, in us; on connections what is lost comes late instead. */
int64_t flight_delay(struct natsim *sim, const struct natsim_link *link);
/* Follows it through the boxes of its protocol, which translate from and to. NULL: dropped. */
struct natsim_interface *flight_route(struct natsim *sim, size_t realm,
                                      enum natbox_protocol protocol, struct addr *from,
                                      struct addr *to);

/* A segment of a connection is due. Takes it. */
void stream_arrive(struct natsim *sim, struct natsim_flight *f);

#endif
