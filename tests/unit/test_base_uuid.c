/* Tests of base/uuid: the layout of RFC 9562 §5.7 and its example of appendix A.6. */
#include "base/uuid.h"

#include "tap.h"

static void test_rfc9562_example(void)
{
    /* A.6: 2022-02-22T14:22:22.00-05:00 is 017F22E2-79B0-7CC3-98C4-DC0C0C07398F */
    struct uuid id;
    struct wall want;
    CHECK(uuid_parse(VIEW_LIT("017F22E2-79B0-7CC3-98C4-DC0C0C07398F"), &id));
    CHECK_TEXT(id.s, "017f22e2-79b0-7cc3-98c4-dc0c0c07398f");
    CHECK(wall_parse(VIEW_LIT("2022-02-22T14:22:22.00-05:00"), &want));
    CHECK_INT(uuid_time(&id).ns, want.ns);
    struct rng rng;
    rng_init_number(&rng, 1);
    struct uuid made = uuid_make(want, &rng);
    CHECK(memcmp(made.s, "017f22e2-79b0-7", 15) == 0);
    CHECK(strchr("89ab", made.s[19]) != NULL);
    CHECK_INT(strlen(made.s), 36);
    struct uuid next = uuid_make(want, &rng);
    CHECK(!uuid_equal(&made, &next));
}

static void test_what_is_no_uuid(void)
{
    struct uuid id;
    CHECK(!uuid_parse(VIEW_LIT(""), &id));
    CHECK(!uuid_parse(VIEW_LIT("../../../../etc/passwd/aaaaaaaaaaaaa"), &id));
    CHECK(!uuid_parse(VIEW_LIT("017F22E2-79B0-7CC3-98C4-DC0C0C07398"), &id));
    CHECK(!uuid_parse(VIEW_LIT("017F22E2079B0-7CC3-98C4-DC0C0C07398F"), &id));
    CHECK(!uuid_parse(VIEW_LIT("017F22E2-79B0-7CC3-98C4-DC0C0C07398G"), &id));
}

int main(void)
{
    RUN(test_rfc9562_example);
    RUN(test_what_is_no_uuid);
    return tap_done();
}
