/* request: builds a call's messages from its profile's templates. Part of call.h.
 * Not here: the templates (profiles/), when a message is sent (dialog.c, steps.c).
 * RFC 3261 §8.1.1, §12.2.1.1; RFC 8866, 4574 (SDP); RFC 7865 (ids: base64 of a UUID). */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "sdp/fragment.h"
#include "tools/siprec-call/ice.h"
#include "tools/siprec-call/text.h"
#include "tools/siprec-call/world.h"

#define VALUES_BYTES (64 * 1024)
#define PART_BYTES   (CALL_SCRATCH_BYTES / 4)
#define ROOT_VALUES  64

/* Values gathered for one scope; their texts stand in the world's values. */
struct values {
    struct call_text_value list[ROOT_VALUES];
    size_t count;
    struct writer *text;
};

static void value_set(struct values *v, const char *name, struct view value)
{
    if (v->count < ROOT_VALUES)
        v->list[v->count++] = (struct call_text_value){name, value};
}

PRINTF_LIKE(3, 4)
static void value_print(struct values *v, const char *name, const char *format, ...)
{
    char text[4096];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    size_t start = v->text->len;
    writer_view(v->text, view_of(text, n > 0 && (size_t)n < sizeof text ? (size_t)n : 0));
    value_set(v, name, view_of(v->text->buffer + start, v->text->len - start));
}

static void base64_write(const uint8_t id[CALL_ID_BYTES], char out[25])
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char *at = out;
    for (unsigned i = 0; i < CALL_ID_BYTES; i += 3) {
        uint32_t three = (uint32_t)id[i] << 16;
        if (i + 1 < CALL_ID_BYTES)
            three |= (uint32_t)id[i + 1] << 8 | id[i + 2];
        for (unsigned k = 0; k < 4; k++)
            *at++ = digits[(three >> (18 - 6 * k)) & 63];
    }
    out[22] = out[23] = '='; /* 16 bytes: the last group holds one */
    out[24] = '\0';
}

/* NAME_id in base64, NAME_uuid, NAME_hex. */
static void id_put(struct values *v, const char *const names[3], const uint8_t id[CALL_ID_BYTES])
{
    char text[37], hex[33];
    for (unsigned i = 0; i < CALL_ID_BYTES; i++)
        snprintf(hex + (size_t)2 * i, 3, "%02x", id[i]);
    base64_write(id, text);
    value_print(v, names[0], "%s", text);
    value_print(v, names[1], "%.8s-%.4s-%.4s-%.4s-%.12s", hex, hex + 8, hex + 12, hex + 16,
                hex + 20);
    value_print(v, names[2], "%s", hex);
}

enum call_direction call_stream_direction(const struct call_stream *stream)
{
    return stream->inactive ? CALL_INACTIVE : CALL_SENDONLY;
}

/* The payload types of one m-line, or those we answer the SRS's offer with. */
static void formats_put(struct values *v, const struct call *call, const struct call_stream *stream)
{
    const struct call_world *world = call->world;
    struct view eol = world->profile.eol;
    char formats[256], maps[2048];
    struct writer f = writer_of(formats, sizeof formats), m = writer_of(maps, sizeof maps);
    const struct call_sender *sender = &stream->sender;
    for (size_t i = 0; i < world->codec_count; i++) {
        const struct call_codec *codec = world->codecs[i];
        bool taken = !call->answering || (sender->clip && sender->clip->codec == codec);
        unsigned type = call->answering ? sender->payload_type : codec->payload_type;
        if (!taken)
            continue;
        writer_printf(&f, "%s%u", f.len > 0 ? " " : "", type);
        writer_printf(&m, VIEW_FMT "a=rtpmap:%u %s", VIEW_ARG(m.len > 0 ? eol : VIEW_NONE), type,
                      codec->rtpmap);
        if (codec->fmtp)
            writer_printf(&m, VIEW_FMT "a=fmtp:%u %s", VIEW_ARG(eol), type, codec->fmtp);
    }
    if (world->noise && !call->answering) {
        writer_printf(&f, " 13");
        writer_printf(&m, VIEW_FMT "a=rtpmap:13 CN/8000", VIEW_ARG(eol));
    }
    unsigned events = call->answering ? sender->events_type : world->profile.events;
    if (events != CALL_NO_TYPE && world->codec_count > 0) {
        writer_printf(&f, " %u", events);
        writer_printf(&m, VIEW_FMT "a=rtpmap:%u telephone-event/%u", VIEW_ARG(eol), events,
                      (unsigned)world->codecs[0]->clock_hz);
        writer_printf(&m, VIEW_FMT "a=fmtp:%u 0-15", VIEW_ARG(eol), events);
    }
    value_print(v, "formats", VIEW_FMT, VIEW_ARG(writer_done(&f)));
    value_print(v, "rtpmaps", VIEW_FMT, VIEW_ARG(writer_done(&m)));
}

static void stream_put(struct values *v, const struct call *call, unsigned index)
{
    static const char *const names[3] = {"stream_id", "stream_uuid", "stream_hex"};
    static const char *const party[3] = {"party_id", "party_uuid", "party_hex"};
    const struct call_stream *stream = &call->streams[index];
    uint16_t port = stream->removed || stream->rejected ? 0 : stream->sender.local.port;
    id_put(v, names, stream->id);
    value_print(v, "index", "%u", index);
    value_print(v, "label", "%s", stream->label);
    value_print(v, "port", "%u", port);
    value_print(v, "rtcp_port", "%u", port + 1u);
    value_print(v, "direction", "%s", call_direction_name(call_stream_direction(stream)));
    struct addr_text ip = addr_print_ip(&call->world->said_ip);
    value_print(v, "stream_ip", "%s",
                stream->zero ? (call->world->said_ip.family == ADDR_V6 ? "::" : "0.0.0.0") : ip.s);
    formats_put(v, call, stream);
    for (unsigned i = 0; i < call->party_count; i++) {
        if (call->parties[i].present && call->parties[i].stream == index) {
            id_put(v, party, call->parties[i].id);
            return;
        }
    }
}

static void moment_put(struct values *v, const char *const names[3], struct wall at)
{
    struct wall_text text = wall_print(at);
    value_print(v, names[0], "%s", text.s);
    value_print(v, names[1], "%.19s", text.s);
    value_print(v, names[2], "%.19s+0000", text.s);
}

/* The caller's number ends in 01, the callee's in 02, and so on; 555-01xx belongs to nobody. */
static void party_put(struct values *v, const struct call *call, const struct call_party *party)
{
    static const char *const names[3] = {"party_id", "party_uuid", "party_hex"};
    static const char *const sends[3] = {"send", "send_uuid", "send_hex"};
    static const char *const recvs[3] = {"recv", "recv_uuid", "recv_hex"};
    static const char *const joined[3] = {"joined", "joined_local", "joined_plus"};
    static const char *const left[3] = {"left", "left_local", "left_plus"};
    static const char *const people[] = {"Alice", "Bob",   "Carol", "Dave",
                                         "Erin",  "Frank", "Grace", "Heidi"};
    id_put(v, names, party->id);
    value_print(v, "number", "20255501%02u", (party->number + 1) % 100);
    value_print(v, "name", "%s", people[party->number % 8]);
    value_print(v, "aor", "sip:20255501%02u@example.com", (party->number + 1) % 100);
    value_print(v, "calling", "%s", party->number == 0 ? "true" : "false");
    value_print(v, "label", "%s", call->streams[party->stream].label);
    moment_put(v, joined, party->joined);
    moment_put(v, left, party->left);
    /* Every party hears the first stream that is not its own. */
    unsigned other = party->stream == 0 && call->stream_count > 1 ? 1 : 0;
    if (!party->quiet && !party->leaving) {
        id_put(v, sends, call->streams[party->stream].id);
    } else {
        for (unsigned i = 0; i < 3; i++)
            value_set(v, sends[i], VIEW_NONE);
    }
    id_put(v, recvs, call->streams[other].id);
}

static void ids_put(struct values *v, const struct call *call)
{
    static const char *const names[CALL_ID_COUNT][3] = {
        {"session_id", "session_uuid", "session_hex"},
        {"group_id", "group_uuid", "group_hex"},
        {"recording_id", "recording_uuid", "recording_hex"},
        {"extension_id", "extension_uuid", "extension_hex"},
        {"sip_session_id", "sip_session_uuid", "sip_session_hex"},
    };
    for (unsigned i = 0; i < CALL_ID_COUNT; i++)
        id_put(v, names[i], call->ids[i]);
}

static void place_put(struct values *v, const struct call *call)
{
    const struct call_world *world = call->world;
    struct addr_text local = addr_print(&world->wire.local),
                     host = addr_print_host(&world->wire.local);
    struct addr_text peer = addr_print(&world->wire.peer),
                     peer_host = addr_print_host(&world->wire.peer);
    struct addr_text ip = addr_print_ip(&world->said_ip);
    enum call_transport transport = world->wire.transport;
    static const char *const upper[] = {"UDP", "TCP", "TLS"};
    bool zero = call->stream_count > 0;
    for (unsigned i = 0; i < call->stream_count; i++)
        zero = zero && call->streams[i].zero;
    value_print(v, "local", "%s", local.s);
    value_print(v, "local_host", "%s", host.s);
    value_print(v, "local_port", "%u", world->wire.local.port);
    value_print(v, "peer", "%s", peer.s);
    value_print(v, "peer_host", "%s", peer_host.s);
    value_print(v, "transport", "%s", upper[transport]);
    value_print(v, "transport_lower", "%s", call_transport_name(transport));
    value_print(v, "contact_transport", "%s", call_transport_parameter(transport));
    value_print(v, "ip", "%s", ip.s);
    value_print(v, "media_ip", "%s",
                zero ? (world->said_ip.family == ADDR_V6 ? "::" : "0.0.0.0") : ip.s);
    value_print(v, "family", "%s", world->said_ip.family == ADDR_V6 ? "IP6" : "IP4");
}

static void root_put(struct values *v, const struct call *call,
                     const struct call_text_request *request)
{
    static const char *const began[3] = {"began", "began_local", "began_plus"};
    value_print(v, "method", "%s", request->method);
    value_print(v, "uri", "%s", call->world->options->uri);
    value_print(v, "target", "%s", call->target);
    value_print(v, "branch", "%s", request->branch);
    value_print(v, "cseq", "%u", request->cseq);
    value_print(v, "from_tag", "%s", call->from_tag);
    value_print(v, "to", "%s", call->to);
    value_print(v, "call_id", "%s", call->call_id);
    value_print(v, "routes", "%s", call->routes);
    value_print(v, "sdp_id", "%u", call->sdp_id);
    value_print(v, "sdp_version", "%u", call->sdp_version);
    value_print(v, "unix", "%lld", (long long)(call->began.ns / NS_PER_S));
    value_set(v, "sp", VIEW_LIT(" "));
    moment_put(v, began, call->began);
    place_put(v, call);
    ids_put(v, call);
}

/* Lists of a scope: the streams that live, all m-lines, and the parties. */
struct lists {
    struct call_text_list list[5];
    struct call_text_scope streams[CALL_STREAMS_MAX], media[CALL_STREAMS_MAX];
    struct call_text_scope present[CALL_PARTIES_MAX], joining[CALL_PARTIES_MAX],
        leaving[CALL_PARTIES_MAX];
    struct values stream_values[CALL_STREAMS_MAX], party_values[CALL_PARTIES_MAX];
};

static void lists_fill(struct lists *lists, const struct call *call,
                       const struct call_text_scope *root, struct writer *text)
{
    static const char *const names[5] = {"stream", "media", "party", "joining", "leaving"};
    struct call_text_scope *items[5] = {lists->streams, lists->media, lists->present,
                                        lists->joining, lists->leaving};
    for (unsigned i = 0; i < 5; i++)
        lists->list[i] = (struct call_text_list){.name = names[i], .items = items[i]};
    for (unsigned i = 0; i < call->stream_count; i++) {
        struct values *v = &lists->stream_values[i];
        *v = (struct values){.text = text};
        stream_put(v, call, i);
    }
    for (unsigned i = 0; i < call->stream_count; i++) {
        struct values *v = &lists->stream_values[call->order[i]];
        struct call_text_scope scope = {.values = v->list, .value_count = v->count, .outer = root};
        lists->media[lists->list[1].count++] = scope;
        if (!call->streams[call->order[i]].removed)
            lists->streams[lists->list[0].count++] = scope;
    }
    for (unsigned i = 0; i < call->party_count; i++) {
        const struct call_party *party = &call->parties[i];
        struct values *v = &lists->party_values[i];
        *v = (struct values){.text = text};
        party_put(v, call, party);
        struct call_text_scope scope = {.values = v->list, .value_count = v->count, .outer = root};
        if (party->present)
            lists->present[lists->list[2].count++] = scope;
        if (party->joining || (party->present && party->quiet))
            lists->joining[lists->list[3].count++] = scope;
        if (party->leaving)
            lists->leaving[lists->list[4].count++] = scope;
    }
}

struct call_builder {
    struct call *call;
    struct values root;
    struct call_text_scope scope;
    struct lists lists;
    struct writer parts;
    struct writer text;
};

struct call_builder *call_builder_create(void)
{
    return calloc(1, sizeof(struct call_builder));
}

/* Expands a section; what it gives stays in the world's part. */
static struct view section_expand(struct call_builder *b, enum call_section section,
                                  struct writer *out)
{
    const struct call_profile *profile = &b->call->world->profile;
    struct view text = profile->section[section], fault;
    if (text.len > 0 && text.at[text.len - 1] == '\n')
        text.len--; /* the last line end belongs to the file, not to the message */
    size_t start = out->len;
    b->scope.values = b->root.list;
    b->scope.value_count = b->root.count;
    if (!call_text_expand(text, &b->scope, profile->eol, out, &fault))
        call_fail(b->call, "profile %s: cannot fill {" VIEW_FMT "}", profile->name,
                  VIEW_ARG(fault));
    return view_of(out->buffer + start, out->len - start);
}

/* Every line of an SDP ends, the last one too (RFC 8866 section 9). */
static struct view sdp_expand(struct call_builder *b)
{
    struct view text = section_expand(b, CALL_SECTION_SDP, &b->parts);
    if (text.len > 0 && text.at[text.len - 1] != '\n') {
        writer_view(&b->parts, b->call->world->profile.eol);
        text = view_of(text.at, text.len + b->call->world->profile.eol.len);
    }
    if (b->call->world->options->ice == CALL_ICE_NONE)
        return text;
    size_t start = b->parts.len;
    call_ice_offer(b->call, text, &b->parts);
    return view_of(b->parts.buffer + start, b->parts.len - start);
}

static void body_put(struct call_builder *b, bool sdp, bool metadata, bool partial)
{
    const struct call_profile *profile = &b->call->world->profile;
    struct view text = VIEW_NONE, xml = VIEW_NONE, body = VIEW_NONE, type = VIEW_NONE,
                disposition = VIEW_NONE;
    if (sdp) {
        text = sdp_expand(b);
        body = text;
        type = VIEW_LIT("application/sdp");
    }
    if (metadata) {
        xml = section_expand(b, partial ? CALL_SECTION_PARTIAL : CALL_SECTION_METADATA, &b->parts);
        body = xml;
        type = profile->metadata_type;
        disposition = VIEW_LIT("recording-session");
    }
    value_set(&b->root, "sdp", text);
    value_set(&b->root, "metadata", xml);
    value_print(&b->root, "sdp_length", "%zu", text.len);
    value_print(&b->root, "metadata_length", "%zu", xml.len);
    if (sdp && metadata) {
        body = section_expand(b, CALL_SECTION_BODY, &b->parts);
        type = profile->content_type;
        disposition = VIEW_NONE;
    }
    value_set(&b->root, "body", body);
    value_set(&b->root, "content_type", type);
    value_set(&b->root, "disposition", disposition);
    value_print(&b->root, "length", "%zu", body.len);
}

/* What an INFO of the package trickle-ice holds (RFC 8840 section 4.4). */
static void candidates_put(struct call_builder *b)
{
    struct view body;
    size_t start = b->parts.len;
    call_ice_fragment(b->call, &b->parts);
    body = view_of(b->parts.buffer + start, b->parts.len - start);
    value_set(&b->root, "body", body);
    value_set(&b->root, "content_type", VIEW_LIT(SDP_FRAGMENT_TYPE));
    value_set(&b->root, "disposition", VIEW_LIT("Info-Package"));
    value_print(&b->root, "length", "%zu", body.len);
}

/* Writes message again behind itself, with header lines that no profile has at the end of its own. */
static struct view headers_add(struct view message, struct view headers, struct writer *out)
{
    size_t start = out->len;
    struct view rest = message, line = message;
    while (line.len > 0 && view_cut_line(&rest, &line))
        ;
    struct view blank = view_of(line.at, message.len - (size_t)(line.at - message.at));
    writer_view(out, view_take(message, message.len - blank.len));
    writer_view(out, headers);
    writer_view(out, blank);
    return view_of(out->buffer + start, out->len - start);
}

static struct call_builder *builder_start(struct call *call,
                                          const struct call_text_request *request)
{
    struct call_world *world = call->world;
    struct call_builder *b = world->builder;
    memset(&b->lists, 0, sizeof b->lists);
    b->call = call;
    b->text = writer_of(world->values, VALUES_BYTES);
    b->parts = writer_of(world->part, PART_BYTES);
    b->root = (struct values){.text = &b->text};
    root_put(&b->root, call, request);
    b->scope = (struct call_text_scope){.lists = b->lists.list, .list_count = 5};
    lists_fill(&b->lists, call, &b->scope, &b->text);
    return b;
}

struct view call_message_build(struct call *call, const struct call_text_request *request)
{
    struct call_world *world = call->world;
    struct call_builder *b = builder_start(call, request);
    enum call_content content = request->content;
    bool sdp = content == CALL_CONTENT_BOTH || content == CALL_CONTENT_SDP ||
               (content == CALL_CONTENT_PARTIAL && strcmp(request->method, "INVITE") == 0);
    bool metadata = content == CALL_CONTENT_BOTH || content == CALL_CONTENT_METADATA ||
                    content == CALL_CONTENT_PARTIAL;
    if (content == CALL_CONTENT_CANDIDATES)
        candidates_put(b);
    else
        body_put(b, sdp, metadata, content == CALL_CONTENT_PARTIAL);
    bool bare = strcmp(request->method, "ACK") == 0 || strcmp(request->method, "CANCEL") == 0 ||
                strcmp(request->method, "PRACK") == 0;
    enum call_section section = bare                           ? CALL_SECTION_BARE
                                : call->state == CALL_INVITING ? CALL_SECTION_INVITE
                                                               : CALL_SECTION_REQUEST;
    struct writer out = writer_of(world->scratch, CALL_SCRATCH_BYTES);
    struct view message = section_expand(b, section, &out), headers = VIEW_NONE;
    if (sdp || content == CALL_CONTENT_CANDIDATES)
        headers = call_ice_headers(call, !sdp);
    if (headers.len > 0)
        message = headers_add(message, headers, &out);
    return call->failed && out.failed ? VIEW_NONE : message;
}

struct view call_reply_build(struct call *call, const struct call_message *request, unsigned code,
                             const char *phrase, bool sdp)
{
    struct call_world *world = call->world;
    struct call_text_request none = {.method = "ACK", .branch = "", .cseq = request->cseq};
    struct call_builder *b = builder_start(call, &none);
    struct view body = VIEW_NONE;
    if (sdp)
        body = sdp_expand(b);
    struct writer out = writer_of(world->scratch, CALL_SCRATCH_BYTES);
    writer_printf(&out, "SIP/2.0 %u %s\r\n", code, phrase);
    struct view via;
    for (unsigned n = 0; (via = call_message_header(request, "Via", n)).at; n++)
        writer_printf(&out, "Via: " VIEW_FMT "\r\n", VIEW_ARG(via));
    static const char *const copied[] = {"From", "To", "Call-ID", "CSeq"};
    for (unsigned i = 0; i < 4; i++)
        writer_printf(&out, "%s: " VIEW_FMT "\r\n", copied[i],
                      VIEW_ARG(call_message_header(request, copied[i], 0)));
    struct addr_text local = addr_print(&world->wire.local);
    writer_printf(&out, "Contact: <sip:src@%s%s>;+sip.src\r\n", local.s,
                  call_transport_parameter(world->wire.transport));
    writer_string(&out, "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, INFO, UPDATE, PRACK\r\n");
    if (sdp) {
        writer_view(&out, call_ice_headers(call, false));
        writer_string(&out, "Content-Type: application/sdp\r\n");
    }
    writer_printf(&out, "Content-Length: %zu\r\n\r\n", body.len);
    writer_view(&out, body);
    return writer_done(&out);
}
