/* payload: cuts one RTP payload into the frames a decoder takes, one at a time.
 * Not here: decoding them (decoder.h), timestamps and sequence numbers (clock.h).
 * RFC 4867 §4 (AMR, AMR-WB), 3952 §3 (iLBC), 3551 §4.5 (G.729, GSM, G.722), 7587 §4.2 (Opus). */
#ifndef RENDER_PAYLOAD_H
#define RENDER_PAYLOAD_H

#include "render/codec.h"

enum {
    RENDER_PAYLOAD_FRAMES = 64, /* 64 frames of 10 ms or more: nobody sends 640 ms in one packet */
    RENDER_PAYLOAD_SCRATCH = 8192, /* AMR frames moved to octet boundaries: 64 x 62 bytes at most */
};

enum render_frame_kind {
    RENDER_FRAME_SPEECH,
    RENDER_FRAME_COMFORT, /* silence descriptor: the sender is quiet (G.729 B, AMR SID) */
    RENDER_FRAME_MISSING, /* the sender says it has nothing, or that the frame is damaged */
};

struct render_frame {
    enum render_frame_kind kind;
    struct view bytes; /* what the decoder gets; AMR: storage format, table of contents first */
    uint32_t samples;  /* at the codec's audio rate; 0 = as many as the decoder makes (Opus) */
};

/* The frames of one payload. `broken` says that the payload did not follow its format; the frames
 * found before the fault stand. Views point into the payload or into `scratch`. */
struct render_payload {
    struct render_frame frames[RENDER_PAYLOAD_FRAMES];
    size_t count;
    bool broken;
    uint8_t scratch[RENDER_PAYLOAD_SCRATCH];
};

/* Cuts `bytes` (borrowed until the frames are used) by the rules of `codec`. */
void render_payload_split(struct render_payload *payload, const struct render_codec *codec,
                          struct view bytes);

#endif
