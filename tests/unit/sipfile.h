/* sipfile: a SIP message from a file, cut into header fields and body, for tests that are about the
 * body. Not here: parsing SIP as siprecd does (the sip module). RFC 3261 §7. */
#ifndef TESTS_SIPFILE_H
#define TESTS_SIPFILE_H

#include "base/view.h"

#include <stdio.h>

struct sipfile {
    char bytes[512 * 1024];
    size_t len;
    struct view start_line, fields, body;
};

/* False when it cannot be read. */
static inline bool sipfile_read(struct sipfile *file, const char *path)
{
    FILE *f = fopen(path, "rb");
    if (!f)
        return false;
    file->len = fread(file->bytes, 1, sizeof file->bytes, f);
    (void)fclose(f);
    struct view rest = view_of(file->bytes, file->len), line;
    (void)view_cut_line(&rest, &file->start_line);
    file->fields = rest;
    do {
        file->fields.len = (size_t)(rest.at - file->fields.at);
    } while (view_cut_line(&rest, &line) && line.len);
    file->body = rest;
    return true;
}

/* The n-th field of this name, folded lines included, trimmed; empty when there is none. */
static inline struct view sipfile_field(const struct sipfile *file, const char *name, size_t n)
{
    struct view rest = file->fields, line, more;
    while (view_cut_line(&rest, &line)) {
        while (rest.len && (rest.at[0] == ' ' || rest.at[0] == '\t') && view_cut_line(&rest, &more))
            line.len = (size_t)(more.at + more.len - line.at);
        struct view value = line, key;
        (void)view_cut(&value, ':', &key);
        if (view_equal_nocase(view_trim(key), view_of_string(name)) && n-- == 0)
            return view_trim(value);
    }
    return VIEW_NONE;
}

#endif
