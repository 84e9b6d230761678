/* ice: see ice.h.
 * Not here: offers and answers as a whole (request.c, judge.c).
 * RFC 8445 §12; 8839 §4.2, §5; 5761 §5.1.1; 8840 §4, §10. */
#include "tools/siprec-call/ice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "ice/ice.h"
#include "io/sockaddr.h"
#include "sdp/candidate.h"
#include "sdp/fragment.h"
#include "tools/siprec-call/world.h"

struct call_ice {
    struct ice *agent;
    struct call_stream *stream;
    struct call_alarm alarm;
    bool described; /* the SRS's side is known */
    bool failed;
    /* What the SRS knows of our candidates. */
    enum { TOLD_NOTHING, TOLD_RTP, TOLD_ALL } told;
    unsigned trickled;
    char ufrag[ICE_REMOTE_CREDENTIAL_SIZE], pwd[ICE_REMOTE_CREDENTIAL_SIZE]; /* the SRS's */
    char pair[24];
};

static bool trickles(const struct call *call)
{
    return call->world->options->ice == CALL_ICE_TRICKLE;
}

/* RFC 8838 §10: none is checked before it was told. */
static void candidates_add(struct call_ice *ice, uint16_t components)
{
    const struct call_sender *sender = &ice->stream->sender;
    for (uint16_t component = 1; component <= components; component++) {
        struct candidate host = {.component = component, .address = sender->local};
        host.address.port = (uint16_t)(host.address.port + component - 1);
        (void)ice_add_local(ice->agent, host, (struct ice_base){component}, UINT16_MAX);
    }
}

static struct ice *agent_make(struct call_world *world)
{
    struct ice_options options = {.role = ICE_CONTROLLING,
                                  .lite = world->options->ice == CALL_ICE_LITE,
                                  .components = ICE_COMPONENTS};
    rng_bytes(&world->rng, options.seed, sizeof options.seed);
    return ice_create(&options);
}

struct call_ice *call_ice_create(struct call_stream *stream)
{
    struct call_ice *ice = calloc(1, sizeof *ice);
    if (!ice)
        return NULL;
    ice->stream = stream;
    ice->alarm = (struct call_alarm){.kind = CALL_ALARM_ICE, .owner = stream};
    ice->agent = agent_make(stream->call->world);
    if (!ice->agent) {
        free(ice);
        return NULL;
    }
    ice_join(ice->agent, &stream->call->ice);
    if (!trickles(stream->call)) {
        candidates_add(ice, ICE_COMPONENTS);
        ice->told = TOLD_ALL;
    }
    return ice;
}

void call_ice_stop(struct call_ice *ice)
{
    call_wheel_set(&ice->stream->call->world->wheel, &ice->alarm, TICK_NEVER);
}

void call_ice_destroy(struct call_ice *ice)
{
    if (!ice)
        return;
    call_ice_stop(ice);
    ice_destroy(ice->agent);
    free(ice);
}

void call_ice_restart(struct call_ice *ice)
{
    ice_restart(ice->agent);
    ice->described = ice->failed = false;
}

const char *call_ice_text(const struct call_ice *ice)
{
    if (ice->failed)
        return "failed";
    return ice->pair[0] ? ice->pair : "checking";
}

unsigned call_ice_trickled(const struct call_ice *ice)
{
    return ice->trickled;
}

/* ---- What is offered ------------------------------------------------------------------------ */

static const struct call_stream *stream_at(const struct call *call, struct view line)
{
    struct view word;
    uint16_t port = 0;
    (void)view_cut(&line, ' ', &word);
    (void)view_cut(&line, ' ', &word);
    if (!view_parse_u16(word, &port) || port == 0)
        return NULL;
    for (unsigned i = 0; i < call->stream_count; i++) {
        const struct call_stream *stream = &call->streams[i];
        if (stream->ice && stream->sender.local.port == port)
            return stream;
    }
    return NULL;
}

static void stream_lines(const struct call_stream *stream, struct writer *out)
{
    struct candidate list[ICE_LOCALS];
    const struct call_ice *ice = stream->ice;
    size_t count = ice_local_candidates(ice->agent, list, ICE_LOCALS);
    writer_string(out, "a=rtcp-mux\r\n");
    for (size_t i = 0; i < count; i++)
        sdp_candidate_print(out, &list[i]);
    writer_printf(out, "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\n", ice_ufrag(ice->agent),
                  ice_pwd(ice->agent));
    if (!trickles(stream->call))
        return;
    writer_printf(out, "a=mid:%u\r\n", stream->sender.index);
    if (ice->told == TOLD_ALL)
        writer_string(out, "a=end-of-candidates\r\n");
}

/* RFC 8840 §4.1.1: a stream that names no candidate yet names no address either. False: the line
 * stays as it is. */
static bool line_hide(const struct call_stream *stream, struct view line, struct writer *out)
{
    struct view rest = line, word;
    if (!stream || stream->ice->told != TOLD_NOTHING)
        return false;
    if (view_starts_with(line, VIEW_LIT("c=")) || view_starts_with(line, VIEW_LIT("a=rtcp:")))
        return true;
    if (!view_starts_with(line, VIEW_LIT("m=")))
        return false;
    (void)view_cut(&rest, ' ', &word);
    writer_printf(out, VIEW_FMT " 9 ", VIEW_ARG(word));
    (void)view_cut(&rest, ' ', &word);
    writer_printf(out, VIEW_FMT "\r\nc=IN %s\r\n", VIEW_ARG(rest),
                  stream->sender.local.family == ADDR_V6 ? "IP6 ::" : "IP4 0.0.0.0");
    return true;
}

void call_ice_offer(const struct call *call, struct view sdp, struct writer *out)
{
    const struct call_stream *stream = NULL;
    struct view rest = sdp, line;
    bool media = false;
    while (view_cut_line(&rest, &line)) {
        if (view_starts_with(line, VIEW_LIT("m="))) {
            if (stream)
                stream_lines(stream, out);
            if (!media && call->world->options->ice == CALL_ICE_LITE)
                writer_string(out, "a=ice-lite\r\n");
            if (!media)
                writer_printf(out, "a=ice-options:ice2%s\r\n", trickles(call) ? " trickle" : "");
            media = true;
            stream = stream_at(call, line);
        }
        if (line_hide(stream, line, out))
            continue;
        writer_view(out, line);
        writer_string(out, "\r\n");
    }
    if (stream)
        stream_lines(stream, out);
}

/* ---- What is answered ----------------------------------------------------------------------- */

static void candidate_take(struct call_ice *ice, struct view value, struct tick now)
{
    struct candidate candidate;
    if (!sdp_candidate_parse(value, &candidate))
        call_problem(ice->stream->call, true, "stream %u: candidate cannot be read: " VIEW_FMT,
                     ice->stream->sender.index, VIEW_ARG(value));
    else
        (void)ice_add_remote(ice->agent, now, &candidate);
}

/* What stands behind name in the last of these lines that begins with it. */
static struct view attribute(struct view lines, struct view name)
{
    struct view line, value = VIEW_NONE;
    while (view_cut_line(&lines, &line)) {
        if (view_starts_with(line, name))
            value = view_skip(line, name.len);
    }
    return value;
}

/* Those of an m-line, and whether they are the last. */
static unsigned candidates_take(struct call_ice *ice, struct view lines, struct tick now)
{
    struct view line;
    unsigned count = 0;
    while (view_cut_line(&lines, &line)) {
        if (!view_starts_with(line, VIEW_LIT("a=candidate:")))
            continue;
        candidate_take(ice, view_skip(line, 12), now);
        count++;
    }
    return count;
}

static bool has_end(struct view lines)
{
    return attribute(lines, VIEW_LIT("a=end-of-candidates")).at;
}

bool call_ice_answer(struct call_ice *ice, const struct call_answer *answer,
                     const struct call_media *theirs, struct tick now)
{
    struct view ufrag = attribute(theirs->attributes, VIEW_LIT("a=ice-ufrag:")),
                pwd = attribute(theirs->attributes, VIEW_LIT("a=ice-pwd:"));
    if (ufrag.len == 0 || pwd.len == 0)
        return false;
    if (!ice_set_remote(ice->agent, now, ufrag, pwd, answer->ice_lite) ||
        !view_copy(ufrag, ice->ufrag, sizeof ice->ufrag) ||
        !view_copy(pwd, ice->pwd, sizeof ice->pwd)) {
        call_problem(ice->stream->call, true, "stream %u: ICE credentials cannot be used",
                     ice->stream->sender.index);
        return false;
    }
    (void)candidates_take(ice, theirs->attributes, now);
    if (!trickles(ice->stream->call) || !answer->ice_trickles || has_end(theirs->attributes))
        ice_end_remote(ice->agent, now);
    ice->described = true;
    call_ice_expire(ice, now);
    return true;
}

/* ---- What is told later --------------------------------------------------------------------- */

struct call_stream *call_ice_stream(struct call *call, struct view mid)
{
    uint32_t number = 0;
    bool known = view_parse_u32(mid, &number) && number < call->stream_count;
    return known && call->streams[number].ice ? &call->streams[number] : NULL;
}

struct view call_ice_headers(const struct call *call, bool info)
{
    if (!trickles(call))
        return VIEW_NONE;
    return info ? VIEW_LIT("Info-Package: trickle-ice\r\n")
                : VIEW_LIT("Supported: trickle-ice\r\nRecv-Info: trickle-ice\r\n");
}

void call_ice_meet(struct call *call, const struct call_message *message)
{
    struct view name = VIEW_LIT("trickle-ice"), value;
    for (unsigned n = 0; (value = call_message_header(message, "Recv-Info", n)).at; n++)
        call->takes_info |= view_find(value, name) < value.len;
}

/* The stream takes part in the call with ICE on both sides. */
static bool runs(const struct call_stream *stream)
{
    return stream->ice && stream->ice->described && !stream->removed && !stream->rejected &&
           stream->sender.rtp_fd >= 0;
}

bool call_ice_tell(struct call *call)
{
    bool owes = false;
    for (unsigned i = 0; i < call->stream_count; i++) {
        struct call_stream *stream = &call->streams[i];
        if (!runs(stream) || stream->ice->told == TOLD_ALL)
            continue;
        bool all = !call->takes_info || stream->ice->told == TOLD_RTP;
        candidates_add(stream->ice, all && !stream->muxed ? ICE_COMPONENTS : 1);
        stream->ice->told = all ? TOLD_ALL : TOLD_RTP;
        owes = true;
    }
    return owes;
}

void call_ice_told(struct call *call, struct tick now)
{
    for (unsigned i = 0; i < call->stream_count; i++) {
        if (runs(&call->streams[i]))
            call_ice_expire(call->streams[i].ice, now);
    }
}

void call_ice_fragment(const struct call *call, struct writer *out)
{
    for (unsigned i = 0; i < call->stream_count; i++) {
        const struct call_stream *stream = &call->streams[i];
        struct candidate list[ICE_LOCALS];
        char mid[12];
        if (!runs(stream))
            continue;
        const struct call_ice *ice = stream->ice;
        struct sdp_ice told = {.ends = ice->told == TOLD_ALL,
                               .ufrag = view_of_string(ice_ufrag(ice->agent)),
                               .pwd = view_of_string(ice_pwd(ice->agent)),
                               .candidates = list,
                               .candidate_count =
                                   ice_local_candidates(ice->agent, list, ICE_LOCALS)};
        (void)snprintf(mid, sizeof mid, "%u", i);
        sdp_fragment_print(out, view_of_string(mid), true, &told);
    }
}

/* An m-line of an INFO, with what stands before the first; both may hold credentials and the end
 * (RFC 8840 §4.4). */
static void section_take(struct call *call, struct view head, struct view lines, struct tick now)
{
    struct view mid = attribute(lines, VIEW_LIT("a=mid:")),
                ufrag = attribute(lines, VIEW_LIT("a=ice-ufrag:")),
                pwd = attribute(lines, VIEW_LIT("a=ice-pwd:"));
    struct call_stream *stream = call_ice_stream(call, mid);
    if (!stream) {
        call_problem(call, true, "an INFO with candidates of an unknown a=mid: " VIEW_FMT,
                     VIEW_ARG(mid));
        return;
    }
    struct call_ice *ice = stream->ice;
    if (ufrag.len == 0)
        ufrag = attribute(head, VIEW_LIT("a=ice-ufrag:"));
    if (pwd.len == 0)
        pwd = attribute(head, VIEW_LIT("a=ice-pwd:"));
    if (!runs(stream) || !view_equal(ufrag, view_of_string(ice->ufrag)) ||
        !view_equal(pwd, view_of_string(ice->pwd)))
        return; /* of a generation that is over, or to come */
    ice->trickled = candidates_take(ice, lines, now);
    if (has_end(lines) || has_end(head))
        ice_end_remote(ice->agent, now);
    call_ice_expire(ice, now);
}

void call_ice_take(struct call *call, const struct call_message *message, struct tick now)
{
    struct view body = message->body, type = call_message_header(message, "Content-Type", 0);
    if (!trickles(call) || !view_starts_with_nocase(type, VIEW_LIT(SDP_FRAGMENT_TYPE)))
        return;
    struct view head = view_take(body, view_find(body, VIEW_LIT("m=")));
    struct view rest = view_skip(body, head.len);
    while (rest.len > 0) {
        size_t end = view_find(rest, VIEW_LIT("\nm="));
        section_take(call, head, view_take(rest, end), now);
        rest = view_skip(rest, end + 1);
    }
}

/* ---- Packets -------------------------------------------------------------------------------- */

static const char *type_name(enum candidate_type type)
{
    static const char *const names[] = {[CANDIDATE_HOST] = "host",
                                        [CANDIDATE_SERVER_REFLEXIVE] = "srflx",
                                        [CANDIDATE_PEER_REFLEXIVE] = "prflx",
                                        [CANDIDATE_RELAYED] = "relay"};
    return names[type];
}

/* From now on packets take the chosen path: RTCP the RTP's where the SRS muxes. */
static void path_take(struct call_ice *ice, const struct ice_event *event)
{
    struct call_sender *sender = &ice->stream->sender;
    if (event->component == 1) {
        snprintf(ice->pair, sizeof ice->pair, "%s-%s", type_name(event->local_type),
                 type_name(event->remote_type));
        sender->rtp = event->path.peer;
        if (ice->stream->muxed)
            sender->rtcp = sender->rtp;
        ice->failed = false;
    } else {
        sender->rtcp = event->path.peer;
    }
}

/* The role is the call's: what one stream waits for may be another's to do now. */
static void role_take(struct call_ice *ice)
{
    struct call *call = ice->stream->call;
    for (unsigned i = 0; i < call->stream_count; i++) {
        struct call_ice *other = call->streams[i].ice;
        if (other && other != ice && other->stream->sender.rtp_fd >= 0)
            call_wheel_set(&call->world->wheel, &other->alarm, ice_deadline(other->agent));
    }
}

static void events_take(struct call_ice *ice)
{
    struct ice_event event;
    while (ice_event(ice->agent, &event)) {
        if (event.kind == ICE_SELECTED) {
            path_take(ice, &event);
        } else if (event.kind == ICE_ROLE_CHANGED) {
            role_take(ice);
        } else if (event.kind == ICE_FAILED) {
            ice->failed = true;
        } else if (event.kind == ICE_CONSENT_LOST && event.component == 1) {
            ice->stream->sender.rtp.port = 0; /* RFC 7675 §5.1: not a packet more */
            call_problem(ice->stream->call, false, "stream %u: the SRS answers no more",
                         ice->stream->sender.index);
        }
    }
}

static void packets_send(struct call_ice *ice, struct tick now)
{
    const struct call_sender *sender = &ice->stream->sender;
    struct ice_packet packet;
    while (ice_output(ice->agent, now, &packet)) {
        struct sockaddr_storage sa;
        socklen_t len = io_sockaddr_from(&packet.path.peer, &sa);
        int fd = packet.path.base.number == 1 ? sender->rtp_fd : sender->rtcp_fd;
        if (fd >= 0)
            (void)!sendto(fd, packet.bytes.at, packet.bytes.len, MSG_DONTWAIT | MSG_NOSIGNAL,
                          (struct sockaddr *)&sa, len);
    }
}

void call_ice_expire(struct call_ice *ice, struct tick now)
{
    ice_expire(ice->agent, now);
    packets_send(ice, now);
    events_take(ice);
    call_wheel_set(&ice->stream->call->world->wheel, &ice->alarm, ice_deadline(ice->agent));
}

void call_ice_receive(struct call_ice *ice, bool rtcp, struct tick now)
{
    struct call_sender *sender = &ice->stream->sender;
    char bytes[CALL_PACKET_MAX];
    for (int i = 0; i < 64; i++) {
        struct sockaddr_storage sa;
        socklen_t size = sizeof sa;
        ssize_t n = recvfrom(rtcp ? sender->rtcp_fd : sender->rtp_fd, bytes, sizeof bytes,
                             MSG_DONTWAIT, (struct sockaddr *)&sa, &size);
        if (n < 0)
            break;
        struct view datagram = view_of(bytes, (size_t)n);
        struct ice_path via = {.base = {rtcp ? 2 : 1}};
        via.peer = io_sockaddr_to((const struct sockaddr *)&sa);
        if (ice_input(ice->agent, now, &via, datagram) == ICE_NOT_MINE)
            call_sender_take(sender, rtcp, datagram);
    }
    call_ice_expire(ice, now);
}
