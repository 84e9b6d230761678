/* interval: when the next RTCP packet is due, as a pure function of the numbers RFC 3550 names.
 * Not here: the packets (rtcp.h), timers.
 * RFC 3550 §6.2, §6.3.1, Appendix A.7. */
#ifndef RTP_INTERVAL_H
#define RTP_INTERVAL_H

#include "base/rng.h"

struct rtcp_interval {
    uint32_t members; /* ourselves included */
    uint32_t senders;
    double bandwidth_bytes_per_s; /* RTCP's share: 5 % of the session's */
    bool we_sent;
    bool initial;        /* no RTCP sent yet */
    double average_size; /* bytes of a compound, IP and UDP headers included */
};

/* The deterministic interval Td of §6.3.1, in milliseconds: 5 s at least, 2.5 s at first. */
int64_t rtcp_interval_base_ms(const struct rtcp_interval *interval);
/* T: Td times 0.5 to 1.5, by chance, divided by e - 3/2. */
int64_t rtcp_interval_ms(const struct rtcp_interval *interval, struct rng *rng);
/* §6.3.3: the running average after one more compound of size bytes (headers included). */
double rtcp_interval_average(double average, size_t size);

#endif
