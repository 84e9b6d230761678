/* text: fills a template such as a vendor profile's INVITE with values: {name}, {each
 * list}...{end}, {if name}...{end}.
 * Not here: what the names mean (request.c), where templates come from (profile.c).
 * RFC: none. */
#ifndef TOOLS_SIPREC_CALL_TEXT_H
#define TOOLS_SIPREC_CALL_TEXT_H

#include "base/view.h"
#include "base/writer.h"

struct call_text_list;

/* One name and its value. The value is put in as it is. */
struct call_text_value {
    const char *name;
    struct view value;
};

/* Names known at one place; what is not found here is looked for in outer. Borrows everything. */
struct call_text_scope {
    const struct call_text_value *values;
    size_t value_count;
    const struct call_text_list *lists;
    size_t list_count;
    const struct call_text_scope *outer;
};

/* What {each name} walks over: one scope an item. The items' outer is the scope they stand in. */
struct call_text_list {
    const char *name;
    const struct call_text_scope *items;
    size_t count;
};

/* Writes text with every {...} replaced and every LF of the text itself as eol. A tag alone on its
 * line takes the line with it. {name+3} adds to a number. {if name} and {unless name} ask whether
 * the value is empty. False when a name is unknown, a tag is not closed or out is full; *fault then
 * tells which tag (borrows text). */
WARN_UNUSED bool call_text_expand(struct view text, const struct call_text_scope *scope,
                                  struct view eol, struct writer *out, struct view *fault);

#endif
