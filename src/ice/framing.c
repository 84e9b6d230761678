/* framing: length and packet.
 * Not here: buffers.
 * RFC 4571 §2. */
#include "ice/framing.h"

#include "base/reader.h"

void ice_framing_encode(struct writer *w, struct view packet)
{
    if (packet.len > ICE_FRAMING_MAX) {
        w->failed = true;
        return;
    }
    writer_u16(w, (uint16_t)packet.len);
    writer_view(w, packet);
}

bool ice_framing_next(struct view received, struct view *packet, size_t *used)
{
    struct reader r = reader_of(received);
    uint16_t len = reader_u16(&r);
    struct view value = reader_view(&r, len);
    if (r.failed)
        return false;
    *packet = value;
    *used = ICE_FRAMING_HEADER + (size_t)len;
    return true;
}
