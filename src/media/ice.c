/* ice: a stream's agents driven: the one that is, and after a restart the one before.
 * Not here: sockets; what a check means (ice).
 * RFC 8445 §7.3, §9, §12; 7675 §5.1. */
#include "media/ice.h"

#include <stdlib.h>

#include "base/metrics.h"
#include "media/shared.h"
#include "stun/message.h"

/* Checks that an SRC which is neither listed nor has answered one may make us send, a call: its
 * candidates are whatever it wrote. */
#define UNPROVEN_CHECKS_MAX 20
/* Messages a second with the right names and a wrong signature: each costs an HMAC. A peer that is
 * none of ours sends none at all, and one at Ta of 50 ms in four tries sends 80 in all. */
#define REFUSED_MAX  50
#define REFUSED_OVER 1000 /* ms */

enum { HERES = 4 };

struct media_ice {
    struct {
        struct addr peer, here;
    } heres[HERES]; /* where on this host peers' checks came to, on wildcard sockets; a ring */
    uint8_t heres_next;
    struct ice *agent;
    struct ice *before; /* of before a restart; NULL: none */
    struct tick refused_from;
    unsigned refused[2]; /* from anywhere; from the end of the path that is chosen */
    struct tick suspect_at, suspected;
};

/* ---- Making and unmaking -------------------------------------------------------------------- */

static void make_ready(struct media *media, struct media_stream *stream)
{
    if (stream->lent && !list_is_linked(&stream->ready))
        list_append(&media->ready, &stream->ready);
    media_stream_arm(media, stream);
}

void media_ice_finish(struct media *media, struct media_stream *stream)
{
    struct media_ice *ice = stream->ice;
    if (!ice)
        return;
    ice_destroy(ice->agent);
    ice_destroy(ice->before);
    free(ice);
    stream->ice = NULL;
    media->ices--;
}

static bool carries(const struct ice *agent)
{
    struct ice_path path;
    return ice_selected(agent, 1, &path);
}

void media_ice_set(struct media *media, struct media_stream *stream, struct tick now,
                   struct ice *fresh, bool stays)
{
    if (!fresh) {
        if (!stays)
            media_ice_finish(media, stream);
        return;
    }
    if (!stream->ice) {
        stream->ice = calloc(1, sizeof *stream->ice);
        if (!stream->ice) {
            ice_destroy(fresh); /* without ICE, then: the address of the answer still stands */
            return;
        }
        media->ices++;
        stream->ice->suspect_at = stream->ice->suspected = TICK_NEVER;
    }
    struct media_ice *ice = stream->ice;
    if (ice->agent && carries(ice->agent)) {
        /* RFC 8445 §9: somebody's address is another one now. */
        media_course_gap(stream, WAY_ADDRESS_CHANGED);
        ice_destroy(ice->before);
        ice->before = ice->agent;
    } else {
        ice_destroy(ice->agent);
    }
    ice->agent = fresh;
    /* Whatever role it was made with: the session has one, and a restart of ours is no reason to
     * choose again (§6.1.1). */
    ice_join(fresh, &stream->recording->ice);
    media_shared_name(media, stream, ice_ufrag(fresh));
    ice_expire(fresh, now);
    make_ready(media, stream);
}

void media_ice_candidates(struct media *media, struct media_stream *stream, struct tick now,
                          const struct candidate *list, size_t count, bool end)
{
    if (!stream->ice)
        return;
    for (size_t i = 0; i < count; i++) {
        if (!ice_add_remote(stream->ice->agent, now, &list[i]))
            metric_add(METRIC_ICE_CANDIDATES_REFUSED, 1);
    }
    if (end)
        ice_end_remote(stream->ice->agent, now);
    make_ready(media, stream);
}

void media_ice_locals(struct media *media, struct media_stream *stream, uint32_t socket,
                      const struct candidate *list, size_t count)
{
    if (!stream->ice)
        return;
    for (size_t i = 0; i < count; i++)
        (void)ice_add_local(stream->ice->agent, list[i], (struct ice_base){socket}, 0);
    make_ready(media, stream);
}

/* The role is the session's: what one stream waits for may be another's to do now. */
static void wake_others(struct media *media, const struct media_stream *stream)
{
    for (unsigned i = 0; i < LIMIT_STREAMS_PER_RECORDING; i++) {
        struct media_stream *other = stream->recording->streams[i];
        if (other && other != stream && other->ice)
            make_ready(media, other);
    }
}

/* ---- What the agents say -------------------------------------------------------------------- */

static void tell(struct media *media, struct media_stream *stream, struct tick now,
                 const struct ice *agent, const struct ice_event *event)
{
    struct media_event told = {.kind = MEDIA_EVENT_ICE,
                               .at = media_wall(media, now),
                               .addr = event->path.peer,
                               .tick = now};
    told.ice = (struct media_ice_news){.component = event->component,
                                       .local = event->local,
                                       .local_type = event->local_type,
                                       .remote_type = event->remote_type,
                                       .over_tcp = event->transport != CANDIDATE_UDP};
    (void)view_copy(view_of_string(ice_ufrag(agent)), told.ice.ufrag, sizeof told.ice.ufrag);
    switch (event->kind) {
    case ICE_SELECTED:
        told.ice.kind = MEDIA_ICE_SELECTED;
        if (event->component == 1)
            rtp_source_prove(&stream->source, &event->path.peer);
        break;
    case ICE_FAILED:
        told.ice.kind = MEDIA_ICE_FAILED;
        metric_add(METRIC_ICE_FAILED, 1);
        break;
    case ICE_CONSENT_LOST:
        told.ice.kind = MEDIA_ICE_CONSENT_LOST;
        if (event->component == 1)
            media_course_gap(stream, WAY_WENT_SILENT);
        metric_add(METRIC_ICE_CONSENT_LOST, 1);
        break;
    case ICE_DIRECT:
        told.ice.kind = MEDIA_ICE_DIRECT;
        break;
    case ICE_ROLE_CHANGED:
        wake_others(media, stream);
        return;
    case ICE_COMPLETED:
        return; /* nobody acts on this */
    }
    media_tell(media, stream, told);
}

static void hear(struct media *media, struct media_stream *stream, struct tick now)
{
    struct media_ice *ice = stream->ice;
    struct ice_event event;
    while (ice_event(ice->agent, &event)) {
        tell(media, stream, now, ice->agent, &event);
        if (event.kind == ICE_COMPLETED) {
            ice_destroy(ice->before);
            ice->before = NULL;
        }
    }
    /* The one before only carries on: its end is news as long as there is no other path. */
    while (ice->before && ice_event(ice->before, &event)) {
        if (event.kind == ICE_CONSENT_LOST && !carries(ice->agent))
            tell(media, stream, now, ice->before, &event);
    }
}

/* ---- STUN in -------------------------------------------------------------------------------- */

/* What is wrongly signed is read so often a second. Strangers shall not use up what the peer is heard
 * by: without answers to its checks it has to stop sending (RFC 7675 §5.1). */
static unsigned *refused_of(struct media_ice *ice, struct tick now, const struct ice_path *via)
{
    struct ice_path path;
    if (tick_diff_ms(now, ice->refused_from) >= REFUSED_OVER) {
        ice->refused_from = now;
        ice->refused[0] = ice->refused[1] = 0;
    }
    bool chosen = false;
    for (uint8_t c = 1; c <= ICE_COMPONENTS; c++)
        chosen |= ice_selected(ice->agent, c, &path) && path.base.number == via->base.number &&
                  addr_equal(&path.peer, &via->peer);
    return &ice->refused[chosen];
}

/* A check that its peer signed, or an answer to ours: RTP from there is this stream's from now on
 * (RFC 8445 §12: on any valid pair, nominated or not). */
static void prove(struct media *media, struct media_stream *stream, struct tick now,
                  const struct datagram *datagram)
{
    struct stun_message m;
    if (stun_message_decode(datagram->bytes, &m) != STUN_DECODED ||
        !media_shared_proved(media, stream, now, datagram, m.class == STUN_SUCCESS))
        return;
    if (m.class == STUN_SUCCESS)
        stream->recording->ice_works = true;
    if (m.class == STUN_SUCCESS || m.class == STUN_REQUEST)
        rtp_source_prove(&stream->source, &datagram->from);
}

static void note_here(struct media_ice *ice, const struct datagram *datagram)
{
    unsigned at = 0;
    if (MEDIA_SOCKET_IS_RELAY(datagram->socket) || !addr_is_set(&datagram->to) ||
        addr_is_unspecified(&datagram->to))
        return;
    while (at < HERES && !addr_equal(&ice->heres[at].peer, &datagram->from))
        at++;
    if (at == HERES) {
        at = ice->heres_next;
        ice->heres_next = (uint8_t)((at + 1) % HERES);
    }
    ice->heres[at].peer = datagram->from;
    ice->heres[at].here = datagram->to;
}

struct addr media_ice_from(const struct media_stream *stream, const struct addr *peer)
{
    const struct media_ice *ice = stream->ice;
    for (unsigned i = 0; i < HERES; i++) {
        if (addr_equal(&ice->heres[i].peer, peer))
            return ice->heres[i].here;
    }
    return (struct addr){0};
}

bool media_ice_input(struct media *media, struct media_stream *stream, struct tick now,
                     const struct datagram *datagram)
{
    struct media_ice *ice = stream->ice;
    struct ice_path via = {{datagram->socket}, datagram->from};
    unsigned *refused = refused_of(ice, now, &via);
    if (*refused >= REFUSED_MAX) {
        metric_add(METRIC_STUN_FLOODED, 1);
        return true;
    }
    enum ice_input_result result = ice_input(ice->agent, now, &via, datagram->bytes);
    if (result == ICE_NOT_MINE && ice->before)
        result = ice_input(ice->before, now, &via, datagram->bytes);
    if (result == ICE_NOT_MINE)
        return false;
    if (result == ICE_TAKEN) {
        note_here(ice, datagram);
        prove(media, stream, now, datagram);
    } else {
        (*refused)++;
        metric_add(METRIC_STUN_REFUSED, 1);
    }
    hear(media, stream, now);
    make_ready(media, stream);
    return true;
}

void media_ice_path_failed(struct media *media, struct media_stream *stream, struct tick now,
                           uint32_t socket, const struct addr *peer)
{
    struct ice_path path = {{socket}, *peer};
    if (!stream->ice)
        return;
    ice_path_failed(stream->ice->agent, now, &path);
    hear(media, stream, now);
    make_ready(media, stream);
}

/* ---- Out ------------------------------------------------------------------------------------ */

static bool way_of(const struct ice *agent, uint8_t component, struct ice_path *path)
{
    return ice_selected(agent, component, path) && ice_status(agent).consent[component - 1];
}

bool media_ice_way(const struct media_stream *stream, uint8_t component, uint32_t *socket,
                   struct addr *to)
{
    const struct media_ice *ice = stream->ice;
    struct ice_path path;
    if (!way_of(ice->agent, component, &path) &&
        !(ice->before && way_of(ice->before, component, &path)))
        return false;
    *socket = path.base.number;
    *to = path.peer;
    return true;
}

/* RFC 8445 leaves it open how much a stranger may make us send: at most so much. Answers are always
 * given: they are no longer than what asked for them. */
static bool may_send(struct media_stream *stream, const struct ice_packet *packet)
{
    struct stun_message m;
    if (stream->facts.listed || stream->recording->ice_works ||
        stun_message_decode(packet->bytes, &m) != STUN_DECODED ||
        (m.class != STUN_REQUEST && !packet->hops))
        return true;
    if (stream->recording->ice_checks < UNPROVEN_CHECKS_MAX) {
        stream->recording->ice_checks++;
        return true;
    }
    metric_add(METRIC_ICE_CHECKS_HELD, 1);
    return false;
}

bool media_ice_is_by_relay(const struct media_stream *stream, uint32_t slot)
{
    uint32_t socket;
    struct addr to;
    return stream->ice && media_ice_way(stream, 1, &socket, &to) && socket == MEDIA_RELAY(slot);
}

void media_ice_hear(struct media *media, struct media_stream *stream, struct tick now,
                    uint32_t socket)
{
    struct media_ice *ice = stream->ice;
    bool unarmed = tick_is_never(ice->suspect_at);
    ice->suspect_at = TICK_NEVER;
    if (!MEDIA_SOCKET_IS_RELAY(socket))
        return;
    ice->suspect_at = way_suspects(now, ice->suspected);
    if (unarmed)
        media_stream_arm(media, stream);
}

static void suspect(struct media *media, struct media_stream *stream, struct tick now)
{
    struct media_ice *ice = stream->ice;
    if (!tick_due(ice->suspect_at, now))
        return;
    ice->suspect_at = TICK_NEVER;
    if (stream->facts.paused || stream->facts.mute)
        return;
    ice->suspected = now;
    media_lend_want(media, stream, false, MEDIA_RELAY_SUSPECT, NULL);
}

bool media_ice_output(struct media *media, struct media_stream *stream, struct tick now,
                      struct media_packet *out)
{
    struct media_ice *ice = stream->ice;
    struct ice_packet packet;
    while (ice_output(ice->agent, now, &packet) ||
           (ice->before && ice_output(ice->before, now, &packet))) {
        if (!may_send(stream, &packet))
            continue;
        *out = (struct media_packet){.socket = packet.path.base.number,
                                     .to = packet.path.peer,
                                     .bytes = packet.bytes,
                                     .hops = packet.hops};
        media_shared_sent(media, stream, out);
        return true;
    }
    hear(media, stream, now);
    return false;
}

struct tick media_ice_deadline(const struct media_stream *stream)
{
    const struct media_ice *ice = stream->ice;
    /* What is due is done by sending: while that waits for media_output(), no timer helps. */
    if (!ice || list_is_linked(&stream->ready))
        return TICK_NEVER;
    struct tick next = tick_min(ice->suspect_at, ice_deadline(ice->agent));
    return ice->before ? tick_min(next, ice_deadline(ice->before)) : next;
}

void media_ice_expire(struct media *media, struct media_stream *stream, struct tick now)
{
    struct media_ice *ice = stream->ice;
    if (!ice || !tick_due(media_ice_deadline(stream), now))
        return;
    suspect(media, stream, now);
    ice_expire(ice->agent, now);
    if (ice->before)
        ice_expire(ice->before, now);
    hear(media, stream, now);
    make_ready(media, stream);
}
