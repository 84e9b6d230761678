/* clock: reading the machine's clocks and its randomness for everybody who is handed time and
 * chance.
 * Not here: converting, printing, comparing times (base/tick.h), drawing numbers (base/rng.h).
 * RFC: none. */
#ifndef IO_CLOCK_H
#define IO_CLOCK_H

#include <stddef.h>
#include <stdint.h>

#include "base/tick.h"

/* Monotonic time; goes on while the machine is suspended (CLOCK_BOOTTIME), so that a dialog that
 * expired during a suspend is seen as expired after it. */
struct tick io_clock_tick(void);

/* The same without the time in which the machine was suspended: what the two differ by it slept. */
struct tick io_clock_monotonic(void);

/* Unix time, as the kernel stamps packets with (CLOCK_REALTIME). */
struct wall io_clock_wall(void);

/* Fills seed with bytes of the kernel's generator; waits at early boot until it is ready.
 * Never fails: a machine without random bytes cannot run us (assert). */
void io_clock_seed(uint8_t *seed, size_t seed_len);

#endif
