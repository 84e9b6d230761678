/* cursor: where a page of the list of recordings ended, as an opaque word for the next request.
 * Not here: the query (store.h).
 * RFC 4648 §5 (base64url). */
#ifndef CATALOG_CURSOR_H
#define CATALOG_CURSOR_H

#include "base/uuid.h"

/* The last recording of the page before: the list is ordered by (started_ms, id), newest first. */
struct catalog_cursor {
    int64_t started_ms;
    struct uuid id;
};

/* The last millisecond that struct wall can hold, in the year 2262. */
#define CATALOG_CURSOR_LATEST_MS (INT64_MAX / NS_PER_MS)

/* 24 bytes in base64url, and a NUL. */
#define CATALOG_CURSOR_SIZE 33
struct catalog_cursor_text {
    char s[CATALOG_CURSOR_SIZE];
};

struct catalog_cursor_text catalog_cursor_print(const struct catalog_cursor *cursor);
/* False, *out untouched, for anything catalog_cursor_print cannot have printed. */
WARN_UNUSED bool catalog_cursor_parse(struct view text, struct catalog_cursor *out);

#endif
