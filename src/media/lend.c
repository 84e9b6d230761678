/* lend: the ports and relay slots that streams have: taken, several at once while a stream moves, and given back.
 * Not here: sockets and allocations (their owners), which of them to use (recorder).
 * RFC 8656 §9, §12; RFC 3264 §8.3.1 (the old port is listened on until media has moved). */
#include <assert.h>
#include <string.h>

#include "base/metrics.h"
#include "media/ice.h"
#include "media/shared.h"

#define MOVED_MS 2000  /* since media came by the new port or path: the old one may go */
#define SPARE_MS 30000 /* if none ever does */

/* ---- Ports ---------------------------------------------------------------------------------- */

void media_lend_release(struct media *media, uint32_t port, uint32_t generation)
{
    if (!MEDIA_IS_PORT(port))
        return;
    assert(media->released_count < media->config.ports);
    size_t at = (media->released_first + media->released_count++) % media->config.ports;
    media->released[at] = (struct media_port){port, generation};
}

static void leave_port(struct media *media, struct media_stream *stream, uint32_t port,
                       uint32_t generation)
{
    if (MEDIA_IS_PORT(port)) {
        struct media_slot *slot = &media->ports[port];
        slot->stream = NULL;
        slot->has_stale = stream->counters.packets > 0;
        slot->stale_ssrc = stream->ssrc;
    }
    media_lend_release(media, port, generation);
}

static void plan_leaving(struct media_stream *stream)
{
    struct tick next = stream->spare.until;
    for (unsigned i = 0; i < MEDIA_STREAM_RELAYS; i++)
        next = tick_min(next, stream->relays[i].until);
    stream->leaves_at = next;
}

static void leave_spare(struct media *media, struct media_stream *stream)
{
    if (stream->spare.held)
        leave_port(media, stream, stream->spare.port, stream->spare.generation);
    stream->spare.held = false;
    stream->spare.until = TICK_NEVER;
    plan_leaving(stream);
}

static void enter_port(struct media *media, struct media_stream *stream, struct tick now,
                       uint32_t port, uint32_t generation)
{
    if (!MEDIA_IS_PORT(port))
        return;
    struct media_slot *slot = &media->ports[port];
    assert(!slot->stream);
    slot->stream = stream;
    slot->generation = generation;
    if (slot->has_stale)
        rtp_source_stale(&stream->source, slot->stale_ssrc);
    media_port_lend(media->seen, now, port, !stream->facts.rtcp_mux);
}

static void leave_second(struct media *media, struct media_stream *stream)
{
    if (stream->second.held)
        leave_port(media, stream, stream->second.port, stream->second.generation);
    stream->second.held = false;
}

void media_lend_second(struct media *media, struct media_stream *stream, struct tick now)
{
    const struct media_second *now_has = &stream->facts.second;
    bool same = stream->second.held && now_has->held && stream->second.port == now_has->port &&
                stream->second.generation == now_has->generation;
    if (same) {
        stream->second.bound = now_has->bound;
        return;
    }
    leave_second(media, stream);
    if (now_has->held)
        enter_port(media, stream, now, now_has->port, now_has->generation);
    stream->second = *now_has;
}

void media_lend_port(struct media *media, struct media_stream *stream, struct tick now,
                     struct wall at)
{
    stream->lent = true;
    stream->lent_at = at;
    stream->lent_tick = now;
    enter_port(media, stream, now, stream->facts.port, stream->facts.generation);
    metric_add(METRIC_STREAMS_ACTIVE, 1);
}

void media_lend_replace(struct media *media, struct media_stream *stream, struct tick now,
                        const struct media_stream_facts *before)
{
    bool back = stream->spare.held && stream->spare.port == stream->facts.port &&
                stream->spare.generation == stream->facts.generation;
    media_control_move(media, stream);
    /* Between two ports there may have been none (worker_lend()): then what it had before stays. */
    if (!MEDIA_IS_PORT(before->port) && !back) {
        enter_port(media, stream, now, stream->facts.port, stream->facts.generation);
        return;
    }
    if (!back)
        leave_spare(media, stream);
    stream->spare.held = false;
    stream->spare.until = TICK_NEVER;
    if (MEDIA_IS_PORT(before->port)) {
        stream->spare.held = true;
        stream->spare.port = before->port;
        stream->spare.generation = before->generation;
        stream->spare.until = tick_add_ms(now, SPARE_MS);
    }
    plan_leaving(stream);
    if (!back)
        enter_port(media, stream, now, stream->facts.port, stream->facts.generation);
}

static bool is_of(uint32_t socket, uint32_t port, uint32_t shared)
{
    return port == MEDIA_PORT_SHARED ? socket == shared : MEDIA_SOCKET_PORT(socket) == port;
}

bool media_lend_is_present(const struct media_stream *stream, uint32_t socket)
{
    const struct media_stream_facts *facts = &stream->facts;
    const struct media_second *second = &stream->second;
    for (unsigned i = 0; i < MEDIA_STREAM_RELAYS && MEDIA_SOCKET_IS_RELAY(socket); i++) {
        const struct media_lent_relay *relay = &stream->relays[i];
        if (relay->held && relay->slot == MEDIA_RELAY_SLOT(socket))
            return tick_is_never(relay->until);
    }
    return !MEDIA_SOCKET_IS_RELAY(socket) &&
           (is_of(socket, facts->port, facts->socket) ||
            (second->held && is_of(socket, second->port, second->socket)));
}

uint32_t media_lend_socket(const struct media_stream *stream, bool control)
{
    const struct media_stream_facts *facts = &stream->facts;
    return MEDIA_IS_PORT(facts->port)         ? MEDIA_SOCKET(facts->port, control)
           : facts->port == MEDIA_PORT_SHARED ? facts->socket
                                              : MEDIA_SOCKET_NONE;
}

bool media_lend_may_send(const struct media *media, const struct media_stream *stream,
                         uint32_t socket)
{
    return socket != MEDIA_SOCKET_NONE &&
           (MEDIA_SOCKET_IS_RELAY(socket) || MEDIA_SOCKET_SHARED(socket) ||
            media->ports[MEDIA_SOCKET_PORT(socket)].stream == stream);
}

/* A NAT, a firewall and the SRC know a stream by the address that it goes to: what we send on a
 * wildcard socket must come from there, whatever our routes would choose (RFC 4961): a candidate is
 * an address of this host (RFC 8445 §5.1.1.1), and a check is answered from where it came to. */
void media_lend_source(const struct media_stream *stream, struct media_packet *out)
{
    const struct media_stream_facts *facts = &stream->facts;
    const struct media_second *second = &stream->second;
    bool own = is_of(out->socket, facts->port, facts->socket);
    bool other = second->held && is_of(out->socket, second->port, second->socket);
    if (stream->ice && (own || other))
        out->from = media_ice_from(stream, &out->to);
    if (addr_is_set(&out->from))
        return;
    if (own && facts->bound.family == out->to.family)
        out->from = facts->bound;
    else if (other && second->bound.family == out->to.family)
        out->from = second->bound;
}

bool media_is_ending(const struct media *media, struct tick now)
{
    list_each (at, &media->closing) {
        const struct media_recording *recording = container_of(at, struct media_recording, closed);
        if (tick_due(recording->timer.timer.deadline, now))
            return true;
    }
    return false;
}

/* ---- Relay slots ---------------------------------------------------------------------------- */

static void unwant(struct media_stream *stream)
{
    for (unsigned i = 0; i < MEDIA_STREAM_RELAYS; i++) {
        if (stream->relays[i].held && stream->relays[i].wants)
            return;
    }
    list_remove(&stream->wanting);
}

static void leave_relay(struct media *media, struct media_stream *stream,
                        struct media_lent_relay *relay, bool is_there)
{
    if (!relay->held)
        return;
    media->relays[relay->slot].stream = NULL;
    if (is_there) {
        assert(media->left_count < media->config.relays);
        size_t at = (media->left_first + media->left_count++) % media->config.relays;
        media->left[at] = (struct media_port){relay->slot, relay->generation};
    }
    *relay = (struct media_lent_relay){.until = TICK_NEVER};
    plan_leaving(stream);
    unwant(stream);
}

static struct media_lent_relay *find_relay(struct media_stream *stream, uint32_t slot)
{
    for (unsigned i = 0; i < MEDIA_STREAM_RELAYS; i++) {
        if (stream->relays[i].held && stream->relays[i].slot == slot)
            return &stream->relays[i];
    }
    return NULL;
}

/* The oldest of those that are being left makes room when there is none. */
static struct media_lent_relay *room_for_relay(struct media *media, struct media_stream *stream)
{
    struct media_lent_relay *room = NULL;
    for (unsigned i = 0; i < MEDIA_STREAM_RELAYS; i++) {
        struct media_lent_relay *relay = &stream->relays[i];
        if (!relay->held)
            return relay;
        if (!room || tick_before(relay->until, room->until))
            room = relay;
    }
    leave_relay(media, stream, room, true);
    return room;
}

/* False: somebody else has it, or there is no such slot: it is gone for us. */
static bool take_relay(struct media *media, struct media_stream *stream,
                       const struct media_way_relay *wish, bool rtcp)
{
    if (wish->slot >= media->config.relays)
        return false;
    struct media_slot *slot = &media->relays[wish->slot];
    struct media_lent_relay *relay = find_relay(stream, wish->slot);
    if (relay && relay->generation == wish->generation) {
        relay->until = TICK_NEVER;
        relay->rtcp = rtcp;
        return true;
    }
    if (slot->stream)
        return false;
    relay = room_for_relay(media, stream);
    *relay = (struct media_lent_relay){.held = true,
                                       .rtcp = rtcp,
                                       .slot = wish->slot,
                                       .generation = wish->generation,
                                       .until = TICK_NEVER};
    slot->stream = stream;
    slot->generation = wish->generation;
    return true;
}

bool media_lend_relays(struct media *media, struct media_stream *stream, struct tick now)
{
    const struct media_way *way = &stream->facts.way;
    for (unsigned i = 0; i < MEDIA_STREAM_RELAYS; i++) {
        if (stream->relays[i].held && tick_is_never(stream->relays[i].until))
            stream->relays[i].until = tick_add_ms(now, MOVED_MS);
    }
    bool there = !way->relay.held || take_relay(media, stream, &way->relay, false);
    if (way->relay_rtcp.held)
        (void)!take_relay(media, stream, &way->relay_rtcp, true); /* RTCP alone: not worth a path */
    plan_leaving(stream);
    return there;
}

bool media_lend_has_relay(const struct media_stream *stream)
{
    for (unsigned i = 0; i < MEDIA_STREAM_RELAYS; i++) {
        const struct media_lent_relay *relay = &stream->relays[i];
        if (relay->held && !relay->rtcp && tick_is_never(relay->until))
            return true;
    }
    return false;
}

bool media_lend_is_control(const struct media_stream *stream, uint32_t socket)
{
    if (MEDIA_SOCKET_SHARED(socket))
        return false;
    if (!MEDIA_SOCKET_IS_RELAY(socket))
        return MEDIA_SOCKET_RTCP(socket);
    for (unsigned i = 0; i < MEDIA_STREAM_RELAYS; i++) {
        if (stream->relays[i].held && stream->relays[i].slot == MEDIA_RELAY_SLOT(socket))
            return stream->relays[i].rtcp;
    }
    return false;
}

/* ---- What is wanted of relays --------------------------------------------------------------- */

void media_lend_want(struct media *media, struct media_stream *stream, bool rtcp_too, unsigned want,
                     const struct addr *peer)
{
    for (unsigned i = 0; i < MEDIA_STREAM_RELAYS; i++) {
        struct media_lent_relay *relay = &stream->relays[i];
        if (!relay->held || !tick_is_never(relay->until) || (relay->rtcp && !rtcp_too))
            continue;
        relay->wants |= (uint8_t)(1u << want);
        if (peer)
            relay->peer = *peer;
        if (!list_is_linked(&stream->wanting))
            list_append(&media->wanting, &stream->wanting);
    }
}

void media_lend_leave_relays(struct media *media, struct media_stream *stream)
{
    for (unsigned i = 0; i < MEDIA_STREAM_RELAYS; i++)
        leave_relay(media, stream, &stream->relays[i], true);
}

static bool put_want(const struct media_stream *stream, struct media_lent_relay *relay,
                     struct media_relay_want *out)
{
    const struct media_way *way = &stream->facts.way;
    while (relay->held && relay->wants) {
        unsigned kind = (unsigned)__builtin_ctz(relay->wants);
        relay->wants = (uint8_t)(relay->wants & ~(1u << kind));
        *out = (struct media_relay_want){.kind = (enum media_relay_want_kind)kind,
                                         .slot = relay->slot,
                                         .generation = relay->generation};
        if (out->kind == MEDIA_RELAY_PERMIT) {
            out->count = way->permitted_count;
            memcpy(out->peers, way->permitted, out->count * sizeof out->peers[0]);
        } else if (out->kind == MEDIA_RELAY_BIND) {
            out->count = 1;
            out->peers[0] = relay->peer;
        }
        if (out->kind == MEDIA_RELAY_SUSPECT || out->count)
            return true;
    }
    return false;
}

bool media_relay_want(struct media *media, struct media_relay_want *out)
{
    struct list *link;
    if (media->left_count) {
        const struct media_port *left = &media->left[media->left_first];
        *out = (struct media_relay_want){
            .kind = MEDIA_RELAY_RELEASE, .slot = left->port, .generation = left->generation};
        media->left_first = (media->left_first + 1) % media->config.relays;
        media->left_count--;
        return true;
    }
    while ((link = list_first(&media->wanting))) {
        struct media_stream *stream = container_of(link, struct media_stream, wanting);
        for (unsigned i = 0; i < MEDIA_STREAM_RELAYS; i++) {
            if (put_want(stream, &stream->relays[i], out))
                return true;
        }
        list_remove(link);
    }
    return false;
}

void media_relay_event(struct media *media, struct tick now, const struct media_relay_event *event)
{
    struct media_slot *slot =
        event->slot < media->config.relays ? &media->relays[event->slot] : NULL;
    struct media_stream *stream = slot ? slot->stream : NULL;
    struct media_lent_relay *relay = stream ? find_relay(stream, event->slot) : NULL;
    if (!relay || relay->generation != event->generation)
        return;
    bool current = tick_is_never(relay->until) && !relay->rtcp;
    if (event->kind == MEDIA_RELAY_LOST)
        leave_relay(media, stream, relay, false);
    if (current)
        media_course_relay(media, stream, now, event);
}

/* ---- Giving back ---------------------------------------------------------------------------- */

void media_lend_give_back(struct media *media, struct media_stream *stream)
{
    if (!stream->lent)
        return;
    stream->lent = false;
    media_ice_finish(media, stream);
    media_shared_leave(media, stream);
    media_course_end(stream);
    leave_spare(media, stream);
    leave_second(media, stream);
    leave_port(media, stream, stream->facts.port, stream->facts.generation);
    media_lend_leave_relays(media, stream);
    list_remove(&stream->ready);
    stream->silent_at = stream->control_at = stream->drop_at = TICK_NEVER;
    metric_add(METRIC_STREAMS_ACTIVE, -1);
}

void media_lend_arrived(struct media_stream *stream, struct tick now, uint32_t socket)
{
    if (tick_is_never(stream->leaves_at))
        return;
    struct tick soon = tick_add_ms(now, MOVED_MS);
    bool ours = !MEDIA_SOCKET_IS_RELAY(socket) && !MEDIA_SOCKET_SHARED(socket) &&
                MEDIA_SOCKET_PORT(socket) == stream->facts.port;
    if (ours && stream->spare.held && tick_before(soon, stream->spare.until))
        stream->spare.until = soon;
    for (unsigned i = 0; i < MEDIA_STREAM_RELAYS; i++) {
        struct media_lent_relay *relay = &stream->relays[i];
        bool left = relay->held && !tick_is_never(relay->until);
        if (left && MEDIA_SOCKET_IS_RELAY(socket) && relay->slot == MEDIA_RELAY_SLOT(socket))
            relay->until = soon;
    }
    plan_leaving(stream);
}

void media_lend_expire(struct media *media, struct media_stream *stream, struct tick now)
{
    if (!tick_due(stream->leaves_at, now))
        return;
    if (stream->spare.held && tick_due(stream->spare.until, now))
        leave_spare(media, stream);
    for (unsigned i = 0; i < MEDIA_STREAM_RELAYS; i++) {
        if (stream->relays[i].held && tick_due(stream->relays[i].until, now))
            leave_relay(media, stream, &stream->relays[i], true);
    }
    plan_leaving(stream);
}
