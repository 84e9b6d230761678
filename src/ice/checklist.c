/* checklist: forming, pruning, ranking and choosing candidate pairs.
 * Not here: the checks themselves (check.c).
 * RFC 8445 §6.1. */
#include "ice/agent.h"

#include "ice/priority.h"

#include <string.h>

#define REFLEXIVE_MIN 8                 /* peer-reflexive ones that may displace signalled ones */
#define REFLEXIVE_MAX (ICE_REMOTES - 8) /* that there may be: some may still be signalled */
#define TRIGGERED_ROW 3                 /* triggered checks before an ordinary one has its turn */

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

static bool is_selected_path(const struct ice *ice, const struct ice_pair *pair)
{
    for (size_t c = 0; c < ICE_COMPONENTS; c++) {
        if (ice->is_selected[c] &&
            ice->selected[c].base.number == ice->locals[pair->local].base.number &&
            addr_equal(&ice->selected[c].peer, &ice->remotes[pair->remote].address))
            return true;
    }
    return false;
}

/* Something hangs on it: a check, a nomination, or the path itself. A valid pair that was not
 * chosen counts only while we may still choose it. */
static bool is_needed(const struct ice *ice, const struct ice_pair *pair)
{
    return pair->triggered || pair->use_candidate || pair->state == ICE_IN_PROGRESS ||
           (pair->valid && !ice->options.lite && ice->state == ICE_STATE_RUNNING) ||
           is_selected_path(ice, pair);
}

static void drop_pair(struct ice *ice, size_t at)
{
    ice->pair_count--;
    memmove(&ice->pairs[at], &ice->pairs[at + 1], (ice->pair_count - at) * sizeof ice->pairs[0]);
}

/* The worst that may go: one that failed, else the lowest. ICE_PAIRS: none. */
static size_t dispensable_pair(const struct ice *ice)
{
    size_t worst = ICE_PAIRS;
    for (size_t i = ice->pair_count; i-- > 0;) {
        if (is_needed(ice, &ice->pairs[i]))
            continue;
        if (ice->pairs[i].state == ICE_DEAD)
            return i;
        if (worst == ICE_PAIRS)
            worst = i;
    }
    return worst;
}

static bool remote_is_needed(const struct ice *ice, uint8_t remote)
{
    for (size_t i = 0; i < ice->pair_count; i++) {
        if (ice->pairs[i].remote == remote && is_needed(ice, &ice->pairs[i]))
            return true;
    }
    return false;
}

/* The lowest that nothing hangs on, of the peer-reflexive or of the signalled ones. ICE_REMOTES:
 * none. */
static uint8_t dispensable_remote(const struct ice *ice, bool reflexive)
{
    uint8_t place = ICE_REMOTES;
    for (uint8_t r = 0; r < ice->remote_count; r++) {
        if ((ice->remotes[r].type == CANDIDATE_PEER_REFLEXIVE) == reflexive &&
            !remote_is_needed(ice, r) &&
            (place == ICE_REMOTES || ice->remotes[r].priority < ice->remotes[place].priority))
            place = r;
    }
    return place;
}

uint8_t ice_remote_place(struct ice *ice)
{
    size_t reflexive = 0;
    for (uint8_t r = 0; r < ice->remote_count; r++)
        reflexive += ice->remotes[r].type == CANDIDATE_PEER_REFLEXIVE;
    if (ice->remote_count < ICE_REMOTES && reflexive < REFLEXIVE_MAX)
        return ice->remote_count++;
    uint8_t place = dispensable_remote(ice, true);
    /* Two NATs that give each answer a new port show ever new addresses: what was signalled, the
     * relay with its low priority above all, must not be lost to them, nor what is still to be. */
    if (place == ICE_REMOTES && reflexive < REFLEXIVE_MIN)
        place = dispensable_remote(ice, false);
    for (size_t i = ice->pair_count; i-- > 0 && place < ICE_REMOTES;) {
        if (ice->pairs[i].remote == place)
            drop_pair(ice, i);
    }
    for (size_t i = 0; i < ICE_CANCELLED; i++)
        ice->cancelled[i].open &= ice->cancelled[i].remote != place;
    return place;
}

struct ice_pair *ice_pair_add(struct ice *ice, uint8_t local, uint8_t remote, bool proven)
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
        size_t worst = dispensable_pair(ice);
        if (worst == ICE_PAIRS ||
            (!proven && ice_pair_rank(ice, &ice->pairs[worst]) >= ice_pair_rank(ice, &pair)))
            return NULL;
        drop_pair(ice, worst);
    }
    ice->pairs[ice->pair_count++] = pair;
    sort_pairs(ice);
    return ice_pair_find(ice, local, remote);
}

/* The peer's address is its NAT's: the peer has the first word where it can reach us. A relay of ours
 * it always can. */
static void give_way(struct ice *ice, struct tick now, struct ice_pair *pair)
{
    const struct candidate *ours = pair ? &ice->locals[pair->local].candidate : NULL;
    bool relayed = ours && ours->type == CANDIDATE_RELAYED;
    if (!ours || ice->remotes[pair->remote].type != CANDIDATE_SERVER_REFLEXIVE ||
        ours->transport != CANDIDATE_UDP || (!relayed && !ice->options.yields))
        return;
    pair->held = true;
    pair->opens = !relayed && ice->options.open_hops;
    int64_t most_ms = ice->previous.remote_key ? ICE_HOLD_AGAIN_MS : ICE_HOLD_MS;
    int64_t ms = pair->opens && ice->options.open_hops > 1 ? most_ms : ICE_HOLD_SHORT_MS;
    struct tick until = tick_add_ms(now, ms);
    if (tick_before(ice->hold, until))
        ice->hold = until;
}

/* §6.1.2.2: same component, same family; and link-local only with link-local (RFC 4007 §6: scopes
 * do not mix), loopback only with loopback: what a description names there is ours, not the
 * peer's. */
static bool may_pair(const struct candidate *ours, const struct ice_remote *theirs)
{
    /* RFC 6544 §6.2: active with passive; with a passive one of ours a pair is pruned until the
     * peer has come to it. */
    bool transports =
        ours->transport == CANDIDATE_UDP
            ? theirs->transport == CANDIDATE_UDP
            : ours->transport == CANDIDATE_TCP_ACTIVE && theirs->transport == CANDIDATE_TCP_PASSIVE;
    return transports && ours->component == theirs->component &&
           ours->address.family == theirs->address.family &&
           addr_is_link_local(&ours->address) == addr_is_link_local(&theirs->address) &&
           addr_is_loopback(&ours->address) == addr_is_loopback(&theirs->address);
}

static bool same_foundation(const struct ice *ice, const struct ice_pair *a,
                            const struct ice_pair *b)
{
    return strcmp(ice->locals[a->local].candidate.foundation,
                  ice->locals[b->local].candidate.foundation) == 0 &&
           strcmp(ice->remotes[a->remote].foundation, ice->remotes[b->remote].foundation) == 0;
}

/* §6.1.2.6: of each foundation the pair with the lowest component, then the highest rank, is
 * Waiting; RFC 8838 §12: so it is when it comes late, and so is any that comes after one of the
 * foundation succeeded. */
static void unfreeze_first(struct ice *ice)
{
    for (size_t i = 0; i < ice->pair_count; i++) {
        struct ice_pair *pair = &ice->pairs[i];
        bool first = true, proven = false;
        for (size_t j = 0; j < ice->pair_count && pair->state == ICE_FROZEN; j++) {
            const struct ice_pair *other = &ice->pairs[j];
            if (j == i || !same_foundation(ice, pair, other))
                continue;
            proven |= other->valid;
            first &= other->component > pair->component ||
                     (other->component == pair->component && j > i);
        }
        if (pair->state == ICE_FROZEN && (first || proven))
            pair->state = ICE_WAITING;
    }
}

/* §8.2: a lite agent with a lite peer chooses without checks. */
static void choose_lite(struct ice *ice, struct tick now)
{
    if (!ice->remote_lite)
        return; /* a full peer's checks decide */
    for (uint8_t l = 0; l < ice->local_count; l++) {
        for (uint8_t r = 0; r < ice->remote_count; r++) {
            if (!ice->locals[l].pairable || ice_pair_find(ice, l, r) ||
                !may_pair(&ice->locals[l].candidate, &ice->remotes[r]))
                continue;
            struct ice_pair *pair = ice_pair_add(ice, l, r, false);
            if (!pair)
                continue;
            pair->state = ICE_SUCCEEDED;
            pair->valid = true;
            ice_pair_nominated(ice, now, pair);
        }
    }
    ice_settle(ice, now);
}

void ice_pairs_form(struct ice *ice, struct tick now)
{
    if (!ice->remote_known)
        return;
    ice->locals_changed = false;
    if (ice->options.lite) {
        choose_lite(ice, now);
        return;
    }
    bool had_none = ice->pair_count == 0;
    for (uint8_t l = 0; l < ice->local_count; l++) {
        if (!ice->locals[l].pairable)
            continue; /* §6.1.2.4: a reflexive candidate is its base, which is paired itself */
        for (uint8_t r = 0; r < ice->remote_count; r++) {
            if (may_pair(&ice->locals[l].candidate, &ice->remotes[r]) && !ice_pair_find(ice, l, r))
                give_way(ice, now, ice_pair_add(ice, l, r, false));
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
    if (ice->state == ICE_STATE_FAILED)
        ice->state = ICE_STATE_RUNNING; /* §7.3.1.4: the checklist's state with the pair's */
    if (tick_is_never(ice->started))
        ice->started = now;
    pair->state = ICE_WAITING;
    pair->held = false;
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

struct ice_pair *ice_pair_next(struct ice *ice, struct tick now)
{
    struct ice_pair *triggered = NULL, *waiting = NULL, *frozen = NULL;
    bool hold = !tick_due(ice->hold, now);
    for (size_t i = 0; i < ice->pair_count; i++) {
        struct ice_pair *pair = &ice->pairs[i];
        if (pair->held && hold)
            continue;
        if (pair->triggered && (!triggered || pair->order < triggered->order))
            triggered = pair;
        if (pair->state == ICE_WAITING && (!waiting || (waiting->triggered && !pair->triggered)))
            waiting = pair;
        if (pair->state == ICE_FROZEN && !frozen && !foundation_is_busy(ice, pair))
            frozen = pair;
    }
    struct ice_pair *ordinary = waiting && !waiting->triggered ? waiting : frozen;
    /* §6.1.4.2 has triggered ones first. But two NATs that give each answer a new port make each
     * check trigger another, for ever: the relay's turn must come all the same. */
    if (triggered && (!ordinary || ice->triggered_row < TRIGGERED_ROW))
        return triggered;
    return ordinary ? ordinary : waiting;
}

void ice_pairs_unfreeze(struct ice *ice, const struct ice_pair *like)
{
    for (size_t i = 0; i < ice->pair_count; i++) {
        if (ice->pairs[i].state == ICE_FROZEN && same_foundation(ice, &ice->pairs[i], like))
            ice->pairs[i].state = ICE_WAITING;
    }
}
