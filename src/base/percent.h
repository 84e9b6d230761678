/* percent: bytes written as %XX, in paths, queries and URLs.
 * Not here: what stands between them.
 * RFC 3986 §2.1. */
#ifndef BASE_PERCENT_H
#define BASE_PERCENT_H

#include "base/view.h"

/* Decodes %XX (and + as a blank when plus_is_blank, as in queries). False on broken encoding or when dst is too small;
 * *out borrows dst. Nothing is put behind the last byte. */
WARN_UNUSED bool percent_decode(struct view text, bool plus_is_blank, char *dst, size_t size,
                                struct view *out);

#endif
