/* uuid: UUID version 7, the ids of recordings: they sort by time.
 * Not here: other versions.
 * RFC 9562 §5.7. */
#ifndef BASE_UUID_H
#define BASE_UUID_H

#include "base/rng.h"
#include "base/tick.h"

#define UUID_TEXT_LEN 36

struct uuid {
    char s[UUID_TEXT_LEN + 1]; /* lower case, NUL-terminated; all zero: none */
};

struct uuid uuid_make(struct wall now, struct rng *rng);
/* Exactly 36 characters in the 8-4-4-4-12 form, lower or upper case (stored lower). */
WARN_UNUSED bool uuid_parse(struct view text, struct uuid *out);
/* The millisecond a version 7 UUID was made in; 1970 for no UUID. */
struct wall uuid_time(const struct uuid *id);
bool uuid_equal(const struct uuid *a, const struct uuid *b);

#endif
