/* reader: a journal's bytes as records: SIP messages, packets, events, interfaces. On whole files
 * and growing ones.
 * Not here: files, what to do after a crash (recover.h), which packets make the audio (select.h).
 * draft-ietf-opsawg-pcapng. Reads also what other tools rewrote (either byte order, any time
 * resolution). */
#ifndef JOURNAL_READER_H
#define JOURNAL_READER_H

#include "base/addr.h"
#include "base/tick.h"
#include "journal/event.h"
#include "journal/writer.h"

enum journal_record_kind {
    JOURNAL_RECORD_SECTION,   /* comment: the head's JSON, with "id", "call_id" */
    JOURNAL_RECORD_INTERFACE, /* journal_reader_interface() knows it now */
    JOURNAL_RECORD_SIP,       /* payload: one whole SIP message */
    JOURNAL_RECORD_RTP,
    JOURNAL_RECORD_RTCP,
    JOURNAL_RECORD_EVENT,  /* nothing but a comment */
    JOURNAL_RECORD_DAMAGE, /* damaged bytes at offset were skipped: length of them */
    JOURNAL_RECORD_OTHER,  /* a packet or block that is not ours */
};

/* Views are borrowed from the bytes fed (SIP messages of several segments: from the reader, until
 * the next call). */
struct journal_record {
    enum journal_record_kind kind;
    uint64_t offset; /* of its (last) block in the file */
    uint64_t length; /* of that block, or of the damage */
    uint32_t interface;
    enum journal_role role; /* of that interface */
    uint32_t stream;        /* of that interface, when its role is not SIP */
    struct wall time;
    struct addr source, destination;
    bool tcp;
    bool truncated; /* a SIP message whose segments are not all there */
    struct view payload;
    struct view comment;           /* ours, or empty; may stand on any kind of packet */
    enum journal_event_kind event; /* of the comment, when there is one */
};

struct journal_reader;

/* NULL when memory is out. */
WARN_UNUSED struct journal_reader *journal_reader_create(void);
void journal_reader_destroy(struct journal_reader *r);
/* The file as far as it is there: whole from offset 0, borrowed until the next feed. Again when it
 * has grown, with the same beginning, maybe elsewhere in memory. final: it will not grow any more,
 * so damage at the end is told from a tail still being written. */
void journal_reader_feed(struct journal_reader *r, struct view file, bool final);
/* The next record; false where no further whole block is (yet). */
WARN_UNUSED bool journal_reader_next(struct journal_reader *r, struct journal_record *record);
/* Where reading stopped: the end of the last whole block so far, and of damage skipped. */
uint64_t journal_reader_offset(const struct journal_reader *r);

/* Interfaces seen so far in this section. Views are borrowed from the bytes fed. NULL:
 * no such one. */
uint32_t journal_reader_interfaces(const struct journal_reader *r);
const struct journal_interface *journal_reader_interface(struct journal_reader *r, uint32_t number);

#endif
