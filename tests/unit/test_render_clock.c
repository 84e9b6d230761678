/* Tests of render/clock: timestamps and arrivals made up here,
 * so that the true time of each packet is known. */
#include "render/clock.h"

#include <math.h>

#include "tap.h"

struct world {
    struct render_clock clock;
    struct render_stamp stamps[40000];
    int64_t truth[40000]; /* when its first sample was spoken */
    size_t count;
    uint32_t seed;
};

static struct world world;

static double chance(void)
{
    world.seed = world.seed * 1664525U + 1013904223U;
    return (double)(world.seed >> 8) / (1 << 24);
}

static void begin(uint32_t seed)
{
    render_clock_release(&world.clock);
    render_clock_init(&world.clock);
    world.count = 0;
    world.seed = seed;
}

static void say(int64_t truth_ns, uint16_t seq, uint32_t timestamp, int64_t late_ns)
{
    world.stamps[world.count] = (struct render_stamp){.ordinal = world.count,
                                                      .seq = seq,
                                                      .timestamp = timestamp,
                                                      .clock_hz = 8000,
                                                      .arrival = {truth_ns + late_ns}};
    world.truth[world.count++] = truth_ns;
}

/* The largest difference between a packet's place and its truth, the common delay taken out. */
static double worst_ms(int64_t delay_ns)
{
    double worst = 0;
    for (size_t i = 0; i < world.count; i++)
        if (!render_clock_observe(&world.clock, &world.stamps[i]))
            return 1e9;
    if (!render_clock_end(&world.clock))
        return 1e9;
    for (size_t i = 0; i < world.count; i++) {
        int64_t rtp;
        const struct render_segment *segment =
            render_clock_find(&world.clock, &world.stamps[i], &rtp);
        if (segment == NULL)
            return 1e9;
        double off = (double)(render_segment_place(segment, rtp).ns - delay_ns - world.truth[i]);
        worst = fmax(worst, fabs(off) * 1e-6);
    }
    return worst;
}

static void test_plain_and_wrapping(void)
{
    begin(1);
    for (int i = 0; i < 30000; i++)
        say(i * 20 * NS_PER_MS, (uint16_t)(60000 + i), 0xFFFF0000U + (uint32_t)i * 160,
            30 * NS_PER_MS);
    CHECK(worst_ms(30 * NS_PER_MS) < 0.001);
    CHECK_INT(world.clock.count, 1);
    CHECK(render_clock_drift_ppm(&world.clock) == 0);
}

static void test_drift_under_jitter(void)
{
    const double rates[] = {-1000, -100, 20, 100, 1000, 5000};
    for (size_t r = 0; r < sizeof rates / sizeof rates[0]; r++) {
        begin(2);
        for (int i = 0; i < 30000; i++)
            say((int64_t)(i * 2e7 / (1 + rates[r] * 1e-6)), (uint16_t)i, (uint32_t)i * 160,
                (int64_t)((10 + 40 * chance() * chance()) * 1e6));
        CHECK(worst_ms(10 * NS_PER_MS) < 4);
        CHECK_INT(world.clock.count, 1);
        CHECK(fabs(render_clock_drift_ppm(&world.clock) - rates[r]) < 3);
    }
}

static void test_congestion_does_not_pull(void)
{
    /* For a third of ten minutes every packet is 200 ms late, coming and going slowly. */
    begin(3);
    for (int i = 0; i < 30000; i++) {
        double swell = i > 10000 && i < 20000 ? sin((i - 10000) * M_PI / 10000) : 0;
        say(i * 20 * NS_PER_MS, (uint16_t)i, (uint32_t)i * 160,
            (int64_t)((10 + 200 * swell + 5 * chance()) * 1e6));
    }
    double worst = worst_ms(10 * NS_PER_MS);
    printf("# congestion of 200 ms moves it by %.1f ms\n", worst);
    CHECK_INT(world.clock.count, 1);
    CHECK(worst < 20);
    /* Outside of it, by nothing. */
    int64_t rtp;
    const struct render_segment *segment =
        render_clock_find(&world.clock, &world.stamps[29000], &rtp);
    CHECK(fabs((double)(render_segment_place(segment, rtp).ns - 10 * NS_PER_MS -
                        world.truth[29000])) < 6e6);
}

static void test_a_clock_that_runs_unevenly(void)
{
    /* An hour in which the sender's clock gets 30 ppm slower and 30 ppm faster again. */
    begin(8);
    double clock = 0;
    for (int i = 0; i < 36000; i++) {
        clock += 0.1 * (1 + 30e-6 * sin(i * 2 * M_PI / 36000));
        say((int64_t)(clock * 1e9), (uint16_t)i, (uint32_t)i * 800,
            (int64_t)((10 + 10 * chance()) * 1e6));
    }
    double worst = worst_ms(10 * NS_PER_MS);
    printf("# uneven by +-30 ppm: %.1f ms off\n", worst);
    CHECK(worst < 12);
}

static void test_a_clock_that_stood_still(void)
{
    begin(4);
    for (int i = 0; i < 10000; i++) {
        int64_t hold = i >= 5000 ? 300 * NS_PER_S : 0;
        say(i * 20 * NS_PER_MS + hold, (uint16_t)i, (uint32_t)i * 160,
            (int64_t)((10 + 10 * chance()) * 1e6));
    }
    CHECK(worst_ms(10 * NS_PER_MS) < 5);
    CHECK_INT(world.clock.count, 2);
}

static void test_late_is_not_a_wrap(void)
{
    begin(5);
    for (int i = 0; i < 5000; i++)
        say(i * 20 * NS_PER_MS, (uint16_t)i, (uint32_t)(160 * i),
            (i % 500 == 7 ? 900 : 10) * NS_PER_MS);
    /* In order of arrival. */
    for (size_t i = 1; i < world.count; i++)
        for (size_t k = i; k > 0 && world.stamps[k].arrival.ns < world.stamps[k - 1].arrival.ns;
             k--) {
            struct render_stamp stamp = world.stamps[k];
            world.stamps[k] = world.stamps[k - 1];
            world.stamps[k - 1] = stamp;
            int64_t truth = world.truth[k];
            world.truth[k] = world.truth[k - 1];
            world.truth[k - 1] = truth;
        }
    for (size_t i = 0; i < world.count; i++)
        world.stamps[i].ordinal = i;
    CHECK(worst_ms(10 * NS_PER_MS) < 0.1);
    CHECK_INT(world.clock.count, 1);
}

static void test_nonsense_stretches_nothing(void)
{
    begin(6);
    for (int i = 0; i < 20000; i++) {
        uint32_t timestamp = (uint32_t)i * 160;
        if (i % 100 == 50)
            timestamp = (uint32_t)(chance() * 4294967295.0);
        say(i * 20 * NS_PER_MS, (uint16_t)i, timestamp, 10 * NS_PER_MS);
    }
    for (size_t i = 0; i < world.count; i++)
        CHECK(render_clock_observe(&world.clock, &world.stamps[i]));
    CHECK(render_clock_end(&world.clock));
    CHECK_INT(world.clock.count, 1);
    size_t lost = 0;
    for (size_t i = 0; i < world.count; i++) {
        int64_t rtp;
        const struct render_segment *segment =
            render_clock_find(&world.clock, &world.stamps[i], &rtp);
        if (segment == NULL) {
            lost++;
            continue;
        }
        struct wall at = render_segment_place(segment, rtp);
        CHECK(at.ns <= world.stamps[i].arrival.ns + 300 * NS_PER_MS);
        CHECK(at.ns >= world.stamps[i].arrival.ns - 30 * NS_PER_S);
    }
    CHECK(lost >= 190 && lost <= 200);
}

static void test_random_timestamps_only(void)
{
    begin(7);
    for (int i = 0; i < 20000; i++)
        say(i * 20 * NS_PER_MS, (uint16_t)(chance() * 65535), (uint32_t)(chance() * 4294967295.0),
            10 * NS_PER_MS);
    for (size_t i = 0; i < world.count; i++)
        CHECK(render_clock_observe(&world.clock, &world.stamps[i]));
    CHECK(render_clock_end(&world.clock));
    CHECK(world.clock.count <= RENDER_SEGMENTS_MAX);
}

/* A recording begins where its earliest segment does: nonsense between good packets, or at the end,
 * must not let one begin hours before anything came. */
static void test_no_segment_begins_before_the_call(void)
{
    for (uint32_t seed = 1; seed <= 200; seed++) {
        begin(seed);
        for (int i = 0; i < 400; i++) {
            bool bogus = (i >= 50 && i < 70) || (i >= 200 && i < 350 && i % 3 != 0) || i >= 390;
            uint32_t timestamp = bogus ? (uint32_t)(chance() * 4294967295.0) : (uint32_t)i * 160;
            say(i * 20 * NS_PER_MS, (uint16_t)i, timestamp, 10 * NS_PER_MS);
        }
        for (size_t i = 0; i < world.count; i++)
            CHECK(render_clock_observe(&world.clock, &world.stamps[i]));
        CHECK(render_clock_end(&world.clock));
        for (size_t i = 0; i < world.clock.count; i++) {
            const struct render_segment *segment = &world.clock.segments[i];
            int64_t before_ns =
                segment->arrival_first.ns - render_segment_place(segment, segment->low).ns;
            CHECK(before_ns <= 31 * NS_PER_S);
        }
    }
}

int main(void)
{
    RUN(test_plain_and_wrapping);
    RUN(test_drift_under_jitter);
    RUN(test_congestion_does_not_pull);
    RUN(test_a_clock_that_runs_unevenly);
    RUN(test_a_clock_that_stood_still);
    RUN(test_late_is_not_a_wrap);
    RUN(test_nonsense_stretches_nothing);
    RUN(test_random_timestamps_only);
    RUN(test_no_segment_begins_before_the_call);
    render_clock_release(&world.clock);
    return tap_done();
}
