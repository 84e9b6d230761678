/* pool: slots with a generation each, odd while taken.
 * Not here: growing.
 * RFC: none. */
#include "base/pool.h"

#include <assert.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

struct slot {
    uint32_t generation; /* odd: taken */
    uint32_t next_free;
};

#define NO_SLOT UINT32_MAX

struct pool {
    size_t stride;
    uint32_t capacity;
    uint32_t count;
    uint32_t first_free, last_free; /* a queue, so that an index rests as long as it can */
    struct slot *slots;
    char *objects;
};

struct pool *pool_create(size_t size, uint32_t capacity)
{
    assert(size > 0 && capacity > 0 && capacity < NO_SLOT);
    struct pool *pool = calloc(1, sizeof *pool);
    if (!pool)
        return NULL;
    size_t align = alignof(max_align_t);
    pool->stride = (size + align - 1) / align * align;
    pool->capacity = capacity;
    pool->slots = calloc(capacity, sizeof *pool->slots);
    pool->objects = calloc(capacity, pool->stride);
    if (!pool->slots || !pool->objects) {
        pool_destroy(pool);
        return NULL;
    }
    for (uint32_t i = 0; i < capacity; i++)
        pool->slots[i].next_free = i + 1 < capacity ? i + 1 : NO_SLOT;
    pool->last_free = capacity - 1;
    return pool;
}

void pool_destroy(struct pool *pool)
{
    if (!pool)
        return;
    free(pool->slots);
    free(pool->objects);
    free(pool);
}

static void *object_at(const struct pool *pool, uint32_t index)
{
    return pool->objects + (size_t)index * pool->stride;
}

static struct pool_id id_of(const struct pool *pool, uint32_t index)
{
    return (struct pool_id){(uint64_t)pool->slots[index].generation << 32 | index};
}

void *pool_take(struct pool *pool, struct pool_id *id)
{
    uint32_t index = pool->first_free;
    if (pool->count == pool->capacity) {
        *id = POOL_ID_NONE;
        return NULL;
    }
    pool->first_free = pool->slots[index].next_free;
    pool->slots[index].generation++;
    pool->count++;
    *id = id_of(pool, index);
    return memset(object_at(pool, index), 0, pool->stride);
}

void *pool_find(const struct pool *pool, struct pool_id id)
{
    uint32_t index = (uint32_t)id.value, generation = (uint32_t)(id.value >> 32);
    if (index >= pool->capacity || generation % 2 == 0 ||
        pool->slots[index].generation != generation)
        return NULL;
    return object_at(pool, index);
}

void pool_give(struct pool *pool, struct pool_id id)
{
    uint32_t index = (uint32_t)id.value;
    if (!pool_find(pool, id))
        return;
    pool->slots[index].generation++;
    pool->slots[index].next_free = NO_SLOT;
    if (pool->count == pool->capacity)
        pool->first_free = index;
    else
        pool->slots[pool->last_free].next_free = index;
    pool->last_free = index;
    pool->count--;
}

uint32_t pool_count(const struct pool *pool)
{
    return pool->count;
}

void *pool_next(const struct pool *pool, uint32_t *index, struct pool_id *id)
{
    while (*index < pool->capacity) {
        uint32_t at = (*index)++;
        if (pool->slots[at].generation % 2 == 1) {
            *id = id_of(pool, at);
            return object_at(pool, at);
        }
    }
    *id = POOL_ID_NONE;
    return NULL;
}
