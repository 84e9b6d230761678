/* agent: the inside of struct ice, shared by this module's files.
 * Not here: what owners may know (ice.h).
 * RFC 8445. */
#ifndef ICE_AGENT_H
#define ICE_AGENT_H

#include "ice/ice.h"
#include "stun/client.h"
#include "stun/key.h"

enum ice_pair_state {
    ICE_FROZEN,
    ICE_WAITING,
    ICE_IN_PROGRESS,
    ICE_SUCCEEDED,
    ICE_DEAD, /* Failed */
};

struct ice_local {
    struct candidate candidate;
    struct ice_base base;
    uint16_t local_preference;
    bool pairable; /* its own base: a reflexive one is never sent from (§6.1.2.4) */
};

/* What checks need of a peer's candidate; its related address says nothing to us. */
struct ice_remote {
    struct addr address;
    uint32_t priority;
    uint8_t type; /* enum candidate_type */
    uint8_t transport;
    uint8_t component;
    char foundation[CANDIDATE_FOUNDATION_SIZE];
};

/* A hundred of these are most of an agent: hence the bit fields. */
struct ice_pair {
    struct stun_client client; /* the check under way */
    uint32_t order;            /* place in the triggered-check queue */
    uint8_t local, remote;     /* indices; local is the base */
    uint8_t mapped;            /* valid: which local candidate the answer showed */
    uint8_t state;             /* enum ice_pair_state */
    uint8_t component;
    uint8_t turns;          /* the session's, when the check under way was first sent */
    bool triggered : 1;     /* waits in the triggered-check queue */
    bool use_candidate : 1; /* the check under way, or the next, nominates (controlling) */
    bool sent_use_candidate : 1;
    /* the peer nominated it before our own check was through (§7.3.1.5) */
    bool nominate_on_success : 1;
    bool valid : 1, nominated : 1;
    bool named : 1;               /* by us, and the peer has heard it */
    bool sent_as_controlling : 1; /* the check under way */
    bool
        heard_as_controlling : 1; /* the one that made it valid: what the peer did not contradict */
    bool opens : 1;               /* an opener is due */
    bool held : 1;                /* its check gives the peer's the first word, until ice->hold */
};

/* §7.3.1.4: a check that is not sent again, but whose answer still counts. */
struct ice_cancelled {
    struct stun_transaction transaction;
    uint8_t local, remote; /* its pair, if there still is one */
    bool open, use_candidate, as_controlling;
};

/* RFC 7675: answers to any of the last checks keep consent, so their ids are kept for 30 s. */
enum { ICE_CONSENT_CHECKS = 8 };
struct ice_consent {
    struct tick next, expires; /* of a lite agent next alone: its keepalives (RFC 8445 §11) */
    struct stun_transaction sent[ICE_CONSENT_CHECKS];
    uint8_t sent_count, sent_at; /* how many of them are filled; where the next goes */
};

/* A check that came before the peer's description (§7.3: it is answered, and made up for later). */
struct ice_early {
    struct ice_path via;
    uint32_t priority;
    bool use_candidate;
};
enum { ICE_EARLY = 11, ICE_EVENTS = 8, ICE_ANSWERS = 6, ICE_CANCELLED = 16 };

/* What both sides call themselves, and their passwords. */
struct ice_credentials {
    char ufrag[ICE_UFRAG_SIZE];
    char remote_ufrag[ICE_REMOTE_CREDENTIAL_SIZE];
    struct stun_key *local_key, *remote_key;
};

/* The longest refuses sixteen attributes that we do not understand (420). */
enum { ICE_ANSWER_SIZE = 128 };
struct ice_answer {
    struct ice_path path;
    uint16_t len;
    uint8_t bytes[ICE_ANSWER_SIZE];
};

struct ice {
    struct ice_options options;
    enum ice_role role; /* its pairs are ranked by this one */
    struct ice_session *session, alone;
    enum ice_state state;
    struct rng rng;
    char pwd[ICE_PWD_SIZE];
    struct ice_credentials credentials;
    /* Those by which the selected paths were chosen, from a restart until it is completed;
     * else without keys. */
    struct ice_credentials previous;
    uint8_t components;    /* the lesser of both sides' (§6.1.2.2) */
    uint8_t roles_refused; /* 487s that changed our role: beyond some it is a game */
    uint16_t foundations;  /* given out, ever */
    bool locals_changed;   /* pairs are to be formed when time is known */
    bool role_changed;     /* what that means for its pairs is looked at when time is known */
    bool remote_known, remote_lite, remote_ended;

    struct ice_local locals[ICE_LOCALS];
    struct ice_remote remotes[ICE_REMOTES];
    struct ice_pair pairs[ICE_PAIRS];
    uint8_t local_count, remote_count, pair_count, early_count;
    uint32_t triggered_count; /* ever */
    uint8_t triggered_row;    /* checks of the triggered queue since the last ordinary one */
    struct ice_cancelled cancelled[ICE_CANCELLED];
    uint8_t cancelled_next;
    struct ice_early early[ICE_EARLY];

    struct tick next_check; /* pacing: Ta after the last */
    struct tick hold;       /* until when held pairs wait for the peer */
    struct tick started;    /* the first pair: how long a relay has to wait */
    struct tick give_up;    /* every pair failed: until here something may still come */
    struct tick again;      /* a relay is chosen: when what it stands for is tried again */
    uint8_t again_rounds,
        again_left;  /* tries done; pairs that the peer may still bring into them */
    uint8_t relayed; /* components whose selected path is, as bits */
    size_t checks_sent;

    struct ice_path selected[ICE_COMPONENTS];
    bool is_selected[ICE_COMPONENTS];
    bool is_chosen[ICE_COMPONENTS]; /* since the last restart: an older path only carries on */
    uint64_t selected_priority[ICE_COMPONENTS];
    struct ice_consent consents[ICE_COMPONENTS];

    struct ice_answer answers[ICE_ANSWERS]; /* ring: answers to checks, sent at once */
    uint8_t answer_first, answer_count;
    struct ice_event events[ICE_EVENTS];
    uint8_t event_first, event_count;
    uint8_t packet[ICE_PACKET_SIZE];
};

#define ICE_TA_MS 50
/* For our description to arrive, and the peer's first check to leave: where a NAT of ours keeps out
 * whoever comes from another port, and where it costs a detour at most. */
#define ICE_HOLD_MS       1000
#define ICE_HOLD_SHORT_MS 300
/* In a restart relays wait less, too (RESTART_MOST_MS): direct paths need their time before that. */
#define ICE_HOLD_AGAIN_MS 500
#define ICE_GIVE_UP_MS    5000 /* §7.2.5.4 leaves it open: the peer's own checks may still arrive */
#define ICE_GIVE_UP_TRICKLE_MS                                                                     \
    30000 /* without end-of-candidates: of a peer that forgets to say so */
#define ICE_KEEPALIVE_MS      15000 /* §11: Tr */
#define ICE_TCP_ACTIVE_PORT   9     /* RFC 6544 §4.5: no port yet */
#define ICE_ROLES_REFUSED_MAX 8

void ice_tell(struct ice *ice, struct ice_event event);

/* ---- checklist.c: which pairs there are and in which state ---------------------------------- */

/* Pairs of a new local or remote candidate with all of the other side (§6.1.2.2), pruned
 * (§6.1.2.4), ranked, cut to ICE_PAIRS (§6.1.2.5). */
void ice_pairs_form(struct ice *ice, struct tick now);
/* §6.1.2.3, in our role. */
uint64_t ice_pair_rank(const struct ice *ice, const struct ice_pair *pair);
/* The pair of a base and a remote; NULL when there is none. */
struct ice_pair *ice_pair_find(struct ice *ice, uint8_t local, uint8_t remote);
/* Makes room by dropping the worst pair that nothing hangs on, if need be; NULL when all are better
 * and it is not of a proven check. */
struct ice_pair *ice_pair_add(struct ice *ice, uint8_t local, uint8_t remote, bool proven);
/* A place for a remote candidate that a proven check showed: a free one, or that of the worst that
 * nothing hangs on. ICE_REMOTES when there is none. */
uint8_t ice_remote_place(struct ice *ice);
void ice_pairs_rank(struct ice *ice); /* after a change of role (§7.2.5.1) */
void ice_pair_trigger(struct ice *ice, struct tick now, struct ice_pair *pair);
/* §6.1.4.2: the triggered queue first, then the best Waiting,
 * then the best Frozen whose foundation is not busy. */
struct ice_pair *ice_pair_next(struct ice *ice, struct tick now);
void ice_pairs_unfreeze(struct ice *ice, const struct ice_pair *like);

/* ---- role.c --------------------------------------------------------------------------------- */

/* Takes the session's role, where that was changed by another of its agents. */
void ice_role_follow(struct ice *ice);
bool ice_role_is_stale(const struct ice *ice);
/* After a conflict. refused: the peer answered 487. */
void ice_role_switch(struct ice *ice, bool refused);
/* The peer's description is known. */
void ice_role_settle(struct ice *ice);
/* The tie-breaker of a check that was first sent after so many turns: a retransmission says what was
 * said first. */
uint64_t ice_role_tie_breaker(const struct ice *ice, uint8_t turns);

/* ---- check.c: Binding requests and what they bring ------------------------------------------ */

size_t ice_check_write(struct ice *ice, const struct ice_pair *pair);
void ice_check_cancel(struct ice *ice, struct ice_pair *pair);
size_t ice_keepalive_write(struct ice *ice); /* what opens a NAT says as little */
size_t ice_consent_write(struct ice *ice, uint8_t component);
enum ice_input_result ice_check_request(struct ice *ice, struct tick now,
                                        const struct ice_path *via, const struct stun_message *m);
enum ice_input_result ice_check_response(struct ice *ice, struct tick now,
                                         const struct ice_path *via, const struct stun_message *m);
/* A check of a peer, as far as the checklist is concerned (§7.3.1.3 to §7.3.1.5). */
void ice_check_taken(struct ice *ice, struct tick now, const struct ice_early *check);
void ice_check_failed(struct ice *ice, struct tick now, struct ice_pair *pair);

/* ---- nominate.c: which path is chosen, and whether it still may be used --------------------- */

void ice_nominate(struct ice *ice, struct tick now); /* controlling: picks, when it is time */
struct tick ice_nominate_deadline(const struct ice *ice);
void ice_pair_nominated(struct ice *ice, struct tick now, struct ice_pair *pair);
/* Where a relay is chosen: tries the direct paths again when it is time, and tells of one. */
void ice_look_again(struct ice *ice, struct tick now);
/* A check of a pair was answered, or the peer checks it: does that still matter, all being chosen? */
bool ice_pair_may_replace(const struct ice *ice, uint8_t local, uint8_t component);
void ice_pair_replaces(struct ice *ice, const struct ice_pair *pair);
void ice_settle(struct ice *ice, struct tick now); /* completed, failed, or neither */
void ice_consent_start(struct ice *ice, struct tick now, uint8_t component);
void ice_consent_end(struct ice *ice, uint8_t component);
void ice_credentials_forget(struct ice_credentials *credentials);

#endif
