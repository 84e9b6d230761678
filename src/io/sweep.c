/* sweep: many UDP sockets looked at now and then: which hold packets, and draining those.
 * Not here: when to look (the worker's affair), opening and closing sockets, what is in the datagrams.
 * RFC: none. */
#include "io/sweep.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

/* A socket is either watched by epoll or, while packets keep coming, busy: then it is drained in
 * every sweep without asking, which for a stream of 50 packets a second saves what epoll costs on
 * each packet's arrival and in each sweep. After some sweeps without a packet
 * it is watched again. */

enum {
    SWEEP_EVENTS_MAX = 512,
    /* A socket that is refilled as fast as we drain it must not keep the others waiting: it gets
     * the rest of its packets in the next sweep. */
    SWEEP_RECEIVES_MAX = 8,
    /* Below this the batch is handed over first: a system call for a few packets costs most. */
    SWEEP_ROOM_MIN = 16,
    SWEEP_EMPTY_MAX = 5,
};

static const uint32_t sweep_not_busy = UINT32_MAX;

struct sweep_socket {
    int fd;         /* -1: none */
    uint32_t place; /* in busy, or sweep_not_busy */
    unsigned empty; /* sweeps in a row that found nothing, while busy */
    struct addr local;
};

struct io_sweep {
    int epoll_fd;
    size_t capacity;
    struct sweep_socket *sockets;
    uint32_t *busy; /* numbers of sockets */
    size_t busy_count;
    size_t busy_next;
    struct epoll_event events[SWEEP_EVENTS_MAX];
    size_t events_count;
    size_t events_next;
    unsigned receives; /* on the socket at hand */
    bool more;         /* epoll may have more than it gave */
};

struct io_sweep *io_sweep_create(size_t capacity)
{
    struct io_sweep *sweep = calloc(1, sizeof *sweep);
    if (!sweep)
        return NULL;
    sweep->capacity = capacity;
    sweep->sockets = calloc(capacity, sizeof *sweep->sockets);
    sweep->busy = calloc(capacity, sizeof *sweep->busy);
    sweep->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!sweep->sockets || !sweep->busy || sweep->epoll_fd < 0) {
        io_sweep_destroy(sweep);
        return NULL;
    }
    for (size_t i = 0; i < capacity; i++)
        sweep->sockets[i].fd = -1;
    return sweep;
}

void io_sweep_destroy(struct io_sweep *sweep)
{
    if (!sweep)
        return;
    if (sweep->epoll_fd >= 0)
        close(sweep->epoll_fd);
    free(sweep->sockets);
    free(sweep->busy);
    free(sweep);
}

/* Edge-triggered: a drained socket costs nothing until its next packet, where level-triggered epoll
 * would look at each one again in every sweep. Watching anew announces what is there already. */
static int sweep_control(struct io_sweep *sweep, int operation, uint32_t number, bool watched)
{
    struct epoll_event event = {.events = watched ? EPOLLIN | EPOLLET : 0, .data.u32 = number};
    return epoll_ctl(sweep->epoll_fd, operation, sweep->sockets[number].fd, &event) == 0 ? 0
                                                                                         : errno;
}

int io_sweep_add(struct io_sweep *sweep, uint32_t socket, int fd, const struct addr *local)
{
    int error;
    assert(socket < sweep->capacity && sweep->sockets[socket].fd < 0);
    sweep->sockets[socket] =
        (struct sweep_socket){.fd = fd, .place = sweep_not_busy, .local = *local};
    error = sweep_control(sweep, EPOLL_CTL_ADD, socket, true);
    if (error != 0)
        sweep->sockets[socket].fd = -1;
    return error;
}

static void sweep_make_busy(struct io_sweep *sweep, uint32_t number)
{
    struct sweep_socket *socket = &sweep->sockets[number];
    if (socket->place != sweep_not_busy ||
        sweep_control(sweep, EPOLL_CTL_MOD, number, false) != 0) {
        return;
    }
    socket->place = (uint32_t)sweep->busy_count;
    socket->empty = 0;
    sweep->busy[sweep->busy_count++] = number;
}

/* Out of the busy ones: the last takes its place. Only of the one at hand, or between sweeps. */
static void sweep_leave_busy(struct io_sweep *sweep, uint32_t number)
{
    struct sweep_socket *socket = &sweep->sockets[number];
    uint32_t last = sweep->busy[--sweep->busy_count];
    sweep->busy[socket->place] = last;
    sweep->sockets[last].place = socket->place;
    socket->place = sweep_not_busy;
}

void io_sweep_remove(struct io_sweep *sweep, uint32_t socket)
{
    int error;
    assert(socket < sweep->capacity && sweep->sockets[socket].fd >= 0);
    assert(sweep->busy_next == sweep->busy_count); /* never within a sweep */
    error = sweep_control(sweep, EPOLL_CTL_DEL, socket, false);
    assert(error == 0);
    if (sweep->sockets[socket].place != sweep_not_busy) {
        sweep_leave_busy(sweep, socket);
        sweep->busy_next = sweep->busy_count;
    }
    sweep->sockets[socket].fd = -1;
}

static void sweep_look(struct io_sweep *sweep)
{
    int count = epoll_wait(sweep->epoll_fd, sweep->events, SWEEP_EVENTS_MAX, 0);
    assert(count >= 0 || errno == EINTR);
    sweep->events_count = count > 0 ? (size_t)count : 0;
    sweep->events_next = 0;
    sweep->receives = 0;
    sweep->more = count == SWEEP_EVENTS_MAX;
}

void io_sweep_begin(struct io_sweep *sweep)
{
    /* What an edge announced and the last sweep left in a socket would never be announced again. */
    assert(sweep->events_next == sweep->events_count && sweep->busy_next == sweep->busy_count);
    sweep->busy_next = 0;
    sweep->more = true;
    sweep->events_count = sweep->events_next = 0;
    sweep->receives = 0;
}

/* One receive on the socket at hand; true when it is done with for this sweep. */
static bool sweep_receive(struct io_sweep *sweep, uint32_t number, struct io_batch *batch,
                          size_t *got)
{
    struct sweep_socket *socket = &sweep->sockets[number];
    bool drained = true;
    *got = io_batch_receive(batch, socket->fd, number, &socket->local, &drained);
    sweep->receives++;
    if (!drained && sweep->receives < SWEEP_RECEIVES_MAX)
        return false;
    sweep->receives = 0;
    return true;
}

/* Goes on with the busy sockets; false when all have had their turn. */
static bool sweep_busy_one(struct io_sweep *sweep, struct io_batch *batch)
{
    uint32_t number;
    struct sweep_socket *socket;
    bool first = sweep->receives == 0;
    size_t got;
    if (sweep->busy_next == sweep->busy_count)
        return false;
    number = sweep->busy[sweep->busy_next];
    socket = &sweep->sockets[number];
    if (!sweep_receive(sweep, number, batch, &got))
        return true;
    if (!first || got > 0) {
        socket->empty = 0;
    } else if (++socket->empty >= SWEEP_EMPTY_MAX &&
               sweep_control(sweep, EPOLL_CTL_MOD, number, true) == 0) {
        sweep_leave_busy(sweep, number);
        return true;
    }
    sweep->busy_next++;
    return true;
}

/* Goes on with what epoll announced; false when there is nothing more. */
static bool sweep_watched_one(struct io_sweep *sweep, struct io_batch *batch)
{
    uint32_t number;
    size_t got;
    if (sweep->events_next == sweep->events_count) {
        if (!sweep->more)
            return false;
        sweep_look(sweep);
        return sweep->events_count > 0;
    }
    number = sweep->events[sweep->events_next].data.u32;
    if ((sweep->events[sweep->events_next].events & EPOLLERR) && sweep->receives == 0)
        io_batch_errors(batch, sweep->sockets[number].fd, number);
    if (sweep_receive(sweep, number, batch, &got)) {
        /* From the next sweep on: its turn among the busy ones is past, or comes at once, for
         * nothing. */
        bool all_had_turn = sweep->busy_next == sweep->busy_count;
        sweep_make_busy(sweep, number);
        if (all_had_turn)
            sweep->busy_next = sweep->busy_count;
        sweep->events_next++;
    }
    return true;
}

bool io_sweep_next(struct io_sweep *sweep, struct io_batch *batch)
{
    size_t count;
    io_batch_clear(batch);
    while (io_batch_room(batch) >= SWEEP_ROOM_MIN) {
        if (!sweep_busy_one(sweep, batch) && !sweep_watched_one(sweep, batch))
            break;
    }
    io_batch_at(batch, &count);
    return count > 0;
}
