/* clock: reading the machine's clocks and its randomness for everybody who is handed time and
 * chance.
 * Not here: converting, printing, comparing times (base/tick.h), drawing numbers (base/rng.h).
 * RFC: none. */
#include "io/clock.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>

#define PAIR_TRIES    8
#define PAIR_TIGHT_NS 5000

struct io_clock_pair io_clock_read_pair(int64_t (*read_ns)(int which))
{
    struct io_clock_pair best = {0};
    int64_t tightest = INT64_MAX;
    for (int i = 0; i < PAIR_TRIES && tightest > PAIR_TIGHT_NS; i++) {
        int64_t before = read_ns(0), b_ns = read_ns(1), width = read_ns(0) - before;
        if (width >= tightest)
            continue;
        tightest = width;
        best = (struct io_clock_pair){.a_ns = before + width / 2, .b_ns = b_ns};
    }
    return best;
}

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

static int64_t read_awake(int which)
{
    return clock_read_ns(which ? CLOCK_MONOTONIC : CLOCK_BOOTTIME);
}

int64_t io_clock_slept_ns(void)
{
    struct io_clock_pair pair = io_clock_read_pair(read_awake);
    return pair.a_ns - pair.b_ns;
}

struct wall io_clock_wall(void)
{
    return (struct wall){.ns = clock_read_ns(CLOCK_REALTIME)};
}

bool io_clock_stamp(const struct cmsghdr *control, struct wall *at)
{
    struct timespec ts;
    if (control->cmsg_level != SOL_SOCKET || control->cmsg_type != SCM_TIMESTAMPNS)
        return false;
    memcpy(&ts, CMSG_DATA(control), sizeof ts);
    at->ns = (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
    return true;
}

static int64_t read_moment(int which)
{
    return clock_read_ns(which ? CLOCK_REALTIME : CLOCK_BOOTTIME);
}

struct moment io_clock_moment(void)
{
    struct io_clock_pair pair = io_clock_read_pair(read_moment);
    return (struct moment){.tick = {pair.a_ns}, .wall = {pair.b_ns}};
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
