/* ice: what a call's streams say and hear of ICE in SDP, and the agents made for it; private to the
 * module.
 * Not here: checks (ice), driving the agent (media/ice.c), the path of an SRC without ICE.
 * RFC 8839 §4, 8445 §5, §9; 8838 (trickle); 8840 §4. */
#ifndef RECORDER_ICE_H
#define RECORDER_ICE_H

#include "ice/gather.h"
#include "recorder/call.h"

/* Frees what a stream has; ports that the worker has not heard of go back to the stock. */
void recorder_ice_destroy(struct recorder *recorder, struct recorder_ice *ice);

/* The m-line of the SRC's offer has ICE that can be answered. */
bool recorder_ice_offered(const struct sdp_media *media);

/* Decides about line `line` of the answer, or offer, in the making, whose rtp and rtcp are set:
 * makes an agent where the SRC begins or restarts ICE, says the same again where it goes on, and
 * nothing where it does not. number: the stream that the line continues, or SDP_MATCH_NEW. What it
 * made waits in recorder->ice_lines. */
void recorder_ice_plan(struct recorder *recorder, const struct recorder_call *call,
                       struct recorder_now now, size_t line, int number,
                       struct recorder_lease *lease);
/* An address that the SRC was told is ours no more: the next offer begins anew, even if what is its
 * default now was told before. NULL: nothing. */
void recorder_ice_move(struct recorder_ice *ice);
/* The same for an offer of ours: what stands is said again; where another address of ours is the
 * default now, ICE begins anew with the SRC's answer. */
void recorder_ice_offer(struct recorder *recorder, struct recorder_call *call,
                        struct recorder_now now, size_t line, int number,
                        struct recorder_lease *lease);
/* Its answer came, in recorder->theirs: before recorder_ice_settle. */
void recorder_ice_meet(struct recorder *recorder, struct recorder_call *call,
                       struct recorder_now now, size_t line, int number);
/* It came to nothing: what stands goes on. */
void recorder_ice_forget(struct recorder *recorder, struct recorder_call *call);
/* Nothing came of the answer. */
void recorder_ice_undo(struct recorder *recorder);
/* The answer left: line is stream `number` from now on. Before the stream's MEDIA_STREAM. */
void recorder_ice_settle(struct recorder *recorder, struct recorder_call *call, size_t line,
                         unsigned number);
/* The stream's paths are ICE's. */
bool recorder_ice_runs(const struct recorder_call *call, unsigned number);
/* Hands the agent over with the stream's facts. */
void recorder_ice_post(const struct recorder *recorder, struct recorder_call *call, unsigned number,
                       struct media_stream_facts *facts);
/* Candidates that came with an offer which changed nothing else: after the stream's MEDIA_STREAM.
 */
void recorder_ice_post_more(struct recorder *recorder, struct recorder_call *call, size_t line,
                            unsigned number, struct wall at);

/* A worker's MEDIA_EVENT_ICE. True when the document tells more than before; of a direct path beside
 * a relayed one: when it is worth an offer, with which ICE will begin anew. */
bool recorder_ice_hear(struct recorder *recorder, struct recorder_call *call,
                       struct recorder_now now, const struct media_event *event);

#endif
