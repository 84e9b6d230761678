/* snapshot: the document with which an SRS asks for all metadata again.
 * Not here: the UPDATE that carries it (sip), when to ask (recorder).
 * RFC 7865 §7, 7866 §9.2. */
#ifndef SIPREC_SNAPSHOT_H
#define SIPREC_SNAPSHOT_H

#include "base/writer.h"

/* Content-Type and Content-Disposition of the UPDATE; no SDP may stand beside it. */
#define SIPREC_SNAPSHOT_TYPE        "application/rs-metadata+xml"
#define SIPREC_SNAPSHOT_DISPOSITION "recording-session"

/* Writes a requestsnapshot document; reason is UTF-8 text, escaped here, empty for none. w->failed
 * says when it did not fit. */
void siprec_snapshot_print(struct writer *w, struct view reason);

#endif
