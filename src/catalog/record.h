/* record: what the catalogue knows about one recording: its JSON document and the columns drawn
 * from it.
 * Not here: the database (store.h), the recording's folder (files.h), who makes the document
 * (recorder).
 * RFC 8259 (JSON), RFC 3339 (times). */
#ifndef CATALOG_RECORD_H
#define CATALOG_RECORD_H

#include "base/tick.h"
#include "base/uuid.h"

enum catalog_state {
    CATALOG_ACTIVE,
    CATALOG_FINISHING,
    CATALOG_FINISHED,
    CATALOG_FAILED,
};

const char *catalog_state_name(enum catalog_state state);
WARN_UNUSED bool catalog_state_parse(struct view name, enum catalog_state *out);

/* "2026/03/01/<uuid>" and a NUL. */
#define CATALOG_DIRECTORY_SIZE 48

struct catalog_record {
    struct uuid id;
    char *call_id; /* owned; any length */
    enum catalog_state state;
    bool recovered;
    int64_t started_ms;  /* Unix time */
    int64_t ended_ms;    /* Unix time, -1 while it goes on */
    int64_t duration_ms; /* -1 when the document does not say */
    /* Where its files are, below the recordings directory: the UTC date it started, and its id. */
    char directory[CATALOG_DIRECTORY_SIZE];
    char *document; /* owned, NUL-terminated JSON text */
    size_t document_len;
};

/* Reads a recording's document (DESIGN.md, the recording object of GET /v1/recordings) and copies
 * it. False, *out zeroed and *why set to a static reason, when it is no such document; else the
 * caller owns *out and ends it with catalog_record_finish. */
WARN_UNUSED bool catalog_record_parse(struct view document, struct catalog_record *out,
                                      const char **why);
/* Frees what parse allocated; a zeroed record is fine. */
void catalog_record_finish(struct catalog_record *record);

/* The folder of a recording, below the recordings directory. */
void catalog_record_directory(struct wall started, const struct uuid *id,
                              char out[CATALOG_DIRECTORY_SIZE]);

#endif
