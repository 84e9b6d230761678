/* Random worlds: networks of every kind rolled for an SRS and an SRC without ICE, two calls each, and
 * what comes out held against the oracle: by the second call media arrives where it can, and never
 * where it cannot; where nothing has to be learned for it, in the first.
 * Use: natsim_worlds_plain [COUNT [SEED]]. Without arguments TAP for make check; make sim plays on.
 * RFC 4787, 8656; nat.md 4.7 rules 1, 2 and 9. */
#include "natsim/oracle_plain.h"
#include "natsim/plainplay.h"

#include "tap.h"

enum { WORLDS_IN_CHECK = 12000, LATE_MS = 3000, PACKET_MS = 40, UNASKED = 20 };

static struct plainplay play;

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

static void roll_links(struct rng *rng)
{
    struct natsim_link *link = &play.sim.link;
    link->loss = rng_below(rng, 2) ? 0.004 : 0;
    link->repeat = rng_below(rng, 2) ? 0.02 : 0;
    link->reorder = rng_below(rng, 2) ? 0.02 : 0;
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
    if ((unknown & ~(unsigned)ORACLE_PLAIN_CHANCE) && !m[0].came)
        return "did not come in the first call";
    if ((known & ~(unsigned)ORACLE_PLAIN_CHANCE) && (!m[1].came || m[1].first_ms > LATE_MS))
        return "did not come in the second call within 3 s";
    return NULL;
}

static bool play_world(uint64_t seed)
{
    struct rng rng;
    char ours[160], theirs[160];
    static char stories[2][8192];
    struct view story[2];
    struct plainplay_measure m[2];
    rng_init_number(&rng, seed);
    struct plainplay_options o = roll(&rng);
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
        printf("# SEED=%" PRIu64 ": %s: %s (%d ms), %s (%d ms), class %s; may be 0x%x; %s x %s, "
               "source %d%s%s\n",
               seed, wrong, m[0].path, (int)m[0].first_ms, m[1].path, (int)m[1].first_ms,
               m[1].class, oracle_plain_unknown(&world), ours, theirs, o.source,
               o.latches ? " latches" : "", o.unlisted ? " unlisted" : "");
        for (int i = 0; i < 2; i++)
            printf("# call %d: " VIEW_FMT "\n", i + 1, VIEW_ARG(story[i]));
    }
    plainplay_finish(&play);
    return !wrong;
}

static void test_random_worlds(void)
{
    for (uint64_t seed = 1; seed <= WORLDS_IN_CHECK; seed++)
        CHECK(play_world(seed));
    printf("# seeds 1 to %d\n", WORLDS_IN_CHECK);
}

static int play_on(uint64_t count, uint64_t seed)
{
    uint64_t first = seed;
    for (; seed < first + count; seed++) {
        if (!play_world(seed))
            return EXIT_FAILURE;
    }
    printf("%" PRIu64 " worlds without ICE as the oracle says, from seed %" PRIu64 "\n", count,
           first);
    return EXIT_SUCCESS;
}

int main(int argc, char **argv)
{
    if (argc > 1)
        return play_on(strtoull(argv[1], NULL, 10), argc > 2 ? strtoull(argv[2], NULL, 10) : 1);
    RUN(test_random_worlds);
    return tap_done();
}
