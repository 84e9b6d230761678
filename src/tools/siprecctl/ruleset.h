/* ruleset: does this host's own packet filter drop a datagram? nftables' ruleset, read as JSON and
 * followed rule by rule. What it says in ways not understood here is not guessed at.
 * Not here: asking nft for it (doctor.c).
 * RFC: none; libnftables-json(5). */
#ifndef SIPRECCTL_RULESET_H
#define SIPRECCTL_RULESET_H

#include <jansson.h>

#include "base/addr.h"
#include "nat/path.h"

/* A UDP datagram that begins a flow, or belongs to one that we began. */
struct ctl_datagram {
    struct addr from, to; /* from's port 0: any; to unspecified: any of this host's */
    bool is_known;        /* to conntrack, since we have sent there before */
};

/* The chain that drops; strings of the ruleset's. NULL: none does. */
struct ctl_chain {
    const char *family, *table, *name;
};

/* YES: dropped or rejected; NO: let in; UNKNOWN: it depends on what the ruleset alone does not
 * tell. ruleset: the output of "nft -j list ruleset". */
enum path_answer ctl_ruleset_drops(const json_t *ruleset, const struct ctl_datagram *datagram,
                                   struct ctl_chain *chain);

#endif
