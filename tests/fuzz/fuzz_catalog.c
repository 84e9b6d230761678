/* fuzz_catalog: cursors ('c') and documents (anything else) of the catalogue.
 * Not here: the database.
 * RFC 4648, 8259. */
#include <stdlib.h>
#include <string.h>

#include "catalog/cursor.h"
#include "catalog/record.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void fuzz_cursor(struct view text)
{
    struct catalog_cursor cursor;
    if (!catalog_cursor_parse(text, &cursor))
        return;
    /* What is a cursor is printed as it was. */
    if (!view_equal(view_of_string(catalog_cursor_print(&cursor).s), text))
        abort();
}

static void fuzz_document(struct view text)
{
    struct catalog_record record;
    const char *why;
    if (!catalog_record_parse(text, &record, &why))
        return;
    if (record.started_ms < 0 || strstr(record.directory, "..") ||
        strlen(record.directory) != strlen("2026/03/01/") + UUID_TEXT_LEN)
        abort();
    catalog_record_finish(&record);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0 && data[0] == 'c')
        fuzz_cursor(view_of(data + 1, size - 1));
    else
        fuzz_document(view_of(data, size));
    return 0;
}
