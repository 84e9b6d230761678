/* script: what a call does after it is answered, read from a text: one step a line.
 * Not here: doing it (steps.c).
 * RFC: none. The format is in siprec-call(1). */
#ifndef TOOLS_SIPREC_CALL_SCRIPT_H
#define TOOLS_SIPREC_CALL_SCRIPT_H

#include "base/view.h"

enum call_verb {
    CALL_WAIT,     /* wait 2s | 250ms */
    CALL_HOLD,     /* hold [STREAM] [inactive|zero|metadata|leak] */
    CALL_RESUME,   /* resume [STREAM] */
    CALL_TRANSFER, /* transfer [STREAM] [reinvite|update] */
    CALL_JOIN,     /* join [STREAM]: one more party on a stream */
    CALL_ADD,      /* add */
    CALL_REMOVE,   /* remove [STREAM] */
    CALL_REORDER,  /* reorder */
    CALL_REINVITE, /* reinvite [both|sdp|metadata|partial|none] */
    CALL_UPDATE,   /* update [metadata|sdp|both|partial|none] */
    CALL_INFO,     /* info [metadata|none] */
    CALL_OPTIONS,  /* options */
    CALL_CANCEL,   /* cancel: only as the first step */
    CALL_DTMF,     /* dtmf [STREAM] DIGITS */
    CALL_SILENCE,  /* silence [STREAM]: coded silence */
    CALL_DTX,      /* dtx [STREAM]: comfort noise once, then nothing */
    CALL_MUTE,     /* mute [STREAM]: nothing at all, unannounced */
    CALL_TALK,     /* talk [STREAM]: the sound again */
    CALL_SSRC,     /* ssrc [STREAM]: a new SSRC, sequence number and timestamp */
    CALL_PORT,     /* port [STREAM] [announced|silent]: a new local port */
    CALL_RESTART,  /* restart [STREAM]: ICE begins anew */
    CALL_BYE,      /* bye */
    CALL_VANISH    /* vanish: stop everything without a BYE */
};

/* What a message carries. */
enum call_content {
    CALL_CONTENT_DEFAULT,
    CALL_CONTENT_BOTH,
    CALL_CONTENT_SDP,
    CALL_CONTENT_METADATA,
    CALL_CONTENT_PARTIAL,
    CALL_CONTENT_NONE,
    CALL_CONTENT_CANDIDATES /* not of a script: what is trickled */
};

#define CALL_ALL_STREAMS (-1)

struct call_step {
    enum call_verb verb;
    int stream; /* from 0, or CALL_ALL_STREAMS */
    int64_t wait_ms;
    enum call_content content;
    struct view word; /* the style of hold, transfer or port; the digits of dtmf */
    unsigned expect;  /* 200 means any 2xx; otherwise this very code */
    struct view line; /* for reports */
};

#define CALL_SCRIPT_STEPS 256

struct call_script {
    struct call_step steps[CALL_SCRIPT_STEPS];
    size_t count;
    char *owned;
};

/* Loads a ready script by name, or a file; false with "FILE:LINE: reason". */
WARN_UNUSED bool call_script_load(struct call_script *script, const char *name, char *error,
                                  size_t size);
WARN_UNUSED bool call_script_parse(struct call_script *script, struct view text, char *error,
                                   size_t size);
void call_script_finish(struct call_script *script);

/* "2s", "250ms", "1.5s", "2" (seconds); false for anything else or more than a day. */
WARN_UNUSED bool call_duration_parse(struct view text, int64_t *ms);

#endif
