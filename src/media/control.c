/* control: a stream's RTCP: what the SRC reports, our reports to it, and the first packet it waits
 * for.
 * Not here: the packets' format and interval (rtp), sockets.
 * RFC 3550 §6, 4961 (from the port we receive on), 5761, 7866 §8.1.1. */
#include "base/metrics.h"
#include "media/ice.h"
#include "rtp/rtcp.h"

/* A 64 kbit/s stream with headers; RTCP has 5 % of it (RFC 3550 §6.2). */
#define CONTROL_BANDWIDTH 500.0
#define CONTROL_OVERHEAD  28 /* IPv4 and UDP headers count (§6.3) */
/* Before the ACK and before any RTP nobody has proven to be there. */
#define UNASKED_MAX 3
/* An SRC that latches (symmetric RTP) sends nothing before it got something. 0, 200, 500, 1000 ms
 * after the answer it is told where we are; then RTCP alone goes on. */
static const int64_t probe_gaps_ms[] = {200, 300, 500};
#define PROBES (sizeof probe_gaps_ms / sizeof probe_gaps_ms[0] + 1)

/* ---- Where to ------------------------------------------------------------------------------- */

/* Nobody can be made our target by what stands in an SDP: never an address of these kinds, and for
 * an SRC that is not in sip.allow only the address that its SIP came from. */
static bool may_send(const struct media_stream *stream, const struct addr *to)
{
    const struct addr *signalled = &stream->facts.signalled;
    if (!addr_is_set(to) || to->port == 0 || to->family != stream->facts.bound.family)
        return false;
    if (addr_is_unspecified(to) || addr_is_multicast(to) || addr_is_reserved(to) ||
        addr_is_link_local(to))
        return false;
    if (addr_is_loopback(to) && !addr_is_loopback(signalled))
        return false;
    if (!stream->facts.listed && !addr_equal_ip(to, signalled))
        return false;
    return stream->recording->confirmed || stream->counters.packets > 0 ||
           stream->unasked < UNASKED_MAX;
}

/* Their RTP address: as seen, else as offered. */
static const struct addr *rtp_peer(const struct media_stream *stream)
{
    return addr_is_set(&stream->source.accepted) ? &stream->source.accepted
                                                 : &stream->facts.offered;
}

/* On the path that ICE chose, and nowhere else (RFC 8445 §12.1, RFC 7675 §5.1). */
static bool send_by_ice(struct media_stream *stream, bool control, struct view bytes,
                        struct media_packet *out)
{
    uint8_t component = control && !stream->facts.rtcp_mux ? 2 : 1;
    if (bytes.len == 0 || !media_ice_way(stream, component, &out->socket, &out->to))
        return false;
    out->bytes = bytes;
    return true;
}

static const struct addr *control_peer(const struct media_stream *stream)
{
    if (stream->facts.rtcp_mux)
        return rtp_peer(stream);
    if (addr_is_set(&stream->control_from))
        return &stream->control_from;
    return &stream->facts.offered_rtcp;
}

/* ---- When ----------------------------------------------------------------------------------- */

static void wait_for_next(struct media *media, struct media_stream *stream, struct tick now)
{
    struct rtcp_interval interval = {
        .members = 2,
        .senders = stream->counters.packets ? 1 : 0,
        .bandwidth_bytes_per_s = CONTROL_BANDWIDTH,
        .initial = !stream->control_sent,
        .average_size = stream->control_average,
    };
    stream->control_at = tick_add_ms(now, rtcp_interval_ms(&interval, &media->rng));
    media_stream_arm(media, stream);
}

static void make_ready(struct media *media, struct media_stream *stream)
{
    if (!list_is_linked(&stream->ready))
        list_append(&media->ready, &stream->ready);
}

void media_control_start(struct media *media, struct media_stream *stream, struct tick now)
{
    stream->control_average = 96 + CONTROL_OVERHEAD;
    stream->control_due = stream->probe_due = true;
    stream->probes = 0;
    stream->probe_at = tick_add_ms(now, probe_gaps_ms[0]);
    make_ready(media, stream);
    wait_for_next(media, stream, now);
}

void media_control_expire(struct media *media, struct media_stream *stream, struct tick now)
{
    if (tick_due(stream->control_at, now)) {
        stream->control_due = true;
        make_ready(media, stream);
        wait_for_next(media, stream, now);
    }
    if (tick_due(stream->probe_at, now)) {
        stream->probe_at = TICK_NEVER;
        if (stream->counters.packets == 0) {
            stream->probe_due = true;
            make_ready(media, stream);
            if (stream->probes < PROBES - 1)
                stream->probe_at = tick_add_ms(now, probe_gaps_ms[stream->probes]);
        }
    }
}

/* ---- What we say ---------------------------------------------------------------------------- */

static void put_report(struct media_stream *stream, struct tick now, struct writer *out)
{
    struct rtcp_report_block block = {0};
    size_t blocks = 0;
    if (stream->counters.packets && rtp_sequence_is_valid(&stream->sequence)) {
        rtp_sequence_report(&stream->sequence, &block);
        block.ssrc = stream->ssrc;
        if (stream->sr_ntp) {
            block.last_sr = (uint32_t)(stream->sr_ntp >> 16);
            int64_t delay_ns = tick_diff_ns(now, stream->sr_at);
            block.delay_since_last_sr = (uint32_t)((delay_ns << 16) / NS_PER_S);
        }
        blocks = 1;
    }
    rtcp_encode_rr(out, stream->our_ssrc, &block, blocks, view_of_string(stream->recording->cname));
}

/* An RTP packet of a payload type that nobody agreed to: it tells where we are and is ignored
 * (RFC 6263 §4.6). With rtcp-mux the report does the same (§4.3), and this is not sent. */
static void put_probe(const struct media_stream *stream, struct writer *out)
{
    uint8_t payload_type = 127;
    for (unsigned i = 0; i < stream->facts.codec_count;) {
        if (stream->facts.codecs[i].payload_type == payload_type) {
            payload_type--;
            i = 0;
        } else {
            i++;
        }
    }
    struct rtp_packet packet = {
        .payload_type = payload_type,
        .seq = (uint16_t)stream->probes,
        .ssrc = stream->our_ssrc,
    };
    rtp_packet_encode(&packet, out);
}

static bool send(struct media *media, struct media_stream *stream, bool control_socket,
                 const struct addr *to, struct view bytes, struct media_packet *out)
{
    if (stream->ice)
        return send_by_ice(stream, control_socket, bytes, out);
    if (bytes.len == 0 || !may_send(stream, to))
        return false;
    stream->unasked++;
    out->socket = stream->facts.port == MEDIA_NO_PORT
                      ? stream->facts.socket
                      : MEDIA_SOCKET(stream->facts.port, control_socket);
    out->to = *to;
    out->bytes = bytes;
    return true;
}

bool media_control_output(struct media *media, struct media_stream *stream, struct tick now,
                          struct media_packet *out)
{
    struct writer w = writer_of(media->packet, sizeof media->packet);
    bool mux = stream->facts.rtcp_mux;
    if (stream->probe_due) {
        stream->probe_due = false;
        stream->probes++;
        put_probe(stream, &w);
        if (!mux && !stream->ice &&
            send(media, stream, false, rtp_peer(stream), writer_done(&w), out))
            return true;
        stream->control_due |= mux;
    }
    if (stream->control_due) {
        stream->control_due = false;
        w = writer_of(media->packet, sizeof media->packet);
        put_report(stream, now, &w);
        if (send(media, stream, !mux, control_peer(stream), writer_done(&w), out)) {
            stream->control_sent = true;
            stream->control_average =
                rtcp_interval_average(stream->control_average, out->bytes.len + CONTROL_OVERHEAD);
            metric_add(METRIC_RTCP_PACKETS_SENT, 1);
            return true;
        }
    }
    return false;
}

/* ---- What they say -------------------------------------------------------------------------- */

static void hear_bye(struct media *media, struct media_stream *stream,
                     const struct datagram *datagram, const struct rtcp_packet *packet)
{
    uint32_t ssrc;
    for (size_t i = 0; rtcp_bye_ssrc(packet, i, &ssrc); i++) {
        if (ssrc != stream->ssrc || stream->counters.packets == 0)
            continue;
        char text[512];
        struct journal_event line = journal_event_begin(text, sizeof text, JOURNAL_EVENT_RTCP_BYE);
        journal_event_put_number(&line, "ssrc", ssrc);
        journal_event_put_text(&line, "reason", view_take(rtcp_bye_reason(packet), 64));
        media_book_event(media, stream->recording, stream->interface, datagram->at,
                         journal_event_end(&line));
        media_tell(media, stream,
                   (struct media_event){.kind = MEDIA_EVENT_BYE, .at = datagram->at, .ssrc = ssrc});
    }
}

void media_control_input(struct media *media, struct media_stream *stream, struct tick now,
                         const struct datagram *datagram)
{
    struct rtcp_reader reader = rtcp_reader_of(datagram->bytes);
    struct rtcp_packet packet;
    if (!rtcp_reader_next(&reader, &packet)) {
        media->tally.malformed++;
        return;
    }
    enum rtp_source_class class = rtp_source_rtcp(&stream->source, &datagram->from, packet.ssrc);
    if (class != RTP_SOURCE_ACCEPT) {
        stream->counters.foreign++;
        media->tally.foreign++;
        if (class == RTP_SOURCE_FOREIGN && !media_stream_paused(stream, now, datagram->at))
            media_book_apart(media, stream, datagram, VIEW_NONE);
        return;
    }
    stream->counters.rtcp++;
    media->tally.control++;
    stream->control_from = datagram->from;
    struct journal_flow flow;
    journal_flow_init(&flow, stream->interface, &datagram->from,
                      MEDIA_SOCKET_RTCP(datagram->socket) ? &stream->facts.advertised_rtcp
                                                          : &stream->facts.advertised);
    media_book_packet(media, stream, &flow, datagram);
    do {
        if (packet.type == RTCP_SR && packet.ssrc == stream->ssrc) {
            stream->sr_ntp = packet.sender.ntp;
            stream->sr_at = now;
        } else if (packet.type == RTCP_BYE) {
            hear_bye(media, stream, datagram, &packet);
        }
    } while (rtcp_reader_next(&reader, &packet));
}
