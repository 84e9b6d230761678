/* evidence: what the API's own documents tell the doctor: a recording, and the network as
 * GET /v1/nat has it; and the answer as JSON.
 * Not here: the rules (diagnosis.h), journals (recorded.h).
 * RFC 8259. */
#ifndef DOCTOR_EVIDENCE_H
#define DOCTOR_EVIDENCE_H

#include "doctor/diagnosis.h"

/* Each text is a JSON object of the API's, or anything: what it does not tell stays unknown. Sets
 * has_call, the streams, and what the verdicts and warnings show. */
void doctor_read_recording(const char *text, struct doctor_evidence *e);
/* The network: our side of the evidence. */
void doctor_read_network(const char *text, struct doctor_evidence *e);
/* After these: streams that were answered with the settings' address first, and otherwise when nothing came there, stand
 * for what was wrong with that. Before this silent_ms is known: what has stopped stays what it is. */
void doctor_take_detours(struct doctor_evidence *e);

/* {"call_id","healthy","verdict","findings":[{"cause","certainty","stream","streams","text",
 * "cure","command"}],"decide","decide_by","evidence":{...}}; malloc'ed, NULL when memory is out. call_id NULL: of no call. */
char *doctor_print_report(const struct doctor_evidence *e, const struct doctor_diagnosis *d,
                          const char *call_id);

#endif
