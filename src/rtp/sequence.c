/* sequence: RFC 3550's receiver bookkeeping, on 64-bit numbers and with a window of what was seen.
 * Not here: epochs; a new SSRC gets a new struct.
 * RFC 3550 Appendix A.1 (update_seq), A.3 (loss), A.8 (jitter). */
#include "rtp/sequence.h"

#include <assert.h>
#include <string.h>

#define SEQ_MOD   65536
#define NO_BAD    (SEQ_MOD + 1)
#define SEEN_BITS 128
/* Sixteen times this still fits: a sender whose clock leaps must not wrap the sum. */
#define DISTANCE_MAX (1U << 27)

void rtp_sequence_init(struct rtp_sequence *s, uint32_t clock_rate)
{
    assert(clock_rate > 0);
    memset(s, 0, sizeof *s);
    s->clock_rate = clock_rate;
    s->probation = RTP_SEQUENCE_MIN_SEQUENTIAL;
    s->bad_seq = NO_BAD;
}

/* A.1 init_seq. */
static void start_run(struct rtp_sequence *s, uint16_t seq)
{
    s->base_seq = seq;
    s->max_seq = seq;
    s->bad_seq = NO_BAD;
    s->cycles = 0;
    s->received = 0;
    s->received_prior = 0;
    s->expected_prior = 0;
}

static uint64_t expected(const struct rtp_sequence *s)
{
    return (uint64_t)s->cycles + s->max_seq - s->base_seq + 1;
}

/* The window moves up by so many (down when negative); its new highest was seen. */
static void seen_move(struct rtp_sequence *s, int64_t by)
{
    unsigned __int128 seen = (unsigned __int128)s->seen[1] << 64 | s->seen[0];
    if (by >= SEEN_BITS || by <= -SEEN_BITS)
        seen = 0;
    else
        seen = by >= 0 ? seen << by : seen >> -by;
    s->seen[0] = (uint64_t)seen | 1;
    s->seen[1] = (uint64_t)(seen >> 64);
}

/* True when the packet that lies back behind the highest was seen before; marks it. */
static bool seen_test_and_set(struct rtp_sequence *s, int64_t back)
{
    if (back < 0 || back >= SEEN_BITS)
        return false;
    uint64_t bit = UINT64_C(1) << (back & 63);
    bool seen = s->seen[back >> 6] & bit;
    s->seen[back >> 6] |= bit;
    return seen;
}

/* A.8. The first packet's arrival is the origin, so that the product stays small. */
static void update_jitter(struct rtp_sequence *s, uint32_t timestamp, struct wall arrival)
{
    int64_t elapsed = arrival.ns - s->first_arrival.ns;
    int64_t units =
        elapsed / NS_PER_S * s->clock_rate + elapsed % NS_PER_S * s->clock_rate / NS_PER_S;
    uint32_t transit = (uint32_t)units - timestamp;
    if (s->packets > 1) {
        int32_t d = (int32_t)(transit - s->transit);
        uint32_t distance = d < 0 ? 0U - (uint32_t)d : (uint32_t)d;
        if (distance > DISTANCE_MAX)
            distance = DISTANCE_MAX;
        s->jitter16 += distance - ((s->jitter16 + 8) >> 4);
    }
    s->transit = transit;
}

/* Serial-number arithmetic (RFC 1982): the nearest 64-bit number with these lower bits. A late
 * packet is never taken for a wrap. */
static int64_t extend_timestamp(const struct rtp_sequence *s, uint32_t timestamp)
{
    return s->max_timestamp + (int32_t)(timestamp - (uint32_t)s->max_timestamp);
}

static int64_t extend_seq(const struct rtp_sequence *s, uint16_t seq)
{
    return s->max_ext + (int16_t)(seq - (uint16_t)s->max_ext);
}

static void move_to(struct rtp_sequence *s, struct rtp_position at)
{
    seen_move(s, at.seq - s->max_ext);
    s->max_ext = at.seq;
    s->max_timestamp = at.timestamp;
}

/* The first packet of all: 64-bit numbers begin with the packet's own. */
static void begin(struct rtp_sequence *s, struct rtp_position position, struct wall arrival)
{
    s->started = true;
    s->first_arrival = arrival;
    s->max_seq = (uint16_t)position.seq;
    s->probation = RTP_SEQUENCE_MIN_SEQUENTIAL - 1;
    s->run_first = position.seq;
    s->run_unique = 1;
    s->max_ext = position.seq;
    s->max_timestamp = position.timestamp;
    s->seen[0] = 1;
}

static enum rtp_sequence_verdict ahead(struct rtp_sequence *s, struct rtp_position position)
{
    move_to(s, position);
    s->run_unique++;
    return RTP_SEQUENCE_NEXT;
}

static enum rtp_sequence_verdict behind(struct rtp_sequence *s, struct rtp_position position)
{
    if (seen_test_and_set(s, s->max_ext - position.seq)) {
        s->duplicates++;
        return RTP_SEQUENCE_DUPLICATE;
    }
    s->late++;
    s->run_unique++;
    if (position.seq < s->run_first)
        s->run_first = position.seq;
    return RTP_SEQUENCE_LATE;
}

/* A.1 while the source is not valid yet: MIN_SEQUENTIAL in a row are wanted,
 * whatever came before. */
static enum rtp_sequence_verdict on_probation(struct rtp_sequence *s, uint16_t seq,
                                              struct rtp_position position)
{
    bool in_row = seq == (uint16_t)(s->max_seq + 1);
    s->max_seq = seq;
    s->probation = in_row ? s->probation - 1 : RTP_SEQUENCE_MIN_SEQUENTIAL - 1;
    int64_t from_first = position.seq - s->run_first;
    if (s->probation == 0) {
        start_run(s, seq);
        s->received++;
        if (from_first >= RTP_SEQUENCE_MAX_DROPOUT || from_first <= -RTP_SEQUENCE_MAX_MISORDER) {
            /* What came before the row were strays: they open no gap. */
            s->run_first = position.seq - 1;
            s->run_unique = 1;
        }
        if (position.seq <= s->max_ext) {
            enum rtp_sequence_verdict verdict = behind(s, position);
            move_to(s, position);
            return verdict;
        }
    }
    return position.seq > s->max_ext ? ahead(s, position) : behind(s, position);
}

static uint64_t run_lost(const struct rtp_sequence *s)
{
    int64_t lost = s->max_ext - s->run_first + 1 - (int64_t)s->run_unique;
    return lost > 0 ? (uint64_t)lost : 0;
}

/* A.1's re-sync. The numbers go on upwards: the next one with seq's lower bits. */
static enum rtp_sequence_verdict restart(struct rtp_sequence *s, uint16_t seq,
                                         struct rtp_position *position)
{
    s->lost_before += run_lost(s);
    start_run(s, seq);
    s->received++;
    s->restarts++;
    s->jumps--; /* the packet before was the first of this run, not a stray one */
    position->seq = s->max_ext + (uint16_t)(seq - (uint16_t)s->max_ext);
    s->seen[0] = s->seen[1] = 0;
    move_to(s, *position);
    s->run_first = position->seq - 1;
    s->run_unique = 2;
    return RTP_SEQUENCE_RESTART;
}

enum rtp_sequence_verdict rtp_sequence_update(struct rtp_sequence *s, uint16_t seq,
                                              uint32_t timestamp, struct wall arrival,
                                              struct rtp_position *position)
{
    s->packets++;
    if (!s->started) {
        *position = (struct rtp_position){seq, timestamp};
        begin(s, *position, arrival);
        update_jitter(s, timestamp, arrival);
        return RTP_SEQUENCE_NEXT;
    }
    update_jitter(s, timestamp, arrival);
    *position = (struct rtp_position){extend_seq(s, seq), extend_timestamp(s, timestamp)};
    if (s->probation)
        return on_probation(s, seq, *position);
    uint16_t delta = (uint16_t)(seq - s->max_seq);
    if (delta == 0) {
        s->received++;
        return behind(s, *position);
    }
    if (delta < RTP_SEQUENCE_MAX_DROPOUT) {
        if (seq < s->max_seq)
            s->cycles += SEQ_MOD;
        s->max_seq = seq;
        s->received++;
        return ahead(s, *position);
    }
    if (delta <= SEQ_MOD - RTP_SEQUENCE_MAX_MISORDER) {
        if (seq == s->bad_seq)
            return restart(s, seq, position);
        s->bad_seq = (uint16_t)(seq + 1);
        s->jumps++;
        return RTP_SEQUENCE_JUMP;
    }
    s->received++;
    return behind(s, *position);
}

bool rtp_sequence_is_valid(const struct rtp_sequence *s)
{
    return s->started && s->probation == 0;
}

uint64_t rtp_sequence_lost(const struct rtp_sequence *s)
{
    return s->started ? s->lost_before + run_lost(s) : 0;
}

uint32_t rtp_sequence_jitter(const struct rtp_sequence *s)
{
    return s->jitter16 >> 4;
}

void rtp_sequence_report(struct rtp_sequence *s, struct rtcp_report_block *block)
{
    bool valid = rtp_sequence_is_valid(s);
    uint64_t expected_now = valid ? expected(s) : 0;
    int64_t lost = (int64_t)(expected_now - s->received);
    int64_t expected_interval = (int64_t)(expected_now - s->expected_prior);
    int64_t lost_interval = expected_interval - (int64_t)(s->received - s->received_prior);
    s->expected_prior = expected_now;
    s->received_prior = s->received;
    block->fraction_lost = 0;
    if (expected_interval > 0 && lost_interval > 0)
        block->fraction_lost = (uint8_t)((lost_interval << 8) / expected_interval);
    /* 24 bits, clamped rather than wrapped (A.3). */
    block->cumulative_lost = (int32_t)(lost > 0x7fffff    ? 0x7fffff
                                       : lost < -0x800000 ? -0x800000
                                                          : lost);
    block->highest_seq = s->cycles + s->max_seq;
    block->jitter = rtp_sequence_jitter(s);
}
