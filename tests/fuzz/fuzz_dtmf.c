/* fuzz_dtmf: streams of telephone-event packets, four bytes of network before each payload. */
#include "rtp/dtmf.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rtp_dtmf d;
    struct rtp_digit digits[RTP_DTMF_DIGITS_MAX], last;
    struct rtp_packet p = {0};
    struct wall now = {0};
    size_t packets = 0, heard = 0;
    rtp_dtmf_init(&d, 8000);
    while (size >= 4) {
        size_t len = data[3] & 0x7f;
        p.timestamp += (uint32_t)data[0] << 8 | data[1];
        p.marker = data[2] & 1;
        now.ns += (int64_t)data[2] * 10 * NS_PER_MS;
        data += 4;
        size -= 4;
        if (len > size)
            len = size;
        p.payload = view_of(data, len);
        size_t n = rtp_dtmf_input(&d, &p, now, digits);
        assert(n <= RTP_DTMF_DIGITS_MAX);
        heard += n;
        packets += 1 + len / 4;
        data += len;
        size -= len;
        heard += rtp_dtmf_expire(&d, now, &last);
    }
    heard += rtp_dtmf_flush(&d, &last);
    assert(heard <= packets);
    return 0;
}
