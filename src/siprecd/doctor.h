/* doctor: answers GET /v1/doctor: gathers the evidence that lies in files, kernel counters and
 * memory, looks from outside, and lets the rules judge.
 * Not here: the rules (doctor/diagnosis.h), the route (api/doctor.c).
 * RFC: none. */
#ifndef SIPRECD_DOCTOR_H
#define SIPRECD_DOCTOR_H

#include "api/api.h"
#include "siprecd/mail.h"

struct doctor;

/* root: recordings.directory. NULL when memory is out. */
struct doctor *doctor_create(const char *root, uint16_t port_min, uint16_t port_max,
                             uint16_t sip_port);
void doctor_destroy(struct doctor *doctor); /* NULL is fine */

/* Once a second or so: the kernel's counters are remembered for an hour, so that a call's share of
 * them can be told. Any thread, as all that follows. */
void doctor_sample(struct doctor *doctor, struct wall now);
/* The network has changed: what is in it serves to look from outside. Copied. */
void doctor_know(struct doctor *doctor, const struct worker_network *network);

/* For api_options: JSON, malloc'ed; NULL when memory is out. Takes up to some seconds. */
char *doctor_examine(void *doctor, const struct api_question *question);

#endif
