/* way: how one stream's packets shall come to us, as the recorder decided it: path, whom to send to, which relay.
 * Not here: deciding (nat/path.h), carrying it out (media.c, course.c), relays' own affairs (relay.h).
 * RFC 7866 §8.1.8, RFC 8656 §9. Plain data: it travels in a mailbox. */
#ifndef MEDIA_WAY_H
#define MEDIA_WAY_H

#include "media/relay.h"
#include "nat/path.h"

enum {
    MEDIA_TARGETS = 8,
    MEDIA_PERMITTED = MEDIA_RELAY_PEERS,
    MEDIA_KNOWN = 8,
};

/* What keeps the way open towards this SRC; its profile says which. */
enum media_keepalive {
    MEDIA_KEEPALIVE_USUAL, /* a report where RTCP is muxed, else an RTP header of a type nobody agreed to */
    MEDIA_KEEPALIVE_NOISE, /* comfort noise (RFC 3389): it latches to nothing less */
    MEDIA_KEEPALIVE_NONE,  /* it ended a call, or sent ICMP, because of one */
};

struct media_way_relay {
    bool held; /* false: none */
    uint32_t slot, generation;
    uint64_t src;        /* for the worker's pool: whose permissions it has */
    struct addr relayed; /* of the family that we advertised */
    struct addr server;
};

/* All zeros: the SRC reaches us as it is, and gets nothing from us but what it shows itself to be. */
struct media_way {
    struct path_choice choice;
    struct nat_behaviour behaviour; /* of the NATs on our side; decides how often */
    bool may_reinvite;              /* the ladder may ask for another path */
    bool stays; /* what media asked for cannot be: there is no other path, or the SRC refused it */
    struct addr
        mapped; /* as STUN saw our RTP socket when this was decided; unset: it played no part */
    enum path_answer one_port; /* the SRC shows one port to all whom it sends to: learned */
    enum media_keepalive keepalive;
    /* Whom to send to before anything has come: offered address, guesses; those that target_may_get() lets through and
     * no others. The first is the likeliest. Ports are set. */
    uint8_t target_count, target_rtcp_count;
    struct addr targets[MEDIA_TARGETS], targets_rtcp[MEDIA_TARGETS];
    /* Whom the relay shall let in: addresses, port 0. */
    uint8_t permitted_count;
    struct addr permitted[MEDIA_PERMITTED];
    /* From where this SRC's media came in earlier calls, and its configured prefixes' single addresses: port 0. They are
     * trusted as the offered address is. */
    uint8_t known_count;
    struct addr known[MEDIA_KNOWN];
    /* What is advertised (choice.permits), or stands by with permissions. Without a second one RTCP comes to the first. */
    struct media_way_relay relay, relay_rtcp;
};

#endif
