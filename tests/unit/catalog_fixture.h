/* catalog_fixture: a temporary recordings directory and documents for it.
 * Not here: checks. */
#ifndef TESTS_CATALOG_FIXTURE_H
#define TESTS_CATALOG_FIXTURE_H

#include <dirent.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

#include "catalog/record.h"
#include "tap.h"

static char fixture_root[64];

static inline void fixture_begin(void)
{
    snprintf(fixture_root, sizeof fixture_root, "/tmp/siprecd-test-XXXXXX");
    if (!mkdtemp(fixture_root))
        abort();
}

static inline int fixture_remove(const char *path, const struct stat *status, int kind,
                                 struct FTW *walk)
{
    (void)status;
    (void)kind;
    (void)walk;
    return remove(path);
}

static inline void fixture_end(void)
{
    nftw(fixture_root, fixture_remove, 16, FTW_DEPTH | FTW_PHYS);
}

/* The nth id: made at 2026-03-01T12:00:00Z + n seconds. */
static inline struct uuid fixture_id(unsigned n)
{
    struct uuid id;
    struct wall at;
    char text[40];
    if (!wall_parse(VIEW_LIT("2026-03-01T12:00:00Z"), &at))
        abort();
    uint64_t ms = (uint64_t)(at.ns / NS_PER_MS) + (uint64_t)n * 1000;
    snprintf(text, sizeof text, "%08x-%04x-7000-8000-%012x", (unsigned)(ms >> 16),
             (unsigned)(ms & 0xffff), n);
    if (!uuid_parse(view_of_string(text), &id))
        abort();
    return id;
}

static char fixture_text[1024];

static inline struct view fixture_document(unsigned n, const char *call_id, const char *state)
{
    struct uuid id = fixture_id(n);
    struct wall_text started = wall_print(uuid_time(&id));
    struct wall_text ended = wall_print(wall_add_ms(uuid_time(&id), 500));
    bool over = strcmp(state, "finished") == 0 || strcmp(state, "failed") == 0;
    snprintf(fixture_text, sizeof fixture_text,
             "{\"id\":\"%s\",\"call_id\":\"%s\",\"state\":\"%s\",\"recovered\":false,"
             "\"started_at\":\"%s\",\"ended_at\":%s%s%s,\"duration_ms\":%s,\"participants\":[],"
             "\"streams\":[],\"warnings\":[]}",
             id.s, call_id, state, started.s, over ? "\"" : "", over ? ended.s : "null",
             over ? "\"" : "", over ? "500" : "null");
    return view_of_string(fixture_text);
}

static inline struct catalog_record fixture_record(unsigned n, const char *call_id,
                                                   const char *state)
{
    struct catalog_record record;
    const char *why;
    if (!catalog_record_parse(fixture_document(n, call_id, state), &record, &why)) {
        printf("# %s\n", why);
        abort();
    }
    return record;
}

#endif
