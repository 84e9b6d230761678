/* decoder: one sender's codec state: frames in, 16-bit mono samples at the codec's rate out.
 * Not here: cutting payloads into frames (payload.h), placing the sound (track.h).
 * ITU-T G.711; everything else by FFmpeg's libavcodec. */
#include "render/decoder.h"

#include <libavcodec/avcodec.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_BYTES_MAX 2048

struct render_decoder {
    struct render_codec codec;
    AVCodecContext *context; /* NULL for G.711 and L16 */
    AVPacket *packet;
    AVFrame *frame;
    uint8_t input[FRAME_BYTES_MAX + AV_INPUT_BUFFER_PADDING_SIZE];
};

static int16_t ulaw[256], alaw[256];
static bool tables_made;

/* G.711 §2, table 2a and 1a, as 16-bit samples. */
static void tables_make(void)
{
    for (int i = 0; i < 256; i++) {
        int u = ~i & 0xFF;
        int magnitude = ((((u & 0x0F) << 3) + 0x84) << ((u & 0x70) >> 4)) - 0x84;
        ulaw[i] = (int16_t)(u & 0x80 ? -magnitude : magnitude);
        int a = i ^ 0x55;
        int segment = (a & 0x70) >> 4;
        magnitude = ((a & 0x0F) << 4) + 8;
        if (segment > 0)
            magnitude = (magnitude + 0x100) << (segment - 1);
        alaw[i] = (int16_t)(a & 0x80 ? magnitude : -magnitude);
    }
    tables_made = true;
}

/* Names first tried; libopus conceals and handles DTX better than the native decoder. */
static const AVCodec *codec_find(enum sdp_codec kind)
{
    switch (kind) {
    case SDP_CODEC_G722:
        return avcodec_find_decoder_by_name("g722");
    case SDP_CODEC_G729:
        return avcodec_find_decoder_by_name("g729");
    case SDP_CODEC_OPUS: {
        const AVCodec *codec = avcodec_find_decoder_by_name("libopus");
        return codec ? codec : avcodec_find_decoder_by_name("opus");
    }
    case SDP_CODEC_AMR:
        return avcodec_find_decoder_by_name("amrnb");
    case SDP_CODEC_AMR_WB:
        return avcodec_find_decoder_by_name("amrwb");
    case SDP_CODEC_ILBC:
        return avcodec_find_decoder_by_name("ilbc");
    case SDP_CODEC_GSM:
        return avcodec_find_decoder_by_name("gsm");
    default:
        return NULL;
    }
}

static bool context_open(struct render_decoder *decoder, int block)
{
    const AVCodec *codec = codec_find(decoder->codec.kind);
    if (!codec)
        return false;
    avcodec_free_context(&decoder->context);
    decoder->context = avcodec_alloc_context3(codec);
    if (!decoder->context)
        return false;
    decoder->context->sample_rate = (int)decoder->codec.audio_hz;
    av_channel_layout_default(&decoder->context->ch_layout, 1);
    decoder->context->block_align = block;
    decoder->context->thread_count = 1;
    decoder->context->request_sample_fmt = AV_SAMPLE_FMT_S16;
    return avcodec_open2(decoder->context, codec, NULL) == 0;
}

struct render_decoder *render_decoder_create(const struct render_codec *codec)
{
    if (!tables_made)
        tables_make();
    if (codec->undecodable || !sdp_codec_is_voice(codec->kind))
        return NULL;
    struct render_decoder *decoder = calloc(1, sizeof *decoder);
    if (!decoder)
        return NULL;
    decoder->codec = *codec;
    if (codec->kind == SDP_CODEC_PCMU || codec->kind == SDP_CODEC_PCMA ||
        codec->kind == SDP_CODEC_L16)
        return decoder;
    decoder->packet = av_packet_alloc();
    decoder->frame = av_frame_alloc();
    if (!decoder->packet || !decoder->frame ||
        !context_open(decoder, codec->ilbc_ms == 20 ? 38 : 50)) {
        render_decoder_destroy(decoder);
        return NULL;
    }
    return decoder;
}

void render_decoder_destroy(struct render_decoder *decoder)
{
    if (!decoder)
        return;
    avcodec_free_context(&decoder->context);
    av_packet_free(&decoder->packet);
    av_frame_free(&decoder->frame);
    free(decoder);
}

/* Several channels in a payload are one participant: their mean. */
static size_t linear_decode(const struct render_decoder *decoder, struct view bytes,
                            int16_t *samples)
{
    const uint8_t *at = (const uint8_t *)bytes.at;
    size_t channels = decoder->codec.channels;
    size_t count = bytes.len / (2 * channels);
    if (count > RENDER_DECODED_MAX)
        count = RENDER_DECODED_MAX;
    for (size_t i = 0; i < count; i++) {
        int sum = 0;
        for (size_t c = 0; c < channels; c++, at += 2)
            sum += (int16_t)(at[0] << 8 | at[1]); /* RFC 3551 §4.5.11: network order */
        samples[i] = (int16_t)(sum / (int)channels);
    }
    return count;
}

static size_t g711_decode(const struct render_decoder *decoder, struct view bytes, int16_t *samples)
{
    const int16_t *table = decoder->codec.kind == SDP_CODEC_PCMU ? ulaw : alaw;
    const uint8_t *at = (const uint8_t *)bytes.at;
    size_t channels = decoder->codec.channels;
    size_t count = bytes.len / channels;
    if (count > RENDER_DECODED_MAX)
        count = RENDER_DECODED_MAX;
    if (channels == 1) {
        for (size_t i = 0; i < count; i++)
            samples[i] = table[at[i]];
        return count;
    }
    for (size_t i = 0; i < count; i++) {
        int sum = 0;
        for (size_t c = 0; c < channels; c++)
            sum += table[*at++];
        samples[i] = (int16_t)(sum / (int)channels);
    }
    return count;
}

static int16_t sample_of_float(float value)
{
    float scaled = value * 32768.0F;
    if (!(scaled > -32768.0F)) /* not a number, too */
        return scaled < 0 ? -32768 : 0;
    return (int16_t)(scaled > 32767.0F ? 32767 : lrintf(scaled));
}

/* Appends the first channel of FFmpeg's frame: all our contexts are mono. */
static size_t frame_copy(const AVFrame *frame, int16_t *samples, size_t room)
{
    size_t count = frame->nb_samples > 0 ? (size_t)frame->nb_samples : 0;
    if (count > room)
        count = room;
    size_t stride = 1;
    if (!av_sample_fmt_is_planar((enum AVSampleFormat)frame->format))
        stride = (size_t)frame->ch_layout.nb_channels;
    switch (av_get_packed_sample_fmt((enum AVSampleFormat)frame->format)) {
    case AV_SAMPLE_FMT_S16:
        for (size_t i = 0; i < count; i++)
            samples[i] = ((const int16_t *)(const void *)frame->data[0])[i * stride];
        return count;
    case AV_SAMPLE_FMT_FLT:
        for (size_t i = 0; i < count; i++)
            samples[i] = sample_of_float(((const float *)(const void *)frame->data[0])[i * stride]);
        return count;
    default:
        return 0;
    }
}

static bool library_decode(struct render_decoder *decoder, const struct render_frame *frame,
                           int16_t *samples, size_t *count)
{
    if (frame->bytes.len == 0 || frame->bytes.len > FRAME_BYTES_MAX)
        return false;
    /* iLBC's mode is fixed when the decoder opens; a sender may change it. */
    if (decoder->codec.kind == SDP_CODEC_ILBC &&
        (size_t)decoder->context->block_align != frame->bytes.len &&
        !context_open(decoder, (int)frame->bytes.len))
        return false;
    memcpy(decoder->input, frame->bytes.at, frame->bytes.len);
    memset(decoder->input + frame->bytes.len, 0, AV_INPUT_BUFFER_PADDING_SIZE);
    decoder->packet->data = decoder->input;
    decoder->packet->size = (int)frame->bytes.len;
    bool ok = avcodec_send_packet(decoder->context, decoder->packet) == 0;
    while (avcodec_receive_frame(decoder->context, decoder->frame) == 0) {
        *count += frame_copy(decoder->frame, samples + *count, RENDER_DECODED_MAX - *count);
        av_frame_unref(decoder->frame);
    }
    return ok && *count > 0;
}

bool render_decoder_input(struct render_decoder *decoder, const struct render_frame *frame,
                          int16_t *samples, size_t *count)
{
    *count = 0;
    switch (decoder->codec.kind) {
    case SDP_CODEC_PCMU:
    case SDP_CODEC_PCMA:
        *count = g711_decode(decoder, frame->bytes, samples);
        return true;
    case SDP_CODEC_L16:
        *count = linear_decode(decoder, frame->bytes, samples);
        return true;
    default:
        return decoder->context && library_decode(decoder, frame, samples, count);
    }
}
