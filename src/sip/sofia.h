/* sofia: the one place where sofia-sip's parser is called; its values leave it as plain views.
 * Not here: the start line, the body and what the values mean (message.c).
 * RFC 3261 §20, 25.1. Apart, because sofia's names (SIP_METHOD_INVITE, sip_...) are also ours. */
#ifndef SIP_SOFIA_H
#define SIP_SOFIA_H

#include "base/view.h"

struct sip_sofia_address {
    bool valid;
    struct view display, tag;
};

/* What sofia made of the header lines; a header that is missing or broken is not valid or empty. */
struct sip_sofia {
    void *message; /* owns the text behind the views */
    bool has_via, has_call_id;
    struct view via_host, via_port, via_branch, via_maddr;
    struct sip_sofia_address from, to;
    unsigned long session_expires_s, min_se_s; /* 0: none */
    struct view refresher;
    unsigned long rseq, rack_rseq, rack_cseq;
    struct view rack_method;
};

/* Reads header lines (no start line, no NUL, folded lines joined). False when memory is out. */
WARN_UNUSED bool sip_sofia_read(struct sip_sofia *s, struct view head);
void sip_sofia_finish(struct sip_sofia *s);

#endif
