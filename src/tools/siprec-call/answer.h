/* answer: an SDP body of the SRS's, read far enough to send media to it and to say what is wrong
 * with it.
 * Written apart from siprecd's own SDP on purpose: see message.h.
 * RFC 8866, 3264 §6, 3605 (a=rtcp), 4574 (a=label). */
#ifndef TOOLS_SIPREC_CALL_ANSWER_H
#define TOOLS_SIPREC_CALL_ANSWER_H

#include "base/addr.h"
#include "base/view.h"

#define CALL_MEDIA_MAX 32

enum call_direction { CALL_SENDRECV, CALL_SENDONLY, CALL_RECVONLY, CALL_INACTIVE };
const char *call_direction_name(enum call_direction direction);

struct call_media {
    struct view kind;    /* "audio" */
    struct view formats; /* "0 101" */
    struct view label;
    struct addr rtp; /* port 0: rejected; the c= address */
    struct addr rtcp;
    enum call_direction direction;
    bool mux;
    struct view mid;        /* empty: none */
    struct view attributes; /* the m-line's section, for rtpmap */
};

struct call_answer {
    struct call_media media[CALL_MEDIA_MAX];
    bool ice_lite, ice_trickles;
    size_t count;       /* m-lines, also those beyond CALL_MEDIA_MAX */
    struct view origin; /* the o= line's value */
};

/* Finds the SDP in a body (alone, or a part of a multipart one) and reads it; borrows body. False
 * without any. */
WARN_UNUSED bool call_answer_parse(struct call_answer *answer, struct view content_type,
                                   struct view body);

/* The encoding of payload type number in an m-line: its rtpmap, or the static one of RFC 3551;
 * VIEW_NONE if neither. */
struct view call_media_rtpmap(const struct call_media *media, uint8_t number);

#endif
