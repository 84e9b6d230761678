/* relay: what media and the owner of a worker's TURN allocations say to each other: plain structs.
 * Not here: allocations and their sockets (siprecd/relays.h), when a stream needs one (recorder).
 * RFC 8656 §9 (permissions), §12 (channels). */
#ifndef MEDIA_RELAY_H
#define MEDIA_RELAY_H

#include "base/addr.h"

/* Relay slot's number in datagram.socket and media_packet.socket: to media a relay is one more socket, whose datagrams
 * come from the peer behind it and arrive at the relayed address. Ports count from 0 (MEDIA_SOCKET). */
#define MEDIA_RELAY_BIT               0x80000000u
#define MEDIA_RELAY(slot)             (MEDIA_RELAY_BIT | (slot))
#define MEDIA_SOCKET_IS_RELAY(socket) (((socket)&MEDIA_RELAY_BIT) != 0)
#define MEDIA_RELAY_SLOT(socket)      ((socket) & ~MEDIA_RELAY_BIT)

enum { MEDIA_RELAY_PEERS = 16 };

/* What a stream wants of its relay. */
enum media_relay_want_kind {
    MEDIA_RELAY_PERMIT, /* let these peers' addresses in, from now on; asking twice is harmless */
    MEDIA_RELAY_BIND,   /* peers[0] is the real source: a channel, 4 bytes a packet instead of 36 */
    MEDIA_RELAY_SUSPECT, /* it went silent: is its server alive? LOST within a second if not */
    MEDIA_RELAY_RELEASE, /* the stream is over or has left it: it rests, and stays with its SRC */
};
struct media_relay_want {
    enum media_relay_want_kind kind;
    uint32_t slot, generation;
    uint8_t count;
    struct addr peers[MEDIA_RELAY_PEERS];
};

/* What became of it. */
enum media_relay_event_kind {
    MEDIA_RELAY_PERMITTED, /* peer (port 0): what it sends comes through now */
    MEDIA_RELAY_DENIED,    /* peer: never; code is the server's (403, 443, ...) */
    MEDIA_RELAY_LOST,      /* the relayed address is gone: another path is needed */
};
struct media_relay_event {
    enum media_relay_event_kind kind;
    uint32_t slot, generation;
    uint16_t code; /* 0: the server does not answer */
    struct addr peer;
};

#endif
