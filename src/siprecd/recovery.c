/* recovery: what an earlier run left unfinished is made whole: its journal is cut and marked, its
 * document rebuilt, its audio asked for.
 * Not here: what a journal says (journal, recorder).
 * draft-ietf-opsawg-pcapng. */
#include "siprecd/recovery.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/metrics.h"
#include "catalog/files.h"
#include "io/clock.h"
#include "io/file.h"
#include "journal/recover.h"
#include "journal/writer.h"
#include "recorder/document.h"
#include "recorder/rebuild.h"

enum { RECOVERY_DOCUMENT_MAX = 64 * 1024 * 1024 };

/* What recording.json says of itself. */
enum recovery_state { RECOVERY_NONE, RECOVERY_UNFINISHED, RECOVERY_DONE };

static enum recovery_state recovery_state_of(const struct recovery *recovery, const char *directory,
                                             struct view *document)
{
    json_t *json;
    const char *state;
    enum recovery_state result = RECOVERY_UNFINISHED;

    *document = VIEW_NONE;
    if (catalog_files_read(recovery->root, directory, CATALOG_FILES_DOCUMENT, RECOVERY_DOCUMENT_MAX,
                           document) != 0)
        return RECOVERY_NONE;
    json = json_loadb(document->at, document->len, 0, NULL);
    state = json_string_value(json_object_get(json, "state"));
    if (state && (strcmp(state, "finished") == 0 || strcmp(state, "failed") == 0))
        result = RECOVERY_DONE;
    json_decref(json);
    return result;
}

static bool recovery_write_at(int fd, const void *bytes, size_t len, uint64_t offset)
{
    return pwrite(fd, bytes, len, (off_t)offset) == (ssize_t)len;
}

/* Turns damage in the middle into blocks that readers skip, and cuts what was half written. */
static bool recovery_mend(int fd, const struct journal_recovery *found)
{
    for (size_t i = 0; i < found->damages; i++) {
        const struct journal_damage *damage = &found->damage[i];
        struct journal_patch patch = journal_patch(damage);
        if (!recovery_write_at(fd, patch.head, sizeof patch.head, damage->offset) ||
            !recovery_write_at(fd, patch.tail, sizeof patch.tail,
                               damage->offset + damage->length - sizeof patch.tail))
            return false;
    }
    return ftruncate(fd, (off_t)found->length) == 0;
}

/* Appends the line that states the gap. It stands at the time of the last record: the recording
 * ended there, however long nobody started us again. */
static bool recovery_mark(int fd, const struct journal_recovery *found, struct wall now)
{
    struct wall at = found->last.ns != 0 ? found->last : now;
    struct journal_writer writer;
    char buffer[JOURNAL_BUFFER_MIN];
    char line[256];
    struct view event = journal_recover_event(found, now, line, sizeof line);
    struct view block;
    journal_writer_resume(&writer, buffer, sizeof buffer, found->interfaces);
    if (event.len == 0 || !journal_writer_event(&writer, JOURNAL_INTERFACE_SIP, at, event))
        return false;
    block = journal_writer_pending(&writer);
    return recovery_write_at(fd, block.at, block.len, found->length) && fdatasync(fd) == 0;
}

/* Maps the journal, mends the file and marks it; false when it is none of ours, or the disk
 * refuses. */
static bool recovery_close_journal(int fd, const char *path, struct wall now)
{
    struct view bytes;
    struct journal_recovery found;
    bool ok;
    if (io_file_map(path, &bytes) != 0)
        return false;
    journal_recover(bytes, &found, NULL, 0);
    io_file_unmap(bytes);
    ok = found.usable && !found.failed;
    if (ok && !recovery_mend(fd, &found))
        ok = false;
    if (ok && !found.ended && !found.recovered_before && !recovery_mark(fd, &found, now))
        ok = false;
    if (ok && found.damaged_bytes > 0)
        LOG_WARN("recovery", VIEW_NONE, "damaged bytes=%llu journal=%s",
                 (unsigned long long)found.damaged_bytes, path);
    return ok;
}

/* The document from the journal into the catalogue, the audio asked for. */
static bool recovery_rebuild(const struct recovery *recovery, const char *directory,
                             const char *path, struct wall now)
{
    struct view bytes;
    struct recorder_rebuilt rebuilt;
    struct recovery_found found = {.directory = directory};
    bool ok;
    if (io_file_map(path, &bytes) != 0)
        return false;
    ok = recorder_rebuild(bytes, now, &rebuilt);
    io_file_unmap(bytes);
    if (!ok)
        return false;
    found.id = rebuilt.id;
    found.document = view_of_string(rebuilt.document);
    ok = catalog_put(recovery->catalog, found.document,
                     view_of(rebuilt.metadata, rebuilt.metadata_len)) == 0;
    if (ok) {
        metric_add(METRIC_RECORDINGS_RECOVERED, 1);
        LOG_INFO("recovery", VIEW_NONE, "recovered id=%s ended=%s", rebuilt.id.s,
                 rebuilt.ended ? "true" : "false");
        recovery->render(recovery->context, &found);
    }
    recorder_rebuilt_finish(&rebuilt);
    return ok;
}

/* Nothing can be made of the journal: the document, if there is one, says so. */
static void recovery_give_up(const struct recovery *recovery, const char *directory,
                             struct view document, struct wall now)
{
    char *failed = NULL;
    LOG_ERROR("recovery", VIEW_NONE, "no usable journal directory=%s", directory);
    if (document.len > 0)
        failed = recorder_document_failed(document,
                                          VIEW_LIT("the journal is missing or not usable"), now);
    if (failed && catalog_put(recovery->catalog, view_of_string(failed), VIEW_NONE) != 0)
        LOG_ERROR("recovery", VIEW_NONE, "document not taken by the catalogue directory=%s",
                  directory);
    free(failed);
}

static void recovery_one(const struct recovery *recovery, const char *directory)
{
    char path[PATH_MAX];
    struct view document;
    struct wall now = io_clock_wall();
    int fd;
    int len = snprintf(path, sizeof path, "%s/%s/journal.pcapng", recovery->root, directory);
    if (len < 0 || (size_t)len >= sizeof path ||
        recovery_state_of(recovery, directory, &document) == RECOVERY_DONE) {
        free((void *)(uintptr_t)document.at);
        return;
    }
    fd = io_file_lock(path);
    if (fd < 0 && errno == EWOULDBLOCK) {
        free((void *)(uintptr_t)document.at); /* a call going on */
        return;
    }
    if (fd < 0 || !recovery_close_journal(fd, path, now) ||
        !recovery_rebuild(recovery, directory, path, now))
        recovery_give_up(recovery, directory, document, now);
    if (fd >= 0)
        close(fd);
    free((void *)(uintptr_t)document.at);
}

void recovery_run(const struct recovery *recovery)
{
    struct catalog_scan *scan = catalog_scan_create(recovery->root);
    const char *directory;
    if (!scan) {
        LOG_ERROR("recovery", VIEW_NONE, "cannot look for unfinished recordings error=\"%s\"",
                  strerror(errno));
        return;
    }
    while (!atomic_load(recovery->cancel) && (directory = catalog_scan_next(scan)) != NULL) {
        struct uuid id;
        const char *name = strrchr(directory, '/');
        if (!name || !uuid_parse(view_of_string(name + 1), &id))
            continue;
        if (uuid_time(&id).ns < recovery->before.ns)
            recovery_one(recovery, directory);
    }
    catalog_scan_destroy(scan);
}
