/* way: the way in that a stream is answered with: chosen among what stands ready, what is
 * advertised for it, whom media may send to on its behalf.
 * Not here: the table of choices (nat/path.h), carrying it out (media), offers (call.c).
 * RFC 7866 §8.1.8, RFC 3605, RFC 8656 §9. */
#ifndef RECORDER_WAY_H
#define RECORDER_WAY_H

#include "recorder/recorder.h"
#include "recorder/stock.h"

struct recorder_call;
struct recorder_stream;

/* A port that a stream has, and its way in. */
struct recorder_lease {
    bool held;
    struct recorder_ticket ticket;
    bool has_relay; /* advertised, or standing by; out of stock then */
    struct recorder_relay relay;
    struct path_us us;
    struct path_src src;
    struct path_choice choice;
    unsigned used;  /* of the SRC's profile: src_profile_used() */
    unsigned tried; /* 1 << path code: this one, and those that brought nothing */
    struct addr advertised, advertised_rtcp;
    bool is_own;         /* the advertised address is this host's */
    bool lost;           /* its port's address is not on this host any more ... */
    bool closed;         /* ...and so is its socket: nothing brings it back */
    struct tick lost_at; /* ...since */
    struct addr arrived; /* where on this host its media arrived, if not where it was thought to */
};

/* Chooses for a ticket in hand, among all paths but those in `tried`: fills in the rest of the lease
 * and takes a relay out of stock where one is needed. offered: the stream's address in the SRC's
 * SDP; may be unset. */
void recorder_way_choose(struct recorder *recorder, const struct recorder_call *call,
                         struct recorder_now now, struct recorder_lease *lease,
                         const struct addr *offered, unsigned tried);
/* What is known of a port that stands beside the one that is advertised; takes no relay. */
void recorder_way_look(const struct recorder *recorder, const struct recorder_call *call,
                       struct recorder_now now, struct recorder_lease *lease);
/* A port instead of the one that is lost, of the same family and worker; no way is chosen for it yet.
 * False: there is none. */
bool recorder_way_replace(struct recorder *recorder, const struct recorder_call *call,
                          struct recorder_lease *lease);
/* The relay has shown where the SRC sends from: the direct path to there, while the relay stays. */
void recorder_way_direct(struct recorder *recorder, const struct recorder_call *call,
                         struct recorder_now now, struct recorder_lease *lease,
                         const struct addr *seen);
/* The SRC's SDP says something else now, or says it for the first time. */
void recorder_way_meet(const struct recorder *recorder, const struct recorder_call *call,
                       struct recorder_lease *lease, const struct addr *offered);
/* What its calls need of a port: on their worker. */
struct recorder_wish recorder_way_wish(const struct recorder *recorder,
                                       const struct recorder_call *call, uint8_t family);
/* Another port in place of the lease's, for the path that it has: our NAT has put the old one
 * elsewhere (doc/nat.md 5, rule 9). False: that is of no use here, or there is none; nothing has
 * changed then. */
bool recorder_way_renew(struct recorder *recorder, const struct recorder_call *call,
                        struct recorder_now now, struct recorder_lease *lease,
                        const struct addr *offered);
/* Nothing came where the settings' order led, and relays were asked for just now: what is surer than another
 * port may be there in a moment. */
bool recorder_way_awaits_relay(const struct recorder *recorder, const struct recorder_lease *lease,
                               struct tick now);
/* Another port in place of the lease's, which the gateway has mapped and the lease's not: the call came
 * before. False: there is none, or it is of no use; nothing has changed then. */
bool recorder_way_remap(struct recorder *recorder, const struct recorder_call *call,
                        struct recorder_now now, struct recorder_lease *lease,
                        const struct addr *offered);
/* A relay to hold for a stream with ICE, whose checks decide whether it is used: unless we, or this
 * port, can be reached without one. bridges: one to an SRC with candidates of the other family, of which
 * we have no address. Before anything is advertised. */
void recorder_way_stand_by(struct recorder *recorder, const struct recorder_call *call,
                           struct recorder_lease *lease, bool bridges);
/* Would it, if there were one? */
bool recorder_way_wants_relay(const struct recorder *recorder, const struct recorder_lease *lease,
                              bool bridges);
/* The port's address on this host. */
struct addr recorder_way_own(const struct recorder *recorder, const struct recorder_call *call,
                             const struct recorder_lease *lease);
/* Where its packets arrive on this host: what stands behind the address that is advertised. */
struct addr recorder_way_bound(const struct recorder *recorder, const struct recorder_call *call,
                               const struct recorder_lease *lease);
/* The settings alone say that its packets find us: nothing came, or something did. */
void recorder_way_hear(struct recorder *recorder, const struct recorder_lease *lease,
                       struct tick now, bool came);
/* A choice that came to nothing: its relay may serve others. */
void recorder_way_undo(struct recorder *recorder, struct recorder_lease *lease);
/* An SRC that is not known, and a path that may well be none: nat.inactive_first is for these. */
bool recorder_way_is_unsure(const struct recorder_call *call, const struct recorder_lease *lease);
/* What would be advertised now for the choice that stands. */
struct addr recorder_way_address(const struct recorder *recorder, const struct recorder_call *call,
                                 const struct recorder_lease *lease, bool rtcp);
/* What media is told about it. */
void recorder_way_fill(const struct recorder *recorder, const struct recorder_call *call,
                       const struct recorder_lease *lease, const struct recorder_stream *stream,
                       struct media_way *way);
/* The SRC sends to a relay. */
bool recorder_way_is_relayed(const struct recorder_lease *lease);
/* DESIGN.md's word for the path. */
const char *recorder_way_name(const struct recorder_lease *lease);
/* If no path was known to work, and packets come all the same. */
const char *recorder_way_name_unexpected(const struct recorder_lease *lease);

#endif
