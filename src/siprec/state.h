/* state: what all metadata documents of a recording session say together, and everything they ever
 * said.
 * Not here: reading a document (metadata.h).
 * RFC 7866 §9.1, §9.2: a complete snapshot replaces, partial updates add to the last, in order. */
#ifndef SIPREC_STATE_H
#define SIPREC_STATE_H

#include "siprec/metadata.h"

/* Owns copies of all it keeps. Nothing is ever dropped: what a newer snapshot leaves out stays,
 * with present false, since the recording wants to know who took part. */
struct siprec_state {
    struct arena *arena;
    bool has_snapshot; /* a complete document was applied: partial updates have something to build
                          on */
    size_t documents;  /* applied so far */
    struct siprec_group *groups;
    struct siprec_session *sessions;
    struct siprec_participant *participants;
    struct siprec_stream *streams;
    struct siprec_value *extensions; /* of the last document that had any */
};

/* False, nothing to finish, when memory is out. */
WARN_UNUSED bool siprec_state_init(struct siprec_state *state);
void siprec_state_finish(struct siprec_state *state);

enum siprec_applied {
    SIPREC_APPLIED,
    SIPREC_APPLIED_WITHOUT_BASE, /* a partial update came first: a snapshot may be asked for (RFC
                                    7866 §9.2) */
    SIPREC_APPLIED_BROKEN,  /* not well-formed: what could be read was added, nothing removed */
    SIPREC_APPLIED_NOTHING, /* no metadata in it */
};

/* Takes a document in; copies, so document and its arena may go. */
enum siprec_applied siprec_state_apply(struct siprec_state *state,
                                       const struct siprec_metadata *document,
                                       struct siprec_warnings *warnings);

const struct siprec_participant *siprec_state_find_participant(const struct siprec_state *state,
                                                               struct view id);
const struct siprec_stream *siprec_state_find_stream(const struct siprec_state *state,
                                                     struct view id);
const struct siprec_session *siprec_state_find_session(const struct siprec_state *state,
                                                       struct view id);
/* Takes part now: present, and neither it nor all its sessions have ended (RFC 7865 §6.6, 8068
 * §3.2.3). */
bool siprec_state_takes_part(const struct siprec_state *state,
                             const struct siprec_participant *participant);
/* The first address of record or, without one, the id;
 * the first name that is not blank, or empty. */
struct view siprec_participant_aor(const struct siprec_participant *participant);
struct view siprec_participant_name(const struct siprec_participant *participant);
/* The value of the first extension whose key, without its prefix and path, is this, ASCII case
 * ignored, anywhere in the metadata: "ucid". Empty: none. */
struct view siprec_state_find_extension(const struct siprec_state *state, struct view key);

#endif
