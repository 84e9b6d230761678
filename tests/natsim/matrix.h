/* matrix: what playing one cell of the tables gives, for the programs that play them all.
 * Not here: the tables (cells.h).
 * RFC: none. */
#ifndef NATSIM_MATRIX_H
#define NATSIM_MATRIX_H

#include "natsim/cells.h"

/* One play of one cell with one seed. */
struct matrix_play {
    char path[24]; /* measured, spelled as in cells.tsv */
    bool came;     /* media was recorded; where the path is X or an unreachable E it must not be */
    bool good;     /* the path is the expected one, and whatever else the player checks held */
    int64_t first_ms; /* to the first recorded packet, counted as the budget's comment says */
    uint32_t lost;    /* before it */
    const char *kind; /* of the budget that it falls under: "direct", "relay" */
    char why[240];    /* not good: what was wrong, and the networks rolled */
};

/* Table A. */
void matrix_play_ice(const struct cell *cell, uint64_t seed, struct matrix_play *out);
/* Tables B and B': the next call is what is measured; first call and wrong profile must hold, too. */
void matrix_play_plain(const struct cell *cell, uint64_t seed, struct matrix_play *out);

#endif
