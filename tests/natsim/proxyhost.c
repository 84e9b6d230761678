/* proxyhost: bytes from one side to the other.
 * Not here: the client's end (tunnel.h).
 * RFC 9110 §9.3.6, §15.3.1. */
#include "natsim/proxyhost.h"

#include <stdio.h>
#include <string.h>

enum { ALLOWED = 443 };

static struct proxyhost_tunnel *find(struct proxyhost *p, size_t stream)
{
    for (size_t i = 0; i < PROXYHOST_TUNNELS; i++) {
        struct proxyhost_tunnel *t = &p->tunnels[i];
        if (t->inside == stream || (t->outside && t->outside == stream))
            return t;
    }
    return NULL;
}

static void say(struct proxyhost *p, const struct proxyhost_tunnel *t, const char *status)
{
    char text[64];
    (void)snprintf(text, sizeof text, "HTTP/1.1 %s\r\n\r\n", status);
    natsim_stream_send(p->sim, t->inside, view_of_string(text));
}

/* "CONNECT 203.0.113.10:443 HTTP/1.1", and whatever headers. */
static void ask(struct proxyhost *p, struct proxyhost_tunnel *t)
{
    struct view line = view_of(t->head, t->len), word, target;
    struct addr to;
    if (!view_cut(&line, ' ', &word) || !view_equal(word, VIEW_LIT("CONNECT")) ||
        !view_cut(&line, ' ', &target) || !addr_parse(target, 0, &to) || to.port != ALLOWED) {
        p->refused++;
        say(p, t, "403 Forbidden");
        return;
    }
    t->outside = natsim_connect(p->sim, p->host, addr_with_port(p->external, 0), to);
}

static void take_head(struct proxyhost *p, struct proxyhost_tunnel *t, struct view bytes)
{
    if (bytes.len > sizeof t->head - t->len || t->outside)
        return;
    memcpy(t->head + t->len, bytes.at, bytes.len);
    t->len += bytes.len;
    if (view_find(view_of(t->head, t->len), VIEW_LIT("\r\n\r\n")) < t->len)
        ask(p, t);
}

static void close_both(struct proxyhost *p, struct proxyhost_tunnel *t, size_t by)
{
    size_t other = by == t->inside ? t->outside : t->inside;
    if (by == t->outside && !t->is_open)
        say(p, t, "502 Bad Gateway");
    *t = (struct proxyhost_tunnel){0};
    if (other)
        natsim_stream_close(p->sim, other);
}

static void receive(struct natsim *sim, void *context, const struct natsim_packet *packet)
{
    struct proxyhost *p = context;
    if (packet->kind == NATSIM_DATAGRAM_CAME)
        return;
    struct proxyhost_tunnel *t = find(p, packet->kind == NATSIM_ACCEPTED ? 0 : packet->stream);
    if (!t)
        return;
    switch (packet->kind) {
    case NATSIM_ACCEPTED:
        *t = (struct proxyhost_tunnel){.inside = packet->stream};
        break;
    case NATSIM_OPENED:
        t->is_open = true;
        p->opened++;
        say(p, t, "200 Connection established");
        break;
    case NATSIM_BYTES:
        if (packet->stream == t->outside)
            natsim_stream_send(sim, t->inside, packet->bytes);
        else if (t->is_open)
            natsim_stream_send(sim, t->outside, packet->bytes);
        else
            take_head(p, t, packet->bytes);
        break;
    case NATSIM_CLOSED:
        close_both(p, t, packet->stream);
        break;
    case NATSIM_DATAGRAM_CAME:
    case NATSIM_REFUSED:
        break;
    }
}

void proxyhost_add(struct natsim *sim, size_t realm, struct proxyhost *proxy)
{
    proxy->sim = sim;
    proxy->host = natsim_host(sim, realm, proxy->address, receive, proxy);
    (void)natsim_interface(sim, proxy->host, 0, proxy->external);
    natsim_listen(sim, proxy->host, PROXYHOST_PORT);
}
