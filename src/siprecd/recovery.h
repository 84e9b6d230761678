/* recovery: what an earlier run left unfinished is made whole: its journal is cut and marked, its
 * document rebuilt, its audio asked for.
 * Not here: what a journal says (journal, recorder).
 * draft-ietf-opsawg-pcapng. */
#ifndef SIPRECD_RECOVERY_H
#define SIPRECD_RECOVERY_H

#include <stdatomic.h>

#include "base/tick.h"
#include "base/uuid.h"
#include "catalog/catalog.h"

struct recovery_found {
    struct uuid id;
    const char *directory; /* below root */
    struct view document;  /* state "finishing" */
};

struct recovery {
    const char *root; /* recordings.directory */
    struct catalog *catalog;
    struct wall before;        /* only recordings begun before this */
    const atomic_bool *cancel; /* stops between two recordings */
    void (*render)(void *context, const struct recovery_found *found);
    void *context;
};

/* Walks all folders. May take long; runs beside new calls, whose journals it leaves alone: they are
 * locked. */
void recovery_run(const struct recovery *recovery);

#endif
