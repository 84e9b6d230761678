/* sightings: one table, and the awaited probes, for the process.
 * Not here: media ports.
 * RFC 8489 §5. */
#include "base/sightings.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/reader.h"
#include "base/writer.h"

enum { SENDERS = 64 };

/* Somebody's datagrams to one port of ours. */
struct sender {
    struct addr from, to;
    struct wall first, last;
    uint64_t count;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct sender senders[SENDERS];
static _Atomic uint64_t awaited[SIGHTINGS_PROBES], come[SIGHTINGS_PROBES];

/* Only what belongs together counts: a sender that was silent for a minute begins anew. */
enum { FORGET_MS = 60000 };

static bool is_of(const struct sender *s, const struct addr *from, const struct addr *to)
{
    return addr_equal_ip(&s->from, from) && addr_equal(&s->to, to);
}

static struct sender *find_place(const struct addr *from, const struct addr *to)
{
    struct sender *oldest = &senders[0];
    for (size_t i = 0; i < SENDERS; i++) {
        if (is_of(&senders[i], from, to))
            return &senders[i];
        if (senders[i].last.ns < oldest->last.ns)
            oldest = &senders[i];
    }
    return oldest;
}

void sightings_stray(const struct addr *from, const struct addr *to, struct wall at)
{
    struct sender *s;
    if (pthread_mutex_trylock(&lock) != 0)
        return;
    s = find_place(from, to);
    if (!is_of(s, from, to) || at.ns - s->last.ns > FORGET_MS * NS_PER_MS)
        *s = (struct sender){.first = at};
    s->from = *from;
    s->to = *to;
    s->last = at;
    s->count++;
    pthread_mutex_unlock(&lock);
}

/* Its share of the count, where it was at it before; they come evenly. */
static uint64_t count_since(const struct sender *s, struct wall since)
{
    if (s->first.ns >= since.ns || s->last.ns <= s->first.ns)
        return s->count;
    double share = (double)(s->last.ns - since.ns) / (double)(s->last.ns - s->first.ns);
    return (uint64_t)((double)s->count * share);
}

bool sightings_next(const struct addr *ip, struct wall since, size_t *cursor,
                    struct sightings_spell *out)
{
    bool found = false;
    pthread_mutex_lock(&lock);
    for (; *cursor < SENDERS && !found; ++*cursor) {
        const struct sender *s = &senders[*cursor];
        found = s->count > 0 && addr_equal_ip(&s->from, ip) && s->last.ns >= since.ns;
        if (found)
            *out = (struct sightings_spell){s->to, s->first, s->last, count_since(s, since)};
    }
    pthread_mutex_unlock(&lock);
    return found;
}

/* ---- Refused INVITEs ------------------------------------------------------------------------- */

enum { REFUSALS = 64 };

static struct sightings_refusal refusals[REFUSALS];
static size_t refusal_count; /* ever */

void sightings_refused(struct view call_id, unsigned status, const char *why,
                       const struct addr *from, struct wall at)
{
    pthread_mutex_lock(&lock);
    struct sightings_refusal *r = &refusals[refusal_count++ % REFUSALS];
    *r = (struct sightings_refusal){.status = status, .from = *from, .at = at};
    (void)view_copy(view_take(call_id, sizeof r->call_id - 1), r->call_id, sizeof r->call_id);
    (void)view_copy(view_take(view_of_string(why), sizeof r->why - 1), r->why, sizeof r->why);
    pthread_mutex_unlock(&lock);
}

bool sightings_refusal(struct view call_id, struct sightings_refusal *out)
{
    struct view wanted = view_take(call_id, SIGHTINGS_CALL_ID_SIZE - 1);
    bool found = false;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < REFUSALS && i < refusal_count && !found; i++) {
        const struct sightings_refusal *r = &refusals[(refusal_count - 1 - i) % REFUSALS];
        found = wanted.len == 0 || view_equal(view_of_string(r->call_id), wanted);
        if (found)
            *out = *r;
    }
    pthread_mutex_unlock(&lock);
    return found;
}

/* ---- Probes ---------------------------------------------------------------------------------- */

static void print_probe(uint64_t number, uint8_t probe[SIGHTINGS_PROBE_SIZE])
{
    struct writer w = writer_of(probe, SIGHTINGS_PROBE_SIZE);
    writer_u16(&w, 0x0011); /* Binding indication */
    writer_u16(&w, 0);
    writer_u32(&w, 0x2112a442);
    writer_u32(&w, 0x73727064);
    writer_u64(&w, number);
}

void sightings_await(uint64_t number, uint8_t probe[SIGHTINGS_PROBE_SIZE])
{
    print_probe(number, probe);
    atomic_store(&awaited[number % SIGHTINGS_PROBES], number);
}

bool sightings_has_come(uint64_t number)
{
    return atomic_load(&come[number % SIGHTINGS_PROBES]) == number;
}

bool sightings_probe(struct view datagram)
{
    uint8_t probe[SIGHTINGS_PROBE_SIZE];
    if (datagram.len != sizeof probe)
        return false;
    struct reader r = reader_of(view_skip(datagram, sizeof probe - sizeof(uint64_t)));
    uint64_t number = reader_u64(&r);
    size_t at = number % SIGHTINGS_PROBES;
    if (number == 0 || atomic_load_explicit(&awaited[at], memory_order_relaxed) != number)
        return false;
    print_probe(number, probe);
    if (memcmp(datagram.at, probe, sizeof probe) != 0)
        return false;
    atomic_store(&come[at], number);
    return true;
}
