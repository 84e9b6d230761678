/* show: answers as tables of at most 100 columns. What came from callers is printed without control
 * characters, so that a name cannot command the terminal.
 * Not here: asking.
 * RFC: none. */
#ifndef SIPRECCTL_SHOW_H
#define SIPRECCTL_SHOW_H

#include <jansson.h>
#include <stdio.h>

#include "base/tick.h"

/* recordings: an array of the API's recording objects. */
void ctl_show_recordings(FILE *out, const json_t *recordings);
void ctl_show_recording(FILE *out, const json_t *recording);
/* now: for how long each has been going on. */
void ctl_show_sessions(FILE *out, const json_t *sessions, struct wall now);

/* srcs: an array of the API's SRC profiles. */
void ctl_show_srcs(FILE *out, const json_t *srcs);

/* For programs, all in ASCII: what a terminal gets to see of it commands nothing either. */
void ctl_show_json(FILE *out, const json_t *json);

/* Without what could command the terminal. */
void ctl_show_text(FILE *out, const char *text);

/* The first columns characters of a UTF-8 text, padded to as many; cut ones end in "~". */
void ctl_show_cell(FILE *out, const char *text, size_t columns);

#endif
