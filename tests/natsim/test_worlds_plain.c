/* Random worlds: networks of every kind rolled for an SRS and an SRC without ICE, two calls each, and
 * what comes out held against the oracle: media arrives where it can, and never where it cannot; in
 * the first call by what its INVITE tells or by the ladder, in the second by the best that is known.
 * Use: natsim_worlds_plain [COUNT [SEED]]. Without arguments TAP for make check; make sim plays on.
 * RFC 4787, 8656; nat.md 4.7 rules 1, 2 and 9. */
#include "natsim/oracle_plain.h"
#include "natsim/plainplay.h"
#include "natsim/seeds.h"

#include "tap.h"

enum { WORLDS_IN_CHECK = 12000, LATE_MS = 3000, PACKET_MS = 40, UNASKED = 20 };

static struct plainplay play;
/* Worlds; those without luck; those where a call before adds a path. */
static struct {
    unsigned worlds, sure, taught;
} counts;

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

static struct plainplay_options roll(struct rng *rng)
{
    bool v6 = rng_below(rng, 10) == 0;
    struct plainplay_options o = {.us = roll_network(rng, v6),
                                  .them = roll_network(rng, v6),
                                  .latches = rng_below(rng, 4) == 0,
                                  .unlisted = rng_below(rng, 4) == 0,
                                  .speech = (enum maphost_speech)rng_below(rng, 2),
                                  .packet_ms = PACKET_MS};
    if (rng_below(rng, 2))
        o.them = (struct network){.v6 = v6};
    if (o.them.levels == 0)
        o.source = (enum plainsrc_source)rng_below(rng, PLAINSRC_ANYWHERE + 1);
    o.latches &= o.source == PLAINSRC_SYMMETRIC; /* class B6 */
    o.no_turn = !o.us.has_turn;
    return o;
}

/* What was rolled later than the rest, by chance of its own: a seed's world has been the same ever
 * since, but for these. */
static void roll_more(uint64_t seed, struct plainplay_options *o)
{
    struct rng rng;
    rng_init_number(&rng, ~seed);
    o->is_closed = !o->latches && rng_below(&rng, 4) == 0;
    o->inactive_first = rng_below(&rng, 4) == 0;
    for (size_t i = 0; i < NETWORK_LEVELS; i++)
        o->us.boxes[i].step = o->them.boxes[i].step = (uint16_t)rng_below(&rng, 5);
}

static void roll_links(struct rng *rng)
{
    struct natsim_link *link = &play.sim.link;
    link->loss = rng_below(rng, 2) ? 0.004 : 0;
    link->repeat = rng_below(rng, 2) ? 0.02 : 0;
    link->reorder = rng_below(rng, 2) ? 0.02 : 0;
}

/* The oracle's words for an answer. 0: nothing is known to work. */
static unsigned kinds_of(enum path_code code)
{
    switch (code) {
    case PATH_DIRECT: /* through a firewall's filter it is as STUN's */
        return ORACLE_PLAIN_OPEN | ORACLE_PLAIN_STUN;
    case PATH_MAPPED:
        return ORACLE_PLAIN_OPEN;
    case PATH_STUN:
        return ORACLE_PLAIN_STUN;
    case PATH_REVERSE:
        return ORACLE_PLAIN_REVERSE;
    case PATH_RELAY:
    case PATH_RELAY_STREAM:
        return ORACLE_PLAIN_RELAY;
    case PATH_EDGE:
    case PATH_BEST_EFFORT:
    case PATH_CODES:
        break;
    }
    return 0;
}

/* How packets came in the end. */
static unsigned arrival(const struct plainplay_measure *m)
{
    unsigned kinds = kinds_of(m->took);
    if (m->relayed)
        return ORACLE_PLAIN_RELAY;
    if (kinds == ORACLE_PLAIN_RELAY || kinds == 0) /* at our own socket all the same */
        kinds = ORACLE_PLAIN_STUN;
    return kinds | (m->followed ? ORACLE_PLAIN_REVERSE : 0u);
}

/* Behind a 1:1 NAT a relayed call shows the port, and the next one may show that it follows: not where
 * what comes to it by the relay comes last. A packet by itself could lead one astray whose NAT keeps
 * the port for one of us alone. */
static bool may_stay_hidden(const struct oracle_plain_world *w, unsigned known)
{
    return w->them->way_in == NETWORK_WHOLE_ADDRESS && (known & ORACLE_PLAIN_RELAY) &&
           (known & ORACLE_PLAIN_REVERSE);
}

/* Of a world without luck: by which paths it came. */
static const char *judge_paths(const struct oracle_plain_world *w, unsigned unknown, unsigned known,
                               const struct plainplay_measure m[2])
{
    unsigned better = ORACLE_PLAIN_OPEN | ORACLE_PLAIN_STUN;
    better |= may_stay_hidden(w, known) ? 0u : (unsigned)ORACLE_PLAIN_REVERSE;
    bool climbed = m[0].took != m[0].answered || m[0].followed || !kinds_of(m[0].answered);
    unsigned answered = kinds_of(m[1].answered);
    if (m[0].came && !(arrival(&m[0]) & (climbed ? known : unknown)))
        return "came in the first call by a path that was not to be had";
    if (m[1].came && !(arrival(&m[1]) & known))
        return "came in the second call by a path that was not to be had";
    if ((known & better) && !(answered & better))
        return "relay or nothing in the second answer, where better is to be had";
    if (known && !(answered & known))
        return "the second answer's path is not to be had";
    return NULL;
}

/* What is wrong; NULL: nothing. */
static const char *judge(const struct oracle_plain_world *w, const struct plainplay_measure m[2])
{
    unsigned unknown = oracle_plain_unknown(w), known = oracle_plain_known(w);
    for (int i = 0; i < 2; i++) {
        if (m[i].unasked > UNASKED)
            return "more packets unasked than promised";
        if (!known && m[i].came)
            return "came where nothing can";
        if (!m[i].came && !m[i].unreachable)
            return "did not come, and was not told to be unreachable";
    }
    if (unknown & ~known)
        return "the oracle knows less of whom it knows";
    /* What has to be guessed yet is the ladder's. */
    if ((known & ~(unsigned)ORACLE_PLAIN_CHANCE) && !m[0].came)
        return "did not come in the first call";
    if ((known & ~(unsigned)ORACLE_PLAIN_CHANCE) && (!m[1].came || m[1].first_ms > LATE_MS))
        return "did not come in the second call within 3 s";
    counts.worlds++;
    counts.sure += !(known & ORACLE_PLAIN_CHANCE);
    counts.taught += known != unknown;
    return known & ORACLE_PLAIN_CHANCE ? NULL : judge_paths(w, unknown, known, m);
}

static bool play_rolled(uint64_t seed, bool with_more)
{
    struct rng rng;
    char ours[160], theirs[160];
    static char stories[2][8192];
    struct view story[2];
    struct plainplay_measure m[2];
    rng_init_number(&rng, seed);
    struct plainplay_options o = roll(&rng);
    if (with_more)
        roll_more(seed, &o);
    const struct oracle_plain_world world = {&o.us, &o.them, o.source, o.latches, !o.unlisted};
    plainplay_begin(&play, seed, &o);
    roll_links(&rng);
    plainplay_learn(&play);
    for (int i = 0; i < 2; i++) {
        m[i] = plainplay_call(&play);
        story[i] = plainside_story(&play.srs, stories[i], sizeof stories[i]);
    }
    const char *wrong = judge(&world, m);
    if (play.is_busy)
        wrong = "busy loop";
    if (play.srs.unauthorised)
        wrong = "sent to a stranger";
    if (wrong) {
        network_print(&o.us, ours, sizeof ours);
        network_print(&o.them, theirs, sizeof theirs);
        printf("# SEED=%" PRIu64
               ": %s: %s (%d ms), %s (%d ms), class %s; may be 0x%x, then 0x%x; %s x %s, "
               "source %d%s%s%s%s\n",
               seed, wrong, m[0].path, (int)m[0].first_ms, m[1].path, (int)m[1].first_ms,
               m[1].class, oracle_plain_unknown(&world), oracle_plain_known(&world), ours, theirs,
               o.source, o.latches ? " latches" : "", o.unlisted ? " unlisted" : "",
               o.is_closed ? " closed" : "", o.inactive_first ? " inactive first" : "");
        for (int i = 0; i < 2; i++)
            printf("# call %d: " VIEW_FMT "\n", i + 1, VIEW_ARG(story[i]));
    }
    plainplay_finish(&play);
    return !wrong;
}

static bool play_world(uint64_t seed)
{
    return play_rolled(seed, true);
}

static void test_random_worlds(void)
{
    for (uint64_t seed = 1; seed <= WORLDS_IN_CHECK; seed++)
        CHECK(play_world(seed));
    CHECK(counts.taught > 0);
    printf("# seeds 1 to %d: %u without luck, in %u a call before adds a path\n", WORLDS_IN_CHECK,
           counts.sure, counts.taught);
}

/* Found by playing on and on; each for a cause of its own. */
static void test_found_worlds(void)
{
    static const uint64_t seeds[] = {
        20261147376, /* of eight punches the one to the address that sends is lost */
        20261154846, /* the packet to be followed is lost, or what comes by the relay comes later */
        20261236635, /* the gateway's answer is lost */
    };
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++)
        CHECK(play_rolled(seeds[i], false));
}

/* What a call before adds, and what it cannot: by hand, from RFC 4787 §4.1, §4.2.1 and §5. */
static void test_knowledge(void)
{
    static const struct {
        enum natbox_dependence filter, mapping; /* our filter, behind one mapping; the SRC's NAT */
        enum natbox_ports ports;
        bool translated, latches;
        unsigned unknown, known;
    } rows[] = {
        {NATBOX_ADDRESS_PORT, NATBOX_INDEPENDENT, NATBOX_KEPT, true, false, ORACLE_PLAIN_RELAY,
         ORACLE_PLAIN_RELAY | ORACLE_PLAIN_STUN},
        {NATBOX_ADDRESS_PORT, NATBOX_INDEPENDENT, NATBOX_RANDOM, true, false, ORACLE_PLAIN_RELAY,
         ORACLE_PLAIN_RELAY},
        {NATBOX_ADDRESS_PORT, NATBOX_ADDRESS_PORT, NATBOX_RANDOM, true, false, ORACLE_PLAIN_RELAY,
         ORACLE_PLAIN_RELAY},
        {NATBOX_ADDRESS, NATBOX_ADDRESS_PORT, NATBOX_RANDOM, true, false,
         ORACLE_PLAIN_RELAY | ORACLE_PLAIN_STUN, ORACLE_PLAIN_RELAY | ORACLE_PLAIN_STUN},
        {NATBOX_ADDRESS_PORT, NATBOX_INDEPENDENT, NATBOX_KEPT, false, true,
         ORACLE_PLAIN_RELAY | ORACLE_PLAIN_STUN,
         ORACLE_PLAIN_RELAY | ORACLE_PLAIN_STUN | ORACLE_PLAIN_REVERSE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct network us = {
            .levels = 1, .has_turn = true, .boxes[0] = {.filtering = rows[i].filter}};
        const struct network them = {
            .levels = rows[i].translated,
            .boxes[0] = {.mapping = rows[i].mapping, .ports = rows[i].ports}};
        const struct oracle_plain_world w = {&us, &them, PLAINSRC_SYMMETRIC, rows[i].latches, true};
        CHECK(oracle_plain_unknown(&w) == rows[i].unknown);
        CHECK(oracle_plain_known(&w) == rows[i].known);
    }
}

int main(int argc, char **argv)
{
    if (argc > 1) {
        bool good = seeds_play(argv, play_world, "worlds without ICE as the oracle says");
        printf("%u without luck, %u with more to learn\n", counts.sure, counts.taught);
        return good ? EXIT_SUCCESS : EXIT_FAILURE;
    }
    RUN(test_knowledge);
    RUN(test_random_worlds);
    RUN(test_found_worlds);
    return tap_done();
}
