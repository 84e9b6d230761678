/* Fuzz target: the same bytes as one piece and in small ones must give the same messages. */
#include "sip/stream.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A sum over what came out, in order. */
static uint64_t run(struct view bytes, size_t piece)
{
    struct sip_stream stream = {0};
    uint64_t sum = 17;
    while (bytes.len > 0) {
        struct view part = view_take(bytes, piece), message;
        enum sip_stream_result result;
        bytes = view_skip(bytes, piece);
        while ((result = sip_stream_next(&stream, &part, 4096, &message)) != SIP_STREAM_MORE) {
            sum = sum * 31 + (uint64_t)result;
            for (size_t i = 0; i < message.len; i++)
                sum = sum * 31 + (unsigned char)message.at[i];
        }
        assert(part.len == 0);
    }
    sip_stream_finish(&stream);
    return sum;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2 || size > 60000)
        return 0;
    struct view bytes = view_of(data + 1, size - 1);
    uint64_t whole = run(bytes, bytes.len);
    assert(whole == run(bytes, 1u + data[0] % 64));
    return 0;
}
