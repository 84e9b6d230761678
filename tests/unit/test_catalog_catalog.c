/* Tests of catalog/catalog: recording goes on while the database is locked, deleted, overwritten,
 * and the rows come back from the folders; deleting and retention. Every wait ends when what it
 * waits for is there. */
#include "catalog/catalog.h"

#include <errno.h>
#include <sqlite3.h>
#include <time.h>

#include "catalog/files.h"
#include "catalog/reader.h"
#include "catalog_fixture.h"

#define PATIENCE_MS 20000

static struct catalog *begin(unsigned keep_days, double min_free)
{
    struct catalog_options options = {.root = fixture_root,
                                      .keep_days = keep_days,
                                      .min_free_percent = min_free,
                                      .busy_ms = 20,
                                      .tend_ms = 20};
    struct catalog *catalog = catalog_create(&options);
    if (!catalog)
        abort();
    return catalog;
}

static void put(struct catalog *catalog, unsigned n, const char *state)
{
    CHECK_INT(catalog_put(catalog, fixture_document(n, "c@example.com", state), VIEW_NONE), 0);
}

/* The number of rows as a connection of its own sees them, or -1. */
static int rows(void)
{
    char path[128];
    sqlite3 *db = NULL;
    sqlite3_stmt *s = NULL;
    int count = -1;
    snprintf(path, sizeof path, "%s/%s", fixture_root, CATALOG_STORE_NAME);
    if (sqlite3_open_v2(path, &db, SQLITE_OPEN_READWRITE, NULL) == SQLITE_OK &&
        sqlite3_prepare_v2(db, "SELECT count(*) FROM recordings", -1, &s, NULL) == SQLITE_OK &&
        sqlite3_step(s) == SQLITE_ROW)
        count = sqlite3_column_int(s, 0);
    sqlite3_finalize(s);
    sqlite3_close(db);
    return count;
}

static bool comes_to(int want)
{
    for (int waited = 0; waited < PATIENCE_MS; waited += 10) {
        if (rows() == want)
            return true;
        nanosleep(&(struct timespec){0, 10000000}, NULL);
    }
    printf("# rows: %d, want %d\n", rows(), want);
    return false;
}

static bool has_document(unsigned n, const char *state)
{
    struct catalog_record record;
    struct uuid id = fixture_id(n);
    if (catalog_find_on_disk(fixture_root, &id, &record) != CATALOG_OK)
        return false;
    bool same = strcmp(catalog_state_name(record.state), state) == 0;
    catalog_record_finish(&record);
    return same;
}

static void test_put(void)
{
    fixture_begin();
    struct catalog *catalog = begin(0, 0);
    CHECK_INT(catalog_put(catalog, fixture_document(1, "a", "active"), VIEW_LIT("<recording/>")),
              0);
    for (unsigned n = 2; n < 200; n++)
        put(catalog, n, "active");
    CHECK_INT(catalog_put(catalog, fixture_document(1, "a", "finished"), VIEW_NONE), 0);
    CHECK_INT(catalog_put(catalog, VIEW_LIT("{\"id\":1}"), VIEW_NONE), EINVAL);
    CHECK_INT(catalog_put(catalog, VIEW_LIT("no json"), VIEW_NONE), EINVAL);
    CHECK(catalog_flush(catalog, PATIENCE_MS));
    CHECK_INT(rows(), 199);
    CHECK(has_document(1, "finished"));
    CHECK(has_document(199, "active"));
    struct catalog_record record;
    struct uuid id = fixture_id(1);
    struct view text;
    CHECK_INT(catalog_find_on_disk(fixture_root, &id, &record), CATALOG_OK);
    CHECK_INT(
        catalog_files_read(fixture_root, record.directory, CATALOG_FILES_METADATA, 100, &text), 0);
    CHECK_VIEW(text, "<recording/>");
    free((void *)(uintptr_t)text.at);
    catalog_record_finish(&record);
    catalog_destroy(catalog, PATIENCE_MS);
    fixture_end();
}

/* Its thread tries, and fails, when it comes to it. */
static bool gets_behind(struct catalog *catalog)
{
    for (int waited = 0; waited < PATIENCE_MS && !catalog_status(catalog).behind; waited += 10)
        nanosleep(&(struct timespec){0, 10000000}, NULL);
    return catalog_status(catalog).behind;
}

static void test_locked(void)
{
    fixture_begin();
    char path[128];
    sqlite3 *db = NULL;
    struct timespec before, after;
    struct catalog *catalog = begin(0, 0);
    put(catalog, 1, "active");
    CHECK(catalog_flush(catalog, PATIENCE_MS));
    snprintf(path, sizeof path, "%s/%s", fixture_root, CATALOG_STORE_NAME);
    CHECK_INT(sqlite3_open(path, &db), SQLITE_OK);
    CHECK_INT(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
    clock_gettime(CLOCK_MONOTONIC, &before);
    put(catalog, 1, "finished");
    put(catalog, 2, "finished");
    clock_gettime(CLOCK_MONOTONIC, &after);
    CHECK((after.tv_sec - before.tv_sec) * 1000 + (after.tv_nsec - before.tv_nsec) / 1000000 <
          1000);
    CHECK(!catalog_flush(catalog, 100));
    CHECK(has_document(1, "finished"));
    CHECK(has_document(2, "finished"));
    CHECK(gets_behind(catalog));
    CHECK_INT(rows(), 1);
    CHECK_INT(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    CHECK(catalog_flush(catalog, PATIENCE_MS));
    CHECK_INT(rows(), 2);
    sqlite3_close(db);
    catalog_destroy(catalog, PATIENCE_MS);
    fixture_end();
}

static void test_deleted_and_overwritten(void)
{
    fixture_begin();
    char path[128];
    struct catalog *catalog = begin(0, 0);
    struct catalog_reader *reader = catalog_reader_create(fixture_root, catalog);
    struct catalog_query query = {.state = -1, .limit = 10};
    struct catalog_page page;
    snprintf(path, sizeof path, "%s/%s", fixture_root, CATALOG_STORE_NAME);
    put(catalog, 1, "finished");
    CHECK(catalog_flush(catalog, PATIENCE_MS));
    CHECK_INT(catalog_reader_list(reader, &query, &page), CATALOG_OK);
    CHECK_INT(page.count, 1);
    catalog_page_finish(&page);

    CHECK_INT(unlink(path), 0);
    put(catalog, 2, "finished");
    CHECK(comes_to(2));
    CHECK_INT(catalog_reader_list(reader, &query, &page), CATALOG_OK);
    CHECK_INT(page.count, 2);
    catalog_page_finish(&page);

    FILE *file = fopen(path, "w");
    fputs("garbage instead of a database, longer than its header", file);
    fclose(file);
    put(catalog, 3, "finished");
    CHECK(comes_to(3));
    CHECK_INT(catalog_reader_list(reader, &query, &page), CATALOG_OK);
    CHECK_INT(page.count, 3);
    catalog_page_finish(&page);
    catalog_reader_destroy(reader);
    catalog_destroy(catalog, PATIENCE_MS);
    fixture_end();
}

/* Damage inside, which only a reader comes across: the header is whole. */
static void test_damaged_page(void)
{
    fixture_begin();
    char path[128];
    struct catalog *catalog = begin(0, 0);
    for (unsigned n = 0; n < 100; n++)
        put(catalog, n, "finished");
    CHECK(catalog_flush(catalog, PATIENCE_MS));
    catalog_destroy(catalog, PATIENCE_MS);
    snprintf(path, sizeof path, "%s/%s", fixture_root, CATALOG_STORE_NAME);
    FILE *file = fopen(path, "r+");
    for (long at = 4096; at < 4096 * 30; at += 4) {
        fseek(file, at, SEEK_SET);
        fputs("\377\376\375\374", file);
    }
    fclose(file);
    catalog = begin(0, 0);
    CHECK(comes_to(100));
    catalog_destroy(catalog, PATIENCE_MS);
    fixture_end();
}

static void test_start_from_files(void)
{
    fixture_begin();
    struct catalog *catalog = begin(0, 0);
    put(catalog, 1, "finished");
    put(catalog, 2, "active");
    CHECK(catalog_flush(catalog, PATIENCE_MS));
    catalog_destroy(catalog, PATIENCE_MS);
    char path[128];
    static const char *const tails[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s%s", fixture_root, CATALOG_STORE_NAME, tails[i]);
        unlink(path);
    }
    /* One more that the catalogue never saw, one unreadable,
     * and one whose folder goes while it is not looking. */
    struct catalog_record record = fixture_record(3, "x", "finished");
    CHECK_INT(catalog_files_stage(fixture_root, record.directory, CATALOG_FILES_DOCUMENT,
                                  view_of(record.document, record.document_len), true),
              0);
    CHECK_INT(catalog_files_publish(fixture_root, record.directory, CATALOG_FILES_DOCUMENT), 0);
    catalog_record_finish(&record);
    record = fixture_record(4, "x", "finished");
    CHECK_INT(catalog_files_stage(fixture_root, record.directory, CATALOG_FILES_DOCUMENT,
                                  VIEW_LIT("{\"id\":"), true),
              0);
    CHECK_INT(catalog_files_publish(fixture_root, record.directory, CATALOG_FILES_DOCUMENT), 0);
    catalog_record_finish(&record);
    catalog = begin(0, 0);
    CHECK(catalog_flush(catalog, PATIENCE_MS));
    CHECK_INT(rows(), 3);
    record = fixture_record(1, "x", "finished");
    CHECK_INT(catalog_files_remove(fixture_root, record.directory, (struct wall){0}), 0);
    catalog_record_finish(&record);
    catalog_rescan(catalog);
    CHECK(catalog_flush(catalog, PATIENCE_MS));
    CHECK_INT(rows(), 2);
    catalog_destroy(catalog, PATIENCE_MS);
    fixture_end();
}

static void test_delete(void)
{
    fixture_begin();
    char path[256];
    struct catalog *catalog = begin(0, 0);
    struct uuid first = fixture_id(1), second = fixture_id(2), third = fixture_id(3);
    put(catalog, 1, "finished");
    put(catalog, 2, "active");
    CHECK(catalog_flush(catalog, PATIENCE_MS));
    CHECK_INT(catalog_delete(catalog, &second, "test"), CATALOG_BUSY);
    CHECK_INT(catalog_delete(catalog, &third, "test"), CATALOG_NOT_FOUND);
    CHECK_INT(catalog_delete(catalog, &first, "test"), CATALOG_OK);
    CHECK_INT(catalog_delete(catalog, &first, "test"), CATALOG_NOT_FOUND);
    snprintf(path, sizeof path, "%s/2026/03/01/%s", fixture_root, first.s);
    CHECK(access(path, F_OK) != 0);
    /* A late document does not bring it back. */
    put(catalog, 1, "finished");
    CHECK(catalog_flush(catalog, PATIENCE_MS));
    CHECK(access(path, F_OK) != 0);
    CHECK_INT(rows(), 1);
    catalog_destroy(catalog, PATIENCE_MS);
    fixture_end();
}

static void test_retention(void)
{
    fixture_begin();
    struct catalog *catalog = begin(0, 0);
    for (unsigned n = 0; n < 50; n++)
        put(catalog, n, n % 10 ? "finished" : "active");
    CHECK(catalog_flush(catalog, PATIENCE_MS));
    CHECK_INT(rows(), 50);
    /* They ended on 2026-03-01 by their documents: any clock that runs today is days later. */
    catalog_set_retention(catalog, 36500, 0);
    catalog_rescan(catalog);
    CHECK(catalog_flush(catalog, PATIENCE_MS));
    CHECK_INT(rows(), 50);
    catalog_set_retention(catalog, 1, 0);
    CHECK(comes_to(5));
    for (unsigned n = 60; n < 64; n++)
        put(catalog, n, "finished");
    catalog_set_retention(catalog, 0, 0);
    CHECK(comes_to(9));
    /* No disk is ever free to more than a hundred percent. */
    catalog_set_retention(catalog, 0, 101);
    CHECK(comes_to(5));
    CHECK(has_document(0, "active"));
    catalog_destroy(catalog, PATIENCE_MS);
    fixture_end();
}

int main(void)
{
    RUN(test_put);
    RUN(test_locked);
    RUN(test_deleted_and_overwritten);
    RUN(test_damaged_page);
    RUN(test_start_from_files);
    RUN(test_delete);
    RUN(test_retention);
    return tap_done();
}
