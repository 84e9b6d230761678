/* frame: ChannelData and stream framing.
 * Not here: STUN's inside.
 * RFC 8656 §12.4-12.6. */
#include "turn/frame.h"

#include "base/reader.h"

static size_t padded(size_t n)
{
    return (n + 3) & ~(size_t)3;
}

void turn_channel_data_encode(struct writer *w, uint16_t channel, struct view data, bool stream)
{
    if (data.len > UINT16_MAX) {
        w->failed = true;
        return;
    }
    writer_u16(w, channel);
    writer_u16(w, (uint16_t)data.len);
    writer_view(w, data);
    if (stream)
        writer_fill(w, 0, padded(data.len) - data.len);
}

bool turn_channel_data_decode(struct view message, uint16_t *channel, struct view *data)
{
    struct reader r = reader_of(message);
    uint16_t number = reader_u16(&r);
    uint16_t len = reader_u16(&r);
    struct view value = reader_view(&r, len);
    /* §12.6: over UDP bytes may follow the data; a number outside the range is to be discarded. */
    if (r.failed || number < TURN_CHANNEL_MIN || number > TURN_CHANNEL_MAX)
        return false;
    *channel = number;
    *data = value;
    return true;
}

enum turn_frame turn_frame_next(struct view received, size_t *len)
{
    struct reader r = reader_of(received);
    uint16_t type = reader_u16(&r);
    uint16_t length = reader_u16(&r);
    if (received.len > 0 && (uint8_t)received.at[0] > 0x4f)
        return TURN_FRAME_BROKEN;
    if (r.failed)
        return TURN_FRAME_MORE;
    /* The first two bits tell them apart (§12.6): 00 STUN, 01 ChannelData. */
    if (type < TURN_CHANNEL_MIN) {
        if (length % 4 != 0)
            return TURN_FRAME_BROKEN;
        *len = 20u + length;
    } else {
        *len = padded(TURN_CHANNEL_HEADER + (size_t)length);
    }
    return received.len >= *len ? TURN_FRAME_WHOLE : TURN_FRAME_MORE;
}
