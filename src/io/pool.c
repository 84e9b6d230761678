/* pool: a few threads for work that may take long (syncing, rendering, deleting, recovering).
 * Not here: what the work is; nothing on the packet path comes here.
 * RFC: none. */
#include "io/pool.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

struct io_pool {
    pthread_mutex_t lock;
    pthread_cond_t posted;
    struct io_job *ring;
    size_t ring_max;
    size_t ring_head;
    size_t waiting;
    size_t running;
    bool ending;
    int nice_value;
    size_t threads_count;
    pthread_t *threads;
    char name[16];
};

static void *pool_thread(void *argument)
{
    struct io_pool *pool = argument;
    (void)pthread_setname_np(pthread_self(), pool->name);
    if (pool->nice_value != 0) {
        /* On Linux "this process" is the calling thread alone. */
        (void)setpriority(PRIO_PROCESS, 0, pool->nice_value);
    }
    pthread_mutex_lock(&pool->lock);
    for (;;) {
        struct io_job job;
        while (pool->waiting == 0 && !pool->ending)
            pthread_cond_wait(&pool->posted, &pool->lock);
        if (pool->waiting == 0)
            break;
        job = pool->ring[pool->ring_head];
        pool->ring_head = (pool->ring_head + 1) % pool->ring_max;
        pool->waiting--;
        pool->running++;
        pthread_mutex_unlock(&pool->lock);
        job.run(job.context);
        pthread_mutex_lock(&pool->lock);
        pool->running--;
    }
    pthread_mutex_unlock(&pool->lock);
    return NULL;
}

struct io_pool *io_pool_create(const char *name, size_t threads, size_t queue_max, int nice_value)
{
    struct io_pool *pool = calloc(1, sizeof *pool);
    sigset_t all;
    sigset_t before;

    if (!pool)
        return NULL;
    pthread_mutex_init(&pool->lock, NULL);
    pthread_cond_init(&pool->posted, NULL);
    strncpy(pool->name, name, sizeof pool->name - 1);
    pool->nice_value = nice_value;
    pool->ring_max = queue_max;
    pool->ring = calloc(queue_max, sizeof *pool->ring);
    pool->threads = calloc(threads, sizeof *pool->threads);
    if (!pool->ring || !pool->threads) {
        io_pool_destroy(pool);
        errno = ENOMEM;
        return NULL;
    }
    /* Signals are the main thread's affair. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    while (pool->threads_count < threads) {
        int error = pthread_create(&pool->threads[pool->threads_count], NULL, pool_thread, pool);
        if (error != 0)
            break;
        pool->threads_count++;
    }
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (pool->threads_count < threads) {
        io_pool_destroy(pool);
        errno = EAGAIN;
        return NULL;
    }
    return pool;
}

void io_pool_destroy(struct io_pool *pool)
{
    if (!pool)
        return;
    pthread_mutex_lock(&pool->lock);
    pool->ending = true;
    pthread_cond_broadcast(&pool->posted);
    pthread_mutex_unlock(&pool->lock);
    for (size_t i = 0; i < pool->threads_count; i++)
        pthread_join(pool->threads[i], NULL);
    pthread_cond_destroy(&pool->posted);
    pthread_mutex_destroy(&pool->lock);
    free(pool->ring);
    free(pool->threads);
    free(pool);
}

bool io_pool_post(struct io_pool *pool, const struct io_job *job)
{
    bool posted = false;
    pthread_mutex_lock(&pool->lock);
    if (pool->waiting < pool->ring_max && !pool->ending) {
        pool->ring[(pool->ring_head + pool->waiting) % pool->ring_max] = *job;
        pool->waiting++;
        posted = true;
        pthread_cond_signal(&pool->posted);
    }
    pthread_mutex_unlock(&pool->lock);
    return posted;
}

size_t io_pool_busy(struct io_pool *pool)
{
    size_t busy;
    pthread_mutex_lock(&pool->lock);
    busy = pool->waiting + pool->running;
    pthread_mutex_unlock(&pool->lock);
    return busy;
}
