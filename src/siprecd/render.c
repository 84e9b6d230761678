/* render: one recording's audio: siprecd-render run on its journal, the result into its document.
 * Not here: when and how many at once (keeper), decoding (siprecd-render itself).
 * RFC: none. */
#include "siprecd/render.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/log.h"
#include "base/metrics.h"
#include "io/clock.h"
#include "io/file.h"
#include "io/process.h"
#include "recorder/document.h"

enum {
    /* Channels, streams and digits of a day-long call are some hundred kilobytes. */
    RENDER_OUTPUT_SIZE = 4 * 1024 * 1024,
    RENDER_NICE = 10,
    RENDER_TIMEOUT_MIN_S = 120,
    /* An hour of a call is about 80 MB of journal and takes some ten seconds: thirty times as long
     * is a decoder that hangs. */
    RENDER_BYTES_PER_S = 200 * 1000,
};

struct render_paths {
    char journal[PATH_MAX];
    char part[PATH_MAX];
    char audio[PATH_MAX];
};

static bool render_name(const struct render_task *task, struct render_paths *paths)
{
    int a = snprintf(paths->journal, PATH_MAX, "%s/%s/journal.pcapng", task->root, task->directory);
    int b = snprintf(paths->part, PATH_MAX, "%s/%s/audio.%s.part", task->root, task->directory,
                     task->format);
    int c = snprintf(paths->audio, PATH_MAX, "%s/%s/audio.%s", task->root, task->directory,
                     task->format);
    return a < PATH_MAX && b < PATH_MAX && c < PATH_MAX;
}

static void render_put(const struct render_task *task, char *document)
{
    if (!document) {
        LOG_ERROR("render", VIEW_NONE, "document not changed directory=%s", task->directory);
        return;
    }
    if (catalog_put(task->catalog, view_of_string(document), VIEW_NONE) != 0)
        LOG_ERROR("render", VIEW_NONE, "document not taken by the catalogue directory=%s",
                  task->directory);
    free(document);
}

static void render_failed(const struct render_task *task, const char *reason)
{
    metric_add(METRIC_RENDERS_FAILED, 1);
    LOG_ERROR("render", VIEW_NONE, "failed directory=%s reason=\"%s\"", task->directory, reason);
    render_put(task,
               recorder_document_failed(task->document, view_of_string(reason), io_clock_wall()));
}

/* Why it did not succeed, or NULL. */
static const char *render_fault(const struct io_process_result *result, char *reason, size_t size)
{
    switch (result->end) {
    case IO_PROCESS_EXITED:
        if (result->code == 0 && !result->output_cut)
            return NULL;
        snprintf(reason, size, "siprecd-render ended with %d", result->code);
        break;
    case IO_PROCESS_KILLED:
        snprintf(reason, size, "siprecd-render was ended by signal %d", result->code);
        break;
    case IO_PROCESS_TIMED_OUT:
        snprintf(reason, size, "siprecd-render took too long");
        break;
    case IO_PROCESS_NOT_RUN:
    case IO_PROCESS_CANCELLED:
        snprintf(reason, size, "siprecd-render could not be run: %s", strerror(result->code));
        break;
    }
    return reason;
}

void render_run(const struct render_task *task)
{
    struct render_paths paths;
    struct io_process_limits limits = {.nice_value = RENDER_NICE, .cancel = task->cancel};
    struct io_process_result result;
    char reason[160];
    char *output = malloc(RENDER_OUTPUT_SIZE);
    const char *fault;
    int64_t size;
    int error;
    if (!output || !render_name(task, &paths)) {
        free(output);
        render_failed(task, "out of memory, or the path is too long");
        return;
    }
    size = io_file_size(paths.journal);
    limits.timeout_ns = (RENDER_TIMEOUT_MIN_S + size / RENDER_BYTES_PER_S) * NS_PER_S;
    const char *const argv[] = {task->program, paths.journal, "--format", task->format,
                                "-o",          paths.part,    NULL};
    result = io_process_run(argv, &limits, output, RENDER_OUTPUT_SIZE);
    fault = render_fault(&result, reason, sizeof reason);
    if (result.end == IO_PROCESS_CANCELLED) {
        (void)unlink(paths.part);
        free(output);
        return;
    }
    if (!fault) {
        error = io_file_put(paths.part, paths.audio);
        if (error != 0) {
            snprintf(reason, sizeof reason, "the audio was not written: %s", strerror(error));
            fault = reason;
        }
    }
    if (!fault) {
        metric_add(METRIC_RENDERS_DONE, 1);
        render_put(task, recorder_document_merge(task->document,
                                                 view_trim(view_of(output, result.output_len))));
    } else {
        (void)unlink(paths.part);
        render_failed(task, fault);
    }
    free(output);
}
