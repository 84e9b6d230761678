/* survey_settings: what the settings say about finding out our network, taken apart.
 * Not here: checking their form (values.h), doing it (surveyor.h).
 * RFC 7064, 7065 (stun: and turn: URIs and their ports). */
#ifndef SIPRECD_SURVEY_SETTINGS_H
#define SIPRECD_SURVEY_SETTINGS_H

#include "nat/path.h"
#include "siprecd/settings.h"

enum {
    SURVEY_STUN_SERVERS = 4,
    SURVEY_TURN_SERVERS = 8,
    SURVEY_SERVICES = 6,
    SURVEY_HOST_SIZE = 256, /* RFC 1035 §2.3.4 */
    SURVEY_TEXT_SIZE = 512,
};

struct survey_host {
    char name[SURVEY_HOST_SIZE];
    uint16_t port;
};

enum survey_transport { SURVEY_UDP, SURVEY_TCP, SURVEY_TLS };

struct survey_turn {
    struct survey_host host;
    enum survey_transport transport;
};

struct survey_settings {
    enum path_answer behind_nat;
    struct addr external[2], internal[2]; /* IPv4, IPv6; unset: auto */
    struct addr
        bind[2]; /* rtp.bind, where it names one address of the family: media leaves there */
    size_t stun_count;
    struct survey_host stun[SURVEY_STUN_SERVERS];
    size_t turn_count;
    struct survey_turn turn[SURVEY_TURN_SERVERS]; /* all UDP, then TCP, then TLS */
    char turn_username[SURVEY_TEXT_SIZE];
    char turn_password[SURVEY_TEXT_SIZE]; /* the secret, if is_secret */
    bool turn_is_secret;
    size_t services_count;
    char services[SURVEY_SERVICES][SURVEY_TEXT_SIZE];
    bool metadata, portmap;
    char proxy[SURVEY_TEXT_SIZE]; /* URL; "": none. Never logged: it may hold a password */
};

/* The settings must be free of errors. What is beyond the capacities is left out; remarks says how
 * many were. */
void survey_settings_of(const struct settings *settings, struct survey_settings *out);

/* True when there is nothing to find out: the settings say it all. */
bool survey_settings_suffice(const struct survey_settings *settings);

#endif
