/* log: one line an event, handed to one sink that the program installs; module, [call-id],
 * key=value.
 * Not here: clocks, files and formats (io/logger.h). Secrets never, and no line a packet.
 * RFC: none. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/tick.h"

enum log_level {
    LOG_LEVEL_ERROR,
    LOG_LEVEL_WARN,
    LOG_LEVEL_INFO,
    LOG_LEVEL_DEBUG,
};

struct log_line {
    enum log_level level;
    const char *module;  /* "sip" */
    struct view call_id; /* empty: none */
    struct view text;    /* "bye sent reason=expired": an event, then key=value; no line end */
};

/* Called from any thread, one line a call. Without a sink lines are dropped. Install before threads
 * start. */
void log_set_sink(void (*sink)(void *context, const struct log_line *line), void *context);
/* Lines below this are not even formatted. */
void log_set_level(enum log_level level);

void log_write(enum log_level level, const char *module, struct view call_id, const char *format,
               ...) PRINTF_LIKE(4, 5);

#define LOG_ERROR(module, call_id, ...) log_write(LOG_LEVEL_ERROR, module, call_id, __VA_ARGS__)
#define LOG_WARN(module, call_id, ...)  log_write(LOG_LEVEL_WARN, module, call_id, __VA_ARGS__)
#define LOG_INFO(module, call_id, ...)  log_write(LOG_LEVEL_INFO, module, call_id, __VA_ARGS__)
#define LOG_DEBUG(module, call_id, ...) log_write(LOG_LEVEL_DEBUG, module, call_id, __VA_ARGS__)

/* For what a peer can cause at will: at most one line an interval, with the number that were held
 * back. Zero means never logged. One owner thread. */
struct log_limit {
    struct tick next;
    uint64_t held_back;
};
/* True when a line may be written now; *held_back says how many were not since the last. */
bool log_limit_pass(struct log_limit *limit, struct tick now, int64_t interval_ms,
                    uint64_t *held_back);

const char *log_level_name(enum log_level level);
WARN_UNUSED bool log_level_parse(struct view name, enum log_level *out);

#endif
