/* answer: what to say to an SRC's offer, m-line by m-line, and our own offer when it makes none.
 * Not here: reading SDP (session.h), ports (media), which stream an m-line continues (match.h).
 * RFC 3264 §6 and §8, 7866 §7.2, 3605, 4574, 5761 §5.1.1, 8839, 9143 §7.3. */
#ifndef SDP_ANSWER_H
#define SDP_ANSWER_H

#include "sdp/session.h"

/* Why an m-line is answered with port 0. */
enum sdp_reject {
    SDP_ACCEPTED,
    SDP_REJECT_REMOVED,     /* the offer itself has port 0 */
    SDP_REJECT_BUNDLE_ONLY, /* may only be accepted inside a bundle, which we do not make */
    SDP_REJECT_MEDIA,       /* not audio */
    SDP_REJECT_PROFILE,     /* not RTP over UDP */
    SDP_REJECT_SECURE, /* SRTP, for which there are no keys here: never answered as plain RTP */
    SDP_REJECT_CODEC,  /* nothing in it that can be rendered */
    SDP_REJECT_ALTERNATIVE, /* another of its a=group:ANAT was accepted (RFC 4091 §4) */
    SDP_REJECT_LOCAL,       /* the caller's reason */
};

/* ICE lines of an accepted m-line. Everything is borrowed until printed. */
struct sdp_ice {
    bool mismatch; /* RFC 8839 §5.3: a=ice-mismatch and nothing else */
    bool ends;     /* a=end-of-candidates, for those that trickle (RFC 8838 §8.2) */
    struct view ufrag, pwd;
    const struct candidate *candidates;
    size_t candidate_count;
};

struct sdp_answer_line {
    enum sdp_reject reject;
    enum sdp_direction direction; /* ours: recvonly, sendonly or inactive */
    struct view label;            /* a=label to print; borrows */
    bool rtcp_mux;                /* answered with a=rtcp-mux: no RTCP port is needed */
    uint8_t format_count;
    uint8_t format_at[LIMIT_SDP_FORMATS]; /* which of the offer's formats, in its order */
    uint16_t more_first, more_count; /* further formats of an offer of ours, in the answer's pool */
    /* For the caller to fill in before printing, where reject is SDP_ACCEPTED: */
    struct addr rtp;           /* what we advertise; port not 0 */
    struct addr rtcp;          /* unset: one above rtp. Printed as a=rtcp unless rtcp_mux */
    const struct sdp_ice *ice; /* NULL: none */
};

/* Formats that our offers add to theirs; what does not fit is not offered. */
#define SDP_MORE_POOL 128

/* About 15 KB. Borrows the offer. */
struct sdp_answer {
    const struct sdp_session *offer;
    size_t count;    /* the offer's media_count */
    size_t accepted; /* lines with SDP_ACCEPTED */
    size_t removed;  /* lines that the offerer itself removed */
    struct sdp_answer_line lines[LIMIT_SDP_MEDIA];
    bool ice_lite;    /* for the caller to fill in, as the lines' ice */
    bool ice_trickle; /* more candidates may be told to us later */
    size_t more_used;
    struct sdp_format more[SDP_MORE_POOL];
};

/* The description we sent last in a dialog: RFC 3264 §8 lets the version grow by one when, and only
 * when, the description changes. One a dialog; plain data. */
struct sdp_origin {
    uint64_t id;
    uint64_t version;
    struct addr address; /* stays for the dialog's life, as o= must */
    bool sent;
    uint64_t digest;
};

/* id < 2^62, different for each dialog. */
void sdp_origin_init(struct sdp_origin *origin, uint64_t id, struct addr address);

/* Decides every line of the offer; offer must outlive the answer. Nothing can fail: an initial
 * INVITE with accepted == 0 gets a 488; a re-INVITE with accepted == 0 only if removed < count. */
void sdp_answer_plan(struct sdp_answer *answer, const struct sdp_session *offer);
/* Gives up an accepted line (no port was free, say). */
void sdp_answer_refuse(struct sdp_answer *answer, size_t line, enum sdp_reject reject);

/* Leaves no more than `voices` voice codecs on any line, the offerer's favourites, with what goes
 * along (digits, comfort noise): where the description must not become too long. False: there was
 * nothing to leave out. */
bool sdp_answer_shorten(struct sdp_answer *answer, unsigned voices);

/* Our offer where an INVITE has none (RFC 3261 §13.3.1.4): two audio m-lines, labels 1 and 2,
 * recvonly, every codec we know. session is scratch that the answer borrows. */
void sdp_offer_plan_new(struct sdp_answer *answer, struct sdp_session *session);
/* Our offer within a session: the lines that stand, from the last description of theirs, none added
 * (RFC 7866 §7.2), recvonly where they had stopped, so that the SRC may resume; with all that we
 * can take (RFC 3261 §14.2), by the payload types in use (RFC 3264 §8.3.2), so that it may change
 * codecs. ours, our own last description, gives the labels that theirs left out, as an SRC that
 * answers our offer may, and its formats; NULL: none. Borrows both. */
void sdp_offer_plan_again(struct sdp_answer *answer, const struct sdp_session *theirs,
                          const struct sdp_session *ours);

/* Writes the description, with the version that is right after the last one printed with this
 * origin, which it updates: print only what is then sent. False when w is too small (w->failed). */
WARN_UNUSED bool sdp_answer_print(const struct sdp_answer *answer, struct sdp_origin *origin,
                                  struct writer *w);

#endif
