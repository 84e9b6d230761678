/* dtmf: named telephone events, told apart by their timestamps, so that updates, the three ends,
 * and whatever comes late or twice make one digit.
 * Not here: audio.
 * RFC 4733 §2.3 (payload), §2.5.1.2 to §2.5.1.5 (sending), §2.5.2.2 to §2.5.2.4 (receiving). */
#include "rtp/dtmf.h"

#include "base/reader.h"

#include <assert.h>
#include <string.h>

#define EVENT_SIZE  4
#define SEGMENT_MAX 0xffff

/* One event of a payload (§2.3). */
struct report {
    uint32_t timestamp;
    uint16_t duration;
    uint8_t code, volume;
    bool end;
    bool marker; /* it begins here (§2.5.1.2) */
};

void rtp_dtmf_init(struct rtp_dtmf *d, uint32_t clock_rate)
{
    assert(clock_rate > 0);
    memset(d, 0, sizeof *d);
    d->clock_rate = clock_rate;
}

char rtp_dtmf_digit(uint8_t code)
{
    static const char digits[] = "0123456789*#ABCD!";
    return code < sizeof digits - 1 ? digits[code] : 0;
}

/* Serial numbers: how far a lies behind b; negative when before it. */
static int32_t after(uint32_t a, uint32_t b)
{
    return (int32_t)(a - b);
}

static uint32_t total(const struct rtp_dtmf *d)
{
    return d->segment - d->start + d->duration;
}

/* The running digit is over: it becomes a result and part of the past. */
static void finish(struct rtp_dtmf *d, bool missing_end, struct rtp_digit *digit)
{
    uint64_t ms = (uint64_t)total(d) * 1000 / d->clock_rate;
    *digit = (struct rtp_digit){
        .digit = rtp_dtmf_digit(d->code),
        .code = d->code,
        .volume_dbm0 = d->volume,
        .missing_start = d->missing_start,
        .missing_end = missing_end,
        .timestamp = d->start,
        .duration = total(d),
        .duration_ms = (uint32_t)ms,
        .at = d->first_arrival,
    };
    d->past[d->next_past] = (struct rtp_dtmf_past){
        .start = d->start, .end = d->start + total(d), .code = d->code, .used = true};
    d->next_past = (uint8_t)((d->next_past + 1) % RTP_DTMF_HISTORY);
    d->active = false;
}

/* §2.5.2.2: further reports of an event that is over MUST be ignored: the retransmitted ends, and
 * what was overtaken. Its timestamp lies within the event;
 * a new one cannot begin there (§2.5.1.5). */
static bool is_past(const struct rtp_dtmf *d, const struct report *r)
{
    for (size_t i = 0; i < RTP_DTMF_HISTORY; i++) {
        const struct rtp_dtmf_past *p = &d->past[i];
        if (p->used && p->code == r->code &&
            (r->timestamp == p->start ||
             (after(r->timestamp, p->start) > 0 && !r->marker && after(r->timestamp, p->end) < 0)))
            return true;
    }
    return false;
}

/* Whether the report goes on with the running event: the same segment; the next segment of a long
 * event, which follows without a gap and without the marker (§2.5.1.3, §2.5.2.3); or a sender that
 * wrongly moves the timestamp with every update. */
static bool is_update(const struct rtp_dtmf *d, const struct report *r)
{
    if (!d->active || r->code != d->code)
        return false;
    if (r->timestamp == d->segment)
        return true;
    int32_t ahead = after(r->timestamp, d->segment);
    if (r->marker || ahead < 0)
        return false;
    /* The last report of a segment may be lost: three updates of slack, less than two presses of a
     * key can be apart. */
    uint32_t slack = d->clock_rate * 3 / 20;
    return ahead == SEGMENT_MAX || ahead <= (int32_t)(d->duration + slack);
}

/* A report of an earlier segment of the running event, overtaken. */
static bool is_overtaken(const struct rtp_dtmf *d, const struct report *r)
{
    return d->active && r->code == d->code && after(r->timestamp, d->start) >= 0 &&
           after(r->timestamp, d->segment) < 0;
}

static void update(struct rtp_dtmf *d, const struct report *r)
{
    if (r->timestamp != d->segment) {
        d->segment = r->timestamp;
        d->duration = r->duration;
    } else if (r->duration > d->duration) {
        d->duration = r->duration; /* updates may come in any order */
    }
    if (r->marker)
        d->missing_start = false;
}

static void start(struct rtp_dtmf *d, const struct report *r, struct wall arrival)
{
    d->active = true;
    d->code = r->code;
    d->volume = r->volume;
    d->start = d->segment = r->timestamp;
    d->duration = r->duration;
    d->missing_start = !r->marker;
    d->first_arrival = arrival;
}

static size_t take_report(struct rtp_dtmf *d, const struct report *r, struct wall arrival,
                          struct rtp_digit *digits)
{
    size_t n = 0;
    if (is_past(d, r) || is_overtaken(d, r))
        return 0;
    if (!is_update(d, r)) {
        /* Overtaken by the running event: only its end is worth telling,
         * and only when it is new. */
        if (d->active && after(r->timestamp, d->start) < 0 && !r->end)
            return 0;
        if (d->active && after(r->timestamp, d->start) < 0) {
            struct rtp_dtmf late = *d;
            start(&late, r, arrival);
            finish(&late, false, &digits[0]);
            memcpy(d->past, late.past, sizeof d->past);
            d->next_past = late.next_past;
            return 1;
        }
        if (d->active)
            finish(d, true, &digits[n++]);
        start(d, r, arrival);
    } else {
        update(d, r);
    }
    d->last_arrival = arrival;
    if (r->end)
        finish(d, false, &digits[n++]);
    return n;
}

size_t rtp_dtmf_input(struct rtp_dtmf *d, const struct rtp_packet *packet, struct wall arrival,
                      struct rtp_digit digits[RTP_DTMF_DIGITS_MAX])
{
    struct reader in = reader_of(packet->payload);
    size_t found = 0, events = 0;
    uint8_t code = 0;
    uint32_t timestamp = packet->timestamp;
    if (packet->payload.len < EVENT_SIZE)
        d->malformed++;
    while (reader_left(&in) >= EVENT_SIZE) {
        struct report r = {.timestamp = timestamp, .code = reader_u8(&in)};
        uint8_t bits = reader_u8(&in);
        r.end = bits & 0x80;
        r.volume = bits & 0x3f;
        r.duration = reader_u16(&in);
        /* Packed events follow each other without a pause (§2.5.1.5): another one begins here,
         * unless it is the next segment of a long one. One that lasts no time is padding, not an
         * event. */
        r.marker = packet->marker || (events > 0 && r.code != code);
        if (events > 0 && r.duration == 0)
            break;
        code = r.code;
        if (++events > RTP_DTMF_PACKED_MAX) {
            d->malformed++;
            break;
        }
        found += take_report(d, &r, arrival, &digits[found]);
        timestamp += r.duration;
    }
    return found;
}

bool rtp_dtmf_expire(struct rtp_dtmf *d, struct wall now, struct rtp_digit *digit)
{
    if (!d->active || now.ns - d->last_arrival.ns < RTP_DTMF_SILENCE_MS * NS_PER_MS)
        return false;
    finish(d, true, digit);
    return true;
}

bool rtp_dtmf_flush(struct rtp_dtmf *d, struct rtp_digit *digit)
{
    if (!d->active)
        return false;
    finish(d, true, digit);
    return true;
}
