/* iceline: what an ICE party finds out about one of its lines to the Internet, of one family: by our
 * discovery, STUN on its media sockets and mappings from its gateway.
 * Not here: relays, candidates and checks (iceside.h); which network it is: it may not include
 * network.h or cells.h.
 * RFC 8489, 5780, 6887. */
#ifndef NATSIM_ICELINE_H
#define NATSIM_ICELINE_H

#include "nat/profile.h"
#include "natsim/finder.h"
#include "natsim/natsim.h"

struct gateway;

enum {
    ICELINE_COMPONENTS = 2,
    ICELINE_PORT = 40000, /* of media: component 1, then 2 */
};

/* What a machine and its settings know. */
struct iceline_options {
    struct addr address;    /* its own, without port */
    struct addr stun, turn; /* servers of its family; unset: none. TURN's TCP is on 443 */
    struct addr external;   /* nat.external_ip; unset: auto */
    struct addr gateway;    /* of the default route, asked for mappings; unset: not */
    struct addr proxy;      /* nat.proxy, for TURN over TCP; unset: none */
};

struct iceline {
    struct iceline_options options;
    struct natsim *sim;
    size_t host;
    uint8_t components;
    uint16_t tcp_port; /* mapped, too; 0: none */
    struct nat_profile profile;
    struct addr reflexive[ICELINE_COMPONENTS];
    struct tick asked; /* STUN on the media sockets, last */
    struct gateway *gateway;
    struct addr mapped[ICELINE_COMPONENTS], mapped_tcp; /* what the gateway has given */
    struct finder finder;
    struct tick learning; /* since when: at first, and again after a change */
    bool again;
};

void iceline_init(struct iceline *line, struct natsim *sim, size_t host,
                  const struct iceline_options *options);
void iceline_finish(struct iceline *line);
/* Before calls. discovers: what its NAT does, too. */
void iceline_learn(struct iceline *line, bool discovers);
/* In a call: its own address now; what it is outside is found out anew, and mappings are asked for
 * anew. */
void iceline_relearn(struct iceline *line, struct addr address);
/* Nothing more is to be waited for, or for too long. */
bool iceline_is_ready(const struct iceline *line);
bool iceline_has_reflexive(const struct iceline *line);

/* is_calling: checks keep the mappings now. */
void iceline_run(struct iceline *line, bool is_calling);
struct tick iceline_deadline(const struct iceline *line, bool is_calling);
/* True when the datagram was for it. */
bool iceline_take(struct iceline *line, const struct natsim_packet *packet);

struct addr iceline_media(const struct iceline *line, size_t component);

#endif
