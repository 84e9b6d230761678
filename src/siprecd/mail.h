/* mail: the plain messages between the daemon's threads.
 * Not here: the mailboxes (io/mailbox.h), what the threads do with them.
 * RFC: none. */
#ifndef SIPRECD_MAIL_H
#define SIPRECD_MAIL_H

#include "io/proxy.h"
#include "media/media.h"
#include "nat/behaviour.h"
#include "recorder/recorder.h"
#include "siprecd/flows.h"
#include "siprecd/network.h"
#include "siprecd/survey_settings.h"

enum {
    WORKER_STUN_SERVERS = 4,
    WORKER_TURN_SERVERS = 8,
    WORKER_NAME_SIZE = 256,       /* host names: RFC 1035 section 2.3.4 */
    WORKER_CREDENTIAL_SIZE = 512, /* RFC 8489 section 14.3: USERNAME is under 509 bytes */
};

enum worker_turn_transport { WORKER_TURN_UDP, WORKER_TURN_TCP, WORKER_TURN_TLS };

/* A TURN server of the settings, its name looked up. */
struct worker_turn_server {
    enum worker_turn_transport transport;
    struct addr address[2];      /* IPv4, IPv6, with port; not set: it has none of that family */
    char name[WORKER_NAME_SIZE]; /* as set: what its certificate must be for, and CONNECT's target
                                    where no address is known */
    uint16_t port;
};

/* What the network means to a worker. The whole of it comes again whenever a part differs. */
struct worker_network {
    /* Grows when our addresses are others than before: what was made through the old ones
     * (mappings, allocations) has to be made anew. The same number: something else differs. */
    uint32_t change;
    uint32_t addresses;   /* grows when any address of this host has come or gone */
    uint32_t unmapped;    /* grows when the gateway has mapped a port no more */
    bool keep_mappings;   /* false: in the open, or no STUN wanted: send no STUN at all */
    struct addr local[2]; /* what the default route leaves from: IPv4, IPv6; port 0 */
    /* nat.internal_ip: STUN and TURN are asked from there; not set: by routes */
    struct addr source[2];
    struct io_proxy proxy;   /* for TCP and TLS where the direct way fails; all zero: none */
    struct addr proxy_at[2]; /* its address */
    struct addr external[2]; /* as best known, port 0; not set: unknown */
    struct nat_behaviour behaviour[2];
    struct addr stun[2]
                    [WORKER_STUN_SERVERS]; /* the ones that answer first; unset ones at the end */
    struct worker_turn_server turn[WORKER_TURN_SERVERS];
    size_t turn_count;
    bool wants_relays; /* calls may need them: they are to stand ready */
    char turn_username
        [WORKER_CREDENTIAL_SIZE]; /* REST credentials are made and renewed by signalling */
    char turn_password[WORKER_CREDENTIAL_SIZE];
};

enum relay_server_state {
    RELAY_SERVER_UNKNOWN, /* not heard from yet */
    RELAY_SERVER_SERVING,
    RELAY_SERVER_SILENT,  /* it does not answer, or cannot be connected to: why */
    RELAY_SERVER_REFUSES, /* code: 401 and 441 wrong credentials, 486 quota, 403 forbidden */
};

/* How the TURN servers are with one worker; in the order of worker_network.turn. */
struct relay_report {
    size_t count;
    struct relay_server_report {
        enum relay_server_state state;
        enum worker_turn_transport transport;
        bool by_proxy;
        struct addr address;
        char name[WORKER_NAME_SIZE];
        uint16_t code;
        char why[160];  /* of a connection that failed; empty: nothing to say */
        int32_t rtt_ms; /* -1: not known */
        uint32_t ready, reserved, lent;
    } servers[WORKER_TURN_SERVERS];
};

/* To a media worker. */
enum worker_mail_kind {
    WORKER_COMMAND,     /* command; its bytes pass to the worker */
    WORKER_TICKET_BACK, /* ticket: was never used */
    WORKER_RELAY_BACK,  /* relay: was picked, and not used */
    WORKER_NETWORK,     /* network, to be freed */
    WORKER_STOP,        /* write what there is, close, end the thread */
};

struct worker_mail {
    enum worker_mail_kind kind;
    union {
        struct media_command command;
        struct recorder_ticket ticket;
        struct recorder_relay relay;
        struct worker_network *network;
    };
};

/* What SIGHUP may change for signalling. */
struct signalling_settings {
    struct flows_settings flows;
    struct recorder_settings recorder;
    struct network network;
    struct survey_settings survey;
};

/* To signalling. */
enum signalling_mail_kind {
    SIGNALLING_TICKET,      /* ticket, of worker */
    SIGNALLING_RELAY,       /* relay, of worker: ready, or gone */
    SIGNALLING_RELAYS,      /* relays, of worker: how the servers are; to be freed */
    SIGNALLING_MEDIA,       /* event, of worker */
    SIGNALLING_PORT_CLOSED, /* port: its number means nothing any more */
    SIGNALLING_PORTS,       /* ports: whether worker has any left */
    SIGNALLING_DISK_FULL,   /* on or off */
    SIGNALLING_RELOAD,      /* settings, to be freed */
    SIGNALLING_DRAIN,       /* take no more calls; end when the last is over */
    SIGNALLING_HANG_UP,     /* end them now */
    SIGNALLING_STOP,        /* end the thread */
};

struct signalling_mail {
    enum signalling_mail_kind kind;
    uint32_t worker;
    bool on;
    union {
        struct recorder_ticket ticket;
        struct recorder_relay relay;
        struct relay_report *relays;
        struct recorder_port port;
        struct {
            bool none[2]; /* IPv4, IPv6; also where it is bound to no address of the family */
        } ports;
        struct media_event event;
        struct signalling_settings *settings;
    };
};

#endif
