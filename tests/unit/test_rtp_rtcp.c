/* Compound RTCP written out by hand from the figures of RFC 3550 §6.4 to §6.6, and tshark's reading
 * of ours in tests/interop. */
#include "rtp/rtcp.h"
#include "tap.h"

/* SR of 0x11111111 with one block about 0x22222222, SDES CNAME "a@b", BYE "off". */
static const uint8_t compound[] = {
    0x81, 200,  0,    12,   0x11, 0x11, 0x11, 0x11,                       /* header, SSRC */
    0xe8, 0x00, 0x00, 0x00, 0x80, 0x00, 0x00, 0x00,                       /* NTP */
    0x00, 0x00, 0x1f, 0x40, 0,    0,    0,    50,   0,   0,   0x1f, 0x40, /* timestamp, packets,
                                                                             octets */
    0x22, 0x22, 0x22, 0x22, 0x40, 0xff, 0xff, 0xfe, 0,   1,   0x00, 0x05, /* block: lost -2 */
    0,    0,    0,    9,    0xaa, 0xbb, 0xcc, 0xdd, 0,   0,   0x80, 0x00, 0x81, 202,
    0,    3,    0x11, 0x11, 0x11, 0x11, 1,    3,    'a', '@', 'b',  0,    0,    0,
    0x81, 203,  0,    2,    0x11, 0x11, 0x11, 0x11, 3,   'o', 'f',  'f',
};

static void test_decode(void)
{
    struct rtcp_reader r = rtcp_reader_of(view_of(compound, sizeof compound));
    struct rtcp_packet p;
    struct rtcp_report_block b;
    struct view text;
    uint32_t ssrc;
    CHECK(rtcp_reader_next(&r, &p));
    CHECK_INT(p.type, RTCP_SR);
    CHECK_INT(p.ssrc, 0x11111111);
    CHECK(p.sender.ntp == 0xe800000080000000);
    CHECK_INT(p.sender.timestamp, 8000);
    CHECK_INT(p.sender.packets, 50);
    CHECK_INT(p.sender.octets, 8000);
    CHECK(rtcp_report_block_get(&p, 0, &b));
    CHECK_INT(b.ssrc, 0x22222222);
    CHECK_INT(b.fraction_lost, 0x40);
    CHECK_INT(b.cumulative_lost, -2);
    CHECK_INT(b.highest_seq, 0x10005);
    CHECK_INT(b.jitter, 9);
    CHECK_INT(b.last_sr, 0xaabbccdd);
    CHECK_INT(b.delay_since_last_sr, 0x8000);
    CHECK(!rtcp_report_block_get(&p, 1, &b));
    CHECK(rtcp_reader_next(&r, &p));
    CHECK_INT(p.type, RTCP_SDES);
    CHECK(rtcp_sdes_cname(&p, 0x11111111, &text));
    CHECK_VIEW(text, "a@b");
    CHECK(!rtcp_sdes_cname(&p, 0x11111112, &text));
    CHECK(rtcp_reader_next(&r, &p));
    CHECK_INT(p.type, RTCP_BYE);
    CHECK(rtcp_bye_ssrc(&p, 0, &ssrc));
    CHECK_INT(ssrc, 0x11111111);
    CHECK(!rtcp_bye_ssrc(&p, 1, &ssrc));
    CHECK_VIEW(rtcp_bye_reason(&p), "off");
    CHECK(!rtcp_reader_next(&r, &p));
    CHECK_INT(r.result, RTCP_OK);
    CHECK_INT(rtcp_check(view_of(compound, sizeof compound)), RTCP_OK);
}

/* What we write is the same bytes as the figures say. */
static void test_encode(void)
{
    uint8_t bytes[256];
    struct writer out = writer_of(bytes, sizeof bytes);
    struct rtcp_report_block b = {.ssrc = 0x22222222,
                                  .fraction_lost = 0x40,
                                  .cumulative_lost = -2,
                                  .highest_seq = 0x10005,
                                  .jitter = 9,
                                  .last_sr = 0xaabbccdd,
                                  .delay_since_last_sr = 0x8000};
    struct rtcp_sender_report sr = {0x11111111, {0xe800000080000000, 8000, 50, 8000}, &b, 1};
    rtcp_encode_sr(&out, &sr, VIEW_LIT("a@b"));
    rtcp_encode_bye(&out, 0x11111111, VIEW_LIT("off"));
    CHECK(view_equal(writer_done(&out), view_of(compound, sizeof compound)));

    out = writer_of(bytes, sizeof bytes);
    rtcp_encode_rr(&out, 0x33333333, NULL, 0, VIEW_LIT("siprecd@example.com"));
    CHECK_INT(rtcp_check(writer_done(&out)), RTCP_OK);
    static const uint8_t rr[] = {0x80, 201, 0, 1, 0x33, 0x33, 0x33, 0x33, 0x81, 202, 0, 7};
    CHECK(view_starts_with(writer_done(&out), view_of(rr, sizeof rr)));
}

/* §6.5: every length of CNAME leaves at least one zero and ends on a word. */
static void test_cname_lengths(void)
{
    char name[300];
    memset(name, 'n', sizeof name);
    for (size_t len = 0; len <= 300; len++) {
        uint8_t bytes[1024];
        struct writer out = writer_of(bytes, sizeof bytes);
        struct rtcp_packet p;
        struct view text = VIEW_NONE;
        rtcp_encode_rr(&out, 7, NULL, 0, view_of(name, len));
        rtcp_encode_bye(&out, 7, view_of(name, len));
        CHECK_INT(rtcp_check(writer_done(&out)), RTCP_OK);
        struct rtcp_reader r = rtcp_reader_of(writer_done(&out));
        CHECK(rtcp_reader_next(&r, &p) && rtcp_reader_next(&r, &p));
        CHECK(rtcp_sdes_cname(&p, 7, &text));
        CHECK_INT(text.len, len > 255 ? 255 : len);
        CHECK_INT((uint8_t)p.body.at[p.body.len - 1], 0);
        CHECK(rtcp_reader_next(&r, &p));
        CHECK_INT(rtcp_bye_reason(&p).len, len > 255 ? 255 : len);
    }
}

static enum rtcp_result check(const void *bytes, size_t len)
{
    return rtcp_check(view_of(bytes, len));
}

/* Appendix A.2's checks, one by one. */
static void test_bad_compounds(void)
{
    uint8_t bytes[sizeof compound];
    for (size_t len = 0; len < sizeof compound; len++) {
        bool whole = len == 52 || len == 68;
        if (len < 8)
            CHECK_INT(check(compound, len), RTCP_SHORT);
        else if (!whole)
            CHECK_INT(check(compound, len), RTCP_LENGTH);
    }
    memcpy(bytes, compound, sizeof bytes);
    bytes[52] = 0x41;
    CHECK_INT(check(bytes, sizeof bytes), RTCP_VERSION);
    CHECK_INT(check(compound + 52, 28), RTCP_FIRST); /* reduced size (RFC 5506): readable */
    memcpy(bytes, compound, sizeof bytes);
    bytes[0] |= 0x20;
    CHECK_INT(check(bytes, sizeof bytes), RTCP_PADDING); /* not in the last packet */
    bytes[0] = 0x9f;                                     /* 31 blocks that are not there */
    CHECK_INT(check(bytes, sizeof bytes), RTCP_TRUNCATED);
    static const uint8_t padded[] = {0xa0, 201, 0, 2, 1, 2, 3, 4, 0, 0, 0, 4};
    CHECK_INT(check(padded, sizeof padded), RTCP_OK);
    static const uint8_t overpadded[] = {0xa0, 201, 0, 2, 1, 2, 3, 4, 0, 0, 0, 40};
    CHECK_INT(check(overpadded, sizeof overpadded), RTCP_PADDING);
    static const uint8_t oddly_padded[] = {0xa0, 201, 0, 2, 1, 2, 3, 4, 0, 0, 0, 3};
    CHECK_INT(check(oddly_padded, sizeof oddly_padded), RTCP_PADDING);
    static const uint8_t many_byes[] = {0x9f, 203, 0, 1, 1, 2, 3, 4};
    CHECK_INT(check(many_byes, sizeof many_byes), RTCP_TRUNCATED);
}

/* RFC 3550 §4: 64 bits since 1900. 2036-02-07T06:28:16Z is where they wrap. */
static void test_ntp(void)
{
    CHECK(rtcp_ntp_of((struct wall){0}) == UINT64_C(2208988800) << 32);
    CHECK(rtcp_ntp_of((struct wall){NS_PER_S / 2}) == (UINT64_C(2208988800) << 32 | 0x80000000));
    struct wall wrap = {INT64_C(2085978496) * NS_PER_S};
    CHECK(rtcp_ntp_of(wrap) == 0);
    CHECK_INT(rtcp_wall_of(0).ns, wrap.ns);
    struct wall t = {INT64_C(1790000000123456789)};
    int64_t off = rtcp_wall_of(rtcp_ntp_of(t)).ns - t.ns;
    CHECK(off >= -1 && off <= 1);
}

int main(void)
{
    RUN(test_decode);
    RUN(test_encode);
    RUN(test_cname_lengths);
    RUN(test_bad_compounds);
    RUN(test_ntp);
    return tap_done();
}
