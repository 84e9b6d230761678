/* Fuzz target: messages cut out of a stream of STUN and ChannelData. */
#include "turn/frame.h"

#include <assert.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view rest = view_of(data, size);
    size_t len = 0;
    while (turn_frame_next(rest, &len) == TURN_FRAME_WHOLE) {
        uint16_t channel;
        struct view value;
        uint8_t again[70000];
        assert(len > 0 && len <= rest.len);
        struct view message = view_take(rest, len);
        if (turn_channel_data_decode(message, &channel, &value)) {
            struct writer w = writer_of(again, sizeof again);
            turn_channel_data_encode(&w, channel, value, true);
            /* All but the padding, which may be anything. */
            assert(w.len == len && memcmp(again, message.at, 4 + value.len) == 0);
        }
        rest = view_skip(rest, len);
    }
    /* Less of a message never is a whole one. */
    for (size_t i = 0; i < rest.len && i < 24; i++) {
        size_t part = 0;
        enum turn_frame result = turn_frame_next(view_take(rest, i), &part);
        assert(result != TURN_FRAME_WHOLE || part <= i);
    }
    return 0;
}
