/* print: the pieces that responses and requests are composed of.
 * Not here: when they are sent (answer.c, client.c).
 * RFC 3261 §8.1.1, 8.2.6, 20. */
#include "sip/print.h"

#include "sip/via.h"

static const struct {
    unsigned status;
    struct view reason;
} reasons[] = {
    {100, VIEW("Trying")},
    {180, VIEW("Ringing")},
    {181, VIEW("Call Is Being Forwarded")},
    {182, VIEW("Queued")},
    {183, VIEW("Session Progress")},
    {200, VIEW("OK")},
    {202, VIEW("Accepted")},
    {400, VIEW("Bad Request")},
    {401, VIEW("Unauthorized")},
    {403, VIEW("Forbidden")},
    {404, VIEW("Not Found")},
    {405, VIEW("Method Not Allowed")},
    {408, VIEW("Request Timeout")},
    {413, VIEW("Request Entity Too Large")},
    {415, VIEW("Unsupported Media Type")},
    {416, VIEW("Unsupported URI Scheme")},
    {420, VIEW("Bad Extension")},
    {421, VIEW("Extension Required")},
    {422, VIEW("Session Interval Too Small")},
    {469, VIEW("Bad Info Package")},
    {480, VIEW("Temporarily Unavailable")},
    {481, VIEW("Call/Transaction Does Not Exist")},
    {482, VIEW("Loop Detected")},
    {486, VIEW("Busy Here")},
    {487, VIEW("Request Terminated")},
    {488, VIEW("Not Acceptable Here")},
    {491, VIEW("Request Pending")},
    {500, VIEW("Server Internal Error")},
    {501, VIEW("Not Implemented")},
    {503, VIEW("Service Unavailable")},
    {504, VIEW("Server Time-out")},
    {505, VIEW("Version Not Supported")},
    {513, VIEW("Message Too Large")},
    {600, VIEW("Busy Everywhere")},
    {603, VIEW("Decline")},
};

struct view sip_print_reason(unsigned status)
{
    for (size_t i = 0; i < sizeof reasons / sizeof reasons[0]; i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return VIEW_NONE;
}

void sip_print_line(struct writer *w, const char *name, struct view value)
{
    writer_string(w, name);
    writer_string(w, ": ");
    writer_view(w, value);
    writer_string(w, "\r\n");
}

void sip_print_frame(struct writer *w, const struct sip_message *request,
                     const struct sip_flow *from, struct view to_tag)
{
    struct view cseq = sip_message_header(request, VIEW_LIT("CSeq"));
    struct view timestamp = sip_message_header(request, VIEW_LIT("Timestamp"));
    sip_via_write(w, request, from);
    if (request->from.at)
        sip_print_line(w, "From", request->from);
    if (request->to.at) {
        writer_string(w, "To: ");
        writer_view(w, request->to);
        if (request->to_tag.len == 0 && to_tag.len > 0) {
            writer_string(w, ";tag=");
            writer_view(w, to_tag);
        }
        writer_string(w, "\r\n");
    }
    if (request->call_id.at)
        sip_print_line(w, "Call-ID", request->call_id);
    if (cseq.at)
        sip_print_line(w, "CSeq", cseq);
    if (timestamp.at)
        sip_print_line(w, "Timestamp", timestamp); /* §8.2.6.1 */
}

void sip_print_record_route(struct writer *w, const struct sip_message *request)
{
    struct sip_header at = {0};
    while (sip_message_header_named(request, VIEW_LIT("Record-Route"), &at)) {
        /* A folded line ended by a bare LF would not survive as it is. */
        if (view_find(at.raw, VIEW_LIT("\n")) < at.raw.len)
            sip_print_line(w, "Record-Route", at.value);
        else {
            writer_view(w, at.raw);
            writer_string(w, "\r\n");
        }
    }
}

static const char *const transport_names[] = {
    [SIP_PROTOCOL_UDP] = "UDP",
    [SIP_PROTOCOL_TCP] = "TCP",
    [SIP_PROTOCOL_TLS] = "TLS",
};
static const char *const transport_params[] = {
    [SIP_PROTOCOL_UDP] = "",
    [SIP_PROTOCOL_TCP] = ";transport=tcp",
    [SIP_PROTOCOL_TLS] = ";transport=tls",
};

static const struct addr *own_address(const struct sip_flow *flow)
{
    return addr_is_set(&flow->advertised) ? &flow->advertised : &flow->local;
}

void sip_print_contact(struct writer *w, const struct sip_config *config,
                       const struct sip_flow *flow, bool secure)
{
    writer_printf(w, "Contact: <%s:", secure ? "sips" : "sip");
    if (config->contact_user.len > 0) {
        writer_view(w, config->contact_user);
        writer_string(w, "@");
    }
    writer_string(w, addr_print(own_address(flow)).s);
    writer_string(w, transport_params[flow->protocol]);
    if (flow->outbound)
        writer_string(w, ";ob"); /* RFC 5626 §4.3: requests come back over this flow */
    writer_string(w, ">");
    writer_view(w, config->contact_params);
    writer_string(w, "\r\n");
}

void sip_print_via(struct writer *w, const struct sip_flow *flow, struct view branch)
{
    writer_printf(w, "Via: SIP/2.0/%s %s;branch=", transport_names[flow->protocol],
                  addr_print(own_address(flow)).s);
    writer_view(w, branch);
    writer_string(w, ";rport\r\n"); /* RFC 3581 §3 */
}

void sip_print_allow(struct writer *w)
{
    writer_string(w, "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO, PRACK\r\n");
}

void sip_print_abilities(struct writer *w, bool brief)
{
    sip_print_allow(w);
    writer_string(w, "Supported: siprec, timer, 100rel\r\n");
    if (!brief)
        writer_string(w, "Accept: application/sdp, application/rs-metadata+xml, "
                         "application/rs-metadata, multipart/mixed\r\n");
}

void sip_print_session_id(struct writer *w, const struct sip_dialog *d)
{
    /* Only towards who speaks RFC 7989 itself. */
    if (d->peer_session_id[0])
        writer_printf(w, "Session-ID: %s;remote=%s\r\n", d->session_id, d->peer_session_id);
}

void sip_print_session_terms(struct writer *w, const struct sip_session_terms *terms)
{
    if (terms->interval_s == 0)
        return;
    writer_printf(w, "Session-Expires: %u;refresher=%s\r\n", terms->interval_s,
                  terms->refresher_uac ? "uac" : "uas");
    if (terms->require)
        writer_string(w, "Require: timer\r\n");
}

void sip_print_body(struct writer *w, struct view content_type, struct view body)
{
    if (body.len > 0)
        sip_print_line(w, "Content-Type", content_type);
    writer_printf(w, "Content-Length: %zu\r\n\r\n", body.len);
    writer_view(w, body);
}
