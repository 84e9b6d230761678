/* schema: every setting there is: section, key, type, range, default, whether SIGHUP changes it.
 * Not here: reading and checking values (values.h), where they come from (settings.h).
 * RFC: none. */
#include "siprecd/schema.h"

#include <assert.h>

/* clang-format off */
static const struct setting_info infos[SETTING_COUNT] = {
    [SETTING_SIP_LISTEN] = {"sip", "listen", SETTING_TYPE_LISTENERS,
        .default_text = "udp:0.0.0.0:5060,tcp:0.0.0.0:5060",
        .doc = "where SIP is answered; each may end in \" advertise ADDRESS\""},
    [SETTING_SIP_ALLOW] = {"sip", "allow", SETTING_TYPE_PREFIXES, .default_text = "", .reloadable = true,
        .doc = "addresses and networks whose calls are recorded; empty: anybody's"},
    [SETTING_SIP_TLS_CERTIFICATE] = {"sip", "tls_certificate", SETTING_TYPE_PATH, .default_text = "", .reloadable = true,
        .doc = "certificate chain of TLS listeners (PEM)"},
    [SETTING_SIP_TLS_KEY] = {"sip", "tls_key", SETTING_TYPE_PATH, .default_text = "", .reloadable = true,
        .doc = "private key of TLS listeners (PEM)"},
    [SETTING_SIP_TLS_CA] = {"sip", "tls_ca", SETTING_TYPE_PATH, .default_text = "", .reloadable = true,
        .doc = "certificates trusted beside the system's: those that sign SRCs', registrars' and TURN servers' (PEM)"},
    [SETTING_SIP_FORCE_RPORT] = {"sip", "force_rport", SETTING_TYPE_TRISTATE, .default_text = "auto",
        .doc = "answer UDP requests to their source port: always, never, or where the Via shows a NAT"},
    [SETTING_SIP_REGISTER] = {"sip", "register", SETTING_TYPE_SIP_URIS, .default_text = "",
        .doc = "where to register, so that calls reach us through a NAT"},
    [SETTING_SIP_REGISTER_USERNAME] = {"sip", "register_username", SETTING_TYPE_TEXT, .default_text = "",
        .doc = "user name for registering"},
    [SETTING_SIP_REGISTER_PASSWORD] = {"sip", "register_password", SETTING_TYPE_TEXT, .default_text = "", .secret = true,
        .doc = "password for registering"},
    [SETTING_SIP_REGISTER_EXPIRES] = {"sip", "register_expires", SETTING_TYPE_NUMBER, .default_text = "600",
        .min = 60, .max = 86400, .doc = "seconds a registration lasts"},
    [SETTING_RTP_PORT_MIN] = {"rtp", "port_min", SETTING_TYPE_NUMBER, .default_text = "10000", .min = 1, .max = 65534,
        .doc = "lowest media port"},
    [SETTING_RTP_PORT_MAX] = {"rtp", "port_max", SETTING_TYPE_NUMBER, .default_text = "20000", .min = 2, .max = 65535,
        .doc = "highest media port"},
    [SETTING_RTP_BIND] = {"rtp", "bind", SETTING_TYPE_ADDRESSES, .default_text = "",
        .doc = "addresses of media ports, each with the whole range; empty: all of the machine"},
    [SETTING_RTP_MUX_PORT] = {"rtp", "mux_port", SETTING_TYPE_NUMBER, .default_text = "", .min = 1, .max = 65535,
        .doc = "one UDP port for the streams of all calls with ICE, and for one stream of each call without; the first worker's"},
    [SETTING_RTP_TCP_PORT] = {"rtp", "tcp_port", SETTING_TYPE_NUMBER, .default_text = "", .min = 1, .max = 65535,
        .doc = "TCP port for media of SRCs that offer ICE-TCP; the first worker's"},
    [SETTING_NAT_BEHIND_NAT] = {"nat", "behind_nat", SETTING_TYPE_TRISTATE, .default_text = "auto", .reloadable = true,
        .plain = {"BEHIND_NAT"}, .doc = "whether a NAT stands between us and the SRCs"},
    [SETTING_NAT_EXTERNAL_IP] = {"nat", "external_ip", SETTING_TYPE_FAMILIES, .default_text = "auto", .reloadable = true,
        .plain = {"EXTERNAL_IP"}, .doc = "the address (one of each family) the world sees us under"},
    [SETTING_NAT_INTERNAL_IP] = {"nat", "internal_ip", SETTING_TYPE_FAMILIES, .default_text = "auto", .reloadable = true,
        .plain = {"INTERNAL_IP"}, .doc = "our own address (one of each family); auto: by the route to each SRC"},
    [SETTING_NAT_LOCAL_NETWORKS] = {"nat", "local_networks", SETTING_TYPE_AUTO_PREFIXES, .default_text = "auto",
        .reloadable = true, .doc = "SRCs in these reach us without the NAT"},
    [SETTING_NAT_STUN_SERVERS] = {"nat", "stun_servers", SETTING_TYPE_STUN_SERVERS,
        .default_text = "stun.l.google.com:19302,stun1.l.google.com:19302",
        .plain = {"STUN_SERVERS", "STUN_SERVER"}, .doc = "STUN servers, or none"},
    [SETTING_NAT_TURN_SERVERS] = {"nat", "turn_servers", SETTING_TYPE_TURN_SERVERS, .default_text = "",
        .plain = {"TURN_SERVERS"}, .doc = "TURN servers"},
    [SETTING_NAT_TURN_USERNAME] = {"nat", "turn_username", SETTING_TYPE_TEXT, .default_text = "",
        .plain = {"TURN_USERNAME"}, .doc = "user name at the TURN servers"},
    [SETTING_NAT_TURN_PASSWORD] = {"nat", "turn_password", SETTING_TYPE_TEXT, .default_text = "", .secret = true,
        .plain = {"TURN_PASSWORD"}, .doc = "password at the TURN servers"},
    [SETTING_NAT_TURN_SECRET] = {"nat", "turn_secret", SETTING_TYPE_TEXT, .default_text = "", .secret = true,
        .plain = {"TURN_SECRET"}, .doc = "shared secret for REST credentials"},
    [SETTING_NAT_PORTMAP] = {"nat", "portmap", SETTING_TYPE_CHOICE, .default_text = "auto", .choices = "auto false",
        .doc = "ask the gateway for port mappings (PCP, NAT-PMP, UPnP)"},
    [SETTING_NAT_IP_SERVICES] = {"nat", "ip_services", SETTING_TYPE_URLS,
        .default_text = "https://api.ipify.org,https://ifconfig.me/ip,https://icanhazip.com",
        .doc = "web services that tell our address, or none"},
    [SETTING_NAT_METADATA] = {"nat", "metadata", SETTING_TYPE_CHOICE, .default_text = "auto", .choices = "auto false",
        .doc = "ask the cloud's metadata service for our address, where DMI names a known cloud"},
    [SETTING_NAT_PROXY] = {"nat", "proxy", SETTING_TYPE_PROXY, .default_text = "auto",
        .doc = "HTTP proxy for what may go over TCP; auto: https_proxy"},
    [SETTING_NAT_READY] = {"nat", "ready", SETTING_TYPE_AUTO_NUMBER, .default_text = "auto", .min = 1, .max = 10000,
        .doc = "media ports held ready for the next calls"},
    [SETTING_NAT_INACTIVE_FIRST] = {"nat", "inactive_first", SETTING_TYPE_BOOL, .default_text = "false",
        .doc = "answer inactive first and resume once a path is known"},
    [SETTING_RECORDINGS_DIRECTORY] = {"recordings", "directory", SETTING_TYPE_PATH, .default_text = "/var/lib/siprecd",
        .doc = "where recordings are kept"},
    [SETTING_RECORDINGS_FORMAT] = {"recordings", "format", SETTING_TYPE_CHOICE, .default_text = "wav",
        .choices = "wav flac opus mp3", .reloadable = true, .doc = "audio file made after each call"},
    [SETTING_RECORDINGS_SYNC_INTERVAL] = {"recordings", "sync_interval", SETTING_TYPE_DURATION, .default_text = "2s",
        .min = 100, .max = 600000, .reloadable = true, .doc = "what a power cut may cost at most"},
    [SETTING_RECORDINGS_KEEP_DAYS] = {"recordings", "keep_days", SETTING_TYPE_NUMBER, .default_text = "0", .max = 36500,
        .reloadable = true, .doc = "recordings older than this are deleted; 0: never"},
    [SETTING_RECORDINGS_MIN_FREE] = {"recordings", "min_free", SETTING_TYPE_SPACE, .default_text = "5%",
        .reloadable = true, .doc = "below this much room no call is taken (5%, 10G)"},
    [SETTING_HTTP_LISTEN] = {"http", "listen", SETTING_TYPE_ENDPOINTS, .default_text = "127.0.0.1:8080",
        .doc = "where the API is served"},
    [SETTING_HTTP_HOSTNAMES] = {"http", "hostnames", SETTING_TYPE_HOSTNAMES, .default_text = "",
        .doc = "names the API may be called by, besides addresses and localhost"},
    [SETTING_LOG_LEVEL] = {"log", "level", SETTING_TYPE_CHOICE, .default_text = "info",
        .choices = "error warn info debug", .reloadable = true, .doc = "what is logged"},
    [SETTING_LOG_FORMAT] = {"log", "format", SETTING_TYPE_CHOICE, .default_text = "text", .choices = "text json",
        .reloadable = true, .doc = "how it is logged"},
};
/* clang-format on */

const struct setting_info *setting_info(enum setting setting)
{
    assert(setting < SETTING_COUNT);
    return &infos[setting];
}

enum setting setting_find(struct view section, struct view key)
{
    for (int i = 0; i < SETTING_COUNT; i++) {
        if (view_equal(section, view_of_string(infos[i].section)) &&
            view_equal(key, view_of_string(infos[i].key)))
            return (enum setting)i;
    }
    return SETTING_COUNT;
}

bool setting_section_exists(struct view section)
{
    for (int i = 0; i < SETTING_COUNT; i++) {
        if (view_equal(section, view_of_string(infos[i].section)))
            return true;
    }
    return false;
}
