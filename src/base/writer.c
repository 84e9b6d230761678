/* writer: the sticky writer of wire formats and text.
 * Not here: buffers that grow.
 * RFC: none. */
#include "base/writer.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct writer writer_of(void *buffer, size_t size)
{
    return (struct writer){.buffer = buffer, .size = size};
}

/* Room for n bytes, or NULL with failed set. */
static char *reserve(struct writer *w, size_t n)
{
    if (w->failed || n > w->size - w->len) {
        w->failed = true;
        return NULL;
    }
    char *at = w->buffer + w->len;
    w->len += n;
    return at;
}

static void store_be(char *at, uint64_t value, size_t n)
{
    for (size_t i = 0; i < n; i++)
        at[i] = (char)(uint8_t)(value >> (8 * (n - 1 - i)));
}

static void put_be(struct writer *w, uint64_t value, size_t n)
{
    char *at = reserve(w, n);
    if (at)
        store_be(at, value, n);
}

static void put_le(struct writer *w, uint64_t value, size_t n)
{
    char *at = reserve(w, n);
    for (size_t i = 0; at && i < n; i++)
        at[i] = (char)(uint8_t)(value >> (8 * i));
}

void writer_u8(struct writer *w, uint8_t value)
{
    put_be(w, value, 1);
}

void writer_u16(struct writer *w, uint16_t value)
{
    put_be(w, value, 2);
}

void writer_u32(struct writer *w, uint32_t value)
{
    put_be(w, value, 4);
}

void writer_u64(struct writer *w, uint64_t value)
{
    put_be(w, value, 8);
}

void writer_u16_le(struct writer *w, uint16_t value)
{
    put_le(w, value, 2);
}

void writer_u32_le(struct writer *w, uint32_t value)
{
    put_le(w, value, 4);
}

void writer_u64_le(struct writer *w, uint64_t value)
{
    put_le(w, value, 8);
}

void writer_view(struct writer *w, struct view bytes)
{
    char *at = reserve(w, bytes.len);
    if (at && bytes.len)
        memcpy(at, bytes.at, bytes.len);
}

void writer_string(struct writer *w, const char *text)
{
    writer_view(w, view_of_string(text));
}

void writer_fill(struct writer *w, uint8_t byte, size_t n)
{
    char *at = reserve(w, n);
    if (at && n)
        memset(at, byte, n);
}

void writer_printf(struct writer *w, const char *format, ...)
{
    if (w->failed)
        return;
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int n = vsnprintf(NULL, 0, format, args);
    va_end(args);
    /* vsnprintf also writes a NUL, which is not part of the text: a text that fills the buffer to
     * its last byte is refused, so that nothing is ever written past the end. */
    if (n < 0 || (size_t)n >= w->size - w->len) {
        w->failed = true;
    } else {
        (void)vsnprintf(w->buffer + w->len, w->size - w->len, format, again);
        w->len += (size_t)n;
    }
    va_end(again);
}

void writer_patch_u16(struct writer *w, size_t at, uint16_t value)
{
    assert(w->failed || at + 2 <= w->len);
    if (!w->failed)
        store_be(w->buffer + at, value, 2);
}

struct view writer_done(const struct writer *w)
{
    return w->failed ? VIEW_NONE : view_of(w->buffer, w->len);
}
