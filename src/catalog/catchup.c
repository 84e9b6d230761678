/* catchup: folders against rows.
 * Not here: the thread that does it.
 * RFC: none. */
#include "catalog/catchup.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "catalog/files.h"

#define DOCUMENT_MAX (16 * 1024 * 1024)

struct catalog_catchup {
    const char *root;
    struct catalog_scan *scan; /* NULL: the folders are done, now the rows */
    struct uuid row;
    struct catalog_catchup_sum sum;
};

struct catalog_catchup *catalog_catchup_create(const char *root)
{
    struct catalog_catchup *catchup = calloc(1, sizeof *catchup);
    if (!catchup)
        return NULL;
    catchup->root = root;
    catchup->scan = catalog_scan_create(root);
    if (!catchup->scan) {
        int error = errno;
        free(catchup);
        errno = error;
        return NULL;
    }
    return catchup;
}

void catalog_catchup_destroy(struct catalog_catchup *catchup)
{
    if (!catchup)
        return;
    catalog_scan_destroy(catchup->scan);
    free(catchup);
}

struct catalog_catchup_sum catalog_catchup_sum(const struct catalog_catchup *catchup)
{
    return catchup->sum;
}

static void cannot_read(struct catalog_catchup *catchup, const char *directory, const char *why)
{
    catchup->sum.unreadable++;
    LOG_WARN("catalog", VIEW_NONE, "document unreadable directory=%s reason=\"%s\"", directory,
             why);
}

static enum catalog_result look_at_folder(struct catalog_catchup *catchup,
                                          struct catalog_store *store, const char *directory)
{
    struct uuid id;
    struct catalog_record record;
    const char *why;
    struct view text;
    int64_t known = -1;
    int64_t modified = catalog_files_modified(catchup->root, directory, CATALOG_FILES_DOCUMENT);
    /* No document: the recording has only begun, or recovery has still to read its journal. */
    if (modified < 0 || !uuid_parse(view_of_string(strrchr(directory, '/') + 1), &id))
        return CATALOG_OK;
    enum catalog_result result = catalog_store_modified(store, &id, &known);
    if (result != CATALOG_NOT_FOUND && (result != CATALOG_OK || known == modified))
        return result;
    int error =
        catalog_files_read(catchup->root, directory, CATALOG_FILES_DOCUMENT, DOCUMENT_MAX, &text);
    if (error) {
        cannot_read(catchup, directory, strerror(error));
        return CATALOG_OK;
    }
    bool good = catalog_record_parse(text, &record, &why);
    free((void *)(uintptr_t)text.at);
    if (good && !uuid_equal(&record.id, &id)) {
        catalog_record_finish(&record);
        good = false;
        why = "it has the id of another";
    }
    if (!good) {
        cannot_read(catchup, directory, why);
        return CATALOG_OK;
    }
    /* Where it is counts, not where its date says it should be. */
    memcpy(record.directory, directory, strlen(directory) + 1);
    result = catalog_store_put(store, &record, modified);
    catalog_record_finish(&record);
    catchup->sum.put += result == CATALOG_OK;
    return result;
}

static enum catalog_result look_at_row(struct catalog_catchup *catchup, struct catalog_store *store)
{
    char directory[CATALOG_DIRECTORY_SIZE];
    enum catalog_result result = catalog_store_step(store, &catchup->row, directory);
    if (result != CATALOG_OK || catalog_files_exist(catchup->root, directory))
        return result;
    result = catalog_store_remove(store, &catchup->row);
    catchup->sum.removed += result == CATALOG_OK;
    return result;
}

enum catalog_result catalog_catchup_step(struct catalog_catchup *catchup,
                                         struct catalog_store *store, unsigned count)
{
    enum catalog_result result = catalog_store_begin(store);
    if (result != CATALOG_OK)
        return result;
    for (; result == CATALOG_OK && count > 0; count--) {
        const char *directory = catchup->scan ? catalog_scan_next(catchup->scan) : NULL;
        if (directory) {
            result = look_at_folder(catchup, store, directory);
        } else {
            catalog_scan_destroy(catchup->scan);
            catchup->scan = NULL;
            result = look_at_row(catchup, store);
        }
    }
    if (result != CATALOG_OK && result != CATALOG_NOT_FOUND) {
        catalog_store_rollback(store);
        return result;
    }
    enum catalog_result committed = catalog_store_commit(store);
    return committed == CATALOG_OK ? result : committed;
}
