/* peers: whom an allocation lets in: permissions by IP and channels by address, with the times they
 * are due again.
 * Not here: the requests that install them (allocation.c).
 * RFC 8656 §9, §12. */
#ifndef TURN_PEERS_H
#define TURN_PEERS_H

#include "base/tick.h"
#include "turn/allocation.h"

#define TURN_PERMISSION_MS         (300 * 1000) /* §9: MUST be 300 s */
#define TURN_PERMISSION_REFRESH_MS (240 * 1000)
#define TURN_CHANNEL_MS            (600 * 1000) /* §12: 10 minutes */
#define TURN_CHANNEL_REFRESH_MS    (300 * 1000)
#define TURN_CHANNEL_REST_MS       (300 * 1000) /* §12: after expiry, before either is bound anew */
#define TURN_PEER_LATER_MS         (10 * 1000)  /* 508: no room now */
#define TURN_DELIVERS_MS           1000         /* whose data came so lately lives */

struct turn_permission {
    struct addr ip;      /* port 0; unset: free place */
    struct tick due;     /* to install or refresh; TICK_NEVER: under way already, or denied */
    struct tick expires; /* on the server; in the past: none */
    bool alone;          /* a request for several was refused: find out who it was */
    bool denied;
};

struct turn_channel {
    struct addr peer;
    uint16_t number; /* 0: free place */
    struct tick due, expires;
    bool denied; /* kept so that it is not asked for again */
    bool asked;  /* a request is under way: the server may have it already */
};

struct turn_peers {
    struct turn_permission permissions[TURN_PERMISSIONS];
    struct turn_channel channels[TURN_CHANNELS];
    uint16_t next_number;
};

/* first_number: where numbering starts, any. */
void turn_peers_init(struct turn_peers *p, uint16_t first_number);

/* By IP; NULL when there is none. */
struct turn_permission *turn_permission_find(struct turn_peers *p, const struct addr *peer);
/* The one there is, or a new one that is due now; NULL when all are taken. */
struct turn_permission *turn_permission_want(struct turn_peers *p, struct tick now,
                                             const struct addr *peer);
/* A set, as bits, to put in one CreatePermission: all that are due, of at most max; one only where
 * it has to be asked for alone. */
uint32_t turn_permissions_due(const struct turn_peers *p, struct tick now, size_t max);
/* The server let the set in. */
void turn_permissions_installed(struct turn_peers *p, struct tick now, uint32_t set);

struct turn_channel *turn_channel_find(struct turn_peers *p, const struct addr *peer);
struct turn_channel *turn_channel_by_number(struct turn_peers *p, uint16_t number);
/* The one there is, or a new one that is due now; NULL when no place is free. */
struct turn_channel *turn_channel_want(struct turn_peers *p, struct tick now,
                                       const struct addr *peer);
/* One that is due, or NULL. */
struct turn_channel *turn_channel_due(struct turn_peers *p, struct tick now);

/* Everything is due again: the allocation was moved, or its server lost it. */
void turn_peers_renew(struct turn_peers *p, struct tick now);
struct tick turn_peers_deadline(const struct turn_peers *p);

#endif
