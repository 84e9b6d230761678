/* fuzz_rtp: any datagram through demultiplexing, header, source rules and sequence; what decodes
 * encodes to the same. */
#include "rtp/demux.h"
#include "rtp/sequence.h"
#include "rtp/source.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void again(const struct rtp_packet *p, struct view datagram)
{
    struct rtp_packet q;
    char *bytes = malloc(datagram.len + 4);
    struct writer out = writer_of(bytes, datagram.len + 4);
    rtp_packet_encode(p, &out);
    assert(rtp_packet_decode(&q, writer_done(&out)) == RTP_PACKET_OK);
    assert(q.seq == p->seq && q.timestamp == p->timestamp && q.ssrc == p->ssrc &&
           q.padding == p->padding);
    assert(view_equal(q.payload, p->payload) && view_equal(q.csrc, p->csrc));
    assert(out.len == datagram.len);
    free(bytes);
}

/* Two bytes each: what the network does to a stream, and to whose. */
static void play(struct view bytes)
{
    struct addr addresses[4] = {
        addr_v4(192, 0, 2, 1, 4000), addr_v4(192, 0, 2, 1, 4002), addr_v4(198, 51, 100, 1, 9), {0}};
    struct rtp_source source;
    struct rtp_sequence sequence;
    struct rtp_packet p = {0};
    struct tick now = {0};
    rtp_source_init(&source, &addresses[0]);
    rtp_sequence_init(&sequence, 8000);
    for (; bytes.len >= 2; bytes = view_skip(bytes, 2)) {
        uint8_t a = (uint8_t)bytes.at[0], b = (uint8_t)bytes.at[1];
        struct rtp_position at;
        p.seq = (uint16_t)(a & 0x80 ? b << 8 : p.seq + (a >> 4 & 7));
        p.ssrc = a & 1;
        p.timestamp += b;
        now = tick_add_ms(now, b);
        struct rtp_source_verdict v = rtp_source_input(&source, &addresses[a >> 1 & 3], &p, now);
        assert(v.class != RTP_SOURCE_ACCEPT || source.has_ssrc);
        (void)rtp_sequence_update(&sequence, p.seq, p.timestamp, (struct wall){now.ns}, &at);
        assert((uint16_t)at.seq == p.seq && (uint32_t)at.timestamp == p.timestamp);
        assert(rtp_sequence_lost(&sequence) <= (uint64_t)1 << 40);
        if (b == 255)
            rtp_source_renegotiate(&source, &addresses[a & 3]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct view datagram = view_of(data, size);
    struct rtp_packet p;
    (void)rtp_demux(datagram);
    if (rtp_packet_decode(&p, datagram) == RTP_PACKET_OK) {
        for (size_t i = 0; i < rtp_packet_csrc_count(&p); i++)
            (void)rtp_packet_csrc(&p, i);
        if (p.extension.len % 4 == 0)
            again(&p, datagram);
    }
    play(datagram);
    return 0;
}
