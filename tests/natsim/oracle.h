/* oracle: by which kinds of path a packet could arrive, from the rules of RFC 4787 alone: the NATs of
 * a world in, a set out.
 * Not here: finding such a path (the engines). Nothing of src/nat, src/ice or src/turn may be
 * included.
 * RFC 4787 §4.1, §5; RFC 8445 §7.2.5.2.1 (answers must be symmetric); RFC 8656 §9 (permissions). */
#ifndef NATSIM_ORACLE_H
#define NATSIM_ORACLE_H

#include "natsim/network.h"

enum oracle_path {
    ORACLE_DIRECT = 1 << 0, /* over UDP, no relay */
    ORACLE_TCP = 1 << 1,    /* ICE-TCP */
    ORACLE_OURS = 1 << 2,   /* our relay, their own socket */
    ORACLE_THEIRS = 1 << 3, /* our own socket, their relay */
    ORACLE_BOTH = 1 << 4,
    ORACLE_CHANCE =
        1 << 5, /* what holds besides is a matter of luck: ports that clash or are shared */
};

/* Both speak ICE: the set of enum oracle_path, empty where nothing can connect them. Those under
 * ORACLE_OURS count only where the set has no direct one. */
unsigned oracle_direct_ice(const struct network *us, const struct network *them);
unsigned oracle_relayed_ice(const struct network *us, const struct network *them);

#endif
