/* stock: a worker's media ports: bound sockets held ready, lent to streams, resting.
 * Not here: which port numbers rest how long (io/ports.h), what arrives on them.
 * RFC 3550 section 11 (pairs of ports). */
#include "siprecd/stock.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/metrics.h"
#include "io/ports.h"
#include "io/udp.h"
#include "siprecd/kept.h"
#include "siprecd/mail.h"

enum {
    /* Enough for the calls that come while a worker is busy writing for some milliseconds. */
    STOCK_READY_MIN = 32,
    STOCK_READY_MAX = 512,
    /* Other programs may sit in our range; looking on for ever would stop the worker. */
    STOCK_BLOCKED_MAX = 64,
    STOCK_RETRY_MS = 500,
    STOCK_LOOK_ON_MS = 20, /* when others sat in all that were tried, and there are more */
    STOCK_TELL_MS = 20,    /* what signalling's mailbox had no room for */
    STOCK_SHRINK_MS = 10000,
    /* Two seconds of 64 kbit/s in the kernel's own accounting (about 750 bytes a packet), for when
     * the disk makes a worker wait. */
    STOCK_RECEIVE_BUFFER = 256 * 1024,
    /* The first packet that is believed is within: two seconds of an unknown sender's alone. */
    STOCK_TOLD_LOCAL = 128,
};

enum stock_state { STOCK_CLOSED, STOCK_READY, STOCK_LENT };

struct stock_port {
    enum stock_state state;
    uint32_t generation;
    uint8_t bind;
    bool kept;             /* media keeps its address outside */
    struct tick kept_from; /* that began; ns 0: and it is known */
    uint8_t told_local;    /* how many more packets of its RTP say which address they came to */
    int fd[2];             /* RTP, RTCP */
    struct addr bound[2];
    uint32_t dropped[2];
};

struct stock_bind {
    struct addr address;
    struct io_ports *ports;
    size_t ready;  /* tickets out that no stream has taken */
    size_t target; /* of ready */
    size_t taken;  /* since the last refill */
    size_t kept;   /* of ready */
    bool gone;     /* this host has not got the address (any more) */
    struct kept demand;
};

struct stock {
    struct stock_config config;
    uint32_t ports_count;
    struct stock_port *ports;
    uint32_t *free_ids;
    size_t free_count;
    struct stock_bind binds[VALUES_ADDRESSES_MAX];
    size_t lent;
    bool exhausted[2]; /* IPv4, IPv6; and signalling knows */
    bool blocked;      /* the last refill ended at ports that others hold: there may be more */
    bool buffer_said;
    bool keep;       /* a NAT is on the way: addresses outside are worth keeping */
    uint32_t cursor; /* where the search for ports to keep goes on */
    struct tick retry_at;
    struct tick shrink_at;
    struct recorder_port *untold; /* closed, and signalling does not know yet */
    size_t untold_count, untold_room;
    struct tick tell_at;
    struct tick look_at; /* whether an address that went is back; TICK_NEVER: all are here */
    struct log_limit open_limit;
};

uint32_t stock_ports(const struct stock_config *config)
{
    uint32_t pairs = (uint32_t)(config->port_max - config->port_min + 1) / 2;
    uint64_t all = (uint64_t)pairs * config->binds_count;
    /* With ICE a stream may have one of each family. */
    uint64_t most = 2 * (uint64_t)config->streams + (uint64_t)STOCK_READY_MAX * config->binds_count;
    return (uint32_t)(all < most ? all : most) + 1;
}

struct stock *stock_create(const struct stock_config *config)
{
    struct stock *stock = calloc(1, sizeof *stock);
    struct io_ports_range range = {.min = config->port_min,
                                   .max = config->port_max,
                                   .share = config->worker,
                                   .shares = config->workers};
    struct rng rng;
    if (!stock)
        return NULL;
    rng_init(&rng, config->seed);
    stock->config = *config;
    stock->ports_count = stock_ports(config);
    stock->ports = calloc(stock->ports_count, sizeof *stock->ports);
    stock->free_ids = calloc(stock->ports_count, sizeof *stock->free_ids);
    stock->retry_at = TICK_NEVER;
    stock->shrink_at = TICK_NEVER;
    stock->tell_at = TICK_NEVER;
    stock->look_at = TICK_NEVER;
    if (!stock->ports || !stock->free_ids)
        goto fail;
    while (stock->free_count < stock->ports_count) {
        stock->free_ids[stock->free_count] = (uint32_t)stock->free_count;
        stock->free_count++;
    }
    for (size_t i = 0; i < config->binds_count; i++) {
        struct stock_bind *bind = &stock->binds[i];
        bind->address = config->binds[i];
        bind->target = config->ready == VALUES_AUTO ? STOCK_READY_MIN : (size_t)config->ready;
        kept_init(&bind->demand, (struct tick){0},
                  config->ready == VALUES_AUTO ? 0 : (uint32_t)config->ready);
        bind->ports = io_ports_create(&range, &rng);
        if (!bind->ports)
            goto fail;
        LOG_INFO("media", VIEW_NONE, "media ports worker=%u address=%s pairs=%zu", config->worker,
                 addr_print_ip(&bind->address).s, io_ports_total(bind->ports));
    }
    return stock;
fail:
    stock_destroy(stock);
    return NULL;
}

static bool stock_post_closed(const struct stock *stock, const struct recorder_port *port)
{
    struct signalling_mail mail = {
        .kind = SIGNALLING_PORT_CLOSED, .worker = stock->config.worker, .port = *port};
    return io_mailbox_post(stock->config.signalling, &mail);
}

/* Its ticket is worth nothing any more, and what the gateway maps to it is wanted no longer. */
static void stock_tell_closed(struct stock *stock, struct tick now, uint32_t id,
                              uint32_t generation)
{
    struct recorder_port port = {stock->config.worker, id, generation};
    if (stock->untold_count == 0 && stock_post_closed(stock, &port))
        return;
    if (stock->untold_count == stock->untold_room) {
        size_t room = stock->untold_room ? stock->untold_room * 2 : STOCK_READY_MIN;
        struct recorder_port *more = realloc(stock->untold, room * sizeof *more);
        if (!more)
            return; /* whoever is given the ticket hears of it */
        stock->untold = more;
        stock->untold_room = room;
    }
    stock->untold[stock->untold_count++] = port;
    stock->tell_at = tick_add_ms(now, STOCK_TELL_MS);
}

static void stock_tell_untold(struct stock *stock, struct tick now)
{
    size_t told = 0;
    while (told < stock->untold_count && stock_post_closed(stock, &stock->untold[told]))
        told++;
    stock->untold_count -= told;
    memmove(stock->untold, stock->untold + told, stock->untold_count * sizeof *stock->untold);
    stock->tell_at = stock->untold_count ? tick_add_ms(now, STOCK_TELL_MS) : TICK_NEVER;
}

/* Closes a port's sockets and lets its number rest. */
static void stock_close(struct stock *stock, struct tick now, uint32_t id)
{
    struct stock_port *port = &stock->ports[id];
    for (uint32_t k = 0; k < 2; k++) {
        io_sweep_remove(stock->config.sweep, MEDIA_SOCKET(id, k));
        close(port->fd[k]);
    }
    if (port->state == STOCK_LENT) {
        stock->lent--;
        metric_add(METRIC_PORTS_LENT, -1);
    } else {
        stock->binds[port->bind].ready--;
        stock->binds[port->bind].kept -= port->kept;
    }
    media_port_closes(stock->config.media, id);
    stock_tell_closed(stock, now, id, port->generation);
    port->kept = false;
    port->state = STOCK_CLOSED;
    io_ports_return(stock->binds[port->bind].ports, now, port->bound[0].port);
    stock->free_ids[stock->free_count++] = id;
}

void stock_destroy(struct stock *stock)
{
    if (!stock)
        return;
    for (uint32_t id = 0; stock->ports != NULL && id < stock->ports_count; id++) {
        if (stock->ports[id].state != STOCK_CLOSED)
            stock_close(stock, (struct tick){0}, id);
    }
    for (size_t i = 0; i < stock->config.binds_count; i++)
        io_ports_destroy(stock->binds[i].ports);
    free(stock->ports);
    free(stock->free_ids);
    free(stock->untold);
    free(stock);
}

/* Both sockets of a pair, or neither: an errno then. */
static int stock_open_pair(struct stock *stock, const struct stock_bind *bind, uint16_t rtp_port,
                           struct stock_port *port)
{
    struct io_udp_options options = {.receive_buffer = STOCK_RECEIVE_BUFFER, .want_errors = true};
    for (uint16_t k = 0; k < 2; k++) {
        struct addr local = addr_with_port(bind->address, (uint16_t)(rtp_port + k));
        port->fd[k] = io_udp_open(&local, &options, &port->bound[k]);
        if (port->fd[k] < 0) {
            int error = errno;
            if (k == 1)
                close(port->fd[0]);
            return error;
        }
    }
    if (!stock->buffer_said) {
        stock->buffer_said = true;
        LOG_INFO("media", VIEW_NONE, "receive buffer asked=%d got=%d", STOCK_RECEIVE_BUFFER,
                 io_udp_receive_buffer(port->fd[0]));
    }
    return 0;
}

static struct stock_port *stock_find(struct stock *stock, uint32_t port, uint32_t generation)
{
    if (port >= stock->ports_count || stock->ports[port].state == STOCK_CLOSED ||
        stock->ports[port].generation != generation)
        return NULL;
    return &stock->ports[port];
}

static struct signalling_mail stock_ticket(const struct stock *stock, uint32_t id,
                                           uint32_t generation)
{
    const struct stock_port *port = &stock->ports[id];
    return (struct signalling_mail){
        .kind = SIGNALLING_TICKET,
        .worker = stock->config.worker,
        .ticket = {.worker = stock->config.worker,
                   .port = id,
                   .generation = generation,
                   .bound = port->bound[0],
                   .bound_rtcp = port->bound[1]},
    };
}

/* Hands the sockets to the sweep and the ticket to signalling. */
static bool stock_offer(struct stock *stock, struct stock_bind *bind, uint32_t id)
{
    struct stock_port *port = &stock->ports[id];
    struct signalling_mail mail = stock_ticket(stock, id, port->generation + 1);

    mail.ticket.is_new = true;
    for (uint32_t k = 0; k < 2; k++) {
        if (io_sweep_add(stock->config.sweep, MEDIA_SOCKET(id, k), port->fd[k], &port->bound[k]) !=
            0) {
            if (k == 1)
                io_sweep_remove(stock->config.sweep, MEDIA_SOCKET(id, 0));
            return false;
        }
    }
    if (!io_mailbox_post(stock->config.signalling, &mail)) {
        io_sweep_remove(stock->config.sweep, MEDIA_SOCKET(id, 0));
        io_sweep_remove(stock->config.sweep, MEDIA_SOCKET(id, 1));
        return false;
    }
    port->generation++;
    port->state = STOCK_READY;
    port->told_local = 0;
    port->dropped[0] = port->dropped[1] = 0;
    bind->ready++;
    return true;
}

/* Makes one port ready. False: none can be made now. */
static bool stock_add(struct stock *stock, struct tick now, struct stock_bind *bind)
{
    uint32_t id;
    struct stock_port *port;
    uint64_t held_back;
    int error = EADDRINUSE;
    if (stock->free_count == 0)
        return false;
    id = stock->free_ids[stock->free_count - 1];
    port = &stock->ports[id];
    for (int tried = 0; tried < STOCK_BLOCKED_MAX && error == EADDRINUSE; tried++) {
        uint16_t rtp_port;
        enum io_ports_result result = io_ports_take(bind->ports, now, &rtp_port);
        if (result == IO_PORTS_NONE)
            return false;
        error = stock_open_pair(stock, bind, rtp_port, port);
        if (error != 0) {
            io_ports_blocked(bind->ports, now, rtp_port);
            continue;
        }
        if (result == IO_PORTS_PRESSED)
            metric_add(METRIC_PORTS_HURRIED, 1);
        port->bind = (uint8_t)(bind - stock->binds);
        if (!stock_offer(stock, bind, id)) {
            close(port->fd[0]);
            close(port->fd[1]);
            io_ports_return(bind->ports, now, rtp_port);
            return false;
        }
        stock->free_count--;
        return true;
    }
    stock->blocked = error == EADDRINUSE;
    if (log_limit_pass(&stock->open_limit, now, 10000, &held_back))
        LOG_ERROR("media", VIEW_NONE, "media port not opened address=%s error=\"%s\"",
                  addr_print_ip(&bind->address).s, strerror(error));
    return false;
}

/* Demand sets how many stand ready: as many again as one refill had to replace, and fewer once that
 * is long ago. */
static void stock_adapt(struct stock *stock, struct tick now)
{
    bool shrink = !tick_is_never(stock->shrink_at) && tick_due(stock->shrink_at, now);
    bool large = false;
    for (size_t i = 0; i < stock->config.binds_count && stock->config.ready == VALUES_AUTO; i++) {
        struct stock_bind *bind = &stock->binds[i];
        if (bind->taken * 2 > bind->target && bind->target < STOCK_READY_MAX) {
            bind->target = bind->target * 2 < STOCK_READY_MAX ? bind->target * 2 : STOCK_READY_MAX;
            stock->shrink_at = tick_add_ms(now, STOCK_SHRINK_MS);
        } else if (shrink && bind->target > STOCK_READY_MIN) {
            bind->target /= 2;
        }
        bind->taken = 0;
        large = large || bind->target > STOCK_READY_MIN;
    }
    if (shrink)
        stock->shrink_at = large ? tick_add_ms(now, STOCK_SHRINK_MS) : TICK_NEVER;
}

/* ---- addresses outside ---------------------------------------------------------------------- */

static void stock_keep_one(struct stock *stock, struct tick now, uint32_t id)
{
    struct stock_port *port = &stock->ports[id];
    port->kept = true;
    port->kept_from = now;
    media_port_opens(stock->config.media, now, &(struct media_port){id, port->generation},
                     port->bound);
}

static size_t stock_keep_target(const struct stock *stock, struct tick now,
                                const struct stock_bind *bind)
{
    uint32_t share = media_bearable(stock->config.media, now);
    if (share != UINT32_MAX)
        share /= (uint32_t)stock->config.binds_count;
    return kept_target(&bind->demand, now, share);
}

/* Has media keep the addresses of as many ready ports as demand asks for. */
static void stock_keep_more(struct stock *stock, struct tick now, struct stock_bind *bind)
{
    uint8_t number = (uint8_t)(bind - stock->binds);
    size_t target = stock_keep_target(stock, now, bind);
    if (bind->kept >= bind->ready || bind->kept >= target)
        return;
    for (uint32_t i = 0; i < stock->ports_count && bind->kept < target && bind->kept < bind->ready;
         i++) {
        uint32_t id = stock->cursor = (stock->cursor + 1) % stock->ports_count;
        struct stock_port *port = &stock->ports[id];
        if (port->state != STOCK_READY || port->kept || port->bind != number)
            continue;
        stock_keep_one(stock, now, id);
        bind->kept++;
    }
}

void stock_keep(struct stock *stock, bool keep)
{
    stock->keep = keep;
}

bool stock_tell(struct stock *stock, struct tick now, const struct media_port_news *news)
{
    struct stock_port *port = stock_find(stock, news->port, news->generation);
    if (!port)
        return true;
    struct signalling_mail mail = stock_ticket(stock, news->port, news->generation);
    mail.ticket.seen = news->seen[0];
    mail.ticket.seen_rtcp = news->seen[1];
    mail.ticket.seen_at = news->seen_at;
    mail.ticket.doubted = news->lent && news->asked;
    if (port->kept_from.ns && addr_is_set(&news->seen[0]) && addr_is_set(&news->seen[1])) {
        kept_refilled(&stock->binds[port->bind].demand, tick_diff_ms(now, port->kept_from));
        port->kept_from = (struct tick){0};
    }
    return io_mailbox_post(stock->config.signalling, &mail);
}

static void stock_tell_exhausted(struct stock *stock)
{
    struct signalling_mail mail = {
        .kind = SIGNALLING_PORTS, .worker = stock->config.worker, .ports.none = {true, true}};
    bool news = false, bound[2] = {false, false}; /* to an address that is here */
    for (size_t i = 0; i < stock->config.binds_count; i++) {
        const struct stock_bind *bind = &stock->binds[i];
        bound[bind->address.family == ADDR_V6] |= !bind->gone;
        if (bind->ready > 0 || stock->blocked)
            mail.ports.none[bind->address.family == ADDR_V6] = false;
    }
    for (size_t f = 0; f < 2; f++)
        news = news || mail.ports.none[f] != stock->exhausted[f];
    if (!news || !io_mailbox_post(stock->config.signalling, &mail))
        return;
    for (size_t f = 0; f < 2; f++) {
        bool ends = mail.ports.none[f] && !stock->exhausted[f] && bound[f];
        stock->exhausted[f] = mail.ports.none[f];
        if (!ends)
            continue;
        metric_add(METRIC_PORTS_EXHAUSTED, 1);
        LOG_WARN("media", VIEW_NONE,
                 "no media port left worker=%u family=IPv%d: widen rtp.port_min-port_max",
                 stock->config.worker, f ? 6 : 4);
    }
}

void stock_look(struct stock *stock, struct tick now)
{
    stock->look_at = TICK_NEVER;
    for (uint8_t i = 0; i < stock->config.binds_count; i++) {
        struct stock_bind *bind = &stock->binds[i];
        bool gone = !addr_is_unspecified(&bind->address) && !io_udp_is_here(&bind->address);
        if (gone != bind->gone)
            LOG_WARN("media", VIEW_NONE, "address %s worker=%u address=%s",
                     gone ? "is not on this host: its media ports wait for it" : "is back",
                     stock->config.worker, addr_print_ip(&bind->address).s);
        bind->gone = gone;
        if (gone)
            stock->look_at = tick_add_ms(now, STOCK_RETRY_MS);
        for (uint32_t id = 0; gone && id < stock->ports_count; id++) {
            if (stock->ports[id].state == STOCK_READY && stock->ports[id].bind == i)
                stock_close(stock, now, id);
        }
    }
}

void stock_refill(struct stock *stock, struct tick now)
{
    bool short_of = false;
    if (stock->untold_count)
        stock_tell_untold(stock, now);
    /* After a failure the next try waits, or every wake-up would cost dozens of binds. And a number is
     * no other port's before it is told that the one before is closed. */
    bool may = stock->untold_count == 0 &&
               (tick_is_never(stock->retry_at) || tick_due(stock->retry_at, now));

    stock_adapt(stock, now);
    if (may)
        stock->blocked = false;
    if (tick_due(tick_min(stock->look_at, stock->retry_at), now))
        stock_look(stock, now);
    for (size_t i = 0; i < stock->config.binds_count; i++) {
        struct stock_bind *bind = &stock->binds[i];
        while (may && !bind->gone && bind->ready < bind->target && stock_add(stock, now, bind))
            ;
        short_of = short_of || (!bind->gone && bind->ready < bind->target);
        if (stock->keep)
            stock_keep_more(stock, now, bind);
    }
    if (!short_of)
        stock->retry_at = TICK_NEVER;
    else if (may)
        stock->retry_at = tick_add_ms(now, stock->blocked ? STOCK_LOOK_ON_MS : STOCK_RETRY_MS);
    stock_tell_exhausted(stock);
}

struct tick stock_deadline(const struct stock *stock)
{
    return tick_min(tick_min(stock->retry_at, stock->shrink_at),
                    tick_min(stock->tell_at, stock->look_at));
}

bool stock_lend(struct stock *stock, struct tick now, uint32_t port, uint32_t generation)
{
    struct stock_port *found = stock_find(stock, port, generation);
    if (!found)
        stock_tell_closed(stock, now, port, generation);
    if (!found || found->state != STOCK_READY)
        return found;
    struct stock_bind *bind = &stock->binds[found->bind];
    found->state = STOCK_LENT;
    bind->ready--;
    bind->taken++;
    bind->kept -= found->kept;
    if (stock->keep) {
        kept_taken(&bind->demand, now);
        if (!found->kept) {
            metric_add(METRIC_PORTS_UNPREPARED, 1);
            stock_keep_one(stock, now, port);
        }
    }
    stock->lent++;
    metric_add(METRIC_PORTS_LENT, 1);
    /* On all addresses of the host: the first packets tell on which they arrive, the others are
     * spared what that costs. */
    if (addr_is_unspecified(&found->bound[0]) &&
        io_udp_want_local(found->fd[0], found->bound[0].family, true) == 0)
        found->told_local = STOCK_TOLD_LOCAL;
    return true;
}

void stock_return(struct stock *stock, struct tick now, uint32_t port, uint32_t generation)
{
    if (stock_find(stock, port, generation))
        stock_close(stock, now, port);
}

int stock_fd(const struct stock *stock, uint32_t socket)
{
    uint32_t id = MEDIA_SOCKET_PORT(socket);
    if (id >= stock->ports_count || stock->ports[id].state == STOCK_CLOSED)
        return -1;
    return stock->ports[id].fd[MEDIA_SOCKET_RTCP(socket)];
}

void stock_count_drops(struct stock *stock, const struct datagram *datagrams, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t socket = datagrams[i].socket;
        if (MEDIA_SOCKET_PORT(socket) >= stock->ports_count)
            continue; /* a relay's */
        struct stock_port *port = &stock->ports[MEDIA_SOCKET_PORT(socket)];
        uint32_t *known = &port->dropped[MEDIA_SOCKET_RTCP(socket)];
        if (port->told_local && !MEDIA_SOCKET_RTCP(socket) && --port->told_local == 0)
            (void)!io_udp_want_local(port->fd[0], port->bound[0].family, false);
        if (datagrams[i].dropped > *known) {
            metric_add(METRIC_SOCKET_OVERFLOWS, datagrams[i].dropped - *known);
            *known = datagrams[i].dropped;
        }
    }
}

size_t stock_lent(const struct stock *stock)
{
    return stock->lent;
}
