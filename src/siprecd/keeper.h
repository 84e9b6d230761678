/* keeper: what happens to recordings on the disk beside writing them: syncing, watching the room,
 * rendering, recovering.
 * Not here: journals of calls going on (worker), retention (catalog).
 * RFC: none. */
#ifndef SIPRECD_KEEPER_H
#define SIPRECD_KEEPER_H

#include "base/uuid.h"
#include "catalog/catalog.h"
#include "io/mailbox.h"
#include "siprecd/values.h"

struct keeper;
struct doctor;

/* What SIGHUP may change. */
struct keeper_settings {
    char format[8];
    int64_t sync_interval_ms;
    struct values_space min_free;
};

struct keeper_config {
    struct keeper_settings settings;
    const char *root;              /* recordings.directory; borrowed, as all that follows */
    const char *render;            /* path of siprecd-render */
    struct io_mailbox *signalling; /* told of a full disk, and of room again */
    struct catalog *catalog;
    _Atomic uint64_t *written; /* bytes that workers have written */
    struct doctor *doctor;     /* is told of the time: doctor_sample(); NULL: nobody */
};

/* Starts its threads; at once looks at the disk, and recovers in the background what earlier runs
 * left unfinished. NULL with errno set. */
struct keeper *keeper_create(const struct keeper_config *config);

/* Ends its threads: what is not rendered then is at the next start. NULL is harmless. */
void keeper_destroy(struct keeper *keeper);

void keeper_configure(struct keeper *keeper, const struct keeper_settings *settings);

/* A write failed for lack of room (on), so that the room is watched for its return. Any thread. */
void keeper_disk_full(struct keeper *keeper, bool on);

/* Renders the recording in directory (below root) in its turn and puts the result into its
 * document, a copy of which is kept. Any thread. */
void keeper_render(struct keeper *keeper, const struct uuid *id, const char *directory,
                   struct view document);

/* Renders waiting or running. */
size_t keeper_renders(struct keeper *keeper);

#endif
