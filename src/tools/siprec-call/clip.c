/* clip: the sound a stream sends, as RTP payloads made beforehand; see clip.h.
 * Not here: libavcodec (encode.c) and libavformat (decode.c).
 * ITU-T G.711 for the companding; RFC 3551 §4.5. */
#include "tools/siprec-call/clip.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Dynamic numbers are ours to choose; the static ones are RFC 3551 §6. */
static const struct call_codec codecs[] = {
    {"PCMU", 0, 8000, 8000, "PCMU/8000", NULL, NULL},
    {"PCMA", 8, 8000, 8000, "PCMA/8000", NULL, NULL},
    {"L16", 96, 16000, 16000, "L16/16000", NULL, NULL},
    /* RFC 3551 §4.5.2: the clock says 8000 though it samples at 16000. */
    {"G722", 9, 8000, 16000, "G722/8000", NULL, "g722"},
    {"GSM", 3, 8000, 8000, "GSM/8000", NULL, "libgsm"},
    {"OPUS", 111, 48000, 48000, "opus/48000/2", "useinbandfec=1", "libopus"},
    {"AMR", 97, 8000, 8000, "AMR/8000", "octet-align=1", "libopencore_amrnb"},
    {"AMR-WB", 98, 16000, 16000, "AMR-WB/16000", "octet-align=1", "libvo_amrwbenc"},
};

#define CODEC_COUNT  (sizeof codecs / sizeof codecs[0])
#define TONE_COUNT   13 /* up to 3080 Hz: inside the telephone band */
#define TONE_SECONDS 2  /* whole cycles of every tone, so that the loop has no click */
#define TONE_LEVEL   9000.0

const struct call_codec *call_codec_find(struct view name)
{
    for (size_t i = 0; i < CODEC_COUNT; i++) {
        if (view_equal_nocase(name, view_of_string(codecs[i].name)))
            return &codecs[i];
    }
    return NULL;
}

const struct call_codec *call_codec_by_rtpmap(struct view rtpmap)
{
    for (size_t i = 0; i < CODEC_COUNT; i++) {
        struct view known = view_of_string(codecs[i].rtpmap);
        /* "PCMU/8000/1" is the same thing (RFC 8866 §6.6). */
        if (view_starts_with_nocase(rtpmap, known) &&
            (rtpmap.len == known.len || rtpmap.at[known.len] == '/'))
            return &codecs[i];
    }
    return NULL;
}

unsigned call_tone_hz(size_t stream)
{
    return 440 + 220 * (unsigned)(stream % TONE_COUNT);
}

/* G.711 µ-law: bias, segment, four bits of mantissa, all inverted. */
static uint8_t ulaw_encode(int16_t sample)
{
    int value = sample, sign = 0;
    if (value < 0) {
        value = -value;
        sign = 0x80;
    }
    if (value > 32635)
        value = 32635;
    value += 0x84;
    int segment = 7;
    for (int mask = 0x4000; segment > 0 && !(value & mask); mask >>= 1)
        segment--;
    return (uint8_t) ~(sign | (segment << 4) | ((value >> (segment + 3)) & 0x0f));
}

/* G.711 A-law: every second bit inverted. */
static uint8_t alaw_encode(int16_t sample)
{
    int value = sample, sign = 0x80;
    if (value < 0) {
        value = -value - 1;
        sign = 0;
    }
    int segment = 7;
    for (int mask = 0x4000; segment > 0 && !(value & mask); mask >>= 1)
        segment--;
    int mantissa = segment > 0 ? (value >> (segment + 3)) & 0x0f : (value >> 4) & 0x0f;
    return (uint8_t)((sign | (segment << 4) | mantissa) ^ 0x55);
}

/* Codes a sample of one of our own codecs; the bytes written. */
static size_t sample_put(const struct call_codec *codec, int16_t sample, char *out)
{
    if (codec->payload_type == 0) {
        out[0] = (char)ulaw_encode(sample);
        return 1;
    }
    if (codec->payload_type == 8) {
        out[0] = (char)alaw_encode(sample);
        return 1;
    }
    out[0] = (char)(uint8_t)((uint16_t)sample >> 8); /* L16: network order, RFC 3551 §4.5.11 */
    out[1] = (char)(uint8_t)sample;
    return 2;
}

static size_t frame_samples(const struct call_codec *codec)
{
    return codec->sample_hz / 1000 * CALL_PTIME_MS;
}

/* The last frame is one of silence. */
static bool clip_code_here(struct call_clip *clip, const struct call_sound *sound)
{
    size_t samples = frame_samples(clip->codec);
    size_t width = !clip->codec->encoder && clip->codec->sample_hz == 16000 ? 2 : 1;
    clip->count = sound->count / samples;
    clip->bytes = malloc((clip->count + 1) * samples * width);
    clip->frames = calloc(clip->count + 1, sizeof *clip->frames);
    if (!clip->bytes || !clip->frames)
        return false;
    char *at = clip->bytes;
    for (size_t i = 0; i <= clip->count; i++) {
        clip->frames[i] = view_of(at, samples * width);
        for (size_t k = 0; k < samples; k++)
            at +=
                sample_put(clip->codec, i < clip->count ? sound->samples[i * samples + k] : 0, at);
    }
    clip->silence = clip->frames[clip->count];
    return true;
}

static struct call_clip *clip_make(const struct call_codec *codec, const struct call_sound *sound,
                                   char *error, size_t size)
{
    struct call_clip *clip = calloc(1, sizeof *clip);
    if (!clip)
        return NULL;
    clip->codec = codec;
    bool made =
        codec->encoder ? call_clip_encode(clip, sound, error, size) : clip_code_here(clip, sound);
    if (made)
        return clip;
    call_clip_destroy(clip);
    return NULL;
}

struct call_clip *call_clip_tone(const struct call_codec *codec, unsigned hz, char *error,
                                 size_t size)
{
    snprintf(error, size, "out of memory");
    struct call_sound sound = {.count = (size_t)codec->sample_hz * TONE_SECONDS};
    sound.samples = malloc(sound.count * sizeof *sound.samples);
    if (!sound.samples)
        return NULL;
    for (size_t i = 0; i < sound.count; i++) {
        double phase = 2.0 * M_PI * (double)hz * (double)i / (double)codec->sample_hz;
        sound.samples[i] = (int16_t)lrint(TONE_LEVEL * sin(phase));
    }
    struct call_clip *clip = clip_make(codec, &sound, error, size);
    free(sound.samples);
    return clip;
}

struct call_clip *call_clip_file(const struct call_codec *codec, const char *path, unsigned channel,
                                 char *error, size_t size)
{
    struct call_sound sound = {0};
    if (!call_sound_read(path, codec->sample_hz, channel, &sound, error, size))
        return NULL;
    struct call_clip *clip = NULL;
    if (sound.count >= frame_samples(codec))
        clip = clip_make(codec, &sound, error, size);
    else
        snprintf(error, size, "%s: less than %d ms of sound", path, CALL_PTIME_MS);
    free(sound.samples);
    return clip;
}

void call_clip_destroy(struct call_clip *clip)
{
    if (!clip)
        return;
    free(clip->frames);
    free(clip->bytes);
    free(clip);
}
