/* oracle_plain: by which kinds of path a packet of an SRC without ICE could arrive, from the rules of
 * RFC 4787 alone: the NATs of a world and the SRC's kind in, a set out.
 * Not here: finding such a path (the engines). Nothing of src/nat, src/ice or src/turn may be
 * included.
 * RFC 4787 §4.1, §4.2, §5; RFC 8656 §9. */
#ifndef NATSIM_ORACLE_PLAIN_H
#define NATSIM_ORACLE_PLAIN_H

#include "natsim/network.h"
#include "natsim/plainsrc.h"

enum oracle_plain_path {
    ORACLE_PLAIN_OPEN = 1 << 0,    /* our address, or one that is mapped to us for good */
    ORACLE_PLAIN_STUN = 1 << 1,    /* what STUN shows, once we have sent to whom we may know of */
    ORACLE_PLAIN_REVERSE = 1 << 2, /* it follows our packets */
    ORACLE_PLAIN_RELAY = 1 << 3,   /* ours: its IP must be known */
    ORACLE_PLAIN_CHANCE = 1 << 4,  /* what holds besides is a matter of luck */
};

struct oracle_plain_world {
    const struct network *us, *them;
    enum plainsrc_source source;
    bool latches, listed;
};

/* The set without anything known of the SRC but its INVITE and our settings: what an answer can rest
 * on. A guess (its port behind a NAT, that it may follow) is none, though a ladder may try it. */
unsigned oracle_plain_unknown(const struct oracle_plain_world *world);
/* And with what its calls so far can have shown. Never less. */
unsigned oracle_plain_known(const struct oracle_plain_world *world);

#endif
