/* plainsrc: an SRC without ICE at a host of the simulated network: it offers one stream, sends its
 * RTP from wherever its kind sends from to the address that was answered, and may follow.
 * Not here: which network it sits in; SIP's bytes.
 * RFC 7866 §8.1.8; RFC 4961. */
#ifndef NATSIM_PLAINSRC_H
#define NATSIM_PLAINSRC_H

#include "natsim/natsim.h"

enum plainsrc_source {
    PLAINSRC_SYMMETRIC,  /* from what it offers */
    PLAINSRC_OTHER_PORT, /* from the same address */
    PLAINSRC_FARM,       /* from another address of a few */
    PLAINSRC_ANYWHERE,   /* from an address that no call had before */
};

enum { PLAINSRC_SIP_PORT = 5060, PLAINSRC_FARM_SIZE = 2, PLAINSRC_PAYLOAD_TYPE = 8 };

struct plainsrc_options {
    struct addr address; /* its own, without port */
    enum plainsrc_source source;
    int port_offset; /* its other port, from the offered one; 0: any other, each time */
    struct addr farm[PLAINSRC_FARM_SIZE]; /* its other addresses */
    struct addr anywhere;                 /* the first of many: 30 in a row are its own */
    bool latches;
    bool refuses;   /* re-INVITEs */
    bool is_closed; /* nobody listens where it offers or sends from: ICMP says so */
    int64_t packet_ms;
};

struct plainsrc {
    struct plainsrc_options options;
    struct natsim *sim;
    size_t host;
    uint16_t port; /* of this call's offer */
    unsigned calls;
    struct addr offered, source, to;
    struct addr latched; /* where packets have come from, since it offered */
    bool sends, silent;
    struct tick next, started;
    uint32_t ssrc, sent;
    uint64_t taken;       /* packets of ours that reached it */
    uint64_t turned_away; /* of those, by ICMP, since it offered */
};

void plainsrc_init(struct plainsrc *src, struct natsim *sim, size_t realm,
                   const struct plainsrc_options *options);
/* A new call: new ports. src->offered is its c= and m=. */
void plainsrc_offer(struct plainsrc *src);
/* The answer, or a re-INVITE's offer: it sends there. False: it refuses. */
bool plainsrc_answered(struct plainsrc *src, const struct addr *to, bool again);
void plainsrc_end(struct plainsrc *src);
/* In mid-call: from another port. */
void plainsrc_move(struct plainsrc *src);
void plainsrc_run(struct plainsrc *src);
struct tick plainsrc_deadline(const struct plainsrc *src);

#endif
