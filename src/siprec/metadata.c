/* metadata: expat's events to elements, by one table of where what may stand.
 * Not here: lists of elements (elements.c), what documents mean together (state.c).
 * RFC 7865 §5, §6, §9. */
#include "siprec/metadata.h"

#include "base/limits.h"
#include "siprec/elements.h"
#include "siprec/encoding.h"
#include "siprec/xml.h"

#include <expat.h>
#include <stdio.h>
#include <string.h>

/* Where the reader is: the innermost element that means something. */
enum place {
    AT_DOCUMENT, /* outside the root */
    AT_ROOT,
    AT_REQUEST, /* requestsnapshot */
    AT_MODE,
    AT_GROUP,
    AT_SESSION,
    AT_PARTICIPANT,
    AT_STREAM,
    AT_SESSION_RECORDING, /* the three assoc elements */
    AT_PARTICIPANT_SESSION,
    AT_PARTICIPANT_STREAM,
    AT_NAME_ID,
    AT_NAME,
    AT_AOR,
    AT_SEND,
    AT_RECEIVE,
    AT_FLOW_ID, /* BroadWorks: <send><id>...</id></send> */
    AT_ASSOCIATE,
    AT_DISASSOCIATE,
    AT_START,
    AT_STOP,
    AT_GROUP_REF,
    AT_SIP_SESSION_ID,
    AT_REASON,
    AT_LABEL,
    AT_STREAM_MODE,
    AT_SKIPPED,   /* BroadWorks' inner <recording>: nothing we need, nothing to keep */
    AT_EXTENSION, /* everything else */
};

static const struct {
    enum place parent;
    struct view name;
    enum place place;
} places[] = {
    {AT_DOCUMENT, VIEW("recording"), AT_ROOT},
    {AT_DOCUMENT, VIEW("recording_metadata"), AT_ROOT},
    {AT_DOCUMENT, VIEW("requestsnapshot"), AT_REQUEST},
    {AT_ROOT, VIEW("datamode"), AT_MODE}, /* names ignore case: dataMode is the text's spelling */
    {AT_ROOT, VIEW("mode"), AT_MODE},
    {AT_ROOT, VIEW("recording"), AT_SKIPPED},
    {AT_ROOT, VIEW("group"), AT_GROUP},
    {AT_ROOT, VIEW("session"), AT_SESSION},
    {AT_ROOT, VIEW("participant"), AT_PARTICIPANT},
    {AT_ROOT, VIEW("stream"), AT_STREAM},
    {AT_ROOT, VIEW("sessionrecordingassoc"), AT_SESSION_RECORDING},
    {AT_ROOT, VIEW("participantsessionassoc"), AT_PARTICIPANT_SESSION},
    {AT_ROOT, VIEW("participantstreamassoc"), AT_PARTICIPANT_STREAM},
    {AT_GROUP, VIEW("associate-time"), AT_ASSOCIATE},
    {AT_GROUP, VIEW("disassociate-time"), AT_DISASSOCIATE},
    {AT_SESSION, VIEW("sipSessionID"), AT_SIP_SESSION_ID},
    {AT_SESSION, VIEW("reason"), AT_REASON},
    {AT_SESSION, VIEW("group-ref"), AT_GROUP_REF},
    {AT_SESSION, VIEW("start-time"), AT_START},
    {AT_SESSION, VIEW("stop-time"), AT_STOP},
    {AT_SESSION, VIEW("end-time"), AT_STOP}, /* CUBE */
    {AT_SESSION, VIEW("associate-time"), AT_ASSOCIATE},
    {AT_SESSION, VIEW("disassociate-time"), AT_DISASSOCIATE},
    {AT_PARTICIPANT, VIEW("nameID"), AT_NAME_ID},
    {AT_PARTICIPANT, VIEW("aor"), AT_AOR},
    {AT_PARTICIPANT, VIEW("name"), AT_NAME},
    {AT_PARTICIPANT, VIEW("send"), AT_SEND},
    {AT_PARTICIPANT, VIEW("recv"), AT_RECEIVE},
    {AT_PARTICIPANT, VIEW("associate-time"), AT_ASSOCIATE},
    {AT_PARTICIPANT, VIEW("disassociate-time"), AT_DISASSOCIATE},
    {AT_NAME_ID, VIEW("name"), AT_NAME},
    {AT_NAME_ID, VIEW("aor"), AT_AOR},
    {AT_STREAM, VIEW("label"), AT_LABEL},
    {AT_STREAM, VIEW("mode"), AT_STREAM_MODE},
    {AT_STREAM, VIEW("associate-time"), AT_ASSOCIATE},
    {AT_STREAM, VIEW("disassociate-time"), AT_DISASSOCIATE},
    {AT_SESSION_RECORDING, VIEW("associate-time"), AT_ASSOCIATE},
    {AT_SESSION_RECORDING, VIEW("disassociate-time"), AT_DISASSOCIATE},
    {AT_PARTICIPANT_SESSION, VIEW("associate-time"), AT_ASSOCIATE},
    {AT_PARTICIPANT_SESSION, VIEW("disassociate-time"), AT_DISASSOCIATE},
    {AT_PARTICIPANT_STREAM, VIEW("send"), AT_SEND},
    {AT_PARTICIPANT_STREAM, VIEW("recv"), AT_RECEIVE},
    {AT_PARTICIPANT_STREAM, VIEW("associate-time"), AT_ASSOCIATE},
    {AT_PARTICIPANT_STREAM, VIEW("disassociate-time"), AT_DISASSOCIATE},
    {AT_SEND, VIEW("id"), AT_FLOW_ID},
    {AT_RECEIVE, VIEW("id"), AT_FLOW_ID},
};

/* The namespaces that have carried recording metadata; the first is the standard's (RFC 7865
 * §6.11). */
static const struct view namespaces[] = {
    VIEW("urn:ietf:params:xml:ns:recording:1"),
    VIEW("urn:ietf:params:xml:ns:recording"),
    VIEW("urn:ietf:params:xml:ns:siprec"),
};

/* Text of one element; the longest seen in the field, a GCID list, has 600 bytes. */
#define TEXT_MAX     4096
#define PATH_MAX_LEN 256
/* Prefixes bound at one time, over all open elements. */
#define BINDINGS_MAX 64

struct binding {
    size_t depth; /* of the element that binds it */
    struct view prefix, uri;
};

struct frame {
    enum place place;
    bool has_children;
    size_t path_len; /* of the extension path before this element */
};

struct reader {
    XML_Parser parser;
    struct siprec_metadata *metadata;
    struct arena *arena;
    struct siprec_warnings *warnings;
    size_t depth; /* open elements */
    size_t elements;
    struct frame frames[LIMIT_XML_DEPTH];
    struct binding bindings[BINDINGS_MAX];
    size_t binding_count;
    char text[TEXT_MAX];
    size_t text_len;
    char path[PATH_MAX_LEN]; /* extension elements, joined by dots */
    size_t path_len;
    bool stopped; /* by us: a limit or entities */
    /* What is being described: */
    struct siprec_group *group;
    struct siprec_session *session;
    struct siprec_participant *participant;
    struct siprec_stream *stream;
    struct siprec_membership *membership;
    struct siprec_name *name;
    struct siprec_reason *reason;
    struct siprec_flow *first_flow;        /* of the participantstreamassoc, for its times */
    struct view associated, disassociated; /* of the participant or assoc element */
    struct view flow_id;
};

static void stop(struct reader *r, enum siprec_warning why, const char *detail)
{
    if (!r->stopped)
        siprec_warn(r->warnings, why, "%s", detail);
    r->stopped = true;
    (void)XML_StopParser(r->parser, XML_FALSE);
}

static void out_of_memory(struct reader *r)
{
    stop(r, SIPREC_WARN_METADATA_LIMIT, "too much text");
}

/* A copy in the arena; on a full arena reading stops and the copy is empty. */
static struct view keep(struct reader *r, struct view v)
{
    struct view copy = arena_copy(r->arena, v);
    if (!copy.at)
        out_of_memory(r);
    return copy;
}

/* ---- names and namespaces ------------------------------------------------------------------- */

static struct view find_namespace(const struct reader *r, struct view prefix)
{
    for (size_t i = r->binding_count; i-- > 0;) {
        if (view_equal(r->bindings[i].prefix, prefix))
            return r->bindings[i].uri;
    }
    return VIEW_NONE;
}

static void bind_prefixes(struct reader *r, const XML_Char **attributes)
{
    for (; attributes[0]; attributes += 2) {
        struct view name = view_of_string(attributes[0]), prefix = VIEW_NONE;
        if (view_starts_with(name, VIEW_LIT("xmlns:")))
            prefix = view_skip(name, 6);
        else if (!view_equal(name, VIEW_LIT("xmlns")))
            continue;
        if (r->binding_count == BINDINGS_MAX) {
            stop(r, SIPREC_WARN_METADATA_LIMIT, "too many namespaces");
            return;
        }
        struct binding *b = &r->bindings[r->binding_count++];
        *b = (struct binding){.depth = r->depth,
                              .prefix = keep(r, prefix),
                              .uri = keep(r, view_of_string(attributes[1]))};
    }
}

static bool is_known_namespace(struct view uri)
{
    for (size_t i = 0; i < sizeof namespaces / sizeof namespaces[0]; i++) {
        if (view_equal(uri, namespaces[i]))
            return true;
    }
    return false;
}

#define ATTRIBUTE(...)                                                                             \
    siprec_xml_attribute(attributes, (const char *const[]){__VA_ARGS__},                           \
                         sizeof((const char *const[]){__VA_ARGS__}) / sizeof(const char *))

/* ---- elements ------------------------------------------------------------------------------- */

static void begin_root(struct reader *r, struct view name, struct view uri,
                       const XML_Char **attributes)
{
    struct siprec_metadata *m = r->metadata;
    m->root = keep(r, name);
    m->root_namespace = uri;
    if (!view_equal(uri, namespaces[0]))
        siprec_warn(r->warnings, SIPREC_WARN_METADATA_NAMESPACE, VIEW_FMT, VIEW_ARG(uri));
    /* SEMS states the mode in an attribute. */
    struct view mode = ATTRIBUTE("datamode");
    if (mode.len) {
        m->mode_given = true;
        m->mode = view_equal_nocase(mode, VIEW_LIT("partial")) ? SIPREC_PARTIAL : SIPREC_COMPLETE;
    }
}

static void add_membership(struct reader *r, struct view session_id)
{
    r->membership = siprec_membership_get(r->participant, r->arena, session_id);
    if (!r->membership)
        out_of_memory(r);
}

static void add_name(struct reader *r, struct view aor)
{
    r->name = siprec_name_add(r->participant, r->arena, aor);
    if (!r->name)
        out_of_memory(r);
}

static void begin_participant(struct reader *r, const XML_Char **attributes)
{
    bool repeated;
    r->metadata->participant_elements++;
    r->participant = siprec_participant_get(&r->metadata->participants, r->arena,
                                            ATTRIBUTE("participant_id", "id"), &repeated);
    if (!r->participant) {
        out_of_memory(r);
        return;
    }
    if (r->participant->declared)
        siprec_warn(r->warnings, SIPREC_WARN_METADATA_DUPLICATE_ID, "participant " VIEW_FMT,
                    VIEW_ARG(r->participant->id));
    r->participant->declared = true;
    struct view session = ATTRIBUTE("session", "session_id");
    if (session.len)
        add_membership(r, session);
}

static void begin_element(struct reader *r, enum place place, const XML_Char **attributes)
{
    bool repeated = false;
    struct siprec_metadata *m = r->metadata;
    switch (place) {
    case AT_GROUP:
        m->group_elements++;
        r->group = siprec_group_get(&m->groups, r->arena, ATTRIBUTE("group_id", "id"), &repeated);
        break;
    case AT_SESSION:
        m->session_elements++;
        r->session =
            siprec_session_get(&m->sessions, r->arena, ATTRIBUTE("session_id", "id"), &repeated);
        if (r->session && ATTRIBUTE("group").len) /* BroadWorks */
            r->session->group_id = keep(r, ATTRIBUTE("group"));
        break;
    case AT_STREAM:
        m->stream_elements++;
        r->stream = siprec_stream_get(&m->streams, r->arena,
                                      ATTRIBUTE("stream_id", "id", "streamid"), &repeated);
        if (r->stream) {
            r->stream->session_id = keep(r, ATTRIBUTE("session_id", "session", "sessionid"));
            r->stream->media_label = keep(r, ATTRIBUTE("media_label", "label"));
            r->stream->mode = keep(r, ATTRIBUTE("mode"));
        }
        break;
    default:
        return;
    }
    if (!r->group && !r->session && !r->stream)
        out_of_memory(r);
    if (repeated)
        siprec_warn(r->warnings, SIPREC_WARN_METADATA_DUPLICATE_ID, VIEW_FMT,
                    VIEW_ARG(ATTRIBUTE("group_id", "session_id", "stream_id", "id")));
}

/* The assoc elements describe what other elements are to each other. */
static void begin_assoc(struct reader *r, enum place place, const XML_Char **attributes)
{
    bool repeated;
    struct siprec_metadata *m = r->metadata;
    struct view session = ATTRIBUTE("session_id", "session", "sessionid");
    if (place == AT_SESSION_RECORDING) {
        r->session = siprec_session_get(&m->sessions, r->arena, session, &repeated);
        if (!r->session)
            out_of_memory(r);
        return;
    }
    struct view participant = ATTRIBUTE("participant_id", "participant");
    if (participant.len == 0)
        return;
    r->participant = siprec_participant_get(&m->participants, r->arena, participant, &repeated);
    if (!r->participant)
        out_of_memory(r);
    else if (place == AT_PARTICIPANT_SESSION)
        add_membership(r, session);
    else
        r->participant->flows_stated = true;
}

static void begin_place(struct reader *r, enum place place, const XML_Char **attributes)
{
    r->text_len = 0;
    switch (place) {
    case AT_GROUP:
    case AT_SESSION:
    case AT_STREAM:
    case AT_PARTICIPANT:
    case AT_SESSION_RECORDING:
    case AT_PARTICIPANT_SESSION:
    case AT_PARTICIPANT_STREAM:
        r->group = NULL;
        r->session = NULL;
        r->participant = NULL;
        r->stream = NULL;
        r->membership = NULL;
        r->name = NULL;
        r->first_flow = NULL;
        r->associated = r->disassociated = VIEW_NONE;
        if (place == AT_PARTICIPANT)
            begin_participant(r, attributes);
        else if (place >= AT_SESSION_RECORDING)
            begin_assoc(r, place, attributes);
        else
            begin_element(r, place, attributes);
        break;
    case AT_NAME_ID:
        if (r->participant)
            add_name(r, ATTRIBUTE("aor"));
        break;
    case AT_NAME:
        if (r->participant && !r->name) /* <name> beside the nameID, not in it */
            add_name(r, VIEW_NONE);
        if (r->name)
            r->name->language = keep(r, ATTRIBUTE("lang"));
        break;
    case AT_SEND:
    case AT_RECEIVE:
        r->flow_id = VIEW_NONE;
        break;
    case AT_REASON:
        r->reason = r->session ? siprec_reason_add(r->session, r->arena) : NULL;
        if (r->session && !r->reason)
            out_of_memory(r);
        if (r->reason) {
            r->reason->protocol = keep(r, ATTRIBUTE("protocol"));
            r->reason->cause = keep(r, ATTRIBUTE("cause"));
        }
        break;
    default:
        break;
    }
}

static void set_mode(struct reader *r, struct view text)
{
    r->metadata->mode_given = true;
    r->metadata->mode =
        view_equal_nocase(text, VIEW_LIT("partial")) ? SIPREC_PARTIAL : SIPREC_COMPLETE;
}

static void set_time(struct reader *r, enum place place, struct view text)
{
    struct view time = keep(r, text);
    bool begins = place == AT_ASSOCIATE;
    struct view *at = begins ? &r->associated : &r->disassociated;
    if (r->group)
        at = begins ? &r->group->associated : &r->group->disassociated;
    else if (r->stream)
        at = begins ? &r->stream->associated : &r->stream->disassociated;
    else if (r->session)
        at = begins ? &r->session->associated : &r->session->disassociated;
    *at = time;
}

static void add_flow(struct reader *r, bool sends, struct view stream_id)
{
    if (!r->participant || stream_id.len == 0)
        return;
    struct siprec_flow *flow = siprec_flow_add(r->participant, r->arena, stream_id, sends);
    if (!flow) {
        out_of_memory(r);
        return;
    }
    r->participant->flows_stated = true;
    if (!r->first_flow)
        r->first_flow = flow;
}

/* Times of the participant or assoc element hold for all it says, wherever in it they stand (SEMS
 * puts them behind send and recv). */
static void end_participant(struct reader *r)
{
    if (r->membership) {
        r->membership->associated = r->associated;
        r->membership->disassociated = r->disassociated;
    }
    for (struct siprec_flow *f = r->first_flow; f; f = f->next) {
        f->associated = r->associated;
        f->disassociated = r->disassociated;
    }
}

/* One long word, whatever line breaks the printer put in. */
static struct view without_blanks(struct reader *r, struct view text)
{
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.at[i];
        if (c != ' ' && c != '\t' && c != '\r' && c != '\n')
            r->text[n++] = c;
    }
    return view_of(r->text, n);
}

static void end_text(struct reader *r, enum place place, struct view text)
{
    switch (place) {
    case AT_START:
        if (r->session)
            r->session->started = keep(r, text);
        break;
    case AT_STOP:
        if (r->session)
            r->session->stopped = keep(r, text);
        break;
    case AT_GROUP_REF:
        if (r->session)
            r->session->group_id = keep(r, text);
        break;
    case AT_SIP_SESSION_ID:
        if (r->session && text.len &&
            !siprec_text_add(&r->session->sip_session_ids, r->arena, without_blanks(r, text)))
            out_of_memory(r);
        break;
    case AT_REASON:
        if (r->reason)
            r->reason->text = keep(r, text);
        break;
    case AT_LABEL:
        if (r->stream)
            r->stream->label = keep(r, text);
        break;
    case AT_STREAM_MODE:
        if (r->stream)
            r->stream->mode = keep(r, text);
        break;
    case AT_NAME:
        if (r->name)
            r->name->name = keep(r, text);
        break;
    default:
        break;
    }
}

static void end_place(struct reader *r, enum place place, bool has_children)
{
    struct view text = view_trim(view_of(r->text, r->text_len));
    switch (place) {
    case AT_MODE:
        set_mode(r, text);
        break;
    case AT_ASSOCIATE:
    case AT_DISASSOCIATE:
        set_time(r, place, text);
        break;
    case AT_AOR:
        if (r->name && r->name->aor.len == 0)
            r->name->aor = keep(r, text);
        else if (r->participant)
            add_name(r, text);
        break;
    case AT_NAME_ID:
        r->name = NULL;
        break;
    case AT_FLOW_ID:
        r->flow_id = keep(r, text);
        break;
    case AT_SEND:
    case AT_RECEIVE:
        add_flow(r, place == AT_SEND, has_children ? r->flow_id : text);
        break;
    case AT_PARTICIPANT:
    case AT_PARTICIPANT_SESSION:
    case AT_PARTICIPANT_STREAM:
        end_participant(r);
        break;
    default:
        end_text(r, place, text);
        break;
    }
    r->text_len = 0;
}

/* ---- extension data ------------------------------------------------------------------------- */

/* The list that extension data of the element being described goes to. */
static struct siprec_value **extensions(struct reader *r)
{
    if (r->group)
        return &r->group->extensions;
    if (r->stream)
        return &r->stream->extensions;
    if (r->participant)
        return &r->participant->extensions;
    if (r->session)
        return &r->session->extensions;
    return &r->metadata->extensions;
}

static void push_path(struct reader *r, struct view name)
{
    /* <extensiondata> itself says nothing. */
    if (view_equal_nocase(name, VIEW_LIT("extensiondata")))
        return;
    if (r->path_len + name.len + 1 >= sizeof r->path) {
        siprec_warn(r->warnings, SIPREC_WARN_METADATA_LIMIT, "extension data nested too deep");
        return;
    }
    if (r->path_len)
        r->path[r->path_len++] = '.';
    memcpy(r->path + r->path_len, name.at, name.len);
    r->path_len += name.len;
}

static void add_extension(struct reader *r, struct view key, struct view text)
{
    if (key.len && !siprec_value_add(extensions(r), r->arena, key, text))
        out_of_memory(r);
}

static void begin_extension(struct reader *r, struct view name, const XML_Char **attributes)
{
    push_path(r, name);
    r->text_len = 0;
    for (; attributes[0]; attributes += 2) {
        struct view attribute = view_of_string(attributes[0]);
        char key[PATH_MAX_LEN * 2];
        if (view_starts_with(attribute, VIEW_LIT("xmlns")) || r->path_len == 0)
            continue;
        int n = snprintf(key, sizeof key, "%.*s@%s", (int)r->path_len, r->path, attributes[0]);
        if (n > 0 && (size_t)n < sizeof key)
            add_extension(r, view_of(key, (size_t)n), view_of_string(attributes[1]));
    }
}

static void end_extension(struct reader *r, const struct frame *frame)
{
    struct view text = view_trim(view_of(r->text, r->text_len));
    if (!frame->has_children && text.len)
        add_extension(r, view_of(r->path, r->path_len), text);
    r->path_len = frame->path_len;
    r->text_len = 0;
}

/* ---- expat's events ------------------------------------------------------------------------- */

/* An element means what the table says if it stands in the root's namespace, or in one of those
 * that are known: drafts and the standard were mixed. Anything foreign is extension data, and all
 * that it holds with it. */
static enum place find_place(const struct reader *r, enum place parent, struct view local,
                             struct view uri)
{
    if (parent == AT_EXTENSION || parent == AT_SKIPPED || parent == AT_REQUEST)
        return parent;
    bool ours = parent == AT_DOCUMENT || view_equal(uri, r->metadata->root_namespace) ||
                is_known_namespace(uri);
    for (size_t i = 0; ours && i < sizeof places / sizeof places[0]; i++) {
        if (places[i].parent == parent && view_equal_nocase(places[i].name, local))
            return places[i].place;
    }
    return AT_EXTENSION;
}

static void begin_document(struct reader *r, struct view name, enum place *place, struct view uri,
                           const XML_Char **attributes)
{
    begin_root(r, name, uri, attributes);
    r->metadata->is_request = *place == AT_REQUEST;
    if (*place == AT_EXTENSION) {
        siprec_warn(r->warnings, SIPREC_WARN_METADATA_ROOT, VIEW_FMT, VIEW_ARG(name));
        *place = AT_ROOT; /* its children may still be what we know */
    }
}

static void on_start(void *context, const XML_Char *qualified, const XML_Char **attributes)
{
    struct reader *r = context;
    struct view name = view_of_string(qualified), prefix, local;
    if (r->stopped)
        return;
    if (r->depth == LIMIT_XML_DEPTH || ++r->elements > LIMIT_XML_ELEMENTS) {
        stop(r, SIPREC_WARN_METADATA_LIMIT,
             r->depth == LIMIT_XML_DEPTH ? "too deep" : "too many elements");
        return;
    }
    bind_prefixes(r, attributes);
    siprec_xml_split(name, &prefix, &local);
    enum place parent = r->depth ? r->frames[r->depth - 1].place : AT_DOCUMENT;
    struct view uri = find_namespace(r, prefix);
    enum place place = find_place(r, parent, local, uri);
    if (parent == AT_DOCUMENT)
        begin_document(r, local, &place, uri, attributes);
    else
        r->frames[r->depth - 1].has_children = true;
    r->frames[r->depth++] = (struct frame){.place = place, .path_len = r->path_len};
    /* What stands at the root's level describes the document, not the element before it. */
    if (parent == AT_ROOT && place == AT_EXTENSION) {
        r->group = NULL;
        r->session = NULL;
        r->participant = NULL;
        r->stream = NULL;
    }
    if (place == AT_EXTENSION)
        begin_extension(r, name, attributes);
    else
        begin_place(r, place, attributes);
}

static void on_end(void *context, const XML_Char *qualified)
{
    struct reader *r = context;
    (void)qualified;
    if (r->stopped || r->depth == 0)
        return;
    struct frame frame = r->frames[--r->depth];
    if (frame.place == AT_EXTENSION)
        end_extension(r, &frame);
    else
        end_place(r, frame.place, frame.has_children);
    while (r->binding_count && r->bindings[r->binding_count - 1].depth >= r->depth)
        r->binding_count--;
}

static void on_text(void *context, const XML_Char *text, int len)
{
    struct reader *r = context;
    size_t n = (size_t)len;
    if (r->stopped || len <= 0)
        return;
    if (n > sizeof r->text - r->text_len) {
        siprec_warn(r->warnings, SIPREC_WARN_METADATA_LIMIT, "text longer than %d bytes", TEXT_MAX);
        n = sizeof r->text - r->text_len;
        /* No UTF-8 character cut in two: drop the bytes that continue one. */
        while (n && ((unsigned char)text[n] & 0xc0) == 0x80)
            n--;
    }
    memcpy(r->text + r->text_len, text, n);
    r->text_len += n;
}

/* A DTD by itself is harmless; one that declares entities is how bombs are built. */
static void on_entity(void *context, const XML_Char *name, int is_parameter, const XML_Char *value,
                      int value_length, const XML_Char *base, const XML_Char *system_id,
                      const XML_Char *public_id, const XML_Char *notation)
{
    struct reader *r = context;
    (void)is_parameter, (void)value, (void)value_length, (void)base, (void)system_id;
    (void)public_id, (void)notation;
    stop(r, SIPREC_WARN_METADATA_ENTITIES, name);
}

/* An encoding that expat does not know: ASCII is the same in all single-byte ones, so names and
 * numbers survive. */
static int on_encoding(void *context, const XML_Char *name, XML_Encoding *info)
{
    struct reader *r = context;
    siprec_warn(r->warnings, SIPREC_WARN_METADATA_ENCODING, "%s", name);
    for (int i = 0; i < 256; i++)
        info->map[i] = i;
    info->data = NULL;
    info->convert = NULL;
    info->release = NULL;
    return XML_STATUS_OK;
}

/* False when it is not well-formed. */
static bool run_parser(struct reader *r, struct view xml, const char *encoding)
{
    r->parser = XML_ParserCreate(encoding);
    if (!r->parser) {
        siprec_warn(r->warnings, SIPREC_WARN_METADATA_LIMIT, "no memory");
        return false;
    }
    XML_SetUserData(r->parser, r);
    XML_SetElementHandler(r->parser, on_start, on_end);
    XML_SetCharacterDataHandler(r->parser, on_text);
    XML_SetEntityDeclHandler(r->parser, on_entity);
    XML_SetUnknownEncodingHandler(r->parser, on_encoding, r);
    enum XML_Status status = XML_Parse(r->parser, xml.at, (int)xml.len, XML_TRUE);
    bool ok = status == XML_STATUS_OK && !r->stopped;
    if (!ok) {
        enum XML_Error error = XML_GetErrorCode(r->parser);
        r->metadata->error_line = XML_GetCurrentLineNumber(r->parser);
        (void)snprintf(r->metadata->error, sizeof r->metadata->error, "%s",
                       r->stopped ? "stopped" : XML_ErrorString(error));
    }
    XML_ParserFree(r->parser);
    r->parser = NULL;
    return ok;
}

/* Once more, with the two mistakes mended that SRCs make: a bare "&" in a name, and "<sip:...>" as
 * it stands in a header field. If that is XML, all of it counts; the error and the warning stay. */
static void read_repaired(struct reader *r, struct view xml, const char *encoding)
{
    struct siprec_metadata *metadata = r->metadata, broken = *metadata;
    struct view repaired = siprec_xml_repair(xml, r->arena);
    struct reader *second = arena_take(r->arena, sizeof *second);
    if (!repaired.at || !second)
        return;
    *second = (struct reader){.metadata = metadata, .arena = r->arena, .warnings = r->warnings};
    *metadata = (struct siprec_metadata){0};
    if (run_parser(second, repaired, encoding)) {
        metadata->repaired = true;
        metadata->error_line = broken.error_line;
        memcpy(metadata->error, broken.error, sizeof metadata->error);
    } else {
        *metadata = broken;
    }
}

void siprec_metadata_parse(struct siprec_metadata *metadata, struct view xml, struct arena *arena,
                           struct siprec_warnings *warnings)
{
    memset(metadata, 0, sizeof *metadata);
    struct reader *r = arena_take(arena, sizeof *r);
    if (!r || xml.len > LIMIT_SIP_MESSAGE) {
        siprec_warn(warnings, SIPREC_WARN_METADATA_LIMIT, "%zu bytes", xml.len);
        return;
    }
    *r = (struct reader){.metadata = metadata, .arena = arena, .warnings = warnings};
    const char *encoding = NULL;
    if (!siprec_encoding_is_utf16(xml)) {
        /* An XML declaration must be the very first thing (XML 1.0 §2.8);
         * a blank line before it is common. */
        struct view trimmed = view_trim(xml);
        if (trimmed.at != xml.at && view_starts_with(trimmed, VIEW_LIT("<?xml")))
            siprec_warn(warnings, SIPREC_WARN_METADATA_LEADING_BLANK, "%s", "");
        xml = trimmed;
        if (!siprec_encoding_is_utf8(xml)) {
            siprec_warn(warnings, SIPREC_WARN_METADATA_ENCODING, "%s", "not UTF-8");
            encoding = "ISO-8859-1";
        }
    }
    metadata->well_formed = run_parser(r, xml, encoding);
    if (!metadata->well_formed && !r->stopped) {
        siprec_warn(warnings, SIPREC_WARN_METADATA_BROKEN, "line %lu: %s", metadata->error_line,
                    metadata->error);
        read_repaired(r, xml, encoding);
    }
    if (metadata->well_formed && !metadata->is_request && !metadata->sessions &&
        !metadata->participants && !metadata->streams && !metadata->groups && !metadata->mode_given)
        siprec_warn(warnings, SIPREC_WARN_METADATA_EMPTY, "%s", "");
}
