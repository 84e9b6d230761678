/* Tests of catalog/store: rows and pages in a real database; SQLite's planner is asked about the
 * indexes, and SQLite itself does the damage. */
#include "catalog/store.h"

#include <fcntl.h>
#include <sqlite3.h>

#include "catalog_fixture.h"

static struct catalog_store *open_store(void)
{
    struct catalog_store *store = NULL;
    CHECK_INT(catalog_store_open(fixture_root, CATALOG_WRITE, 50, &store), CATALOG_OK);
    return store;
}

static void put(struct catalog_store *store, unsigned n, const char *call_id, const char *state)
{
    struct catalog_record record = fixture_record(n, call_id, state);
    CHECK_INT(catalog_store_put(store, &record, 100 + n), CATALOG_OK);
    catalog_record_finish(&record);
}

static void test_rows(void)
{
    fixture_begin();
    struct catalog_store *store = open_store();
    struct catalog_record got;
    struct uuid id = fixture_id(1), other = fixture_id(2);
    int64_t modified = 0;
    put(store, 1, "call-1@example.com", "active");
    CHECK_INT(catalog_store_get(store, &other, &got), CATALOG_NOT_FOUND);
    CHECK_INT(catalog_store_get(store, &id, &got), CATALOG_OK);
    CHECK_TEXT(got.call_id, "call-1@example.com");
    CHECK_INT(got.state, CATALOG_ACTIVE);
    CHECK_INT(got.ended_ms, -1);
    CHECK(memcmp(got.directory, "2026/03/01/", 11) == 0);
    catalog_record_finish(&got);
    put(store, 1, "call-1@example.com", "finished");
    CHECK_INT(catalog_store_get(store, &id, &got), CATALOG_OK);
    CHECK_INT(got.state, CATALOG_FINISHED);
    CHECK_INT(got.duration_ms, 500);
    catalog_record_finish(&got);
    CHECK_INT(catalog_store_modified(store, &id, &modified), CATALOG_OK);
    CHECK_INT(modified, 101);
    CHECK_INT(catalog_store_remove(store, &id), CATALOG_OK);
    CHECK_INT(catalog_store_get(store, &id, &got), CATALOG_NOT_FOUND);
    catalog_store_close(store);
    fixture_end();
}

static void put_src(struct catalog_store *store, unsigned n, const char *key, int64_t used_s)
{
    struct catalog_src src = {.id = fixture_id(n), .used_at = {used_s * NS_PER_S}};
    src.key = strdup(key);
    src.profile = strdup("{\"calls\":1}");
    CHECK_INT(catalog_store_put_src(store, &src), CATALOG_OK);
    catalog_src_finish(&src);
}

static void test_srcs(void)
{
    fixture_begin();
    struct catalog_store *store = open_store();
    struct catalog_srcs srcs;
    struct uuid id = fixture_id(2), none = fixture_id(9);
    put_src(store, 1, "udp:5060 192.0.2.1 a b", 1000);
    put_src(store, 2, "udp:5060 192.0.2.2 a b", 2000);
    put_src(store, 3, "udp:5060 192.0.2.1 a b", 3000); /* a key has one profile, the newest */
    CHECK_INT(catalog_store_srcs(store, NULL, 1, &srcs), CATALOG_OK);
    CHECK_INT(srcs.count, 1);
    CHECK(srcs.more && uuid_equal(&srcs.list[0].id, &id));
    CHECK_INT(srcs.list[0].used_at.ns / NS_PER_S, 2000);
    CHECK_TEXT(srcs.list[0].profile, "{\"calls\":1}");
    catalog_srcs_finish(&srcs);
    CHECK_INT(catalog_store_srcs(store, &id, 10, &srcs), CATALOG_OK);
    CHECK_INT(srcs.count, 1);
    CHECK(!srcs.more);
    CHECK_TEXT(srcs.list[0].key, "udp:5060 192.0.2.1 a b");
    catalog_srcs_finish(&srcs);
    CHECK_INT(catalog_store_remove_src(store, &none), CATALOG_NOT_FOUND);
    CHECK_INT(catalog_store_prune_srcs(store, (struct wall){2500 * NS_PER_S}), CATALOG_OK);
    CHECK_INT(catalog_store_remove_src(store, &id), CATALOG_NOT_FOUND);
    catalog_store_close(store);
    fixture_end();
}

/* A catalogue of the first release is brought up to date and keeps its rows. */
static void test_an_older_schema(void)
{
    fixture_begin();
    struct catalog_store *store = open_store();
    struct catalog_record got;
    struct uuid id = fixture_id(1);
    char path[PATH_MAX];
    sqlite3 *db = NULL;
    put(store, 1, "call-1@example.com", "finished");
    catalog_store_close(store);
    snprintf(path, sizeof path, "%s/catalog.db", fixture_root);
    CHECK_INT(sqlite3_open(path, &db), SQLITE_OK);
    CHECK_INT(sqlite3_exec(db, "DROP TABLE srcs; PRAGMA user_version=1", NULL, NULL, NULL),
              SQLITE_OK);
    sqlite3_close(db);
    store = open_store();
    CHECK_INT(catalog_store_get(store, &id, &got), CATALOG_OK);
    catalog_record_finish(&got);
    put_src(store, 1, "k", 1000);
    catalog_store_close(store);
    fixture_end();
}

static void test_pages(void)
{
    fixture_begin();
    struct catalog_store *store = open_store();
    struct catalog_cursor cursor;
    struct catalog_query query = {.state = -1, .limit = 7};
    unsigned seen = 0, next = 40;
    for (unsigned n = 0; n < 40; n++)
        put(store, n, n % 4 ? "many@example.com" : "few@example.com",
            n < 30 ? "finished" : "active");
    for (bool more = true; more;) {
        struct catalog_page page;
        if (!CHECK_INT(catalog_store_list(store, &query, &page), CATALOG_OK))
            break;
        for (size_t i = 0; i < page.count; i++, seen++) {
            struct uuid want = fixture_id(--next);
            CHECK(uuid_equal(&page.records[i].id, &want));
        }
        more = page.more;
        cursor = (struct catalog_cursor){page.records[page.count - 1].started_ms,
                                         page.records[page.count - 1].id};
        query.after = &cursor;
        catalog_page_finish(&page);
    }
    CHECK_INT(seen, 40);
    struct catalog_page page;
    query = (struct catalog_query){.call_id = VIEW("few@example.com"), .state = -1, .limit = 100};
    CHECK_INT(catalog_store_list(store, &query, &page), CATALOG_OK);
    CHECK_INT(page.count, 10);
    CHECK(!page.more);
    catalog_page_finish(&page);
    query = (struct catalog_query){.state = CATALOG_ACTIVE, .limit = 100};
    CHECK_INT(catalog_store_list(store, &query, &page), CATALOG_OK);
    CHECK_INT(page.count, 10);
    catalog_page_finish(&page);
    query.call_id = VIEW_LIT("few@example.com");
    CHECK_INT(catalog_store_list(store, &query, &page), CATALOG_OK);
    CHECK_INT(page.count, 2); /* 32 and 36 */
    catalog_page_finish(&page);
    catalog_store_close(store);
    fixture_end();
}

static bool plan_says(sqlite3 *db, const char *sql, const char *index)
{
    char text[1024], plan[512] = "";
    sqlite3_stmt *s;
    snprintf(text, sizeof text, "EXPLAIN QUERY PLAN %s", sql);
    if (sqlite3_prepare_v2(db, text, -1, &s, NULL) != SQLITE_OK)
        return false;
    while (sqlite3_step(s) == SQLITE_ROW) {
        size_t len = strlen(plan);
        snprintf(plan + len, sizeof plan - len, "%s; ", (const char *)sqlite3_column_text(s, 3));
    }
    sqlite3_finalize(s);
    bool good = strstr(plan, "SEARCH") && strstr(plan, index) && !strstr(plan, "TEMP B-TREE");
    if (!good)
        printf("# %s: %s\n", sql, plan);
    return good;
}

static void test_indexes_serve_the_list(void)
{
    fixture_begin();
    char path[128];
    sqlite3 *db = NULL;
    catalog_store_close(open_store());
    snprintf(path, sizeof path, "%s/%s", fixture_root, CATALOG_STORE_NAME);
    CHECK_INT(sqlite3_open(path, &db), SQLITE_OK);
    CHECK(plan_says(db, catalog_store_list_sql(false, false), "recordings_by_start"));
    CHECK(plan_says(db, catalog_store_list_sql(true, false), "recordings_by_call_id"));
    CHECK(plan_says(db, catalog_store_list_sql(false, true), "recordings_by_state"));
    CHECK(plan_says(db, catalog_store_list_sql(true, true), "recordings_by_call_id"));
    CHECK(plan_says(db, catalog_store_oldest_sql, "recordings_by_end"));
    sqlite3_close(db);
    fixture_end();
}

static void test_oldest(void)
{
    fixture_begin();
    struct catalog_store *store = open_store();
    struct catalog_record got;
    struct uuid second = fixture_id(1);
    int64_t start_ms = uuid_time(&second).ns / NS_PER_MS;
    put(store, 0, "a", "active");
    put(store, 1, "b", "failed");
    put(store, 2, "c", "finished");
    CHECK_INT(catalog_store_oldest(store, start_ms, &got), CATALOG_NOT_FOUND);
    CHECK_INT(catalog_store_oldest(store, start_ms + 501, &got), CATALOG_OK);
    CHECK(uuid_equal(&got.id, &second));
    catalog_record_finish(&got);
    catalog_store_close(store);
    fixture_end();
}

static void test_locked_by_another(void)
{
    fixture_begin();
    char path[128];
    sqlite3 *db = NULL;
    struct catalog_store *store = open_store(), *reader = NULL;
    struct catalog_record record = fixture_record(1, "x", "active"), got;
    snprintf(path, sizeof path, "%s/%s", fixture_root, CATALOG_STORE_NAME);
    CHECK_INT(sqlite3_open(path, &db), SQLITE_OK);
    CHECK_INT(sqlite3_exec(db, "BEGIN EXCLUSIVE", NULL, NULL, NULL), SQLITE_OK);
    CHECK_INT(catalog_store_put(store, &record, 1), CATALOG_BUSY);
    /* In WAL mode who reads does not wait for who writes. */
    CHECK_INT(catalog_store_open(fixture_root, CATALOG_READ, 50, &reader), CATALOG_OK);
    CHECK_INT(catalog_store_get(reader, &record.id, &got), CATALOG_NOT_FOUND);
    CHECK_INT(sqlite3_exec(db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    CHECK_INT(catalog_store_put(store, &record, 1), CATALOG_OK);
    CHECK_INT(catalog_store_get(reader, &record.id, &got), CATALOG_OK);
    catalog_record_finish(&got);
    CHECK_INT(catalog_store_put(reader, &record, 1), CATALOG_BROKEN);
    catalog_record_finish(&record);
    sqlite3_close(db);
    catalog_store_close(reader);
    catalog_store_close(store);
    fixture_end();
}

static void overwrite(const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", fixture_root, CATALOG_STORE_NAME);
    FILE *file = fopen(path, "r+");
    if (!file || fwrite(text, 1, strlen(text), file) != strlen(text))
        abort();
    fclose(file);
}

static void test_gone_and_damaged(void)
{
    fixture_begin();
    char path[128];
    struct catalog_store *store = NULL;
    snprintf(path, sizeof path, "%s/%s", fixture_root, CATALOG_STORE_NAME);
    CHECK_INT(catalog_store_open(fixture_root, CATALOG_READ, 50, &store), CATALOG_GONE);
    store = open_store();
    CHECK_INT(catalog_store_check(store), CATALOG_OK);
    overwrite("this is not a database at all, is it?");
    CHECK_INT(catalog_store_check(store), CATALOG_CORRUPT);
    catalog_store_close(store);
    overwrite("SQLite would have healed it from its log when it was closed");
    store = NULL;
    CHECK_INT(catalog_store_open(fixture_root, CATALOG_WRITE, 50, &store), CATALOG_CORRUPT);
    CHECK_INT(catalog_store_set_aside(fixture_root, (struct wall){0}), 0);
    CHECK(access(path, F_OK) != 0);
    store = open_store();
    CHECK_INT(unlink(path), 0);
    CHECK_INT(catalog_store_check(store), CATALOG_GONE);
    catalog_store_close(store);
    fixture_end();
}

static void test_newer_schema_is_left_alone(void)
{
    fixture_begin();
    char path[128];
    sqlite3 *db = NULL;
    struct catalog_store *store = NULL;
    catalog_store_close(open_store());
    snprintf(path, sizeof path, "%s/%s", fixture_root, CATALOG_STORE_NAME);
    CHECK_INT(sqlite3_open(path, &db), SQLITE_OK);
    CHECK_INT(sqlite3_exec(db, "PRAGMA user_version=99", NULL, NULL, NULL), SQLITE_OK);
    sqlite3_close(db);
    CHECK_INT(catalog_store_open(fixture_root, CATALOG_WRITE, 50, &store), CATALOG_CORRUPT);
    fixture_end();
}

int main(void)
{
    RUN(test_rows);
    RUN(test_srcs);
    RUN(test_an_older_schema);
    RUN(test_pages);
    RUN(test_indexes_serve_the_list);
    RUN(test_oldest);
    RUN(test_locked_by_another);
    RUN(test_gone_and_damaged);
    RUN(test_newer_schema_is_left_alone);
    return tap_done();
}
