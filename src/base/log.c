/* log: formats a line and hands it to the sink.
 * Not here: where lines go.
 * RFC: none. */
#include "base/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>

/* A line longer than this is cut: logs are for reading, bodies are in the journal. */
#define LOG_TEXT_SIZE 2048

static void (*log_sink)(void *context, const struct log_line *line);
static void *log_sink_context;
static _Atomic enum log_level log_level_now = LOG_LEVEL_INFO;

static const char *const level_names[] = {"error", "warn", "info", "debug"};

void log_set_sink(void (*sink)(void *context, const struct log_line *line), void *context)
{
    log_sink_context = context;
    log_sink = sink;
}

void log_set_level(enum log_level level)
{
    atomic_store_explicit(&log_level_now, level, memory_order_relaxed);
}

static bool log_enabled(enum log_level level)
{
    return log_sink && level <= atomic_load_explicit(&log_level_now, memory_order_relaxed);
}

void log_write(enum log_level level, const char *module, struct view call_id, const char *format,
               ...)
{
    if (!log_enabled(level))
        return;
    int saved =
        errno; /* a log line between a failure and its handling must not change the failure */
    char text[LOG_TEXT_SIZE];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof text ? (size_t)n : sizeof text - 1;
    struct log_line line = {level, module, call_id, view_of(text, len)};
    log_sink(log_sink_context, &line);
    errno = saved;
}

bool log_limit_pass(struct log_limit *limit, struct tick now, int64_t interval_ms,
                    uint64_t *held_back)
{
    if (tick_before(now, limit->next)) {
        limit->held_back++;
        return false;
    }
    *held_back = limit->held_back;
    limit->held_back = 0;
    limit->next = tick_add_ms(now, interval_ms);
    return true;
}

const char *log_level_name(enum log_level level)
{
    return level_names[level];
}

bool log_level_parse(struct view name, enum log_level *out)
{
    for (int i = LOG_LEVEL_ERROR; i <= LOG_LEVEL_DEBUG; i++) {
        if (view_equal_nocase(name, view_of_string(level_names[i]))) {
            *out = (enum log_level)i;
            return true;
        }
    }
    return false;
}
