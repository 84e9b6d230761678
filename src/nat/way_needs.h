/* way_needs: what a way's path asks for, from the choice and what is known of our NAT: the inside of way.c.
 * Not here: what is done, and when.
 * RFC 4787 §4.1. */
#ifndef NAT_WAY_NEEDS_H
#define NAT_WAY_NEEDS_H

#include "nat/way.h"

static inline bool way_is_relayed(const struct way *w)
{
    return path_is_relayed(w->facts.choice.code);
}

/* Nothing on our side has to be opened. */
static inline bool way_is_plain(const struct way *w)
{
    return w->facts.choice.code == PATH_DIRECT && !w->facts.choice.punches;
}

/* Relayed, and it may follow packets from the raw socket: UDP leaves our network, and the SRC can be
 * reached. */
static inline bool way_may_follow(const struct way *w)
{
    return w->facts.choice.code == PATH_RELAY && w->facts.choice.probes_back;
}

/* The advertised address is that of a mapping which STUN watches. */
static inline bool way_needs_mapping(const struct way *w)
{
    enum path_code code = w->facts.choice.code;
    return code == PATH_STUN || code == PATH_BEST_EFFORT ||
           (code == PATH_DIRECT && w->facts.choice.punches);
}

/* What comes to our own socket has followed our packets: another address was answered, or one that
 * nobody but the STUN server gets in at (RFC 4787 §4.1). */
static inline bool way_must_have_followed(const struct way *w)
{
    const struct nat_behaviour *b = &w->facts.behaviour;
    enum path_code code = w->facts.choice.code;
    bool keeps_out = nat_mapping_is_dependent(b->mapping) && b->scope == NAT_SCOPE_MAPPING;
    return way_is_relayed(w) || code == PATH_REVERSE || (code == PATH_BEST_EFFORT && keeps_out);
}

/* Without packets of ours nothing of its comes in: it gets them though it refuses them. What it may
 * have followed to, a mapping for it alone, too. */
static inline bool way_must_send(const struct way *w)
{
    bool depends = nat_mapping_is_dependent(w->facts.behaviour.mapping);
    return w->facts.choice.punches ||
           (w->heard && !w->by_relay && (depends || way_must_have_followed(w)));
}

static inline bool way_bears_nothing(const struct way *w)
{
    return w->facts.quiet && !way_must_send(w);
}

#endif
