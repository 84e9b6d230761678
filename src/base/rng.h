/* rng: chance as an argument. ChaCha20 (RFC 8439) keyed by a 32-byte seed: the same seed gives the
 * same run, and without the seed nobody can guess a tag, a port or a transaction id. Not here:
 * where the seed comes from (io/entropy.h in the daemon, a number in tests). */
#ifndef BASE_RNG_H
#define BASE_RNG_H

#include "base/view.h"

struct rng {
    uint32_t key[8];
    uint64_t counter;
    uint8_t block[64];
    size_t used; /* bytes of block already given out */
};

void rng_init(struct rng *rng, const uint8_t seed[32]);
/* For tests: a seed from a number. */
void rng_init_number(struct rng *rng, uint64_t seed);

void rng_bytes(struct rng *rng, void *out, size_t n);
uint32_t rng_u32(struct rng *rng);
uint64_t rng_u64(struct rng *rng);
/* Evenly 0 <= x < limit; limit > 0. */
uint32_t rng_below(struct rng *rng, uint32_t limit);
/* True with probability p (0..1). */
bool rng_chance(struct rng *rng, double p);
/* n characters of [a-z0-9], NUL-terminated: n >= 1, out has n + 1 bytes. 5 bits each. */
void rng_text(struct rng *rng, char *out, size_t n);

#endif
