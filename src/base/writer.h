/* writer: puts numbers, bytes and text into a buffer of the caller's, with a sticky error. The
 * first write that does not fit writes nothing, sets failed, and every later write is refused, so a
 * builder checks once.
 * Not here: buffers that grow.
 * RFC: none. */
#ifndef BASE_WRITER_H
#define BASE_WRITER_H

#include "base/view.h"

struct writer {
    char *buffer; /* the caller's */
    size_t size;
    size_t len; /* bytes written */
    bool failed;
};

struct writer writer_of(void *buffer, size_t size);

void writer_u8(struct writer *w, uint8_t value);
/* Network order. */
void writer_u16(struct writer *w, uint16_t value);
void writer_u32(struct writer *w, uint32_t value);
void writer_u64(struct writer *w, uint64_t value);
/* Little endian. */
void writer_u16_le(struct writer *w, uint16_t value);
void writer_u32_le(struct writer *w, uint32_t value);
void writer_u64_le(struct writer *w, uint64_t value);

void writer_view(struct writer *w, struct view bytes);
void writer_string(struct writer *w, const char *text);
void writer_fill(struct writer *w, uint8_t byte, size_t n);
/* Text without its NUL, but the buffer must have room for one more byte. */
void writer_printf(struct writer *w, const char *format, ...) PRINTF_LIKE(2, 3);

/* Overwrites a number written earlier (lengths known afterwards); at + its size <= len, unless
 * failed. */
void writer_patch_u16(struct writer *w, size_t at, uint16_t value);

/* What has been written; empty when failed. Borrows the buffer. */
struct view writer_done(const struct writer *w);

#endif
