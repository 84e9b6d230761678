/* Tests of what came to ports that no stream has. */
#include "base/sightings.h"

#include <string.h>

#include "tap.h"

static struct wall at_s(int64_t s)
{
    return (struct wall){s * NS_PER_S};
}

/* Of the port that got most. */
static uint64_t most_of(const struct addr *ip, struct wall since, struct addr *to)
{
    struct sightings_spell spell;
    uint64_t most = 0;
    size_t cursor = 0;
    while (sightings_next(ip, since, &cursor, &spell)) {
        CHECK(spell.first.ns <= spell.last.ns && spell.last.ns >= since.ns);
        if (spell.count > most) {
            most = spell.count;
            *to = spell.to;
        }
    }
    return most;
}

static void test_strays(void)
{
    struct addr a = addr_v4(192, 0, 2, 1, 4000), b = addr_v4(192, 0, 2, 2, 4000);
    struct addr one = addr_v4(10, 0, 0, 5, 10000), two = addr_v4(10, 0, 0, 5, 10002), to = {0};
    sightings_stray(&a, &one, at_s(100));
    sightings_stray(&a, &two, at_s(101));
    sightings_stray(&b, &one, at_s(102));
    a.port = 9;                                /* its port does not matter */
    CHECK_INT(most_of(&a, at_s(100), &to), 1); /* by ports: a stream has one */
    CHECK(addr_equal(&to, &one));
    sightings_stray(&a, &two, at_s(101));
    CHECK_INT(most_of(&a, at_s(100), &to), 2);
    CHECK(addr_equal(&to, &two));
    CHECK_INT(most_of(&a, at_s(102), &to), 0); /* before the call */
    sightings_stray(&a, &two, at_s(200));
    CHECK_INT(most_of(&a, at_s(100), &to), 1); /* a new spell */
    for (int i = 0; i <= 100; i++)
        sightings_stray(&b, &two, at_s(200 + i / 10));
    CHECK_INT(most_of(&b, at_s(205), &to), 50); /* half of the spell is the call's */
    for (int i = 0; i < 80; i++) {
        struct addr other = addr_v4(198, 51, 100, (uint8_t)i, 5000);
        sightings_stray(&other, &one, at_s(300 + i));
    }
    CHECK_INT(most_of(&b, at_s(0), &to), 0); /* long silent: forgotten */
    CHECK_INT(most_of(&(struct addr){.family = ADDR_V4, .ip = {198, 51, 100, 79}}, at_s(0), &to),
              1);
}

static void test_refusals(void)
{
    struct sightings_refusal r;
    struct addr from = {.family = ADDR_V4, .ip = {198, 51, 100, 80}, .port = 5060};
    CHECK(!sightings_refusal(VIEW_NONE, &r));
    sightings_refused(VIEW_LIT("a"), 488, "no codec", &from, at_s(1));
    sightings_refused(VIEW_LIT("b"), 503, "full", &from, at_s(2));
    CHECK(sightings_refusal(VIEW_LIT("a"), &r) && r.status == 488 && r.at.ns == at_s(1).ns);
    CHECK_TEXT(r.why, "no codec");
    CHECK(addr_equal(&r.from, &from));
    CHECK(!sightings_refusal(VIEW_LIT("c"), &r));
    CHECK(sightings_refusal(VIEW_NONE, &r) && r.status == 503);
    CHECK_TEXT(r.call_id, "b");
    for (int i = 0; i < 64; i++)
        sightings_refused(VIEW_LIT("d"), 403, "not in sip.allow", &from, at_s(3));
    CHECK(!sightings_refusal(VIEW_LIT("a"), &r));
}

static void test_probe(void)
{
    uint8_t probe[SIGHTINGS_PROBE_SIZE], other[SIGHTINGS_PROBE_SIZE];
    sightings_await(0x0123456789abcdef, probe);
    CHECK(!sightings_has_come(0x0123456789abcdef));
    memcpy(other, probe, sizeof other);
    other[19] ^= 1;
    CHECK(!sightings_probe(view_of(other, sizeof other)));
    CHECK(!sightings_probe(view_of(probe, sizeof probe - 1)));
    CHECK(!sightings_has_come(0x0123456789abcdef));
    CHECK(sightings_probe(view_of(probe, sizeof probe)));
    CHECK(sightings_has_come(0x0123456789abcdef));
    /* RFC 8489 §5: class indication, method Binding, magic cookie. */
    CHECK(probe[0] == 0 && probe[1] == 0x11 && probe[4] == 0x21 && probe[7] == 0x42);
    sightings_await(0x0123456789abcdf0, other); /* of another remainder: beside the first */
    CHECK(sightings_probe(view_of(probe, sizeof probe)));
    CHECK(!sightings_has_come(0x0123456789abcdf0));
    CHECK(sightings_probe(view_of(other, sizeof other)));
    CHECK(sightings_has_come(0x0123456789abcdf0) && sightings_has_come(0x0123456789abcdef));
}

int main(void)
{
    RUN(test_strays);
    RUN(test_refusals);
    RUN(test_probe);
    return tap_done();
}
