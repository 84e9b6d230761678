/* document: the JSON document of a recording, as the API and recording.json have it.
 * Not here: when it is made (recorder.h), where it is kept (catalog).
 * RFC 8259, 3339. */
#ifndef RECORDER_DOCUMENT_H
#define RECORDER_DOCUMENT_H

#include "base/tick.h"

struct recorder_record;

/* All texts are malloc'ed and the caller's to free; NULL when memory is short. */

/* The document of a recording as it stands. */
WARN_UNUSED char *recorder_document_print(const struct recorder_record *record);

/* Several documents as one JSON array. */
struct recorder_documents {
    void *array;
};
void recorder_documents_begin(struct recorder_documents *all);
void recorder_documents_add(struct recorder_documents *all, const struct recorder_record *record);
WARN_UNUSED char *recorder_documents_end(struct recorder_documents *all);

/* Puts what siprecd-render found into a recording's document: duration, channels, audio, digits,
 * losses by stream, warnings; the state becomes "finished". rendered: the one line of JSON that
 * siprecd-render printed. NULL also when either text is no such JSON. */
WARN_UNUSED char *recorder_document_merge(struct view document, struct view rendered);

/* The same document, finished without audio: a warning "render-failed" says why (text for people).
 * The journal is whole, and a later render may do better. */
WARN_UNUSED char *recorder_document_failed(struct view document, struct view reason,
                                           struct wall at);

#endif
