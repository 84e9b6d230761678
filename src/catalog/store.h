/* store: the catalogue's database, one SQLite file in WAL mode: schema, rows, queries. One
 * connection, one thread at a time. What it holds can be rebuilt from the recordings' folders, so
 * it may be lost.
 * Not here: threads and catching up (catalog.h), the folders (files.h).
 * RFC: none. */
#ifndef CATALOG_STORE_H
#define CATALOG_STORE_H

#include "catalog/cursor.h"
#include "catalog/record.h"

#define CATALOG_STORE_NAME "catalog.db"

enum catalog_result {
    CATALOG_OK,
    CATALOG_NOT_FOUND,
    CATALOG_BUSY,    /* another connection holds it longer than the bound */
    CATALOG_GONE,    /* the file is not there, or no longer the one that was opened */
    CATALOG_CORRUPT, /* not a database, damaged, or of a newer schema: move aside and rebuild */
    CATALOG_FULL,    /* no room on the disk */
    CATALOG_BROKEN,  /* anything else: permissions, input/output */
};

const char *catalog_result_name(enum catalog_result result);

struct catalog_store;

enum catalog_access {
    CATALOG_READ,  /* an existing file; nothing is ever written */
    CATALOG_WRITE, /* made and migrated where needed */
};

/* Opens <root>/catalog.db. No later call waits longer than busy_ms for another connection. On
 * CATALOG_OK the caller owns *out. */
WARN_UNUSED enum catalog_result catalog_store_open(const char *root, enum catalog_access access,
                                                   unsigned busy_ms, struct catalog_store **out);
/* NULL is fine. */
void catalog_store_close(struct catalog_store *store);

/* Renames a damaged database and its companions to catalog.db.damaged-<now>; 0 or an errno. No
 * connection of ours may be open. */
WARN_UNUSED int catalog_store_set_aside(const char *root, struct wall now);

/* Whether the file is still the one that was opened and still begins as a database: CATALOG_OK,
 * CATALOG_GONE (deleted, replaced), CATALOG_CORRUPT (overwritten). Cheap. */
WARN_UNUSED enum catalog_result catalog_store_check(struct catalog_store *store);

/* Inserts or replaces the row. modified_ns: catalog_files_modified of its document. */
WARN_UNUSED enum catalog_result catalog_store_put(struct catalog_store *store,
                                                  const struct catalog_record *record,
                                                  int64_t modified_ns);
WARN_UNUSED enum catalog_result catalog_store_remove(struct catalog_store *store,
                                                     const struct uuid *id);
/* Groups many puts into one transaction. */
WARN_UNUSED enum catalog_result catalog_store_begin(struct catalog_store *store);
WARN_UNUSED enum catalog_result catalog_store_commit(struct catalog_store *store);
void catalog_store_rollback(struct catalog_store *store);

/* On CATALOG_OK the caller ends *out with catalog_record_finish. */
WARN_UNUSED enum catalog_result
catalog_store_get(struct catalog_store *store, const struct uuid *id, struct catalog_record *out);
/* *modified_ns as given to put, without reading the row's document. */
WARN_UNUSED enum catalog_result catalog_store_modified(struct catalog_store *store,
                                                       const struct uuid *id, int64_t *modified_ns);

/* A page of the list, newest first. Empty call_id: any; state -1: any; after NULL:
 * from the newest. */
struct catalog_query {
    struct view call_id;
    int state;
    const struct catalog_cursor *after;
    unsigned limit; /* 1..CATALOG_PAGE_MAX */
};
#define CATALOG_PAGE_MAX 1000
struct catalog_page {
    struct catalog_record *records; /* owned */
    size_t count;
    bool more; /* another page follows records[count - 1] */
};
/* On CATALOG_OK the caller ends *out with catalog_page_finish. */
WARN_UNUSED enum catalog_result catalog_store_list(struct catalog_store *store,
                                                   const struct catalog_query *query,
                                                   struct catalog_page *out);
/* The statements that oldest and list run, for the test that asks whether an index serves them. */
extern const char *const catalog_store_oldest_sql;
const char *catalog_store_list_sql(bool by_call_id, bool by_state);
/* A zeroed page is fine. */
void catalog_page_finish(struct catalog_page *page);

/* The recording that is over and ended longest ago, if that was before before_ms (Unix time). */
WARN_UNUSED enum catalog_result catalog_store_oldest(struct catalog_store *store, int64_t before_ms,
                                                     struct catalog_record *out);

/* What is learned of an SRC; beside the recordings, and lost with the database: it is learned again.
 */
struct catalog_src {
    struct uuid id;
    char *key;     /* owned: whom it is of (nat/srcs.h); one row a key */
    char *profile; /* owned: a JSON object */
    struct wall used_at;
};
void catalog_src_finish(struct catalog_src *src);
/* Inserts or replaces the row of this id; another one with the same key goes. */
WARN_UNUSED enum catalog_result catalog_store_put_src(struct catalog_store *store,
                                                      const struct catalog_src *src);
/* CATALOG_NOT_FOUND when there was none. */
WARN_UNUSED enum catalog_result catalog_store_remove_src(struct catalog_store *store,
                                                         const struct uuid *id);
/* Those not used since go. */
WARN_UNUSED enum catalog_result catalog_store_prune_srcs(struct catalog_store *store,
                                                         struct wall since);
struct catalog_srcs {
    struct catalog_src *list; /* owned */
    size_t count;
    bool more;
};
/* In the order of ids, those behind *after (NULL: from the first), at most limit. On CATALOG_OK the
 * caller ends *out with catalog_srcs_finish. */
WARN_UNUSED enum catalog_result catalog_store_srcs(struct catalog_store *store,
                                                   const struct uuid *after, unsigned limit,
                                                   struct catalog_srcs *out);
void catalog_srcs_finish(struct catalog_srcs *srcs); /* a zeroed one is fine */

/* Ids and folders in the order of ids, for comparing the rows with the files: the first one behind
 * *after (all zero: the first of all), copied into *after and directory. CATALOG_NOT_FOUND at the
 * end. */
WARN_UNUSED enum catalog_result catalog_store_step(struct catalog_store *store, struct uuid *after,
                                                   char directory[CATALOG_DIRECTORY_SIZE]);

#endif
