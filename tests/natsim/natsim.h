/* natsim: a simulated network of hosts behind chains of NATs: the clock jumps to the next event,
 * links delay, lose, repeat and re-order by a seeded rng. Not here: what a NAT does (natbox.h),
 * what hosts say. A realm is an address space; realm 0 is the public one. Each other has one NAT
 * towards the realm outside it. */
#ifndef NATSIM_NATSIM_H
#define NATSIM_NATSIM_H

#include "natsim/natbox.h"

enum { NATSIM_REALMS = 16, NATSIM_HOSTS = 32, NATSIM_DATAGRAM = 1500 };

struct natsim;

/* A datagram has arrived: from as the host sees it, to is its own address. */
struct natsim_packet {
    struct addr from, to;
    struct view bytes;
};
typedef void natsim_receive(struct natsim *sim, void *context, const struct natsim_packet *packet);

struct natsim_link {
    double loss, repeat;
    int64_t delay_us, jitter_us; /* from one host to another, whatever is between */
};

struct natsim_host {
    struct addr address; /* any port */
    size_t realm;
    natsim_receive *receive;
    void *context;
};

struct natsim_flight;

struct natsim {
    struct tick now;
    struct rng rng;
    struct natsim_link link;
    struct natbox boxes[NATSIM_REALMS]; /* of the realm of the same number */
    size_t outside[NATSIM_REALMS];      /* the realm that its box leads to */
    size_t realm_count;
    struct natsim_host hosts[NATSIM_HOSTS];
    size_t host_count;
    struct natsim_flight *flights; /* in the order that they arrive */
    uint64_t sent, arrived, dropped;
};

void natsim_init(struct natsim *sim, uint64_t seed);
void natsim_finish(struct natsim *sim);
/* A realm behind a new box whose outside is realm `outside`; its number. */
size_t natsim_realm(struct natsim *sim, size_t outside, const struct natbox_options *options);
/* The host's number. */
size_t natsim_host(struct natsim *sim, size_t realm, struct addr address, natsim_receive *receive,
                   void *context);
/* A host sends; from has its address and the port it sends from. */
void natsim_send(struct natsim *sim, size_t host, struct addr from, struct addr to,
                 struct view bytes);
/* When the next datagram arrives; TICK_NEVER. */
struct tick natsim_next(const struct natsim *sim);
/* Jumps to until, and on the way hands over what arrives; not back in time. */
void natsim_run(struct natsim *sim, struct tick until);

#endif
