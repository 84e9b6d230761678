/* nat/ladder against the times of doc/nat.md 9 and its demand: recorded within 3 s of the first packet. */
#include "nat/ladder.h"

#include "tap.h"

static struct tick at(int64_t ms)
{
    return (struct tick){ms * NS_PER_MS};
}

static void check_next(struct ladder *l, int64_t ms, enum ladder_step want)
{
    CHECK_INT(ladder_deadline(l).ns, at(ms).ns);
    CHECK_INT(ladder_due(l, at(ms - 1)), LADDER_WAIT);
    CHECK_INT(ladder_due(l, at(ms)), want);
}

static void test_nothing_arrives(void)
{
    struct ladder l;
    ladder_start(&l, at(0), PATH_STUN, true);
    check_next(&l, 400, LADDER_PUNCH_AGAIN);
    check_next(&l, 1000, LADDER_PERMIT_ALL);
    check_next(&l, 2000, LADDER_NEXT_PATH);
    CHECK(tick_is_never(ladder_deadline(&l)));
    /* The table's next, and the same from there; what was tried is left out. */
    const struct path_us us = {
        .has_stun = true, .relay_udp = true, .behaviour = {.mapping = NAT_MAPPING_INDEPENDENT}};
    const struct path_src src = {.offered = addr_v4(192, 0, 2, 10, 4000),
                                 .signalled = addr_v4(192, 0, 2, 10, 5060)};
    struct path_choice next = path_choose(&us, &src, l.tried);
    CHECK_INT(next.code, PATH_RELAY);
    ladder_moved(&l, at(2600), next.code);
    check_next(&l, 3000, LADDER_PUNCH_AGAIN);
    check_next(&l, 3600, LADDER_PERMIT_ALL);
    check_next(&l, 4600, LADDER_NEXT_PATH);
    next = path_choose(&us, &src, l.tried);
    CHECK_INT(next.code, PATH_BEST_EFFORT);
    ladder_moved(&l, at(5200), next.code);
    check_next(&l, 5200, LADDER_OUT_OF_PATHS);
    CHECK(tick_is_never(ladder_deadline(&l))); /* once */
}

static void test_srcs_that_take_no_reinvite(void)
{
    struct ladder l;
    ladder_start(&l, at(0), PATH_STUN, false);
    check_next(&l, 400, LADDER_PUNCH_AGAIN);
    check_next(&l, 1000, LADDER_PERMIT_ALL);
    check_next(&l, 2000, LADDER_OUT_OF_PATHS);
    ladder_heard(&l, at(60000)); /* it came after all */
    CHECK_INT(ladder_deadline(&l).ns, at(65000).ns);
}

static void test_silence_in_a_call(void)
{
    struct ladder l;
    ladder_start(&l, at(0), PATH_STUN, true);
    for (int64_t ms = 100; ms < 20000; ms += 20) {
        ladder_heard(&l, at(ms));
        CHECK_INT(ladder_due(&l, at(ms + 10)), LADDER_WAIT);
    }
    check_next(&l, 19980 + 5000, LADDER_PUNCH_AGAIN);
    check_next(&l, 19980 + 5600, LADDER_ASK_STUN);
    check_next(&l, 19980 + 6600, LADDER_PERMIT_ALL);
    check_next(&l, 19980 + 7600,
               LADDER_NEXT_PATH); /* a re-INVITE long before the 15 s of doc/nat.md 9 */
    ladder_start(&l, at(30000), PATH_RELAY, true);
    ladder_heard(&l, at(30100));
    ladder_stop(&l); /* on hold, and back: as after the answer */
    CHECK_INT(ladder_due(&l, at(90000)), LADDER_WAIT);
    ladder_expect(&l, at(90000));
    check_next(&l, 90400, LADDER_PUNCH_AGAIN);
    check_next(&l, 91000, LADDER_PERMIT_ALL);
    ladder_stop(&l);
    CHECK_INT(ladder_due(&l, at(1000000)), LADDER_WAIT);
}

int main(void)
{
    RUN(test_nothing_arrives);
    RUN(test_srcs_that_take_no_reinvite);
    RUN(test_silence_in_a_call);
    return tap_done();
}
