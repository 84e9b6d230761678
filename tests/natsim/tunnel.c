/* tunnel: CONNECT, and its answer.
 * Not here: what is said through it.
 * RFC 9110 §9.3.6. */
#include "natsim/tunnel.h"

#include "io/proxy.h"

#include <string.h>

void tunnel_open(struct tunnel *t, struct natsim *sim, size_t host, struct addr local,
                 struct addr server, struct addr proxy)
{
    bool has_proxy = addr_is_set(&proxy);
    *t = (struct tunnel){.target = has_proxy ? server : (struct addr){0}};
    t->stream = natsim_connect(sim, host, local, has_proxy ? proxy : server);
}

void tunnel_close(struct tunnel *t, struct natsim *sim)
{
    if (t->stream)
        natsim_stream_close(sim, t->stream);
    *t = (struct tunnel){0};
}

static void ask(struct tunnel *t, struct natsim *sim)
{
    static const struct io_proxy proxy = {.port = 1};
    char text[512];
    struct writer w = writer_of(text, sizeof text);
    io_proxy_print(&w, &proxy, view_of_string(addr_print(&t->target).s));
    natsim_stream_send(sim, t->stream, writer_done(&w));
}

/* The proxy's answer; what follows it is the server's. */
static bool take_answer(struct tunnel *t, struct view *bytes)
{
    size_t len = 0, had = t->len;
    unsigned status = 0;
    struct view part = view_take(*bytes, sizeof t->head - t->len);
    memcpy(t->head + t->len, part.at, part.len);
    t->len += part.len;
    switch (io_proxy_read(view_of(t->head, t->len), &len, &status)) {
    case IO_PROXY_MORE:
        *bytes = VIEW_NONE;
        return true;
    case IO_PROXY_GRANTED:
        t->is_open = true;
        *bytes = view_skip(*bytes, len - had);
        return true;
    case IO_PROXY_REFUSED:
    case IO_PROXY_BROKEN:
        break;
    }
    return false;
}

bool tunnel_take(struct tunnel *t, struct natsim *sim, const struct natsim_packet *packet,
                 struct view *bytes)
{
    bool is_well = packet->kind != NATSIM_CLOSED;
    *bytes = packet->bytes;
    if (packet->kind == NATSIM_OPENED && addr_is_set(&t->target))
        ask(t, sim);
    else if (packet->kind == NATSIM_OPENED)
        t->is_open = true;
    else if (packet->kind == NATSIM_BYTES && !t->is_open)
        is_well = take_answer(t, bytes);
    if (packet->kind == NATSIM_CLOSED)
        *t = (struct tunnel){0};
    else if (!is_well)
        tunnel_close(t, sim);
    return is_well;
}
