/* sofia: the one place where sofia-sip's parser is called; its values leave it as plain views.
 * Not here: the start line, the body and what the values mean (message.c).
 * RFC 3261 §20, 25.1. */
#include "sip/sofia.h"

#include <sofia-sip/msg.h>
#include <sofia-sip/sip.h>
#include <sofia-sip/sip_header.h>
#include <sofia-sip/sip_parser.h>
#include <stdlib.h>
#include <string.h>

/* sofia wants a whole message and gives up on the headers when it dislikes the start line; but we
 * need them to answer just that. So it gets a start line of ours. */
#define STAND_IN "OPTIONS sip:a SIP/2.0\r\n"

static struct view text_of(const char *s)
{
    return s ? view_trim(view_of_string(s)) : VIEW_NONE;
}

static struct sip_sofia_address address_of(const sip_addr_t *parsed)
{
    if (!parsed)
        return (struct sip_sofia_address){0};
    struct view name = text_of(parsed->a_display);
    if (name.len >= 2 && name.at[0] == '"' && name.at[name.len - 1] == '"')
        name = view_of(name.at + 1, name.len - 2);
    return (struct sip_sofia_address){
        .valid = true, .display = name, .tag = text_of(parsed->a_tag)};
}

static void read_extensions(struct sip_sofia *s, const sip_t *sip)
{
    if (sip->sip_session_expires) {
        s->session_expires_s = sip->sip_session_expires->x_delta;
        s->refresher = text_of(sip->sip_session_expires->x_refresher);
    }
    if (sip->sip_min_se)
        s->min_se_s = sip->sip_min_se->min_delta;
    if (sip->sip_rseq)
        s->rseq = sip->sip_rseq->rs_response;
    if (sip->sip_rack) {
        s->rack_rseq = sip->sip_rack->ra_response;
        s->rack_cseq = sip->sip_rack->ra_cseq;
        s->rack_method = text_of(sip->sip_rack->ra_method_name);
    }
}

static void read_headers(struct sip_sofia *s, const sip_t *sip)
{
    if (sip->sip_via) {
        s->has_via = true;
        s->via_host = text_of(sip->sip_via->v_host);
        s->via_port = text_of(sip->sip_via->v_port);
        s->via_branch = text_of(sip->sip_via->v_branch);
        s->via_maddr = text_of(sip->sip_via->v_maddr);
    }
    s->has_call_id = sip->sip_call_id;
    s->from = address_of((const sip_addr_t *)sip->sip_from);
    s->to = address_of((const sip_addr_t *)sip->sip_to);
    read_extensions(s, sip);
}

bool sip_sofia_read(struct sip_sofia *s, struct view head)
{
    const size_t prefix = sizeof(STAND_IN) - 1;
    char *text = malloc(prefix + head.len + 1);
    *s = (struct sip_sofia){0};
    if (!text)
        return false;
    memcpy(text, STAND_IN, prefix);
    if (head.len > 0)
        memcpy(text + prefix, head.at, head.len);
    msg_t *message = msg_make(sip_default_mclass(), 0, text, (ssize_t)(prefix + head.len));
    free(text);
    if (!message)
        return false;
    s->message = message;
    if (sip_object(message))
        read_headers(s, sip_object(message));
    return true;
}

void sip_sofia_finish(struct sip_sofia *s)
{
    if (s->message)
        msg_destroy(s->message);
    s->message = NULL;
}
