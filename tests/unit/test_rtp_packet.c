/* RTP headers against RFC 3550 §5.1's figure, every field and every cut; demultiplexing against RFC
 * 7983's and RFC 5761's tables. */
#include "rtp/demux.h"
#include "rtp/packet.h"
#include "tap.h"

/* §5.1: V=2 P=1 X=1 CC=2, M=1 PT=96, seq 0x1234, timestamp 0xdeadbeef, SSRC 0x01020304, two CSRCs,
 * extension 0xbede of one word, payload "abc", padding 5. */
static const uint8_t full[] = {
    0xb2, 0xe0, 0x12, 0x34, 0xde, 0xad, 0xbe, 0xef, 1,    2,    3,    4,
    0xaa, 0xbb, 0xcc, 0xdd, 0x11, 0x22, 0x33, 0x44, 0xbe, 0xde, 0x00, 0x01,
    0x10, 0xff, 0,    0,    'a',  'b',  'c',  0,    0,    0,    0,    5,
};

static void test_every_field(void)
{
    struct rtp_packet p;
    CHECK_INT(rtp_packet_decode(&p, view_of(full, sizeof full)), RTP_PACKET_OK);
    CHECK_INT(p.payload_type, 96);
    CHECK(p.marker && p.has_extension);
    CHECK_INT(p.seq, 0x1234);
    CHECK_INT(p.timestamp, 0xdeadbeef);
    CHECK_INT(p.ssrc, 0x01020304);
    CHECK_INT(rtp_packet_csrc_count(&p), 2);
    CHECK_INT(rtp_packet_csrc(&p, 0), 0xaabbccdd);
    CHECK_INT(rtp_packet_csrc(&p, 1), 0x11223344);
    CHECK_INT(rtp_packet_csrc(&p, 2), 0);
    CHECK_INT(p.extension_profile, 0xbede);
    CHECK_INT(p.extension.len, 4);
    CHECK_VIEW(p.payload, "abc");
    CHECK_INT(p.padding, 5);
}

static void test_encode_gives_it_back(void)
{
    struct rtp_packet p;
    uint8_t bytes[64];
    struct writer out = writer_of(bytes, sizeof bytes);
    CHECK_INT(rtp_packet_decode(&p, view_of(full, sizeof full)), RTP_PACKET_OK);
    rtp_packet_encode(&p, &out);
    CHECK(view_equal(writer_done(&out), view_of(full, sizeof full)));
}

static enum rtp_packet_result decode(const uint8_t *bytes, size_t len)
{
    struct rtp_packet p;
    uint8_t *copy = malloc(len ? len : 1);
    memcpy(copy, bytes, len);
    enum rtp_packet_result result = rtp_packet_decode(&p, view_of(copy, len));
    free(copy);
    return result;
}

static void test_cut_anywhere(void)
{
    for (size_t len = 0; len < sizeof full; len++) {
        enum rtp_packet_result want = len < 12   ? RTP_PACKET_SHORT
                                      : len < 20 ? RTP_PACKET_CSRC
                                      : len < 28 ? RTP_PACKET_EXTENSION
                                                 : RTP_PACKET_PADDING;
        /* Behind the extension the last byte is taken for the padding's count: 'a' to 'c' and 0 are
         * wrong ones. */
        CHECK_INT(decode(full, len), want);
    }
}

static void test_bad_fields(void)
{
    uint8_t bytes[12] = {0x80, 0};
    CHECK_INT(decode(bytes, 12), RTP_PACKET_OK); /* no payload: a keepalive (RFC 6263) */
    bytes[0] = 0x40;
    CHECK_INT(decode(bytes, 12), RTP_PACKET_VERSION);
    bytes[0] = 0x00;
    CHECK_INT(decode(bytes, 12), RTP_PACKET_VERSION);
    bytes[0] = 0x8f;
    CHECK_INT(decode(bytes, 12), RTP_PACKET_CSRC);
    bytes[0] = 0x90;
    CHECK_INT(decode(bytes, 12), RTP_PACKET_EXTENSION);
    bytes[0] = 0xa0;
    CHECK_INT(decode(bytes, 12), RTP_PACKET_PADDING);
    uint8_t padded[14] = {0xa0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2};
    CHECK_INT(decode(padded, 14), RTP_PACKET_OK); /* nothing but padding */
    padded[13] = 3;
    CHECK_INT(decode(padded, 14), RTP_PACKET_PADDING);
    padded[13] = 0;
    CHECK_INT(decode(padded, 14), RTP_PACKET_PADDING);
    uint8_t extended[16] = {0x90, [14] = 0xff, [15] = 0xff};
    CHECK_INT(decode(extended, 16), RTP_PACKET_EXTENSION);
    extended[14] = extended[15] = 0; /* §5.3.1: zero is a valid length */
    CHECK_INT(decode(extended, 16), RTP_PACKET_OK);
}

/* RFC 7983 §7's table, and RFC 5761 §4 for the second byte. */
static void test_demux(void)
{
    for (int first = 0; first < 256; first++) {
        for (int second = 0; second < 256; second++) {
            uint8_t bytes[2] = {(uint8_t)first, (uint8_t)second};
            enum rtp_demux want = RTP_DEMUX_NONE;
            if (first <= 3)
                want = RTP_DEMUX_STUN;
            else if (first >= 16 && first <= 19)
                want = RTP_DEMUX_ZRTP;
            else if (first >= 20 && first <= 63)
                want = RTP_DEMUX_DTLS;
            else if (first >= 64 && first <= 79)
                want = RTP_DEMUX_TURN;
            else if (first >= 128 && first <= 191)
                want = second >= 192 && second <= 223 ? RTP_DEMUX_RTCP : RTP_DEMUX_RTP;
            if (rtp_demux(view_of(bytes, 2)) != want) {
                CHECK_INT(rtp_demux(view_of(bytes, 2)), want);
                return;
            }
        }
    }
    CHECK_INT(rtp_demux(VIEW_NONE), RTP_DEMUX_NONE);
    CHECK_INT(rtp_demux(VIEW_LIT("\x80")), RTP_DEMUX_NONE);
}

int main(void)
{
    RUN(test_every_field);
    RUN(test_encode_gives_it_back);
    RUN(test_cut_anywhere);
    RUN(test_bad_fields);
    RUN(test_demux);
    return tap_done();
}
