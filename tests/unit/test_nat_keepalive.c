/* nat/keepalive against the times of doc/nat.md 8. */
#include "nat/keepalive.h"

#include "tap.h"

static struct rng rng;

/* The times, in ms from the start, at which something is sent until the end; the clock jumps. */
static size_t times(struct keepalive *k, struct tick from, int64_t end_ms, int64_t *out,
                    size_t size)
{
    size_t n = 0;
    while (!tick_is_never(k->next) && tick_diff_ms(k->next, from) <= end_ms && n < size) {
        struct tick now = k->next;
        if (keepalive_due(k, now, &rng))
            out[n++] = tick_diff_ms(now, from);
    }
    return n;
}

static void test_punches_until_the_first_packet(void)
{
    static const int64_t want[] = {0, 200, 500, 1000, 2000, 4000, 8000, 12000};
    struct tick start = {5 * NS_PER_S};
    struct keepalive k;
    int64_t at[64];
    keepalive_start(&k, start, NULL, KEEPALIVE_LIMIT_LISTED);
    size_t n = times(&k, start, 100000, at, 64);
    CHECK(n > 14);
    for (size_t i = 0; i < 8; i++)
        CHECK_INT(at[i], want[i]);
    for (size_t i = 8; i < n; i++)
        CHECK(at[i] - at[i - 1] >= 9600 && at[i] - at[i - 1] <= 12000); /* under 15 s */
    CHECK_INT(times(&k, start, 10000000, at, 64) + n, KEEPALIVE_LIMIT_LISTED);
    CHECK(tick_is_never(keepalive_deadline(&k)));
    keepalive_start(&k, start, NULL, KEEPALIVE_ENDLESS);
    for (int i = 0; i < 40; i++)
        CHECK_INT(times(&k, k.next, 100000, at, 64) > 7, 1);
}

static void test_strangers_get_three(void)
{
    struct tick start = {0};
    struct keepalive k;
    int64_t at[64];
    keepalive_start(&k, start, NULL, KEEPALIVE_LIMIT_UNLISTED);
    CHECK_INT(times(&k, start, 1000000, at, 64), 3);
    /* Once it has sent itself it is kept open like any other. */
    keepalive_heard(&k, start);
    CHECK(times(&k, start, 1000000, at, 64) >= 49);
}

static void test_slowly_once_heard(void)
{
    static const struct {
        uint16_t lifetime_s, most_s, forgotten_s;
        int64_t least_ms, most_ms;
    } plans[] = {
        {0, 0, 0, 16000, 20000},                             /* not known */
        {30, 33, 0, 8000, 10000},                            /* a third */
        {120, 125, 0, 16000, 20000},                         /* cut */
        {0, 15, 0, 4000, 5000},                              /* shorter than 15 s */
        {600, 0, 0, 16000, 20000},   {0, 0, 10, 4000, 5000}, /* what calls have shown: at once, */
        {600, 0, 10, 4000, 5000},    {0, 0, 24, 6400, 8000},
        {15, 20, 30, 4000, 5000}, /* and never against what is known */
        {0, 0, 1, 4000, 5000},    /* no flood */
    };
    for (size_t i = 0; i < sizeof plans / sizeof *plans; i++) {
        struct nat_behaviour b = {.lifetime_s = plans[i].lifetime_s,
                                  .lifetime_most_s = plans[i].most_s,
                                  .forgotten_s = plans[i].forgotten_s};
        struct tick start = {0}, heard = {700 * NS_PER_MS};
        struct keepalive k;
        int64_t at[64];
        keepalive_start(&k, start, &b, KEEPALIVE_LIMIT_LISTED);
        CHECK_INT(times(&k, start, 600, at, 64), 3);
        keepalive_heard(&k, heard);
        size_t n = times(&k, start, 200000, at, 64);
        CHECK(n >= 9);
        for (size_t j = 1; j < n; j++)
            CHECK(at[j] - at[j - 1] >= plans[i].least_ms && at[j] - at[j - 1] <= plans[i].most_ms);
        /* After a hold as at the start. */
        keepalive_start(&k, start, &b, KEEPALIVE_LIMIT_LISTED);
        CHECK_INT(times(&k, start, 3000, at, 64), 5);
        keepalive_stop(&k);
        CHECK(!keepalive_due(&k, (struct tick){INT64_MAX - 1}, &rng));
    }
}

/* Known in the midst of a call: the next one is not waited for as it was planned. */
static void test_more_is_known(void)
{
    struct nat_behaviour b = {.lifetime_s = 60, .forgotten_s = 12};
    struct tick start = {0}, learned = {3 * NS_PER_S};
    struct keepalive k;
    int64_t at[64];
    keepalive_start(&k, start, NULL, KEEPALIVE_LIMIT_LISTED);
    keepalive_learn(&k, start, &b); /* punches are as they are */
    CHECK(k.next.ns == 0);
    keepalive_start(&k, start, NULL, KEEPALIVE_LIMIT_LISTED);
    keepalive_heard(&k, start);
    keepalive_learn(&k, learned, &b);
    size_t n = times(&k, start, 60000, at, 64);
    CHECK(n > 10 && at[0] == 8000 && at[n - 1] - at[0] <= (int64_t)(n - 1) * 5000);
    /* And sooner than was thought is not later than was planned. */
    keepalive_start(&k, start, &b, KEEPALIVE_LIMIT_LISTED);
    keepalive_heard(&k, start);
    b.forgotten_s = 0;
    keepalive_learn(&k, learned, &b);
    CHECK_INT(times(&k, start, 5000, at, 64), 1);
    keepalive_stop(&k);
    keepalive_learn(&k, learned, &b);
    CHECK(tick_is_never(k.next));
}

/* Its own mapping is never answered where media comes to the one that STUN showed: under 15 s. */
static void test_mappings_for_each_destination(void)
{
    static const enum nat_mapping mappings[] = {NAT_MAPPING_ADDRESS, NAT_MAPPING_ADDRESS_PORT,
                                                NAT_MAPPING_DEPENDENT};
    for (size_t i = 0; i < 3; i++) {
        for (uint16_t lifetime_s = 0; lifetime_s <= 300; lifetime_s += 300) {
            struct nat_behaviour b = {.mapping = mappings[i], .lifetime_s = lifetime_s};
            struct tick start = {0};
            struct keepalive k;
            int64_t at[64];
            keepalive_start(&k, start, &b, KEEPALIVE_LIMIT_LISTED);
            keepalive_heard(&k, start);
            size_t n = times(&k, start, 200000, at, 64);
            CHECK(n >= 16 && at[0] <= 12000);
            for (size_t j = 1; j < n; j++)
                CHECK(at[j] - at[j - 1] >= 9600 && at[j] - at[j - 1] <= 12000);
        }
    }
}

int main(void)
{
    rng_init_number(&rng, 7);
    RUN(test_punches_until_the_first_packet);
    RUN(test_strangers_get_three);
    RUN(test_slowly_once_heard);
    RUN(test_more_is_known);
    RUN(test_mappings_for_each_destination);
    return tap_done();
}
