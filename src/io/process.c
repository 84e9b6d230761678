/* process: running another program to its end: start, time limit, what it prints.
 * Not here: how many run at once (pool.h), shells.
 * RFC: none. */
#include "io/process.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/environment.h"
#include "io/clock.h"

extern char **environ;

enum {
    PROCESS_WAIT_MS = 20,   /* a program that closed its output is looked at this often */
    PROCESS_CANCEL_MS = 200 /* how often cancel is looked at */
};

/* Starts it with output_fd as its standard output, default signals, an empty signal mask and the least environment,
 * in a process group of its own: what it starts can then be ended with it. */
static int process_start(const char *const *argv, int output_fd, pid_t *pid)
{
    char *environment[ENVIRONMENT_CHILD_MAX];
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    sigset_t none;
    sigset_t all;
    int error;

    sigemptyset(&none);
    sigfillset(&all);
    posix_spawn_file_actions_init(&actions);
    posix_spawnattr_init(&attributes);
    error = posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    if (error == 0)
        error = posix_spawn_file_actions_adddup2(&actions, output_fd, STDOUT_FILENO);
    posix_spawnattr_setsigmask(&attributes, &none);
    posix_spawnattr_setsigdefault(&attributes, &all);
    posix_spawnattr_setpgroup(&attributes, 0);
    posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF |
                                              POSIX_SPAWN_SETPGROUP);
    environment_for_child(environ, environment);
    if (error == 0)
        error =
            posix_spawn(pid, argv[0], &actions, &attributes, (char **)(uintptr_t)argv, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return error;
}

enum process_step { PROCESS_DONE, PROCESS_LATE, PROCESS_CANCEL };

/* How long to sleep at most; 0: the deadline has come. */
static int process_left_ms(struct tick deadline, int most_ms)
{
    int64_t left_ms = (deadline.ns - io_clock_tick().ns + 999999) / 1000000;
    return left_ms <= 0 ? 0 : left_ms > most_ms ? most_ms : (int)left_ms;
}

static bool process_is_cancelled(const struct io_process_limits *limits)
{
    return limits->cancel && atomic_load(limits->cancel);
}

/* Reads what it prints until it closes its output. */
static enum process_step process_read(int fd, const struct io_process_limits *limits,
                                      struct tick deadline, char *output, size_t room,
                                      struct io_process_result *result)
{
    char spill[512];
    for (;;) {
        struct pollfd waiting = {.fd = fd, .events = POLLIN};
        size_t left = room - 1 - result->output_len;
        int left_ms = process_left_ms(deadline, PROCESS_CANCEL_MS);
        ssize_t got;
        if (process_is_cancelled(limits))
            return PROCESS_CANCEL;
        if (left_ms == 0)
            return PROCESS_LATE;
        if (poll(&waiting, 1, left_ms) <= 0)
            continue;
        got =
            left > 0 ? read(fd, output + result->output_len, left) : read(fd, spill, sizeof spill);
        if (got == 0)
            return PROCESS_DONE;
        if (got > 0 && left > 0)
            result->output_len += (size_t)got;
        else if (got > 0)
            result->output_cut = true;
    }
}

static enum process_step process_wait(pid_t pid, const struct io_process_limits *limits,
                                      struct tick deadline, int *status)
{
    for (;;) {
        pid_t ended = waitpid(pid, status, WNOHANG);
        assert(ended >= 0 || errno == EINTR);
        if (ended == pid)
            return PROCESS_DONE;
        if (process_is_cancelled(limits))
            return PROCESS_CANCEL;
        if (process_left_ms(deadline, PROCESS_WAIT_MS) == 0)
            return PROCESS_LATE;
        (void)poll(NULL, 0, PROCESS_WAIT_MS);
    }
}

static void process_kill(pid_t pid)
{
    int status;
    kill(-pid, SIGKILL);
    while (waitpid(pid, &status, 0) < 0)
        assert(errno == EINTR);
}

struct io_process_result io_process_run(const char *const *argv,
                                        const struct io_process_limits *limits, char *output,
                                        size_t output_room)
{
    struct io_process_result result = {.end = IO_PROCESS_NOT_RUN};
    struct tick deadline = {.ns = io_clock_tick().ns + limits->timeout_ns};
    int ends[2];
    int status = 0;
    pid_t pid;
    enum process_step step;
    assert(output_room > 0);
    output[0] = '\0';
    if (pipe2(ends, O_CLOEXEC) != 0) {
        result.code = errno;
        return result;
    }
    result.code = process_start(argv, ends[1], &pid);
    close(ends[1]);
    if (result.code != 0) {
        close(ends[0]);
        return result;
    }
    (void)setpriority(PRIO_PROCESS, (id_t)pid, limits->nice_value);
    step = process_read(ends[0], limits, deadline, output, output_room, &result);
    if (step == PROCESS_DONE)
        step = process_wait(pid, limits, deadline, &status);
    close(ends[0]);
    output[result.output_len] = '\0';
    if (step != PROCESS_DONE) {
        process_kill(pid);
        result.end = step == PROCESS_LATE ? IO_PROCESS_TIMED_OUT : IO_PROCESS_CANCELLED;
        result.code = SIGKILL;
    } else if (WIFEXITED(status)) {
        result.end = IO_PROCESS_EXITED;
        result.code = WEXITSTATUS(status);
    } else {
        result.end = IO_PROCESS_KILLED;
        result.code = WTERMSIG(status);
    }
    return result;
}
