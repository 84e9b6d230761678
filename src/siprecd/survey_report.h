/* survey_report: what is known of our network, as GET /v1/nat tells it.
 * Not here: finding out (surveyor.h), HTTP (api/nat.c).
 * RFC 8259 (JSON), RFC 3339 (times). */
#ifndef SIPRECD_SURVEY_REPORT_H
#define SIPRECD_SURVEY_REPORT_H

#include "recorder/recorder.h"
#include "siprecd/surveyor.h"

/* What others than the surveyor know; borrowed. */
struct survey_sides {
    const struct recorder_usage *usage;
    const struct relay_report *const *relays; /* how each of workers finds the TURN servers; NULL in
                                                 there: not heard yet */
    size_t workers;
    const char *registrations;  /* a JSON array (outbound.h); NULL: memory is out */
    const struct addr *missing; /* what sip.listen, rtp.bind and http.listen name, and this
                                   host has not got */
    size_t missing_count;
};

/* malloc'ed; NULL when memory is out. */
char *survey_report_print(const struct surveyor_view *view, struct recorder_now now,
                          const struct survey_sides *sides);

#endif
