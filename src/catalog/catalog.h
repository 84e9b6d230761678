/* catalog: what recordings exist. Takes the recordings' documents from the recorder, writes them
 * into their folders and into the database on a thread of its own, catches up from the folders
 * after any trouble with the database, deletes by age and room.
 * Not here: making documents (recorder), serving them (api).
 * RFC: none. */
#ifndef CATALOG_CATALOG_H
#define CATALOG_CATALOG_H

#include "catalog/store.h"

struct catalog;

struct catalog_options {
    const char *root;        /* recordings.directory; made when it is not there */
    unsigned keep_days;      /* recordings that ended longer ago are deleted; 0: kept for ever */
    double min_free_percent; /* below this share of the disk the oldest are deleted; 0: never */
    unsigned busy_ms;        /* the longest wait for a locked database; 0: 250 */
    unsigned tend_ms;        /* how often trouble is retried and retention is looked at; 0: 1000 */
};

/* Opens the catalogue and starts its thread, which at once begins to catch up from the folders. A
 * database that cannot be opened is not an error: it is retried for as long as it takes. NULL with
 * errno when the root cannot be made or a thread cannot be started. */
struct catalog *catalog_create(const struct catalog_options *options);
/* Writes what still waits (at most timeout_ms), stops the thread, frees. NULL is fine. */
void catalog_destroy(struct catalog *catalog, unsigned timeout_ms);

/* Takes note of a recording's newest document and, when metadata is not empty, of the newest
 * metadata XML as it came. Copies both and returns at once; a document of the same id that still
 * waits is replaced. The catalogue's thread writes <folder>/recording.json and metadata.xml, then
 * the row. What cannot be written is kept and tried again. Any thread. 0, EINVAL when the document
 * cannot be read, ENOMEM, or ENOBUFS when too many wait because nothing can be written. */
WARN_UNUSED int catalog_put(struct catalog *catalog, struct view document, struct view metadata);

/* Waits until everything put before is in its files and in the database, at most timeout_ms; false
 * when the time was not enough. Any thread but the catalogue's. */
bool catalog_flush(struct catalog *catalog, unsigned timeout_ms);

/* New settings after a reload. Any thread. */
void catalog_set_retention(struct catalog *catalog, unsigned keep_days, double min_free_percent);

/* Deletes a recording: its files, then its row, then an audit line "recording deleted" in the log.
 * by says who asked ("api peer=192.0.2.1"). Waits for files and database, so not for a thread in a
 * hurry. CATALOG_OK also when only the row is left because the database is locked: it follows.
 * CATALOG_BUSY when the recording still goes on. */
WARN_UNUSED enum catalog_result catalog_delete(struct catalog *catalog, const struct uuid *id,
                                               const char *by);

/* Takes note of what is learned of an SRC; copied, written within a second or so by the catalogue's
 * thread. What waits replaces what waited for the same id. Any thread. 0, ENOMEM or ENOBUFS. */
WARN_UNUSED int catalog_put_src(struct catalog *catalog, const struct uuid *id, struct view key,
                                struct view profile, struct wall used_at);
/* Forgets it, with an audit line. CATALOG_NOT_FOUND when there is none. Waits for the database. */
WARN_UNUSED enum catalog_result catalog_forget_src(struct catalog *catalog, const struct uuid *id,
                                                   const char *by);

/* Asks for a full comparison with the folders, soon. Any thread. */
void catalog_rescan(struct catalog *catalog);

/* For /health/ready and tests. */
struct catalog_status {
    bool database_ok; /* the last thing tried with the database worked */
    bool behind;      /* rows are missing or stale; the next catching up will put it right */
    size_t waiting;   /* documents not yet in their files */
};
struct catalog_status catalog_status(struct catalog *catalog);

/* Says that a reader found the database damaged: it is checked and rebuilt. Any thread. */
void catalog_suspect(struct catalog *catalog);

#endif
