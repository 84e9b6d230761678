/* output: 16-bit samples into one audio file: wav (RF64 when it grows over 4 GiB), flac, Opus in
 * Ogg, mp3, by FFmpeg's libavformat and libavcodec.
 * Not here: opening files (main.c), the samples (mix.h).
 * RFC 7845 (Ogg Opus); EBU Tech 3306 (RF64). */
#ifndef RENDER_OUTPUT_H
#define RENDER_OUTPUT_H

#include "base/view.h"

enum render_format {
    RENDER_FORMAT_WAV,
    RENDER_FORMAT_FLAC,
    RENDER_FORMAT_OPUS,
    RENDER_FORMAT_MP3,
    RENDER_FORMAT_UNKNOWN,
};

/* "wav", "flac", "opus" (or "ogg"), "mp3"; case ignored. */
enum render_format render_format_find(struct view name);
const char *render_format_name(enum render_format format);
/* So many channels can be in one file. */
uint32_t render_format_channels(enum render_format format);

/* A wav of so many frames does not fit the 32-bit sizes of RIFF. */
bool render_output_is_large(int64_t frames, uint32_t channels);

struct render_output;

struct render_output_options {
    enum render_format format;
    uint32_t rate_hz;  /* 8000, 16000 or 48000 */
    uint32_t channels; /* <= render_format_channels(format) */
    bool large;        /* wav: write RF64 */
};

/* Writes into fd (borrowed), from its start; a pipe will do, but its header then states no length.
 * NULL with errno when it cannot. */
WARN_UNUSED struct render_output *render_output_create(const struct render_output_options *options,
                                                       int fd);
/* Interleaved. False when writing failed, now or before. */
WARN_UNUSED bool render_output_write(struct render_output *output, const int16_t *frames,
                                     size_t count);
/* Finishes the header and frees. False when anything failed; errno says what. */
WARN_UNUSED bool render_output_finish(struct render_output *output);

#endif
