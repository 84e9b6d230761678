/* lookups: the names of servers, looked up again from time to time.
 * Not here: resolving (io/resolve.h by asker.h), what the servers are for.
 * RFC: none. */
#include "siprecd/lookups.h"

#include <string.h>

#include "base/log.h"

enum {
    /* getaddrinfo keeps the records' TTL to itself; this is what most servers' records have. */
    LOOKUPS_AGAIN_MS = 300000,
    LOOKUPS_FAILED_MS = 15000,
    /* Whoever moves a service moves its name within this, or some doublings of it. */
    LOOKUPS_SILENT_MS = 2000,
};

void lookups_init(struct lookups *lookups, struct asker *asker, uint32_t id)
{
    *lookups = (struct lookups){.asker = asker, .id = id};
}

size_t lookups_add(struct lookups *lookups, struct tick now, const struct survey_host *host)
{
    struct lookup *lookup = &lookups->list[lookups->count];
    *lookup = (struct lookup){.host = *host, .due = now};
    if (addr_parse_ip(view_of_string(host->name), &lookup->addresses[0])) {
        lookup->addresses[0].port = host->port;
        lookup->count = 1;
        lookup->is_literal = lookup->is_done = true;
        lookup->due = TICK_NEVER;
    }
    return lookups->count++;
}

void lookups_expire(struct lookups *lookups, struct tick now)
{
    for (size_t i = 0; i < lookups->count; i++) {
        struct lookup *lookup = &lookups->list[i];
        struct asker_question question = {
            .kind = ASKER_NAME, .id = lookups->id + (uint32_t)i, .port = lookup->host.port};
        if (lookup->is_asking || !tick_due(lookup->due, now))
            continue;
        (void)view_copy(view_of_string(lookup->host.name), question.text, sizeof question.text);
        lookup->is_asking = asker_ask(lookups->asker, &question);
        lookup->due = tick_add_ms(now, LOOKUPS_FAILED_MS);
    }
}

void lookups_again(struct lookups *lookups, struct tick now)
{
    for (size_t i = 0; i < lookups->count; i++) {
        if (!lookups->list[i].is_literal)
            lookups->list[i].due = now;
    }
}

void lookups_silent(struct lookups *lookups, struct tick now, size_t index, bool is_silent)
{
    struct lookup *lookup = &lookups->list[index];
    if (!is_silent) {
        lookup->silent_ms = 0;
    } else if (lookup->silent_ms == 0) {
        lookup->silent_ms = LOOKUPS_SILENT_MS;
        if (!lookup->is_literal)
            lookup->due = now;
    }
}

/* An answer was had (or none could be): when to ask again. */
static struct tick next_of(struct lookup *lookup, struct tick now, bool good)
{
    int64_t pause_ms = good ? LOOKUPS_AGAIN_MS : LOOKUPS_FAILED_MS;
    if (lookup->silent_ms > 0 && lookup->silent_ms < pause_ms) {
        pause_ms = lookup->silent_ms;
        lookup->silent_ms *= 2;
    }
    return tick_add_ms(now, pause_ms);
}

/* Is there an address in it that was not known? */
static bool tells_more(const struct lookup *lookup, const struct asker_answer *answer)
{
    for (size_t i = 0; i < answer->count; i++) {
        bool is_known = false;
        for (size_t k = 0; k < lookup->count; k++)
            is_known = is_known || addr_equal(&lookup->addresses[k], &answer->addresses[i]);
        if (!is_known)
            return true;
    }
    return false;
}

/* Servers with several addresses tell them in turns: the one in use stays while it is one of them, and answers. */
static bool is_other(const struct lookup *lookup, const struct asker_answer *answer)
{
    if (lookup->silent_ms > 0)
        return tells_more(lookup, answer);
    for (size_t i = 0; i < answer->count && lookup->count > 0; i++) {
        if (addr_equal(&lookup->addresses[0], &answer->addresses[i]))
            return false;
    }
    return true;
}

struct tick lookups_deadline(const struct lookups *lookups)
{
    struct tick deadline = TICK_NEVER;
    for (size_t i = 0; i < lookups->count; i++) {
        if (!lookups->list[i].is_asking)
            deadline = tick_min(deadline, lookups->list[i].due);
    }
    return deadline;
}

bool lookups_answer(struct lookups *lookups, struct tick now, const struct asker_answer *answer)
{
    struct lookup *lookup = &lookups->list[answer->question.id - lookups->id];
    bool is_first = !lookup->is_done;
    bool differs;
    lookup->is_asking = false;
    lookup->is_done = true;
    lookup->due = next_of(lookup, now, answer->good);
    if (!answer->good) { /* what was known is better than nothing */
        if (is_first)
            LOG_WARN("nat", VIEW_NONE, "name not found host=%s", lookup->host.name);
        return is_first;
    }
    differs = is_other(lookup, answer);
    if (differs) {
        lookup->count = answer->count;
        memcpy(lookup->addresses, answer->addresses, sizeof lookup->addresses);
    }
    return differs || is_first;
}

const struct addr *lookups_find_next(const struct lookups *lookups, size_t index,
                                     enum addr_family family, size_t rank)
{
    const struct lookup *lookup = &lookups->list[index];
    for (size_t i = 0; i < lookup->count; i++) {
        if (lookup->addresses[i].family == family && rank-- == 0)
            return &lookup->addresses[i];
    }
    return NULL;
}

const struct addr *lookups_find(const struct lookups *lookups, size_t index,
                                enum addr_family family)
{
    return lookups_find_next(lookups, index, family, 0);
}
