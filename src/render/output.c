/* output: 16-bit samples into one audio file: wav (RF64 when it grows over 4 GiB), flac, Opus in
 * Ogg, mp3, by FFmpeg's libavformat and libavcodec.
 * Not here: opening files (main.c), the samples (mix.h).
 * RFC 7845 (Ogg Opus); EBU Tech 3306 (RF64). */
#include "render/output.h"

#include <errno.h>
#include <libavcodec/avcodec.h>
#include <libavformat/avformat.h>
#include <libavutil/channel_layout.h>
#include <libavutil/opt.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define IO_BUFFER  65536
#define PCM_FRAMES 8192 /* a wav packet */
#define RIFF_ROOM  4096 /* headers beside the samples */

struct format_row {
    const char *name;
    const char *muxer;
    const char *encoder;
    enum AVSampleFormat sample_format;
    uint32_t channels;
    int64_t bit_rate; /* for each channel; 0: lossless */
};

/* flac has no more than eight channels, mp3 two; Opus could have 255, players stop at eight. */
static const struct format_row FORMATS[] = {
    [RENDER_FORMAT_WAV] = {"wav", "wav", "pcm_s16le", AV_SAMPLE_FMT_S16, 32, 0},
    [RENDER_FORMAT_FLAC] = {"flac", "flac", "flac", AV_SAMPLE_FMT_S16, 8, 0},
    [RENDER_FORMAT_OPUS] = {"opus", "ogg", "libopus", AV_SAMPLE_FMT_S16, 8, 32000},
    [RENDER_FORMAT_MP3] = {"mp3", "mp3", "libmp3lame", AV_SAMPLE_FMT_S16P, 2, 48000},
};

struct render_output {
    const struct format_row *row;
    uint32_t channels;
    int fd;
    int error; /* errno, sticky */
    AVFormatContext *muxer;
    AVCodecContext *encoder;
    AVIOContext *io;
    AVStream *stream;
    AVPacket *packet;
    AVFrame *frame;
    size_t filled; /* frames in frame */
    size_t wanted; /* that the encoder takes at once */
    int64_t position;
};

enum render_format render_format_find(struct view name)
{
    for (size_t i = 0; i < sizeof FORMATS / sizeof FORMATS[0]; i++)
        if (view_equal_nocase(name, view_of_string(FORMATS[i].name)))
            return (enum render_format)i;
    return view_equal_nocase(name, VIEW_LIT("ogg")) ? RENDER_FORMAT_OPUS : RENDER_FORMAT_UNKNOWN;
}

const char *render_format_name(enum render_format format)
{
    return format < RENDER_FORMAT_UNKNOWN ? FORMATS[format].name : "unknown";
}

uint32_t render_format_channels(enum render_format format)
{
    return FORMATS[format].channels;
}

bool render_output_is_large(int64_t frames, uint32_t channels)
{
    return (uint64_t)frames * channels * sizeof(int16_t) + RIFF_ROOM > UINT32_MAX;
}

static int fd_write(void *opaque, uint8_t *bytes, int count)
{
    struct render_output *output = opaque;
    int done = 0;
    while (done < count) {
        ssize_t n = write(output->fd, bytes + done, (size_t)(count - done));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            output->error = n < 0 ? errno : EIO;
            return AVERROR(output->error);
        }
        done += (int)n;
    }
    return count;
}

static int64_t fd_seek(void *opaque, int64_t offset, int whence)
{
    struct render_output *output = opaque;
    if (whence == AVSEEK_SIZE || (whence & ~AVSEEK_FORCE) > SEEK_END)
        return AVERROR(ENOSYS);
    off_t at = lseek(output->fd, offset, whence & ~AVSEEK_FORCE);
    return at < 0 ? AVERROR(errno) : at;
}

static void failed(struct render_output *output, int result)
{
    if (result < 0 && output->error == 0)
        output->error = AVUNERROR(result) > 0 ? AVUNERROR(result) : EIO;
}

static void packets_write(struct render_output *output)
{
    while (avcodec_receive_packet(output->encoder, output->packet) == 0) {
        av_packet_rescale_ts(output->packet, output->encoder->time_base, output->stream->time_base);
        output->packet->stream_index = 0;
        failed(output, av_write_frame(output->muxer, output->packet));
        av_packet_unref(output->packet);
    }
}

static void frame_send(struct render_output *output)
{
    output->frame->nb_samples = (int)output->filled;
    output->frame->pts = output->position;
    output->position += (int64_t)output->filled;
    output->filled = 0;
    failed(output, avcodec_send_frame(output->encoder, output->frame));
    packets_write(output);
    if (output->error == 0)
        failed(output, av_frame_make_writable(output->frame));
}

static bool encoder_open(struct render_output *output, const struct render_output_options *options)
{
    const AVCodec *codec = avcodec_find_encoder_by_name(output->row->encoder);
    output->encoder = codec ? avcodec_alloc_context3(codec) : NULL;
    if (!output->encoder)
        return false;
    AVCodecContext *encoder = output->encoder;
    encoder->sample_rate = (int)options->rate_hz;
    encoder->sample_fmt = output->row->sample_format;
    encoder->time_base = (AVRational){1, (int)options->rate_hz};
    encoder->bit_rate = output->row->bit_rate * options->channels;
    encoder->thread_count = 1;
    if (options->rate_hz > 16000)
        encoder->bit_rate *= 2;
    /* Participants, not loudspeakers: beyond stereo channels have no places. flac and Opus want
     * some all the same. */
    if (options->channels > 2 && options->format == RENDER_FORMAT_WAV)
        encoder->ch_layout = (AVChannelLayout){.order = AV_CHANNEL_ORDER_UNSPEC,
                                               .nb_channels = (int)options->channels};
    else
        av_channel_layout_default(&encoder->ch_layout, (int)options->channels);
    if (options->format == RENDER_FORMAT_OPUS) {
        (void)av_opt_set(encoder->priv_data, "application", "voip", 0);
        /* With this much room for telephony the encoder's longest searches find nothing to be
         * heard, at three times the price. */
        encoder->compression_level = 1;
        (void)av_opt_set(encoder->priv_data, "frame_duration", "40", 0);
        /* RFC 7845 §5.1.1.3: family 255, channels that are not mixed and have no order. */
        if (options->channels > 2)
            (void)av_opt_set_int(encoder->priv_data, "mapping_family", 255, 0);
    }
    if (output->muxer->oformat->flags & AVFMT_GLOBALHEADER)
        encoder->flags |= AV_CODEC_FLAG_GLOBAL_HEADER;
    return avcodec_open2(encoder, codec, NULL) == 0;
}

static bool muxer_open(struct render_output *output)
{
    uint8_t *buffer = av_malloc(IO_BUFFER);
    if (!buffer ||
        avformat_alloc_output_context2(&output->muxer, NULL, output->row->muxer, NULL) < 0) {
        av_free(buffer);
        return false;
    }
    output->io = avio_alloc_context(buffer, IO_BUFFER, 1, output, NULL, fd_write, fd_seek);
    if (!output->io) {
        av_free(buffer);
        return false;
    }
    if (lseek(output->fd, 0, SEEK_CUR) < 0)
        output->io->seekable = 0;
    output->muxer->pb = output->io;
    /* The same journal gives the same file: no version of the library in it. */
    output->muxer->flags |= AVFMT_FLAG_BITEXACT | AVFMT_FLAG_CUSTOM_IO;
    return true;
}

static bool header_write(struct render_output *output, const struct render_output_options *options)
{
    output->stream = avformat_new_stream(output->muxer, NULL);
    if (!output->stream ||
        avcodec_parameters_from_context(output->stream->codecpar, output->encoder) < 0)
        return false;
    output->stream->time_base = output->encoder->time_base;
    AVDictionary *dictionary = NULL;
    if (options->format == RENDER_FORMAT_WAV)
        (void)av_dict_set(&dictionary, "rf64", options->large ? "always" : "never", 0);
    int result = avformat_write_header(output->muxer, &dictionary);
    av_dict_free(&dictionary);
    failed(output, result);
    return result >= 0;
}

static bool frame_make(struct render_output *output)
{
    output->wanted =
        output->encoder->frame_size > 0 ? (size_t)output->encoder->frame_size : PCM_FRAMES;
    output->packet = av_packet_alloc();
    output->frame = av_frame_alloc();
    if (!output->packet || !output->frame)
        return false;
    output->frame->format = output->encoder->sample_fmt;
    output->frame->sample_rate = output->encoder->sample_rate;
    output->frame->nb_samples = (int)output->wanted;
    return av_channel_layout_copy(&output->frame->ch_layout, &output->encoder->ch_layout) == 0 &&
           av_frame_get_buffer(output->frame, 0) == 0;
}

static void output_free(struct render_output *output)
{
    avcodec_free_context(&output->encoder);
    avformat_free_context(output->muxer);
    if (output->io) {
        av_freep(&output->io->buffer);
        avio_context_free(&output->io);
    }
    av_packet_free(&output->packet);
    av_frame_free(&output->frame);
    free(output);
}

struct render_output *render_output_create(const struct render_output_options *options, int fd)
{
    struct render_output *output = calloc(1, sizeof *output);
    if (!output)
        return NULL;
    output->row = &FORMATS[options->format];
    output->channels = options->channels;
    output->fd = fd;
    if (!muxer_open(output) || !encoder_open(output, options) || !header_write(output, options) ||
        !frame_make(output)) {
        int error = output->error ? output->error : ENOTSUP;
        output_free(output);
        errno = error;
        return NULL;
    }
    return output;
}

/* Into the encoder's frame, whose channels lie side by side or one after another. */
static void frame_fill(struct render_output *output, const int16_t *frames, size_t count)
{
    size_t channels = output->channels;
    if (!av_sample_fmt_is_planar(output->row->sample_format)) {
        memcpy((int16_t *)(void *)output->frame->data[0] + output->filled * channels, frames,
               count * channels * sizeof *frames);
        output->filled += count;
        return;
    }
    for (size_t c = 0; c < channels; c++) {
        int16_t *plane = (int16_t *)(void *)output->frame->extended_data[c] + output->filled;
        for (size_t i = 0; i < count; i++)
            plane[i] = frames[i * channels + c];
    }
    output->filled += count;
}

bool render_output_write(struct render_output *output, const int16_t *frames, size_t count)
{
    while (count > 0 && output->error == 0) {
        size_t room = output->wanted - output->filled;
        size_t run = count < room ? count : room;
        frame_fill(output, frames, run);
        frames += run * output->channels;
        count -= run;
        if (output->filled == output->wanted)
            frame_send(output);
    }
    return output->error == 0;
}

bool render_output_finish(struct render_output *output)
{
    if (output->error == 0 && output->filled > 0)
        frame_send(output);
    if (output->error == 0) {
        failed(output, avcodec_send_frame(output->encoder, NULL));
        packets_write(output);
        failed(output, av_write_trailer(output->muxer));
        avio_flush(output->io);
        failed(output, output->io->error);
    }
    int error = output->error;
    output_free(output);
    errno = error;
    return error == 0;
}
