/* outbound: the flows of sip.register: names looked up, connections opened (through nat.proxy where
 * there is no other way), STUN over those that are UDP.
 * Not here: what REGISTER says and when (sip/register.h), listeners (flows.h).
 * RFC 5626 §4, 3263 (names), 8489 (STUN), 5922 (certificates). */
#ifndef SIPRECD_OUTBOUND_H
#define SIPRECD_OUTBOUND_H

#include "io/dns.h"
#include "io/tls.h"
#include "sip/register.h"
#include "siprecd/network.h"

struct outbound;

enum { OUTBOUND_INSTANCE_SIZE = 64 };

/* Plain data; what SIGHUP does not change. */
struct outbound_settings {
    char uris[2048]; /* sip.register; empty: none */
    char username[256], password[256];
    uint32_t expires_s;
    char instance[OUTBOUND_INSTANCE_SIZE]; /* "urn:uuid:..." */
    struct io_proxy proxy;                 /* host empty: none */
};

/* A UDP socket of sip.listen. */
struct outbound_socket {
    int fd; /* -1: this listener is none */
    struct addr bound;
};

struct outbound_config {
    struct outbound_settings settings;
    struct io_loop *loop; /* borrowed, as what follows */
    struct io_tls *tls;
    struct sip *sip;
    const struct network *network;
    const struct outbound_socket *sockets; /* by listener number */
    uint8_t tag_dns;
};

/* NULL when memory is out. */
struct outbound *outbound_create(const struct outbound_config *config, struct tick now);
void outbound_destroy(struct outbound *outbound);

/* Carries out what the registrations want; after every input. */
void outbound_work(struct outbound *outbound, struct tick now);

/* One of ours was opened, or is gone; false: it is nobody's here. */
bool outbound_opened(struct outbound *outbound, struct tick now, const struct io_tcp_event *event,
                     const struct sip_flow *flow);
bool outbound_closed(struct outbound *outbound, struct tick now, const struct io_tcp_event *event);
/* A STUN response that came to a listener. */
void outbound_stun(struct outbound *outbound, struct tick now, const struct addr *from,
                   struct view bytes);
/* True when the event was for us alone. */
bool outbound_input(struct outbound *outbound, struct tick now, const struct sip_event *event);
void outbound_dns_ready(struct outbound *outbound, struct tick now, const struct io_ready *ready);

/* The flow with what registering has made of it. */
void outbound_mark(const struct outbound *outbound, struct sip_flow *flow);
/* The name that the certificate at peer must bear; NULL: none is known. */
const char *outbound_name(const struct outbound *outbound, const struct addr *peer);

/* Our network changed: all flows anew. */
void outbound_renew(struct outbound *outbound, struct tick now);
/* Takes the registrations back. */
void outbound_stop(struct outbound *outbound, struct tick now);
bool outbound_is_stopped(const struct outbound *outbound);

void outbound_expire(struct outbound *outbound, struct tick now);
struct tick outbound_deadline(const struct outbound *outbound, struct tick now);

/* A JSON array, one object a registration, to be freed; NULL when memory is out:
 * [{"uri","state","peer","transport","proxy","outbound","expires_in_s","retry_in_s","why"}] */
char *outbound_report(const struct outbound *outbound, struct tick now);

#endif
