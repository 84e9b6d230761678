/* iceplay: the loop of a call with ICE.
 * Not here: the parties.
 * RFC 8839 §4.4 for who offers. */
#include "natsim/iceplay.h"

#include <stdio.h>
#include <string.h>

enum {
    SIGNALLING_MS = 40,
    LEARN_MS = 120 * 1000,
    ROUNDS_AT_ONCE = 5000, /* without time passing: more is a busy loop */
};

static struct addr v6(uint8_t net, uint8_t host)
{
    return (struct addr){
        .family = ADDR_V6, .ip = {0x20, 0x01, 0x0d, 0xb8, 0xff, net, [15] = host}, .port = 3478};
}

static void add_servers(struct iceplay *play, bool is_dual)
{
    play->stun[0] = (struct stunhost){.primary = addr_v4(203, 0, 113, 1, 3478),
                                      .other = addr_v4(203, 0, 113, 2, 3479)};
    play->stun[1] = (struct stunhost){.primary = v6(1, 1), .other = v6(1, 2)};
    play->stun[1].other.port = 3479;
    for (int i = 0; i < 2; i++)
        stunhost_add(&play->sim, &play->stun[i]);
    for (int i = 0; i < ICEPLAY_SIDES + 1; i++) {
        struct addr four = addr_v4(203, 0, 113, (uint8_t)(10 + i), 3478);
        struct addr six = v6(2, (uint8_t)(10 + i));
        bool is_v6 = play->networks[i % ICEPLAY_SIDES].v6;
        play->turn[i].address = is_v6 && !is_dual ? six : four;
        if (is_dual)
            play->turn[i].address_v6 = play->turn[i].relay_v6 = six;
        turnhost_add(&play->sim, &play->turn[i]);
    }
}

/* The box of its network, asked at its inside address. There is no NAT-PMP for IPv6. */
static void add_gateway(struct iceplay *play, const struct network *n, struct maphost *gateway)
{
    if (n->way_in != NETWORK_GATEWAY)
        return;
    *gateway = (struct maphost){.speech = !n->v6 && rng_below(&play->sim.rng, 2) ? MAPHOST_NATPMP
                                                                                 : MAPHOST_PCP,
                                .address = n->address,
                                .external = n->boxes[0].firewall ? n->address : n->outside};
    gateway->address.ip[n->v6 ? 15 : 3] = 1;
    maphost_add(&play->sim, n->realm, gateway);
}

/* At the network's edge: it has an address on both sides of it. */
static void add_proxy(struct iceplay *play, const struct network *n, struct proxyhost *proxy)
{
    uint8_t number = (uint8_t)(200 + (proxy - play->proxies[0]));
    if (!n->has_proxy)
        return;
    *proxy = (struct proxyhost){
        .address = n->address, .external = n->v6 ? v6(3, number) : addr_v4(203, 0, 113, number, 0)};
    proxy->address.ip[n->v6 ? 15 : 3] = 200;
    proxyhost_add(&play->sim, n->realm, proxy);
}

static struct iceline_options line_of(const struct iceplay *play, int which, size_t line,
                                      const struct network *n)
{
    const struct turnhost *turn = &play->turn[which];
    const struct maphost *gateway = &play->gateways[which][line];
    const struct proxyhost *proxy = &play->proxies[which][line];
    struct addr nowhere = {0};
    return (struct iceline_options){
        .address = n->address,
        .stun = n->is_lite ? nowhere : play->stun[n->v6].primary,
        .turn = !n->has_turn                                  ? nowhere
                : turn->address.family == (n->address.family) ? turn->address
                                                              : turn->address_v6,
        .external = n->way_in == NETWORK_WHOLE_ADDRESS ? n->outside : nowhere,
        .gateway = n->way_in == NETWORK_GATEWAY ? addr_with_port(gateway->address, 5351) : nowhere,
        .proxy = n->has_proxy ? addr_with_port(proxy->address, PROXYHOST_PORT) : nowhere,
    };
}

static void add_side(struct iceplay *play, int which, uint8_t components)
{
    struct network *lines[] = {&play->networks[which], &play->others[which]};
    const struct network *n = lines[0];
    bool is_ours = which == ICEPLAY_US;
    size_t realms[ICESIDE_LINES] = {0};
    struct iceside_options options = {
        .line_count = 1u + play->has_other[which],
        .tcp_port = n->tcp_port,
        .tcp_active = n->speaks_tcp,
        .discovers = is_ours,
        .may_be_lite = is_ours && rng_below(&play->sim.rng, 2),
        .is_lite = n->is_lite,
        .components = components,
    };
    for (size_t l = 0; l < options.line_count; l++) {
        network_build(lines[l], &play->sim, which);
        add_gateway(play, lines[l], &play->gateways[which][l]);
        add_proxy(play, lines[l], &play->proxies[which][l]);
        options.lines[l] = line_of(play, which, l, lines[l]);
        realms[l] = lines[l]->realm;
    }
    iceside_init(&play->sides[which], &play->sim, realms, &options);
}

void iceplay_begin_dual(struct iceplay *play, uint64_t seed, const struct network networks[2],
                        const struct network *const others[2], uint8_t components)
{
    memset(play, 0, sizeof *play);
    natsim_init(&play->sim, seed);
    memcpy(play->networks, networks, sizeof play->networks);
    for (int i = 0; i < ICEPLAY_SIDES && others; i++) {
        play->has_other[i] = others[i];
        if (others[i])
            play->others[i] = *others[i];
    }
    play->sim.link.delay_us = 2000 + (int64_t)rng_below(&play->sim.rng, 40000);
    play->sim.link.jitter_us = (int64_t)rng_below(&play->sim.rng, 8000);
    add_servers(play, others);
    for (int i = 0; i < ICEPLAY_SIDES; i++)
        add_side(play, i, components);
}

void iceplay_begin(struct iceplay *play, uint64_t seed, const struct network networks[2],
                   uint8_t components)
{
    iceplay_begin_dual(play, seed, networks, NULL, components);
}

void iceplay_finish(struct iceplay *play)
{
    for (int i = 0; i < ICEPLAY_SIDES; i++)
        iceside_finish(&play->sides[i]);
    for (int i = 0; i < ICEPLAY_SIDES + 1; i++)
        turnhost_finish(&play->turn[i]);
    natsim_finish(&play->sim);
}

/* One step: what is due now, then on to what comes next, but not beyond end. */
static void step(struct iceplay *play, struct tick end)
{
    struct tick next = tick_min(natsim_next(&play->sim), end);
    for (int i = 0; i < ICEPLAY_SIDES; i++)
        iceside_run(&play->sides[i]);
    for (int i = 0; i < ICEPLAY_SIDES; i++)
        next = tick_min(next, iceside_deadline(&play->sides[i]));
    next = tick_min(next, natsim_next(&play->sim));
    play->rounds = tick_due(next, play->sim.now) ? play->rounds + 1 : 0;
    play->is_busy |= play->rounds > ROUNDS_AT_ONCE;
    natsim_run(&play->sim, next);
}

void iceplay_run(struct iceplay *play, int64_t ms)
{
    struct tick end = tick_add_ms(play->sim.now, ms);
    while (tick_before(play->sim.now, end) && !play->is_busy)
        step(play, end);
}

static void learn(struct iceplay *play)
{
    struct tick end = tick_add_ms(play->sim.now, LEARN_MS);
    for (int i = 0; i < ICEPLAY_SIDES; i++)
        iceside_learn(&play->sides[i]);
    while (tick_before(play->sim.now, end) && !play->is_busy &&
           !(iceside_is_ready(&play->sides[0]) && iceside_is_ready(&play->sides[1])))
        step(play, end);
}

/* Who is described first has offered. */
static void exchange(struct iceplay *play, struct iceside *offers, struct iceside *answers)
{
    iceplay_run(play, SIGNALLING_MS);
    iceside_describe(answers, offers);
    play->answered = play->sim.now;
    iceplay_run(play, SIGNALLING_MS);
    iceside_describe(offers, answers);
}

void iceplay_call(struct iceplay *play)
{
    struct iceside *us = &play->sides[ICEPLAY_US], *them = &play->sides[ICEPLAY_THEM];
    learn(play);
    /* A full agent controls a lite one, whoever offers (RFC 8445 §6.1.1). */
    iceside_gather(them, them->options.is_lite ? ICE_CONTROLLED : ICE_CONTROLLING, NULL);
    iceside_gather(us, them->options.is_lite ? ICE_CONTROLLING : ICE_CONTROLLED, them);
    exchange(play, them, us);
    iceside_send_media(them);
}

void iceplay_start_over(struct iceplay *play, struct addr address, struct addr turn, bool they_too)
{
    struct iceside *us = &play->sides[ICEPLAY_US], *them = &play->sides[ICEPLAY_THEM];
    struct tick end = tick_add_ms(play->sim.now, 10 * 1000);
    iceside_relearn(us, address, turn);
    if (they_too)
        iceside_relearn(them, them->lines[0].options.address, them->lines[0].options.turn);
    while (tick_before(play->sim.now, end) && !play->is_busy &&
           !(iceside_has_relearned(us) && (!they_too || iceside_has_relearned(them))))
        step(play, end);
    iceside_gather(us, them->options.is_lite ? ICE_CONTROLLING : ICE_CONTROLLED, NULL);
    if (they_too)
        iceside_gather(them, them->options.is_lite ? ICE_CONTROLLED : ICE_CONTROLLING, us);
    exchange(play, us, them);
}

static bool has_settled(const struct iceplay *play)
{
    const struct iceside *us = &play->sides[ICEPLAY_US], *them = &play->sides[ICEPLAY_THEM];
    return us->media_taken > 0 && iceside_is_settled(us) && iceside_is_settled(them);
}

int64_t iceplay_recover(struct iceplay *play, int64_t ms)
{
    struct tick end = tick_add_ms(play->sim.now, ms), began = play->sim.now;
    const struct iceside *us = &play->sides[ICEPLAY_US];
    uint32_t number = play->sides[ICEPLAY_THEM].media_sent;
    while (tick_before(play->sim.now, end) && !play->is_busy && us->media_newest < number)
        step(play, end);
    return us->media_newest < number ? -1 : tick_diff_ms(play->sim.now, began);
}

void iceplay_settle(struct iceplay *play, int64_t ms)
{
    struct tick end = tick_add_ms(play->answered, ms);
    while (tick_before(play->sim.now, end) && !play->is_busy && !has_settled(play))
        step(play, end);
}

void iceplay_climb(struct iceplay *play, int64_t ms)
{
    struct iceside *us = &play->sides[ICEPLAY_US], *them = &play->sides[ICEPLAY_THEM];
    struct tick end = tick_add_ms(play->answered, ms);
    while (tick_before(play->sim.now, end) && !play->is_busy) {
        step(play, end);
        if (!us->events[ICE_DIRECT] || !iceside_is_settled(them))
            continue;
        us->events[ICE_DIRECT] = 0;
        struct tick answered = play->answered;
        iceside_restart(us);
        iceside_restart(them);
        exchange(play, us, them);
        play->answered = answered;
    }
}

/* By the line of that family. */
static bool has_way_in(const struct iceplay *play, int which, bool v6)
{
    bool is_other = play->has_other[which] && play->others[which].v6 == v6;
    const struct network *n = is_other ? &play->others[which] : &play->networks[which];
    return n->way_in == NETWORK_WHOLE_ADDRESS ||
           (n->way_in == NETWORK_GATEWAY && play->gateways[which][is_other].mapped > 0);
}

struct iceplay_measure iceplay_measure(const struct iceplay *play)
{
    const struct iceside *us = &play->sides[ICEPLAY_US];
    struct iceplay_measure m = {.came = us->media_taken > 0, .lost = us->media_first};
    iceside_print_path(us, m.path);
    if (m.came)
        m.first_ms = tick_diff_ms(us->media_at, play->answered);
    /* Ours are S for what is mapped, too: the table calls them M. */
    size_t len = strlen(m.path);
    bool v6 = us->selected.path.peer.family == ADDR_V6;
    if (m.path[0] == 'S' && has_way_in(play, 0, v6))
        m.path[0] = 'M';
    if (len > 2 && m.path[len - 2] == '-' && m.path[len - 1] == 'S' && has_way_in(play, 1, v6))
        m.path[len - 1] = 'M';
    return m;
}
