/* Discovery with a relay as the second vantage point, where no STUN server has two addresses: against every kind of NAT,
 * held against what the box was told to be. The relay is a few lines by RFC 8656: who has no permission is not heard.
 * RFC 5780 §4 in what is asked; RFC 4787 for what there is to be found. */
#include "natsim/finder.h"
#include "natsim/lifetimes.h"
#include "natsim/stunhost.h"
#include "tap.h"

static struct {
    struct natsim sim;
    struct stunhost servers[3];
    size_t turn;
    natsim_receive *stun; /* of the server at whose address the relay is */
    struct addr client_address, relayed;
    struct addr permitted[8];
    size_t permitted_count;
    bool deaf;  /* the relay takes nothing from us any more */
    bool given; /* it was asked for */
    struct finder finder;
} play;

static void receive(struct natsim *sim, void *context, const struct natsim_packet *packet)
{
    (void)sim;
    (void)context;
    (void)finder_take(&play.finder, packet);
}

static bool is_permitted(const struct addr *peer)
{
    for (size_t i = 0; i < play.permitted_count; i++) {
        if (addr_equal_ip(&play.permitted[i], peer))
            return true;
    }
    return false;
}

/* What comes to the relayed address: RFC 8656 §11.3. */
static void receive_at_relay(struct natsim *sim, void *context, const struct natsim_packet *packet)
{
    (void)context;
    if (packet->to.port == play.relayed.port && !play.deaf && is_permitted(&packet->from))
        discovery_input(play.finder.discovery, sim->now, DISCOVERY_OVER_RELAY, &packet->from,
                        packet->bytes);
}

/* The first datagram to somebody asks for the permission, and is lost. */
static void send_over_relay(const struct discovery_packet *out)
{
    if (play.deaf)
        return;
    if (is_permitted(&out->to))
        natsim_send(&play.sim, play.turn, play.relayed, out->to, out->bytes);
    else if (CHECK(play.permitted_count < 8))
        play.permitted[play.permitted_count++] = out->to;
}

static const struct natbox_options plain = {
    .external = {.family = ADDR_V4, .ip = {203, 0, 113, 20}},
    .inbound_refreshes = true,
    .initial_ms = 30000,
    .established_ms = 120000,
    .ports = NATBOX_RANDOM,
};

static void receive_at_both(struct natsim *sim, void *context, const struct natsim_packet *packet)
{
    (packet->to.port == play.relayed.port ? receive_at_relay : play.stun)(sim, context, packet);
}

/* servers: classic ones. own: the relay sits at the last one's address. */
static void begin(uint64_t seed, const struct natbox_options *o, size_t servers, bool own)
{
    struct addr turn = addr_v4(198, 51, 100, own ? (uint8_t)servers : 33, 0);
    memset(&play, 0, sizeof play);
    natsim_init(&play.sim, seed);
    for (size_t i = 0; i < servers; i++) {
        play.servers[i] =
            (struct stunhost){.primary = addr_v4(198, 51, 100, (uint8_t)(1 + i), 19302)};
        play.finder.options.servers[i] = play.servers[i].primary;
        stunhost_add(&play.sim, &play.servers[i]);
    }
    play.relayed = addr_with_port(turn, 50000);
    if (!own) {
        play.turn = natsim_host(&play.sim, 0, turn, receive_at_relay, NULL);
    } else {
        play.turn = play.servers[servers - 1].hosts[0];
        play.stun = play.sim.hosts[play.turn].receive;
        play.sim.hosts[play.turn].receive = receive_at_both;
    }
    play.finder.options.server_count = servers;
    play.finder.options.may_relay = true;
    play.client_address = addr_v4(10, 0, 0, 7, 0);
    finder_init(&play.finder, &play.sim, addr_with_port(play.client_address, 40000));
    play.finder.host = natsim_host(&play.sim, o ? natsim_realm(&play.sim, 0, o) : 0,
                                   play.client_address, receive, NULL);
}

/* Its owner has asked STUN, and lets in the address that it told. */
static void give_relay(void)
{
    play.given = true;
    discovery_relay(play.finder.discovery, play.sim.now,
                    addr_is_set(&play.relayed) ? &play.relayed : NULL);
    play.permitted[play.permitted_count++] = discovery_result(play.finder.discovery).external;
}

static struct discovery_result run(int64_t hours)
{
    const struct finder_relay relay = {send_over_relay, give_relay};
    finder_start(&play.finder);
    return finder_run(&play.finder, hours, &relay);
}

static void finish(void)
{
    finder_finish(&play.finder);
    natsim_finish(&play.sim);
}

static const enum nat_filtering filtering_word[] = {
    NAT_FILTERING_INDEPENDENT, NAT_FILTERING_ADDRESS, NAT_FILTERING_ADDRESS_PORT};

static void test_every_kind_of_nat(void)
{
    int count = 0;
    for (int i = 0; i < 3 * 3 * 2 * 4; i++) {
        static const enum natbox_ports ports[] = {NATBOX_KEPT, NATBOX_PARITY, NATBOX_SEQUENTIAL,
                                                  NATBOX_RANDOM};
        struct natbox_options o = plain;
        o.mapping = (enum natbox_dependence)(i % 3);
        o.filtering = (enum natbox_dependence)(i / 3 % 3);
        o.scope = (enum natbox_scope)(i / 9 % 2);
        o.ports = ports[i / 18];
        begin((uint64_t)i, &o, 2, false);
        struct nat_behaviour b = run(1).behaviour;
        bool depends = o.mapping != NATBOX_INDEPENDENT;
        bool good = CHECK_INT(b.mapping, depends ? NAT_MAPPING_DEPENDENT : NAT_MAPPING_INDEPENDENT);
        /* A filter that remembers by mapping lets nobody else in at one that depends on the destination, by address
         * or not: what cannot be told apart need not be. */
        bool shut = depends && o.filtering != NATBOX_INDEPENDENT && o.scope == NATBOX_PER_MAPPING;
        good &=
            CHECK_INT(b.filtering, shut ? NAT_FILTERING_ADDRESS_PORT : filtering_word[o.filtering]);
        good &= CHECK_INT(b.scope, !depends || o.filtering == NATBOX_INDEPENDENT ? NAT_SCOPE_UNKNOWN
                                   : shut                                        ? NAT_SCOPE_MAPPING
                                          : NAT_SCOPE_ENDPOINT);
        good &= CHECK(discovery_result(play.finder.discovery).by_relay);
        good &= CHECK(!b.clashes && !b.pooling_arbitrary);
        good &= CHECK(tick_diff_ms(play.finder.known, (struct tick){NS_PER_S}) < 9000);
        if (!good)
            printf("# world %d: mapping %d filtering %d scope %d\n", i, o.mapping, o.filtering,
                   o.scope);
        count += good;
        finish();
    }
    CHECK_INT(count, 72);
}

/* Linux: what was refused has our own flow to that end moved. */
static void test_a_nat_that_clashes(void)
{
    struct natbox_options o = plain;
    o.ports = NATBOX_OVERLOADED;
    o.mapping = o.filtering = NATBOX_ADDRESS_PORT;
    o.clashes = true;
    begin(3, &o, 2, false);
    struct nat_behaviour b = run(1).behaviour;
    CHECK_INT(b.mapping, NAT_MAPPING_INDEPENDENT);
    CHECK_INT(b.filtering, NAT_FILTERING_ADDRESS_PORT);
    CHECK(b.clashes);
    CHECK(b.ports_kept);
    finish();
}

/* One STUN server alone: the relay is who else sees our mapping. */
static void test_one_server(void)
{
    for (int i = 0; i < 9; i++) {
        struct natbox_options o = plain;
        o.mapping = (enum natbox_dependence)(i % 3);
        o.filtering = (enum natbox_dependence)(i / 3);
        begin((uint64_t)i, &o, 1, false);
        struct nat_behaviour b = run(1).behaviour;
        CHECK_INT(b.mapping, i % 3 ? NAT_MAPPING_DEPENDENT : NAT_MAPPING_INDEPENDENT);
        CHECK_INT(b.filtering, filtering_word[o.filtering]);
        finish();
    }
}

/* No relay is given, it hears nobody, or it dies: then nothing is claimed. */
static void test_relays_of_no_use(void)
{
    begin(1, &plain, 2, false);
    play.relayed = (struct addr){0};
    struct discovery_result r = run(1);
    CHECK(r.is_done && !r.by_relay);
    CHECK_INT(r.behaviour.mapping, NAT_MAPPING_INDEPENDENT);
    CHECK_INT(r.behaviour.filtering, NAT_FILTERING_UNKNOWN);
    CHECK_INT(play.finder.events[DISCOVERY_WANTS_RELAY], 1);
    CHECK_INT(play.finder.events[DISCOVERY_BEHAVIOUR], 1);
    finish();

    begin(2, &plain, 2, false);
    play.deaf = true;
    r = run(1);
    CHECK(r.is_done && !r.by_relay);
    CHECK_INT(r.behaviour.filtering, NAT_FILTERING_UNKNOWN);
    finish();

    /* A server of RFC 5780 does it all. */
    begin(3, &plain, 0, false);
    play.servers[0] = (struct stunhost){.primary = addr_v4(198, 51, 100, 1, 3478),
                                        .other = addr_v4(198, 51, 100, 2, 3479)};
    play.finder.options.servers[0] = play.servers[0].primary;
    play.finder.options.server_count = 1;
    stunhost_add(&play.sim, &play.servers[0]);
    r = run(1);
    CHECK(!r.by_relay && addr_is_set(&r.server));
    CHECK_INT(play.finder.events[DISCOVERY_WANTS_RELAY], 0);
    CHECK_INT(r.behaviour.filtering, NAT_FILTERING_INDEPENDENT);
    finish();
}

/* Once more, as its owner does it: other sockets, and more patience. */
static struct discovery_result run_again(void)
{
    finder_finish(&play.finder);
    play.finder.options.cap_ms = DISCOVERY_PATIENT_MS;
    play.permitted_count = 0;
    for (int i = 0; i < DISCOVERY_SOCKETS; i++)
        play.finder.options.local[i].port += 1000;
    return run(1);
}

/* The TURN server's own STUN port answers at once, the others after more than two seconds: what the relay tells at the
 * one server that it sits on is told at once, and the others are waited for before the tests of the lifetime. */
static void test_slow_servers(void)
{
    for (int i = 0; i < 9; i++) {
        struct natbox_options o = plain;
        o.mapping = (enum natbox_dependence)(i % 3);
        o.filtering = (enum natbox_dependence)(i / 3);
        begin((uint64_t)i, &o, 3, true);
        play.servers[0].late_us = play.servers[1].late_us = 2400000;
        play.finder.options.lifetime = true;
        struct discovery_result r = run(1);
        CHECK(r.is_done && r.is_slow);
        CHECK_INT(play.finder.events[DISCOVERY_BEHAVIOUR], 1);
        CHECK(tick_diff_ms(play.finder.known, (struct tick){NS_PER_S}) < 11000);
        play.finder.options.lifetime = false;
        r = run_again();
        bool good = CHECK(r.is_done && !r.is_slow && r.by_relay);
        good &=
            CHECK_INT(r.behaviour.mapping, i % 3 ? NAT_MAPPING_DEPENDENT : NAT_MAPPING_INDEPENDENT);
        good &= CHECK_INT(r.behaviour.filtering, filtering_word[o.filtering]);
        if (!good)
            printf("# world %d\n", i);
        finish();
    }
}

/* Nobody else ever answers: what is known stays, and the lifetime is found out. */
static void test_dead_servers(void)
{
    begin(1, &plain, 3, true);
    play.servers[0].silent = play.servers[1].silent = true;
    play.finder.options.lifetime = true;
    struct discovery_result r = run(6);
    CHECK(r.is_done && !r.is_slow && r.by_relay);
    CHECK_INT(r.behaviour.filtering, NAT_FILTERING_ADDRESS);
    CHECK_INT(play.finder.events[DISCOVERY_LIFETIME], 1);
    lifetimes_check(&r.behaviour, &plain);
    finish();
}

static void check_lifetime(uint64_t seed, const struct natbox_options *o)
{
    begin(seed, o, 2, false);
    play.finder.options.lifetime = true;
    struct discovery_result r = run(6);
    CHECK(r.is_done && r.by_relay);
    CHECK_INT(play.finder.events[DISCOVERY_LIFETIME], 1);
    lifetimes_check(&r.behaviour, o);
    finish();
}

static void test_lifetimes_and_what_refreshes(void)
{
    lifetimes_each(&plain, check_lifetime);
}

static void test_bad_lines(void)
{
    for (uint64_t seed = 1; seed <= 100; seed++) {
        struct natbox_options o = plain;
        o.mapping = (enum natbox_dependence)(seed % 3);
        o.filtering = (enum natbox_dependence)(seed / 3 % 3);
        begin(seed, &o, 2, false);
        play.sim.link = (struct natsim_link){
            .loss = 0.01, .repeat = 0.02, .delay_us = 20000, .jitter_us = 60000};
        struct nat_behaviour b = run(1).behaviour;
        bool good = CHECK_INT(b.filtering, filtering_word[o.filtering]);
        if (!good)
            printf("# seed %" PRIu64 "\n", seed);
        finish();
    }
}

int main(void)
{
    printf("# seeds: each world's number is its seed\n");
    RUN(test_every_kind_of_nat);
    RUN(test_a_nat_that_clashes);
    RUN(test_one_server);
    RUN(test_relays_of_no_use);
    RUN(test_slow_servers);
    RUN(test_dead_servers);
    RUN(test_lifetimes_and_what_refreshes);
    RUN(test_bad_lines);
    return tap_done();
}
