/* How many ports stand ready with a known address outside: the busiest recent refill time, times 1.5,
 * at least 4, at most what the NAT bears (nat.ready = auto). */
#include "siprecd/kept.h"

#include "tap.h"

static struct kept k;
static struct tick now;

static void take(unsigned count, int64_t apart_ms)
{
    while (count--) {
        kept_taken(&k, now);
        now = tick_add_ms(now, apart_ms);
    }
}

static void begin(uint32_t fixed)
{
    now = (struct tick){NS_PER_S};
    kept_init(&k, now, fixed);
}

static void test_four_at_least(void)
{
    begin(0);
    CHECK_INT(kept_target(&k, now, UINT32_MAX), 4);
    take(20, 5000);
    CHECK_INT(kept_target(&k, now, UINT32_MAX), 4);
}

static void test_one_and_a_half_times_the_busiest(void)
{
    begin(0);
    take(10, 10); /* within half a second */
    CHECK_INT(kept_target(&k, now, UINT32_MAX), 15);
    now = tick_add_ms(now, 300000);
    take(3, 10);
    CHECK_INT(kept_target(&k, now, UINT32_MAX), 15); /* recently it was busier */
    now = tick_add_ms(now, 400000);
    take(5, 10);
    CHECK_INT(kept_target(&k, now, UINT32_MAX), 8); /* that is long ago */
    now = tick_add_ms(now, 700000);
    CHECK_INT(kept_target(&k, now, UINT32_MAX), 4);
}

/* The slower a port becomes ready, the longer what stands ready has to last. */
static void test_it_counts_by_refill_time(void)
{
    begin(0);
    kept_refilled(&k, 4000);
    take(30, 200); /* 20 or 21 within 4 s */
    uint32_t target = kept_target(&k, now, UINT32_MAX);
    CHECK(target >= 30 && target <= 33);
    begin(0);
    for (int i = 0; i < 50; i++)
        kept_refilled(&k, 50);
    take(30, 200);
    CHECK_INT(kept_target(&k, now, UINT32_MAX), 4);
}

static void test_no_more_than_the_nat_bears(void)
{
    begin(0);
    take(100, 1);
    CHECK_INT(kept_target(&k, now, 40), 40);
    CHECK_INT(kept_target(&k, now, 0), 0);
}

static void test_a_number_is_that_number(void)
{
    begin(7);
    take(100, 1);
    CHECK_INT(kept_target(&k, now, UINT32_MAX), 7);
}

static void test_more_than_it_remembers(void)
{
    begin(0);
    take(2000, 0);
    CHECK_INT(kept_target(&k, now, UINT32_MAX), KEPT_TAKES * 3 / 2);
}

int main(void)
{
    RUN(test_four_at_least);
    RUN(test_one_and_a_half_times_the_busiest);
    RUN(test_it_counts_by_refill_time);
    RUN(test_no_more_than_the_nat_bears);
    RUN(test_a_number_is_that_number);
    RUN(test_more_than_it_remembers);
    return tap_done();
}
