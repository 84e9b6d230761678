/* pool: a fixed number of equal objects, named by ids that go stale when the object is given back.
 * An id is safe to keep anywhere: pool_find of a stale one is NULL, never somebody else's object.
 * Not here: objects of different sizes (arena.h). RFC: none. */
#ifndef BASE_POOL_H
#define BASE_POOL_H

#include "base/view.h"

/* generation in the upper half, index in the lower; 0 is never an id. */
struct pool_id {
    uint64_t value;
};

#define POOL_ID_NONE ((struct pool_id){0})

struct pool;

/* capacity objects of size bytes each, made now; NULL when memory is out. */
WARN_UNUSED struct pool *pool_create(size_t size, uint32_t capacity);
void pool_destroy(struct pool *pool);

/* A zeroed object and its id; NULL when all are taken. */
WARN_UNUSED void *pool_take(struct pool *pool, struct pool_id *id);
/* NULL when the id is stale or none. */
void *pool_find(const struct pool *pool, struct pool_id id);
/* A stale id is ignored, so that giving back twice does no harm. */
void pool_give(struct pool *pool, struct pool_id id);

uint32_t pool_count(const struct pool *pool); /* taken now */
/* Walks the taken objects: start with *index 0, until NULL. Objects may be given back while
 * walking. */
void *pool_next(const struct pool *pool, uint32_t *index, struct pool_id *id);

static inline bool pool_id_equal(struct pool_id a, struct pool_id b)
{
    return a.value == b.value;
}

static inline bool pool_id_is_set(struct pool_id id)
{
    return id.value != 0;
}

#endif
