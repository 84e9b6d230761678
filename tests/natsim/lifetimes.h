/* lifetimes: boxes whose mappings live for so long, and what may be found out of it.
 * Not here: who finds out, and from where (test_discovery.c, test_vantage.c).
 * RFC 4787 §4.3. */
#ifndef NATSIM_LIFETIMES_H
#define NATSIM_LIFETIMES_H

#include "nat/behaviour.h"
#include "natsim/natbox.h"
#include "tap.h"

/* An answered mapping's lifetime: within 5 s, where it is 15 s to 10 minutes. */
static inline void lifetimes_check(const struct nat_behaviour *found,
                                   const struct natbox_options *box)
{
    int64_t truth = box->established_ms / 1000;
    if (truth < 15) {
        CHECK_INT(found->lifetime_s, 0);
        CHECK_INT(found->lifetime_most_s, 15);
    } else if (truth > 600) {
        CHECK_INT(found->lifetime_s, 600);
        CHECK_INT(found->lifetime_most_s, 0);
    } else {
        CHECK(found->lifetime_s <= truth && truth <= found->lifetime_most_s);
        CHECK(found->lifetime_most_s - found->lifetime_s <= 5);
        CHECK_INT(found->refresh, box->inbound_refreshes ? NAT_REFRESH_BOTH : NAT_REFRESH_OUTBOUND);
    }
}

/* Each lifetime with boxes that what comes in refreshes, and with those that it does not. */
static inline void lifetimes_each(const struct natbox_options *plain,
                                  void (*play)(uint64_t seed, const struct natbox_options *box))
{
    static const int64_t truths[] = {10, 17, 30, 60, 117, 120, 180, 300, 599, 700};
    for (size_t i = 0; i < sizeof truths / sizeof *truths; i++) {
        struct natbox_options o = *plain;
        o.established_ms = truths[i] * 1000;
        o.initial_ms = o.established_ms < 30000 ? o.established_ms : 30000;
        for (int n = 0; n < 2; n++) {
            o.inbound_refreshes = n;
            o.mapping = (enum natbox_dependence)(i % 3);
            o.filtering = (enum natbox_dependence)((i + 1) % 3);
            play(100 + i, &o);
        }
    }
}

#endif
