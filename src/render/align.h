/* align: brings the streams of one sender together by its sender reports, which tell what arrival
 * times cannot: that one stream travelled longer than the other.
 * Not here: each stream's own clock (clock.h).
 * RFC 3550 §6.4.1 (SR), §6.5.1 (CNAME: streams of one clock). */
#ifndef RENDER_ALIGN_H
#define RENDER_ALIGN_H

#include "render/survey.h"

/* Shifts the clocks of sources whose reports agree with each other and with arrival; the others
 * stay where arrival put them. Returns how many reports were not to be believed: sources that have
 * some, share a CNAME with others, and lie too far off. */
unsigned render_align(struct render_survey *survey);

#endif
