/* catchup: compares the database with the recordings' folders and puts it right, a slice at a time.
 * Not here: when (catalog.h).
 * RFC: none. */
#ifndef CATALOG_CATCHUP_H
#define CATALOG_CATCHUP_H

#include "catalog/store.h"

struct catalog_catchup;

/* Borrows root. NULL with errno when it cannot be read. */
struct catalog_catchup *catalog_catchup_create(const char *root);
void catalog_catchup_destroy(struct catalog_catchup *catchup); /* NULL is fine */

/* Looks at up to count recordings in one transaction: first every folder (a document newer than its
 * row is read again), then every row (one whose folder is gone is removed). CATALOG_OK: call again;
 * CATALOG_NOT_FOUND: done; anything else: nothing of this slice was kept, start anew later. */
WARN_UNUSED enum catalog_result catalog_catchup_step(struct catalog_catchup *catchup,
                                                     struct catalog_store *store, unsigned count);

struct catalog_catchup_sum {
    unsigned put;
    unsigned removed;
    unsigned unreadable;
};
struct catalog_catchup_sum catalog_catchup_sum(const struct catalog_catchup *catchup);

#endif
