/* cursor: printing and parsing page cursors: 8 bytes of time, 16 of UUID, in base64url.
 * Not here: the query.
 * RFC 4648 §5. */
#include "catalog/cursor.h"

#include <assert.h>
#include <string.h>

#define CURSOR_BYTES 24

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static uint8_t hex_value(char c)
{
    return (uint8_t)(c <= '9' ? c - '0' : c - 'a' + 10);
}

struct catalog_cursor_text catalog_cursor_print(const struct catalog_cursor *cursor)
{
    uint8_t bytes[CURSOR_BYTES] = {0};
    struct catalog_cursor_text text;
    size_t nibble = 16;
    for (size_t i = 0; i < 8; i++)
        bytes[i] = (uint8_t)((uint64_t)cursor->started_ms >> (56 - 8 * i));
    for (const char *c = cursor->id.s; *c; c++) {
        if (*c == '-')
            continue;
        assert(nibble < sizeof bytes * 2);
        bytes[nibble / 2] = (uint8_t)(bytes[nibble / 2] | hex_value(*c) << (nibble % 2 ? 0 : 4));
        nibble++;
    }
    for (size_t i = 0, o = 0; i < sizeof bytes; i += 3, o += 4) {
        uint32_t group = (uint32_t)bytes[i] << 16 | (uint32_t)bytes[i + 1] << 8 | bytes[i + 2];
        for (size_t k = 0; k < 4; k++)
            text.s[o + k] = alphabet[group >> (18 - 6 * k) & 63];
    }
    text.s[CATALOG_CURSOR_SIZE - 1] = '\0';
    return text;
}

bool catalog_cursor_parse(struct view text, struct catalog_cursor *out)
{
    uint8_t bytes[CURSOR_BYTES];
    char hex[UUID_TEXT_LEN + 1];
    struct catalog_cursor cursor = {0};
    size_t at = 0;
    if (text.len != CATALOG_CURSOR_SIZE - 1)
        return false;
    for (size_t i = 0, o = 0; i < text.len; i += 4, o += 3) {
        uint32_t group = 0;
        for (size_t k = 0; k < 4; k++) {
            const char *found = text.at[i + k] ? strchr(alphabet, text.at[i + k]) : NULL;
            if (!found)
                return false;
            group = group << 6 | (uint32_t)(found - alphabet);
        }
        bytes[o] = (uint8_t)(group >> 16);
        bytes[o + 1] = (uint8_t)(group >> 8);
        bytes[o + 2] = (uint8_t)group;
    }
    uint64_t ms = 0;
    for (size_t i = 0; i < 8; i++)
        ms = ms << 8 | bytes[i];
    if (ms > (uint64_t)CATALOG_CURSOR_LATEST_MS)
        return false;
    cursor.started_ms = (int64_t)ms;
    for (size_t i = 8; i < sizeof bytes; i++) {
        if (i == 12 || i == 14 || i == 16 || i == 18)
            hex[at++] = '-';
        hex[at++] = "0123456789abcdef"[bytes[i] >> 4];
        hex[at++] = "0123456789abcdef"[bytes[i] & 15];
    }
    hex[at] = '\0';
    if (!uuid_parse(view_of_string(hex), &cursor.id))
        return false;
    *out = cursor;
    return true;
}
