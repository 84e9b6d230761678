/* Sequence numbers against RFC 3550's own code of Appendix A.1, A.3 and A.8, and against a plain
 * count over seeded networks that lose, reorder and double. */
#include "base/rng.h"
#include "rtp/sequence.h"
#include "tap.h"

/* ---- Appendix A.1, as printed (in 16 bits, as its text means "max_seq + 1") ----------------- */
#define RTP_SEQ_MOD (1 << 16)
struct oracle {
    uint16_t max_seq;
    uint32_t cycles, base_seq, bad_seq, probation, received, expected_prior, received_prior;
    uint32_t transit, jitter;
};

static void init_seq(struct oracle *s, uint16_t seq)
{
    s->base_seq = seq;
    s->max_seq = seq;
    s->bad_seq = RTP_SEQ_MOD + 1;
    s->cycles = 0;
    s->received = 0;
    s->received_prior = 0;
    s->expected_prior = 0;
}

static int update_seq(struct oracle *s, uint16_t seq)
{
    uint16_t udelta = (uint16_t)(seq - s->max_seq);
    const int MAX_DROPOUT = 3000, MAX_MISORDER = 100, MIN_SEQUENTIAL = 2;
    if (s->probation) {
        if (seq == (uint16_t)(s->max_seq + 1)) {
            s->probation--;
            s->max_seq = seq;
            if (s->probation == 0) {
                init_seq(s, seq);
                s->received++;
                return 1;
            }
        } else {
            s->probation = MIN_SEQUENTIAL - 1;
            s->max_seq = seq;
        }
        return 0;
    } else if (udelta < MAX_DROPOUT) {
        if (seq < s->max_seq)
            s->cycles += RTP_SEQ_MOD;
        s->max_seq = seq;
    } else if (udelta <= RTP_SEQ_MOD - MAX_MISORDER) {
        if (seq == s->bad_seq) {
            init_seq(s, seq);
        } else {
            s->bad_seq = (seq + 1u) & (RTP_SEQ_MOD - 1);
            return 0;
        }
    }
    s->received++;
    return 1;
}

/* A.3 */
static void report(struct oracle *s, int32_t *lost, uint8_t *fraction)
{
    uint32_t extended_max = s->cycles + s->max_seq;
    uint32_t expected = extended_max - s->base_seq + 1;
    *lost = (int32_t)(expected - s->received);
    uint32_t expected_interval = expected - s->expected_prior;
    s->expected_prior = expected;
    uint32_t received_interval = s->received - s->received_prior;
    s->received_prior = s->received;
    int32_t lost_interval = (int32_t)(expected_interval - received_interval);
    bool none = expected_interval == 0 || lost_interval <= 0;
    *fraction = (uint8_t)(none ? 0 : (lost_interval << 8) / (int32_t)expected_interval);
}
/* --------------------------------------------------------------------------------------------- */

static void same(struct oracle *o, struct rtp_sequence *s)
{
    struct rtcp_report_block b;
    int32_t lost;
    uint8_t fraction;
    CHECK_INT(rtp_sequence_is_valid(s), o->probation == 0);
    if (o->probation)
        return;
    report(o, &lost, &fraction);
    rtp_sequence_report(s, &b);
    CHECK_INT(b.cumulative_lost, lost);
    CHECK_INT(b.fraction_lost, fraction);
    CHECK_INT(b.highest_seq, o->cycles + o->max_seq);
}

/* Wild sequences: runs, leaps, steps back, doubles, in any mixture. */
static void test_against_a1(void)
{
    for (uint64_t seed = 1; seed <= 200; seed++) {
        struct rng rng;
        struct rtp_sequence s;
        struct oracle o = {0};
        rng_init_number(&rng, seed);
        rtp_sequence_init(&s, 8000);
        uint16_t seq = (uint16_t)rng_u32(&rng);
        o.max_seq = (uint16_t)(seq - 1);
        o.probation = 2;
        int failed = tap_failed_checks;
        for (int n = 0; n < 2000 && failed == tap_failed_checks; n++) {
            struct rtp_position at;
            int oracle = update_seq(&o, seq);
            bool probation = s.probation != 0;
            enum rtp_sequence_verdict v = rtp_sequence_update(
                &s, seq, (uint32_t)n * 160, (struct wall){n * 20 * NS_PER_MS}, &at);
            if (!probation)
                CHECK_INT(v != RTP_SEQUENCE_JUMP, oracle);
            CHECK_INT((uint16_t)at.seq, seq);
            CHECK_INT(s.received, o.received);
            if (n % 50 == 49)
                same(&o, &s);
            uint32_t what = rng_below(&rng, 100);
            seq = (uint16_t)(what < 80   ? seq + 1u
                             : what < 88 ? seq + rng_below(&rng, 10)
                             : what < 94 ? seq - rng_below(&rng, 110)
                             : what < 97 ? seq + rng_below(&rng, 3100)
                                         : rng_u32(&rng));
        }
        if (failed != tap_failed_checks) {
            printf("# seed %" PRIu64 "\n", seed);
            return;
        }
    }
}

struct sent {
    int64_t seq, timestamp;
    double arrives;
};

static int by_arrival(const void *a, const void *b)
{
    double d = ((const struct sent *)a)->arrives - ((const struct sent *)b)->arrives;
    return d < 0 ? -1 : d > 0;
}

/* A network with loss, reordering within 80 ms and doubles, over two wraps of the sequence number
 * and one of the timestamp: every packet gets exactly the number the sender counted, and loss and
 * doubles are what was done. */
static void one_network(uint64_t seed)
{
    enum { PACKETS = 150000 };
    static struct sent sent[2 * PACKETS];
    static uint8_t came[PACKETS];
    struct rng rng;
    struct rtp_sequence s;
    rng_init_number(&rng, seed);
    size_t n = 0;
    uint64_t lost = 0, doubles = 0;
    double loss = rng_below(&rng, 20) / 100.0, reorder = rng_below(&rng, 20) / 100.0,
           dup = rng_below(&rng, 10) / 100.0;
    int64_t seq0 = rng_below(&rng, 65536), timestamp0 = rng_u32(&rng);
    memset(came, 0, sizeof came);
    for (int64_t i = 0; i < PACKETS; i++) {
        /* The first two and the last come through, so that the span is known. */
        bool edge = i < 2 || i == PACKETS - 1;
        if (!edge && rng_chance(&rng, loss)) {
            lost++;
            continue;
        }
        double late = !edge && i > 5 && i < PACKETS - 10 && rng_chance(&rng, reorder)
                          ? rng_below(&rng, 80)
                          : 0;
        sent[n++] = (struct sent){seq0 + i, timestamp0 + i * 960, (double)i * 20 + late};
        if (!edge && rng_chance(&rng, dup)) {
            sent[n++] = (struct sent){seq0 + i, timestamp0 + i * 960, (double)i * 20 + late + 5};
            doubles++;
        }
    }
    qsort(sent, n, sizeof sent[0], by_arrival);
    rtp_sequence_init(&s, 48000);
    int64_t highest = -1;
    for (size_t i = 0; i < n; i++) {
        struct rtp_position at;
        enum rtp_sequence_verdict v =
            rtp_sequence_update(&s, (uint16_t)sent[i].seq, (uint32_t)sent[i].timestamp,
                                (struct wall){(int64_t)(sent[i].arrives * 1e6)}, &at);
        enum rtp_sequence_verdict want = came[sent[i].seq - seq0] ? RTP_SEQUENCE_DUPLICATE
                                         : sent[i].seq > highest  ? RTP_SEQUENCE_NEXT
                                                                  : RTP_SEQUENCE_LATE;
        came[sent[i].seq - seq0] = 1;
        highest = sent[i].seq > highest ? sent[i].seq : highest;
        if (v != want || at.seq != sent[i].seq || at.timestamp != sent[i].timestamp) {
            printf("# seed %" PRIu64 " packet %zu\n", seed, i);
            CHECK_INT(v, want);
            CHECK_INT(at.seq, sent[i].seq);
            CHECK_INT(at.timestamp, sent[i].timestamp);
            return;
        }
    }
    CHECK_INT(rtp_sequence_lost(&s), lost);
    CHECK_INT(s.duplicates, doubles);
    CHECK_INT(s.packets, n);
    CHECK_INT(s.jumps + s.restarts, 0);
}

static void test_networks(void)
{
    for (uint64_t seed = 1; seed <= 12; seed++)
        one_network(seed);
}

static enum rtp_sequence_verdict put(struct rtp_sequence *s, unsigned seq, uint32_t timestamp,
                                     int64_t *ext)
{
    struct rtp_position at;
    enum rtp_sequence_verdict v = rtp_sequence_update(
        s, (uint16_t)seq, timestamp, (struct wall){(int64_t)timestamp * 125000}, &at);
    *ext = at.seq;
    return v;
}

/* lessons A 28: one late packet near the wrap was taken for a wrap. */
static void test_late_at_the_wrap(void)
{
    struct rtp_sequence s;
    int64_t ext;
    rtp_sequence_init(&s, 8000);
    (void)put(&s, 65533, 0, &ext);
    (void)put(&s, 65534, 160, &ext);
    CHECK_INT(put(&s, 0, 480, &ext), RTP_SEQUENCE_NEXT);
    CHECK_INT(ext, 65536);
    CHECK_INT(put(&s, 65535, 320, &ext), RTP_SEQUENCE_LATE);
    CHECK_INT(ext, 65535);
    CHECK_INT(put(&s, 1, 640, &ext), RTP_SEQUENCE_NEXT);
    CHECK_INT(ext, 65537);
    CHECK_INT(rtp_sequence_lost(&s), 0);
}

static void test_stray_and_restart(void)
{
    struct rtp_sequence s;
    int64_t ext;
    rtp_sequence_init(&s, 8000);
    for (unsigned i = 0; i < 10; i++)
        (void)put(&s, 100 + i, 160 * i, &ext);
    CHECK_INT(put(&s, 30000, 1600, &ext), RTP_SEQUENCE_JUMP); /* a stray one */
    CHECK_INT(put(&s, 110, 1600, &ext), RTP_SEQUENCE_NEXT);
    CHECK_INT(ext, 110);
    CHECK_INT(put(&s, 112, 1920, &ext), RTP_SEQUENCE_NEXT); /* one lost */
    CHECK_INT(put(&s, 50, 2080, &ext), RTP_SEQUENCE_LATE);
    CHECK_INT(put(&s, 40000, 2240, &ext), RTP_SEQUENCE_JUMP);
    CHECK_INT(put(&s, 40001, 2400, &ext), RTP_SEQUENCE_RESTART);
    CHECK(ext > 112 && (uint16_t)ext == 40001);
    CHECK_INT(put(&s, 40003, 2720, &ext), RTP_SEQUENCE_NEXT);
    CHECK_INT(s.restarts, 1);
    CHECK_INT(s.jumps, 1);
    /* 50 stretched the first run to 50..112 of which 12 came; the second lacks one. */
    CHECK_INT(rtp_sequence_lost(&s), 63 - 13 + 1);
}

/* As far behind as A.1 allows: told apart from a double all the same. */
static void test_very_late(void)
{
    struct rtp_sequence s;
    int64_t ext;
    rtp_sequence_init(&s, 8000);
    for (unsigned i = 0; i < 200; i++)
        if (i != 100)
            (void)put(&s, i, 160 * i, &ext);
    CHECK_INT(rtp_sequence_lost(&s), 1);
    CHECK_INT(put(&s, 101, 160 * 101, &ext), RTP_SEQUENCE_DUPLICATE);
    CHECK_INT(put(&s, 100, 160 * 100, &ext), RTP_SEQUENCE_LATE);
    CHECK_INT(put(&s, 100, 160 * 100, &ext), RTP_SEQUENCE_DUPLICATE);
    CHECK_INT(rtp_sequence_lost(&s), 0);
}

/* A stray first packet opens no gap. */
static void test_stray_first(void)
{
    struct rtp_sequence s;
    int64_t ext;
    rtp_sequence_init(&s, 8000);
    (void)put(&s, 60000, 0, &ext);
    CHECK(!rtp_sequence_is_valid(&s));
    for (unsigned i = 0; i < 5; i++)
        (void)put(&s, 7 + i, 160 * i, &ext);
    CHECK(rtp_sequence_is_valid(&s));
    CHECK_INT(rtp_sequence_lost(&s), 0);
    CHECK_INT((uint16_t)ext, 11);
}

/* A.8 on a known pattern: every second packet 10 ms (80 units) late. */
static void test_jitter(void)
{
    struct rtp_sequence s;
    struct rtp_position at;
    uint32_t jitter = 0;
    int transit = 0;
    rtp_sequence_init(&s, 8000);
    for (int i = 0; i < 1000; i++) {
        int late = i % 2 ? 80 : 0;
        int64_t arrival_ms = 5000 + i * 20 + late / 8;
        (void)rtp_sequence_update(&s, (uint16_t)i, (uint32_t)(77 + i * 160),
                                  (struct wall){arrival_ms * NS_PER_MS}, &at);
        int d = late - transit;
        transit = late;
        if (i > 0)
            jitter += (uint32_t)abs(d) - ((jitter + 8) >> 4);
        CHECK_INT(rtp_sequence_jitter(&s), jitter >> 4);
    }
}

static void test_size(void)
{
    CHECK(sizeof(struct rtp_sequence) <= 192);
}

int main(void)
{
    RUN(test_against_a1);
    RUN(test_networks);
    RUN(test_late_at_the_wrap);
    RUN(test_stray_and_restart);
    RUN(test_very_late);
    RUN(test_stray_first);
    RUN(test_jitter);
    RUN(test_size);
    return tap_done();
}
