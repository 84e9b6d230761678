/* conduit: sockets, connections and their frames.
 * Not here: what is in the frames.
 * RFC 8656 §12.5. */
#include "siprecd/conduit.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/limits.h"
#include "base/log.h"
#include "io/tls.h"
#include "io/udp.h"
#include "turn/frame.h"

enum {
    /* As for media ports: two seconds of 64 kbit/s. */
    CONDUIT_RECEIVE_BUFFER = 256 * 1024,
    CONDUIT_UNSENT_MAX = 256 * 1024,
    /* The largest media datagram in a Data indication. What is longer is nothing of ours. */
    CONDUIT_FRAME_MAX = LIMIT_MEDIA_DATAGRAM + 128,
};

struct conduit_slot {
    int fd;        /* UDP; -1: none */
    uint64_t flow; /* stream; 0: none */
    bool is_open;  /* the connection stands */
    bool by_proxy;
    struct conduit_route *route; /* streams: until it stands, for another try */
    uint8_t
        *held; /* streams: before it stands what we want to say, then a frame that is not whole */
    size_t held_len;
};

struct conduit {
    struct conduit_config config;
    struct io_tcp *tcp;
    struct io_tls *tls;
    struct conduit_slot *slots;
    uint32_t *slot_of; /* by io_tcp_slot */
    /* What an event of the stream brought and is not given out yet. */
    uint32_t rest_slot;
    struct view rest;
    struct io_tcp_event rest_of;
    bool held_given; /* the slot's held frame was given out: it is free again */
    char why[CONDUIT_WHY_SIZE];
};

struct conduit *conduit_create(const struct conduit_config *config)
{
    struct io_tcp_limits limits = {.connections_max = config->slots,
                                   .connections_per_peer_max = config->slots,
                                   .unsent_bytes_max = CONDUIT_UNSENT_MAX,
                                   .first_bytes_ns = 10 * NS_PER_S,
                                   .idle_ns = 120 * NS_PER_S, /* they are probed every 25 s */
                                   .unsent_ns = 10 * NS_PER_S,
                                   /* Then there is time for the proxy before TURN gives up. */
                                   .connect_ns = 1200 * NS_PER_MS};
    struct io_tls_files files = {.ca = config->ca};
    struct conduit *c = calloc(1, sizeof *c);
    char error[256];
    if (!c)
        return NULL;
    c->config = *config;
    c->slots = calloc(config->slots, sizeof *c->slots);
    c->slot_of = calloc(config->slots, sizeof *c->slot_of);
    c->tcp = io_tcp_create(config->loop, config->tag, &limits);
    c->tls = c->tcp ? io_tls_create(c->tcp, config->slots) : NULL;
    for (uint32_t i = 0; c->slots && i < config->slots; i++)
        c->slots[i].fd = -1;
    if (!c->slots || !c->slot_of || !c->tls) {
        conduit_destroy(c);
        return NULL;
    }
    if (!io_tls_load(c->tls, &files, error, sizeof error))
        LOG_WARN("relay", VIEW_NONE, "no certificates for TURN over TLS: %s", error);
    return c;
}

void conduit_destroy(struct conduit *c)
{
    if (!c)
        return;
    for (uint32_t i = 0; c->slots && i < c->config.slots; i++) {
        if (c->slots[i].fd >= 0) {
            io_sweep_remove(c->config.sweep, c->config.sweep_base + i);
            close(c->slots[i].fd);
        }
        free(c->slots[i].route);
        free(c->slots[i].held);
    }
    io_tls_destroy(c->tls);
    io_tcp_destroy(c->tcp);
    free(c->slots);
    free(c->slot_of);
    free(c);
}

/* ---- opening and closing ----------------------------------------------------------------------------------------- */

static int open_udp(struct conduit *c, uint32_t slot, const struct conduit_route *route)
{
    struct io_udp_options options = {.receive_buffer = CONDUIT_RECEIVE_BUFFER};
    struct addr bound;
    int fd = io_udp_open(&route->local, &options, &bound);
    int error;
    if (fd < 0)
        return errno;
    error = io_udp_connect(fd, &route->peer);
    if (error == 0)
        error = io_sweep_add(c->config.sweep, c->config.sweep_base + slot, fd, &bound);
    if (error != 0) {
        close(fd);
        return error;
    }
    c->slots[slot].fd = fd;
    return 0;
}

/* Begins a connection, directly or through the proxy. */
static int open_stream(struct conduit *c, struct tick now, uint32_t slot, bool by_proxy)
{
    struct conduit_slot *s = &c->slots[slot];
    const struct conduit_route *r = s->route;
    struct addr unknown = r->proxy_at;
    unknown.port = r->port;
    struct io_tls_route route = {.local = r->local,
                                 .peer = addr_is_set(&r->peer) ? r->peer : unknown,
                                 .name = r->transport == CONDUIT_TLS ? r->name : NULL};
    if (by_proxy) {
        route.local = (struct addr){0};
        route.proxy = &r->proxy;
        route.proxy_at = r->proxy_at;
        route.proxy_target = r->name;
    }
    int error = io_tls_connect(c->tls, now, 0, &route, &s->flow);
    if (error != 0) {
        s->flow = 0;
        return error;
    }
    s->by_proxy = by_proxy;
    c->slot_of[io_tcp_slot(s->flow)] = slot;
    return 0;
}

int conduit_open(struct conduit *c, struct tick now, uint32_t slot,
                 const struct conduit_route *route)
{
    struct conduit_slot *s = &c->slots[slot];
    if (route->transport == CONDUIT_UDP)
        return open_udp(c, slot, route);
    s->route = malloc(sizeof *s->route);
    s->held = malloc(CONDUIT_FRAME_MAX);
    int error = ENOMEM;
    if (s->route && s->held) {
        *s->route = *route;
        bool by_proxy = route->has_proxy && (route->proxy_first || !addr_is_set(&route->peer));
        error = open_stream(c, now, slot, by_proxy);
        if (error != 0 && !by_proxy && route->has_proxy)
            error = open_stream(c, now, slot, true);
    }
    if (error != 0)
        conduit_close(c, now, slot);
    return error;
}

void conduit_close(struct conduit *c, struct tick now, uint32_t slot)
{
    struct conduit_slot *s = &c->slots[slot];
    if (s->fd >= 0) {
        io_sweep_remove(c->config.sweep, c->config.sweep_base + slot);
        close(s->fd);
    }
    if (s->flow != 0)
        io_tls_close(c->tls, now, s->flow); /* its CLOSED finds no slot any more */
    if (c->rest_slot == slot) {
        c->rest = VIEW_NONE;
        c->held_given = false;
    }
    free(s->route);
    free(s->held);
    *s = (struct conduit_slot){.fd = -1};
}

bool conduit_is_open(const struct conduit *c, uint32_t slot)
{
    return c->slots[slot].fd >= 0 || c->slots[slot].flow != 0;
}

int conduit_send(struct conduit *c, struct tick now, uint32_t slot, struct view message)
{
    struct conduit_slot *s = &c->slots[slot];
    if (s->fd >= 0)
        return io_udp_send(s->fd, NULL, NULL, message);
    if (s->flow == 0)
        return ENOTCONN;
    if (s->is_open)
        return io_tls_send(c->tls, now, s->flow, message) ? 0 : ENOTCONN;
    if (message.len > CONDUIT_FRAME_MAX - s->held_len)
        return ENOBUFS;
    memcpy(s->held + s->held_len, message.at, message.len);
    s->held_len += message.len;
    return 0;
}

/* ---- what streams bring ------------------------------------------------------------------------------------------- */

/* The slot of a flow, or false: it was given up. */
static bool find_slot(const struct conduit *c, uint64_t flow, uint32_t *slot)
{
    *slot = c->slot_of[io_tcp_slot(flow)];
    return c->slots[*slot].flow == flow;
}

static bool broken(struct conduit *c, struct tick now, uint32_t slot, const char *why,
                   struct conduit_event *out)
{
    (void)snprintf(c->why, sizeof c->why, "%s", why);
    conduit_close(c, now, slot);
    *out = (struct conduit_event){.kind = CONDUIT_BROKEN, .slot = slot, .why = c->why};
    return true;
}

static const char *reason_of(const struct io_tcp_event *e)
{
    switch (e->reason) {
    case IO_TCP_BY_TLS:
    case IO_TCP_BY_PROXY:
        return e->why ? e->why : "the connection was not made";
    case IO_TCP_BY_PEER:
        return "the server ended the connection";
    case IO_TCP_BY_ERROR:
        return strerror(e->error);
    case IO_TCP_BY_IDLE:
        return "the server does not answer";
    case IO_TCP_BY_OVERFLOW:
        return "the server takes nothing any more";
    case IO_TCP_BY_US:
        break;
    }
    return "closed";
}

static void opened(struct conduit *c, struct tick now, uint32_t slot)
{
    struct conduit_slot *s = &c->slots[slot];
    s->is_open = true;
    (void)io_tls_send(c->tls, now, s->flow, view_of(s->held, s->held_len));
    s->held_len = 0;
    free(s->route);
    s->route = NULL;
}

/* A direct connection that fails is tried again through the proxy. */
static bool closed(struct conduit *c, struct tick now, uint32_t slot, const struct io_tcp_event *e,
                   struct conduit_event *out)
{
    struct conduit_slot *s = &c->slots[slot];
    s->flow = 0;
    if (!s->is_open && !s->by_proxy && s->route->has_proxy &&
        open_stream(c, now, slot, true) == 0) {
        *out = (struct conduit_event){.kind = CONDUIT_BY_PROXY, .slot = slot};
        return true;
    }
    return broken(c, now, slot, reason_of(e), out);
}

static bool give(struct conduit *c, struct view message, struct conduit_event *out)
{
    *out =
        (struct conduit_event){.kind = CONDUIT_MESSAGE,
                               .slot = c->rest_slot,
                               .message = message,
                               .at = io_tcp_arrival(&c->rest_of, c->rest_of.bytes.len - c->rest.len,
                                                    c->rest_of.bytes.len)};
    return true;
}

/* Fills up the frame that an earlier event began; true when it is whole, *len its length. */
static enum turn_frame complete(struct conduit *c, struct conduit_slot *s, size_t *len)
{
    enum turn_frame frame = turn_frame_next(view_of(s->held, s->held_len), len);
    while (frame == TURN_FRAME_MORE && c->rest.len > 0) {
        /* The header first: it says how long the frame is. */
        size_t want = s->held_len < TURN_CHANNEL_HEADER ? TURN_CHANNEL_HEADER : *len;
        if (want > CONDUIT_FRAME_MAX)
            return TURN_FRAME_BROKEN;
        struct view part = view_take(c->rest, want - s->held_len);
        memcpy(s->held + s->held_len, part.at, part.len);
        s->held_len += part.len;
        c->rest = view_skip(c->rest, part.len);
        frame = turn_frame_next(view_of(s->held, s->held_len), len);
    }
    return frame;
}

/* The next frame of what came last; false: none is whole. */
static bool next_frame(struct conduit *c, struct tick now, struct conduit_event *out)
{
    struct conduit_slot *s = &c->slots[c->rest_slot];
    enum turn_frame frame;
    size_t len = 0;
    if (c->held_given) {
        c->held_given = false;
        s->held_len = 0;
    }
    if (c->rest.len == 0)
        return false;
    if (s->held_len > 0) {
        frame = complete(c, s, &len);
        c->held_given = frame == TURN_FRAME_WHOLE;
        if (c->held_given)
            return give(c, view_of(s->held, len), out);
    } else {
        frame = turn_frame_next(c->rest, &len);
        if (frame == TURN_FRAME_WHOLE) {
            struct view message = view_take(c->rest, len);
            c->rest = view_skip(c->rest, len);
            return give(c, message, out);
        }
        if (frame == TURN_FRAME_MORE && c->rest.len <= CONDUIT_FRAME_MAX) {
            memcpy(s->held, c->rest.at, c->rest.len);
            s->held_len = c->rest.len;
            c->rest = VIEW_NONE;
            return false;
        }
    }
    if (frame == TURN_FRAME_MORE && c->rest.len == 0)
        return false;
    return broken(c, now, c->rest_slot, "the server sent what is not TURN", out);
}

bool conduit_event(struct conduit *c, struct tick now, struct conduit_event *out)
{
    struct io_tcp_event e;
    uint32_t slot;
    for (;;) {
        if (next_frame(c, now, out))
            return true;
        if (!io_tls_event(c->tls, now, &e))
            return false;
        if (!find_slot(c, e.flow, &slot))
            continue;
        if (e.what == IO_TCP_OPENED)
            opened(c, now, slot);
        if (e.what == IO_TCP_CLOSED)
            return closed(c, now, slot, &e, out);
        if (e.what == IO_TCP_BYTES) {
            c->rest_slot = slot;
            c->rest = e.bytes;
            c->rest_of = e;
        }
    }
}

void conduit_defer(struct conduit *c, uint32_t slot)
{
    if (c->slots[slot].flow != 0)
        io_tcp_defer(c->tcp, c->slots[slot].flow);
}

void conduit_sweep(struct conduit *c, bool goes_on)
{
    io_tcp_sweep(c->tcp, goes_on);
}

void conduit_ready(struct conduit *c, struct tick now, const struct io_ready *ready)
{
    io_tcp_ready(c->tcp, now, ready);
}

void conduit_expire(struct conduit *c, struct tick now)
{
    io_tls_expire(c->tls, now);
}

struct tick conduit_deadline(const struct conduit *c)
{
    return io_tls_deadline(c->tls);
}
