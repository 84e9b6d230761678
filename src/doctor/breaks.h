/* breaks: what a call's journal shows of media that stopped coming, or came again after a while:
 * when, and what the SRC, its host and our own side did from then on.
 * Not here: what follows from it (diagnosis.h), calls whose media never came (recorded.h).
 * RFC 3550 §6.3.1 (when a report is overdue), §6.4 (who sends which report). */
#ifndef DOCTOR_BREAKS_H
#define DOCTOR_BREAKS_H

#include "base/tick.h"
#include "doctor/diagnosis.h"

enum {
    DOCTOR_STOPPED_MS = 5000, /* shorter silence is a pause */
    DOCTOR_OVERDUE_MS = 8000, /* reports come every 6.2 s at the latest */
    DOCTOR_FLOWING_MS = 1000, /* so soon after a packet others are still to come */
    DOCTOR_SENT_LEAST = 10,   /* by the SRC's count, of what did not come: it goes on sending */
    DOCTOR_SENT_NOTHING = 2,  /* its count may be of a packet or two more than had come */
};

/* journal: the file as far as it is there. until: the end of the call, or now. For doctor_read_journal()
 * to have run before: of streams that have stopped it says what is so since then. */
void doctor_read_breaks(struct view journal, struct wall until, struct doctor_evidence *e);

#endif
