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

/* ---- RTCP ------------------------------------------------------------------------------------ */

static void take_report(struct doctor_stream *s, const struct rtcp_packet *packet, struct wall at)
{
    if (packet->type == RTCP_RR && s->src_sends == PATH_UNKNOWN)
        s->src_sends = PATH_NO;
    if (packet->type != RTCP_SR)
        return;
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

static void take_sip(struct doctor_evidence *e, const struct journal_record *record)
{
    if (!addr_is_set(&e->signalled) && view_starts_with(record->payload, VIEW_LIT("INVITE ")))
        e->signalled = record->source;
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
                       struct pace paces[DOCTOR_STREAMS])
{
    struct journal_record record;
    struct rtp_packet packet;
    while (journal_reader_next(reader, &record)) {
        struct doctor_stream *s = stream_of(e, &record);
        if (record.kind == JOURNAL_RECORD_SIP)
            take_sip(e, &record);
        if (!s)
            continue;
        if (record.kind == JOURNAL_RECORD_RTCP && record.role == JOURNAL_ROLE_MEDIA)
            take_rtcp(s, &record);
        if (record.kind != JOURNAL_RECORD_RTP ||
            rtp_packet_decode(&packet, record.payload) != RTP_PACKET_OK)
            continue;
        if (record.role == JOURNAL_ROLE_APART)
            s->foreign = record.source;
        else
            pace_count(&paces[record.stream], &packet, record.time);
    }
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
    for (int pass = 0; pass < 2; pass++) {
        struct journal_reader *reader = journal_reader_create();
        if (!reader)
            return;
        journal_reader_feed(reader, journal, false);
        if (pass == 0)
            first_pass(reader, e, paces);
        else
            second_pass(reader, e, paces);
        journal_reader_destroy(reader);
    }
}
