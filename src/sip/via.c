/* via: where a response goes, and the Via lines it carries.
 * Not here: Via of our own requests (print.c), connections (engine.c).
 * RFC 3261 §18.2, RFC 3581 §4. */
#include "sip/via.h"

static uint16_t sent_by_port(const struct sip_via *via, enum sip_protocol protocol)
{
    if (via->port != 0)
        return via->port;
    return protocol == SIP_PROTOCOL_TLS ? 5061 : 5060;
}

static bool is_source(const struct sip_via *via, const struct sip_flow *from)
{
    struct addr host;
    return addr_parse_ip(via->host, &host) && addr_equal_ip(&host, &from->peer);
}

bool sip_via_is_translated(const struct sip_via *via, const struct sip_flow *from)
{
    struct addr host;
    if (!addr_parse_ip(via->host, &host) || addr_equal_ip(&host, &from->peer))
        return false;
    return addr_is_private(&host) || addr_is_link_local(&host) || addr_is_loopback(&host) ||
           addr_is_unspecified(&host);
}

struct sip_flow sip_via_route(const struct sip_via *via, const struct sip_flow *from,
                              enum sip_force_rport force)
{
    struct sip_flow to = *from;
    struct addr maddr;
    if (sip_protocol_is_reliable(from->protocol))
        return to;
    /* Without a readable Via the source is all there is to go by. */
    if (!via->valid || force == SIP_FORCE_RPORT_TRUE)
        return to;
    if (via->maddr.len > 0 && addr_parse_ip(via->maddr, &maddr)) {
        to.peer = addr_with_port(maddr, sent_by_port(via, from->protocol));
        return to;
    }
    if (via->rport_asked)
        return to;
    /* Ours, not the RFC's: such a Via can only come through a NAT, where nothing but the source
     * port leads back. */
    if (force == SIP_FORCE_RPORT_AUTO && sip_via_is_translated(via, from))
        return to;
    to.peer.port = sent_by_port(via, from->protocol);
    return to;
}

struct addr sip_via_reconnect(const struct sip_via *via, const struct sip_flow *from)
{
    return addr_with_port(from->peer, sent_by_port(via, from->protocol));
}

/* Length of the first value of a Via line: up to a comma outside quotes,
 * without blanks at its end. */
static size_t first_value(struct view value)
{
    struct view rest = value, first;
    if (!sip_list_next(&rest, &first))
        return 0;
    return (size_t)(first.at - value.at) + first.len;
}

/* Raw lines as they came; a bare LF inside a folded one would end the header early for the next
 * reader. */
static void write_raw(struct writer *w, struct view raw)
{
    for (size_t i = 0; i < raw.len; i++) {
        bool bare_lf = raw.at[i] == '\n' && (i == 0 || raw.at[i - 1] != '\r');
        if (bare_lf)
            writer_string(w, "\r\n");
        else
            writer_view(w, view_of(raw.at + i, 1));
    }
}

/* The parameters of the topmost value, rport filled in. received is ours alone to say: whatever the
 * peer put there goes (RFC 3261 §18.2.1). Splitting at ';' and joining again
 * changes nothing else. */
static void write_params(struct writer *w, const struct sip_message *request, struct view params,
                         const struct sip_flow *from)
{
    struct view param;
    while (view_cut(&params, ';', &param)) {
        struct view name;
        struct view rest = param;
        view_cut(&rest, '=', &name);
        name = view_trim(name);
        if (view_equal_nocase(name, VIEW_LIT("received")))
            continue;
        writer_string(w, ";");
        if (request->via.rport_asked && view_equal_nocase(name, VIEW_LIT("rport")))
            writer_printf(w, "rport=%u", from->peer.port);
        else if (request->via.keep_asked && request->method == SIP_METHOD_INVITE &&
                 view_equal_nocase(name, VIEW_LIT("keep")))
            writer_printf(w, "keep=%d", SIP_VIA_KEEP_S);
        else
            write_raw(w, param);
    }
    /* RFC 3581 §4: with rport always; RFC 3261 §18.2.1:
     * when sent-by is a name or another address. */
    if (request->via.rport_asked || !is_source(&request->via, from))
        writer_printf(w, ";received=%s", addr_print_ip(&from->peer).s);
}

static void write_top(struct writer *w, const struct sip_message *request,
                      const struct sip_header *via, const struct sip_flow *from)
{
    /* Both copies of the head have the same layout, so places found in one hold in the other. */
    size_t value_at =
        (size_t)(via->value.at - request->head.at) - (size_t)(via->raw.at - request->head_raw.at);
    size_t value_len = first_value(via->value);
    struct view top = view_of(via->raw.at + value_at, value_len);
    size_t params_at = view_find_char(top, ';');
    write_raw(w, view_take(via->raw, value_at));
    write_raw(w, view_take(top, params_at));
    struct view params = params_at < top.len ? view_skip(top, params_at + 1) : VIEW_NONE;
    write_params(w, request, params, from);
    write_raw(w, view_skip(via->raw, value_at + value_len));
}

void sip_via_write(struct writer *w, const struct sip_message *request, const struct sip_flow *from)
{
    struct sip_header at = {0};
    bool top = true;
    while (sip_message_header_named(request, VIEW_LIT("Via"), &at)) {
        if (top && request->via.valid)
            write_top(w, request, &at, from);
        else
            write_raw(w, at.raw);
        writer_string(w, "\r\n");
        top = false;
    }
}

struct addr sip_via_seen(const struct sip_message *response)
{
    struct view value = sip_message_header(response, VIEW_LIT("Via")), top, param;
    struct view host = response->via.host;
    struct addr seen;
    uint16_t port = 0;
    if (!response->via.valid || !sip_list_next(&value, &top))
        return (struct addr){0};
    while (view_cut(&top, ';', &param)) {
        struct view name;
        view_cut(&param, '=', &name);
        if (view_equal_nocase(view_trim(name), VIEW_LIT("received")))
            host = view_trim(param);
        else if (view_equal_nocase(view_trim(name), VIEW_LIT("rport")) &&
                 !view_parse_u16(view_trim(param), &port))
            port = 0;
    }
    if (port == 0 || !addr_parse_ip(host, &seen))
        return (struct addr){0};
    return addr_with_port(seen, port);
}
