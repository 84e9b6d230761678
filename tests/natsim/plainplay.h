/* plainplay: calls between an SRS and an SRC without ICE, each behind a network: the SRS learns, the
 * SRC offers, RTP goes to what was answered; again and again, for profiles to be learned.
 * Not here: what is expected (cells.tsv, oracle_plain.h).
 * RFC 7866. */
#ifndef NATSIM_PLAINPLAY_H
#define NATSIM_PLAINPLAY_H

#include "natsim/maphost.h"
#include "natsim/network.h"
#include "natsim/plainside.h"
#include "natsim/plainsrc.h"
#include "natsim/proxyhost.h"
#include "natsim/stunhost.h"
#include "natsim/turnhost.h"

enum { PLAINPLAY_MESSAGES = 8 };

/* A world. */
struct plainplay_options {
    struct network us, them;
    enum plainsrc_source source;
    int port_offset; /* PLAINSRC_OTHER_PORT's */
    bool latches, refuses;
    bool is_closed;      /* to what we send to it: ICMP */
    bool inactive_first; /* nat.inactive_first */
    bool same_lan;       /* the SRC is in our own network */
    bool no_turn;
    bool unlisted;
    enum maphost_speech speech;
    int64_t packet_ms;
};

enum plainplay_kind { PLAINPLAY_ANSWER, PLAINPLAY_ACK, PLAINPLAY_REINVITE, PLAINPLAY_OK };
struct plainplay_message {
    enum plainplay_kind kind;
    struct tick due;
    struct addr address;
    bool taken;
};

struct plainplay {
    struct plainplay_options options;
    struct natsim sim;
    struct stunhost stun[2]; /* IPv4, IPv6 */
    struct turnhost turn[2];
    struct maphost gateway;
    struct proxyhost proxy;
    struct plainside srs;
    struct plainsrc src;
    struct addr signalled;
    bool has_invited, waits; /* waits: answered inactive, as RFC 7866's Figure 7 has it */
    int64_t sip_ms;          /* one way */
    struct plainplay_message messages[PLAINPLAY_MESSAGES];
    size_t message_count;
    unsigned reinvites;
    size_t orphans[2]; /* allocations at each server that nobody can give back any more (tests) */
    uint64_t rounds;
    bool is_busy; /* it went round and round without time passing */
};

struct plainplay_measure {
    char path[32];                 /* of the answer, as the tables write it */
    enum path_code answered, took; /* the answer's path, and the one that the call ended with */
    bool relayed;                  /* the last packet that came was */
    bool followed;                 /* the SRC sent to where our packets came from */
    char class[4];                 /* of the SRC, as the profile has it afterwards; "-" */
    bool came, unreachable;
    const char *reason; /* that it was told to be unreachable for */
    int64_t first_ms;   /* from the SRC's first packet to the first that was recorded */
    uint32_t lost;      /* before that */
    unsigned reinvites;
    uint64_t unasked;     /* packets to the SRC before anything came */
    uint64_t turned_away; /* packets that ICMP came back for */
};

void plainplay_begin(struct plainplay *play, uint64_t seed,
                     const struct plainplay_options *options);
void plainplay_finish(struct plainplay *play);
void plainplay_run(struct plainplay *play, int64_t ms);
/* The SRS finds out what it can. */
void plainplay_learn(struct plainplay *play);
/* A call until the answer is there, and RTP flows, or should. */
void plainplay_begin_call(struct plainplay *play);
/* And its end: 31 s later the next may come. */
struct plainplay_measure plainplay_end_call(struct plainplay *play);
/* A whole one: until RTP has flowed long enough to teach, or nothing more can be hoped for. */
struct plainplay_measure plainplay_call(struct plainplay *play);

#endif
