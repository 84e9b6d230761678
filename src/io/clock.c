/* clock: reading the machine's clocks and its randomness for everybody who is handed time and
 * chance.
 * Not here: converting, printing, comparing times (base/tick.h), drawing numbers (base/rng.h).
 * RFC: none. */
#include "io/clock.h"

#include <assert.h>
#include <errno.h>
#include <sys/random.h>
#include <time.h>

static int64_t clock_read_ns(clockid_t id)
{
    struct timespec ts;
    int rc = clock_gettime(id, &ts);
    assert(rc == 0);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

struct tick io_clock_tick(void)
{
    return (struct tick){.ns = clock_read_ns(CLOCK_BOOTTIME)};
}

struct tick io_clock_monotonic(void)
{
    return (struct tick){.ns = clock_read_ns(CLOCK_MONOTONIC)};
}

struct wall io_clock_wall(void)
{
    return (struct wall){.ns = clock_read_ns(CLOCK_REALTIME)};
}

void io_clock_seed(uint8_t *seed, size_t seed_len)
{
    size_t have = 0;
    while (have < seed_len) {
        ssize_t got = getrandom(seed + have, seed_len - have, 0);
        assert(got > 0 || errno == EINTR);
        if (got > 0)
            have += (size_t)got;
    }
}
