/* flows: the ways SIP comes and goes by: the listeners of sip.listen, the connections over TCP and
 * TLS, which of them carries what sip sends.
 * Not here: SIP itself (sip), which of our addresses a peer is told (network.h).
 * RFC 3261 §18, 5626 §3 (flows), 5922 (certificates). */
#include "siprecd/flows.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/metrics.h"
#include "io/batch.h"
#include "io/clock.h"
#include "io/udp.h"

enum {
    FLOWS_BATCH = 32,
    /* An INVITE of 64 KiB takes 100 KiB of the kernel's accounting; a burst must fit. */
    FLOWS_RECEIVE_BUFFER = 4 * 1024 * 1024,
    FLOWS_PER_PEER = 512, /* an SBC may open one a dialog */
    FLOWS_UNSENT_MAX = 4 * 1024 * 1024,
    FLOWS_CONNECTING_MAX = 64,
};

struct flows_listener {
    int fd; /* UDP; -1 else */
    struct addr bound;
    bool readable;
};

/* A connection that sip asked for without knowing its id. */
struct flows_connecting {
    uint64_t flow; /* 0: free */
    struct sip_flow asked;
};

struct flows {
    struct flows_config config;
    struct io_tcp *tcp;
    struct io_tls *tls;
    struct io_batch *batch;
    size_t batch_next; /* the first datagram of it that sip has not seen */
    struct flows_listener listeners[VALUES_LISTENERS_MAX];
    struct flows_connecting connecting[FLOWS_CONNECTING_MAX];
    struct log_limit send_limit;
};

/* ---- sip's packets go out ------------------------------------------------------------------- */

static void flows_send_failed(struct flows *flows, struct tick now, const struct sip_output *output,
                              int error)
{
    uint64_t held_back;
    if (log_limit_pass(&flows->send_limit, now, 1000, &held_back))
        LOG_WARN("sip", VIEW_NONE, "message not sent to=%s bytes=%zu error=\"%s\" held_back=%llu",
                 addr_print(&output->flow.peer).s, output->bytes.len, strerror(error),
                 (unsigned long long)held_back);
}

/* A new connection for a message that any connection to the peer may carry. */
static void flows_connect(struct flows *flows, struct tick now, const struct sip_output *output)
{
    struct flows_connecting *slot = NULL;
    struct addr_text name = addr_print_ip(&output->flow.peer);
    struct io_tls_route route = {.local = output->flow.local, .peer = output->flow.peer};
    uint64_t flow;
    int error = ENOBUFS;
    /* All that is known of the peer is its address: that is what its certificate must name. */
    if (output->flow.protocol == SIP_PROTOCOL_TLS) {
        route.name = name.s;
        route.sip = true;
    }
    for (size_t i = 0; i < FLOWS_CONNECTING_MAX && !slot; i++) {
        if (flows->connecting[i].flow == 0)
            slot = &flows->connecting[i];
    }
    if (slot)
        error = io_tls_connect(flows->tls, now, output->flow.listener, &route, &flow);
    if (error != 0) {
        flows_send_failed(flows, now, output, error);
        sip_flow_closed(flows->config.sip, now, &output->flow);
        return;
    }
    *slot = (struct flows_connecting){.flow = flow, .asked = output->flow};
    io_tls_send(flows->tls, now, flow, output->bytes);
}

static void flows_send_stream(struct flows *flows, struct tick now, const struct sip_output *output)
{
    bool secure = output->flow.protocol == SIP_PROTOCOL_TLS;
    uint64_t flow = output->flow.id;
    if (flow == 0 && !io_tls_find(flows->tls, &output->flow.peer, secure, &flow)) {
        flows_connect(flows, now, output);
        return;
    }
    if (!io_tls_send(flows->tls, now, flow, output->bytes))
        sip_flow_closed(flows->config.sip, now, &output->flow);
}

void flows_send(struct flows *flows, struct tick now, const struct sip_output *output)
{
    const struct sip_flow *flow = &output->flow;
    int error;
    if (output->kind == SIP_OUTPUT_CLOSE) {
        io_tls_close(flows->tls, now, flow->id);
        return;
    }
    if (flow->protocol != SIP_PROTOCOL_UDP) {
        flows_send_stream(flows, now, output);
        return;
    }
    error =
        io_udp_send(flows->listeners[flow->listener].fd, &flow->local, &flow->peer, output->bytes);
    if (error != 0)
        flows_send_failed(flows, now, output, error);
}

/* ---- what comes in -------------------------------------------------------------------------- */

static void flows_take_datagram(struct flows *flows, const struct datagram *datagram)
{
    struct sip_flow flow = {.listener = datagram->socket,
                            .protocol = SIP_PROTOCOL_UDP,
                            .local = datagram->to,
                            .peer = datagram->from};
    flow.advertised =
        network_advertise(flows->config.network, datagram->socket, &datagram->to, &datagram->from);
    sip_input_datagram(flows->config.sip, io_clock_tick(), &flow, datagram->bytes,
                       datagram->truncated);
}

static bool flows_next_datagram(struct flows *flows)
{
    size_t count;
    const struct datagram *datagrams = io_batch_at(flows->batch, &count);
    for (uint32_t i = 0; i < VALUES_LISTENERS_MAX && flows->batch_next == count; i++) {
        struct flows_listener *listener = &flows->listeners[i];
        bool drained;
        if (!listener->readable)
            continue;
        listener->readable = false;
        flows->batch_next = 0;
        io_batch_clear(flows->batch);
        io_batch_receive(flows->batch, listener->fd, i, &listener->bound, &drained);
        datagrams = io_batch_at(flows->batch, &count);
    }
    if (flows->batch_next == count)
        return false;
    flows_take_datagram(flows, &datagrams[flows->batch_next++]);
    return true;
}

static struct sip_flow flows_stream_flow(const struct flows *flows,
                                         const struct io_tcp_event *event)
{
    struct sip_flow flow = {.id = event->flow,
                            .listener = event->listener,
                            .protocol = event->secure ? SIP_PROTOCOL_TLS : SIP_PROTOCOL_TCP,
                            .local = event->local,
                            .peer = event->peer,
                            .trusted = event->verified && !event->outgoing};
    struct addr called = event->local;
    /* Our end of a connection that we made has a port nobody can call. */
    if (event->outgoing)
        called.port = flows->listeners[event->listener].bound.port;
    flow.advertised =
        network_advertise(flows->config.network, event->listener, &called, &event->peer);
    return flow;
}

static void flows_closed(struct flows *flows, struct tick now, const struct io_tcp_event *event)
{
    struct sip_flow flow = flows_stream_flow(flows, event);
    for (size_t i = 0; i < FLOWS_CONNECTING_MAX; i++) {
        if (flows->connecting[i].flow == event->flow) {
            flows->connecting[i].flow = 0;
            sip_flow_closed(flows->config.sip, now, &flows->connecting[i].asked);
        }
    }
    sip_flow_closed(flows->config.sip, now, &flow);
    LOG_DEBUG("sip", VIEW_NONE, "connection closed peer=%s reason=%d error=%d why=\"%s\"",
              addr_print(&event->peer).s, (int)event->reason, event->error,
              event->why ? event->why : "");
}

static bool flows_next_stream(struct flows *flows)
{
    struct io_tcp_event event;
    struct tick now = io_clock_tick();
    struct sip_flow flow;
    if (!io_tls_event(flows->tls, now, &event)) {
        metric_set(METRIC_SIP_CONNECTIONS, (int64_t)io_tcp_connections(flows->tcp));
        return false;
    }
    flow = flows_stream_flow(flows, &event);
    switch (event.what) {
    case IO_TCP_OPENED:
        for (size_t i = 0; i < FLOWS_CONNECTING_MAX; i++) {
            if (flows->connecting[i].flow == event.flow)
                flows->connecting[i].flow = 0;
        }
        break;
    case IO_TCP_BYTES:
        sip_input_stream(flows->config.sip, now, &flow, event.bytes);
        break;
    case IO_TCP_CLOSED:
        flows_closed(flows, now, &event);
        break;
    }
    return true;
}

bool flows_next(struct flows *flows)
{
    return flows_next_datagram(flows) || flows_next_stream(flows);
}

void flows_ready(struct flows *flows, struct tick now, const struct io_ready *ready)
{
    if (ready->token >> 56 == flows->config.tag_udp)
        flows->listeners[(uint32_t)ready->token].readable = true;
    else
        io_tcp_ready(flows->tcp, now, ready);
}

void flows_expire(struct flows *flows, struct tick now)
{
    io_tls_expire(flows->tls, now);
}

struct tick flows_deadline(const struct flows *flows)
{
    return io_tls_deadline(flows->tls);
}

/* ---- life ----------------------------------------------------------------------------------- */

static int flows_listen_udp(struct flows *flows, uint32_t number)
{
    const struct values_listener *wanted = &flows->config.network->listeners.list[number];
    struct flows_listener *listener = &flows->listeners[number];
    struct io_udp_options options = {.receive_buffer = FLOWS_RECEIVE_BUFFER,
                                     .want_local = addr_is_unspecified(&wanted->bind)};
    listener->fd = io_udp_open(&wanted->bind, &options, &listener->bound);
    if (listener->fd < 0)
        return errno;
    LOG_INFO("sip", VIEW_NONE, "receive buffer listener=%s asked=%d got=%d",
             addr_print(&listener->bound).s, FLOWS_RECEIVE_BUFFER,
             io_udp_receive_buffer(listener->fd));
    return io_loop_add(flows->config.loop, listener->fd, IO_READ,
                       (uint64_t)flows->config.tag_udp << 56 | number);
}

static int flows_listen_one(struct flows *flows, uint32_t number)
{
    const struct values_listener *wanted = &flows->config.network->listeners.list[number];
    struct addr *bound = &flows->listeners[number].bound;
    switch (wanted->protocol) {
    case SIP_PROTOCOL_TCP:
        return io_tcp_listen(flows->tcp, &wanted->bind, number, bound);
    case SIP_PROTOCOL_TLS:
        return io_tls_listen(flows->tls, &wanted->bind, number, bound);
    case SIP_PROTOCOL_UDP:
        break;
    }
    return flows_listen_udp(flows, number);
}

bool flows_listen(struct flows *flows, char *error, size_t error_size)
{
    const struct values_listeners *wanted = &flows->config.network->listeners;
    for (uint32_t i = 0; i < wanted->count; i++) {
        int failed = flows_listen_one(flows, i);
        if (failed != 0) {
            snprintf(error, error_size, "cannot listen on %s:%s: %s",
                     values_protocol_name(wanted->list[i].protocol),
                     addr_print(&wanted->list[i].bind).s, strerror(failed));
            return false;
        }
    }
    return true;
}

bool flows_configure(struct flows *flows, const struct flows_settings *settings, char *error,
                     size_t error_size)
{
    struct io_tls_files files = {
        .certificate = settings->certificate, .key = settings->key, .ca = settings->ca};
    if (!io_tls_load(flows->tls, &files, error, error_size))
        return false;
    metric_set(METRIC_TLS_CERTIFICATE_ENDS, io_tls_certificate_ends(flows->tls).ns / NS_PER_S);
    return true;
}

struct addr flows_bound(const struct flows *flows, size_t index)
{
    return flows->listeners[index].bound;
}

struct flows *flows_create(const struct flows_config *config)
{
    struct io_tcp_limits limits = {.connections_max = config->connections_max,
                                   .connections_per_peer_max = FLOWS_PER_PEER,
                                   .listeners_max = VALUES_LISTENERS_MAX,
                                   .unsent_bytes_max = FLOWS_UNSENT_MAX,
                                   .first_bytes_ns = 30 * NS_PER_S,
                                   /* Calls last for hours without a message, and the dialog must
                                      stay reachable; keepalive finds dead peers. */
                                   .idle_ns = 24 * 3600 * NS_PER_S,
                                   .unsent_ns = 32 * NS_PER_S,
                                   .connect_ns = 10 * NS_PER_S};
    struct flows *flows = calloc(1, sizeof *flows);
    if (!flows)
        return NULL;
    flows->config = *config;
    for (size_t i = 0; i < VALUES_LISTENERS_MAX; i++)
        flows->listeners[i].fd = -1;
    flows->batch = io_batch_create(FLOWS_BATCH);
    flows->tcp = io_tcp_create(config->loop, config->tag_tcp, &limits);
    flows->tls = flows->tcp ? io_tls_create(flows->tcp, config->connections_max) : NULL;
    if (!flows->batch || !flows->tls) {
        flows_destroy(flows);
        return NULL;
    }
    return flows;
}

void flows_destroy(struct flows *flows)
{
    if (!flows)
        return;
    io_tls_destroy(flows->tls);
    io_tcp_destroy(flows->tcp);
    for (size_t i = 0; i < VALUES_LISTENERS_MAX; i++) {
        if (flows->listeners[i].fd >= 0)
            close(flows->listeners[i].fd);
    }
    io_batch_destroy(flows->batch);
    free(flows);
}
