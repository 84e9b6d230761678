/* mux: one port for many agents: whose a datagram is, by what they proved.
 * Not here: the agents (ice.h), sockets, streams without ICE (they have ports of their own).
 * RFC 8445 §7.3, §7.2.5; RFC 7983 for what is STUN; RFC 7675 for how long a proof holds. */
#ifndef ICE_MUX_H
#define ICE_MUX_H

#include "ice/ice.h"

enum {
    ICE_MUX_PATHS = 8,         /* an agent's peer has few addresses at a time: the oldest goes */
    ICE_MUX_REQUESTS = 32,     /* at Ta of 50 ms these are 1.6 s of fresh checks */
    ICE_MUX_PROVEN_MS = 30000, /* RFC 7675 §5.1: after that another may prove the path its own */
};

struct ice_mux;
struct ice_mux_agent;

/* Room for so many agents, all made now. NULL when memory is out. */
WARN_UNUSED struct ice_mux *ice_mux_create(size_t agents, struct rng *rng);
void ice_mux_destroy(struct ice_mux *mux);

/* owner: the caller's number for the agent. NULL when the port is full. */
struct ice_mux_agent *ice_mux_join(struct ice_mux *mux, uint64_t owner);
/* With its names, paths and requests. */
void ice_mux_leave(struct ice_mux *mux, struct ice_mux_agent *agent);
uint64_t ice_mux_owner(const struct ice_mux_agent *agent);

/* The agent's ufrag, copied: at first, and at each restart, when the one before still counts. False
 * when another agent on this port has it (ours are random:
 * then restart) or it is longer than ours are. */
WARN_UNUSED bool ice_mux_name(struct ice_mux *mux, struct ice_mux_agent *agent, struct view ufrag);

/* What the agent sends: the transaction of a request is remembered for its answer;
 * anything else is passed over. */
void ice_mux_sent(struct ice_mux *mux, struct ice_mux_agent *agent, struct view datagram);
/* The agent took a check from there: its integrity was good. False when the path is another's, who
 * proved it in the last 30 s: nobody takes a neighbour's media by a forged source address. */
bool ice_mux_proved(struct ice_mux *mux, struct tick now, struct ice_mux_agent *agent,
                    const struct ice_path *path);
/* It took an answer to a check of its own from there. Whoever forges source addresses gets none, so
 * that this outdoes a path of which nobody else has more than a check to show. */
bool ice_mux_answered(struct ice_mux *mux, struct tick now, struct ice_mux_agent *agent,
                      const struct ice_path *path);

/* Media of the agent's peer came from there. Peers that send no consent checks (RFC 5245's, ICE-lite
 * ones, those without ICE) prove a path once: for as long as it carries their media nobody else has
 * it. Nothing happens when the path is another's. */
void ice_mux_used(struct ice_mux *mux, struct tick now, const struct ice_mux_agent *agent,
                  const struct ice_path *path);

/* Whose it is; NULL: nobody's. STUN requests by the ufrag in USERNAME, then by path; answers by
 * transaction, then by path; all else by path.
 * It is a guess until the agent has checked the integrity. */
struct ice_mux_agent *ice_mux_find(struct ice_mux *mux, const struct ice_path *path,
                                   struct view datagram);

#endif
