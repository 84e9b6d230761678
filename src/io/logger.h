/* logger: the sink of base/log: lines of text or JSON on standard error, with the time.
 * Not here: what is logged, levels (base/log.h), rotation (the service manager's affair).
 * RFC 3339 (times), 8259 (JSON). */
#ifndef IO_LOGGER_H
#define IO_LOGGER_H

#include "base/log.h"
#include "base/view.h"

enum io_logger_format {
    IO_LOGGER_TEXT, /* TIME LEVEL module: [call-id] event key=value */
    IO_LOGGER_JSON, /* one object a line: time, level, module, call_id, text */
};

/* Installs the sink for the whole process; before threads start. Lines go to fd. */
void io_logger_install(int fd, enum io_logger_format format);

/* Another format from the next line on; any thread. */
void io_logger_set_format(enum io_logger_format format);

/* Holds lines back (up to 64 KiB; more are written at once) until released: a program's own first
 * words come before what its parts log while they start. */
void io_logger_hold(void);
void io_logger_release(void);

/* One line, ended by a newline, as the sink would write it at that time. Bytes that are not
 * printable, or no UTF-8, are escaped, so that a peer cannot forge a line. Returns its length, at
 * most size. */
size_t io_logger_format_line(enum io_logger_format format, struct wall at,
                             const struct log_line *line, char *out, size_t size);

#endif
