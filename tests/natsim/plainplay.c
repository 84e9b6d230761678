/* plainplay: the loop of a call without ICE.
 * Not here: the parties.
 * RFC 3261 for the order of its messages. */
#include "natsim/plainplay.h"

#include <stdio.h>
#include <string.h>

enum {
    LEARN_MS = 120 * 1000,
    PORT_MS = 5000,
    TEACH_MS = 5600, /* of RTP */
    HOPELESS_MS = 14000,
    REST_MS = 31000,
    ROUNDS_AT_ONCE = 5000,
    SIP_PORT = 5060,
    RESUME_MS = 300, /* of packets to and fro, answered inactive, before it is asked to send */
    INVITES = 6,     /* where UDP does not leave SIP came over TCP */
};

static struct addr v6(uint8_t net, uint8_t host)
{
    return (struct addr){
        .family = ADDR_V6, .ip = {0x20, 0x01, 0x0d, 0xb8, 0xff, net, [15] = host}, .port = 3478};
}

/* The SRC's SIP goes to something in the open that tells us where it came from: a flow of ours. */
static void take_sip(struct natsim *sim, void *context, const struct natsim_packet *packet)
{
    struct plainplay *play = context;
    (void)sim;
    if (packet->kind != NATSIM_DATAGRAM_CAME)
        return;
    play->signalled = packet->from;
    play->has_invited = true;
}

static struct addr registrar(const struct plainplay *play)
{
    return play->options.them.v6 ? v6(9, 9) : addr_v4(203, 0, 113, 250, SIP_PORT);
}

static void add_servers(struct plainplay *play)
{
    bool is_v6 = play->options.us.v6;
    play->stun[0] = (struct stunhost){.primary = addr_v4(203, 0, 113, 1, 3478),
                                      .other = addr_v4(203, 0, 113, 2, 3479)};
    play->stun[1] = (struct stunhost){.primary = v6(1, 1), .other = v6(1, 2)};
    play->stun[1].other.port = 3479;
    stunhost_add(&play->sim, &play->stun[is_v6]);
    for (int i = 0; i < 2; i++) {
        play->turn[i].address =
            is_v6 ? v6(2, (uint8_t)(10 + i)) : addr_v4(203, 0, 113, (uint8_t)(10 + i), 3478);
        turnhost_add(&play->sim, &play->turn[i]);
    }
    (void)natsim_host(&play->sim, 0, registrar(play), take_sip, play);
}

static void add_gateway(struct plainplay *play)
{
    const struct network *n = &play->options.us;
    struct addr inside = n->address;
    inside.ip[n->v6 ? 15 : 3] = 1;
    play->gateway = (struct maphost){.speech = n->v6 ? MAPHOST_PCP : play->options.speech,
                                     .address = inside,
                                     .external = n->v6 ? n->address : n->outside};
    if (n->way_in == NETWORK_GATEWAY)
        maphost_add(&play->sim, n->realm, &play->gateway);
}

static void add_proxy(struct plainplay *play)
{
    const struct network *n = &play->options.us;
    if (!n->has_proxy)
        return;
    play->proxy = (struct proxyhost){.address = n->address,
                                     .external = n->v6 ? v6(3, 200) : addr_v4(203, 0, 113, 200, 0)};
    play->proxy.address.ip[n->v6 ? 15 : 3] = 200;
    proxyhost_add(&play->sim, n->realm, &play->proxy);
}

/* The whole of the farm's prefix where it has one; else just the SRC. */
static void allow(struct plainplay *play, struct plainside_options *o)
{
    const struct network *n = &play->options.them;
    struct addr_prefix *p = &o->allow[0];
    *p = (struct addr_prefix){n->outside, n->v6 ? 128 : 32};
    if (play->options.source == PLAINSRC_FARM) {
        p->bits = n->v6 ? 125 : 29;
        p->base.ip[n->v6 ? 15 : 3] &= 0xf8;
    } else if (n->levels && n->boxes[0].arbitrary) {
        p->bits = 30; /* its pool is no secret, but too long to be gone through */
        p->base = addr_v4(n->outside.ip[0], n->outside.ip[1], n->outside.ip[2], 0, 0);
        p->bits = 24;
    }
    o->allow_count = play->options.unlisted ? 0 : 1;
    o->listed = !play->options.unlisted;
}

static void add_src(struct plainplay *play)
{
    struct plainplay_options *o = &play->options;
    struct network *n = &o->them;
    size_t last = n->v6 ? 15 : 3, realm;
    network_build(n, &play->sim, 1);
    struct plainsrc_options src = {.address = n->address,
                                   .source = o->source,
                                   .port_offset = o->port_offset,
                                   .latches = o->latches,
                                   .refuses = o->refuses,
                                   .is_closed = o->is_closed,
                                   .packet_ms = o->packet_ms};
    realm = n->realm;
    if (o->same_lan) { /* it, or the NAT it is behind, is in our own network */
        struct addr place = o->us.address;
        place.ip[last] = 36;
        realm = o->us.realm;
        src.address = place;
        n->outside = place;
        if (n->levels) {
            n->boxes[0].external = place;
            realm = natsim_realm(&play->sim, realm, &n->boxes[0]);
            src.address = addr_v4(10, 9, 9, 7, 0);
        }
    }
    for (unsigned i = 0; i < PLAINSRC_FARM_SIZE && o->source == PLAINSRC_FARM; i++) {
        src.farm[i] = src.address;
        src.farm[i].ip[last] = (uint8_t)((src.address.ip[last] & 0xf8) + 1 + i);
    }
    src.anywhere = src.address;
    src.anywhere.ip[last] = 150;
    plainsrc_init(&play->src, &play->sim, realm, &src);
}

static void add_srs(struct plainplay *play)
{
    const struct network *n = &play->options.us;
    struct plainside_options o = {.address = n->address,
                                  .stun = play->stun[n->v6].primary,
                                  .packet_ms = play->options.packet_ms};
    for (int i = 0; i < 2 && !play->options.no_turn; i++)
        o.turn[i] = play->turn[i].address;
    if (n->way_in == NETWORK_WHOLE_ADDRESS)
        o.external = n->outside;
    if (n->way_in == NETWORK_GATEWAY)
        o.gateway = addr_with_port(play->gateway.address, 5351);
    if (n->has_proxy)
        o.proxy = addr_with_port(play->proxy.address, PROXYHOST_PORT);
    allow(play, &o);
    plainside_init(&play->srs, &play->sim, n->realm, &o);
}

void plainplay_begin(struct plainplay *play, uint64_t seed, const struct plainplay_options *options)
{
    memset(play, 0, sizeof *play);
    play->options = *options;
    natsim_init(&play->sim, seed);
    play->sim.link.delay_us = 2000 + (int64_t)rng_below(&play->sim.rng, 30000);
    play->sip_ms = play->sim.link.delay_us / 1000 + 1;
    add_servers(play);
    network_build(&play->options.us, &play->sim, 0);
    add_gateway(play);
    add_proxy(play);
    add_src(play);
    add_srs(play);
}

void plainplay_finish(struct plainplay *play)
{
    plainside_finish(&play->srs);
    for (int i = 0; i < 2; i++)
        turnhost_finish(&play->turn[i]);
    natsim_finish(&play->sim);
}

/* ---- SIP ------------------------------------------------------------------------------------ */

static void post_late(struct plainplay *play, enum plainplay_kind kind, struct addr address,
                      bool taken, int64_t late_ms)
{
    struct tick due = tick_add_ms(play->sim.now, play->sip_ms + late_ms);
    if (play->message_count < PLAINPLAY_MESSAGES)
        play->messages[play->message_count++] =
            (struct plainplay_message){kind, due, address, taken};
}

static void post(struct plainplay *play, enum plainplay_kind kind, struct addr address, bool taken)
{
    post_late(play, kind, address, taken, 0);
}

static void take(struct plainplay *play, const struct plainplay_message *m)
{
    bool taken;
    switch (m->kind) {
    case PLAINPLAY_ANSWER:
        if (!play->waits)
            (void)plainsrc_answered(&play->src, &m->address, false);
        post(play, PLAINPLAY_ACK, m->address, true);
        break;
    case PLAINPLAY_ACK:
        if (play->waits)
            post_late(play, PLAINPLAY_REINVITE, play->srs.advertised, true, RESUME_MS);
        else
            plainside_acked(&play->srs);
        break;
    case PLAINPLAY_REINVITE:
        taken = plainsrc_answered(&play->src, &m->address, true);
        post(play, PLAINPLAY_OK, m->address, taken);
        break;
    case PLAINPLAY_OK:
        play->waits &= !m->taken;
        plainside_reinvited(&play->srs, m->taken);
        break;
    }
}

static struct tick run_sip(struct plainplay *play)
{
    struct addr address;
    struct tick next = TICK_NEVER;
    while (play->srs.in_call && plainside_reinvite(&play->srs, &address)) {
        play->reinvites++;
        post(play, PLAINPLAY_REINVITE, address, true);
    }
    for (size_t i = 0; i < play->message_count;) {
        struct plainplay_message m = play->messages[i];
        if (!tick_due(m.due, play->sim.now)) {
            next = tick_min(next, m.due);
            i++;
            continue;
        }
        memmove(&play->messages[i], &play->messages[i + 1],
                (--play->message_count - i) * sizeof play->messages[0]);
        take(play, &m);
    }
    return next;
}

/* ---- time ----------------------------------------------------------------------------------- */

static void step(struct plainplay *play, struct tick end)
{
    plainsrc_run(&play->src);
    plainside_run(&play->srs);
    struct tick next = tick_min(run_sip(play), end);
    next = tick_min(next, plainside_deadline(&play->srs));
    next = tick_min(next, plainsrc_deadline(&play->src));
    next = tick_min(next, natsim_next(&play->sim));
    for (size_t i = 0; i < play->message_count; i++)
        next = tick_min(next, play->messages[i].due);
    play->rounds = tick_due(next, play->sim.now) ? play->rounds + 1 : 0;
    play->is_busy |= play->rounds > ROUNDS_AT_ONCE;
    natsim_run(&play->sim, next);
}

void plainplay_run(struct plainplay *play, int64_t ms)
{
    struct tick end = tick_add_ms(play->sim.now, ms);
    while (tick_before(play->sim.now, end) && !play->is_busy)
        step(play, end);
}

void plainplay_learn(struct plainplay *play)
{
    struct tick end = tick_add_ms(play->sim.now, LEARN_MS);
    plainside_learn(&play->srs);
    while (tick_before(play->sim.now, end) && !play->is_busy && !plainside_is_ready(&play->srs))
        step(play, end);
}

/* ---- calls ---------------------------------------------------------------------------------- */

static void invite(struct plainplay *play)
{
    struct addr from = addr_with_port(play->src.options.address, SIP_PORT);
    play->signalled = addr_with_port(play->options.them.outside, SIP_PORT);
    plainsrc_offer(&play->src);
    play->has_invited = play->options.same_lan;
    for (int i = 0; i < INVITES && !play->has_invited; i++) {
        (void)natsim_send(&play->sim, play->src.host, from, registrar(play),
                          view_of_string("INVITE"));
        plainplay_run(play, play->sip_ms + 50);
    }
}

void plainplay_begin_call(struct plainplay *play)
{
    struct tick end = tick_add_ms(play->sim.now, PORT_MS);
    plainside_open_port(&play->srs);
    while (tick_before(play->sim.now, end) && !play->is_busy &&
           !plainside_port_is_ready(&play->srs))
        step(play, end);
    invite(play);
    play->reinvites = 0;
    play->srs.authorised_count = 0;
    plainside_authorise(&play->srs, &play->signalled);
    if (!play->options.unlisted) {
        plainside_authorise(&play->srs, &play->src.offered);
        for (unsigned i = 0; i < PLAINSRC_FARM_SIZE; i++)
            plainside_authorise(&play->srs, &play->src.options.farm[i]);
        for (unsigned i = 0; i < 8 && play->options.source == PLAINSRC_FARM; i++) {
            struct addr a = play->src.options.address;
            uint8_t *last = &a.ip[a.family == ADDR_V4 ? 3 : 15];
            *last = (uint8_t)((*last & 0xf8) + i);
            plainside_authorise(&play->srs, &a);
        }
        for (unsigned i = 0; i < play->srs.known.media_count; i++)
            plainside_authorise(&play->srs, &play->srs.known.media[i]);
    }
    struct addr answered = plainside_answer(&play->srs, &play->src.offered, &play->signalled);
    play->waits = play->options.inactive_first && plainside_is_unsure(&play->srs);
    post(play, PLAINPLAY_ANSWER, answered, true);
    plainplay_run(play, play->sip_ms + 1);
}

struct plainplay_measure plainplay_end_call(struct plainplay *play)
{
    struct plainplay_measure m = {.came = play->srs.record.packets > 0,
                                  .unreachable = play->srs.unreachable,
                                  .answered = play->srs.first_choice.code,
                                  .took = play->srs.choice.code,
                                  .relayed = play->srs.record.by_relay,
                                  .followed = play->srs.followed,
                                  .lost = play->srs.record.first_number,
                                  .reinvites = play->reinvites,
                                  .unasked = play->srs.to_src_before,
                                  .turned_away = play->src.turned_away};
    m.reason = plainside_reason(&play->srs);
    plainside_path(&play->srs, m.path);
    if (m.came)
        m.first_ms = tick_diff_ms(play->srs.record.first, play->src.started);
    plainside_bye(&play->srs);
    plainsrc_end(&play->src);
    (void)snprintf(m.class, sizeof m.class, "%s", plainside_class(&play->srs));
    plainplay_run(play, REST_MS);
    play->message_count = 0;
    return m;
}

struct plainplay_measure plainplay_call(struct plainplay *play)
{
    const struct plainside_record *r = &play->srs.record;
    plainplay_begin_call(play);
    struct tick end = tick_add_ms(play->sim.now, HOPELESS_MS);
    while (tick_before(play->sim.now, end) && !play->is_busy &&
           r->packets * play->options.packet_ms < TEACH_MS)
        step(play, end);
    return plainplay_end_call(play);
}
