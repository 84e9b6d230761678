/* test_sip_transaction: every line of the state table, in integer time, against RFC 3261 Figures 5
 * to 8 and RFC 6026.
 * Not here: messages (test_sip_engine.c).
 * RFC 3261 §17, Table 4; RFC 6026 §7. */
#include "sip/transaction.h"
#include "tap.h"

static struct tick ms(int64_t n)
{
    return (struct tick){n * NS_PER_MS};
}

static struct sip_transaction_timing start(enum sip_transaction_kind kind, bool reliable)
{
    struct sip_transaction_timing t;
    sip_transaction_start(&t, kind, reliable, ms(0));
    return t;
}

/* Runs what is due at n; how many repetitions there were. */
static int run(struct sip_transaction_timing *t, int64_t n, unsigned *actions)
{
    enum sip_transaction_input input;
    int repeated = 0;
    *actions = 0;
    while (t->state != SIP_STATE_TERMINATED && sip_transaction_due(t, ms(n), &input)) {
        unsigned done = sip_transaction_step(t, input, ms(n));
        repeated += (done & (SIP_DO_REPEAT | SIP_DO_TRYING)) != 0;
        *actions |= done;
    }
    return repeated;
}

/* Checks that it repeats at exactly these times and not a millisecond before. */
static void check_times(struct sip_transaction_timing *t, const int64_t *times, size_t n)
{
    unsigned actions;
    for (size_t i = 0; i < n; i++) {
        CHECK_INT(run(t, times[i] - 1, &actions), 0);
        CHECK_INT(run(t, times[i], &actions), 1);
    }
}

static void check_end(struct sip_transaction_timing *t, int64_t at, unsigned want)
{
    unsigned actions;
    run(t, at - 1, &actions);
    CHECK(t->state != SIP_STATE_TERMINATED);
    run(t, at, &actions);
    CHECK_INT(t->state, SIP_STATE_TERMINATED);
    CHECK_INT(actions & ~(unsigned)SIP_DO_REPEAT, want);
}

/* Figure 5: timers A and B. */
static void test_client_invite_calling(void)
{
    static const int64_t times[] = {500, 1500, 3500, 7500, 15500, 31500};
    struct sip_transaction_timing t = start(SIP_CLIENT_INVITE, false);
    check_times(&t, times, 6);
    check_end(&t, 32000, SIP_DO_TIMEOUT);
    t = start(SIP_CLIENT_INVITE, true);
    unsigned actions;
    CHECK_INT(run(&t, 31999, &actions), 0);
    check_end(&t, 32000, SIP_DO_TIMEOUT);
    t = start(SIP_CLIENT_INVITE, false);
    CHECK_INT(sip_transaction_step(&t, SIP_INPUT_UNREACHABLE, ms(1)), SIP_DO_FAIL);
    CHECK_INT(t.state, SIP_STATE_TERMINATED);
}

static void test_client_invite_answers(void)
{
    unsigned actions;
    struct sip_transaction_timing t = start(SIP_CLIENT_INVITE, false);
    CHECK_INT(sip_transaction_step(&t, SIP_INPUT_PROVISIONAL, ms(100)), SIP_DO_PASS);
    CHECK_INT(t.state, SIP_STATE_PROCEEDING);
    CHECK(tick_is_never(sip_transaction_deadline(&t)));
    CHECK_INT(sip_transaction_step(&t, SIP_INPUT_PROVISIONAL, ms(200)), SIP_DO_PASS);
    CHECK_INT(sip_transaction_step(&t, SIP_INPUT_FAILURE, ms(300)), SIP_DO_PASS | SIP_DO_ACK);
    CHECK_INT(t.state, SIP_STATE_COMPLETED);
    CHECK_INT(sip_transaction_step(&t, SIP_INPUT_FAILURE, ms(400)), SIP_DO_ACK);
    CHECK_INT(sip_transaction_step(&t, SIP_INPUT_PROVISIONAL, ms(400)), SIP_DO_NOTHING);
    CHECK_INT(sip_transaction_step(&t, SIP_INPUT_SUCCESS, ms(400)), SIP_DO_NOTHING);
    check_end(&t, 32300, SIP_DO_NOTHING); /* D */
    t = start(SIP_CLIENT_INVITE, true);
    sip_transaction_step(&t, SIP_INPUT_FAILURE, ms(300));
    run(&t, 300, &actions);
    CHECK_INT(t.state, SIP_STATE_TERMINATED); /* D is zero */
    t = start(SIP_CLIENT_INVITE, false);
    CHECK_INT(sip_transaction_step(&t, SIP_INPUT_SUCCESS, ms(300)), SIP_DO_PASS);
    CHECK_INT(t.state, SIP_STATE_ACCEPTED); /* RFC 6026 §7.2 */
    CHECK_INT(sip_transaction_step(&t, SIP_INPUT_SUCCESS, ms(900)), SIP_DO_PASS);
    CHECK_INT(sip_transaction_step(&t, SIP_INPUT_FAILURE, ms(900)), SIP_DO_NOTHING);
    check_end(&t, 32300, SIP_DO_NOTHING); /* M */
}

/* Figure 6: timers E, F, K. */
static void test_client_other(void)
{
    static const int64_t times[] = {500,   1500,  3500,  7500,  11500,
                                    15500, 19500, 23500, 27500, 31500};
    unsigned actions;
    struct sip_transaction_timing t = start(SIP_CLIENT_OTHER, false);
    check_times(&t, times, 10);
    check_end(&t, 32000, SIP_DO_TIMEOUT);

    t = start(SIP_CLIENT_OTHER, false);
    CHECK_INT(sip_transaction_step(&t, SIP_INPUT_PROVISIONAL, ms(400)), SIP_DO_NOTHING);
    CHECK_INT(run(&t, 500, &actions), 1); /* E as it was set, then T2 */
    static const int64_t slow[] = {4500, 8500};
    check_times(&t, slow, 2);
    check_end(&t, 32000, SIP_DO_TIMEOUT);

    t = start(SIP_CLIENT_OTHER, false);
    CHECK_INT(sip_transaction_step(&t, SIP_INPUT_SUCCESS, ms(400)), SIP_DO_PASS);
    CHECK_INT(sip_transaction_step(&t, SIP_INPUT_SUCCESS, ms(450)), SIP_DO_NOTHING);
    CHECK_INT(run(&t, 5399, &actions), 0);
    check_end(&t, 5400, SIP_DO_NOTHING); /* K */

    t = start(SIP_CLIENT_OTHER, true);
    CHECK_INT(run(&t, 31999, &actions), 0);
    CHECK_INT(sip_transaction_step(&t, SIP_INPUT_FAILURE, ms(31999)), SIP_DO_PASS);
    run(&t, 31999, &actions);
    CHECK_INT(t.state, SIP_STATE_TERMINATED);

    t = start(SIP_CLIENT_OTHER, true);
    sip_transaction_step(&t, SIP_INPUT_PROVISIONAL, ms(1));
    CHECK_INT(sip_transaction_step(&t, SIP_INPUT_UNREACHABLE, ms(2)), SIP_DO_FAIL);
}

/* Figure 7 and RFC 6026 §7.1: timers G, H, I, L. */
static void test_server_invite_failure(void)
{
    static const int64_t times[] = {600,   1600,  3600,  7600,  11600,
                                    15600, 19600, 23600, 27600, 31600};
    unsigned actions;
    struct sip_transaction_timing t = start(SIP_SERVER_INVITE, false);
    CHECK_INT(sip_transaction_step(&t, SIP_INPUT_REQUEST, ms(50)), SIP_DO_REPEAT);
    CHECK_INT(sip_transaction_step(&t, SIP_INPUT_PROVISIONAL, ms(60)), SIP_DO_SEND);
    CHECK_INT(sip_transaction_step(&t, SIP_INPUT_FAILURE, ms(100)), SIP_DO_SEND);
    CHECK_INT(sip_transaction_step(&t, SIP_INPUT_REQUEST, ms(200)), SIP_DO_REPEAT);
    check_times(&t, times, 10);
    check_end(&t, 32100, SIP_DO_TIMEOUT);

    t = start(SIP_SERVER_INVITE, false);
    sip_transaction_step(&t, SIP_INPUT_FAILURE, ms(100));
    CHECK_INT(sip_transaction_step(&t, SIP_INPUT_ACK, ms(300)), SIP_DO_NOTHING);
    CHECK_INT(t.state, SIP_STATE_CONFIRMED);
    CHECK_INT(sip_transaction_step(&t, SIP_INPUT_ACK, ms(400)), SIP_DO_NOTHING);
    CHECK_INT(sip_transaction_step(&t, SIP_INPUT_REQUEST, ms(400)), SIP_DO_NOTHING);
    CHECK_INT(run(&t, 5299, &actions), 0);
    check_end(&t, 5300, SIP_DO_NOTHING); /* I */

    t = start(SIP_SERVER_INVITE, true);
    sip_transaction_step(&t, SIP_INPUT_FAILURE, ms(100));
    CHECK_INT(run(&t, 32099, &actions), 0); /* G is for UDP, H for both */
    check_end(&t, 32100, SIP_DO_TIMEOUT);
}

static void test_server_invite_success(void)
{
    unsigned actions;
    struct sip_transaction_timing t = start(SIP_SERVER_INVITE, true);
    CHECK_INT(run(&t, 199, &actions), 0);
    CHECK_INT(run(&t, 200, &actions), 1);
    CHECK_INT(actions, SIP_DO_TRYING);
    CHECK_INT(run(&t, 100000, &actions), 0);
    CHECK_INT(sip_transaction_step(&t, SIP_INPUT_SUCCESS, ms(100000)), SIP_DO_SEND);
    CHECK_INT(t.state, SIP_STATE_ACCEPTED);
    CHECK_INT(sip_transaction_step(&t, SIP_INPUT_REQUEST, ms(100100)), SIP_DO_NOTHING);
    CHECK_INT(sip_transaction_step(&t, SIP_INPUT_ACK, ms(100200)), SIP_DO_PASS);
    check_end(&t, 132000, SIP_DO_NOTHING); /* L */
}

/* Figure 8: timer J. */
static void test_server_other(void)
{
    unsigned actions;
    struct sip_transaction_timing t = start(SIP_SERVER_OTHER, false);
    CHECK_INT(sip_transaction_step(&t, SIP_INPUT_REQUEST, ms(1)), SIP_DO_NOTHING);
    CHECK_INT(sip_transaction_step(&t, SIP_INPUT_PROVISIONAL, ms(2)), SIP_DO_SEND);
    CHECK_INT(sip_transaction_step(&t, SIP_INPUT_REQUEST, ms(3)), SIP_DO_REPEAT);
    CHECK_INT(sip_transaction_step(&t, SIP_INPUT_FAILURE, ms(4)), SIP_DO_SEND);
    CHECK_INT(sip_transaction_step(&t, SIP_INPUT_REQUEST, ms(5)), SIP_DO_REPEAT);
    CHECK_INT(sip_transaction_step(&t, SIP_INPUT_SUCCESS, ms(6)), SIP_DO_NOTHING);
    check_end(&t, 32004, SIP_DO_NOTHING);
    t = start(SIP_SERVER_OTHER, true);
    CHECK_INT(sip_transaction_step(&t, SIP_INPUT_SUCCESS, ms(4)), SIP_DO_SEND);
    run(&t, 4, &actions);
    CHECK_INT(t.state, SIP_STATE_TERMINATED);
}

int main(void)
{
    RUN(test_client_invite_calling);
    RUN(test_client_invite_answers);
    RUN(test_client_other);
    RUN(test_server_invite_failure);
    RUN(test_server_invite_success);
    RUN(test_server_other);
    return tap_done();
}
