/* state: merging documents.
 * Not here: XML.
 * RFC 7866 §9.1, §9.2, 7865 §6. */
#include "siprec/state.h"

#include "base/limits.h"
#include "siprec/elements.h"

#include <string.h>

/* Most calls keep 2 to 6 KB. */
#define STATE_CHUNK 4096

bool siprec_state_init(struct siprec_state *state)
{
    *state = (struct siprec_state){.arena = arena_create(STATE_CHUNK, LIMIT_METADATA_STATE)};
    return state->arena;
}

void siprec_state_finish(struct siprec_state *state)
{
    arena_destroy(state->arena);
    *state = (struct siprec_state){0};
}

/* RFC 7866 §9.1: a snapshot describes everything; what it leaves out is gone. Except for streams
 * and who sends them in a snapshot that has none of either: CUBE's update of a caller's name is
 * such a one, and the streams flow on. */
static void forget(struct siprec_state *state, bool streams_too)
{
    for (struct siprec_group *g = state->groups; g; g = g->next)
        g->present = false;
    for (struct siprec_session *s = state->sessions; s; s = s->next)
        s->present = false;
    for (struct siprec_participant *p = state->participants; p; p = p->next) {
        p->present = false;
        if (streams_too)
            p->flows = NULL;
    }
    for (struct siprec_stream *s = state->streams; streams_too && s; s = s->next)
        s->present = false;
}

static bool same_values(const struct siprec_value *a, const struct siprec_value *b)
{
    for (; a && b; a = a->next, b = b->next) {
        if (!view_equal(a->key, b->key) || !view_equal(a->text, b->text))
            return false;
    }
    return a == b;
}

/* The newest extension data of an element counts; none changes nothing. */
static bool merge_values(struct siprec_value **into, struct arena *arena,
                         const struct siprec_value *from)
{
    struct siprec_value *copy = NULL;
    if (!from || same_values(*into, from))
        return true;
    for (; from; from = from->next) {
        if (!siprec_value_add(&copy, arena, from->key, from->text))
            return false;
    }
    *into = copy;
    return true;
}

static bool merge_group(struct siprec_state *state, const struct siprec_group *from)
{
    bool repeated;
    struct siprec_group *group =
        siprec_group_get(&state->groups, state->arena, from->id, &repeated);
    if (!group)
        return false;
    group->present = true;
    return siprec_keep(&group->associated, state->arena, from->associated) &&
           siprec_keep(&group->disassociated, state->arena, from->disassociated) &&
           merge_values(&group->extensions, state->arena, from->extensions);
}

static bool has_text(const struct siprec_text *list, struct view text)
{
    for (; list; list = list->next) {
        if (view_equal(list->text, text))
            return true;
    }
    return false;
}

static bool has_reason(const struct siprec_reason *list, const struct siprec_reason *reason)
{
    for (; list; list = list->next) {
        if (view_equal(list->text, reason->text) && view_equal(list->cause, reason->cause) &&
            view_equal(list->protocol, reason->protocol))
            return true;
    }
    return false;
}

/* Several sipSessionIDs belong to one session (RFC 7865 §6.3.1),
 * and an update may bring one more. */
static bool merge_session_lists(struct siprec_session *session, struct arena *arena,
                                const struct siprec_session *from)
{
    for (const struct siprec_text *t = from->sip_session_ids; t; t = t->next) {
        if (!has_text(session->sip_session_ids, t->text) &&
            !siprec_text_add(&session->sip_session_ids, arena, t->text))
            return false;
    }
    for (const struct siprec_reason *r = from->reasons; r; r = r->next) {
        if (has_reason(session->reasons, r))
            continue;
        struct siprec_reason *added = siprec_reason_add(session, arena);
        if (!added || !siprec_keep(&added->text, arena, r->text) ||
            !siprec_keep(&added->cause, arena, r->cause) ||
            !siprec_keep(&added->protocol, arena, r->protocol))
            return false;
    }
    return true;
}

static bool merge_session(struct siprec_state *state, const struct siprec_session *from)
{
    bool repeated;
    struct arena *arena = state->arena;
    struct siprec_session *session =
        siprec_session_get(&state->sessions, arena, from->id, &repeated);
    if (!session)
        return false;
    session->present = true;
    return siprec_keep(&session->group_id, arena, from->group_id) &&
           siprec_keep(&session->started, arena, from->started) &&
           siprec_keep(&session->stopped, arena, from->stopped) &&
           siprec_keep(&session->associated, arena, from->associated) &&
           siprec_keep(&session->disassociated, arena, from->disassociated) &&
           merge_session_lists(session, arena, from) &&
           merge_values(&session->extensions, arena, from->extensions);
}

static bool name_is_same(const struct siprec_name *a, const struct siprec_name *b)
{
    return view_equal(a->aor, b->aor) && view_equal(a->name, b->name) &&
           view_equal(a->language, b->language);
}

/* The names of the newest document go first, older ones that it does not
 * repeat stay behind them. */
static bool merge_names(struct siprec_participant *participant, struct arena *arena,
                        const struct siprec_name *from)
{
    const struct siprec_name *a = participant->names, *b = from;
    while (a && b && name_is_same(a, b)) {
        a = a->next;
        b = b->next;
    }
    if (!b)
        return true;
    struct siprec_participant fresh = {0};
    const struct siprec_name *const lists[] = {from, participant->names};
    for (size_t i = 0; i < 2; i++) {
        for (const struct siprec_name *n = lists[i]; n; n = n->next) {
            bool repeated = false;
            for (const struct siprec_name *f = fresh.names; f && i == 1; f = f->next)
                repeated |= view_equal(f->aor, n->aor);
            if (repeated)
                continue;
            struct siprec_name *added = siprec_name_add(&fresh, arena, n->aor);
            if (!added || !siprec_keep(&added->name, arena, n->name) ||
                !siprec_keep(&added->language, arena, n->language))
                return false;
        }
    }
    participant->names = fresh.names;
    return true;
}

static bool merge_memberships(struct siprec_participant *participant, struct arena *arena,
                              const struct siprec_membership *from)
{
    for (; from; from = from->next) {
        struct siprec_membership *membership =
            siprec_membership_get(participant, arena, from->session_id);
        if (!membership || !siprec_keep(&membership->associated, arena, from->associated) ||
            !siprec_keep(&membership->disassociated, arena, from->disassociated))
            return false;
        if (from->disassociated.len == 0)
            membership->disassociated = VIEW_NONE; /* stated again without an end: it came back */
    }
    return true;
}

static bool same_flows(const struct siprec_flow *a, const struct siprec_flow *b)
{
    for (; a && b; a = a->next, b = b->next) {
        if (a->sends != b->sends || !view_equal(a->stream_id, b->stream_id) ||
            !view_equal(a->associated, b->associated) ||
            !view_equal(a->disassociated, b->disassociated))
            return false;
    }
    return a == b;
}

/* RFC 7865 §6.8.1: what a participantstreamassoc does not name, the participant no longer sends or
 * receives. */
static bool merge_flows(struct siprec_participant *participant, struct arena *arena,
                        const struct siprec_participant *from)
{
    if (!from->flows_stated || same_flows(participant->flows, from->flows))
        return true;
    struct siprec_participant fresh = {0};
    for (const struct siprec_flow *f = from->flows; f; f = f->next) {
        struct siprec_flow *added = siprec_flow_add(&fresh, arena, f->stream_id, f->sends);
        if (!added || !siprec_keep(&added->associated, arena, f->associated) ||
            !siprec_keep(&added->disassociated, arena, f->disassociated))
            return false;
    }
    participant->flows = fresh.flows;
    return true;
}

static bool merge_participant(struct siprec_state *state, const struct siprec_participant *from)
{
    bool repeated;
    struct arena *arena = state->arena;
    struct siprec_participant *participant =
        siprec_participant_get(&state->participants, arena, from->id, &repeated);
    if (!participant)
        return false;
    participant->present = true;
    participant->declared |= from->declared;
    participant->flows_stated |= from->flows_stated;
    return merge_names(participant, arena, from->names) &&
           merge_memberships(participant, arena, from->memberships) &&
           merge_flows(participant, arena, from) &&
           merge_values(&participant->extensions, arena, from->extensions);
}

/* Streams without an id (Avaya's second, before the callee answers) are told
 * apart by their label. */
static struct siprec_stream *find_unnamed_stream(const struct siprec_state *state,
                                                 struct view label)
{
    for (struct siprec_stream *s = state->streams; s; s = s->next) {
        if (s->id.len == 0 && view_equal(s->label, label))
            return s;
    }
    return NULL;
}

static bool merge_stream(struct siprec_state *state, const struct siprec_stream *from)
{
    bool repeated;
    struct arena *arena = state->arena;
    struct siprec_stream *stream = from->id.len ? NULL : find_unnamed_stream(state, from->label);
    if (!stream)
        stream = siprec_stream_get(&state->streams, arena, from->id, &repeated);
    if (!stream)
        return false;
    stream->present = true;
    return siprec_keep(&stream->session_id, arena, from->session_id) &&
           siprec_keep(&stream->label, arena, from->label) &&
           siprec_keep(&stream->media_label, arena, from->media_label) &&
           siprec_keep(&stream->mode, arena, from->mode) &&
           siprec_keep(&stream->associated, arena, from->associated) &&
           siprec_keep(&stream->disassociated, arena, from->disassociated) &&
           merge_values(&stream->extensions, arena, from->extensions);
}

static bool merge(struct siprec_state *state, const struct siprec_metadata *document)
{
    bool ok = merge_values(&state->extensions, state->arena, document->extensions);
    for (const struct siprec_group *g = document->groups; ok && g; g = g->next)
        ok = merge_group(state, g);
    for (const struct siprec_session *s = document->sessions; ok && s; s = s->next)
        ok = merge_session(state, s);
    for (const struct siprec_participant *p = document->participants; ok && p; p = p->next)
        ok = merge_participant(state, p);
    for (const struct siprec_stream *s = document->streams; ok && s; s = s->next)
        ok = merge_stream(state, s);
    return ok;
}

/* References between elements of one document's SRC. Sessions and groups may come from another SRC,
 * which is no error (RFC 7866 §9.2). */
static void check_references(const struct siprec_state *state, struct siprec_warnings *warnings)
{
    for (const struct siprec_participant *p = state->participants; p; p = p->next) {
        if (!p->present)
            continue;
        if (!p->declared)
            siprec_warn(warnings, SIPREC_WARN_METADATA_DANGLING, "participant " VIEW_FMT,
                        VIEW_ARG(p->id));
        for (const struct siprec_flow *f = p->flows; f; f = f->next) {
            if (!siprec_state_find_stream(state, f->stream_id))
                siprec_warn(warnings, SIPREC_WARN_METADATA_DANGLING, "stream " VIEW_FMT,
                            VIEW_ARG(f->stream_id));
        }
    }
}

/* RFC 7865 §6.10: one id, one element. Ids that are no UUIDs collide in the field (NetSapiens), so
 * it is reported and each kind keeps its own. */
static void check_ids(const struct siprec_metadata *document, struct siprec_warnings *warnings)
{
    for (const struct siprec_participant *p = document->participants; p; p = p->next) {
        bool repeated = false;
        for (const struct siprec_session *s = document->sessions; s; s = s->next)
            repeated |= p->id.len && view_equal(s->id, p->id);
        for (const struct siprec_group *g = document->groups; g; g = g->next)
            repeated |= p->id.len && view_equal(g->id, p->id);
        for (const struct siprec_stream *s = document->streams; s; s = s->next)
            repeated |= p->id.len && view_equal(s->id, p->id);
        if (repeated)
            siprec_warn(warnings, SIPREC_WARN_METADATA_DUPLICATE_ID, VIEW_FMT, VIEW_ARG(p->id));
    }
    for (const struct siprec_stream *st = document->streams; st; st = st->next) {
        bool repeated = false;
        for (const struct siprec_session *s = document->sessions; s; s = s->next)
            repeated |= st->id.len && view_equal(s->id, st->id);
        if (repeated)
            siprec_warn(warnings, SIPREC_WARN_METADATA_DUPLICATE_ID, VIEW_FMT, VIEW_ARG(st->id));
    }
}

enum siprec_applied siprec_state_apply(struct siprec_state *state,
                                       const struct siprec_metadata *document,
                                       struct siprec_warnings *warnings)
{
    bool anything = document->groups || document->sessions || document->participants ||
                    document->streams || document->extensions;
    bool whole = document->well_formed || document->repaired;
    bool snapshot = document->mode == SIPREC_COMPLETE && whole;
    bool has_streams = document->streams;
    if (document->is_request || (!anything && !(snapshot && document->mode_given)))
        return whole ? SIPREC_APPLIED_NOTHING : SIPREC_APPLIED_BROKEN;
    for (const struct siprec_participant *p = document->participants; p; p = p->next)
        has_streams |= p->flows_stated;
    check_ids(document, warnings);
    if (snapshot)
        forget(state, has_streams || !anything);
    if (!merge(state, document))
        siprec_warn(warnings, SIPREC_WARN_METADATA_LIMIT, "%s", "too much for one recording");
    check_references(state, warnings);
    state->documents++;
    if (snapshot)
        state->has_snapshot = true;
    if (!whole)
        return SIPREC_APPLIED_BROKEN;
    if (state->has_snapshot)
        return SIPREC_APPLIED;
    siprec_warn(warnings, SIPREC_WARN_METADATA_PARTIAL, "%s", "");
    return SIPREC_APPLIED_WITHOUT_BASE;
}

const struct siprec_participant *siprec_state_find_participant(const struct siprec_state *state,
                                                               struct view id)
{
    const struct siprec_participant *p = state->participants;
    while (p && !view_equal(p->id, id))
        p = p->next;
    return p;
}

const struct siprec_stream *siprec_state_find_stream(const struct siprec_state *state,
                                                     struct view id)
{
    const struct siprec_stream *s = state->streams;
    while (s && !view_equal(s->id, id))
        s = s->next;
    return s;
}

const struct siprec_session *siprec_state_find_session(const struct siprec_state *state,
                                                       struct view id)
{
    const struct siprec_session *s = state->sessions;
    while (s && !view_equal(s->id, id))
        s = s->next;
    return s;
}

bool siprec_state_takes_part(const struct siprec_state *state,
                             const struct siprec_participant *participant)
{
    if (!participant->present)
        return false;
    for (const struct siprec_membership *m = participant->memberships; m; m = m->next) {
        const struct siprec_session *session = siprec_state_find_session(state, m->session_id);
        /* RFC 8068 §3.2.3: a session's stop-time ends it for all its participants. */
        bool over = session && (session->stopped.len || (!session->present && state->has_snapshot));
        if (m->disassociated.len == 0 && !over)
            return true;
    }
    return !participant->memberships;
}

struct view siprec_participant_aor(const struct siprec_participant *participant)
{
    for (const struct siprec_name *n = participant->names; n; n = n->next) {
        if (n->aor.len)
            return n->aor;
    }
    return participant->id;
}

struct view siprec_participant_name(const struct siprec_participant *participant)
{
    for (const struct siprec_name *n = participant->names; n; n = n->next) {
        if (n->name.len)
            return n->name;
    }
    return VIEW_NONE;
}

static const struct siprec_value *find_value(const struct siprec_value *list, struct view key)
{
    for (; list; list = list->next) {
        struct view last = list->key, head;
        while (view_find_char(last, '.') < last.len)
            (void)view_cut(&last, '.', &head);
        while (view_find_char(last, ':') < last.len)
            (void)view_cut(&last, ':', &head);
        if (view_equal_nocase(last, key))
            return list;
    }
    return NULL;
}

struct view siprec_state_find_extension(const struct siprec_state *state, struct view key)
{
    const struct siprec_value *hit = find_value(state->extensions, key);
    for (const struct siprec_session *s = state->sessions; !hit && s; s = s->next)
        hit = find_value(s->extensions, key);
    for (const struct siprec_participant *p = state->participants; !hit && p; p = p->next)
        hit = find_value(p->extensions, key);
    for (const struct siprec_group *g = state->groups; !hit && g; g = g->next)
        hit = find_value(g->extensions, key);
    for (const struct siprec_stream *s = state->streams; !hit && s; s = s->next)
        hit = find_value(s->extensions, key);
    return hit ? hit->text : VIEW_NONE;
}
