/* files: a recording's folder <root>/YYYY/MM/DD/<id>: writing documents into it, reading, scanning,
 * removing.
 * Not here: the journal's bytes and the audio (io), the database (store.h).
 * RFC: none. */
#ifndef CATALOG_FILES_H
#define CATALOG_FILES_H

#include "base/tick.h"

#define CATALOG_FILES_DOCUMENT "recording.json"
#define CATALOG_FILES_METADATA "metadata.xml"
#define CATALOG_FILES_JOURNAL  "journal.pcapng"

/* Makes the recordings directory and what is above it. 0 or an errno. */
WARN_UNUSED int catalog_files_make_root(const char *root);

/* Puts <root>/<directory>/<name> in place as a whole, so that a reader or a crash sees the old or
 * the new, never half: stage writes it beside, making the folders, and publish renames it over.
 * Between the two it must reach the disk: by stage itself (sync), or for many at once by
 * catalog_files_sync. Each 0 or an errno. */
WARN_UNUSED int catalog_files_stage(const char *root, const char *directory, const char *name,
                                    struct view bytes, bool sync);
WARN_UNUSED int catalog_files_sync(const char *root);
WARN_UNUSED int catalog_files_publish(const char *root, const char *directory, const char *name);
/* Removes what was staged and will not be published. */
void catalog_files_unstage(const char *root, const char *directory, const char *name);

/* Reads a whole file of at most max_size bytes. On 0 the caller frees *bytes, which has a NUL
 * behind it; otherwise an errno (EFBIG: larger). */
WARN_UNUSED int catalog_files_read(const char *root, const char *directory, const char *name,
                                   size_t max_size, struct view *bytes);

/* Opens a file of the folder for reading, never through a symbolic link at its end. A descriptor >=
 * 0 that the caller closes, or -1 with errno. */
WARN_UNUSED int catalog_files_open(const char *root, const char *directory, const char *name);

/* Removes the folder and what is in it, then date folders this leaves empty unless they are of the
 * last two days (somebody may be about to use those). A folder that is not there counts as removed.
 * 0 or an errno: then part of it may be left and the call can be repeated. */
WARN_UNUSED int catalog_files_remove(const char *root, const char *directory, struct wall now);

/* When the file was last changed, in nanoseconds since 1970, or -1 when it is not there. */
int64_t catalog_files_modified(const char *root, const char *directory, const char *name);

/* True when the folder is there. */
bool catalog_files_exist(const char *root, const char *directory);

/* Walks every folder of the form YYYY/MM/DD/<uuid>, in no order. */
struct catalog_scan;
/* NULL with errno when the root cannot be opened. */
struct catalog_scan *catalog_scan_create(const char *root);
/* The next folder, "YYYY/MM/DD/<id>", valid until the next call; NULL at the end. */
const char *catalog_scan_next(struct catalog_scan *scan);
/* NULL is fine. */
void catalog_scan_destroy(struct catalog_scan *scan);

#endif
