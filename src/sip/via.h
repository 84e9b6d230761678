/* via: where a response goes, and the Via lines it carries.
 * Not here: Via of our own requests (print.h), connections (engine.c).
 * RFC 3261 §18.2, RFC 3581 §4. */
#ifndef SIP_VIA_H
#define SIP_VIA_H

#include "base/writer.h"
#include "sip/flow.h"
#include "sip/message.h"

/* What we answer to a "keep" (RFC 6223 §7): keepalives come after 80 to 100 % of it, which NATs that
 * forget after 30 s bear. */
#define SIP_VIA_KEEP_S 25

/* The flow of the request with peer replaced by where its response goes. On a connection that is
 * the connection itself, id included. */
struct sip_flow sip_via_route(const struct sip_via *via, const struct sip_flow *from,
                              enum sip_force_rport force);
/* Where a response goes when its connection is gone: the source address at the port of the Via, RFC
 * 3261 §18.2.2. */
struct addr sip_via_reconnect(const struct sip_via *via, const struct sip_flow *from);
/* True when the Via names a private address that is not where the request came from: a NAT stands
 * between. */
bool sip_via_is_translated(const struct sip_via *via, const struct sip_flow *from);
/* Where the other side saw our request come from, as its response tells: the port of rport, and received
 * or else our own host (RFC 3581 §4). Not set where it tells no port. */
struct addr sip_via_seen(const struct sip_message *response);
/* Writes all Via lines of a request as they came, in their order, with received and rport added to
 * the topmost value where RFC 3261 §18.2.1 and RFC 3581 §4 demand it. */
void sip_via_write(struct writer *w, const struct sip_message *request,
                   const struct sip_flow *from);

#endif
