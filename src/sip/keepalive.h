/* keepalive: UDP flows of standing dialogs, kept open through the NATs of those who called us.
 * Not here: flows that we registered over (register.h), connections (io keeps those alive).
 * RFC 6223, RFC 5626 §3.5; RFC 4787 REQ-5, REQ-6. Private to src/sip. */
#ifndef SIP_KEEPALIVE_H
#define SIP_KEEPALIVE_H

#include "sip/engine.h"

/* A request of the peer's says whether a NAT stands before it. */
void sip_keepalive_look(struct sip_dialog *d, const struct sip_message *m,
                        const struct sip_flow *flow);
/* Something came on a flow: what the NAT has there lives on. */
void sip_keepalive_hear(struct sip *sip, const struct sip_flow *flow);
/* The dialog stands, or what is known of it has changed. */
void sip_keepalive_plan(struct sip *sip, struct sip_dialog *d);
/* It is due. */
void sip_keepalive_send(struct sip *sip, struct tick now, struct sip_dialog *d);

#endif
