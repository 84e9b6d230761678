/* codec: what the decoders must know about one payload type as it was negotiated.
 * Not here: decoding (decoder.h), the table of names (sdp/codec.h).
 * RFC 3551 §4.5.2 (G.722's clock), 4867 §8 (AMR), 3952 §4.2 (iLBC), 7587 (Opus). */
#ifndef RENDER_CODEC_H
#define RENDER_CODEC_H

#include "sdp/codec.h"

/* `clock_hz` counts RTP timestamps, `audio_hz` samples: they differ for G.722, whose clock is 8000
 * by an old mistake that became the rule (RFC 3551 §4.5.2). */
struct render_codec {
    enum sdp_codec kind;
    uint32_t clock_hz;
    uint32_t audio_hz;
    uint32_t channels; /* in the payload; only L16, PCMU and PCMA may have more than one */
    uint32_t ilbc_ms;  /* 20 or 30 */
    bool octet_align;  /* RFC 4867 §8.1 */
    bool crc;          /* RFC 4867 §8.1, implies octet_align */
    bool undecodable;  /* AMR interleaved or robustly sorted, unknown names, absurd rates */
};

/* Copies what matters out of `format`, which need not stay. */
void render_codec_set(struct render_codec *codec, const struct sdp_format *format);

bool render_codec_equal(const struct render_codec *a, const struct render_codec *b);

#endif
