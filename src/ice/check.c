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

/* Places that no lying peer can fill with addresses of ours that it claims to see. */
#define ICE_LOCALS_KEPT 4

/* ---- ours ----------------------------------------------------------------------------------- */

static void put_role(struct writer *w, bool controlling, uint64_t tie_breaker)
{
    stun_put_u64(w, controlling ? STUN_ICE_CONTROLLING : STUN_ICE_CONTROLLED, tie_breaker);
}

static void put_username(struct writer *w, const struct ice_credentials *c)
{
    char username[2 * ICE_REMOTE_CREDENTIAL_SIZE];
    (void)snprintf(username, sizeof username, "%s:%s", c->remote_ufrag, c->ufrag);
    stun_put(w, STUN_USERNAME, view_of_string(username));
}

size_t ice_check_write(struct ice *ice, const struct ice_pair *pair)
{
    const struct ice_local *local = &ice->locals[pair->local];
    struct writer w = writer_of(ice->packet, sizeof ice->packet);
    stun_begin(&w, STUN_REQUEST, STUN_BINDING, &pair->client.transaction);
    put_username(&w, &ice->credentials);
    /* §7.1.1: what a candidate found by this check would have. */
    stun_put_u32(&w, STUN_PRIORITY,
                 ice_transport_priority(CANDIDATE_PEER_REFLEXIVE, local->candidate.transport,
                                        local->local_preference, pair->component));
    put_role(&w, pair->sent_as_controlling, ice_role_tie_breaker(ice, pair->turns));
    if (pair->sent_use_candidate)
        stun_put(&w, STUN_USE_CANDIDATE, VIEW_NONE);
    stun_sign(&w, ice->credentials.remote_key);
    stun_finish(&w, true);
    return writer_done(&w).len;
}

/* Credentials of a component's selected path. */
static struct ice_credentials *consent_credentials(struct ice *ice, uint8_t component)
{
    return !ice->is_chosen[component - 1] && ice->previous.remote_key ? &ice->previous
                                                                      : &ice->credentials;
}

/* §11: no credentials, FINGERPRINT alone. */
size_t ice_keepalive_write(struct ice *ice)
{
    struct stun_transaction id = stun_transaction_make(&ice->rng);
    struct writer w = writer_of(ice->packet, sizeof ice->packet);
    stun_begin(&w, STUN_INDICATION, STUN_BINDING, &id);
    stun_finish(&w, true);
    return writer_done(&w).len;
}

size_t ice_consent_write(struct ice *ice, uint8_t component)
{
    struct ice_consent *consent = &ice->consents[component - 1];
    const struct ice_credentials *credentials = consent_credentials(ice, component);
    struct stun_transaction id = stun_transaction_make(&ice->rng);
    struct writer w = writer_of(ice->packet, sizeof ice->packet);
    consent->sent[consent->sent_at] = id;
    consent->sent_at = (uint8_t)((consent->sent_at + 1) % ICE_CONSENT_CHECKS);
    if (consent->sent_count < ICE_CONSENT_CHECKS)
        consent->sent_count++;
    stun_begin(&w, STUN_REQUEST, STUN_BINDING, &id);
    put_username(&w, credentials);
    stun_put_u32(&w, STUN_PRIORITY, ice_candidate_priority(CANDIDATE_PEER_REFLEXIVE, 0, component));
    put_role(&w, ice->role == ICE_CONTROLLING, ice->session->tie_breaker);
    stun_sign(&w, credentials->remote_key);
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
    if (ice->local_count + ICE_LOCALS_KEPT >= ICE_LOCALS)
        return pair->local; /* only a name in reports: the path is the pair's own */
    struct ice_local found = *base;
    found.pairable = false;
    found.candidate.type = CANDIDATE_PEER_REFLEXIVE;
    found.candidate.address = *mapped;
    found.candidate.related = base->candidate.address;
    found.candidate.priority =
        ice_transport_priority(CANDIDATE_PEER_REFLEXIVE, base->candidate.transport,
                               base->local_preference, pair->component);
    (void)snprintf(found.candidate.foundation, sizeof found.candidate.foundation, "p%u",
                   (unsigned)ice->local_count);
    ice->locals[ice->local_count] = found;
    return ice->local_count++;
}

static void check_succeeded(struct ice *ice, struct tick now, struct ice_pair *pair,
                            const struct addr *mapped, bool sent_use_candidate, bool as_controlling)
{
    pair->state = ICE_SUCCEEDED;
    pair->valid = true;
    pair->heard_as_controlling = as_controlling;
    pair->named |= sent_use_candidate;
    pair->mapped = mapped_local(ice, pair, mapped);
    ice_pairs_unfreeze(ice, pair);
    if (sent_use_candidate || (pair->nominate_on_success && ice->role == ICE_CONTROLLED))
        ice_pair_nominated(ice, now, pair);
    ice_settle(ice, now);
    ice_pair_replaces(ice, pair);
}

/* §7.2.5.1, and only if the role that the check claimed is still ours: two answers, of one stream or
 * of two, must not switch twice. */
static void role_refused(struct ice *ice, struct tick now, struct ice_pair *pair)
{
    if (pair->turns == ice->session->turns) {
        uint8_t local = pair->local, remote = pair->remote;
        if (ice->remote_lite || ice->roles_refused++ == ICE_ROLES_REFUSED_MAX) {
            ice->roles_refused = ICE_ROLES_REFUSED_MAX;
            ice_check_failed(ice, now, pair);
            return;
        }
        ice_role_switch(ice, true);
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
        check_succeeded(ice, now, pair, &mapped, cancelled->use_candidate,
                        cancelled->as_controlling);
        if (pair->triggered)
            pair->state = ICE_WAITING;
    }
}

/* The component whose consent check m answers; 0: none. */
static uint8_t consent_find(const struct ice *ice, const struct stun_message *m)
{
    for (uint8_t c = 1; c <= ICE_COMPONENTS; c++) {
        const struct ice_consent *consent = &ice->consents[c - 1];
        for (size_t i = 0; i < consent->sent_count; i++) {
            if (stun_transaction_equal(&consent->sent[i], &m->transaction))
                return c;
        }
    }
    return 0;
}

static enum ice_input_result take_consent(struct ice *ice, struct tick now,
                                          const struct ice_path *via, const struct stun_message *m)
{
    uint16_t code = 0;
    struct view reason;
    uint8_t c = consent_find(ice, m);
    if (c == 0)
        return ICE_NOT_MINE;
    if (stun_check(m, consent_credentials(ice, c)->remote_key) != STUN_INTEGRITY_GOOD)
        return ICE_REFUSED_INPUT;
    const struct ice_path *path = &ice->selected[c - 1];
    /* RFC 7675 §5.1: from where it was sent to, in time; §5.2: 403 ends it at once. */
    if (path->base.number != via->base.number || !addr_equal(&path->peer, &via->peer) ||
        tick_is_never(ice->consents[c - 1].expires))
        return ICE_TAKEN;
    if (m->class == STUN_SUCCESS)
        ice_consent_start(ice, now, c);
    else if (stun_read_error(m, &code, &reason) && code == 403)
        ice_consent_end(ice, c);
    return ICE_TAKEN;
}

/* RFC 8489 §6.3.3: a response is not to be understood by halves. */
static bool is_understood(const struct stun_message *m)
{
    static const uint16_t known[] = {
        STUN_MAPPED_ADDRESS,
        STUN_USERNAME,
        STUN_MESSAGE_INTEGRITY,
        STUN_ERROR_CODE,
        STUN_REALM,
        STUN_UNKNOWN_ATTRIBUTES,
        STUN_NONCE,
        STUN_PRIORITY,
        STUN_MESSAGE_INTEGRITY_SHA256,
        STUN_XOR_MAPPED_ADDRESS,
        STUN_USE_CANDIDATE,
    };
    uint16_t unknown[1];
    return stun_unknown_attributes(m, known, sizeof known / sizeof *known, unknown, 1) == 0;
}

enum ice_input_result ice_check_response(struct ice *ice, struct tick now,
                                         const struct ice_path *via, const struct stun_message *m)
{
    struct ice_pair *pair = NULL;
    struct addr mapped;
    uint16_t code = 0;
    struct view reason;
    struct ice_cancelled *cancelled = cancelled_find(ice, m);
    for (size_t i = 0; i < ice->pair_count && !pair; i++) {
        if (stun_client_matches(&ice->pairs[i].client, m))
            pair = &ice->pairs[i];
    }
    /* §7.2.5: an answer without good integrity is as if never received; 487 and 400 included. */
    if ((pair || cancelled) && stun_check(m, ice->credentials.remote_key) != STUN_INTEGRITY_GOOD)
        return ICE_REFUSED_INPUT;
    if (cancelled) {
        take_cancelled(ice, now, cancelled, via, m);
        return ICE_TAKEN;
    }
    if (!pair)
        return take_consent(ice, now, via, m);
    stun_client_stop(&pair->client);
    if (!same_path(ice, pair, via) || !is_understood(m)) {
        ice_check_failed(ice, now, pair); /* §7.2.5.2.1 */
    } else if (m->class == STUN_ERROR) {
        if (stun_read_error(m, &code, &reason) && code == 487)
            role_refused(ice, now, pair);
        else
            ice_check_failed(ice, now, pair);
    } else if (stun_read_address(m, STUN_XOR_MAPPED_ADDRESS, &mapped)) {
        check_succeeded(ice, now, pair, &mapped, pair->sent_use_candidate,
                        pair->sent_as_controlling);
    } else {
        ice_check_failed(ice, now, pair);
    }
    return ICE_TAKEN;
}

/* ---- the peer's ----------------------------------------------------------------------------- */

/* The place of an answer, not yet sent: answer_keep does that. NULL when the owner reads no output:
 * the peer asks again. */
static struct ice_answer *next_answer(struct ice *ice, const struct ice_path *via)
{
    if (ice->answer_count == ICE_ANSWERS)
        return NULL;
    struct ice_answer *answer =
        &ice->answers[(ice->answer_first + ice->answer_count) % ICE_ANSWERS];
    *answer = (struct ice_answer){.path = *via};
    return answer;
}

static void answer_keep(struct ice *ice, struct ice_answer *answer, const struct writer *w)
{
    answer->len = (uint16_t)writer_done(w).len;
    if (answer->len > 0)
        ice->answer_count++;
}

static void answer_error(struct ice *ice, const struct ice_path *via, const struct stun_message *m,
                         uint16_t code)
{
    struct ice_answer *answer = next_answer(ice, via);
    if (!answer)
        return;
    struct writer w = writer_of(answer->bytes, sizeof answer->bytes);
    stun_server_error(m, code, ice->credentials.local_key, &w);
    answer_keep(ice, answer, &w);
}

/* §7.3.1.1. True when the request goes on; false when it is to be answered 487. */
static bool roles_agree(struct ice *ice, const struct stun_message *m)
{
    uint64_t theirs;
    bool ours_wins;
    if (ice->role == ICE_CONTROLLING && stun_read_u64(m, STUN_ICE_CONTROLLING, &theirs))
        ours_wins = ice->session->tie_breaker >= theirs;
    else if (ice->role == ICE_CONTROLLED && stun_read_u64(m, STUN_ICE_CONTROLLED, &theirs))
        ours_wins = ice->session->tie_breaker < theirs;
    else
        return true;
    /* §6.1.1: where one side is lite nothing is open: the full one MUST control. */
    if (ours_wins || ice->options.lite || ice->remote_lite)
        return false;
    ice_role_switch(ice, false);
    return true;
}

/* §7.3.1.3: who sent it, known or new. ICE_REMOTES when there is no room. */
static uint8_t source_remote(struct ice *ice, const struct ice_early *check,
                             const struct candidate *local)
{
    /* Who comes to a passive candidate is an active one, and the other way round (RFC 6544
     * §6.2). */
    static const uint8_t opposite[] = {
        [CANDIDATE_UDP] = CANDIDATE_UDP,
        [CANDIDATE_TCP_ACTIVE] = CANDIDATE_TCP_PASSIVE,
        [CANDIDATE_TCP_PASSIVE] = CANDIDATE_TCP_ACTIVE,
        [CANDIDATE_TCP_SIMULTANEOUS] = CANDIDATE_TCP_SIMULTANEOUS,
    };
    uint8_t component = (uint8_t)local->component;
    for (uint8_t i = 0; i < ice->remote_count; i++) {
        const struct ice_remote *known = &ice->remotes[i];
        if (known->component == component && known->transport == opposite[local->transport] &&
            addr_equal(&known->address, &check->via.peer))
            return i;
    }
    uint8_t place = ice_remote_place(ice);
    if (place == ICE_REMOTES)
        return ICE_REMOTES;
    struct ice_remote found = {
        .type = CANDIDATE_PEER_REFLEXIVE,
        .transport = opposite[local->transport],
        .component = component,
        .priority = check->priority,
        .address = check->via.peer,
    };
    (void)snprintf(found.foundation, sizeof found.foundation, "P%u", (unsigned)place);
    ice->remotes[place] = found;
    return place;
}

/* A relay has an address of each family behind one base. */
static uint8_t local_of_path(const struct ice *ice, const struct ice_path *path)
{
    for (uint8_t i = 0; i < ice->local_count; i++) {
        const struct ice_local *local = &ice->locals[i];
        if (local->pairable && local->base.number == path->base.number &&
            local->candidate.address.family == path->peer.family)
            return i;
    }
    return ICE_LOCALS;
}

/* §7.3.1.4: a check under way makes room for a fresh one. It is not sent again, but its answer
 * still counts: two agents that cancel at each other's checks would never be done otherwise. */
void ice_check_cancel(struct ice *ice, struct ice_pair *pair)
{
    ice->cancelled[ice->cancelled_next] = (struct ice_cancelled){
        .transaction = pair->client.transaction,
        .local = pair->local,
        .remote = pair->remote,
        .open = true,
        .use_candidate = pair->sent_use_candidate,
        .as_controlling = pair->sent_as_controlling,
    };
    ice->cancelled_next = (uint8_t)((ice->cancelled_next + 1) % ICE_CANCELLED);
    stun_client_stop(&pair->client);
}

void ice_check_taken(struct ice *ice, struct tick now, const struct ice_early *check)
{
    uint8_t local = local_of_path(ice, &check->via);
    bool nominates = check->use_candidate && ice->role == ICE_CONTROLLED;
    if (local == ICE_LOCALS)
        return;
    /* A path is chosen: there is nothing left to find out. Two NATs that give each answer a new
     * port would have both sides ask each other back for as long as the call lasts. */
    uint8_t component = (uint8_t)ice->locals[local].candidate.component;
    bool is_late = ice->is_chosen[component - 1] && !nominates && !ice->options.lite;
    if (is_late && !ice_pair_may_replace(ice, local, component))
        return;
    uint8_t remote = source_remote(ice, check, &ice->locals[local].candidate);
    if (remote == ICE_REMOTES)
        return;
    struct ice_pair *pair = ice_pair_find(ice, local, remote);
    if (!pair)
        pair = ice_pair_add(ice, local, remote, true);
    if (!pair)
        return;
    if (ice->options.lite) {
        /* §7.3.2: an agent that sends no checks takes the peer's word. */
        pair->state = ICE_SUCCEEDED;
        pair->valid = true;
        if (check->use_candidate)
            ice_pair_nominated(ice, now, pair);
        ice_settle(ice, now);
        ice_pair_replaces(ice, pair);
        return;
    }
    if (pair->state == ICE_SUCCEEDED) {
        if (nominates) {
            ice_pair_nominated(ice, now, pair); /* §7.3.1.5 */
            ice_settle(ice, now);
        }
        return;
    }
    if (pair->state == ICE_IN_PROGRESS)
        ice_check_cancel(ice, pair);
    ice->again_left -= is_late;
    pair->nominate_on_success |= nominates;
    ice_pair_trigger(ice, now, pair);
}

struct view ice_request_ufrag(const struct stun_message *m)
{
    struct view username, ours;
    if (!stun_attribute_find(m, STUN_USERNAME, &username))
        return VIEW_NONE;
    (void)view_cut(&username, ':', &ours);
    return ours;
}

/* §7.3 before the description: answered, and remembered once however often it comes. */
static void keep_early(struct ice *ice, const struct ice_early *check)
{
    for (size_t i = 0; i < ice->early_count; i++) {
        struct ice_early *known = &ice->early[i];
        if (known->via.base.number != check->via.base.number ||
            !addr_equal(&known->via.peer, &check->via.peer))
            continue;
        known->use_candidate |= check->use_candidate;
        return;
    }
    if (ice->early_count < ICE_EARLY)
        ice->early[ice->early_count++] = *check;
}

/* Whose credentials a request names: ours, or, in a restart, those before it. NULL:
 * somebody else's. */
static struct stun_key *key_for(const struct ice *ice, struct view ufrag)
{
    if (view_equal(ufrag, view_of_string(ice->credentials.ufrag)))
        return ice->credentials.local_key;
    if (ice->previous.local_key && view_equal(ufrag, view_of_string(ice->previous.ufrag)))
        return ice->previous.local_key;
    return NULL;
}

enum ice_input_result ice_check_request(struct ice *ice, struct tick now,
                                        const struct ice_path *via, const struct stun_message *m)
{
    struct view username, unused;
    struct ice_early check = {.via = *via};
    struct stun_server server = {.key = key_for(ice, ice_request_ufrag(m)),
                                 .known = understood,
                                 .known_count = sizeof understood / sizeof *understood};
    if (!server.key || !stun_attribute_find(m, STUN_USERNAME, &username))
        return ICE_NOT_MINE;
    server.username = username;
    struct ice_answer *answer = next_answer(ice, via);
    if (!answer)
        return ICE_REFUSED_INPUT;
    struct writer w = writer_of(answer->bytes, sizeof answer->bytes);
    uint16_t code = stun_server_answer(&server, m, &via->peer, &w).code;
    /* Integrity first: what is not proven changes nothing and gets no answer. */
    if ((!m->integrity && !m->integrity_sha256) || code == 401)
        return ICE_REFUSED_INPUT;
    if (code != 0 || server.key == ice->previous.local_key) {
        /* Refused; or consent for a path chosen before a restart,
         * which has no part in the new checks. */
        answer_keep(ice, answer, &w);
        return ICE_TAKEN;
    }
    bool whole = stun_read_u32(m, STUN_PRIORITY, &check.priority);
    if (!whole || !roles_agree(ice, m)) {
        answer_error(ice, via, m, whole ? 487 : 400);
        return ICE_TAKEN;
    }
    answer_keep(ice, answer, &w);
    check.use_candidate = stun_attribute_find(m, STUN_USE_CANDIDATE, &unused);
    if (ice->remote_known || ice->options.lite)
        ice_check_taken(ice, now, &check);
    else
        keep_early(ice, &check);
    return ICE_TAKEN;
}
