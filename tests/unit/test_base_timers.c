/* Tests of base/timers, against sorting. */
#include "base/rng.h"
#include "base/timers.h"

#include "tap.h"

static void test_due_in_order(void)
{
    enum { COUNT = 500 };
    static struct timer all[COUNT];
    struct timers timers;
    struct rng rng;
    rng_init_number(&rng, 11);
    CHECK(timers_init(&timers, COUNT));
    for (int i = 0; i < COUNT; i++)
        timers_set(&timers, &all[i], (struct tick){rng_below(&rng, 1000)});
    for (int i = 0; i < COUNT; i += 3)
        timers_set(&timers, &all[i], (struct tick){rng_below(&rng, 1000)}); /* moved */
    for (int i = 0; i < COUNT; i += 5)
        timers_clear(&timers, &all[i]);
    timers_clear(&timers, &all[0]);
    int left = 0;
    for (int i = 0; i < COUNT; i++)
        left += timer_is_set(&all[i]);
    CHECK_INT(left, 400);
    int64_t before = -1;
    struct timer *due;
    while ((due = timers_take_due(&timers, (struct tick){499}))) {
        CHECK(due->deadline.ns >= before && due->deadline.ns <= 499);
        before = due->deadline.ns;
        left--;
    }
    CHECK(timers_deadline(&timers).ns >= 500);
    while (timers_take_due(&timers, (struct tick){1000}))
        left--;
    CHECK_INT(left, 0);
    CHECK(tick_is_never(timers_deadline(&timers)));
    timers_finish(&timers);
}

static void test_never_clears(void)
{
    struct timers timers;
    struct timer one = {0};
    CHECK(timers_init(&timers, 1));
    timers_set(&timers, &one, (struct tick){100});
    CHECK(!timers_take_due(&timers, (struct tick){99}));
    timers_set(&timers, &one, TICK_NEVER);
    CHECK(!timer_is_set(&one));
    CHECK(!timers_take_due(&timers, (struct tick){100}));
    timers_finish(&timers);
}

int main(void)
{
    RUN(test_due_in_order);
    RUN(test_never_clears);
    return tap_done();
}
