/* dialog: what two sides agreed on: ids, sequence numbers, route set, targets, open offers.
 * Not here: its life in the engine (lifetime.c), messages (server.c, client.c).
 * RFC 3261 §12, 13, 14; RFC 3262; RFC 3311. */
#include "sip/dialog.h"

#include "base/writer.h"
#include "sip/keepalive.h"
#include "sip/transaction.h"
#include "sip/via.h"

#include <stdlib.h>
#include <string.h>

/* All Record-Route values as Route lines; the server keeps their order (§12.1.1), the caller turns
 * it (§12.1.2). */
static bool read_routes(struct sip_dialog *d, const struct sip_message *m, bool turn)
{
    struct sip_header at = {0};
    struct view routes[64];
    size_t n = 0, len = 0;
    while (sip_message_header_named(m, VIEW_LIT("Record-Route"), &at)) {
        struct view rest = at.value, route;
        while (n < 64 && sip_list_next(&rest, &route))
            if (route.len > 0) {
                len += route.len + sizeof("Route: \r\n");
                routes[n++] = route;
            }
    }
    if (n == 0)
        return sip_text_set(&d->route, VIEW_LIT(""));
    char *text = malloc(len + 1);
    if (!text)
        return false;
    struct writer w = writer_of(text, len + 1);
    for (size_t i = 0; i < n; i++) {
        writer_string(&w, "Route: ");
        writer_view(&w, routes[turn ? n - 1 - i : i]);
        writer_string(&w, "\r\n");
    }
    sip_text_free(&d->route);
    d->route = view_of(text, w.len);
    return true;
}

void sip_dialog_retarget(struct sip_dialog *d, const struct sip_message *m)
{
    if (m->contact_uri.text.len > 0 && !sip_text_set(&d->target, m->contact_uri.text))
        return;
}

static void read_session_id(struct sip_dialog *d, const struct sip_message *m)
{
    struct view value = sip_message_header(m, VIEW_LIT("Session-ID"));
    struct view id = view_trim(view_take(value, view_find_char(value, ';')));
    if (id.len != SIP_SESSION_ID_LEN)
        return;
    for (size_t i = 0; i < id.len; i++)
        if (!strchr("0123456789abcdefABCDEF", id.at[i]))
            return;
    view_copy(id, d->peer_session_id, sizeof d->peer_session_id);
}

void sip_dialog_hear(struct sip_dialog *d, const struct sip_message *m, const struct sip_flow *flow)
{
    d->flow = *flow;
    if (m->is_request)
        d->translated = flow->protocol == SIP_PROTOCOL_UDP && sip_via_is_translated(&m->via, flow);
    if (sip_message_header(m, VIEW_LIT("Allow")).at)
        d->update_allowed = sip_message_lists(m, VIEW_LIT("Allow"), VIEW_LIT("UPDATE"))
                                ? SIP_ALLOWED_YES
                                : SIP_ALLOWED_NO;
    sip_keepalive_look(d, m, flow);
    read_session_id(d, m);
}

/* value without a tag of its own, with ours. */
static bool set_tagged(struct view *slot, struct view value, struct view tag)
{
    char *text = malloc(value.len + tag.len + sizeof(";tag="));
    if (!text)
        return false;
    struct writer w = writer_of(text, value.len + tag.len + sizeof(";tag="));
    writer_view(&w, value);
    writer_string(&w, ";tag=");
    writer_view(&w, tag);
    sip_text_free(slot);
    *slot = view_of(text, w.len);
    return true;
}

bool sip_dialog_accept(struct sip_dialog *d, const struct sip_message *invite)
{
    d->secure = view_equal_nocase(invite->uri_scheme, VIEW_LIT("sips"));
    d->remote_cseq = invite->cseq;
    d->has_remote_cseq = true;
    sip_dialog_retarget(d, invite);
    return sip_text_set(&d->remote_tag, invite->from_tag) &&
           sip_text_set(&d->remote, invite->from) &&
           set_tagged(&d->local, invite->to, d->local_tag) && read_routes(d, invite, false);
}

bool sip_dialog_adopt(struct sip_dialog *d, const struct sip_message *response)
{
    sip_dialog_retarget(d, response);
    return sip_text_set(&d->remote_tag, response->to_tag) &&
           sip_text_set(&d->remote, response->to) && read_routes(d, response, true);
}

bool sip_dialog_accept_cseq(struct sip_dialog *d, const struct sip_message *m)
{
    /* The same number again with another branch is tolerated: RFC 8068 §3.2.2 itself prints one. */
    if (d->has_remote_cseq && m->cseq < d->remote_cseq)
        return false;
    d->remote_cseq = m->cseq;
    d->has_remote_cseq = true;
    return true;
}

/* The address a URI leads to, when it names one; names are not resolved here. */
static bool uri_address(const struct sip_uri *uri, const struct sip_flow *flow, struct sip_flow *to)
{
    struct addr host;
    if (!addr_parse_ip(uri->host, &host) || addr_is_unspecified(&host) || addr_is_multicast(&host))
        return false;
    *to = *flow;
    if (view_equal_nocase(uri->protocol, VIEW_LIT("tcp")))
        to->protocol = SIP_PROTOCOL_TCP;
    else if (view_equal_nocase(uri->protocol, VIEW_LIT("udp")))
        to->protocol = SIP_PROTOCOL_UDP;
    /* Without a transport parameter it stays what the peer itself used (RFC 3263 §4.1 would say
     * UDP). */
    if (uri->secure || view_equal_nocase(uri->protocol, VIEW_LIT("tls")) ||
        (flow->protocol == SIP_PROTOCOL_TLS && to->protocol == SIP_PROTOCOL_TCP))
        to->protocol = SIP_PROTOCOL_TLS;
    uint16_t standard = to->protocol == SIP_PROTOCOL_TLS ? 5061 : 5060;
    to->peer = addr_with_port(host, uri->port ? uri->port : standard);
    /* Another protocol than the listener's would need another listener,
     * which only its owner knows. */
    return to->protocol == flow->protocol && to->peer.family == flow->peer.family;
}

static bool is_routable(const struct addr *a)
{
    return !addr_is_private(a) && !addr_is_link_local(a) && !addr_is_loopback(a);
}

/* Where the next hop's URI leads, unless the flow is the better or the only way (RFC 5626 §5.3 in
 * spirit: what came through a NAT goes back through it). */
static struct sip_flow next_hop(const struct sip_dialog *d, const struct sip_uri *uri,
                                struct addr *reconnect)
{
    struct sip_flow to;
    *reconnect = d->flow.peer;
    if (d->translated || !uri_address(uri, &d->flow, &to))
        return d->flow;
    if (!is_routable(&to.peer) && is_routable(&d->flow.peer))
        return d->flow;
    *reconnect = to.peer;
    /* RFC 3261 §18 lets us use the connection the peer opened,
     * and a firewall may allow no other. */
    if (sip_protocol_is_reliable(d->flow.protocol)) {
        if (d->flow.id && addr_equal_ip(&to.peer, &d->flow.peer))
            return d->flow;
        to.id = 0;
    }
    return to;
}

struct sip_dialog_path sip_dialog_path(const struct sip_dialog *d, char *buffer, size_t size)
{
    struct sip_dialog_path path = {.uri = d->target, .route = d->route};
    struct sip_uri uri = {0};
    struct view rest = d->route, line;
    if (path.uri.len == 0) {
        struct writer w = writer_of(buffer, size);
        writer_printf(&w, "sip:%s", addr_print(&d->flow.peer).s);
        path.uri = writer_done(&w);
    }
    if (!view_cut_line(&rest, &line) || line.len == 0) {
        sip_uri_parse(path.uri, &uri);
        path.flow = next_hop(d, &uri, &path.reconnect);
        return path;
    }
    struct view first = sip_address_uri(view_skip(line, sizeof("Route: ") - 1));
    bool readable = sip_uri_parse(first, &uri);
    path.flow = next_hop(d, &uri, &path.reconnect);
    if (readable && !uri.loose) {
        path.last_uri = path.uri;
        path.uri = first;
        path.route = rest;
    }
    return path;
}

void sip_repeated_start(struct sip_repeated *r, struct sip_packet *packet, struct tick now)
{
    sip_packet_replace(&r->packet, sip_packet_hold(packet));
    r->interval_ms = SIP_T1_MS;
    r->next = tick_add_ms(now, SIP_T1_MS);
    r->end = tick_add_ms(now, SIP_64_T1_MS);
}

struct tick sip_repeated_deadline(const struct sip_repeated *r)
{
    return r->packet ? tick_min(r->next, r->end) : TICK_NEVER;
}

void sip_repeated_stop(struct sip_repeated *r)
{
    sip_packet_replace(&r->packet, NULL);
}

void sip_dialog_finish(struct sip_dialog *d)
{
    sip_text_free(&d->key);
    sip_text_free(&d->remote_tag);
    sip_text_free(&d->local);
    sip_text_free(&d->remote);
    sip_text_free(&d->target);
    sip_text_free(&d->route);
    sip_text_free(&d->sdp);
    sip_text_free(&d->sdp_out);
    sip_text_free(&d->bye_headers);
    sip_repeated_stop(&d->ok);
    sip_repeated_stop(&d->early);
    sip_packet_replace(&d->held, NULL);
    sip_packet_replace(&d->ack, NULL);
}
