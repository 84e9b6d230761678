/* ice: one ICE agent of one data stream, full or lite, sans-IO: candidates and datagrams in, checks
 * and events out.
 * Not here: sockets, TURN (the owner sends from a base, which may be a relay), SDP text
 * (sdp/candidate.h).
 * RFC 8445; RFC 8838 trickle; RFC 7675 consent; RFC 8421 dual stack by priorities. */
#ifndef ICE_ICE_H
#define ICE_ICE_H

#include "base/candidate.h"
#include "base/tick.h"
#include "stun/message.h"

enum {
    ICE_COMPONENTS = 2, /* RTP, and RTCP where it is not muxed */
    ICE_LOCALS = 24,    /* candidates of ours, both components, found ones included */
    ICE_REMOTES = 32,   /* of the peer's; offers with hundreds are cut, best first come first */
    ICE_PAIRS = 100,    /* RFC 8445 §6.1.2.5 */
    ICE_UFRAG_SIZE = 9, /* 8 characters of 5 bits: §5.3 wants at least 24 bits */
    ICE_PWD_SIZE = 27,  /* 26 characters: at least 128 bits */
    ICE_REMOTE_CREDENTIAL_SIZE = 257, /* RFC 8839 §5.4: up to 256 */
    ICE_PACKET_SIZE = 640,            /* a check with two credentials of 256 fits */
};

enum ice_role {
    ICE_CONTROLLED,
    ICE_CONTROLLING,
};

struct ice_options {
    enum ice_role role; /* of a lite agent only where the peer is lite too (§6.1.1) */
    bool lite;          /* §2.5: host candidates only, answers checks, sends none */
    uint8_t components; /* 1 or 2 */
    int64_t ta_ms;      /* 0: 50 ms, the pace of checks (§14.2) */
    /* Our address outside is of use to the peer, or will be when our NAT is open: reflexive addresses
     * of the peer's are left the first word. What comes to them before it has spoken is refused by
     * its NAT, and one like Linux's then gives its check another port than it has told (doc/nat.md
     * 5, 9). */
    bool yields;
    /* And our NAT lets in whom we sent to: an opener goes to each of them at once, with so many
     * hops to live: through our NAT, not as far as the peer's. 0: none. */
    uint8_t open_hops;
    uint8_t seed[32]; /* for credentials, tie-breaker and transactions */
};

struct ice;

/* What the agents of all streams of a session have in common: the peer may have one agent for all of
 * them, whose one tie-breaker would win against one of ours and lose against another, and then
 * the roles never settle. So there is one role, one tie-breaker, for all requests of all streams, and
 * a 487 to any of them changes both for all (RFC 8445 §6.1.1, §7.2.5.1, §16.1). Once: a second conflict
 * is the stream's own, since then the peer has an agent for each. */
struct ice_session {
    bool begun, is_decided;
    enum ice_role role;
    uint8_t turns; /* changes of role, ever: which of the two a request was sent with */
    uint64_t tie_breaker, former; /* now, and before the last change of role */
};

/* NULL when memory is out. */
WARN_UNUSED struct ice *ice_create(const struct ice_options *options);
void ice_destroy(struct ice *ice);
/* Makes it one of a session's agents, before it sends anything: of a new session (all zero) the
 * first, whose role and tie-breaker hold from then on, or one more, after a restart or with another
 * stream, which takes them (§6.1.1: a restart is no reason to choose roles again). Without this
 * an agent is a session of its own. Borrows the session until ice_destroy; all its agents belong to
 * one thread. What happens to one may be ICE_ROLE_CHANGED for all: their deadlines are other ones
 * then. */
void ice_join(struct ice *ice, struct ice_session *session);

/* Ours for the SDP; both change with ice_restart. */
const char *ice_ufrag(const struct ice *ice);
const char *ice_pwd(const struct ice *ice);

/* ---- Candidates ----------------------------------------------------------------------------- */

/* Where datagrams of a candidate leave and arrive: the owner's number of a socket or a relay. */
struct ice_base {
    uint32_t number;
};

/* One of ours, before or during checks (trickle). priority 0 and an empty foundation are filled in
 * (§5.1.2, §5.1.1.3, local_preference 0..65535, RFC 8421 interleaves families by it). A reflexive
 * candidate names its base and, as related address, the base's. False when the table is full or it
 * is redundant (§5.1.3). */
bool ice_add_local(struct ice *ice, struct candidate candidate, struct ice_base base,
                   uint16_t local_preference);

/* Copies in the order that they stand, for the SDP. Returns how many there are;
 * writes at most size. */
size_t ice_local_candidates(const struct ice *ice, struct candidate *out, size_t size);

/* ICE-TCP (RFC 6544). The base of a passive candidate is a listener, that of an active one (port 9
 * in the description) an interface; a path is then a connection: the one accepted there from the
 * peer, or the one to be opened from there to the peer when the first packet is to go over it, and
 * again when it was closed. Packets are framed (framing.h). */

/* The peer's side. Checks that came before are made up for now. The same again changes nothing;
 * others than before are a restart of the peer's, and ours with it (ice_restart is done if the
 * owner did not: send the new credentials). False when a credential is too short or too long (§5.4
 * of RFC 8839: ufrag 4 to 256, password 22 to 256). */
WARN_UNUSED bool ice_set_remote(struct ice *ice, struct tick now, struct view ufrag,
                                struct view pwd, bool remote_lite);
/* Ignored when unusable: simultaneous-open TCP, component out of range, an address nobody may be
 * sent to. */
bool ice_add_remote(struct ice *ice, struct tick now, const struct candidate *candidate);
/* No more will come: call it at once for a peer that does not trickle. Where all it has is for
 * component 1, that is all there is from now on (§6.1.2.2). */
void ice_end_remote(struct ice *ice, struct tick now);

/* New credentials, new checks; the selected path keeps carrying media, and its consent goes on with
 * the credentials it was chosen with, until another is selected (§9, RFC 7675 §5.1). */
void ice_restart(struct ice *ice);

/* ---- The verbs ------------------------------------------------------------------------------ */

/* A datagram's way: our base, the peer's address. */
struct ice_path {
    struct ice_base base;
    struct addr peer;
};

enum ice_input_result {
    ICE_TAKEN,
    ICE_NOT_MINE,      /* no STUN message, or one of another agent: let others look */
    ICE_REFUSED_INPUT, /* STUN for us, but without valid integrity, or broken: owner counts */
};
enum ice_input_result ice_input(struct ice *ice, struct tick now, const struct ice_path *via,
                                struct view datagram);
void ice_expire(struct ice *ice, struct tick now);
struct tick ice_deadline(const struct ice *ice);

/* A TCP connection could not be opened, or closed before its check was answered (RFC 6544 §7.1). */
void ice_path_failed(struct ice *ice, struct tick now, const struct ice_path *path);

struct ice_packet {
    struct ice_path path;
    struct view bytes; /* borrowed until the next call */
    uint8_t hops;      /* it is to live for; 0: as ever */
};
bool ice_output(struct ice *ice, struct tick now, struct ice_packet *out);

enum ice_event_kind {
    /* A component's path is chosen, or changed: `path`, `local`, `local_type`, `remote_type`. */
    ICE_SELECTED,
    ICE_COMPLETED, /* every component has one (§8) */
    ICE_FAILED, /* no pair is left to hope for; a check of the peer's may revive it (§7.3.1.4) */
    /* RFC 7675: 30 s without an answer, or a 403: nothing more to this component until a restart */
    ICE_CONSENT_LOST,
    ICE_ROLE_CHANGED, /* a conflict was settled (§7.3.1.1) */
    /* A relay is selected, and since then a path without one has shown itself (packets were lost
     * before, say). No path is chosen twice (§8.1.1): a restart will choose it. */
    ICE_DIRECT,
};
struct ice_event {
    enum ice_event_kind kind;
    uint8_t component;
    struct ice_path path;
    struct addr local; /* ours, as the peer sees it */
    enum candidate_type local_type, remote_type;
    enum candidate_transport transport; /* of our side */
};
bool ice_event(struct ice *ice, struct ice_event *out);

/* ---- Looking at it -------------------------------------------------------------------------- */

enum ice_state {
    ICE_STATE_WAITING, /* for the peer's credentials */
    ICE_STATE_RUNNING,
    ICE_STATE_COMPLETED,
    ICE_STATE_FAILED,
};

struct ice_status {
    enum ice_state state;
    enum ice_role role;
    size_t locals, remotes, pairs;
    size_t checks_sent;
    bool consent[ICE_COMPONENTS]; /* may be sent to now (RFC 7675) */
};
struct ice_status ice_status(const struct ice *ice);

/* The chosen path of a component (1 or 2); false while there is none. */
bool ice_selected(const struct ice *ice, uint8_t component, struct ice_path *out);

/* True when a STUN request's USERNAME begins with this agent's ufrag:
 * how one port serves many agents. */
struct view ice_request_ufrag(const struct stun_message *m);

#endif
