/* learn: what is known of SRCs by their earlier calls, and what this call teaches.
 * Not here: what follows from it (nat/srcs.h), where it is kept (catalog).
 * RFC: none. */
#ifndef RECORDER_LEARN_H
#define RECORDER_LEARN_H

#include "base/list.h"
#include "base/map.h"
#include "nat/srcs.h"
#include "recorder/recorder.h"

struct recorder_call;
struct recorder_stream;

enum { RECORDER_SRCS_MAX = 4096 }; /* the one unused for longest goes */

struct recorder_src {
    struct map_node node; /* by key */
    struct list link;     /* the one used last is the last */
    struct uuid id;
    char key[SRC_KEY_SIZE];
    struct src_profile profile;
};

struct recorder_srcs {
    struct map by_key;
    struct list used;
    uint32_t count;
};

WARN_UNUSED bool recorder_srcs_init(struct recorder_srcs *srcs, struct rng *rng);
void recorder_srcs_finish(struct recorder_srcs *srcs);

/* Whose call it is: fills in its key, and what earlier calls taught. Before anything is chosen. */
void recorder_learn_begin(struct recorder *recorder, struct recorder_call *call, struct wall now);
/* A stream has had good RTP for a while, or is over. Teaches once a stream. */
void recorder_learn_stream(struct recorder *recorder, struct recorder_call *call, unsigned stream,
                           struct wall now, bool over);

#endif
