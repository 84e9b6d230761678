/* render: siprecd-render on demand.
 * Not here: what it does with the journal (render).
 * RFC: none. */
#include "api/render.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/environment.h"
#include "base/list.h"
#include "base/log.h"
#include "base/metrics.h"

/* 300 times real time (make bench) makes this a call of three days. */
#define TIMEOUT_S 900
/* Requests that share one render. */
#define WAITERS_MAX 256

const struct api_format api_formats[API_FORMATS] = {
    {"wav", "audio/wav"},
    {"flac", "audio/flac"},
    {"opus", "audio/ogg; codecs=opus"},
    {"mp3", "audio/mpeg"},
};

const struct api_format *api_format_find(struct view name)
{
    for (size_t i = 0; i < API_FORMATS; i++) {
        if (view_equal(name, view_of_string(api_formats[i].name)))
            return &api_formats[i];
    }
    return NULL;
}

struct api_renders {
    struct api *api;
    char *program; /* NULL: none */
    struct list going_on;
};

enum outcome {
    OUTCOME_DONE,
    OUTCOME_NO_JOURNAL,
    OUTCOME_FAILED,
    OUTCOME_TIMEOUT,
    OUTCOME_STOPPED,
};

struct render_run {
    struct api_job job;
    struct list link; /* in going_on */
    struct api_renders *renders;
    char directory[CATALOG_DIRECTORY_SIZE];
    const struct api_format *format;
    bool keep;
    struct http_exchange *waiters[WAITERS_MAX];
    size_t waiter_count;
    enum outcome outcome;
    int fd; /* the audio, when done */
};

struct api_renders *api_renders_create(struct api *api, const char *program)
{
    struct api_renders *renders = calloc(1, sizeof *renders);
    if (!renders)
        return NULL;
    renders->api = api;
    list_init(&renders->going_on);
    if (program && !(renders->program = strdup(program))) {
        free(renders);
        return NULL;
    }
    return renders;
}

void api_renders_destroy(struct api_renders *renders)
{
    if (!renders)
        return;
    assert(list_is_empty(&renders->going_on));
    free(renders->program);
    free(renders);
}

/* ---- on a worker ---------------------------------------------------------------------------- */

static int start(const char *program, const char *journal, const struct api_format *format,
                 const char *output, pid_t *pid)
{
    static const char nothing[] = "/dev/null";
    char *const arguments[] = {(char *)(uintptr_t)program,
                               (char *)(uintptr_t)journal,
                               (char *)(uintptr_t) "--format",
                               (char *)(uintptr_t)format->name,
                               (char *)(uintptr_t) "-o",
                               (char *)(uintptr_t)output,
                               NULL};
    char *environment[ENVIRONMENT_CHILD_MAX];
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attributes;
    sigset_t none, all;
    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&files);
    posix_spawn_file_actions_addopen(&files, 0, nothing, O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&files, 1, nothing, O_WRONLY, 0);
    posix_spawnattr_init(&attributes);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);
    environment_for_child(environ, environment); /* it reads what strangers sent */
    int error = posix_spawn(pid, program, &files, &attributes, arguments, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&files);
    return error;
}

/* Waits for the process and nothing else. It is killed when it takes too long or the API ends. */
static enum outcome wait_for(pid_t pid, int stop_fd)
{
    int status = 0;
    enum outcome outcome = OUTCOME_DONE;
    int pid_fd = (int)syscall(SYS_pidfd_open, pid, 0);
    struct pollfd fds[] = {{.fd = pid_fd, .events = POLLIN}, {.fd = stop_fd, .events = POLLIN}};
    int n = 0;
    do {
        n = pid_fd < 0 ? 1 : poll(fds, 2, TIMEOUT_S * 1000);
    } while (n < 0 && errno == EINTR);
    if (n == 0)
        outcome = OUTCOME_TIMEOUT;
    else if (pid_fd >= 0 && !fds[0].revents)
        outcome = OUTCOME_STOPPED;
    if (outcome != OUTCOME_DONE)
        kill(pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (pid_fd >= 0)
        close(pid_fd);
    if (outcome == OUTCOME_DONE && !(WIFEXITED(status) && WEXITSTATUS(status) == 0))
        outcome = OUTCOME_FAILED;
    return outcome;
}

static enum outcome render(struct render_run *run, const char *journal, const char *output)
{
    pid_t pid;
    int error = start(run->renders->program, journal, run->format, output, &pid);
    if (error) {
        LOG_ERROR("api", VIEW_NONE, "render not started program=\"%s\" reason=\"%s\"",
                  run->renders->program, strerror(error));
        return OUTCOME_FAILED;
    }
    /* Recording goes first. */
    setpriority(PRIO_PROCESS, (id_t)pid, 10);
    return wait_for(pid, api_work_stop_fd(run->job.work));
}

static void run_render(struct api_job *job)
{
    struct render_run *run = container_of(job, struct render_run, job);
    const char *root = run->renders->api->root;
    char journal[PATH_MAX], output[PATH_MAX], audio[PATH_MAX];
    run->outcome = OUTCOME_FAILED;
    if (snprintf(journal, sizeof journal, "%s/%s/%s", root, run->directory,
                 CATALOG_FILES_JOURNAL) >= (int)sizeof journal ||
        snprintf(output, sizeof output, "%s/%s/audio.%s.%s", root, run->directory,
                 run->format->name, run->keep ? "demand" : "live") >= (int)sizeof output ||
        snprintf(audio, sizeof audio, "%s/%s/audio.%s", root, run->directory, run->format->name) >=
            (int)sizeof audio)
        return;
    if (access(journal, R_OK) != 0)
        run->outcome = OUTCOME_NO_JOURNAL;
    else
        run->outcome = render(run, journal, output);
    if (run->outcome == OUTCOME_DONE) {
        run->fd = open(output, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
        if (run->fd < 0 || (run->keep && rename(output, audio) != 0))
            run->outcome = OUTCOME_FAILED;
    }
    if (run->outcome != OUTCOME_DONE || !run->keep)
        unlink(output);
    if (run->outcome == OUTCOME_FAILED || run->outcome == OUTCOME_TIMEOUT)
        LOG_WARN("api", VIEW_NONE, "render failed directory=%s format=%s reason=\"%s\"",
                 run->directory, run->format->name,
                 run->outcome == OUTCOME_TIMEOUT ? "took too long" : "siprecd-render said no");
    metric_add(run->outcome == OUTCOME_DONE ? METRIC_RENDERS_DONE : METRIC_RENDERS_FAILED, 1);
}

/* ---- on the HTTP thread --------------------------------------------------------------------- */

static void answer(const struct render_run *run, struct http_exchange *exchange)
{
    char title[64];
    int fd;
    switch (run->outcome) {
    case OUTCOME_DONE:
        /* Each reply closes its own. */
        fd = fcntl(run->fd, F_DUPFD_CLOEXEC, 0);
        snprintf(title, sizeof title, "%s.%s", strrchr(run->directory, '/') + 1, run->format->name);
        if (fd < 0)
            api_busy_problem(exchange);
        else
            http_exchange_reply_file(exchange, fd, run->format->content_type, title);
        return;
    case OUTCOME_NO_JOURNAL:
        http_exchange_problem(exchange, 404, "file_not_found",
                              "The recording has no audio, and no journal to make it from.");
        return;
    case OUTCOME_FAILED:
        http_exchange_problem(exchange, 500, "render_failed",
                              "The audio could not be rendered; the log says why. The journal "
                              "can still be had.");
        return;
    case OUTCOME_TIMEOUT:
        http_exchange_problem(exchange, 504, "render_timeout",
                              "The audio was not rendered within %d s.", TIMEOUT_S);
        return;
    case OUTCOME_STOPPED:
        api_busy_problem(exchange);
        return;
    }
}

static void render_done(struct api_job *job)
{
    struct render_run *run = container_of(job, struct render_run, job);
    if (job->cancelled)
        run->outcome = OUTCOME_STOPPED;
    list_remove(&run->link);
    for (size_t i = 0; i < run->waiter_count; i++)
        answer(run, run->waiters[i]);
    if (run->fd >= 0)
        close(run->fd);
    free(run);
}

static bool join(struct api_renders *renders, struct http_exchange *exchange, const char *directory,
                 const struct api_format *format, bool keep)
{
    list_each (link, &renders->going_on) {
        struct render_run *run = container_of(link, struct render_run, link);
        if (run->format != format || run->keep != keep || strcmp(run->directory, directory) != 0)
            continue;
        if (run->waiter_count == WAITERS_MAX)
            api_busy_problem(exchange);
        else
            run->waiters[run->waiter_count++] = exchange;
        return true;
    }
    return false;
}

void api_render(struct api_renders *renders, struct http_exchange *exchange, const char *directory,
                const struct api_format *format, bool keep)
{
    http_exchange_extend(exchange, TIMEOUT_S + 60);
    if (join(renders, exchange, directory, format, keep))
        return;
    struct render_run *run = renders->program ? calloc(1, sizeof *run) : NULL;
    if (!run) {
        http_exchange_problem(exchange, 503, "render_unavailable",
                              "Audio cannot be rendered here now.");
        return;
    }
    run->job.run = run_render;
    run->job.done = render_done;
    run->renders = renders;
    run->format = format;
    run->keep = keep;
    run->fd = -1;
    run->waiters[run->waiter_count++] = exchange;
    snprintf(run->directory, sizeof run->directory, "%s", directory);
    if (!api_work_submit(renders->api->slow, &run->job)) {
        free(run);
        api_busy_problem(exchange);
        return;
    }
    list_append(&renders->going_on, &run->link);
}
