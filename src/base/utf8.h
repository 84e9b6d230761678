/* utf8: characters in bytes of which nobody promised that they are text.
 * Not here: how those that must not be printed are written instead (whoever prints).
 * RFC 3629 §4. */
#ifndef BASE_UTF8_H
#define BASE_UTF8_H

#include "base/view.h"

/* Bytes of the character at the front of v: 1 to 4. 0: there is none, v is empty, cut in the middle of one, overlong, a
 * surrogate, or no UTF-8 at all. */
size_t utf8_len(struct view v);

/* The character that is these utf8_len() bytes. */
uint32_t utf8_decode(struct view character);

/* Could command a terminal or turn the direction of writing: C0, DEL, C1 (U+0080 to U+009F), U+202A to U+202E, U+2066 to
 * U+2069. */
bool utf8_is_control(uint32_t character);

/* Puts "?" in the place of each control and of each byte that is no UTF-8; the text gets no longer. */
void utf8_make_plain(char *text);

#endif
