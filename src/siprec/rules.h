/* rules: is it a recording session, what in its body matters, and may it be refused.
 * Not here: SIP itself.
 * RFC 7866 §6, §9; 5621 §8. */
#ifndef SIPREC_RULES_H
#define SIPREC_RULES_H

#include "sdp/session.h"
#include "siprec/body.h"

enum siprec_evidence {
    SIPREC_EVIDENCE_NONE,  /* an ordinary call */
    SIPREC_EVIDENCE_LOOSE, /* one of: Require: siprec, an SRC's Contact in any spelling, metadata */
    SIPREC_EVIDENCE_FULL,  /* RFC 7866 §6.2: Require: siprec and +sip.src in Contact */
};

/* contact: the Contact field's whole value as written; require: all Require fields' values, comma
 * separated. */
enum siprec_evidence siprec_rules_classify(struct view contact, struct view require,
                                           const struct siprec_body *body);

#define SIPREC_METADATA_PARTS_MAX 8

/* What is to be done with a body. */
struct siprec_content {
    bool has_sdp;
    struct view sdp; /* the part that counts: the first, or of a multipart/alternative the last */
    size_t metadata_count;
    struct view metadata[SIPREC_METADATA_PARTS_MAX]; /* in order; apply them all */
    int refusal; /* 0, or 415: a required part that we do not know, and no SDP beside it */
};
void siprec_rules_select(struct siprec_content *content, const struct siprec_body *body,
                         struct siprec_warnings *warnings);

/* Warns about what a recording session's first INVITE lacks, and about SDP that cannot be told
 * apart or was not all read: no metadata (expect_metadata), audio without a label, a label twice.
 * sdp: of content->sdp. */
void siprec_rules_check(const struct siprec_content *content, const struct sdp_session *sdp,
                        bool expect_metadata, struct siprec_warnings *warnings);

/* For a 415's Accept and a 200's: what we take. */
#define SIPREC_ACCEPT                                                                              \
    "application/sdp, application/rs-metadata+xml, application/rs-metadata, multipart/mixed"

#endif
