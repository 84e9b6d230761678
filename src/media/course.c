/* course: a stream's way in carried out: what nat/way.h wants, made packets, questions and events, and what it is told.
 * Not here: when and whom (nat/way.c), RTCP in its own time (control.c), ports and slots (lend.c).
 * RFC 6263 §4.2, §4.3, §4.6, §7; RFC 7866 §8.1.8; RFC 3389 (comfort noise). */
#include <string.h>

#include "base/metrics.h"
#include "base/target.h"
#include "media/ice.h"
#include "media/shared.h"
#include "media/worker.h"

/* Before an unlisted SRC's ACK or first RTP, in its whole call. */
#define UNASKED_MAX KEEPALIVE_LIMIT_UNLISTED
/* An offer of ours that has not been answered by then is given time no longer. */
#define CONFIRM_MS 4000
/* More STUN or foreign packets than this in a second on one stream: somebody floods it. */
#define FLOOD_MAX 200
/* Shorter ones are the network's affair: lost packets are counted anyway. */
#define GAP_MS 1000

/* ---- Whom ----------------------------------------------------------------------------------- */

/* The recorder has judged its targets with all of sip.allow at hand; what shows up by itself is judged here. */
bool media_course_bars(const struct media_stream *stream, const struct addr *to)
{
    const struct media_way *way = &stream->facts.way;
    struct target_rule rule = {.signalled = stream->facts.signalled,
                               .listed = stream->facts.listed};
    bool named = false;
    for (unsigned i = 0; i < way->target_count; i++)
        named = named || addr_equal_ip(&way->targets[i], to);
    for (unsigned i = 0; i < way->target_rtcp_count; i++)
        named = named || addr_equal_ip(&way->targets_rtcp[i], to);
    return to->port == 0 || !target_may_get(&rule, to, named);
}

bool media_course_spend(struct media_stream *stream, size_t bytes)
{
    struct media_recording *r = stream->recording;
    bool heard = stream->counters.packets > 0 || stream->counters.rtcp > 0;
    if (!heard && stream->unasked >= KEEPALIVE_LIMIT_LISTED)
        return false;
    if (!stream->facts.listed) {
        bool proven = r->confirmed || r->heard;
        if ((!proven && r->unasked >= UNASKED_MAX) || r->spent_bytes + bytes > r->credit_bytes)
            return false;
        r->unasked += !proven;
    }
    r->spent_bytes += bytes;
    stream->unasked += !heard;
    return true;
}

bool media_course_is_thrifty(const struct media_stream *stream)
{
    const struct media_recording *r = stream->recording;
    return !stream->facts.listed && r->spent_bytes * 2 > r->credit_bytes;
}

void media_course_credit(struct media *media, struct media_recording *recording, size_t bytes)
{
    recording->credit_bytes += bytes;
    for (unsigned i = 0; i < LIMIT_STREAMS_PER_RECORDING; i++) {
        struct media_stream *stream = recording->streams[i];
        if (stream && stream->lent)
            media_ready(media, stream);
    }
}

/* ---- Its answers ---------------------------------------------------------------------------- */

static void tell(struct media *media, const struct media_stream *stream, enum media_event_kind kind,
                 const struct way_event *event)
{
    media_tell(media, stream,
               (struct media_event){.kind = kind,
                                    .at = media_wall(media, event->at),
                                    .addr = event->peer,
                                    .tick = event->at,
                                    .verdict = event->verdict,
                                    .reason = event->reason,
                                    .tried = event->tried});
}

void media_course_gap(struct media_stream *stream, enum way_reason reason)
{
    if (stream->counters.packets == 0 || stream->gap_from.ns || reason == WAY_DIRECT)
        return;
    stream->gap_from = stream->last_at;
    stream->gap_why = reason;
}

/* Addresses come to recorder with the network's profile and with tickets, and so does the end of a
 * relay: it acts on those. That a relay lets nobody in is known here alone. */
static bool is_known_to_recorder(const struct media_stream *stream, enum way_reason reason)
{
    return reason == WAY_ADDRESS_CHANGED ||
           (reason == WAY_RELAY_LOST && !media_lend_has_relay(stream));
}

static void take_event(struct media *media, struct media_stream *stream, struct tick now,
                       const struct way_event *event)
{
    switch (event->kind) {
    case WAY_TELL:
        metric_add(METRIC_NAT_REBINDS, event->verdict == VERDICT_REBOUND);
        /* What it asked the SRC for, recorder tells once the SRC has agreed. */
        if (event->verdict != VERDICT_RETRIED && event->verdict != VERDICT_MIGRATED &&
            event->verdict != VERDICT_ADDRESS_CHANGED)
            tell(media, stream, MEDIA_EVENT_WAY, event);
        return;
    case WAY_PERMIT:
        media_lend_want(media, stream, true, MEDIA_RELAY_PERMIT, NULL);
        return;
    case WAY_BIND:
        media_lend_want(media, stream, false, MEDIA_RELAY_BIND, &event->peer);
        return;
    case WAY_ASK_STUN:
        if (MEDIA_IS_PORT(stream->facts.port))
            media_port_ask(media->seen, now, stream->facts.port);
        return;
    case WAY_SUSPECT_RELAY:
        media_lend_want(media, stream, false, MEDIA_RELAY_SUSPECT, NULL);
        return;
    case WAY_WANT_PATH:
        media_course_gap(stream, event->reason);
        if (!is_known_to_recorder(stream, event->reason))
            tell(media, stream,
                 event->reason == WAY_DIRECT ? MEDIA_EVENT_MIGRATE : MEDIA_EVENT_NEXT_PATH, event);
        return;
    case WAY_UNREACHABLE:
        metric_add(METRIC_STREAMS_UNREACHABLE, 1);
        tell(media, stream, MEDIA_EVENT_UNREACHABLE, event);
        return;
    case WAY_LEAVE_RELAY:
        media_lend_leave_relays(media, stream);
        tell(media, stream, MEDIA_EVENT_LEFT_RELAY, event);
        return;
    case WAY_REFUSES:
        tell(media, stream, MEDIA_EVENT_REFUSES, event);
        return;
    case WAY_FORGOTTEN:
        media_tell(media, stream,
                   (struct media_event){.kind = MEDIA_EVENT_FORGOTTEN,
                                        .at = media_wall(media, event->at),
                                        .addr = stream->facts.bound,
                                        .duration_ms = event->forgotten_s * UINT32_C(1000)});
        return;
    }
}

/* After everything that was told to the way. */
static void follow(struct media *media, struct media_stream *stream, struct tick now)
{
    struct way_event event;
    while (way_event(&stream->way, &event))
        take_event(media, stream, now, &event);
    media_ready(media, stream);
    media_stream_arm(media, stream);
}

/* ---- What it is told ------------------------------------------------------------------------ */

static struct way_facts facts_of(const struct media_stream *stream)
{
    const struct media_way *way = &stream->facts.way;
    struct way_facts facts = {
        .choice = way->choice,
        .behaviour = way->behaviour,
        .offered = stream->facts.offered,
        .advertised = stream->facts.advertised,
        .mapped = way->mapped,
        .target_count = way->target_count,
        .listed = stream->facts.listed,
        .relay = way->relay.held,
        .may_reinvite = way->may_reinvite,
        .quiet = way->keepalive == MEDIA_KEEPALIVE_NONE,
        .one_port = way->one_port,
    };
    _Static_assert(WAY_TARGETS >= (int)MEDIA_TARGETS, "all of them fit");
    memcpy(facts.targets, way->targets, way->target_count * sizeof facts.targets[0]);
    return facts;
}

/* A relay that is no longer there is none: what was moved from it may say so later. */
static bool is_another_path(const struct media_stream_facts *a, const struct media_stream_facts *b)
{
    return a->way.choice.code != b->way.choice.code ||
           !addr_equal(&a->advertised, &b->advertised) || a->port != b->port ||
           (b->way.relay.held && (!a->way.relay.held || a->way.relay.slot != b->way.relay.slot ||
                                  a->way.relay.generation != b->way.relay.generation));
}

static bool has_other_targets(const struct media_stream_facts *a,
                              const struct media_stream_facts *b)
{
    if (a->way.target_count != b->way.target_count || !addr_equal(&a->offered, &b->offered) ||
        a->way.keepalive != b->way.keepalive || a->way.may_reinvite != b->way.may_reinvite)
        return true;
    for (unsigned i = 0; i < a->way.target_count; i++) {
        if (!addr_equal(&a->way.targets[i], &b->way.targets[i]))
            return true;
    }
    return false;
}

static void start(struct media_stream *stream, struct tick now, const struct way_facts *facts)
{
    way_start(&stream->way, now, facts);
    stream->on_way = true;
    stream->confirm_at = TICK_NEVER;
    if (stream->recording->confirmed)
        way_confirm(&stream->way, now);
}

/* The new path is known here before the SRC hears of it; the same facts come again once it has
 * agreed. When it was the SRC that asked, or it refused, nothing more comes. */
static void change(struct media_stream *stream, struct tick now, const struct way_facts *facts)
{
    way_change(&stream->way, now, facts);
    stream->confirm_at = TICK_NEVER;
    if (!stream->recording->confirmed)
        return;
    if (facts->may_reinvite)
        stream->confirm_at = tick_add_ms(now, CONFIRM_MS);
    else
        way_confirm(&stream->way, now);
}

static void agree(struct media_stream *stream, struct tick now)
{
    if (tick_is_never(stream->confirm_at))
        return;
    stream->confirm_at = TICK_NEVER;
    way_confirm(&stream->way, now);
}

bool media_course_is_offered(const struct media_stream *stream)
{
    return stream->on_way && !tick_is_never(stream->confirm_at);
}

void media_course_set(struct media *media, struct media_stream *stream, struct tick now,
                      const struct media_stream_facts *before)
{
    bool relay_there = media_lend_relays(media, stream, now);
    struct way_facts facts = facts_of(stream);
    rtp_source_expect(&stream->source, stream->facts.way.choice.known == PATH_KNOWN_EXACTLY &&
                                           !stream->facts.way.choice.latches);
    for (unsigned i = 0; i < stream->facts.way.known_count; i++)
        rtp_source_trust(&stream->source, &stream->facts.way.known[i]);
    if (stream->ice) {
        media_course_end(stream);
        return;
    }
    if (!stream->on_way) {
        start(stream, now, &facts);
    } else if (stream->facts.way.stays) {
        way_stay(&stream->way, now);
    } else if (is_another_path(before, &stream->facts)) {
        change(stream, now, &facts);
    } else {
        if (has_other_targets(before, &stream->facts))
            way_retarget(&stream->way, now, &facts);
        agree(stream, now);
    }
    if (!relay_there)
        way_relay_lost(&stream->way, now);
    if (stream->facts.paused || stream->facts.mute)
        way_hold(&stream->way, now);
    else
        way_resume(&stream->way, now);
    follow(media, stream, now);
}

void media_course_confirm(struct media *media, struct media_stream *stream, struct tick now)
{
    if (!stream->on_way)
        return;
    way_confirm(&stream->way, now);
    follow(media, stream, now);
}

void media_course_end(struct media_stream *stream)
{
    if (stream->on_way)
        way_end(&stream->way);
    stream->on_way = false;
}

static void end_gap(struct media *media, struct media_stream *stream,
                    const struct datagram *datagram)
{
    char text[256];
    struct wall at = datagram->at;
    int64_t gap_ms = wall_diff_ms(at, stream->gap_from);
    struct media_event event = {.kind = MEDIA_EVENT_GAP,
                                .at = stream->gap_from,
                                .addr = datagram->from,
                                .reason = stream->gap_why,
                                .duration_ms = gap_ms > 0 ? (uint32_t)gap_ms : 0};
    struct journal_event line = journal_event_begin(text, sizeof text, JOURNAL_EVENT_GAP);
    journal_event_put_text(&line, "label", view_of_string(stream->facts.label));
    journal_event_put_wall(&line, "from", stream->gap_from);
    journal_event_put_wall(&line, "to", at);
    journal_event_put_text(&line, "why", view_of_string(way_reason_name(stream->gap_why)));
    stream->gap_from = (struct wall){0};
    if (gap_ms < GAP_MS)
        return;
    media_book_event(media, stream->recording, stream->interface, at, journal_event_end(&line));
    media_tell(media, stream, event);
}

void media_course_hear(struct media *media, struct media_stream *stream, struct tick now,
                       const struct datagram *datagram)
{
    if (stream->gap_from.ns)
        end_gap(media, stream, datagram);
    stream->last_at = datagram->at;
    stream->recording->heard = true;
    /* One packet of a sweep says as much as five. */
    if (stream->heard_at.ns == now.ns && stream->heard_socket == datagram->socket)
        return;
    stream->heard_at = now;
    stream->heard_socket = datagram->socket;
    media_lend_arrived(stream, now, datagram->socket);
    media_shared_used(media, stream, now, datagram);
    if (stream->ice)
        media_ice_hear(media, stream, now, datagram->socket);
    if (!stream->on_way)
        return;
    uint64_t lost = stream->counters.lost, known = stream->lost_known;
    stream->lost_known = lost;
    way_hear(&stream->way, now,
             &(struct way_packet_seen){.from = datagram->from,
                                       .relayed = MEDIA_SOCKET_IS_RELAY(datagram->socket),
                                       .barred = stream->barred,
                                       .missing = lost > known ? lost - known : 0});
    if (stream->way.event_count)
        follow(media, stream, now);
    else if (tick_before(way_deadline(&stream->way), stream->timer.timer.deadline))
        media_stream_arm(media, stream);
}

void media_course_idle(struct media *media, struct media_stream *stream, struct tick now,
                       const struct datagram *datagram)
{
    if (!stream->on_way)
        return;
    way_hear(&stream->way, now,
             &(struct way_packet_seen){.from = datagram->from,
                                       .relayed = MEDIA_SOCKET_IS_RELAY(datagram->socket),
                                       .idle = true,
                                       .barred = true});
    follow(media, stream, now);
}

void media_course_refused(struct media *media, struct media_stream *stream, struct tick now,
                          const struct datagram *datagram)
{
    metric_add(METRIC_MEDIA_REFUSED, 1);
    if (media_lend_is_control(stream, datagram->socket)) {
        stream->control_refused = stream->recording->confirmed;
        return;
    }
    if (!stream->on_way)
        return;
    way_refused(&stream->way, now, &datagram->from);
    follow(media, stream, now);
}

void media_course_mapped(struct media *media, struct media_stream *stream, struct tick now,
                         const struct media_port_news *news)
{
    if (!stream->on_way || news->port != stream->facts.port)
        return;
    way_mapped(&stream->way, now, &news->seen[0]);
    follow(media, stream, now);
}

void media_course_relay(struct media *media, struct media_stream *stream, struct tick now,
                        const struct media_relay_event *event)
{
    if (event->kind == MEDIA_RELAY_LOST && media_ice_is_by_relay(stream, event->slot))
        media_course_gap(stream, WAY_RELAY_LOST);
    if (!stream->on_way)
        return;
    if (event->kind == MEDIA_RELAY_LOST)
        way_relay_lost(&stream->way, now);
    else
        way_permitted(&stream->way, now, &event->peer, event->kind == MEDIA_RELAY_PERMITTED);
    follow(media, stream, now);
}

void media_course_learn(struct media *media, struct media_stream *stream, struct tick now,
                        const struct nat_behaviour *behaviour)
{
    if (!stream->on_way)
        return;
    way_learn(&stream->way, now, behaviour);
    media_stream_arm(media, stream);
}

void media_course_asked(struct media *media, struct tick now, uint32_t socket)
{
    struct media_stream *stream = media->ports[MEDIA_SOCKET_PORT(socket)].stream;
    if (stream && stream->on_way && socket == media_lend_socket(stream, false))
        way_asked(&stream->way, now);
}

void media_course_network(struct media *media, struct media_stream *stream, struct tick now)
{
    if (!stream->on_way)
        return;
    way_network_changed(&stream->way, now);
    follow(media, stream, now);
}

void media_course_alarm(struct media *media, struct media_stream *stream,
                        const struct datagram *datagram, enum verdict_security what)
{
    if (stream->alarms & (unsigned)what)
        return;
    stream->alarms |= (unsigned)what;
    media_tell(media, stream,
               (struct media_event){.kind = MEDIA_EVENT_ALARM,
                                    .at = datagram->at,
                                    .addr = datagram->from,
                                    .security = what});
}

void media_course_stray(struct media *media, struct media_stream *stream, struct tick now,
                        const struct datagram *datagram)
{
    if (tick_diff_ms(now, stream->strays_from) >= 1000) {
        stream->strays_from = now;
        stream->strays = 0;
    }
    if (++stream->strays == FLOOD_MAX)
        media_course_alarm(media, stream, datagram, VERDICT_FLOOD);
}

/* ---- Time and packets ----------------------------------------------------------------------- */

struct tick media_course_deadline(const struct media_stream *stream)
{
    return stream->on_way ? tick_min(way_deadline(&stream->way), stream->confirm_at) : TICK_NEVER;
}

void media_course_expire(struct media *media, struct media_stream *stream, struct tick now)
{
    if (!tick_due(media_course_deadline(stream), now))
        return;
    if (tick_due(stream->confirm_at, now)) {
        agree(stream, now);
        media_book_follow(media, stream);
    }
    way_expire(&stream->way, now, &media->rng);
    follow(media, stream, now);
}

static bool is_agreed(const struct media_stream *stream, uint8_t payload_type)
{
    for (unsigned i = 0; i < stream->facts.codec_count; i++) {
        if (stream->facts.codecs[i].payload_type == payload_type)
            return true;
    }
    return false;
}

/* RFC 6263 §4.6: an RTP header of a payload type that nobody agreed to tells where we are and is ignored. To those who
 * need more, a byte of comfort noise. */
static void put_header(struct media_stream *stream, struct tick now, struct writer *out)
{
    bool noise = stream->facts.way.keepalive == MEDIA_KEEPALIVE_NOISE;
    struct rtp_packet packet = {
        .payload_type = noise ? 13 : 127,
        .seq = stream->our_seq++,
        .timestamp = (uint32_t)(now.ns / (NS_PER_S / 8000)),
        .ssrc = stream->our_ssrc,
        .payload = noise ? VIEW_LIT("\x7f") : VIEW_NONE,
    };
    while (!noise && packet.payload_type > 96 && is_agreed(stream, packet.payload_type))
        packet.payload_type--;
    rtp_packet_encode(&packet, out);
}

static uint32_t socket_of(const struct media_stream *stream, const struct way_packet *packet)
{
    if (packet->relayed)
        return MEDIA_RELAY(stream->facts.way.relay.slot);
    return media_lend_socket(stream, false);
}

bool media_course_output(struct media *media, struct media_stream *stream, struct tick now,
                         struct media_packet *out)
{
    struct way_packet packet;
    bool waits = !stream->facts.listed && stream->recording->credit_bytes == 0;
    /* Its INVITE is on its way to us from signalling: it says how many bytes came. */
    while (stream->on_way && !waits && way_output(&stream->way, &packet)) {
        uint32_t socket = socket_of(stream, &packet);
        if (packet.relayed ? !stream->facts.way.relay.held
                           : packet.to.family != stream->facts.bound.family)
            continue;
        if (socket == MEDIA_SOCKET_NONE)
            continue;
        struct writer w = writer_of(media->packet, sizeof media->packet);
        if (stream->facts.rtcp_mux && !media_course_is_thrifty(stream) &&
            stream->facts.way.keepalive != MEDIA_KEEPALIVE_NOISE)
            media_control_report(stream, now, &w);
        else
            put_header(stream, now, &w);
        struct view bytes = writer_done(&w);
        if (!media_course_spend(stream, bytes.len))
            continue;
        way_sent(&stream->way, now, packet.relayed);
        stream->counters.keepalives++;
        metric_add(METRIC_KEEPALIVES_SENT, 1);
        *out = (struct media_packet){.socket = socket, .to = packet.to, .bytes = bytes};
        return true;
    }
    return false;
}
