/* ice: an agent's life, candidates, and the four verbs.
 * Not here: checks (check.c), pairs (checklist.c), the choice (nominate.c).
 * RFC 8445. */
#include "ice/agent.h"

#include "ice/priority.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool make_credentials(struct ice *ice)
{
    char pwd[ICE_PWD_SIZE];
    rng_text(&ice->rng, pwd, ICE_PWD_SIZE - 1);
    struct stun_key *key = stun_key_create_short(view_of_string(pwd));
    if (!key)
        return false;
    rng_text(&ice->rng, ice->credentials.ufrag, ICE_UFRAG_SIZE - 1);
    memcpy(ice->pwd, pwd, sizeof ice->pwd);
    ice->credentials.local_key = key;
    return true;
}

void ice_credentials_forget(struct ice_credentials *credentials)
{
    stun_key_destroy(credentials->local_key);
    stun_key_destroy(credentials->remote_key);
    *credentials = (struct ice_credentials){0};
}

/* Nothing is held, or not any more. */
static const struct tick NO_HOLD = {INT64_MIN};

static bool is_held(const struct ice *ice)
{
    return ice->hold.ns != NO_HOLD.ns;
}

struct ice *ice_create(const struct ice_options *options)
{
    assert(options->components >= 1 && options->components <= ICE_COMPONENTS);
    struct ice *ice = calloc(1, sizeof *ice);
    if (!ice)
        return NULL;
    ice->options = *options;
    ice->components = options->components;
    if (ice->options.ta_ms == 0)
        ice->options.ta_ms = ICE_TA_MS;
    /* A lite agent is controlled, unless both are lite,
     * where it makes no difference to it (§6.1.1). */
    ice->role = options->lite ? ICE_CONTROLLED : options->role;
    ice->next_check = ice->started = ice->give_up = ice->again = TICK_NEVER;
    ice->hold = NO_HOLD;
    for (size_t c = 0; c < ICE_COMPONENTS; c++)
        ice->consents[c].next = ice->consents[c].expires = TICK_NEVER;
    rng_init(&ice->rng, options->seed);
    ice->alone = (struct ice_session){.role = ice->role, .tie_breaker = rng_u64(&ice->rng)};
    ice->session = &ice->alone;
    if (make_credentials(ice))
        return ice;
    ice_destroy(ice);
    return NULL;
}

void ice_destroy(struct ice *ice)
{
    if (!ice)
        return;
    ice_credentials_forget(&ice->credentials);
    ice_credentials_forget(&ice->previous);
    free(ice);
}

const char *ice_ufrag(const struct ice *ice)
{
    return ice->credentials.ufrag;
}

const char *ice_pwd(const struct ice *ice)
{
    return ice->pwd;
}

void ice_tell(struct ice *ice, struct ice_event event)
{
    /* The latest of a kind and component says all that the ones before it do, so none is ever lost:
     * there are fewer kinds than places. */
    uint8_t kept = 0;
    for (uint8_t i = 0; i < ice->event_count; i++) {
        struct ice_event old = ice->events[(ice->event_first + i) % ICE_EVENTS];
        if (old.kind != event.kind || old.component != event.component)
            ice->events[(ice->event_first + kept++) % ICE_EVENTS] = old;
    }
    assert(kept < ICE_EVENTS);
    ice->events[(ice->event_first + kept) % ICE_EVENTS] = event;
    ice->event_count = (uint8_t)(kept + 1);
}

bool ice_event(struct ice *ice, struct ice_event *out)
{
    if (ice->event_count == 0)
        return false;
    *out = ice->events[ice->event_first];
    ice->event_first = (uint8_t)((ice->event_first + 1) % ICE_EVENTS);
    ice->event_count--;
    return true;
}

/* ---- candidates ----------------------------------------------------------------------------- */

/* §5.1.1.2: a host's and a relayed candidate's base is itself. */
static const struct addr *base_of(const struct candidate *c)
{
    return c->type == CANDIDATE_HOST || c->type == CANDIDATE_RELAYED ? &c->address : &c->related;
}

/* §5.1.1.3: the same for the same type, base address and server; a number of each such group. */
static void make_foundation(struct ice *ice, struct candidate *candidate)
{
    for (size_t i = 0; i < ice->local_count; i++) {
        const struct candidate *other = &ice->locals[i].candidate;
        if (other->type == candidate->type && other->transport == candidate->transport &&
            addr_equal_ip(base_of(other), base_of(candidate))) {
            memcpy(candidate->foundation, other->foundation, sizeof candidate->foundation);
            return;
        }
    }
    (void)snprintf(candidate->foundation, sizeof candidate->foundation, "%u",
                   (unsigned)++ice->foundations);
}

bool ice_add_local(struct ice *ice, struct candidate candidate, struct ice_base base,
                   uint16_t local_preference)
{
    if (candidate.transport == CANDIDATE_TCP_ACTIVE)
        candidate.address.port = ICE_TCP_ACTIVE_PORT;
    local_preference =
        ice_tcp_local_preference(candidate.type, candidate.transport, local_preference);
    if (ice->local_count == ICE_LOCALS || candidate.transport == CANDIDATE_TCP_SIMULTANEOUS ||
        candidate.component < 1 || candidate.component > ice->options.components ||
        !addr_is_set(&candidate.address))
        return false;
    for (size_t i = 0; i < ice->local_count; i++) {
        const struct ice_local *known = &ice->locals[i];
        if (known->candidate.component == candidate.component &&
            known->base.number == base.number &&
            addr_equal(&known->candidate.address, &candidate.address))
            return false; /* §5.1.3: the same address and base */
    }
    if (!candidate.priority)
        candidate.priority = ice_transport_priority(candidate.type, candidate.transport,
                                                    local_preference, candidate.component);
    if (!candidate.foundation[0])
        make_foundation(ice, &candidate);
    ice->locals[ice->local_count++] = (struct ice_local){
        .candidate = candidate,
        .base = base,
        .local_preference = local_preference,
        .pairable = candidate.type == CANDIDATE_HOST || candidate.type == CANDIDATE_RELAYED,
    };
    ice->locals_changed = true;
    return true;
}

size_t ice_local_candidates(const struct ice *ice, struct candidate *out, size_t size)
{
    size_t count = 0;
    for (size_t i = 0; i < ice->local_count; i++) {
        if (ice->locals[i].candidate.type == CANDIDATE_PEER_REFLEXIVE)
            continue; /* known to the peer: it told us */
        if (count < size)
            out[count] = ice->locals[i].candidate;
        count++;
    }
    return count;
}

static bool is_same_remote(const struct ice *ice, struct view ufrag, struct view pwd)
{
    return view_equal(ufrag, view_of_string(ice->credentials.remote_ufrag)) &&
           view_equal(pwd, stun_key_bytes(ice->credentials.remote_key));
}

bool ice_set_remote(struct ice *ice, struct tick now, struct view ufrag, struct view pwd,
                    bool remote_lite)
{
    if (ufrag.len < 4 || ufrag.len > 256 || pwd.len < 22 || pwd.len > 256)
        return false;
    if (ice->remote_known && is_same_remote(ice, ufrag, pwd))
        return true;
    struct stun_key *key = stun_key_create_short(pwd);
    if (!key)
        return false;
    if (ice->remote_known)
        ice_restart(ice); /* the peer did: RFC 8839 §4.4.2 */
    ice->credentials.remote_key = key;
    (void)view_copy(ufrag, ice->credentials.remote_ufrag, sizeof ice->credentials.remote_ufrag);
    ice->remote_known = true;
    ice->remote_lite = remote_lite;
    ice_role_settle(ice);
    ice->state = ICE_STATE_RUNNING;
    ice_pairs_form(ice, now);
    for (size_t i = 0; i < ice->early_count; i++)
        ice_check_taken(ice, now, &ice->early[i]);
    ice->early_count = 0;
    if (ice->options.lite)
        ice_settle(ice, now); /* a peer may have nominated before its description came */
    return true;
}

static bool may_be_sent_to(const struct addr *address)
{
    return address->port != 0 && !addr_is_unspecified(address) && !addr_is_multicast(address) &&
           !addr_is_reserved(address);
}

static struct ice_remote remote_of(const struct candidate *c)
{
    struct ice_remote remote = {.address = addr_unmap(c->address),
                                .priority = c->priority,
                                .type = (uint8_t)c->type,
                                .transport = (uint8_t)c->transport,
                                .component = (uint8_t)c->component};
    memcpy(remote.foundation, c->foundation, sizeof remote.foundation);
    return remote;
}

bool ice_add_remote(struct ice *ice, struct tick now, const struct candidate *candidate)
{
    struct ice_remote remote = remote_of(candidate);
    if (candidate->transport == CANDIDATE_TCP_SIMULTANEOUS || candidate->component < 1 ||
        candidate->component > ice->options.components || !may_be_sent_to(&remote.address))
        return false;
    if (candidate->transport == CANDIDATE_TCP_ACTIVE)
        return true; /* nothing to send to: it comes to us, peer-reflexive (RFC 6544 §7.2) */
    for (size_t i = 0; i < ice->remote_count; i++) {
        struct ice_remote *known = &ice->remotes[i];
        if (known->component != candidate->component || known->transport != remote.transport ||
            !addr_equal(&known->address, &remote.address))
            continue;
        /* A check came first and showed it as peer-reflexive:
         * now its name is known (RFC 8838 §11.4). */
        if (known->type == CANDIDATE_PEER_REFLEXIVE) {
            *known = remote;
            ice_pairs_rank(ice);
        }
        return true;
    }
    if (ice->remote_count == ICE_REMOTES)
        return false;
    ice->remotes[ice->remote_count++] = remote;
    ice_pairs_form(ice, now);
    return true;
}

void ice_end_remote(struct ice *ice, struct tick now)
{
    bool has_rtcp = ice->remote_count == 0;
    ice->remote_ended = true;
    for (size_t i = 0; i < ice->remote_count; i++)
        has_rtcp |= ice->remotes[i].component == ICE_COMPONENTS;
    if (!has_rtcp)
        ice->components = 1; /* §6.1.2.2: the minimum across both agents */
    if (ice->state == ICE_STATE_RUNNING)
        ice->give_up =
            TICK_NEVER; /* what was waited for longer, for want of this, is looked at anew */
    ice_settle(ice, now);
}

void ice_restart(struct ice *ice)
{
    uint8_t kept = 0;
    bool carries = false;
    struct ice_credentials old = ice->credentials;
    ice->credentials = (struct ice_credentials){0};
    if (!make_credentials(ice)) {
        ice->credentials = old;
        return;
    }
    for (size_t c = 0; c < ICE_COMPONENTS; c++)
        carries |= ice->is_chosen[c];
    /* A path goes on with the credentials it was chosen with. */
    ice_credentials_forget(carries ? &ice->previous : &old);
    if (carries)
        ice->previous = old;
    for (uint8_t i = 0; i < ice->local_count; i++) {
        if (ice->locals[i].candidate.type != CANDIDATE_PEER_REFLEXIVE)
            ice->locals[kept++] = ice->locals[i];
    }
    ice->local_count = kept;
    ice->remote_count = ice->pair_count = ice->early_count = 0;
    memset(ice->cancelled, 0, sizeof ice->cancelled);
    ice->remote_known = ice->remote_ended = ice->role_changed = false;
    ice->components = ice->options.components;
    ice->roles_refused = ice->again_rounds = ice->again_left = 0;
    ice->state = ICE_STATE_WAITING;
    ice->next_check = ice->started = ice->give_up = ice->again = TICK_NEVER;
    for (size_t c = 0; c < ICE_COMPONENTS; c++)
        ice->is_chosen[c] = false; /* the path stands until a new one is chosen */
}

/* ---- the verbs ------------------------------------------------------------------------------ */

/* A keepalive does not say of whom it is (§11): only its path does. */
static bool is_from_peer(const struct ice *ice, const struct ice_path *via)
{
    for (size_t c = 0; c < ICE_COMPONENTS; c++) {
        if (ice->is_selected[c] && ice->selected[c].base.number == via->base.number &&
            addr_equal(&ice->selected[c].peer, &via->peer))
            return true;
    }
    return false;
}

enum ice_input_result ice_input(struct ice *ice, struct tick now, const struct ice_path *via,
                                struct view datagram)
{
    struct stun_message m;
    enum ice_input_result result;
    if (stun_message_decode(datagram, &m) != STUN_DECODED || m.classic || m.method != STUN_BINDING)
        return ICE_NOT_MINE;
    ice_role_follow(ice);
    if (m.class == STUN_REQUEST)
        result = ice_check_request(ice, now, via, &m);
    else if (m.class == STUN_INDICATION)
        return is_from_peer(ice, via) ? ICE_TAKEN : ICE_NOT_MINE;
    else
        result = ice_check_response(ice, now, via, &m);
    ice_nominate(ice, now);
    return result;
}

static void expire_consent(struct ice *ice, struct tick now)
{
    for (uint8_t c = 1; c <= ICE_COMPONENTS; c++) {
        struct ice_consent *consent = &ice->consents[c - 1];
        if (!tick_is_never(consent->expires) && tick_due(consent->expires, now))
            ice_consent_end(ice, c);
    }
}

void ice_expire(struct ice *ice, struct tick now)
{
    ice_role_follow(ice);
    if (ice->locals_changed)
        ice_pairs_form(ice, now);
    expire_consent(ice, now);
    ice_nominate(ice, now);
    ice_look_again(ice, now);
    if (tick_due(ice->give_up, now) && !tick_is_never(ice->give_up)) {
        ice->give_up = TICK_NEVER;
        ice->state = ICE_STATE_FAILED;
        ice_tell(ice, (struct ice_event){.kind = ICE_FAILED});
    }
}

struct tick ice_deadline(const struct ice *ice)
{
    struct tick first = tick_min(ice->next_check, tick_min(ice->give_up, ice->again));
    if (((ice->locals_changed || ice->role_changed) && ice->remote_known) || ice_role_is_stale(ice))
        return (struct tick){INT64_MIN}; /* at once */
    if (is_held(ice))
        first = tick_min(first, ice->hold);
    for (size_t i = 0; i < ice->pair_count; i++)
        first = tick_min(first, stun_client_deadline(&ice->pairs[i].client));
    for (size_t c = 0; c < ICE_COMPONENTS; c++)
        first = tick_min(first, tick_min(ice->consents[c].next, ice->consents[c].expires));
    return tick_min(first, ice_nominate_deadline(ice));
}

void ice_path_failed(struct ice *ice, struct tick now, const struct ice_path *path)
{
    ice_role_follow(ice);
    for (size_t i = 0; i < ice->pair_count; i++) {
        struct ice_pair *pair = &ice->pairs[i];
        if (pair->state != ICE_IN_PROGRESS ||
            ice->locals[pair->local].base.number != path->base.number ||
            !addr_equal(&ice->remotes[pair->remote].address, &path->peer))
            continue;
        stun_client_stop(&pair->client);
        ice_check_failed(ice, now, pair);
    }
    ice_nominate(ice, now);
}

static bool output_answer(struct ice *ice, struct ice_packet *out)
{
    if (ice->answer_count == 0)
        return false;
    const struct ice_answer *answer = &ice->answers[ice->answer_first];
    memcpy(ice->packet, answer->bytes, answer->len);
    *out = (struct ice_packet){.path = answer->path, .bytes = view_of(ice->packet, answer->len)};
    ice->answer_first = (uint8_t)((ice->answer_first + 1) % ICE_ANSWERS);
    ice->answer_count--;
    return out->bytes.len > 0;
}

static void fill_check(struct ice *ice, const struct ice_pair *pair, struct ice_packet *out)
{
    size_t len = ice_check_write(ice, pair);
    ice->checks_sent++;
    *out = (struct ice_packet){
        .path = {ice->locals[pair->local].base, ice->remotes[pair->remote].address},
        .bytes = view_of(ice->packet, len),
    };
}

static bool output_again(struct ice *ice, struct tick now, struct ice_packet *out)
{
    for (size_t i = 0; i < ice->pair_count; i++) {
        struct ice_pair *pair = &ice->pairs[i];
        switch (stun_client_step(&pair->client, now)) {
        case STUN_CLIENT_SEND:
            fill_check(ice, pair, out);
            return true;
        case STUN_CLIENT_TIMEOUT:
            if (pair->state == ICE_IN_PROGRESS) {
                ice_check_failed(ice, now, pair);
                ice_nominate(ice, now); /* another, if it was that one's turn */
            }
            break;
        case STUN_CLIENT_WAIT:
            break;
        }
    }
    return false;
}

/* §14.3: RTO = MAX(500 ms, Ta * (pairs Waiting or In-Progress)). */
static int64_t rto_ms(const struct ice *ice)
{
    int64_t busy = 0;
    for (size_t i = 0; i < ice->pair_count; i++)
        busy += ice->pairs[i].state == ICE_WAITING || ice->pairs[i].state == ICE_IN_PROGRESS;
    return busy * ice->options.ta_ms;
}

static bool output_check(struct ice *ice, struct tick now, struct ice_packet *out)
{
    if (is_held(ice) && tick_due(ice->hold, now)) {
        ice->hold = NO_HOLD;
        if (tick_is_never(ice->next_check))
            ice->next_check = now;
    }
    if (tick_is_never(ice->next_check) || !tick_due(ice->next_check, now))
        return false;
    struct ice_pair *pair = ice->state == ICE_STATE_FAILED ? NULL : ice_pair_next(ice, now);
    if (!pair) {
        ice->next_check = TICK_NEVER; /* until something is waiting again */
        return false;
    }
    /* RFC 6544 §7.1: TCP itself sees to it that a check arrives. */
    const struct stun_client_options schedule = {
        .rto_ms = rto_ms(ice), .reliable = ice->remotes[pair->remote].transport != CANDIDATE_UDP};
    stun_client_start(&pair->client, now, &ice->rng, &schedule);
    (void)stun_client_step(&pair->client, now);
    ice->triggered_row = pair->triggered ? (uint8_t)(ice->triggered_row % UINT8_MAX + 1) : 0;
    pair->triggered = false;
    pair->state = ICE_IN_PROGRESS;
    pair->sent_use_candidate = pair->use_candidate && ice->role == ICE_CONTROLLING;
    pair->sent_as_controlling = ice->role == ICE_CONTROLLING;
    pair->turns = ice->session->turns;
    ice->next_check = tick_add_ms(now, ice->options.ta_ms);
    fill_check(ice, pair, out);
    return true;
}

/* At once, whatever the pace of checks: the peer's may be under way. */
static bool output_opener(struct ice *ice, struct ice_packet *out)
{
    for (size_t i = 0; i < ice->pair_count; i++) {
        struct ice_pair *pair = &ice->pairs[i];
        if (!pair->opens)
            continue;
        pair->opens = false;
        *out = (struct ice_packet){
            .path = {ice->locals[pair->local].base, ice->remotes[pair->remote].address},
            .bytes = view_of(ice->packet, ice_keepalive_write(ice)),
            .hops = ice->options.open_hops,
        };
        return true;
    }
    return false;
}

static bool output_consent(struct ice *ice, struct tick now, struct ice_packet *out)
{
    for (uint8_t c = 1; c <= ICE_COMPONENTS; c++) {
        struct ice_consent *consent = &ice->consents[c - 1];
        if (tick_is_never(consent->next) || !tick_due(consent->next, now))
            continue;
        size_t len = ice->options.lite ? ice_keepalive_write(ice) : ice_consent_write(ice, c);
        consent->next = tick_add_ms(
            now, ice->options.lite ? ICE_KEEPALIVE_MS : 4000 + (int64_t)rng_below(&ice->rng, 2001));
        *out =
            (struct ice_packet){.path = ice->selected[c - 1], .bytes = view_of(ice->packet, len)};
        return true;
    }
    return false;
}

bool ice_output(struct ice *ice, struct tick now, struct ice_packet *out)
{
    ice_role_follow(ice);
    if (ice->locals_changed)
        ice_pairs_form(ice, now);
    return output_answer(ice, out) || output_opener(ice, out) || output_again(ice, now, out) ||
           output_check(ice, now, out) || output_consent(ice, now, out);
}

struct ice_status ice_status(const struct ice *ice)
{
    struct ice_status status = {
        .state = ice->state,
        .role = ice->role,
        .locals = ice->local_count,
        .remotes = ice->remote_count,
        .pairs = ice->pair_count,
        .checks_sent = ice->checks_sent,
    };
    for (size_t c = 0; c < ICE_COMPONENTS; c++)
        status.consent[c] =
            ice->is_selected[c] && (ice->options.lite || !tick_is_never(ice->consents[c].expires));
    return status;
}

bool ice_selected(const struct ice *ice, uint8_t component, struct ice_path *out)
{
    assert(component >= 1 && component <= ICE_COMPONENTS);
    if (!ice->is_selected[component - 1])
        return false;
    *out = ice->selected[component - 1];
    return true;
}
