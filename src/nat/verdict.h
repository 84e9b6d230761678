/* verdict: one stream's story as far as the way of its packets goes: which path, why, what else
 * there was, what happened.
 * Not here: deciding (path.h), packets and their loss (rtp), where the text is kept (recorder).
 * doc/nat.md 1 (classes B1 to B6), 12; the JSON is DESIGN.md's "verdict". Pure. */
#ifndef NAT_VERDICT_H
#define NAT_VERDICT_H

#include "base/tick.h"
#include "nat/path.h"

enum verdict_event {
    VERDICT_ANSWERED,
    VERDICT_PUNCHED,
    VERDICT_PERMITTED,
    VERDICT_DENIED, /* the relay lets this peer not in */
    VERDICT_FIRST_PACKET,
    VERDICT_LATCHED,  /* its port was learned from its packets */
    VERDICT_FOLLOWED, /* it came to the raw socket while another address was answered: it latches */
    VERDICT_REBOUND,  /* a NAT gave it another port */
    VERDICT_MIGRATED, /* from the relay to the direct path */
    VERDICT_RETRIED,  /* the ladder took the next path */
    VERDICT_ADDRESS_CHANGED, /* ours */
    VERDICT_RELAY_LOST,
    VERDICT_SILENT,  /* nothing for a while although the call is up */
    VERDICT_ICE,     /* its checks chose a path */
    VERDICT_CONSENT, /* and the path answers no more (RFC 7675) */
    VERDICT_EVENTS,
};

enum verdict_security {
    VERDICT_SECOND_SENDER = 1 << 0,
    VERDICT_FORGED_STUN = 1 << 1,
    VERDICT_FLOOD = 1 << 2,
    VERDICT_ALG = 1 << 3, /* c= is not what the SRC can have written: somebody rewrites SIP */
};

struct verdict_step {
    enum verdict_event event;
    int32_t t_ms; /* since the answer */
    struct addr peer;
};

enum {
    VERDICT_PAIR = 8,
    VERDICT_LEARNED = 192,
    VERDICT_TRAIL = 32
}; /* a punch is told once: this is enough for every step of the ladder, twice */

struct verdict {
    struct tick began;
    struct path_us us;
    struct path_src src;
    struct path_choice choice; /* the present one */
    char pair[VERDICT_PAIR];   /* the one of ICE; "none" before it has; empty: without ICE */
    struct verdict_step trail[VERDICT_TRAIL];
    uint8_t count;
    uint32_t untold; /* beyond the trail's end */
    struct addr observed;
    int32_t first_packet_ms; /* -1: none */
    uint32_t lost_before_first, switches;
    bool follows, unreachable;
    uint32_t turns; /* how often unreachable became so or otherwise */
    unsigned security;
    char learned[VERDICT_LEARNED]; /* what of the choice came from the SRC's profile, in words */
};

void verdict_begin(struct verdict *v, struct tick now, const struct path_us *us,
                   const struct path_src *src, const struct path_choice *choice);
/* The same event with the same peer twice in a row is told once, and so is silence. */
void verdict_note(struct verdict *v, struct tick now, enum verdict_event event,
                  const struct addr *peer);
/* The first packet that was recorded; lost: those before it, as far as sequence numbers tell. */
void verdict_first_packet(struct verdict *v, struct tick now, const struct addr *from,
                          uint32_t lost);
/* Another path is in use: VERDICT_MIGRATED or VERDICT_RETRIED. */
void verdict_switch(struct verdict *v, struct tick now, enum verdict_event event,
                    const struct path_choice *choice);
/* The stream has ICE from now on, or not any more; what its checks chose before is forgotten. */
void verdict_ice(struct verdict *v, bool has_ice);
/* They chose: a cell of doc/nat.md 3 ("S-Rs"). */
void verdict_ice_chose(struct verdict *v, struct tick now, const char *pair,
                       const struct addr *peer);
void verdict_alarm(struct verdict *v, enum verdict_security what);

/* src_profile_say()'s words; cut where too long. */
void verdict_learned(struct verdict *v, struct view words);
/* Everything was tried, or ICE has looked for a while, and nothing came: verdict_cure() says why and
 * what to do; until a packet comes after all. Told once. */
void verdict_unreachable(struct verdict *v, struct tick now);

struct verdict_cure {
    const char *reason, *cure;
};
/* The likeliest reason why nothing comes, by what is known of both sides. */
struct verdict_cure verdict_cure(const struct verdict *v);

/* "B1" to "B6" by what was seen; NULL while nothing was. */
const char *verdict_src_class(const struct verdict *v);
/* "open", "EIM+ADF", "EDM+APDF", "UDP blocked", ...: a row of the tables. */
void verdict_our_class(const struct path_us *us, struct writer *w);
/* The object of the API, on one line. Its texts are ours alone. */
void verdict_print(const struct verdict *v, struct writer *w);

#endif
