/* codec: the audio formats that can be recorded and rendered, how SDP names them, and what to
 * answer about them.
 * Not here: m-lines (session.h), choosing among formats (answer.h), decoding (render).
 * RFC 3551 §6 (static payload types), 8866 §6.6, and each payload format's own offer/answer
 * section. */
#ifndef SDP_CODEC_H
#define SDP_CODEC_H

#include "base/view.h"
#include "base/writer.h"

enum sdp_codec {
    SDP_CODEC_UNKNOWN,
    SDP_CODEC_PCMU,
    SDP_CODEC_PCMA,
    SDP_CODEC_G722,
    SDP_CODEC_G729,
    SDP_CODEC_OPUS,
    SDP_CODEC_AMR,
    SDP_CODEC_AMR_WB,
    SDP_CODEC_ILBC,
    SDP_CODEC_GSM,
    SDP_CODEC_L16,
    SDP_CODEC_TELEPHONE_EVENT,
    SDP_CODEC_CN,
    SDP_CODEC_COUNT,
};

/* One payload type of an m-line. The views borrow the SDP's text. */
struct sdp_format {
    uint8_t payload_type; /* 0..127 */
    enum sdp_codec codec;
    uint8_t channels; /* 1 unless the rtpmap says otherwise */
    bool mapped; /* an rtpmap line named it; otherwise it is the static assignment, or unknown */
    uint32_t clock_hz; /* RTP clock; 0 when unknown */
    struct view name;  /* encoding name as written, or the static one; empty when unknown */
    struct view fmtp;  /* everything behind "a=fmtp:<pt> ", trimmed; empty when there is none */
};

/* The encoding name as its RFC writes it: "PCMU", "telephone-event"; "unknown". */
const char *sdp_codec_name(enum sdp_codec codec);
/* By encoding name, ASCII case ignored, with the misspellings seen in the field. */
enum sdp_codec sdp_codec_find(struct view name);
/* Carries voice: neither telephone-event nor comfort noise nor unknown. */
bool sdp_codec_is_voice(enum sdp_codec codec);

/* A format of which only the payload type is known: RFC 3551 §6 table 4, and 19, comfort noise's
 * old number. */
struct sdp_format sdp_format_static(uint8_t payload_type);
/* Applies the rtpmap value behind the payload type,
 * "pcmu/8000a" and "PCMU" included. Borrows map. */
void sdp_format_apply_rtpmap(struct sdp_format *format, struct view map);
/* True when what the format carries can be rendered: codec, clock, channels and fmtp all known. */
bool sdp_format_can_take(const struct sdp_format *format);

/* The value of a parameter in "a=b; c=d" (name's case ignored); false when it is not there. A
 * parameter without "=" has an empty value. Borrows fmtp. */
bool sdp_fmtp_find(struct view fmtp, struct view name, struct view *value);

/* Writes "a=rtpmap:" and, where the payload format wants one in an answer, "a=fmtp:" for a format
 * that can be taken, as a receiver of it answers. */
void sdp_format_print(struct writer *w, const struct sdp_format *format);

#endif
