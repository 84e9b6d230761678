/* RFC 4733: Table 5's call to "911", and what senders and networks do to it. */
#include "rtp/dtmf.h"
#include "tap.h"

static struct rtp_digit digits[RTP_DTMF_DIGITS_MAX];
static char heard[64];
static struct rtp_digit last;

static void start(struct rtp_dtmf *d, uint32_t clock_rate)
{
    rtp_dtmf_init(d, clock_rate);
    memset(heard, 0, sizeof heard);
}

static struct wall at_ms(int64_t ms)
{
    return (struct wall){1000 * NS_PER_S + ms * NS_PER_MS};
}

static size_t give(struct rtp_dtmf *d, uint32_t timestamp, bool marker, struct view payload,
                   int64_t ms)
{
    struct rtp_packet p = {.timestamp = timestamp, .marker = marker, .payload = payload};
    size_t n = rtp_dtmf_input(d, &p, at_ms(ms), digits);
    for (size_t i = 0; i < n; i++) {
        size_t len = strlen(heard);
        if (len < sizeof heard - 1)
            heard[len] = digits[i].digit;
        last = digits[i];
    }
    return n;
}

static size_t put(struct rtp_dtmf *d, uint32_t timestamp, bool marker, int code, int duration,
                  bool end, int64_t ms)
{
    char payload[4] = {(char)code, (char)((end ? 0x80 : 0) | 10), (char)(duration >> 8),
                       (char)duration};
    return give(d, timestamp, marker, view_of(payload, 4), ms);
}

struct row {
    int ms;
    bool marker;
    uint32_t timestamp;
    int code, duration;
    bool end;
};

/* Table 5, with the rows that it abridges written out by its rule (50 ms, 400 units an update). */
static const struct row table5[] = {
    {50, 1, 0, 9, 400, 0},        {100, 0, 0, 9, 800, 0},       {150, 0, 0, 9, 1200, 0},
    {200, 0, 0, 9, 1600, 0},      {250, 0, 0, 9, 1600, 1},      {300, 0, 0, 9, 1600, 1},
    {930, 1, 7040, 1, 400, 0},    {980, 0, 7040, 1, 800, 0},    {1030, 0, 7040, 1, 1200, 0},
    {1080, 0, 7040, 1, 1600, 0},  {1130, 0, 7040, 1, 2000, 0},  {1180, 0, 7040, 1, 2000, 1},
    {1230, 0, 7040, 1, 2000, 1},  {1450, 1, 11200, 1, 400, 0},  {1500, 0, 11200, 1, 800, 0},
    {1550, 0, 11200, 1, 1200, 0}, {1600, 0, 11200, 1, 1600, 0}, {1650, 0, 11200, 1, 1760, 1},
    {1700, 0, 11200, 1, 1760, 1}, {1750, 0, 11200, 1, 1760, 1},
};
#define ROWS (sizeof table5 / sizeof table5[0])

static void put_row(struct rtp_dtmf *d, const struct row *r)
{
    (void)put(d, r->timestamp, r->marker, r->code, r->duration, r->end, r->ms);
}

static void test_table5(void)
{
    struct rtp_dtmf d;
    uint32_t want_ms[] = {200, 250, 220}, want_start[] = {0, 7040, 11200};
    size_t n = 0;
    start(&d, 8000);
    for (size_t i = 0; i < ROWS; i++) {
        const struct row *r = &table5[i];
        if (put(&d, r->timestamp, r->marker, r->code, r->duration, r->end, r->ms)) {
            CHECK_INT(last.duration_ms, want_ms[n]);
            CHECK_INT(last.timestamp, want_start[n]);
            CHECK_INT(last.volume_dbm0, 10);
            CHECK(!last.missing_start && !last.missing_end);
            n++;
        }
    }
    CHECK_TEXT(heard, "911");
    CHECK(!rtp_dtmf_flush(&d, &last));
}

/* However few packets of each digit come through, it is heard once. */
static void test_any_loss(void)
{
    struct rtp_dtmf d;
    for (uint32_t mask = 1; mask < 1u << 6; mask++) {
        start(&d, 8000);
        for (size_t i = 0; i < ROWS; i++)
            if (i >= 6 || mask >> i & 1)
                put_row(&d, &table5[i]);
        CHECK_TEXT(heard, "911");
    }
}

static void test_reordered_and_doubled(void)
{
    struct rtp_dtmf d;
    start(&d, 8000);
    for (size_t i = 0; i + 1 < ROWS; i += 2) {
        put_row(&d, &table5[i + 1]);
        put_row(&d, &table5[i]);
        put_row(&d, &table5[i + 1]);
    }
    CHECK_TEXT(heard, "911");
}

static void test_missing_start_and_end(void)
{
    struct rtp_dtmf d;
    start(&d, 8000);
    CHECK_INT(put(&d, 5000, false, 11, 800, true, 100), 1);
    CHECK_INT(last.digit, '#');
    CHECK(last.missing_start && !last.missing_end);
    CHECK_INT(put(&d, 5000, false, 11, 800, true, 150), 0);

    CHECK_INT(put(&d, 9000, true, 10, 400, false, 600), 0);
    struct rtp_digit digit;
    CHECK(!rtp_dtmf_expire(&d, at_ms(1599), &digit));
    CHECK(rtp_dtmf_expire(&d, at_ms(1600), &digit));
    CHECK_INT(digit.digit, '*');
    CHECK(digit.missing_end && !digit.missing_start);
    CHECK_INT(digit.duration_ms, 50);
    CHECK_INT(digit.at.ns, at_ms(600).ns);
    /* §2.5.2.2: its end, should it come after all, is ignored. */
    CHECK_INT(put(&d, 9000, false, 10, 800, true, 1700), 0);

    (void)put(&d, 20000, true, 15, 400, false, 3000);
    CHECK(rtp_dtmf_flush(&d, &digit));
    CHECK_INT(digit.digit, 'D');
    CHECK(!rtp_dtmf_flush(&d, &digit));
}

/* §2.5.1.3: 0xffff, then new segments without the marker; the sum is the duration (§2.5.2.3). */
static void test_long_event(void)
{
    struct rtp_dtmf d;
    start(&d, 8000);
    (void)put(&d, 1000, true, 5, 400, false, 0);
    (void)put(&d, 1000, false, 5, 0xffff, false, 8000);
    (void)put(&d, 1000, false, 5, 0xffff, false, 8050);
    (void)put(&d, 1000 + 0xffff, false, 5, 400, false, 8100);
    (void)put(&d, 1000 + 0xffff, false, 5, 0xffff, false, 16000);
    (void)put(&d, 1000 + 2 * 0xffff, false, 5, 800, false, 16100);
    (void)put(&d, 1000, false, 5, 0xffff, false, 16110); /* overtaken */
    CHECK_INT(put(&d, 1000 + 2 * 0xffff, false, 5, 1600, true, 16200), 1);
    CHECK_INT(put(&d, 1000 + 2 * 0xffff, false, 5, 1600, true, 16250), 0);
    CHECK_INT(last.duration, 2 * 0xffff + 1600);
    CHECK_INT(last.timestamp, 1000);
    CHECK_TEXT(heard, "5");

    /* The end of a segment may be lost. */
    (void)put(&d, 500000, true, 6, 400, false, 30000);
    (void)put(&d, 500000, false, 6, 60000, false, 37000);
    (void)put(&d, 500000 + 0xffff, false, 6, 400, false, 38500);
    (void)put(&d, 500000 + 0xffff, false, 6, 800, true, 38600);
    CHECK_TEXT(heard, "56");
    CHECK_INT(last.duration, 0xffff + 800);
}

static void test_clock_48000_and_wrap(void)
{
    struct rtp_dtmf d;
    start(&d, 48000);
    (void)put(&d, 0xffffff00, true, 7, 2400, false, 0);
    CHECK_INT(put(&d, 0xffffff00, false, 7, 4800, true, 50), 1);
    CHECK_INT(last.duration_ms, 100);
    /* Beyond the timestamp's wrap: a digit of its own. */
    (void)put(&d, 9344, true, 7, 2400, false, 200);
    CHECK_INT(put(&d, 9344, false, 7, 4800, true, 250), 1);
    CHECK_TEXT(heard, "77");
}

/* §2.5.1.5: "12" as two contiguous events in one packet, sent three times. */
static void test_packed(void)
{
    struct rtp_dtmf d;
    struct view two = VIEW("\x01\x8a\x03\x20\x02\x8a\x03\x20");
    start(&d, 8000);
    CHECK_INT(give(&d, 0, true, two, 0), 2);
    CHECK_INT(digits[1].timestamp, 800);
    CHECK_INT(give(&d, 0, true, two, 50), 0);
    CHECK_INT(give(&d, 0, true, two, 100), 0);
    CHECK_TEXT(heard, "12");
    /* Zeros behind the event are padding of a sender that likes round sizes, not the digit 0. */
    CHECK_INT(give(&d, 8000, true, (struct view)VIEW("\x03\x8a\x03\x20\0\0\0\0\0\0\0\0"), 1000), 1);
    CHECK(!d.active);
    CHECK_TEXT(heard, "123");
}

/* A sender that moves the timestamp with every packet of one press is not pressing many times. */
static void test_moving_timestamp(void)
{
    struct rtp_dtmf d;
    start(&d, 8000);
    for (int i = 0; i < 10; i++)
        (void)put(&d, 1000 + 160 * (uint32_t)i, i == 0, 4, 160 * (i + 1), i >= 7, 20 * i);
    CHECK_TEXT(heard, "4");
}

static void test_bad_payloads(void)
{
    struct rtp_dtmf d;
    start(&d, 8000);
    CHECK_INT(give(&d, 0, true, VIEW_NONE, 0), 0);
    CHECK_INT(give(&d, 0, true, VIEW_LIT("\x01\x80\x01"), 0), 0);
    CHECK_INT(d.malformed, 2);
    char many[4 * 40];
    for (size_t i = 0; i < 40; i++)
        memcpy(many + 4 * i, "\x01\x80\x01\x00", 4);
    CHECK(give(&d, 0, true, view_of(many, sizeof many), 0) <= RTP_DTMF_DIGITS_MAX);
    CHECK_INT(d.malformed, 3);
    CHECK_INT(rtp_dtmf_digit(16), '!');
    CHECK_INT(rtp_dtmf_digit(17), 0);
    CHECK_INT(rtp_dtmf_digit(255), 0);
}

int main(void)
{
    RUN(test_table5);
    RUN(test_any_loss);
    RUN(test_reordered_and_doubled);
    RUN(test_missing_start_and_end);
    RUN(test_long_event);
    RUN(test_clock_48000_and_wrap);
    RUN(test_packed);
    RUN(test_moving_timestamp);
    RUN(test_bad_payloads);
    return tap_done();
}
