/* relays: a worker's TURN allocations with their sockets and connections.
 * Not here: the protocol (turn), who is answered with which (recorder), finding the servers' addresses (network).
 * RFC 8656, 7065 (turn: and turns: URIs). */
#ifndef SIPRECD_RELAYS_H
#define SIPRECD_RELAYS_H

#include "base/addr.h"
#include "recorder/recorder.h"

enum {
    RELAYS_SERVERS = 8,
    RELAYS_NAME_SIZE = 256,
    RELAYS_CREDENTIAL_SIZE = 256,
};

/* One way to a TURN server, its name resolved. */
struct relays_server {
    struct addr address;
    enum recorder_relay_transport transport;
    char name
        [RELAYS_NAME_SIZE]; /* as in the setting: for TLS (SNI, certificate), CONNECT and reports */
    char
        username[RELAYS_CREDENTIAL_SIZE]; /* of a secret: the name after the expiry, may be empty */
    char password[RELAYS_CREDENTIAL_SIZE];
    bool
        is_secret; /* password is TURN_SECRET: time-limited credentials are made from it, again and again */
};

/* How a worker shall relay; sent whole, whenever any of it changes. No servers: no relays. */
struct relays_plan {
    uint8_t server_count;
    struct relays_server servers[RELAYS_SERVERS]; /* best first: UDP, TCP, TLS */
    bool want_v4, want_v6;                        /* families of relayed addresses */
    int16_t
        ready; /* held ready at least, for SRCs not seen before; -1: by demand; 0: none (not needed) */
    struct addr
        proxy; /* HTTP CONNECT, for TCP and TLS when a direct connection fails; unset: none */
};

#endif
