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
#include "stun/server.h"

enum {
    FLOWS_BATCH = 32,
    /* An INVITE of 64 KiB takes 100 KiB of the kernel's accounting; a burst must fit. */
    FLOWS_RECEIVE_BUFFER = 4 * 1024 * 1024,
    FLOWS_PER_PEER = 512, /* an SBC may open one a dialog */
    FLOWS_UNSENT_MAX = 4 * 1024 * 1024,
    FLOWS_CONNECTING_MAX = 64,
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
    struct outbound_socket listeners[VALUES_LISTENERS_MAX];
    bool readable[VALUES_LISTENERS_MAX];
    bool waits[VALUES_LISTENERS_MAX]; /* for its address, which is not on this host */
    struct outbound *outbound;        /* NULL: nothing is registered */
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
    /* Where we did not register all that is known of the peer is its address: that is what its
     * certificate must name. */
    if (output->flow.protocol == SIP_PROTOCOL_TLS) {
        route.name = flows->outbound ? outbound_name(flows->outbound, &output->flow.peer) : NULL;
        if (!route.name)
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

/* RFC 5626 §4.4.2, 8: STUN comes to the port of SIP, in answer to ours or to keep somebody's NAT
 * open. */
static void flows_take_stun(struct flows *flows, const struct datagram *datagram)
{
    char answer[STUN_SERVER_ANSWER_MAX];
    struct writer w = writer_of(answer, sizeof answer);
    struct stun_message message;
    struct stun_server server = {.local = datagram->to};
    struct sip_flow flow = {.listener = datagram->socket, .peer = datagram->from};
    int error = 0;
    sip_hear(flows->config.sip, io_clock_tick(), &flow);
    if (stun_message_decode(datagram->bytes, &message) != STUN_DECODED)
        return;
    if (message.class != STUN_REQUEST && flows->outbound)
        outbound_stun(flows->outbound, io_clock_tick(), &datagram->from, datagram->bytes);
    else if (message.class == STUN_REQUEST &&
             stun_server_answer(&server, &message, &datagram->from, &w).send && !w.failed)
        error = io_udp_send(flows->listeners[datagram->socket].fd, &datagram->to, &datagram->from,
                            writer_done(&w));
    if (error != 0)
        LOG_DEBUG("sip", VIEW_NONE, "stun answer not sent to=%s error=\"%s\"",
                  addr_print(&datagram->from).s, strerror(error));
}

static void flows_take_datagram(struct flows *flows, const struct datagram *datagram)
{
    /* RFC 7983: no SIP message begins so. */
    if (datagram->bytes.len >= STUN_HEADER_SIZE && (uint8_t)datagram->bytes.at[0] < 4) {
        flows_take_stun(flows, datagram);
        return;
    }
    struct sip_flow flow = {.listener = datagram->socket,
                            .protocol = SIP_PROTOCOL_UDP,
                            .local = datagram->to,
                            .peer = datagram->from};
    flow.advertised =
        network_advertise(flows->config.network, datagram->socket, &datagram->to, &datagram->from);
    if (flows->outbound)
        outbound_mark(flows->outbound, &flow);
    sip_input_datagram(flows->config.sip, io_clock_tick(), &flow, datagram->bytes,
                       datagram->truncated);
}

static bool flows_next_datagram(struct flows *flows)
{
    size_t count;
    const struct datagram *datagrams = io_batch_at(flows->batch, &count);
    for (uint32_t i = 0; i < VALUES_LISTENERS_MAX && flows->batch_next == count; i++) {
        const struct outbound_socket *listener = &flows->listeners[i];
        bool drained;
        if (!flows->readable[i])
            continue;
        flows->readable[i] = false;
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
    /* Our end of a connection that we made has a port nobody can call: that of a listener of its
     * kind, if there is one, can. */
    if (event->outgoing &&
        flows->config.network->listeners.list[event->listener].protocol == flow.protocol)
        called.port = flows->listeners[event->listener].bound.port;
    flow.advertised =
        network_advertise(flows->config.network, event->listener, &called, &event->peer);
    if (flows->outbound)
        outbound_mark(flows->outbound, &flow);
    return flow;
}

static void flows_closed(struct flows *flows, struct tick now, const struct io_tcp_event *event)
{
    struct sip_flow flow = flows_stream_flow(flows, event);
    if (flows->outbound)
        (void)outbound_closed(flows->outbound, now, event);
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
        if (flows->outbound && outbound_opened(flows->outbound, now, &event, &flow))
            break;
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
        flows->readable[(uint32_t)ready->token] = true;
    else if (ready->token >> 56 == flows->config.tag_dns)
        outbound_dns_ready(flows->outbound, now, ready);
    else
        io_tcp_ready(flows->tcp, now, ready);
}

void flows_expire(struct flows *flows, struct tick now)
{
    io_tls_expire(flows->tls, now);
    if (flows->outbound)
        outbound_expire(flows->outbound, now);
}

struct tick flows_deadline(const struct flows *flows, struct tick now)
{
    struct tick deadline = io_tls_deadline(flows->tls);
    return flows->outbound ? tick_min(deadline, outbound_deadline(flows->outbound, now)) : deadline;
}

/* ---- registrations -------------------------------------------------------------------------- */

bool flows_take_event(struct flows *flows, struct tick now, const struct sip_event *event)
{
    return flows->outbound && outbound_input(flows->outbound, now, event);
}

void flows_work(struct flows *flows, struct tick now)
{
    if (flows->outbound)
        outbound_work(flows->outbound, now);
}

void flows_renew(struct flows *flows, struct tick now)
{
    if (flows->outbound)
        outbound_renew(flows->outbound, now);
}

void flows_look(struct flows *flows)
{
    const struct values_listeners *wanted = &flows->config.network->listeners;
    for (uint32_t i = 0; i < wanted->count; i++) {
        bool waits = !io_udp_is_here(&wanted->list[i].bind);
        if (waits != flows->waits[i])
            LOG_WARN("sip", VIEW_NONE, "listener %s %s:%s",
                     waits ? "waits for its address, which is not on this host:"
                           : "has its address back:",
                     values_protocol_name(wanted->list[i].protocol),
                     addr_print(&wanted->list[i].bind).s);
        flows->waits[i] = waits;
    }
    io_tcp_leave(flows->tcp);
}

bool flows_waits(const struct flows *flows, size_t index)
{
    return flows->waits[index];
}

void flows_stop(struct flows *flows, struct tick now)
{
    if (flows->outbound)
        outbound_stop(flows->outbound, now);
}

bool flows_is_stopped(const struct flows *flows)
{
    return !flows->outbound || outbound_is_stopped(flows->outbound);
}

char *flows_report(const struct flows *flows, struct tick now)
{
    return flows->outbound ? outbound_report(flows->outbound, now) : strdup("[]");
}

/* ---- life ----------------------------------------------------------------------------------- */

static int flows_listen_udp(struct flows *flows, uint32_t number)
{
    const struct values_listener *wanted = &flows->config.network->listeners.list[number];
    struct outbound_socket *listener = &flows->listeners[number];
    struct io_udp_options options = {.receive_buffer = FLOWS_RECEIVE_BUFFER,
                                     .want_local = addr_is_unspecified(&wanted->bind),
                                     .may_come = true};
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
    flows_look(flows);
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

/* True also when nothing is to be registered. */
static bool flows_start_outbound(struct flows *flows)
{
    struct outbound_config config = {.loop = flows->config.loop,
                                     .tls = flows->tls,
                                     .sip = flows->config.sip,
                                     .network = flows->config.network,
                                     .sockets = flows->listeners,
                                     .tag_dns = flows->config.tag_dns};
    if (!flows->config.outbound || flows->config.outbound->uris[0] == '\0')
        return true;
    config.settings = *flows->config.outbound;
    flows->config.outbound = NULL;
    flows->outbound = outbound_create(&config, io_clock_tick());
    return flows->outbound != NULL;
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
    if (!flows->batch || !flows->tls || !flows_start_outbound(flows)) {
        flows_destroy(flows);
        return NULL;
    }
    return flows;
}

void flows_destroy(struct flows *flows)
{
    if (!flows)
        return;
    outbound_destroy(flows->outbound);
    io_tls_destroy(flows->tls);
    io_tcp_destroy(flows->tcp);
    for (size_t i = 0; i < VALUES_LISTENERS_MAX; i++) {
        if (flows->listeners[i].fd >= 0)
            close(flows->listeners[i].fd);
    }
    io_batch_destroy(flows->batch);
    free(flows);
}
