/* matrix_plain: cells of tables B and B' played, three times each: the SRC's first call, of which
 * nothing is known; its next; and one after the SRC has become of another class than was learned.
 * Not here: the program (matrix.c).
 * RFC: none. */
#include "natsim/matrix.h"
#include "natsim/plainplay.h"

#include <stdio.h>
#include <string.h>

enum {
    LADDER_MS = 3000,
    CLASSES = 7,
    COLD_MS = 20,
    PACKET_MS = 20,
    SHIFT = 1000,
    OTHER_SHIFT = 1700
};

/* What an SRC may have been taken for; the last is B2 whose port offset is believed. */
static const char *const classes[CLASSES] = {"B1", "B2", "B3", "B4", "B5", "B6", "B2"};
enum { CLASS_B5 = 4, CLASS_B6 = 5, CLASS_SHIFTED = 6 };

/* ---- networks ------------------------------------------------------------------------------- */

/* No box of it keeps ports: else it would be the column 1:1. */
static void scramble(struct network *n)
{
    for (size_t i = 0; i < n->levels; i++) {
        if (n->boxes[i].ports == NATBOX_KEPT)
            n->boxes[i].ports = NATBOX_RANDOM;
    }
}

static bool make_natted_src(struct plainplay_options *o, const char *mapping, struct rng *rng)
{
    static const char *const filters[] = {"EIF", "ADF", "APDF"};
    char name[16];
    (void)snprintf(name, sizeof name, "%s+%s", mapping, filters[rng_below(rng, 3)]);
    bool good = network_make(&o->them, name, "", rng);
    scramble(&o->them);
    return good;
}

static bool make_cgn_src(struct plainplay_options *o, const char *words, struct rng *rng)
{
    const char *name = rng_below(rng, 2) ? "CGN eff. EIM" : "CGN eff. EDM";
    bool good = network_make(&o->them, name, words, rng);
    scramble(&o->them);
    return good;
}

static bool make_src(struct plainplay_options *o, const char *column, struct rng *rng)
{
    bool v6 = o->us.v6;
    o->source = PLAINSRC_SYMMETRIC;
    o->latches = strcmp(column, "B6") == 0;
    o->them = (struct network){.v6 = v6};
    if (strcmp(column, "B2") == 0)
        o->source = PLAINSRC_OTHER_PORT;
    else if (strcmp(column, "B3") == 0)
        o->source = PLAINSRC_FARM;
    else if (strcmp(column, "B5") == 0)
        o->source = PLAINSRC_ANYWHERE;
    else if (strcmp(column, "B4") == 0)
        return make_natted_src(o, rng_below(rng, 2) ? "EIM" : "EDM", rng);
    else if (strcmp(column, "EIM") == 0 || strcmp(column, "EDM") == 0)
        return make_natted_src(o, column, rng);
    else if (strcmp(column, "CGN paired") == 0)
        return make_cgn_src(o, "", rng);
    else if (strcmp(column, "CGN arbitrary") == 0)
        return make_cgn_src(o, "pool=arbitrary", rng);
    else if (strcmp(column, "1:1 NAT") == 0)
        return network_make(&o->them, "1:1", "", rng);
    else if (strcmp(column, "UDP blocked") == 0)
        return network_make(&o->them, "UDP blocked", "", rng);
    else
        return strcmp(column, "B1") == 0 || strcmp(column, "B6") == 0 ||
               strcmp(column, "Open") == 0;
    return true;
}

/* A carrier's NAT whose mapping depends on the destination, and whom its STUN-learned address admits:
 * by doc/nat.md 5, rule 2. boxes[1] is the inner one. */
static void set_admits(struct network *n, const char *whom, struct rng *rng)
{
    struct natbox_options *outer = &n->boxes[0], *inner = &n->boxes[1];
    enum natbox_dependence filter = strcmp(whom, "EIF") == 0   ? NATBOX_INDEPENDENT
                                    : strcmp(whom, "ADF") == 0 ? NATBOX_ADDRESS
                                                               : NATBOX_ADDRESS_PORT;
    bool depends_outside = rng_below(rng, 2);
    struct natbox_options *edm = depends_outside ? outer : inner,
                          *eim = depends_outside ? inner : outer;
    edm->mapping = (enum natbox_dependence)(1 + rng_below(rng, 2));
    eim->mapping = NATBOX_INDEPENDENT;
    scramble(n);
    edm->scope = NATBOX_PER_ENDPOINT;
    edm->filtering = filter;
    eim->filtering = depends_outside ? (enum natbox_dependence)rng_below(rng, (uint32_t)filter + 1)
                                     : NATBOX_INDEPENDENT;
    if (strcmp(whom, "never") != 0)
        return;
    edm->scope = NATBOX_PER_MAPPING;
    edm->filtering = (enum natbox_dependence)(1 + rng_below(rng, 2));
    if (!depends_outside && rng_below(rng, 2)) { /* or a filter above it does that */
        edm->filtering = (enum natbox_dependence)rng_below(rng, 3);
        eim->filtering = (enum natbox_dependence)(1 + rng_below(rng, 2));
    }
}

static bool make_us(struct plainplay_options *o, const struct cell *cell, const char *variant,
                    struct rng *rng)
{
    struct network *n = &o->us;
    const char *value = strchr(variant, '=');
    value = value ? value + 1 : "";
    o->speech = rng_below(rng, 2) ? MAPHOST_PCP : MAPHOST_NATPMP;
    if (strcmp(cell->srs, "same LAN") == 0) {
        o->same_lan = true;
        return network_make(n, rng_below(rng, 2) ? "EDM+APDF" : "EIM+ADF", "", rng);
    }
    if (strcmp(cell->srs, "k8s bridge") == 0) { /* of its node */
        bool good = network_make(n, "EDM+APDF", "scope=mapping map=APDM", rng);
        n->boxes[0].ports = strcmp(value, "kept") == 0 ? NATBOX_OVERLOADED : NATBOX_RANDOM;
        return good;
    }
    if (strcmp(cell->srs, "IPv6 pinhole") == 0)
        return network_make(
            n, "IPv6 firewall",
            rng_below(rng, 2) ? "pinhole=yes filter=ADF" : "pinhole=yes filter=APDF", rng);
    if (strncmp(variant, "admits=", 7) == 0) {
        bool good = network_make(n, cell->srs, "", rng);
        set_admits(n, value, rng);
        return good;
    }
    return network_make(n, cell->srs, variant, rng);
}

/* The SRC's word of a variant, "scope=endpoint offset=learned"; the others are our network's. NULL: none. */
static const char *offset_word(const struct cell *cell)
{
    return strstr(cell->variant, "offset=learned");
}

/* Its source port is the offered one and a number: by itself, or by the NAT that it is behind. */
static void shift(struct plainplay_options *o, const char *column, struct rng *rng)
{
    int by = 1 + (int)rng_below(rng, 9000);
    if (strcmp(column, "B4") == 0) {
        o->them.boxes[0].mapping = NATBOX_INDEPENDENT; /* others have a second port for the relay */
        o->them.boxes[0].ports = NATBOX_SHIFTED;
        o->them.boxes[0].step = (uint16_t)by;
    } else {
        o->port_offset = rng_below(rng, 2) ? by : -by;
    }
}

/* ---- plays ---------------------------------------------------------------------------------- */

struct judge {
    struct matrix_play *out;
    const struct cell *cell;
    const struct plainplay *play;
    const char *which;
};

static void fail(const struct judge *j, const char *what, const struct plainplay_measure *m)
{
    char ours[80], theirs[80];
    network_print(&j->play->options.us, ours, sizeof ours);
    network_print(&j->play->options.them, theirs, sizeof theirs);
    if (j->out->good)
        (void)snprintf(j->out->why, sizeof j->out->why, "%s: %s: %s, %s, %d ms, lost %u; %s x %s",
                       j->which, what, m->path, m->class, (int)m->first_ms, m->lost, ours, theirs);
    j->out->good = false;
}

static bool is_relayed(const char *path)
{
    return strncmp(path, "Rw", 2) == 0 || strncmp(path, "Rt", 2) == 0;
}

/* The class that the SRC can have shown. B6 is B1 to whom it need not follow. */
static bool is_class(const struct cell *cell, const char *class, bool was_b6)
{
    const char *want = cell->src[0] == 'B'                   ? cell->src
                       : strcmp(cell->src, "Open") == 0      ? "B1"
                       : strncmp(cell->src, "CGN a", 5) == 0 ? "B5"
                                                             : "B4";
    if (strcmp(class, want) == 0)
        return true;
    if (strcmp(want, "B6") == 0)
        return strcmp(class, "B1") == 0 && strcmp(cell->path, "RL") != 0;
    if (strcmp(cell->src, "CGN arbitrary") == 0) /* its media may have had SIP's address */
        return strcmp(class, "B4") == 0 || strcmp(class, "B3") == 0;
    return was_b6 && strcmp(want, "B1") == 0 && strcmp(class, "B6") == 0;
}

static void judge_always(const struct judge *j, const struct plainplay_measure *m)
{
    if (j->play->is_busy)
        fail(j, "busy loop", m);
    if (j->play->srs.unauthorised)
        fail(j, "sent to a stranger", m);
    if (m->unasked > 20)
        fail(j, "more than 20 packets unasked", m);
}

/* E and X: everything free was tried, and the verdict says so; unless it came after all. */
static void judge_hopeless(const struct judge *j, const struct plainplay_measure *m)
{
    bool is_theirs = strcmp(j->cell->path, "X") == 0;
    judge_always(j, m);
    if (!m->came && !m->unreachable)
        fail(j, "not told to be unreachable", m);
    if (m->came && is_theirs)
        fail(j, "came through a blocked network", m);
    if (!m->came && !strstr(m->reason, is_theirs ? "SRC's network" : "nobody can tell") &&
        !strstr(m->reason, "its own network"))
        fail(j, "told another reason", m);
}

/* Where the first answer was the right one nothing may be lost but what a permission takes. */
static void judge_first(const struct judge *j, const struct plainplay_measure *m)
{
    int64_t rtt_ms = 2 * j->play->sim.link.delay_us / 1000;
    judge_always(j, m);
    if (!m->came || m->first_ms > LADDER_MS)
        fail(j, "not recorded within 3 s", m);
    if (m->reinvites == 0 && is_relayed(m->path) && m->first_ms > rtt_ms + COLD_MS + rtt_ms)
        fail(j, "a cold relay took longer than a round trip and 20 ms", m);
    if (m->reinvites == 0 && !is_relayed(m->path) && m->lost > 0)
        fail(j, "packets were lost", m);
    if (!is_class(j->cell, m->class, false))
        fail(j, "learned another class", m);
}

/* A call for which nothing may rest on an offset: no two in a row have shown it, or not any more. */
static void play_unlearned(struct judge *j, struct plainplay *play, const char *which)
{
    j->which = which;
    struct plainplay_measure m = plainplay_call(play);
    judge_first(j, &m);
    if (!is_relayed(m.path))
        fail(j, "another path", &m);
}

/* What its port was told from holds no more: recorded all the same, and not believed again. */
static void play_shifted_otherwise(struct judge *j, struct plainplay *play)
{
    play->src.options.port_offset += OTHER_SHIFT;
    j->which = "another offset";
    struct plainplay_measure m = plainplay_call(play);
    judge_first(j, &m);
    play_unlearned(j, play, "after another offset");
}

static void play_two(const struct cell *cell, uint64_t seed, const struct plainplay_options *o,
                     struct matrix_play *out)
{
    static struct plainplay play;
    struct judge j = {out, cell, &play, "first call"};
    bool hopeless = strcmp(out->kind, "none") == 0;
    plainplay_begin(&play, seed, o);
    plainplay_learn(&play);
    struct plainplay_measure m = plainplay_call(&play);
    (hopeless ? judge_hopeless : judge_first)(&j, &m);
    if (offset_word(cell))
        play_unlearned(&j, &play, "second call");
    j.which = "next call";
    m = plainplay_call(&play);
    out->came = m.came;
    (void)snprintf(out->path, sizeof out->path, "%.23s", hopeless ? cell->path : m.path);
    if (hopeless) {
        judge_hopeless(&j, &m);
    } else {
        out->first_ms = m.first_ms;
        out->lost = m.lost;
        judge_always(&j, &m);
        if (!m.came || strcmp(m.path, cell->path) != 0)
            fail(&j, "another path", &m);
    }
    if (o->port_offset)
        play_shifted_otherwise(&j, &play);
    plainplay_finish(&play);
}

/* What an SRC of a class teaches: by a call in a network where it shows. */
static const struct src_profile *taught(size_t class)
{
    static struct src_profile profiles[CLASSES];
    static bool is_known[CLASSES];
    static struct plainplay play;
    if (is_known[class])
        return &profiles[class];
    struct plainplay_options o = {.packet_ms = PACKET_MS};
    struct rng rng;
    rng_init_number(&rng, class);
    bool made =
        network_make(&o.us, class == CLASS_B5 ? "Open" : "EDM+APDF", "scope=mapping", &rng) &&
        make_src(&o, classes[class], &rng);
    o.port_offset = class == CLASS_SHIFTED ? SHIFT : 0;
    plainplay_begin(&play, class + 1, &o);
    plainplay_learn(&play);
    struct plainplay_measure m = plainplay_call(&play);
    if (class == CLASS_SHIFTED)
        m = plainplay_call(&play);
    profiles[class] = play.srs.known;
    is_known[class] =
        made && strcmp(m.class, classes[class]) == 0 &&
        (class == CLASS_SHIFTED) == (play.srs.known.beliefs[SRC_PORT_OFFSET].answer == PATH_YES);
    plainplay_finish(&play);
    return is_known[class] ? &profiles[class] : NULL;
}

static void play_misled(const struct cell *cell, uint64_t seed, const struct plainplay_options *o,
                        struct matrix_play *out)
{
    static struct plainplay play;
    struct judge j = {out, cell, &play, "wrong profile"};
    struct rng rng;
    rng_init_number(&rng, seed ^ 0x777);
    size_t class = rng_below(&rng, CLASSES);
    if (class != CLASS_SHIFTED && strcmp(classes[class], cell->src) == 0)
        class = (class + 1) % CLASS_SHIFTED;
    const struct src_profile *wrong = taught(class);
    plainplay_begin(&play, seed, o);
    plainplay_learn(&play);
    if (wrong)
        play.srs.known = *wrong;
    struct plainplay_measure m = plainplay_call(&play);
    char which[32];
    (void)snprintf(which, sizeof which, "known as %s%s", classes[class],
                   class == CLASS_SHIFTED ? " by its offset" : "");
    j.which = which;
    if (!wrong)
        fail(&j, "that class was not learned", &m);
    if (strcmp(out->kind, "none") == 0) {
        judge_hopeless(&j, &m);
    } else {
        judge_always(&j, &m);
        if (!m.came || m.first_ms > LADDER_MS)
            fail(&j, "not recorded within 3 s", &m);
        if (!is_class(cell, m.class, class == CLASS_B6))
            fail(&j, "not corrected", &m);
    }
    plainplay_finish(&play);
}

static const char *kind_of(const char *path)
{
    if (strcmp(path, "E") == 0 || strcmp(path, "X") == 0)
        return "none";
    return is_relayed(path) ? "relay" : "open";
}

void matrix_play_plain(const struct cell *cell, uint64_t seed, struct matrix_play *out)
{
    struct plainplay_options o = {.packet_ms = PACKET_MS};
    struct rng rng;
    rng_init_number(&rng, seed);
    *out = (struct matrix_play){.kind = kind_of(cell->path), .good = true};
    char ours[CELL_TEXT];
    const char *theirs = offset_word(cell);
    (void)snprintf(ours, sizeof ours, "%s", cell->variant);
    if (theirs) /* and the blank before it */
        ours[theirs > cell->variant ? theirs - cell->variant - 1 : 0] = 0;
    if (!make_us(&o, cell, ours, &rng) || !make_src(&o, cell->src, &rng)) {
        out->good = false;
        (void)snprintf(out->why, sizeof out->why, "no network of that name, or a word is none");
        return;
    }
    if (theirs)
        shift(&o, cell->src, &rng);
    play_two(cell, seed, &o, out);
    play_misled(cell, seed, &o, out);
}
