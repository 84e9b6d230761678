/* lookups: the names of servers, looked up again from time to time: an address that was right this
 * morning may be another machine's tonight.
 * Not here: resolving (io/resolve.h by asker.h), what the servers are for.
 * RFC: none. */
#ifndef SIPRECD_LOOKUPS_H
#define SIPRECD_LOOKUPS_H

#include "base/tick.h"
#include "siprecd/asker.h"
#include "siprecd/survey_settings.h"

enum { LOOKUPS_MAX = SURVEY_STUN_SERVERS + SURVEY_TURN_SERVERS + 1 };

struct lookup {
    struct survey_host host;
    bool is_literal;
    bool is_asking;
    bool is_done; /* answered at least once, well or not */
    struct tick due;
    int64_t silent_ms; /* until it is asked again; 0: nobody is missed there */
    size_t count;
    struct addr addresses[ASKER_ADDRESSES];
};

struct lookups {
    struct asker *asker; /* borrowed */
    uint32_t id;         /* of its questions: id + index */
    size_t count;
    struct lookup list[LOOKUPS_MAX];
};

void lookups_init(struct lookups *lookups, struct asker *asker, uint32_t id);
/* Adds a host; its index. An address needs no looking up. */
size_t lookups_add(struct lookups *lookups, struct tick now, const struct survey_host *host);

/* Asks for what is due. */
void lookups_expire(struct lookups *lookups, struct tick now);
/* All of them again, now: another network has other servers, and other views of names. */
void lookups_again(struct lookups *lookups, struct tick now);
/* What this name led to does not answer (or does again): it may lead elsewhere by now, and is asked for at once, and ever
 * less often until somebody answers there. */
void lookups_silent(struct lookups *lookups, struct tick now, size_t index, bool is_silent);
struct tick lookups_deadline(const struct lookups *lookups);
/* True when an address is another one than before. */
bool lookups_answer(struct lookups *lookups, struct tick now, const struct asker_answer *answer);

/* The first address of that family, or NULL. */
const struct addr *lookups_find(const struct lookups *lookups, size_t index,
                                enum addr_family family);
/* The rank-th (from 0) of that family, or NULL. */
const struct addr *lookups_find_next(const struct lookups *lookups, size_t index,
                                     enum addr_family family, size_t rank);

#endif
