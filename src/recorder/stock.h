/* stock: the media ports and relays that workers have lent and no call has taken yet.
 * Not here: binding them (io), what is said about them in SDP (way.h).
 * RFC: none. */
#ifndef RECORDER_STOCK_H
#define RECORDER_STOCK_H

#include "recorder/recorder.h"

struct recorder_stock {
    struct recorder_ticket *tickets; /* oldest first: a port that rested longest is taken first */
    uint32_t count, room;
    struct recorder_relay *relays; /* in the order they came */
    uint32_t relay_count, relay_room;
};

void recorder_stock_finish(struct recorder_stock *stock);
/* False when memory is short: the ticket was not taken in. */
WARN_UNUSED bool recorder_stock_put(struct recorder_stock *stock,
                                    const struct recorder_ticket *ticket);

/* NULL: no such ticket is in stock. */
struct recorder_ticket *recorder_stock_find(struct recorder_stock *stock,
                                            const struct recorder_port *port);

/* No more. False: it was not there. */
bool recorder_stock_drop(struct recorder_stock *stock, const struct recorder_port *port);

#define RECORDER_ANY_WORKER UINT32_MAX

/* What a call needs. */
struct recorder_wish {
    uint32_t worker;         /* the one that has the recording, or RECORDER_ANY_WORKER */
    uint8_t family;          /* of the SRC's media */
    struct addr near;        /* where its SIP reached us: ports bound there are taken first */
    bool trusts_mapping;     /* what the gateway maps is reached from outside */
    const struct addr *here; /* this host's addresses, of which a port's should be one; ... */
    size_t here_count;       /* ...0: any will do */
    bool has_own[2]; /* a wildcard port of the other family can be named in SDP: IPv4, IPv6 */
};

/* Takes `count` tickets of one worker; false, and none taken, when no worker has so many. */
WARN_UNUSED bool recorder_stock_take(struct recorder_stock *stock, const struct recorder_wish *wish,
                                     struct recorder_ticket out[], uint32_t count);
/* How many of the wish's worker and family there are. */
uint32_t recorder_stock_count(const struct recorder_stock *stock, const struct recorder_wish *wish);

/* The worker with most to lend of those that have what is needed of both wishes (whose workers do not
 * matter); RECORDER_ANY_WORKER: none has. */
uint32_t recorder_stock_worker(const struct recorder_stock *stock,
                               const struct recorder_wish wishes[2], const uint32_t needs[2]);

/* Takes a relay in, or brings what is known of it up to date. False when memory is short. */
WARN_UNUSED bool recorder_stock_put_relay(struct recorder_stock *stock,
                                          const struct recorder_relay *relay);
void recorder_stock_drop_relay(struct recorder_stock *stock, uint32_t worker, uint32_t slot);
/* This one is gone; another that has its slot by now stays. */
void recorder_stock_lose_relay(struct recorder_stock *stock, const struct recorder_relay *relay);

/* What a stream needs of a relay. */
struct recorder_relay_wish {
    uint32_t worker;
    uint8_t family; /* of the relayed address */
    uint64_t src;   /* one that served it before comes first, one that served others never */
    bool udp;       /* UDP to the server; else TCP or TLS */
};
/* The best one there is, which stays in stock; NULL: none. */
const struct recorder_relay *recorder_stock_relay(const struct recorder_stock *stock,
                                                  const struct recorder_relay_wish *wish);

#endif
