/* print: the pieces that responses and requests are composed of.
 * Not here: when they are sent (answer.c, client.c).
 * RFC 3261 §8.1.1, 8.2.6, 20. Private to src/sip. */
#ifndef SIP_PRINT_H
#define SIP_PRINT_H

#include "base/writer.h"
#include "sip/dialog.h"

/* RFC 3261 §21; an empty view for codes without a phrase of their own. */
struct view sip_print_reason(unsigned status);
/* What a response repeats of its request (§8.2.6.2): Via, From, To with to_tag where it has none,
 * Call-ID, CSeq, Timestamp. */
void sip_print_frame(struct writer *w, const struct sip_message *request,
                     const struct sip_flow *from, struct view to_tag);
/* The Record-Route lines as they came (§12.1.1). */
void sip_print_record_route(struct writer *w, const struct sip_message *request);
/* "Contact: <sip:user@host:port;transport=tcp>;+sip.srs": the listener of flow as others see it. */
void sip_print_contact(struct writer *w, const struct sip_config *config,
                       const struct sip_flow *flow, bool secure);
/* "Via: SIP/2.0/UDP host:port;branch=...;rport" */
void sip_print_via(struct writer *w, const struct sip_flow *flow, struct view branch);
/* Allow, Supported and, unless brief, Accept: what we can do. */
void sip_print_abilities(struct writer *w, bool brief);
void sip_print_allow(struct writer *w);
void sip_print_session_id(struct writer *w, const struct sip_dialog *d);
/* Session-Expires, and Require where it is due. */
void sip_print_session_terms(struct writer *w, const struct sip_session_terms *terms);
/* Content-Type, Content-Length, the empty line and the body. */
void sip_print_body(struct writer *w, struct view content_type, struct view body);
void sip_print_line(struct writer *w, const char *name, struct view value);

#endif
