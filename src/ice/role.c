/* role: which side decides: one role and one tie-breaker for all agents of a session.
 * Not here: what a role means for a choice (nominate.c), 487 on the wire (check.c).
 * RFC 8445 §6.1.1, §7.2.5.1, §7.3.1.1, §16.1. */
#include "ice/agent.h"

/* Whether one side is lite decides it: there is nothing to agree on. */
static bool is_given(const struct ice *ice)
{
    return ice->options.lite || (ice->remote_known && ice->remote_lite);
}

bool ice_role_is_stale(const struct ice *ice)
{
    return !is_given(ice) && ice->role != ice->session->role;
}

/* Pairs move: their rank depends on the role. What we were to nominate is so no more; what the peer
 * nominated is again, should it be the one that decides (ice_nominate). */
static void take(struct ice *ice, enum ice_role role)
{
    if (role == ice->role)
        return;
    ice->role = role;
    ice->role_changed = true;
    for (size_t i = 0; i < ice->pair_count; i++)
        ice->pairs[i].use_candidate = false;
    ice_pairs_rank(ice);
    ice_tell(ice, (struct ice_event){.kind = ICE_ROLE_CHANGED});
}

/* From now on it decides for itself, by the number that all have. */
static void leave(struct ice *ice)
{
    ice->alone = *ice->session;
    ice->alone.role = ice->role;
    ice->session = &ice->alone;
}

/* Where a path is chosen both sides have agreed: another stream's conflict after that is a matter
 * between that stream and its peer. */
void ice_role_follow(struct ice *ice)
{
    if (!ice_role_is_stale(ice))
        return;
    if (ice->state == ICE_STATE_COMPLETED)
        leave(ice);
    else
        take(ice, ice->session->role);
}

static void turn(struct ice_session *session)
{
    session->role = session->role == ICE_CONTROLLING ? ICE_CONTROLLED : ICE_CONTROLLING;
    session->former = session->tie_breaker;
    session->turns++;
}

/* A peer with one agent has one conflict with all of ours. One that has an agent a stream, each with
 * a tie-breaker of its own, would have the session's role turn for one, and back for another, for
 * ever. */
void ice_role_switch(struct ice *ice, bool refused)
{
    if (ice->session != &ice->alone) {
        if (ice->session->is_decided)
            leave(ice);
        ice->session->is_decided = true;
    }
    turn(ice->session);
    if (refused && !ice->alone.is_decided)
        ice->session->tie_breaker = rng_u64(&ice->rng); /* §7.2.5.1 */
    take(ice, ice->session->role);
}

/* §6.1.1: against a lite agent the full one controls; of two lite ones who asked does. The others of
 * the session do the same: whether a side is lite holds for all of its description, and when it is
 * lite no more the roles stay (a=ice-lite, RFC 8839 §5.3). */
void ice_role_settle(struct ice *ice)
{
    enum ice_role role = ICE_CONTROLLING;
    if (!is_given(ice)) {
        ice_role_follow(ice);
        return;
    }
    if (ice->options.lite)
        role = ice->remote_lite ? ice->options.role : ICE_CONTROLLED;
    if (role != ice->session->role)
        turn(ice->session);
    take(ice, role);
}

uint64_t ice_role_tie_breaker(const struct ice *ice, uint8_t turns)
{
    return turns == ice->session->turns ? ice->session->tie_breaker : ice->session->former;
}

void ice_join(struct ice *ice, struct ice_session *session)
{
    if (!session->begun)
        *session = *ice->session;
    session->begun = true;
    ice->session = session;
    if (ice->remote_known)
        ice_role_settle(ice);
    else
        ice_role_follow(ice);
}
