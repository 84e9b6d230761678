/* path: which address an SRC without ICE is answered with, and what must be done so that its
 * packets arrive there.
 * Not here: what we know of our network (profile.h) and of the SRC: both come as plain facts; ICE
 * chooses by checks.
 * doc/nat.md 6; RFC 7866 §8.1.8,
 * RFC 8656 §9. Pure, O(1), no I/O. */
#ifndef NAT_PATH_H
#define NAT_PATH_H

#include "base/addr.h"
#include "base/writer.h"
#include "nat/behaviour.h"

enum path_code {
    PATH_DIRECT,       /* D: our own address */
    PATH_MAPPED,       /* M: 1:1 NAT, forwarded port, or a mapping at the gateway */
    PATH_STUN,         /* S: the address that STUN showed */
    PATH_REVERSE,      /* RL: S, and the SRC follows what we send to it */
    PATH_RELAY,        /* Rw: TURN over UDP */
    PATH_RELAY_STREAM, /* Rt: TURN over TCP or TLS */
    PATH_EDGE,         /* E: our own forwarder in the open */
    PATH_BEST_EFFORT,  /* nothing is known to work: answered all the same, with a warning */
    PATH_CODES,
};
static inline bool path_is_relayed(enum path_code code)
{
    return code == PATH_RELAY || code == PATH_RELAY_STREAM;
}

enum path_answer { PATH_UNKNOWN, PATH_YES, PATH_NO };

/* Our side at this moment, for one ready media port. */
struct path_us {
    bool same_realm; /* the route to the SRC leaves from its own network: LAN, VPN, peered */
    bool is_open;    /* no NAT, nothing that filters */
    bool is_static;  /* 1:1 NAT or forwarded, by the settings or verified within a minute */
    bool is_ordered; /* is_static because the settings say so */
    bool is_doubted; /* is_static by order alone: STUN sees another address */
    bool is_mapped;  /* a live mapping at the gateway, and no second NAT behind that */
    bool has_stun;   /* this socket's address outside is fresh */
    bool relay_udp, relay_stream; /* an allocation stands ready */
    bool edge;
    bool stun_is_silent; /* servers were asked, and none answers */
    bool no_udp;         /* and a relay was to be had over a stream alone */
    struct nat_behaviour behaviour;
};

/* The SRC: its offer, where its SIP came from, and what earlier calls taught. */
struct path_src {
    struct addr
        offered; /* c= and m= of the stream, or its a=rtcp's sibling; may be unset or nonsense */
    struct addr signalled;      /* where SIP came from */
    enum path_answer symmetric; /* sends from what it offers (RFC 7866 §8.1.8 REQUIRES it) */
    enum path_answer latches;   /* sends to where our packets come from */
    enum path_answer
        keeps_port; /* its NAT does: the offered port behind the signalled address is right */
    /* Else: the port that it sends from minus the offered one, the same in its calls; 0: not known. */
    int32_t port_offset;
    bool many_addresses; /* media from a known set besides the two above: a farm */
    bool any_address;    /* media from addresses that cannot be told before: arbitrary pooling */
    bool barred;         /* what it offers may not be sent to: sip.allow (target.h) */
};

/* How well its packets' source is known when we answer. */
enum path_known {
    PATH_KNOWN_NOTHING,
    PATH_KNOWN_SIGNALLED, /* the IP, from SIP alone */
    PATH_KNOWN_IP,        /* the IP, as offered */
    PATH_KNOWN_SET,       /* one of several IPs */
    PATH_KNOWN_GUESSED,   /* SIP's IP and the offered port */
    PATH_KNOWN_EXACTLY,   /* IP and port */
};
enum path_known path_known_of(const struct path_src *src);
/* Where the offset puts what comes from `offered`, which is src's or its RTCP's; unset where none is
 * known, or it leads to no port. */
struct addr path_shifted(const struct path_src *src, const struct addr *offered);

struct path_choice {
    enum path_code code;
    enum path_known known;
    bool punches;         /* H: send to whom is known, before the 200 goes out */
    bool to_port;         /* H: the very port counts, not the address alone */
    bool permits;         /* install permissions for whom is known, before the 200 goes out */
    bool latches;         /* L: its port is to be learned from its packets */
    bool probes_back;     /* send from the answered address to the offered one: it may latch */
    bool relay_stands_by; /* with permissions, for the ladder's third step */
    bool may_migrate;     /* relayed now; to S once its true address is seen (4.5 (5)) */
    const char *why;      /* a static sentence for the verdict */
};

/* The choice, but none of the codes whose bit (1 << code) is in tried: the ladder's memory. There
 * is always one. */
struct path_choice path_choose(const struct path_us *us, const struct path_src *src,
                               unsigned tried);

/* The direct path of a stream that is relayed now, for its re-INVITE: the relay has shown where the
 * SRC sends from (doc/nat.md 6). */
struct path_choice path_direct(const struct path_us *us, const struct addr *seen);

/* doc/nat.md's spelling: "S+H(ip:port)", "Rw(SIP ip)", "D". */
void path_print(struct writer *w, const struct path_choice *choice);
/* DESIGN.md's word for the API: "host", "static", ... mapped tells the two kinds of M apart. */
const char *path_name(const struct path_choice *choice, const struct path_us *us);
/* The word for the address of PATH_BEST_EFFORT and PATH_EDGE, once packets came to it. is_own: it is
 * our host's. */
const char *path_name_unexpected(const struct path_us *us, bool is_own);

#endif
