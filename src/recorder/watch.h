/* watch: is the SRC of a call there still? It is as long as its media or its SIP comes; after that it is
 * asked.
 * Not here: streams that are silent while others are not (media, move.c); how a call ends (recorder.c).
 * RFC 3261 §11.2, 12.2.1.2. */
#ifndef RECORDER_WATCH_H
#define RECORDER_WATCH_H

#include "recorder/recorder.h"

struct recorder_call;
struct sip_event;

struct recorder_watch {
    struct tick heard_at; /* its ACK, at first */
    uint64_t packets;     /* of all streams, as counted last */
    uint64_t request;     /* our OPTIONS that is out; 0: none */
    struct tick ask_at;   /* again; after one that was not answered */
    unsigned missed;
};

enum {
    RECORDER_WATCH_MS = 60000, /* without a sign: it is asked */
    RECORDER_WATCH_HELD_MS =
        3600000, /* on hold nothing is due, and a dead connection hurts nobody */
    RECORDER_WATCH_AGAIN_MS = 20000,
    RECORDER_WATCH_MISSES = 3, /* then it is gone */
};

/* Something of its SIP came. */
void recorder_watch_hear(struct recorder_call *call, struct tick now);
/* Media has counted. */
void recorder_watch_count(struct recorder_call *call, struct tick now);
struct tick recorder_watch_deadline(const struct recorder_call *call); /* TICK_NEVER if none */
void recorder_watch_expire(struct recorder *recorder, struct recorder_call *call,
                           struct recorder_now now);
/* True when it was the answer to what was asked; *gone: there has been none too often. */
bool recorder_watch_response(struct recorder_call *call, struct tick now,
                             const struct sip_event *event, bool *gone);

#endif
