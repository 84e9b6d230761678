/* servers: what a pool knows of each TURN server: where it is, whether it serves, and until when it is left alone.
 * Not here: allocations (allocation.h), which call gets what (pool.h).
 * RFC 8656 §7.4 (pauses), RFC 8489 §10 (ALTERNATE-SERVER). */
#ifndef TURN_SERVERS_H
#define TURN_SERVERS_H

#include "turn/allocation.h"

enum { TURN_SERVER_CREDENTIAL = 512 };

struct turn_server {
    struct addr given, address; /* as set; after ALTERNATE-SERVER */
    bool stream;
    char username[TURN_SERVER_CREDENTIAL], password[TURN_SERVER_CREDENTIAL];
    struct tick expires; /* of the credentials; TICK_NEVER: they are good for ever */
    bool is_proven;      /* it has served since it was last down */
    bool is_down;        /* nothing new is made there until `again`; */
    bool is_dead;        /* and what is there is of no use: it does not answer */
    bool told_down;
    bool is_simple; /* does not do both families at once */
    bool is_fixed;  /* does not do mobility */
    uint8_t hops, mismatches;
    uint16_t code; /* why it is down; 0: no answer */
    int32_t pause_ms;
    struct tick again;        /* while it is down */
    struct tick delivered_at; /* data, on any allocation; TICK_NEVER: none yet */
    struct tick doubt_at;     /* not before: what stands there is asked whether it does */
};

/* Has it delivered data, on any allocation, after that? */
static inline bool turn_server_has_delivered(const struct turn_server *s, struct tick since)
{
    return !tick_is_never(s->delivered_at) && tick_before(since, s->delivered_at);
}

void turn_server_init(struct turn_server *s, const struct addr *address, bool stream);
/* False when one is too long; nothing is changed then. */
WARN_UNUSED bool turn_server_set_credentials(struct turn_server *s, struct view username,
                                             struct view password, struct tick expires);

/* Each returns whether its owner has to tell that the server went down, or is up again. */
bool turn_server_down(struct turn_server *s, struct tick now, int32_t pause_ms, uint16_t code);
bool turn_server_works(struct turn_server *s);
/* What a lost allocation says of its server: it may move (ALTERNATE-SERVER), do less from now on, or be down. */
bool turn_server_judge(struct turn_server *s, struct tick now, const struct turn_event *lost);

#endif
