/* loop: one epoll set of one thread: which descriptors are ready, and sleeping until a deadline.
 * Not here: callbacks, owning descriptors, timers (base/timers.h).
 * RFC: none. */
#ifndef IO_LOOP_H
#define IO_LOOP_H

#include <stddef.h>
#include <stdint.h>

#include "base/tick.h"
#include "base/view.h"

struct io_loop;

enum {
    IO_READ = 1u << 0,  /* bytes, a connection or the peer's close can be read */
    IO_WRITE = 1u << 1, /* there is room to write */
    IO_FAIL = 1u << 2,  /* error or hang-up: reading or writing tells which; always reported */
    IO_END = 1u << 3,   /* the peer's close alone, which is reported as IO_READ */
};

struct io_ready {
    uint64_t token; /* the caller's own */
    uint32_t what;  /* IO_READ | IO_WRITE | IO_FAIL */
};

/* A new loop, or NULL with errno set. */
struct io_loop *io_loop_create(void);
void io_loop_destroy(struct io_loop *loop);

/* Watches fd (borrowed; remove it before closing it) for what; token comes back with its events.
 * Returns 0 or an errno. */
WARN_UNUSED int io_loop_add(struct io_loop *loop, int fd, uint32_t what, uint64_t token);

/* Changes what fd is watched for. */
void io_loop_change(struct io_loop *loop, int fd, uint32_t what, uint64_t token);
void io_loop_remove(struct io_loop *loop, int fd);

/* Sleeps until a descriptor is ready or deadline (TICK_NEVER: for ever) has come, and writes up to
 * max events into ready. Returns how many; 0 when the deadline came or a signal did. */
size_t io_loop_wait(struct io_loop *loop, struct tick deadline, struct io_ready *ready, size_t max);

#endif
