/* arena: chunks in a list, the newest in use.
 * Not here: freeing single pieces.
 * RFC: none. */
#include "base/arena.h"

#include <assert.h>
#include <stdalign.h>
#include <stdlib.h>
#include <string.h>

struct chunk {
    struct chunk *older;
    size_t size;
    size_t used;
    alignas(max_align_t) char bytes[];
};

struct arena {
    struct chunk *newest;
    size_t chunk;
    size_t limit;
    size_t held; /* bytes in all chunks */
    size_t used; /* bytes taken */
};

static struct chunk *chunk_create(size_t size)
{
    struct chunk *c = malloc(sizeof *c + size);
    if (c)
        *c = (struct chunk){.size = size};
    return c;
}

struct arena *arena_create(size_t chunk, size_t limit)
{
    assert(chunk > 0 && limit >= chunk);
    struct arena *arena = calloc(1, sizeof *arena);
    if (!arena)
        return NULL;
    *arena = (struct arena){.chunk = chunk, .limit = limit, .held = chunk};
    arena->newest = chunk_create(chunk);
    if (!arena->newest) {
        free(arena);
        return NULL;
    }
    return arena;
}

static void drop_until(struct arena *arena, const struct chunk *keep)
{
    while (arena->newest != keep) {
        struct chunk *older = arena->newest->older;
        arena->held -= arena->newest->size;
        free(arena->newest);
        arena->newest = older;
    }
}

void arena_destroy(struct arena *arena)
{
    if (!arena)
        return;
    drop_until(arena, NULL);
    free(arena);
}

void arena_reset(struct arena *arena)
{
    struct chunk *first = arena->newest;
    while (first->older)
        first = first->older;
    drop_until(arena, first);
    first->used = 0;
    arena->used = 0;
}

void *arena_take(struct arena *arena, size_t n)
{
    size_t align = alignof(max_align_t);
    if (n > arena->limit)
        return NULL;
    size_t need = (n + align - 1) / align * align;
    if (need > arena->newest->size - arena->newest->used) {
        size_t size = need > arena->chunk ? need : arena->chunk;
        if (size > arena->limit - arena->held)
            size = need;
        if (size > arena->limit - arena->held)
            return NULL;
        struct chunk *more = chunk_create(size);
        if (!more)
            return NULL;
        more->older = arena->newest;
        arena->newest = more;
        arena->held += size;
    }
    void *at = arena->newest->bytes + arena->newest->used;
    arena->newest->used += need;
    arena->used += need;
    return memset(at, 0, need);
}

struct view arena_copy(struct arena *arena, struct view v)
{
    if (v.len == SIZE_MAX)
        return VIEW_NONE;
    char *copy = arena_take(arena, v.len + 1);
    if (!copy)
        return VIEW_NONE;
    if (v.len)
        memcpy(copy, v.at, v.len);
    return view_of(copy, v.len);
}

size_t arena_used(const struct arena *arena)
{
    return arena->used;
}
