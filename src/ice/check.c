/* check: connectivity checks, ours and the peer's.
 * Not here: which pair is checked next (checklist.c), which is chosen (nominate.c).
 * RFC 8445 §7. */
#include "ice/agent.h"

#include "ice/priority.h"
#include "stun/server.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

static const uint16_t understood[] = {STUN_PRIORITY, STUN_USE_CANDIDATE};

/* ---- ours ------------------------------------------------------------------------------------------- */

static void put_role(struct writer *w, const struct ice *ice, bool controlling)
{
    stun_put_u64(w, controlling ? STUN_ICE_CONTROLLING : STUN_ICE_CONTROLLED, ice->tie_breaker);
}

static void put_username(struct writer *w, const struct ice *ice)
{
    char username[2 * ICE_REMOTE_CREDENTIAL_SIZE];
    (void)snprintf(username, sizeof username, "%s:%s", ice->remote_ufrag, ice->ufrag);
    stun_put(w, STUN_USERNAME, view_of_string(username));
}

size_t ice_check_write(struct ice *ice, const struct ice_pair *pair)
{
    const struct ice_local *local = &ice->locals[pair->local];
    struct writer w = writer_of(ice->packet, sizeof ice->packet);
    stun_begin(&w, STUN_REQUEST, STUN_BINDING, &pair->client.transaction);
    put_username(&w, ice);
    /* §7.1.1: what a candidate found by this check would have. */
    stun_put_u32(
        &w, STUN_PRIORITY,
        ice_candidate_priority(CANDIDATE_PEER_REFLEXIVE, local->local_preference, pair->component));
    put_role(&w, ice, pair->sent_as_controlling); /* a retransmission says what was said first */
    if (pair->sent_use_candidate)
        stun_put(&w, STUN_USE_CANDIDATE, VIEW_NONE);
    stun_sign(&w, ice->remote_key);
    stun_finish(&w, true);
    return writer_done(&w).len;
}

size_t ice_consent_write(struct ice *ice, uint8_t component)
{
    struct ice_consent *consent = &ice->consents[component - 1];
    struct stun_transaction id = stun_transaction_make(&ice->rng);
    struct writer w = writer_of(ice->packet, sizeof ice->packet);
    consent->sent[consent->sent_count++ % ICE_CONSENT_CHECKS] = id;
    stun_begin(&w, STUN_REQUEST, STUN_BINDING, &id);
    put_username(&w, ice);
    stun_put_u32(&w, STUN_PRIORITY, ice_candidate_priority(CANDIDATE_PEER_REFLEXIVE, 0, component));
    put_role(&w, ice, ice->role == ICE_CONTROLLING);
    stun_sign(&w, ice->remote_key);
    stun_finish(&w, true);
    return writer_done(&w).len;
}

static bool same_path(const struct ice *ice, const struct ice_pair *pair,
                      const struct ice_path *via)
{
    return ice->locals[pair->local].base.number == via->base.number &&
           addr_equal(&ice->remotes[pair->remote].address, &via->peer);
}

void ice_check_failed(struct ice *ice, struct tick now, struct ice_pair *pair)
{
    pair->state = ICE_DEAD;
    pair->valid = false;
    pair->use_candidate = pair->nominate_on_success = false;
    ice_settle(ice, now);
}

/* §7.2.5.3.1: what the peer saw; a candidate of ours, known or new. */
static uint8_t mapped_local(struct ice *ice, const struct ice_pair *pair, const struct addr *mapped)
{
    const struct ice_local *base = &ice->locals[pair->local];
    for (uint8_t i = 0; i < ice->local_count; i++) {
        const struct candidate *known = &ice->locals[i].candidate;
        if (known->component == pair->component && addr_equal(&known->address, mapped) &&
            ice->locals[i].base.number == base->base.number)
            return i;
    }
    if (ice->local_count == ICE_LOCALS)
        return pair->local; /* only a name in reports: the path is the pair's own */
    struct ice_local found = *base;
    found.pairable = false;
    found.candidate.type = CANDIDATE_PEER_REFLEXIVE;
    found.candidate.address = *mapped;
    found.candidate.related = base->candidate.address;
    found.candidate.priority =
        ice_candidate_priority(CANDIDATE_PEER_REFLEXIVE, base->local_preference, pair->component);
    (void)snprintf(found.candidate.foundation, sizeof found.candidate.foundation, "p%u",
                   (unsigned)ice->local_count);
    ice->locals[ice->local_count] = found;
    return ice->local_count++;
}

static void check_succeeded(struct ice *ice, struct tick now, struct ice_pair *pair,
                            const struct addr *mapped, bool sent_use_candidate)
{
    pair->state = ICE_SUCCEEDED;
    pair->valid = true;
    pair->mapped = mapped_local(ice, pair, mapped);
    ice_pairs_unfreeze(ice, pair);
    if (sent_use_candidate || pair->nominate_on_success)
        ice_pair_nominated(ice, now, pair);
    ice_settle(ice, now);
}

/* §7.2.5.1, and only if the role that the check claimed is still ours: two answers must not switch twice. */
static void role_refused(struct ice *ice, struct tick now, struct ice_pair *pair)
{
    bool controlling = ice->role == ICE_CONTROLLING;
    if (pair->sent_as_controlling == controlling) {
        uint8_t local = pair->local, remote = pair->remote;
        ice->role = controlling ? ICE_CONTROLLED : ICE_CONTROLLING;
        ice->tie_breaker = rng_u64(&ice->rng);
        ice_pairs_rank(ice);
        ice_tell(ice, (struct ice_event){.kind = ICE_ROLE_CHANGED});
        pair = ice_pair_find(ice, local, remote);
    }
    pair->use_candidate = false;
    ice_pair_trigger(ice, now, pair);
}

static struct ice_cancelled *cancelled_find(struct ice *ice, const struct stun_message *m)
{
    for (size_t i = 0; i < ICE_CANCELLED; i++) {
        struct ice_cancelled *c = &ice->cancelled[i];
        if (c->open && stun_transaction_equal(&c->transaction, &m->transaction))
            return c;
    }
    return NULL;
}

/* Good news of a cancelled check is news; bad news is not: the fresh check will tell. */
static void take_cancelled(struct ice *ice, struct tick now, struct ice_cancelled *cancelled,
                           const struct ice_path *via, const struct stun_message *m)
{
    struct addr mapped;
    struct ice_pair *pair = ice_pair_find(ice, cancelled->local, cancelled->remote);
    cancelled->open = false;
    if (pair && m->class == STUN_SUCCESS && same_path(ice, pair, via) &&
        stun_read_address(m, STUN_XOR_MAPPED_ADDRESS, &mapped)) {
        stun_client_stop(&pair->client);
        pair->triggered = pair->use_candidate && !cancelled->use_candidate;
        check_succeeded(ice, now, pair, &mapped, cancelled->use_candidate);
        if (pair->triggered)
            pair->state = ICE_WAITING;
    }
}

static bool take_consent(struct ice *ice, struct tick now, const struct stun_message *m)
{
    for (size_t c = 0; c < ICE_COMPONENTS; c++) {
        struct ice_consent *consent = &ice->consents[c];
        for (size_t i = 0; i < ICE_CONSENT_CHECKS && i < consent->sent_count; i++) {
            if (!stun_transaction_equal(&consent->sent[i], &m->transaction))
                continue;
            if (m->class == STUN_SUCCESS && !tick_is_never(consent->expires))
                ice_consent_start(ice, now, (uint8_t)(c + 1));
            return true;
        }
    }
    return false;
}

enum ice_input_result ice_check_response(struct ice *ice, struct tick now,
                                         const struct ice_path *via, const struct stun_message *m)
{
    struct ice_pair *pair = NULL;
    struct addr mapped;
    uint16_t code = 0;
    struct view reason;
    if (!ice->remote_key)
        return ICE_NOT_MINE;
    struct ice_cancelled *cancelled = cancelled_find(ice, m);
    for (size_t i = 0; i < ice->pair_count && !pair; i++) {
        if (stun_client_matches(&ice->pairs[i].client, m))
            pair = &ice->pairs[i];
    }
    /* §7.2.5: an answer without good integrity is as if never received; 487 and 400 included. */
    if ((pair || cancelled) && stun_check(m, ice->remote_key) != STUN_INTEGRITY_GOOD)
        return ICE_REFUSED_INPUT;
    if (cancelled) {
        take_cancelled(ice, now, cancelled, via, m);
        return ICE_TAKEN;
    }
    if (!pair) {
        if (stun_check(m, ice->remote_key) != STUN_INTEGRITY_GOOD || !take_consent(ice, now, m))
            return ICE_NOT_MINE;
        return ICE_TAKEN;
    }
    stun_client_stop(&pair->client);
    if (!same_path(ice, pair, via)) {
        ice_check_failed(ice, now, pair); /* §7.2.5.2.1 */
    } else if (m->class == STUN_ERROR) {
        if (stun_read_error(m, &code, &reason) && code == 487)
            role_refused(ice, now, pair);
        else
            ice_check_failed(ice, now, pair);
    } else if (stun_read_address(m, STUN_XOR_MAPPED_ADDRESS, &mapped)) {
        check_succeeded(ice, now, pair, &mapped, pair->sent_use_candidate);
    } else {
        ice_check_failed(ice, now, pair);
    }
    return ICE_TAKEN;
}

/* ---- the peer's --------------------------------------------------------------------------------------- */

static struct ice_answer *next_answer(struct ice *ice, const struct ice_path *via)
{
    if (ice->answer_count == ICE_ANSWERS)
        return NULL; /* the owner reads no output: the peer asks again */
    struct ice_answer *answer =
        &ice->answers[(ice->answer_first + ice->answer_count++) % ICE_ANSWERS];
    *answer = (struct ice_answer){.path = *via};
    return answer;
}

/* §7.3.1.1. True when the request goes on; false when it was answered 487. */
static bool roles_agree(struct ice *ice, const struct ice_path *via, const struct stun_message *m)
{
    uint64_t theirs;
    bool conflict = false, ours_wins = false;
    if (ice->role == ICE_CONTROLLING && stun_read_u64(m, STUN_ICE_CONTROLLING, &theirs)) {
        conflict = true;
        ours_wins = ice->tie_breaker >= theirs;
    } else if (ice->role == ICE_CONTROLLED && stun_read_u64(m, STUN_ICE_CONTROLLED, &theirs)) {
        conflict = true;
        ours_wins = ice->tie_breaker < theirs;
    }
    if (!conflict)
        return true;
    if (ours_wins && !ice->options.lite) {
        struct ice_answer *answer = next_answer(ice, via);
        if (answer) {
            struct writer w = writer_of(answer->bytes, sizeof answer->bytes);
            stun_server_error(m, 487, ice->local_key, &w);
            answer->len = (uint16_t)writer_done(&w).len;
        }
        return false;
    }
    ice->role = ice->role == ICE_CONTROLLING ? ICE_CONTROLLED : ICE_CONTROLLING;
    ice_pairs_rank(ice);
    ice_tell(ice, (struct ice_event){.kind = ICE_ROLE_CHANGED});
    return true;
}

/* §7.3.1.3: who sent it, known or new. ICE_REMOTES when there is no room. */
static uint8_t source_remote(struct ice *ice, const struct ice_early *check, uint8_t component)
{
    for (uint8_t i = 0; i < ice->remote_count; i++) {
        const struct ice_remote *known = &ice->remotes[i];
        if (known->component == component && addr_equal(&known->address, &check->via.peer))
            return i;
    }
    if (ice->remote_count == ICE_REMOTES)
        return ICE_REMOTES;
    struct ice_remote found = {
        .type = CANDIDATE_PEER_REFLEXIVE,
        .component = component,
        .priority = check->priority,
        .address = check->via.peer,
    };
    (void)snprintf(found.foundation, sizeof found.foundation, "P%u", (unsigned)ice->remote_count);
    ice->remotes[ice->remote_count] = found;
    return ice->remote_count++;
}

static uint8_t local_of_base(const struct ice *ice, struct ice_base base)
{
    for (uint8_t i = 0; i < ice->local_count; i++) {
        if (ice->locals[i].pairable && ice->locals[i].base.number == base.number)
            return i;
    }
    return ICE_LOCALS;
}

/* §7.3.1.4: a check under way makes room for a fresh one. It is not sent again, but its answer still counts: two
 * agents that cancel at each other's checks would never be done otherwise. */
static void cancel_check(struct ice *ice, struct ice_pair *pair)
{
    ice->cancelled[ice->cancelled_next] = (struct ice_cancelled){
        .transaction = pair->client.transaction,
        .local = pair->local,
        .remote = pair->remote,
        .open = true,
        .use_candidate = pair->sent_use_candidate,
    };
    ice->cancelled_next = (uint8_t)((ice->cancelled_next + 1) % ICE_CANCELLED);
    stun_client_stop(&pair->client);
}

void ice_check_taken(struct ice *ice, struct tick now, const struct ice_early *check)
{
    uint8_t local = local_of_base(ice, check->via.base);
    if (local == ICE_LOCALS)
        return;
    uint8_t remote = source_remote(ice, check, (uint8_t)ice->locals[local].candidate.component);
    if (remote == ICE_REMOTES)
        return;
    struct ice_pair *pair = ice_pair_find(ice, local, remote);
    if (!pair)
        pair = ice_pair_add(ice, local, remote);
    if (!pair)
        return;
    if (ice->options.lite) {
        /* §7.3.2: an agent that sends no checks takes the peer's word. */
        pair->state = ICE_SUCCEEDED;
        pair->valid = true;
        if (check->use_candidate)
            ice_pair_nominated(ice, now, pair);
        ice_settle(ice, now);
        return;
    }
    bool nominates = check->use_candidate && ice->role == ICE_CONTROLLED;
    if (pair->state == ICE_SUCCEEDED) {
        if (nominates) {
            ice_pair_nominated(ice, now, pair); /* §7.3.1.5 */
            ice_settle(ice, now);
        }
        return;
    }
    if (pair->state == ICE_IN_PROGRESS)
        cancel_check(ice, pair);
    pair->nominate_on_success |= nominates;
    ice_pair_trigger(ice, now, pair);
}

static bool is_for_us(const struct ice *ice, const struct stun_message *m)
{
    return view_equal(ice_request_ufrag(m), view_of_string(ice->ufrag));
}

struct view ice_request_ufrag(const struct stun_message *m)
{
    struct view username, ours;
    if (!stun_attribute_find(m, STUN_USERNAME, &username))
        return VIEW_NONE;
    (void)view_cut(&username, ':', &ours);
    return ours;
}

enum ice_input_result ice_check_request(struct ice *ice, struct tick now,
                                        const struct ice_path *via, const struct stun_message *m)
{
    struct view username, unused;
    struct ice_early check = {.via = *via};
    if (!is_for_us(ice, m))
        return ICE_NOT_MINE;
    (void)stun_attribute_find(m, STUN_USERNAME, &username);
    /* Integrity first: what is not proven changes nothing and costs no answer (no check is answered without it). */
    if (stun_check(m, ice->local_key) != STUN_INTEGRITY_GOOD ||
        !stun_read_u32(m, STUN_PRIORITY, &check.priority))
        return ICE_REFUSED_INPUT;
    if (!roles_agree(ice, via, m))
        return ICE_TAKEN;
    struct ice_answer *answer = next_answer(ice, via);
    if (!answer)
        return ICE_TAKEN;
    struct stun_server server = {.key = ice->local_key,
                                 .username = username,
                                 .known = understood,
                                 .known_count = sizeof understood / sizeof *understood};
    struct writer w = writer_of(answer->bytes, sizeof answer->bytes);
    if (stun_server_answer(&server, m, &via->peer, &w).code != 0) {
        answer->len = (uint16_t)writer_done(&w).len;
        return ICE_TAKEN;
    }
    answer->len = (uint16_t)writer_done(&w).len;
    check.use_candidate = stun_attribute_find(m, STUN_USE_CANDIDATE, &unused);
    if (ice->remote_known || ice->options.lite)
        ice_check_taken(ice, now, &check);
    else if (ice->early_count < ICE_EARLY)
        ice->early[ice->early_count++] = check;
    return ICE_TAKEN;
}
