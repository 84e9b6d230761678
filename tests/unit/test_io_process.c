/* Running programs: what they print, how they end, the limits; and pools of threads.
 * Not here: siprecd-render.
 * RFC: none. */
#include "io/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/pool.h"
#include "tap.h"

static struct io_process_result run(const char *script, int64_t timeout_ms, char *output,
                                    size_t room)
{
    const char *const argv[] = {"/bin/sh", "-c", script, NULL};
    struct io_process_limits limits = {.timeout_ns = timeout_ms * NS_PER_MS, .nice_value = 5};

    return io_process_run(argv, &limits, output, room);
}

static void test_output_and_code(void)
{
    char output[64];
    struct io_process_result result = run("echo one; echo two; exit 3", 20000, output, 64);

    CHECK_INT(result.end, IO_PROCESS_EXITED);
    CHECK_INT(result.code, 3);
    CHECK_TEXT(output, "one\ntwo\n");
    CHECK(!result.output_cut);
}

static void test_environment(void)
{
    char output[4096];

    CHECK_INT(setenv("TURN_PASSWORD", "s3cret", 1), 0);
    CHECK_INT(setenv("PATH", "/usr/bin:/bin", 1), 0);
    CHECK_INT(run("env", 20000, output, sizeof(output)).code, 0);
    CHECK(strstr(output, "PATH=/usr/bin:/bin\n") != NULL);
    CHECK(strstr(output, "TURN_PASSWORD") == NULL);
}

static void test_output_is_cut(void)
{
    char output[8];
    struct io_process_result result = run("seq 1 100000", 20000, output, sizeof(output));

    CHECK_INT(result.end, IO_PROCESS_EXITED);
    CHECK_INT(result.code, 0);
    CHECK_TEXT(output, "1\n2\n3\n4");
    CHECK(result.output_cut);
}

static void test_ends(void)
{
    char output[64];
    const char *const nothing[] = {"/nothing/here", NULL};
    struct io_process_limits limits = {.timeout_ns = NS_PER_S};
    struct io_process_result result = run("kill -SEGV $$", 20000, output, 64);

    CHECK(result.end == IO_PROCESS_KILLED && result.code == SIGSEGV);
    result = run("sleep 100", 100, output, 64);
    CHECK_INT(result.end, IO_PROCESS_TIMED_OUT);
    /* output closed, still running */
    result = run("exec >&-; sleep 100", 100, output, 64);
    CHECK_INT(result.end, IO_PROCESS_TIMED_OUT);
    result = io_process_run(nothing, &limits, output, 64);
    CHECK(result.end == IO_PROCESS_NOT_RUN && result.code == ENOENT);
}

/* What a program started itself does not outlive it: a pipe that only its child holds is closed. */
static void test_child_ends_too(void)
{
    char output[64];
    char script[64];
    int ends[2];

    CHECK_INT(pipe(ends), 0);
    CHECK(fcntl(ends[0], F_SETFD, FD_CLOEXEC) == 0);
    snprintf(script, sizeof(script), "sleep 100 & exec %d>&-; wait", ends[1]);
    CHECK_INT(run(script, 100, output, 64).end, IO_PROCESS_TIMED_OUT);
    close(ends[1]);
    struct pollfd closed = {.fd = ends[0], .events = POLLIN};
    CHECK_INT(poll(&closed, 1, 20000), 1);
    CHECK(closed.revents & POLLHUP);
    close(ends[0]);
}

static void test_cancel(void)
{
    char output[64];
    const char *const argv[] = {"/bin/sleep", "100", NULL};
    atomic_bool cancel = true;
    struct io_process_limits limits = {.timeout_ns = 100 * NS_PER_S, .cancel = &cancel};
    struct tick began = io_clock_tick();

    CHECK_INT(io_process_run(argv, &limits, output, 64).end, IO_PROCESS_CANCELLED);
    CHECK(tick_diff_ms(io_clock_tick(), began) < 20000);
}

static atomic_int done;
static atomic_bool gate;

static void wait_for_gate(void *context)
{
    while (!atomic_load(&gate))
        sched_yield();
    atomic_fetch_add(&done, *(int *)context);
}

static void test_pool(void)
{
    struct io_pool *pool = io_pool_create("test", 2, 3, 0);
    int one = 1;
    struct io_job job = {.run = wait_for_gate, .context = &one};
    int posted = 0;

    /* Two run, three wait; until both threads have theirs, up to two fewer fit. */
    while (posted < 5) {
        if (io_pool_post(pool, &job))
            posted++;
        else
            sched_yield();
    }
    CHECK(!io_pool_post(pool, &job));
    CHECK_INT(io_pool_busy(pool), 5);
    CHECK_INT(atomic_load(&done), 0);
    atomic_store(&gate, true);
    io_pool_destroy(pool);
    CHECK_INT(atomic_load(&done), 5);
}

int main(void)
{
    RUN(test_output_and_code);
    RUN(test_environment);
    RUN(test_output_is_cut);
    RUN(test_ends);
    RUN(test_child_ends_too);
    RUN(test_cancel);
    RUN(test_pool);
    return tap_done();
}
