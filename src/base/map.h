/* map: an intrusive hash table keyed by bytes, hashed with SipHash-2-4 under a secret key, since
 * the keys (Call-IDs, tags, branches) are chosen by peers. The table owns its buckets, never the
 * objects.
 * Not here: ordered containers.
 * RFC: none. */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/rng.h"

/* As a member of the object. key is borrowed: it must live in the object as long as the object is
 * in. */
struct map_node {
    struct map_node *next;
    uint64_t hash;
    struct view key;
    bool linked;
};

struct map {
    struct map_node **buckets;
    size_t mask;
    size_t count;
    uint8_t secret[16];
};

/* Room for about capacity objects at full speed; more only get slower. False when memory is out. */
WARN_UNUSED bool map_init(struct map *map, size_t capacity, struct rng *rng);
/* The objects stay the caller's. */
void map_finish(struct map *map);

/* The key may stand more than once: map_find gives the newest, map_find_next the ones before. */
void map_insert(struct map *map, struct map_node *node, struct view key);
struct map_node *map_find(const struct map *map, struct view key);
struct map_node *map_find_next(const struct map_node *node);
/* Harmless when not in. */
void map_remove(struct map *map, struct map_node *node);

uint64_t map_siphash(const uint8_t secret[16], struct view key);

#endif
