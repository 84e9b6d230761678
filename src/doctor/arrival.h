/* arrival: why no call came to be: no SIP, an INVITE that was cut, lost in pieces or refused, no room on
 * the disk.
 * Not here: why a call has no media (diagnosis.h).
 * RFC 3261 §18.1.1 for datagrams that are too long. Pure. */
#ifndef DOCTOR_ARRIVAL_H
#define DOCTOR_ARRIVAL_H

#include "doctor/diagnosis.h"

enum { DOCTOR_ARRIVAL = 6 };

/* Returns how many were found, each of the call as a whole. */
size_t doctor_judge_arrival(const struct doctor_evidence *e,
                            struct doctor_finding found[DOCTOR_ARRIVAL]);

#endif
