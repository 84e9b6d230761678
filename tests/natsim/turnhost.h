/* turnhost: a TURN server in the simulated network, over UDP and TCP, relaying UDP of both families,
 * with the faults that servers have.
 * Not here: the client (src/turn): this is written from the RFC alone.
 * RFC 8656; RFC 8489 §9.2 for its credentials. */
#ifndef NATSIM_TURNHOST_H
#define NATSIM_TURNHOST_H

#include "natsim/natsim.h"
#include "stun/key.h"

enum {
    TURNHOST_ALLOCATIONS = 64,
    TURNHOST_PERMISSIONS = 32,
    TURNHOST_CHANNELS = 16,
    TURNHOST_NONCE = 24,
    TURNHOST_STREAM = 4096,
};

/* Each is what it says from the moment it is set. */
struct turnhost_faults {
    bool silent;            /* takes everything, says nothing */
    int64_t slow_ms;        /* everything that it sends leaves so much later */
    bool stale;             /* each nonce serves one request: 438 for the next with it */
    unsigned stale_storm;   /* so many requests more get 438, with a new nonce each */
    unsigned storm_437;     /* so many requests more get 437 */
    bool wrong_realm;       /* 438 comes with another realm than the 401 did */
    bool refuse_users;      /* 401 whatever the password */
    uint16_t allocate_code; /* every Allocate gets it: 486, 508, 403, 440... */
    uint16_t permit_code;   /* every CreatePermission: 403, 508 */
    uint16_t bind_code;     /* every ChannelBind */
    struct addr alternate;  /* Allocate: 300 with this ALTERNATE-SERVER */
};

struct turnhost_permission {
    struct addr ip; /* unset: free */
    struct tick expires;
};
struct turnhost_channel {
    uint16_t number; /* 0: free */
    struct addr peer;
    struct tick expires;
};
struct turnhost_allocation {
    bool used;
    struct addr client, at; /* the 5-tuple: the client's side, ours; */
    size_t stream;          /* and the connection, 0: UDP */
    struct addr relayed[2]; /* IPv4, IPv6; unset: none */
    struct tick expires;
    uint8_t transaction[12]; /* of the Allocate, which may come again */
    struct turnhost_permission permissions[TURNHOST_PERMISSIONS];
    struct turnhost_channel channels[TURNHOST_CHANNELS];
};

struct turnhost_stream {
    size_t stream;
    size_t len;
    uint8_t bytes[TURNHOST_STREAM];
};

struct turnhost {
    /* The owner's, before turnhost_add. Port 0: 3478. TCP: that port and 443. */
    struct addr address, address_v6;
    struct addr relay,
        relay_v6; /* where it relays; unset: at its own address; family of none: none */
    const char *username, *password, *realm; /* NULL: "user", "secret", "sim" */
    size_t quota;                            /* allocations at most, then 486; 0: no limit */
    uint32_t lifetime_s;                     /* most that it gives, 0: 600 */
    struct turnhost_faults faults;

    /* Its own. */
    struct natsim *sim;
    size_t host;
    struct stun_key *key;
    char nonce[TURNHOST_NONCE + 1];
    bool nonce_used;
    struct turnhost_allocation allocations[TURNHOST_ALLOCATIONS];
    struct turnhost_stream *streams;
    size_t stream_count;
    uint64_t requests, challenges, relayed, no_permission, made;
};

/* It must stay where it is until turnhost_finish. */
void turnhost_add(struct natsim *sim, struct turnhost *server);
void turnhost_finish(struct turnhost *server);
/* It comes up again with nothing of before: allocations, nonce, connections. */
void turnhost_restart(struct turnhost *server);
/* How many allocations stand now: none may be left when a play is over. */
size_t turnhost_standing(const struct turnhost *server);
/* Is that an address that it relays at now? */
bool turnhost_relays(const struct turnhost *server, const struct addr *at);
/* May a datagram from there pass to who allocated `relayed`? What a test asks. */
bool turnhost_permits(const struct turnhost *server, const struct addr *relayed,
                      const struct addr *peer);

#endif
