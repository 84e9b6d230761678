/* work: worker threads.
 * Not here: the jobs.
 * RFC: none. */
#include "api/work.h"

#include <assert.h>
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

#define THREADS_MAX 8

struct api_work {
    struct http_server *server;
    pthread_t threads[THREADS_MAX];
    unsigned thread_count;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    struct api_job *first, **end; /* under lock, as the rest */
    size_t waiting, max_waiting;
    bool stop;
    int stop_fd;
};

static void go_back(void *argument)
{
    struct api_job *job = argument;
    job->done(job);
}

static void finish_job(struct api_work *work, struct api_job *job)
{
    /* Out of memory the peer would wait for ever and the job's memory be lost: better to stop. */
    bool posted = http_server_post(work->server, go_back, job);
    assert(posted);
}

static struct api_job *take(struct api_work *work)
{
    struct api_job *job = work->first;
    if (!job)
        return NULL;
    work->first = job->next;
    if (!work->first)
        work->end = &work->first;
    work->waiting--;
    return job;
}

static void *worker_thread(void *argument)
{
    struct api_work *work = argument;
    for (;;) {
        struct api_job *job = NULL;
        pthread_mutex_lock(&work->lock);
        while (!work->stop && !(job = take(work)))
            pthread_cond_wait(&work->changed, &work->lock);
        pthread_mutex_unlock(&work->lock);
        if (!job)
            return NULL;
        job->run(job);
        finish_job(work, job);
    }
}

struct api_work *api_work_create(struct http_server *server, unsigned threads, size_t max_waiting)
{
    assert(threads <= THREADS_MAX);
    struct api_work *work = calloc(1, sizeof *work);
    if (!work)
        return NULL;
    work->server = server;
    work->max_waiting = max_waiting;
    work->end = &work->first;
    pthread_mutex_init(&work->lock, NULL);
    pthread_cond_init(&work->changed, NULL);
    work->stop_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    int error = work->stop_fd < 0 ? errno : 0;
    while (!error && work->thread_count < threads) {
        error = pthread_create(&work->threads[work->thread_count], NULL, worker_thread, work);
        work->thread_count += !error;
    }
    if (error) {
        api_work_destroy(work);
        errno = error;
        return NULL;
    }
    return work;
}

void api_work_destroy(struct api_work *work)
{
    if (!work)
        return;
    struct api_job *job;
    uint64_t one = 1;
    pthread_mutex_lock(&work->lock);
    work->stop = true;
    pthread_cond_broadcast(&work->changed);
    pthread_mutex_unlock(&work->lock);
    if (work->stop_fd >= 0 && write(work->stop_fd, &one, sizeof one) < 0)
        assert(errno == EAGAIN);
    for (unsigned i = 0; i < work->thread_count; i++)
        pthread_join(work->threads[i], NULL);
    while ((job = take(work))) {
        job->cancelled = true;
        finish_job(work, job);
    }
    if (work->stop_fd >= 0)
        close(work->stop_fd);
    pthread_cond_destroy(&work->changed);
    pthread_mutex_destroy(&work->lock);
    free(work);
}

bool api_work_submit(struct api_work *work, struct api_job *job)
{
    pthread_mutex_lock(&work->lock);
    bool room = work->waiting < work->max_waiting && !work->stop;
    if (room) {
        job->next = NULL;
        job->work = work;
        *work->end = job;
        work->end = &job->next;
        work->waiting++;
        pthread_cond_signal(&work->changed);
    }
    pthread_mutex_unlock(&work->lock);
    return room;
}

int api_work_stop_fd(const struct api_work *work)
{
    return work->stop_fd;
}
