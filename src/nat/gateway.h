/* gateway: port mappings at one gateway, kept for as long as they are wanted: PCP where it is
 * spoken, else, for IPv4, NAT-PMP. IPv6 is not translated: what is mapped is let in (RFC 6887 §2.2).
 * Not here: messages (portmap.h), sockets, which gateway (the route), UPnP (io, miniupnpc).
 * RFC 6887 §8.1.1, §8.5, §9, §11, §16.3.1; RFC 6886 §3.1, §3.6, §3.7. Sans-IO. */
#ifndef NAT_GATEWAY_H
#define NAT_GATEWAY_H

#include "base/tick.h"
#include "nat/portmap.h"

enum {
    GATEWAY_MAPPINGS = 256,    /* the stock of ready media ports, and SIP's */
    GATEWAY_LIFETIME_S = 7200, /* RFC 6886 §3.3's recommendation; PCP servers cut it as they like */
};

struct gateway_options {
    struct addr server;   /* the gateway's address; port 0: 5351 */
    struct addr internal; /* ours towards it */
    uint8_t seed[32];
};

struct gateway;

WARN_UNUSED struct gateway *gateway_create(const struct gateway_options *options);
void gateway_destroy(struct gateway *g);

/* Wants internal port mapped from now on, suggesting the same port outside. False when the table is
 * full or it is wanted already. */
bool gateway_map(struct gateway *g, struct tick now, enum portmap_protocol protocol,
                 uint16_t internal_port);
/* Gives it back: one delete request is sent, three times at most. */
void gateway_unmap(struct gateway *g, struct tick now, enum portmap_protocol protocol,
                   uint16_t internal_port);

/* A datagram from the server's address; others are the owner's to drop (RFC 6886 §3.2, RFC 6887
 * §8.3: MUST). False when it was none of ours. */
bool gateway_input(struct gateway *g, struct tick now, struct view datagram);
void gateway_expire(struct gateway *g, struct tick now);
struct tick gateway_deadline(const struct gateway *g);
/* A datagram for the server, until false. Borrowed until the next call. */
bool gateway_output(struct gateway *g, struct tick now, struct view *out);
/* Before gateway_destroy: gives all back, one delete request each until false, unpaced and not repeated, since nobody
 * stays to wait for answers (RFC 6887 §15, RFC 6886 §3.4). Nothing is wanted any more after it. Borrowed, as above. */
bool gateway_end(struct gateway *g, struct view *out);

enum gateway_event_kind {
    GATEWAY_MAPPED,    /* external is the way in; again when it changed */
    GATEWAY_LOST,      /* no longer mapped: result says why (OK: it expired without an answer) */
    GATEWAY_REFUSED,   /* this mapping will not be had: result */
    GATEWAY_SILENT,    /* it speaks neither protocol; asked again when gateway_retry says so */
    GATEWAY_RESTARTED, /* its epoch says that it lost its state: everything is being mapped again */
};
struct gateway_event {
    enum gateway_event_kind kind;
    enum portmap_protocol protocol;
    uint16_t internal_port;
    struct addr external; /* NAT-PMP: address and port put together */
    enum portmap_result result;
};
bool gateway_event(struct gateway *g, struct gateway_event *out);

/* The network changed, or time has passed: forget that the gateway was silent (RFC 6886 §3.1). */
void gateway_retry(struct gateway *g, struct tick now);

enum gateway_speech {
    GATEWAY_UNKNOWN, /* being found out */
    GATEWAY_PCP,
    GATEWAY_NATPMP,
    GATEWAY_MUTE,
    GATEWAY_UPNP, /* never the engine's: said by whoever tried UPnP after it (siprecd/mapper.h) */
};
struct gateway_status {
    enum gateway_speech speech;
    /* The gateway's own outside address; unset while not known. Private, or other than what STUN
     * sees: a second NAT stands behind it (doc/nat.md 5). */
    struct addr external;
    /* Never the engine's (siprecd/mapper.h): it has none at all, by what it says elsewhere; it maps nothing more. */
    bool is_inside, is_refused;
    size_t mapped, wanted;
};
struct gateway_status gateway_status(const struct gateway *g);

#endif
