/* story: one stream's path, relay and verdict: as it goes on in a call, and as a journal tells it.
 * Not here: deciding (way.c), the verdict's own words (nat/verdict.h), JSON around it (document.c).
 * RFC 8259 for the journal's line. */
#ifndef RECORDER_STORY_H
#define RECORDER_STORY_H

#include "journal/event.h"
#include "media/media.h"
#include "nat/verdict.h"

struct recorder_lease;

enum {
    RECORDER_PATH_SIZE = 16,
    /* A trail of 32 steps with IPv6 addresses fits, and in the journal it is one comment. */
    RECORDER_STORY_SIZE = 4096,
};

struct recorder_story {
    bool begun;
    char path[RECORDER_PATH_SIZE];
    const char *unexpected; /* the path's name if it is none and packets come all the same */
    char relay[160];        /* its JSON; empty: none */
    struct verdict verdict;
    struct addr first;         /* where its first packet came from; unset: none came */
    struct addr first_offered; /* what the SRC's SDP had said by then */
    enum path_code answered_with;
    unsigned used;  /* facts of the SRC's profile that the answer rests on (nat/srcs.h) */
    bool left;      /* the ladder gave that answer up */
    bool refuses;   /* the SRC answers our packets with ICMP */
    bool taught;    /* its lesson is learned */
    bool turned;    /* another way was offered: that its packets come from elsewhere is no news */
    uint32_t told;  /* what of it is in the journal: a number that changes with it */
    char *recalled; /* malloc'ed: the verdict as the journal has it; NULL: verdict is the truth */
};

void recorder_story_finish(struct recorder_story *story);

/* The answer goes out with this way. */
void recorder_story_begin(struct recorder_story *story, struct tick now,
                          const struct recorder_lease *lease);
/* Another way is offered: VERDICT_MIGRATED or VERDICT_RETRIED; VERDICT_RELAY_LOST for one that served
 * well until its relay was gone; or VERDICT_ADDRESS_CHANGED for the same way with a new address of
 * ours. */
void recorder_story_turn(struct recorder_story *story, struct tick now, enum verdict_event event,
                         const struct recorder_lease *lease);
/* ICE begins on the stream, or has ended. */
void recorder_story_ice(struct recorder_story *story, bool has_ice);
/* ICE chose: by this path, by its name; pair as verdict_ice_chose() has it. */
void recorder_story_ice_chose(struct recorder_story *story, struct tick at, const char *path,
                              const char *pair, const struct recorder_lease *lease,
                              const struct addr *peer);
/* It found nothing, or what it found is gone. */
void recorder_story_ice_lost(struct recorder_story *story, struct tick at, bool consent,
                             const struct addr *peer);
/* What media says. True when that changes what is told. */
bool recorder_story_media(struct recorder_story *story, const struct media_event *event);

/* A stream has ended that came by this path, by its name. */
void recorder_story_count(const char *path);

/* The verdict's JSON; empty when there is none. */
struct view recorder_story_print(const struct recorder_story *story,
                                 char text[RECORDER_STORY_SIZE]);
/* The journal's line for a stream whose story changed since the last; false: it did not. */
bool recorder_story_line(struct recorder_story *story, unsigned stream,
                         char text[RECORDER_STORY_SIZE], struct view *line);
/* Takes such a line in again. */
void recorder_story_recall(struct recorder_story *story, struct view line);

#endif
