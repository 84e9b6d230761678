/* keepalive: see keepalive.h. An OPTIONS of the dialog makes the peer answer, and what leaves the inside
 * is what every NAT must refresh by; to a peer that never answered one, blank lines, which refresh
 * those NATs that what comes in refreshes, too.
 * Not here: when a dialog begins and ends (lifetime.c).
 * RFC 4787 REQ-5, REQ-6; RFC 3261 §11, 7.5; RFC 6223 §4.3. */
#include "sip/keepalive.h"

#include "sip/via.h"

enum {
    /* NATs may forget a UDP mapping after 30 s (RFC 4787 §4.3 knows such), whatever REQ-5 says. */
    LEAST_MS = 20000,
    MOST_MS = SIP_VIA_KEEP_S * 1000,
};

/* Does sent-by, or the Contact, name another end than packets come from? Names say nothing. */
static bool is_elsewhere(struct view host, uint16_t port, const struct addr *source)
{
    struct addr named;
    return addr_parse_ip(host, &named) &&
           (!addr_equal_ip(&named, source) || (port ? port : 5060) != source->port);
}

void sip_keepalive_look(struct sip_dialog *d, const struct sip_message *m,
                        const struct sip_flow *flow)
{
    if (m->is_request)
        d->behind_nat = flow->protocol == SIP_PROTOCOL_UDP && !flow->outbound &&
                        is_elsewhere(m->via.host, m->via.port, &flow->peer);
}

static struct sip_heard *slot_of(struct sip *sip, const struct sip_flow *flow)
{
    struct view ip = view_of(flow->peer.ip, sizeof flow->peer.ip);
    uint64_t hash = map_siphash(sip->tag_secret, ip) + flow->peer.port;
    return &sip->heard[hash % SIP_HEARD];
}

void sip_keepalive_hear(struct sip *sip, const struct sip_flow *flow)
{
    *slot_of(sip, flow) = (struct sip_heard){flow->peer, flow->listener, sip->now};
}

static struct tick later(struct sip *sip, struct tick from)
{
    return tick_add_ms(from, LEAST_MS + (int64_t)rng_below(&sip->rng, MOST_MS - LEAST_MS));
}

void sip_keepalive_plan(struct sip *sip, struct sip_dialog *d)
{
    bool wanted = d->behind_nat && !d->peer_keeps && d->state == SIP_DIALOG_CONFIRMED;
    if (!wanted)
        d->keep_at = TICK_NEVER;
    else if (tick_is_never(d->keep_at))
        d->keep_at = later(sip, sip->now);
}

static void send_blank(struct sip *sip, const struct sip_dialog *d)
{
    struct sip_packet *blank = sip_packet_create(VIEW_LIT("\r\n\r\n"));
    if (!blank)
        return;
    sip_queue_packet(sip, &d->flow, &d->flow.peer, blank);
    sip_packet_release(blank);
}

void sip_keepalive_send(struct sip *sip, struct tick now, struct sip_dialog *d)
{
    char buffer[ADDR_TEXT_SIZE + 8];
    struct sip_dialog_path path = sip_dialog_path(d, buffer, sizeof buffer);
    const struct sip_heard *heard = slot_of(sip, &d->flow);
    bool fresh = heard->listener == d->flow.listener && addr_equal(&heard->peer, &d->flow.peer) &&
                 tick_diff_ms(now, heard->at) < LEAST_MS;
    /* All dialogs of one peer share what its NAT has. */
    d->keep_at = later(sip, fresh ? heard->at : now);
    if (fresh || !addr_equal(&path.flow.peer, &d->flow.peer))
        return;
    struct sip_outgoing out = {.method = SIP_METHOD_OPTIONS, .keepalive = true};
    if (d->peer_is_mute || sip_dialog_pending(sip, d->invite_out) ||
        !sip_client_send(sip, now, d, &out))
        send_blank(sip, d);
}
