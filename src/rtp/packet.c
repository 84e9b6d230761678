/* packet: RTP headers, decoded with every length checked against what is there.
 * Not here: what the numbers mean over time (sequence.c).
 * RFC 3550 §5.1, §5.3.1, Appendix A.1 (header validity). */
#include "rtp/packet.h"

static uint16_t load_u16(const char *at)
{
    return (uint16_t)((uint8_t)at[0] << 8 | (uint8_t)at[1]);
}

static uint32_t load_u32(const char *at)
{
    return (uint32_t)load_u16(at) << 16 | load_u16(at + 2);
}

enum rtp_packet_result rtp_packet_decode(struct rtp_packet *packet, struct view datagram)
{
    if (datagram.len < RTP_HEADER_SIZE)
        return RTP_PACKET_SHORT;
    const char *at = datagram.at;
    uint8_t first = (uint8_t)at[0], second = (uint8_t)at[1];
    if (first >> 6 != 2)
        return RTP_PACKET_VERSION;
    struct view rest = view_skip(datagram, RTP_HEADER_SIZE);
    struct view extension = VIEW_NONE;
    size_t csrc_len = (size_t)(first & 0x0f) * 4;
    uint16_t extension_profile = 0;
    uint8_t padding = 0;
    if (csrc_len > rest.len)
        return RTP_PACKET_CSRC;
    rest = view_skip(rest, csrc_len);
    if (first & 0x10) {
        /* §5.3.1: 16 bits of the profile's choice, then a length in words that does not count
         * these four bytes; zero is valid. */
        if (rest.len < 4)
            return RTP_PACKET_EXTENSION;
        size_t extension_len = (size_t)load_u16(rest.at + 2) * 4;
        extension_profile = load_u16(rest.at);
        rest = view_skip(rest, 4);
        if (extension_len > rest.len)
            return RTP_PACKET_EXTENSION;
        extension = view_take(rest, extension_len);
        rest = view_skip(rest, extension_len);
    }
    if (first & 0x20) {
        /* §5.1: the last byte counts the padding, itself included. */
        if (rest.len == 0)
            return RTP_PACKET_PADDING;
        padding = (uint8_t)rest.at[rest.len - 1];
        if (padding == 0 || padding > rest.len)
            return RTP_PACKET_PADDING;
        rest = view_take(rest, rest.len - padding);
    }
    *packet = (struct rtp_packet){
        .payload_type = second & 0x7f,
        .marker = second & 0x80,
        .has_extension = first & 0x10,
        .seq = load_u16(at + 2),
        .timestamp = load_u32(at + 4),
        .ssrc = load_u32(at + 8),
        .csrc = view_take(view_skip(datagram, RTP_HEADER_SIZE), csrc_len),
        .extension_profile = extension_profile,
        .extension = extension,
        .payload = rest,
        .padding = padding,
    };
    return RTP_PACKET_OK;
}

void rtp_packet_encode(const struct rtp_packet *packet, struct writer *out)
{
    size_t csrc_count = rtp_packet_csrc_count(packet);
    writer_u8(out, (uint8_t)(2 << 6 | (packet->padding ? 0x20 : 0) |
                             (packet->has_extension ? 0x10 : 0) | (csrc_count & 0x0f)));
    writer_u8(out, (uint8_t)((packet->marker ? 0x80 : 0) | (packet->payload_type & 0x7f)));
    writer_u16(out, packet->seq);
    writer_u32(out, packet->timestamp);
    writer_u32(out, packet->ssrc);
    writer_view(out, view_take(packet->csrc, (csrc_count & 0x0f) * 4));
    if (packet->has_extension) {
        size_t words = (packet->extension.len + 3) / 4;
        writer_u16(out, packet->extension_profile);
        writer_u16(out, (uint16_t)words);
        writer_view(out, packet->extension);
        writer_fill(out, 0, words * 4 - packet->extension.len);
    }
    writer_view(out, packet->payload);
    if (packet->padding) {
        writer_fill(out, 0, (size_t)packet->padding - 1);
        writer_u8(out, packet->padding);
    }
}

size_t rtp_packet_csrc_count(const struct rtp_packet *packet)
{
    return packet->csrc.len / 4;
}

uint32_t rtp_packet_csrc(const struct rtp_packet *packet, size_t i)
{
    return i < rtp_packet_csrc_count(packet) ? load_u32(packet->csrc.at + i * 4) : 0;
}
