/* Which media ports are lent when: even ports (RFC 3550 section 11), the whole range, the longest
 * rested first, 30 s of rest aimed at, 2 s at least.
 * Not here: sockets.
 * RFC 3550. */
#include "io/ports.h"
#include "tap.h"

static struct tick at_s(double seconds)
{
    return (struct tick){(int64_t)(seconds * 1e9)};
}

static struct io_ports *ports_of(uint16_t min, uint16_t max, unsigned share, unsigned shares)
{
    struct io_ports_range range = {.min = min, .max = max, .share = share, .shares = shares};
    struct rng rng;

    rng_init_number(&rng, 7);
    return io_ports_create(&range, &rng);
}

static void test_pairs_of_a_range(void)
{
    static const struct {
        uint16_t min, max;
        unsigned share, shares;
        size_t total;
    } cases[] = {
        {10000, 10000, 0, 1, 0}, /* no room for RTCP */
        {10000, 10001, 0, 1, 1},    {10001, 10002, 0, 1, 0}, {10001, 10003, 0, 1, 1},
        {10000, 10010, 0, 1, 5},    {10000, 10009, 0, 2, 3}, {10000, 10009, 1, 2, 2},
        {1024, 65535, 0, 1, 32256}, {65534, 65535, 0, 1, 1}, {65534, 65535, 1, 2, 0},
        {10000, 20000, 0, 1, 5000},
    };

    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct io_ports *ports =
            ports_of(cases[i].min, cases[i].max, cases[i].share, cases[i].shares);
        CHECK_INT(io_ports_total(ports), cases[i].total);
        io_ports_destroy(ports);
    }
}

static void test_every_port_once_even_and_inside(void)
{
    static bool seen[65536];
    size_t got = 0;

    for (unsigned share = 0; share < 3; share++) {
        struct io_ports *ports = ports_of(10001, 10101, share, 3);
        uint16_t port;
        while (io_ports_take(ports, at_s(0), &port) == IO_PORTS_OK) {
            CHECK(port % 2 == 0 && port >= 10002 && port + 1 <= 10101);
            CHECK(!seen[port]);
            seen[port] = true;
            got++;
        }
        io_ports_destroy(ports);
    }
    CHECK_INT(got, 50);
}

static void test_rest(void)
{
    struct io_ports *ports = ports_of(20000, 20003, 0, 1);
    uint16_t a = 0;
    uint16_t b = 0;
    uint16_t again = 0;

    CHECK_INT(io_ports_take(ports, at_s(0), &a), IO_PORTS_OK);
    CHECK_INT(io_ports_take(ports, at_s(0), &b), IO_PORTS_OK);
    CHECK_INT(io_ports_take(ports, at_s(0), &again), IO_PORTS_NONE);
    io_ports_return(ports, at_s(10), b);
    io_ports_return(ports, at_s(11), a);
    CHECK_INT(io_ports_take(ports, at_s(11.999), &again), IO_PORTS_NONE);
    CHECK_INT(io_ports_take(ports, at_s(12), &again), IO_PORTS_PRESSED);
    CHECK_INT(again, b);
    CHECK_INT(io_ports_take(ports, at_s(12.9), &again), IO_PORTS_NONE);
    CHECK_INT(io_ports_take(ports, at_s(41), &again), IO_PORTS_OK);
    CHECK_INT(again, a);
    io_ports_destroy(ports);
}

static void test_fresh_before_rested(void)
{
    struct io_ports *ports = ports_of(20000, 20007, 0, 1);
    uint16_t first = 0;
    uint16_t port = 0;

    CHECK_INT(io_ports_take(ports, at_s(0), &first), IO_PORTS_OK);
    io_ports_return(ports, at_s(1), first);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(io_ports_take(ports, at_s(2), &port), IO_PORTS_OK);
        CHECK(port != first);
    }
    CHECK_INT(io_ports_take(ports, at_s(31), &port), IO_PORTS_OK);
    CHECK_INT(port, first);
    io_ports_destroy(ports);
}

static void test_blocked_goes_to_the_end(void)
{
    struct io_ports *ports = ports_of(20000, 20005, 0, 1);
    uint16_t blocked = 0;
    uint16_t port = 0;

    CHECK_INT(io_ports_take(ports, at_s(0), &blocked), IO_PORTS_OK);
    io_ports_blocked(ports, at_s(0), blocked);
    for (int i = 0; i < 2; i++) {
        CHECK_INT(io_ports_take(ports, at_s(100), &port), IO_PORTS_OK);
        CHECK(port != blocked);
    }
    CHECK_INT(io_ports_take(ports, at_s(100), &port), IO_PORTS_OK);
    CHECK_INT(port, blocked);
    io_ports_destroy(ports);
}

/* Many takes and returns against a plain list of what is true. */
static void test_against_a_model(void)
{
    enum { PAIRS = 50 };
    struct io_ports *ports = ports_of(30000, 30000 + 2 * PAIRS - 1, 0, 1);
    double rested_from[PAIRS];
    bool lent[PAIRS] = {false};
    struct rng rng;

    rng_init_number(&rng, 99);
    for (int i = 0; i < PAIRS; i++)
        rested_from[i] = -1000;
    for (int step = 0; step < 20000; step++) {
        double now = step * 0.05;
        uint16_t port = 0;
        if (rng_below(&rng, 2) == 0) {
            enum io_ports_result result = io_ports_take(ports, at_s(now), &port);
            double best = 1e9;
            for (int i = 0; i < PAIRS; i++) {
                if (!lent[i] && rested_from[i] < best)
                    best = rested_from[i];
            }
            if (now - best < 2 - 1e-6) {
                CHECK_INT(result, IO_PORTS_NONE);
                continue;
            }
            CHECK_INT(result, now - best < 30 - 1e-6 ? IO_PORTS_PRESSED : IO_PORTS_OK);
            CHECK(!lent[(port - 30000) / 2] && rested_from[(port - 30000) / 2] <= best);
            lent[(port - 30000) / 2] = true;
        } else {
            int i = (int)rng_below(&rng, PAIRS);
            if (lent[i]) {
                io_ports_return(ports, at_s(now), (uint16_t)(30000 + 2 * i));
                lent[i] = false;
                rested_from[i] = now;
            }
        }
    }
    io_ports_destroy(ports);
}

static void test_start_is_random(void)
{
    struct io_ports_range range = {.min = 10000, .max = 20000, .shares = 1};
    uint16_t first[8];
    size_t different = 0;

    for (uint64_t seed = 0; seed < 8; seed++) {
        struct rng rng;
        struct io_ports *ports;
        rng_init_number(&rng, seed);
        ports = io_ports_create(&range, &rng);
        CHECK_INT(io_ports_take(ports, at_s(0), &first[seed]), IO_PORTS_OK);
        different += seed > 0 && first[seed] != first[0];
        io_ports_destroy(ports);
    }
    CHECK(different >= 6);
}

int main(void)
{
    RUN(test_pairs_of_a_range);
    RUN(test_every_port_once_even_and_inside);
    RUN(test_rest);
    RUN(test_fresh_before_rested);
    RUN(test_blocked_goes_to_the_end);
    RUN(test_against_a_model);
    RUN(test_start_is_random);
    return tap_done();
}
