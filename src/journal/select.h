/* select: which of the journal's packets are the streams' own, those included that were held apart
 * at first. Not here: reading (reader.h), the rules that were applied while recording
 * (rtp/source.h). RFC: none. */
#ifndef JOURNAL_SELECT_H
#define JOURNAL_SELECT_H

#include "journal/reader.h"

/* While a newcomer was being watched its packets went to the apart interface; when it was accepted,
 * a "source" or "epoch" event says from which sequence number on they are the stream's after all.
 * Put every record in, take out the packets that make the audio. Holds views, so the bytes must
 * stay where they are. */
#define JOURNAL_SELECT_HELD 256

struct journal_select {
    struct journal_record held[JOURNAL_SELECT_HELD]; /* a ring of apart packets */
    uint32_t held_count, held_next;
    struct journal_record out[JOURNAL_SELECT_HELD + 1];
    uint32_t out_count, out_next;
};

void journal_select_init(struct journal_select *s);
void journal_select_put(struct journal_select *s, struct journal_reader *r,
                        const struct journal_record *record);
/* RTP records in the order of their arrival per source; their interface is the stream's media
 * interface, or the apart one that belongs to it: same stream. False when more records are needed.
 */
WARN_UNUSED bool journal_select_take(struct journal_select *s, struct journal_record *record);

#endif
