/* rebuild: a recording's document out of nothing but its journal, by the code that made it live.
 * Not here: finding unfinished journals and closing them (io, journal/recover.h).
 * RFC 7866. */
#ifndef RECORDER_REBUILD_H
#define RECORDER_REBUILD_H

#include "base/uuid.h"
#include "media/media.h"

struct recorder_rebuilt {
    struct uuid id;
    char directory[MEDIA_DIRECTORY_SIZE]; /* below recordings.directory */
    bool ended;     /* the journal had been closed: state "finishing", render it */
    char *document; /* malloc'ed JSON: recovered true unless ended; a warning states the gap */
    char *metadata; /* malloc'ed, the last metadata as received; NULL: none */
    size_t metadata_len;
};

/* Reads a whole journal. now: when the recovery happens, the end of the gap. False when it is no
 * journal of ours or memory is short; nothing to finish then. */
WARN_UNUSED bool recorder_rebuild(struct view journal, struct wall now,
                                  struct recorder_rebuilt *out);
void recorder_rebuilt_finish(struct recorder_rebuilt *rebuilt);

#endif
