/* share: which streams of a call do without a media port of their own, and get the port that worker
 * 0 shares among many (rtp.mux_port); who is served over TCP (rtp.tcp_port).
 * Not here: whose a datagram is (media/shared.h), ICE's names (ice.h).
 * RFC 8445 §7.3, 7866 §8.1.8 (symmetric RTP), 9143 §7.1.3 (one address, one m-line). */
#ifndef RECORDER_SHARE_H
#define RECORDER_SHARE_H

#include "recorder/recorder.h"

struct recorder_call;
struct sdp_session;
struct sdp_media;

/* Whether the m-line of the SRC's offer may share: ICE tells its packets by names; without ICE an
 * SRC with symmetric RTP sends from the address it offers, but only one m-line of an answer may
 * then name the port (taken: one does). */
bool recorder_share_may(const struct recorder *recorder, const struct recorder_call *call,
                        const struct sdp_media *media, bool taken);

/* The shared port as a ticket, that of `near` where there is one; false: none of the family. Its
 * port is MEDIA_PORT_SHARED. */
WARN_UNUSED bool recorder_share_ticket(const struct recorder *recorder, uint8_t family,
                                       const struct addr *near, struct recorder_ticket *out);

/* A ticket's number in datagram.socket. */
uint32_t recorder_share_socket(const struct recorder_ticket *ticket, bool rtcp);

/* The m-line names ICE candidates of TCP. */
bool recorder_share_speaks_tcp(const struct sdp_session *sdp, const struct sdp_media *media);

#endif
