/* client: when a request is sent again, and when it has failed. The owner keeps the bytes and sends
 * them.
 * Not here: what is in the request (message.h), credentials (auth.h).
 * RFC 8489 §6.2.1, §6.2.2; RFC 8445 §14.3 for the floor of RTO. */
#ifndef STUN_CLIENT_H
#define STUN_CLIENT_H

#include "base/tick.h"
#include "stun/message.h"

#define STUN_RTO_MS      500 /* §6.2.1: SHOULD be 500 ms or more; RFC 8445 §14.3: MUST for ICE */
#define STUN_RTO_MOST_MS 60000
#define STUN_RC          7     /* requests sent in all */
#define STUN_RM          16    /* the last one is waited for Rm x RTO */
#define STUN_RELIABLE_MS 39500 /* §6.2.2: Ti */

struct stun_client {
    struct tick next;  /* when something is due; TICK_NEVER when ended */
    struct tick limit; /* gathering gives up here, whatever the schedule; TICK_NEVER: no limit */
    struct stun_transaction transaction;
    int32_t rto_ms; /* the interval to come */
    int32_t rto_first_ms;
    uint8_t sent;
    bool reliable;
};

struct stun_client_options {
    int64_t rto_ms; /* 0: STUN_RTO_MS; lower is raised to it, over STUN_RTO_MOST_MS cut */
    int64_t cap_ms; /* 0: none. Nothing is waited for longer than this */
    bool reliable;  /* TCP, TLS: sent once */
};

/* The first request is due at once. */
void stun_client_start(struct stun_client *c, struct tick now, struct rng *rng,
                       const struct stun_client_options *options);

enum stun_client_step {
    STUN_CLIENT_WAIT,
    STUN_CLIENT_SEND, /* send the request's bytes (again) now */
    STUN_CLIENT_TIMEOUT,
};
/* Call until WAIT or TIMEOUT. */
enum stun_client_step stun_client_step(struct stun_client *c, struct tick now);
struct tick stun_client_deadline(const struct stun_client *c);

/* True when m is a response to this request while it is open. The owner then judges it, and stops
 * or goes on. */
bool stun_client_matches(const struct stun_client *c, const struct stun_message *m);
void stun_client_stop(struct stun_client *c);
bool stun_client_is_open(const struct stun_client *c);
/* Sent more than once: a round trip time cannot be told from it (Karn). */
bool stun_client_is_ambiguous(const struct stun_client *c);

#endif
