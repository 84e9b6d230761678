/* queue: recordings' documents that wait to be written, in order, at most one an id: a newer one
 * replaces the older.
 * Not here: locks, writing (catalog.h).
 * RFC: none. */
#ifndef CATALOG_QUEUE_H
#define CATALOG_QUEUE_H

#include "base/list.h"
#include "base/map.h"
#include "catalog/record.h"

/* A document that waits. */
struct catalog_waiting {
    struct list link;
    struct map_node node;
    struct catalog_record record;
    char *metadata; /* owned; NULL: unchanged */
    size_t metadata_len;
    uint64_t number; /* of the put that brought it */
};

struct catalog_queue {
    struct list list;
    struct map map;
    size_t count;
};

WARN_UNUSED bool catalog_queue_init(struct catalog_queue *queue, struct rng *rng);
void catalog_queue_finish(struct catalog_queue *queue); /* frees what waits */

/* Takes waiting; one with the same id leaves, and leaves its metadata when the new one has none. */
void catalog_queue_add(struct catalog_queue *queue, struct catalog_waiting *waiting);
/* Takes waiting back after it could not be written: first in line, unless a newer one came
 * meanwhile. */
void catalog_queue_return(struct catalog_queue *queue, struct catalog_waiting *waiting);
/* The first, handed over; NULL when empty. */
struct catalog_waiting *catalog_queue_take(struct catalog_queue *queue);
/* NULL when it does not wait. */
struct catalog_waiting *catalog_queue_find(const struct catalog_queue *queue,
                                           const struct uuid *id);

/* A copy; NULL when memory is out. */
struct catalog_waiting *catalog_waiting_create(struct catalog_record *record, struct view metadata);
void catalog_waiting_destroy(struct catalog_waiting *waiting); /* NULL is fine */

#endif
