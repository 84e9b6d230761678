/* move: offers of ours in mid-call, when streams need another way in or our address has changed.
 * Not here: which way (way.c), noticing that one is needed (media, reach.c).
 * RFC 7866 §7.2 (never a stream more), 3261 §14.1, 3264 §8.3.1. */
#ifndef RECORDER_MOVE_H
#define RECORDER_MOVE_H

#include "nat/verdict.h"
#include "recorder/recorder.h"

struct recorder_call;
struct recorder_lease;
struct sip_event;

/* What a stream wants, and what it has as long as the SRC has not answered. */
struct recorder_turn {
    bool wanted;
    bool
        anew; /* another relay is wanted for one that brought nothing, or none: what was told stays then */
    bool
        stranded; /* what the SRC was told leads nowhere, and there was nothing better to tell it */
    enum verdict_event why;        /* RETRIED, RELAY_LOST, MIGRATED or ADDRESS_CHANGED */
    struct addr seen;              /* MIGRATED: where its packets really come from */
    struct tick give_up;           /* of a lost address: until then better ones may show */
    struct recorder_lease *before; /* malloc'ed; NULL: nothing of it is offered */
    struct tick turned_at;         /* with before */
    /* How often it got another port for want of another path, or relays anew, since it is heard
     * from there. */
    uint8_t renewed;
    struct addr heard_from; /* unset: it has not been heard */
};

struct recorder_moves {
    struct recorder_turn turns[LIMIT_STREAMS_PER_RECORDING];
    bool due;         /* something is to be offered, or offered again, at `at` */
    bool offered;     /* an offer is out, or is to be repeated */
    bool by_update;   /* the SRC took no re-INVITE */
    unsigned tries;   /* of this offer */
    unsigned done;    /* offers in this call: it must not become a habit */
    struct tick at;   /* when the next is to leave */
    uint64_t request; /* that is out; 0: none */
    struct view sdp;  /* what it offers; malloc'ed */
};

/* The stream shall have another way: soon, together with others of the call. RETRIED and RELAY_LOST
 * take none that lease.tried names. */
void recorder_move_want(struct recorder *recorder, struct recorder_call *call,
                        struct recorder_now now, unsigned stream, enum verdict_event why,
                        const struct addr *seen);
/* What media says of a stream: that nothing that was tried brings its packets, or that they come. */
void recorder_move_hear(struct recorder_call *call, const struct media_event *event);
/* The SRC that could not be told of another address has sent us a request: it can be told now. */
void recorder_move_reached(struct recorder *recorder, struct recorder_call *call,
                           struct recorder_now now);
/* Something came to stand ready: stranded streams of that worker's calls shall have it. */
void recorder_move_hope(struct recorder *recorder, struct recorder_now now, uint32_t worker);
/* The ACK of an answer that said inactive came: once the way is open the streams are offered
 * recvonly (RFC 7866 Figure 7). */
void recorder_move_resume(struct recorder *recorder, struct recorder_call *call,
                          struct recorder_now now);
/* Our Contact is another one: the SRC is told by an offer, a new one or the same again. */
void recorder_move_refresh(struct recorder *recorder, struct recorder_call *call,
                           struct recorder_now now);
/* The call's timer: offers what is due. */
void recorder_move_expire(struct recorder *recorder, struct recorder_call *call,
                          struct recorder_now now);
struct tick recorder_move_deadline(const struct recorder_call *call);
/* True when it was the answer to such an offer. */
bool recorder_move_response(struct recorder *recorder, struct recorder_call *call,
                            struct recorder_now now, const struct sip_event *event);
void recorder_move_finish(struct recorder_call *call);

#endif
