/* board: the only way between the daemon's threads and the API: what the API wants, what the daemon
 * shows. The signalling thread never waits for it; whoever reads here gets a copy.
 * Not here: HTTP (api.h), the catalogue.
 * RFC: none. */
#ifndef API_BOARD_H
#define API_BOARD_H

#include "base/uuid.h"

struct api_board;

struct api_board *api_board_create(void);        /* NULL with errno */
void api_board_destroy(struct api_board *board); /* NULL is fine */

/* For the daemon. */

enum api_want {
    API_WANT_SESSIONS = 1 << 0, /* publish the sessions, soon: somebody waits, at most 2 s */
    API_WANT_NAT = 1 << 3,      /* publish what is known of the network, likewise */
    API_WANT_DRAIN = 1 << 1,    /* take no more calls, end when the last is over; may come again */
    API_WANT_FORGET = 1 << 2,   /* an SRC profile: api_board_take_src() */
};
/* An eventfd that is readable while something is wanted. */
int api_board_fd(const struct api_board *board);
/* The wants since the last call, as a mask of enum api_want; clears them and the descriptor. */
unsigned api_board_take(struct api_board *board);

/* After API_WANT_FORGET: the SRC profiles to forget, one by one; false when there is none left. */
bool api_board_take_src(struct api_board *board, struct uuid *out);

/* A JSON array of the recordings going on: the objects of GET /v1/recordings. Copied. Any thread. 0
 * or ENOMEM. */
WARN_UNUSED int api_board_publish_sessions(struct api_board *board, struct view json);

/* The JSON object of GET /v1/nat, likewise. */
WARN_UNUSED int api_board_publish_nat(struct api_board *board, struct view json);

struct api_health {
    bool answering; /* SIP is being answered */
    bool settling;  /* the network profile does not stand yet: OPTIONS gets 503 */
    bool draining;
    bool full;       /* no ports or no memory for another call */
    bool disk_full;  /* recordings cannot be written */
    bool no_address; /* this host has none of the addresses of sip.listen */
    uint64_t sessions;
    uint64_t streams;
};
/* Whenever one of them changes. Any thread. */
void api_board_set_health(struct api_board *board, const struct api_health *health);

/* For the API. */

void api_board_want(struct api_board *board, enum api_want want);
/* The daemon shall answer this SRC's calls as a stranger's. */
void api_board_forget_src(struct api_board *board, const struct uuid *id);
/* Asks for the sessions and waits for an answer newer than the call, at most timeout_ms. A copy
 * that the caller frees, or NULL when none came. */
char *api_board_sessions(struct api_board *board, unsigned timeout_ms);
char *api_board_nat(struct api_board *board, unsigned timeout_ms); /* likewise */
/* False when the daemon has not said anything yet. */
bool api_board_health(struct api_board *board, struct api_health *out);

#endif
