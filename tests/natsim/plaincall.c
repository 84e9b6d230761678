/* plaincall: an SRS's call: the answer, the way in, re-INVITEs, what was heard, what was learned.
 * Not here: relays, STUN, gateways (plainside.c).
 * RFC 3550 §8.2, RFC 7866 §8.1.8. */
#include "natsim/plaincall.h"

#include "base/target.h"
#include "rtp/packet.h"

#include <string.h>

enum {
    US = 1,                   /* the number of the one SRC, for the pool */
    LONG_PATIENCE_MS = 60000, /* where nothing but a relay can help */
    PATIENCE_MS = 5000,       /* after a change: for the port's new address, and for a relay */
    PUNCH_TYPE = 127,
};

/* ---- choosing ------------------------------------------------------------------------------- */

static struct wall wall_of(const struct plainside *side)
{
    return wall_add_ms(side->wall, tick_diff_ms(side->sim->now, (struct tick){0}));
}

static bool is_named(const struct plainside *side, const struct addr *a)
{
    for (size_t i = 0; i < side->options.allow_count; i++) {
        if (addr_prefix_contains(&side->options.allow[i], a))
            return true;
    }
    return false;
}

static bool may(const struct plainside *side, const struct addr *to)
{
    const struct target_rule rule = {side->src.signalled, side->options.listed};
    return to->family == side->options.address.family &&
           target_may_get(&rule, to, is_named(side, to));
}

/* An address once; of the one that a port offset leads to what is offered, too. */
static void add_target(const struct plainside *side, struct way_facts *f, struct addr to)
{
    struct addr shifted = path_shifted(&side->src, &side->src.offered);
    for (size_t i = 0; i < f->target_count; i++) {
        bool is_shifted = addr_equal(&f->targets[i], &shifted);
        if (is_shifted ? addr_equal(&shifted, &to) : addr_equal_ip(&f->targets[i], &to))
            return;
    }
    if (f->target_count < WAY_TARGETS && to.port && may(side, &to))
        f->targets[f->target_count++] = to;
}

/* Every address of the small prefix of sip.allow that the SRC is in. */
static void add_farm(const struct plainside *side, struct way_facts *f, uint16_t port)
{
    for (size_t i = 0; i < side->options.allow_count; i++) {
        const struct addr_prefix *p = &side->options.allow[i];
        size_t last = p->base.family == ADDR_V4 ? 3 : 15;
        unsigned bits = (unsigned)(8 * (last + 1) - p->bits);
        if (bits > 3 || !addr_prefix_contains(p, &side->src.signalled))
            continue;
        for (unsigned n = 0; n < 1u << bits; n++) {
            struct addr a = addr_with_port(p->base, port);
            a.ip[last] = (uint8_t)((a.ip[last] & ~((1u << bits) - 1)) + n);
            add_target(side, f, a);
        }
    }
}

static void fill_facts(struct plainside *side)
{
    struct way_facts *f = &side->facts;
    uint16_t port = side->src.offered.port;
    *f = (struct way_facts){.choice = side->choice,
                            .behaviour = side->profile.behaviour,
                            .offered = side->src.offered,
                            .advertised = side->advertised,
                            .mapped = side->seen,
                            .listed = side->options.listed,
                            .relay = side->has_slot,
                            .may_reinvite =
                                src_profile_believes(&side->known, SRC_REINVITES) != PATH_NO &&
                                side->reinvites != PATH_NO,
                            .quiet = src_profile_believes(&side->known, SRC_QUIET) == PATH_YES,
                            .one_port = src_profile_believes(&side->known, SRC_ONE_PORT)};
    if (side->is_direct)
        add_target(side, f, side->way.peer);
    if (side->choice.punches)
        add_target(side, f, path_shifted(&side->src, &side->src.offered));
    add_target(side, f, side->src.offered);
    add_target(side, f, addr_with_port(side->src.signalled, port));
    for (size_t i = 0; i < side->known.media_count; i++)
        add_target(side, f, addr_with_port(side->known.media[i], port));
    add_farm(side, f, port);
}

static struct path_us look_at_us(const struct plainside *side)
{
    struct path_us us = profile_us(&side->profile, side->sim->now, addr_is_set(&side->seen),
                                   addr_is_set(&side->mapped));
    /* The route: SIP came untranslated from our own network. */
    us.same_realm = addr_is_private(&side->src.signalled) &&
                    memcmp(side->src.signalled.ip, side->options.address.ip, 3) == 0;
    return us;
}

static bool take_elsewhere(struct plainside *side)
{
    for (uint32_t i = 0; i < PLAINSIDE_SLOTS; i++) {
        const struct plainside_slot *s = &side->slots[i];
        if (!s->ready || addr_equal(&side->options.turn[s->server % 2], &side->lost))
            continue;
        side->slot = i;
        if (turn_pool_take(side->pool, side->sim->now, i, s->generation, US))
            return true;
    }
    return false;
}

static void take_relay(struct plainside *side)
{
    bool wants = side->choice.permits || side->choice.relay_stands_by;
    if (side->has_slot || !wants || !side->pool)
        return;
    side->has_slot = addr_is_set(&side->lost) && take_elsewhere(side);
    side->lost = (struct addr){0};
    if (!side->has_slot)
        side->has_slot = turn_pool_lend(side->pool, side->sim->now, US, &side->slot);
}

static struct addr address_of(const struct plainside *side)
{
    struct addr own = addr_with_port(side->options.address, side->port);
    enum profile_source source;
    struct turn_status status;
    switch (side->choice.code) {
    case PATH_MAPPED:
        return side->us.is_static
                   ? addr_with_port(profile_external(&side->profile, &source), side->port)
                   : side->mapped;
    case PATH_RELAY:
    case PATH_RELAY_STREAM:
        if (!side->has_slot)
            return own;
        status = turn_status(turn_pool_allocation(side->pool, side->slot));
        return own.family == ADDR_V4 ? status.relayed_v4 : status.relayed_v6;
    case PATH_STUN:
    case PATH_REVERSE:
    case PATH_BEST_EFFORT:
    case PATH_EDGE:
        return addr_is_set(&side->seen) ? side->seen : own;
    case PATH_DIRECT:
    case PATH_CODES:
        break;
    }
    return own;
}

struct addr plainside_answer(struct plainside *side, const struct addr *offered,
                             const struct addr *signalled)
{
    side->src = (struct path_src){.offered = *offered, .signalled = *signalled};
    side->src.barred = !may(side, offered);
    src_profile_apply(&side->known, &side->src);
    side->us = look_at_us(side);
    side->choice = side->first_choice = path_choose(&side->us, &side->src, 0);
    side->used = src_profile_used(&side->known, &side->us, &side->src);
    side->in_call = true;
    side->unreachable = side->followed = side->rebound = side->failed = side->confirmed = false;
    side->waits = side->reinvite_due = side->is_direct = side->refuses = false;
    side->one_port = side->reinvites = PATH_UNKNOWN;
    side->record = (struct plainside_record){0};
    side->switches = 0;
    side->to_src_before = side->to_src = 0;
    take_relay(side);
    side->advertised = side->previous = address_of(side);
    fill_facts(side);
    rtp_source_init(&side->source, offered);
    rtp_source_allow(&side->source, 8);
    rtp_source_trust(&side->source, signalled);
    for (size_t i = 0; i < side->facts.target_count; i++)
        rtp_source_trust(&side->source, &side->facts.targets[i]);
    verdict_begin(&side->verdict, side->sim->now, &side->us, &side->src, &side->choice);
    way_start(&side->way, side->sim->now, &side->facts);
    return side->advertised;
}

/* ---- another path --------------------------------------------------------------------------- */

static void stay(struct plainside *side)
{
    way_stay(&side->way, side->sim->now);
}

static bool moved(enum way_reason reason)
{
    return reason == WAY_ADDRESS_CHANGED || reason == WAY_RELAY_LOST;
}

static void follow_wish(struct plainside *side)
{
    const struct way_event *e = &side->wanted;
    struct path_choice before = side->choice;
    side->us = look_at_us(side);
    side->is_direct = e->reason == WAY_DIRECT;
    side->choice = side->is_direct ? path_direct(&side->us, &e->peer)
                                   : path_choose(&side->us, &side->src, e->tried);
    take_relay(side);
    struct addr address = address_of(side);
    bool lacks = (side->choice.permits && !side->has_slot) ||
                 (side->choice.code == PATH_BEST_EFFORT && side->pool);
    side->waits = lacks && moved(e->reason) && !tick_due(side->wait_until, side->sim->now);
    if (side->waits) { /* something better is being made */
        side->choice = before;
        return;
    }
    bool is_same = addr_equal(&address, &side->advertised);
    bool is_last = side->choice.code == PATH_BEST_EFFORT && (!moved(e->reason) || is_same);
    if ((side->choice.permits && !side->has_slot) || is_last) {
        side->choice = before;
        side->is_direct = false;
        side->failed |= e->reason == WAY_NOTHING_CAME;
        stay(side);
        return;
    }
    if (e->reason == WAY_NOTHING_CAME)
        side->failed = true;
    if (e->reason == WAY_BACK)
        side->one_port = PATH_NO;
    side->old_facts = side->facts;
    side->previous = side->advertised;
    side->advertised = address;
    fill_facts(side);
    way_change(&side->way, side->sim->now, &side->facts);
    side->switches++;
    verdict_switch(&side->verdict, side->sim->now, VERDICT_RETRIED, &side->choice);
    if (is_same)
        way_confirm(&side->way, side->sim->now);
    else
        side->reinvite_due = true;
}

static void want_path(struct plainside *side, const struct way_event *e)
{
    /* A change of ours goes on counting when a loss that came of it is told. */
    if (!(side->waits && side->wanted.reason == WAY_ADDRESS_CHANGED))
        side->wanted = *e;
    bool may_help = e->reason == WAY_ADDRESS_CHANGED && !side->profile.stun_is_silent;
    side->wait_until = tick_add_ms(side->sim->now, may_help ? PATIENCE_MS : LONG_PATIENCE_MS);
    if (e->reason == WAY_ADDRESS_CHANGED && !addr_is_set(&side->seen))
        plainside_ask_stun(side);
    side->waits = true;
}

bool plainside_reinvite(struct plainside *side, struct addr *out)
{
    if (!side->reinvite_due)
        return false;
    side->reinvite_due = false;
    *out = side->advertised;
    return true;
}

void plainside_reinvited(struct plainside *side, bool taken)
{
    if (!side->in_call)
        return;
    if (taken) {
        side->reinvites = PATH_YES;
        way_confirm(&side->way, side->sim->now);
        return;
    }
    side->reinvites = PATH_NO;
    side->advertised = side->previous;
    side->facts = side->old_facts;
    side->facts.may_reinvite = false;
    side->choice = side->facts.choice;
    way_change(&side->way, side->sim->now, &side->facts);
    stay(side);
}

bool plainside_is_unsure(const struct plainside *side)
{
    const struct path_choice *c = &side->first_choice;
    return side->known.calls == 0 &&
           ((c->code == PATH_STUN && c->to_port) || c->code == PATH_REVERSE ||
            c->code == PATH_EDGE || c->code == PATH_BEST_EFFORT);
}

void plainside_acked(struct plainside *side)
{
    side->confirmed = true;
    if (side->in_call)
        way_confirm(&side->way, side->sim->now);
}

void plainside_hold(struct plainside *side, bool on)
{
    if (on)
        way_hold(&side->way, side->sim->now);
    else
        way_resume(&side->way, side->sim->now);
}

/* ---- what the way asks for ------------------------------------------------------------------ */

static void note(struct plainside *side, const struct way_event *e)
{
    side->followed |= e->verdict == VERDICT_FOLLOWED;
    side->rebound |= e->verdict == VERDICT_REBOUND;
    if (e->verdict == VERDICT_MIGRATED)
        side->one_port = addr_equal(&e->peer, &side->relay_peer) ? PATH_YES : PATH_NO;
    verdict_note(&side->verdict, e->at, e->verdict, &e->peer);
}

static void permit(struct plainside *side)
{
    struct addr ips[WAY_TARGETS + SRC_MEDIA];
    size_t n = 0;
    for (size_t i = 0; i < side->facts.target_count; i++)
        ips[n++] = addr_with_port(side->facts.targets[i], 0);
    if (side->has_slot)
        (void)turn_permit(turn_pool_allocation(side->pool, side->slot), side->sim->now, ips, n);
    /* What stands is not told again. */
    for (size_t i = 0; i < n && side->has_slot; i++) {
        if (turn_is_permitted(turn_pool_allocation(side->pool, side->slot), side->sim->now,
                              &ips[i]))
            way_permitted(&side->way, side->sim->now, &ips[i], true);
    }
}

static void give_relay_back(struct plainside *side)
{
    if (side->has_slot)
        turn_pool_give_back(side->pool, side->sim->now, side->slot);
    if (side->has_slot)
        side->slots[side->slot].ready = false;
    side->has_slot = false;
}

static void take_event(struct plainside *side, const struct way_event *e)
{
    switch (e->kind) {
    case WAY_TELL:
        note(side, e);
        break;
    case WAY_PERMIT:
        permit(side);
        break;
    case WAY_BIND:
        side->relay_peer = e->peer;
        if (side->has_slot)
            (void)turn_bind(turn_pool_allocation(side->pool, side->slot), side->sim->now, &e->peer);
        break;
    case WAY_ASK_STUN:
        plainside_ask_stun(side);
        plainside_doubt_gateway(side);
        break;
    case WAY_SUSPECT_RELAY:
        if (side->has_slot)
            turn_pool_suspect(side->pool, side->sim->now, side->slot);
        break;
    case WAY_WANT_PATH:
        want_path(side, e);
        break;
    case WAY_UNREACHABLE:
        side->unreachable = true;
        verdict_unreachable(&side->verdict, side->sim->now);
        break;
    case WAY_LEAVE_RELAY:
        give_relay_back(side);
        break;
    case WAY_REFUSES:
        side->refuses = true;
        break;
    case WAY_FORGOTTEN:
        (void)profile_tell_forgotten(&side->profile, e->forgotten_s);
        break;
    }
}

static bool is_authorised(const struct plainside *side, const struct addr *to)
{
    for (size_t i = 0; i < side->authorised_count; i++) {
        if (addr_equal_ip(&side->authorised[i], to))
            return true;
    }
    return false;
}

void plainside_authorise(struct plainside *side, const struct addr *who)
{
    if (!is_authorised(side, who) && side->authorised_count < PLAINSIDE_AUTHORISED)
        side->authorised[side->authorised_count++] = *who;
}

static void send_packet(struct plainside *side, const struct way_packet *p)
{
    uint8_t bytes[RTP_HEADER_SIZE];
    struct writer w = writer_of(bytes, sizeof bytes);
    const struct rtp_packet punch = {.payload_type = PUNCH_TYPE, .seq = (uint16_t)side->to_src};
    rtp_packet_encode(&punch, &w);
    way_sent(&side->way, side->sim->now, p->relayed);
    side->to_src++;
    side->to_src_before += side->record.packets == 0;
    if (!is_authorised(side, &p->to)) {
        side->unauthorised++;
        side->stray = p->to;
    }
    if (p->relayed)
        (void)plainside_send_relayed(side, &p->to, writer_done(&w));
    else
        (void)natsim_send(side->sim, side->host, addr_with_port(side->options.address, side->port),
                          p->to, writer_done(&w));
}

static bool drain(struct plainside *side)
{
    struct way_packet p;
    struct way_event e;
    bool any = false;
    while (way_output(&side->way, &p)) {
        send_packet(side, &p);
        any = true;
    }
    while (way_event(&side->way, &e)) {
        take_event(side, &e);
        any = true;
    }
    return any;
}

void plaincall_run(struct plainside *side)
{
    if (!side->in_call)
        return;
    way_expire(&side->way, side->sim->now, &side->sim->rng);
    for (int i = 0; i < 8 && drain(side); i++) {
        if (side->waits)
            follow_wish(side);
    }
    if (side->waits)
        follow_wish(side);
}

struct tick plaincall_deadline(const struct plainside *side)
{
    if (!side->in_call)
        return TICK_NEVER;
    struct tick next = way_deadline(&side->way);
    return side->waits ? tick_min(next, side->wait_until) : next;
}

void plaincall_refused(struct plainside *side, const struct addr *to)
{
    if (side->in_call)
        way_refused(&side->way, side->sim->now, to);
}

void plaincall_mapped(struct plainside *side)
{
    if (side->in_call && !side->waits)
        way_mapped(&side->way, side->sim->now, &side->seen);
}

/* What the SRC was told leads nowhere any more. */
void plaincall_gateway_mapped(struct plainside *side)
{
    const struct way_event changed = {.kind = WAY_WANT_PATH, .reason = WAY_ADDRESS_CHANGED};
    struct addr address = address_of(side);
    if (side->in_call && side->choice.code == PATH_MAPPED && !side->us.is_static &&
        !addr_equal(&address, &side->advertised))
        want_path(side, &changed);
}

void plaincall_permitted(struct plainside *side, const struct addr *peer, bool allowed)
{
    if (side->in_call)
        way_permitted(&side->way, side->sim->now, peer, allowed);
}

void plaincall_relay_lost(struct plainside *side)
{
    side->has_slot = false;
    side->lost = side->options.turn[side->slots[side->slot].server % 2];
    if (side->in_call)
        way_relay_lost(&side->way, side->sim->now);
}

void plaincall_network_changed(struct plainside *side)
{
    if (side->in_call)
        way_network_changed(&side->way, side->sim->now);
}

/* ---- what is heard -------------------------------------------------------------------------- */

/* Returns how many are missing before it. */
static uint32_t record(struct plainside *side, const struct rtp_packet *packet, uint16_t from_seq,
                       bool relayed)
{
    struct plainside_record *r = &side->record;
    const uint8_t *b = (const uint8_t *)packet->payload.at;
    uint32_t number = (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
    uint16_t behind = (uint16_t)(packet->seq - from_seq);
    struct tick now = side->sim->now;
    uint32_t missing = 0;
    if (r->packets == 0) {
        r->first_number = number - behind;
        r->first = tick_add_ms(now, -(int64_t)behind * side->options.packet_ms);
    } else {
        int64_t gap = tick_diff_ms(now, r->last) - (int64_t)behind * side->options.packet_ms;
        r->worst_gap_ms = gap > r->worst_gap_ms ? gap : r->worst_gap_ms;
        if (number - behind > r->last_number)
            missing = number - behind - r->last_number - 1;
    }
    r->packets += 1u + behind;
    r->last = now;
    r->last_number = number;
    r->by_relay = relayed;
    return missing;
}

void plaincall_hear(struct plainside *side, const struct addr *from, bool relayed,
                    struct view bytes)
{
    struct rtp_packet packet;
    struct way_packet_seen seen = {.from = *from, .relayed = relayed};
    if (!side->in_call || rtp_packet_decode(&packet, bytes) != RTP_PACKET_OK ||
        packet.payload.len != 4)
        return;
    struct rtp_source_verdict v = rtp_source_input(&side->source, from, &packet, side->sim->now);
    if (v.class == RTP_SOURCE_QUARANTINE)
        seen.unproven = true;
    else if (v.class != RTP_SOURCE_ACCEPT && v.class != RTP_SOURCE_EPOCH)
        return;
    seen.barred = !may(side, from);
    if (!seen.unproven) {
        if (side->record.packets == 0)
            verdict_first_packet(&side->verdict, side->sim->now, from, 0);
        seen.missing = record(side, &packet, v.from_seq, relayed);
        plainside_authorise(side, from);
        side->unreachable = false;
    }
    way_hear(&side->way, side->sim->now, &seen);
}

/* ---- the end -------------------------------------------------------------------------------- */

static bool is_expected(const struct plainside *side, const struct addr *ip)
{
    for (size_t i = 0; i < side->facts.target_count; i++) {
        if (addr_equal_ip(&side->facts.targets[i], ip))
            return true;
    }
    return false;
}

void plainside_path(const struct plainside *side, char out[PLAINSIDE_TEXT])
{
    struct writer w = writer_of(out, PLAINSIDE_TEXT - 1);
    path_print(&w, &side->first_choice);
    out[writer_done(&w).len] = 0;
}

const char *plainside_class(const struct plainside *side)
{
    const char *class = src_profile_class(&side->known);
    return class ? class : "-";
}

const char *plainside_reason(const struct plainside *side)
{
    return verdict_cure(&side->verdict).reason;
}

struct view plainside_story(const struct plainside *side, char *out, size_t size)
{
    struct writer w = writer_of(out, size);
    verdict_print(&side->verdict, &w);
    return writer_done(&w);
}

void plainside_bye(struct plainside *side)
{
    const struct plainside_record *r = &side->record;
    struct src_lesson lesson = {
        .offered = side->src.offered,
        .signalled = side->src.signalled,
        .observed = side->verdict.observed,
        .good_rtp_ms = r->packets * side->options.packet_ms,
        .first_rtp_ms = r->packets ? side->verdict.first_packet_ms : -1,
        .answered = side->first_choice.code,
        .used = side->used,
        .failed = side->failed || (r->packets == 0 && side->confirmed),
        .followed = side->followed,
        .probed_back = side->first_choice.permits && side->first_choice.probes_back,
        .listed = side->options.listed,
        .expected = is_expected(side, &side->verdict.observed),
        .rebound = side->rebound,
        .one_port = side->one_port,
        .reinvites = side->reinvites,
        .quiet = side->refuses && r->packets ? PATH_YES : PATH_UNKNOWN,
    };
    way_end(&side->way);
    give_relay_back(side);
    (void)src_profile_learn(&side->known, wall_of(side), &lesson);
    side->in_call = false;
}
