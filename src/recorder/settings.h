/* recorder settings: what the operator decides about recordings, as plain data.
 * Not here: where settings come from (siprecd/settings.h).
 * RFC: none. */
#ifndef RECORDER_SETTINGS_H
#define RECORDER_SETTINGS_H

#include "base/addr.h"

enum { RECORDER_PREFIXES_MAX = 64 };

struct recorder_prefixes {
    uint32_t count;
    struct addr_prefix list[RECORDER_PREFIXES_MAX];
};

struct recorder_settings {
    uint32_t recordings;            /* calls at once; more get 503 */
    struct recorder_prefixes allow; /* sip.allow; empty: anyone */
    /* For media whose family is not that of the SRC's SIP; [0] IPv4, [1] IPv6; not set: none. Else
     * what SIP's flow says is right for media too: flow.advertised. */
    struct addr external[2];        /* what the world sees, by nat.external_ip */
    struct addr own[2];             /* ours, where ports are bound to a wildcard */
    struct recorder_prefixes local; /* SRCs in here get our own all the same */
    uint32_t retry_after_s;         /* of a 503 */
};

#endif
