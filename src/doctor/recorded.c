/* recorded: reading a journal for evidence.
 * Not here: what follows from it.
 * RFC 3550 §5.1, §6.4.1. */
#include "doctor/recorded.h"

#include <stdlib.h>

#include "journal/reader.h"
#include "rtp/packet.h"
#include "rtp/rtcp.h"

/* How a stream's timestamps run against our clock. The delay of the network is in every arrival,
 * and its floor is the same at the beginning and at the end: what differs between the two floors is
 * the clock. */
struct pace {
    uint32_t ssrc, last_timestamp;
    int64_t ticks; /* unwrapped, since first */
    struct wall first, last;
    int64_t last_ticks;
    double early, late; /* floors of arrival less timestamp, ms */
    unsigned early_count, late_count;
};

enum { WINDOW_MS = 4000, WINDOW_LEAST = 20 };

static double ms_between(struct wall from, struct wall to)
{
    /* Damaged journals have any time: what overflows is no use, and must do no harm. */
    return ((double)to.ns - (double)from.ns) / NS_PER_MS;
}

/* A new SSRC begins anew: of the last one there is most to say. */
static void pace_count(struct pace *p, const struct rtp_packet *packet, struct wall at)
{
    if (p->first.ns == 0 || packet->ssrc != p->ssrc) {
        *p = (struct pace){
            .ssrc = packet->ssrc, .last_timestamp = packet->timestamp, .first = at, .last = at};
        return;
    }
    p->ticks += (int32_t)(packet->timestamp - p->last_timestamp);
    p->last_timestamp = packet->timestamp;
    p->last = at;
    p->last_ticks = p->ticks;
}

/* The rate that the timestamps were meant to have; 0: none that we know. */
static double nominal_hz(const struct pace *p)
{
    static const double rates[] = {8000, 16000, 24000, 32000, 44100, 48000, 90000};
    double seconds = ms_between(p->first, p->last) / 1000;
    if (seconds * 1000 < DOCTOR_DRIFT_LEAST_MS)
        return 0;
    for (size_t i = 0; i < sizeof rates / sizeof *rates; i++) {
        double ratio = (double)p->last_ticks / seconds / rates[i];
        if (ratio > 0.98 && ratio < 1.02)
            return rates[i];
    }
    return 0;
}

/* Second pass: the floors near both ends. */
static void pace_measure(struct pace *p, const struct pace *whole, double hz,
                         const struct rtp_packet *packet, struct wall at)
{
    if (packet->ssrc != whole->ssrc)
        return;
    pace_count(p, packet, at);
    double delay = ms_between(p->first, at) - (double)p->ticks / hz * 1000;
    if (ms_between(whole->first, at) < WINDOW_MS) {
        if (p->early_count++ == 0 || delay < p->early)
            p->early = delay;
    } else if (ms_between(at, whole->last) < WINDOW_MS) {
        if (p->late_count++ == 0 || delay < p->late)
            p->late = delay;
    }
}

static void judge_pace(const struct pace *p, struct doctor_stream *s)
{
    double span = ms_between(p->first, p->last) - WINDOW_MS;
    double ppm = (p->early - p->late) / span * 1e6;
    if (p->early_count < WINDOW_LEAST || p->late_count < WINDOW_LEAST || !(ppm > -1e9 && ppm < 1e9))
        return;
    /* A fast clock's timestamps run ahead: the delay seems to shrink. */
    s->drift_ppm = (int64_t)ppm;
    s->drift_is_known = true;
}

/* ---- Who sent ------------------------------------------------------------------------------- */

enum { RIVALS = 8, ACCEPTED = 8 };

/* Of one stream: how many packets it took of whom, and whose it set apart. What waited until its sender was
 * believed was set apart, too, and is the stream's all the same. */
struct senders {
    struct addr accepted[ACCEPTED];
    uint32_t accepted_ssrc[ACCEPTED];
    size_t accepted_count;
    uint64_t taken;
    struct rival {
        struct addr from;
        uint32_t ssrc;
        uint64_t count;
        uint8_t type;
    } rivals[RIVALS];
    size_t rival_count;
    uint64_t agreed[2]; /* payload types: bits; none: not known */
};

static bool is_accepted(const struct senders *s, const struct addr *from, uint32_t ssrc)
{
    for (size_t i = 0; i < s->accepted_count; i++) {
        if (s->accepted_ssrc[i] == ssrc && addr_equal_ip(&s->accepted[i], from))
            return true;
    }
    return false;
}

static void count_accepted(struct senders *s, const struct addr *from, uint32_t ssrc)
{
    if (s->accepted_count == ACCEPTED || is_accepted(s, from, ssrc))
        return;
    s->accepted[s->accepted_count] = *from;
    s->accepted_ssrc[s->accepted_count++] = ssrc;
}

static void count_apart(struct senders *s, const struct addr *from, const struct rtp_packet *packet)
{
    size_t i = 0;
    while (i < s->rival_count &&
           !(s->rivals[i].ssrc == packet->ssrc && addr_equal(&s->rivals[i].from, from)))
        i++;
    if (i == RIVALS)
        return;
    if (i == s->rival_count)
        s->rivals[s->rival_count++] =
            (struct rival){.from = *from, .ssrc = packet->ssrc, .type = packet->payload_type};
    s->rivals[i].count++;
}

/* One of the SRC's own addresses: of its SDP, of its SIP, or one that it was heard from. */
static bool is_srcs(const struct doctor_evidence *e, const struct senders *s,
                    const struct doctor_stream *stream, const struct addr *from)
{
    return addr_is_among(s->accepted, s->accepted_count, from) ||
           addr_equal_ip(&stream->offered, from) || addr_equal_ip(&e->signalled, from);
}

/* Media of the SRC's came to a stream that has its own already: another one's, which has none. */
static void lead_astray(struct doctor_evidence *e, const struct doctor_stream *to)
{
    for (size_t i = 0; i < e->stream_count; i++) {
        if (doctor_stream_is_dead(&e->streams[i]) && !addr_is_set(&e->streams[i].led_to)) {
            e->streams[i].led_to = to->advertised;
            return;
        }
    }
}

enum { LED_LEAST = 20 }; /* less is no stream */

static void judge_rival(struct doctor_evidence *e, const struct senders *senders,
                        struct doctor_stream *s, const struct rival *rival)
{
    bool is_own = is_srcs(e, senders, s, &rival->from);
    if (is_accepted(senders, &rival->from, rival->ssrc))
        return;
    if (is_own && doctor_stream_is_dead(s)) {
        s->apart += rival->count;
        s->apart_type = rival->type;
        s->apart_is_unagreed =
            (senders->agreed[0] | senders->agreed[1]) != 0 &&
            !(senders->agreed[rival->type / 64] & UINT64_C(1) << rival->type % 64);
        return;
    }
    bool any_dead = false;
    for (size_t i = 0; i < e->stream_count; i++)
        any_dead |= doctor_stream_is_dead(&e->streams[i]);
    if (is_own && any_dead && rival->count >= LED_LEAST)
        lead_astray(e, s);
    else if (!is_own || !addr_equal(&rival->from, &senders->accepted[0]))
        s->foreign = rival->from;
}

/* ---- RTCP ------------------------------------------------------------------------------------ */

static void take_report(struct doctor_stream *s, const struct rtcp_packet *packet, struct wall at)
{
    if (packet->type == RTCP_RR && s->src_sends == PATH_UNKNOWN)
        s->src_sends = PATH_NO;
    if (packet->type != RTCP_SR)
        return;
    s->src_sent = packet->sender.packets;
    if (packet->sender.packets > 0)
        s->src_sends = PATH_YES;
    else if (s->src_sends == PATH_UNKNOWN)
        s->src_sends = PATH_NO;
    if (packet->sender.ntp != 0) { /* 0: it has no clock */
        s->clock_is_known = true;
        s->clock_ms = rtcp_wall_of(packet->sender.ntp).ns / NS_PER_MS - at.ns / NS_PER_MS;
    }
}

static void take_rtcp(struct doctor_stream *s, const struct journal_record *record)
{
    struct rtcp_reader reader = rtcp_reader_of(record->payload);
    struct rtcp_packet packet;
    s->rtcp++;
    while (rtcp_reader_next(&reader, &packet))
        take_report(s, &packet, record->time);
}

/* ---- SIP ------------------------------------------------------------------------------------- */

/* "m=audio 10000 RTP/AVP 0 8": the types, for the streams that have that port in our answer. */
static void take_answer(const struct doctor_evidence *e, struct view line, struct senders *senders)
{
    struct view word;
    uint64_t port = 0, type;
    if (!view_cut(&line, ' ', &word) || !view_cut(&line, ' ', &word) ||
        !view_parse_u64(word, &port) || !view_cut(&line, ' ', &word))
        return;
    while (view_cut(&line, ' ', &word)) {
        if (!view_parse_u64(view_trim(word), &type) || type > 127)
            continue;
        for (size_t i = 0; i < e->stream_count; i++) {
            if (e->streams[i].advertised.port == port)
                senders[i].agreed[type / 64] |= UINT64_C(1) << type % 64;
        }
    }
}

/* "P-RTP-Stat: PS=250,OS=40000,...": what some gateways and phones say of their media in a BYE, PS
 * being the packets they sent. There is no RFC. */
static void take_farewell(struct doctor_evidence *e, struct view fields)
{
    struct view field, digits;
    uint64_t sent;
    while (view_cut(&fields, ',', &field)) {
        field = view_trim(field);
        if (!view_starts_with_nocase(field, VIEW_LIT("PS=")))
            continue;
        digits = view_trim(view_skip(field, 3));
        if (!view_parse_u64(digits, &sent))
            return;
        e->farewell_is_known = true;
        e->farewell_sent = sent;
    }
}

static void take_sip(struct doctor_evidence *e, const struct journal_record *record,
                     struct senders *senders)
{
    bool is_bye = view_starts_with(record->payload, VIEW_LIT("BYE "));
    bool is_ours = view_starts_with(record->payload, VIEW_LIT("SIP/2.0 200"));
    struct view rest = record->payload, line;
    if (!addr_is_set(&e->signalled) && view_starts_with(record->payload, VIEW_LIT("INVITE ")))
        e->signalled = record->source;
    while ((is_bye || is_ours) && view_cut_line(&rest, &line)) {
        if (is_ours && view_starts_with(line, VIEW_LIT("m=audio ")))
            take_answer(e, line, senders);
        if (is_bye && (view_starts_with_nocase(line, VIEW_LIT("P-RTP-Stat:")) ||
                       view_starts_with_nocase(line, VIEW_LIT("X-RTP-Stat:"))))
            take_farewell(e, view_skip(line, sizeof "P-RTP-Stat:" - 1));
    }
}

/* One number for all streams: it tells of those of which nothing else does, where they are all
 * alike. */
static void judge_farewell(struct doctor_evidence *e)
{
    bool any_alive = false;
    for (size_t i = 0; i < e->stream_count; i++)
        any_alive |= e->streams[i].packets > 0;
    for (size_t i = 0; i < e->stream_count && e->farewell_is_known && !any_alive; i++) {
        struct doctor_stream *s = &e->streams[i];
        if (!doctor_stream_is_dead(s) || s->src_sends != PATH_UNKNOWN)
            continue;
        s->src_sends = e->farewell_sent > 0 ? PATH_YES : PATH_NO;
        s->src_sent = e->farewell_sent;
    }
}

/* ---- Both passes ----------------------------------------------------------------------------- */

static struct doctor_stream *stream_of(struct doctor_evidence *e,
                                       const struct journal_record *record)
{
    return record->role != JOURNAL_ROLE_SIP && record->stream < e->stream_count
               ? &e->streams[record->stream]
               : NULL;
}

static void first_pass(struct journal_reader *reader, struct doctor_evidence *e,
                       struct pace paces[DOCTOR_STREAMS], struct senders senders[DOCTOR_STREAMS])
{
    struct journal_record record;
    struct rtp_packet packet;
    while (journal_reader_next(reader, &record)) {
        struct doctor_stream *s = stream_of(e, &record);
        if (record.kind == JOURNAL_RECORD_SIP)
            take_sip(e, &record, senders);
        if (!s)
            continue;
        if (record.kind == JOURNAL_RECORD_RTCP && record.role == JOURNAL_ROLE_MEDIA)
            take_rtcp(s, &record);
        if (record.kind != JOURNAL_RECORD_RTP ||
            rtp_packet_decode(&packet, record.payload) != RTP_PACKET_OK)
            continue;
        if (record.role == JOURNAL_ROLE_APART) {
            count_apart(&senders[record.stream], &record.source, &packet);
        } else {
            count_accepted(&senders[record.stream], &record.source, packet.ssrc);
            senders[record.stream].taken++;
            pace_count(&paces[record.stream], &packet, record.time);
        }
    }
}

static void judge_senders(struct doctor_evidence *e, const struct senders senders[DOCTOR_STREAMS])
{
    /* A document that was made while the call goes on is older than its journal. */
    for (size_t i = 0; i < e->stream_count; i++) {
        if (e->streams[i].packets < senders[i].taken)
            e->streams[i].packets = senders[i].taken;
    }
    for (size_t i = 0; i < e->stream_count; i++) {
        for (size_t k = 0; k < senders[i].rival_count; k++)
            judge_rival(e, &senders[i], &e->streams[i], &senders[i].rivals[k]);
    }
    judge_farewell(e);
}

static void second_pass(struct journal_reader *reader, struct doctor_evidence *e,
                        const struct pace paces[DOCTOR_STREAMS])
{
    struct pace measured[DOCTOR_STREAMS] = {0};
    struct journal_record record;
    struct rtp_packet packet;
    while (journal_reader_next(reader, &record)) {
        const struct doctor_stream *s = stream_of(e, &record);
        if (!s || record.kind != JOURNAL_RECORD_RTP || record.role != JOURNAL_ROLE_MEDIA ||
            rtp_packet_decode(&packet, record.payload) != RTP_PACKET_OK)
            continue;
        double hz = nominal_hz(&paces[record.stream]);
        if (hz > 0)
            pace_measure(&measured[record.stream], &paces[record.stream], hz, &packet, record.time);
    }
    for (size_t i = 0; i < e->stream_count; i++)
        judge_pace(&measured[i], &e->streams[i]);
}

void doctor_read_journal(struct view journal, struct doctor_evidence *e)
{
    struct pace paces[DOCTOR_STREAMS] = {0};
    struct senders *senders = calloc(DOCTOR_STREAMS, sizeof *senders);
    for (int pass = 0; pass < 2 && senders; pass++) {
        struct journal_reader *reader = journal_reader_create();
        if (!reader)
            break;
        journal_reader_feed(reader, journal, false);
        if (pass == 0)
            first_pass(reader, e, paces, senders);
        else
            second_pass(reader, e, paces);
        journal_reader_destroy(reader);
    }
    if (senders)
        judge_senders(e, senders);
    free(senders);
}
