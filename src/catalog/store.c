/* store: the SQLite side of the catalogue. Statements are prepared per call: a put a second and a
 * page a click do not pay for keeping them.
 * Not here: threads, folders.
 * RFC: none. */
#include "catalog/store.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#define SCHEMA_VERSION 2

struct catalog_store {
    sqlite3 *db;
    char path[PATH_MAX];
    dev_t device; /* of the file that was opened */
    ino_t inode;
};

/* migrations[n] brings version n to n + 1. Times are RFC 3339 in UTC with milliseconds, always of
 * the same length, so that they sort as text and a person can read them. */
static const char *const migrations[SCHEMA_VERSION] = {
    "CREATE TABLE recordings("
    " id TEXT NOT NULL PRIMARY KEY,"
    " call_id TEXT NOT NULL,"
    " state TEXT NOT NULL CHECK(state IN ('active','finishing','finished','failed')),"
    " recovered INTEGER NOT NULL CHECK(recovered IN (0,1)),"
    " started_at TEXT NOT NULL,"
    " ended_at TEXT,"
    " duration_ms INTEGER,"
    " directory TEXT NOT NULL,"
    " modified_ns INTEGER NOT NULL," /* of recording.json: catching up skips what it knows */
    " document TEXT NOT NULL"
    ") STRICT, WITHOUT ROWID;"
    "CREATE INDEX recordings_by_start ON recordings(started_at, id);"
    "CREATE INDEX recordings_by_call_id ON recordings(call_id, started_at, id);"
    "CREATE INDEX recordings_by_state ON recordings(state, started_at, id);"
    /* ended_at of what is over, for keep_days and min_free. */
    "CREATE INDEX recordings_by_end ON recordings(ended_at, id)"
    " WHERE state IN ('finished','failed');",
    "CREATE TABLE srcs("
    " id TEXT NOT NULL PRIMARY KEY,"
    " key TEXT NOT NULL UNIQUE,"
    " used_at TEXT NOT NULL,"
    " profile TEXT NOT NULL"
    ") STRICT, WITHOUT ROWID;",
};

const char *catalog_result_name(enum catalog_result result)
{
    static const char *const names[] = {
        [CATALOG_OK] = "ok",         [CATALOG_NOT_FOUND] = "not_found", [CATALOG_BUSY] = "busy",
        [CATALOG_GONE] = "gone",     [CATALOG_CORRUPT] = "corrupt",     [CATALOG_FULL] = "full",
        [CATALOG_BROKEN] = "broken",
    };
    assert(result <= CATALOG_BROKEN);
    return names[result];
}

static enum catalog_result result_of(int code)
{
    if (code == SQLITE_READONLY_DBMOVED || code == SQLITE_IOERR_DELETE_NOENT)
        return CATALOG_GONE;
    switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_DONE:
    case SQLITE_ROW:
        return CATALOG_OK;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return CATALOG_BUSY;
    case SQLITE_CANTOPEN:
        return CATALOG_GONE;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return CATALOG_CORRUPT;
    case SQLITE_ERROR: /* our SQL is fixed: what is missing or different is the schema */
    case SQLITE_SCHEMA:
        return CATALOG_CORRUPT;
    case SQLITE_FULL:
        return CATALOG_FULL;
    default:
        return CATALOG_BROKEN;
    }
}

static enum catalog_result run(struct catalog_store *store, const char *sql)
{
    return result_of(sqlite3_exec(store->db, sql, NULL, NULL, NULL));
}

static enum catalog_result read_version(struct catalog_store *store, int *version)
{
    sqlite3_stmt *statement = NULL;
    int code = sqlite3_prepare_v2(store->db, "PRAGMA user_version", -1, &statement, NULL);
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    if (code == SQLITE_ROW)
        *version = sqlite3_column_int(statement, 0);
    sqlite3_finalize(statement);
    return result_of(code);
}

static enum catalog_result migrate(struct catalog_store *store)
{
    int version = 0;
    enum catalog_result result = read_version(store, &version);
    if (result != CATALOG_OK || version == SCHEMA_VERSION)
        return result;
    /* A newer siprecd made it. Nothing is lost by starting anew: the folders hold everything. */
    if (version < 0 || version > SCHEMA_VERSION)
        return CATALOG_CORRUPT;
    result = run(store, "BEGIN IMMEDIATE");
    if (result != CATALOG_OK)
        return result;
    /* Again under the lock: another process may have been faster. */
    result = read_version(store, &version);
    for (; result == CATALOG_OK && version < SCHEMA_VERSION; version++) {
        char pragma[40];
        snprintf(pragma, sizeof pragma, "PRAGMA user_version=%d", version + 1);
        result = run(store, migrations[version]);
        if (result == CATALOG_OK)
            result = run(store, pragma);
    }
    if (result == CATALOG_OK)
        result = run(store, "COMMIT");
    if (result != CATALOG_OK)
        catalog_store_rollback(store);
    return result;
}

static enum catalog_result prepare_connection(struct catalog_store *store,
                                              enum catalog_access access)
{
    sqlite3_extended_result_codes(store->db, 1);
    if (access == CATALOG_READ) {
        int version = 0;
        enum catalog_result result = run(store, "PRAGMA query_only=1");
        if (result == CATALOG_OK)
            result = read_version(store, &version);
        /* Version 0: the writer is about to make it. */
        return result == CATALOG_OK && version != SCHEMA_VERSION ? CATALOG_GONE : result;
    }
    /* NORMAL: a power cut may take the last rows, never the database;
     * the folders bring them back. */
    enum catalog_result result = run(store, "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
                                            "PRAGMA journal_size_limit=16777216");
    return result == CATALOG_OK ? migrate(store) : result;
}

enum catalog_result catalog_store_open(const char *root, enum catalog_access access,
                                       unsigned busy_ms, struct catalog_store **out)
{
    struct stat status;
    struct catalog_store *store = calloc(1, sizeof *store);
    if (!store)
        return CATALOG_BROKEN;
    int n = snprintf(store->path, sizeof store->path, "%s/%s", root, CATALOG_STORE_NAME);
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    enum catalog_result result = CATALOG_BROKEN;
    if (n > 0 && n < (int)sizeof store->path)
        result = result_of(
            sqlite3_open_v2(store->path, &store->db,
                            access == CATALOG_WRITE ? flags | SQLITE_OPEN_CREATE : flags, NULL));
    if (result == CATALOG_OK) {
        sqlite3_busy_timeout(store->db, (int)busy_ms);
        result = prepare_connection(store, access);
    }
    if (result == CATALOG_OK && stat(store->path, &status) != 0)
        result = CATALOG_GONE;
    if (result != CATALOG_OK) {
        catalog_store_close(store);
        return result;
    }
    store->device = status.st_dev;
    store->inode = status.st_ino;
    *out = store;
    return CATALOG_OK;
}

void catalog_store_close(struct catalog_store *store)
{
    if (!store)
        return;
    sqlite3_close(store->db);
    free(store);
}

enum catalog_result catalog_store_check(struct catalog_store *store)
{
    struct stat status;
    sqlite3_file *file = NULL;
    char head[16];
    if (stat(store->path, &status) != 0 || status.st_dev != store->device ||
        status.st_ino != store->inode)
        return CATALOG_GONE;
    /* Through SQLite's own descriptor: closing another one of the same file would drop its locks.
     * What SQLite holds in its cache hides that somebody overwrote the file. */
    if (sqlite3_file_control(store->db, "main", SQLITE_FCNTL_FILE_POINTER, &file) != SQLITE_OK ||
        !file || !file->pMethods)
        return CATALOG_BROKEN;
    int code = file->pMethods->xRead(file, head, sizeof head, 0);
    if (code != SQLITE_OK && code != SQLITE_IOERR_SHORT_READ)
        return CATALOG_BROKEN;
    return memcmp(head, "SQLite format 3", sizeof head) == 0 ? CATALOG_OK : CATALOG_CORRUPT;
}

int catalog_store_set_aside(const char *root, struct wall now)
{
    static const char *const tails[] = {"", "-wal", "-shm"};
    char from[PATH_MAX], to[PATH_MAX];
    struct wall_text at = wall_print(now);
    int error = 0;
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++) {
        if (snprintf(from, sizeof from, "%s/%s%s", root, CATALOG_STORE_NAME, tails[i]) >=
                PATH_MAX ||
            snprintf(to, sizeof to, "%s/%s.damaged-%s%s", root, CATALOG_STORE_NAME, at.s,
                     tails[i]) >= PATH_MAX)
            return ENAMETOOLONG;
        if (rename(from, to) != 0 && errno != ENOENT)
            error = errno;
    }
    return error;
}

static int prepare(struct catalog_store *store, const char *sql, sqlite3_stmt **statement)
{
    *statement = NULL;
    return sqlite3_prepare_v2(store->db, sql, -1, statement, NULL);
}

static void bind_text(sqlite3_stmt *statement, int at, const char *text)
{
    sqlite3_bind_text(statement, at, text, -1, SQLITE_TRANSIENT);
}

static void bind_time(sqlite3_stmt *statement, int at, int64_t ms)
{
    struct wall_text text = wall_print((struct wall){ms * NS_PER_MS});
    if (ms < 0)
        sqlite3_bind_null(statement, at);
    else
        bind_text(statement, at, text.s);
}

/* Steps a statement that gives no rows, and ends it. */
static enum catalog_result finish(sqlite3_stmt *statement, int code)
{
    if (code == SQLITE_OK)
        code = sqlite3_step(statement);
    sqlite3_finalize(statement);
    return result_of(code);
}

/* What is over without saying when must still be found by keep_days. */
static int64_t ended_of(const struct catalog_record *record)
{
    bool over = record->state == CATALOG_FINISHED || record->state == CATALOG_FAILED;
    return record->ended_ms < 0 && over ? record->started_ms : record->ended_ms;
}

enum catalog_result catalog_store_put(struct catalog_store *store,
                                      const struct catalog_record *record, int64_t modified_ns)
{
    sqlite3_stmt *s;
    int code = prepare(store,
                       "INSERT INTO recordings(id,call_id,state,recovered,started_at,ended_at,"
                       "duration_ms,directory,modified_ns,document) VALUES(?,?,?,?,?,?,?,?,?,?)"
                       " ON CONFLICT(id) DO UPDATE SET call_id=excluded.call_id,"
                       "state=excluded.state,recovered=excluded.recovered,"
                       "started_at=excluded.started_at,ended_at=excluded.ended_at,"
                       "duration_ms=excluded.duration_ms,directory=excluded.directory,"
                       "modified_ns=excluded.modified_ns,document=excluded.document",
                       &s);
    if (code == SQLITE_OK) {
        bind_text(s, 1, record->id.s);
        bind_text(s, 2, record->call_id);
        bind_text(s, 3, catalog_state_name(record->state));
        sqlite3_bind_int(s, 4, record->recovered);
        bind_time(s, 5, record->started_ms);
        bind_time(s, 6, ended_of(record));
        if (record->duration_ms >= 0)
            sqlite3_bind_int64(s, 7, record->duration_ms);
        bind_text(s, 8, record->directory);
        sqlite3_bind_int64(s, 9, modified_ns);
        sqlite3_bind_text64(s, 10, record->document, record->document_len, SQLITE_TRANSIENT,
                            SQLITE_UTF8);
    }
    return finish(s, code);
}

enum catalog_result catalog_store_remove(struct catalog_store *store, const struct uuid *id)
{
    sqlite3_stmt *s;
    int code = prepare(store, "DELETE FROM recordings WHERE id=?", &s);
    if (code == SQLITE_OK)
        bind_text(s, 1, id->s);
    return finish(s, code);
}

enum catalog_result catalog_store_begin(struct catalog_store *store)
{
    return run(store, "BEGIN IMMEDIATE");
}

enum catalog_result catalog_store_commit(struct catalog_store *store)
{
    enum catalog_result result = run(store, "COMMIT");
    if (result != CATALOG_OK)
        catalog_store_rollback(store);
    return result;
}

void catalog_store_rollback(struct catalog_store *store)
{
    /* After some errors SQLite has rolled back by itself. */
    if (!sqlite3_get_autocommit(store->db))
        (void)run(store, "ROLLBACK");
}

/* The document says it all: a row whose document cannot be read is damage. */
static enum catalog_result record_of_row(sqlite3_stmt *s, struct catalog_record *out)
{
    const char *why;
    const void *text = sqlite3_column_blob(s, 0);
    int len = sqlite3_column_bytes(s, 0);
    struct view folder = view_of_string((const char *)sqlite3_column_text(s, 1));
    if (!catalog_record_parse(view_of(text, (size_t)len), out, &why))
        return CATALOG_CORRUPT;
    if (view_copy(folder, out->directory, sizeof out->directory))
        return CATALOG_OK;
    catalog_record_finish(out);
    return CATALOG_CORRUPT;
}

static enum catalog_result one_record(sqlite3_stmt *s, int code, struct catalog_record *out)
{
    if (code == SQLITE_OK)
        code = sqlite3_step(s);
    enum catalog_result result = code == SQLITE_DONE ? CATALOG_NOT_FOUND : result_of(code);
    if (code == SQLITE_ROW)
        result = record_of_row(s, out);
    sqlite3_finalize(s);
    return result;
}

enum catalog_result catalog_store_get(struct catalog_store *store, const struct uuid *id,
                                      struct catalog_record *out)
{
    sqlite3_stmt *s;
    int code = prepare(store, "SELECT document,directory FROM recordings WHERE id=?", &s);
    if (code == SQLITE_OK)
        bind_text(s, 1, id->s);
    return one_record(s, code, out);
}

enum catalog_result catalog_store_modified(struct catalog_store *store, const struct uuid *id,
                                           int64_t *modified_ns)
{
    sqlite3_stmt *s;
    int code = prepare(store, "SELECT modified_ns FROM recordings WHERE id=?", &s);
    if (code == SQLITE_OK) {
        bind_text(s, 1, id->s);
        code = sqlite3_step(s);
    }
    if (code == SQLITE_ROW)
        *modified_ns = sqlite3_column_int64(s, 0);
    sqlite3_finalize(s);
    return code == SQLITE_DONE ? CATALOG_NOT_FOUND : result_of(code);
}

const char *const catalog_store_oldest_sql =
    "SELECT document,directory FROM recordings INDEXED BY recordings_by_end"
    " WHERE state IN ('finished','failed') AND ended_at<? ORDER BY ended_at,id LIMIT 1";

enum catalog_result catalog_store_oldest(struct catalog_store *store, int64_t before_ms,
                                         struct catalog_record *out)
{
    sqlite3_stmt *s;
    int code = prepare(store, catalog_store_oldest_sql, &s);
    if (code == SQLITE_OK)
        bind_time(s, 1, before_ms);
    return one_record(s, code, out);
}

enum catalog_result catalog_store_step(struct catalog_store *store, struct uuid *after,
                                       char directory[CATALOG_DIRECTORY_SIZE])
{
    sqlite3_stmt *s;
    int code =
        prepare(store, "SELECT id,directory FROM recordings WHERE id>? ORDER BY id LIMIT 1", &s);
    if (code == SQLITE_OK) {
        bind_text(s, 1, after->s);
        code = sqlite3_step(s);
    }
    enum catalog_result result = code == SQLITE_DONE ? CATALOG_NOT_FOUND : result_of(code);
    if (code == SQLITE_ROW) {
        const char *id = (const char *)sqlite3_column_text(s, 0);
        const char *folder = (const char *)sqlite3_column_text(s, 1);
        if (!uuid_parse(view_of_string(id), after) ||
            !view_copy(view_of_string(folder), directory, CATALOG_DIRECTORY_SIZE))
            result = CATALOG_CORRUPT;
    }
    sqlite3_finalize(s);
    return result;
}

/* One statement for each kind of filter, so that each has its index
 * (tests/unit/test_catalog_store.c asks SQLite's planner). "~" sorts behind every time and every
 * id. */
#define LIST(index, condition)                                                                     \
    "SELECT document,directory FROM recordings INDEXED BY " index " WHERE " condition              \
    "(started_at,id)<(?1,?2) ORDER BY started_at DESC,id DESC LIMIT ?3"
static const char *const list_sql[] = {
    LIST("recordings_by_start", ""),
    LIST("recordings_by_call_id", "call_id=?4 AND "),
    LIST("recordings_by_state", "state=?5 AND "),
    LIST("recordings_by_call_id", "call_id=?4 AND state=?5 AND "),
};
#undef LIST

const char *catalog_store_list_sql(bool by_call_id, bool by_state)
{
    return list_sql[(by_call_id ? 1 : 0) + (by_state ? 2 : 0)];
}

static enum catalog_result read_page(sqlite3_stmt *s, unsigned limit, struct catalog_page *out)
{
    int code;
    while ((code = sqlite3_step(s)) == SQLITE_ROW) {
        if (out->count == limit) {
            out->more = true;
            return CATALOG_OK;
        }
        enum catalog_result result = record_of_row(s, &out->records[out->count]);
        if (result != CATALOG_OK)
            return result;
        out->count++;
    }
    return result_of(code);
}

enum catalog_result catalog_store_list(struct catalog_store *store,
                                       const struct catalog_query *query, struct catalog_page *out)
{
    assert(query->limit >= 1 && query->limit <= CATALOG_PAGE_MAX);
    sqlite3_stmt *s;
    bool by_call_id = query->call_id.len > 0, by_state = query->state >= 0;
    *out = (struct catalog_page){.records = calloc(query->limit, sizeof *out->records)};
    if (!out->records)
        return CATALOG_BROKEN;
    int code = prepare(store, catalog_store_list_sql(by_call_id, by_state), &s);
    enum catalog_result result = result_of(code);
    if (code == SQLITE_OK) {
        if (query->after)
            bind_time(s, 1, query->after->started_ms);
        else
            bind_text(s, 1, "~");
        bind_text(s, 2, query->after ? query->after->id.s : "~");
        sqlite3_bind_int64(s, 3, (int64_t)query->limit + 1);
        if (by_call_id)
            sqlite3_bind_text64(s, 4, query->call_id.at, query->call_id.len, SQLITE_TRANSIENT,
                                SQLITE_UTF8);
        if (by_state)
            bind_text(s, 5, catalog_state_name((enum catalog_state)query->state));
        result = read_page(s, query->limit, out);
    }
    sqlite3_finalize(s);
    if (result != CATALOG_OK)
        catalog_page_finish(out);
    return result;
}

void catalog_page_finish(struct catalog_page *page)
{
    for (size_t i = 0; i < page->count; i++)
        catalog_record_finish(&page->records[i]);
    free(page->records);
    *page = (struct catalog_page){0};
}

/* ---- SRCs ----------------------------------------------------------------------------------- */

void catalog_src_finish(struct catalog_src *src)
{
    free(src->key);
    free(src->profile);
    *src = (struct catalog_src){0};
}

void catalog_srcs_finish(struct catalog_srcs *srcs)
{
    for (size_t i = 0; i < srcs->count; i++)
        catalog_src_finish(&srcs->list[i]);
    free(srcs->list);
    *srcs = (struct catalog_srcs){0};
}

enum catalog_result catalog_store_put_src(struct catalog_store *store,
                                          const struct catalog_src *src)
{
    sqlite3_stmt *s;
    int code =
        prepare(store, "INSERT OR REPLACE INTO srcs(id,key,used_at,profile) VALUES(?,?,?,?)", &s);
    if (code == SQLITE_OK) {
        bind_text(s, 1, src->id.s);
        bind_text(s, 2, src->key);
        bind_time(s, 3, src->used_at.ns / NS_PER_MS);
        bind_text(s, 4, src->profile);
    }
    return finish(s, code);
}

enum catalog_result catalog_store_remove_src(struct catalog_store *store, const struct uuid *id)
{
    sqlite3_stmt *s;
    int code = prepare(store, "DELETE FROM srcs WHERE id=?", &s);
    if (code == SQLITE_OK)
        bind_text(s, 1, id->s);
    enum catalog_result result = finish(s, code);
    return result == CATALOG_OK && sqlite3_changes(store->db) == 0 ? CATALOG_NOT_FOUND : result;
}

enum catalog_result catalog_store_prune_srcs(struct catalog_store *store, struct wall since)
{
    sqlite3_stmt *s;
    int code = prepare(store, "DELETE FROM srcs WHERE used_at<?", &s);
    if (code == SQLITE_OK)
        bind_time(s, 1, since.ns / NS_PER_MS);
    return finish(s, code);
}

static bool src_of_row(sqlite3_stmt *s, struct catalog_src *out)
{
    const char *columns[4];
    for (int i = 0; i < 4; i++) {
        columns[i] = (const char *)sqlite3_column_text(s, i);
        if (!columns[i])
            return false;
    }
    if (!uuid_parse(view_of_string(columns[0]), &out->id) ||
        !wall_parse(view_of_string(columns[2]), &out->used_at))
        return false;
    out->key = strdup(columns[1]);
    out->profile = strdup(columns[3]);
    return out->key && out->profile;
}

enum catalog_result catalog_store_srcs(struct catalog_store *store, const struct uuid *after,
                                       unsigned limit, struct catalog_srcs *out)
{
    sqlite3_stmt *s;
    *out = (struct catalog_srcs){.list = calloc(limit, sizeof *out->list)};
    if (!out->list)
        return CATALOG_BROKEN;
    int code = prepare(
        store, "SELECT id,key,used_at,profile FROM srcs WHERE id>? ORDER BY id LIMIT ?", &s);
    if (code == SQLITE_OK) {
        bind_text(s, 1, after ? after->s : "");
        sqlite3_bind_int64(s, 2, (int64_t)limit + 1);
        code = sqlite3_step(s);
    }
    enum catalog_result result = CATALOG_OK;
    for (; code == SQLITE_ROW && result == CATALOG_OK; code = sqlite3_step(s)) {
        out->more = out->count == limit;
        if (out->more)
            break;
        /* Counted first: what it holds by then is freed with the rest. */
        if (!src_of_row(s, &out->list[out->count++]))
            result = CATALOG_CORRUPT;
    }
    sqlite3_finalize(s);
    if (result == CATALOG_OK)
        result = result_of(code);
    if (result != CATALOG_OK)
        catalog_srcs_finish(out);
    return result;
}
