/* recorder settings: what the operator decides about recordings, as plain data.
 * Not here: where settings come from (siprecd/settings.h). */
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
    struct addr
        external[2]; /* nat.external_ip, IPv4 and IPv6; not set: our own address is advertised */
    struct recorder_prefixes local; /* SRCs in here get our own address all the same */
    uint32_t retry_after_s;         /* of a 503 */
};

#endif
