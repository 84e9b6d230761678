/* behaviour: the words for what a NAT does, shared by discovery, profile and path choice.
 * Not here: how it is found out (discovery.h) and what follows from it (path.h).
 * RFC 4787 §4, §5, §6; doc/nat.md 1. */
#ifndef NAT_BEHAVIOUR_H
#define NAT_BEHAVIOUR_H

#include "base/view.h"

enum nat_mapping {
    NAT_MAPPING_UNKNOWN,
    NAT_MAPPING_NONE,         /* our address outside is our own */
    NAT_MAPPING_INDEPENDENT,  /* EIM: one port for all destinations */
    NAT_MAPPING_ADDRESS,      /* ADM */
    NAT_MAPPING_ADDRESS_PORT, /* APDM */
    NAT_MAPPING_DEPENDENT,    /* EDM, but which of the two is not known */
};

enum nat_filtering {
    NAT_FILTERING_UNKNOWN,
    NAT_FILTERING_INDEPENDENT,  /* EIF: anyone may send to a mapping */
    NAT_FILTERING_ADDRESS,      /* ADF: whose address was sent to */
    NAT_FILTERING_ADDRESS_PORT, /* APDF */
};

/* Whom the filter remembers; asked only where the mapping depends on the destination. */
enum nat_scope {
    NAT_SCOPE_UNKNOWN,
    NAT_SCOPE_ENDPOINT, /* everybody that our socket addressed */
    NAT_SCOPE_MAPPING,  /* only who was addressed through the very mapping */
};

enum nat_hairpin {
    NAT_HAIRPIN_UNKNOWN,
    NAT_HAIRPIN_NONE,
    NAT_HAIRPIN_EXTERNAL, /* the packet shows the outside address as its source */
    NAT_HAIRPIN_INTERNAL, /* it shows the inside one: a source nobody expects */
};

enum nat_refresh {
    NAT_REFRESH_UNKNOWN,
    NAT_REFRESH_OUTBOUND, /* only what we send keeps a mapping */
    NAT_REFRESH_BOTH,
};

struct nat_behaviour {
    enum nat_mapping mapping;
    enum nat_filtering filtering;
    enum nat_scope scope;
    enum nat_hairpin hairpin;
    enum nat_refresh refresh;
    bool ports_kept; /* every socket kept its port number outside */
    /* A packet that was refused moves our own mapping to its sender to another port (Linux): punch
     * before they send. */
    bool clashes;
    bool pooling_arbitrary;   /* two of our sockets were seen with different addresses */
    uint16_t lifetime_s;      /* a mapping was still alive after this long; 0: not known */
    uint16_t lifetime_most_s; /* and gone after this long; 0: never seen to end */
    /* Calls lost their mappings so long after our last packet, while media came in; 0: none did. Keepalives alone
     * go by it: no test has shown it. */
    uint16_t forgotten_s;
};

/* How long a mapping may be taken to live by what tests have shown; 0: nothing is known. */
static inline uint16_t nat_lifetime_s(const struct nat_behaviour *b)
{
    return b->lifetime_s ? b->lifetime_s : b->lifetime_most_s / 2;
}

/* A call's mapping was gone so long after our last packet: the shortest counts. 0: it was not. True: that
 * is news. */
static inline bool nat_forgets(struct nat_behaviour *b, uint16_t after_s)
{
    if (after_s == 0 || (b->forgotten_s && b->forgotten_s <= after_s))
        return false;
    b->forgotten_s = after_s;
    return true;
}

static inline bool nat_mapping_is_dependent(enum nat_mapping mapping)
{
    return mapping >= NAT_MAPPING_ADDRESS;
}

/* Of what is known now the lifetimes alone. */
static inline void nat_take_lifetimes(struct nat_behaviour *b, const struct nat_behaviour *known)
{
    b->lifetime_s = known->lifetime_s;
    b->lifetime_most_s = known->lifetime_most_s;
    (void)nat_forgets(b, known->forgotten_s);
}

#endif
