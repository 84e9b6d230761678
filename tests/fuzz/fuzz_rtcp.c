/* fuzz_rtcp: any datagram through the compound reader and every accessor. */
#include "rtp/rtcp.h"

#include <assert.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct rtcp_reader r = rtcp_reader_of(view_of(data, size));
    struct rtcp_packet p;
    size_t packets = 0;
    enum rtcp_result checked = rtcp_check(view_of(data, size));
    assert(checked <= RTCP_TRUNCATED);
    while (rtcp_reader_next(&r, &p)) {
        struct rtcp_report_block b;
        struct view text;
        uint32_t ssrc;
        for (size_t i = 0; rtcp_report_block_get(&p, i, &b); i++)
            assert(b.cumulative_lost >= -0x800000 && b.cumulative_lost <= 0x7fffff);
        for (size_t i = 0; rtcp_bye_ssrc(&p, i, &ssrc); i++)
            assert(i < 31);
        if (rtcp_sdes_cname(&p, p.ssrc, &text))
            assert(text.len <= 255 &&
                   (text.len == 0 || (const uint8_t *)text.at + text.len <= data + size));
        text = rtcp_bye_reason(&p);
        assert(text.len == 0 || (const uint8_t *)text.at + text.len <= data + size);
        packets++;
    }
    assert(packets <= size / 4);
    assert(checked == RTCP_FIRST || (checked == RTCP_OK) == (r.result == RTCP_OK));
    return 0;
}
