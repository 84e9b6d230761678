/* warning: what was odd about a body, its SDP or its metadata, as codes that outsiders read in a
 * recording.
 * Not here: refusing anything.
 * RFC 7866 §9.2 leaves errors to policy; ours is to record and to say so. */
#ifndef SIPREC_WARNING_H
#define SIPREC_WARNING_H

#include "base/view.h"

enum siprec_warning {
    SIPREC_WARN_BODY_BOUNDARY_MISSING,  /* multipart without a usable boundary: guessed */
    SIPREC_WARN_BODY_NOT_CLOSED,        /* no final boundary */
    SIPREC_WARN_BODY_PARTS,             /* more parts or deeper nesting than are read */
    SIPREC_WARN_BODY_TYPE,              /* no or an unknown Content-Type: told by its content */
    SIPREC_WARN_BODY_PART_IGNORED,      /* a part that is neither SDP nor metadata */
    SIPREC_WARN_SDP_PARTS,              /* two SDP parts: the first is used */
    SIPREC_WARN_SDP_LABEL_MISSING,      /* an audio m-line without a=label */
    SIPREC_WARN_SDP_LABEL_REPEATED,     /* two m-lines with one label */
    SIPREC_WARN_SDP_LIMIT,              /* more m-lines or formats than are read */
    SIPREC_WARN_METADATA_MISSING,       /* a recording session without any */
    SIPREC_WARN_METADATA_PARTS,         /* two metadata parts: applied in order */
    SIPREC_WARN_METADATA_BROKEN,        /* not well-formed: what stands before the error is used */
    SIPREC_WARN_METADATA_LEADING_BLANK, /* blanks before the XML declaration */
    SIPREC_WARN_METADATA_ENCODING,      /* not the encoding it declares */
    SIPREC_WARN_METADATA_ENTITIES,      /* a DTD that declares entities: reading stopped there */
    SIPREC_WARN_METADATA_LIMIT,         /* too deep, too many elements, or too long a text */
    SIPREC_WARN_METADATA_ROOT,          /* the root element is none that we know */
    SIPREC_WARN_METADATA_NAMESPACE, /* a namespace other than urn:ietf:params:xml:ns:recording:1 */
    SIPREC_WARN_METADATA_EMPTY,     /* nothing that we know in it */
    SIPREC_WARN_METADATA_PARTIAL,   /* a partial update without a snapshot before it */
    SIPREC_WARN_METADATA_DUPLICATE_ID, /* one id on two elements (RFC 7865 §6.10) */
    SIPREC_WARN_METADATA_DANGLING,     /* a reference to an element that was never described */
    SIPREC_WARN_LABEL_UNMATCHED,       /* an m-line's label stands in no stream of the metadata */
    SIPREC_WARN_COUNT,
};

/* "metadata-broken", and a sentence for people. */
const char *siprec_warning_code(enum siprec_warning warning);
const char *siprec_warning_text(enum siprec_warning warning);

#define SIPREC_WARNING_DETAIL_SIZE 96

/* Each code once, with the detail it had first. Plain data, zero is empty. */
struct siprec_warnings {
    uint32_t set; /* bit i: warning i was raised */
    char detail[SIPREC_WARN_COUNT][SIPREC_WARNING_DETAIL_SIZE];
};

void siprec_warn(struct siprec_warnings *warnings, enum siprec_warning warning, const char *format,
                 ...) PRINTF_LIKE(3, 4);
bool siprec_warned(const struct siprec_warnings *warnings, enum siprec_warning warning);

#endif
