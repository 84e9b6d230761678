/* recorder settings: what the operator decides about recordings, as plain data.
 * Not here: where settings come from (siprecd/settings.h).
 * RFC: none. */
#ifndef RECORDER_SETTINGS_H
#define RECORDER_SETTINGS_H

#include "nat/path.h"
#include "sip/flow.h"

enum { RECORDER_BINDS_MAX = 16 };
enum { RECORDER_PREFIXES_MAX = 64, RECORDER_LISTENERS_MAX = 16 };

struct recorder_prefixes {
    uint32_t count;
    struct addr_prefix list[RECORDER_PREFIXES_MAX];
};

struct recorder_settings {
    uint32_t recordings;            /* calls at once; more get 503 */
    struct recorder_prefixes allow; /* sip.allow; empty: anyone */
    /* What nat.behind_nat and the rest say; [0] IPv4, [1] IPv6; not set: none. */
    enum path_answer behind_nat; /* unknown: auto */
    struct addr external[2];     /* what the world sees */
    struct addr internal[2];     /* ours by order */
    struct addr own[2];          /* ours, as far as is known without being asked */
    struct recorder_listener {
        enum sip_protocol protocol;
        struct addr bound;     /* not set: there is no such listener; port 0: whichever was free */
        struct addr advertise; /* its SRCs are told this one */
    } listeners[RECORDER_LISTENERS_MAX];
    struct recorder_prefixes local; /* SRCs in here reach us without a NAT; */
    bool local_by_kind;             /* and so do private addresses */
    /* Ports that worker 0 shares among streams (0: none), on each of the addresses that media ports
     * are bound to, by whose place MEDIA_SHARED() counts. */
    uint16_t mux_port, tcp_port;
    size_t binds_count;
    struct addr binds[RECORDER_BINDS_MAX];
    bool has_relays;        /* TURN servers are named: what does not stand ready may come */
    bool inactive_first;    /* RFC 7866 Figure 7, for SRCs not known */
    uint32_t retry_after_s; /* of a 503 */
};

#endif
