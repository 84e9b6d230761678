/* process: running another program to its end: start, time limit, what it prints.
 * Not here: how many run at once (pool.h), shells.
 * RFC: none. */
#ifndef IO_PROCESS_H
#define IO_PROCESS_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/view.h"

enum io_process_end {
    IO_PROCESS_EXITED,    /* code holds its exit code */
    IO_PROCESS_KILLED,    /* by a signal; code holds it */
    IO_PROCESS_TIMED_OUT, /* we killed it */
    IO_PROCESS_CANCELLED, /* we killed it because the caller changed its mind */
    IO_PROCESS_NOT_RUN,   /* it could not be started; code holds errno */
};

struct io_process_result {
    enum io_process_end end;
    int code;
    size_t output_len; /* of the buffer; ends before the terminating NUL */
    bool output_cut;   /* it printed more than the buffer holds */
};

struct io_process_limits {
    int64_t timeout_ns;
    int nice_value;
    const atomic_bool *cancel; /* looked at now and then: true ends it; NULL: never */
};

/* Runs argv[0] (a path) with argv, waits for its end and keeps what it prints on its standard
 * output in output (NUL-terminated). Its standard error is ours, of the
 * environment it has only what environment_for_child() leaves. Blocks; for a pool's thread. */
struct io_process_result io_process_run(const char *const *argv,
                                        const struct io_process_limits *limits, char *output,
                                        size_t output_room);

#endif
