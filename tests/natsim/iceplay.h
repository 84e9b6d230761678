/* iceplay: a call between an SRS and an SRC that speak ICE, each behind a network: both learn, the
 * SRC offers, the SRS answers, media goes over what was found.
 * Not here: what is expected (cells.tsv, oracle.h).
 * RFC 8445, 8839. */
#ifndef NATSIM_ICEPLAY_H
#define NATSIM_ICEPLAY_H

#include "natsim/iceside.h"
#include "natsim/maphost.h"
#include "natsim/network.h"
#include "natsim/proxyhost.h"
#include "natsim/stunhost.h"
#include "natsim/turnhost.h"

enum { ICEPLAY_US, ICEPLAY_THEM, ICEPLAY_SIDES };

struct iceplay {
    struct natsim sim;
    struct network networks[ICEPLAY_SIDES];
    struct network others[ICEPLAY_SIDES]; /* of the other family, where has_other */
    bool has_other[ICEPLAY_SIDES];
    struct stunhost stun[2];                               /* IPv4, IPv6 */
    struct turnhost turn[ICEPLAY_SIDES + 1];               /* and a second one for us */
    struct maphost gateways[ICEPLAY_SIDES][ICESIDE_LINES]; /* of the networks that have one */
    struct proxyhost proxies[ICEPLAY_SIDES][ICESIDE_LINES];
    struct iceside sides[ICEPLAY_SIDES];
    struct tick answered;
    uint64_t rounds; /* of the play's loop: busy loops show in it */
    bool is_busy;    /* it went round and round without time passing */
};

struct iceplay_measure {
    char path[16];
    bool came;        /* media did */
    int64_t first_ms; /* from the answer */
    uint32_t lost;    /* sent before the first that came */
};

/* Everybody is there, nobody has said anything. components: 1 or 2. */
void iceplay_begin(struct iceplay *play, uint64_t seed, const struct network networks[2],
                   uint8_t components);
/* The same, a side's other line (NULL: none) beside that; servers are of both families then. */
void iceplay_begin_dual(struct iceplay *play, uint64_t seed, const struct network networks[2],
                        const struct network *const others[2], uint8_t components);
void iceplay_finish(struct iceplay *play);
/* Time passes. */
void iceplay_run(struct iceplay *play, int64_t ms);
/* Both find out what they can, then offer and answer. */
void iceplay_call(struct iceplay *play);
/* In mid-call our side finds out anew where it is, gathers, and offers (an ICE restart); address: of
 * ours now; turn: our server now. they_too: they do the same before they answer, else their agent
 * restarts with what it has. */
void iceplay_start_over(struct iceplay *play, struct addr address, struct addr turn, bool they_too);
/* Until media has come and both sides have settled, for at most ms after the answer. */
void iceplay_settle(struct iceplay *play, int64_t ms);
/* A relay was settled on: until ms after the answer our side offers to start over (an ICE restart)
 * whenever its agent tells that there is a path without one. */
void iceplay_climb(struct iceplay *play, int64_t ms);
/* Until media comes that is sent from now on, for at most ms: after how many; -1: none came. */
int64_t iceplay_recover(struct iceplay *play, int64_t ms);
struct iceplay_measure iceplay_measure(const struct iceplay *play);

#endif
