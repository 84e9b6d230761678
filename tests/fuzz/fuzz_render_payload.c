/* fuzz_render_payload: the first bytes choose the codec and its parameters, the rest is one
 * payload: cut into frames, and those decoded. */
#include "render/decoder.h"

#include <assert.h>
#include <libavutil/log.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const fmtps[] = {"",        "octet-align=1",  "crc=1",
                                        "mode=20", "interleaving=3", "mode-set=7"};
    static struct render_payload payload;
    static int16_t samples[RENDER_DECODED_MAX];
    static const uint32_t clocks[] = {8000, 16000, 48000, 44100};
    if (size < 4)
        return 0;
    av_log_set_level(AV_LOG_QUIET);
    struct sdp_format format = {
        .codec = (enum sdp_codec)(data[0] % SDP_CODEC_COUNT),
        .clock_hz = clocks[data[1] & 3],
        .channels = (uint8_t)((data[1] >> 2 & 1) + 1),
        .fmtp = view_of_string(fmtps[data[2] % 6]),
    };
    struct render_codec codec;
    render_codec_set(&codec, &format);
    render_payload_split(&payload, &codec, view_of(data + 3, size - 3));
    assert(payload.count <= RENDER_PAYLOAD_FRAMES);
    struct render_decoder *decoder = render_decoder_create(&codec);
    for (size_t i = 0; i < payload.count; i++) {
        size_t count = 0;
        if (decoder == NULL || payload.frames[i].kind != RENDER_FRAME_SPEECH)
            continue;
        (void)!render_decoder_input(decoder, &payload.frames[i], samples, &count);
        assert(count <= RENDER_DECODED_MAX);
    }
    render_decoder_destroy(decoder);
    return 0;
}
