/* Random worlds: networks of every kind rolled for both sides of a call with ICE, and what comes out
 * held against the oracle: a direct path within 10 s of the answer where there can be one, a relay
 * only where there is none, nothing where nothing can be; of two families the right one; and a relay
 * that was chosen because packets were lost is left.
 * Use: natsim_worlds [COUNT [SEED]]. Without arguments TAP for make check; make sim plays on.
 * RFC 8445, 8421, 8656; doc/nat.md 5, rule 3. */
#include "natsim/iceplay.h"
#include "natsim/oracle.h"
#include "natsim/seeds.h"

#include "tap.h"

enum {
    WORLDS_IN_CHECK = 12000,
    DIRECT_MS = 10000,
    CLIMBS_IN_CHECK = 1500,
    HEAVY_MS = 2500, /* as long as direct paths have their chance before a relay */
    CLIMB_MS = 30000,
};

static struct iceplay play;
/* Worlds; of those: of both families on a side, with IPv6 in order, that climbed from a relay. */
static struct {
    unsigned worlds, dual, ordered, climbed;
} counts;

/* A side's lines: one of a family, or one of each; the IPv4 one first. */
struct lines {
    struct network of[2];
    size_t count;
};

/* IPv6 has firewalls, and seldom NATs. */
static struct network roll_network(struct rng *rng, bool v6, bool nats)
{
    struct network n;
    network_roll(&n, rng);
    for (size_t i = 0; i < n.levels && v6; i++)
        n.boxes[i].firewall = !nats || rng_below(rng, 4) > 0;
    n.v6 = v6;
    if (v6 && n.way_in == NETWORK_WHOLE_ADDRESS && n.boxes[0].firewall)
        n.way_in = NETWORK_GATEWAY; /* pinholes */
    return n;
}

/* What a host has it has on all of its lines. */
static struct lines roll_lines(struct rng *rng)
{
    uint32_t families = rng_below(rng, 6); /* IPv4, IPv6, else both */
    struct lines l = {.of = {roll_network(rng, families == 1, true)}, .count = 1};
    if (families < 2)
        return l;
    l.of[1] = roll_network(rng, true, true);
    l.of[1].has_turn = l.of[0].has_turn;
    l.of[1].speaks_tcp = l.of[0].speaks_tcp;
    l.of[1].tcp_port = l.of[0].tcp_port;
    l.count = 2;
    return l;
}

/* Half of the worlds are of one family, the same on both sides. */
static bool roll(struct rng *rng, struct lines sides[2])
{
    bool v6 = rng_below(rng, 10) == 0, is_dual = rng_below(rng, 2);
    for (int i = 0; i < 2; i++)
        sides[i] = is_dual ? roll_lines(rng)
                           : (struct lines){.of = {roll_network(rng, v6, false)}, .count = 1};
    return is_dual;
}

static void roll_links(struct rng *rng)
{
    struct natsim_link *link = &play.sim.link;
    link->loss = rng_below(rng, 2) ? 0.001 * rng_below(rng, 51) : 0;
    link->repeat = rng_below(rng, 2) ? 0.02 : 0;
    link->reorder = rng_below(rng, 2) ? 0.02 : 0;
    link->mtu = rng_below(rng, 4) ? 0 : 1252;
}

static unsigned kind_of(const char *path)
{
    if (strcmp(path, "none") == 0)
        return 0;
    if (path[0] == 'T')
        return ORACLE_TCP;
    if (strncmp(path, "Rb", 2) == 0)
        return ORACLE_BOTH;
    if (path[0] == 'R')
        return ORACLE_OURS;
    return strstr(path, "Rs") ? ORACLE_THEIRS : ORACLE_DIRECT;
}

/* By whatever family they have in common; a relay speaks both. */
static unsigned direct_of(const struct lines sides[2])
{
    unsigned sure = 0, all = 0;
    for (size_t a = 0; a < sides[0].count; a++) {
        for (size_t b = 0; b < sides[1].count; b++) {
            if (sides[0].of[a].v6 != sides[1].of[b].v6)
                continue;
            unsigned set = oracle_direct_ice(&sides[0].of[a], &sides[1].of[b]);
            all |= set;
            sure |= set & ORACLE_CHANCE ? set & ORACLE_TCP : set;
        }
    }
    return sure ? (sure | all) & ~(unsigned)ORACLE_CHANCE : all;
}

static unsigned relayed_of(const struct lines sides[2])
{
    unsigned set = 0;
    for (size_t a = 0; a < sides[0].count; a++) {
        for (size_t b = 0; b < sides[1].count; b++)
            set |= oracle_relayed_ice(&sides[0].of[a], &sides[1].of[b]);
    }
    return set;
}

/* True when what was found is what the oracle allows. */
static bool is_right(const struct lines sides[2], unsigned found)
{
    unsigned direct = direct_of(sides), relayed = relayed_of(sides);
    if (direct & ORACLE_CHANCE)
        return found || !(relayed & ORACLE_BOTH);
    if (direct)
        return direct & found;
    return relayed ? relayed & found : found == 0;
}

/* RFC 8421 §4: IPv6 is it where nothing translates it, and nothing is lost that would show it. */
static bool is_in_order(const struct lines sides[2], const char *path)
{
    if (sides[0].count < 2 || sides[1].count < 2 || play.sim.link.loss > 0 ||
        !(oracle_direct_ice(&sides[0].of[1], &sides[1].of[1]) & ORACLE_DIRECT))
        return true;
    for (int i = 0; i < 2; i++) {
        for (size_t k = 0; k < sides[i].of[1].levels; k++) {
            if (!sides[i].of[1].boxes[k].firewall)
                return true;
        }
    }
    counts.ordered++;
    return strcmp(path, "D6-D6") == 0;
}

static void print_sides(const struct lines sides[2])
{
    for (int i = 0; i < 2; i++) {
        for (size_t l = 0; l < sides[i].count; l++) {
            char text[160];
            network_print(&sides[i].of[l], text, sizeof text);
            printf("#   %s: %s\n", i ? "them" : "us", text);
        }
    }
}

static void begin(struct rng *rng, uint64_t seed, const struct lines sides[2], bool is_dual)
{
    const struct network first[] = {sides[0].of[0], sides[1].of[0]};
    const struct network *others[2];
    bool tcp = first[0].speaks_tcp || first[1].speaks_tcp;
    for (int i = 0; i < 2; i++)
        others[i] = sides[i].count > 1 ? &sides[i].of[1] : NULL;
    uint8_t components = (uint8_t)(tcp ? 1 : 1 + rng_below(rng, 2));
    iceplay_begin_dual(&play, seed, first, is_dual ? others : NULL, components);
    roll_links(rng);
}

static bool play_world(uint64_t seed)
{
    struct rng rng;
    struct lines sides[2];
    rng_init_number(&rng, seed);
    bool is_dual = roll(&rng, sides);
    begin(&rng, seed, sides, is_dual);
    iceplay_call(&play);
    iceplay_settle(&play, DIRECT_MS);
    struct iceplay_measure m = iceplay_measure(&play);
    const struct iceside *us = &play.sides[ICEPLAY_US];
    unsigned found = m.came ? kind_of(m.path) : 0;
    counts.worlds++;
    counts.dual += sides[0].count > 1 || sides[1].count > 1;
    if (!is_right(sides, found)) {
        counts.climbed += m.came;
        iceplay_climb(&play, DIRECT_MS);
        m = iceplay_measure(&play);
        found = m.came ? kind_of(m.path) : 0;
    }
    bool good = is_right(sides, found) && is_in_order(sides, m.path) && !play.is_busy &&
                us->unauthorised == 0;
    if (!good) {
        printf("# SEED=%" PRIu64 ": %s%s; may be 0x%x, else 0x%x; %d components, loss %g%s%s\n",
               seed, m.path, m.came ? "" : " (nothing came)", direct_of(sides), relayed_of(sides),
               us->options.components, play.sim.link.loss, play.is_busy ? "; busy loop" : "",
               us->unauthorised ? "; sent to a stranger" : "");
        print_sides(sides);
    }
    iceplay_finish(&play);
    return good;
}

static void test_random_worlds(void)
{
    for (uint64_t seed = 1; seed <= WORLDS_IN_CHECK; seed++)
        CHECK(play_world(seed));
    CHECK(counts.dual > 0 && counts.ordered > 0);
    printf("# seeds 1 to %d: %u of both families, in %u of them IPv6 has to be it\n",
           WORLDS_IN_CHECK, counts.dual, counts.ordered);
}

/* Nearly all is lost while the path is sought, so that it is a relay's where there is one; then a
 * little. What was to be had directly is had in the end. */
static bool play_climb(uint64_t seed)
{
    struct rng rng;
    struct lines sides[2];
    rng_init_number(&rng, seed);
    bool is_dual = roll(&rng, sides), good = true;
    unsigned direct = direct_of(sides);
    if (!(direct & ORACLE_DIRECT) || direct & ORACLE_CHANCE || !relayed_of(sides))
        return true;
    begin(&rng, seed, sides, is_dual);
    iceplay_call(&play);
    play.sim.link.loss = 0.35;
    iceplay_run(&play, HEAVY_MS);
    play.sim.link.loss = 0.02;
    iceplay_settle(&play, DIRECT_MS);
    struct iceplay_measure before = iceplay_measure(&play), m = before;
    if (before.came && !(direct & kind_of(before.path))) {
        iceplay_climb(&play, CLIMB_MS);
        m = iceplay_measure(&play);
        counts.climbed++;
        good = direct & kind_of(m.path);
    }
    if (!good || play.is_busy) {
        printf("# SEED=%" PRIu64 ": %s, then %s; may be 0x%x%s\n", seed, before.path, m.path,
               direct, play.is_busy ? "; busy loop" : "");
        print_sides(sides);
    }
    iceplay_finish(&play);
    return good && !play.is_busy;
}

static void test_relays_are_left(void)
{
    counts.climbed = 0;
    for (uint64_t seed = 1; seed <= CLIMBS_IN_CHECK; seed++)
        CHECK(play_climb(seed));
    CHECK(counts.climbed > 5);
    /* Found by playing on and on: restarts in which relays waited no longer than direct paths were
     * held back. */
    CHECK(play_climb(9124642));
    CHECK(play_climb(20261136156));
    /* A direct check came when one component had its relay and the other nothing yet. */
    CHECK(play_climb(20261627782));
    printf("# %u calls left a relay\n", counts.climbed);
}

/* ---- the oracle against doc/nat.md's rule 3, which was found in another model -------------------- */

static bool rule_3_reaches(const struct natbox_options *x, const struct natbox_options *y)
{
    return x->mapping == NATBOX_INDEPENDENT || y->filtering == NATBOX_INDEPENDENT ||
           (y->filtering == NATBOX_ADDRESS && !x->arbitrary);
}

static bool rule_3_is_stable(const struct natbox_options *x, const struct natbox_options *y)
{
    return x->mapping == NATBOX_INDEPENDENT ||
           (x->mapping == NATBOX_ADDRESS && (y->mapping == NATBOX_INDEPENDENT || !y->arbitrary));
}

static bool rule_3(const struct natbox_options *x, const struct natbox_options *y)
{
    bool depend = x->mapping != NATBOX_INDEPENDENT && y->mapping != NATBOX_INDEPENDENT;
    bool opens = x->filtering == NATBOX_INDEPENDENT || y->filtering == NATBOX_INDEPENDENT ||
                 x->scope == NATBOX_PER_ENDPOINT || y->scope == NATBOX_PER_ENDPOINT;
    return rule_3_reaches(x, y) && rule_3_reaches(y, x) &&
           (rule_3_is_stable(x, y) || rule_3_is_stable(y, x)) && (!depend || opens);
}

static struct network number(unsigned i)
{
    struct network n = {.levels = 1};
    n.boxes[0] = (struct natbox_options){.mapping = (enum natbox_dependence)(i % 3),
                                         .filtering = (enum natbox_dependence)(i / 3 % 3),
                                         .scope = (enum natbox_scope)(i / 9 % 2),
                                         .ports = NATBOX_RANDOM,
                                         .pool = 2000,
                                         .arbitrary = i / 18 % 2,
                                         .rotates = i / 18 % 2};
    return n;
}

static void test_oracle_is_rule_3(void)
{
    for (unsigned i = 0; i < 36 * 36; i++) {
        struct network a = number(i % 36), b = number(i / 36);
        if (!CHECK_INT(oracle_direct_ice(&a, &b), rule_3(&a.boxes[0], &b.boxes[0])))
            printf("# world %u\n", i);
    }
}

static bool play_both(uint64_t seed)
{
    return play_world(seed) && play_climb(seed);
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return seeds_play(argv, play_both, "worlds with ICE as the oracle says") ? EXIT_SUCCESS
                                                                                 : EXIT_FAILURE;
    RUN(test_oracle_is_rule_3);
    RUN(test_random_worlds);
    RUN(test_relays_are_left);
    return tap_done();
}
