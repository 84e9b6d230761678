/* clock: reading the machine's clocks and its randomness for everybody who is handed time and
 * chance.
 * Not here: converting, printing, comparing times (base/tick.h), drawing numbers (base/rng.h).
 * RFC: none. */
#ifndef IO_CLOCK_H
#define IO_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/tick.h"

/* Two clocks at one moment. */
struct io_clock_pair {
    int64_t a_ns, b_ns;
};

/* Reads clock b between two looks at clock a, by read_ns(which) with which 0 for a and 1 for b; where a stood still
 * for long in between (a thread that had to wait for its processor) again, and keeps the tightest. */
struct io_clock_pair io_clock_read_pair(int64_t (*read_ns)(int which));

/* Monotonic time; goes on while the machine is suspended (CLOCK_BOOTTIME), so that a dialog that
 * expired during a suspend is seen as expired after it. */
struct tick io_clock_tick(void);

/* For how long the machine has been suspended since it was booted. */
int64_t io_clock_slept_ns(void);

/* Unix time, as the kernel stamps packets with (CLOCK_REALTIME). */
struct wall io_clock_wall(void);

struct cmsghdr;
/* When the kernel got what control came with; false, and *at as it was: it says something else. */
bool io_clock_stamp(const struct cmsghdr *control, struct wall *at);

/* Both of them, so that the one can be told from the other. */
struct moment io_clock_moment(void);

/* Fills seed with bytes of the kernel's generator; waits at early boot until it is ready.
 * Never fails: a machine without random bytes cannot run us (assert). */
void io_clock_seed(uint8_t *seed, size_t seed_len);

#endif
