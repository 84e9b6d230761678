/* decode: reads one channel of an audio file into memory by libavformat, libavcodec and
 * libswresample.
 * Not here: coding it for RTP (clip.c, encode.c).
 * RFC: none. */
#include "tools/siprec-call/clip.h"

#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libswresample/swresample.h>
#include <stdio.h>
#include <stdlib.h>

/* An hour at 48 kHz: more belongs in several calls. */
#define SAMPLES_MAX (3600u * 48000u)

struct source {
    AVFormatContext *format;
    AVCodecContext *decoder;
    SwrContext *resampler;
    AVFrame *frame, *mono;
    AVPacket *packet;
    int index;
    size_t room; /* of the sound's samples */
};

static void source_finish(struct source *s)
{
    av_frame_free(&s->frame);
    av_frame_free(&s->mono);
    av_packet_free(&s->packet);
    swr_free(&s->resampler);
    avcodec_free_context(&s->decoder);
    avformat_close_input(&s->format);
}

static bool source_open(struct source *s, const char *path)
{
    const AVCodec *codec = NULL;
    if (avformat_open_input(&s->format, path, NULL, NULL) < 0 ||
        avformat_find_stream_info(s->format, NULL) < 0)
        return false;
    s->index = av_find_best_stream(s->format, AVMEDIA_TYPE_AUDIO, -1, -1, &codec, 0);
    if (s->index < 0 || !codec)
        return false;
    s->decoder = avcodec_alloc_context3(codec);
    s->frame = av_frame_alloc();
    s->mono = av_frame_alloc();
    s->packet = av_packet_alloc();
    return s->decoder && s->frame && s->mono && s->packet &&
           avcodec_parameters_to_context(s->decoder, s->format->streams[s->index]->codecpar) >= 0 &&
           avcodec_open2(s->decoder, codec, NULL) >= 0;
}

/* One input channel to mono at the wanted rate. */
static bool resampler_init(struct source *s, uint32_t sample_hz, unsigned channel)
{
    AVChannelLayout mono = AV_CHANNEL_LAYOUT_MONO, *from = &s->frame->ch_layout;
    int channels = from->nb_channels;
    if (channels <= 0 || channels > 64)
        return false;
    if (swr_alloc_set_opts2(&s->resampler, &mono, AV_SAMPLE_FMT_S16, (int)sample_hz, from,
                            (enum AVSampleFormat)s->frame->format, s->frame->sample_rate, 0,
                            NULL) < 0)
        return false;
    double matrix[64] = {0};
    matrix[channel % (unsigned)channels] = 1.0;
    return swr_set_matrix(s->resampler, matrix, channels) >= 0 && swr_init(s->resampler) >= 0;
}

/* Resamples the decoded frame (NULL: what is left inside) behind what sound has. */
static bool frame_append(struct source *s, const AVFrame *frame, struct call_sound *sound)
{
    int in = frame ? frame->nb_samples : 0;
    int most = swr_get_out_samples(s->resampler, in);
    if (most <= 0)
        return most == 0;
    size_t need = sound->count + (size_t)most;
    if (need > s->room) {
        s->room = need * 2;
        int16_t *grown = realloc(sound->samples, s->room * sizeof *grown);
        if (!grown)
            return false;
        sound->samples = grown;
    }
    uint8_t *out = (uint8_t *)(sound->samples + sound->count);
    int made = swr_convert(s->resampler, &out, most,
                           frame ? (const uint8_t **)frame->extended_data : NULL, in);
    if (made < 0)
        return false;
    sound->count += (size_t)made;
    return true;
}

static bool frames_take(struct source *s, uint32_t sample_hz, unsigned channel,
                        struct call_sound *sound)
{
    while (avcodec_receive_frame(s->decoder, s->frame) == 0) {
        if (!s->resampler && !resampler_init(s, sample_hz, channel))
            return false;
        if (!frame_append(s, s->frame, sound))
            return false;
    }
    return true;
}

bool call_sound_read(const char *path, uint32_t sample_hz, unsigned channel,
                     struct call_sound *sound, char *error, size_t size)
{
    struct source s = {0};
    av_log_set_level(AV_LOG_ERROR);
    *sound = (struct call_sound){0};
    bool good = source_open(&s, path);
    while (good && sound->count < SAMPLES_MAX && av_read_frame(s.format, s.packet) >= 0) {
        if (s.packet->stream_index == s.index && avcodec_send_packet(s.decoder, s.packet) == 0)
            good = frames_take(&s, sample_hz, channel, sound);
        av_packet_unref(s.packet);
    }
    if (good && avcodec_send_packet(s.decoder, NULL) == 0)
        good = frames_take(&s, sample_hz, channel, sound);
    if (good && s.resampler)
        good = frame_append(&s, NULL, sound);
    source_finish(&s);
    if (good && sound->count > 0)
        return true;
    free(sound->samples);
    *sound = (struct call_sound){0};
    snprintf(error, size, "%s: cannot be read as audio", path);
    return false;
}
