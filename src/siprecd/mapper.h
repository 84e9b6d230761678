/* mapper: our ports of one family mapped at the gateway, for as long as they are wanted: by PCP or NAT-PMP where
 * it speaks one of them, else by UPnP; IPv6 by PCP alone.
 * Not here: the protocols (nat/gateway.h, io/igd.h), which ports (surveyor.h).
 * RFC 6887, RFC 6886, UPnP WANIPConnection. */
#ifndef SIPRECD_MAPPER_H
#define SIPRECD_MAPPER_H

#include "io/loop.h"
#include "nat/gateway.h"
#include "siprecd/asker.h"

struct mapper;

struct mapper_config {
    struct io_loop *loop; /* borrowed, as asker */
    struct asker *asker;
    uint64_t token; /* of its sockets: token and token + 1 */
    uint32_t id;    /* of its questions to asker */
    uint8_t seed[32];
};

WARN_UNUSED struct mapper *mapper_create(const struct mapper_config *config);
/* Mappings that stand end by themselves; call mapper_stop first to give them back. */
void mapper_destroy(struct mapper *mapper);

/* Begins at another gateway: what was mapped at the one before is lost (MAPPER_LOST), all that is
 * wanted is asked for anew. The gateway it has already: nothing. */
void mapper_start(struct mapper *mapper, struct tick now, const struct addr *local,
                  const struct addr *gateway);
/* The host has other addresses than before: where ours was missing it may be there now. */
void mapper_addresses(struct mapper *mapper, struct tick now);
/* The gateway's address outside may be another one: asks anew for all that it has. */
void mapper_check(struct mapper *mapper, struct tick now);
/* Nothing arrives at this port, or STUN sees it elsewhere: is it still mapped? Where it is not, asks
 * anew for all. */
void mapper_doubt(struct mapper *mapper, struct tick now, enum portmap_protocol protocol,
                  uint16_t port);
/* Gives all mappings back, and asks for none. By UPnP that takes its time: mapper_is_ending until it
 * is done, and nothing more is being mapped. */
void mapper_stop(struct mapper *mapper, struct tick now);
bool mapper_is_ending(const struct mapper *mapper);

/* Wants local's port mapped, or no longer. False: the table is full. */
bool mapper_want(struct mapper *mapper, struct tick now, enum portmap_protocol protocol,
                 uint16_t port);
void mapper_drop(struct mapper *mapper, struct tick now, enum portmap_protocol protocol,
                 uint16_t port);

void mapper_ready(struct mapper *mapper, struct tick now, uint64_t token);
void mapper_expire(struct mapper *mapper, struct tick now);
struct tick mapper_deadline(const struct mapper *mapper);
/* An answer of asker's with its id. */
void mapper_answer(struct mapper *mapper, struct tick now, struct asker_answer *answer);

struct mapper_event {
    enum portmap_protocol protocol;
    uint16_t port;
    struct addr external; /* not set: lost */
};
bool mapper_event(struct mapper *mapper, struct mapper_event *out);

/* speech: GATEWAY_UPNP where that is what it took. */
struct gateway_status mapper_status(const struct mapper *mapper);
/* True once after the gateway's outside address or its speech has changed. */
bool mapper_has_news(struct mapper *mapper);

#endif
