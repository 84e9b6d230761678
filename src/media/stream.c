/* stream: one RTP datagram of a stream: whose it is, where it stands, and into the journal with it.
 * Not here: RTCP (control.c), the journal's bytes (book.c), ports and commands (media.c).
 * RFC 3550 §5.1, 4733, 7983, 7866 §7.1.1.1 (pause). */
#include <string.h>

#include "base/metrics.h"
#include "media/ice.h"
#include "rtp/demux.h"

/* Packets of before a pause can wait in the socket this long at most; later the wall clock may have
 * been set back, and only the last switch counts: better a gap than a word too much. */
#define SWITCH_SETTLED_MS 1000

void media_stream_pause(struct media_stream *stream, struct tick now, struct wall at, bool paused)
{
    unsigned count = stream->switch_count;
    if (count && stream->switches[count - 1].paused == paused)
        return;
    if (count == MEDIA_SWITCHES) {
        memmove(&stream->switches[0], &stream->switches[1],
                (MEDIA_SWITCHES - 1) * sizeof stream->switches[0]);
        count--;
    }
    stream->switches[count] = (struct media_switch){at, paused};
    stream->switch_count = count + 1;
    stream->switched = now;
}

bool media_stream_paused(const struct media_stream *stream, struct tick now, struct wall at)
{
    const struct media_switch *last = &stream->switches[stream->switch_count - 1];
    if (tick_diff_ms(now, stream->switched) > SWITCH_SETTLED_MS)
        return last->paused;
    const struct media_switch *then = last;
    while (then > stream->switches && at.ns < then->at.ns)
        then--;
    return then->paused;
}

static const struct media_codec *codec_of(const struct media_stream *stream, uint8_t payload_type)
{
    for (unsigned i = 0; i < stream->facts.codec_count; i++) {
        if (stream->facts.codecs[i].payload_type == payload_type)
            return &stream->facts.codecs[i];
    }
    return NULL;
}

static uint32_t clock_of(const struct media_stream *stream, uint8_t payload_type)
{
    const struct media_codec *codec = codec_of(stream, payload_type);
    return codec && codec->clock_hz ? codec->clock_hz : 8000;
}

void media_stream_start(struct media *media, struct media_stream *stream, struct tick now)
{
    rtp_source_init(&stream->source, &stream->facts.offered);
    stream->our_ssrc = rng_u32(&media->rng);
    stream->silent_at = stream->control_at = stream->drop_at = stream->look_at = TICK_NEVER;
    stream->spare.until = stream->leaves_at = TICK_NEVER;
    for (unsigned i = 0; i < MEDIA_STREAM_RELAYS; i++)
        stream->relays[i].until = TICK_NEVER;
    stream->our_seq = (uint16_t)rng_u32(&media->rng);
    rtp_sequence_init(&stream->sequence, 8000);
}

/* ---- Digits --------------------------------------------------------------------------------- */

static void tell_digit(struct media *media, struct media_stream *stream,
                       const struct rtp_digit *digit)
{
    if (!digit->digit)
        return;
    char text[256], name[2] = {digit->digit, 0};
    struct journal_event event = journal_event_begin(text, sizeof text, JOURNAL_EVENT_DIGIT);
    journal_event_put_text(&event, "digit", view_of_string(name));
    journal_event_put_number(&event, "code", digit->code);
    journal_event_put_number(&event, "duration_ms", digit->duration_ms);
    journal_event_put_number(&event, "timestamp", digit->timestamp);
    media_book_event(media, stream->recording, stream->interface, digit->at,
                     journal_event_end(&event));
    media_tell(media, stream,
               (struct media_event){.kind = MEDIA_EVENT_DIGIT,
                                    .at = digit->at,
                                    .digit = digit->digit,
                                    .duration_ms = digit->duration_ms});
}

void media_stream_digits(struct media *media, struct media_stream *stream, struct wall at,
                         bool flush)
{
    struct rtp_digit digit;
    if (!stream->digits.active)
        return;
    if (flush ? rtp_dtmf_flush(&stream->digits, &digit)
              : rtp_dtmf_expire(&stream->digits, at, &digit))
        tell_digit(media, stream, &digit);
}

static void take_digits(struct media *media, struct media_stream *stream, struct tick now,
                        const struct rtp_packet *packet, struct wall at)
{
    uint8_t type = packet->payload_type;
    if (!(stream->digit_types[type >> 6] >> (type & 63) & 1))
        return;
    const struct media_codec *codec = codec_of(stream, type);
    if (stream->digits.clock_rate != codec->clock_hz)
        rtp_dtmf_init(&stream->digits, codec->clock_hz ? codec->clock_hz : 8000);
    struct rtp_digit digits[RTP_DTMF_DIGITS_MAX];
    size_t count = rtp_dtmf_input(&stream->digits, packet, at, digits);
    for (size_t i = 0; i < count; i++)
        tell_digit(media, stream, &digits[i]);
    if (stream->digits.active) {
        stream->look_at = tick_min(stream->look_at, tick_add_ms(now, RTP_DTMF_SILENCE_MS));
        media_stream_arm(media, stream);
    }
}

/* ---- Whose packet it is --------------------------------------------------------------------- */

/* A packet that is not, or not yet, the stream's: kept apart, so that nothing is lost and nothing
 * is mixed. */
static void set_apart(struct media *media, struct media_stream *stream, struct tick now,
                      const struct datagram *datagram, const struct rtp_source_verdict *verdict,
                      uint32_t ssrc)
{
    char text[256];
    struct view event = VIEW_NONE;
    if (verdict->class == RTP_SOURCE_FOREIGN) {
        stream->counters.foreign++;
        media->tally.foreign++;
        media_course_stray(media, stream, now, datagram);
        metric_add(METRIC_LATCH_CONFLICTS, verdict->new_rival);
    }
    if (verdict->class == RTP_SOURCE_FOREIGN && !stream->foreign_told) {
        stream->foreign_told = true;
        struct journal_event line = journal_event_begin(text, sizeof text, JOURNAL_EVENT_FOREIGN);
        journal_event_put_addr(&line, "address", &datagram->from);
        journal_event_put_number(&line, "ssrc", ssrc);
        event = journal_event_end(&line);
        media_tell(media, stream,
                   (struct media_event){.kind = MEDIA_EVENT_FOREIGN,
                                        .at = datagram->at,
                                        .addr = datagram->from,
                                        .ssrc = ssrc});
    }
    if (!media_stream_paused(stream, now, datagram->at))
        media_book_apart(media, stream, datagram, event);
}

/* A wildcard socket's packets may arrive at another of our addresses than was thought: a router
 * forwards there. True: it was so. */
static bool learn_local(struct media *media, struct media_stream *stream,
                        const struct datagram *datagram)
{
    struct media_stream_facts *facts = &stream->facts;
    if (MEDIA_SOCKET_IS_RELAY(datagram->socket) || stream->ice || !addr_is_set(&datagram->to) ||
        addr_is_unspecified(&datagram->to) || datagram->to.family != facts->bound.family ||
        addr_equal_ip(&datagram->to, &facts->bound))
        return false;
    facts->bound = addr_with_port(datagram->to, facts->bound.port);
    facts->bound_rtcp = addr_with_port(datagram->to, facts->bound_rtcp.port);
    media_book_interface(media, stream);
    return true;
}

/* The first packet of a new SSRC or from a new address: from_seq tells readers which of the packets
 * held apart belong to it. */
static void turn_over(struct media *media, struct media_stream *stream,
                      const struct datagram *datagram, const struct rtp_packet *packet,
                      const struct rtp_source_verdict *verdict, struct tick arrival)
{
    bool epoch = verdict->class == RTP_SOURCE_EPOCH;
    uint16_t held = (uint16_t)(packet->seq - verdict->from_seq);
    if (epoch) {
        media_stream_digits(media, stream, datagram->at, true);
        stream->digits.clock_rate = 0; /* its timestamps say nothing about the next SSRC's */
        stream->lost_before = stream->counters.lost;
        stream->taken_in = 0;
        stream->held_first = held;
        stream->ssrc = packet->ssrc;
        rtp_sequence_init(&stream->sequence, clock_of(stream, packet->payload_type));
    } else {
        stream->taken_in += held;
    }
    stream->counters.packets += held;
    stream->apart_bytes = 0;
    stream->flow.head_len = 0;
    stream->barred = media_course_bars(stream, &datagram->from);
    stream->heard_at = (struct tick){0};
    bool learned = learn_local(media, stream, datagram);

    char text[256];
    struct journal_event line =
        journal_event_begin(text, sizeof text, epoch ? JOURNAL_EVENT_EPOCH : JOURNAL_EVENT_SOURCE);
    journal_event_put_addr(&line, "address", &datagram->from);
    journal_event_put_number(&line, "ssrc", packet->ssrc);
    journal_event_put_number(&line, "from_seq", verdict->from_seq);
    journal_event_put_text(&line, "why", view_of_string(rtp_source_reason_name(verdict->reason)));
    media_book_event(media, stream->recording, stream->interface, datagram->at,
                     journal_event_end(&line));

    struct media_event event = {.at = datagram->at,
                                .addr = datagram->from,
                                .arrived = learned ? stream->facts.bound : (struct addr){0},
                                .ssrc = packet->ssrc,
                                .payload_type = packet->payload_type};
    bool first = verdict->reason == RTP_SOURCE_FIRST || stream->source.epochs <= 1;
    event.kind = epoch ? (first ? MEDIA_EVENT_FIRST : MEDIA_EVENT_EPOCH) : MEDIA_EVENT_SOURCE;
    if (event.kind == MEDIA_EVENT_FIRST) {
        /* It came then, and is in the recording. */
        event.at.ns -= verdict->held_ns;
        event.tick = tick_add_ns(arrival, -verdict->held_ns);
    }
    media_tell(media, stream, event);
    if (epoch && verdict->moved && !first) {
        event.kind = MEDIA_EVENT_SOURCE;
        media_tell(media, stream, event);
    }
    media->tally.epochs += epoch && !first;
}

static void count_lost(struct media_stream *stream)
{
    uint64_t lost = rtp_sequence_lost(&stream->sequence);
    lost = lost > stream->taken_in ? lost - stream->taken_in : 0;
    stream->counters.lost = stream->lost_before + lost;
}

static void keep(struct media *media, struct media_stream *stream, struct tick now,
                 const struct datagram *datagram, const struct rtp_packet *packet)
{
    struct rtp_position position;
    (void)rtp_sequence_update(&stream->sequence, packet->seq, packet->timestamp, datagram->at,
                              &position);
    count_lost(stream);
    if (stream->before_due && datagram->at.ns > stream->before_at.ns)
        media_control_count_before(stream);
    stream->counters.packets++;
    stream->counters.bytes += datagram->bytes.len;
    stream->recording->credit_bytes += datagram->bytes.len;
    media_course_hear(media, stream, now, datagram);
    media->tally.packets++;
    media->tally.bytes += (int64_t)datagram->bytes.len;
    if (media_stream_paused(stream, now, datagram->at)) {
        stream->counters.paused++;
        media->tally.paused++;
        return; /* digits too: what is dialled in a pause is what it is for */
    }
    take_digits(media, stream, now, packet, datagram->at);
    if (stream->flow.head_len == 0) {
        struct addr to = media_book_destination(stream, &datagram->from, false);
        journal_flow_init(&stream->flow, stream->interface, &datagram->from, &to);
    }
    media_book_packet(media, stream, &stream->flow, datagram);
}

static void take_rtp(struct media *media, struct media_stream *stream, struct tick now,
                     const struct datagram *datagram)
{
    struct rtp_packet packet;
    if (rtp_packet_decode(&packet, datagram->bytes) != RTP_PACKET_OK) {
        media->tally.malformed++;
        return;
    }
    struct tick arrival = media_arrival(media, now, datagram->at);
    struct rtp_source_verdict verdict =
        rtp_source_input(&stream->source, &datagram->from, &packet, arrival);
    switch (verdict.class) {
    case RTP_SOURCE_DROP:
        stream->counters.foreign++;
        media->tally.foreign++;
        return;
    case RTP_SOURCE_QUARANTINE:
    case RTP_SOURCE_FOREIGN:
        set_apart(media, stream, now, datagram, &verdict, packet.ssrc);
        return;
    case RTP_SOURCE_EPOCH:
    case RTP_SOURCE_ACCEPT:
        if (verdict.class == RTP_SOURCE_EPOCH || verdict.moved)
            turn_over(media, stream, datagram, &packet, &verdict, arrival);
        keep(media, stream, now, datagram, &packet);
        return;
    }
}

/* STUN that is neither an answer to us nor the agent's: bounded by being dropped. An answer that
 * nobody asked for is somebody's try. */
static void take_stray(struct media *media, struct media_stream *stream, struct tick now,
                       const struct datagram *datagram)
{
    bool response = datagram->bytes.len > 0 && datagram->bytes.at[0] == 1;
    media->tally.strays++;
    if (response)
        media_course_alarm(media, stream, datagram, VERDICT_FORGED_STUN);
    media_course_stray(media, stream, now, datagram);
}

void media_stream_input(struct media *media, struct media_stream *stream, struct tick now,
                        const struct datagram *datagram)
{
    if (datagram->refused) {
        media_course_refused(media, stream, now, datagram);
        return;
    }
    /* What waited in the socket from before this call had the port is not this call's. */
    if (datagram->at.ns < stream->lent_at.ns &&
        tick_diff_ms(now, stream->lent_tick) <= SWITCH_SETTLED_MS) {
        stream->counters.foreign++;
        media->tally.foreign++;
        return;
    }
    bool control_socket = media_lend_is_control(stream, datagram->socket);
    if (datagram->truncated || datagram->bytes.len > LIMIT_MEDIA_DATAGRAM) {
        media->tally.malformed++;
        return;
    }
    switch (rtp_demux(datagram->bytes)) {
    case RTP_DEMUX_RTP:
        /* RTP has no business on the RTCP port, where nobody announced it. */
        if (control_socket)
            media->tally.malformed++;
        else
            take_rtp(media, stream, now, datagram);
        return;
    case RTP_DEMUX_RTCP:
        /* On the RTP port too where mux was not agreed:
         * RFC 5761 §4 tells them apart all the same. */
        media_control_input(media, stream, now, datagram);
        return;
    case RTP_DEMUX_STUN:
        if (!media_port_input(media->seen, now, datagram) &&
            !(stream->ice && media_ice_input(media, stream, now, datagram)))
            take_stray(media, stream, now, datagram);
        return;
    case RTP_DEMUX_ZRTP:
    case RTP_DEMUX_DTLS:
    case RTP_DEMUX_TURN:
    case RTP_DEMUX_NONE:
        media->tally.malformed++;
        return;
    }
}
