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

static void add_servers(struct iceplay *play)
{
    play->stun[0] = (struct stunhost){.primary = addr_v4(203, 0, 113, 1, 3478),
                                      .other = addr_v4(203, 0, 113, 2, 3479)};
    play->stun[1] = (struct stunhost){.primary = v6(1, 1), .other = v6(1, 2)};
    play->stun[1].other.port = 3479;
    for (int i = 0; i < 2; i++)
        stunhost_add(&play->sim, &play->stun[i]);
    for (int i = 0; i < ICEPLAY_SIDES + 1; i++) {
        bool is_v6 = play->networks[i % ICEPLAY_SIDES].v6;
        play->turn[i].address =
            is_v6 ? v6(2, (uint8_t)(10 + i)) : addr_v4(203, 0, 113, (uint8_t)(10 + i), 3478);
        turnhost_add(&play->sim, &play->turn[i]);
    }
}

/* The box of its network, asked at its inside address. There is no NAT-PMP for IPv6. */
static void add_gateway(struct iceplay *play, int which)
{
    const struct network *n = &play->networks[which];
    struct maphost *gateway = &play->gateways[which];
    if (n->way_in != NETWORK_GATEWAY)
        return;
    *gateway = (struct maphost){.speech = !n->v6 && rng_below(&play->sim.rng, 2) ? MAPHOST_NATPMP
                                                                                 : MAPHOST_PCP,
                                .address = n->address,
                                .external = n->v6 ? n->address : n->outside};
    gateway->address.ip[n->v6 ? 15 : 3] = 1;
    maphost_add(&play->sim, n->realm, gateway);
}

static void add_side(struct iceplay *play, int which, uint8_t components)
{
    struct network *n = &play->networks[which];
    bool is_ours = which == ICEPLAY_US;
    struct addr nowhere = {0};
    network_build(n, &play->sim, which);
    add_gateway(play, which);
    struct iceside_options options = {
        .address = n->address,
        .stun = n->is_lite ? nowhere : play->stun[n->v6].primary,
        .turn = n->has_turn ? play->turn[which].address : nowhere,
        .external = n->way_in == NETWORK_WHOLE_ADDRESS ? n->outside : nowhere,
        .gateway = n->way_in == NETWORK_GATEWAY
                       ? addr_with_port(play->gateways[which].address, 5351)
                       : nowhere,
        .tcp_port = n->tcp_port,
        .tcp_active = n->speaks_tcp,
        .discovers = is_ours,
        .may_be_lite = is_ours && rng_below(&play->sim.rng, 2),
        .is_lite = n->is_lite,
        .components = components,
    };
    iceside_init(&play->sides[which], &play->sim, n->realm, &options);
}

void iceplay_begin(struct iceplay *play, uint64_t seed, const struct network networks[2],
                   uint8_t components)
{
    memset(play, 0, sizeof *play);
    natsim_init(&play->sim, seed);
    memcpy(play->networks, networks, sizeof play->networks);
    play->sim.link.delay_us = 2000 + (int64_t)rng_below(&play->sim.rng, 40000);
    play->sim.link.jitter_us = (int64_t)rng_below(&play->sim.rng, 8000);
    add_servers(play);
    for (int i = 0; i < ICEPLAY_SIDES; i++)
        add_side(play, i, components);
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
    iceside_gather(them, them->options.is_lite ? ICE_CONTROLLED : ICE_CONTROLLING);
    iceside_gather(us, them->options.is_lite ? ICE_CONTROLLING : ICE_CONTROLLED);
    exchange(play, them, us);
    iceside_send_media(them);
}

void iceplay_start_over(struct iceplay *play, struct addr address, struct addr turn, bool they_too)
{
    struct iceside *us = &play->sides[ICEPLAY_US], *them = &play->sides[ICEPLAY_THEM];
    struct tick end = tick_add_ms(play->sim.now, 10 * 1000);
    iceside_relearn(us, address, turn);
    if (they_too)
        iceside_relearn(them, them->options.address, them->options.turn);
    while (tick_before(play->sim.now, end) && !play->is_busy &&
           !(iceside_has_relearned(us) && (!they_too || iceside_has_relearned(them))))
        step(play, end);
    iceside_gather(us, them->options.is_lite ? ICE_CONTROLLING : ICE_CONTROLLED);
    if (they_too)
        iceside_gather(them, them->options.is_lite ? ICE_CONTROLLED : ICE_CONTROLLING);
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

static bool has_way_in(const struct iceplay *play, int which)
{
    enum network_way_in way_in = play->networks[which].way_in;
    return way_in == NETWORK_WHOLE_ADDRESS ||
           (way_in == NETWORK_GATEWAY && play->gateways[which].mapped > 0);
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
    if (m.path[0] == 'S' && has_way_in(play, 0))
        m.path[0] = 'M';
    if (len > 2 && m.path[len - 2] == '-' && m.path[len - 1] == 'S' && has_way_in(play, 1))
        m.path[len - 1] = 'M';
    return m;
}
