/* utf8: characters in bytes of which nobody promised that they are text.
 * Not here: escaping them (whoever prints).
 * RFC 3629 §4. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "base/view.h"

/* Bytes of the character at the front of v: 1 to 4. 0: there is none, v is empty, cut in the middle of one, overlong, a
 * surrogate, or no UTF-8 at all. */
size_t utf8_len(struct view v);

#endif
