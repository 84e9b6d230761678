/* ice: a stream of the test SRC as an ICE agent: what its SDP says, checks on its sockets, packets
 * on the path that was chosen.
 * Not here: checks (ice), RTP (sender.h).
 * RFC 8445, 8839; 5761 (one port for both where the answer agrees); 8838, 8840 (trickle). */
#ifndef TOOLS_SIPREC_CALL_ICE_H
#define TOOLS_SIPREC_CALL_ICE_H

#include "tools/siprec-call/call.h"

struct call_ice;

/* A stream's agent, its candidates the two sockets. NULL when memory is out. */
WARN_UNUSED struct call_ice *call_ice_create(struct call_stream *stream);
void call_ice_destroy(struct call_ice *ice);

/* No more packets. */
void call_ice_stop(struct call_ice *ice);

/* New credentials, to be told by the next offer; or new sockets. */
void call_ice_restart(struct call_ice *ice);

/* Writes sdp again with the lines of ICE in it: those of the session before the first m-line, those
 * of each stream at the end of its own. */
void call_ice_offer(const struct call *call, struct view sdp, struct writer *out);

/* What the SRS answered. False when it has no ICE for the stream: then the address of the answer is
 * where to send, as ever. */
WARN_UNUSED bool call_ice_answer(struct call_ice *ice, const struct call_answer *answer,
                                 const struct call_media *theirs, struct tick now);

/* ---- Candidates that come later ------------------------------------------------------------- */

/* The call's stream with this a=mid, which is its number; NULL: there is none. */
struct call_stream *call_ice_stream(struct call *call, struct view mid);

/* Header lines of requests and responses with SDP, or of an INFO with candidates; empty: none. */
struct view call_ice_headers(const struct call *call, bool info);

/* The first 2xx: whether the SRS takes candidates in INFO. */
void call_ice_meet(struct call *call, const struct call_message *message);

/* True when the SRS knows less than it should: first where each stream's RTP is, by the next INFO the
 * rest and that there is no more; all by an offer where the SRS takes no INFO. They count as told. */
WARN_UNUSED bool call_ice_tell(struct call *call);
/* That has left: what was told may be checked. */
void call_ice_told(struct call *call, struct tick now);
/* The body of the INFO. */
void call_ice_fragment(const struct call *call, struct writer *out);

/* An INFO of the SRS's. */
void call_ice_take(struct call *call, const struct call_message *message, struct tick now);

/* ---- Packets -------------------------------------------------------------------------------- */

/* Reads a socket; what is no STUN goes to the sender. */
void call_ice_receive(struct call_ice *ice, bool rtcp, struct tick now);
/* Its alarm has rung. */
void call_ice_expire(struct call_ice *ice, struct tick now);

/* "host-prflx", "failed", "checking"; and the SRS's end of the path, unset while there is none. */
const char *call_ice_text(const struct call_ice *ice);
/* Candidates of the SRS's that came by INFO. */
unsigned call_ice_trickled(const struct call_ice *ice);

#endif
