/* voices: who is to be heard on which m-line, and how we know.
 * Not here: channels of audio files (render).
 * RFC 7865 §6.7, §6.8 (label -> stream -> participant that sends it),
 * 7866 §8.3.2 (mixed streams). */
#ifndef SIPREC_VOICES_H
#define SIPREC_VOICES_H

#include "siprec/state.h"

enum siprec_derivation {
    SIPREC_BY_NONE,  /* nobody knows */
    SIPREC_BY_LABEL, /* the m-line's label names a stream, and participants send it */
    SIPREC_BY_ORDER, /* labels say nothing: n-th m-line, n-th stream or participant */
    SIPREC_BY_MIXED, /* one m-line carries everybody */
};
const char *
siprec_derivation_name(enum siprec_derivation how); /* "none", "label", "order", "mixed" */

/* An m-line as SDP has it now. */
struct siprec_line {
    struct view label;
    bool active; /* accepted audio; lines that are not are skipped */
};

#define SIPREC_VOICES_MAX 16 /* participants on one m-line */

struct siprec_voice {
    enum siprec_derivation how;
    const struct siprec_stream *stream; /* NULL: none */
    size_t count;
    const struct siprec_participant *who[SIPREC_VOICES_MAX];
};

/* voices[i] for lines[i], as the metadata now stands. Pointers borrow the state, until it is
 * finished. */
void siprec_voices_find(struct siprec_voice voices[], const struct siprec_state *state,
                        const struct siprec_line lines[], size_t line_count,
                        struct siprec_warnings *warnings);

#endif
