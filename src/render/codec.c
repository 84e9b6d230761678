/* codec: what the decoders must know about one payload type as it was negotiated.
 * Not here: decoding (decoder.h), the table of names (sdp/codec.h).
 * RFC 3551 §4.5.2 (G.722's clock), 4867 §8 (AMR), 3952 §4.2 (iLBC), 7587 (Opus). */
#include "render/codec.h"

enum { CLOCK_MAX_HZ = 192000, CHANNELS_MAX = 8 };

static bool parameter_is(struct view fmtp, struct view name, struct view want)
{
    struct view value;
    return sdp_fmtp_find(fmtp, name, &value) && view_equal(view_trim(value), want);
}

static void amr_set(struct render_codec *codec, struct view fmtp)
{
    struct view ignored;
    bool robust = parameter_is(fmtp, VIEW_LIT("robust-sorting"), VIEW_LIT("1"));
    bool interleaved = sdp_fmtp_find(fmtp, VIEW_LIT("interleaving"), &ignored);
    codec->crc = parameter_is(fmtp, VIEW_LIT("crc"), VIEW_LIT("1"));
    /* RFC 4867 §8.1: crc, robust-sorting and interleaving each imply octet-align. */
    codec->octet_align = codec->crc || robust || interleaved ||
                         parameter_is(fmtp, VIEW_LIT("octet-align"), VIEW_LIT("1"));
    codec->undecodable |= robust || interleaved;
    codec->undecodable |= codec->channels != 1;
}

void render_codec_set(struct render_codec *codec, const struct sdp_format *format)
{
    *codec = (struct render_codec){
        .kind = format->codec,
        .clock_hz = format->clock_hz > 0 ? format->clock_hz : 8000,
        .channels = format->channels > 0 ? format->channels : 1,
    };
    codec->undecodable = codec->kind == SDP_CODEC_UNKNOWN || codec->clock_hz > CLOCK_MAX_HZ ||
                         codec->channels > CHANNELS_MAX;
    codec->audio_hz = codec->clock_hz;
    switch (codec->kind) {
    case SDP_CODEC_OPUS:
        codec->audio_hz = 48000; /* RFC 7587 §4.1: always, and so is the clock */
        codec->clock_hz = 48000;
        break;
    case SDP_CODEC_G722:
        codec->audio_hz = 16000;
        codec->clock_hz = 8000;
        break;
    case SDP_CODEC_AMR_WB:
        codec->audio_hz = 16000;
        amr_set(codec, format->fmtp);
        break;
    case SDP_CODEC_AMR:
        codec->audio_hz = 8000;
        amr_set(codec, format->fmtp);
        break;
    case SDP_CODEC_ILBC:
        codec->audio_hz = 8000;
        /* RFC 3952 §4.2: absent means 30. */
        codec->ilbc_ms = parameter_is(format->fmtp, VIEW_LIT("mode"), VIEW_LIT("20")) ? 20 : 30;
        break;
    case SDP_CODEC_G729:
    case SDP_CODEC_GSM:
        codec->audio_hz = 8000;
        break;
    default:
        break;
    }
}

bool render_codec_equal(const struct render_codec *a, const struct render_codec *b)
{
    return a->kind == b->kind && a->clock_hz == b->clock_hz && a->audio_hz == b->audio_hz &&
           a->channels == b->channels && a->ilbc_ms == b->ilbc_ms &&
           a->octet_align == b->octet_align && a->crc == b->crc && a->undecodable == b->undecodable;
}
