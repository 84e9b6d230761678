/* bytes: the input of a stateful target, taken byte by byte: each says what happens next.
 * Not here: what that is (the targets).
 * RFC: none. */
#ifndef FUZZ_BYTES_H
#define FUZZ_BYTES_H

#include "base/view.h"

/* 0 at the end. */
static inline unsigned fuzz_next(struct view *rest)
{
    if (rest->len == 0)
        return 0;
    unsigned c = (unsigned char)rest->at[0];
    *rest = view_skip(*rest, 1);
    return c;
}

#endif
