/* Two clocks read at one moment, however often the thread has to wait in between: time is driven by hand.
 * Not here: the machine's own clocks, but for what they have in common.
 * RFC: none. */
#include "io/clock.h"

#include "tap.h"

#define AHEAD_NS INT64_C(1000000000000) /* b is before a by this */

/* Each reading costs 50 ns; before the n-th the thread stands still for stalls[n]. */
static int64_t now_ns;
static int64_t stalls[24];
static unsigned readings;

static int64_t read_ns(int which)
{
    now_ns += 50 + (readings < 24 ? stalls[readings] : 0);
    readings++;
    return which ? now_ns + AHEAD_NS : now_ns;
}

static int64_t error_ns(void)
{
    readings = 0;
    struct io_clock_pair pair = io_clock_read_pair(read_ns);
    int64_t error = pair.b_ns - pair.a_ns - AHEAD_NS;
    return error < 0 ? -error : error;
}

static void test_an_idle_machine(void)
{
    memset(stalls, 0, sizeof stalls);
    CHECK(error_ns() <= 50);
    CHECK_INT(readings, 3);
}

/* One pause, wherever it falls. */
static void test_a_pause_between_two_readings(void)
{
    for (unsigned at = 0; at < 6; at++) {
        memset(stalls, 0, sizeof stalls);
        stalls[at] = 200 * NS_PER_MS;
        CHECK(error_ns() <= 50);
    }
}

/* A pause each time: the shortest is taken, and there is an end. */
static void test_a_machine_that_always_pauses(void)
{
    for (unsigned i = 0; i < 24; i++)
        stalls[i] = (i + 3) / 3 == 5 ? 20000 : 100 * NS_PER_MS;
    CHECK(error_ns() <= 20050);
    CHECK_INT(readings, 24);
}

static void test_the_clocks_of_this_machine(void)
{
    struct tick before = io_clock_tick();
    struct moment m = io_clock_moment();
    struct wall wall = io_clock_wall();
    struct tick after = io_clock_tick();
    CHECK(!tick_before(m.tick, before) && !tick_before(after, m.tick));
    CHECK(m.wall.ns <= wall.ns);
    CHECK(io_clock_slept_ns() >= -NS_PER_MS);
}

int main(void)
{
    RUN(test_an_idle_machine);
    RUN(test_a_pause_between_two_readings);
    RUN(test_a_machine_that_always_pauses);
    RUN(test_the_clocks_of_this_machine);
    return tap_done();
}
