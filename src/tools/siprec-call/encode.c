/* encode: codes a clip by libavcodec where G.711 and L16 are not wanted: G.722, GSM, Opus, AMR.
 * Not here: the codec table (clip.c), reading files (decode.c).
 * RFC 4867 §4.4 (octet-aligned AMR payloads). */
#include "tools/siprec-call/clip.h"

#include <libavcodec/avcodec.h>
#include <libavutil/channel_layout.h>
#include <libavutil/opt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRAME_BYTES_MAX 1500 /* a payload that fits one datagram */

struct coder {
    AVCodecContext *context;
    AVFrame *frame;
    AVPacket *packet;
};

static void coder_finish(struct coder *coder)
{
    avcodec_free_context(&coder->context);
    av_frame_free(&coder->frame);
    av_packet_free(&coder->packet);
}

static bool coder_init(struct coder *coder, const struct call_codec *codec)
{
    const AVCodec *av = avcodec_find_encoder_by_name(codec->encoder);
    if (!av)
        return false;
    coder->context = avcodec_alloc_context3(av);
    coder->frame = av_frame_alloc();
    coder->packet = av_packet_alloc();
    if (!coder->context || !coder->frame || !coder->packet)
        return false;
    AVCodecContext *context = coder->context;
    context->sample_rate = (int)codec->sample_hz;
    context->sample_fmt = AV_SAMPLE_FMT_S16;
    context->time_base = (AVRational){1, (int)codec->sample_hz};
    context->bit_rate = codec->sample_hz == 48000 ? 32000 : 0;
    if (strcmp(codec->name, "AMR") == 0)
        context->bit_rate = 12200;
    if (strcmp(codec->name, "AMR-WB") == 0)
        context->bit_rate = 23850;
    if (codec->sample_hz == 16000 && codec->clock_hz == 8000)
        context->frame_size =
            (int)codec->sample_hz / 1000 * CALL_PTIME_MS; /* G.722 takes any length */
    av_channel_layout_default(&context->ch_layout, 1);
    /* A tool that sends 20 ms packets: Opus defaults to that too, but says so only by this option.
     * */
    (void)av_opt_set(context->priv_data, "frame_duration", "20", 0);
    if (avcodec_open2(context, av, NULL) < 0)
        return false;
    int samples = (int)codec->sample_hz / 1000 * CALL_PTIME_MS;
    coder->frame->nb_samples = samples;
    coder->frame->format = AV_SAMPLE_FMT_S16;
    coder->frame->sample_rate = context->sample_rate;
    return av_channel_layout_copy(&coder->frame->ch_layout, &context->ch_layout) >= 0 &&
           av_frame_get_buffer(coder->frame, 0) >= 0;
}

/* Takes what the coder has ready. An AMR storage frame becomes a payload by a CMR octet before it:
 * its own first octet is already the table of contents entry (RFC 4867 §4.4.2, §5.3). */
static bool packets_take(struct coder *coder, struct call_clip *clip, size_t *used)
{
    bool amr = strncmp(clip->codec->name, "AMR", 3) == 0;
    while (avcodec_receive_packet(coder->context, coder->packet) == 0) {
        size_t len = (size_t)coder->packet->size;
        if (len + 1 > FRAME_BYTES_MAX)
            return false;
        char *at = clip->bytes + *used;
        clip->frames[clip->count].at = at;
        if (amr)
            *at++ = (char)0xf0; /* no mode requested */
        memcpy(at, coder->packet->data, len);
        at += len;
        clip->frames[clip->count].len = (size_t)(at - clip->frames[clip->count].at);
        *used += clip->frames[clip->count].len;
        clip->count++;
        av_packet_unref(coder->packet);
    }
    return true;
}

bool call_clip_encode(struct call_clip *clip, const struct call_sound *sound, char *error,
                      size_t size)
{
    struct coder coder = {0};
    av_log_set_level(AV_LOG_ERROR); /* a frame left in an encoder at the end is no news */
    size_t samples = clip->codec->sample_hz / 1000 * CALL_PTIME_MS;
    size_t frames = sound->count / samples;
    bool good = coder_init(&coder, clip->codec);
    if (!good) {
        snprintf(error, size, "no encoder for %s here (libavcodec's %s)", clip->codec->name,
                 clip->codec->encoder);
    } else {
        /* One frame more than the sound: silence. Encoders with a delay may hand out one or two
         * more. */
        clip->bytes = malloc((frames + 8) * FRAME_BYTES_MAX);
        clip->frames = calloc(frames + 8, sizeof *clip->frames);
        good = clip->bytes && clip->frames;
    }
    size_t used = 0;
    for (size_t i = 0; good && i <= frames; i++) {
        good = av_frame_make_writable(coder.frame) >= 0;
        if (!good)
            break;
        if (i < frames)
            memcpy(coder.frame->data[0], sound->samples + i * samples, samples * sizeof(int16_t));
        else
            memset(coder.frame->data[0], 0, samples * sizeof(int16_t));
        coder.frame->pts = (int64_t)(i * samples);
        good = avcodec_send_frame(coder.context, coder.frame) == 0 &&
               packets_take(&coder, clip, &used);
    }
    good = good && clip->count >= 2;
    if (good)
        clip->silence = clip->frames[--clip->count];
    coder_finish(&coder);
    return good;
}
