/* checklist: forming, pruning, ranking and choosing candidate pairs.
 * Not here: the checks themselves (check.c).
 * RFC 8445 §6.1. */
#include "ice/agent.h"

#include "ice/priority.h"

#include <string.h>

uint64_t ice_pair_rank(const struct ice *ice, const struct ice_pair *pair)
{
    uint32_t ours = ice->locals[pair->local].candidate.priority;
    uint32_t theirs = ice->remotes[pair->remote].priority;
    return ice->role == ICE_CONTROLLING ? ice_pair_priority(ours, theirs)
                                        : ice_pair_priority(theirs, ours);
}

static int worse_first(uint64_t a, uint64_t b)
{
    return (a < b) - (a > b);
}

/* Insertion sort: the list is nearly in order, and 100 at most. Equal ranks keep their order. */
static void sort_pairs(struct ice *ice)
{
    for (size_t i = 1; i < ice->pair_count; i++) {
        struct ice_pair moved = ice->pairs[i];
        uint64_t rank = ice_pair_rank(ice, &moved);
        size_t at = i;
        while (at > 0 && worse_first(ice_pair_rank(ice, &ice->pairs[at - 1]), rank) > 0) {
            ice->pairs[at] = ice->pairs[at - 1];
            at--;
        }
        ice->pairs[at] = moved;
    }
}

void ice_pairs_rank(struct ice *ice)
{
    sort_pairs(ice);
}

struct ice_pair *ice_pair_find(struct ice *ice, uint8_t local, uint8_t remote)
{
    for (size_t i = 0; i < ice->pair_count; i++) {
        if (ice->pairs[i].local == local && ice->pairs[i].remote == remote)
            return &ice->pairs[i];
    }
    return NULL;
}

struct ice_pair *ice_pair_add(struct ice *ice, uint8_t local, uint8_t remote)
{
    const struct ice_pair pair = {
        .client = {.next = TICK_NEVER},
        .local = local,
        .remote = remote,
        .mapped = local,
        .component = (uint8_t)ice->locals[local].candidate.component,
        .state = ICE_FROZEN,
    };
    if (ice->pair_count == ICE_PAIRS) {
        size_t worst = ICE_PAIRS;
        while (worst > 0 && ice->pairs[worst - 1].valid)
            worst--;
        if (worst == 0 || ice_pair_rank(ice, &ice->pairs[worst - 1]) >= ice_pair_rank(ice, &pair))
            return NULL;
        memmove(&ice->pairs[worst - 1], &ice->pairs[worst],
                (ICE_PAIRS - worst) * sizeof ice->pairs[0]);
        ice->pair_count--;
    }
    ice->pairs[ice->pair_count++] = pair;
    sort_pairs(ice);
    return ice_pair_find(ice, local, remote);
}

/* §6.1.2.2: same component, same family; and link-local only with link-local (RFC 4007 §6: scopes do not mix). */
static bool may_pair(const struct candidate *ours, const struct ice_remote *theirs)
{
    return ours->component == theirs->component && ours->address.family == theirs->address.family &&
           addr_is_link_local(&ours->address) == addr_is_link_local(&theirs->address);
}

static bool same_foundation(const struct ice *ice, const struct ice_pair *a,
                            const struct ice_pair *b)
{
    return strcmp(ice->locals[a->local].candidate.foundation,
                  ice->locals[b->local].candidate.foundation) == 0 &&
           strcmp(ice->remotes[a->remote].foundation, ice->remotes[b->remote].foundation) == 0;
}

/* §6.1.2.6: of each foundation the pair with the lowest component, then the highest rank, is Waiting. */
static void unfreeze_first(struct ice *ice)
{
    for (size_t i = 0; i < ice->pair_count; i++) {
        struct ice_pair *pair = &ice->pairs[i];
        bool first = pair->state == ICE_FROZEN;
        for (size_t j = 0; j < ice->pair_count && first; j++) {
            const struct ice_pair *other = &ice->pairs[j];
            if (j == i || !same_foundation(ice, pair, other))
                continue;
            /* Another of the foundation was let go already, or is ahead of this one. */
            if (other->state != ICE_FROZEN || other->component < pair->component ||
                (other->component == pair->component && j < i))
                first = false;
        }
        if (first)
            pair->state = ICE_WAITING;
    }
}

void ice_pairs_form(struct ice *ice, struct tick now)
{
    if (!ice->remote_known || ice->options.lite)
        return;
    bool had_none = ice->pair_count == 0;
    for (uint8_t l = 0; l < ice->local_count; l++) {
        if (!ice->locals[l].pairable)
            continue; /* §6.1.2.4: a reflexive candidate is its base, which is paired itself */
        for (uint8_t r = 0; r < ice->remote_count; r++) {
            if (may_pair(&ice->locals[l].candidate, &ice->remotes[r]) && !ice_pair_find(ice, l, r))
                (void)ice_pair_add(ice, l, r);
        }
    }
    if (ice->pair_count == 0)
        return;
    unfreeze_first(ice);
    if (had_none) {
        ice->started = now;
        ice->next_check = now;
    }
    if (tick_is_never(ice->next_check))
        ice->next_check = now;
    ice->give_up = TICK_NEVER;
}

void ice_pair_trigger(struct ice *ice, struct tick now, struct ice_pair *pair)
{
    pair->state = ICE_WAITING;
    if (!pair->triggered) {
        pair->triggered = true;
        pair->order = ice->triggered_count++;
    }
    if (tick_is_never(ice->next_check))
        ice->next_check = now;
    ice->give_up = TICK_NEVER;
}

static bool foundation_is_busy(const struct ice *ice, const struct ice_pair *frozen)
{
    for (size_t i = 0; i < ice->pair_count; i++) {
        const struct ice_pair *pair = &ice->pairs[i];
        if ((pair->state == ICE_WAITING || pair->state == ICE_IN_PROGRESS) &&
            same_foundation(ice, pair, frozen))
            return true;
    }
    return false;
}

struct ice_pair *ice_pair_next(struct ice *ice)
{
    struct ice_pair *triggered = NULL, *waiting = NULL, *frozen = NULL;
    for (size_t i = 0; i < ice->pair_count; i++) {
        struct ice_pair *pair = &ice->pairs[i];
        if (pair->triggered && (!triggered || pair->order < triggered->order))
            triggered = pair;
        if (pair->state == ICE_WAITING && !waiting)
            waiting = pair;
        if (pair->state == ICE_FROZEN && !frozen && !foundation_is_busy(ice, pair))
            frozen = pair;
    }
    return triggered ? triggered : waiting ? waiting : frozen;
}

void ice_pairs_unfreeze(struct ice *ice, const struct ice_pair *like)
{
    for (size_t i = 0; i < ice->pair_count; i++) {
        if (ice->pairs[i].state == ICE_FROZEN && same_foundation(ice, &ice->pairs[i], like))
            ice->pairs[i].state = ICE_WAITING;
    }
}
