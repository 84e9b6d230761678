/* srcs: what the calls of an SRC have taught us about it, so that its next one is answered with the
 * path that works: one profile an SRC.
 * Not here: keeping profiles (catalog, recorder), telling SRCs apart by more than their key.
 * doc/nat.md 12: only calls with 5 s of good RTP teach; a profile changes the order of tries and takes
 * no try away. Pure. */
#ifndef NAT_SRCS_H
#define NAT_SRCS_H

#include "base/tick.h"
#include "nat/path.h"

enum {
    SRC_MEDIA = 6,          /* addresses remembered; the latest used first */
    SRC_KEY_SIZE = 256,     /* with its NUL; a longer one is cut and hashed */
    SRC_TEACHES_MS = 5000,  /* of good RTP */
    SRC_KEEP_DAYS = 30,     /* unused for so long: forgotten */
    SRC_WEIGHT = 100,       /* of what was seen; one failure halves it, two forget it */
    SRC_OFFSET_CALLS = 2,   /* in a row that show one port offset: it is believed, */
    SRC_OFFSET_AGAIN = 3,   /* and so many where it was seen to be another before */
    SRC_PROFILE_TEXT = 1536 /* its JSON is never longer */
};

/* Whom a profile is of: who proved to be somebody, else whoever calls the same way. */
struct src_key {
    struct view identity; /* authenticated; empty: not */
    struct view listener; /* "udp:0.0.0.0:5060" */
    struct addr source;   /* of its SIP; the port plays no part */
    struct view contact;  /* host of its Contact, without port */
    struct view agent;    /* User-Agent */
};
/* One line of printable ASCII for the catalogue. Equal keys and no others give equal lines. */
void src_key_print(const struct src_key *key, char out[SRC_KEY_SIZE]);

enum src_fact {
    SRC_SYMMETRIC,      /* sends from what it offers (RFC 7866 §8.1.8) */
    SRC_LATCHES,        /* sends to where our packets come from */
    SRC_KEEPS_PORT,     /* the NAT before it does */
    SRC_PORT_OFFSET,    /* else its port is the offered one plus the same number in each call */
    SRC_MANY_ADDRESSES, /* media from a known set: a farm */
    SRC_ANY_ADDRESS,    /* media from addresses nobody can tell before */
    SRC_ONE_PORT,       /* the same source port to whomever it sends: the relay can be left */
    SRC_REINVITES,      /* takes a re-INVITE or UPDATE of ours */
    SRC_RTCP_MUX,       /* offered or took it (RFC 5761) */
    SRC_RTCP_ATTRIBUTE, /* sends RTCP to what our a=rtcp says (RFC 3605) */
    SRC_QUIET,          /* bears no keepalives: ICMP, or it ended the call */
    SRC_REBINDS,        /* its address has changed in mid-call */
    SRC_FACTS,
};

struct src_belief {
    enum path_answer answer; /* unknown: weight 0 */
    uint8_t weight;
};

struct src_profile {
    struct wall first_at, used_at;
    uint32_t calls; /* that taught */
    struct src_belief beliefs[SRC_FACTS];
    int32_t first_rtp_ms; /* after the ACK, as last seen; -1: not known */
    /* The port that it sent from last minus the one it had offered, at the address where it was
     * expected; 0: it was none. */
    int32_t port_offset;
    uint16_t port_offset_offered; /* the port that it had offered, */
    uint32_t port_offset_calls;   /* calls in a row that showed it; 0: it has failed, none counts */
    struct addr media[SRC_MEDIA];
    uint8_t media_count;
};

void src_profile_init(struct src_profile *p, struct wall now);
enum path_answer src_profile_believes(const struct src_profile *p, enum src_fact fact);
/* Unused for 30 days. */
bool src_profile_is_stale(const struct src_profile *p, struct wall now);

/* Fills what earlier calls taught into src, whose offered, signalled and barred stand. */
void src_profile_apply(const struct src_profile *p, struct path_src *src);
/* The facts (1 << fact) without which the choice would have been another: what a verdict says came
 * from the profile, and what has failed when the choice fails. src as src_profile_apply() left it. */
unsigned src_profile_used(const struct src_profile *p, const struct path_us *us,
                          const struct path_src *src);
/* "it follows our packets (3 calls)"; nothing for none. One line, no quotes inside. */
void src_profile_say(const struct src_profile *p, unsigned used, struct writer *w);

/* One stream of a call that is over (or has taught enough). */
struct src_lesson {
    struct addr offered, signalled;
    bool again;              /* another stream of its call has taught before */
    struct addr observed;    /* the first source that was recorded; unset: nothing came */
    int64_t good_rtp_ms;     /* how long RTP flowed without breaks worth mention */
    int32_t first_rtp_ms;    /* after the ACK; -1: not known */
    enum path_code answered; /* the first answer's, */
    unsigned used;           /* and src_profile_used() of it */
    bool failed;             /* the ladder had to leave it, or nothing ever came */
    bool probed_back;        /* relayed, and packets went to what it offered from our raw socket */
    bool followed;           /* VERDICT_FOLLOWED */
    bool listed;
    bool expected; /* observed's IP stands in sip.allow's small prefixes or was known */
    bool rebound;
    /* Unknown: the call did not show. */
    enum path_answer one_port, reinvites, rtcp_mux, rtcp_attribute, quiet;
};
/* True when the profile is another one now (to be kept); its used_at counts. */
bool src_profile_learn(struct src_profile *p, struct wall now, const struct src_lesson *lesson);

/* "B1" to "B6" by what was seen last; NULL: nothing learned. */
const char *src_profile_class(const struct src_profile *p);

/* A JSON object on one line; out has SRC_PROFILE_TEXT bytes. */
void src_profile_print(const struct src_profile *p, char out[SRC_PROFILE_TEXT]);
/* False, *out untouched: none that we wrote. */
WARN_UNUSED bool src_profile_parse(struct view text, struct src_profile *out);

#endif
