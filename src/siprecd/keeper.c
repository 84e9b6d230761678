/* keeper: what happens to recordings on the disk beside writing them: syncing, watching the room,
 * rendering, recovering.
 * Not here: journals of calls going on (worker), retention (catalog).
 * RFC: none. */
#include "siprecd/keeper.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "base/log.h"
#include "base/metrics.h"
#include "io/clock.h"
#include "io/file.h"
#include "io/pool.h"
#include "siprecd/doctor.h"
#include "siprecd/mail.h"
#include "siprecd/recovery.h"
#include "siprecd/render.h"

enum {
    KEEPER_LOOK_MS = 1000,
    KEEPER_RENDERS_MAX = 100000,
    KEEPER_RENDER_THREADS_MAX = 4,
    /* After a write that failed although there seems to be room (a quota): tried again after. */
    KEEPER_HINT_MS = 2000,
    /* So long renders wait for room. For longer would keep their recordings from being deleted, which
     * may be what makes room. */
    KEEPER_ROOM_MS = 60000,
};

/* Once full, this much more than wanted must be free, or calls would be taken and cut off again in
 * turns. */
static const uint64_t keeper_margin_max = 1024 * 1024;

struct keeper {
    struct keeper_config config;
    int directory_fd;
    pthread_mutex_t lock; /* of settings, ending, hint_at, room_short and the conditions */
    pthread_cond_t changed;
    pthread_cond_t room; /* room_short or ending changed */
    struct keeper_settings settings;
    bool ending;
    struct tick hint_at; /* when a write last failed for lack of room; TICK_NEVER: never */
    bool full;           /* own thread; what signalling was told */
    bool room_short;     /* renders wait: what they would write had no room */
    struct tick short_since;
    bool room_unknown; /* own thread */
    struct wall started_at;
    struct io_pool *renders;
    struct io_pool *recoveries;
    atomic_bool cancel;
    pthread_t thread;
    bool thread_runs;
};

/* ---- numbers -------------------------------------------------------------------------------- */

/* Free room that total bytes of disk must keep. */
static uint64_t keeper_room_wanted(const struct values_space *min_free, uint64_t total)
{
    if (!min_free->is_percent)
        return min_free->amount;
    return total / 10000 * min_free->amount + total % 10000 * min_free->amount / 10000;
}

/* How long to wait from the start of one sync to the next so that a power cut costs at most
 * interval_ms, given how long the last took. */
static int64_t keeper_sync_pause_ms(int64_t interval_ms, int64_t last_took_ms)
{
    /* Bytes that come just after a sync began are safe when the next one has ended. So the time
     * between two beginnings, one sync (it may take twice as long as the last) and the sweep that
     * brings the bytes to the file (180 ms) must fit into the interval. */
    int64_t pause_ms = interval_ms - 2 * last_took_ms - 200;

    return pause_ms > interval_ms / 4 ? pause_ms : interval_ms / 4;
}

/* ---- room on the disk ----------------------------------------------------------------------- */

static bool keeper_is_full(struct keeper *keeper, const struct io_room *room,
                           const struct keeper_settings *settings, struct tick hint_at)
{
    uint64_t wanted = keeper_room_wanted(&settings->min_free, room->total_bytes);
    uint64_t margin = room->total_bytes / 50;
    struct tick now = io_clock_tick();
    if (margin > keeper_margin_max)
        margin = keeper_margin_max;
    if (!tick_is_never(hint_at) && tick_diff_ms(now, hint_at) < KEEPER_HINT_MS)
        return true;
    if (room->free_files < 16)
        return true;
    return room->free_bytes < wanted + (keeper->full ? margin : 0) || room->free_bytes == 0;
}

static void keeper_tell_full(struct keeper *keeper, bool full, const struct io_room *room)
{
    struct signalling_mail mail = {.kind = SIGNALLING_DISK_FULL, .on = full};
    if (!io_mailbox_post(keeper->config.signalling, &mail))
        return; /* the next look tells */
    keeper->full = full;
    metric_set(METRIC_DISK_FULL, full);
    if (full)
        LOG_ERROR("disk", VIEW_NONE, "full: new calls are refused free_bytes=%llu",
                  (unsigned long long)room->free_bytes);
    else
        LOG_INFO("disk", VIEW_NONE, "room again: calls are taken free_bytes=%llu",
                 (unsigned long long)room->free_bytes);
}

/* With the lock. */
static void keeper_set_short(struct keeper *keeper, bool on)
{
    if (on && !keeper->room_short)
        keeper->short_since = io_clock_tick();
    keeper->room_short = on;
    pthread_cond_broadcast(&keeper->room);
}

static void keeper_look(struct keeper *keeper, const struct keeper_settings *settings,
                        struct tick hint_at)
{
    struct io_room room = {0};
    int error = io_file_room(keeper->config.root, &room);
    bool full;
    if (error != 0) {
        if (!keeper->room_unknown)
            LOG_ERROR("disk", VIEW_NONE, "room unknown directory=%s error=\"%s\"",
                      keeper->config.root, strerror(error));
        keeper->room_unknown = true;
        return;
    }
    keeper->room_unknown = false;
    metric_set(METRIC_DISK_FREE_BYTES, (int64_t)room.free_bytes);
    full = keeper_is_full(keeper, &room, settings, hint_at);
    if (full != keeper->full)
        keeper_tell_full(keeper, full, &room);
    pthread_mutex_lock(&keeper->lock);
    /* A write may have failed since the look began. */
    keeper_set_short(keeper, full || keeper->hint_at.ns != hint_at.ns);
    pthread_mutex_unlock(&keeper->lock);
}

/* ---- the thread: syncs and looks ------------------------------------------------------------ */

/* Returns how long it took, in milliseconds. */
static int64_t keeper_sync(struct keeper *keeper)
{
    struct tick began = io_clock_tick();
    int error = io_file_sync_all(keeper->directory_fd);
    int64_t took_ms = tick_diff_ms(io_clock_tick(), began);
    metric_add(METRIC_DISK_SYNCS, 1);
    if (error != 0)
        LOG_ERROR("disk", VIEW_NONE, "sync failed error=\"%s\"", strerror(error));
    return took_ms;
}

/* Sleeps, with the lock, until the moment, or until something is changed. */
static void keeper_wait(struct keeper *keeper, pthread_cond_t *changed, struct tick until)
{
    struct tick now = io_clock_tick();
    int64_t left_ns = tick_diff_ns(until, now);
    struct timespec at;
    if (left_ns <= 0)
        return;
    clock_gettime(CLOCK_MONOTONIC, &at);
    left_ns += at.tv_nsec;
    at.tv_sec += left_ns / NS_PER_S;
    at.tv_nsec = left_ns % NS_PER_S;
    (void)pthread_cond_timedwait(changed, &keeper->lock, &at);
}

static void *keeper_run(void *argument)
{
    struct keeper *keeper = argument;
    uint64_t synced = 0;
    int64_t took_ms = 0;
    struct tick sync_began = io_clock_tick();
    struct tick look_at = sync_began;
    (void)pthread_setname_np(pthread_self(), "disk");
    pthread_mutex_lock(&keeper->lock);
    while (!keeper->ending) {
        struct keeper_settings settings = keeper->settings;
        struct tick hint_at = keeper->hint_at;
        int64_t pause_ms = keeper_sync_pause_ms(settings.sync_interval_ms, took_ms);
        struct tick sync_at = tick_add_ms(sync_began, pause_ms);
        struct tick now = io_clock_tick();
        uint64_t written = atomic_load(keeper->config.written);
        pthread_mutex_unlock(&keeper->lock);
        if (tick_due(sync_at, now)) {
            sync_began = now;
            if (written != synced)
                took_ms = keeper_sync(keeper);
            synced = written;
            sync_at =
                tick_add_ms(sync_began, keeper_sync_pause_ms(settings.sync_interval_ms, took_ms));
        }
        if (tick_due(look_at, now)) {
            keeper_look(keeper, &settings, hint_at);
            if (keeper->config.doctor)
                doctor_sample(keeper->config.doctor, io_clock_wall());
            look_at = tick_add_ms(now, KEEPER_LOOK_MS);
        }
        metric_set(METRIC_RENDERS_WAITING, (int64_t)io_pool_busy(keeper->renders));
        pthread_mutex_lock(&keeper->lock);
        if (!keeper->ending)
            keeper_wait(keeper, &keeper->changed, tick_min(sync_at, look_at));
    }
    pthread_mutex_unlock(&keeper->lock);
    (void)keeper_sync(keeper);
    return NULL;
}

void keeper_disk_full(struct keeper *keeper, bool on)
{
    if (!on)
        return;
    pthread_mutex_lock(&keeper->lock);
    keeper->hint_at = io_clock_tick();
    keeper_set_short(keeper, true);
    pthread_mutex_unlock(&keeper->lock);
}

void keeper_configure(struct keeper *keeper, const struct keeper_settings *settings)
{
    pthread_mutex_lock(&keeper->lock);
    keeper->settings = *settings;
    pthread_cond_signal(&keeper->changed);
    pthread_mutex_unlock(&keeper->lock);
}

/* ---- renders -------------------------------------------------------------------------------- */

struct keeper_job {
    struct keeper *keeper;
    char directory[MEDIA_DIRECTORY_SIZE];
    size_t document_len;
    char document[];
};

static void keeper_render_now(void *context)
{
    struct keeper_job *job = context;
    struct keeper *keeper = job->keeper;
    struct keeper_settings settings;
    struct render_task task = {.program = keeper->config.render,
                               .root = keeper->config.root,
                               .directory = job->directory,
                               .document = view_of(job->document, job->document_len),
                               .catalog = keeper->config.catalog,
                               .cancel = &keeper->cancel};

    /* Audio can be made at any time, and where there is no room it would only fail. */
    pthread_mutex_lock(&keeper->lock);
    while (keeper->room_short && !keeper->ending &&
           !tick_due(tick_add_ms(keeper->short_since, KEEPER_ROOM_MS), io_clock_tick()))
        keeper_wait(keeper, &keeper->room, tick_add_ms(keeper->short_since, KEEPER_ROOM_MS));
    settings = keeper->settings;
    pthread_mutex_unlock(&keeper->lock);
    task.format = settings.format;
    if (!atomic_load(&keeper->cancel))
        render_run(&task);
    free(job);
}

void keeper_render(struct keeper *keeper, const struct uuid *id, const char *directory,
                   struct view document)
{
    struct keeper_job *job = malloc(sizeof *job + document.len);
    struct io_job posted = {.run = keeper_render_now, .context = job};
    if (job) {
        job->keeper = keeper;
        (void)view_copy(view_of_string(directory), job->directory, sizeof job->directory);
        job->document_len = document.len;
        memcpy(job->document, document.at, document.len);
        if (io_pool_post(keeper->renders, &posted))
            return;
        free(job);
    }
    /* Its document says "finishing", so the next start renders it. */
    LOG_ERROR("render", VIEW_NONE, "put off until the next start id=%s", id->s);
}

size_t keeper_renders(struct keeper *keeper)
{
    return io_pool_busy(keeper->renders);
}

/* ---- recovery ------------------------------------------------------------------------------- */

static void keeper_recovered(void *context, const struct recovery_found *found)
{
    keeper_render(context, &found->id, found->directory, found->document);
}

static void keeper_recover(void *context)
{
    struct keeper *keeper = context;
    struct recovery recovery = {.root = keeper->config.root,
                                .catalog = keeper->config.catalog,
                                .before = keeper->started_at,
                                .cancel = &keeper->cancel,
                                .render = keeper_recovered,
                                .context = keeper};
    recovery_run(&recovery);
}

/* ---- life ----------------------------------------------------------------------------------- */

static size_t keeper_render_threads(void)
{
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    if (cores < 2)
        return 1;
    return cores / 2 < KEEPER_RENDER_THREADS_MAX ? (size_t)cores / 2 : KEEPER_RENDER_THREADS_MAX;
}

static bool keeper_start(struct keeper *keeper)
{
    struct io_job recover = {.run = keeper_recover, .context = keeper};
    int error;
    keeper->directory_fd = open(keeper->config.root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (keeper->directory_fd < 0)
        return false;
    keeper->renders = io_pool_create("render", keeper_render_threads(), KEEPER_RENDERS_MAX, 0);
    keeper->recoveries = io_pool_create("recovery", 1, 1, 5);
    if (!keeper->renders || !keeper->recoveries)
        return false;
    error = pthread_create(&keeper->thread, NULL, keeper_run, keeper);
    if (error != 0) {
        errno = error;
        return false;
    }
    keeper->thread_runs = true;
    return io_pool_post(keeper->recoveries, &recover);
}

struct keeper *keeper_create(const struct keeper_config *config)
{
    struct keeper *keeper = calloc(1, sizeof *keeper);
    pthread_condattr_t attributes;
    int saved;
    if (!keeper)
        return NULL;
    keeper->config = *config;
    keeper->settings = config->settings;
    keeper->directory_fd = -1;
    keeper->hint_at = TICK_NEVER;
    keeper->started_at = io_clock_wall();
    pthread_mutex_init(&keeper->lock, NULL);
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&keeper->changed, &attributes);
    pthread_cond_init(&keeper->room, &attributes);
    pthread_condattr_destroy(&attributes);
    if (!keeper_start(keeper)) {
        saved = errno;
        keeper_destroy(keeper);
        errno = saved;
        return NULL;
    }
    return keeper;
}

void keeper_destroy(struct keeper *keeper)
{
    if (!keeper)
        return;
    atomic_store(&keeper->cancel, true);
    pthread_mutex_lock(&keeper->lock);
    keeper->ending = true;
    pthread_cond_signal(&keeper->changed);
    pthread_cond_broadcast(&keeper->room);
    pthread_mutex_unlock(&keeper->lock);
    io_pool_destroy(keeper->recoveries);
    if (keeper->thread_runs)
        pthread_join(keeper->thread, NULL);
    io_pool_destroy(keeper->renders);
    if (keeper->directory_fd >= 0)
        close(keeper->directory_fd);
    pthread_cond_destroy(&keeper->room);
    pthread_cond_destroy(&keeper->changed);
    pthread_mutex_destroy(&keeper->lock);
    free(keeper);
}
