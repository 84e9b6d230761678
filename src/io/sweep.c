/* Owns: many UDP sockets looked at now and then: which hold packets, and draining those.
 * Does not: decide when to look (the worker does), open or close sockets, or look into datagrams.
 * RFC: none. */
#include "io/sweep.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
    SWEEP_EVENTS_MAX = 512,
    /* A socket that is refilled as fast as we drain it must not keep the others waiting: it gets
     * the rest of its packets in the next sweep. */
    SWEEP_RECEIVES_MAX = 8,
    /* Below this the batch is handed over first: a system call for a few packets costs most. */
    SWEEP_ROOM_MIN = 16,
};

struct sweep_socket {
    int fd; /* -1: none */
    struct addr local;
};

struct io_sweep {
    int epoll_fd;
    size_t capacity;
    struct sweep_socket *sockets;
    struct epoll_event events[SWEEP_EVENTS_MAX];
    size_t events_count;
    size_t events_next;
    unsigned receives; /* on the socket of events_next */
    bool more;         /* epoll may have more than it gave */
};

struct io_sweep *io_sweep_create(size_t capacity)
{
    struct io_sweep *sweep = calloc(1, sizeof(*sweep));

    if (sweep == NULL) {
        return NULL;
    }
    sweep->capacity = capacity;
    sweep->sockets = calloc(capacity, sizeof(*sweep->sockets));
    sweep->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (sweep->sockets == NULL || sweep->epoll_fd < 0) {
        io_sweep_destroy(sweep);
        return NULL;
    }
    for (size_t i = 0; i < capacity; i++) {
        sweep->sockets[i].fd = -1;
    }
    return sweep;
}

void io_sweep_destroy(struct io_sweep *sweep)
{
    if (sweep == NULL) {
        return;
    }
    if (sweep->epoll_fd >= 0) {
        close(sweep->epoll_fd);
    }
    free(sweep->sockets);
    free(sweep);
}

int io_sweep_add(struct io_sweep *sweep, uint32_t socket, int fd, const struct addr *local)
{
    /* Edge-triggered: a drained socket costs nothing until its next packet, where level-triggered
     * epoll would look at each one again in every sweep. */
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u32 = socket};

    assert(socket < sweep->capacity && sweep->sockets[socket].fd < 0);
    if (epoll_ctl(sweep->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) {
        return errno;
    }
    sweep->sockets[socket] = (struct sweep_socket){.fd = fd, .local = *local};
    return 0;
}

void io_sweep_remove(struct io_sweep *sweep, uint32_t socket)
{
    int rc;

    assert(socket < sweep->capacity && sweep->sockets[socket].fd >= 0);
    rc = epoll_ctl(sweep->epoll_fd, EPOLL_CTL_DEL, sweep->sockets[socket].fd, NULL);
    assert(rc == 0);
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
    assert(sweep->events_next == sweep->events_count);
    sweep_look(sweep);
}

/* Has the socket announced again: it was left with packets in it. */
static void sweep_again(struct io_sweep *sweep, uint32_t socket)
{
    struct epoll_event event = {.events = EPOLLIN | EPOLLET, .data.u32 = socket};
    int rc = epoll_ctl(sweep->epoll_fd, EPOLL_CTL_MOD, sweep->sockets[socket].fd, &event);

    assert(rc == 0);
}

bool io_sweep_next(struct io_sweep *sweep, struct io_batch *batch)
{
    size_t count;

    io_batch_clear(batch);
    while (io_batch_room(batch) >= SWEEP_ROOM_MIN) {
        uint32_t number;
        struct sweep_socket *socket;
        bool drained = true;

        if (sweep->events_next == sweep->events_count) {
            if (!sweep->more) {
                break;
            }
            sweep_look(sweep);
            continue;
        }
        number = sweep->events[sweep->events_next].data.u32;
        socket = &sweep->sockets[number];
        if (socket->fd >= 0) {
            io_batch_receive(batch, socket->fd, number, &socket->local, &drained);
            sweep->receives++;
        }
        if (!drained && sweep->receives >= SWEEP_RECEIVES_MAX) {
            sweep_again(sweep, number);
            drained = true;
        }
        if (drained) {
            sweep->events_next++;
            sweep->receives = 0;
        }
    }
    io_batch_at(batch, &count);
    return count > 0;
}
