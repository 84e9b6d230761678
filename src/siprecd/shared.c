/* shared: sockets of many streams.
 * Not here: what is in the packets.
 * RFC 4571 §2; RFC 6544 §7.1: a connection is its two ends. */
#include "siprecd/shared.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/metrics.h"
#include "base/writer.h"
#include "ice/framing.h"
#include "io/clock.h"
#include "io/tcp.h"
#include "io/udp.h"
#include "rtp/demux.h"

enum {
    /* 64 kbit/s of 1,000 streams for 100 ms, in the kernel's accounting of about 750 bytes each. */
    SHARED_RECEIVE_BUFFER = 4 * 1024 * 1024,
    /* Two streams a call with one connection each, and as many that are still being checked. */
    SHARED_CONNECTIONS_MAX = 512,
    SHARED_CONNECTIONS_PER_PEER = 64,
    SHARED_FIRST_BYTES_MS = 5000,
    SHARED_UNCLAIMED_MS = 5000, /* a stream's first check comes at once */
    SHARED_IDLE_MS = 60000,     /* consent checks come every 5 s */
    SHARED_CONNECT_MS = 10000,
    SHARED_UNSENT_MS = 10000,
    SHARED_UNSENT_MAX = 64 * 1024,
    SHARED_ROUNDS_MAX = 64, /* datagrams of one socket in a row, times a batch */
    SHARED_BUFFER = 65536 + ICE_FRAMING_HEADER + LIMIT_MEDIA_DATAGRAM, /* a read, and a rest */
    SHARED_BATCH = 32,
};

struct shared_connection {
    uint64_t flow; /* 0: free */
    uint32_t socket;
    struct addr peer, local;
    bool claimed;           /* a stream's path; else strangers' until then */
    struct tick claimed_by; /* when not by then it is closed */
    struct wall since, at;  /* its newest bytes came after the one, and until the other */
    size_t len, used;       /* in bytes: filled; taken out as packets */
    size_t old;             /* of them: of what was read before */
    uint8_t bytes[SHARED_BUFFER];
};

/* A path that ended: media hears of it at the next expire. */
struct shared_end {
    uint32_t socket;
    struct addr peer;
};

struct shared {
    struct shared_config config;
    int fds[VALUES_ADDRESSES_MAX]; /* of the mux port; -1: none */
    struct addr bound[VALUES_ADDRESSES_MAX];
    uint32_t dropped[VALUES_ADDRESSES_MAX];
    size_t at;       /* the socket to look at next */
    unsigned rounds; /* of it, in this sweep */
    struct io_tcp *tcp;
    struct shared_connection *connections[SHARED_CONNECTIONS_MAX]; /* by io_tcp_slot() */
    struct shared_connection *full; /* has more packets than were handed out; NULL: none has */
    struct datagram framed[SHARED_BATCH];
    struct shared_end ends[SHARED_CONNECTIONS_MAX];
    size_t end_count;
    struct log_limit limit;
};

/* ---- life ----------------------------------------------------------------------------------- */

static bool open_udp(struct shared *shared, size_t i)
{
    const struct shared_config *config = &shared->config;
    struct io_udp_options options = {
        .receive_buffer = SHARED_RECEIVE_BUFFER, .want_local = true, .may_come = true};
    struct addr local = addr_with_port(config->binds[i], config->mux_port);
    shared->fds[i] = io_udp_open(&local, &options, &shared->bound[i]);
    if (shared->fds[i] < 0) {
        LOG_ERROR("media", VIEW_NONE, "rtp.mux_port not opened address=%s error=\"%s\"",
                  addr_print(&local).s, strerror(errno));
        return false;
    }
    LOG_INFO("media", VIEW_NONE, "one port for many streams address=%s buffer asked=%d got=%d",
             addr_print(&shared->bound[i]).s, SHARED_RECEIVE_BUFFER,
             io_udp_receive_buffer(shared->fds[i]));
    return true;
}

static bool listen_tcp(struct shared *shared, size_t i)
{
    struct addr local = addr_with_port(shared->config.binds[i], shared->config.tcp_port);
    int error = io_tcp_listen(shared->tcp, &local, MEDIA_SHARED(MEDIA_SHARED_TCP_PASSIVE, i), NULL);
    if (error == 0) {
        LOG_INFO("media", VIEW_NONE, "listening for media over tcp address=%s",
                 addr_print(&local).s);
        return true;
    }
    LOG_ERROR("media", VIEW_NONE, "rtp.tcp_port not opened address=%s error=\"%s\"",
              addr_print(&local).s, strerror(error));
    errno = error;
    return false;
}

struct shared *shared_create(const struct shared_config *config)
{
    const struct io_tcp_limits limits = {
        .connections_max = SHARED_CONNECTIONS_MAX,
        .connections_per_peer_max = SHARED_CONNECTIONS_PER_PEER,
        .listeners_max = VALUES_ADDRESSES_MAX,
        .unsent_bytes_max = SHARED_UNSENT_MAX,
        .first_bytes_ns = SHARED_FIRST_BYTES_MS * NS_PER_MS,
        .idle_ns = SHARED_IDLE_MS * NS_PER_MS,
        .unsent_ns = SHARED_UNSENT_MS * NS_PER_MS,
        .connect_ns = SHARED_CONNECT_MS * NS_PER_MS,
    };
    struct shared *shared = calloc(1, sizeof *shared);
    bool any = !config->mux_port && !config->tcp_port;
    if (!shared)
        return NULL;
    shared->config = *config;
    for (size_t i = 0; i < VALUES_ADDRESSES_MAX; i++)
        shared->fds[i] = -1;
    shared->tcp = io_tcp_create(config->loop, config->tag, &limits);
    for (size_t i = 0; shared->tcp && i < config->binds_count; i++) {
        if (config->mux_port)
            any |= open_udp(shared, i);
        if (config->tcp_port)
            any |= listen_tcp(shared, i);
    }
    if (any && shared->tcp)
        return shared;
    int error = errno;
    shared_destroy(shared);
    errno = error;
    return NULL;
}

void shared_destroy(struct shared *shared)
{
    if (!shared)
        return;
    for (size_t i = 0; i < VALUES_ADDRESSES_MAX; i++) {
        if (shared->fds[i] >= 0)
            close(shared->fds[i]);
    }
    for (size_t i = 0; i < SHARED_CONNECTIONS_MAX; i++)
        free(shared->connections[i]);
    io_tcp_destroy(shared->tcp);
    free(shared);
}

/* ---- connections ---------------------------------------------------------------------------- */

static struct shared_connection *find_path(struct shared *shared, uint32_t socket,
                                           const struct addr *peer)
{
    for (size_t i = 0; i < SHARED_CONNECTIONS_MAX; i++) {
        struct shared_connection *c = shared->connections[i];
        if (c && c->flow && c->socket == socket && addr_equal(&c->peer, peer))
            return c;
    }
    return NULL;
}

static struct shared_connection *find_flow(struct shared *shared, uint64_t flow)
{
    struct shared_connection *c = shared->connections[io_tcp_slot(flow)];
    return c && c->flow == flow ? c : NULL;
}

static struct shared_connection *add(struct shared *shared, uint64_t flow)
{
    struct shared_connection **c = &shared->connections[io_tcp_slot(flow)];
    if (!*c)
        *c = calloc(1, sizeof **c);
    if (!*c)
        return NULL;
    (*c)->flow = flow;
    (*c)->claimed = false;
    (*c)->len = (*c)->used = (*c)->old = 0;
    return *c;
}

static void tell_end(struct shared *shared, uint32_t socket, const struct addr *peer)
{
    if (shared->end_count < SHARED_CONNECTIONS_MAX)
        shared->ends[shared->end_count++] = (struct shared_end){socket, *peer};
}

static void forget(struct shared *shared, struct shared_connection *connection)
{
    tell_end(shared, connection->socket, &connection->peer);
    connection->flow = 0;
}

static void opened(struct shared *shared, struct tick now, const struct io_tcp_event *event)
{
    if (event->outgoing)
        return; /* it has its place since it was asked for */
    struct shared_connection *c = add(shared, event->flow);
    if (!c) {
        io_tcp_close(shared->tcp, now, event->flow);
        return;
    }
    c->socket = event->listener;
    c->peer = event->peer;
    c->local = event->local;
    c->claimed_by = tick_add_ms(now, SHARED_UNCLAIMED_MS);
}

/* Moves what is left of a packet to the front. */
static void close_ranks(struct shared_connection *c)
{
    memmove(c->bytes, c->bytes + c->used, c->len - c->used);
    c->len -= c->used;
    c->used = 0;
}

static void take_bytes(struct shared *shared, struct tick now, const struct io_tcp_event *event)
{
    struct shared_connection *c = find_flow(shared, event->flow);
    if (!c)
        return;
    if (c->used)
        close_ranks(c);
    /* Nothing that is media frames more than a datagram's worth: who does is no peer of ours. */
    if (event->bytes.len > sizeof c->bytes - c->len) {
        metric_add(METRIC_RTP_MALFORMED, 1);
        io_tcp_close(shared->tcp, now, c->flow);
        forget(shared, c);
        return;
    }
    memcpy(c->bytes + c->len, event->bytes.at, event->bytes.len);
    c->old = c->len;
    c->len += event->bytes.len;
    c->since = event->since;
    c->at = event->at;
}

/* When the packet that ends there arrived. */
static struct wall arrival(const struct shared_connection *c)
{
    const struct io_tcp_event read = {.since = c->since, .at = c->at};
    return io_tcp_arrival(&read, c->used - c->old, c->len - c->old);
}

/* The whole packets of one connection. Of one that brings media the next may wait for the next sweep: a check that
 * comes among them is answered soon enough. */
static size_t unframe(struct shared *shared, struct shared_connection *c)
{
    size_t count = 0, used;
    struct view packet;
    bool media = false;
    while (count < SHARED_BATCH &&
           ice_framing_next(view_of(c->bytes + c->used, c->len - c->used), &packet, &used)) {
        c->used += used;
        if (packet.len == 0)
            continue;
        media = media || rtp_demux(packet) == RTP_DEMUX_RTP;
        shared->framed[count++] = (struct datagram){.socket = c->socket,
                                                    .from = c->peer,
                                                    .to = c->local,
                                                    .at = arrival(c),
                                                    .bytes = packet,
                                                    .truncated = packet.len > LIMIT_MEDIA_DATAGRAM};
    }
    if (media && c->claimed)
        io_tcp_defer(shared->tcp, c->flow);
    shared->full = count == SHARED_BATCH ? c : NULL;
    return count;
}

/* One event of TCP's at a time, so that no connection's buffer must hold two reads. */
static size_t receive_tcp(struct shared *shared, struct tick now)
{
    struct io_tcp_event event;
    size_t count;
    if (shared->full && shared->full->flow && (count = unframe(shared, shared->full)) > 0)
        return count;
    while (io_tcp_event(shared->tcp, now, &event)) {
        struct shared_connection *c = find_flow(shared, event.flow);
        if (event.what == IO_TCP_OPENED)
            opened(shared, now, &event);
        else if (event.what == IO_TCP_CLOSED && c)
            forget(shared, c);
        else if (event.what == IO_TCP_BYTES)
            take_bytes(shared, now, &event);
        if (event.what == IO_TCP_BYTES && c && c->flow && (count = unframe(shared, c)) > 0)
            return count;
    }
    return 0;
}

static size_t receive_udp(struct shared *shared, struct io_batch *batch,
                          const struct datagram **out)
{
    size_t count = 0;
    while (shared->at < shared->config.binds_count) {
        size_t i = shared->at;
        bool drained = true;
        io_batch_clear(batch);
        if (shared->fds[i] >= 0)
            (void)io_batch_receive(batch, shared->fds[i], MEDIA_SHARED(MEDIA_SHARED_UDP, i),
                                   &shared->bound[i], &drained);
        if (drained || ++shared->rounds == SHARED_ROUNDS_MAX) {
            shared->at++;
            shared->rounds = 0;
        }
        *out = io_batch_at(batch, &count);
        if (count == 0)
            continue;
        if ((*out)[count - 1].dropped > shared->dropped[i]) {
            metric_add(METRIC_SOCKET_OVERFLOWS, (*out)[count - 1].dropped - shared->dropped[i]);
            shared->dropped[i] = (*out)[count - 1].dropped;
        }
        return count;
    }
    shared->at = 0;
    return 0;
}

size_t shared_receive(struct shared *shared, struct tick now, struct io_batch *batch,
                      const struct datagram **out)
{
    size_t count = shared->full ? 0 : receive_udp(shared, batch, out);
    if (count)
        return count;
    *out = shared->framed;
    return receive_tcp(shared, now);
}

void shared_sweep(struct shared *shared, bool goes_on)
{
    io_tcp_sweep(shared->tcp, goes_on);
}

/* ---- out ------------------------------------------------------------------------------------ */

static struct shared_connection *connect_to(struct shared *shared, struct tick now,
                                            const struct media_packet *packet)
{
    struct addr local = shared->config.binds[MEDIA_SHARED_AT(packet->socket)];
    uint64_t flow;
    struct shared_connection *c = NULL;
    if (io_tcp_connect(shared->tcp, now, packet->socket, &local, &packet->to, &flow) == 0) {
        c = add(shared, flow);
        if (!c)
            io_tcp_close(shared->tcp, now, flow);
    }
    if (!c) {
        tell_end(shared, packet->socket, &packet->to);
        return NULL;
    }
    c->socket = packet->socket;
    c->peer = packet->to;
    c->local = local;
    c->claimed = true; /* by who asked for it */
    return c;
}

static void send_tcp(struct shared *shared, struct tick now, const struct media_packet *packet)
{
    uint8_t frame[ICE_FRAMING_HEADER + 2048];
    struct writer w = writer_of(frame, sizeof frame);
    struct shared_connection *c = find_path(shared, packet->socket, &packet->to);
    if (!c && MEDIA_SHARED_KIND(packet->socket) == MEDIA_SHARED_TCP_ACTIVE)
        c = connect_to(shared, now, packet);
    if (!c)
        return;
    ice_framing_encode(&w, packet->bytes);
    if (!w.failed && !io_tcp_send(shared->tcp, now, c->flow, writer_done(&w)))
        forget(shared, c);
}

void shared_send(struct shared *shared, struct tick now, const struct media_packet *packet)
{
    size_t i = MEDIA_SHARED_AT(packet->socket);
    int error = 0;
    assert(i < VALUES_ADDRESSES_MAX);
    if (MEDIA_SHARED_KIND(packet->socket) != MEDIA_SHARED_UDP)
        send_tcp(shared, now, packet);
    else if (shared->fds[i] >= 0)
        error = io_udp_send_near(shared->fds[i], &packet->from, &packet->to, packet->bytes,
                                 packet->hops);
    if (error != 0)
        LOG_DEBUG("media", VIEW_NONE, "not sent error=\"%s\"", strerror(error));
}

/* ---- time ----------------------------------------------------------------------------------- */

void shared_ready(struct shared *shared, struct tick now, const struct io_ready *ready)
{
    io_tcp_ready(shared->tcp, now, ready);
}

void shared_expire(struct shared *shared, struct tick now, struct media *media)
{
    io_tcp_expire(shared->tcp, now);
    for (size_t i = 0; i < SHARED_CONNECTIONS_MAX; i++) {
        struct shared_connection *c = shared->connections[i];
        if (!c || !c->flow || c->claimed)
            continue;
        c->claimed = media_knows_path(media, c->socket, &c->peer);
        if (c->claimed || !tick_due(c->claimed_by, now))
            continue;
        metric_add(METRIC_MEDIA_TCP_REFUSED, 1);
        io_tcp_close(shared->tcp, now, c->flow);
        forget(shared, c);
    }
    while (shared->end_count) {
        const struct shared_end *end = &shared->ends[--shared->end_count];
        media_path_failed(media, now, end->socket, &end->peer);
    }
}

struct tick shared_deadline(const struct shared *shared)
{
    return io_tcp_deadline(shared->tcp);
}
