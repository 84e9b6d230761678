/* fuzz_render_clock: each 8 bytes are a packet: whatever timestamps, sequence numbers and arrivals,
 * no packet is placed after it came or long before, and memory stays bounded. */
#include "render/clock.h"

#include "base/reader.h"

#include <assert.h>
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define PACKETS_MAX 4096

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint32_t rates[] = {8000, 8000, 8000, 8000, 8000, 16000, 48000, 1};
    static struct render_stamp stamps[PACKETS_MAX];
    struct render_clock clock;
    struct reader in = reader_of(view_of(data, size));
    size_t count = 0;
    uint32_t timestamp = 0;
    uint16_t seq = 0;
    int64_t now = 1;
    render_clock_init(&clock);
    while (reader_left(&in) >= 8 && count < PACKETS_MAX) {
        uint8_t how = reader_u8(&in), late = reader_u8(&in);
        uint16_t step = reader_u16(&in);
        uint32_t value = reader_u32(&in);
        /* Mostly a plain stream, so that there is a line to leave. */
        seq = (uint16_t)(seq + (how & 0x80 ? step : 1));
        timestamp = how & 0x40 ? value : timestamp + 160;
        now += how & 0x20 ? (int64_t)value * 1000 : 20 * NS_PER_MS;
        stamps[count] = (struct render_stamp){.ordinal = count,
                                              .seq = seq,
                                              .timestamp = timestamp,
                                              .clock_hz = rates[how & 7],
                                              .arrival = {now + late * NS_PER_MS}};
        bool ok = render_clock_observe(&clock, &stamps[count++]);
        assert(ok);
    }
    bool ok = render_clock_end(&clock);
    assert(ok && clock.count <= RENDER_SEGMENTS_MAX);
    for (size_t i = 0; i < count; i++) {
        int64_t rtp;
        const struct render_segment *segment = render_clock_find(&clock, &stamps[i], &rtp);
        if (segment == NULL)
            continue;
        assert((uint32_t)rtp == stamps[i].timestamp);
        int64_t age = stamps[i].arrival.ns - render_segment_place(segment, rtp).ns;
        assert(age >= -NS_PER_S && age <= 31 * NS_PER_S);
    }
    render_clock_release(&clock);
    return 0;
}
