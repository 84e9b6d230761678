/* ice: see ice.h.
 * Not here: which ports a call has (call.c), what of the network is known (reach.c).
 * RFC 8839 §4.2.5 (mismatch), §4.4 (later offers), §5.4; 8445 §6.1.1 (roles); DESIGN: sip.allow. */
#include "recorder/ice_inside.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/metrics.h"
#include "base/target.h"
#include "ice/priority.h"
#include "recorder/late.h"
#include "recorder/share.h"
#include "recorder/trickle.h"

enum { GUESSES = 4, RENEWALS = 2 };

void recorder_ice_destroy(struct recorder *recorder, struct recorder_ice *ice)
{
    if (!ice)
        return;
    recorder_ice_destroy(recorder, ice->next);
    recorder_second_give_back(recorder, ice);
    ice_destroy(ice->agent);
    free(ice);
}

/* ---- The SRC's description ------------------------------------------------------------------ */

bool recorder_ice_offered(const struct sdp_media *media)
{
    /* RFC 8839 §5.4. */
    return media->ice_ufrag.len >= 4 && media->ice_ufrag.len <= 256 && media->ice_pwd.len >= 22 &&
           media->ice_pwd.len <= 256;
}

static const struct candidate *candidate_at(const struct sdp_session *sdp,
                                            const struct sdp_media *media, size_t i)
{
    return &sdp->candidates[media->candidate_first + i];
}

static bool has_candidate(const struct sdp_session *sdp, const struct sdp_media *media,
                          uint16_t component, const struct addr *address)
{
    for (size_t i = 0; i < media->candidate_count; i++) {
        const struct candidate *c = candidate_at(sdp, media, i);
        if (c->component == component && addr_equal(&c->address, address))
            return true;
    }
    return false;
}

static bool has_component(const struct sdp_session *sdp, const struct sdp_media *media,
                          uint16_t component)
{
    for (size_t i = 0; i < media->candidate_count; i++) {
        if (candidate_at(sdp, media, i)->component == component)
            return true;
    }
    return false;
}

/* RFC 8839 §4.2.5: the default destination must be a candidate, or somebody on the way has
 * rewritten one and not the other. A name, or 0.0.0.0 with port 9, is none of that; nor is a
 * trickling agent's that has named no candidate yet. */
static bool is_mismatch(const struct sdp_session *sdp, const struct sdp_media *media)
{
    if (!addr_is_set(&media->rtp) || sdp->lost_candidates)
        return false;
    if (media->candidate_count == 0)
        return !media->ice_trickles;
    if (!has_candidate(sdp, media, 1, &media->rtp))
        return true;
    return !media->rtcp_mux && has_component(sdp, media, 2) &&
           !has_candidate(sdp, media, 2, &media->rtcp);
}

static bool is_named(const struct recorder *recorder, const struct addr *address)
{
    for (uint32_t i = 0; i < recorder->settings.allow.count; i++) {
        if (addr_prefix_contains(&recorder->settings.allow.list[i], address))
            return true;
    }
    return false;
}

bool recorder_ice_may_check(const struct recorder *recorder, const struct recorder_call *call,
                            const struct addr *address)
{
    /* An unlisted SRC's, too: media sends it few checks until one was answered. */
    struct target_rule rule = {.signalled = call->flow.peer, .listed = true};
    return target_may_get(&rule, address, is_named(recorder, address));
}

/* A relay lets in whom it was told of. For an unlisted SRC that is where its SIP came from. */
static void permit(const struct recorder *recorder, const struct recorder_call *call,
                   const struct addr *address, struct recorder_ice *ice)
{
    struct target_rule rule = {.signalled = call->flow.peer, .listed = call->listed};
    if (!target_may_get(&rule, address, is_named(recorder, address)) ||
        ice->permitted_count == MEDIA_PERMITTED)
        return;
    for (uint8_t i = 0; i < ice->permitted_count; i++) {
        if (addr_equal_ip(&ice->permitted[i], address))
            return;
    }
    ice->permitted[ice->permitted_count++] = addr_with_port(*address, 0);
}

/* Best first, so that what does not fit is the worst. */
static int compare(const void *a, const void *b)
{
    const struct candidate *x = a, *y = b;
    return (x->priority < y->priority) - (x->priority > y->priority);
}

static size_t choose(const struct recorder *recorder, const struct recorder_call *call,
                     const struct sdp_media *media, struct candidate *out)
{
    size_t count = 0;
    metric_add(METRIC_ICE_CANDIDATES_REFUSED, media->candidates_unread);
    for (size_t i = 0; i < media->candidate_count; i++) {
        const struct candidate *c = candidate_at(&recorder->theirs, media, i);
        if (c->component > (media->rtcp_mux ? 1 : ICE_COMPONENTS))
            continue; /* not needed */
        if (c->transport == CANDIDATE_TCP_ACTIVE ||
            recorder_ice_may_check(recorder, call, &c->address))
            out[count++] = *c;
        else
            metric_add(METRIC_ICE_CANDIDATES_REFUSED, 1);
    }
    qsort(out, count, sizeof *out, compare);
    return count;
}

/* An SRC behind a NAT that asks no STUN server names nothing that can be reached. Where its NAT keeps
 * ports (Linux's does) its checks come from the address of its SIP and the ports that it names: our
 * NAT can be opened to those (doc/nat.md 5, 9), and no relay is needed. */
static void guess_reflexive(const struct recorder *recorder, const struct recorder_call *call,
                            struct tick now, const struct sdp_media *media,
                            struct recorder_ice *ice)
{
    const struct addr *signalled = &call->flow.peer;
    bool knows = addr_is_private(signalled) || addr_is_loopback(signalled);
    unsigned guesses = 0;
    for (size_t i = 0; i < media->candidate_count; i++) {
        const struct candidate *c = candidate_at(&recorder->theirs, media, i);
        knows |= c->type != CANDIDATE_HOST || addr_equal_ip(&c->address, signalled);
    }
    for (size_t i = 0; !knows && guesses < GUESSES && i < media->candidate_count; i++) {
        const struct candidate *c = candidate_at(&recorder->theirs, media, i);
        if (c->transport != CANDIDATE_UDP || c->address.family != signalled->family ||
            !addr_is_private(&c->address) || !recorder_ice_may_check(recorder, call, signalled))
            continue;
        struct candidate guess = {
            .type = CANDIDATE_SERVER_REFLEXIVE,
            .component = c->component,
            .priority = ice_candidate_priority(CANDIDATE_SERVER_REFLEXIVE, 0, c->component),
            .address = addr_with_port(*signalled, c->address.port),
            .foundation = "guess",
        };
        guesses += ice_add_remote(ice->agent, now, &guess);
    }
}

static bool describe_remote(const struct recorder *recorder, const struct recorder_call *call,
                            struct tick now, const struct sdp_media *media,
                            struct recorder_ice *ice)
{
    struct candidate list[SDP_CANDIDATES_POOL];
    size_t count = choose(recorder, call, media, list);
    (void)view_copy(media->ice_ufrag, ice->remote_ufrag, sizeof ice->remote_ufrag);
    (void)view_copy(media->ice_pwd, ice->remote_pwd, sizeof ice->remote_pwd);
    if (!ice_set_remote(ice->agent, now, media->ice_ufrag, media->ice_pwd,
                        recorder->theirs.ice_lite))
        return false;
    permit(recorder, call, &call->flow.peer, ice);
    for (size_t i = 0; i < count; i++) {
        permit(recorder, call, &list[i].address, ice);
        if (!ice_add_remote(ice->agent, now, &list[i]))
            metric_add(METRIC_ICE_CANDIDATES_REFUSED, 1);
    }
    guess_reflexive(recorder, call, now, media, ice);
    if (!media->ice_trickles || media->ice_ends)
        ice_end_remote(ice->agent, now);
    return true;
}

/* ---- Ours ----------------------------------------------------------------------------------- */

static const struct nat_profile *profile_of(const struct recorder *recorder,
                                            const struct addr *address)
{
    return &recorder->profiles[address->family == ADDR_V6];
}

/* One of the two sockets of a port, with what is known about it; a relay's address of the other family
 * is for SRCs that have that. */
static struct ice_gather_base base_of(const struct recorder *recorder,
                                      const struct recorder_call *call, struct tick now,
                                      const struct recorder_lease *lease, bool rtcp, bool other)
{
    const struct recorder_ticket *ticket = &lease->ticket;
    const struct addr *bound = rtcp ? &ticket->bound_rtcp : &ticket->bound;
    const struct addr *seen = rtcp ? &ticket->seen_rtcp : &ticket->seen;
    struct ice_gather_base base = {
        .base = {recorder_share_socket(ticket, rtcp)},
        .component = rtcp ? 2 : 1,
        .address = addr_with_port(recorder_way_own(recorder, call, lease), bound->port),
        .is_way_out = true,
        .mapped = rtcp ? ticket->mapped_rtcp : ticket->mapped,
    };
    if (lease->us.is_static)
        base.mapped = rtcp ? lease->advertised_rtcp : lease->advertised;
    /* One address outside is enough, and the answer must stay short: the surer one. */
    if (!addr_is_set(&base.mapped) && addr_is_set(seen) &&
        tick_diff_ms(now, ticket->seen_at) < PROFILE_FRESH_MS)
        base.reflexive = *seen;
    /* It has one port: RTP's, and RTCP's where that is muxed. */
    if (lease->has_relay && !rtcp) {
        base.relayed[0].base = (struct ice_base){MEDIA_RELAY(lease->relay.slot)};
        base.relayed[0].address = lease->relay.relayed[bound->family == ADDR_V6];
        base.relayed[1].base = base.relayed[0].base;
        if (other)
            base.relayed[1].address = lease->relay.relayed[bound->family != ADDR_V6];
    }
    return base;
}

/* Where the SRC speaks ICE-TCP: our listener's address, and one to open connections from (RFC 6544
 * §5.1: both, since either side may be the one that gets through). */
static unsigned add_tcp_bases(const struct recorder *recorder, const struct recorder_call *call,
                              const struct recorder_lease *lease, bool lite,
                              struct ice_gather_base *bases)
{
    const struct recorder_settings *settings = &recorder->settings;
    unsigned count = 0;
    size_t at = 0;
    struct addr own = recorder_way_own(recorder, call, lease);
    while (at < settings->binds_count && settings->binds[at].family != own.family)
        at++;
    for (size_t i = at; i < settings->binds_count; i++) {
        if (addr_equal_ip(&settings->binds[i], &own))
            at = i;
    }
    if (at == settings->binds_count)
        return 0;
    struct ice_gather_base base = {.component = 1, .address = own, .is_way_out = true};
    if (settings->tcp_port && lease->ticket.worker == 0) {
        base.transport = CANDIDATE_TCP_PASSIVE;
        base.base.number = MEDIA_SHARED(MEDIA_SHARED_TCP_PASSIVE, at);
        base.address.port = settings->tcp_port;
        if (lease->us.is_static)
            base.mapped = addr_with_port(lease->advertised, settings->tcp_port);
        bases[count++] = base;
        base.mapped = (struct addr){0};
    }
    if (lite)
        return count;
    base.transport = CANDIDATE_TCP_ACTIVE;
    base.base.number = MEDIA_SHARED(MEDIA_SHARED_TCP_ACTIVE, at);
    bases[count++] = base;
    return count;
}

/* Whose agent is in the making. */
struct making {
    const struct recorder_call *call;
    size_t line;
    struct recorder_lease *lease;
    struct recorder_lease other; /* of the other family */
    bool has_other;
    struct recorder_ice *old; /* NULL: the stream has none yet */
    bool answers;             /* an offer of the SRC's, which may bring another family */
};

static void gather(const struct recorder *recorder, struct tick now, const struct making *m,
                   struct recorder_ice *ice)
{
    struct ice_gather_base bases[2 * (ICE_COMPONENTS + 2)];
    struct ice_gather_settings settings = {.lite = ice->lite};
    const struct sdp_session *offer = recorder->answer.offer;
    unsigned count = 0;
    ice->over_tcp = recorder_share_speaks_tcp(offer, &offer->media[m->line]);
    for (unsigned k = 0; k < (m->has_other ? 2 : 1); k++) {
        const struct recorder_lease *lease = k ? &m->other : m->lease;
        for (unsigned i = 0; i < ice->components; i++)
            bases[count++] =
                base_of(recorder, m->call, now, lease, i == 1, m->has_other || ice->bridges);
        if (ice->over_tcp)
            count += add_tcp_bases(recorder, m->call, lease, ice->lite, &bases[count]);
    }
    (void)ice_gather_candidates(ice->agent, &settings, bases, count);
}

/* The default destination must be a candidate (RFC 8839 §4.2.5). */
static void add_default(struct recorder_ice *ice, const struct recorder_lease *lease,
                        uint16_t component, const struct addr *address)
{
    struct candidate known[ICE_LOCALS];
    size_t count = ice_local_candidates(ice->agent, known, ICE_LOCALS);
    struct addr host = {0};
    for (size_t i = 0; i < count; i++) {
        if (known[i].component != component)
            continue;
        if (addr_equal(&known[i].address, address))
            return;
        if (known[i].type == CANDIDATE_HOST && !addr_is_set(&host))
            host = known[i].address;
    }
    struct candidate c = {.type = CANDIDATE_SERVER_REFLEXIVE,
                          .component = component,
                          .address = *address,
                          .related = host};
    if (ice->lite || !addr_is_set(&host))
        c.type = CANDIDATE_HOST;
    (void)ice_add_local(ice->agent, c,
                        (struct ice_base){recorder_share_socket(&lease->ticket, component == 2)},
                        60000);
}

static bool awaits_seen(const struct recorder *recorder, const struct recorder_lease *lease,
                        unsigned components)
{
    const struct recorder_ticket *ticket = &lease->ticket;
    bool seen = addr_is_set(&ticket->seen) && (components == 1 || addr_is_set(&ticket->seen_rtcp));
    return !lease->us.is_open && !lease->us.is_static && !seen && !addr_is_set(&ticket->mapped) &&
           ticket->port != MEDIA_PORT_SHARED &&
           profile_levels(profile_of(recorder, &ticket->bound)) > 0;
}

static bool relay_may_come(const struct recorder *recorder, const struct recorder_call *call,
                           const struct recorder_lease *lease, const struct recorder_ice *ice)
{
    return call->trickle.speaks && recorder->settings.has_relays &&
           recorder_way_wants_relay(recorder, lease, ice->bridges);
}

/* What STUN sees of a port, and a relay, may come after the answer; an SRC that takes INFO is told
 * then. */
bool recorder_ice_awaits(const struct recorder *recorder, const struct recorder_call *call,
                         struct recorder_now now, const struct recorder_lease *lease,
                         const struct recorder_ice *ice)
{
    struct recorder_lease other;
    return call->trickle.speaks && !ice->lite &&
           (awaits_seen(recorder, lease, ice->components) ||
            relay_may_come(recorder, call, lease, ice) ||
            (recorder_second_lease(recorder, call, now, ice, &other) &&
             awaits_seen(recorder, &other, ice->components)));
}

static bool is_open(const struct recorder *recorder, struct tick now,
                    const struct recorder_lease *lease)
{
    const struct nat_profile *profile = profile_of(recorder, &lease->ticket.bound);
    return addr_is_set(&profile->local) && profile_us(profile, now, false, false).is_open;
}

/* The port of the other family, a new one or the one that the stream has; for that, too, or instead of
 * it, a relay may be needed. */
static void take_second(struct recorder *recorder, struct recorder_now now, struct making *m,
                        struct recorder_ice *ice)
{
    const struct sdp_media *media = &recorder->theirs.media[m->line];
    bool was_lost = m->old && m->old->second.lost;
    if (m->old && !was_lost)
        ice->second = m->old->second;
    if (m->answers || was_lost)
        recorder_second_take(recorder, m->call, media, m->lease, ice);
    ice->second.named |= ice->second.fresh && !m->answers;
    m->has_other = recorder_second_lease(recorder, m->call, now, ice, &m->other);
    if (!m->has_other) {
        ice->bridges =
            recorder_second_offered(recorder, m->call, media, recorder_second_family(m->lease));
        if (ice->bridges && !m->lease->held)
            recorder_way_stand_by(recorder, m->call, m->lease, true);
        return;
    }
    if (!m->lease->has_relay && ice->second.fresh && !m->lease->held)
        recorder_way_stand_by(recorder, m->call, &m->other, false);
    if (m->other.has_relay)
        m->lease->relay = m->other.relay;
    m->lease->has_relay |= m->other.has_relay;
    m->other.has_relay = m->lease->has_relay;
    m->other.relay = m->lease->relay;
}

/* Whose NAT stands between: IPv4's, as a rule. */
static void set_order(const struct recorder *recorder, const struct making *m,
                      struct ice_options *options)
{
    const struct recorder_lease *lease = m->lease;
    if (m->has_other && m->other.ticket.bound.family == ADDR_V4)
        lease = &m->other;
    options->yields =
        profile_yields(profile_of(recorder, &lease->ticket.bound), &lease->us, &options->open_hops);
}

static struct recorder_ice *make(struct recorder *recorder, struct recorder_now now,
                                 struct making *m)
{
    const struct sdp_answer_line *answer = &recorder->answer.lines[m->line];
    const struct recorder_lease *lease = m->lease;
    struct recorder_ice *ice = calloc(1, sizeof *ice);
    if (!ice)
        return NULL;
    /* On a shared socket the components could not be told apart; RTCP can do without (RFC 5761 §4
     * tells it from RTP, should it come). */
    bool one = answer->rtcp_mux || lease->ticket.port == MEDIA_PORT_SHARED;
    struct ice_options options = {.components = one ? 1 : 2};
    take_second(recorder, now, m, ice);
    /* Somebody must send checks: not both of us lite (RFC 8445 §6.1.1 allows it all the same). And an
     * agent that is lite has no relays (§5.2), which may be the only way to another family. */
    bool by_relay =
        ice->bridges && (lease->has_relay || relay_may_come(recorder, m->call, lease, ice));
    ice->lite = options.lite = is_open(recorder, now.tick, lease) && !recorder->theirs.ice_lite &&
                               !by_relay &&
                               (!m->has_other || is_open(recorder, now.tick, &m->other));
    ice->components = options.components;
    set_order(recorder, m, &options);
    rng_bytes(&recorder->rng, options.seed, sizeof options.seed);
    ice->agent = ice_create(&options);
    if (!ice->agent) {
        recorder_second_give_back(recorder, ice);
        free(ice);
        return NULL;
    }
    gather(recorder, now.tick, m, ice);
    add_default(ice, lease, 1, &answer->rtp);
    if (options.components == 2)
        add_default(ice, lease, 2, &answer->rtcp);
    (void)view_copy(view_of_string(ice_ufrag(ice->agent)), ice->ufrag, sizeof ice->ufrag);
    (void)view_copy(view_of_string(ice_pwd(ice->agent)), ice->pwd, sizeof ice->pwd);
    ice->count = ice_local_candidates(ice->agent, ice->told, RECORDER_ICE_TOLD);
    ice->ends = !recorder_ice_awaits(recorder, m->call, now, lease, ice);
    ice->port = lease->ticket.port;
    ice->generation = lease->ticket.generation;
    return ice;
}

/* ---- Lines of an answer --------------------------------------------------------------------- */

static void say(struct recorder *recorder, size_t line, struct recorder_ice *ice)
{
    struct recorder_ice_line *plan = &recorder->ice_lines[line];
    bool trickles = recorder->answer.offer->media[line].ice_trickles;
    plan->sdp = (struct sdp_ice){
        .mismatch = ice->mismatch,
        .ends = trickles && ice->ends,
        .ufrag = view_of_string(ice->ufrag),
        .pwd = view_of_string(ice->pwd),
        .candidates = ice->told,
        .candidate_count = ice->count,
    };
    plan->of = ice;
    ice->heard = ice->count;
    recorder->answer.lines[line].ice = &plan->sdp;
    recorder->answer.ice_lite |= ice->lite;
    recorder->answer.ice_trickle |= trickles;
}

bool recorder_ice_is_of(const struct recorder_ice *ice, struct view ufrag, struct view pwd)
{
    return view_equal(ufrag, view_of_string(ice->remote_ufrag)) &&
           view_equal(pwd, view_of_string(ice->remote_pwd));
}

static bool goes_on(const struct recorder_ice *ice, const struct sdp_media *media,
                    const struct recorder_lease *lease)
{
    return ice && ice->port == lease->ticket.port && ice->generation == lease->ticket.generation &&
           recorder_ice_is_of(ice, media->ice_ufrag, media->ice_pwd);
}

void recorder_ice_plan(struct recorder *recorder, const struct recorder_call *call,
                       struct recorder_now now, size_t line, int number,
                       struct recorder_lease *lease)
{
    const struct sdp_media *media = &recorder->answer.offer->media[line];
    struct recorder_ice_line *plan = &recorder->ice_lines[line];
    struct recorder_ice *old = number == SDP_MATCH_NEW ? NULL : call->ices[number];
    *plan = (struct recorder_ice_line){0};
    if (recorder->answer.lines[line].reject != SDP_ACCEPTED || !recorder_ice_offered(media))
        return;
    plan->stays = goes_on(old, media, lease);
    if (plan->stays) {
        say(recorder, line, old);
        return;
    }
    struct making m = {.call = call, .line = line, .lease = lease, .old = old, .answers = true};
    struct recorder_ice *ice = make(recorder, now, &m);
    if (!ice)
        return; /* no memory: it is answered without ICE */
    ice->mismatch = is_mismatch(&recorder->theirs, media);
    if (ice->mismatch) {
        recorder_second_give_back(recorder, ice);
        ice_destroy(ice->agent);
        ice->agent = NULL;
    } else if (!describe_remote(recorder, call, now.tick, media, ice)) {
        recorder_ice_destroy(recorder, ice);
        return;
    }
    plan->fresh = ice;
    say(recorder, line, ice);
}

static bool was_told(const struct recorder_ice *ice, const struct addr *address)
{
    for (size_t i = 0; i < ice->count; i++) {
        if (addr_equal(&ice->told[i].address, address))
            return true;
    }
    return false;
}

void recorder_ice_move(struct recorder_ice *ice)
{
    if (ice)
        ice->moved = true;
}

void recorder_ice_offer(struct recorder *recorder, struct recorder_call *call,
                        struct recorder_now now, size_t line, int number,
                        struct recorder_lease *lease)
{
    struct recorder_ice *old = number == SDP_MATCH_NEW ? NULL : call->ices[number];
    recorder->ice_lines[line] = (struct recorder_ice_line){0};
    if (recorder->answer.lines[line].reject != SDP_ACCEPTED || !old || old->mismatch)
        return;
    recorder_ice_destroy(recorder, old->next);
    old->next = NULL;
    /* RFC 8839 §4.4.1.1.1: with another address of ours ICE begins anew. */
    struct making m = {.call = call, .line = line, .lease = lease, .old = old};
    if (old->renews || old->moved || !was_told(old, &recorder->answer.lines[line].rtp))
        old->next = make(recorder, now, &m);
    if (old->next && old->renews)
        old->next->renewals = (uint8_t)(old->renewals + 1);
    say(recorder, line, old->next ? old->next : old);
}

void recorder_ice_meet(struct recorder *recorder, struct recorder_call *call,
                       struct recorder_now now, size_t line, int number)
{
    struct recorder_ice_line *plan = &recorder->ice_lines[line];
    struct recorder_ice *old = number == SDP_MATCH_NEW ? NULL : call->ices[number];
    *plan = (struct recorder_ice_line){0};
    if (!old || line >= recorder->theirs.media_count)
        return;
    const struct sdp_media *media = &recorder->theirs.media[line];
    struct recorder_ice *next = old->next;
    old->next = NULL;
    if (!recorder_ice_offered(media) || media->ice_mismatch) {
        recorder_ice_destroy(recorder, next); /* it gives ICE up (RFC 8839 §4.2.5, 3) */
        return;
    }
    if (!next) {
        plan->stays = true;
        return;
    }
    if (describe_remote(recorder, call, now.tick, media, next))
        plan->fresh = next;
    else
        recorder_ice_destroy(recorder, next);
}

void recorder_ice_forget(struct recorder *recorder, struct recorder_call *call)
{
    for (unsigned i = 0; i < LIMIT_STREAMS_PER_RECORDING; i++) {
        if (call->ices[i])
            recorder_ice_destroy(recorder, call->ices[i]->next);
        if (call->ices[i])
            call->ices[i]->next = NULL;
    }
}

void recorder_ice_undo(struct recorder *recorder)
{
    for (size_t i = 0; i < LIMIT_SDP_MEDIA; i++) {
        recorder_ice_destroy(recorder, recorder->ice_lines[i].fresh);
        recorder->ice_lines[i].fresh = NULL;
    }
}

void recorder_ice_settle(struct recorder *recorder, struct recorder_call *call, size_t line,
                         unsigned number)
{
    struct recorder_ice_line *plan = &recorder->ice_lines[line];
    if (plan->stays)
        return;
    recorder_ice_destroy(recorder, call->ices[number]);
    call->ices[number] = plan->fresh;
    plan->fresh = NULL;
    if (recorder_second_ticket(call, number))
        recorder_note_holder(recorder, call, recorder_second_ticket(call, number));
    recorder_trickle_begin(call, number);
    recorder_story_ice(&call->record.streams[number].story, recorder_ice_runs(call, number));
}

bool recorder_ice_runs(const struct recorder_call *call, unsigned number)
{
    return call->ices[number] && !call->ices[number]->mismatch;
}

void recorder_ice_post(const struct recorder *recorder, struct recorder_call *call, unsigned number,
                       struct media_stream_facts *facts)
{
    struct recorder_ice *ice = call->ices[number];
    if (!ice || ice->mismatch)
        return;
    facts->ice = ice->agent;
    facts->ice_stays = true;
    facts->shares |= ice->over_tcp;
    recorder_second_fill(recorder, call, ice, facts);
    /* The agent punches and keeps alive by its checks; the relay must let theirs in. */
    facts->way.target_count = facts->way.target_rtcp_count = 0;
    facts->way.choice.punches = facts->way.choice.probes_back = facts->way.may_reinvite = false;
    memcpy(facts->way.permitted, ice->permitted, sizeof facts->way.permitted);
    facts->way.permitted_count = ice->permitted_count;
    ice->agent = NULL;
}

void recorder_ice_more(struct recorder *recorder, struct recorder_call *call, unsigned number,
                       const struct sdp_media *media, bool end, struct wall at)
{
    struct recorder_ice *ice = call->ices[number];
    uint8_t permitted = ice->permitted_count;
    struct candidate *list = calloc(media->candidate_count + 1u, sizeof *list);
    if (!list)
        return;
    size_t count = choose(recorder, call, media, list);
    for (size_t i = 0; i < count; i++)
        permit(recorder, call, &list[i].address, ice);
    if (ice->permitted_count != permitted)
        recorder_post_stream(recorder, call, number, at, false);
    struct media_command command = {
        .kind = MEDIA_TRICKLE, .at = at, .trickle = {.stream = (uint8_t)number, .end = end}};
    recorder_post(recorder, call, command, list, count * sizeof *list);
}

void recorder_ice_post_more(struct recorder *recorder, struct recorder_call *call, size_t line,
                            unsigned number, struct wall at)
{
    const struct sdp_media *media = &recorder->theirs.media[line];
    if (!recorder->ice_lines[line].stays || !recorder_ice_runs(call, number) ||
        (media->candidate_count == 0 && !media->ice_ends))
        return;
    recorder_ice_more(recorder, call, number, media, !media->ice_trickles || media->ice_ends, at);
}

/* ---- What came of it ------------------------------------------------------------------------ */

/* DESIGN's words for the ways by which packets come to us. */
static const char *path_of(const struct recorder_lease *lease, const struct media_ice_news *news)
{
    bool is_mapped = addr_equal(&news->local, &lease->ticket.mapped);
    if (news->over_tcp)
        return "ice-tcp";
    switch (news->local_type) {
    case CANDIDATE_PEER_REFLEXIVE:
        return "peer-reflexive";
    case CANDIDATE_RELAYED:
        return "relay";
    case CANDIDATE_HOST:
    case CANDIDATE_SERVER_REFLEXIVE:
        break;
    }
    if (lease->us.is_static && addr_equal(&news->local, &lease->advertised))
        return "static";
    if (is_mapped)
        return "mapped";
    return news->local_type == CANDIDATE_HOST ? "host" : "stun";
}

/* As doc/nat.md 3 writes it, from our side. */
static void pair_of(const struct recorder_lease *lease, const struct media_ice_news *news,
                    enum addr_family family, char pair[VERDICT_PAIR])
{
    static const char *const theirs[] = {[CANDIDATE_HOST] = "D",
                                         [CANDIDATE_SERVER_REFLEXIVE] = "S",
                                         [CANDIDATE_PEER_REFLEXIVE] = "P",
                                         [CANDIDATE_RELAYED] = "Rs"};
    const char *six = family == ADDR_V6 ? "6" : "", *path = path_of(lease, news);
    const char *ours = theirs[news->local_type];
    if (news->over_tcp)
        ours = "T";
    else if (strcmp(path, "static") == 0 || strcmp(path, "mapped") == 0)
        ours = "M";
    else if (news->local_type == CANDIDATE_RELAYED)
        ours = lease->relay.transport == RECORDER_RELAY_UDP ? "Rw" : "Rt";
    if (news->local_type == CANDIDATE_RELAYED && news->remote_type == CANDIDATE_RELAYED)
        (void)snprintf(pair, VERDICT_PAIR, "Rb%s", six);
    else
        (void)snprintf(pair, VERDICT_PAIR, "%s%s-%s%s", ours, six, theirs[news->remote_type], six);
}

static const char *type_name(enum candidate_type type)
{
    static const char *const names[] = {
        [CANDIDATE_HOST] = "host",
        [CANDIDATE_SERVER_REFLEXIVE] = "srflx",
        [CANDIDATE_PEER_REFLEXIVE] = "prflx",
        [CANDIDATE_RELAYED] = "relay",
    };
    return names[type];
}

/* The worker keeps an agent for a while after the SRC took its stream away; and what one said before
 * a restart may come after it. Packets come by the path of that one, too, until there is another. */
static bool is_of_now(const struct recorder_call *call, const struct media_event *event)
{
    return recorder_ice_runs(call, event->stream) &&
           (event->ice.kind == MEDIA_ICE_CONSENT_LOST ||
            strcmp(event->ice.ufrag, call->ices[event->stream]->ufrag) == 0);
}

bool recorder_ice_hear(struct recorder *recorder, struct recorder_call *call,
                       struct recorder_now now, const struct media_event *event)
{
    const struct media_ice_news *news = &event->ice;
    if (event->stream >= call->record.stream_count || !is_of_now(call, event))
        return false;
    struct recorder_stream *stream = &call->record.streams[event->stream];
    static const char *const whats[] = {[MEDIA_ICE_SELECTED] = "selected",
                                        [MEDIA_ICE_FAILED] = "failed",
                                        [MEDIA_ICE_CONSENT_LOST] = "consent-lost",
                                        [MEDIA_ICE_DIRECT] = "direct"};
    char text[512];
    struct journal_event line = journal_event_begin(text, sizeof text, JOURNAL_EVENT_PATH);
    journal_event_put_number(&line, "stream", event->stream);
    journal_event_put_text(&line, "ice", view_of_string(whats[news->kind]));
    if (news->kind == MEDIA_ICE_SELECTED) {
        struct recorder_lease other, *lease = &call->leases[event->stream];
        struct recorder_ice *ice = call->ices[event->stream];
        if (event->addr.family != lease->ticket.bound.family &&
            recorder_second_lease(recorder, call, now, ice, &other)) {
            other.has_relay = lease->has_relay;
            other.relay = lease->relay;
            lease = &other;
        }
        const char *path = path_of(lease, news);
        if (news->component == 1) {
            char pair[VERDICT_PAIR];
            ice->has_path = true;
            stream->ice_path = path;
            pair_of(lease, news, event->addr.family, pair);
            recorder_story_ice_chose(&stream->story, event->tick, path, pair, lease, &event->addr);
            recorder_trickle_done(recorder, call, now, event->stream);
        }
        journal_event_put_number(&line, "component", news->component);
        journal_event_put_text(&line, "path", view_of_string(path));
        journal_event_put_addr(&line, "local", &news->local);
        journal_event_put_addr(&line, "peer", &event->addr);
        journal_event_put_text(&line, "local_type", view_of_string(type_name(news->local_type)));
        journal_event_put_text(&line, "peer_type", view_of_string(type_name(news->remote_type)));
    } else if (news->kind == MEDIA_ICE_DIRECT) {
        struct recorder_ice *ice = call->ices[event->stream];
        if (call->stays || ice->renewals == RENEWALS)
            return false;
        ice->renews = true;
    } else if (news->kind == MEDIA_ICE_FAILED && call->ices[event->stream]->has_path) {
        return false; /* RTP has its path; what failed is RTCP's */
    } else if (news->kind == MEDIA_ICE_FAILED) {
        recorder_story_ice_lost(&stream->story, event->tick, false, &event->addr);
        recorder_record_warn(&call->record, event->at, "ice-failed",
                             "ICE found no path for the stream with label %s",
                             stream->label[0] ? stream->label : "-");
        recorder_late_failed(recorder, call, now, event->stream);
    } else {
        recorder_story_ice_lost(&stream->story, event->tick, true, &event->addr);
        recorder_record_warn(&call->record, event->at, "ice-consent-lost",
                             "the path to %s of the stream with label %s answers no more",
                             addr_print(&event->addr).s, stream->label[0] ? stream->label : "-");
    }
    recorder_post_mark(recorder, call, event->stream, event->at, journal_event_end(&line));
    return true;
}
