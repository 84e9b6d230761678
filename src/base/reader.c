/* reader: the sticky reader of wire formats.
 * Not here: text (view.h).
 * RFC: none. */
#include "base/reader.h"

struct reader reader_of(struct view bytes)
{
    return (struct reader){.rest = bytes};
}

struct view reader_view(struct reader *r, size_t n)
{
    if (r->failed || n > r->rest.len) {
        r->failed = true;
        r->rest = view_skip(r->rest, r->rest.len);
        return VIEW_NONE;
    }
    struct view taken = view_take(r->rest, n);
    r->rest = view_skip(r->rest, n);
    return taken;
}

static uint64_t take_be(struct reader *r, size_t n)
{
    struct view v = reader_view(r, n);
    uint64_t value = 0;
    for (size_t i = 0; i < v.len; i++)
        value = value << 8 | (uint8_t)v.at[i];
    return value;
}

static uint64_t take_le(struct reader *r, size_t n)
{
    struct view v = reader_view(r, n);
    uint64_t value = 0;
    for (size_t i = v.len; i > 0; i--)
        value = value << 8 | (uint8_t)v.at[i - 1];
    return value;
}

uint8_t reader_u8(struct reader *r)
{
    return (uint8_t)take_be(r, 1);
}

uint16_t reader_u16(struct reader *r)
{
    return (uint16_t)take_be(r, 2);
}

uint32_t reader_u24(struct reader *r)
{
    return (uint32_t)take_be(r, 3);
}

uint32_t reader_u32(struct reader *r)
{
    return (uint32_t)take_be(r, 4);
}

uint64_t reader_u64(struct reader *r)
{
    return take_be(r, 8);
}

uint16_t reader_u16_le(struct reader *r)
{
    return (uint16_t)take_le(r, 2);
}

uint32_t reader_u32_le(struct reader *r)
{
    return (uint32_t)take_le(r, 4);
}

uint64_t reader_u64_le(struct reader *r)
{
    return take_le(r, 8);
}

void reader_skip(struct reader *r, size_t n)
{
    (void)reader_view(r, n);
}

size_t reader_left(const struct reader *r)
{
    return r->rest.len;
}
