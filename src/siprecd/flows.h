/* flows: the ways SIP comes and goes by: the listeners of sip.listen, the connections over TCP and
 * TLS, which of them carries what sip sends.
 * Not here: SIP itself (sip), which of our addresses a peer is told (network.h).
 * RFC 3261 §18, 5626 §3 (flows), 5922 (certificates). */
#ifndef SIPRECD_FLOWS_H
#define SIPRECD_FLOWS_H

#include "io/loop.h"
#include "io/tls.h"
#include "sip/sip.h"
#include "siprecd/network.h"
#include "siprecd/outbound.h"

struct flows;

/* What SIGHUP may change. Plain data. */
struct flows_settings {
    char certificate[VALUES_PATH_SIZE], key[VALUES_PATH_SIZE], ca[VALUES_PATH_SIZE]; /* PEM files */
};

struct flows_config {
    struct io_loop *loop; /* borrowed, as what follows */
    struct sip *sip;      /* fed with what comes in */
    const struct network *network;
    uint8_t tag_udp, tag_tcp, tag_dns; /* of the tokens that are handed to flows_ready */
    uint32_t connections_max;
    const struct outbound_settings *outbound; /* sip.register; copied. NULL: none */
};

struct flows *flows_create(const struct flows_config *config);
void flows_destroy(struct flows *flows);

/* Takes settings, at first before flows_listen. False: a sentence in error; certificates that were
 * read before stay in use. */
WARN_UNUSED bool flows_configure(struct flows *flows, const struct flows_settings *settings,
                                 char *error, size_t error_size);

/* Opens all listeners of the network. False with a sentence. */
WARN_UNUSED bool flows_listen(struct flows *flows, char *error, size_t error_size);

/* What listener number index is bound to. */
struct addr flows_bound(const struct flows *flows, size_t index);

/* Tells that loop reported ready, whose token carries one of our tags. */
void flows_ready(struct flows *flows, struct tick now, const struct io_ready *ready);

/* Feeds sip with the next datagram or piece of a stream; false: nothing is left. After each the
 * caller takes what follows from it. */
bool flows_next(struct flows *flows);

/* Offers an event of sip to the registrations; true: it was theirs. */
bool flows_take_event(struct flows *flows, struct tick now, const struct sip_event *event);
/* Carries out what the registrations want; before sip's packets are sent. */
void flows_work(struct flows *flows, struct tick now);

/* Carries out what sip wants. */
void flows_send(struct flows *flows, struct tick now, const struct sip_output *output);

/* The addresses of this host have changed: connections that came in at one that has gone are over, and
 * listeners whose address is not here wait for it. */
void flows_look(struct flows *flows);
/* Does this listener wait for its address? */
bool flows_waits(const struct flows *flows, size_t index);

/* Our network changed: what we registered leads nowhere, and is registered anew at once. */
void flows_renew(struct flows *flows, struct tick now);
/* Takes our registrations back: no call is to come any more. Their flows stay for those there are. */
void flows_stop(struct flows *flows, struct tick now);
bool flows_is_stopped(const struct flows *flows);
/* The registrations as a JSON array (outbound.h), to be freed; NULL when memory is out. */
char *flows_report(const struct flows *flows, struct tick now);

void flows_expire(struct flows *flows, struct tick now);
struct tick flows_deadline(const struct flows *flows, struct tick now);

#endif
