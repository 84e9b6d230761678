/* elements: appending to the lists of metadata.h.
 * Not here: XML, meaning.
 * RFC 7865 §6. */
#include "siprec/elements.h"

#include "base/limits.h"

bool siprec_keep(struct view *at, struct arena *arena, struct view v)
{
    if (v.len == 0 || view_equal(*at, v))
        return true;
    struct view copy = arena_copy(arena, v);
    if (!copy.at)
        return false;
    *at = copy;
    return true;
}

struct siprec_group *siprec_group_get(struct siprec_group **list, struct arena *arena,
                                      struct view id, bool *repeated)
{
    *repeated = true;
    for (size_t n = 0; *list; list = &(*list)->next) {
        if (++n > LIMIT_METADATA_LIST)
            return NULL;
        if (id.len && view_equal((*list)->id, id))
            return *list;
    }
    *repeated = false;
    struct siprec_group *group = arena_take(arena, sizeof *group);
    if (!group || !siprec_keep(&group->id, arena, id))
        return NULL;
    return *list = group;
}

struct siprec_session *siprec_session_get(struct siprec_session **list, struct arena *arena,
                                          struct view id, bool *repeated)
{
    *repeated = true;
    for (size_t n = 0; *list; list = &(*list)->next) {
        if (++n > LIMIT_METADATA_LIST)
            return NULL;
        if (id.len && view_equal((*list)->id, id))
            return *list;
    }
    *repeated = false;
    struct siprec_session *session = arena_take(arena, sizeof *session);
    if (!session || !siprec_keep(&session->id, arena, id))
        return NULL;
    return *list = session;
}

struct siprec_participant *siprec_participant_get(struct siprec_participant **list,
                                                  struct arena *arena, struct view id,
                                                  bool *repeated)
{
    *repeated = true;
    for (size_t n = 0; *list; list = &(*list)->next) {
        if (++n > LIMIT_METADATA_LIST)
            return NULL;
        if (id.len && view_equal((*list)->id, id))
            return *list;
    }
    *repeated = false;
    struct siprec_participant *participant = arena_take(arena, sizeof *participant);
    if (!participant || !siprec_keep(&participant->id, arena, id))
        return NULL;
    return *list = participant;
}

struct siprec_stream *siprec_stream_get(struct siprec_stream **list, struct arena *arena,
                                        struct view id, bool *repeated)
{
    *repeated = true;
    for (size_t n = 0; *list; list = &(*list)->next) {
        if (++n > LIMIT_METADATA_LIST)
            return NULL;
        if (id.len && view_equal((*list)->id, id))
            return *list;
    }
    *repeated = false;
    struct siprec_stream *stream = arena_take(arena, sizeof *stream);
    if (!stream || !siprec_keep(&stream->id, arena, id))
        return NULL;
    return *list = stream;
}

struct siprec_membership *siprec_membership_get(struct siprec_participant *participant,
                                                struct arena *arena, struct view session_id)
{
    struct siprec_membership **list = &participant->memberships;
    for (size_t n = 0; *list; list = &(*list)->next) {
        if (++n > LIMIT_METADATA_LIST)
            return NULL;
        if (view_equal((*list)->session_id, session_id))
            return *list;
    }
    struct siprec_membership *membership = arena_take(arena, sizeof *membership);
    if (!membership || !siprec_keep(&membership->session_id, arena, session_id))
        return NULL;
    return *list = membership;
}

struct siprec_name *siprec_name_add(struct siprec_participant *participant, struct arena *arena,
                                    struct view aor)
{
    struct siprec_name **list = &participant->names;
    for (size_t n = 0; *list; list = &(*list)->next) {
        if (++n > LIMIT_METADATA_LIST)
            return NULL;
    }
    struct siprec_name *name = arena_take(arena, sizeof *name);
    if (!name || !siprec_keep(&name->aor, arena, aor))
        return NULL;
    return *list = name;
}

struct siprec_flow *siprec_flow_add(struct siprec_participant *participant, struct arena *arena,
                                    struct view stream_id, bool sends)
{
    struct siprec_flow **list = &participant->flows;
    for (size_t n = 0; *list; list = &(*list)->next) {
        if (++n > LIMIT_METADATA_LIST)
            return NULL;
    }
    struct siprec_flow *flow = arena_take(arena, sizeof *flow);
    if (!flow || !siprec_keep(&flow->stream_id, arena, stream_id))
        return NULL;
    flow->sends = sends;
    return *list = flow;
}

struct siprec_reason *siprec_reason_add(struct siprec_session *session, struct arena *arena)
{
    struct siprec_reason **list = &session->reasons;
    for (size_t n = 0; *list; list = &(*list)->next) {
        if (++n > LIMIT_METADATA_LIST)
            return NULL;
    }
    return *list = arena_take(arena, sizeof **list);
}

bool siprec_text_add(struct siprec_text **list, struct arena *arena, struct view text)
{
    for (size_t n = 0; *list; list = &(*list)->next) {
        if (++n > LIMIT_METADATA_LIST)
            return false;
    }
    struct siprec_text *added = arena_take(arena, sizeof *added);
    if (!added || !siprec_keep(&added->text, arena, text))
        return false;
    *list = added;
    return true;
}

bool siprec_value_add(struct siprec_value **list, struct arena *arena, struct view key,
                      struct view text)
{
    for (size_t n = 0; *list; list = &(*list)->next) {
        if (++n > LIMIT_METADATA_LIST)
            return false;
    }
    struct siprec_value *added = arena_take(arena, sizeof *added);
    if (!added || !siprec_keep(&added->key, arena, key) || !siprec_keep(&added->text, arena, text))
        return false;
    *list = added;
    return true;
}
