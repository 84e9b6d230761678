/* decoder: one sender's codec state: frames in, 16-bit mono samples at the codec's rate out.
 * Not here: cutting payloads into frames (payload.h), placing the sound (track.h).
 * G.711 and L16 are done here, everything else by FFmpeg's libavcodec. */
#ifndef RENDER_DECODER_H
#define RENDER_DECODER_H

#include "render/payload.h"

/* 120 ms of Opus at 48 kHz is the longest frame there is (RFC 6716 §2); 64 frames of 30 ms iLBC or
 * 65,507 octets of G.722 are within it too once cut to this. */
#define RENDER_DECODED_MAX 16384

struct render_decoder;

/* NULL when the codec cannot be decoded here. */
WARN_UNUSED struct render_decoder *render_decoder_create(const struct render_codec *codec);
void render_decoder_destroy(struct render_decoder *decoder);

/* Decodes one frame of RENDER_FRAME_SPEECH into samples, at most RENDER_DECODED_MAX of them. False
 * when the decoder refused it; *count is how many samples there are. */
WARN_UNUSED bool render_decoder_input(struct render_decoder *decoder,
                                      const struct render_frame *frame, int16_t *samples,
                                      size_t *count);

#endif
