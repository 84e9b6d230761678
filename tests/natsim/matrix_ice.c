/* matrix_ice: cells of table A played.
 * Not here: the program (matrix.c).
 * RFC: none. */
#include "natsim/iceplay.h"
#include "natsim/matrix.h"

#include <stdio.h>
#include <string.h>

enum { SETTLE_MS = 10000 };

/* The words that speak of one side, without its name. */
static void words_of(const char *variant, const char *side, char *out, size_t size)
{
    size_t len = 0;
    out[0] = 0;
    while (*variant) {
        size_t word = strcspn(variant, " ");
        if (strncmp(variant, side, strlen(side)) == 0 && len < size)
            len += (size_t)snprintf(out + len, size - len, "%.*s ", (int)(word - strlen(side)),
                                    variant + strlen(side));
        variant += word;
        variant += strspn(variant, " ");
    }
}

static bool make_networks(const struct cell *cell, struct rng *rng, struct network networks[2])
{
    char us[CELL_TEXT] = "turn=yes ", them[CELL_TEXT];
    words_of(cell->variant, "us.", us + strlen(us), sizeof us - strlen(us));
    words_of(cell->variant, "them.", them, sizeof them);
    return network_make(&networks[0], cell->srs, us, rng) &&
           network_make(&networks[1], cell->src, them, rng);
}

static const char *kind_of(const char *path)
{
    return strchr(path, 'R') ? "relay" : path[0] == 'T' ? "tcp" : "direct";
}

void matrix_play_ice(const struct cell *cell, uint64_t seed, struct matrix_play *out)
{
    static struct iceplay play;
    struct network networks[2];
    struct rng rng;
    char ours[90], theirs[90];
    rng_init_number(&rng, seed);
    *out = (struct matrix_play){.kind = kind_of(cell->path)};
    if (!make_networks(cell, &rng, networks)) {
        (void)snprintf(out->why, sizeof out->why, "no network of that name, or a word is none");
        return;
    }
    iceplay_begin(&play, seed, networks, 1);
    iceplay_call(&play);
    iceplay_settle(&play, SETTLE_MS);
    struct iceplay_measure m = iceplay_measure(&play);
    (void)snprintf(out->path, sizeof out->path, "%s", m.path);
    out->came = m.came;
    out->first_ms = m.first_ms;
    out->lost = m.lost;
    const struct iceside *us = &play.sides[ICEPLAY_US];
    out->good = m.came && strcmp(m.path, cell->path) == 0 && !play.is_busy && us->unauthorised == 0;
    network_print(&networks[0], ours, sizeof ours);
    network_print(&networks[1], theirs, sizeof theirs);
    if (!out->good)
        (void)snprintf(out->why, sizeof out->why, "%s x %s%s%s", ours, theirs,
                       play.is_busy ? "; busy loop" : "",
                       us->unauthorised ? "; sent to a stranger" : "");
    iceplay_finish(&play);
}
