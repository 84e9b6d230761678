/* The RTCP interval against Appendix A.7's rtcp_interval(), written down here from the RFC. */
#include "rtp/interval.h"
#include "tap.h"

/* RFC 3550 A.7 without drand48() and compensation. */
static double oracle(int members, int senders, double rtcp_bw, bool we_sent, double avg,
                     bool initial)
{
    double const RTCP_MIN_TIME = 5.;
    double const RTCP_SENDER_BW_FRACTION = 0.25;
    double const RTCP_RCVR_BW_FRACTION = (1 - RTCP_SENDER_BW_FRACTION);
    double t;
    double rtcp_min_time = RTCP_MIN_TIME;
    int n;
    if (initial)
        rtcp_min_time /= 2;
    n = members;
    if (senders <= members * RTCP_SENDER_BW_FRACTION) {
        if (we_sent) {
            rtcp_bw *= RTCP_SENDER_BW_FRACTION;
            n = senders;
        } else {
            rtcp_bw *= RTCP_RCVR_BW_FRACTION;
            n -= senders;
        }
    }
    t = avg * n / rtcp_bw;
    if (t < rtcp_min_time)
        t = rtcp_min_time;
    return t;
}

static void test_against_a7(void)
{
    for (int members = 1; members < 2000; members = members * 3 + 1)
        for (int senders = 0; senders <= members; senders = senders * 2 + 1)
            for (int flags = 0; flags < 4; flags++) {
                struct rtcp_interval i = {.members = (uint32_t)members,
                                          .senders = (uint32_t)senders,
                                          .bandwidth_bytes_per_s = 400,
                                          .we_sent = flags & 1,
                                          .initial = flags & 2,
                                          .average_size = 90};
                double want = oracle(members, senders, 400, flags & 1, 90, flags & 2) * 1000;
                CHECK_INT(rtcp_interval_base_ms(&i), (int64_t)want);
            }
}

/* Two members, one of them sending: 5 s at the least, 2.5 s at first,
 * times 0.5..1.5 over 1.21828. */
static void test_a_call(void)
{
    struct rng rng;
    rng_init_number(&rng, 7);
    struct rtcp_interval i = {
        .members = 2, .senders = 1, .bandwidth_bytes_per_s = 400, .average_size = 90};
    CHECK_INT(rtcp_interval_base_ms(&i), 5000);
    int64_t low = INT64_MAX, high = 0;
    for (int n = 0; n < 5000; n++) {
        int64_t ms = rtcp_interval_ms(&i, &rng);
        low = ms < low ? ms : low;
        high = ms > high ? ms : high;
    }
    CHECK(low >= 2052 && low < 2100);   /* 2500 / 1.21828 */
    CHECK(high <= 6156 && high > 6100); /* 7500 / 1.21828 */
    i.initial = true;
    CHECK_INT(rtcp_interval_base_ms(&i), 2500);
    i.bandwidth_bytes_per_s = 0; /* no division by zero */
    CHECK_INT(rtcp_interval_base_ms(&i), 2500);
}

static void test_average(void)
{
    CHECK(rtcp_interval_average(160, 160) == 160);
    CHECK(rtcp_interval_average(0, 160) == 10); /* §6.3.3: one sixteenth of the new */
}

int main(void)
{
    RUN(test_against_a7);
    RUN(test_a_call);
    RUN(test_average);
    return tap_done();
}
