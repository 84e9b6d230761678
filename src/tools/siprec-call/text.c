/* text: fills a template with values; see text.h.
 * Not here: what the names mean.
 * RFC: none. */
#include "tools/siprec-call/text.h"

#include <string.h>

struct filler {
    struct view rest; /* of the template, from where we are */
    struct view eol;
    struct writer *out;
    struct view *fault;
};

static const struct call_text_value *value_find(const struct call_text_scope *scope,
                                                struct view name)
{
    for (; scope; scope = scope->outer) {
        for (size_t i = 0; i < scope->value_count; i++) {
            if (view_equal(view_of_string(scope->values[i].name), name))
                return &scope->values[i];
        }
    }
    return NULL;
}

static const struct call_text_list *list_find(const struct call_text_scope *scope, struct view name)
{
    for (; scope; scope = scope->outer) {
        for (size_t i = 0; i < scope->list_count; i++) {
            if (view_equal(view_of_string(scope->lists[i].name), name))
                return &scope->lists[i];
        }
    }
    return NULL;
}

/* The template's own text: its line ends become the profile's. */
static void literal_put(struct filler *f, struct view text)
{
    while (text.len > 0) {
        size_t line = view_find_char(text, '\n');
        writer_view(f->out, view_take(text, line));
        if (line < text.len)
            writer_view(f->out, f->eol);
        text = view_skip(text, line + 1);
    }
}

/* {name} and {name+3}. */
static bool value_put(struct filler *f, const struct call_text_scope *scope, struct view tag)
{
    const struct call_text_value *found = value_find(scope, tag);
    if (found) {
        writer_view(f->out, found->value);
        return true;
    }
    size_t plus = view_find_char(tag, '+');
    uint64_t base = 0, add = 0;
    found = value_find(scope, view_take(tag, plus));
    if (!found || !view_parse_u64(found->value, &base) ||
        !view_parse_u64(view_skip(tag, plus + 1), &add))
        return false;
    writer_printf(f->out, "%llu", (unsigned long long)(base + add));
    return true;
}

static bool is_block(struct view tag)
{
    return view_starts_with(tag, VIEW_LIT("each ")) || view_starts_with(tag, VIEW_LIT("if ")) ||
           view_starts_with(tag, VIEW_LIT("unless "));
}

/* Cuts the next tag off f->rest: what stands before it in *before, the inside of the braces in
 * *tag. A block tag alone on its line takes the blanks before it and the line end behind it. False
 * when there is none. */
static bool tag_cut(struct view *rest, struct view *before, struct view *tag)
{
    size_t open = view_find_char(*rest, '{');
    struct view behind = view_skip(*rest, open + 1);
    size_t close = view_find_char(behind, '}');
    if (open >= rest->len || close >= behind.len) {
        *before = *rest;
        *rest = VIEW_NONE;
        return false;
    }
    *before = view_take(*rest, open);
    *tag = view_take(behind, close);
    *rest = view_skip(behind, close + 1);
    if (!is_block(*tag) && !view_equal(*tag, VIEW_LIT("end")))
        return true;
    size_t start = before->len;
    while (start > 0 && (before->at[start - 1] == ' ' || before->at[start - 1] == '\t'))
        start--;
    bool at_start = start == 0 || before->at[start - 1] == '\n';
    if (at_start && rest->len > 0 && rest->at[0] == '\n') {
        before->len = start;
        *rest = view_skip(*rest, 1);
    }
    return true;
}

/* From behind a block tag to its {end}: *inside is the block's text, *rest continues behind the
 * {end}. */
static bool block_cut(struct view *rest, struct view *inside)
{
    struct view start = *rest;
    for (int depth = 1; depth > 0;) {
        struct view before, tag;
        if (!tag_cut(rest, &before, &tag))
            return false;
        if (is_block(tag))
            depth++;
        else if (view_equal(tag, VIEW_LIT("end")))
            depth--;
        inside->at = start.at;
        inside->len = (size_t)(before.at + before.len - start.at);
    }
    return true;
}

static bool expand(struct filler *f, const struct call_text_scope *scope);

static bool inside_expand(struct filler *f, struct view inside, const struct call_text_scope *scope)
{
    struct filler part = *f;
    part.rest = inside;
    return expand(&part, scope);
}

static bool block_put(struct filler *f, const struct call_text_scope *scope, struct view tag)
{
    struct view inside, name = tag;
    if (!block_cut(&f->rest, &inside))
        return false;
    struct view verb;
    view_cut(&name, ' ', &verb);
    if (view_equal(verb, VIEW_LIT("each"))) {
        const struct call_text_list *list = list_find(scope, name);
        for (size_t i = 0; list && i < list->count; i++) {
            if (!inside_expand(f, inside, &list->items[i]))
                return false;
        }
        return list;
    }
    const struct call_text_value *found = value_find(scope, name);
    if (!found)
        return false;
    bool want = view_equal(verb, VIEW_LIT("if"));
    return want == (found->value.len > 0) ? inside_expand(f, inside, scope) : true;
}

static bool expand(struct filler *f, const struct call_text_scope *scope)
{
    struct view before, tag;
    while (tag_cut(&f->rest, &before, &tag)) {
        literal_put(f, before);
        bool done = is_block(tag) ? block_put(f, scope, tag) : value_put(f, scope, tag);
        if (!done) {
            if (f->fault->len == 0)
                *f->fault = tag;
            return false;
        }
    }
    literal_put(f, before);
    return !f->out->failed;
}

bool call_text_expand(struct view text, const struct call_text_scope *scope, struct view eol,
                      struct writer *out, struct view *fault)
{
    *fault = VIEW_NONE;
    struct filler f = {.rest = text, .eol = eol, .out = out, .fault = fault};
    return expand(&f, scope);
}
