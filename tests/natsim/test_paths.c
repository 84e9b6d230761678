/* Table B played: an SRS behind each NAT finds out by STUN what it is behind, chooses a path, does what the choice says,
 * and an SRC of each class sends RTP to the answered address. The choice must carry every packet; and where it is a
 * relay or the edge, the address that STUN showed, with all the punches that what was known allowed, must not have done
 * as well: then the table would be wrong. The engine is told the offer, the SIP source, what earlier calls taught and what
 * discovery found, never the NAT's settings. doc/nat.md 4, 5. */
#include "nat/path.h"
#include "natsim/finder.h"
#include "natsim/stunhost.h"
#include "stun/message.h"
#include "tap.h"

enum { MEDIA_PORT = 30000, PACKETS = 10, SRCS = 6, SEEDS = 25 };

struct play {
    struct natsim sim;
    struct stunhost server;
    struct finder finder;
    int class; /* 1 to 6: B1 to B6. The SRC knows; the SRS does not */
    size_t srs, src, relay;
    struct addr src_source; /* where the SRC sends from, as its own network sees it */
    struct addr mapped;     /* of the media socket */
    struct path_src known;
    struct addr farm; /* B3: the other address of the set */
    struct addr permitted[3], follows;
    size_t permitted_count;
    int arrived, relayed;
};

static void take_srs(struct natsim *sim, void *context, const struct natsim_packet *packet)
{
    struct play *play = context;
    struct stun_message m;
    (void)sim;
    (void)finder_take(&play->finder, packet);
    if (packet->to.port != MEDIA_PORT)
        return;
    if (stun_message_decode(packet->bytes, &m) == STUN_DECODED)
        CHECK(stun_read_mapped(&m, &play->mapped));
    else
        play->arrived++;
}

/* B6: it sends to where our packets come from. */
static void take_src(struct natsim *sim, void *context, const struct natsim_packet *packet)
{
    struct play *play = context;
    (void)sim;
    if (play->class == 6)
        play->follows = packet->from;
}

/* A relay lets in whose address is permitted (RFC 8656 §9). */
static void take_relay(struct natsim *sim, void *context, const struct natsim_packet *packet)
{
    struct play *play = context;
    (void)sim;
    for (size_t i = 0; i < play->permitted_count; i++) {
        if (addr_equal_ip(&play->permitted[i], &packet->from)) {
            play->relayed++;
            return;
        }
    }
}

static void take_nothing(struct natsim *sim, void *context, const struct natsim_packet *packet)
{
    (void)sim;
    (void)context;
    (void)packet;
}

static struct discovery_result discover(struct play *play)
{
    play->finder.options.servers[0] = play->server.primary;
    play->finder.options.server_count = 1;
    play->finder.host = play->srs;
    finder_init(&play->finder, &play->sim, addr_v4(10, 0, 0, 7, 40000));
    finder_start(&play->finder);
    struct discovery_result result = finder_run(&play->finder, 24, NULL);
    finder_finish(&play->finder);
    return result;
}

/* The SRC of a class, what it offers, and what is known of it before the answer. */
static void add_src(struct play *play)
{
    static const struct natbox_options theirs = {
        .mapping = NATBOX_INDEPENDENT,
        .filtering = NATBOX_ADDRESS,
        .ports = NATBOX_RANDOM,
        .external = {.family = ADDR_V4, .ip = {192, 0, 2, 10}},
        .initial_ms = 30000,
        .established_ms = 120000,
    };
    struct addr public = addr_v4(192, 0, 2, 10, 20000), private = addr_v4(10, 9, 0, 5, 20000);
    size_t realm = 0;
    play->known = (struct path_src){.offered = public, .signalled = addr_with_port(public, 5060)};
    play->src_source = public;
    switch (play->class) {
    case 2:
        play->src_source.port = 23456;
        play->known.symmetric = PATH_NO;
        break;
    case 3:
        play->farm = addr_v4(192, 0, 2, 77, 20000);
        play->src_source = addr_with_port(play->farm, 23456);
        play->known.many_addresses = true;
        break;
    case 4:
        realm = natsim_realm(&play->sim, 0, &theirs);
        play->src_source = play->known.offered = private;
        break;
    case 5:
        play->src_source = addr_v4(192, 0, 2, 99, 23456);
        play->known.any_address = true;
        break;
    case 6:
        play->known.latches = PATH_YES;
        break;
    default:
        break;
    }
    play->src = natsim_host(&play->sim, realm, play->src_source, take_src, play);
}

static void send_media(struct play *play, struct addr to)
{
    natsim_send(&play->sim, play->srs, addr_v4(10, 0, 0, 7, MEDIA_PORT), to,
                view_of_string("\x80 a punch"));
}

/* H: to whom is known; the port, where only the address counts, is any. */
static void punch(struct play *play)
{
    struct addr to = play->known.offered;
    if (addr_is_private(&to))
        to = addr_with_port(play->known.signalled, to.port);
    send_media(play, to);
    if (play->known.many_addresses)
        send_media(play, play->farm);
}

static void permit(struct play *play)
{
    play->permitted[play->permitted_count++] = play->known.offered;
    play->permitted[play->permitted_count++] = play->known.signalled;
    if (play->known.many_addresses)
        play->permitted[play->permitted_count++] = play->farm;
}

static void settle(struct play *play, int64_t ms)
{
    natsim_run(&play->sim, tick_add_ms(play->sim.now, ms));
}

static void src_sends(struct play *play, struct addr answered)
{
    play->arrived = play->relayed = 0;
    for (int i = 0; i < PACKETS; i++) {
        struct addr to = addr_is_set(&play->follows) ? play->follows : answered;
        natsim_send(&play->sim, play->src, play->src_source, to, view_of_string("\x80 RTP"));
        settle(play, 20);
    }
    settle(play, 200);
}

static void ask_stun(struct play *play)
{
    uint8_t bytes[64];
    struct writer w = writer_of(bytes, sizeof bytes);
    struct stun_transaction transaction = stun_transaction_make(&play->sim.rng);
    stun_begin(&w, STUN_REQUEST, STUN_BINDING, &transaction);
    stun_finish(&w, false);
    natsim_send(&play->sim, play->srs, addr_v4(10, 0, 0, 7, MEDIA_PORT), play->server.primary,
                writer_done(&w));
    settle(play, 100);
}

static const struct addr relay_address = {ADDR_V4, {203, 0, 113, 200}, 50000, 0};

static void begin(struct play *play, uint64_t seed, const struct natbox_options *nats,
                  size_t levels, int class)
{
    memset(play, 0, sizeof *play);
    natsim_init(&play->sim, seed);
    play->class = class;
    play->server = (struct stunhost){.primary = addr_v4(198, 51, 100, 1, 3478),
                                     .other = addr_v4(198, 51, 100, 2, 3479)};
    stunhost_add(&play->sim, &play->server);
    size_t realm = 0;
    for (size_t i = 0; i < levels; i++) /* the outermost first */
        realm = natsim_realm(&play->sim, realm, &nats[i]);
    play->srs = natsim_host(&play->sim, realm, addr_v4(10, 0, 0, 7, 0), take_srs, play);
    play->relay = natsim_host(&play->sim, 0, relay_address, take_relay, play);
    natsim_host(&play->sim, 0, addr_v4(192, 0, 2, 200, 0), take_nothing, play);
    add_src(play);
}

/* The counter-proof: the STUN address and every punch that what is known allows. True when all packets came. */
static bool would_have_worked(uint64_t seed, const struct natbox_options *nats, size_t levels,
                              int class)
{
    struct play play;
    begin(&play, seed, nats, levels, class);
    ask_stun(&play);
    if (class != 5) /* of whom nothing is known */
        punch(&play);
    settle(&play, 100);
    play.follows = (struct addr){0};
    src_sends(&play, play.mapped);
    natsim_finish(&play.sim);
    return play.arrived == PACKETS;
}

static bool play_cell(uint64_t seed, const struct natbox_options *nats, size_t levels, int class,
                      char text[64])
{
    struct play play;
    struct writer w = writer_of(text, 63);
    begin(&play, seed, nats, levels, class);
    struct discovery_result found = discover(&play);
    ask_stun(&play);
    struct path_us us = {
        .has_stun = true, .relay_udp = true, .edge = true, .behaviour = found.behaviour};
    struct path_choice choice = path_choose(&us, &play.known, 0);
    path_print(&w, &choice);
    text[writer_done(&w).len] = 0;
    if (choice.punches || choice.probes_back)
        punch(&play);
    if (choice.permits)
        permit(&play);
    settle(&play, 100);
    bool good = true;
    switch (choice.code) {
    case PATH_STUN:
        play.follows = (struct addr){0}; /* the answered address alone has to do */
        src_sends(&play, play.mapped);
        good = play.arrived == PACKETS;
        break;
    case PATH_REVERSE:
        src_sends(&play, play.mapped);
        good = play.arrived == PACKETS;
        break;
    case PATH_RELAY:
        play.follows = (struct addr){0};
        src_sends(&play, relay_address);
        good = play.relayed == PACKETS;
        break;
    default:
        break;
    }
    natsim_finish(&play.sim);
    /* What costs more must have been needed. A port that was right by chance of this SRC proves nothing (B2, B4). */
    if (choice.code != PATH_STUN && choice.code != PATH_REVERSE)
        good &= !would_have_worked(seed, nats, levels, class);
    return good;
}

static void test_every_choice_carries_the_call(void)
{
    int played = 0, chosen[4] = {0};
    for (int i = 0; i < 3 * 3 * 2 * 3; i++) {
        static const enum natbox_ports ports[] = {NATBOX_RANDOM, NATBOX_SEQUENTIAL, NATBOX_KEPT};
        const struct natbox_options nat = {
            .mapping = (enum natbox_dependence)(i % 3),
            .filtering = (enum natbox_dependence)(i / 3 % 3),
            .scope = (enum natbox_scope)(i / 9 % 2),
            .ports = ports[i / 18],
            .external = {.family = ADDR_V4, .ip = {203, 0, 113, 20}},
            .initial_ms = 30000,
            .established_ms = 120000,
        };
        for (int class = 1; class <= SRCS; class ++) {
            for (uint64_t seed = 1; seed <= SEEDS; seed++) {
                char text[64];
                if (!CHECK(play_cell(seed, &nat, 1, class, text)))
                    printf("# seed %" PRIu64
                           ": mapping %d filtering %d scope %d ports %d x B%d: %s\n",
                           seed, nat.mapping, nat.filtering, nat.scope, nat.ports, class, text);
                played++;
                chosen[text[0] == 'S' ? 0 : text[1] == 'w' ? 1 : text[1] == 'L' ? 2 : 3]++;
            }
        }
    }
    printf("# %d calls: %d by STUN, %d by relay, %d by reverse latching, %d for the edge\n", played,
           chosen[0], chosen[1], chosen[2], chosen[3]);
    CHECK(chosen[0] && chosen[1] && chosen[2] && chosen[3]);
}

/* Home router behind a carrier's NAT, and one more: the rows "CGN eff. EIM" and "eff. EDM" of every kind. */
static void test_chains_too(void)
{
    int played = 0, chosen[4] = {0};
    for (uint64_t seed = 1; seed <= 2000; seed++) {
        struct rng rng;
        struct natbox_options chain[3];
        char text[64];
        size_t levels = 2 + seed % 2;
        rng_init_number(&rng, seed);
        for (size_t i = 0; i < levels; i++) {
            chain[i] = (struct natbox_options){
                .mapping = (enum natbox_dependence)rng_below(&rng, 3),
                .filtering = (enum natbox_dependence)rng_below(&rng, 3),
                .scope = (enum natbox_scope)rng_below(&rng, 2),
                .ports = NATBOX_RANDOM,
                .external = i ? addr_v4(100, 64, (uint8_t)i, 1, 0) : addr_v4(203, 0, 113, 20, 0),
                .initial_ms = 30000,
                .established_ms = 120000,
            };
        }
        for (int class = 1; class <= SRCS; class ++) {
            if (!CHECK(play_cell(seed, chain, levels, class, text)))
                printf("# seed %" PRIu64 ", %zu levels x B%d: %s\n", seed, levels, class, text);
            played++;
            chosen[text[0] == 'S' ? 0 : text[1] == 'w' ? 1 : text[1] == 'L' ? 2 : 3]++;
        }
    }
    printf("# %d calls: %d by STUN, %d by relay, %d by reverse latching, %d for the edge\n", played,
           chosen[0], chosen[1], chosen[2], chosen[3]);
}

int main(void)
{
    RUN(test_every_choice_carries_the_call);
    RUN(test_chains_too);
    return tap_done();
}
