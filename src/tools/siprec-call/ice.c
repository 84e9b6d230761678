/* ice: see ice.h.
 * Not here: offers and answers as a whole (request.c, judge.c).
 * RFC 8445 §12; 8839 §4.2, §5; 5761 §5.1.1. */
#include "tools/siprec-call/ice.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "ice/ice.h"
#include "io/sockaddr.h"
#include "sdp/candidate.h"
#include "tools/siprec-call/world.h"

struct call_ice {
    struct ice *agent;
    struct call_stream *stream;
    struct call_alarm alarm;
    bool described; /* the SRS's side is known */
    bool failed;
    char pair[24];
};

static void candidates_add(struct call_ice *ice)
{
    const struct call_sender *sender = &ice->stream->sender;
    for (uint16_t component = 1; component <= ICE_COMPONENTS; component++) {
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
    candidates_add(ice);
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
                writer_string(out, "a=ice-options:ice2\r\n");
            media = true;
            stream = stream_at(call, line);
        }
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

bool call_ice_answer(struct call_ice *ice, const struct call_answer *answer,
                     const struct call_media *theirs, struct tick now)
{
    struct view rest = theirs->attributes, line, ufrag = VIEW_NONE, pwd = VIEW_NONE;
    while (view_cut_line(&rest, &line)) {
        if (view_starts_with(line, VIEW_LIT("a=ice-ufrag:")))
            ufrag = view_skip(line, 12);
        else if (view_starts_with(line, VIEW_LIT("a=ice-pwd:")))
            pwd = view_skip(line, 10);
    }
    if (ufrag.len == 0 || pwd.len == 0)
        return false;
    if (!ice_set_remote(ice->agent, now, ufrag, pwd, answer->ice_lite)) {
        call_problem(ice->stream->call, true, "stream %u: ICE credentials cannot be used",
                     ice->stream->sender.index);
        return false;
    }
    rest = theirs->attributes;
    while (view_cut_line(&rest, &line)) {
        if (view_starts_with(line, VIEW_LIT("a=candidate:")))
            candidate_take(ice, view_skip(line, 12), now);
    }
    ice_end_remote(ice->agent, now);
    ice->described = true;
    call_ice_expire(ice, now);
    return true;
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
