/* plainside: an SRS at a host of the simulated network that records an SRC without ICE: it finds out
 * what it can about its network (our discovery, STUN on its media socket, a gateway, relays from our
 * pool), chooses a path, keeps it open with nat/way, and learns from the call.
 * Not here: which network it sits in, and what the SRC is: it is told its own addresses, its
 * servers' and its settings, the offer and where SIP came from, as any SRS is. It may not include
 * network.h, plainsrc.h or cells.h.
 * RFC 7866 §8.1.8. */
#ifndef NATSIM_PLAINSIDE_H
#define NATSIM_PLAINSIDE_H

#include "nat/profile.h"
#include "nat/srcs.h"
#include "nat/way.h"
#include "natsim/finder.h"
#include "natsim/tunnel.h"
#include "rtp/source.h"
#include "turn/pool.h"

enum {
    PLAINSIDE_SLOTS = 16,
    PLAINSIDE_SERVERS = 4,
    PLAINSIDE_STASH = 2048,
    PLAINSIDE_ALLOW = 2,
    PLAINSIDE_AUTHORISED = 24,
    PLAINSIDE_TICK_MS = 20,
};

/* What a machine and its settings know. */
struct plainside_options {
    struct addr address;  /* its own, without port */
    struct addr stun;     /* unset: none */
    struct addr turn[2];  /* servers; over UDP first, the first one over TCP on 443 after that */
    struct addr external; /* nat.external_ip; unset: auto */
    struct addr gateway;  /* of the default route, asked for mappings; unset: not */
    struct addr proxy;    /* nat.proxy; unset: none */
    struct addr_prefix allow[PLAINSIDE_ALLOW]; /* sip.allow */
    size_t allow_count;
    bool listed;       /* the SRC stands in it */
    int64_t packet_ms; /* of the SRC's RTP: to count what was lost */
};

struct plainside_slot {
    uint16_t port; /* 0: no socket */
    size_t server;
    uint32_t generation;
    bool stream, ready, lent;
    struct tunnel connection;
    size_t len, stash_len;
    uint8_t bytes[PLAINSIDE_STASH * 2], stash[PLAINSIDE_STASH];
};

/* What was heard of a call. */
struct plainside_record {
    uint32_t packets, first_number, last_number;
    struct tick first, last;
    int64_t worst_gap_ms;
    bool by_relay; /* the last packet came so */
};

struct plainside {
    struct plainside_options options;
    struct natsim *sim;
    size_t host;
    struct nat_profile profile;
    struct finder finder;
    struct gateway *gateway;
    struct turn_pool *pool;
    struct plainside_slot slots[PLAINSIDE_SLOTS];
    uint16_t next_port;
    struct src_profile known; /* of the one SRC that calls here */
    struct wall wall;         /* at `sim->now` 0 */

    /* The media port. */
    uint16_t port;
    struct addr seen, mapped;
    struct tick asked, seen_at;
    unsigned tries;

    /* The call. */
    bool in_call, unreachable, waits, confirmed;
    struct path_src src;
    struct path_us us;
    struct path_choice first_choice, choice;
    unsigned used;
    struct addr advertised, previous;
    struct way way;
    struct way_facts facts, old_facts;
    struct rtp_source source;
    uint32_t slot;
    struct addr
        lost; /* the server whose relay was lost last: what else stands there may be gone, too */
    bool has_slot, followed, rebound, failed, reinvite_due, is_direct, refuses;
    enum path_answer one_port, reinvites;
    struct addr relay_peer;
    struct way_event wanted;
    struct tick wait_until;
    struct verdict verdict;
    struct plainside_record record;
    unsigned switches;
    struct tick rtp_due; /* of the SRC's next packet: none */

    /* What a test asks. */
    struct addr authorised[PLAINSIDE_AUTHORISED];
    size_t authorised_count;
    uint64_t unauthorised, to_src_before, to_src;
    struct addr stray;
};

void plainside_init(struct plainside *side, struct natsim *sim, size_t realm,
                    const struct plainside_options *options);
void plainside_finish(struct plainside *side);
void plainside_run(struct plainside *side);
struct tick plainside_deadline(const struct plainside *side);

/* Before calls. */
void plainside_learn(struct plainside *side);
bool plainside_is_ready(const struct plainside *side);
/* A fresh media port; ready when its STUN address, where there is one, is known. */
void plainside_open_port(struct plainside *side);
bool plainside_port_is_ready(const struct plainside *side);

/* The INVITE; the address of the answer. */
struct addr plainside_answer(struct plainside *side, const struct addr *offered,
                             const struct addr *signalled);
/* An SRC that is not known, and a path that may well be none: for nat.inactive_first. */
bool plainside_is_unsure(const struct plainside *side);
void plainside_acked(struct plainside *side);
/* A re-INVITE of ours is to be sent: with this address. */
bool plainside_reinvite(struct plainside *side, struct addr *out);
void plainside_reinvited(struct plainside *side, bool taken);
/* The SRC has put the stream on hold, or resumes it. */
void plainside_hold(struct plainside *side, bool on);
void plainside_bye(struct plainside *side);
/* Gives back all relays that it has. */
void plainside_drain(struct plainside *side);
/* Netlink tells: another address of our own. */
void plainside_readdress(struct plainside *side, struct addr address);

/* What it makes of the call: the path of its answer as the tables write it, the SRC's class as its
 * profile has it ("-": not known), why nothing comes. */
enum { PLAINSIDE_TEXT = 32 };
void plainside_path(const struct plainside *side, char out[PLAINSIDE_TEXT]);
const char *plainside_class(const struct plainside *side);
const char *plainside_reason(const struct plainside *side);
/* Its verdict, for who reads a failure. */
struct view plainside_story(const struct plainside *side, char *out, size_t size);

/* Nobody else may get a packet (tests). */
void plainside_authorise(struct plainside *side, const struct addr *who);

#endif
