/* pool: TURN allocations made ahead, so that a call is answered without waiting for one, and kept for the SRC they served.
 * Not here: one allocation's protocol (allocation.h), sockets, whom to let in, which call gets what.
 * RFC 8656 §3.2 (an allocation is a 5-tuple), §5, §7.4, §9; RFC 8016. Sans-IO. */
#ifndef TURN_POOL_H
#define TURN_POOL_H

#include "turn/allocation.h"
#include "turn/servers.h"

enum {
    TURN_POOL_SLOTS = 64, /* unless asked for otherwise */
    TURN_POOL_SLOTS_MAX = 4096,
    TURN_POOL_SERVERS = 8,
    TURN_POOL_REST_MS =
        30 * 1000, /* between two calls of one SRC: late packets of the first have gone by */
    TURN_POOL_KEEP_MS = 900 * 1000, /* reserved for an SRC that does not call again */
    TURN_POOL_MAKING = 16,          /* asked for at once */
    /* A lent one whose credentials run out is told of so long before: time for another path. */
    TURN_POOL_ENDING_MS = 300 * 1000,
};

struct turn_pool_server {
    struct addr address;
    bool stream;                    /* TCP or TLS: the owner's connection of the slot */
    struct view username, password; /* copied */
    struct tick expires;            /* of these credentials; zero: never */
};

struct turn_pool_options {
    uint32_t slots;                                     /* 0: TURN_POOL_SLOTS */
    struct turn_pool_server servers[TURN_POOL_SERVERS]; /* best first */
    size_t server_count;
    bool want_v4, want_v6;
    bool mobility; /* where the server has it, an allocation outlives a change of our address */
    uint8_t ready; /* allocations that stand ready for SRCs not seen before */
    uint8_t warm;  /* and on the second server: 1 is enough to go on when the first dies */
    uint8_t seed[32];
};

struct turn_pool;

/* NULL when memory is out or a credential is too long. */
WARN_UNUSED struct turn_pool *turn_pool_create(const struct turn_pool_options *options);
void turn_pool_destroy(struct turn_pool *pool);
/* Demand has changed. */
void turn_pool_set_ready(struct turn_pool *pool, struct tick now, uint8_t ready, uint8_t warm);
/* Families of the relayed addresses of those made from now on. */
void turn_pool_set_families(struct turn_pool *pool, bool want_v4, bool want_v6);
/* Other servers, or other addresses of theirs, from now on. What stands at one that stays, stays; what is lent stays in
 * any case; the rest is given back. False when a credential is too long: nothing is changed then. */
WARN_UNUSED bool turn_pool_set_servers(struct turn_pool *pool, struct tick now,
                                       const struct turn_pool_server *servers, size_t count);
/* New credentials for what is allocated from now on (time-limited ones run out). Allocations stay bound to those that
 * made them (RFC 8656 §5): new ones are made first, then the old ones that stand ready are given back. False when one is
 * too long. */
WARN_UNUSED bool turn_pool_set_credentials(struct turn_pool *pool, struct tick now, size_t server,
                                           const struct turn_pool_server *credentials);
/* Gives everything back that is not lent, and makes nothing new. */
void turn_pool_drain(struct turn_pool *pool, struct tick now);
/* Our own address has changed: what can be moved (RFC 8016) is, from new sockets (TURN_POOL_REOPEN); the rest is lost. */
void turn_pool_moved(struct turn_pool *pool, struct tick now);

/* An allocation for a call of SRC (any number but 0 that stands for it): the one it had, with its permissions standing,
 * or one that served nobody. Never one that let somebody else in: his late packets would be in its recording.
 * False: none is ready. */
bool turn_pool_lend(struct turn_pool *pool, struct tick now, uint64_t src, uint32_t *slot);
/* The very one that was picked; false when it is gone, lent, or another SRC's. */
bool turn_pool_take(struct turn_pool *pool, struct tick now, uint32_t slot, uint32_t generation,
                    uint64_t src);
/* The call is over. The allocation rests, and stays with its SRC, unless there are more than enough. */
void turn_pool_give_back(struct turn_pool *pool, struct tick now, uint32_t slot);
/* A lent one went silent. Is its server alive? Lost within a second if not. */
void turn_pool_suspect(struct turn_pool *pool, struct tick now, uint32_t slot);
/* For turn_permit, turn_bind, turn_status; NULL when the slot holds none. Borrowed until the next event. */
struct turn_allocation *turn_pool_allocation(struct turn_pool *pool, uint32_t slot);
/* turn_wrap for the slot's allocation. */
WARN_UNUSED bool turn_pool_wrap(struct turn_pool *pool, struct tick now, uint32_t slot,
                                const struct addr *peer, struct view data, struct writer *w);

/* What came from a slot's server: a datagram, or a frame of its connection. */
struct turn_input turn_pool_input(struct turn_pool *pool, struct tick now, uint32_t slot,
                                  struct view datagram);
/* The connection or socket of a slot is gone. */
void turn_pool_lost_socket(struct turn_pool *pool, struct tick now, uint32_t slot);
void turn_pool_expire(struct turn_pool *pool, struct tick now);
struct tick turn_pool_deadline(const struct turn_pool *pool);

struct turn_pool_packet {
    uint32_t slot; /* its socket is opened at its first packet: always a new one, from a new port */
    size_t server; /* TURN_POOL_SERVERS: one that is no more in the list */
    struct addr to;
    bool stream;
    struct view bytes; /* borrowed until the next call */
};
/* Events first, before each packet: its slot may just have been closed, and made anew. */
bool turn_pool_output(struct turn_pool *pool, struct tick now, struct turn_pool_packet *out);

enum turn_pool_event_kind {
    TURN_POOL_READY,     /* a slot has its relayed address */
    TURN_POOL_RESTED,    /* a slot may be lent again, to src alone */
    TURN_POOL_WITHDRAWN, /* a slot that stood ready or reserved is given back: do not pick it */
    TURN_POOL_PERMITTED, /* peer */
    TURN_POOL_DENIED,    /* peer, code */
    TURN_POOL_ENDING,    /* a lent one will end with its credentials: its call needs another path */
    TURN_POOL_LOST,      /* a lent one: its call needs another path. The slot is closed with it */
    TURN_POOL_REOPEN,    /* from another socket from now on; the old one is of no use */
    TURN_POOL_CLOSED,    /* close the slot's socket: nothing comes over it any more */
    TURN_POOL_SERVER_DOWN, /* server; code 0: it does not answer */
    TURN_POOL_SERVER_UP,   /* server: it serves again */
};
struct turn_pool_event {
    enum turn_pool_event_kind kind;
    uint32_t slot, generation;
    size_t server;
    uint64_t src;
    uint16_t code;
    struct addr peer;
};
bool turn_pool_event(struct turn_pool *pool, struct turn_pool_event *out);

struct turn_pool_status {
    size_t making, ready, reserved, lent, closing;
    size_t active;    /* the server that new ones are made at; server_count: none serves now */
    uint64_t refused; /* turn_pool_lend had none */
};
struct turn_pool_status turn_pool_status(const struct turn_pool *pool);

struct turn_pool_server_status {
    bool is_proven, is_down; /* neither: not heard from yet */
    uint16_t code;           /* why it is down; 0: no answer */
    size_t ready, reserved, lent;
};
struct turn_pool_server_status turn_pool_server_status(const struct turn_pool *pool, size_t server);

#endif
