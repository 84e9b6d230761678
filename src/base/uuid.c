/* uuid: making and reading UUIDv7.
 * Not here: other versions.
 * RFC 9562 §5.7. */
#include "base/uuid.h"

#include <string.h>

struct uuid uuid_make(struct wall now, struct rng *rng)
{
    static const char hex[] = "0123456789abcdef";
    uint8_t bytes[16];
    struct uuid id;
    uint64_t ms = (uint64_t)(now.ns / NS_PER_MS);
    rng_bytes(rng, bytes, sizeof bytes);
    for (size_t i = 0; i < 6; i++)
        bytes[i] = (uint8_t)(ms >> (8 * (5 - i)));
    bytes[6] = (uint8_t)(0x70 | (bytes[6] & 0x0f));
    bytes[8] = (uint8_t)(0x80 | (bytes[8] & 0x3f));
    size_t at = 0;
    for (size_t i = 0; i < 16; i++) {
        if (i == 4 || i == 6 || i == 8 || i == 10)
            id.s[at++] = '-';
        id.s[at++] = hex[bytes[i] >> 4];
        id.s[at++] = hex[bytes[i] & 15];
    }
    id.s[at] = '\0';
    return id;
}

bool uuid_parse(struct view text, struct uuid *out)
{
    if (text.len != UUID_TEXT_LEN)
        return false;
    struct uuid id = {{0}};
    for (size_t i = 0; i < UUID_TEXT_LEN; i++) {
        char c = text.at[i];
        bool dash = i == 8 || i == 13 || i == 18 || i == 23;
        if (c >= 'A' && c <= 'F')
            c = (char)(c - 'A' + 'a');
        bool digit = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f');
        if (dash ? c != '-' : !digit)
            return false;
        id.s[i] = c;
    }
    *out = id;
    return true;
}

struct wall uuid_time(const struct uuid *id)
{
    uint64_t high, low;
    if (!view_parse_hex(view_of(id->s, 8), &high) || !view_parse_hex(view_of(id->s + 9, 4), &low))
        return (struct wall){0};
    return (struct wall){(int64_t)(high << 16 | low) * NS_PER_MS};
}

bool uuid_equal(const struct uuid *a, const struct uuid *b)
{
    return memcmp(a->s, b->s, UUID_TEXT_LEN) == 0;
}
