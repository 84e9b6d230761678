/* view: comparing, cutting and reading numbers from borrowed bytes.
 * Not here: anything that allocates.
 * RFC: none. */
#include "base/view.h"

#include <assert.h>
#include <limits.h>
#include <string.h>

int view_printf_len(struct view v)
{
    return v.len > INT_MAX ? INT_MAX : (int)v.len;
}

struct view view_of_string(const char *s)
{
    return s ? (struct view){s, strlen(s)} : VIEW_NONE;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

bool view_equal(struct view a, struct view b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

bool view_equal_nocase(struct view a, struct view b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++) {
        if (lower(a.at[i]) != lower(b.at[i]))
            return false;
    }
    return true;
}

bool view_starts_with(struct view v, struct view prefix)
{
    return v.len >= prefix.len && view_equal(view_take(v, prefix.len), prefix);
}

bool view_starts_with_nocase(struct view v, struct view prefix)
{
    return v.len >= prefix.len && view_equal_nocase(view_take(v, prefix.len), prefix);
}

size_t view_find_char(struct view v, char c)
{
    const char *hit = v.len ? memchr(v.at, c, v.len) : NULL;
    return hit ? (size_t)(hit - v.at) : v.len;
}

size_t view_find(struct view v, struct view needle)
{
    if (needle.len == 0)
        return 0;
    const char *hit = v.len ? memmem(v.at, v.len, needle.at, needle.len) : NULL;
    return hit ? (size_t)(hit - v.at) : v.len;
}

bool view_cut(struct view *rest, char c, struct view *head)
{
    if (!rest->at) {
        *head = VIEW_NONE;
        return false;
    }
    size_t at = view_find_char(*rest, c);
    *head = view_take(*rest, at);
    *rest = at < rest->len ? view_skip(*rest, at + 1) : VIEW_NONE;
    return true;
}

bool view_cut_line(struct view *rest, struct view *line)
{
    if (rest->len == 0) {
        *line = VIEW_NONE;
        return false;
    }
    size_t at = 0;
    while (at < rest->len && rest->at[at] != '\r' && rest->at[at] != '\n')
        at++;
    *line = view_take(*rest, at);
    if (at < rest->len)
        at += rest->at[at] == '\r' && at + 1 < rest->len && rest->at[at + 1] == '\n' ? 2 : 1;
    *rest = view_skip(*rest, at);
    return true;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

struct view view_trim(struct view v)
{
    while (v.len && is_blank(v.at[0]))
        v = view_skip(v, 1);
    while (v.len && is_blank(v.at[v.len - 1]))
        v.len--;
    return v;
}

bool view_parse_u64(struct view v, uint64_t *out)
{
    uint64_t value = 0;
    if (v.len == 0)
        return false;
    for (size_t i = 0; i < v.len; i++) {
        if (v.at[i] < '0' || v.at[i] > '9')
            return false;
        if (__builtin_mul_overflow(value, 10u, &value) ||
            __builtin_add_overflow(value, (uint64_t)(v.at[i] - '0'), &value))
            return false;
    }
    *out = value;
    return true;
}

bool view_parse_u32(struct view v, uint32_t *out)
{
    uint64_t wide;
    if (!view_parse_u64(v, &wide) || wide > UINT32_MAX)
        return false;
    *out = (uint32_t)wide;
    return true;
}

bool view_parse_u16(struct view v, uint16_t *out)
{
    uint64_t wide;
    if (!view_parse_u64(v, &wide) || wide > UINT16_MAX)
        return false;
    *out = (uint16_t)wide;
    return true;
}

bool view_parse_hex(struct view v, uint64_t *out)
{
    uint64_t value = 0;
    if (v.len == 0 || v.len > 16)
        return false;
    for (size_t i = 0; i < v.len; i++) {
        char c = lower(v.at[i]);
        if (c >= '0' && c <= '9')
            value = value << 4 | (uint64_t)(c - '0');
        else if (c >= 'a' && c <= 'f')
            value = value << 4 | (uint64_t)(c - 'a' + 10);
        else
            return false;
    }
    *out = value;
    return true;
}

bool view_copy(struct view v, char *dst, size_t size)
{
    assert(size > 0);
    size_t n = v.len < size ? v.len : size - 1;
    if (n)
        memcpy(dst, v.at, n);
    dst[n] = '\0';
    return n == v.len;
}
