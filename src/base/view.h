/* view: a borrowed run of bytes, text or binary, that never owns its memory.
 * Not here: growing buffers (writer.h), wire formats (reader.h).
 * RFC: none. */
#ifndef BASE_VIEW_H
#define BASE_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define WARN_UNUSED                     __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_at, args_at) __attribute__((format(printf, format_at, args_at)))

/* Bytes at[0..len). A view with len 0 may have any at, NULL included. */
struct view {
    const char *at;
    size_t len;
};

/* A view of a string literal, usable in initialisers. */
#define VIEW(literal)                                                                              \
    {                                                                                              \
        "" literal, sizeof literal - 1                                                             \
    }
#define VIEW_LIT(literal) ((struct view)VIEW(literal))
#define VIEW_NONE         ((struct view){NULL, 0})

/* For printf: printf("from " VIEW_FMT, VIEW_ARG(v)). Lengths beyond INT_MAX are cut. */
#define VIEW_FMT    "%.*s"
#define VIEW_ARG(v) view_printf_len(v), ((v).at ? (v).at : "")

int view_printf_len(struct view v);

/* Borrows bytes or a NUL-terminated string (NULL gives an empty view). */
static inline struct view view_of(const void *bytes, size_t len)
{
    return (struct view){bytes, len};
}

struct view view_of_string(const char *s);

bool view_equal(struct view a, struct view b);
/* ASCII case only, as SIP, SDP and MIME mean it. */
bool view_equal_nocase(struct view a, struct view b);
bool view_starts_with(struct view v, struct view prefix);
bool view_starts_with_nocase(struct view v, struct view prefix);

/* Index of the first match, or v.len when there is none. */
size_t view_find_char(struct view v, char c);
size_t view_find(struct view v, struct view needle);

/* v without its first n bytes (empty when n >= len); its first n bytes (all when n >= len). */
static inline struct view view_skip(struct view v, size_t n)
{
    if (n >= v.len)
        return (struct view){v.at ? v.at + v.len : NULL, 0};
    return (struct view){v.at + n, v.len - n};
}

static inline struct view view_take(struct view v, size_t n)
{
    return (struct view){v.at, n < v.len ? n : v.len};
}

/* Takes what stands before the first c off the front of *rest, and c with it. Without c it takes
 * all. Returns false, *head empty, when *rest was exhausted (!at) before the call; after the
 * last piece *rest becomes VIEW_NONE, so "a,,b" gives a, "", b and "a," gives a, "". */
bool view_cut(struct view *rest, char c, struct view *head);
/* The next line without its CRLF, LF or CR; same end rule,
 * but a final line end starts no new line. */
bool view_cut_line(struct view *rest, struct view *line);

/* Without blanks, tabs, CR and LF at either end. */
struct view view_trim(struct view v);

/* A decimal or hexadecimal number that fills the whole view; false (and *out untouched) otherwise,
 * on overflow too. */
WARN_UNUSED bool view_parse_u64(struct view v, uint64_t *out);
WARN_UNUSED bool view_parse_u32(struct view v, uint32_t *out);
WARN_UNUSED bool view_parse_u16(struct view v, uint16_t *out);
WARN_UNUSED bool view_parse_hex(struct view v, uint64_t *out);

/* Copies into dst, always NUL-terminated; false when it had to cut. size >= 1. */
bool view_copy(struct view v, char *dst, size_t size);

#endif
