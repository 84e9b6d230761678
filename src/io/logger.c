/* logger: the sink of base/log: lines of text or JSON on standard error, with the time.
 * Not here: what is logged, levels (base/log.h), rotation (the service manager's affair).
 * RFC 3339 (times), 8259 (JSON). */
#include "io/logger.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>

#include "base/utf8.h"
#include "base/writer.h"
#include "io/clock.h"

enum {
    LOGGER_LINE_SIZE = 8192,
    LOGGER_CALL_ID_MAX = 256, /* a Call-ID of 10,000 bytes is legal; nobody wants to read it */
    LOGGER_ESCAPED_MAX = 6,   /* \u001f */
    LOGGER_HELD_SIZE = 65536,
};

static _Atomic int logger_fd = STDERR_FILENO;
static _Atomic int logger_format;

/* Lines held back; the lock is taken only while holding. */
static struct {
    atomic_bool on;
    pthread_mutex_t lock;
    size_t len;
    char lines[LOGGER_HELD_SIZE];
} logger_held = {.lock = PTHREAD_MUTEX_INITIALIZER};

/* In text, control bytes and foreign encodings become \xNN, other controls \uNNNN; in JSON they
 * become \u00NN and \uNNNN. Leaves room for the end of the line; what does not fit is cut. */
static void logger_escape(struct writer *out, struct view text, bool json)
{
    while (text.len > 0 && out->len + LOGGER_ESCAPED_MAX + 8 < out->size) {
        size_t len = utf8_len(text);
        unsigned char byte = (unsigned char)text.at[0];
        uint32_t character = utf8_decode(view_take(text, len ? len : 1));
        bool is_control = len == 0 || utf8_is_control(character);
        if (is_control && len < 2) {
            writer_printf(out, json ? "\\u00%02x" : "\\x%02x", byte);
            len = 1;
        } else if (is_control) {
            writer_printf(out, "\\u%04x", character);
        } else if (json && (byte == '"' || byte == '\\')) {
            writer_u8(out, '\\');
            writer_u8(out, byte);
        } else {
            writer_view(out, view_take(text, len));
        }
        text = view_skip(text, len);
    }
}

static void logger_json(struct writer *out, struct wall at, const struct log_line *line)
{
    writer_printf(out, "{\"time\":\"%s\",\"level\":\"%s\",\"module\":\"%s\"", wall_print(at).s,
                  log_level_name(line->level), line->module);
    if (line->call_id.len > 0) {
        writer_string(out, ",\"call_id\":\"");
        logger_escape(out, view_take(line->call_id, LOGGER_CALL_ID_MAX), true);
        writer_string(out, "\"");
    }
    writer_string(out, ",\"text\":\"");
    logger_escape(out, line->text, true);
    writer_string(out, "\"}\n");
}

static void logger_text(struct writer *out, struct wall at, const struct log_line *line)
{
    writer_printf(out, "%s %-5s %s: ", wall_print(at).s, log_level_name(line->level), line->module);
    if (line->call_id.len > 0) {
        writer_string(out, "[");
        logger_escape(out, view_take(line->call_id, LOGGER_CALL_ID_MAX), false);
        writer_string(out, "] ");
    }
    logger_escape(out, line->text, false);
    writer_string(out, "\n");
}

size_t io_logger_format_line(enum io_logger_format format, struct wall at,
                             const struct log_line *line, char *out, size_t size)
{
    struct writer writer = writer_of(out, size);
    if (format == IO_LOGGER_JSON)
        logger_json(&writer, at, line);
    else
        logger_text(&writer, at, line);
    return writer.len;
}

/* One write a line: lines of two threads do not mix. There is nobody to tell if it fails. */
static void logger_put(const char *text, size_t len)
{
    if (write(logger_fd, text, len) < 0)
        return;
}

static bool logger_keep(const char *text, size_t len)
{
    bool kept = false;
    pthread_mutex_lock(&logger_held.lock);
    if (atomic_load(&logger_held.on) && logger_held.len + len <= LOGGER_HELD_SIZE) {
        memcpy(logger_held.lines + logger_held.len, text, len);
        logger_held.len += len;
        kept = true;
    }
    pthread_mutex_unlock(&logger_held.lock);
    return kept;
}

static void logger_write(void *context, const struct log_line *line)
{
    char text[LOGGER_LINE_SIZE];
    size_t len = io_logger_format_line((enum io_logger_format)logger_format, io_clock_wall(), line,
                                       text, sizeof text);
    (void)context;
    if (!atomic_load(&logger_held.on) || !logger_keep(text, len))
        logger_put(text, len);
}

void io_logger_hold(void)
{
    atomic_store(&logger_held.on, true);
}

void io_logger_release(void)
{
    pthread_mutex_lock(&logger_held.lock);
    atomic_store(&logger_held.on, false);
    logger_put(logger_held.lines, logger_held.len);
    logger_held.len = 0;
    pthread_mutex_unlock(&logger_held.lock);
}

void io_logger_install(int fd, enum io_logger_format format)
{
    logger_fd = fd;
    logger_format = (int)format;
    log_set_sink(logger_write, NULL);
}

void io_logger_set_format(enum io_logger_format format)
{
    logger_format = (int)format;
}
