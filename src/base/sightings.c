/* sightings: one table and one awaited probe for the process.
 * Not here: media ports.
 * RFC 8489 §5. */
#include "base/sightings.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

#include "base/writer.h"

enum { SENDERS = 32 };

struct sender {
    struct addr from, to;
    struct wall first, last;
    uint64_t count;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct sender senders[SENDERS];
static _Atomic uint64_t awaited, come;

/* Only what belongs together counts: a sender that was silent for a minute begins anew. */
enum { FORGET_MS = 60000 };

static struct sender *find_place(const struct addr *from)
{
    struct sender *oldest = &senders[0];
    for (size_t i = 0; i < SENDERS; i++) {
        if (addr_equal_ip(&senders[i].from, from))
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
    s = find_place(from);
    if (!addr_equal_ip(&s->from, from) || at.ns - s->last.ns > FORGET_MS * NS_PER_MS)
        *s = (struct sender){.first = at};
    s->from = *from;
    s->to = *to;
    s->last = at;
    s->count++;
    pthread_mutex_unlock(&lock);
}

uint64_t sightings_count(const struct addr *ip, struct wall since, struct addr *to)
{
    uint64_t count = 0;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < SENDERS; i++) {
        const struct sender *s = &senders[i];
        if (s->count > 0 && addr_equal_ip(&s->from, ip) && s->last.ns >= since.ns) {
            count = s->count;
            *to = s->to;
        }
    }
    pthread_mutex_unlock(&lock);
    return count;
}

/* ---- Refused INVITEs ------------------------------------------------------------------------- */

enum { REFUSALS = 64, CALL_ID_SIZE = 128 };

/* A longer Call-ID is kept as far as it goes. */
static struct {
    char call_id[CALL_ID_SIZE];
    unsigned status;
} refusals[REFUSALS];
static size_t refusal_count; /* ever */

void sightings_refused(struct view call_id, unsigned status)
{
    pthread_mutex_lock(&lock);
    size_t at = refusal_count++ % REFUSALS;
    (void)view_copy(view_take(call_id, CALL_ID_SIZE - 1), refusals[at].call_id, CALL_ID_SIZE);
    refusals[at].status = status;
    pthread_mutex_unlock(&lock);
}

unsigned sightings_refusal(struct view call_id)
{
    struct view wanted = view_take(call_id, CALL_ID_SIZE - 1);
    unsigned status = 0;
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < REFUSALS && i < refusal_count && status == 0; i++) {
        size_t at = (refusal_count - 1 - i) % REFUSALS;
        if (wanted.len == 0 || view_equal(view_of_string(refusals[at].call_id), wanted))
            status = refusals[at].status;
    }
    pthread_mutex_unlock(&lock);
    return status;
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
    atomic_store(&awaited, number);
}

bool sightings_has_come(uint64_t number)
{
    return atomic_load(&come) == number;
}

bool sightings_probe(struct view datagram)
{
    uint64_t number = atomic_load_explicit(&awaited, memory_order_relaxed);
    uint8_t probe[SIGHTINGS_PROBE_SIZE];
    if (datagram.len != SIGHTINGS_PROBE_SIZE || number == 0)
        return false;
    print_probe(number, probe);
    if (memcmp(datagram.at, probe, sizeof probe) != 0)
        return false;
    atomic_store(&come, number);
    return true;
}
