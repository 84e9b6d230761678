/* trickle: candidates that come after offer and answer, in INFO: the SRC's, and ours that an answer
 * had no room for or that were found later; private to the module.
 * Not here: what goes by offers (ice.h), the body's format (sdp/fragment.h).
 * RFC 8840 §4.4, §10; 8838; 6086. */
#ifndef RECORDER_TRICKLE_H
#define RECORDER_TRICKLE_H

#include "recorder/recorder.h"
#include "sip/sip.h"

struct recorder_call;

struct recorder_trickle {
    bool speaks;      /* the SRC takes such INFO */
    bool due;         /* candidates of ours are to be told */
    uint64_t request; /* our INFO that is out: one at a time (§10.9); 0: none */
    unsigned tries;
    struct tick at; /* when what is due may leave */
};

/* The SRC's INVITE: does it take INFO with candidates? */
void recorder_trickle_meet(struct recorder_call *call, const struct sip_message *message);
/* Header lines of our answers to it; may be empty. */
struct view recorder_trickle_headers(const struct recorder_call *call);
/* Leaves in the answer in the making no candidates but the m-lines' own: the rest is told by INFO.
 * False: the SRC takes none, or nothing was left out. */
bool recorder_trickle_shorten(struct recorder *recorder, struct recorder_call *call);
/* The answer with the stream's candidates has left. */
void recorder_trickle_begin(struct recorder_call *call, unsigned number);
/* STUN's view of a lent port came, or changed. */
void recorder_trickle_found(struct recorder *recorder, struct recorder_call *call,
                            struct recorder_now now, unsigned number);
/* There are more of the stream's than were told. False: not by INFO. */
bool recorder_trickle_more(struct recorder *recorder, struct recorder_call *call,
                           struct recorder_now now, unsigned number);
/* The stream has its path: no more will be looked for, and the SRC is told so. */
void recorder_trickle_done(struct recorder *recorder, struct recorder_call *call,
                           struct recorder_now now, unsigned number);
/* An INFO of the SRC's. */
void recorder_trickle_take(struct recorder *recorder, struct recorder_call *call,
                           struct recorder_now now, const struct sip_message *message);

struct tick recorder_trickle_deadline(const struct recorder_call *call);
void recorder_trickle_expire(struct recorder *recorder, struct recorder_call *call,
                             struct recorder_now now);
/* True when the response is to our INFO. */
bool recorder_trickle_response(struct recorder *recorder, struct recorder_call *call,
                               struct recorder_now now, const struct sip_event *event);

#endif
