/* Random worlds: networks of every kind rolled for both sides of a call with ICE, and what comes out
 * held against the oracle: a direct path within 10 s of the answer where there can be one, a relay
 * only where there is none, nothing where nothing can be.
 * Use: natsim_worlds [COUNT [SEED]]. Without arguments TAP for make check; make sim plays on.
 * RFC 8445, 8656; doc/nat.md 5, rule 3. */
#include "natsim/iceplay.h"
#include "natsim/oracle.h"

#include "tap.h"

enum { WORLDS_IN_CHECK = 12000, DIRECT_MS = 10000 };

static struct iceplay play;

static struct network roll_network(struct rng *rng, bool v6)
{
    struct network n;
    network_roll(&n, rng);
    for (size_t i = 0; i < n.levels && v6; i++)
        n.boxes[i].firewall = true;
    n.v6 = v6;
    if (v6 && n.way_in == NETWORK_WHOLE_ADDRESS)
        n.way_in = NETWORK_GATEWAY; /* pinholes */
    return n;
}

static void roll_links(struct rng *rng)
{
    struct natsim_link *link = &play.sim.link;
    link->loss = rng_below(rng, 2) ? 0.004 : 0;
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

/* True when what was found is what the oracle allows. */
static bool is_right(const struct network networks[2], unsigned found)
{
    unsigned direct = oracle_direct_ice(&networks[0], &networks[1]);
    unsigned relayed = oracle_relayed_ice(&networks[0], &networks[1]);
    if (direct & ORACLE_CHANCE)
        return found || !(relayed & ORACLE_BOTH);
    if (direct)
        return direct & found;
    return relayed ? relayed & found : found == 0;
}

static bool play_world(uint64_t seed)
{
    struct rng rng;
    struct network networks[2];
    char ours[160], theirs[160];
    rng_init_number(&rng, seed);
    bool v6 = rng_below(&rng, 10) == 0;
    for (int i = 0; i < 2; i++)
        networks[i] = roll_network(&rng, v6);
    bool tcp = networks[0].speaks_tcp || networks[1].speaks_tcp;
    iceplay_begin(&play, seed, networks, (uint8_t)(tcp ? 1 : 1 + rng_below(&rng, 2)));
    roll_links(&rng);
    iceplay_call(&play);
    iceplay_settle(&play, DIRECT_MS);
    struct iceplay_measure m = iceplay_measure(&play);
    const struct iceside *us = &play.sides[ICEPLAY_US];
    unsigned found = m.came ? kind_of(m.path) : 0;
    bool good = is_right(networks, found) && !play.is_busy && us->unauthorised == 0;
    if (!good) {
        network_print(&networks[0], ours, sizeof ours);
        network_print(&networks[1], theirs, sizeof theirs);
        printf("# SEED=%" PRIu64 ": %s%s; may be 0x%x, else 0x%x; %s x %s, %d components%s%s\n",
               seed, m.path, m.came ? "" : " (nothing came)",
               oracle_direct_ice(&networks[0], &networks[1]),
               oracle_relayed_ice(&networks[0], &networks[1]), ours, theirs, us->options.components,
               play.is_busy ? "; busy loop" : "", us->unauthorised ? "; sent to a stranger" : "");
    }
    iceplay_finish(&play);
    return good;
}

static void test_random_worlds(void)
{
    for (uint64_t seed = 1; seed <= WORLDS_IN_CHECK; seed++)
        CHECK(play_world(seed));
    printf("# seeds 1 to %d\n", WORLDS_IN_CHECK);
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

static int play_on(uint64_t count, uint64_t seed)
{
    uint64_t first = seed;
    for (; seed < first + count; seed++) {
        if (!play_world(seed))
            return EXIT_FAILURE;
    }
    printf("%" PRIu64 " worlds with ICE as the oracle says, from seed %" PRIu64 "\n", count, first);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return play_on(strtoull(argv[1], NULL, 10), argc > 2 ? strtoull(argv[2], NULL, 10) : 1);
    RUN(test_oracle_is_rule_3);
    RUN(test_random_worlds);
    return tap_done();
}
