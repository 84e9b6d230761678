/* recorded: what a call's journal shows of its SRC: where it called from, its own reports, its
 * clocks, second senders.
 * Not here: the recording's document (evidence.h).
 * RFC 3550 §6.4.1 (sender reports), §5.1 (timestamps). */
#ifndef DOCTOR_RECORDED_H
#define DOCTOR_RECORDED_H

#include "doctor/diagnosis.h"

enum { DOCTOR_DRIFT_LEAST_MS = 15000 }; /* shorter talk tells nothing about a clock */

/* Fills in what the streams' RTCP and packets tell; streams are counted as the document does.
 * journal: the file as far as it is there. */
void doctor_read_journal(struct view journal, struct doctor_evidence *e);

#endif
