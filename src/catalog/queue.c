/* queue: documents that wait to be written.
 * Not here: writing them.
 * RFC: none. */
#include "catalog/queue.h"

#include <stdlib.h>
#include <string.h>

bool catalog_queue_init(struct catalog_queue *queue, struct rng *rng)
{
    list_init(&queue->list);
    queue->count = 0;
    return map_init(&queue->map, 1024, rng);
}

void catalog_queue_finish(struct catalog_queue *queue)
{
    struct catalog_waiting *waiting;
    while ((waiting = catalog_queue_take(queue)))
        catalog_waiting_destroy(waiting);
    map_finish(&queue->map);
}

struct catalog_waiting *catalog_waiting_create(struct catalog_record *record, struct view metadata)
{
    struct catalog_waiting *waiting = calloc(1, sizeof *waiting);
    if (!waiting)
        return NULL;
    if (metadata.len > 0) {
        waiting->metadata = malloc(metadata.len);
        if (!waiting->metadata) {
            free(waiting);
            return NULL;
        }
        memcpy(waiting->metadata, metadata.at, metadata.len);
        waiting->metadata_len = metadata.len;
    }
    waiting->record = *record;
    *record = (struct catalog_record){0};
    return waiting;
}

void catalog_waiting_destroy(struct catalog_waiting *waiting)
{
    if (!waiting)
        return;
    catalog_record_finish(&waiting->record);
    free(waiting->metadata);
    free(waiting);
}

static void unlink_waiting(struct catalog_queue *queue, struct catalog_waiting *waiting)
{
    list_remove(&waiting->link);
    map_remove(&queue->map, &waiting->node);
    queue->count--;
}

static void inherit_metadata(struct catalog_waiting *newer, struct catalog_waiting *older)
{
    if (newer->metadata)
        return;
    newer->metadata = older->metadata;
    newer->metadata_len = older->metadata_len;
    older->metadata = NULL;
}

static void link_waiting(struct catalog_queue *queue, struct catalog_waiting *waiting)
{
    map_insert(&queue->map, &waiting->node, view_of_string(waiting->record.id.s));
    queue->count++;
}

void catalog_queue_add(struct catalog_queue *queue, struct catalog_waiting *waiting)
{
    struct catalog_waiting *older = catalog_queue_find(queue, &waiting->record.id);
    if (older) {
        inherit_metadata(waiting, older);
        unlink_waiting(queue, older);
        catalog_waiting_destroy(older);
    }
    list_append(&queue->list, &waiting->link);
    link_waiting(queue, waiting);
}

void catalog_queue_return(struct catalog_queue *queue, struct catalog_waiting *waiting)
{
    struct catalog_waiting *newer = catalog_queue_find(queue, &waiting->record.id);
    if (newer) {
        inherit_metadata(newer, waiting);
        catalog_waiting_destroy(waiting);
        return;
    }
    list_prepend(&queue->list, &waiting->link);
    link_waiting(queue, waiting);
}

struct catalog_waiting *catalog_queue_take(struct catalog_queue *queue)
{
    struct list *first = list_first(&queue->list);
    if (!first)
        return NULL;
    struct catalog_waiting *waiting = container_of(first, struct catalog_waiting, link);
    unlink_waiting(queue, waiting);
    return waiting;
}

struct catalog_waiting *catalog_queue_find(const struct catalog_queue *queue, const struct uuid *id)
{
    struct map_node *node = map_find(&queue->map, view_of_string(id->s));
    return node ? container_of(node, struct catalog_waiting, node) : NULL;
}
