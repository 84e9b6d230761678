/* ice_inside: what a stream has of ICE, shared by ice.c and trickle.c.
 * Not here: what the rest of the module may call (ice.h).
 * RFC 8839 §4, 8840 §4.4. */
#ifndef RECORDER_ICE_INSIDE_H
#define RECORDER_ICE_INSIDE_H

#include "recorder/ice.h"
#include "recorder/second.h"

/* No fewer than the agent has room for: what it checks from, the SRC is told. */
#define RECORDER_ICE_TOLD ICE_LOCALS

struct recorder_ice {
    struct recorder_ice *next; /* offered in its place, not answered yet */
    struct ice *agent;         /* until it is posted */
    bool mismatch;             /* the SRC's own SDP contradicts itself: no ICE on this stream */
    bool lite;
    bool over_tcp; /* has candidates of TCP: it shares sockets */
    bool bridges;  /* the SRC has candidates of a family that we have no address of */
    uint8_t components;
    char ufrag[ICE_UFRAG_SIZE], pwd[ICE_PWD_SIZE];
    struct candidate
        told[RECORDER_ICE_TOLD]; /* in the order that they were told in (RFC 8840 §4.4) */
    size_t count;
    size_t heard, sent; /* how many the SRC has; and once it has taken the last INFO */
    bool ends;          /* no more of ours will come */
    bool owes;          /* the answer had no room for all of them */
    bool has_path;      /* of RTP: the agent has found one */
    bool failed;        /* checks found nothing, or the relay that they found is gone */
    bool renews;        /* our next offer begins anew */
    bool moved;         /* so it does: an address that we have told is ours no more */
    uint8_t renewals;   /* so far */
    /* Of the SRC's last description: others are a restart. */
    char remote_ufrag[ICE_REMOTE_CREDENTIAL_SIZE], remote_pwd[ICE_REMOTE_CREDENTIAL_SIZE];
    uint32_t port, generation;              /* the agent's bases are of these, and */
    struct recorder_second second;          /* of this one; the worker's once it is posted */
    struct addr permitted[MEDIA_PERMITTED]; /* IPs that a relay shall let in */
    uint8_t permitted_count;
};

/* Gives the worker candidates of the SRC's, of media in recorder->theirs; its relay lets them in. */
void recorder_ice_more(struct recorder *recorder, struct recorder_call *call, unsigned number,
                       const struct sdp_media *media, bool end, struct wall at);
/* More candidates of ours may come: the SRC shall not be told that there are no more. */
bool recorder_ice_awaits(const struct recorder *recorder, const struct recorder_call *call,
                         struct recorder_now now, const struct recorder_lease *lease,
                         const struct recorder_ice *ice);
/* Is it among our candidates that the SRC knows, or will? */
bool recorder_ice_has_told(const struct recorder_ice *ice, const struct addr *address);
/* May checks be sent to a candidate there? */
bool recorder_ice_may_check(const struct recorder *recorder, const struct recorder_call *call,
                            const struct addr *address);

/* media has the credentials that the stream's ICE goes by. */
bool recorder_ice_is_of(const struct recorder_ice *ice, struct view ufrag, struct view pwd);

#endif
