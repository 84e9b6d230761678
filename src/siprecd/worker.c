/* worker: one media worker: a thread that owns media ports, sweeps them, feeds media and writes the
 * journals.
 * Not here: what a packet means (media), the ports themselves (stock.h).
 * RFC: none. */
#include "siprecd/worker.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/metrics.h"
#include "io/batch.h"
#include "io/clock.h"
#include "io/file.h"
#include "io/loop.h"
#include "io/sweep.h"
#include "io/udp.h"
#include "siprecd/relays.h"
#include "siprecd/shared.h"
#include "siprecd/stock.h"

enum {
    WORKER_MAILS = 1024, /* what does not fit waits in signalling: outbox.h */
    WORKER_BATCH = 64,   /* small enough to stay in the processor's first cache */
    WORKER_READY_MAX = 64,
    WORKER_TAG_SHARED = 2,
    WORKER_SHARED_FEW = 1024,
    WORKER_TAG_RELAYS = 1, /* of the loop's tokens; 0: the mailbox */
    /* Allocations that wait for calls, too. What a worker cannot relay goes another way. */
    WORKER_RELAYS_MAX = 2048,
    WORKER_GOODBYE_MS = 300, /* for TURN servers to hear that we need nothing any more */
    /* Few streams: soon on disk costs little. Many: a system call for five packets of a stream
     * costs what one for a single packet does. Either is well below the 180 ms that a killed
     * process may cost. None: only stray packets come. */
    WORKER_FEW_STREAMS = 100,
    WORKER_TICK_FEW_MS = 20,
    WORKER_TICK_MANY_MS = 100,
    WORKER_TICK_IDLE_MS = 500,
    WORKER_SILENT_AFTER_MS = 5000,
    WORKER_LINGER_MS = 200,
    WORKER_LINGER_MAX_MS = 2000,
    WORKER_APART_MAX = 64 * 1024,
    WORKER_LATER_FEW = 16,
};

struct worker_file {
    int fd; /* -1: none */
    int64_t size;
};

/* What mail asks for that may close sockets: nothing may, in the middle of a sweep. */
struct worker_later {
    enum { WORKER_LATER_PERMIT, WORKER_LATER_RETURN, WORKER_LATER_KNOW } kind;
    union {
        struct media_way way;
        struct media_port port;
    };
};

struct worker {
    struct worker_config config;
    pthread_t thread;
    struct io_mailbox *mailbox;
    struct io_loop *loop;
    struct io_sweep *sweep;
    struct io_batch *batch;
    struct media *media;
    struct stock *stock;
    struct relays *relays;
    struct shared *shared;
    struct datagram unwrapped[WORKER_BATCH];
    uint32_t change[2];             /* of our addresses: IPv4, IPv6 */
    struct worker_network *network; /* as signalling said last; NULL: nothing yet */
    struct worker_file *files;      /* by slot */
    struct worker_later *later;
    size_t later_count, later_room;
    struct tick sweep_at;
    bool stopping;
    bool has_held_event; /* the signalling mailbox was full */
    struct media_event held_event;
    bool has_held_news;
    struct media_port_news held_news;
    struct log_limit write_limit, send_limit;
};

/* ---- journals ------------------------------------------------------------------------------- */

static int worker_open(struct worker *worker, const struct media_write *write)
{
    struct worker_file *file = &worker->files[write->slot];
    char path[PATH_MAX];
    int len = snprintf(path, sizeof path, "%s/%s", worker->config.root, write->directory);
    int error;
    assert(file->fd < 0);
    if (len < 0 || (size_t)len + sizeof("/journal.pcapng") > sizeof path)
        return ENAMETOOLONG;
    error = io_file_make_directory(path);
    if (error != 0)
        return error;
    memcpy(path + len, "/journal.pcapng", sizeof("/journal.pcapng"));
    file->size = 0;
    file->fd = io_file_create(path);
    return file->fd >= 0 ? 0 : errno;
}

static void worker_close(struct worker *worker, uint32_t slot)
{
    if (worker->files[slot].fd >= 0) {
        close(worker->files[slot].fd);
        worker->files[slot].fd = -1;
    }
}

static void worker_write_failed(struct worker *worker, const struct media_write *write, int error)
{
    struct signalling_mail mail = {
        .kind = SIGNALLING_DISK_FULL, .worker = worker->config.index, .on = true};
    uint64_t held_back;

    metric_add(METRIC_JOURNAL_WRITE_ERRORS, 1);
    if (log_limit_pass(&worker->write_limit, io_clock_tick(), 1000, &held_back))
        LOG_ERROR("disk", VIEW_NONE, "journal not written directory=%s error=\"%s\" held_back=%llu",
                  write->directory, strerror(error), (unsigned long long)held_back);
    /* Told at once: the next look at the disk's room may be a second away. Full mailbox: that look
     * will do. */
    if ((error == ENOSPC || error == EDQUOT) && !io_mailbox_post(worker->config.signalling, &mail))
        LOG_WARN("disk", VIEW_NONE, "signalling is behind");
    media_write_failed(worker->media, write->recording, error);
}

static void worker_write(struct worker *worker)
{
    struct media_write write;
    while (media_write(worker->media, &write)) {
        struct worker_file *file = &worker->files[write.slot];
        bool last = write.last;
        uint32_t slot = write.slot;
        int error = 0;
        if (write.first)
            error = worker_open(worker, &write);
        if (error == 0 && write.bytes.len > 0 && file->fd >= 0) {
            struct iovec piece = {.iov_base = (void *)(uintptr_t)write.bytes.at,
                                  .iov_len = write.bytes.len};
            error = io_file_append(file->fd, &piece, 1, &file->size);
            if (error == 0) {
                metric_add(METRIC_JOURNAL_BYTES_WRITTEN, (int64_t)write.bytes.len);
                atomic_fetch_add_explicit(worker->config.written, write.bytes.len,
                                          memory_order_relaxed);
            }
        }
        if (error != 0)
            worker_write_failed(worker, &write, error);
        if (last || error != 0)
            worker_close(worker, slot);
    }
}

/* ---- what media wants ----------------------------------------------------------------------- */

/* What does not leave is a report or a keepalive: the next one makes up for it. That it does not may
 * be the first sign of a network that is gone. */
static void worker_send_raw(struct worker *worker, struct tick now,
                            const struct media_packet *packet)
{
    uint64_t held_back;
    int fd = stock_fd(worker->stock, packet->socket);
    if (fd < 0)
        return;
    int error = io_udp_send_near(fd, &packet->from, &packet->to, packet->bytes, packet->hops);
    /* The answer to an earlier packet takes this one's place. */
    if (error == ECONNREFUSED)
        error = io_udp_send(fd, &packet->from, &packet->to, packet->bytes);
    if (error == 0)
        return;
    metric_add(METRIC_MEDIA_SEND_ERRORS, 1);
    if (log_limit_pass(&worker->send_limit, now, 10000, &held_back))
        LOG_WARN("media", VIEW_NONE, "packet not sent to=%s error=\"%s\" held_back=%llu",
                 addr_print(&packet->to).s, strerror(error), (unsigned long long)held_back);
}

static void worker_send(struct worker *worker, struct tick now)
{
    struct media_packet packet;
    while (media_output(worker->media, now, &packet)) {
        if (MEDIA_SOCKET_IS_RELAY(packet.socket)) {
            (void)relays_send(worker->relays, now, MEDIA_RELAY_SLOT(packet.socket), &packet.to,
                              packet.bytes);
            continue;
        }
        if (MEDIA_SOCKET_SHARED(packet.socket)) {
            shared_send(worker->shared, now, &packet);
            continue;
        }
        worker_send_raw(worker, now, &packet);
    }
}

static void worker_tell(struct worker *worker)
{
    struct signalling_mail mail = {.kind = SIGNALLING_MEDIA, .worker = worker->config.index};
    for (;;) {
        if (!worker->has_held_event && !media_event(worker->media, &worker->held_event))
            return;
        mail.event = worker->held_event;
        worker->has_held_event = !io_mailbox_post(worker->config.signalling, &mail);
        if (worker->has_held_event)
            return; /* the next sweep tries again */
    }
}

/* Tickets brought up to date. What does not fit into the mailbox waits for the next turn. */
static void worker_tell_seen(struct worker *worker, struct tick now)
{
    for (;;) {
        if (!worker->has_held_news && !media_seen(worker->media, now, &worker->held_news))
            return;
        worker->has_held_news = !stock_tell(worker->stock, now, &worker->held_news);
        if (worker->has_held_news)
            return;
    }
}

static void worker_give_back(struct worker *worker, struct tick now)
{
    struct media_port port;
    while (media_release(worker->media, &port))
        stock_return(worker->stock, now, port.port, port.generation);
}

/* Journals before events: MEDIA_EVENT_CLOSED says that the journal is complete. */
static void worker_drain(struct worker *worker, struct tick now)
{
    worker_write(worker);
    worker_send(worker, now);
    worker_tell(worker);
    worker_tell_seen(worker, now);
    worker_give_back(worker, now);
}

/* ---- what signalling knows ------------------------------------------------------------------ */

/* An address was there and is another one now. */
static bool worker_moved(const struct addr *local_before, const struct addr *local,
                         const struct addr *external_before, const struct addr *external)
{
    return (addr_is_set(local_before) && !addr_equal_ip(local_before, local)) ||
           (addr_is_set(external_before) && !addr_equal_ip(external_before, external));
}

/* What signalling knows of the network, for those here whom it concerns. */
static void worker_know(struct worker *worker, struct tick now, struct worker_network *network)
{
    const struct worker_network *before = worker->network;
    struct media_network media = {.keep_mappings = network->keep_mappings,
                                  .unmapped = network->unmapped};
    _Static_assert(sizeof media.servers == sizeof network->stun, "copied whole");
    memcpy(media.servers, network->stun, sizeof media.servers);
    for (size_t i = 0; i < 2; i++) {
        media.behaviour[i] = network->behaviour[i];
        media.source[i] = network->source[i];
        worker->change[i] += before && network->change != before->change &&
                             worker_moved(&before->local[i], &network->local[i],
                                          &before->external[i], &network->external[i]);
        media.change[i] = worker->change[i];
    }
    media_know(worker->media, now, &media);
    stock_keep(worker->stock, network->keep_mappings);
    free(worker->network);
    worker->network = network;
}

/* The ports and the relays of a stream, before media hears of it. A port may have been closed while
 * the command was on its way: the stream is without it then, until recorder has offered another. */
static void worker_lend(struct worker *worker, struct tick now, struct media_stream_facts *facts)
{
    const struct media_way_relay *relays[] = {&facts->way.relay, &facts->way.relay_rtcp};
    struct media_second *second = &facts->second;
    if (MEDIA_IS_PORT(facts->port) &&
        !stock_lend(worker->stock, now, facts->port, facts->generation))
        facts->port = MEDIA_PORT_CLOSED;
    if (second->held && MEDIA_IS_PORT(second->port))
        second->held = stock_lend(worker->stock, now, second->port, second->generation);
    for (size_t i = 0; i < 2; i++) {
        if (relays[i]->held)
            relays_lend(worker->relays, now, relays[i]->slot, relays[i]->generation,
                        relays[i]->src);
    }
}

static void worker_permit(struct worker *worker, struct tick now, const struct media_way *way)
{
    const struct media_way_relay *relays[] = {&way->relay, &way->relay_rtcp};
    for (size_t i = 0; i < 2; i++) {
        struct media_relay_want permit = {.kind = MEDIA_RELAY_PERMIT,
                                          .slot = relays[i]->slot,
                                          .generation = relays[i]->generation,
                                          .count = way->permitted_count};
        if (!relays[i]->held)
            continue;
        memcpy(permit.peers, way->permitted, sizeof permit.peers);
        relays_want(worker->relays, now, &permit);
    }
}

/* ---- mail ----------------------------------------------------------------------------------- */

/* Room for one more; false: the mail stays where it is. */
static bool worker_may_put_off(struct worker *worker)
{
    size_t room = worker->later_room ? worker->later_room * 2 : WORKER_LATER_FEW;
    struct worker_later *later;
    if (worker->later_count < worker->later_room)
        return true;
    later = realloc(worker->later, room * sizeof *later);
    if (!later)
        return false;
    worker->later = later;
    worker->later_room = room;
    return true;
}

static void worker_put_off(struct worker *worker, const struct worker_later *later)
{
    worker->later[worker->later_count++] = *later;
}

static void worker_take_command(struct worker *worker, struct tick now,
                                struct media_command *command)
{
    if (command->kind == MEDIA_STREAM) {
        const struct media_way *way = &command->stream.way;
        worker_lend(worker, now, &command->stream);
        if (way->relay.held || way->relay_rtcp.held)
            worker_put_off(worker,
                           &(struct worker_later){.kind = WORKER_LATER_PERMIT, .way = *way});
    }
    media_command(worker->media, now, command);
}

/* All but what may close sockets. */
static void worker_take_mail(struct worker *worker, struct tick now)
{
    struct worker_mail mail;
    while (worker_may_put_off(worker) && io_mailbox_take(worker->mailbox, &mail)) {
        switch (mail.kind) {
        case WORKER_COMMAND:
            worker_take_command(worker, now, &mail.command);
            break;
        case WORKER_TICKET_BACK:
            worker_put_off(
                worker, &(struct worker_later){.kind = WORKER_LATER_RETURN,
                                               .port = {mail.ticket.port, mail.ticket.generation}});
            break;
        case WORKER_RELAY_BACK:
            relays_unused(worker->relays, now, mail.relay.slot, mail.relay.generation);
            break;
        case WORKER_NETWORK:
            worker_know(worker, now, mail.network);
            worker_put_off(worker, &(struct worker_later){.kind = WORKER_LATER_KNOW});
            break;
        case WORKER_STOP:
            worker->stopping = true;
            break;
        }
    }
}

/* Never within a sweep. */
static void worker_make_up(struct worker *worker, struct tick now)
{
    for (size_t i = 0; i < worker->later_count; i++) {
        const struct worker_later *later = &worker->later[i];
        switch (later->kind) {
        case WORKER_LATER_PERMIT:
            worker_permit(worker, now, &later->way);
            break;
        case WORKER_LATER_RETURN:
            stock_return(worker->stock, now, later->port.port, later->port.generation);
            break;
        case WORKER_LATER_KNOW:
            relays_know(worker->relays, now, worker->network);
            stock_look(worker->stock, now);
            break;
        }
    }
    worker->later_count = 0;
}

/* ---- what comes in -------------------------------------------------------------------------- */

/* Mail first: a stream was posted here before its SRC could know where to send, so what has arrived
 * for it finds it, however long ago this turn began. */
static void worker_feed(struct worker *worker, struct tick now, const struct datagram *datagrams,
                        size_t count)
{
    size_t done = 0;
    bool was_full = false;
    worker_take_mail(worker, now);
    while (done < count) {
        size_t took = media_input(worker->media, now, datagrams + done, count - done);
        done += took;
        /* Twice nothing: it was not a journal's buffer, which has been written, but signalling that
         * is behind by more events than media holds. */
        if (took == 0 && was_full && worker->has_held_event)
            break;
        was_full = took == 0;
        if (done < count) {
            worker_write(worker);
            worker_tell(worker);
        }
    }
}

/* Sockets come one after the other: looking at some datagrams would miss those of others. */
static bool worker_has_relayed(const struct worker *worker, const struct datagram *datagrams,
                               size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (relays_owns(worker->relays, datagrams[i].socket))
            return true;
    }
    return false;
}

static void worker_sweep_shared(struct worker *worker, struct tick now)
{
    const struct datagram *datagrams;
    size_t count;
    shared_sweep(worker->shared, media_is_hurried(worker->media));
    while ((count = shared_receive(worker->shared, now, worker->batch, &datagrams)) > 0)
        worker_feed(worker, now, datagrams, count);
    shared_expire(worker->shared, now, worker->media);
}

/* What the relays' connections brought: those that the loop told of, or all. */
static void worker_hear_relays(struct worker *worker, struct tick now, bool all)
{
    size_t count;
    if (all)
        relays_sweep(worker->relays, stock_lent(worker->stock) > 0);
    while ((count = relays_streams(worker->relays, now, worker->unwrapped, WORKER_BATCH)) > 0)
        worker_feed(worker, now, worker->unwrapped, count);
}

/* Returns when: later than the turn's own time, by which commands were taken. */
static struct tick worker_sweep(struct worker *worker)
{
    struct moment moment = io_clock_moment();
    struct tick now = moment.tick;
    media_clock(worker->media, &moment);
    io_sweep_begin(worker->sweep);
    while (io_sweep_next(worker->sweep, worker->batch)) {
        size_t count;
        const struct datagram *datagrams = io_batch_at(worker->batch, &count);
        stock_count_drops(worker->stock, datagrams, count);
        if (worker_has_relayed(worker, datagrams, count)) {
            count = relays_unwrap(worker->relays, now, datagrams, count, worker->unwrapped);
            datagrams = worker->unwrapped;
        }
        worker_feed(worker, now, datagrams, count);
    }
    worker_sweep_shared(worker, now);
    worker_hear_relays(worker, now, true);
    worker_make_up(worker, now);
    return now;
}

/* Relays: what their connections brought, what is due, and what streams hear of it. With mail (a stream that is paused)
 * all are looked at: of what came before it nothing shall be dated later. */
static void worker_relay(struct worker *worker, struct tick now, bool has_mail)
{
    struct media_relay_event event;
    struct media_relay_want want;
    worker_hear_relays(worker, now, has_mail);
    worker_make_up(worker, now);
    while (media_relay_want(worker->media, &want))
        relays_want(worker->relays, now, &want);
    relays_expire(worker->relays, now);
    while (relays_event(worker->relays, &event))
        media_relay_event(worker->media, now, &event);
}

/* ---- turns ---------------------------------------------------------------------------------- */

static int64_t worker_tick_ms(const struct worker *worker)
{
    size_t lent = stock_lent(worker->stock);
    /* A peer of ICE's waits for the answer to its check; we, for a STUN server's. */
    return media_is_hurried(worker->media) || relays_is_waiting(worker->relays, worker->sweep_at) ||
                   (worker->config.mux_port && worker->config.index == 0)
               ? WORKER_TICK_FEW_MS
           : lent == 0                  ? WORKER_TICK_IDLE_MS
           : lent <= WORKER_FEW_STREAMS ? WORKER_TICK_FEW_MS
                                        : WORKER_TICK_MANY_MS;
}

/* Sleeps until mail comes or the next sweep or timer is due; true: mail came. */
static bool worker_sleep(struct worker *worker)
{
    struct io_ready ready[WORKER_READY_MAX];
    bool has_mail = false;
    struct tick until = worker->sweep_at;
    /* While packets come there is a sweep soon enough for any timer of media's; a wake-up for each
     * would double their number. */
    if (stock_lent(worker->stock) == 0)
        until = tick_min(until,
                         tick_min(media_deadline(worker->media), relays_deadline(worker->relays)));
    if (worker->has_held_event || worker->has_held_news)
        until = tick_min(until, tick_add_ms(io_clock_tick(), WORKER_TICK_FEW_MS));
    until = tick_min(until, stock_deadline(worker->stock));
    until = tick_min(until, shared_deadline(worker->shared));
    if (!io_mailbox_sleep(worker->mailbox))
        return true;
    size_t count = io_loop_wait(worker->loop, until, ready, WORKER_READY_MAX);
    struct tick now = io_clock_tick();
    io_mailbox_awake(worker->mailbox);
    for (size_t i = 0; i < count; i++) {
        if (ready[i].token >> 56 == WORKER_TAG_RELAYS)
            relays_ready(worker->relays, now, &ready[i]);
        else if (ready[i].token >> 56 == WORKER_TAG_SHARED) {
            shared_ready(worker->shared, now, &ready[i]);
            worker->sweep_at = now; /* or the loop would tell again and again */
        } else {
            has_mail = true;
        }
    }
    return has_mail;
}

/* Gives allocations back, so that their servers need not hold them for minutes. */
static void worker_say_goodbye(struct worker *worker)
{
    struct tick now = io_clock_tick(), end = tick_add_ms(now, WORKER_GOODBYE_MS);
    relays_drain(worker->relays, now);
    for (;;) {
        struct io_ready ready[WORKER_READY_MAX];
        size_t count;
        worker_relay(worker, now, false);
        if (relays_is_empty(worker->relays) || tick_due(end, now))
            return;
        count =
            io_loop_wait(worker->loop, tick_min(end, tick_add_ms(now, 5)), ready, WORKER_READY_MAX);
        now = io_clock_tick();
        for (size_t i = 0; i < count; i++) {
            if (ready[i].token >> 56 == WORKER_TAG_RELAYS)
                relays_ready(worker->relays, now, &ready[i]);
        }
        now = worker_sweep(worker);
    }
}

static void *worker_run(void *argument)
{
    struct worker *worker = argument;
    struct moment began = io_clock_moment(); /* mail is taken before the first sweep */
    struct tick now = began.tick;
    char name[16];
    snprintf(name, sizeof name, "media%u", worker->config.index);
    (void)pthread_setname_np(pthread_self(), name);
    media_clock(worker->media, &began);
    stock_look(worker->stock, now);
    stock_refill(worker->stock, now);
    worker->sweep_at = now;
    while (!worker->stopping) {
        size_t lent_before = stock_lent(worker->stock);
        bool has_mail = worker_sleep(worker);
        now = io_clock_tick();
        worker_take_mail(worker, now);
        worker_make_up(worker, now);
        /* The first call after quiet must not wait for the end of a long sleep. */
        if (lent_before == 0 && stock_lent(worker->stock) > 0)
            worker->sweep_at = tick_min(worker->sweep_at, tick_add_ms(now, WORKER_TICK_FEW_MS));
        /* Without lent ports sweeps are rare, and worker_sleep() does not wait for one. */
        bool ends = stock_lent(worker->stock) == 0 && media_is_ending(worker->media, now);
        bool sweeps = tick_due(worker->sweep_at, now) || worker->stopping || ends;
        if (sweeps) {
            now = worker_sweep(worker);
            worker->sweep_at = tick_add_ms(now, worker_tick_ms(worker));
        }
        /* A recording ends in a turn that has looked into its sockets. */
        if (tick_due(media_deadline(worker->media), now) &&
            (sweeps || !media_is_ending(worker->media, now)))
            media_expire(worker->media, now);
        if (has_mail && !sweeps)
            worker_sweep_shared(worker, now);
        worker_relay(worker, now, has_mail && !sweeps);
        worker_drain(worker, now);
        /* Answers come soon: a long sleep would be counted as their round trip. */
        if (media_is_hurried(worker->media) || relays_is_waiting(worker->relays, now))
            worker->sweep_at = tick_min(worker->sweep_at, tick_add_ms(now, WORKER_TICK_FEW_MS));
        stock_refill(worker->stock, now);
    }
    worker_say_goodbye(worker);
    return NULL;
}

/* ---- life ----------------------------------------------------------------------------------- */

/* The sockets that streams share, if any; media gets to know how many may. */
static bool worker_make_shared(struct worker *worker, struct media_config *media)
{
    const struct worker_config *config = &worker->config;
    struct shared_config shared = {.mux_port = config->index ? 0 : config->mux_port,
                                   .tcp_port = config->index ? 0 : config->tcp_port,
                                   .binds_count = config->binds_count,
                                   .loop = worker->loop,
                                   .tag = WORKER_TAG_SHARED};
    memcpy(shared.binds, config->binds, sizeof shared.binds);
    /* Without a port to share few have TCP connections of ours. */
    media->shared = shared.mux_port || shared.tcp_port || config->streams < WORKER_SHARED_FEW
                        ? config->streams
                        : WORKER_SHARED_FEW;
    worker->shared = worker->loop ? shared_create(&shared) : NULL;
    return worker->shared;
}

static bool worker_make_parts(struct worker *worker)
{
    const struct worker_config *config = &worker->config;
    struct media_config media = {.recordings = config->recordings,
                                 .streams = config->streams,
                                 .silent_after_ms = WORKER_SILENT_AFTER_MS,
                                 .linger_ms = WORKER_LINGER_MS,
                                 .linger_max_ms = WORKER_LINGER_MAX_MS,
                                 .apart_max = WORKER_APART_MAX,
                                 .workers = config->workers};
    struct stock_config stock = {.worker = config->index,
                                 .workers = config->workers,
                                 .port_min = config->port_min,
                                 .port_max = config->port_max,
                                 .binds_count = config->binds_count,
                                 .ready = config->ready,
                                 .streams = config->streams,
                                 .signalling = config->signalling};
    io_clock_seed(media.seed, sizeof media.seed);
    io_clock_seed(stock.seed, sizeof stock.seed);
    memcpy(stock.binds, config->binds, sizeof stock.binds);
    media.ports = stock_ports(&stock);
    worker->mailbox = io_mailbox_create(sizeof(struct worker_mail), WORKER_MAILS);
    worker->loop = io_loop_create();
    struct relays_config relays = {.worker = config->index,
                                   .slots = config->streams < WORKER_RELAYS_MAX ? config->streams
                                                                                : WORKER_RELAYS_MAX,
                                   .ready = config->ready,
                                   .binds_count = config->binds_count,
                                   .sweep_base = media.ports * 2,
                                   .tag = WORKER_TAG_RELAYS,
                                   .ca = config->tls_ca,
                                   .signalling = config->signalling};
    memcpy(relays.binds, config->binds, sizeof relays.binds);
    media.relays = relays.slots;
    worker->sweep = io_sweep_create((size_t)media.ports * 2 + relays.slots);
    worker->batch = io_batch_create(WORKER_BATCH);
    if (!worker_make_shared(worker, &media))
        return false;
    worker->media = media_create(&media);
    worker->files = calloc(config->recordings, sizeof *worker->files);
    if (!worker->mailbox || !worker->loop || !worker->sweep || worker->batch == NULL ||
        !worker->media || !worker->files)
        return false;
    for (size_t i = 0; i < config->recordings; i++)
        worker->files[i].fd = -1;
    stock.sweep = worker->sweep;
    stock.media = worker->media;
    worker->stock = stock_create(&stock);
    relays.sweep = worker->sweep;
    relays.loop = worker->loop;
    worker->relays = relays_create(&relays);
    return worker->stock && worker->relays &&
           io_loop_add(worker->loop, io_mailbox_fd(worker->mailbox), IO_READ, 0) == 0;
}

static void worker_free(struct worker *worker)
{
    struct worker_mail mail;
    while (worker->mailbox && io_mailbox_take(worker->mailbox, &mail)) {
        if (mail.kind == WORKER_COMMAND)
            media_command_finish(&mail.command);
        else if (mail.kind == WORKER_NETWORK)
            free(mail.network);
    }
    free(worker->network);
    free(worker->later);
    for (uint32_t i = 0; worker->files != NULL && i < worker->config.recordings; i++)
        worker_close(worker, i);
    free(worker->files);
    relays_destroy(worker->relays);
    shared_destroy(worker->shared);
    stock_destroy(worker->stock);
    media_destroy(worker->media);
    io_batch_destroy(worker->batch);
    io_sweep_destroy(worker->sweep);
    io_loop_destroy(worker->loop);
    io_mailbox_destroy(worker->mailbox);
    free(worker);
}

struct worker *worker_create(const struct worker_config *config)
{
    struct worker *worker = calloc(1, sizeof *worker);
    int error;
    if (!worker)
        return NULL;
    worker->config = *config;
    errno = 0;
    if (!worker_make_parts(worker)) {
        error = errno ? errno : ENOMEM;
        worker_free(worker);
        errno = error;
        return NULL;
    }
    error = pthread_create(&worker->thread, NULL, worker_run, worker);
    if (error != 0) {
        worker_free(worker);
        errno = error;
        return NULL;
    }
    return worker;
}

struct io_mailbox *worker_mailbox(struct worker *worker)
{
    return worker->mailbox;
}

void worker_destroy(struct worker *worker)
{
    if (!worker)
        return;
    pthread_join(worker->thread, NULL);
    worker_free(worker);
}
