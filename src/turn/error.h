/* error: what the client does about each error a TURN server can give: one visible table.
 * Not here: 401 and 438, which the credentials answer (stun/auth.h).
 * RFC 8656 §5, §7.4, §8.4, §10.4, §12.3; RFC 8016 §3; RFC 8489 §10. */
#ifndef TURN_ERROR_H
#define TURN_ERROR_H

#include "stun/message.h"

struct turn_options;

enum turn_action {
    TURN_GIVE_UP,     /* this server will not serve us until somebody changes something */
    TURN_WAIT_SERVER, /* another server now; this one again after a pause */
    TURN_ALTERNATE,  /* the server it names in ALTERNATE-SERVER, over the same transport security */
    TURN_NEW_SOCKET, /* from another client address: delete what may be there, then again */
    TURN_SIMPLER,    /* again at once without what it refused: a family, EVEN-PORT, mobility */
    TURN_GONE,       /* the allocation no longer exists: make a new one; its address changes */
    TURN_PEER_REFUSED, /* this peer cannot be reached over this server; the others can */
    TURN_PEER_LATER,   /* no room for this permission or channel: again in a while */
    TURN_IGNORE,       /* nothing is lost by doing nothing */
};

enum turn_action turn_error_action(uint16_t method, uint16_t code);
/* TURN_SIMPLER: leaves out of an Allocate what its refusal points at. False: nothing is left to leave
 * out. */
WARN_UNUSED bool turn_error_simplify(struct turn_options *options, uint16_t code);
/* RFC 8489 §6.3.3, §6.3.4: with a comprehension-required attribute that we do not know the transaction has failed,
 * whatever else the answer says. */
bool turn_error_is_beyond_us(const struct stun_message *m);

/* Pauses of RFC 8656 §7.4. */
#define TURN_PAUSE_MS          (60 * 1000)  /* 486, 508: at least 1 minute */
#define TURN_MISMATCH_PAUSE_MS (120 * 1000) /* 437 from three client addresses: 2 minutes */
#define TURN_MISMATCH_TRIES    3

#endif
