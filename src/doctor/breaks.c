/* breaks: one pass over the journal; what counts is what came after the last packet.
 * Not here: what follows from it.
 * RFC 3550 §6.3.1, §6.4. */
#include "doctor/breaks.h"

#include <stdlib.h>

#include "journal/reader.h"
#include "rtp/rtcp.h"

/* What our SDP said of a stream, and the SRC's. */
struct place {
    struct addr offered, advertised, bound;
};

struct course {
    struct wall heard;      /* its last packet, or the end of a pause after it */
    struct wall reported;   /* the SRC's last report */
    struct place then, now; /* at the last packet; by the last offer and answer */
    uint64_t taken;
    /* The SRC's own count in its last report while media came, and ours. */
    bool has_base;
    uint64_t base_sent, base_taken;
    /* Since the last packet. */
    uint64_t reports;
    enum path_answer sends;
    struct addr refused;
    bool is_readdressed;
    struct addr from; /* its last packet's source */
    struct move {
        struct wall at; /* of the first packet from the other address */
        struct addr from, to;
    } moved;                        /* by the SRC's own doing, the last time */
    struct wall gap_begin, gap_end; /* the longest */
};

/* Damaged journals have any time. */
static int64_t ms_between(struct wall from, struct wall to)
{
    return to.ns / NS_PER_MS - from.ns / NS_PER_MS;
}

/* Both ends of a gap are told by the packets around it, the event of it before or after. */
static void judge_move(const struct course *c, struct doctor_stream *s)
{
    const struct move *m = &c->moved;
    if (s->gap == DOCTOR_GAP_PATH && m->at.ns > c->gap_begin.ns &&
        ms_between(c->gap_end, m->at) < DOCTOR_FLOWING_MS) {
        s->gap = DOCTOR_GAP_MOVED;
        s->gap_from = m->from;
        s->gap_to = m->to;
    }
}

/* What came from where its SDP named comes from elsewhere. That may be for our sake: behind a NAT of its own
 * another port of ours may get another one, and an offer of ours may have it take one. Not so where nobody
 * was left at the first, or its SDP goes on naming that. */
static void take_source(struct course *c, const struct journal_record *record,
                        struct doctor_stream *s)
{
    bool is_named = addr_is_set(&c->from) && addr_equal(&c->from, &c->then.offered);
    bool is_own_doing =
        addr_equal(&c->refused, &c->from) || addr_equal(&c->now.offered, &c->then.offered);
    if (is_named && is_own_doing && !addr_equal(&c->from, &record->source)) {
        c->moved = (struct move){.at = record->time, .from = c->from, .to = record->source};
        judge_move(c, s);
    }
    c->from = record->source;
}

static void take_packet(struct course *c, struct wall at)
{
    c->taken++;
    c->heard = at;
    c->then = c->now;
    c->reports = 0;
    c->sends = PATH_UNKNOWN;
    c->refused = (struct addr){0};
    c->is_readdressed = false;
}

/* What the SRC says it has sent beyond what came. */
static void take_count(struct course *c, uint32_t sent, bool flows)
{
    uint64_t more, came = c->taken - c->base_taken;
    if (flows || !c->has_base || sent < c->base_sent) {
        c->has_base = true;
        c->base_sent = sent;
        c->base_taken = c->taken;
        return;
    }
    more = sent - c->base_sent;
    if (more >= came + DOCTOR_SENT_LEAST)
        c->sends = PATH_YES;
    else if (more <= came + DOCTOR_SENT_NOTHING && c->sends == PATH_UNKNOWN)
        c->sends = PATH_NO;
}

static void take_reports(struct course *c, const struct journal_record *record)
{
    struct rtcp_reader reader = rtcp_reader_of(record->payload);
    struct rtcp_packet packet;
    bool flows = c->heard.ns == 0 || ms_between(c->heard, record->time) < DOCTOR_FLOWING_MS;
    c->reported = record->time;
    c->reports += !flows;
    while (rtcp_reader_next(&reader, &packet)) {
        if (packet.type == RTCP_SR)
            take_count(c, packet.sender.packets, flows);
        /* Who has sent nothing of late reports so, and who leaves says goodbye. */
        else if (!flows && (packet.type == RTCP_RR || packet.type == RTCP_BYE) &&
                 c->sends == PATH_UNKNOWN)
            c->sends = PATH_NO;
    }
}

static void keep(struct view event, const char *key, struct addr *kept)
{
    struct addr a;
    if (journal_event_addr(event, key, &a))
        *kept = a;
}

static void take_place(struct course *c, struct view event)
{
    struct place before = c->now;
    keep(event, "offered", &c->now.offered);
    keep(event, "advertised", &c->now.advertised);
    keep(event, "bound", &c->now.bound);
    if (c->taken == 0)
        c->then = c->now;
    c->is_readdressed |= c->taken > 0 && !addr_equal(&before.advertised, &c->now.advertised) &&
                         addr_equal(&before.bound, &c->now.bound);
}

static enum doctor_gap gap_of(const char *why)
{
    static const struct {
        const char *why;
        enum doctor_gap gap;
    } words[] = {{"address-changed", DOCTOR_GAP_ADDRESS},
                 {"relay-lost", DOCTOR_GAP_RELAY},
                 {"went-silent", DOCTOR_GAP_PATH}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (view_equal(view_of_string(why), view_of_string(words[i].why)))
            return words[i].gap;
    }
    return DOCTOR_GAP_NONE;
}

/* Of several the longest is told. */
static void take_gap(struct course *c, struct doctor_stream *s, struct view event)
{
    char why[32];
    struct wall from, to;
    int64_t ms;
    if (!journal_event_wall(event, "from", &from) || !journal_event_wall(event, "to", &to) ||
        !journal_event_text(event, "why", why, sizeof why))
        return;
    ms = ms_between(from, to);
    if (ms <= s->gap_ms || gap_of(why) == DOCTOR_GAP_NONE)
        return;
    s->gap_ms = ms;
    s->gap = gap_of(why);
    c->gap_begin = from;
    c->gap_end = to;
    judge_move(c, s);
}

/* "192.0.2.1:4000 answers what we send with ICMP": of the stream whose media came, or is to come,
 * from there. */
static void take_warning(const struct doctor_evidence *e, struct view event,
                         struct course courses[DOCTOR_STREAMS])
{
    char code[32], text[128];
    struct view words, word;
    struct addr from;
    if (!journal_event_text(event, "code", code, sizeof code) ||
        !view_equal(view_of_string(code), VIEW_LIT("packets-refused")) ||
        !journal_event_text(event, "text", text, sizeof text))
        return;
    words = view_of_string(text);
    if (!view_cut(&words, ' ', &word) || !addr_parse(word, 0, &from))
        return;
    for (size_t i = 0; i < e->stream_count; i++) {
        if (addr_equal(&e->streams[i].observed, &from) || addr_equal(&courses[i].from, &from) ||
            addr_equal(&courses[i].now.offered, &from))
            courses[i].refused = from;
    }
}

static void take_event(struct doctor_evidence *e, const struct journal_record *record,
                       struct course courses[DOCTOR_STREAMS])
{
    bool is_stream = record->role != JOURNAL_ROLE_SIP && record->stream < e->stream_count;
    int64_t stream;
    switch (record->event) {
    case JOURNAL_EVENT_STREAM: /* on the recording's own interface before it has one */
        if (journal_event_number(record->comment, "stream", &stream) && stream >= 0 &&
            (uint64_t)stream < e->stream_count)
            take_place(&courses[stream], record->comment);
        break;
    case JOURNAL_EVENT_RESUME:
        if (is_stream && courses[record->stream].heard.ns != 0)
            courses[record->stream].heard = record->time;
        break;
    case JOURNAL_EVENT_GAP:
        if (is_stream)
            take_gap(&courses[record->stream], &e->streams[record->stream], record->comment);
        break;
    case JOURNAL_EVENT_WARNING:
        take_warning(e, record->comment, courses);
        break;
    default:
        break;
    }
}

static void read_all(struct journal_reader *reader, struct doctor_evidence *e,
                     struct course courses[DOCTOR_STREAMS])
{
    struct journal_record record;
    while (journal_reader_next(reader, &record)) {
        bool is_media = record.role == JOURNAL_ROLE_MEDIA && record.stream < e->stream_count;
        if (record.comment.len > 0)
            take_event(e, &record, courses);
        if (is_media && record.kind == JOURNAL_RECORD_RTP) {
            take_source(&courses[record.stream], &record, &e->streams[record.stream]);
            take_packet(&courses[record.stream], record.time);
        } else if (is_media && record.kind == JOURNAL_RECORD_RTCP)
            take_reports(&courses[record.stream], &record);
    }
}

static void judge(const struct course *c, struct wall until, struct doctor_stream *s)
{
    s->refused = c->refused;
    if (c->taken == 0 || until.ns <= c->heard.ns)
        return;
    s->silent_ms = ms_between(c->heard, until);
    if (!doctor_stream_has_stopped(s))
        return;
    s->rtcp = c->reports;
    s->src_sends = c->sends;
    s->rtcp_ceased = c->reported.ns != 0 && ms_between(c->reported, until) >= DOCTOR_OVERDUE_MS;
    s->is_readdressed = c->is_readdressed;
    s->is_renamed = !addr_equal(&c->then.offered, &c->now.offered);
}

void doctor_read_breaks(struct view journal, struct wall until, struct doctor_evidence *e)
{
    struct journal_reader *reader = journal_reader_create();
    struct course *courses = calloc(DOCTOR_STREAMS, sizeof *courses);
    if (reader && courses) {
        journal_reader_feed(reader, journal, false);
        read_all(reader, e, courses);
        /* Of what could not be written down nothing can be told. */
        for (size_t i = 0; i < e->stream_count && !e->is_cut; i++)
            judge(&courses[i], until, &e->streams[i]);
    }
    free(courses);
    journal_reader_destroy(reader);
}
