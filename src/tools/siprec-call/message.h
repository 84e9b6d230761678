/* message: the little of an incoming SIP message that a caller needs, read as views into its bytes.
 * Written apart from siprecd's own parser on purpose: the test SRC is a second opinion on what
 * siprecd sends.
 * RFC 3261 §7, §7.3.3 (compact forms), §18.3 (framing on streams). */
#ifndef TOOLS_SIPREC_CALL_MESSAGE_H
#define TOOLS_SIPREC_CALL_MESSAGE_H

#include "base/view.h"
#include "base/writer.h"

/* Borrows the bytes it was read from. */
struct call_message {
    bool request;
    struct view method; /* of a request; of a response: the CSeq's */
    struct view uri;
    unsigned code;
    struct view reason;
    struct view headers; /* from behind the first line to the blank line */
    struct view body;
    uint32_t cseq;
    struct view call_id;
};

/* Reads a whole message. Folded header lines are joined in place (their CRLF becomes blanks), hence
 * char *.
 * False when it is none (RFC 3261 §7). */
WARN_UNUSED bool call_message_parse(struct call_message *message, char *bytes, size_t len);

/* The n-th header of that name, long or compact, its value trimmed; VIEW_NONE when there is none.
 * Values that hold several, separated by commas, are not split. */
struct view call_message_header(const struct call_message *message, const char *name, unsigned n);

/* ";name=value" behind a header's value or URI; VIEW_NONE without. An empty value has a non-NULL
 * at. */
struct view call_parameter(struct view value, const char *name);
/* What stands in <...>, or the value up to its first ";" or blank. */
struct view call_uri_of(struct view value);

/* Length of the first whole message in a stream's bytes, 0 when it is not complete yet. Leading
 * CRLFs (keepalives) are part of it. broken: no message can ever be cut here. */
size_t call_message_frame(struct view stream, bool *broken);

/* The route set a response's Record-Route gives the caller: reversed, as "Route: ..." lines (RFC
 * 3261 §12.1.2). */
void call_route_set(const struct call_message *message, struct writer *out);

#endif
