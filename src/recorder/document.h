/* document: the JSON document of a recording, as the API and recording.json have it.
 * Not here: when it is made (recorder.h), where it is kept (catalog).
 * RFC 8259, 3339. */
#ifndef RECORDER_DOCUMENT_H
#define RECORDER_DOCUMENT_H

#include "base/tick.h"

/* Puts what siprecd-render found into a recording's document: duration, channels, audio, digits,
 * losses by stream, warnings; the state becomes "finished". rendered: the one line of JSON that it
 * printed. Returns the new text, malloc'ed, for the caller to free; NULL when either text is no
 * such JSON or memory is short. */
WARN_UNUSED char *recorder_document_merge(struct view document, struct view rendered);

/* The same document, state "failed", with a warning "render-failed" and its reason: the journal is
 * whole, the audio is not. malloc'ed; NULL as above. */
WARN_UNUSED char *recorder_document_failed(struct view document, struct view reason,
                                           struct wall at);

#endif
