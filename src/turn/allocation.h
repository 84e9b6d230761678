/* allocation: the client of one TURN allocation: made, kept, moved, given back; its permissions and
 * channels.
 * Not here: sockets and connections (io), which server (pool.h), what the peers say.
 * RFC 8656; RFC 8016 mobility; sans-IO: input, expire, deadline, output, event. */
#ifndef TURN_ALLOCATION_H
#define TURN_ALLOCATION_H

#include "base/tick.h"
#include "stun/auth.h"
#include "stun/client.h"
#include "turn/error.h"

enum {
    TURN_PERMISSIONS = 32, /* IPs of one SRC's set: SDP, SIP, Via, what it used before */
    TURN_CHANNELS = 16,    /* one a peer address that really sends */
    TURN_REQUESTS = 4,     /* control requests under way at once */
    TURN_REQUEST_SIZE =
        1400,              /* fits any path; 32 peers of 24 bytes and the credentials fit in it */
    TURN_TICKET_MAX = 548, /* RFC 8016 §3.1.2: sized not to fragment */
};

struct turn_options {
    struct view username,
        password;          /* long-term; copied. REST: user "expiry:name", see turn_rest_password */
    bool stream;           /* TCP or TLS: requests are sent once, ChannelData is padded */
    bool want_v4, want_v6; /* families of the relayed address; both: one dual allocation (§7.1) */
    bool even_port;        /* only without both families: R=0, no reservation */
    bool mobility;         /* RFC 8016: ask for a ticket */
    uint32_t lifetime_s;   /* 0: the server's default, 10 minutes */
    int64_t
        request_cap_ms; /* a request that has no answer by then has failed; 0: RFC 8489's 39.5 s */
    uint8_t seed[32];
};

struct turn_allocation;

/* NULL when memory is out or a credential is too long. */
WARN_UNUSED struct turn_allocation *turn_create(const struct turn_options *options);
void turn_destroy(struct turn_allocation *t);

/* Sends Allocate. Once. */
void turn_start(struct turn_allocation *t, struct tick now);
/* Is it still there? A Refresh now: TURN_REFRESHED, or TURN_LOST. */
void turn_check(struct turn_allocation *t, struct tick now);
/* Gives the allocation back: Refresh with lifetime 0. Ends with TURN_CLOSED, by time-out too. */
void turn_close(struct turn_allocation *t, struct tick now);
/* Our own address or connection has changed. With a ticket the allocation is moved (RFC 8016
 * §3.2.1), else it is lost: TURN_LOST. */
void turn_moved(struct turn_allocation *t, struct tick now);

/* What came from the server's address: one datagram, or one frame of a stream. */
enum turn_input_kind {
    TURN_INPUT_NONE,  /* nothing of ours: no TURN message, or an unasked one; the caller counts */
    TURN_INPUT_TAKEN, /* control: look at turn_event and turn_output */
    TURN_INPUT_DATA,  /* a peer's datagram */
};
struct turn_input {
    enum turn_input_kind kind;
    struct addr peer;
    struct view data; /* borrows the datagram */
};
struct turn_input turn_input(struct turn_allocation *t, struct tick now, struct view datagram);

void turn_expire(struct turn_allocation *t, struct tick now);
struct tick turn_deadline(const struct turn_allocation *t);
/* A request for the server, until false. The view is borrowed until the next call. */
bool turn_output(struct turn_allocation *t, struct tick now, struct view *out);

enum turn_event_kind {
    TURN_ALLOCATED,  /* relayed addresses are known */
    TURN_PERMITTED,  /* peer: its packets come through from now on */
    TURN_DENIED,     /* peer: they never will, code says why */
    TURN_BOUND,      /* peer has a channel */
    TURN_REFRESHED,  /* it is there, and for longer */
    TURN_MOVED_OVER, /* the move is done: data goes to our new address */
    TURN_LOST,   /* it is gone or was never made: action says what to do, code why (0: no answer) */
    TURN_CLOSED, /* given back */
};
struct turn_event {
    enum turn_event_kind kind;
    enum turn_action action;
    uint16_t code;
    struct addr peer;
    struct addr alternate; /* TURN_ALTERNATE */
    bool forged;           /* TURN_LOST: every answer had a bad integrity (RFC 8489 §9.2.5) */
};
bool turn_event(struct turn_allocation *t, struct turn_event *out);

/* Wants peers' IPs let in, from now on until turn_forbid: kept fresh every 240 s (a permission
 * lives 300 s and cannot be taken back earlier). Ports are ignored, families we have no relayed
 * address of are denied at once. Returns how many were taken: fewer when the table is full. */
size_t turn_permit(struct turn_allocation *t, struct tick now, const struct addr *peers,
                   size_t count);
void turn_forbid(struct turn_allocation *t, const struct addr *peer);
bool turn_is_permitted(const struct turn_allocation *t, struct tick now, const struct addr *peer);
/* Wants a channel for a peer's very address: 4 bytes of overhead instead of 36.
 * False when none is free. */
bool turn_bind(struct turn_allocation *t, struct tick now, const struct addr *peer);

/* Wraps data for peer: ChannelData where bound, else a Send indication. False, nothing written,
 * without a permission for its IP: the server would drop it (§11.1). */
WARN_UNUSED bool turn_wrap(struct turn_allocation *t, struct tick now, const struct addr *peer,
                           struct view data, struct writer *w);

struct turn_status {
    bool ready, closing;
    struct addr relayed_v4, relayed_v6; /* unset: none */
    struct addr mapped;                 /* ours, as the server sees us */
    struct tick expires;
    int64_t rtt_ms; /* of the last request that was sent once; -1: not known */
    bool movable;   /* holds a ticket */
};
struct turn_status turn_status(const struct turn_allocation *t);

/* TURN REST credentials (draft-uberti-behave-turn-rest-00 §2.2, coturn's use-auth-secret): username
 * "<unix expiry>:<name>", password base64(HMAC-SHA1(secret, username)). out has
 * TURN_REST_PASSWORD_SIZE bytes. */
#define TURN_REST_PASSWORD_SIZE 29
WARN_UNUSED bool turn_rest_password(struct view secret, struct view username,
                                    char out[TURN_REST_PASSWORD_SIZE]);

#endif
