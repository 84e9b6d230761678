/* Tests of sdp/codec: names, static payload types, rtpmap spellings,
 * and what each RFC wants answered. */
#include "sdp/codec.h"

#include "tap.h"

static struct sdp_format format_of(uint8_t payload_type, const char *rtpmap, const char *fmtp)
{
    struct sdp_format format = sdp_format_static(payload_type);
    if (rtpmap)
        sdp_format_apply_rtpmap(&format, view_of_string(rtpmap));
    format.fmtp = view_of_string(fmtp);
    return format;
}

static void check_printed(const struct sdp_format *format, const char *want)
{
    char text[512];
    struct writer w = writer_of(text, sizeof text);
    sdp_format_print(&w, format);
    CHECK_VIEW(writer_done(&w), want);
}

/* RFC 3551 §6, table 4. */
static void test_static_payload_types(void)
{
    static const struct {
        uint8_t payload_type;
        enum sdp_codec codec;
        uint32_t clock_hz;
        uint8_t channels;
    } rows[] = {
        {0, SDP_CODEC_PCMU, 8000, 1}, {3, SDP_CODEC_GSM, 8000, 1},   {8, SDP_CODEC_PCMA, 8000, 1},
        {9, SDP_CODEC_G722, 8000, 1}, {10, SDP_CODEC_L16, 44100, 2}, {11, SDP_CODEC_L16, 44100, 1},
        {13, SDP_CODEC_CN, 8000, 1},  {18, SDP_CODEC_G729, 8000, 1}, {19, SDP_CODEC_CN, 8000, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sdp_format format = sdp_format_static(rows[i].payload_type);
        CHECK(format.codec == rows[i].codec);
        CHECK_INT(format.clock_hz, rows[i].clock_hz);
        CHECK_INT(format.channels, rows[i].channels);
        CHECK(!format.mapped);
        CHECK(sdp_format_can_take(&format));
    }
    for (uint8_t pt = 0; pt < 128; pt++) {
        struct sdp_format format = sdp_format_static(pt);
        bool listed = false;
        for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
            listed |= rows[i].payload_type == pt;
        CHECK(sdp_format_can_take(&format) == listed);
    }
}

static void test_rtpmap_is_read_in_every_spelling(void)
{
    static const struct {
        const char *map;
        enum sdp_codec codec;
        uint32_t clock_hz;
        uint8_t channels;
    } rows[] = {
        {"PCMU/8000", SDP_CODEC_PCMU, 8000, 1},
        {"pcmu/8000a", SDP_CODEC_PCMU, 8000, 1},
        {"PCMU", SDP_CODEC_PCMU, 8000, 1},
        {" Pcma / 8000 / 1 ", SDP_CODEC_PCMA, 8000, 1},
        {"opus/48000/2", SDP_CODEC_OPUS, 48000, 2},
        {"OPUS/48000", SDP_CODEC_OPUS, 48000, 1},
        {"G729A/8000", SDP_CODEC_G729, 8000, 1},
        {"amr-wb/16000/1", SDP_CODEC_AMR_WB, 16000, 1},
        {"iLBC/8000", SDP_CODEC_ILBC, 8000, 1},
        {"L16/16000/2", SDP_CODEC_L16, 16000, 2},
        {"telephone-event/48000", SDP_CODEC_TELEPHONE_EVENT, 48000, 1},
        {"CN/16000", SDP_CODEC_CN, 16000, 1},
        {"AMR-WB+/72000", SDP_CODEC_UNKNOWN, 72000, 1},
        {"PCMU/99999999999", SDP_CODEC_PCMU, 8000, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sdp_format format = format_of(96, rows[i].map, NULL);
        printf("# %s\n", rows[i].map);
        CHECK(format.codec == rows[i].codec);
        CHECK_INT(format.clock_hz, rows[i].clock_hz);
        CHECK_INT(format.channels, rows[i].channels);
        CHECK(format.mapped);
    }
    struct sdp_format untouched = format_of(0, "  ", NULL);
    CHECK(untouched.codec == SDP_CODEC_PCMU && !untouched.mapped);
}

static void test_what_cannot_be_rendered_is_not_taken(void)
{
    struct sdp_format no[] = {
        format_of(96, "speex/16000", NULL),
        format_of(96, "PCMU/8000/6", NULL),
        format_of(96, "PCMU/7999", NULL),
        format_of(96, "AMR/16000", NULL),
        format_of(96, "AMR/8000/2", NULL),
        format_of(96, "AMR/8000", "octet-align=1; crc=1"),
        format_of(96, "AMR/8000", "octet-align=1;robust-sorting=1"),
        format_of(96, "AMR-WB/16000", "octet-align=1; interleaving=30"),
        format_of(96, "opus/16000/2", NULL),
        format_of(4, NULL, NULL),
        format_of(96, NULL, NULL),
        format_of(96, "PCMA/8000/0", NULL),
    };
    for (size_t i = 0; i < sizeof no / sizeof no[0]; i++)
        CHECK(!sdp_format_can_take(&no[i]));
    struct sdp_format yes[] = {
        format_of(96, "AMR/8000", "crc=0; octet-align=0; robust-sorting=0"),
        format_of(9, "G722/16000", NULL),
        format_of(0, "GSM/8000", NULL), /* a mapping overrides the static meaning (RFC 8866 §6.6) */
    };
    for (size_t i = 0; i < sizeof yes / sizeof yes[0]; i++)
        CHECK(sdp_format_can_take(&yes[i]));
    CHECK(yes[2].codec == SDP_CODEC_GSM);
}

static void test_fmtp_parameters_are_found(void)
{
    struct view value, fmtp = VIEW_LIT("octet-align=1; mode-set=0,2,5,7 ;annexb;Mode=20");
    CHECK(sdp_fmtp_find(fmtp, VIEW_LIT("mode-set"), &value));
    CHECK_VIEW(value, "0,2,5,7");
    CHECK(sdp_fmtp_find(fmtp, VIEW_LIT("mode"), &value));
    CHECK_VIEW(value, "20");
    CHECK(sdp_fmtp_find(fmtp, VIEW_LIT("annexb"), &value));
    CHECK_INT(value.len, 0);
    CHECK(!sdp_fmtp_find(fmtp, VIEW_LIT("crc"), &value));
    CHECK(!sdp_fmtp_find(VIEW_NONE, VIEW_LIT("crc"), &value));
}

static void test_answers_by_payload_format(void)
{
    static const struct {
        const char *map, *fmtp, *want;
    } rows[] = {
        {"PCMU/8000", "", "a=rtpmap:96 PCMU/8000\r\n"},
        {"pcma/8000a", "", "a=rtpmap:96 PCMA/8000\r\n"},
        /* RFC 7261 §3.1, 3264 §6.1: G.729's annexb comes back as it was offered. */
        {"G729/8000", "annexb=no", "a=rtpmap:96 G729/8000\r\na=fmtp:96 annexb=no\r\n"},
        {"G729/8000", "annexb=yes", "a=rtpmap:96 G729/8000\r\na=fmtp:96 annexb=yes\r\n"},
        /* RFC 4867 §8.3.1: configuration unmodified, what only limits a sender left out. */
        {"AMR-WB/16000", "mode-change-capability=2; octet-align=1; mode-set=0,1,2; max-red=0",
         "a=rtpmap:96 AMR-WB/16000\r\na=fmtp:96 octet-align=1;mode-set=0,1,2\r\n"},
        {"AMR/8000", "mode-change-period=2", "a=rtpmap:96 AMR/8000\r\n"},
        {"AMR/8000/1", "octet-align=0;crc=0",
         "a=rtpmap:96 AMR/8000\r\na=fmtp:96 octet-align=0;crc=0\r\n"},
        /* RFC 3952 §5. */
        {"iLBC/8000", "mode=20", "a=rtpmap:96 iLBC/8000\r\na=fmtp:96 mode=20\r\n"},
        {"iLBC/8000", "", "a=rtpmap:96 iLBC/8000\r\n"},
        /* RFC 7587 §7.1: sprop- and limits of the other side are not ours to repeat. */
        {"opus/48000/2", "minptime=10;useinbandfec=1;maxplaybackrate=16000;sprop-stereo=1",
         "a=rtpmap:96 opus/48000/2\r\na=fmtp:96 minptime=10;useinbandfec=1\r\n"},
        /* RFC 4733 §2.4.1, §2.5.2.1. */
        {"telephone-event/8000", "0-16", "a=rtpmap:96 telephone-event/8000\r\na=fmtp:96 0-16\r\n"},
        {"telephone-event/8000", "0-15,16",
         "a=rtpmap:96 telephone-event/8000\r\na=fmtp:96 0-15,16\r\n"},
        {"telephone-event/8000", "", "a=rtpmap:96 telephone-event/8000\r\na=fmtp:96 0-15\r\n"},
        {"telephone-event/8000", "x=y", "a=rtpmap:96 telephone-event/8000\r\na=fmtp:96 0-15\r\n"},
        {"L16/44100/2", "", "a=rtpmap:96 L16/44100/2\r\n"},
        {"CN/8000", "", "a=rtpmap:96 CN/8000\r\n"},
        {"PCMU/8000", "a\001b", "a=rtpmap:96 PCMU/8000\r\n"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct sdp_format format = format_of(96, rows[i].map, rows[i].fmtp);
        CHECK(sdp_format_can_take(&format));
        check_printed(&format, rows[i].want);
    }
}

static void test_kinds_of_codecs(void)
{
    CHECK(sdp_codec_is_voice(SDP_CODEC_L16) && sdp_codec_is_voice(SDP_CODEC_PCMU));
    CHECK(!sdp_codec_is_voice(SDP_CODEC_CN) && !sdp_codec_is_voice(SDP_CODEC_TELEPHONE_EVENT));
    CHECK(!sdp_codec_is_voice(SDP_CODEC_UNKNOWN));
    CHECK_TEXT(sdp_codec_name(SDP_CODEC_AMR_WB), "AMR-WB");
    CHECK_TEXT(sdp_codec_name(SDP_CODEC_UNKNOWN), "unknown");
    CHECK(sdp_codec_find(VIEW_LIT("unknown")) == SDP_CODEC_UNKNOWN);
}

int main(void)
{
    RUN(test_static_payload_types);
    RUN(test_rtpmap_is_read_in_every_spelling);
    RUN(test_what_cannot_be_rendered_is_not_taken);
    RUN(test_fmtp_parameters_are_found);
    RUN(test_answers_by_payload_format);
    RUN(test_kinds_of_codecs);
    return tap_done();
}
