/* elements: appending to the lists of metadata.h.
 * Not here: XML, meaning.
 * RFC 7865 §6. */
#include "siprec/elements.h"

#include <stddef.h>
#include <string.h>

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

/* What the elements of one list are like. */
struct kind {
    size_t size;
    size_t key; /* where its view is that names an element, or is its text */
    enum {
        ANY,       /* each is appended */
        NAMED,     /* found by its key, but for an empty one */
        NAMED_ALL, /* an empty key is a name, too */
    } find;
};

#define KIND(type, member, how)                                                                    \
    (struct kind)                                                                                  \
    {                                                                                              \
        sizeof(struct type), offsetof(struct type, member), how                                    \
    }

#define FIRST(type) (offsetof(struct type, next) == 0)
_Static_assert(
    FIRST(siprec_group) && FIRST(siprec_session) && FIRST(siprec_participant) &&
        FIRST(siprec_stream) && FIRST(siprec_membership) && FIRST(siprec_name) &&
        FIRST(siprec_flow) && FIRST(siprec_reason) && FIRST(siprec_text) && FIRST(siprec_value),
    "next_of() and get() take an element for the place where the pointer to the next is");
#undef FIRST

/* Each element begins with the pointer to the next, so that a list's head looks like one. */
static void *next_of(const void *element)
{
    void *next;
    memcpy(&next, element, sizeof next);
    return next;
}

static struct view *key_of(void *element, const struct kind *kind)
{
    return (struct view *)(void *)((char *)element + kind->key);
}

/* The element with this key, or a new one at the list's end. NULL: the list or the arena is full. */
static void *get(void *list, struct arena *arena, struct kind kind, struct view key, bool *repeated)
{
    bool finds = kind.find == NAMED_ALL || (kind.find == NAMED && key.len > 0);
    void *last = list, *element;
    *repeated = true;
    for (size_t n = 0; (element = next_of(last)) != NULL; last = element) {
        if (++n > LIMIT_METADATA_LIST)
            return NULL;
        if (finds && view_equal(*key_of(element, &kind), key))
            return element;
    }
    *repeated = false;
    element = arena_take(arena, kind.size);
    if (!element || !siprec_keep(key_of(element, &kind), arena, key))
        return NULL;
    memcpy(last, &element, sizeof element);
    return element;
}

static void *add(void *list, struct arena *arena, struct kind kind, struct view key)
{
    bool repeated;
    return get(list, arena, kind, key, &repeated);
}

struct siprec_group *siprec_group_get(struct siprec_group **list, struct arena *arena,
                                      struct view id, bool *repeated)
{
    return get(list, arena, KIND(siprec_group, id, NAMED), id, repeated);
}

struct siprec_session *siprec_session_get(struct siprec_session **list, struct arena *arena,
                                          struct view id, bool *repeated)
{
    return get(list, arena, KIND(siprec_session, id, NAMED), id, repeated);
}

struct siprec_participant *siprec_participant_get(struct siprec_participant **list,
                                                  struct arena *arena, struct view id,
                                                  bool *repeated)
{
    return get(list, arena, KIND(siprec_participant, id, NAMED), id, repeated);
}

struct siprec_stream *siprec_stream_get(struct siprec_stream **list, struct arena *arena,
                                        struct view id, bool *repeated)
{
    return get(list, arena, KIND(siprec_stream, id, NAMED), id, repeated);
}

struct siprec_membership *siprec_membership_get(struct siprec_participant *participant,
                                                struct arena *arena, struct view session_id)
{
    return add(&participant->memberships, arena, KIND(siprec_membership, session_id, NAMED_ALL),
               session_id);
}

struct siprec_name *siprec_name_add(struct siprec_participant *participant, struct arena *arena,
                                    struct view aor)
{
    return add(&participant->names, arena, KIND(siprec_name, aor, ANY), aor);
}

struct siprec_flow *siprec_flow_add(struct siprec_participant *participant, struct arena *arena,
                                    struct view stream_id, bool sends)
{
    struct siprec_flow *flow =
        add(&participant->flows, arena, KIND(siprec_flow, stream_id, ANY), stream_id);
    if (flow)
        flow->sends = sends;
    return flow;
}

struct siprec_reason *siprec_reason_add(struct siprec_session *session, struct arena *arena)
{
    return add(&session->reasons, arena, KIND(siprec_reason, text, ANY), VIEW_NONE);
}

bool siprec_text_add(struct siprec_text **list, struct arena *arena, struct view text)
{
    return add(list, arena, KIND(siprec_text, text, ANY), text) != NULL;
}

bool siprec_value_add(struct siprec_value **list, struct arena *arena, struct view key,
                      struct view text)
{
    struct siprec_value *added = add(list, arena, KIND(siprec_value, key, ANY), key);
    return added && siprec_keep(&added->text, arena, text);
}

#undef KIND
