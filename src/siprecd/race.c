/* race: the addresses of one registrar, tried one beside the other: in which order, and when the next.
 * Not here: opening flows and what is heard over them (outbound.h), names (io/dns.h).
 * RFC 8305 §4, 5; RFC 3263 §4.3 (priorities and protocols stay in turn). Pure. */
#include "siprecd/race.h"

void race_init(struct race *race)
{
    *race = (struct race){.next_at = TICK_NEVER};
}

/* Appends the first of places in family and cuts it out; false: there is none. */
static bool race_add(struct race *race, struct io_dns_place *places, size_t *count,
                     enum addr_family family)
{
    for (size_t i = 0; i < *count; i++) {
        if (places[i].addr.family != family)
            continue;
        race->tries[race->count++].place = places[i];
        for (--*count; i < *count; i++)
            places[i] = places[i + 1];
        return true;
    }
    return false;
}

/* RFC 8305 §4: of those that are as good as each other the families take turns. */
static void race_add_rank(struct race *race, const struct io_dns_place *places, size_t count)
{
    struct io_dns_place left[IO_DNS_PLACES_MAX];
    enum addr_family family = ADDR_V6;
    for (size_t i = 0; i < count; i++)
        left[i] = places[i];
    while (count > 0) {
        race_add(race, left, &count, family);
        family = family == ADDR_V6 ? ADDR_V4 : ADDR_V6;
    }
}

void race_begin(struct race *race, struct tick now, const struct io_dns_place *places, size_t count,
                size_t skip)
{
    struct race ordered = {0};
    size_t from = 0, to;
    for (; from < count; from = to) {
        for (to = from + 1; to < count && places[to].rank == places[from].rank;)
            to++;
        race_add_rank(&ordered, places + from, to - from);
    }
    race_init(race);
    race->count = count;
    race->skips = skip > 0;
    for (size_t i = 0; i < count; i++)
        race->tries[i].place = ordered.tries[(i + skip) % count].place;
    if (count > 0)
        race->next_at = now;
}

/* From the last that began to the next. Who was skipped may be the quicker one again, and no other
 * would ever be registered at. */
static int64_t race_wait_ms(const struct race *race)
{
    const struct race_try *last = &race->tries[race->begun - 1], *next = &race->tries[race->begun];
    if (last->place.rank == next->place.rank && !(race->skips && race->begun == 1))
        return RACE_NEXT_MS;
    return last->place.protocol == IO_DNS_UDP ? RACE_ASK_MS : RACE_CONNECT_MS;
}

struct race_try *race_next(struct race *race, struct tick now)
{
    struct race_try *one = &race->tries[race->begun];
    if (!tick_due(race->next_at, now))
        return NULL;
    race->begun++;
    one->state = RACE_RUNS;
    race->next_at = race->begun < race->count ? tick_add_ms(now, race_wait_ms(race)) : TICK_NEVER;
    return one;
}

bool race_tries(const struct race_try *one)
{
    return one->state == RACE_RUNS || one->state == RACE_STANDS;
}

static bool race_has(const struct race *race, enum race_state state)
{
    for (size_t i = 0; i < race->begun; i++) {
        if (race->tries[i].state == state)
            return true;
    }
    return false;
}

static bool race_is_running(const struct race *race)
{
    return race_has(race, RACE_RUNS) || race_has(race, RACE_STANDS);
}

void race_stand(struct race *race, struct tick now, struct race_try *one)
{
    struct tick until = tick_add_ms(now, RACE_CONNECT_MS);
    one->state = RACE_STANDS;
    if (race->begun < race->count && tick_before(race->next_at, until))
        race->next_at = until;
}

void race_lose(struct race *race, struct tick now, struct race_try *one)
{
    one->state = RACE_LOST;
    /* What comes second by priority or protocol waits for those that still run. */
    if (race->begun < race->count && !race_has(race, RACE_STANDS) &&
        (race->tries[race->begun].place.rank == one->place.rank || !race_is_running(race)))
        race->next_at = now;
}

bool race_is_over(const struct race *race)
{
    return race->begun == race->count && !race_is_running(race);
}
