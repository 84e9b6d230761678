/* Discovery against every kind of NAT of RFC 4787, one and in chains: what it finds is held against
 * what the box was told to be, and, for chains, against doc/nat.md 5, rule 2, not against the engine.
 * RFC 5780 §4, doc/nat.md 1, 5. */
#include "natsim/finder.h"
#include "natsim/lifetimes.h"
#include "natsim/stunhost.h"
#include "tap.h"

enum { SERVERS = 3 };

/* One client with its sockets behind NATs, and servers outside. */
struct play {
    struct natsim sim;
    struct stunhost servers[SERVERS];
    size_t server_count;
    struct addr client_address;
    struct finder finder;
};

static void receive(struct natsim *sim, void *context, const struct natsim_packet *packet)
{
    struct play *play = context;
    (void)sim;
    (void)finder_take(&play->finder, packet);
}

static void begin(struct play *play, uint64_t seed)
{
    memset(play, 0, sizeof *play);
    natsim_init(&play->sim, seed);
}

static void add_server(struct play *play, struct stunhost server)
{
    play->servers[play->server_count] = server;
    play->finder.options.servers[play->server_count] = server.primary;
    stunhost_add(&play->sim, &play->servers[play->server_count++]);
}

static struct stunhost two_addresses(void)
{
    return (struct stunhost){.primary = addr_v4(198, 51, 100, 1, 3478),
                             .other = addr_v4(198, 51, 100, 2, 3479)};
}

static void add_client(struct play *play, size_t realm)
{
    play->client_address = realm ? addr_v4(10, 0, 0, 7, 0) : addr_v4(192, 0, 2, 77, 0);
    play->finder.options.server_count = play->server_count;
    finder_init(&play->finder, &play->sim, addr_with_port(play->client_address, 40000));
    play->finder.host = natsim_host(&play->sim, realm, play->client_address, receive, play);
    finder_start(&play->finder);
}

static struct discovery_result run(struct play *play, int64_t hours)
{
    return finder_run(&play->finder, hours, NULL);
}

static void finish(struct play *play)
{
    finder_finish(&play->finder);
    natsim_finish(&play->sim);
}

static const struct natbox_options plain = {
    .external = {.family = ADDR_V4, .ip = {203, 0, 113, 20}},
    .inbound_refreshes = true,
    .initial_ms = 30000,
    .established_ms = 120000,
    .ports = NATBOX_RANDOM,
};

/* ---- what is to be found, by RFC 4787's words alone ----------------------------------------- */

static const enum nat_mapping mapping_word[] = {NAT_MAPPING_INDEPENDENT, NAT_MAPPING_ADDRESS,
                                                NAT_MAPPING_ADDRESS_PORT};
static const enum nat_filtering filtering_word[] = {
    NAT_FILTERING_INDEPENDENT, NAT_FILTERING_ADDRESS, NAT_FILTERING_ADDRESS_PORT};
static const enum nat_hairpin hairpin_word[] = {NAT_HAIRPIN_NONE, NAT_HAIRPIN_EXTERNAL,
                                                NAT_HAIRPIN_INTERNAL};

static bool expects_hairpin(const struct natbox_options *o)
{
    /* Two sockets that address each other's mapping: with EIM each has addressed the very source.
     * With EDM the source is a third port of the same address. */
    return o->hairpin != NATBOX_NO_HAIRPIN &&
           (o->mapping == NATBOX_INDEPENDENT || o->filtering == NATBOX_INDEPENDENT ||
            (o->filtering == NATBOX_ADDRESS && o->scope == NATBOX_PER_ENDPOINT));
}

static bool check_found(const struct play *play, const struct natbox_options *o,
                        const struct nat_behaviour *b)
{
    bool depends = o->mapping != NATBOX_INDEPENDENT;
    bool good = CHECK_INT(b->mapping, mapping_word[o->mapping]);
    good &= CHECK_INT(b->filtering, filtering_word[o->filtering]);
    enum nat_scope scope = !depends || o->filtering == NATBOX_INDEPENDENT ? NAT_SCOPE_UNKNOWN
                           : o->scope == NATBOX_PER_ENDPOINT              ? NAT_SCOPE_ENDPOINT
                                                                          : NAT_SCOPE_MAPPING;
    good &= CHECK_INT(b->scope, scope);
    if (!o->arbitrary) {
        good &=
            CHECK_INT(b->hairpin, expects_hairpin(o) ? hairpin_word[o->hairpin] : NAT_HAIRPIN_NONE);
        good &= CHECK(!b->pooling_arbitrary);
    }
    if (o->ports == NATBOX_KEPT && !o->arbitrary)
        good &= CHECK_INT(b->ports_kept, o->mapping == NATBOX_INDEPENDENT);
    else if (o->ports == NATBOX_RANDOM)
        good &= CHECK(!b->ports_kept);
    if (!good)
        printf("# mapping %d filtering %d scope %d ports %d hairpin %d arbitrary %d\n", o->mapping,
               o->filtering, o->scope, o->ports, o->hairpin, o->arbitrary);
    (void)play;
    return good;
}

static void play_one(struct play *play, uint64_t seed, const struct natbox_options *options,
                     struct stunhost server, bool lifetime)
{
    begin(play, seed);
    add_server(play, server);
    size_t realm = natsim_realm(&play->sim, 0, options);
    play->finder.options.lifetime = lifetime;
    add_client(play, realm);
}

static void test_every_kind_of_nat(void)
{
    struct natbox_options o = plain;
    int count = 0;
    struct play play;
    for (int i = 0; i < 3 * 3 * 2 * 4 * 3 * 2; i++) {
        static const enum natbox_ports ports[] = {NATBOX_KEPT, NATBOX_PARITY, NATBOX_SEQUENTIAL,
                                                  NATBOX_RANDOM};
        o.mapping = (enum natbox_dependence)(i % 3);
        o.filtering = (enum natbox_dependence)(i / 3 % 3);
        o.scope = (enum natbox_scope)(i / 9 % 2);
        o.ports = ports[i / 18 % 4];
        o.hairpin = (enum natbox_hairpin)(i / 72 % 3);
        o.arbitrary = i / 216;
        o.pool = o.arbitrary ? 8 : 1;
        play_one(&play, (uint64_t)i, &o, two_addresses(), false);
        struct discovery_result r = run(&play, 1);
        bool good = check_found(&play, &o, &r.behaviour);
        good &= CHECK(r.is_natted);
        good &= CHECK(r.external.ip[0] == 203);
        good &= CHECK_INT(play.finder.events[DISCOVERY_EXTERNAL], 1);
        good &= CHECK_INT(play.finder.events[DISCOVERY_BEHAVIOUR], 1);
        /* Three silences of two seconds at most, and round trips. */
        good &= CHECK(tick_diff_ms(play.finder.known, (struct tick){NS_PER_S}) < 6500);
        finish(&play);
        count += good;
    }
    CHECK_INT(count, 432);
}

/* doc/nat.md 5, rule 9: a NAT that keeps the port for every destination is EIM to whoever looks from
 * outside. */
static void test_overloaded_ports_look_independent(void)
{
    struct natbox_options o = plain;
    struct play play;
    o.ports = NATBOX_OVERLOADED;
    o.mapping = o.filtering = NATBOX_ADDRESS_PORT;
    for (uint64_t scope = 0; scope < 4; scope++) {
        o.scope = (enum natbox_scope)(scope % 2);
        o.clashes = scope / 2; /* what was refused moves our own flow to that end: Linux */
        play_one(&play, scope, &o, two_addresses(), false);
        struct discovery_result r = run(&play, 1);
        CHECK_INT(r.behaviour.mapping, NAT_MAPPING_INDEPENDENT);
        CHECK_INT(r.behaviour.filtering, NAT_FILTERING_ADDRESS_PORT);
        CHECK(r.behaviour.ports_kept);
        CHECK_INT(r.behaviour.clashes, o.clashes);
        finish(&play);
    }
}

static void test_no_nat_and_firewalls(void)
{
    struct play play;
    begin(&play, 1);
    add_server(&play, two_addresses());
    add_client(&play, 0);
    struct discovery_result r = run(&play, 1);
    CHECK_INT(r.behaviour.mapping, NAT_MAPPING_NONE);
    CHECK_INT(r.behaviour.filtering, NAT_FILTERING_INDEPENDENT);
    CHECK(!r.is_natted);
    CHECK(r.behaviour.ports_kept);
    finish(&play);
    for (int filtering = 0; filtering < 3; filtering++) {
        struct natbox_options o = plain;
        o.firewall = true;
        o.filtering = (enum natbox_dependence)filtering;
        play_one(&play, 2, &o, two_addresses(), false);
        r = run(&play, 1);
        CHECK_INT(r.behaviour.mapping, NAT_MAPPING_NONE);
        CHECK_INT(r.behaviour.filtering, filtering_word[filtering]);
        CHECK(!r.is_natted);
        finish(&play);
    }
}

/* doc/nat.md 5, rule 2, for two and three levels: the closed form of the strictest mapping, and of the
 * filter where no level with a filter has a dependent level below it. */
static void test_chains_show_the_strictest(void)
{
    int told = 0;
    for (uint64_t seed = 1; seed <= 400; seed++) {
        struct rng rng;
        struct play play;
        enum natbox_dependence mapping = NATBOX_INDEPENDENT, filtering = NATBOX_INDEPENDENT;
        bool admits = true, depends_below = false;
        int levels = 2 + (int)(seed % 2);
        struct natbox_options chain[3];
        rng_init_number(&rng, seed);
        for (int i = 0; i < levels; i++) { /* innermost first */
            struct natbox_options *o = &chain[i];
            *o = plain;
            o->mapping = (enum natbox_dependence)rng_below(&rng, 3);
            o->filtering = (enum natbox_dependence)rng_below(&rng, 3);
            o->scope = NATBOX_PER_MAPPING;
            o->external = i == levels - 1 ? plain.external : addr_v4(100, 64, (uint8_t)i, 1, 0);
            mapping = o->mapping > mapping ? o->mapping : mapping;
            filtering = o->filtering > filtering ? o->filtering : filtering;
            bool filters = o->filtering != NATBOX_INDEPENDENT;
            depends_below |= o->mapping != NATBOX_INDEPENDENT;
            admits &= !(filters && depends_below);
        }
        begin(&play, seed);
        add_server(&play, two_addresses());
        size_t realm = 0;
        for (int i = levels - 1; i >= 0; i--)
            realm = natsim_realm(&play.sim, realm, &chain[i]);
        add_client(&play, realm);
        struct discovery_result r = run(&play, 1);
        bool good = CHECK_INT(r.behaviour.mapping, mapping_word[mapping]);
        good &= CHECK_INT(r.behaviour.filtering, filtering_word[filtering]);
        if (mapping != NATBOX_INDEPENDENT && filtering != NATBOX_INDEPENDENT)
            good &= CHECK_INT(r.behaviour.scope, admits ? NAT_SCOPE_ENDPOINT : NAT_SCOPE_MAPPING);
        if (!good)
            printf("# seed %" PRIu64 ", %d levels\n", seed, levels);
        told += good;
        finish(&play);
    }
    CHECK_INT(told, 400);
}

static void test_classic_servers_tell_whether_it_depends(void)
{
    for (int mapping = 0; mapping < 3; mapping++) {
        struct natbox_options o = plain;
        struct play play;
        o.mapping = (enum natbox_dependence)mapping;
        begin(&play, 5);
        add_server(&play, (struct stunhost){.primary = addr_v4(198, 51, 100, 1, 19302)});
        add_server(&play, (struct stunhost){.primary = addr_v4(198, 51, 100, 9, 19302)});
        add_client(&play, natsim_realm(&play.sim, 0, &o));
        struct discovery_result r = run(&play, 1);
        CHECK_INT(r.behaviour.mapping, mapping ? NAT_MAPPING_DEPENDENT : NAT_MAPPING_INDEPENDENT);
        CHECK_INT(r.behaviour.filtering, NAT_FILTERING_UNKNOWN);
        CHECK_INT(r.behaviour.scope, NAT_SCOPE_UNKNOWN);
        CHECK(!addr_is_set(&r.server));
        CHECK(r.is_natted);
        finish(&play);
    }
    /* One alone tells the address, and nothing more. */
    struct play play;
    play_one(&play, 6, &plain, (struct stunhost){.primary = addr_v4(198, 51, 100, 1, 19302)}, true);
    struct discovery_result r = run(&play, 1);
    CHECK_INT(r.behaviour.mapping, NAT_MAPPING_UNKNOWN);
    CHECK(r.external.ip[0] == 203);
    CHECK_INT(r.behaviour.lifetime_s, 0);
    CHECK(r.is_done);
    finish(&play);
}

/* What a server does wrong must not become a property of the NAT. */
static void test_bad_servers_teach_nothing_wrong(void)
{
    struct natbox_options open = plain, tight = plain;
    tight.filtering = NATBOX_ADDRESS_PORT;
    struct stunhost ignores = two_addresses(), swallows = two_addresses(), half = two_addresses(),
                    lying = two_addresses();
    ignores.ignores_change = swallows.swallows_change = half.other_is_dead = true;
    lying.other = addr_v4(10, 1, 1, 1, 3479); /* its inside address: a server behind a NAT */
    lying.other_is_dead = true;
    const struct stunhost bad[] = {ignores, swallows, half, lying};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        struct play play;
        for (int n = 0; n < 2; n++) {
            play_one(&play, 7 + i, n ? &tight : &open, bad[i], false);
            struct discovery_result r = run(&play, 1);
            CHECK_INT(r.behaviour.filtering, NAT_FILTERING_UNKNOWN);
            CHECK(r.behaviour.mapping == NAT_MAPPING_INDEPENDENT ||
                  r.behaviour.mapping == NAT_MAPPING_UNKNOWN);
            CHECK(r.is_done);
            finish(&play);
        }
        /* A good one beside it is found, whichever answers first. */
        begin(&play, 20 + i);
        add_server(&play, bad[i]);
        add_server(&play, (struct stunhost){.primary = addr_v4(198, 51, 100, 11, 3478),
                                            .other = addr_v4(198, 51, 100, 12, 3480)});
        add_client(&play, natsim_realm(&play.sim, 0, &tight));
        struct discovery_result r = run(&play, 1);
        CHECK_INT(r.behaviour.mapping, NAT_MAPPING_INDEPENDENT);
        if (i >= 2) /* with the others the fault shows only when it is too late to change */
            CHECK_INT(r.behaviour.filtering, NAT_FILTERING_ADDRESS_PORT);
        finish(&play);
    }
}

static void test_silence(void)
{
    struct play play;
    struct stunhost dead = two_addresses();
    dead.silent = true;
    play_one(&play, 9, &plain, dead, true);
    struct discovery_result r = run(&play, 1);
    CHECK(r.is_done);
    CHECK_INT(play.finder.events[DISCOVERY_SILENT], 1);
    CHECK_INT(r.behaviour.mapping, NAT_MAPPING_UNKNOWN);
    CHECK(tick_diff_ms(play.sim.now, (struct tick){NS_PER_S}) <= 2000);
    CHECK_INT(play.finder.packets, 3);
    finish(&play);
    /* A dead server among the living costs two seconds and nothing else. */
    begin(&play, 10);
    dead.primary.ip[3] = 77;
    dead.other.ip[3] = 78;
    add_server(&play, dead);
    add_server(&play, two_addresses());
    add_client(&play, natsim_realm(&play.sim, 0, &plain));
    r = run(&play, 1);
    CHECK_INT(r.behaviour.mapping, NAT_MAPPING_INDEPENDENT);
    CHECK_INT(r.behaviour.filtering, NAT_FILTERING_INDEPENDENT);
    finish(&play);
}

/* Loss, repetition and jitter of a bad line must not change what is found. */
static void test_bad_lines(void)
{
    int good = 0;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        struct natbox_options o = plain;
        struct play play;
        o.mapping = (enum natbox_dependence)(seed % 3);
        o.filtering = (enum natbox_dependence)(seed / 3 % 3);
        o.scope = (enum natbox_scope)(seed / 9 % 2);
        begin(&play, seed);
        play.sim.link = (struct natsim_link){0.01, 0.02, 20000, 60000};
        add_server(&play, two_addresses());
        add_client(&play, natsim_realm(&play.sim, 0, &o));
        struct discovery_result r = run(&play, 1);
        bool found = r.behaviour.mapping == mapping_word[o.mapping] &&
                     r.behaviour.filtering == filtering_word[o.filtering];
        if (!CHECK(found))
            printf("# seed %" PRIu64 "\n", seed);
        good += found;
        finish(&play);
    }
    CHECK_INT(good, 300);
}

/* ---- the lifetime --------------------------------------------------------------------------- */

static void check_lifetime(uint64_t seed, const struct natbox_options *o)
{
    struct play play;
    play_one(&play, seed, o, two_addresses(), true);
    struct discovery_result r = run(&play, 5);
    CHECK(r.is_done);
    CHECK_INT(play.finder.events[DISCOVERY_LIFETIME], 1);
    lifetimes_check(&r.behaviour, o);
    CHECK(play.finder.packets < 120);
    finish(&play);
}

static void test_lifetimes_and_what_refreshes(void)
{
    lifetimes_each(&plain, check_lifetime);
}

static void test_lifetimes_that_cannot_be_known(void)
{
    struct play play;
    struct stunhost server = two_addresses();
    server.no_response_port = true;
    play_one(&play, 30, &plain, server, true);
    struct discovery_result r = run(&play, 5);
    CHECK(r.is_done);
    CHECK_INT(r.behaviour.lifetime_s, 0);
    CHECK_INT(r.behaviour.lifetime_most_s, 0);
    finish(&play);
    /* The server goes away in the middle: what was found by then stays found. */
    server = two_addresses();
    server.dead_after = tick_add_ms((struct tick){NS_PER_S}, 60000);
    play_one(&play, 31, &plain, server, true);
    r = run(&play, 5);
    CHECK(r.is_done);
    CHECK_INT(r.behaviour.mapping, NAT_MAPPING_INDEPENDENT);
    finish(&play);
}

int main(void)
{
    printf("# seeds: each world's number is its seed\n");
    RUN(test_every_kind_of_nat);
    RUN(test_overloaded_ports_look_independent);
    RUN(test_no_nat_and_firewalls);
    RUN(test_chains_show_the_strictest);
    RUN(test_classic_servers_tell_whether_it_depends);
    RUN(test_bad_servers_teach_nothing_wrong);
    RUN(test_silence);
    RUN(test_bad_lines);
    RUN(test_lifetimes_and_what_refreshes);
    RUN(test_lifetimes_that_cannot_be_known);
    return tap_done();
}
