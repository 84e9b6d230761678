/* late: what a stream with ICE gets after its answer: a relay that stands ready by now, another port
 * where checks found nothing; private to the module.
 * Not here: what the answer says (ice.h), the steps of a stream without ICE (move.h).
 * RFC 8838 §8, 8839 §4.4.1.2.1, 8445 §9. */
#ifndef RECORDER_LATE_H
#define RECORDER_LATE_H

#include "recorder/call.h"

/* A relay of the worker's came into stock: for streams whose checks may need it. Their SRCs are told by
 * INFO where they take it, else by an offer. */
void recorder_late_relay(struct recorder *recorder, struct recorder_now now, uint32_t worker);
/* The SRC has trickled candidates, of media in recorder->theirs: where they are the first of a family that
 * we have not, it is told the relay's address of that. */
void recorder_late_family(struct recorder *recorder, struct recorder_call *call,
                          struct recorder_now now, unsigned number, const struct sdp_media *media);
/* The relay that the stream had is gone. Where its path went over it, ICE begins anew with another. */
void recorder_late_lost(struct recorder *recorder, struct recorder_call *call,
                        struct recorder_now now, unsigned number);
/* Checks have found no path: ICE begins anew with a relay or, our NAT having put the port elsewhere,
 * with another port, if there is any. */
void recorder_late_failed(struct recorder *recorder, struct recorder_call *call,
                          struct recorder_now now, unsigned number);

#endif
