/* kept: how many ready media ports shall have their address outside known and kept: demand's affair.
 * Not here: keeping it (media/port.h), which ports (stock.h).
 * RFC: none. Pure. */
#ifndef SIPRECD_KEPT_H
#define SIPRECD_KEPT_H

#include "base/tick.h"

enum {
    KEPT_LEAST = 4,
    KEPT_TAKES = 256,        /* remembered: more within one refill than the stock ever holds */
    KEPT_REFILL_MS = 500,    /* until it was measured */
    KEPT_RECENT_MS = 600000, /* what was busiest longer ago does not count */
};

struct kept {
    uint32_t fixed; /* nat.ready; 0: as demand has it */
    struct tick takes[KEPT_TAKES];
    uint32_t at;
    int64_t refill_ms; /* from opening a port until its address outside is known */
    uint32_t peak;     /* taken within that time, at the busiest moment lately */
    struct tick peak_at;
};

void kept_init(struct kept *k, struct tick now, uint32_t fixed);
/* A port that stood ready was taken. */
void kept_taken(struct kept *k, struct tick now);
/* Making another one ready took so long. */
void kept_refilled(struct kept *k, int64_t took_ms);
/* The busiest recent refill time's demand, times 1.5, at least 4; never more than the NAT bears. */
uint32_t kept_target(const struct kept *k, struct tick now, uint32_t bearable);

#endif
