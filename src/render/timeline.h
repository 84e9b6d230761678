/* timeline: the journal's times made to go on where our wall clock was set during the call, so that
 * a recording neither folds over itself nor becomes years long.
 * Not here: the senders' clocks (clock.h), the order of records (walk.h).
 * RFC: none. */
#ifndef RENDER_TIMELINE_H
#define RENDER_TIMELINE_H

#include "journal/reader.h"

/* The packets from one address to another arrive one after the other, so a time that goes back among
 * them tells that our clock was set. Among all records it tells nothing: after a worker stood still,
 * what waited in the sockets of several streams stands in the journal one socket after the other. */
struct render_timeline_flow {
    bool used;
    uint32_t interface;
    struct addr source, destination;
    struct wall last; /* the latest, corrected */
};

#define RENDER_TIMELINE_FLOWS 64

struct render_timeline {
    struct wall latest;      /* of all records so far, corrected */
    int64_t shift_ns;        /* added to the journal's times, since our clock was set */
    uint64_t set_back_ns;    /* it was set back by so much on the way */
    uint64_t set_forward_ns; /* and forward */
    struct render_timeline_flow flows[RENDER_TIMELINE_FLOWS];
};

/* An all-zero struct is a timeline before its first record. Corrects the time of the record, the
 * next one of the journal. */
void render_timeline_correct(struct render_timeline *timeline, struct journal_record *record);

#endif
