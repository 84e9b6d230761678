/* arena: memory that is taken bit by bit and given back all at once, one a recording or a message.
 * Not here: objects with lives of their own (pool.h).
 * RFC: none. */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/view.h"

/* One chunk at first; more are added, up to limit bytes in all,
 * and then arena_take returns NULL. */
struct arena;

/* NULL when memory is out. limit >= chunk. */
WARN_UNUSED struct arena *arena_create(size_t chunk, size_t limit);
void arena_destroy(struct arena *arena);
/* Forgets everything that was taken, keeps the first chunk. */
void arena_reset(struct arena *arena);

/* Zeroed, aligned for any type; NULL when the limit is reached. */
WARN_UNUSED void *arena_take(struct arena *arena, size_t n);
/* A copy with a NUL behind it; VIEW_NONE (!at) when the limit is reached. */
struct view arena_copy(struct arena *arena, struct view v);
/* Bytes taken so far. */
size_t arena_used(const struct arena *arena);

#endif
