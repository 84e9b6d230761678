/* Tests of base/rng: the block function against RFC 8439 appendix A.1. */
#include "base/rng.h"

#include "tap.h"

static void test_rfc8439_keystream(void)
{
    /* A.1 test vectors 1 and 2: key and nonce all zero, counters 0 and 1. */
    static const uint8_t want[32] = {0x76, 0xb8, 0xe0, 0xad, 0xa0, 0xf1, 0x3d, 0x90,
                                     0x40, 0x5d, 0x6a, 0xe5, 0x53, 0x86, 0xbd, 0x28,
                                     0xbd, 0xd2, 0x19, 0xb8, 0xa0, 0x8d, 0xed, 0x1a,
                                     0xa8, 0x36, 0xef, 0xcc, 0x8b, 0x77, 0x0d, 0xc7};
    static const uint8_t want_second[16] = {0x9f, 0x07, 0xe7, 0xbe, 0x55, 0x51, 0x38, 0x7a,
                                            0x98, 0xba, 0x97, 0x7c, 0x73, 0x2d, 0x08, 0x0d};
    uint8_t seed[32] = {0}, got[80];
    struct rng rng;
    rng_init(&rng, seed);
    rng_bytes(&rng, got, 30);
    rng_bytes(&rng, got + 30, 50);
    CHECK(memcmp(got, want, sizeof want) == 0);
    CHECK(memcmp(got + 64, want_second, sizeof want_second) == 0);
}

static void test_below_is_even(void)
{
    struct rng rng;
    int seen[7] = {0};
    rng_init_number(&rng, 1);
    for (int i = 0; i < 70000; i++)
        seen[rng_below(&rng, 7)]++;
    for (int i = 0; i < 7; i++) /* 5 sigma of a binomial with n 70000, p 1/7 is 463 */
        CHECK(seen[i] > 10000 - 463 && seen[i] < 10000 + 463);
    CHECK_INT(rng_below(&rng, 1), 0);
}

static void test_seeds_repeat_and_differ(void)
{
    struct rng a, b, c;
    char one[17], two[17];
    rng_init_number(&a, 5);
    rng_init_number(&b, 5);
    rng_init_number(&c, 6);
    rng_text(&a, one, 16);
    rng_text(&b, two, 16);
    CHECK_TEXT(one, two);
    rng_text(&c, two, 16);
    CHECK(strcmp(one, two) != 0);
    CHECK(!rng_chance(&a, 0.0));
    CHECK(rng_chance(&a, 1.0));
}

int main(void)
{
    RUN(test_rfc8439_keystream);
    RUN(test_below_is_even);
    RUN(test_seeds_repeat_and_differ);
    return tap_done();
}
