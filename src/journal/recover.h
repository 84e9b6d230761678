/* recover: what a journal that was not closed still holds, and how to make it whole.
 * Not here: cutting and patching the file (io), rebuilding the recording (recorder).
 * draft-ietf-opsawg-pcapng. */
#ifndef JOURNAL_RECOVER_H
#define JOURNAL_RECOVER_H

#include "base/tick.h"
#include "base/view.h"

#define JOURNAL_DAMAGE_MAX 64

struct journal_damage {
    uint64_t offset, length;
};

/* First and last packet of one interface; zero when it has none. */
struct journal_span {
    struct wall first, last;
    uint64_t packets;
};

struct journal_recovery {
    bool usable;           /* begins with a section header */
    bool ended;            /* an "ended" event is there: nothing to recover but what damaged says */
    bool recovered_before; /* a "recovered" event is there */
    uint64_t length;       /* cut the file to this many bytes */
    uint64_t records;
    uint32_t interfaces;     /* for journal_writer_resume() */
    struct wall first, last; /* of all records; zero when there is none */
    struct wall ended_at;
    /* Damage in the middle (pages that a power cut lost): overwrite each with journal_patch(), so
     * that every pcapng reader can go on behind it. */
    size_t damages;
    struct journal_damage damage[JOURNAL_DAMAGE_MAX];
    uint64_t damaged_bytes; /* all of them, also beyond the list */
    bool failed;            /* memory ran out: nothing above is right */
};

/* Reads the whole file; spans (may be NULL) gets an entry for each interface below n_spans. */
void journal_recover(struct view file, struct journal_recovery *recovery,
                     struct journal_span *spans, size_t n_spans);
/* Head and tail that turn damaged bytes into one block that readers skip: write head at offset,
 * tail at offset + length - 4. */
struct journal_patch {
    uint8_t head[8];
    uint8_t tail[4];
};
struct journal_patch journal_patch(const struct journal_damage *damage);

/* The line to append after a crash:
 * {"siprecd":"recovered","gap_from":...,"gap_to":...,"gap_ms":...}: what came between the last
 * record and now is missing. Empty when the buffer (256 bytes are enough) is too small. */
struct view journal_recover_event(const struct journal_recovery *recovery, struct wall now,
                                  void *buffer, size_t size);

#endif
