/* profile: what we know of the network we are in, from whom, and how old that is: one for each
 * address family.
 * Not here: how it is found out (discovery.h, gateway.h), the SRCs, the choice itself (path.h).
 * doc/nat.md 5 (double NAT), 6, 11;
 * DESIGN.md's "What the NAT settings mean" and its settling. Pure. */
#ifndef NAT_PROFILE_H
#define NAT_PROFILE_H

#include "nat/discovery.h"
#include "nat/gateway.h"
#include "nat/path.h"

enum {
    PROFILE_SETTLE_MS = 3000,    /* an INVITE waits no longer than this */
    PROFILE_FRESH_MS = 60000,    /* what was verified longer ago is not taken for granted */
    PROFILE_FORGETS_APART_S = 2, /* two streams whose mappings were gone after times so near */
};

/* In the order in which they are believed where they differ. */
enum profile_source {
    PROFILE_SETTING,
    PROFILE_METADATA, /* of a cloud */
    PROFILE_STUN,
    PROFILE_GATEWAY,
    PROFILE_SERVICE,
    PROFILE_SOURCES,
};
const char *profile_source_name(enum profile_source source);

enum profile_state {
    PROFILE_SETTLING,
    PROFILE_KNOWN,
    PROFILE_CHANGED, /* an address is another one now; being found out anew, and used meanwhile */
    PROFILE_OFFLINE, /* no address at all */
};

struct profile_told {
    struct addr address; /* port 0; unset: nothing */
    struct tick at;
};

struct nat_profile {
    enum path_answer behind_nat; /* the setting: unknown is auto */
    struct addr local;           /* port 0; unset: offline */
    struct tick started;         /* settling since */
    struct profile_told told[PROFILE_SOURCES];
    struct nat_behaviour behaviour;
    struct tick behaviour_at;  /* TICK_NEVER: nothing yet */
    uint16_t forgotten_once_s; /* what one stream has shown last; 0: none has */
    enum gateway_speech gateway;
    bool gateway_is_inside; /* it has no address outside: a NAT stands behind it */
    bool stun_is_silent;    /* asked, and nobody answered */
    bool is_asked;          /* somebody is asked at all: the settings leave somebody to ask */
    bool has_changed;
    bool relay_udp, relay_stream, edge;
};

/* behind_nat and external are the settings' (external unset: auto). */
void profile_init(struct nat_profile *p, struct tick now, enum path_answer behind_nat,
                  struct addr external);
/* The address that the default route leaves from; unset: none. What was known of another network is
 * forgotten, what the settings say is not. False when it is the same as before. */
bool profile_set_local(struct nat_profile *p, struct tick now, struct addr local);
/* Somebody says that this is our address outside. True when he said otherwise before:
 * the network has changed. */
bool profile_tell(struct nat_profile *p, struct tick now, enum profile_source source,
                  struct addr external);
/* What discovery found. Of lifetimes the shortest counts, for as long as the network is the same
 * (RFC 5780 §4.6). */
void profile_tell_behaviour(struct nat_profile *p, struct tick now,
                            const struct discovery_result *result);
/* A stream's mapping was gone so long after our last packet. Counts for others once a second stream has shown
 * the same (true: by this one), and then as long as the network is the same: one may have been a NAT that
 * restarted, or trouble of its SRC's. Where two were, what it costs are keepalives. */
bool profile_tell_forgotten(struct nat_profile *p, uint16_t after_s);
/* Nobody answered discovery. */
void profile_tell_silence(struct nat_profile *p, struct tick now);
void profile_tell_gateway(struct nat_profile *p, struct tick now,
                          const struct gateway_status *status);
/* There is nobody (left) to ask: what is known is all there is to know for now. */
void profile_settle(struct nat_profile *p, struct tick now);

enum profile_state profile_state(const struct nat_profile *p, struct tick now);
/* When the state changes by time alone; TICK_NEVER. */
struct tick profile_deadline(const struct nat_profile *p, struct tick now);

/* Our address outside as best known, and who said so; unset: not known. */
struct addr profile_external(const struct nat_profile *p, enum profile_source *source);
/* NATs between us and the Internet as far as they can be told apart: 0, 1, 2 (two or more); -1:
 * not known. */
int profile_levels(const struct nat_profile *p);
/* May mappings of the gateway be advertised: is its address outside the one that others see? */
bool profile_trusts_gateway(const struct nat_profile *p);

/* The address outside that the settings order is not the one that STUN sees: it is advertised all the same, and what else
 * there is must stand ready. */
bool profile_is_doubted(const struct nat_profile *p);

/* Our side of path_choose for a media port. has_stun: its own address outside is fresh;
 * has_mapping: the gateway has mapped it. same_realm is the route's to say. */
struct path_us profile_us(const struct nat_profile *p, struct tick now, bool has_stun,
                          bool has_mapping);

/* Whether others can send to our address outside, be it after a packet of ours: an SRC with ICE is
 * then left the first word (doc/nat.md 5, 9). hops: what that packet needs to live for to pass our
 * NATs and no more; 0: it is not needed. */
bool profile_yields(const struct nat_profile *p, const struct path_us *us, uint8_t *hops);

/* What an operator should know, most pressing first; false when there is none at this place. */
struct profile_problem {
    const char *code, *text, *cure;
};
bool profile_problem(const struct nat_profile *p, struct tick now, size_t at,
                     struct profile_problem *out);

#endif
