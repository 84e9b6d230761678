/* body: takes the body of a SIP message apart, in every spelling MIME allows and a few it does not.
 * Not here: what SDP and metadata say (sdp, metadata.h), what to answer (rules.h).
 * RFC 2046 §5.1, 2045 §6 (transfer encodings), 2183, 5621, 7866 §9, 9806. */
#ifndef SIPREC_BODY_H
#define SIPREC_BODY_H

#include "base/arena.h"
#include "siprec/warning.h"

#define SIPREC_PARTS_MAX   32 /* leaf parts; seen in the field: 3 */
#define SIPREC_NESTING_MAX 4  /* multiparts within multiparts */

enum siprec_part_kind {
    SIPREC_PART_SDP,      /* application/sdp */
    SIPREC_PART_METADATA, /* application/rs-metadata+xml, application/rs-metadata, and what stands
                             for them */
    SIPREC_PART_OTHER,
};

/* All views borrow the message, except a body whose transfer encoding was undone (arena). */
struct siprec_part {
    enum siprec_part_kind kind;
    struct view type;        /* "application/sdp" as written, without parameters; empty: none */
    struct view parameters;  /* behind the first ";" */
    struct view disposition; /* "recording-session", without parameters; empty: none */
    bool optional;           /* handling=optional; the default is required (RFC 5621 §8) */
    bool guessed;            /* kind comes from the content, not from the type */
    unsigned alternative;    /* not 0: which multipart/alternative it is a choice of */
    struct view body;
};

struct siprec_body {
    size_t count;
    struct siprec_part parts[SIPREC_PARTS_MAX];
    bool multipart;
    bool closed; /* every multipart in it had its final boundary */
};

/* The header fields of the message that tell what its body is; empty where absent. */
struct siprec_body_headers {
    struct view content_type;
    struct view content_disposition;
    struct view content_encoding; /* Content-Transfer-Encoding */
};

/* Never fails. An empty body has no parts. arena holds what had to be decoded, for as long as the
 * parts are used. */
void siprec_body_parse(struct siprec_body *body, const struct siprec_body_headers *headers,
                       struct view bytes, struct arena *arena, struct siprec_warnings *warnings);

/* The value of a parameter in "; a=b; c=\"d\"", quotes and backslashes kept as written inside the
 * quotes; name's case is ignored. False when it is not there. */
bool siprec_parameter_find(struct view parameters, struct view name, struct view *value);

#endif
