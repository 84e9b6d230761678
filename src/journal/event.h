/* event: what siprecd decided, as one line of JSON that stands as a comment in the journal. It is
 * written and read here.
 * Not here: where the comment stands (writer.h, reader.h).
 * RFC 8259. */
#ifndef JOURNAL_EVENT_H
#define JOURNAL_EVENT_H

#include "base/addr.h"
#include "base/tick.h"
#include "base/writer.h"

/* The name is the value of "siprecd" in the JSON; beside it the members that each usually has.
 * Times are RFC 3339. */
enum journal_event_kind {
    JOURNAL_EVENT_STARTED, /* "started": the recording began */
    JOURNAL_EVENT_PAUSE,   /* "pause" label mline why: packets are counted, not journaled, now on */
    JOURNAL_EVENT_RESUME,  /* "resume" label mline why */
    JOURNAL_EVENT_SOURCE,  /* "source" address ssrc from_seq why: the stream's address now */
    JOURNAL_EVENT_EPOCH, /* "epoch" address ssrc from_seq why: this SSRC is the stream's from now */
    JOURNAL_EVENT_FOREIGN,   /* "foreign" address ssrc: a second sender */
    JOURNAL_EVENT_SILENT,    /* "silent" after_ms: no packet came */
    JOURNAL_EVENT_DIGIT,     /* "digit" digit code duration_ms timestamp */
    JOURNAL_EVENT_WARNING,   /* "warning" code text */
    JOURNAL_EVENT_GAP,       /* "gap" from to why: nothing could be recorded */
    JOURNAL_EVENT_PATH,      /* "path": how media comes to us changed */
    JOURNAL_EVENT_STREAM,    /* "stream": a stream was added, removed or changed by an offer */
    JOURNAL_EVENT_RTCP_BYE,  /* "rtcp-bye" ssrc reason */
    JOURNAL_EVENT_METADATA,  /* "metadata": what is known beside the SIP messages */
    JOURNAL_EVENT_ENDED,     /* "ended" why: nothing follows */
    JOURNAL_EVENT_RECOVERED, /* "recovered" gap_from gap_to gap_ms: written after a crash */
    JOURNAL_EVENT_OTHER,     /* a name from a later version */
};

const char *journal_event_name(enum journal_event_kind kind);

/* Builds one line: begin, members, end. Into the caller's buffer; too small a buffer is told by an
 * empty result. */
struct journal_event {
    struct writer out;
};

/* A plain object, without "siprecd": for the "more" of writer.h. */
struct journal_event journal_object_begin(void *buffer, size_t size);
struct journal_event journal_event_begin(void *buffer, size_t size, enum journal_event_kind kind);
/* key is ours: no characters that JSON would escape. Bytes that are no UTF-8 become U+FFFD. */
void journal_event_put_text(struct journal_event *e, const char *key, struct view text);
void journal_event_put_number(struct journal_event *e, const char *key, int64_t number);
/* "ip:port"; null when unset. */
void journal_event_put_addr(struct journal_event *e, const char *key, const struct addr *address);
void journal_event_put_wall(struct journal_event *e, const char *key, struct wall time);
/* JSON as it is, an object for instance. */
void journal_event_put_json(struct journal_event *e, const char *key, struct view json);
/* Borrows the buffer; VIEW_NONE when it was too small. */
struct view journal_event_end(struct journal_event *e);

/* Reading. True when the comment is one of ours: an object whose first member is "siprecd". */
WARN_UNUSED bool journal_event_decode(struct view comment, enum journal_event_kind *kind);
/* The value of a member of the outermost object, as JSON text, borrowed;
 * false when there is none. */
WARN_UNUSED bool journal_event_find(struct view json, const char *key, struct view *value);
/* The same as what it is; false when there is none or it is something else. Text is cut to size,
 * always NUL-terminated. */
WARN_UNUSED bool journal_event_text(struct view json, const char *key, char *text, size_t size);
WARN_UNUSED bool journal_event_number(struct view json, const char *key, int64_t *number);
WARN_UNUSED bool journal_event_addr(struct view json, const char *key, struct addr *address);
WARN_UNUSED bool journal_event_wall(struct view json, const char *key, struct wall *time);

#endif
