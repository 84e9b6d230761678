/* select: which of the journal's packets are the streams' own, those included that were held apart
 * at first.
 * Not here: reading (reader.h), the rules that were applied while recording (rtp/source.h).
 * RFC: none. */
#ifndef JOURNAL_SELECT_H
#define JOURNAL_SELECT_H

#include "journal/reader.h"

/* While a newcomer was being watched its packets went to the apart interface; when it was accepted,
 * a "source" or "epoch" event says from which sequence number on they are the stream's after all.
 * Put every record in, and after each take out what makes the audio. Holds views into the file,
 * which must stay where it is. */
#define JOURNAL_SELECT_HELD 1024

struct journal_select {
    struct journal_record
        held[JOURNAL_SELECT_HELD]; /* a ring of apart packets, newest before next */
    size_t held_next;
    struct journal_record out[JOURNAL_SELECT_HELD + 1];
    size_t out_count, out_next;
};

/* All zero is ready too. */
void journal_select_init(struct journal_select *s);
/* Everything that was to be taken must have been. */
void journal_select_put(struct journal_select *s, const struct journal_record *record);
/* An RTP packet that is its stream's (record->stream); those held come late but in order. False
 * when more records are needed. */
WARN_UNUSED bool journal_select_take(struct journal_select *s, struct journal_record *record);

#endif
