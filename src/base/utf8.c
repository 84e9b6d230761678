/* utf8: see utf8.h.
 * Not here: what a character means.
 * RFC 3629 §4. */
#include "base/utf8.h"

#include <string.h>

size_t utf8_len(struct view v)
{
    const uint8_t *c = (const uint8_t *)v.at;
    if (v.len == 0)
        return 0;
    size_t n = c[0] < 0x80   ? 1
               : c[0] < 0xc2 ? 0
               : c[0] < 0xe0 ? 2
               : c[0] < 0xf0 ? 3
               : c[0] < 0xf5 ? 4
                             : 0;
    if (n == 0 || n > v.len)
        return 0;
    for (size_t i = 1; i < n; i++) {
        if ((c[i] & 0xc0) != 0x80)
            return 0;
    }
    bool bad = (c[0] == 0xe0 && c[1] < 0xa0) || (c[0] == 0xed && c[1] > 0x9f) ||
               (c[0] == 0xf0 && c[1] < 0x90) || (c[0] == 0xf4 && c[1] > 0x8f);
    return bad ? 0 : n;
}

uint32_t utf8_decode(struct view character)
{
    const uint8_t *c = (const uint8_t *)character.at;
    uint32_t value = character.len == 1 ? c[0] : c[0] & 0x7fu >> character.len;
    for (size_t i = 1; i < character.len; i++)
        value = value << 6 | (c[i] & 0x3fu);
    return value;
}

bool utf8_is_control(uint32_t character)
{
    return character < 0x20 || (character >= 0x7f && character <= 0x9f) ||
           (character >= 0x202a && character <= 0x202e) ||
           (character >= 0x2066 && character <= 0x2069);
}

void utf8_make_plain(char *text)
{
    struct view rest = view_of_string(text);
    char *to = text;
    while (rest.len > 0) {
        size_t len = utf8_len(rest);
        if (len == 0 || utf8_is_control(utf8_decode(view_take(rest, len))))
            *to++ = '?';
        else
            to = (char *)memmove(to, rest.at, len) + len;
        rest = view_skip(rest, len > 0 ? len : 1);
    }
    *to = '\0';
}
