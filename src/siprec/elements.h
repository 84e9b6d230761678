/* elements: the lists that a metadata document and a session's state are made of: find, or append.
 * Not here: reading XML (metadata.c), what the elements mean (state.c).
 * RFC 7865 §6. */
#ifndef SIPREC_ELEMENTS_H
#define SIPREC_ELEMENTS_H

#include "siprec/metadata.h"

/* The element with this id, or a new one at the list's end; *repeated says which. An empty id is
 * like no other. The id is copied into the arena. NULL when that is full. */
struct siprec_group *siprec_group_get(struct siprec_group **list, struct arena *arena,
                                      struct view id, bool *repeated);
struct siprec_session *siprec_session_get(struct siprec_session **list, struct arena *arena,
                                          struct view id, bool *repeated);
struct siprec_participant *siprec_participant_get(struct siprec_participant **list,
                                                  struct arena *arena, struct view id,
                                                  bool *repeated);
struct siprec_stream *siprec_stream_get(struct siprec_stream **list, struct arena *arena,
                                        struct view id, bool *repeated);
struct siprec_membership *siprec_membership_get(struct siprec_participant *participant,
                                                struct arena *arena, struct view session_id);

/* Appended; text is copied. NULL, or false, when the arena is full. */
struct siprec_name *siprec_name_add(struct siprec_participant *participant, struct arena *arena,
                                    struct view aor);
struct siprec_flow *siprec_flow_add(struct siprec_participant *participant, struct arena *arena,
                                    struct view stream_id, bool sends);
struct siprec_reason *siprec_reason_add(struct siprec_session *session, struct arena *arena);
WARN_UNUSED bool siprec_text_add(struct siprec_text **list, struct arena *arena, struct view text);
WARN_UNUSED bool siprec_value_add(struct siprec_value **list, struct arena *arena, struct view key,
                                  struct view text);

/* Sets *at to a copy of v unless it says the same already, so that snapshots sent again cost
 * nothing. An empty v changes nothing. False when the arena is full. */
WARN_UNUSED bool siprec_keep(struct view *at, struct arena *arena, struct view v);

#endif
