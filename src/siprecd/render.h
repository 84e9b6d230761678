/* render: one recording's audio: siprecd-render run on its journal, the result into its document.
 * Not here: when and how many at once (keeper), decoding (siprecd-render itself).
 * RFC: none. */
#ifndef SIPRECD_RENDER_H
#define SIPRECD_RENDER_H

#include <stdatomic.h>

#include "base/view.h"
#include "catalog/catalog.h"

struct render_task {
    const char *program;   /* path of siprecd-render */
    const char *root;      /* recordings.directory */
    const char *directory; /* of the recording, below root */
    const char *format;    /* wav, flac, opus, mp3 */
    struct view document;  /* before */
    struct catalog *catalog;
    const atomic_bool *cancel; /* gives up soon after this becomes true, and changes nothing */
};

/* Blocks until it is rendered or has failed; either way the catalogue gets the document that says
 * so. The file audio.FORMAT appears only when it is whole and on the disk. */
void render_run(const struct render_task *task);

#endif
