/* iceside: what happens between our ICE agent and a simulated network.
 * Not here: TCP framing and connections (icetcp.c).
 * RFC 8445, 8656, 6887. */
#include "natsim/iceside.h"

#include "natsim/icetcp.h"
#include "stun/message.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

enum {
    DISCOVERY_PORT = 30000,
    RELAY_PORT = 31000,
    GATEWAY_PORT = 32000,
    STUN_AGAIN_MS = 500,
    STUN_KEEP_MS = 10000,
    STUN_WAIT_MS = 2000,
    GATEWAY_WAIT_MS = 4000, /* one answer that is lost: RFC 6887 §8.1.1 asks again after 3 s */
    TURN_WAIT_MS = 2000,
    TURN_GIVE_UP_MS = 20000,
    RELEARN_MS = 600,     /* for STUN and a relay in mid-call; */
    RELEARN_TCP_MS = 900, /* over TCP */
    MEDIA_SIZE = 52,
};

static struct addr media_address(const struct iceside *side, size_t component)
{
    return addr_with_port(side->options.address, (uint16_t)(ICESIDE_PORT + component));
}

static struct turnside *relay_of(struct iceside *side, size_t component, bool stream)
{
    return &side->relays[2 * component + stream];
}

static bool is_ready(const struct turnside *relay)
{
    return relay->turn && turn_status(relay->turn).ready;
}

/* ---- what comes in -------------------------------------------------------------------------- */

static void authorise(struct iceside *side, const struct addr *who)
{
    struct iceside_authorised *a = &side->authorised;
    for (size_t i = 0; i < a->count; i++) {
        if (addr_equal(&a->addresses[i], who))
            return;
    }
    if (a->count < ICESIDE_AUTHORISED)
        a->addresses[a->count++] = *who;
}

static bool is_authorised(const struct iceside *side, const struct addr *who)
{
    for (size_t i = 0; i < side->authorised.count; i++) {
        if (addr_equal(&side->authorised.addresses[i], who))
            return true;
    }
    return false;
}

static void take_media(struct iceside *side, struct view bytes)
{
    const uint8_t *b = (const uint8_t *)bytes.at;
    if (bytes.len != MEDIA_SIZE || b[0] != 0x80)
        return;
    uint32_t number = (uint32_t)b[4] << 24 | (uint32_t)b[5] << 16 | (uint32_t)b[6] << 8 | b[7];
    if (side->media_taken++ == 0) {
        side->media_first = number;
        side->media_at = side->sim->now;
    }
    side->media_last = side->sim->now;
    side->media_newest = number > side->media_newest ? number : side->media_newest;
}

void iceside_take(struct iceside *side, size_t base, const struct addr *from, struct view bytes)
{
    struct ice_path via = {{(uint32_t)base}, *from};
    if (!side->ice)
        return;
    switch (ice_input(side->ice, side->sim->now, &via, bytes)) {
    case ICE_TAKEN:
        authorise(side, from);
        break;
    case ICE_REFUSED_INPUT:
        side->refused++;
        break;
    case ICE_NOT_MINE:
        take_media(side, bytes);
        break;
    }
}

static void take_reflexive(struct iceside *side, const struct natsim_packet *packet)
{
    struct stun_message m;
    size_t component = (size_t)(packet->to.port - ICESIDE_PORT);
    struct addr mapped;
    if (component < ICESIDE_COMPONENTS && stun_message_decode(packet->bytes, &m) == STUN_DECODED &&
        m.class == STUN_SUCCESS && stun_read_mapped(&m, &mapped))
        side->reflexive[component] = mapped;
}

static bool take_discovery(struct iceside *side, const struct natsim_packet *packet)
{
    unsigned socket = (packet->to.port - (unsigned)DISCOVERY_PORT) / 10;
    if (packet->to.port < DISCOVERY_PORT || socket >= DISCOVERY_SOCKETS)
        return false;
    if (side->discovery)
        (void)discovery_input(side->discovery, side->sim->now, (enum discovery_socket)socket,
                              &packet->from, packet->bytes);
    return true;
}

static bool take_relayed(struct iceside *side, const struct natsim_packet *packet)
{
    for (size_t r = 0; r < ICESIDE_RELAYS; r++) {
        struct addr peer;
        struct view data;
        if (!turnside_take(&side->relays[r], packet))
            continue;
        while (turnside_next(&side->relays[r], &peer, &data)) {
            for (size_t i = 0; i < side->base_count; i++) {
                if (side->bases[i].kind == ICESIDE_RELAY && side->bases[i].relay == r)
                    iceside_take(side, i, &peer, data);
            }
        }
        return true;
    }
    return false;
}

static void receive(struct natsim *sim, void *context, const struct natsim_packet *packet)
{
    struct iceside *side = context;
    (void)sim;
    if (take_relayed(side, packet))
        return;
    if (packet->kind != NATSIM_DATAGRAM_CAME) {
        icetcp_take(side, packet);
        return;
    }
    if (packet->to.port == GATEWAY_PORT) {
        if (side->gateway && addr_equal(&packet->from, &side->options.gateway))
            (void)gateway_input(side->gateway, side->sim->now, packet->bytes);
        return;
    }
    if (take_discovery(side, packet))
        return;
    if (addr_is_set(&side->options.stun) && addr_equal(&packet->from, &side->options.stun)) {
        take_reflexive(side, packet);
        return;
    }
    for (size_t i = 0; i < side->base_count; i++) {
        if (side->bases[i].kind == ICESIDE_SOCKET && addr_equal(&side->bases[i].local, &packet->to))
            iceside_take(side, i, &packet->from, packet->bytes);
    }
}

/* ---- what goes out -------------------------------------------------------------------------- */

/* What opens our NAT and goes no further. */
static void put_opener(struct iceside *side, const struct ice_packet *packet)
{
    const struct iceside_base *b = &side->bases[packet->path.base.number];
    assert(b->kind == ICESIDE_SOCKET);
    (void)natsim_send_near(side->sim, side->host, b->local, packet->path.peer, packet->hops);
}

static void put_out(struct iceside *side, const struct ice_path *path, struct view bytes)
{
    const struct iceside_base *b = &side->bases[path->base.number];
    assert(path->base.number < side->base_count);
    side->packets++;
    if (!is_authorised(side, &path->peer)) {
        side->unauthorised++;
        side->stray = path->peer;
    }
    switch (b->kind) {
    case ICESIDE_SOCKET:
        (void)natsim_send(side->sim, side->host, b->local, path->peer, bytes);
        break;
    case ICESIDE_RELAY:
        (void)turnside_send(&side->relays[b->relay], path->peer, bytes);
        break;
    case ICESIDE_PASSIVE:
    case ICESIDE_ACTIVE:
        icetcp_send(side, path, bytes);
        break;
    }
}

static void ask_stun(struct iceside *side)
{
    for (size_t c = 0; c < side->options.components; c++) {
        uint8_t bytes[STUN_HEADER_SIZE];
        struct writer w = writer_of(bytes, sizeof bytes);
        struct stun_transaction transaction = stun_transaction_make(&side->sim->rng);
        stun_begin(&w, STUN_REQUEST, STUN_BINDING, &transaction);
        stun_finish(&w, false);
        (void)natsim_send(side->sim, side->host, media_address(side, c), side->options.stun,
                          writer_done(&w));
    }
    side->asked = side->sim->now;
}

/* Until when its media sockets ask nobody: what the gateway maps is what STUN sees from then on. */
static struct tick gateway_wait_ends(const struct iceside *side)
{
    bool has_all = !side->options.tcp_port || addr_is_set(&side->mapped_tcp);
    for (size_t c = 0; c < side->options.components; c++)
        has_all &= addr_is_set(&side->mapped[c]);
    if (!side->gateway || has_all)
        return side->learning;
    return tick_add_ms(side->learning, side->generation ? RELEARN_MS / 2 : GATEWAY_WAIT_MS);
}

static struct tick stun_deadline(const struct iceside *side)
{
    bool has_all = true;
    for (size_t c = 0; c < side->options.components; c++)
        has_all &= addr_is_set(&side->reflexive[c]);
    bool is_calling = side->authorised.count > 0; /* checks keep the mappings now */
    bool is_late = tick_due(tick_add_ms(side->learning, STUN_WAIT_MS), side->sim->now);
    if (!addr_is_set(&side->options.stun) || (is_calling && (has_all || is_late)))
        return TICK_NEVER;
    if (!tick_due(gateway_wait_ends(side), side->sim->now))
        return gateway_wait_ends(side);
    return tick_add_ms(side->asked, has_all ? STUN_KEEP_MS : STUN_AGAIN_MS);
}

static void send_media(struct iceside *side)
{
    uint8_t bytes[MEDIA_SIZE] = {0x80, 0};
    struct ice_path path;
    if (!ice_selected(side->ice, 1, &path) || !ice_status(side->ice).consent[0])
        return;
    uint32_t number = side->media_sent++;
    struct writer w = writer_of(bytes + 2, 6);
    writer_u16(&w, (uint16_t)number);
    writer_u32(&w, number);
    put_out(side, &path, view_of(bytes, sizeof bytes));
}

/* ---- before calls --------------------------------------------------------------------------- */

static void start_relay(struct iceside *side, size_t component, bool stream)
{
    size_t number = 2 * component + stream + ICESIDE_RELAYS * (size_t)side->generation;
    struct addr local = addr_with_port(side->options.address, (uint16_t)(RELAY_PORT + number));
    struct turn_options options = {
        .username = VIEW_LIT("user"),
        .password = VIEW_LIT("secret"),
        .stream = stream,
        .want_v4 = side->options.turn.family == ADDR_V4,
        .want_v6 = side->options.turn.family == ADDR_V6,
    };
    struct addr server = stream ? addr_with_port(side->options.turn, 443) : side->options.turn;
    turnside_start(relay_of(side, component, stream), side->sim, side->host, local, server,
                   options);
}

void iceside_init(struct iceside *side, struct natsim *sim, size_t realm,
                  const struct iceside_options *options)
{
    memset(side, 0, sizeof *side);
    side->options = *options;
    side->sim = sim;
    if (side->options.components == 0)
        side->options.components = 1;
    side->host = natsim_host(sim, realm, options->address, receive, side);
    if (options->tcp_port)
        natsim_listen(sim, side->host, options->tcp_port);
    profile_init(&side->profile, sim->now, PATH_UNKNOWN, options->external);
    (void)profile_set_local(&side->profile, sim->now, options->address);
    side->next_media = TICK_NEVER;
    side->learning = sim->now;
}

void iceside_finish(struct iceside *side)
{
    for (size_t i = 0; i < ICESIDE_RELAYS; i++)
        turnside_finish(&side->relays[i]);
    ice_destroy(side->ice);
    discovery_destroy(side->discovery);
    gateway_destroy(side->gateway);
    side->gateway = NULL;
    side->ice = NULL;
    side->discovery = NULL;
}

static void start_discovery(struct iceside *side)
{
    struct discovery_options options = {.servers = {side->options.stun}, .server_count = 1};
    for (int i = 0; i < DISCOVERY_SOCKETS; i++)
        options.local[i] =
            addr_with_port(side->options.address, (uint16_t)(DISCOVERY_PORT + 10 * i));
    rng_bytes(&side->sim->rng, options.seed, sizeof options.seed);
    discovery_destroy(side->discovery);
    side->discovery = discovery_create(&options);
    assert(side->discovery);
    nat_discover_mapping(side->discovery, side->sim->now);
}

static void start_gateway(struct iceside *side)
{
    struct gateway_options options = {.server = side->options.gateway,
                                      .internal = side->options.address};
    struct tick now = side->sim->now;
    rng_bytes(&side->sim->rng, options.seed, sizeof options.seed);
    gateway_destroy(side->gateway);
    side->gateway = gateway_create(&options);
    assert(side->gateway);
    memset(side->mapped, 0, sizeof side->mapped);
    side->mapped_tcp = (struct addr){0};
    for (size_t c = 0; c < side->options.components; c++)
        (void)gateway_map(side->gateway, now, PORTMAP_UDP, media_address(side, c).port);
    if (side->options.tcp_port)
        (void)gateway_map(side->gateway, now, PORTMAP_TCP, side->options.tcp_port);
}

static void run_gateway(struct iceside *side)
{
    struct addr from = addr_with_port(side->options.address, GATEWAY_PORT);
    struct tick now = side->sim->now;
    struct gateway_event e;
    struct view out;
    gateway_expire(side->gateway, now);
    while (gateway_output(side->gateway, now, &out))
        (void)natsim_send(side->sim, side->host, from, side->options.gateway, out);
    while (gateway_event(side->gateway, &e)) {
        struct gateway_status status = gateway_status(side->gateway);
        profile_tell_gateway(&side->profile, now, &status);
        if (e.kind != GATEWAY_MAPPED && e.kind != GATEWAY_LOST)
            continue;
        struct addr *mapped = e.protocol == PORTMAP_TCP
                                  ? &side->mapped_tcp
                                  : &side->mapped[e.internal_port - ICESIDE_PORT];
        *mapped = e.kind == GATEWAY_MAPPED ? e.external : (struct addr){0};
    }
}

/* At once where no gateway is to be waited for; stun_deadline sees to the rest. */
static void begin_stun(struct iceside *side)
{
    side->asked = (struct tick){0};
    if (addr_is_set(&side->options.stun) && tick_due(gateway_wait_ends(side), side->sim->now))
        ask_stun(side);
}

void iceside_learn(struct iceside *side)
{
    if (side->options.discovers && addr_is_set(&side->options.stun))
        start_discovery(side);
    if (addr_is_set(&side->options.gateway))
        start_gateway(side);
    begin_stun(side);
    for (size_t c = 0; c < side->options.components && addr_is_set(&side->options.turn); c++)
        start_relay(side, c, false);
}

/* UDP first; TCP where that brings nothing. */
static void run_relays(struct iceside *side)
{
    struct tick late = tick_add_ms(side->learning, TURN_WAIT_MS);
    for (size_t c = 0; c < side->options.components && addr_is_set(&side->options.turn); c++) {
        struct turnside *udp = relay_of(side, c, false), *tcp = relay_of(side, c, true);
        if (udp->turn && !is_ready(udp) && !tcp->turn && !side->ice &&
            tick_due(late, side->sim->now))
            start_relay(side, c, true);
    }
    for (size_t i = 0; i < ICESIDE_RELAYS; i++) {
        struct turn_event e;
        turnside_run(&side->relays[i]);
        while (side->relays[i].turn && turn_event(side->relays[i].turn, &e)) {
            side->profile.relay_udp |= e.kind == TURN_ALLOCATED && i % 2 == 0;
            side->profile.relay_stream |= e.kind == TURN_ALLOCATED && i % 2 == 1;
        }
    }
}

static void run_discovery(struct iceside *side)
{
    struct discovery_packet out;
    enum discovery_event_kind e;
    discovery_expire(side->discovery, side->sim->now);
    while (discovery_output(side->discovery, side->sim->now, &out)) {
        struct addr from = addr_with_port(side->options.address,
                                          (uint16_t)(DISCOVERY_PORT + 10 * (int)out.socket));
        (void)natsim_send(side->sim, side->host, from, out.to, out.bytes);
    }
    struct discovery_result result = discovery_result(side->discovery);
    while (discovery_event(side->discovery, &e)) {
        if (e == DISCOVERY_SILENT)
            profile_tell_silence(&side->profile, side->sim->now);
        else if (e == DISCOVERY_BEHAVIOUR)
            profile_tell_behaviour(&side->profile, side->sim->now, &result);
    }
}

bool iceside_is_ready(const struct iceside *side)
{
    int64_t ms = tick_diff_ms(side->sim->now, side->profile.started);
    int64_t stun_ms = STUN_WAIT_MS + (side->gateway ? GATEWAY_WAIT_MS : 0);
    if (side->discovery && !discovery_result(side->discovery).is_done)
        return false;
    if (!tick_due(gateway_wait_ends(side), side->sim->now))
        return false;
    for (size_t c = 0; c < side->options.components; c++) {
        bool has_relay = is_ready(&side->relays[2 * c]) || is_ready(&side->relays[2 * c + 1]) ||
                         side->relays[2 * c + 1].is_lost;
        if (addr_is_set(&side->options.stun) && !addr_is_set(&side->reflexive[c]) && ms < stun_ms)
            return false;
        if (addr_is_set(&side->options.turn) && !has_relay && ms < TURN_GIVE_UP_MS)
            return false;
    }
    return true;
}

/* As far as the server can be reached; where not, the allocation ends by itself. */
static void give_back(struct iceside *side)
{
    for (size_t i = 0; i < ICESIDE_RELAYS; i++) {
        struct turnside *relay = &side->relays[i];
        if (relay->turn && turn_status(relay->turn).ready) {
            turn_close(relay->turn, side->sim->now);
            turnside_run(relay);
        }
    }
}

void iceside_hang_up(struct iceside *side)
{
    give_back(side);
    side->options.turn = (struct addr){0}; /* no new one is wanted */
    side->sends = false;
    side->next_media = TICK_NEVER;
    ice_destroy(side->ice);
    side->ice = NULL;
}

void iceside_relearn(struct iceside *side, struct addr address, struct addr turn)
{
    bool by_tcp = false;
    give_back(side);
    for (size_t i = 0; i < ICESIDE_RELAYS; i++) {
        by_tcp |= i % 2 == 1 && side->relays[i].turn;
        turnside_finish(&side->relays[i]);
        memset(&side->relays[i], 0, sizeof side->relays[i]);
    }
    bool has_moved = !addr_equal_ip(&side->options.address, &address);
    side->options.address = address;
    side->options.turn = turn;
    side->generation++;
    side->learning = side->sim->now;
    (void)profile_set_local(&side->profile, side->sim->now, address);
    memset(side->reflexive, 0, sizeof side->reflexive);
    if (side->gateway && has_moved) /* its mappings lead to the address that is gone */
        start_gateway(side);
    begin_stun(side);
    for (size_t c = 0; c < side->options.components && addr_is_set(&turn); c++)
        start_relay(side, c, by_tcp);
}

bool iceside_has_relearned(const struct iceside *side)
{
    int64_t ms = tick_diff_ms(side->sim->now, side->learning);
    bool has_all = true, by_tcp = side->relays[1].turn;
    for (size_t c = 0; c < side->options.components; c++) {
        has_all &= !addr_is_set(&side->options.turn) || is_ready(&side->relays[2 * c + by_tcp]);
        has_all &= by_tcp || !addr_is_set(&side->options.stun) || addr_is_set(&side->reflexive[c]);
    }
    return has_all || ms >= (by_tcp ? RELEARN_TCP_MS : RELEARN_MS);
}

/* ---- the agent ------------------------------------------------------------------------------ */

static size_t add_base(struct iceside *side, struct iceside_base base)
{
    assert(side->base_count < ICESIDE_BASES);
    side->bases[side->base_count] = base;
    return side->base_count++;
}

/* by_gateway: what it has given for this port. */
static struct addr mapped_of(const struct iceside *side, const struct path_us *us, uint16_t port,
                             struct addr by_gateway)
{
    enum profile_source source;
    struct addr external = profile_external(&side->profile, &source);
    if (!side->options.discovers && addr_is_set(&side->options.external))
        return addr_with_port(side->options.external,
                              port); /* its owner said so, and it believes */
    if (us->is_mapped)
        return by_gateway;
    return us->is_static ? addr_with_port(external, port) : (struct addr){0};
}

static struct ice_gather_base udp_base(struct iceside *side, const struct path_us *us, size_t c)
{
    struct addr local = media_address(side, c);
    size_t number = add_base(side, (struct iceside_base){.kind = ICESIDE_SOCKET, .local = local});
    struct ice_gather_base g = {
        .base = {(uint32_t)number},
        .component = (uint16_t)(c + 1),
        .address = local,
        .is_way_out = true,
        .mapped = mapped_of(side, us, local.port, side->mapped[c]),
        .reflexive = side->reflexive[c],
    };
    for (size_t i = 0; i < 2; i++) {
        size_t r = 2 * c + i;
        if (!is_ready(&side->relays[r]) || addr_is_set(&g.relayed[0].address))
            continue;
        struct turn_status status = turn_status(side->relays[r].turn);
        struct addr relayed = local.family == ADDR_V4 ? status.relayed_v4 : status.relayed_v6;
        number = add_base(side, (struct iceside_base){ICESIDE_RELAY, relayed, r});
        g.relayed[0].base = (struct ice_base){(uint32_t)number};
        g.relayed[0].address = relayed;
    }
    return g;
}

static struct ice_gather_base tcp_base(struct iceside *side, const struct path_us *us,
                                       bool is_passive)
{
    struct addr local =
        addr_with_port(side->options.address, is_passive ? side->options.tcp_port : (uint16_t)9);
    size_t number =
        add_base(side, (struct iceside_base){.kind = is_passive ? ICESIDE_PASSIVE : ICESIDE_ACTIVE,
                                             .local = local});
    struct ice_gather_base g = {
        .base = {(uint32_t)number},
        .component = 1,
        .address = local,
        .transport = is_passive ? CANDIDATE_TCP_PASSIVE : CANDIDATE_TCP_ACTIVE,
        .is_way_out = true,
    };
    if (is_passive)
        g.mapped = mapped_of(side, us, local.port, side->mapped_tcp);
    return g;
}

void iceside_gather(struct iceside *side, enum ice_role role)
{
    struct ice_gather_base bases[4];
    size_t count = 0;
    struct tick now = side->sim->now;
    bool has_stun = addr_is_set(&side->reflexive[0]);
    if (has_stun) /* the media sockets' STUN is the freshest word on our address */
        (void)profile_tell(&side->profile, now, PROFILE_STUN, side->reflexive[0]);
    struct path_us us = profile_us(&side->profile, now, has_stun, addr_is_set(&side->mapped[0]));
    side->is_lite = side->options.is_lite || (side->options.may_be_lite && us.is_open);
    struct ice_options options = {
        .role = role, .lite = side->is_lite, .components = side->options.components};
    struct ice_gather_settings settings = {.lite = side->is_lite};
    if (side->options.discovers)
        options.yields = profile_yields(&side->profile, &us, &options.open_hops);
    rng_bytes(&side->sim->rng, options.seed, sizeof options.seed);
    ice_destroy(side->ice);
    side->base_count = 0;
    side->ice = ice_create(&options);
    assert(side->ice);
    for (size_t c = 0; c < side->options.components; c++)
        bases[count++] = udp_base(side, &us, c);
    if (side->options.tcp_port && side->options.components == 1)
        bases[count++] = tcp_base(side, &us, true);
    if (side->options.tcp_active && side->options.components == 1 && !side->is_lite)
        bases[count++] = tcp_base(side, &us, false);
    (void)ice_gather_candidates(side->ice, &settings, bases, count);
}

void iceside_describe(struct iceside *to, const struct iceside *from)
{
    struct candidate candidates[ICE_LOCALS];
    size_t count = ice_local_candidates(from->ice, candidates, ICE_LOCALS);
    struct tick now = to->sim->now;
    bool good = ice_set_remote(to->ice, now, view_of_string(ice_ufrag(from->ice)),
                               view_of_string(ice_pwd(from->ice)), from->is_lite);
    assert(good);
    for (size_t i = 0; i < count; i++) {
        const struct candidate *c = &candidates[i];
        (void)ice_add_remote(to->ice, now, c);
        authorise(to, &c->address);
        for (size_t r = 0; r < ICESIDE_RELAYS; r++) {
            if (is_ready(&to->relays[r]) && c->transport == CANDIDATE_UDP)
                (void)turn_permit(to->relays[r].turn, now, &c->address, 1);
        }
    }
    ice_end_remote(to->ice, now);
}

void iceside_restart(struct iceside *side)
{
    ice_restart(side->ice);
}

bool iceside_is_settled(const struct iceside *side)
{
    return side->is_selected && ice_status(side->ice).state == ICE_STATE_COMPLETED;
}

void iceside_send_media(struct iceside *side)
{
    side->sends = true;
    side->next_media = side->sim->now;
}

static void run_ice(struct iceside *side)
{
    struct ice_packet packet;
    struct ice_event e;
    struct tick now = side->sim->now;
    ice_expire(side->ice, now);
    while (ice_output(side->ice, now, &packet)) {
        if (packet.hops)
            put_opener(side, &packet);
        else
            put_out(side, &packet.path, packet.bytes);
    }
    while (ice_event(side->ice, &e)) {
        side->events[e.kind]++;
        if (e.kind == ICE_SELECTED && e.component == 1) {
            side->selected = e;
            side->is_selected = true;
        }
    }
    if (side->sends && tick_due(side->next_media, now)) {
        send_media(side);
        side->next_media = tick_add_ms(now, ICESIDE_MEDIA_MS);
    }
}

void iceside_run(struct iceside *side)
{
    side->steps++;
    if (side->discovery)
        run_discovery(side);
    if (side->gateway)
        run_gateway(side);
    run_relays(side);
    if (tick_due(stun_deadline(side), side->sim->now))
        ask_stun(side);
    if (side->ice)
        run_ice(side);
}

struct tick iceside_deadline(const struct iceside *side)
{
    struct tick next = tick_min(stun_deadline(side), side->next_media);
    struct tick late = tick_add_ms(side->learning, TURN_WAIT_MS);
    if (side->discovery)
        next = tick_min(next, discovery_deadline(side->discovery));
    if (side->gateway)
        next = tick_min(next, gateway_deadline(side->gateway));
    if (side->ice)
        next = tick_min(next, ice_deadline(side->ice));
    if (addr_is_set(&side->options.turn) && tick_before(side->sim->now, late))
        next = tick_min(next, late);
    for (size_t i = 0; i < ICESIDE_RELAYS; i++)
        next = tick_min(next, turnside_deadline(&side->relays[i]));
    return next;
}

void iceside_print_path(const struct iceside *side, char out[16])
{
    static const char *const theirs[] = {
        [CANDIDATE_HOST] = "D",
        [CANDIDATE_SERVER_REFLEXIVE] = "S",
        [CANDIDATE_PEER_REFLEXIVE] = "P",
        [CANDIDATE_RELAYED] = "Rs",
    };
    const struct ice_event *e = &side->selected;
    const char *ours = theirs[e->local_type], *remote = theirs[e->remote_type];
    if (!side->is_selected) {
        (void)snprintf(out, 16, "none");
        return;
    }
    const struct iceside_base *b = &side->bases[e->path.base.number];
    if (b->kind == ICESIDE_PASSIVE || b->kind == ICESIDE_ACTIVE)
        ours = "T";
    else if (b->kind == ICESIDE_RELAY)
        ours = side->relays[b->relay].stream ? "Rt" : "Rw";
    const char *six = e->path.peer.family == ADDR_V6 ? "6" : "";
    if (b->kind == ICESIDE_RELAY && e->remote_type == CANDIDATE_RELAYED)
        (void)snprintf(out, 16, "Rb%s", six);
    else
        (void)snprintf(out, 16, "%s%s-%s%s", ours, six, remote, six);
}
