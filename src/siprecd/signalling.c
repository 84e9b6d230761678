/* signalling: the thread that answers SIP and decides about calls: sip and recorder driven by
 * sockets, workers' mail and clocks.
 * Not here: packets and journals (worker), files and renders (keeper).
 * RFC 3261 section 18 (transport). */
#include "siprecd/signalling.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/metrics.h"
#include "io/batch.h"
#include "io/clock.h"
#include "io/loop.h"
#include "io/tcp.h"
#include "io/udp.h"
#include "sip/sip.h"
#include "siprecd/outbox.h"

enum {
    SIGNALLING_READY_MAX = 64,
    SIGNALLING_BATCH = 32,
    /* An INVITE of 64 KiB takes 100 KiB of the kernel's accounting; a burst must fit. */
    SIGNALLING_RECEIVE_BUFFER = 4 * 1024 * 1024,
    SIGNALLING_CONNECTIONS_MAX = 1024,
    SIGNALLING_CONNECTIONS_PER_PEER = 512, /* an SBC may open one a dialog */
    SIGNALLING_UNSENT_MAX = 4 * 1024 * 1024,
    SIGNALLING_CONNECTING_MAX = 64,
    SIGNALLING_RETRY_MS = 5,
    SIGNALLING_HEALTH_MS = 1000,
};

/* Tags of loop tokens. */
enum { TOKEN_UDP = 1, TOKEN_TCP, TOKEN_MAILBOX, TOKEN_BOARD };

struct signalling_listener {
    int fd; /* UDP; -1 for TCP */
    struct addr bound;
    struct addr arrival; /* what datagrams are said to arrive at where the kernel does not tell */
};

/* A connection that sip asked for without knowing its id. */
struct signalling_connecting {
    uint64_t flow; /* 0: free */
    struct sip_flow asked;
};

struct signalling {
    struct signalling_config config;
    struct network network;
    struct sip *sip;
    struct recorder *recorder;
    struct io_loop *loop;
    struct io_tcp *tcp;
    struct io_batch *batch;
    struct signalling_listener listeners[VALUES_LISTENERS_MAX];
    struct signalling_connecting connecting[SIGNALLING_CONNECTING_MAX];
    struct outbox *outboxes[SIGNALLING_WORKERS_MAX];
    bool ports_gone[SIGNALLING_WORKERS_MAX];
    unsigned board_wants;
    bool draining;
    bool disk_full;
    bool stopping;
    bool started;
    struct tick health_at;
    struct log_limit send_limit;
    pthread_t thread;
    _Atomic uint32_t calls;
    atomic_bool over;
};

static struct recorder_now signalling_now(void)
{
    return (struct recorder_now){.tick = io_clock_tick(), .wall = io_clock_wall()};
}

/* ---- sip's packets go out ------------------------------------------------------------------- */

static void signalling_send_failed(struct signalling *signalling, struct tick now,
                                   const struct sip_output *output, int error)
{
    uint64_t held_back;
    if (log_limit_pass(&signalling->send_limit, now, 1000, &held_back))
        LOG_WARN("sip", VIEW_NONE, "message not sent to=%s bytes=%zu error=\"%s\" held_back=%llu",
                 addr_print(&output->flow.peer).s, output->bytes.len, strerror(error),
                 (unsigned long long)held_back);
}

/* A new connection for a message that any connection to the peer may carry. */
static void signalling_connect(struct signalling *signalling, struct tick now,
                               const struct sip_output *output)
{
    struct signalling_connecting *slot = NULL;
    uint64_t flow;
    int error = ENOBUFS;
    for (size_t i = 0; i < SIGNALLING_CONNECTING_MAX && !slot; i++) {
        if (signalling->connecting[i].flow == 0)
            slot = &signalling->connecting[i];
    }
    if (slot)
        error = io_tcp_connect(signalling->tcp, now, output->flow.listener, &output->flow.local,
                               &output->flow.peer, &flow);
    if (error != 0) {
        signalling_send_failed(signalling, now, output, error);
        sip_flow_closed(signalling->sip, now, &output->flow);
        return;
    }
    *slot = (struct signalling_connecting){.flow = flow, .asked = output->flow};
    io_tcp_send(signalling->tcp, now, flow, output->bytes);
}

static void signalling_send_stream(struct signalling *signalling, struct tick now,
                                   const struct sip_output *output)
{
    uint64_t flow = output->flow.id;
    if (flow == 0 && !io_tcp_find(signalling->tcp, &output->flow.peer, &flow)) {
        signalling_connect(signalling, now, output);
        return;
    }
    if (!io_tcp_send(signalling->tcp, now, flow, output->bytes))
        sip_flow_closed(signalling->sip, now, &output->flow);
}

static void signalling_send(struct signalling *signalling, struct tick now,
                            const struct sip_output *output)
{
    const struct sip_flow *flow = &output->flow;
    int error;
    if (output->kind == SIP_OUTPUT_CLOSE) {
        io_tcp_close(signalling->tcp, now, flow->id);
        return;
    }
    if (flow->protocol != SIP_PROTOCOL_UDP) {
        signalling_send_stream(signalling, now, output);
        return;
    }
    error = io_udp_send(signalling->listeners[flow->listener].fd, &flow->local, &flow->peer,
                        output->bytes);
    if (error != 0)
        signalling_send_failed(signalling, now, output, error);
}

/* ---- recorder's wishes ---------------------------------------------------------------------- */

static void signalling_do(struct signalling *signalling, struct recorder_output *output)
{
    struct worker_mail mail = {.kind = WORKER_COMMAND};
    switch (output->kind) {
    case RECORDER_COMMAND:
        mail.command = output->command;
        outbox_post(signalling->outboxes[output->worker], &mail);
        break;
    case RECORDER_TICKET:
        mail.kind = WORKER_TICKET_BACK;
        mail.ticket = output->ticket;
        outbox_post(signalling->outboxes[output->ticket.worker], &mail);
        break;
    case RECORDER_DOCUMENT:
        if (catalog_put(signalling->config.catalog, output->document, output->metadata) != 0)
            LOG_ERROR("recorder", VIEW_NONE, "document not taken by the catalogue id=%s",
                      output->recording.s);
        break;
    case RECORDER_RENDER:
        keeper_render(signalling->config.keeper, &output->recording, output->directory,
                      output->document);
        break;
    }
}

/* Everything that follows from the last input, in the order that recorder.h and sip.h give: events,
 * then what recorder wants (streams are known to their worker before the answer leaves), then
 * packets. */
static void signalling_pump(struct signalling *signalling)
{
    struct recorder_now now = signalling_now();
    struct sip_event event;
    struct recorder_output wish;
    struct sip_output packet;
    bool moved = true;
    while (moved) {
        moved = false;
        while (sip_event(signalling->sip, &event)) {
            recorder_input(signalling->recorder, now, &event);
            moved = true;
        }
        while (recorder_output(signalling->recorder, &wish)) {
            signalling_do(signalling, &wish);
            moved = true;
        }
        while (sip_output(signalling->sip, &packet)) {
            signalling_send(signalling, now.tick, &packet);
            moved = true;
        }
    }
}

/* ---- what comes in -------------------------------------------------------------------------- */

static void signalling_receive(struct signalling *signalling, uint32_t number)
{
    const struct signalling_listener *listener = &signalling->listeners[number];
    size_t count;
    const struct datagram *datagrams;
    bool drained;
    io_batch_clear(signalling->batch);
    io_batch_receive(signalling->batch, listener->fd, number, &listener->bound, &drained);
    datagrams = io_batch_at(signalling->batch, &count);
    for (size_t i = 0; i < count; i++) {
        const struct datagram *datagram = &datagrams[i];
        struct sip_flow flow = {.listener = number,
                                .protocol = SIP_PROTOCOL_UDP,
                                .local = datagram->to,
                                .peer = datagram->from};
        flow.advertised =
            network_advertise(&signalling->network, number, &datagram->to, &datagram->from);
        sip_input_datagram(signalling->sip, io_clock_tick(), &flow, datagram->bytes,
                           datagram->truncated);
        signalling_pump(signalling);
    }
}

static struct sip_flow signalling_tcp_flow(const struct signalling *signalling,
                                           const struct io_tcp_event *event)
{
    struct sip_flow flow = {.id = event->flow,
                            .listener = event->listener,
                            .protocol = SIP_PROTOCOL_TCP,
                            .local = event->local,
                            .peer = event->peer};
    struct addr called = event->local;
    /* Our end of a connection that we made has a port nobody can call. */
    if (event->outgoing)
        called.port = signalling->listeners[event->listener].bound.port;
    flow.advertised =
        network_advertise(&signalling->network, event->listener, &called, &event->peer);
    return flow;
}

static void signalling_closed(struct signalling *signalling, struct tick now,
                              const struct io_tcp_event *event)
{
    struct sip_flow flow = signalling_tcp_flow(signalling, event);
    for (size_t i = 0; i < SIGNALLING_CONNECTING_MAX; i++) {
        if (signalling->connecting[i].flow == event->flow) {
            signalling->connecting[i].flow = 0;
            sip_flow_closed(signalling->sip, now, &signalling->connecting[i].asked);
        }
    }
    sip_flow_closed(signalling->sip, now, &flow);
    LOG_DEBUG("sip", VIEW_NONE, "connection closed peer=%s reason=%d error=%d",
              addr_print(&event->peer).s, (int)event->reason, event->error);
}

static void signalling_streams(struct signalling *signalling)
{
    struct io_tcp_event event;
    struct tick now = io_clock_tick();
    while (io_tcp_event(signalling->tcp, now, &event)) {
        struct sip_flow flow = signalling_tcp_flow(signalling, &event);
        switch (event.what) {
        case IO_TCP_OPENED:
            for (size_t i = 0; i < SIGNALLING_CONNECTING_MAX; i++) {
                if (signalling->connecting[i].flow == event.flow)
                    signalling->connecting[i].flow = 0;
            }
            break;
        case IO_TCP_BYTES:
            sip_input_stream(signalling->sip, now, &flow, event.bytes);
            break;
        case IO_TCP_CLOSED:
            signalling_closed(signalling, now, &event);
            break;
        }
        signalling_pump(signalling);
    }
    metric_set(METRIC_SIP_CONNECTIONS, (int64_t)io_tcp_connections(signalling->tcp));
}

static void signalling_reload(struct signalling *signalling, struct signalling_settings *settings)
{
    struct values_listeners listeners = signalling->network.listeners;
    recorder_configure(signalling->recorder, &settings->recorder);
    signalling->network = settings->network;
    signalling->network.listeners = listeners; /* bound once, at start */
    free(settings);
}

static void signalling_drain(struct signalling *signalling)
{
    if (!signalling->draining)
        LOG_INFO("siprecd", VIEW_NONE, "draining calls=%u",
                 recorder_usage(signalling->recorder).recordings);
    signalling->draining = true;
    recorder_refuse(signalling->recorder, RECORDER_DRAINING, true);
    signalling->health_at = (struct tick){0};
}

static void signalling_take_one(struct signalling *signalling, struct signalling_mail *mail)
{
    struct recorder_now now = signalling_now();
    bool none = true;
    switch (mail->kind) {
    case SIGNALLING_TICKET:
        recorder_ticket(signalling->recorder, now, &mail->ticket);
        break;
    case SIGNALLING_MEDIA:
        recorder_media(signalling->recorder, now, mail->worker, &mail->event);
        break;
    case SIGNALLING_PORTS:
        signalling->ports_gone[mail->worker] = mail->on;
        for (size_t i = 0; i < signalling->config.workers_count; i++)
            none = none && signalling->ports_gone[i];
        recorder_refuse(signalling->recorder, RECORDER_NO_PORTS, none);
        break;
    case SIGNALLING_DISK_FULL:
        keeper_disk_full(signalling->config.keeper, mail->on);
        signalling->disk_full = mail->on;
        recorder_refuse(signalling->recorder, RECORDER_DISK_FULL, mail->on);
        break;
    case SIGNALLING_RELOAD:
        signalling_reload(signalling, mail->settings);
        break;
    case SIGNALLING_DRAIN:
        signalling_drain(signalling);
        break;
    case SIGNALLING_HANG_UP:
        signalling_drain(signalling);
        recorder_hang_up(signalling->recorder, now);
        break;
    case SIGNALLING_STOP:
        signalling->stopping = true;
        break;
    }
    signalling_pump(signalling);
}

static void signalling_take_mail(struct signalling *signalling)
{
    struct signalling_mail mail;
    while (io_mailbox_take(signalling->config.mailbox, &mail))
        signalling_take_one(signalling, &mail);
}

static void signalling_board(struct signalling *signalling)
{
    unsigned wants = api_board_take(signalling->config.board);
    if ((wants & API_WANT_DRAIN) != 0)
        signalling_drain(signalling);
    if ((wants & API_WANT_SESSIONS) != 0) {
        char *sessions = recorder_sessions(signalling->recorder);
        if (sessions &&
            api_board_publish_sessions(signalling->config.board, view_of_string(sessions)) != 0)
            LOG_WARN("api", VIEW_NONE, "sessions not published");
        free(sessions);
    }
}

static void signalling_health(struct signalling *signalling, struct tick now)
{
    struct recorder_usage usage = recorder_usage(signalling->recorder);
    struct api_health health = {.answering = true,
                                .draining = signalling->draining,
                                .full = usage.recordings >=
                                        signalling->config.settings.recorder.recordings,
                                .disk_full = signalling->disk_full,
                                .sessions = usage.recordings,
                                .streams = usage.streams};
    bool none = signalling->config.workers_count > 0;
    for (size_t i = 0; i < signalling->config.workers_count; i++)
        none = none && signalling->ports_gone[i];
    health.full = health.full || none;
    api_board_set_health(signalling->config.board, &health);
    metric_set(METRIC_SIP_DIALOGS, sip_dialog_count(signalling->sip));
    signalling->health_at = tick_add_ms(now, SIGNALLING_HEALTH_MS);
    atomic_store(&signalling->calls, usage.recordings);
    if (signalling->draining && usage.recordings == 0 && sip_dialog_count(signalling->sip) == 0)
        atomic_store(&signalling->over, true);
}

/* ---- the loop ------------------------------------------------------------------------------- */

static void signalling_handle(struct signalling *signalling, const struct io_ready *ready)
{
    switch (ready->token >> 56) {
    case TOKEN_UDP:
        signalling_receive(signalling, (uint32_t)ready->token);
        break;
    case TOKEN_TCP:
        io_tcp_ready(signalling->tcp, io_clock_tick(), ready);
        break;
    case TOKEN_BOARD:
        signalling_board(signalling);
        break;
    default: /* the mailbox: looked into on every round */
        break;
    }
}

static struct tick signalling_deadline(const struct signalling *signalling)
{
    struct tick deadline =
        tick_min(sip_deadline(signalling->sip), recorder_deadline(signalling->recorder));
    deadline = tick_min(deadline, io_tcp_deadline(signalling->tcp));
    deadline = tick_min(deadline, signalling->health_at);
    for (size_t i = 0; i < signalling->config.workers_count; i++) {
        if (outbox_waits(signalling->outboxes[i]))
            deadline = tick_min(deadline, tick_add_ms(io_clock_tick(), SIGNALLING_RETRY_MS));
    }
    return deadline;
}

static void signalling_expire(struct signalling *signalling)
{
    struct recorder_now now = signalling_now();
    if (tick_due(sip_deadline(signalling->sip), now.tick)) {
        sip_expire(signalling->sip, now.tick);
        signalling_pump(signalling);
    }
    if (tick_due(recorder_deadline(signalling->recorder), now.tick)) {
        recorder_expire(signalling->recorder, now);
        signalling_pump(signalling);
    }
    io_tcp_expire(signalling->tcp, now.tick);
    for (size_t i = 0; i < signalling->config.workers_count; i++)
        outbox_retry(signalling->outboxes[i]);
    if (tick_due(signalling->health_at, now.tick) || signalling->draining)
        signalling_health(signalling, now.tick);
}

static void *signalling_run(void *argument)
{
    struct signalling *signalling = argument;
    struct io_ready ready[SIGNALLING_READY_MAX];
    (void)pthread_setname_np(pthread_self(), "signalling");
    while (!signalling->stopping) {
        size_t count = 0;
        if (io_mailbox_sleep(signalling->config.mailbox)) {
            count = io_loop_wait(signalling->loop, signalling_deadline(signalling), ready,
                                 SIGNALLING_READY_MAX);
            io_mailbox_awake(signalling->config.mailbox);
        }
        /* Tickets first: the calls that wait in the sockets want them. */
        signalling_take_mail(signalling);
        for (size_t i = 0; i < count; i++)
            signalling_handle(signalling, &ready[i]);
        signalling_streams(signalling);
        signalling_expire(signalling);
    }
    atomic_store(&signalling->over, true);
    return NULL;
}

/* ---- life ----------------------------------------------------------------------------------- */

static int signalling_listen_udp(struct signalling *signalling, uint32_t number)
{
    const struct values_listener *wanted = &signalling->network.listeners.list[number];
    struct signalling_listener *listener = &signalling->listeners[number];
    struct io_udp_options options = {.receive_buffer = SIGNALLING_RECEIVE_BUFFER,
                                     .want_local = addr_is_unspecified(&wanted->bind)};
    listener->fd = io_udp_open(&wanted->bind, &options, &listener->bound);
    if (listener->fd < 0)
        return errno;
    LOG_INFO("sip", VIEW_NONE, "receive buffer listener=%s asked=%d got=%d",
             addr_print(&listener->bound).s, SIGNALLING_RECEIVE_BUFFER,
             io_udp_receive_buffer(listener->fd));
    return io_loop_add(signalling->loop, listener->fd, IO_READ, (uint64_t)TOKEN_UDP << 56 | number);
}

static bool signalling_listen(struct signalling *signalling, char *error, size_t error_size)
{
    const struct values_listeners *wanted = &signalling->network.listeners;
    for (uint32_t i = 0; i < wanted->count; i++) {
        int failed = wanted->list[i].tcp ? io_tcp_listen(signalling->tcp, &wanted->list[i].bind, i,
                                                         &signalling->listeners[i].bound)
                                         : signalling_listen_udp(signalling, i);
        if (failed != 0) {
            snprintf(error, error_size, "cannot listen on %s:%s: %s",
                     wanted->list[i].tcp ? "tcp" : "udp", addr_print(&wanted->list[i].bind).s,
                     strerror(failed));
            return false;
        }
    }
    return true;
}

static bool signalling_make_engines(struct signalling *signalling)
{
    struct sip_config sip = {.dialogs_max = signalling->config.settings.recorder.recordings + 64,
                             .connections_max = SIGNALLING_CONNECTIONS_MAX,
                             .force_rport = signalling->config.force_rport,
                             .product = VIEW("siprecd/" SIPRECD_VERSION),
                             .contact_user = VIEW("siprecd"),
                             .contact_params = VIEW(";+sip.srs"),
                             .session_expires_s = 1800};
    struct io_tcp_limits limits = {.connections_max = SIGNALLING_CONNECTIONS_MAX,
                                   .connections_per_peer_max = SIGNALLING_CONNECTIONS_PER_PEER,
                                   .listeners_max = VALUES_LISTENERS_MAX,
                                   .unsent_bytes_max = SIGNALLING_UNSENT_MAX,
                                   .first_bytes_ns = 30 * NS_PER_S,
                                   /* Calls last for hours without a message, and the dialog must
                                      stay reachable; keepalive finds dead peers. */
                                   .idle_ns = 24 * 3600 * NS_PER_S,
                                   .unsent_ns = 32 * NS_PER_S,
                                   .connect_ns = 10 * NS_PER_S};
    uint8_t seed[32];
    io_clock_seed(sip.seed, sizeof sip.seed);
    io_clock_seed(seed, sizeof seed);
    signalling->loop = io_loop_create();
    signalling->batch = io_batch_create(SIGNALLING_BATCH);
    signalling->sip = sip_create(&sip);
    if (!signalling->loop || !signalling->batch || !signalling->sip)
        return false;
    signalling->tcp = io_tcp_create(signalling->loop, TOKEN_TCP, &limits);
    signalling->recorder =
        recorder_create(&signalling->config.settings.recorder, signalling->sip, seed);
    if (!signalling->tcp || !signalling->recorder)
        return false;
    for (size_t i = 0; i < signalling->config.workers_count; i++) {
        signalling->outboxes[i] = outbox_create(worker_mailbox(signalling->config.workers[i]));
        if (!signalling->outboxes[i])
            return false;
    }
    return io_loop_add(signalling->loop, io_mailbox_fd(signalling->config.mailbox), IO_READ,
                       (uint64_t)TOKEN_MAILBOX << 56) == 0 &&
           io_loop_add(signalling->loop, api_board_fd(signalling->config.board), IO_READ,
                       (uint64_t)TOKEN_BOARD << 56) == 0;
}

struct signalling *signalling_create(const struct signalling_config *config, char *error,
                                     size_t error_size)
{
    struct signalling *signalling = calloc(1, sizeof *signalling);
    snprintf(error, error_size, "out of memory or descriptors");
    if (!signalling)
        return NULL;
    signalling->config = *config;
    signalling->network = config->settings.network;
    for (size_t i = 0; i < VALUES_LISTENERS_MAX; i++)
        signalling->listeners[i].fd = -1;
    if (!signalling_make_engines(signalling) || !signalling_listen(signalling, error, error_size)) {
        signalling_destroy(signalling);
        return NULL;
    }
    return signalling;
}

struct addr signalling_bound(const struct signalling *signalling, size_t index)
{
    return signalling->listeners[index].bound;
}

int signalling_start(struct signalling *signalling)
{
    int error = pthread_create(&signalling->thread, NULL, signalling_run, signalling);
    signalling->started = error == 0;
    return error;
}

bool signalling_is_over(const struct signalling *signalling)
{
    return atomic_load(&signalling->over);
}

uint32_t signalling_calls(const struct signalling *signalling)
{
    return atomic_load(&signalling->calls);
}

bool signalling_tell(struct signalling *signalling, enum signalling_mail_kind kind, bool on)
{
    struct signalling_mail mail = {.kind = kind, .on = on};
    return io_mailbox_post(signalling->config.mailbox, &mail);
}

void signalling_destroy(struct signalling *signalling)
{
    if (!signalling)
        return;
    if (signalling->started) {
        while (!signalling_tell(signalling, SIGNALLING_STOP, false))
            usleep(1000);
        pthread_join(signalling->thread, NULL);
    }
    recorder_destroy(signalling->recorder);
    sip_destroy(signalling->sip);
    io_tcp_destroy(signalling->tcp);
    for (size_t i = 0; i < VALUES_LISTENERS_MAX; i++) {
        if (signalling->listeners[i].fd >= 0)
            close(signalling->listeners[i].fd);
    }
    for (size_t i = 0; i < signalling->config.workers_count; i++)
        outbox_destroy(signalling->outboxes[i]);
    io_batch_destroy(signalling->batch);
    io_loop_destroy(signalling->loop);
    free(signalling);
}
