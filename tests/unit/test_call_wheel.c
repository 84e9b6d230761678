/* Tests of siprec-call's alarm wheel. */
#include "tools/siprec-call/wheel.h"

#include "tap.h"

static struct tick ms(int64_t n)
{
    return (struct tick){n * NS_PER_MS};
}

/* How many alarms ring between the last look and now. */
static int advance(struct call_wheel *wheel, struct tick now)
{
    struct list due, *at;
    int count = 0;
    list_init(&due);
    call_wheel_advance(wheel, now, &due);
    while ((at = list_first(&due))) {
        list_remove(at);
        count++;
    }
    return count;
}

static void test_an_alarm_rings_once_and_not_before(void)
{
    static struct call_wheel wheel;
    struct call_alarm alarm = {.kind = CALL_ALARM_SIP};
    call_wheel_init(&wheel, ms(1000));
    call_wheel_set(&wheel, &alarm, ms(1100));
    CHECK_INT(advance(&wheel, ms(1099)), 0);
    CHECK_INT(advance(&wheel, ms(1100)), 1);
    CHECK_INT(advance(&wheel, ms(5000)), 0);
}

static void test_longer_than_a_turn(void)
{
    static struct call_wheel wheel;
    struct call_alarm alarm = {.kind = CALL_ALARM_SIP};
    call_wheel_init(&wheel, ms(7));
    call_wheel_set(&wheel, &alarm, ms(7 + 3 * CALL_WHEEL_SLOTS + 5));
    for (int64_t t = 7; t < 7 + 3 * CALL_WHEEL_SLOTS + 5; t += 13)
        CHECK_INT(advance(&wheel, ms(t)), 0);
    CHECK_INT(advance(&wheel, ms(7 + 3 * CALL_WHEEL_SLOTS + 5)), 1);
}

static void test_moved_stopped_and_late(void)
{
    static struct call_wheel wheel;
    struct call_alarm alarm = {.kind = CALL_ALARM_SIP}, other = {.kind = CALL_ALARM_SIP};
    call_wheel_init(&wheel, ms(0));
    call_wheel_set(&wheel, &alarm, ms(50));
    call_wheel_set(&wheel, &alarm, ms(80));
    CHECK_INT(advance(&wheel, ms(60)), 0);
    call_wheel_set(&wheel, &alarm, TICK_NEVER);
    CHECK_INT(advance(&wheel, ms(200)), 0);
    call_wheel_set(&wheel, &other, ms(100)); /* it is 200 already: rings at the next look */
    CHECK_INT(call_wheel_wait_ms(&wheel, ms(200), 100), 1);
    CHECK_INT(advance(&wheel, ms(200)), 1);
    call_wheel_set(&wheel, &alarm, ms(300)); /* and after a stall of many turns nothing is missed */
    CHECK_INT(advance(&wheel, ms(300 + 10 * CALL_WHEEL_SLOTS)), 1);
}

int main(void)
{
    RUN(test_an_alarm_rings_once_and_not_before);
    RUN(test_longer_than_a_turn);
    RUN(test_moved_stopped_and_late);
    return tap_done();
}
