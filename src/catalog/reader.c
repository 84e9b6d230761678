/* reader: lookups for the API.
 * Not here: writing.
 * RFC: none. */
#include "catalog/reader.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "catalog/files.h"

/* A page is worth this wait and no more: the thread that reads serves everybody. */
#define READ_BUSY_MS 100
/* A document: 64 warnings, 32 streams and their trails are far below this. */
#define DOCUMENT_MAX (16 * 1024 * 1024)

struct catalog_reader {
    struct catalog_store *store; /* NULL: to be opened */
    struct catalog *catalog;
    char root[PATH_MAX];
};

struct catalog_reader *catalog_reader_create(const char *root, struct catalog *catalog)
{
    struct catalog_reader *reader = calloc(1, sizeof *reader);
    if (!reader)
        return NULL;
    reader->catalog = catalog;
    snprintf(reader->root, sizeof reader->root, "%s", root);
    return reader;
}

void catalog_reader_destroy(struct catalog_reader *reader)
{
    if (!reader)
        return;
    catalog_store_close(reader->store);
    free(reader);
}

static enum catalog_result ready(struct catalog_reader *reader)
{
    enum catalog_result result = CATALOG_OK;
    if (reader->store && catalog_store_check(reader->store) != CATALOG_OK) {
        catalog_store_close(reader->store);
        reader->store = NULL;
    }
    if (!reader->store)
        result = catalog_store_open(reader->root, CATALOG_READ, READ_BUSY_MS, &reader->store);
    return result;
}

static enum catalog_result seen(struct catalog_reader *reader, enum catalog_result result)
{
    if (result == CATALOG_OK || result == CATALOG_NOT_FOUND || result == CATALOG_BUSY)
        return result;
    if (result == CATALOG_CORRUPT)
        catalog_suspect(reader->catalog);
    catalog_store_close(reader->store);
    reader->store = NULL;
    return result;
}

enum catalog_result catalog_find_on_disk(const char *root, const struct uuid *id,
                                         struct catalog_record *out)
{
    static const int64_t days[] = {0, 1, -1};
    for (size_t i = 0; i < sizeof days / sizeof *days; i++) {
        char directory[CATALOG_DIRECTORY_SIZE];
        const char *why;
        struct view text;
        struct wall made = wall_add_ms(uuid_time(id), days[i] * 24 * 3600 * 1000);
        if (made.ns < 0)
            continue;
        catalog_record_directory(made, id, directory);
        if (catalog_files_read(root, directory, CATALOG_FILES_DOCUMENT, DOCUMENT_MAX, &text) != 0)
            continue;
        bool good = catalog_record_parse(text, out, &why);
        free((void *)(uintptr_t)text.at);
        if (good) {
            memcpy(out->directory, directory, sizeof directory);
            return CATALOG_OK;
        }
    }
    return CATALOG_NOT_FOUND;
}

enum catalog_result catalog_reader_get(struct catalog_reader *reader, const struct uuid *id,
                                       struct catalog_record *out)
{
    enum catalog_result result = ready(reader);
    if (result == CATALOG_OK)
        result = catalog_store_get(reader->store, id, out);
    result = seen(reader, result);
    /* A row that is not there yet, or no database at all: the folder knows. */
    if (result != CATALOG_OK)
        return catalog_find_on_disk(reader->root, id, out);
    /* Deleted while the database was locked: the row goes later. */
    if (!catalog_files_exist(reader->root, out->directory)) {
        catalog_record_finish(out);
        return CATALOG_NOT_FOUND;
    }
    return CATALOG_OK;
}

enum catalog_result catalog_reader_list(struct catalog_reader *reader,
                                        const struct catalog_query *query, struct catalog_page *out)
{
    enum catalog_result result = ready(reader);
    if (result == CATALOG_OK)
        result = catalog_store_list(reader->store, query, out);
    return seen(reader, result);
}

enum catalog_result catalog_reader_srcs(struct catalog_reader *reader, const struct uuid *after,
                                        unsigned limit, struct catalog_srcs *out)
{
    enum catalog_result result = ready(reader);
    *out = (struct catalog_srcs){0};
    if (result == CATALOG_OK)
        result = catalog_store_srcs(reader->store, after, limit, out);
    return seen(reader, result);
}
