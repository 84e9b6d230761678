/* rng: ChaCha20 as a stream of numbers.
 * Not here: seeds.
 * RFC 8439 §2.3. */
#include "base/rng.h"

#include <assert.h>
#include <string.h>

static uint32_t rotate(uint32_t x, int by)
{
    return x << by | x >> (32 - by);
}

static void quarter(uint32_t s[16], int a, int b, int c, int d)
{
    s[a] += s[b];
    s[d] = rotate(s[d] ^ s[a], 16);
    s[c] += s[d];
    s[b] = rotate(s[b] ^ s[c], 12);
    s[a] += s[b];
    s[d] = rotate(s[d] ^ s[a], 8);
    s[c] += s[d];
    s[b] = rotate(s[b] ^ s[c], 7);
}

static void next_block(struct rng *rng)
{
    uint32_t start[16] = {0x61707865, 0x3320646e, 0x79622d32, 0x6b206574};
    uint32_t s[16];
    memcpy(start + 4, rng->key, sizeof rng->key);
    start[12] = (uint32_t)rng->counter; /* §2.3: 32-bit counter, then the nonce */
    start[13] = (uint32_t)(rng->counter >> 32);
    rng->counter++;
    memcpy(s, start, sizeof s);
    for (int i = 0; i < 10; i++) {
        quarter(s, 0, 4, 8, 12);
        quarter(s, 1, 5, 9, 13);
        quarter(s, 2, 6, 10, 14);
        quarter(s, 3, 7, 11, 15);
        quarter(s, 0, 5, 10, 15);
        quarter(s, 1, 6, 11, 12);
        quarter(s, 2, 7, 8, 13);
        quarter(s, 3, 4, 9, 14);
    }
    for (size_t i = 0; i < 16; i++) {
        uint32_t word = s[i] + start[i];
        for (size_t j = 0; j < 4; j++)
            rng->block[4 * i + j] = (uint8_t)(word >> (8 * j));
    }
    rng->used = 0;
}

void rng_init(struct rng *rng, const uint8_t seed[32])
{
    memset(rng, 0, sizeof *rng);
    for (size_t i = 0; i < 8; i++) {
        for (size_t j = 0; j < 4; j++)
            rng->key[i] |= (uint32_t)seed[4 * i + j] << (8 * j);
    }
    rng->used = sizeof rng->block;
}

void rng_init_number(struct rng *rng, uint64_t seed)
{
    uint8_t bytes[32] = {0};
    for (size_t i = 0; i < 8; i++)
        bytes[i] = (uint8_t)(seed >> (8 * i));
    rng_init(rng, bytes);
}

void rng_bytes(struct rng *rng, void *out, size_t n)
{
    uint8_t *at = out;
    while (n > 0) {
        if (rng->used == sizeof rng->block)
            next_block(rng);
        size_t take = sizeof rng->block - rng->used;
        if (take > n)
            take = n;
        memcpy(at, rng->block + rng->used, take);
        rng->used += take;
        at += take;
        n -= take;
    }
}

uint32_t rng_u32(struct rng *rng)
{
    uint32_t value;
    rng_bytes(rng, &value, sizeof value);
    return value;
}

uint64_t rng_u64(struct rng *rng)
{
    uint64_t value;
    rng_bytes(rng, &value, sizeof value);
    return value;
}

uint32_t rng_below(struct rng *rng, uint32_t limit)
{
    assert(limit > 0);
    /* Numbers under 2^32 mod limit would come up once too often: draw again. */
    uint32_t reject = (uint32_t)(-limit) % limit;
    uint32_t value;
    do
        value = rng_u32(rng);
    while (value < reject);
    return value % limit;
}

bool rng_chance(struct rng *rng, double p)
{
    return (double)rng_u32(rng) < p * 4294967296.0;
}

void rng_text(struct rng *rng, char *out, size_t n)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";
    for (size_t i = 0; i < n; i++) {
        uint8_t byte;
        rng_bytes(rng, &byte, 1);
        out[i] = letters[byte & 31];
    }
    out[n] = '\0';
}
