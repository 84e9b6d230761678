/* demux: what a datagram on a media socket is, by its first two bytes.
 * Not here: whether it is well-formed (packet.h, rtcp.h) and whose it is (source.h).
 * RFC 7983 §7, RFC 5761 §4. */
#ifndef RTP_DEMUX_H
#define RTP_DEMUX_H

#include "base/view.h"

enum rtp_demux {
    RTP_DEMUX_STUN, /* first byte 0..3 */
    RTP_DEMUX_ZRTP, /* 16..19 */
    RTP_DEMUX_DTLS, /* 20..63 */
    RTP_DEMUX_TURN, /* 64..79, channel data */
    RTP_DEMUX_RTP,  /* 128..191 */
    RTP_DEMUX_RTCP, /* 128..191 and a packet type of RTCP in the second byte */
    RTP_DEMUX_NONE, /* anything else, datagrams shorter than 2 bytes too: drop and count */
};

/* RFC 5761 §4: on one port, a second byte of 192..223 is RTCP's; RTP payload types 64..95 with the
 * marker would look the same and are forbidden there for that reason. */
static inline enum rtp_demux rtp_demux(struct view datagram)
{
    if (datagram.len < 2)
        return RTP_DEMUX_NONE;
    uint8_t first = (uint8_t)datagram.at[0], second = (uint8_t)datagram.at[1];
    if (first >= 128 && first <= 191)
        return second >= 192 && second <= 223 ? RTP_DEMUX_RTCP : RTP_DEMUX_RTP;
    if (first <= 3)
        return RTP_DEMUX_STUN;
    if (first >= 16 && first <= 19)
        return RTP_DEMUX_ZRTP;
    if (first >= 20 && first <= 63)
        return RTP_DEMUX_DTLS;
    if (first >= 64 && first <= 79)
        return RTP_DEMUX_TURN;
    return RTP_DEMUX_NONE;
}

#endif
