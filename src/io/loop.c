/* loop: one epoll set of one thread: which descriptors are ready, and sleeping until a deadline.
 * Not here: callbacks, owning descriptors, timers (base/timers.h).
 * RFC: none. */
#include "io/loop.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <time.h>
#include <unistd.h>

#include "io/clock.h"

enum { LOOP_EVENTS_MAX = 256 };

struct io_loop {
    int epoll_fd;
    struct epoll_event events[LOOP_EVENTS_MAX];
};

struct io_loop *io_loop_create(void)
{
    struct io_loop *loop = calloc(1, sizeof *loop);
    if (!loop)
        return NULL;
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (loop->epoll_fd < 0) {
        free(loop);
        return NULL;
    }
    return loop;
}

void io_loop_destroy(struct io_loop *loop)
{
    if (!loop)
        return;
    close(loop->epoll_fd);
    free(loop);
}

static struct epoll_event loop_event(uint32_t what, uint64_t token)
{
    uint32_t events = 0;
    if ((what & IO_READ) != 0)
        events |= EPOLLIN;
    if ((what & IO_WRITE) != 0)
        events |= EPOLLOUT;
    if ((what & IO_END) != 0)
        events |= EPOLLRDHUP;
    return (struct epoll_event){.events = events, .data.u64 = token};
}

int io_loop_add(struct io_loop *loop, int fd, uint32_t what, uint64_t token)
{
    struct epoll_event event = loop_event(what, token);
    return epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0 ? 0 : errno;
}

void io_loop_change(struct io_loop *loop, int fd, uint32_t what, uint64_t token)
{
    struct epoll_event event = loop_event(what, token);
    int rc = epoll_ctl(loop->epoll_fd, EPOLL_CTL_MOD, fd, &event);
    assert(rc == 0);
}

void io_loop_remove(struct io_loop *loop, int fd)
{
    int rc = epoll_ctl(loop->epoll_fd, EPOLL_CTL_DEL, fd, NULL);
    assert(rc == 0);
}

/* Rounded up to whole microseconds, so that a deadline has really come when we wake. */
static struct timespec loop_timeout(struct tick deadline)
{
    int64_t left_ns = deadline.ns - io_clock_tick().ns;
    if (left_ns <= 0)
        return (struct timespec){0};
    left_ns += 999;
    return (struct timespec){.tv_sec = left_ns / 1000000000, .tv_nsec = left_ns % 1000000000};
}

size_t io_loop_wait(struct io_loop *loop, struct tick deadline, struct io_ready *ready, size_t max)
{
    struct timespec timeout = {0};
    struct timespec *limit = NULL;
    int room = max < LOOP_EVENTS_MAX ? (int)max : LOOP_EVENTS_MAX;
    int count;
    if (!tick_is_never(deadline)) {
        timeout = loop_timeout(deadline);
        limit = &timeout;
    }
    count = epoll_pwait2(loop->epoll_fd, loop->events, room, limit, NULL);
    if (count < 0) {
        assert(errno == EINTR);
        return 0;
    }
    for (int i = 0; i < count; i++) {
        uint32_t events = loop->events[i].events;
        uint32_t what = 0;
        if ((events & (EPOLLIN | EPOLLRDHUP)) != 0)
            what |= IO_READ;
        if ((events & EPOLLOUT) != 0)
            what |= IO_WRITE;
        if ((events & (EPOLLERR | EPOLLHUP)) != 0)
            what |= IO_FAIL;
        ready[i] = (struct io_ready){.token = loop->events[i].data.u64, .what = what};
    }
    return (size_t)count;
}
