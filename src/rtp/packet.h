/* packet: one RTP packet, its header taken apart and put together.
 * Not here: order and loss (sequence.h), whose packet it is (source.h), codecs.
 * RFC 3550 §5.1 and §5.3.1, RFC 3551 for payload types. */
#ifndef RTP_PACKET_H
#define RTP_PACKET_H

#include "base/writer.h"

#define RTP_HEADER_SIZE 12

enum rtp_packet_result {
    RTP_PACKET_OK,
    RTP_PACKET_SHORT,     /* fewer than 12 bytes */
    RTP_PACKET_VERSION,   /* not version 2 */
    RTP_PACKET_CSRC,      /* the CSRC list runs past the end */
    RTP_PACKET_EXTENSION, /* the header extension runs past the end */
    RTP_PACKET_PADDING,   /* P is set and the last byte counts 0 or more than there is */
};

struct rtp_packet {
    uint8_t payload_type; /* 0..127 */
    bool marker;
    bool has_extension;
    uint16_t seq;
    uint32_t timestamp;
    uint32_t ssrc;
    struct view csrc;           /* 4 bytes each, network order; borrowed like all views here */
    uint16_t extension_profile; /* RFC 8285: 0xBEDE or 0x100X */
    struct view extension;      /* without its 4-byte header */
    struct view payload;        /* without padding; empty is legal (keepalives) */
    uint8_t padding;            /* bytes cut off, the count included */
};

/* Borrows the datagram. *packet is set only when the result is RTP_PACKET_OK. */
WARN_UNUSED enum rtp_packet_result rtp_packet_decode(struct rtp_packet *packet,
                                                     struct view datagram);

/* Appends the packet; extension length is rounded up to words with zeros;
 * padding bytes when not 0. */
void rtp_packet_encode(const struct rtp_packet *packet, struct writer *out);

/* CSRC number i < rtp_packet_csrc_count(). */
size_t rtp_packet_csrc_count(const struct rtp_packet *packet);
uint32_t rtp_packet_csrc(const struct rtp_packet *packet, size_t i);

#endif
