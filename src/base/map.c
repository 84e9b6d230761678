/* map: chained buckets under SipHash-2-4.
 * Not here: growing.
 * Aumasson and Bernstein, "SipHash: a fast short-input PRF". */
#include "base/map.h"

#include "base/reader.h"

#include <stdlib.h>

static uint64_t rotate(uint64_t x, int by)
{
    return x << by | x >> (64 - by);
}

static void sip_round(uint64_t v[4])
{
    v[0] += v[1];
    v[1] = rotate(v[1], 13) ^ v[0];
    v[0] = rotate(v[0], 32);
    v[2] += v[3];
    v[3] = rotate(v[3], 16) ^ v[2];
    v[0] += v[3];
    v[3] = rotate(v[3], 21) ^ v[0];
    v[2] += v[1];
    v[1] = rotate(v[1], 17) ^ v[2];
    v[2] = rotate(v[2], 32);
}

static void sip_word(uint64_t v[4], uint64_t word)
{
    v[3] ^= word;
    sip_round(v);
    sip_round(v);
    v[0] ^= word;
}

uint64_t map_siphash(const uint8_t secret[16], struct view key)
{
    struct reader k = reader_of(view_of(secret, 16)), r = reader_of(key);
    uint64_t k0 = reader_u64_le(&k), k1 = reader_u64_le(&k);
    uint64_t v[4] = {k0 ^ 0x736f6d6570736575, k1 ^ 0x646f72616e646f6d, k0 ^ 0x6c7967656e657261,
                     k1 ^ 0x7465646279746573};
    while (reader_left(&r) >= 8)
        sip_word(v, reader_u64_le(&r));
    uint64_t last = (uint64_t)key.len << 56;
    for (int shift = 0; reader_left(&r) > 0; shift += 8)
        last |= (uint64_t)reader_u8(&r) << shift;
    sip_word(v, last);
    v[2] ^= 0xff;
    for (int i = 0; i < 4; i++)
        sip_round(v);
    return v[0] ^ v[1] ^ v[2] ^ v[3];
}

bool map_init(struct map *map, size_t capacity, struct rng *rng)
{
    size_t buckets = 16;
    while (buckets < capacity)
        buckets *= 2;
    *map = (struct map){.mask = buckets - 1};
    rng_bytes(rng, map->secret, sizeof map->secret);
    map->buckets = calloc(buckets, sizeof(struct map_node *));
    return map->buckets;
}

void map_finish(struct map *map)
{
    free(map->buckets);
    *map = (struct map){0};
}

void map_insert(struct map *map, struct map_node *node, struct view key)
{
    uint64_t hash = map_siphash(map->secret, key);
    struct map_node **bucket = &map->buckets[hash & map->mask];
    *node = (struct map_node){.next = *bucket, .hash = hash, .key = key, .linked = true};
    *bucket = node;
    map->count++;
}

static struct map_node *first_match(struct map_node *at, uint64_t hash, struct view key)
{
    while (at && (at->hash != hash || !view_equal(at->key, key)))
        at = at->next;
    return at;
}

struct map_node *map_find(const struct map *map, struct view key)
{
    uint64_t hash = map_siphash(map->secret, key);
    return first_match(map->buckets[hash & map->mask], hash, key);
}

struct map_node *map_find_next(const struct map_node *node)
{
    return first_match(node->next, node->hash, node->key);
}

void map_remove(struct map *map, struct map_node *node)
{
    if (!node->linked)
        return;
    struct map_node **at = &map->buckets[node->hash & map->mask];
    while (*at != node)
        at = &(*at)->next;
    *at = node->next;
    *node = (struct map_node){0};
    map->count--;
}
