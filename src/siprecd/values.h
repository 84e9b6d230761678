/* values: a setting's text to what it means, with the reason where it means nothing.
 * Not here: which settings there are (schema.h), where the text came from (settings.h).
 * RFC 3986 (hosts in URIs), 7064 and 7065 (stun: and turn: URIs). */
#ifndef SIPRECD_VALUES_H
#define SIPRECD_VALUES_H

#include "base/addr.h"
#include "sip/flow.h"
#include "siprecd/schema.h"

enum {
    VALUES_LISTENERS_MAX = 16,
    VALUES_ADDRESSES_MAX = 16,
    VALUES_PREFIXES_MAX = 64,
    VALUES_PATH_SIZE = 4096,
    VALUES_AUTO = -1, /* number of a TRISTATE or AUTO_NUMBER that says auto */
};

struct values_listener {
    enum sip_protocol protocol;
    struct addr bind;
    struct addr advertise; /* not set: none; port 0: the bound one */
};

struct values_listeners {
    size_t count;
    struct values_listener list[VALUES_LISTENERS_MAX];
};

struct values_addresses {
    size_t count; /* 0: none, or auto */
    struct addr list[VALUES_ADDRESSES_MAX];
};

struct values_prefixes {
    bool is_auto;
    size_t count;
    struct addr_prefix list[VALUES_PREFIXES_MAX];
};

struct values_space {
    bool is_percent;
    uint64_t amount; /* bytes, or hundredths of a percent */
};

/* What the text of a setting means; which member counts follows from its type. TEXT, PATH and the
 * lists of servers, URIs, URLs and names are checked and stay text. */
union setting_meaning {
    int64_t number; /* NUMBER; DURATION in ms; BOOL 0 or 1; CHOICE its index; TRISTATE and
                       AUTO_NUMBER also VALUES_AUTO */
    struct values_space space;
    struct values_listeners listeners;
    struct values_addresses addresses; /* ENDPOINTS, ADDRESSES, FAMILIES */
    struct values_prefixes prefixes;
};

#define VALUES_REASON_SIZE 192

/* "udp", "tcp" or "tls", as sip.listen has it. */
const char *values_protocol_name(enum sip_protocol protocol);

/* Reads text, which is not empty, as a value of info's type. False: why (VALUES_REASON_SIZE bytes)
 * says what is wrong with it, without naming the setting. */
WARN_UNUSED bool values_parse(const struct setting_info *info, struct view text,
                              union setting_meaning *meaning, char *why);

#endif
