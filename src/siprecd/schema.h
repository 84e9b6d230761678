/* schema: every setting there is: section, key, type, range, default, whether SIGHUP changes it.
 * Not here: reading and checking values (values.h), where they come from (settings.h).
 * RFC: none. */
#ifndef SIPRECD_SCHEMA_H
#define SIPRECD_SCHEMA_H

#include "base/view.h"

/* In the order of the table and of --print-config. */
enum setting {
    SETTING_SIP_LISTEN,
    SETTING_SIP_ALLOW,
    SETTING_SIP_TLS_CERTIFICATE,
    SETTING_SIP_TLS_KEY,
    SETTING_SIP_TLS_CA,
    SETTING_SIP_FORCE_RPORT,
    SETTING_SIP_REGISTER,
    SETTING_SIP_REGISTER_USERNAME,
    SETTING_SIP_REGISTER_PASSWORD,
    SETTING_SIP_REGISTER_EXPIRES,
    SETTING_RTP_PORT_MIN,
    SETTING_RTP_PORT_MAX,
    SETTING_RTP_BIND,
    SETTING_RTP_MUX_PORT,
    SETTING_RTP_TCP_PORT,
    SETTING_NAT_BEHIND_NAT,
    SETTING_NAT_EXTERNAL_IP,
    SETTING_NAT_INTERNAL_IP,
    SETTING_NAT_LOCAL_NETWORKS,
    SETTING_NAT_STUN_SERVERS,
    SETTING_NAT_TURN_SERVERS,
    SETTING_NAT_TURN_USERNAME,
    SETTING_NAT_TURN_PASSWORD,
    SETTING_NAT_TURN_SECRET,
    SETTING_NAT_PORTMAP,
    SETTING_NAT_IP_SERVICES,
    SETTING_NAT_METADATA,
    SETTING_NAT_PROXY,
    SETTING_NAT_READY,
    SETTING_NAT_INACTIVE_FIRST,
    SETTING_RECORDINGS_DIRECTORY,
    SETTING_RECORDINGS_FORMAT,
    SETTING_RECORDINGS_SYNC_INTERVAL,
    SETTING_RECORDINGS_KEEP_DAYS,
    SETTING_RECORDINGS_MIN_FREE,
    SETTING_HTTP_LISTEN,
    SETTING_HTTP_HOSTNAMES,
    SETTING_LOG_LEVEL,
    SETTING_LOG_FORMAT,
    SETTING_COUNT,
};

enum setting_type {
    SETTING_TYPE_TEXT,
    SETTING_TYPE_PATH,          /* not empty, no NUL */
    SETTING_TYPE_BOOL,          /* true, false, yes, no, on, off, 1, 0 */
    SETTING_TYPE_CHOICE,        /* one of choices */
    SETTING_TYPE_TRISTATE,      /* auto or a bool */
    SETTING_TYPE_NUMBER,        /* min..max */
    SETTING_TYPE_AUTO_NUMBER,   /* auto or min..max */
    SETTING_TYPE_DURATION,      /* 2s, 500ms, 1m; min..max in milliseconds */
    SETTING_TYPE_SPACE,         /* 5%, 10G, 500M, 0 */
    SETTING_TYPE_LISTENERS,     /* udp:ADDRESS:PORT[ advertise ADDRESS], ... */
    SETTING_TYPE_ENDPOINTS,     /* ADDRESS:PORT, ... */
    SETTING_TYPE_ADDRESSES,     /* ADDRESS, ... */
    SETTING_TYPE_FAMILIES,      /* auto, or one address, or one of each family */
    SETTING_TYPE_PREFIXES,      /* ADDRESS or ADDRESS/BITS, ... */
    SETTING_TYPE_AUTO_PREFIXES, /* auto, none, or as above */
    SETTING_TYPE_STUN_SERVERS,  /* [stun:]HOST[:PORT], ... or none */
    SETTING_TYPE_TURN_SERVERS,  /* turn:HOST[:PORT][?transport=udp|tcp], turns:HOST[:PORT], ... */
    SETTING_TYPE_SIP_URIS,      /* sip:..., ... */
    SETTING_TYPE_URLS,          /* http:// or https://, ... or none */
    SETTING_TYPE_PROXY,         /* auto, none or http://HOST:PORT */
    SETTING_TYPE_HOSTNAMES,     /* NAME, ... */
};

struct setting_info {
    const char *section;
    const char *key;
    enum setting_type type;
    const char *default_text; /* "" where the default is "not set" */
    int64_t min, max;         /* NUMBER, AUTO_NUMBER, DURATION (ms) */
    const char *choices;      /* CHOICE: "wav flac opus mp3" */
    bool reloadable;          /* SIGHUP brings it into force; else a restart does */
    bool secret;              /* never printed or logged */
    bool later;           /* read and checked, but nothing uses it yet: said at start when set */
    const char *plain[2]; /* environment variables that people already use */
    const char *doc;
};

const struct setting_info *setting_info(enum setting setting);

/* The setting of that section and key, or SETTING_COUNT. */
enum setting setting_find(struct view section, struct view key);
bool setting_section_exists(struct view section);

#endif
