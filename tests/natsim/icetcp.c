/* icetcp: one connection a path.
 * Not here: the network.
 * RFC 6544 §7.1. */
#include "natsim/icetcp.h"

#include "ice/framing.h"

#include <string.h>

static struct iceside_connection *free_place(struct iceside *side)
{
    for (size_t i = 0; i < ICESIDE_CONNECTIONS; i++) {
        if (!side->connections[i].stream)
            return &side->connections[i];
    }
    return NULL;
}

static struct iceside_connection *by_stream(struct iceside *side, size_t stream)
{
    for (size_t i = 0; i < ICESIDE_CONNECTIONS; i++) {
        if (side->connections[i].stream == stream)
            return &side->connections[i];
    }
    return NULL;
}

static struct iceside_connection *by_path(struct iceside *side, const struct ice_path *path)
{
    for (size_t i = 0; i < ICESIDE_CONNECTIONS; i++) {
        struct iceside_connection *c = &side->connections[i];
        if (c->stream && c->path.base.number == path->base.number &&
            addr_equal(&c->path.peer, &path->peer))
            return c;
    }
    return NULL;
}

static void accept_one(struct iceside *side, const struct natsim_packet *packet)
{
    struct iceside_connection *c = free_place(side);
    for (size_t i = 0; i < side->base_count; i++) {
        if (side->bases[i].kind != ICESIDE_PASSIVE || !c ||
            side->bases[i].local.family != packet->from.family)
            continue;
        *c = (struct iceside_connection){
            .stream = packet->stream, .path = {{(uint32_t)i}, packet->from}, .is_open = true};
        return;
    }
    natsim_stream_close(side->sim, packet->stream);
}

static void take_bytes(struct iceside *side, struct iceside_connection *c, struct view bytes)
{
    struct view packet;
    size_t used;
    if (bytes.len > sizeof c->bytes - c->len)
        return;
    memcpy(c->bytes + c->len, bytes.at, bytes.len);
    c->len += bytes.len;
    while (ice_framing_next(view_of(c->bytes, c->len), &packet, &used)) {
        uint8_t copy[ICESIDE_FRAME];
        size_t len = packet.len;
        memcpy(copy, packet.at, len);
        c->len -= used;
        memmove(c->bytes, c->bytes + used, c->len);
        struct ice_path path = c->path;
        iceside_take(side, path.base.number, &path.peer, view_of(copy, len));
    }
}

void icetcp_take(struct iceside *side, const struct natsim_packet *packet)
{
    if (packet->kind == NATSIM_ACCEPTED) {
        accept_one(side, packet);
        return;
    }
    struct iceside_connection *c = by_stream(side, packet->stream);
    if (!c)
        return;
    struct ice_path path = c->path;
    switch (packet->kind) {
    case NATSIM_OPENED:
        c->is_open = true;
        natsim_stream_send(side->sim, c->stream, view_of(c->waiting, c->waiting_len));
        break;
    case NATSIM_BYTES:
        take_bytes(side, c, packet->bytes);
        break;
    default:
        c->stream = 0;
        if (side->ice)
            ice_path_failed(side->ice, side->sim->now, &path);
        break;
    }
}

void icetcp_send(struct iceside *side, const struct ice_path *path, struct view bytes)
{
    uint8_t frame[ICESIDE_FRAME];
    struct writer w = writer_of(frame, sizeof frame);
    const struct iceside_base *b = &side->bases[path->base.number];
    struct iceside_connection *c = by_path(side, path);
    if (!c && b->kind == ICESIDE_ACTIVE && (c = free_place(side)))
        *c = (struct iceside_connection){
            .stream =
                natsim_connect(side->sim, side->host, addr_with_port(b->local, 0), path->peer),
            .path = *path};
    ice_framing_encode(&w, bytes);
    struct view out = writer_done(&w);
    if (!c)
        return;
    if (c->is_open) {
        natsim_stream_send(side->sim, c->stream, out);
    } else if (out.len <= sizeof c->waiting - c->waiting_len) {
        memcpy(c->waiting + c->waiting_len, out.at, out.len);
        c->waiting_len += out.len;
    }
}
