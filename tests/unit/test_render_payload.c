/* Tests of render/payload and render/codec:
 * payloads put together by hand from the RFCs' figures. */
#include "render/payload.h"

#include "tap.h"

static struct render_payload payload;

static struct render_codec codec_of(const char *name, uint32_t clock_hz, const char *fmtp)
{
    struct sdp_format format = {
        .codec = sdp_codec_find(view_of_string(name)),
        .channels = 1,
        .clock_hz = clock_hz,
        .fmtp = view_of_string(fmtp),
    };
    struct render_codec codec;
    render_codec_set(&codec, &format);
    return codec;
}

static void split(const struct render_codec *codec, const void *bytes, size_t len)
{
    render_payload_split(&payload, codec, view_of(bytes, len));
}

/* RFC 4867 §4.3.5.1: one frame of AMR 5.9 (type 2, 118 bits) in a bandwidth-efficient payload: 4
 * bits of CMR, 6 of table of contents, 118 of speech, none of padding. */
static void test_amr_bandwidth_efficient_single(void)
{
    struct render_codec codec = codec_of("AMR", 8000, "");
    uint8_t bytes[16];
    /* CMR 6, F 0, FT 2, Q 1, then speech of ones. */
    memset(bytes, 0xFF, sizeof bytes);
    bytes[0] = 6 << 4 | 0 << 3 | 2 >> 1;
    bytes[1] = 0 << 7 | 1 << 6 | 0x3F;
    split(&codec, bytes, sizeof bytes);
    CHECK(!payload.broken);
    if (!CHECK_INT(payload.count, 1))
        return;
    CHECK_INT(payload.frames[0].kind, RENDER_FRAME_SPEECH);
    CHECK_INT(payload.frames[0].samples, 160);
    /* Storage format, RFC 4867 §5.3: type 2, Q 1; 118 bits in 15 octets, two bits of padding. */
    CHECK_INT(payload.frames[0].bytes.len, 16);
    const uint8_t *frame = (const uint8_t *)payload.frames[0].bytes.at;
    CHECK_INT(frame[0], 2 << 3 | 4);
    for (int i = 1; i < 15; i++)
        CHECK_INT(frame[i], 0xFF);
    CHECK_INT(frame[15], 0xFC);
}

/* RFC 4867 §4.4.5.2 in the octet-aligned form: two frames, then no data. */
static void test_amr_octet_aligned_several(void)
{
    struct render_codec codec = codec_of("AMR", 8000, "octet-align=1");
    uint8_t bytes[1 + 3 + 13 + 6] = {0xF0, 0x80 | 0 << 3 | 4, 0x80 | 8 << 3 | 4, 15 << 3 | 4};
    bytes[4] = 0x5A;
    bytes[4 + 12] = 0xA5;
    split(&codec, bytes, 4 + 12 + 5 + 1);
    CHECK_INT(payload.count, 3);
    CHECK_INT(payload.frames[0].kind, RENDER_FRAME_SPEECH);
    CHECK_INT(payload.frames[0].bytes.len, 13);
    CHECK_INT((uint8_t)payload.frames[0].bytes.at[1], 0x5A);
    CHECK_INT(payload.frames[1].kind, RENDER_FRAME_COMFORT);
    CHECK_INT((uint8_t)payload.frames[1].bytes.at[1], 0xA5);
    CHECK_INT(payload.frames[2].kind, RENDER_FRAME_MISSING);
    CHECK(!payload.broken);
    split(&codec, bytes, 10); /* cut short */
    CHECK(payload.broken);
    bytes[1] = 0 | 12 << 3 | 4; /* a reserved type */
    split(&codec, bytes, sizeof bytes);
    CHECK(payload.broken);
    CHECK_INT(payload.count, 0);
}

/* RFC 4867 §4.4.2.1: with crc=1 an octet for each frame with data stands behind the table. */
static void test_amr_with_crc(void)
{
    struct render_codec codec = codec_of("AMR-WB", 16000, "crc=1");
    CHECK(codec.octet_align);
    uint8_t bytes[1 + 2 + 1 + 17] = {0xF0, 0x80 | 0 << 3 | 4, 15 << 3 | 4, 0xCC, 0x77};
    split(&codec, bytes, sizeof bytes);
    CHECK(!payload.broken);
    CHECK_INT(payload.count, 2);
    CHECK_INT(payload.frames[0].samples, 320);
    CHECK_INT(payload.frames[0].bytes.len, 18);
    CHECK_INT((uint8_t)payload.frames[0].bytes.at[1], 0x77);
    CHECK_INT(payload.frames[1].kind, RENDER_FRAME_MISSING);
}

/* A frame marked as damaged (Q 0) is not to be decoded as speech (RFC 4867 §4.3.2), and what stands
 * behind it keeps its place. */
static void test_amr_damaged_frame(void)
{
    struct render_codec codec = codec_of("AMR", 8000, "octet-align=1");
    uint8_t bytes[1 + 2 + 12 + 12] = {0xF0, 0x80 | 0 << 3, 0 << 3 | 4};
    bytes[3 + 12] = 0x42;
    split(&codec, bytes, sizeof bytes);
    CHECK_INT(payload.count, 2);
    CHECK_INT(payload.frames[0].kind, RENDER_FRAME_MISSING);
    CHECK_INT(payload.frames[1].kind, RENDER_FRAME_SPEECH);
    CHECK_INT((uint8_t)payload.frames[1].bytes.at[1], 0x42);
}

static void test_amr_never_agreed_to(void)
{
    uint8_t bytes[32] = {0xF0, 4};
    struct render_codec codec = codec_of("AMR", 8000, "interleaving=30");
    split(&codec, bytes, sizeof bytes);
    CHECK(payload.broken);
    CHECK_INT(payload.count, 0);
    codec = codec_of("AMR", 8000, "robust-sorting=1");
    CHECK(codec.undecodable);
}

/* RFC 3551 §4.5.6. */
static void test_g729_annex_b(void)
{
    struct render_codec codec = codec_of("G729", 8000, "annexb=yes");
    uint8_t bytes[33] = {0};
    split(&codec, bytes, 22);
    CHECK_INT(payload.count, 3);
    CHECK_INT(payload.frames[1].kind, RENDER_FRAME_SPEECH);
    CHECK_INT(payload.frames[2].kind, RENDER_FRAME_COMFORT);
    CHECK_INT(payload.frames[2].samples, 80);
    CHECK(!payload.broken);
    split(&codec, bytes, 2);
    CHECK_INT(payload.count, 1);
    CHECK_INT(payload.frames[0].kind, RENDER_FRAME_COMFORT);
    split(&codec, bytes, 15);
    CHECK_INT(payload.count, 1);
    CHECK(payload.broken);
}

/* RFC 3952 §3 and §4.2. */
static void test_ilbc_modes(void)
{
    uint8_t bytes[150] = {0};
    struct render_codec codec = codec_of("iLBC", 8000, "");
    CHECK_INT(codec.ilbc_ms, 30);
    split(&codec, bytes, 100);
    CHECK_INT(payload.count, 2);
    CHECK_INT(payload.frames[0].samples, 240);
    split(&codec, bytes, 76); /* plainly 20 ms, whatever was said */
    CHECK_INT(payload.count, 2);
    CHECK_INT(payload.frames[0].samples, 160);
    codec = codec_of("iLBC", 8000, "mode=20");
    split(&codec, bytes, 38);
    CHECK_INT(payload.count, 1);
    CHECK_INT(payload.frames[0].bytes.len, 38);
    split(&codec, bytes, 39);
    CHECK(payload.broken);
}

static void test_rates(void)
{
    CHECK_INT(codec_of("G722", 8000, "").audio_hz, 16000);
    CHECK_INT(codec_of("G722", 8000, "").clock_hz, 8000);
    CHECK_INT(codec_of("opus", 48000, "").audio_hz, 48000);
    CHECK_INT(codec_of("AMR-WB", 16000, "").audio_hz, 16000);
    CHECK_INT(codec_of("L16", 44100, "").audio_hz, 44100);
    uint8_t bytes[160] = {0};
    struct render_codec codec = codec_of("G722", 8000, "");
    split(&codec, bytes, 160);
    CHECK_INT(payload.frames[0].samples, 320);
}

static void test_too_many_frames(void)
{
    struct render_codec codec = codec_of("GSM", 8000, "");
    static uint8_t bytes[33 * 100];
    split(&codec, bytes, sizeof bytes);
    CHECK_INT(payload.count, RENDER_PAYLOAD_FRAMES);
    CHECK(payload.broken);
}

int main(void)
{
    RUN(test_amr_bandwidth_efficient_single);
    RUN(test_amr_octet_aligned_several);
    RUN(test_amr_with_crc);
    RUN(test_amr_damaged_frame);
    RUN(test_amr_never_agreed_to);
    RUN(test_g729_annex_b);
    RUN(test_ilbc_modes);
    RUN(test_rates);
    RUN(test_too_many_frames);
    return tap_done();
}
