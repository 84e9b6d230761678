/* way: what is done when.
 * Not here: deciding on paths.
 * RFC 6263 §4, RFC 8656 §9. */
#include "nat/way.h"

#include <assert.h>

#include "nat/way_needs.h"

#define PEER         (1u << WAY_TARGETS)
#define SPARE        8 /* packets for the likeliest alone; */
#define SPARE_LEAST  4 /* while others have got but one, that could be lost */
#define PLAIN_ROUNDS 4 /* who waits for a first packet of ours got it by then */
/* Packets came by a way so long ago at most: they come by it still. */
#define STILL_MS 300

const char *way_reason_name(enum way_reason reason)
{
    static const char *const names[] = {"nothing-came", "went-silent", "address-changed",
                                        "relay-lost",   "direct",      "back"};
    return names[reason];
}

/* ---- Events --------------------------------------------------------------------------------- */

static void put(struct way *w, struct tick now, struct way_event event)
{
    if (w->event_count == WAY_EVENTS) {
        w->events_lost++;
        return;
    }
    event.at = now;
    w->events[(w->event_first + w->event_count++) % WAY_EVENTS] = event;
}

static void tell(struct way *w, struct tick now, enum verdict_event verdict,
                 const struct addr *peer)
{
    put(w, now, (struct way_event){.kind = WAY_TELL, .verdict = verdict, .peer = *peer});
}

static void ask(struct way *w, struct tick now, enum way_event_kind kind)
{
    put(w, now, (struct way_event){.kind = kind});
}

static void want_path(struct way *w, struct tick now, enum way_reason reason, unsigned tried)
{
    ladder_stop(&w->ladder);
    put(w, now,
        (struct way_event){
            .kind = WAY_WANT_PATH, .reason = reason, .tried = tried, .peer = w->peer});
}

bool way_event(struct way *w, struct way_event *out)
{
    if (w->event_count == 0)
        return false;
    *out = w->events[w->event_first];
    w->event_first = (uint8_t)((w->event_first + 1) % WAY_EVENTS);
    w->event_count--;
    return true;
}

/* ---- Whom it is about ----------------------------------------------------------------------- */

static bool is_refused(const struct way *w, unsigned bits)
{
    return (w->refusing & bits) && !(w->heard && way_must_send(w));
}

static bool is_target(const struct way *w, const struct addr *from)
{
    for (unsigned i = 0; i < w->facts.target_count; i++) {
        if (addr_equal(&w->facts.targets[i], from))
            return true;
    }
    return false;
}

static uint16_t all_targets(const struct way *w)
{
    return (uint16_t)((1u << w->facts.target_count) - 1u);
}

/* ---- Packets -------------------------------------------------------------------------------- */

/* Before anything came: 20, and of strangers 3 before their ACK. */
static unsigned budget(const struct way *w)
{
    unsigned limit =
        w->facts.listed || w->confirmed ? KEEPALIVE_LIMIT_LISTED : KEEPALIVE_LIMIT_UNLISTED;
    if (w->heard)
        return UINT32_MAX;
    return w->sent < limit ? limit - w->sent : 0;
}

/* Where others cost much of what may be sent, the likeliest one's are kept apart: what is left for it
 * is to last as long as a mapping that nobody answers does. */
static bool is_spaced(struct way *w, struct tick now)
{
    uint16_t others = (uint16_t)(all_targets(w) & ~w->twice & ~w->refusing & ~1u);
    bool is_rich = budget(w) > SPARE + (unsigned)__builtin_popcount(others);
    bool is_poor = (w->facts.listed || w->confirmed) && (w->twice & 1u) && !is_rich;
    if (is_poor && tick_diff_ms(now, w->likeliest_at) < WAY_SPACE_MS)
        return false;
    w->likeliest_at = now;
    return true;
}

static void burst(struct way *w, struct tick now)
{
    uint16_t all = all_targets(w);
    if (way_bears_nothing(w) || w->ended)
        return;
    if (!w->heard && !is_spaced(w, now))
        all &= (uint16_t)~1u;
    /* Relayed: raw is for the one that may follow; but not when it may have been led astray so. */
    if (way_is_relayed(w))
        w->due_raw |= way_may_follow(w) && !w->relay_alone ? all & 1u : 0;
    else
        w->due_raw |= way_is_plain(w) ? all & 1u : all;
    if (w->relay_may_send)
        w->due_relayed |= all & w->permitted;
}

/* The first target is the likeliest: what is left when everybody has got two is his. One packet may
 * have been lost, and it was to open our NAT for the right one. */
static bool may_get(const struct way *w, unsigned bit)
{
    unsigned left = budget(w);
    bool is_known = w->facts.listed || w->confirmed;
    if (left == 0 || is_refused(w, 1u << bit))
        return false;
    if (bit == 0 || w->heard)
        return true;
    if (!is_known)
        return left > 1;
    return left > SPARE || (!(w->twice & (1u << bit)) && left > SPARE_LEAST);
}

static bool take_due(struct way *w, uint16_t *due, struct way_packet *out)
{
    while (*due) {
        unsigned bit = (unsigned)__builtin_ctz(*due);
        bool is_peer = (1u << bit) == PEER;
        const struct addr *to = is_peer ? &w->peer : &w->facts.targets[bit];
        *due = (uint16_t)(*due & ~(1u << bit));
        if (to->port == 0 || !may_get(w, bit))
            continue;
        *out = (struct way_packet){
            .to = *to, .relayed = due == &w->due_relayed, .punches = !w->rounds.heard};
        if (!w->heard)
            w->sent++;
        w->twice |= (uint16_t)(w->once & (1u << bit));
        w->once |= (uint16_t)(1u << bit);
        return true;
    }
    return false;
}

bool way_output(struct way *w, struct way_packet *out)
{
    return take_due(w, &w->due_raw, out) || take_due(w, &w->due_relayed, out);
}

/* Keeps what has been heard on open: the very tuple. Where the SRC bears no packets our mapping is
 * kept by STUN. */
static void keep(struct way *w, struct tick now)
{
    bool sent = false;
    if (w->by_relay && !w->facts.relay)
        return;
    if (!w->peer_barred && !way_bears_nothing(w) && !is_refused(w, PEER) && addr_is_set(&w->peer)) {
        *(w->by_relay ? &w->due_relayed : &w->due_raw) |= PEER;
        sent = !w->by_relay;
    }
    /* It may follow us to the direct path (RL). */
    if (w->by_relay && way_may_follow(w) && !way_bears_nothing(w))
        w->due_raw |= 1u;
    if (!sent && way_needs_mapping(w))
        ask(w, now, WAY_ASK_STUN);
}

static void send_round(struct way *w, struct tick now)
{
    if (w->rounds.heard) {
        keep(w, now);
        return;
    }
    if (way_is_plain(w) && w->rounds.sent > PLAIN_ROUNDS)
        return;
    burst(w, now);
    /* Where it was heard from last is likelier than what it offers. */
    bool is_elsewhere =
        w->heard && !way_is_relayed(w) && !w->peer_barred && !is_target(w, &w->peer);
    if ((w->migration == WAY_MOVED || is_elsewhere) && !way_bears_nothing(w))
        w->due_raw |= PEER;
    uint16_t fresh = (uint16_t)((w->due_raw | w->due_relayed) & ~w->told & ~PEER);
    for (unsigned i = 0; i < w->facts.target_count && !way_is_plain(w); i++) {
        if ((fresh & (1u << i)) && w->facts.targets[i].port && may_get(w, i))
            tell(w, now, VERDICT_PUNCHED, &w->facts.targets[i]);
    }
    w->told |= fresh;
    if (way_bears_nothing(w) && way_needs_mapping(w))
        ask(w, now, WAY_ASK_STUN);
}

/* ---- Beginning and changing ----------------------------------------------------------------- */

static void take_facts(struct way *w, const struct way_facts *facts)
{
    w->facts = *facts;
    (void)nat_forgets(&w->facts.behaviour, w->forgotten_s);
}

static void prepare(struct way *w, struct tick now)
{
    w->told = w->due_raw = w->due_relayed = w->once = w->twice = 0;
    w->relay_alone = w->mapping_moved = false;
    w->doubt_at = TICK_NEVER;
    w->disproved = (struct addr){0};
    w->ageing[0] = w->ageing[1] = AGEING_NEW;
    /* What the SRC sends before our punch has passed may take our port away: Linux remembers what it
     * has dropped. One punch could be lost. */
    w->twice_at = w->facts.choice.punches ? tick_add_ms(now, WAY_TWICE_MS) : TICK_NEVER;
    w->relay_may_send = way_is_relayed(w);
    keepalive_start(&w->rounds, now, &w->facts.behaviour, KEEPALIVE_ENDLESS);
    if (w->facts.relay && (w->facts.choice.permits || w->facts.choice.relay_stands_by))
        ask(w, now, WAY_PERMIT);
}

void way_start(struct way *w, struct tick now, const struct way_facts *facts)
{
    assert(facts->target_count <= WAY_TARGETS);
    *w = (struct way){.facts = *facts,
                      .stun_at = TICK_NEVER,
                      .migrate_at = TICK_NEVER,
                      .back_at = TICK_NEVER,
                      .leave_at = TICK_NEVER,
                      .suspect_at = TICK_NEVER,
                      .suspected = TICK_NEVER,
                      .last_raw = TICK_NEVER,
                      .last_relayed = TICK_NEVER};
    ladder_start(&w->ladder, now, facts->choice.code, facts->may_reinvite);
    ladder_stop(&w->ladder); /* until the ACK */
    prepare(w, now);
}

/* Bits of those who are the same people in the new set. */
static uint16_t carried(const struct way_facts *from, const struct way_facts *to, uint16_t bits)
{
    uint16_t out = bits & PEER;
    for (unsigned i = 0; i < to->target_count; i++) {
        for (unsigned j = 0; j < from->target_count; j++) {
            if ((bits & (1u << j)) && addr_equal_ip(&from->targets[j], &to->targets[i]))
                out |= (uint16_t)(1u << i);
        }
    }
    return out;
}

void way_change(struct way *w, struct tick now, const struct way_facts *facts)
{
    assert(facts->target_count <= WAY_TARGETS);
    bool migrates = w->migration == WAY_OFFERED && way_is_relayed(w);
    w->permitted = facts->relay ? carried(&w->facts, facts, w->permitted) : 0;
    /* Who was never heard may have refused us for coming from another port than it was told, which our
     * NAT had given us: this path is another one. */
    w->refusing = w->heard ? carried(&w->facts, facts, w->refusing) : 0;
    w->denied = 0;
    take_facts(w, facts);
    w->flows = false;
    w->ladder.may_reinvite = facts->may_reinvite;
    w->back_at = TICK_NEVER;
    prepare(w, now);
    if (migrates && !way_is_relayed(w)) {
        w->migration = WAY_MOVED;
    } else if (w->migration != WAY_NOT_YET) {
        w->migration = WAY_DONE;
        w->leave_at = TICK_NEVER;
    }
    ladder_stop(&w->ladder);
    w->ladder.tried |= 1u << (unsigned)facts->choice.code;
    tell(w, now, w->migration == WAY_MOVED ? VERDICT_PUNCHED : VERDICT_RETRIED, &w->peer);
}

void way_retarget(struct way *w, struct tick now, const struct way_facts *facts)
{
    assert(facts->target_count <= WAY_TARGETS);
    struct addr mapped = w->facts.mapped;
    w->permitted = carried(&w->facts, facts, w->permitted);
    w->refusing = carried(&w->facts, facts, w->refusing);
    w->told = carried(&w->facts, facts, w->told);
    w->denied = 0;
    take_facts(w, facts);
    w->facts.mapped = mapped;
    w->ageing[0] = w->ageing[1] = AGEING_NEW;
    w->ladder.may_reinvite = facts->may_reinvite;
    w->due_raw = w->due_relayed = 0;
    w->flows = false;
    keepalive_start(&w->rounds, now, &w->facts.behaviour, KEEPALIVE_ENDLESS);
    /* At once: what is on its way yet from where it was will end the rounds. */
    burst(w, now);
    if (w->facts.relay && (w->facts.choice.permits || w->facts.choice.relay_stands_by))
        ask(w, now, WAY_PERMIT);
    if (w->confirmed && !w->held && !w->ended)
        ladder_expect(&w->ladder, now);
}

void way_stay(struct way *w, struct tick now)
{
    bool moves = w->migration == WAY_OFFERED || w->migration == WAY_MOVED;
    if (moves)
        w->migration = WAY_DONE;
    if (moves || w->flows) {
        ladder_heard(&w->ladder, now);
        return;
    }
    ladder_moved(&w->ladder, now, PATH_BEST_EFFORT);
}

void way_confirm(struct way *w, struct tick now)
{
    w->confirmed = true;
    if (w->ended || w->held || w->flows)
        return;
    if (w->migration == WAY_MOVED)
        w->back_at = tick_add_ms(now, WAY_BACK_MS);
    else
        ladder_expect(&w->ladder, now);
}

/* ---- How long our NAT remembers ------------------------------------------------------------- */

/* What comes from elsewhere, or by another way, comes by a mapping of its own; and a connection has none. */
static int64_t age_heard(struct way *w, struct tick now, const struct way_packet_seen *seen)
{
    struct ageing *a = &w->ageing[seen->relayed];
    bool is_other = addr_is_set(&w->peer) &&
                    (w->by_relay != seen->relayed || !addr_equal(&w->peer, &seen->from));
    if (is_other || (seen->relayed && w->facts.choice.code == PATH_RELAY_STREAM))
        *a = AGEING_NEW;
    return ageing_heard(a, now, seen->missing);
}

/* The mapping was gone so long after our last packet; 0: it was not. */
static void take_age(struct way *w, struct tick now, int64_t age_ms)
{
    struct nat_behaviour *b = &w->facts.behaviour;
    if (!nat_forgets(b, ageing_seconds(age_ms)))
        return;
    w->forgotten_s = b->forgotten_s;
    keepalive_learn(&w->rounds, now, b);
    put(w, now, (struct way_event){.kind = WAY_FORGOTTEN, .forgotten_s = b->forgotten_s});
}

/* ---- What came ------------------------------------------------------------------------------ */

/* Will the SRC's packets come from the same port when they are sent elsewhere? It matters where the
 * filter asks for it: not where its address is its own, or its NAT has kept the port, or has been
 * seen to do so. */
static bool keeps_source(const struct way *w)
{
    const struct way_facts *f = &w->facts;
    if (f->one_port == PATH_NO)
        return false;
    return f->one_port == PATH_YES || addr_equal_ip(&w->peer, &f->offered) ||
           w->peer.port == f->offered.port || f->behaviour.filtering == NAT_FILTERING_INDEPENDENT ||
           f->behaviour.filtering == NAT_FILTERING_ADDRESS;
}

static void plan_migration(struct way *w, struct tick now)
{
    if (w->migration != WAY_NOT_YET || !way_is_relayed(w) || !w->facts.choice.may_migrate ||
        !w->facts.may_reinvite || way_bears_nothing(w) || w->peer_barred || !keeps_source(w))
        return;
    if (tick_is_never(w->migrate_at))
        w->migrate_at = tick_add_ms(now, WAY_MIGRATE_MS);
}

static void note_place(struct way *w, struct tick now, const struct way_packet_seen *seen)
{
    bool first = !addr_is_set(&w->peer);
    bool other_way = first || w->by_relay != seen->relayed;
    if (!seen->relayed && w->migration == WAY_MOVED) {
        if (other_way) {
            tell(w, now, VERDICT_MIGRATED, &seen->from);
            w->leave_at = tick_add_ms(now, WAY_LEAVE_MS);
        }
    } else if (!seen->relayed && other_way && way_must_have_followed(w)) {
        tell(w, now, VERDICT_FOLLOWED, &seen->from);
    } else if (first && !is_target(w, &seen->from)) {
        tell(w, now, VERDICT_LATCHED, &seen->from);
    }
    if (!first && !other_way && !addr_equal(&w->peer, &seen->from))
        tell(w, now, VERDICT_REBOUND, &seen->from);
    /* What it may have followed before was lost, or what came to it by the relay came later. Only of
     * whom nothing translates: led astray, another would come from another port. */
    if (first && seen->relayed && way_may_follow(w) && addr_equal(&seen->from, &w->facts.offered) &&
        !way_bears_nothing(w))
        w->twice_at = tick_add_ms(now, WAY_FOLLOW_MS);
    /* What opened the way was sent elsewhere, and nobody answers there: its timer is short. */
    if (!is_target(w, &seen->from) && !way_is_plain(w) && !seen->barred && !way_bears_nothing(w))
        *(seen->relayed ? &w->due_relayed : &w->due_raw) |= PEER;
    w->by_relay = seen->relayed;
    w->peer = seen->from;
    w->refusing &= (uint16_t)~PEER;
}

struct tick way_suspects(struct tick now, struct tick suspected)
{
    struct tick at = tick_add_ms(now, WAY_SUSPECT_MS);
    if (tick_is_never(suspected))
        return at;
    struct tick again = tick_add_ms(suspected, WAY_SUSPECT_AGAIN_MS);
    return tick_before(at, again) ? again : at;
}

static void plan_suspicion(struct way *w, struct tick now, bool relayed)
{
    w->suspect_at = TICK_NEVER;
    /* An SRC that follows may come by the one way for a moment, and be back at the other. */
    bool lately =
        !tick_is_never(w->last_relayed) && tick_diff_ms(now, w->last_relayed) < WAY_SUSPECT_MS;
    if ((!relayed && !lately) || w->held)
        return;
    w->suspect_at = way_suspects(now, w->suspected);
}

void way_hear(struct way *w, struct tick now, const struct way_packet_seen *seen)
{
    if (w->ended)
        return;
    if (seen->unproven) {
        ladder_wait(&w->ladder, now, WAY_UNPROVEN_MS);
        return;
    }
    if (seen->idle) {
        if (w->heard && !w->held)
            ladder_heard(&w->ladder, now);
        return;
    }
    /* What still trickles in by the relay does not bring the stream back there. */
    bool late = w->migration == WAY_MOVED && seen->relayed;
    *(seen->relayed ? &w->last_relayed : &w->last_raw) = now;
    take_age(w, now, age_heard(w, now, seen));
    if (late) {
        if (!tick_is_never(w->leave_at))
            w->leave_at = tick_add_ms(now, WAY_LEAVE_MS);
        return;
    }
    if (seen->relayed == way_is_relayed(w)) /* the SRC had merely been silent */
        w->failed &= ~(1u << (unsigned)w->facts.choice.code);
    if (!w->flows) /* a path that was left may be taken again, one that failed may not */
        w->ladder.tried = w->failed | 1u << (unsigned)w->facts.choice.code;
    w->heard = w->flows = true;
    w->peer_barred = seen->barred;
    if (!addr_equal(&w->peer, &seen->from) || w->by_relay != seen->relayed)
        note_place(w, now, seen);
    if (seen->relayed && !addr_equal(&w->bound, &seen->from)) {
        w->bound = seen->from;
        put(w, now, (struct way_event){.kind = WAY_BIND, .peer = seen->from});
    }
    w->back_at = TICK_NEVER;
    w->mapping_stands = false;
    plan_suspicion(w, now, seen->relayed);
    keepalive_heard(&w->rounds, now);
    if (!w->held)
        ladder_heard(&w->ladder, now);
    plan_migration(w, now);
}

void way_refused(struct way *w, struct tick now, const struct addr *to)
{
    uint16_t bits = addr_is_set(&w->peer) && addr_equal(&w->peer, to) ? PEER : 0;
    for (unsigned i = 0; i < w->facts.target_count; i++) {
        if (addr_equal(&w->facts.targets[i], to))
            bits |= (uint16_t)(1u << i);
    }
    /* Before the ACK its port may not be open yet; and a port that it does not send from says
     * nothing of the one it does. */
    if (!w->confirmed || !bits || (w->refusing & bits) == bits)
        return;
    w->refusing |= bits;
    if ((bits & PEER) || ((bits & 1u) && !addr_is_set(&w->peer)))
        put(w, now, (struct way_event){.kind = WAY_REFUSES, .peer = *to});
}

void way_hold(struct way *w, struct tick now)
{
    w->held = true;
    ladder_stop(&w->ladder);
    w->back_at = w->migrate_at = w->suspect_at = TICK_NEVER;
    (void)now;
}

void way_resume(struct way *w, struct tick now)
{
    if (!w->held || w->ended)
        return;
    w->held = w->flows = false;
    w->sent = 0;
    /* What waits for packets is as if new: timers of what nobody answered are short. */
    keepalive_start(&w->rounds, now, &w->facts.behaviour, KEEPALIVE_ENDLESS);
    if (w->confirmed)
        ladder_expect(&w->ladder, now);
}

static bool still_comes(struct tick last, struct tick now)
{
    return !tick_is_never(last) && tick_diff_ms(now, last) < STILL_MS;
}

static void leave_mapping(struct way *w, struct tick now, const struct addr *mapped)
{
    bool is_same_lease = addr_equal_ip(&w->facts.mapped, mapped);
    w->facts.mapped = *mapped;
    if (is_same_lease && (w->flows || w->held))
        take_age(w, now, ageing_moved(&w->ageing[0], now, !w->held));
    tell(w, now, VERDICT_ADDRESS_CHANGED, mapped);
    if (w->facts.relay) /* its server knows us by the old one */
        ask(w, now, WAY_SUSPECT_RELAY);
    w->ladder.tried = w->failed = 0;
    want_path(w, now, WAY_ADDRESS_CHANGED, 0);
}

void way_mapped(struct way *w, struct tick now, const struct addr *mapped)
{
    bool was_asked = !tick_is_never(w->stun_at);
    w->stun_at = TICK_NEVER;
    if (w->ended)
        return;
    if (w->migration == WAY_PROBING && was_asked) {
        w->migration = addr_is_set(mapped) ? WAY_OFFERED : WAY_DONE;
        w->facts.mapped = *mapped;
        if (w->migration == WAY_OFFERED)
            want_path(w, now, WAY_DIRECT, w->ladder.tried);
        return;
    }
    if (!addr_is_set(mapped))
        return;
    w->doubt_at = TICK_NEVER;
    if (addr_is_set(&w->facts.mapped) && !addr_equal(&w->facts.mapped, mapped) &&
        way_needs_mapping(w)) {
        if (addr_equal(mapped, &w->disproved))
            return;
        if (!still_comes(w->last_raw, now)) {
            leave_mapping(w, now, mapped);
            return;
        }
        w->doubtful = *mapped;
        w->doubt_at = tick_add_ms(now, STILL_MS);
        return;
    }
    /* From the port that the SRC was told, or to it. Of one that is forwarded by hand STUN says nothing:
     * what we send may leave by another port each time. */
    w->mapping_moved |= w->facts.choice.code == PATH_MAPPED && addr_is_set(&w->facts.mapped) &&
                        addr_equal(&w->facts.mapped, &w->facts.advertised) !=
                            addr_equal(mapped, &w->facts.advertised);
    w->facts.mapped = *mapped;
    w->mapping_stands = true;
}

void way_network_changed(struct way *w, struct tick now)
{
    if (w->ended)
        return;
    tell(w, now, VERDICT_ADDRESS_CHANGED, &(struct addr){0});
    w->migration = w->migration == WAY_NOT_YET ? WAY_NOT_YET : WAY_DONE;
    w->stun_at = w->migrate_at = w->back_at = TICK_NEVER;
    w->ladder.tried = w->failed = 0;
    want_path(w, now, WAY_ADDRESS_CHANGED, 0);
    /* The address that the SRC was told may be as good as before: a relay that has moved with us. */
    if (w->confirmed && !w->held && w->flows)
        ladder_heard(&w->ladder, now);
    else if (w->confirmed && !w->held)
        ladder_expect(&w->ladder, now);
}

void way_relay_lost(struct way *w, struct tick now)
{
    static const unsigned relays = 1u << PATH_RELAY | 1u << PATH_RELAY_STREAM;
    bool matters = way_is_relayed(w);
    if (w->ended || !w->facts.relay)
        return;
    w->facts.relay = w->relay_may_send = false;
    w->permitted = 0;
    w->due_relayed = 0;
    w->leave_at = w->back_at = w->migrate_at = w->suspect_at = TICK_NEVER;
    if (w->migration != WAY_NOT_YET)
        w->migration = WAY_DONE;
    tell(w, now, VERDICT_RELAY_LOST, &(struct addr){0});
    w->ladder.tried &= ~relays;
    if (matters) {
        want_path(w, now, WAY_RELAY_LOST, w->ladder.tried);
    } else if (w->by_relay) { /* it had followed what came by the relay: back to our own socket */
        w->by_relay = false;
        burst(w, now);
        if (!w->peer_barred && !way_bears_nothing(w))
            w->due_raw |= PEER;
    }
}

void way_permitted(struct way *w, struct tick now, const struct addr *peer, bool allowed)
{
    uint16_t bits = 0, all = all_targets(w);
    for (unsigned i = 0; i < w->facts.target_count; i++) {
        if (addr_equal_ip(&w->facts.targets[i], peer))
            bits |= (uint16_t)(1u << i);
    }
    if (w->ended || !w->facts.relay)
        return;
    bool is_news = allowed ? (w->permitted & bits) != bits || !bits : true;
    *(allowed ? &w->permitted : &w->denied) |= bits;
    if (is_news)
        tell(w, now, allowed ? VERDICT_PERMITTED : VERDICT_DENIED, peer);
    if (allowed && !w->heard && w->relay_may_send && !way_bears_nothing(w))
        w->due_relayed |= bits;
    if (!allowed && way_is_relayed(w) && all && (w->denied & all) == all)
        want_path(w, now, WAY_RELAY_LOST, w->ladder.tried);
}

void way_end(struct way *w)
{
    w->ended = true;
    w->due_raw = w->due_relayed = 0;
    keepalive_stop(&w->rounds);
    ladder_stop(&w->ladder);
    w->stun_at = w->migrate_at = w->back_at = w->leave_at = w->suspect_at = TICK_NEVER;
    w->twice_at = w->doubt_at = TICK_NEVER;
}

/* ---- Time ----------------------------------------------------------------------------------- */

static void ask_stun(struct way *w, struct tick now)
{
    w->stun_at = tick_add_ms(now, WAY_STUN_MS);
    ask(w, now, WAY_ASK_STUN);
}

/* A call that was heard is silent, and on our side everything stands: nobody speaks. But a filter
 * for the very port, or an SRC that follows, may have lost us. */
static bool is_only_silent(const struct way *w)
{
    const struct path_choice *c = &w->facts.choice;
    bool port_matters = c->to_port || c->code == PATH_REVERSE || w->mapping_moved;
    return w->flows && !port_matters && (!way_needs_mapping(w) || w->mapping_stands);
}

static void climb(struct way *w, struct tick now)
{
    switch (ladder_due(&w->ladder, now)) {
    case LADDER_WAIT:
        break;
    case LADDER_PUNCH_AGAIN:
        if (!way_is_plain(w))
            burst(w, now);
        if (w->flows)
            keep(w, now);
        if (!way_is_plain(w) && w->facts.target_count && !way_bears_nothing(w) && budget(w))
            tell(w, now, VERDICT_PUNCHED, &w->facts.targets[0]);
        if (way_is_relayed(w) && !w->flows) /* it may have stood by for long, and be gone */
            ask(w, now, WAY_SUSPECT_RELAY);
        if (!w->flows && way_needs_mapping(w)) /* or what STUN saw while the port stood ready */
            ask(w, now, WAY_ASK_STUN);
        break;
    case LADDER_ASK_STUN:
        w->mapping_stands = false;
        if (way_needs_mapping(w))
            ask_stun(w, now);
        else if (w->facts.choice.code == PATH_MAPPED) /* the gateway may have forgotten */
            ask(w, now, WAY_ASK_STUN);
        break;
    case LADDER_PERMIT_ALL:
        if (w->facts.relay) {
            w->relay_may_send = true;
            w->relay_alone = !w->flows;
            ask(w, now, WAY_PERMIT);
        }
        if (!way_is_plain(w))
            burst(w, now);
        break;
    case LADDER_NEXT_PATH:
        if (!w->flows)
            w->failed |= 1u << (unsigned)w->facts.choice.code;
        if (is_only_silent(w))
            tell(w, now, VERDICT_SILENT, &w->peer);
        else
            want_path(w, now, w->flows ? WAY_WENT_SILENT : WAY_NOTHING_CAME, w->ladder.tried);
        break;
    case LADDER_OUT_OF_PATHS:
        tell(w, now, VERDICT_SILENT, &w->peer);
        if (!w->heard)
            ask(w, now, WAY_UNREACHABLE);
        break;
    }
}

static void look_after_move(struct way *w, struct tick now)
{
    w->back_at = TICK_NEVER;
    if (still_comes(w->last_relayed, now)) /* it takes its time to move */
        w->back_at = tick_add_ms(now, STILL_MS);
    else /* to the relay, which serves still */
        want_path(w, now, WAY_BACK, w->failed | 1u << PATH_STUN | 1u << PATH_DIRECT);
}

/* STUN has shown another mapping. Packets that have come since prove that it is the server's alone, and
 * the SRC has kept its own. */
static void look_after_doubt(struct way *w, struct tick now)
{
    w->doubt_at = TICK_NEVER;
    if (tick_diff_ms(now, w->last_raw) < STILL_MS / 2)
        w->disproved = w->doubtful;
    else
        ask_stun(w, now);
}

static void begin_migration(struct way *w, struct tick now)
{
    w->migrate_at = TICK_NEVER;
    if (!still_comes(w->last_relayed, now) || w->held || !w->by_relay) {
        plan_migration(w, now);
        return;
    }
    w->migration = WAY_PROBING;
    w->due_raw |= PEER;
    tell(w, now, VERDICT_PUNCHED, &w->peer);
    ask_stun(w, now);
}

void way_expire(struct way *w, struct tick now, struct rng *rng)
{
    if (w->ended)
        return;
    if (keepalive_due(&w->rounds, now, rng))
        send_round(w, now);
    if (tick_due(w->twice_at, now)) {
        w->twice_at = TICK_NEVER;
        w->due_raw |= !w->rounds.heard || (w->by_relay && way_may_follow(w));
    }
    climb(w, now);
    if (tick_due(w->stun_at, now))
        way_mapped(w, now, &(struct addr){0});
    if (tick_due(w->suspect_at, now)) {
        w->suspect_at = TICK_NEVER;
        w->suspected = now;
        ask(w, now, WAY_SUSPECT_RELAY);
    }
    if (tick_due(w->migrate_at, now))
        begin_migration(w, now);
    if (tick_due(w->back_at, now))
        look_after_move(w, now);
    if (tick_due(w->doubt_at, now))
        look_after_doubt(w, now);
    if (tick_due(w->leave_at, now)) {
        w->leave_at = TICK_NEVER;
        w->facts.relay = w->relay_may_send = false;
        w->migration = WAY_DONE;
        ask(w, now, WAY_LEAVE_RELAY);
    }
}

struct tick way_deadline(const struct way *w)
{
    struct tick next = tick_min(keepalive_deadline(&w->rounds), ladder_deadline(&w->ladder));
    next = tick_min(next, tick_min(w->stun_at, w->migrate_at));
    next = tick_min(next, tick_min(w->suspect_at, w->twice_at));
    next = tick_min(next, tick_min(w->back_at, w->leave_at));
    return tick_min(next, w->doubt_at);
}
