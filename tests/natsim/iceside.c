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
    RELAY_PORT = 31000,
    TURN_WAIT_MS = 2000,
    TURN_GIVE_UP_MS = 20000,
    RELEARN_MS = 600,     /* for STUN and a relay in mid-call; */
    RELEARN_TCP_MS = 900, /* over TCP */
    MEDIA_SIZE = 52,
};

static struct turnside *relay_of(struct iceside *side, size_t component, size_t line, bool stream)
{
    return &side->relays[(2 * component + line) * 2 + stream];
}

static bool has_turn(const struct iceside *side)
{
    bool any = false;
    for (size_t l = 0; l < side->options.line_count; l++)
        any |= addr_is_set(&side->lines[l].options.turn);
    return any;
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

static bool take_relayed(struct iceside *side, const struct natsim_packet *packet)
{
    for (size_t r = 0; r < ICESIDE_RELAYS; r++) {
        struct addr peer;
        struct view data;
        if (!turnside_take(&side->relays[r], packet))
            continue;
        while (turnside_next(&side->relays[r], &peer, &data)) {
            for (size_t i = 0; i < side->base_count; i++) {
                if (side->bases[i].kind == ICESIDE_RELAY && side->bases[i].relay == r &&
                    side->bases[i].local.family == peer.family)
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
    for (size_t l = 0; l < side->options.line_count; l++) {
        if (iceline_take(&side->lines[l], packet))
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

static void start_relay(struct iceside *side, size_t component, size_t line, bool stream)
{
    const struct iceline_options *l = &side->lines[line].options;
    struct turnside *relay = relay_of(side, component, line, stream);
    size_t number = (size_t)(relay - side->relays) + ICESIDE_RELAYS * (size_t)side->generation;
    struct turn_options options = {
        .username = VIEW_LIT("user"),
        .password = VIEW_LIT("secret"),
        .stream = stream,
        .want_v4 = true, /* as siprecd's pool: a relay speaks to both */
        .want_v6 = true,
    };
    relay->proxy = l->proxy;
    turnside_start(relay, side->sim, side->host,
                   addr_with_port(l->address, (uint16_t)(RELAY_PORT + number)),
                   stream ? addr_with_port(l->turn, 443) : l->turn, options);
}

void iceside_init(struct iceside *side, struct natsim *sim, const size_t realms[ICESIDE_LINES],
                  const struct iceside_options *options)
{
    memset(side, 0, sizeof *side);
    side->options = *options;
    side->sim = sim;
    if (side->options.components == 0)
        side->options.components = 1;
    side->host = natsim_host(sim, realms[0], options->lines[0].address, receive, side);
    if (options->line_count > 1)
        (void)natsim_interface(sim, side->host, realms[1], options->lines[1].address);
    if (options->tcp_port)
        natsim_listen(sim, side->host, options->tcp_port);
    for (size_t l = 0; l < options->line_count; l++) {
        iceline_init(&side->lines[l], sim, side->host, &options->lines[l]);
        side->lines[l].components = side->options.components;
        side->lines[l].tcp_port = options->tcp_port;
    }
    side->next_media = TICK_NEVER;
    side->learning = sim->now;
}

void iceside_finish(struct iceside *side)
{
    for (size_t i = 0; i < ICESIDE_RELAYS; i++)
        turnside_finish(&side->relays[i]);
    for (size_t l = 0; l < side->options.line_count; l++)
        iceline_finish(&side->lines[l]);
    ice_destroy(side->ice);
    side->ice = NULL;
}

static void start_relays(struct iceside *side, bool stream)
{
    for (size_t c = 0; c < side->options.components; c++) {
        for (size_t l = 0; l < side->options.line_count; l++) {
            if (addr_is_set(&side->lines[l].options.turn) && !relay_of(side, c, l, stream)->turn)
                start_relay(side, c, l, stream);
        }
    }
}

void iceside_learn(struct iceside *side)
{
    for (size_t l = 0; l < side->options.line_count; l++)
        iceline_learn(&side->lines[l], side->options.discovers);
    start_relays(side, false);
}

/* The one to be used: UDP before TCP; NULL: none stands. */
static struct turnside *best_relay(struct iceside *side, size_t component)
{
    for (size_t stream = 0; stream < 2; stream++) {
        for (size_t l = 0; l < side->options.line_count; l++) {
            struct turnside *relay = relay_of(side, component, l, stream);
            if (is_ready(relay))
                return relay;
        }
    }
    return NULL;
}

static bool has_relays(struct iceside *side)
{
    bool has_all = true;
    for (size_t c = 0; c < side->options.components; c++)
        has_all &= best_relay(side, c) != NULL;
    return has_all;
}

/* UDP first; TCP where that brings nothing. */
static void run_relays(struct iceside *side)
{
    if (has_turn(side) && !side->ice && !side->by_tcp &&
        tick_due(tick_add_ms(side->learning, TURN_WAIT_MS), side->sim->now) && !has_relays(side)) {
        side->by_tcp = true;
        start_relays(side, true);
    }
    for (size_t i = 0; i < ICESIDE_RELAYS; i++) {
        struct turn_event e;
        turnside_run(&side->relays[i]);
        while (side->relays[i].turn && turn_event(side->relays[i].turn, &e)) {
            for (size_t l = 0; l < side->options.line_count; l++) {
                side->lines[l].profile.relay_udp |= e.kind == TURN_ALLOCATED && i % 2 == 0;
                side->lines[l].profile.relay_stream |= e.kind == TURN_ALLOCATED && i % 2 == 1;
            }
        }
    }
}

/* Every way to one was tried, and closed. */
static bool is_given_up(const struct iceside *side)
{
    bool any = false, all = true;
    for (size_t i = 1; i < ICESIDE_RELAYS; i += 2) {
        any |= side->relays[i].turn != NULL;
        all &= !side->relays[i].turn || side->relays[i].is_lost;
    }
    return any && all;
}

bool iceside_is_ready(struct iceside *side)
{
    int64_t ms = tick_diff_ms(side->sim->now, side->learning);
    for (size_t l = 0; l < side->options.line_count; l++) {
        if (!iceline_is_ready(&side->lines[l]))
            return false;
    }
    return !has_turn(side) || has_relays(side) || is_given_up(side) || ms >= TURN_GIVE_UP_MS;
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
    for (size_t l = 0; l < side->options.line_count; l++)
        side->lines[l].options.turn = (struct addr){0}; /* no new one is wanted */
    side->sends = false;
    side->next_media = TICK_NEVER;
    ice_destroy(side->ice);
    side->ice = NULL;
}

void iceside_relearn(struct iceside *side, struct addr address, struct addr turn)
{
    give_back(side);
    for (size_t i = 0; i < ICESIDE_RELAYS; i++) {
        turnside_finish(&side->relays[i]);
        memset(&side->relays[i], 0, sizeof side->relays[i]);
    }
    side->lines[0].options.turn = turn;
    side->generation++;
    side->learning = side->sim->now;
    for (size_t l = 0; l < side->options.line_count; l++)
        iceline_relearn(&side->lines[l], l == 0 ? address : side->lines[l].options.address);
    start_relays(side, side->by_tcp);
}

bool iceside_has_relearned(struct iceside *side)
{
    int64_t ms = tick_diff_ms(side->sim->now, side->learning);
    bool has_all = !has_turn(side) || has_relays(side);
    for (size_t l = 0; l < side->options.line_count && !side->by_tcp; l++)
        has_all &=
            !addr_is_set(&side->lines[l].options.stun) || iceline_has_reflexive(&side->lines[l]);
    return has_all || ms >= (side->by_tcp ? RELEARN_TCP_MS : RELEARN_MS);
}

/* ---- the agent ------------------------------------------------------------------------------ */

static size_t add_base(struct iceside *side, struct iceside_base base)
{
    assert(side->base_count < ICESIDE_BASES);
    side->bases[side->base_count] = base;
    return side->base_count++;
}

/* by_gateway: what it has given for this port. */
static struct addr mapped_of(const struct iceside *side, size_t line, const struct path_us *us,
                             uint16_t port, struct addr by_gateway)
{
    const struct iceline *l = &side->lines[line];
    enum profile_source source;
    struct addr external = profile_external(&l->profile, &source);
    if (!side->options.discovers && addr_is_set(&l->options.external)) /* its owner said so, and */
        return addr_with_port(l->options.external, port);              /* it believes */
    if (us->is_mapped)
        return by_gateway;
    return us->is_static ? addr_with_port(external, port) : (struct addr){0};
}

/* A relayed address belongs to the line of its family; where there is none, to the one there is. */
static void add_relayed(struct iceside *side, size_t component, struct ice_gather_base *g)
{
    const struct turnside *relay = best_relay(side, component);
    if (!relay)
        return;
    struct turn_status status = turn_status(relay->turn);
    const struct addr *addresses[] = {&status.relayed_v4, &status.relayed_v6};
    size_t count = 0;
    for (size_t i = 0; i < 2; i++) {
        bool is_own = addresses[i]->family == g->address.family;
        if (!addr_is_set(addresses[i]) || (!is_own && side->options.line_count > 1))
            continue;
        size_t number = add_base(side, (struct iceside_base){ICESIDE_RELAY, *addresses[i],
                                                             (size_t)(relay - side->relays)});
        g->relayed[count].base = (struct ice_base){(uint32_t)number};
        g->relayed[count++].address = *addresses[i];
    }
}

static struct ice_gather_base udp_base(struct iceside *side, size_t line, const struct path_us *us,
                                       size_t c)
{
    const struct iceline *l = &side->lines[line];
    struct addr local = iceline_media(l, c);
    size_t number = add_base(side, (struct iceside_base){.kind = ICESIDE_SOCKET, .local = local});
    struct ice_gather_base g = {
        .base = {(uint32_t)number},
        .component = (uint16_t)(c + 1),
        .address = local,
        .is_way_out = true,
        .mapped = mapped_of(side, line, us, local.port, l->mapped[c]),
        .reflexive = l->reflexive[c],
    };
    add_relayed(side, c, &g);
    return g;
}

static struct ice_gather_base tcp_base(struct iceside *side, size_t line, const struct path_us *us,
                                       bool is_passive)
{
    struct addr local = addr_with_port(side->lines[line].options.address,
                                       is_passive ? side->options.tcp_port : (uint16_t)9);
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
        g.mapped = mapped_of(side, line, us, local.port, side->lines[line].mapped_tcp);
    return g;
}

static struct path_us look_at_us(struct iceline *line)
{
    struct tick now = line->sim->now;
    bool has_stun = addr_is_set(&line->reflexive[0]);
    if (has_stun) /* the media sockets' STUN is the freshest word on our address */
        (void)profile_tell(&line->profile, now, PROFILE_STUN, line->reflexive[0]);
    return profile_us(&line->profile, now, has_stun, addr_is_set(&line->mapped[0]));
}

static size_t add_bases(struct iceside *side, size_t line, const struct path_us *us,
                        struct ice_gather_base *bases)
{
    bool tcp = side->options.components == 1;
    size_t count = 0;
    for (size_t c = 0; c < side->options.components; c++)
        bases[count++] = udp_base(side, line, us, c);
    if (side->options.tcp_port && tcp)
        bases[count++] = tcp_base(side, line, us, true);
    if (side->options.tcp_active && tcp && !side->is_lite)
        bases[count++] = tcp_base(side, line, us, false);
    return count;
}

/* Where the offer has a family that we have not, only a relay of ours may help there. */
static bool has_its_families(const struct iceside *side, const struct iceside *offer)
{
    struct candidate candidates[ICE_LOCALS];
    size_t count = offer ? ice_local_candidates(offer->ice, candidates, ICE_LOCALS) : 0;
    bool has_all = true;
    for (size_t i = 0; i < count; i++) {
        bool has_it = false;
        for (size_t l = 0; l < side->options.line_count; l++)
            has_it |= candidates[i].address.family == side->lines[l].options.address.family;
        has_all &= has_it;
    }
    return has_all;
}

void iceside_gather(struct iceside *side, enum ice_role role, const struct iceside *offer)
{
    struct ice_gather_base bases[4 * ICESIDE_LINES];
    struct path_us us[ICESIDE_LINES];
    size_t count = 0;
    bool is_open = true;
    for (size_t l = 0; l < side->options.line_count; l++) {
        us[l] = look_at_us(&side->lines[l]);
        is_open &= us[l].is_open;
    }
    is_open &= has_its_families(side, offer);
    side->is_lite = side->options.is_lite || (side->options.may_be_lite && is_open);
    struct ice_options options = {
        .role = role, .lite = side->is_lite, .components = side->options.components};
    struct ice_gather_settings settings = {.lite = side->is_lite};
    if (side->options.discovers)
        options.yields = profile_yields(&side->lines[0].profile, &us[0], &options.open_hops);
    rng_bytes(&side->sim->rng, options.seed, sizeof options.seed);
    ice_destroy(side->ice);
    side->base_count = 0;
    side->ice = ice_create(&options);
    assert(side->ice);
    for (size_t l = 0; l < side->options.line_count; l++)
        count += add_bases(side, l, &us[l], bases + count);
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
    bool is_calling = side->authorised.count > 0;
    side->steps++;
    for (size_t l = 0; l < side->options.line_count; l++)
        iceline_run(&side->lines[l], is_calling);
    run_relays(side);
    if (side->ice)
        run_ice(side);
}

struct tick iceside_deadline(const struct iceside *side)
{
    bool is_calling = side->authorised.count > 0;
    struct tick next = side->next_media;
    struct tick late = tick_add_ms(side->learning, TURN_WAIT_MS);
    for (size_t l = 0; l < side->options.line_count; l++)
        next = tick_min(next, iceline_deadline(&side->lines[l], is_calling));
    if (side->ice)
        next = tick_min(next, ice_deadline(side->ice));
    if (has_turn(side) && tick_before(side->sim->now, late))
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
