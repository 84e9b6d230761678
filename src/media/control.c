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
/* Before anything came from the SRC: most of what a stream may send then is for its way in. */
#define UNHEARD_MAX 4
/* Two minutes of 20 ms packets: an SRC that counts from an earlier call says more. */
#define BEFORE_MAX 6000

/* ---- Where to ------------------------------------------------------------------------------- */

/* Where the SRC's packets of either kind are awaited, before any came. */
static uint32_t own_socket(const struct media_stream *stream, bool control)
{
    const struct media_way *way = &stream->facts.way;
    if (way->choice.permits && way->relay.held)
        return MEDIA_RELAY(control && way->relay_rtcp.held ? way->relay_rtcp.slot
                                                           : way->relay.slot);
    return media_lend_socket(stream, control);
}

/* Where the SRC was heard, as long as that is not being left: the port that it is told instead lets
 * its packets in, through a NAT of ours, only once we have sent from there. */
static uint32_t heard_at(const struct media_stream *stream, uint32_t socket, uint32_t own)
{
    return media_lend_is_present(stream, socket) ? socket : own;
}

/* To where its reports come from, else its media, else what the recorder let through of its SDP. */
static bool find_peer(const struct media_stream *stream, uint32_t *socket, struct addr *to)
{
    const struct media_way *way = &stream->facts.way;
    bool mux = stream->facts.rtcp_mux;
    *socket = own_socket(stream, !mux);
    if (addr_is_set(&stream->control_from) && !stream->control_barred) {
        *to = stream->control_from;
        *socket = heard_at(stream, stream->control_socket, *socket);
        return true;
    }
    if (way->keepalive == MEDIA_KEEPALIVE_NONE)
        return false;
    if (mux && addr_is_set(&stream->source.accepted)) {
        *to = stream->source.accepted;
        *socket = heard_at(stream, stream->heard_socket, *socket);
        return !stream->barred;
    }
    if (mux ? way->target_count == 0 : way->target_rtcp_count == 0)
        return false;
    *to = mux ? way->targets[0] : way->targets_rtcp[0];
    return true;
}

/* On the path that ICE chose, and nowhere else (RFC 8445 §12.1, RFC 7675 §5.1). */
static bool find_route(struct media_stream *stream, struct media_packet *out)
{
    if (stream->ice)
        return media_ice_way(stream, stream->facts.rtcp_mux ? 1 : 2, &out->socket, &out->to);
    return !stream->control_refused && find_peer(stream, &out->socket, &out->to) && out->to.port &&
           (MEDIA_SOCKET_IS_RELAY(out->socket) || out->to.family == stream->facts.bound.family);
}

/* Nobody has proven yet to be there: what may be sent then is for the way in. */
static bool may_report(struct media_stream *stream, size_t bytes)
{
    const struct media_recording *recording = stream->recording;
    bool heard = stream->counters.packets || stream->counters.rtcp;
    if (stream->ice)
        return true;
    if (!stream->facts.listed && !recording->confirmed && !recording->heard)
        return false;
    if ((!heard && stream->reports_unheard >= UNHEARD_MAX) || media_course_is_thrifty(stream))
        return false;
    stream->reports_unheard += !heard;
    return media_course_spend(stream, bytes);
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

void media_control_start(struct media *media, struct media_stream *stream, struct tick now)
{
    stream->control_average = 96 + CONTROL_OVERHEAD;
    /* With mux the way's own packets are reports; without, this opens the way for theirs. */
    stream->control_due = !stream->facts.rtcp_mux;
    media_ready(media, stream);
    wait_for_next(media, stream, now);
}

void media_control_move(struct media *media, struct media_stream *stream)
{
    stream->control_due = stream->control_due || !stream->facts.rtcp_mux;
    media_ready(media, stream);
}

void media_control_confirm(struct media *media, struct media_stream *stream)
{
    if (!stream->lent || stream->control_sent)
        return;
    stream->control_due = true;
    media_ready(media, stream);
}

void media_control_expire(struct media *media, struct media_stream *stream, struct tick now)
{
    if (!tick_due(stream->control_at, now))
        return;
    stream->control_due = true;
    media_ready(media, stream);
    wait_for_next(media, stream, now);
}

/* ---- What we say ---------------------------------------------------------------------------- */

void media_control_report(struct media_stream *stream, struct tick now, struct writer *out)
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

bool media_control_output(struct media *media, struct media_stream *stream, struct tick now,
                          struct media_packet *out)
{
    struct writer w = writer_of(media->packet, sizeof media->packet);
    if (!stream->control_due)
        return false;
    stream->control_due = false;
    media_control_report(stream, now, &w);
    out->bytes = writer_done(&w);
    if (!find_route(stream, out) || !may_report(stream, out->bytes.len))
        return false;
    stream->control_sent = true;
    stream->control_average =
        rtcp_interval_average(stream->control_average, out->bytes.len + CONTROL_OVERHEAD);
    if (stream->on_way && stream->facts.rtcp_mux)
        way_sent(&stream->way, now, MEDIA_SOCKET_IS_RELAY(out->socket));
    metric_add(METRIC_RTCP_PACKETS_SENT, 1);
    return true;
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

/* How many it had sent when it said so: judged at the next packet, since the sockets of RTP and RTCP
 * are not read in the order of arrival. Once. */
static void hear_sender(struct media_stream *stream, const struct rtcp_sender_info *info,
                        struct wall at)
{
    stream->sr_packets = info->packets;
    if (stream->before_told || stream->counters.packets == 0 || stream->source.epochs > 1)
        return;
    stream->before_told = stream->before_due = true;
    stream->before_at = at;
}

void media_control_count_before(struct media_stream *stream)
{
    /* The one that has just come was not sent yet; those that numbers show as lost were, and those
     * that were held apart until their sender was believed. */
    int64_t since_first =
        stream->sequence.max_ext - stream->sequence.run_first + stream->held_first;
    int64_t before = (int64_t)stream->sr_packets - since_first;
    stream->before_due = false;
    if (before > 0 && before < BEFORE_MAX)
        stream->counters.lost_before = (uint64_t)before;
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
    stream->recording->credit_bytes += datagram->bytes.len;
    stream->control_refused = false;
    stream->control_socket = datagram->socket;
    if (!addr_equal(&stream->control_from, &datagram->from)) {
        stream->control_from = datagram->from;
        stream->control_barred = media_course_bars(stream, &datagram->from);
        if (MEDIA_SOCKET_IS_RELAY(datagram->socket))
            media_lend_want(media, stream, true, MEDIA_RELAY_BIND, &datagram->from);
    }
    struct journal_flow flow;
    struct addr to = media_book_destination(stream, &datagram->from,
                                            media_lend_is_control(stream, datagram->socket));
    journal_flow_init(&flow, stream->interface, &datagram->from, &to);
    media_book_packet(media, stream, &flow, datagram);
    bool idle = packet.type == RTCP_RR;
    do {
        if (packet.type == RTCP_SR && packet.ssrc == stream->ssrc) {
            idle = packet.sender.packets == stream->sr_packets && stream->sr_ntp;
            hear_sender(stream, &packet.sender, datagram->at);
            stream->sr_ntp = packet.sender.ntp;
            stream->sr_at = now;
        } else if (packet.type == RTCP_BYE) {
            hear_bye(media, stream, datagram, &packet);
        }
    } while (rtcp_reader_next(&reader, &packet));
    if (idle)
        media_course_idle(media, stream, now, datagram);
}
