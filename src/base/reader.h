/* reader: takes numbers and runs of bytes off a wire format, with a sticky error.
 * After the first read past the end every read gives zero or an empty view and failed stays set, so
 * a parser reads a whole structure and checks once. RFC: none. */
#ifndef BASE_READER_H
#define BASE_READER_H

#include "base/view.h"

struct reader {
    struct view rest; /* what has not been read; borrows the message */
    bool failed;
};

struct reader reader_of(struct view bytes);

uint8_t reader_u8(struct reader *r);
/* Network order. */
uint16_t reader_u16(struct reader *r);
uint32_t reader_u24(struct reader *r);
uint32_t reader_u32(struct reader *r);
uint64_t reader_u64(struct reader *r);
/* Little endian. */
uint16_t reader_u16_le(struct reader *r);
uint32_t reader_u32_le(struct reader *r);
uint64_t reader_u64_le(struct reader *r);

/* n bytes, borrowed from the message. */
struct view reader_view(struct reader *r, size_t n);
void reader_skip(struct reader *r, size_t n);

size_t reader_left(const struct reader *r);

#endif
