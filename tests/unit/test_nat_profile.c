/* nat/profile: what follows when the settings, STUN, the gateway and the clouds are put side by
 * side. DESIGN.md's NAT settings, doc/nat.md 5 (double NAT), 11. */
#include "nat/profile.h"

#include "tap.h"

static struct tick at(int64_t ms)
{
    return (struct tick){ms * NS_PER_MS};
}

static const struct addr none;

static struct addr ip(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
    return addr_v4(a, b, c, d, 0);
}

static struct discovery_result found(struct addr external, enum nat_mapping mapping,
                                     enum nat_filtering filtering)
{
    return (struct discovery_result){.external = external,
                                     .behaviour = {.mapping = mapping, .filtering = filtering}};
}

static bool has_problem(const struct nat_profile *p, int64_t ms, const char *code)
{
    struct profile_problem problem;
    for (size_t i = 0; profile_problem(p, at(ms), i, &problem); i++) {
        if (strcmp(problem.code, code) == 0)
            return true;
    }
    return false;
}

static enum path_code code_of(const struct nat_profile *p, int64_t ms, bool stun, bool mapping)
{
    struct path_us us = profile_us(p, at(ms), stun, mapping);
    struct path_src src = {.offered = addr_v4(192, 0, 2, 10, 4000),
                           .signalled = addr_v4(192, 0, 2, 10, 5060)};
    return path_choose(&us, &src, 0).code;
}

static void test_what_the_settings_mean(void)
{
    struct nat_profile p;
    enum profile_source source;
    /* behind_nat=false: our own address, whatever STUN sees. */
    profile_init(&p, at(0), PATH_NO, none);
    profile_set_local(&p, at(0), ip(10, 0, 0, 7));
    struct discovery_result edm =
        found(ip(203, 0, 113, 9), NAT_MAPPING_ADDRESS_PORT, NAT_FILTERING_ADDRESS_PORT);
    profile_tell_behaviour(&p, at(1), &edm);
    CHECK_INT(profile_state(&p, at(1)), PROFILE_KNOWN);
    CHECK_INT(code_of(&p, 1, true, true), PATH_DIRECT);
    CHECK_INT(profile_levels(&p), 0);
    /* behind_nat=true with an address: that one, at once. */
    profile_init(&p, at(0), PATH_YES, ip(203, 0, 113, 5));
    profile_set_local(&p, at(0), ip(10, 0, 0, 7));
    CHECK_INT(profile_state(&p, at(0)), PROFILE_KNOWN);
    profile_tell_behaviour(&p, at(1), &edm);
    CHECK_INT(code_of(&p, 1, true, false), PATH_MAPPED);
    CHECK_INT(profile_external(&p, &source).ip[3], 5);
    CHECK_INT(source, PROFILE_SETTING);
    /* Though STUN sees another one; which is said. */
    CHECK(profile_is_doubted(&p) && profile_us(&p, at(1), true, false).is_doubted);
    CHECK(has_problem(&p, 1, "external_differs"));
    struct discovery_result agrees =
        found(ip(203, 0, 113, 5), NAT_MAPPING_INDEPENDENT, NAT_FILTERING_ADDRESS_PORT);
    profile_tell_behaviour(&p, at(2), &agrees);
    CHECK(!profile_is_doubted(&p) && !has_problem(&p, 2, "external_differs"));
    /* auto with an address: used while nothing better is known, or where STUN agrees. */
    profile_init(&p, at(0), PATH_UNKNOWN, ip(203, 0, 113, 5));
    profile_set_local(&p, at(0), ip(10, 0, 0, 7));
    CHECK_INT(code_of(&p, 0, false, false), PATH_MAPPED);
    profile_tell_behaviour(&p, at(1), &edm);
    CHECK_INT(profile_external(&p, &source).ip[3], 9);
    CHECK_INT(source, PROFILE_STUN);
    CHECK(has_problem(&p, 1, "external_differs"));
    CHECK(code_of(&p, 1, true, false) != PATH_MAPPED);
    struct discovery_result one_to_one =
        found(ip(203, 0, 113, 5), NAT_MAPPING_INDEPENDENT, NAT_FILTERING_INDEPENDENT);
    one_to_one.behaviour.ports_kept = true;
    profile_tell_behaviour(&p, at(2), &one_to_one);
    CHECK_INT(code_of(&p, 3, true, false), PATH_MAPPED);
    CHECK(!has_problem(&p, 3, "external_differs"));
    /* Verified longer than a minute ago: STUN's own word then. */
    CHECK_INT(code_of(&p, 2 + PROFILE_FRESH_MS, true, false), PATH_STUN);
}

static void test_settling(void)
{
    struct nat_profile p;
    profile_init(&p, at(0), PATH_UNKNOWN, none);
    CHECK_INT(profile_state(&p, at(0)), PROFILE_SETTLING);
    CHECK_INT(profile_state(&p, at(3000)), PROFILE_OFFLINE);
    CHECK(has_problem(&p, 3000, "offline"));
    CHECK(profile_set_local(&p, at(5000), ip(10, 0, 0, 7)));
    CHECK(!profile_set_local(&p, at(5100), addr_v4(10, 0, 0, 7, 9)));
    CHECK_INT(profile_state(&p, at(5000)), PROFILE_SETTLING);
    CHECK_INT(profile_deadline(&p, at(5000)).ns, at(8000).ns);
    CHECK_INT(profile_state(&p, at(7999)), PROFILE_SETTLING);
    CHECK_INT(profile_state(&p, at(8000)), PROFILE_KNOWN); /* with what there is */
    profile_tell_silence(&p, at(8100));
    CHECK(has_problem(&p, 8100, "no_udp"));
    /* Another network: what was known is void, and nobody waits. */
    struct discovery_result r =
        found(ip(203, 0, 113, 9), NAT_MAPPING_INDEPENDENT, NAT_FILTERING_ADDRESS);
    profile_tell_behaviour(&p, at(8200), &r);
    CHECK(profile_set_local(&p, at(9000), ip(192, 168, 1, 2)));
    CHECK_INT(profile_state(&p, at(9000)), PROFILE_CHANGED);
    CHECK_INT(p.behaviour.mapping, NAT_MAPPING_UNKNOWN);
    enum profile_source source;
    struct addr external = profile_external(&p, &source);
    CHECK(!addr_is_set(&external));
    profile_tell_behaviour(&p, at(9500), &r);
    CHECK_INT(profile_state(&p, at(9500)), PROFILE_KNOWN);
}

static void test_a_new_lease_is_a_change(void)
{
    struct nat_profile p;
    profile_init(&p, at(0), PATH_UNKNOWN, none);
    profile_set_local(&p, at(0), ip(10, 0, 0, 7));
    struct discovery_result r =
        found(ip(203, 0, 113, 9), NAT_MAPPING_INDEPENDENT, NAT_FILTERING_ADDRESS);
    profile_tell_behaviour(&p, at(10), &r);
    CHECK(!profile_tell(&p, at(20), PROFILE_STUN, addr_v4(203, 0, 113, 9, 777)));
    CHECK(profile_tell(&p, at(30), PROFILE_STUN, addr_v4(203, 0, 113, 10, 777)));
    CHECK_INT(profile_state(&p, at(30)), PROFILE_CHANGED);
    CHECK_INT(p.behaviour.filtering, NAT_FILTERING_UNKNOWN);
    /* Where every socket may have another address it is none. */
    r.behaviour.pooling_arbitrary = true;
    profile_tell_behaviour(&p, at(40), &r);
    CHECK(!profile_tell(&p, at(50), PROFILE_STUN, ip(203, 0, 113, 11)));
    CHECK_INT(profile_state(&p, at(50)), PROFILE_KNOWN);
}

/* RFC 6887 §2.2: a firewall that maps an address to itself lets in, and translates nothing. */
static void test_pinhole(void)
{
    struct nat_profile p;
    struct gateway_status status = {.speech = GATEWAY_PCP,
                                    .external = {.family = ADDR_V6, .ip = {0x2a, [15] = 7}}};
    profile_init(&p, at(0), PATH_UNKNOWN, none);
    profile_set_local(&p, at(0), status.external);
    CHECK_INT(profile_levels(&p), -1);
    profile_tell_gateway(&p, at(1), &status);
    CHECK_INT(profile_levels(&p), 0);
    CHECK_INT(code_of(&p, 1, false, true), PATH_MAPPED);
    CHECK(!has_problem(&p, 1, "double_nat"));
}

static void test_double_nat(void)
{
    static const struct {
        uint8_t gateway[4];
        bool trusted;
        int levels;
    } cases[] = {
        {{203, 0, 113, 9}, true, 1},  /* what STUN sees */
        {{203, 0, 113, 8}, false, 2}, /* another one */
        {{192, 168, 0, 2}, false, 2}, /* private */
        {{100, 64, 3, 3}, false, 2},  /* a carrier's */
        {{0, 0, 0, 0}, false, 2},     /* miniupnpd without an address */
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const uint8_t *g = cases[i].gateway;
        struct nat_profile p;
        profile_init(&p, at(0), PATH_UNKNOWN, none);
        profile_set_local(&p, at(0), ip(10, 0, 0, 7));
        struct discovery_result r =
            found(ip(203, 0, 113, 9), NAT_MAPPING_ADDRESS_PORT, NAT_FILTERING_ADDRESS_PORT);
        r.behaviour.scope = NAT_SCOPE_MAPPING;
        profile_tell_behaviour(&p, at(10), &r);
        CHECK_INT(profile_levels(&p), 1);
        CHECK(has_problem(&p, 10, "needs_relay"));
        struct gateway_status status = {.speech = GATEWAY_PCP,
                                        .external = ip(g[0], g[1], g[2], g[3])};
        profile_tell_gateway(&p, at(20), &status);
        CHECK_INT(profile_trusts_gateway(&p), cases[i].trusted);
        CHECK_INT(profile_levels(&p), cases[i].levels);
        CHECK_INT(has_problem(&p, 20, "double_nat"), !cases[i].trusted);
        CHECK_INT(code_of(&p, 20, true, true) == PATH_MAPPED, cases[i].trusted);
        CHECK_INT(has_problem(&p, 20, "needs_relay"), !cases[i].trusted);
        p.relay_udp = true;
        CHECK(!has_problem(&p, 20, "needs_relay"));
    }
}

/* Nobody could send to what a gateway or a server says: it is none, and the next source counts. */
static void test_lies_about_our_address(void)
{
    const struct addr lies[] = {ip(0, 0, 0, 0), ip(127, 0, 0, 1), ip(224, 0, 0, 1),
                                ip(255, 255, 255, 255)};
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        struct nat_profile p;
        enum profile_source source;
        profile_init(&p, at(0), PATH_UNKNOWN, none);
        profile_set_local(&p, at(0), ip(10, 0, 0, 7));
        (void)profile_tell(&p, at(1), PROFILE_GATEWAY, lies[i]);
        (void)profile_tell(&p, at(1), PROFILE_STUN, lies[i]);
        struct addr external = profile_external(&p, &source);
        CHECK(!addr_is_set(&external));
        (void)profile_tell(&p, at(2), PROFILE_SERVICE, ip(203, 0, 113, 9));
        external = profile_external(&p, &source);
        CHECK_INT(source, PROFILE_SERVICE);
    }
}

static void test_the_shortest_lifetime_counts(void)
{
    struct nat_profile p;
    profile_init(&p, at(0), PATH_UNKNOWN, none);
    profile_set_local(&p, at(0), ip(10, 0, 0, 7));
    struct discovery_result r =
        found(ip(203, 0, 113, 9), NAT_MAPPING_INDEPENDENT, NAT_FILTERING_ADDRESS);
    r.behaviour.lifetime_s = 60;
    r.behaviour.lifetime_most_s = 64;
    r.behaviour.refresh = NAT_REFRESH_OUTBOUND;
    profile_tell_behaviour(&p, at(1), &r);
    r.behaviour.lifetime_s = 120;
    r.behaviour.lifetime_most_s = 125;
    r.behaviour.refresh = NAT_REFRESH_UNKNOWN;
    profile_tell_behaviour(&p, at(2), &r);
    CHECK_INT(p.behaviour.lifetime_s, 60);
    CHECK_INT(p.behaviour.refresh, NAT_REFRESH_OUTBOUND);
    r.behaviour.lifetime_s = 30;
    r.behaviour.lifetime_most_s = 33;
    profile_tell_behaviour(&p, at(3), &r);
    CHECK_INT(p.behaviour.lifetime_s, 30);
    /* In the midst of a run the lifetime is not known: the older word stands. */
    r.behaviour.lifetime_s = r.behaviour.lifetime_most_s = 0;
    profile_tell_behaviour(&p, at(4), &r);
    CHECK_INT(p.behaviour.lifetime_s, 30);
    CHECK_INT(p.behaviour.lifetime_most_s, 33);
    /* What calls have shown stands beside it, whatever tests find. */
    CHECK(!profile_tell_forgotten(&p, 9)); /* one stream: who knows what that was */
    CHECK(!profile_tell_forgotten(&p, 12) && !profile_tell_forgotten(&p, 17));
    CHECK_INT(p.behaviour.forgotten_s, 0);
    CHECK(!profile_tell_forgotten(&p, 10) && profile_tell_forgotten(&p, 12));
    CHECK(!profile_tell_forgotten(&p, 12)); /* no news */
    profile_tell_behaviour(&p, at(4), &r);
    CHECK_INT(p.behaviour.forgotten_s, 12);
    CHECK_INT(p.behaviour.lifetime_s, 30);
    profile_set_local(&p, at(5), ip(10, 0, 0, 8));
    profile_tell_behaviour(&p, at(6), &r);
    CHECK_INT(p.behaviour.lifetime_s, 0);
    CHECK_INT(p.behaviour.forgotten_s, 0);
    CHECK(!profile_tell_forgotten(&p, 12)); /* that was the network before */
}

static void test_open_machines(void)
{
    struct nat_profile p;
    profile_init(&p, at(0), PATH_UNKNOWN, none);
    profile_set_local(&p, at(0), ip(203, 0, 113, 40));
    struct discovery_result r =
        found(ip(203, 0, 113, 40), NAT_MAPPING_NONE, NAT_FILTERING_INDEPENDENT);
    profile_tell_behaviour(&p, at(1), &r);
    CHECK_INT(code_of(&p, 1, true, false), PATH_DIRECT);
    CHECK(profile_us(&p, at(1), true, false).is_open);
    CHECK_INT(profile_levels(&p), 0);
    r.behaviour.filtering =
        NAT_FILTERING_ADDRESS_PORT; /* a firewall: not open, but its own address */
    profile_tell_behaviour(&p, at(2), &r);
    CHECK(!profile_us(&p, at(2), true, false).is_open);
    CHECK_INT(code_of(&p, 2, true, false), PATH_DIRECT);
}

/* A public address that is our own needs no knowledge of filters: it is what the SRC is told, and a
 * firewall that may stand before it is punched through (D6+H of the tables). */
static void test_nothing_is_translated(void)
{
    struct path_src src = {.offered = addr_v4(192, 0, 2, 10, 4000),
                           .signalled = addr_v4(192, 0, 2, 10, 5060)};
    struct nat_profile p;
    profile_init(&p, at(0), PATH_UNKNOWN, none);
    profile_set_local(&p, at(0), ip(198, 51, 100, 7));
    profile_settle(&p, at(10)); /* nobody was asked */
    struct path_us us = profile_us(&p, at(10), false, false);
    struct path_choice c = path_choose(&us, &src, 0);
    CHECK_INT(c.code, PATH_DIRECT);
    CHECK(c.punches && c.to_port);
    /* A classic server says that it is our own address; of the filter it cannot tell. */
    struct discovery_result own =
        found(ip(198, 51, 100, 7), NAT_MAPPING_NONE, NAT_FILTERING_UNKNOWN);
    profile_tell(&p, at(20), PROFILE_STUN, ip(198, 51, 100, 7));
    profile_tell_behaviour(&p, at(20), &own);
    CHECK_INT(code_of(&p, 20, false, false), PATH_DIRECT);
    /* Nor does it matter that the SRC's own address is not known: the address is right, and it may
     * well be open. The relay, if there is one, is the ladder's. */
    src.offered = addr_v4(192, 168, 1, 7, 4000);
    us = profile_us(&p, at(20), false, false);
    us.relay_udp = true;
    c = path_choose(&us, &src, 0);
    CHECK_INT(c.code, PATH_DIRECT);
    CHECK(c.punches && c.relay_stands_by && c.latches);
    CHECK_INT(path_choose(&us, &src, 1u << PATH_DIRECT).code, PATH_RELAY);
    /* But not where somebody sees us under another one. */
    profile_init(&p, at(0), PATH_UNKNOWN, none);
    profile_set_local(&p, at(0), ip(198, 51, 100, 7));
    profile_tell(&p, at(20), PROFILE_SERVICE, ip(203, 0, 113, 9));
    profile_settle(&p, at(30));
    CHECK_INT(code_of(&p, 30, false, false), PATH_BEST_EFFORT);
}

/* What the newer problems are: nobody tells an address, and those who do tell different ones. */
static void test_outside_problems(void)
{
    struct nat_profile p;
    struct profile_problem problem;
    profile_init(&p, at(0), PATH_UNKNOWN, (struct addr){0});
    p.is_asked = true;
    (void)profile_set_local(&p, at(0), ip(192, 168, 1, 5));
    CHECK(!profile_problem(&p, at(0), 0, &problem)); /* still being found out */
    profile_settle(&p, at(10));
    CHECK_INT(profile_state(&p, at(10)), PROFILE_KNOWN);
    CHECK(profile_problem(&p, at(10), 0, &problem));
    CHECK_TEXT(problem.code, "external_unknown");
    (void)profile_tell(&p, at(20), PROFILE_STUN, ip(203, 0, 113, 5));
    CHECK(!profile_problem(&p, at(20), 0, &problem));
    (void)profile_tell(&p, at(20), PROFILE_SERVICE, ip(203, 0, 113, 6));
    CHECK(profile_problem(&p, at(20), 0, &problem));
    CHECK_TEXT(problem.code, "sources_differ");
    (void)profile_tell(&p, at(20), PROFILE_SERVICE, ip(203, 0, 113, 5));
    CHECK_INT(profile_levels(&p), 1);
    p.gateway_is_inside = true;
    CHECK_INT(profile_levels(&p), 2);
    CHECK(profile_problem(&p, at(20), 0, &problem));
    CHECK_TEXT(problem.code, "double_nat");
    /* who asks nobody is told nothing */
    profile_init(&p, at(0), PATH_UNKNOWN, (struct addr){0});
    (void)profile_set_local(&p, at(0), ip(192, 168, 1, 5));
    profile_settle(&p, at(0));
    CHECK(!profile_problem(&p, at(0), 0, &problem));
}

int main(void)
{
    RUN(test_what_the_settings_mean);
    RUN(test_settling);
    RUN(test_a_new_lease_is_a_change);
    RUN(test_pinhole);
    RUN(test_double_nat);
    RUN(test_lies_about_our_address);
    RUN(test_the_shortest_lifetime_counts);
    RUN(test_open_machines);
    RUN(test_nothing_is_translated);
    RUN(test_outside_problems);
    return tap_done();
}
