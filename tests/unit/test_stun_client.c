/* Tests of stun/client: the times of RFC 8489 §6.2.1's example, to the millisecond. */
#include "stun/client.h"

#include "tap.h"

static struct rng rng;

static struct tick at_ms(int64_t ms)
{
    return tick_add_ms((struct tick){0}, ms);
}

static void test_the_rfcs_own_schedule(void)
{
    static const int64_t sends[] = {0, 500, 1500, 3500, 7500, 15500, 31500};
    struct stun_client c;
    stun_client_start(&c, at_ms(0), &rng, &(struct stun_client_options){0});
    for (size_t i = 0; i < 7; i++) {
        CHECK_INT(stun_client_deadline(&c).ns, at_ms(sends[i]).ns);
        if (sends[i])
            CHECK_INT(stun_client_step(&c, at_ms(sends[i] - 1)), STUN_CLIENT_WAIT);
        CHECK_INT(stun_client_step(&c, at_ms(sends[i])), STUN_CLIENT_SEND);
        CHECK_INT(stun_client_step(&c, at_ms(sends[i])), STUN_CLIENT_WAIT);
    }
    CHECK_INT(stun_client_step(&c, at_ms(39499)), STUN_CLIENT_WAIT);
    CHECK_INT(stun_client_step(&c, at_ms(39500)), STUN_CLIENT_TIMEOUT);
    CHECK_INT(stun_client_step(&c, at_ms(99999)), STUN_CLIENT_WAIT);
    CHECK(tick_is_never(stun_client_deadline(&c)));
}

static void test_reliable_is_sent_once(void)
{
    struct stun_client c;
    stun_client_start(&c, at_ms(0), &rng, &(struct stun_client_options){.reliable = true});
    CHECK_INT(stun_client_step(&c, at_ms(0)), STUN_CLIENT_SEND);
    CHECK_INT(stun_client_step(&c, at_ms(39499)), STUN_CLIENT_WAIT);
    CHECK_INT(stun_client_step(&c, at_ms(39500)), STUN_CLIENT_TIMEOUT);
}

static void test_a_cap_ends_it_early(void)
{
    struct stun_client c;
    stun_client_start(&c, at_ms(0), &rng,
                      &(struct stun_client_options){.cap_ms = 1400, .rto_ms = 100});
    CHECK_INT(stun_client_step(&c, at_ms(0)), STUN_CLIENT_SEND);
    CHECK_INT(stun_client_deadline(&c).ns, at_ms(500).ns); /* the floor, not 100 */
    CHECK_INT(stun_client_step(&c, at_ms(500)), STUN_CLIENT_SEND);
    CHECK_INT(stun_client_deadline(&c).ns, at_ms(1400).ns);
    CHECK_INT(stun_client_step(&c, at_ms(1400)), STUN_CLIENT_TIMEOUT);
}

static void test_only_its_own_answer_matches(void)
{
    uint8_t bytes[64];
    struct stun_client c;
    struct stun_message m;
    struct writer w = writer_of(bytes, sizeof bytes);
    stun_client_start(&c, at_ms(0), &rng, &(struct stun_client_options){0});
    stun_begin(&w, STUN_SUCCESS, STUN_BINDING, &c.transaction);
    stun_finish(&w, false);
    CHECK_INT(stun_message_decode(writer_done(&w), &m), STUN_DECODED);
    CHECK(!stun_client_matches(&c, &m)); /* an answer before the question */
    CHECK_INT(stun_client_step(&c, at_ms(0)), STUN_CLIENT_SEND);
    CHECK(stun_client_matches(&c, &m));
    m.class = STUN_REQUEST;
    CHECK(!stun_client_matches(&c, &m));
    m.class = STUN_ERROR;
    m.transaction.id[11] ^= 1;
    CHECK(!stun_client_matches(&c, &m));
    m.transaction.id[11] ^= 1;
    stun_client_stop(&c);
    CHECK(!stun_client_matches(&c, &m));
}

int main(void)
{
    rng_init_number(&rng, 1);
    RUN(test_the_rfcs_own_schedule);
    RUN(test_reliable_is_sent_once);
    RUN(test_a_cap_ends_it_early);
    RUN(test_only_its_own_answer_matches);
    return tap_done();
}
