/* range: reading Range and conditional fields.
 * Not here: sending.
 * RFC 9110 §13, §14. */
#include "http/range.h"

#include <assert.h>

/* 1*DIGIT of any length; what does not fit 64 bits is as far as anything can be. */
static bool read_number(struct view v, uint64_t *out)
{
    for (size_t i = 0; i < v.len; i++) {
        if (v.at[i] < '0' || v.at[i] > '9')
            return false;
    }
    if (!view_parse_u64(v, out))
        *out = UINT64_MAX;
    return v.len > 0;
}

static enum http_range_result read_spec(struct view spec, uint64_t size, struct http_range *out)
{
    struct view first = view_take(spec, view_find_char(spec, '-'));
    struct view last = view_skip(spec, first.len + 1);
    uint64_t from = 0, to = UINT64_MAX;
    if (first.len == spec.len)
        return HTTP_RANGE_WHOLE;
    if (first.len == 0) {
        /* suffix-range: the last n bytes, all of them when n is more (§14.1.2). */
        if (!read_number(last, &to))
            return HTTP_RANGE_WHOLE;
        if (to == 0)
            return HTTP_RANGE_UNSATISFIABLE;
        if (size == 0)
            return HTTP_RANGE_WHOLE; /* satisfiable, but no 206 can say which bytes */
        out->len = to < size ? to : size;
        out->first = size - out->len;
        return HTTP_RANGE_PART;
    }
    /* last before first makes it invalid, and what is invalid may be ignored (§14.1.1, §14.2). */
    if (!read_number(first, &from) || (last.len > 0 && !read_number(last, &to)) || to < from)
        return HTTP_RANGE_WHOLE;
    if (from >= size)
        return HTTP_RANGE_UNSATISFIABLE;
    out->first = from;
    out->len = (to < size ? to + 1 : size) - from;
    return HTTP_RANGE_PART;
}

enum http_range_result http_range_parse(struct view field, uint64_t size, struct http_range *out)
{
    struct view rest = view_trim(field), unit, piece, spec = VIEW_NONE;
    *out = (struct http_range){.first = 0, .len = size};
    if (view_find_char(rest, '=') == rest.len || !view_cut(&rest, '=', &unit) ||
        !view_equal_nocase(unit, VIEW_LIT("bytes")))
        return HTTP_RANGE_WHOLE;
    while (view_cut(&rest, ',', &piece)) {
        piece = view_trim(piece);
        if (piece.len == 0)
            continue; /* a list may have empty elements (§5.6.1) */
        if (spec.len > 0)
            return HTTP_RANGE_WHOLE;
        spec = piece;
    }
    return read_spec(spec, size, out);
}

bool http_range_if(struct view if_range, const struct http_validators *now)
{
    if_range = view_trim(if_range);
    if (if_range.len == 0)
        return true;
    if (if_range.at[0] == '"')
        return view_equal(if_range, now->etag);
    /* W/"..." never matches here; a date must be the same to the letter. */
    return view_equal(if_range, now->last_modified);
}

bool http_range_match(struct view list, const struct http_validators *now, bool strong)
{
    struct view rest = view_trim(list);
    if (view_equal(rest, VIEW_LIT("*")))
        return true;
    while (rest.len > 0) {
        bool weak = view_starts_with(rest, VIEW_LIT("W/"));
        struct view tag = weak ? view_skip(rest, 2) : rest;
        assert(rest.at);
        if (tag.len == 0 || tag.at[0] != '"') {
            rest = view_skip(rest, 1); /* blanks, commas, whatever stands between */
            continue;
        }
        size_t end = 1 + view_find_char(view_skip(tag, 1), '"');
        if (end >= tag.len)
            return false;
        if (view_equal(view_take(tag, end + 1), now->etag) && !(weak && strong))
            return true;
        rest = view_skip(tag, end + 1);
    }
    return false;
}
