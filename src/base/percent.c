/* percent: see percent.h.
 * Not here: which bytes had to be written so.
 * RFC 3986 §2.1. */
#include "base/percent.h"

bool percent_decode(struct view text, bool plus_is_blank, char *dst, size_t size, struct view *out)
{
    size_t len = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        if (c == '%') {
            uint64_t byte;
            if (i + 2 >= text.len || !view_parse_hex(view_of(text.at + i + 1, 2), &byte))
                return false;
            c = (char)byte;
            i += 2;
        } else if (c == '+' && plus_is_blank) {
            c = ' ';
        }
        if (len == size)
            return false;
        dst[len++] = c;
    }
    *out = view_of(dst, len);
    return true;
}
