/* interval: Appendix A.7's rtcp_interval(), with chance as an argument.
 * Not here: timer reconsideration, which two parties may leave out (§6.3).
 * RFC 3550 §6.3.1. */
#include "rtp/interval.h"

#define SENDER_SHARE 0.25
#define MIN_MS       5000.0
/* e - 3/2: timer reconsideration converges to less than the bandwidth intended (§6.3.1). */
#define COMPENSATION (2.71828 - 1.5)

static double base_ms(const struct rtcp_interval *interval)
{
    double min_ms = interval->initial ? MIN_MS / 2 : MIN_MS;
    double bandwidth = interval->bandwidth_bytes_per_s;
    double n = interval->members;
    if (interval->senders <= interval->members * SENDER_SHARE) {
        bandwidth *= interval->we_sent ? SENDER_SHARE : 1 - SENDER_SHARE;
        n = interval->we_sent ? interval->senders : interval->members - interval->senders;
    }
    /* A bandwidth of nothing (b=RR:0, RFC 3556) would be "never": the minimum has to do. */
    double ms = bandwidth > 0 ? interval->average_size * n / bandwidth * 1000 : min_ms;
    return ms < min_ms ? min_ms : ms;
}

int64_t rtcp_interval_base_ms(const struct rtcp_interval *interval)
{
    return (int64_t)base_ms(interval);
}

int64_t rtcp_interval_ms(const struct rtcp_interval *interval, struct rng *rng)
{
    double chance = (double)rng_u32(rng) / 4294967296.0 + 0.5;
    return (int64_t)(base_ms(interval) * chance / COMPENSATION);
}

double rtcp_interval_average(double average, size_t size)
{
    return (double)size / 16 + average * 15 / 16;
}
