/* frame: ChannelData, and where one message ends on a stream that carries STUN and ChannelData.
 * Not here: what is in a STUN message (stun), connections (io).
 * RFC 8656 §12.4-12.6, §3.1. */
#ifndef TURN_FRAME_H
#define TURN_FRAME_H

#include "base/writer.h"

#define TURN_CHANNEL_MIN    0x4000
#define TURN_CHANNEL_MAX    0x4fff
#define TURN_CHANNEL_HEADER 4

/* Number and length before the data; over a stream (TCP, TLS) padded to 4 bytes,
 * over UDP not (§12.5). */
void turn_channel_data_encode(struct writer *w, uint16_t channel, struct view data, bool stream);
/* False when it is no whole ChannelData message of a channel in 0x4000..0x4fff. Borrows. */
WARN_UNUSED bool turn_channel_data_decode(struct view message, uint16_t *channel,
                                          struct view *data);

enum turn_frame {
    TURN_FRAME_MORE,   /* more bytes are needed */
    TURN_FRAME_WHOLE,  /* *len bytes are one message, with its padding */
    TURN_FRAME_BROKEN, /* neither STUN nor ChannelData: the connection is of no use any more */
};
/* Looks at what has come on a stream so far. */
enum turn_frame turn_frame_next(struct view received, size_t *len);

#endif
