/* catalog: the thread that keeps files and database in step with what the recorder tells.
 * Not here: SQL (store.c), comparing (catchup.c).
 * RFC: none. */
#include "catalog/catalog.h"

#include <assert.h>
#include <errno.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <time.h>

#include "base/log.h"
#include "base/metrics.h"
#include "catalog/catchup.h"
#include "catalog/files.h"
#include "catalog/queue.h"
#include "catalog/reader.h"

/* Documents that wait while nothing can be written: more than any node has calls in that time. */
#define WAITING_MAX 16384
/* Ids deleted lately, so that a late document does not bring a recording back. */
#define DELETED_MAX 1024
/* Up to so many documents each is synced by itself; a crowd is synced at once. */
#define SYNC_EACH 4
/* Folders or rows in one transaction of catching up: a few milliseconds for whoever waits behind
 * it. */
#define SLICE 64
/* Deletions in one look at retention, so that documents do not wait behind a long row of them. */
#define DELETIONS 32
/* What is learned of SRCs waits a second at most; more than that learn anew another time. */
#define SRCS_WAITING_MAX 4096
#define SRCS_KEEP_DAYS   30

struct catalog {
    pthread_t thread;
    char root[PATH_MAX];
    unsigned busy_ms, tend_ms;
    /* Held while files or the database are worked on: short, never by catalog_put. */
    pthread_mutex_t work;
    struct catalog_store *store; /* NULL: to be opened */
    struct catalog_catchup *catchup;
    enum catalog_result last_logged;
    int file_error; /* the last one logged, 0 when files can be written */
    struct uuid deleted[DELETED_MAX];
    size_t deleted_count;
    /* Held for moments only. */
    pthread_mutex_t lock;
    pthread_cond_t changed; /* work for the thread */
    pthread_cond_t settled; /* the thread has done some */
    struct catalog_queue queue;
    struct catalog_src *srcs; /* that wait */
    size_t srcs_count, srcs_room;
    int64_t srcs_pruned_ms; /* when that was looked at last */
    uint64_t puts;          /* how many were taken */
    uint64_t rescans;       /* full comparisons asked for */
    uint64_t rescanned;
    uint64_t in_hand; /* documents taken off the queue that are being written */
    unsigned keep_days;
    double min_free_percent;
    bool behind, database_ok, suspect, stop;
};

static struct wall wall_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (struct wall){t.tv_sec * NS_PER_S + t.tv_nsec};
}

static struct timespec in_ms(unsigned ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += ms / 1000;
    t.tv_nsec += (long)(ms % 1000) * NS_PER_MS;
    if (t.tv_nsec >= NS_PER_S) {
        t.tv_sec++;
        t.tv_nsec -= NS_PER_S;
    }
    return t;
}

/* ---- the database, with work held ----------------------------------------------------------- */

/* Takes note of what a database operation gave; on trouble the store is closed where that helps,
 * and the rows are behind until a comparison with the folders. */
static void note(struct catalog *c, enum catalog_result result)
{
    bool ok = result == CATALOG_OK;
    if (!ok) {
        metric_add(METRIC_CATALOG_ERRORS, 1);
        catalog_catchup_destroy(c->catchup);
        c->catchup = NULL;
    }
    if (result != c->last_logged) {
        if (ok)
            LOG_INFO("catalog", VIEW_NONE, "database back");
        else
            LOG_WARN("catalog", VIEW_NONE,
                     "database unusable reason=%s consequence=\"recording goes on, the catalogue "
                     "catches up later\"",
                     catalog_result_name(result));
        c->last_logged = result;
    }
    if (!ok && result != CATALOG_BUSY && result != CATALOG_FULL) {
        catalog_store_close(c->store);
        c->store = NULL;
    }
    if (result == CATALOG_CORRUPT) {
        int error = catalog_store_set_aside(c->root, wall_now());
        LOG_WARN("catalog", VIEW_NONE, "database set aside result=\"%s\"",
                 error ? strerror(error) : "will be built anew from the files");
    }
    pthread_mutex_lock(&c->lock);
    c->database_ok = ok;
    c->behind = c->behind || !ok;
    pthread_mutex_unlock(&c->lock);
}

/* Opens, or checks what is open. */
static bool database_ready(struct catalog *c)
{
    enum catalog_result result = CATALOG_OK;
    pthread_mutex_lock(&c->lock);
    bool suspect = c->suspect;
    c->suspect = false;
    pthread_mutex_unlock(&c->lock);

    if (c->store)
        result = suspect ? CATALOG_CORRUPT : catalog_store_check(c->store);
    if (result != CATALOG_OK)
        note(c, result);
    if (!c->store) {
        result = catalog_store_open(c->root, CATALOG_WRITE, c->busy_ms, &c->store);
        if (result == CATALOG_OK)
            LOG_DEBUG("catalog", VIEW_NONE, "database opened");
        pthread_mutex_lock(&c->lock);
        c->behind = true; /* whatever was in it before: compare */
        pthread_mutex_unlock(&c->lock);
    }
    if (result != CATALOG_OK)
        note(c, result);
    return result == CATALOG_OK;
}

/* ---- documents ------------------------------------------------------------------------------ */

static bool was_deleted(const struct catalog *c, const struct uuid *id)
{
    size_t n = c->deleted_count < DELETED_MAX ? c->deleted_count : DELETED_MAX;
    for (size_t i = 0; i < n; i++) {
        if (uuid_equal(&c->deleted[i], id))
            return true;
    }
    return false;
}

static int stage(struct catalog *c, const struct catalog_waiting *waiting, bool sync)
{
    const struct catalog_record *record = &waiting->record;
    int error = 0;
    if (waiting->metadata)
        error = catalog_files_stage(c->root, record->directory, CATALOG_FILES_METADATA,
                                    view_of(waiting->metadata, waiting->metadata_len), sync);
    if (!error)
        error = catalog_files_stage(c->root, record->directory, CATALOG_FILES_DOCUMENT,
                                    view_of(record->document, record->document_len), sync);
    return error;
}

static int publish(struct catalog *c, const struct catalog_waiting *waiting)
{
    const char *directory = waiting->record.directory;
    int error = 0;
    if (waiting->metadata)
        error = catalog_files_publish(c->root, directory, CATALOG_FILES_METADATA);
    return error ? error : catalog_files_publish(c->root, directory, CATALOG_FILES_DOCUMENT);
}

static void not_written(struct catalog *c, const struct catalog_waiting *waiting, int error)
{
    metric_add(METRIC_CATALOG_ERRORS, 1);
    catalog_files_unstage(c->root, waiting->record.directory, CATALOG_FILES_METADATA);
    catalog_files_unstage(c->root, waiting->record.directory, CATALOG_FILES_DOCUMENT);
    if (error == c->file_error)
        return;
    c->file_error = error;
    LOG_WARN("catalog", view_of_string(waiting->record.call_id),
             "document not written id=%s reason=\"%s\" consequence=\"kept and tried again\"",
             waiting->record.id.s, strerror(error));
}

/* The files of a batch; returns how many of the first are in place. */
static size_t write_files(struct catalog *c, struct catalog_waiting *const *batch, size_t count)
{
    size_t staged = 0, written = 0;
    bool each = count <= SYNC_EACH;
    int error = 0;
    while (staged < count && !error) {
        if (was_deleted(c, &batch[staged]->record.id) || !(error = stage(c, batch[staged], each)))
            staged++;
    }
    if (error)
        not_written(c, batch[staged], error);
    int sync_error = staged > 0 && !each ? catalog_files_sync(c->root) : 0;
    while (written < staged) {
        bool deleted = was_deleted(c, &batch[written]->record.id);
        int bad = sync_error || deleted ? sync_error : publish(c, batch[written]);
        if (bad)
            not_written(c, batch[written], error = bad);
        if (bad)
            break;
        written++;
    }
    for (size_t i = written + 1; i < staged; i++)
        not_written(c, batch[i], error);
    if (!error && c->file_error) {
        LOG_INFO("catalog", VIEW_NONE, "documents written again");
        c->file_error = 0;
    }
    return written;
}

static enum catalog_result write_rows(struct catalog *c, struct catalog_waiting *const *batch,
                                      size_t count)
{
    enum catalog_result result = catalog_store_begin(c->store);
    if (result != CATALOG_OK)
        return result;
    for (size_t i = 0; result == CATALOG_OK && i < count; i++) {
        const struct catalog_record *record = &batch[i]->record;
        if (!was_deleted(c, &record->id))
            result = catalog_store_put(
                c->store, record,
                catalog_files_modified(c->root, record->directory, CATALOG_FILES_DOCUMENT));
    }
    if (result == CATALOG_OK)
        return catalog_store_commit(c->store);
    catalog_store_rollback(c->store);
    return result;
}

/* Takes what waits, at most a slice: files, then rows in one transaction. True when all files were
 * written. */
static bool write_slice(struct catalog *c)
{
    struct catalog_waiting *batch[SLICE];
    size_t count = 0;
    pthread_mutex_lock(&c->work);
    pthread_mutex_lock(&c->lock);
    while (count < SLICE && (batch[count] = catalog_queue_take(&c->queue)))
        count++;
    c->in_hand = count;
    pthread_mutex_unlock(&c->lock);

    size_t written = write_files(c, batch, count);
    if (written > 0 && database_ready(c))
        note(c, write_rows(c, batch, written));

    pthread_mutex_lock(&c->lock);
    for (size_t i = 0; i < written; i++)
        catalog_waiting_destroy(batch[i]);
    for (size_t i = count; i > written; i--)
        catalog_queue_return(&c->queue, batch[i - 1]);
    c->in_hand = 0;
    pthread_cond_broadcast(&c->settled);
    pthread_mutex_unlock(&c->lock);
    pthread_mutex_unlock(&c->work);
    return written == count;
}

/* ---- deleting ------------------------------------------------------------------------------- */

/* With work held. */
static enum catalog_result delete_record(struct catalog *c, const struct catalog_record *record,
                                         const char *by)
{
    int error = catalog_files_remove(c->root, record->directory, wall_now());
    if (error) {
        LOG_ERROR("catalog", view_of_string(record->call_id),
                  "recording not deleted id=%s by=%s reason=\"%s\"", record->id.s, by,
                  strerror(error));
        return CATALOG_BROKEN;
    }
    c->deleted[c->deleted_count++ % DELETED_MAX] = record->id;
    if (database_ready(c))
        note(c, catalog_store_remove(c->store, &record->id));
    metric_add(METRIC_RECORDINGS_DELETED, 1);
    struct wall_text started = wall_print((struct wall){record->started_ms * NS_PER_MS});
    LOG_INFO("catalog", view_of_string(record->call_id),
             "recording deleted id=%s by=%s state=%s started_at=%s directory=%s", record->id.s, by,
             catalog_state_name(record->state), started.s, record->directory);
    return CATALOG_OK;
}

static bool goes_on(enum catalog_state state)
{
    return state == CATALOG_ACTIVE || state == CATALOG_FINISHING;
}

enum catalog_result catalog_delete(struct catalog *c, const struct uuid *id, const char *by)
{
    struct catalog_record record = {0};
    enum catalog_result result = CATALOG_GONE;
    pthread_mutex_lock(&c->work);
    pthread_mutex_lock(&c->lock);
    const struct catalog_waiting *waiting = catalog_queue_find(&c->queue, id);
    bool busy = waiting && goes_on(waiting->record.state);
    pthread_mutex_unlock(&c->lock);

    /* The folder before the row: its document is written first. */
    result = catalog_find_on_disk(c->root, id, &record);
    if (result != CATALOG_OK && database_ready(c))
        result = catalog_store_get(c->store, id, &record);
    if (busy || (result == CATALOG_OK && goes_on(record.state)))
        result = CATALOG_BUSY;
    else if (result == CATALOG_OK)
        result = delete_record(c, &record, by);
    pthread_mutex_unlock(&c->work);
    catalog_record_finish(&record);
    return result;
}

static bool below_min_free(const struct catalog *c, double min_free_percent)
{
    struct statvfs disk;
    return min_free_percent > 0 && statvfs(c->root, &disk) == 0 && disk.f_blocks > 0 &&
           (double)disk.f_bavail * 100.0 < (double)disk.f_blocks * min_free_percent;
}

/* One deletion by age or room; false when there is none due. With work held. */
static bool retain_one(struct catalog *c, unsigned keep_days, double min_free_percent)
{
    struct catalog_record record;
    const char *by = "keep_days";
    int64_t now_ms = wall_now().ns / NS_PER_MS;
    enum catalog_result result = CATALOG_NOT_FOUND;
    if (keep_days > 0)
        result =
            catalog_store_oldest(c->store, now_ms - (int64_t)keep_days * 24 * 3600 * 1000, &record);
    if (result == CATALOG_NOT_FOUND && below_min_free(c, min_free_percent)) {
        by = "min_free";
        result = catalog_store_oldest(c->store, CATALOG_CURSOR_LATEST_MS, &record);
    }
    if (result == CATALOG_NOT_FOUND)
        return false;
    if (result != CATALOG_OK) {
        note(c, result);
        return false;
    }
    result = delete_record(c, &record, by);
    catalog_record_finish(&record);
    return result == CATALOG_OK && c->store;
}

static void retain(struct catalog *c)
{
    pthread_mutex_lock(&c->lock);
    unsigned keep_days = c->keep_days;
    double min_free_percent = c->min_free_percent;
    pthread_mutex_unlock(&c->lock);
    for (int i = 0; i < DELETIONS; i++) {
        pthread_mutex_lock(&c->work);
        bool more = c->store && retain_one(c, keep_days, min_free_percent);
        pthread_mutex_unlock(&c->work);
        if (!more)
            return;
    }
}

/* ---- SRCs ----------------------------------------------------------------------------------- */

static struct catalog_src *find_src(struct catalog *c, const struct uuid *id)
{
    for (size_t i = 0; i < c->srcs_count; i++) {
        if (uuid_equal(&c->srcs[i].id, id))
            return &c->srcs[i];
    }
    return NULL;
}

/* With lock held. */
static struct catalog_src *add_src(struct catalog *c)
{
    if (c->srcs_count == c->srcs_room) {
        size_t room = c->srcs_room ? c->srcs_room * 2 : 16;
        struct catalog_src *bigger =
            room > SRCS_WAITING_MAX ? NULL : realloc(c->srcs, room * sizeof *bigger);
        if (!bigger)
            return NULL;
        c->srcs = bigger;
        c->srcs_room = room;
    }
    assert(c->srcs);
    c->srcs[c->srcs_count] = (struct catalog_src){0};
    return &c->srcs[c->srcs_count++];
}

int catalog_put_src(struct catalog *c, const struct uuid *id, struct view key, struct view profile,
                    struct wall used_at)
{
    struct catalog_src fresh = {.id = *id, .used_at = used_at};
    fresh.key = strndup(key.at, key.len);
    fresh.profile = strndup(profile.at, profile.len);
    pthread_mutex_lock(&c->lock);
    struct catalog_src *place = fresh.key && fresh.profile ? find_src(c, id) : NULL;
    if (!place && fresh.key && fresh.profile)
        place = add_src(c);
    if (place) {
        catalog_src_finish(place);
        *place = fresh;
    }
    pthread_mutex_unlock(&c->lock);
    if (place)
        return 0;
    int error = fresh.key && fresh.profile ? ENOBUFS : ENOMEM;
    catalog_src_finish(&fresh);
    return error;
}

/* With work held. What cannot be written waits on, unless something newer came. */
static void write_srcs(struct catalog *c)
{
    int64_t now_ms = wall_now().ns / NS_PER_MS;
    enum catalog_result result = CATALOG_OK;
    pthread_mutex_lock(&c->lock);
    struct catalog_src *batch = c->srcs;
    size_t count = c->srcs_count, written = 0;
    c->srcs = NULL;
    c->srcs_count = c->srcs_room = 0;
    pthread_mutex_unlock(&c->lock);

    while (written < count && result == CATALOG_OK) {
        result = catalog_store_put_src(c->store, &batch[written]);
        if (result == CATALOG_OK)
            catalog_src_finish(&batch[written++]);
    }
    pthread_mutex_lock(&c->lock);
    for (; written < count; written++) {
        struct catalog_src *place = find_src(c, &batch[written].id) ? NULL : add_src(c);
        if (place)
            *place = batch[written];
        else
            catalog_src_finish(&batch[written]);
    }
    pthread_mutex_unlock(&c->lock);
    free(batch);
    if (result == CATALOG_OK && now_ms - c->srcs_pruned_ms > 3600 * 1000) {
        c->srcs_pruned_ms = now_ms;
        result = catalog_store_prune_srcs(
            c->store, wall_add_ms(wall_now(), -(int64_t)SRCS_KEEP_DAYS * 24 * 3600 * 1000));
    }
    if (result != CATALOG_OK)
        note(c, result);
}

enum catalog_result catalog_forget_src(struct catalog *c, const struct uuid *id, const char *by)
{
    enum catalog_result result = CATALOG_GONE;
    pthread_mutex_lock(&c->work);
    pthread_mutex_lock(&c->lock);
    struct catalog_src *waiting = find_src(c, id);
    if (waiting) {
        catalog_src_finish(waiting);
        *waiting = c->srcs[--c->srcs_count];
    }
    pthread_mutex_unlock(&c->lock);
    if (database_ready(c))
        result = catalog_store_remove_src(c->store, id);
    if (result != CATALOG_OK && result != CATALOG_NOT_FOUND)
        note(c, result);
    pthread_mutex_unlock(&c->work);
    if (result == CATALOG_NOT_FOUND && waiting)
        result = CATALOG_OK;
    if (result == CATALOG_OK)
        LOG_INFO("catalog", VIEW_NONE, "src forgotten id=%s by=%s", id->s, by);
    return result;
}

/* ---- catching up ---------------------------------------------------------------------------- */

static void caught_up(struct catalog *c, uint64_t rescans)
{
    struct catalog_catchup_sum sum = catalog_catchup_sum(c->catchup);
    LOG_INFO("catalog", VIEW_NONE, "caught up read=%u removed=%u unreadable=%u", sum.put,
             sum.removed, sum.unreadable);
    catalog_catchup_destroy(c->catchup);
    c->catchup = NULL;
    pthread_mutex_lock(&c->lock);
    c->rescanned = rescans;
    if (c->rescans == rescans)
        c->behind = false;
    pthread_cond_broadcast(&c->settled);
    pthread_mutex_unlock(&c->lock);
}

/* A slice; true when there is more to do at once. */
static bool catch_up_slice(struct catalog *c, uint64_t rescans)
{
    bool more = false;
    pthread_mutex_lock(&c->work);
    if (database_ready(c)) {
        if (!c->catchup)
            c->catchup = catalog_catchup_create(c->root);
        enum catalog_result result =
            c->catchup ? catalog_catchup_step(c->catchup, c->store, SLICE) : CATALOG_BROKEN;
        if (result == CATALOG_NOT_FOUND)
            caught_up(c, rescans);
        else
            more = result == CATALOG_OK;
        note(c, result == CATALOG_NOT_FOUND ? CATALOG_OK : result);
    }
    pthread_mutex_unlock(&c->work);
    return more;
}

/* ---- the thread ----------------------------------------------------------------------------- */

/* Waits for something to do, or for tend_ms. True when documents wait. */
static bool wait_for_work(struct catalog *c, bool at_once, bool trouble, struct timespec *tend)
{
    pthread_mutex_lock(&c->lock);
    /* While files cannot be written the queue is no reason to run: only the clock is. */
    while (!at_once && !c->stop && (trouble || c->queue.count == 0) && c->rescans == c->rescanned) {
        if (pthread_cond_timedwait(&c->changed, &c->lock, tend) == ETIMEDOUT)
            break;
    }
    bool waiting = c->queue.count > 0;
    pthread_mutex_unlock(&c->lock);
    return waiting;
}

static bool is_past(const struct timespec *t)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec > t->tv_sec || (now.tv_sec == t->tv_sec && now.tv_nsec >= t->tv_nsec);
}

/* True while a comparison is due and nothing stands in its way. */
static bool tend(struct catalog *c)
{
    pthread_mutex_lock(&c->lock);
    bool behind = c->behind || c->rescans != c->rescanned;
    uint64_t rescans = c->rescans;
    pthread_mutex_unlock(&c->lock);
    if (behind)
        return catch_up_slice(c, rescans);
    pthread_mutex_lock(&c->work);
    if (database_ready(c))
        write_srcs(c);
    pthread_mutex_unlock(&c->work);
    retain(c);
    return false;
}

static void *catalog_thread(void *argument)
{
    struct catalog *c = argument;
    struct timespec due = in_ms(0);
    bool at_once = true, trouble = false;
    for (;;) {
        bool waiting = wait_for_work(c, at_once, trouble, &due);
        pthread_mutex_lock(&c->lock);
        bool stop = c->stop;
        pthread_mutex_unlock(&c->lock);
        if (stop)
            return NULL;
        bool tick = is_past(&due);
        if (waiting && (!trouble || tick))
            trouble = !write_slice(c);
        if (tick || at_once || !waiting) {
            at_once = tend(c);
            if (tick)
                due = in_ms(c->tend_ms);
        }
    }
}

/* ---- for the other threads ------------------------------------------------------------------ */

int catalog_put(struct catalog *c, struct view document, struct view metadata)
{
    struct catalog_record record;
    const char *why;
    if (!catalog_record_parse(document, &record, &why)) {
        metric_add(METRIC_CATALOG_ERRORS, 1);
        LOG_ERROR("catalog", VIEW_NONE, "document refused reason=\"%s\"", why);
        return EINVAL;
    }
    struct catalog_waiting *waiting = catalog_waiting_create(&record, metadata);
    if (!waiting) {
        catalog_record_finish(&record);
        return ENOMEM;
    }
    pthread_mutex_lock(&c->lock);
    bool room = c->queue.count < WAITING_MAX || catalog_queue_find(&c->queue, &waiting->record.id);
    if (room) {
        waiting->number = ++c->puts;
        catalog_queue_add(&c->queue, waiting);
        pthread_cond_signal(&c->changed);
    }
    pthread_mutex_unlock(&c->lock);
    if (room)
        return 0;
    metric_add(METRIC_CATALOG_ERRORS, 1);
    catalog_waiting_destroy(waiting);
    return ENOBUFS;
}

bool catalog_flush(struct catalog *c, unsigned timeout_ms)
{
    struct timespec end = in_ms(timeout_ms);
    bool done;
    pthread_mutex_lock(&c->lock);
    while (!(done = c->queue.count == 0 && c->in_hand == 0 && !c->behind &&
                    c->rescans == c->rescanned)) {
        if (pthread_cond_timedwait(&c->settled, &c->lock, &end) == ETIMEDOUT)
            break;
    }
    pthread_mutex_unlock(&c->lock);
    return done;
}

void catalog_set_retention(struct catalog *c, unsigned keep_days, double min_free_percent)
{
    pthread_mutex_lock(&c->lock);
    c->keep_days = keep_days;
    c->min_free_percent = min_free_percent;
    pthread_mutex_unlock(&c->lock);
}

void catalog_rescan(struct catalog *c)
{
    pthread_mutex_lock(&c->lock);
    c->rescans++;
    pthread_cond_signal(&c->changed);
    pthread_mutex_unlock(&c->lock);
}

void catalog_suspect(struct catalog *c)
{
    pthread_mutex_lock(&c->lock);
    c->suspect = true;
    pthread_mutex_unlock(&c->lock);
}

struct catalog_status catalog_status(struct catalog *c)
{
    pthread_mutex_lock(&c->lock);
    struct catalog_status status = {
        .database_ok = c->database_ok,
        .behind = c->behind || c->rescans != c->rescanned,
        .waiting = c->queue.count + c->in_hand,
    };
    pthread_mutex_unlock(&c->lock);
    return status;
}

static void init_locks(struct catalog *c)
{
    pthread_condattr_t monotonic;
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&c->changed, &monotonic);
    pthread_cond_init(&c->settled, &monotonic);
    pthread_condattr_destroy(&monotonic);
    pthread_mutex_init(&c->lock, NULL);
    pthread_mutex_init(&c->work, NULL);
}

static void finish_catalog(struct catalog *c)
{
    catalog_catchup_destroy(c->catchup);
    catalog_store_close(c->store);
    catalog_queue_finish(&c->queue);
    for (size_t i = 0; i < c->srcs_count; i++)
        catalog_src_finish(&c->srcs[i]);
    free(c->srcs);
    pthread_cond_destroy(&c->changed);
    pthread_cond_destroy(&c->settled);
    pthread_mutex_destroy(&c->lock);
    pthread_mutex_destroy(&c->work);
    free(c);
}

struct catalog *catalog_create(const struct catalog_options *options)
{
    struct rng rng;
    struct catalog *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    init_locks(c);
    /* The keys are our own ids: nobody chooses them to collide. */
    rng_init_number(&rng, (uint64_t)wall_now().ns);
    int error = catalog_queue_init(&c->queue, &rng) ? 0 : ENOMEM;
    c->busy_ms = options->busy_ms ? options->busy_ms : 250;
    c->tend_ms = options->tend_ms ? options->tend_ms : 1000;
    c->keep_days = options->keep_days;
    c->min_free_percent = options->min_free_percent;
    c->behind = true;
    c->database_ok = true;
    if (!error && snprintf(c->root, sizeof c->root, "%s", options->root) >= (int)sizeof c->root)
        error = ENAMETOOLONG;
    if (!error)
        error = catalog_files_make_root(c->root);
    /* Before anybody reads: whoever asks at once finds a database. */
    if (!error)
        (void)database_ready(c);
    if (!error)
        error = pthread_create(&c->thread, NULL, catalog_thread, c);
    if (error) {
        finish_catalog(c);
        errno = error;
        return NULL;
    }
    return c;
}

void catalog_destroy(struct catalog *c, unsigned timeout_ms)
{
    if (!c)
        return;
    if (!catalog_flush(c, timeout_ms))
        LOG_WARN("catalog", VIEW_NONE, "stopped before it had caught up");
    pthread_mutex_lock(&c->lock);
    c->stop = true;
    pthread_cond_signal(&c->changed);
    pthread_mutex_unlock(&c->lock);
    pthread_join(c->thread, NULL);
    if (database_ready(c))
        write_srcs(c);
    finish_catalog(c);
}
