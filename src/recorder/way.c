/* way: see way.h. Nothing here waits or asks: all facts stand ready when an offer comes.
 * Not here: what becomes of it afterwards (move.c).
 * RFC 7866 §8.1.8, RFC 3605, RFC 8656 §9. */
#include "recorder/way.h"

#include "base/target.h"
#include "recorder/call.h"

enum {
    FARM_BITS = 3,         /* eight addresses: so many are trusted, and can be punched */
    DISPROVED_MS = 600000, /* other ways cost traffic and, maybe, money */
    RELAY_READY_MS = 500,  /* from asking for relays until one is there: a few trips */
};

static unsigned family_of(const struct recorder_lease *lease)
{
    return lease->ticket.bound.family == ADDR_V6;
}

static bool in_prefixes(const struct recorder_prefixes *prefixes, const struct addr *a)
{
    for (uint32_t i = 0; i < prefixes->count; i++) {
        if (addr_prefix_contains(&prefixes->list[i], a))
            return true;
    }
    return false;
}

/* ---- Our addresses -------------------------------------------------------------------------- */

/* The listener's "advertise", else what the profile believes; unset: not known. */
static struct addr outside(const struct recorder *recorder, const struct recorder_call *call,
                           unsigned v6)
{
    const struct recorder_settings *settings = &recorder->settings;
    enum profile_source source;
    if (call->flow.listener < RECORDER_LISTENERS_MAX) {
        const struct addr *advertise = &settings->listeners[call->flow.listener].advertise;
        if (addr_is_set(advertise) && (advertise->family == ADDR_V6) == (v6 != 0))
            return *advertise;
    }
    return profile_external(&recorder->profiles[v6], &source);
}

static bool is_by_listener(const struct recorder *recorder, const struct recorder_call *call,
                           unsigned v6)
{
    return call->flow.listener < RECORDER_LISTENERS_MAX &&
           recorder->settings.listeners[call->flow.listener].advertise.family ==
               (v6 ? ADDR_V6 : ADDR_V4);
}

/* The address that a port is bound to; a wildcard's is the one that SIP reached, since the SRC's
 * packets come by the same route. */
static struct addr own(const struct recorder *recorder, const struct recorder_call *call,
                       const struct recorder_lease *lease)
{
    unsigned v6 = family_of(lease);
    const struct addr *local = &call->flow.local;
    const struct addr *internal = &recorder->settings.internal[v6];
    if (!addr_is_unspecified(&lease->ticket.bound))
        return lease->ticket.bound;
    if (addr_is_set(internal) && !addr_is_loopback(local))
        return *internal;
    if (local->family == lease->ticket.bound.family)
        return *local;
    return addr_is_set(&recorder->profiles[v6].local) ? recorder->profiles[v6].local
                                                      : recorder->settings.own[v6];
}

/* DESIGN.md, local_networks: such an SRC reaches us without a NAT. With "auto" a private address is
 * not enough: what was called must be our own, or somebody translated on the way (a container's
 * bridge shows its own address as everybody's source). */
static bool is_same_realm(const struct recorder *recorder, const struct recorder_call *call)
{
    const struct recorder_settings *settings = &recorder->settings;
    const struct addr *peer = &call->flow.peer, *called = &call->caller.called;
    enum profile_source source;
    struct addr external = profile_external(&recorder->profiles[peer->family == ADDR_V6], &source);
    if (in_prefixes(&settings->local, peer))
        return true;
    if (!settings->local_by_kind ||
        (!addr_is_private(peer) && !addr_is_link_local(peer) && !addr_is_loopback(peer)))
        return false;
    return !addr_is_set(&external) || !addr_equal_ip(called, &external) ||
           addr_equal_ip(called, &call->flow.local);
}

/* ---- Choosing ------------------------------------------------------------------------------- */

static const struct recorder_relay *stocked_relay(const struct recorder *recorder,
                                                  const struct recorder_call *call,
                                                  const struct recorder_lease *lease,
                                                  uint8_t family, bool udp)
{
    return recorder_stock_relay(&recorder->stock, &(struct recorder_relay_wish){
                                                      .worker = lease->ticket.worker,
                                                      .family = family,
                                                      .src = call->caller.number,
                                                      .udp = udp,
                                                  });
}

/* The one that the stream has already, else the best in stock. */
static const struct recorder_relay *find_relay(const struct recorder *recorder,
                                               const struct recorder_call *call,
                                               const struct recorder_lease *lease, bool udp)
{
    if (lease->has_relay && addr_is_set(&lease->relay.relayed[family_of(lease)]) &&
        (lease->relay.transport == RECORDER_RELAY_UDP) == udp)
        return &lease->relay;
    return stocked_relay(recorder, call, lease, lease->ticket.bound.family, udp);
}

/* What the profile cannot know: this port, this SRC, the relays of this worker. */
static struct path_us us_of(const struct recorder *recorder, const struct recorder_call *call,
                            struct recorder_now now, const struct recorder_lease *lease)
{
    unsigned v6 = family_of(lease);
    const struct nat_profile *profile = &recorder->profiles[v6];
    const struct recorder_ticket *ticket = &lease->ticket;
    bool has_stun = addr_is_set(&ticket->seen) &&
                    (lease->held || tick_diff_ms(now.tick, ticket->seen_at) < PROFILE_FRESH_MS);
    struct path_us us = profile_us(profile, now.tick, has_stun, addr_is_set(&ticket->mapped));
    struct addr mine = own(recorder, call, lease);
    if (is_by_listener(recorder, call, v6)) {
        struct addr told = outside(recorder, call, v6);
        const struct addr *sees = &profile->told[PROFILE_STUN].address;
        us.is_static = us.is_ordered = true;
        us.is_doubted =
            addr_is_set(sees) && !addr_equal_ip(sees, &told) && !us.behaviour.pooling_arbitrary;
    } else {
        us.same_realm = is_same_realm(recorder, call);
    }
    bool may_relay = profile->behind_nat != PATH_NO;
    us.relay_udp = may_relay && find_relay(recorder, call, lease, true);
    us.relay_stream = may_relay && find_relay(recorder, call, lease, false);
    /* A public address that nobody could be asked about is taken for what it looks like. */
    us.is_open |= profile->behind_nat == PATH_UNKNOWN && !profile->stun_is_silent && !has_stun &&
                  !addr_is_set(&profile->told[PROFILE_STUN].address) && addr_is_set(&mine) &&
                  !addr_is_private(&mine) && !addr_is_link_local(&mine) &&
                  !addr_is_loopback(&mine) && !us.is_static && !us.is_mapped;
    return us;
}

static struct path_src src_of(const struct recorder *recorder, const struct recorder_call *call,
                              const struct addr *offered)
{
    struct target_rule rule = {.signalled = call->flow.peer, .listed = call->listed};
    bool named = in_prefixes(&recorder->settings.allow, offered);
    struct path_src src = {.offered = *offered, .signalled = call->flow.peer};
    src.barred = addr_is_set(offered) && !target_may_get(&rule, offered, named);
    if (call->knows_src)
        src_profile_apply(&call->src_profile, &src);
    return src;
}

/* behind_nat=true promises that ports are kept "until STUN proves otherwise": then it is the last
 * resort. */
static bool moves_ports(const struct recorder *recorder, const struct recorder_call *call,
                        const struct recorder_lease *lease)
{
    const struct recorder_ticket *ticket = &lease->ticket;
    struct addr external = outside(recorder, call, family_of(lease));
    return lease->us.is_static && lease->us.has_stun && addr_equal_ip(&ticket->seen, &external) &&
           ticket->seen.port != ticket->bound.port;
}

static void take_relay(struct recorder *recorder, const struct recorder_call *call,
                       struct recorder_lease *lease)
{
    bool udp =
        lease->choice.code == PATH_RELAY || (lease->choice.relay_stands_by && lease->us.relay_udp);
    if (!path_is_relayed(lease->choice.code) && !lease->choice.relay_stands_by)
        return;
    const struct recorder_relay *relay = find_relay(recorder, call, lease, udp);
    if (!relay || relay == &lease->relay)
        return;
    lease->has_relay = true;
    lease->relay = *relay;
    recorder_stock_drop_relay(&recorder->stock, lease->relay.worker, lease->relay.slot);
}

static void advertise(const struct recorder *recorder, const struct recorder_call *call,
                      struct recorder_lease *lease)
{
    struct addr mine = own(recorder, call, lease);
    lease->advertised = recorder_way_address(recorder, call, lease, false);
    lease->advertised_rtcp = recorder_way_address(recorder, call, lease, true);
    lease->is_own = addr_equal_ip(&lease->advertised, &mine);
}

struct addr recorder_way_own(const struct recorder *recorder, const struct recorder_call *call,
                             const struct recorder_lease *lease)
{
    return addr_with_port(own(recorder, call, lease), lease->ticket.bound.port);
}

struct addr recorder_way_bound(const struct recorder *recorder, const struct recorder_call *call,
                               const struct recorder_lease *lease)
{
    unsigned v6 = family_of(lease);
    const struct recorder_ticket *ticket = &lease->ticket;
    const struct addr *internal = &recorder->settings.internal[v6];
    const struct addr *placed = &recorder->profiles[v6].local;
    struct addr mine = own(recorder, call, lease);
    /* STUN servers and the gateway were asked from where the world is, and the mappings that they
     * showed lead there; everybody else gets to the address that SIP reached. */
    bool shown = (lease->choice.code == PATH_MAPPED && !lease->us.is_static) ||
                 (lease->choice.code != PATH_MAPPED && lease->choice.code != PATH_DIRECT &&
                  addr_is_set(&ticket->seen));
    if (addr_is_set(&lease->arrived))
        mine = lease->arrived;
    else if (shown && addr_is_unspecified(&ticket->bound) && !addr_is_set(internal) &&
             addr_is_set(placed))
        mine = *placed;
    return addr_is_set(&mine) ? addr_with_port(mine, ticket->bound.port) : ticket->bound;
}

bool recorder_way_wants_relay(const struct recorder *recorder, const struct recorder_lease *lease,
                              bool bridges)
{
    bool is_reached =
        lease->us.is_open || lease->us.is_static || lease->us.is_mapped || lease->us.same_realm;
    return !lease->has_relay && (bridges || !is_reached) &&
           recorder->profiles[family_of(lease)].behind_nat != PATH_NO;
}

void recorder_way_stand_by(struct recorder *recorder, const struct recorder_call *call,
                           struct recorder_lease *lease, bool bridges)
{
    bool is_v6 = (family_of(lease) != 0) != bridges;
    uint8_t family = is_v6 ? ADDR_V6 : ADDR_V4;
    if (!recorder_way_wants_relay(recorder, lease, bridges))
        return;
    const struct recorder_relay *relay = stocked_relay(recorder, call, lease, family, true);
    if (!relay)
        relay = stocked_relay(recorder, call, lease, family, false);
    if (!relay)
        return;
    lease->has_relay = true;
    lease->relay = *relay;
    recorder_stock_drop_relay(&recorder->stock, lease->relay.worker, lease->relay.slot);
    /* In the place of one that was advertised and is gone. */
    if (recorder_way_is_relayed(lease) && addr_is_set(&lease->relay.relayed[family_of(lease)])) {
        advertise(recorder, call, lease);
    }
}

void recorder_way_choose(struct recorder *recorder, const struct recorder_call *call,
                         struct recorder_now now, struct recorder_lease *lease,
                         const struct addr *offered, unsigned tried)
{
    struct path_us us = us_of(recorder, call, now, lease);
    lease->arrived = (struct addr){0};
    lease->us = us;
    lease->src = src_of(recorder, call, offered);
    lease->us.is_static = us.is_static && !moves_ports(recorder, call, lease);
    lease->choice = path_choose(&lease->us, &lease->src, tried);
    if (lease->choice.code == PATH_BEST_EFFORT && us.is_static) {
        lease->us.is_static = true;
        lease->choice = path_choose(&lease->us, &lease->src, tried);
    }
    lease->used = call->knows_src && tried == 0
                      ? src_profile_used(&call->src_profile, &lease->us, &lease->src)
                      : 0;
    take_relay(recorder, call, lease);
    lease->tried = tried | 1u << (unsigned)lease->choice.code;
    advertise(recorder, call, lease);
}

void recorder_way_look(const struct recorder *recorder, const struct recorder_call *call,
                       struct recorder_now now, struct recorder_lease *lease)
{
    lease->us = us_of(recorder, call, now, lease);
    lease->us.is_static = lease->us.is_static && !moves_ports(recorder, call, lease);
    lease->choice = (struct path_choice){.code = lease->us.is_static ? PATH_MAPPED : PATH_DIRECT};
    advertise(recorder, call, lease);
}

struct recorder_wish recorder_way_wish(const struct recorder *recorder,
                                       const struct recorder_call *call, uint8_t family)
{
    struct recorder_wish wish = {.worker = call->worker,
                                 .family = family,
                                 .near = call->flow.local,
                                 .here = recorder->here,
                                 .here_count = recorder->here_count};
    for (unsigned v6 = 0; v6 < 2; v6++)
        wish.has_own[v6] =
            addr_is_set(&recorder->settings.own[v6]) || addr_is_set(&recorder->profiles[v6].local);
    return wish;
}

bool recorder_way_replace(struct recorder *recorder, const struct recorder_call *call,
                          struct recorder_lease *lease)
{
    struct recorder_wish wish = recorder_way_wish(recorder, call, lease->ticket.bound.family);
    struct recorder_ticket ticket;
    if (!recorder_stock_take(&recorder->stock, &wish, &ticket, 1))
        return false;
    /* Its worker has not withdrawn it yet. */
    if (!recorder_is_here(recorder, &ticket.bound)) {
        recorder_return_ticket(recorder, &ticket);
        return false;
    }
    lease->ticket = ticket;
    lease->lost = lease->closed = false;
    return true;
}

static bool is_by_order(const struct recorder_lease *lease)
{
    return lease->us.is_static && lease->us.is_ordered && lease->choice.code == PATH_MAPPED;
}

bool recorder_way_awaits_relay(const struct recorder *recorder, const struct recorder_lease *lease,
                               struct tick now)
{
    return recorder->settings.has_relays && is_by_order(lease) &&
           tick_diff_ms(now, recorder->disproved_at) < RELAY_READY_MS;
}

/* The address by order again, at a port that we send from before the SRC is told: ports that are not
 * forwarded a NAT that keeps them opens so (doc/nat.md 5, 9). A relay is surer, where one stands ready. */
static bool order_again(const struct recorder *recorder, const struct recorder_call *call,
                        const struct recorder_lease *lease, struct recorder_lease *other)
{
    struct recorder_ticket ticket = other->ticket;
    if (lease->has_relay || lease->us.is_doubted || lease->choice.known < PATH_KNOWN_GUESSED)
        return false;
    *other = *lease;
    other->ticket = ticket;
    other->arrived = (struct addr){0};
    other->choice.punches = other->choice.to_port = true;
    other->choice.why = "nothing came to a port of the address that the settings name: another, "
                        "which we send from first";
    advertise(recorder, call, other);
    return true;
}

/* Has the lease be the other one, which has a port from stock, or gives back what that took. */
static bool take_over(struct recorder *recorder, struct recorder_lease *lease,
                      struct recorder_lease *other, bool is_better)
{
    if (is_better) {
        *lease = *other;
        return true;
    }
    if (other->has_relay && !lease->has_relay)
        recorder_way_undo(recorder, other);
    recorder_return_ticket(recorder, &other->ticket);
    return false;
}

bool recorder_way_remap(struct recorder *recorder, const struct recorder_call *call,
                        struct recorder_now now, struct recorder_lease *lease,
                        const struct addr *offered)
{
    struct recorder_lease other = *lease;
    struct recorder_wish wish = recorder_way_wish(recorder, call, lease->ticket.bound.family);
    wish.trusts_mapping = profile_trusts_gateway(&recorder->profiles[family_of(lease)]);
    if (!wish.trusts_mapping || addr_is_set(&lease->ticket.mapped) ||
        (lease->tried & 1u << PATH_MAPPED) || lease->ticket.port == MEDIA_PORT_SHARED ||
        !recorder_stock_take(&recorder->stock, &wish, &other.ticket, 1))
        return false;
    if (addr_is_set(&other.ticket.mapped))
        recorder_way_choose(recorder, call, now, &other, offered, lease->tried);
    return take_over(recorder, lease, &other,
                     addr_is_set(&other.ticket.mapped) && other.choice.code == PATH_MAPPED);
}

bool recorder_way_renew(struct recorder *recorder, const struct recorder_call *call,
                        struct recorder_now now, struct recorder_lease *lease,
                        const struct addr *offered)
{
    struct recorder_lease other = *lease;
    struct recorder_wish wish = recorder_way_wish(recorder, call, lease->ticket.bound.family);
    bool by_order = is_by_order(lease);
    if (recorder_way_awaits_relay(recorder, lease, now.tick) ||
        (lease->choice.code != PATH_STUN && lease->choice.code != PATH_BEST_EFFORT && !by_order) ||
        lease->ticket.port == MEDIA_PORT_SHARED ||
        !recorder_stock_take(&recorder->stock, &wish, &other.ticket, 1))
        return false;
    if (addr_is_set(&other.ticket.seen))
        recorder_way_choose(recorder, call, now, &other, offered,
                            lease->tried & ~(1u << PATH_STUN));
    bool opens =
        addr_is_set(&other.ticket.seen) && other.choice.code == PATH_STUN && other.choice.punches;
    return take_over(recorder, lease, &other,
                     opens || (by_order && order_again(recorder, call, lease, &other)));
}

void recorder_way_direct(struct recorder *recorder, const struct recorder_call *call,
                         struct recorder_now now, struct recorder_lease *lease,
                         const struct addr *seen)
{
    lease->us = us_of(recorder, call, now, lease);
    lease->arrived = (struct addr){0};
    lease->choice = path_direct(&lease->us, seen);
    lease->tried |= 1u << (unsigned)lease->choice.code;
    advertise(recorder, call, lease);
}

void recorder_way_meet(const struct recorder *recorder, const struct recorder_call *call,
                       struct recorder_lease *lease, const struct addr *offered)
{
    lease->src = src_of(recorder, call, offered);
}

bool recorder_way_is_unsure(const struct recorder_call *call, const struct recorder_lease *lease)
{
    const struct path_choice *choice = &lease->choice;
    return !call->knows_src &&
           ((choice->code == PATH_STUN && choice->to_port) || choice->code == PATH_REVERSE ||
            choice->code == PATH_EDGE || choice->code == PATH_BEST_EFFORT);
}

void recorder_way_hear(struct recorder *recorder, const struct recorder_lease *lease,
                       struct tick now, bool came)
{
    if (!lease->held || !is_by_order(lease) || (came && lease->choice.punches))
        return;
    if (!came && !recorder_is_disproved(recorder, now))
        recorder->disproved_at = now;
    recorder->disproved_until = came ? now : tick_add_ms(now, DISPROVED_MS);
}

bool recorder_is_disproved(const struct recorder *recorder, struct tick now)
{
    return tick_before(now, recorder->disproved_until);
}

void recorder_way_undo(struct recorder *recorder, struct recorder_lease *lease)
{
    if (lease->has_relay)
        (void)!recorder_stock_put_relay(&recorder->stock, &lease->relay);
    lease->has_relay = false;
}

struct addr recorder_way_address(const struct recorder *recorder, const struct recorder_call *call,
                                 const struct recorder_lease *lease, bool rtcp)
{
    const struct recorder_ticket *ticket = &lease->ticket;
    unsigned v6 = family_of(lease);
    uint16_t port = rtcp ? ticket->bound_rtcp.port : ticket->bound.port;
    struct addr seen = rtcp ? ticket->seen_rtcp : ticket->seen;
    struct addr mapped = rtcp ? ticket->mapped_rtcp : ticket->mapped;
    struct addr external = outside(recorder, call, v6), mine = own(recorder, call, lease);
    /* Where only the RTP socket's address is known the other is the port above (RFC 3550 §11). */
    if (rtcp && !addr_is_set(&seen) && addr_is_set(&ticket->seen))
        seen = addr_with_port(ticket->seen, (uint16_t)(ticket->seen.port + 1));
    if (rtcp && !addr_is_set(&mapped))
        mapped = addr_with_port(ticket->mapped, (uint16_t)(ticket->mapped.port + 1));
    switch (lease->choice.code) {
    case PATH_DIRECT:
        break;
    case PATH_MAPPED:
        return lease->us.is_static ? addr_with_port(external, port) : mapped;
    case PATH_STUN:
    case PATH_REVERSE:
        if (addr_is_set(&seen))
            return seen;
        break; /* nothing is translated: nobody was asked */
    case PATH_RELAY:
    case PATH_RELAY_STREAM:
        /* A relay has one port: RTCP comes to it too, as a=rtcp says (RFC 3605, 5761 §4). */
        return lease->relay.relayed[v6];
    case PATH_EDGE:
    case PATH_BEST_EFFORT:
    case PATH_CODES:
        if (addr_is_set(&seen))
            return seen;
        if (addr_is_set(&external) && addr_is_private(&mine))
            return addr_with_port(external, port);
        break;
    }
    return addr_with_port(mine, port);
}

bool recorder_way_is_relayed(const struct recorder_lease *lease)
{
    return path_is_relayed(lease->choice.code);
}

const char *recorder_way_name(const struct recorder_lease *lease)
{
    return path_name(&lease->choice, &lease->us);
}

const char *recorder_way_name_unexpected(const struct recorder_lease *lease)
{
    return path_name_unexpected(&lease->us, lease->is_own);
}

/* ---- Whom media may send to ----------------------------------------------------------------- */

struct targets {
    const struct recorder *recorder;
    struct target_rule rule;
    const struct path_src *src;
};

static bool may_get(const struct targets *t, const struct addr *to)
{
    return addr_is_set(to) &&
           target_may_get(&t->rule, to, in_prefixes(&t->recorder->settings.allow, to));
}

static void add(struct addr *list, uint8_t *count, uint8_t room, struct addr one)
{
    for (uint8_t i = 0; i < *count; i++) {
        if (addr_equal(&list[i], &one))
            return;
    }
    if (*count < room)
        list[(*count)++] = one;
}

/* Where the SRC was seen to send from, told by its port offset, if that is where the way has to be
 * opened: what shifts RTP's port shifts RTCP's beside it. What is offered; and that port behind the
 * address that SIP came from: 1:1 NATs and those that keep ports show it so. */
static void put_targets(const struct targets *t, const struct addr *offered, bool punches,
                        struct addr *list, uint8_t *count)
{
    struct addr guess = addr_with_port(t->rule.signalled, offered->port);
    struct addr shifted = path_shifted(t->src, offered);
    if (offered->port == 0)
        return;
    if (punches && may_get(t, &shifted) && shifted.family == offered->family)
        add(list, count, MEDIA_TARGETS, shifted);
    if (may_get(t, offered))
        add(list, count, MEDIA_TARGETS, *offered);
    if (may_get(t, &guess) && guess.family == offered->family)
        add(list, count, MEDIA_TARGETS, guess);
}

static void put_permitted(const struct targets *t, const struct recorder_call *call,
                          const struct recorder_stream *stream, uint8_t family,
                          struct media_way *way)
{
    const struct addr *from[] = {&stream->offered, &stream->offered_rtcp, &call->flow.peer,
                                 &call->caller.via, &call->caller.contact};
    for (size_t i = 0; i < sizeof from / sizeof *from; i++) {
        if (from[i]->family == family && may_get(t, from[i]))
            add(way->permitted, &way->permitted_count, MEDIA_PERMITTED,
                addr_with_port(*from[i], 0));
    }
}

/* One more address that this SRC's media may come from: trusted, let in by the relay, and sent to where our NAT filters.
 * Its port is the offered one: whatever it is, a filter by address opens. */
static void put_source(const struct targets *t, const struct addr *offered, const struct addr *ip,
                       struct media_way *way)
{
    struct addr to = addr_with_port(*ip, offered->port);
    add(way->known, &way->known_count, MEDIA_KNOWN, addr_with_port(*ip, 0));
    if (ip->family != offered->family || !may_get(t, &to))
        return;
    add(way->permitted, &way->permitted_count, MEDIA_PERMITTED, addr_with_port(*ip, 0));
    if (way->choice.punches && offered->port != 0)
        add(way->targets, &way->target_count, MEDIA_TARGETS, to);
}

/* A network in sip.allow of a few addresses, this SRC's among them, is its media farm. */
static void put_farm(const struct targets *t, const struct addr *offered, struct media_way *way)
{
    const struct recorder_prefixes *allow = &t->recorder->settings.allow;
    for (uint32_t i = 0; i < allow->count; i++) {
        const struct addr_prefix *network = &allow->list[i];
        size_t last = network->base.family == ADDR_V6 ? 15 : 3;
        unsigned free_bits = (unsigned)(last + 1) * 8 - network->bits;
        struct addr one = network->base;
        if (free_bits == 0 || free_bits > FARM_BITS ||
            !(addr_prefix_contains(network, &t->rule.signalled) ||
              addr_prefix_contains(network, offered)))
            continue;
        for (unsigned n = 0; n < 1u << free_bits; n++) {
            one.ip[last] = (uint8_t)((network->base.ip[last] & ~((1u << free_bits) - 1u)) | n);
            put_source(t, offered, &one, way);
        }
    }
}

/* What earlier calls taught beside the choice itself. */
static void put_known(const struct targets *t, const struct addr *offered,
                      const struct src_profile *profile, struct media_way *way)
{
    for (uint8_t i = 0; i < profile->media_count; i++)
        put_source(t, offered, &profile->media[i], way);
    way->one_port = src_profile_believes(profile, SRC_ONE_PORT);
    if (src_profile_believes(profile, SRC_REINVITES) == PATH_NO)
        way->may_reinvite = false;
    /* A path that packets of ours have to open is none without them. */
    if (src_profile_believes(profile, SRC_QUIET) == PATH_YES && !way->choice.punches)
        way->keepalive = MEDIA_KEEPALIVE_NONE;
}

void recorder_way_fill(const struct recorder *recorder, const struct recorder_call *call,
                       const struct recorder_lease *lease, const struct recorder_stream *stream,
                       struct media_way *way)
{
    unsigned v6 = family_of(lease);
    struct targets t = {
        recorder, {.signalled = call->flow.peer, .listed = call->listed}, &lease->src};
    bool punches = lease->choice.punches;
    *way = (struct media_way){
        .choice = lease->choice,
        .behaviour = recorder->profiles[v6].behaviour,
        .may_reinvite = !call->stays,
        .mapped = lease->us.has_stun ? lease->ticket.seen : (struct addr){0},
    };
    put_targets(&t, &stream->offered, punches, way->targets, &way->target_count);
    put_targets(&t, &stream->offered_rtcp, punches, way->targets_rtcp, &way->target_rtcp_count);
    put_permitted(&t, call, stream, lease->ticket.bound.family, way);
    if (call->knows_src)
        put_known(&t, &stream->offered, &call->src_profile, way);
    put_farm(&t, &stream->offered, way);
    if (lease->has_relay)
        way->relay = (struct media_way_relay){.held = true,
                                              .slot = lease->relay.slot,
                                              .generation = lease->relay.generation,
                                              .src = call->caller.number,
                                              .relayed = lease->relay.relayed[v6],
                                              .server = lease->relay.server_address};
}
