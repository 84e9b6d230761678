/* reader: the catalogue as one other thread (http) sees it, over a connection of its own that is
 * opened when first needed and again whenever the file was replaced. Recordings can still be looked
 * up by id when the database is gone: their folder follows from the id.
 * Not here: writing (catalog.h).
 * RFC: none. */
#ifndef CATALOG_READER_H
#define CATALOG_READER_H

#include "catalog/catalog.h"

struct catalog_reader;

/* Borrows the catalogue, to report damage to. NULL: no memory. */
struct catalog_reader *catalog_reader_create(const char *root, struct catalog *catalog);
void catalog_reader_destroy(struct catalog_reader *reader); /* NULL is fine */

/* On CATALOG_OK the caller ends *out with catalog_record_finish. */
WARN_UNUSED enum catalog_result catalog_reader_get(struct catalog_reader *reader,
                                                   const struct uuid *id,
                                                   struct catalog_record *out);
/* On CATALOG_OK the caller ends *out with catalog_page_finish. */
WARN_UNUSED enum catalog_result catalog_reader_list(struct catalog_reader *reader,
                                                    const struct catalog_query *query,
                                                    struct catalog_page *out);

/* As catalog_store_srcs. */
WARN_UNUSED enum catalog_result catalog_reader_srcs(struct catalog_reader *reader,
                                                    const struct uuid *after, unsigned limit,
                                                    struct catalog_srcs *out);

/* Reads the recording's document from its folder, without any database: the folder is that of the
 * day the id was made, or a day beside it. CATALOG_NOT_FOUND when there is none. */
WARN_UNUSED enum catalog_result catalog_find_on_disk(const char *root, const struct uuid *id,
                                                     struct catalog_record *out);

#endif
