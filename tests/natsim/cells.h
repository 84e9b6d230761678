/* cells: the tables of paths, read from tests/sim/cells.tsv, which is written by hand.
 * Not here: playing them (iceplay.h), what a network's name means (network.h).
 * RFC: none. */
#ifndef NATSIM_CELLS_H
#define NATSIM_CELLS_H

#include "base/view.h"

enum { CELLS_MAX = 1024, CELL_TEXT = 128 };

struct cell {
    char table[4], srs[24], src[24]; /* "A", "EIM+ADF", "Open" */
    char variant[CELL_TEXT];         /* "" where the file has "-" */
    char path[24];
    char learns[8]; /* B and B': "yes" where its port has to be learned (L); else empty */
};

struct budget {
    char table[4], kind[24];
    int lost, first_ms;
};

struct cells {
    struct cell cells[CELLS_MAX];
    size_t count;
    struct budget budgets[32];
    size_t budget_count;
};

/* False, with a line on stderr, when the file cannot be read or a line is none. */
WARN_UNUSED bool cells_read(struct cells *cells, const char *file);
/* NULL: there is none of that name. */
const struct budget *cells_budget(const struct cells *cells, const char *table, const char *kind);

#endif
