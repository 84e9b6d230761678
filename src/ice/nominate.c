/* nominate: choosing a path, saying when all is done or lost, and keeping consent.
 * Not here: checks (check.c).
 * RFC 8445 §8, RFC 7675. */
#include "ice/agent.h"

#define CONSENT_MS         5000 /* RFC 7675 §5.1: every 5 s, times 0.8 to 1.2 */
#define CONSENT_EXPIRES_MS 30000
#define RESTART_MOST_MS    1000 /* a relay waits no longer for direct paths in a restart */
#define AGAIN_MS           1000 /* once a relay is chosen: until direct paths are tried again, */
#define AGAIN_LATE_MS      10000
#define AGAIN_ROUNDS       2
#define AGAIN_PAIRS        24 /* NATs that give each answer a new port show ever new ones */

/* How long a valid pair waits for a better one before it is nominated, by the worse of its two
 * ends: a relay costs, so direct paths get their chance first. */
static int64_t patience_ms(const struct ice *ice, const struct ice_pair *pair)
{
    static const int64_t by_type[] = {
        [CANDIDATE_HOST] = 0,
        [CANDIDATE_SERVER_REFLEXIVE] = 200,
        [CANDIDATE_PEER_REFLEXIVE] = 400,
        [CANDIDATE_RELAYED] = 2000,
    };
    int64_t ours = by_type[ice->locals[pair->mapped].candidate.type];
    int64_t theirs = by_type[ice->remotes[pair->remote].type];
    int64_t ms = ours > theirs ? ours : theirs;
    /* In a restart media is missing meanwhile. */
    return ice->previous.remote_key && ms > RESTART_MOST_MS ? RESTART_MOST_MS : ms;
}

/* The best valid pair of a component, and whether one that ranks higher may still succeed. Pairs
 * are in order of rank. */
static struct ice_pair *best_valid(struct ice *ice, uint8_t component, bool *better_may_come)
{
    *better_may_come = false;
    for (size_t i = 0; i < ice->pair_count; i++) {
        struct ice_pair *pair = &ice->pairs[i];
        if (pair->component != component)
            continue;
        if (pair->valid)
            return pair;
        *better_may_come |= pair->state != ICE_DEAD;
    }
    return NULL;
}

static bool is_nominating(const struct ice *ice, uint8_t component)
{
    for (size_t i = 0; i < ice->pair_count; i++) {
        if (ice->pairs[i].component == component && ice->pairs[i].use_candidate)
            return true;
    }
    return false;
}

static bool wants_nomination(const struct ice *ice, uint8_t component)
{
    return ice->role == ICE_CONTROLLING && ice->state == ICE_STATE_RUNNING && !ice->options.lite &&
           !ice->is_chosen[component - 1] && !is_nominating(ice, component);
}

/* The peer named a pair, then it seemed that we are to decide, and now it is the peer again: it
 * may be done, and name none any more. */
static void take_named(struct ice *ice, struct tick now)
{
    for (size_t i = 0; i < ice->pair_count; i++) {
        struct ice_pair *pair = &ice->pairs[i];
        if (!pair->valid || !pair->nominate_on_success)
            continue;
        ice_pair_nominated(ice, now, pair);
        ice_settle(ice, now);
    }
}

static struct ice_pair *selected_pair(struct ice *ice, uint8_t component)
{
    const struct ice_path *path = &ice->selected[component - 1];
    for (size_t i = 0; i < ice->pair_count; i++) {
        const struct ice_pair *pair = &ice->pairs[i];
        if (ice->locals[pair->local].base.number == path->base.number &&
            addr_equal(&ice->remotes[pair->remote].address, &path->peer))
            return &ice->pairs[i];
    }
    return NULL;
}

/* Our role changed since the peer heard of it on this pair, and nothing more would be sent: both
 * sides could wait for the other to choose. One more check says that we wait, which the peer
 * contradicts if it does too, or that what was chosen when we were not to choose is so. */
static void say_role(struct ice *ice, struct tick now)
{
    bool controls = ice->role == ICE_CONTROLLING, better;
    for (uint8_t c = 1; c <= ice->components && !ice->options.lite; c++) {
        struct ice_pair *pair = NULL;
        if (ice->is_chosen[c - 1] && controls)
            pair = selected_pair(ice, c);
        else if (!ice->is_chosen[c - 1] && !controls)
            pair = best_valid(ice, c, &better);
        if (!pair || pair->state != ICE_SUCCEEDED ||
            (controls ? pair->named : !pair->heard_as_controlling))
            continue;
        pair->use_candidate = controls;
        ice_pair_trigger(ice, now, pair);
    }
}

void ice_nominate(struct ice *ice, struct tick now)
{
    if (ice->role == ICE_CONTROLLED)
        take_named(ice, now);
    ice->role_changed = false;
    say_role(ice, now);
    for (uint8_t c = 1; c <= ice->components; c++) {
        bool better;
        struct ice_pair *pair = wants_nomination(ice, c) ? best_valid(ice, c, &better) : NULL;
        if (!pair || (better && !tick_due(tick_add_ms(ice->started, patience_ms(ice, pair)), now)))
            continue;
        pair->use_candidate = true; /* §8.1.1: the check again, with USE-CANDIDATE */
        ice_pair_trigger(ice, now, pair);
    }
}

struct tick ice_nominate_deadline(const struct ice *ice)
{
    struct tick first = TICK_NEVER;
    for (uint8_t c = 1; c <= ice->components; c++) {
        if (!wants_nomination(ice, c))
            continue;
        for (size_t i = 0; i < ice->pair_count; i++) {
            const struct ice_pair *pair = &ice->pairs[i];
            if (pair->component == c && pair->valid) {
                first = tick_min(first, tick_add_ms(ice->started, patience_ms(ice, pair)));
                break;
            }
        }
    }
    return first;
}

void ice_consent_start(struct ice *ice, struct tick now, uint8_t component)
{
    struct ice_consent *consent = &ice->consents[component - 1];
    int64_t spread = rng_below(&ice->rng, CONSENT_MS * 4 / 10 + 1);
    consent->expires = tick_add_ms(now, CONSENT_EXPIRES_MS);
    if (tick_is_never(consent->next) || tick_due(consent->next, now))
        consent->next = tick_add_ms(now, CONSENT_MS * 8 / 10 + spread);
}

void ice_consent_end(struct ice *ice, uint8_t component)
{
    ice->consents[component - 1] = (struct ice_consent){.next = TICK_NEVER, .expires = TICK_NEVER};
    ice_tell(ice, (struct ice_event){.kind = ICE_CONSENT_LOST,
                                     .component = component,
                                     .path = ice->selected[component - 1]});
}

/* §8.1.2: what is not yet under way for this component is not checked any more, what is, is not
 * sent again. A peer that nominates aggressively (RFC 5245) can still bring a pair back by its
 * check. */
static void stop_others(struct ice *ice, const struct ice_pair *chosen)
{
    for (size_t i = 0; i < ice->pair_count; i++) {
        struct ice_pair *pair = &ice->pairs[i];
        if (pair == chosen || pair->component != chosen->component)
            continue;
        if (pair->state == ICE_FROZEN ||
            (pair->state == ICE_WAITING && !pair->nominate_on_success)) {
            pair->state = ICE_DEAD;
            pair->triggered = false;
        } else if (pair->state == ICE_IN_PROGRESS && !pair->nominate_on_success) {
            ice_check_cancel(ice, pair);
            pair->state = ICE_DEAD;
        }
    }
}

static bool is_relayed(const struct ice *ice, uint8_t local, uint8_t remote)
{
    return ice->locals[local].candidate.type == CANDIDATE_RELAYED ||
           ice->remotes[remote].type == CANDIDATE_RELAYED;
}

void ice_pair_nominated(struct ice *ice, struct tick now, struct ice_pair *pair)
{
    size_t at = pair->component - 1u;
    pair->nominated = true;
    pair->use_candidate = pair->nominate_on_success = false;
    /* A peer that nominates aggressively (RFC 5245) names several: the best of them counts. */
    if (ice->is_chosen[at] && ice->selected_priority[at] >= ice_pair_rank(ice, pair))
        return;
    struct ice_path path = {ice->locals[pair->local].base, ice->remotes[pair->remote].address};
    ice->selected[at] = path;
    ice->selected_priority[at] = ice_pair_rank(ice, pair);
    ice->is_selected[at] = ice->is_chosen[at] = true;
    ice->relayed = (uint8_t)(ice->relayed & ~(1u << at));
    if (is_relayed(ice, pair->local, pair->remote)) {
        ice->relayed |= (uint8_t)(1u << at);
        /* The peer may try direct ones before we do, and before the other component is chosen. */
        if (ice->again_rounds == 0)
            ice->again_left = AGAIN_PAIRS;
    }
    ice->consents[at] = (struct ice_consent){.next = TICK_NEVER, .expires = TICK_NEVER};
    if (ice->options.lite)
        ice->consents[at].next = tick_add_ms(now, ICE_KEEPALIVE_MS);
    else
        ice_consent_start(ice, now, pair->component);
    stop_others(ice, pair);
    ice_tell(ice, (struct ice_event){
                      .kind = ICE_SELECTED,
                      .component = pair->component,
                      .path = path,
                      .local = ice->locals[pair->mapped].candidate.address,
                      .local_type = ice->locals[pair->mapped].candidate.type,
                      .transport = ice->locals[pair->local].candidate.transport,
                      .remote_type = (enum candidate_type)ice->remotes[pair->remote].type,
                  });
}

void ice_settle(struct ice *ice, struct tick now)
{
    bool all = true, hope = false;
    /* A pair that ended may have freed others of its foundation while nothing else was waiting
     * (§6.1.4.2). */
    if (tick_is_never(ice->next_check) && ice_pair_next(ice, now))
        ice->next_check = now;
    if (ice->state != ICE_STATE_RUNNING)
        return;
    for (size_t c = 0; c < ice->components; c++)
        all &= ice->is_chosen[c];
    if (all) {
        ice_credentials_forget(&ice->previous);
        ice->state = ICE_STATE_COMPLETED;
        ice->give_up = TICK_NEVER;
        if (ice->relayed && ice->again_rounds == 0)
            ice->again = tick_add_ms(now, AGAIN_MS);
        ice_tell(ice, (struct ice_event){.kind = ICE_COMPLETED});
        return;
    }
    for (uint8_t c = 1; c <= ice->components; c++) {
        bool alive = ice->is_chosen[c - 1];
        for (size_t i = 0; i < ice->pair_count; i++)
            alive |= ice->pairs[i].component == c && ice->pairs[i].state != ICE_DEAD;
        if (!alive) {
            /* §7.2.5.4 would fail now; but a peer behind a NAT may still reach us, and more
             * candidates may trickle in. */
            if (tick_is_never(ice->give_up))
                ice->give_up =
                    tick_add_ms(now, ice->remote_ended ? ICE_GIVE_UP_MS : ICE_GIVE_UP_TRICKLE_MS);
            return;
        }
        hope = true;
    }
    if (hope)
        ice->give_up = TICK_NEVER;
}

/* ---- after a relay was chosen --------------------------------------------------------------- */

bool ice_pair_may_replace(const struct ice *ice, uint8_t local, uint8_t component)
{
    return ice->again_left > 0 && (ice->relayed >> (component - 1) & 1) &&
           ice->locals[local].candidate.type != CANDIDATE_RELAYED;
}

/* What was under way for the chosen one's sake: the restart tries it all. */
static void end_looking(struct ice *ice)
{
    ice->again = TICK_NEVER;
    ice->again_left = 0;
    for (size_t i = 0; i < ice->pair_count; i++) {
        struct ice_pair *pair = &ice->pairs[i];
        if (pair->valid || pair->nominated)
            continue;
        stun_client_stop(&pair->client);
        pair->state = ICE_DEAD;
        pair->triggered = false;
    }
}

void ice_pair_replaces(struct ice *ice, const struct ice_pair *pair)
{
    if (ice->state != ICE_STATE_COMPLETED || is_relayed(ice, pair->local, pair->remote) ||
        !ice_pair_may_replace(ice, pair->local, pair->component))
        return;
    end_looking(ice);
    ice_tell(ice, (struct ice_event){.kind = ICE_DIRECT});
}

void ice_look_again(struct ice *ice, struct tick now)
{
    if (ice->state != ICE_STATE_COMPLETED || tick_is_never(ice->again) ||
        !tick_due(ice->again, now))
        return;
    ice->again_left = AGAIN_PAIRS;
    ice->again = ++ice->again_rounds < AGAIN_ROUNDS ? tick_add_ms(now, AGAIN_LATE_MS) : TICK_NEVER;
    for (size_t i = 0; i < ice->pair_count; i++) {
        struct ice_pair *pair = &ice->pairs[i];
        if (is_relayed(ice, pair->local, pair->remote) ||
            !(ice->relayed >> (pair->component - 1) & 1))
            continue;
        if (pair->valid) { /* it was so too late, or the peer has not seen that it works */
            ice_pair_replaces(ice, pair);
            if (!ice->options.lite)
                ice_pair_trigger(ice, now, pair);
            return;
        }
        if (pair->state == ICE_DEAD)
            pair->state = ICE_WAITING;
    }
    if (tick_is_never(ice->next_check) && !ice->options.lite)
        ice->next_check = now;
}
