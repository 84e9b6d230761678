/* work: a few threads for what the HTTP thread must not wait for, and the way back to it.
 * Not here: what the jobs do (render.c, recordings.c).
 * RFC: none. */
#ifndef API_WORK_H
#define API_WORK_H

#include "http/server.h"

/* As a member of the job. */
struct api_job {
    struct api_job *next;
    void (*run)(struct api_job *job);  /* on a worker; not called when cancelled */
    void (*done)(struct api_job *job); /* on the HTTP thread, always; frees the job */
    struct api_work *work;
    bool cancelled; /* the API ends before the job was begun */
};

struct api_work;

/* Borrows server. NULL with errno. */
struct api_work *api_work_create(struct http_server *server, unsigned threads, size_t max_waiting);
/* Cancels what waits, asks what runs to end (api_work_stop_fd), waits for it. NULL is fine. */
void api_work_destroy(struct api_work *work);

/* Takes the job; false, and the job stays the caller's, when too many wait. */
WARN_UNUSED bool api_work_submit(struct api_work *work, struct api_job *job);

/* Readable from the moment the API ends, for jobs that wait for something. */
int api_work_stop_fd(const struct api_work *work);

#endif
