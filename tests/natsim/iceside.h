/* iceside: one ICE party at a host of the simulated network: it finds out what it can about its
 * network (iceline.h for each family that it has; TURN over UDP, else over TCP on 443), gathers
 * candidates from that, and drives our agent over sockets, relays and TCP connections.
 * Not here: which network it sits in: it is told its own addresses, its servers' and what its
 * owner's settings say, as any machine is. It may not include network.h or cells.h.
 * RFC 8445, 6544, 8656, 6887. */
#ifndef NATSIM_ICESIDE_H
#define NATSIM_ICESIDE_H

#include "ice/gather.h"
#include "natsim/iceline.h"
#include "natsim/turnside.h"

enum {
    ICESIDE_LINES = 2, /* one a family */
    ICESIDE_COMPONENTS = ICELINE_COMPONENTS,
    ICESIDE_BASES = 12,
    ICESIDE_CONNECTIONS = 24,
    ICESIDE_RELAYS = 8, /* for each component and line one over UDP, one over TCP */
    ICESIDE_FRAME = 2048,
    ICESIDE_AUTHORISED = 8192,
    ICESIDE_MEDIA_MS = 20,
};

/* What a machine and its settings know. */
struct iceside_options {
    struct iceline_options lines[ICESIDE_LINES];
    size_t line_count;
    uint16_t tcp_port; /* listens there for ICE-TCP; 0: does not */
    bool tcp_active;
    bool discovers;     /* finds out what its NAT does before calls: an SRS. Others just gather */
    bool may_be_lite;   /* where it finds that it is open (an SRS) */
    bool is_lite;       /* always (an SRC) */
    uint8_t components; /* 0: 1 */
};

enum iceside_base_kind {
    ICESIDE_SOCKET,
    ICESIDE_RELAY,
    ICESIDE_PASSIVE,
    ICESIDE_ACTIVE,
};
struct iceside_base {
    enum iceside_base_kind kind;
    struct addr local; /* of a relay: its relayed address */
    size_t relay;
};

/* A TCP connection of ICE. */
struct iceside_connection {
    size_t stream; /* 0: free place */
    struct ice_path path;
    bool is_open;
    size_t len, waiting_len;
    uint8_t bytes[ICESIDE_FRAME], waiting[ICESIDE_FRAME];
};

/* Where this side may send: candidates it was told, and who proved himself by a check. */
struct iceside_authorised {
    struct addr addresses[ICESIDE_AUTHORISED];
    size_t count;
};

struct iceside {
    struct iceside_options options;
    struct natsim *sim;
    size_t host;
    struct iceline lines[ICESIDE_LINES];
    struct turnside relays[ICESIDE_RELAYS];
    struct ice *ice;
    struct iceside_base bases[ICESIDE_BASES];
    size_t base_count;
    struct iceside_connection connections[ICESIDE_CONNECTIONS];
    struct iceside_authorised authorised;
    struct tick learning; /* since when: at first, and again after a change */
    uint16_t generation;  /* of relays: each has ports of its own */
    bool by_tcp;          /* UDP brought none */
    bool is_lite, is_selected;
    struct ice_event selected; /* the last ICE_SELECTED of component 1 */
    int events[ICE_DIRECT + 1];
    /* Media of component 1: what this side sends, and what has come to it. */
    bool sends;
    struct tick next_media;
    uint32_t media_sent, media_taken, media_first; /* first: its number, when the first came */
    uint32_t media_newest;                         /* the highest number that came */
    struct tick media_at, media_last;
    uint64_t unauthorised, refused, packets, steps;
    struct addr stray; /* to whom the first unauthorised one went */
};

/* Puts the host there, with each line's address in the realm of that number; it must stay where it
 * is. */
void iceside_init(struct iceside *side, struct natsim *sim, const size_t realms[ICESIDE_LINES],
                  const struct iceside_options *options);
void iceside_finish(struct iceside *side);

/* One round of its own affairs: expires, sends, takes events. */
void iceside_run(struct iceside *side);
struct tick iceside_deadline(const struct iceside *side);

/* Before calls. iceside_is_ready when there is nothing more to wait for. */
void iceside_learn(struct iceside *side);
bool iceside_is_ready(struct iceside *side);

/* In a call: something has changed (its own address on its first line, perhaps; turn: another server
 * there, perhaps). Its address outside and its relays are found out anew; the old relays are given back as far as they
 * can be reached. iceside_has_relearned: as far as a call can wait for it. Then gather, and describe
 * each side to the other. */
void iceside_relearn(struct iceside *side, struct addr address, struct addr turn);
bool iceside_has_relearned(struct iceside *side);
/* Gives its relays back: the call is over. */
void iceside_hang_up(struct iceside *side);

/* Makes the agent and its candidates from what is known; offer: to answer whom, NULL: it offers. */
void iceside_gather(struct iceside *side, enum ice_role role, const struct iceside *offer);
/* The other's description arrives. */
void iceside_describe(struct iceside *to, const struct iceside *from);
/* New credentials (RFC 8445 §9): describe each to the other again. */
void iceside_restart(struct iceside *side);
/* Its agent has a path for every component, and has said so. */
bool iceside_is_settled(const struct iceside *side);
/* From now on it sends media over the selected path. */
void iceside_send_media(struct iceside *side);

/* "S-P", "Rw-P", "Rb", "T-P": our side's view of its selected path; "none". */
void iceside_print_path(const struct iceside *side, char out[16]);

#endif
