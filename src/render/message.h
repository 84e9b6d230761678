/* message: the little of a SIP message that a journal's reader needs: is it an answer, and its
 * body.
 * Not here: checking it; the daemon did that before it wrote the journal (sip/message.h).
 * RFC 3261 §7, §7.3.1 (folding), §20 (compact forms). */
#ifndef RENDER_MESSAGE_H
#define RENDER_MESSAGE_H

#include "siprec/body.h"

struct render_message {
    bool is_request;
    unsigned status;    /* of a response */
    struct view method; /* of a request; of a response the one in its CSeq */
    struct siprec_body_headers headers;
    struct view body;
    char content_type[1024]; /* unfolded; headers.content_type points here */
};

/* Borrows bytes. A message that is none has an empty method. */
void render_message_parse(struct render_message *message, struct view bytes);

#endif
