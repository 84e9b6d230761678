/* way: one stream's way in, for SRCs without ICE: whom to punch and when, which permissions, what
 * to try where nothing comes, and what follows from what does come: path choice, keepalive plan and
 * ladder put together.
 * Not here: packets' contents and whose a packet is (media, rtp), the choice itself and SIP
 * (recorder), TURN and STUN transactions, what a whole call may cost (media).
 * RFC 7866 §8.1.8, RFC 6263 §4, RFC 7362 §5, RFC 8656 §9. Sans-IO: input, expire, deadline, output,
 * event; no memory of its own. */
#ifndef NAT_WAY_H
#define NAT_WAY_H

#include "nat/ageing.h"
#include "nat/keepalive.h"
#include "nat/ladder.h"
#include "nat/verdict.h"

enum {
    WAY_TARGETS = 8,
    WAY_EVENTS = 24,
    WAY_MIGRATE_MS = 10000, /* a relayed stream that lasts so long is worth moving */
    WAY_BACK_MS = 500,      /* moved, and nothing has come since: back to the relay */
    WAY_LEAVE_MS = 2000,    /* moved, and nothing has come by the relay since: it is left */
    WAY_STUN_MS = 1500,     /* STUN's answer is waited for so long */
    WAY_SUSPECT_MS = 300,   /* a relayed stream is silent: its server may be gone */
    WAY_SUSPECT_AGAIN_MS = 2000,
    WAY_UNPROVEN_MS = 500,
    WAY_TWICE_MS = 10, /* the first punch counts most, so there are two of it */
    WAY_FOLLOW_MS =
        300, /* by the relay it comes: one by itself from our own socket, to be followed */
    WAY_SPACE_MS = 700, /* between the likeliest one's, while others wait for their second */
};

/* What recorder decides: with the answer, and again whenever the path changes. Plain data. */
struct way_facts {
    struct path_choice choice;
    struct nat_behaviour behaviour; /* of our NAT; decides how often */
    struct addr offered;            /* c= and m=; unset or nonsense: plays no part */
    struct addr advertised;         /* what the SRC was told */
    struct addr mapped;             /* what STUN showed for our socket when we answered, or unset */
    uint8_t target_count;
    struct addr targets[WAY_TARGETS]; /* the likeliest first; nobody else gets anything unseen */
    bool listed;                      /* else 3 packets before the ACK or the first RTP */
    bool relay;                       /* a slot is there: advertised, or standing by */
    bool may_reinvite;                /* another path may be offered in this call */
    bool quiet;                       /* the SRC does not bear packets from us */
    enum path_answer one_port; /* the SRC shows the same port to all whom it sends to: learned */
};

/* Why another path is wanted. */
enum way_reason {
    WAY_NOTHING_CAME,
    WAY_WENT_SILENT,
    WAY_ADDRESS_CHANGED, /* ours, or our NAT's mapping: choose anew, with new addresses */
    WAY_RELAY_LOST,      /* or it lets nobody in: another one may do */
    WAY_DIRECT, /* relayed now, and the direct path is open: path_direct(), and re-INVITE */
    WAY_BACK,   /* it was not open: offer the relay again, it still stands */
};
const char *way_reason_name(enum way_reason reason);

enum way_event_kind {
    WAY_TELL,          /* verdict, peer: for the trail. Never VERDICT_FIRST_PACKET */
    WAY_PERMIT,        /* the relay is to let in all whom recorder named; again: harmless */
    WAY_BIND,          /* the relay is to bind a channel to peer, who really sends */
    WAY_ASK_STUN,      /* from the RTP socket; the answer, or that none came, to way_mapped() */
    WAY_SUSPECT_RELAY, /* a relayed stream is silent for a moment: is its server alive? */
    WAY_WANT_PATH,   /* reason; tried: for path_choose(). Answered by way_change(), or way_stay() */
    WAY_UNREACHABLE, /* everything was tried, nothing ever came. What comes after all is taken */
    WAY_LEAVE_RELAY, /* migrated: the slot may go */
    WAY_REFUSES,   /* peer answers with ICMP: it gets what opens our NAT at most. For its profile */
    WAY_FORGOTTEN, /* forgotten_s: our NAT has shown in this stream how soon it forgets. For others */
};
struct way_event {
    enum way_event_kind kind;
    enum verdict_event verdict;
    enum way_reason reason;
    uint16_t forgotten_s;
    unsigned tried;
    struct tick at;
    struct addr peer;
};

/* For its owner to embed; what is in it is nobody else's. */
struct way {
    /* What a packet of a path that works touches, before what it does not. */
    bool confirmed, heard, flows /* since the last change */, held, ended, by_relay, peer_barred,
        relay_may_send, relay_alone, mapping_stands,
        mapping_moved; /* a mapped port was seen elsewhere: what comes may have followed us there */
    uint8_t event_first, event_count;
    uint8_t sent; /* before anything came */
    enum way_migration {
        WAY_NOT_YET,
        WAY_PROBING, /* punched from the raw socket; its mapping is being asked for */
        WAY_OFFERED,
        WAY_MOVED,
        WAY_DONE, /* for good or bad: once a call */
    } migration;
    unsigned failed; /* 1 << code: nothing ever came by it */
    struct addr peer, bound;
    struct addr doubtful, disproved;    /* what STUN showed while packets came by another mapping */
    struct tick last_raw, last_relayed; /* packets' arrival; TICK_NEVER: none */
    struct tick stun_at, migrate_at, back_at, leave_at, suspect_at, twice_at,
        doubt_at; /* TICK_NEVER: not planned */
    struct keepalive rounds;
    struct ladder ladder;
    struct way_facts facts;
    struct tick suspected;
    struct ageing ageing[2];       /* from our socket, by the relay */
    uint16_t forgotten_s;          /* what this stream has shown; 0: nothing */
    uint16_t due_raw, due_relayed; /* a bit for each target, and one for peer */
    uint16_t told, permitted, denied, refusing;
    uint16_t once, twice;     /* who has got one packet, and two, of this path */
    struct tick likeliest_at; /* when the first target was last due */
    struct way_event events[WAY_EVENTS];
    uint32_t events_lost;
};

/* The answer goes out. */
void way_start(struct way *w, struct tick now, const struct way_facts *facts);
/* Another path is offered: it is prepared from now on, the old one is still received on. */
void way_change(struct way *w, struct tick now, const struct way_facts *facts);
/* The SRC's SDP says something else about where it is; the path is the same. */
void way_retarget(struct way *w, struct tick now, const struct way_facts *facts);
/* What was wanted cannot be: there is no other path, or the SRC refused it. */
void way_stay(struct way *w, struct tick now);
/* The ACK came, or the 2xx to a re-INVITE of ours: media is due from now on. */
void way_confirm(struct way *w, struct tick now);

struct way_packet_seen {
    struct addr from; /* behind a relay: the peer */
    bool relayed;
    bool idle;     /* RTCP that says: nothing is being sent just now. Other RTCP is none of ours */
    bool unproven; /* RTP held apart until it is known whose it is: nothing is tried meanwhile */
    bool barred;   /* packets may not be sent to `from` */
    uint64_t missing; /* of the stream's numbers, so many just before this one */
};
/* A packet of the stream was accepted, or held apart. */
void way_hear(struct way *w, struct tick now, const struct way_packet_seen *seen);
/* A relay was heard now: when its server is to be asked whether it lives, if nothing more comes. Packets
 * that stop tell sooner than the server would; pauses in speech do not make it a flood. suspected: when it
 * was asked last; TICK_NEVER: it was not. */
struct tick way_suspects(struct tick now, struct tick suspected);
/* A packet to the SRC has left, from the RTP socket or by the relay: one of way_output()'s, or RTCP that goes
 * the same way. */
static inline void way_sent(struct way *w, struct tick now, bool relayed)
{
    ageing_sent(&w->ageing[relayed], now);
}
/* STUN was asked from the RTP socket. */
static inline void way_asked(struct way *w, struct tick now)
{
    ageing_asked(&w->ageing[0], now);
}
/* More is known of our NAT's lifetimes: they alone are taken over. */
static inline void way_learn(struct way *w, struct tick now, const struct nat_behaviour *behaviour)
{
    nat_take_lifetimes(&w->facts.behaviour, behaviour);
    keepalive_learn(&w->rounds, now, &w->facts.behaviour);
}
/* ICMP port unreachable for what was sent to `to`. */
void way_refused(struct way *w, struct tick now, const struct addr *to);
/* Nothing is due: inactive, hold, mute. Keepalives go on. */
void way_hold(struct way *w, struct tick now);
void way_resume(struct way *w, struct tick now);
/* STUN's answer to the RTP socket, asked for or not; unset: none came. */
void way_mapped(struct way *w, struct tick now, const struct addr *mapped);
/* Our address, or the one outside, is another one now. */
void way_network_changed(struct way *w, struct tick now);
void way_relay_lost(struct way *w, struct tick now);
void way_permitted(struct way *w, struct tick now, const struct addr *peer, bool allowed);
/* The call is over: nothing more is sent or wanted. */
void way_end(struct way *w);

void way_expire(struct way *w, struct tick now, struct rng *rng);
struct tick way_deadline(const struct way *w);

struct way_packet {
    struct addr to;
    bool relayed; /* through the relay, else from the RTP socket */
    bool punches; /* nothing has come yet; else a keepalive */
};
/* To be sent now, until false. Never more than 20 before anything came; of an unlisted SRC 3 before
 * it is confirmed. */
bool way_output(struct way *w, struct way_packet *out);
bool way_event(struct way *w, struct way_event *out);

#endif
