/* pool: a few threads for work that may take long (syncing, rendering, deleting, recovering).
 * Not here: what the work is; nothing on the packet path comes here.
 * RFC: none. */
#ifndef IO_POOL_H
#define IO_POOL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/view.h"

struct io_pool;

/* One piece of work: run is called once on some thread of the pool; whoever posted it keeps what
 * context points to alive until then. */
struct io_job {
    void (*run)(void *context);
    void *context;
};

/* threads threads called name (up to 15 characters) and room for queue_max waiting jobs; the
 * threads run at the given nice value. NULL with errno set. */
struct io_pool *io_pool_create(const char *name, size_t threads, size_t queue_max, int nice_value);

/* Waits for the running jobs; the waiting ones run too. */
void io_pool_destroy(struct io_pool *pool);

/* False when queue_max jobs wait already. */
WARN_UNUSED bool io_pool_post(struct io_pool *pool, const struct io_job *job);

/* Jobs waiting and running. */
size_t io_pool_busy(struct io_pool *pool);

#endif
