/* clip: the sound a stream sends, as RTP payloads made beforehand: a tone, or a file's channel, in
 * one codec.
 * Shared by all calls, never changed afterwards, played in a loop.
 * Not here: packets and their timing (sender.c). RFC 3551 §4.5 (payload types), 4867 §4.4 (AMR),
 * 7587 (Opus). */
#ifndef TOOLS_SIPREC_CALL_CLIP_H
#define TOOLS_SIPREC_CALL_CLIP_H

#include "base/view.h"

#define CALL_PTIME_MS 20

struct call_codec {
    const char *name;     /* as --codec and rtpmap write it */
    uint8_t payload_type; /* offered with this number */
    uint32_t clock_hz;    /* of RTP timestamps */
    uint32_t sample_hz;   /* of the sound */
    const char *rtpmap;   /* "PCMU/8000" */
    const char *fmtp;     /* NULL: none */
    const char *encoder;  /* libavcodec's; NULL: made here */
};

/* NULL when there is no such codec. name without case. */
const struct call_codec *call_codec_find(struct view name);
const struct call_codec *call_codec_by_rtpmap(struct view rtpmap);

/* The frequency of stream i's tone: 440, 660, 880 ... up to 3080 Hz, then from 440 again. */
unsigned call_tone_hz(size_t stream);

struct call_clip {
    const struct call_codec *codec;
    struct view *frames; /* payloads of CALL_PTIME_MS each */
    size_t count;        /* at least 1 */
    struct view silence; /* one payload of coded silence */
    char *bytes;         /* what the views point into */
};

/* Sound before coding: mono, sample_hz of the codec, length a multiple of a frame. */
struct call_sound {
    int16_t *samples;
    size_t count;
};

/* Makes a clip; NULL with a reason in error when the codec cannot be made here. */
struct call_clip *call_clip_tone(const struct call_codec *codec, unsigned hz, char *error,
                                 size_t size);
/* Of channel (modulo what the file has) of an audio file, read by FFmpeg's libraries. */
struct call_clip *call_clip_file(const struct call_codec *codec, const char *path, unsigned channel,
                                 char *error, size_t size);
void call_clip_destroy(struct call_clip *clip);

/* decode.c: reads a whole file; false with a reason. Free sound->samples. */
WARN_UNUSED bool call_sound_read(const char *path, uint32_t sample_hz, unsigned channel,
                                 struct call_sound *sound, char *error, size_t size);
/* encode.c: codes sound by libavcodec into clip (frames, bytes, count); false with a reason. */
WARN_UNUSED bool call_clip_encode(struct call_clip *clip, const struct call_sound *sound,
                                  char *error, size_t size);

#endif
