/* packet: the IP, UDP and TCP headers that a journal puts around what was received; made and read.
 * Not here: blocks (writer.h, reader.h).
 * RFC 791, RFC 8200, RFC 768, RFC 9293, RFC 1071. */
#ifndef JOURNAL_PACKET_H
#define JOURNAL_PACKET_H

#include "base/addr.h"

#include <string.h>

enum journal_protocol {
    JOURNAL_PROTOCOL_TCP = 6,
    JOURNAL_PROTOCOL_UDP = 17,
    JOURNAL_PROTOCOL_NONE = 59, /* RFC 8200 §4.7: nothing follows */
};

/* What one datagram can carry: 16 bits of length, less the headers of UDP and IPv4. */
#define JOURNAL_UDP_PAYLOAD_MAX 65507
#define JOURNAL_IP_PACKET_MAX   65535
/* The largest head: IPv6 and TCP. */
#define JOURNAL_HEAD_MAX 60

/* Ones' complement sum (RFC 1071) of bytes, in the machine's byte order as §2(B) allows: folded
 * sums may be added up and stored as they are. A piece of odd length must be the last. */
static inline uint32_t journal_sum(const void *bytes, size_t len)
{
    const uint8_t *at = bytes;
    uint64_t sum = 0;
    for (; len >= 8; at += 8, len -= 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        sum += word;
        sum += sum < word;
    }
    uint64_t last = 0;
    memcpy(&last, at, len);
    sum += last;
    sum += sum < last;
    sum = (sum >> 32) + (sum & 0xffffffff);
    sum = (sum >> 32) + (sum & 0xffffffff);
    sum = (sum >> 16) + (sum & 0xffff);
    return (uint32_t)((sum >> 16) + (sum & 0xffff));
}

static inline uint16_t journal_fold(uint32_t sum)
{
    sum = (sum >> 16) + (sum & 0xffff);
    return (uint16_t)((sum >> 16) + (sum & 0xffff));
}

/* Brings both to one family: IPv6 with ::ffff: when they differ;
 * 0.0.0.0 for one that is not set. */
void journal_packet_pair(struct addr *source, struct addr *destination);
/* An IP header without length and checksum; its size. source and destination are a pair. */
size_t journal_packet_ip(uint8_t *at, enum journal_protocol protocol, const struct addr *source,
                         const struct addr *destination);
/* Length (of all after at) and, in IPv4, checksum into the header at at. */
void journal_packet_ip_finish(uint8_t *at, size_t total_len);
/* The sum over what TCP and UDP put into their checksum from the IP header, length included. */
uint32_t journal_packet_pseudo(const uint8_t *ip, enum journal_protocol protocol, size_t len);

struct journal_packet {
    uint8_t protocol; /* enum journal_protocol, or another */
    struct addr source, destination;
    struct view payload;
    bool push; /* TCP: the message ends here */
};

/* False when these are no headers of ours. Lengths come from the headers,
 * bounded by what is there. */
WARN_UNUSED bool journal_packet_decode(struct view bytes, struct journal_packet *packet);

#endif
