/* matrix: plays every cell of tests/sim/cells.tsv and prints what was expected beside what came out.
 * Use: natsim_matrix [SEEDS [FIRST_SEED]]. Without arguments a few seeds, and TAP for make check.
 * Not here: how a table is played (matrix_ice.c, matrix_plain.c).
 * RFC: none. */
#include "natsim/matrix.h"

#include "tap.h"

#include <stdlib.h>
#include <string.h>

enum { SEEDS_IN_CHECK = 5 };

/* Over all seeds. */
struct tally {
    uint64_t seeds, good, first_bad;
    int64_t worst_ms;
    uint32_t worst_lost;
    char path[24], why[240]; /* the last that was not as expected, else the expected one */
};

static struct cells cells;

static bool play(const struct cell *cell, uint64_t seed, struct matrix_play *out)
{
    if (strcmp(cell->table, "A") == 0)
        matrix_play_ice(cell, seed, out);
    else
        matrix_play_plain(cell, seed, out);
    const struct budget *budget = cells_budget(&cells, cell->table, out->kind);
    if (out->good &&
        (!budget || out->first_ms > budget->first_ms || out->lost > (uint32_t)budget->lost)) {
        out->good = false;
        (void)snprintf(out->why, sizeof out->why, "over the budget of %s: %" PRId64 " ms, %u lost",
                       out->kind, out->first_ms, out->lost);
    }
    return true;
}

/* False when nobody plays its table. */
static bool tally(const struct cell *cell, uint64_t first, uint64_t seeds, struct tally *t)
{
    *t = (struct tally){0};
    for (uint64_t seed = first; seed < first + seeds; seed++) {
        struct matrix_play p;
        if (!play(cell, seed, &p))
            return false;
        t->seeds++;
        t->good += p.good;
        t->worst_ms = p.first_ms > t->worst_ms ? p.first_ms : t->worst_ms;
        t->worst_lost = p.lost > t->worst_lost ? p.lost : t->worst_lost;
        if (p.good && t->path[0])
            continue;
        memcpy(t->path, p.path, sizeof t->path);
        if (!p.good && !t->first_bad) {
            t->first_bad = seed;
            memcpy(t->why, p.why, sizeof t->why);
        }
    }
    return true;
}

static void print(const struct cell *cell, const struct tally *t)
{
    bool good = t->good == t->seeds;
    printf("%-3s %-13s %-13s %-60s %-12s %-12s %7" PRId64 " %5u  %" PRIu64 "/%" PRIu64 "%s\n",
           cell->table, cell->srs, cell->src, cell->variant, cell->path, t->path, t->worst_ms,
           t->worst_lost, t->good, t->seeds, good ? "" : "  <-- not as expected");
    if (!good)
        printf("    first at seed %" PRIu64 ": %s\n", t->first_bad, t->why);
}

static int print_all(uint64_t seeds, uint64_t first)
{
    int bad = 0;
    size_t played = 0;
    printf("%-3s %-13s %-13s %-60s %-12s %-12s %7s %5s  seeds\n", "", "SRS", "SRC", "variant",
           "expected", "measured", "ms", "lost");
    for (size_t i = 0; i < cells.count; i++) {
        struct tally t;
        if (!tally(&cells.cells[i], first, seeds, &t))
            continue;
        print(&cells.cells[i], &t);
        bad += t.good != t.seeds;
        played++;
        fflush(stdout);
    }
    printf("%zu rows, seeds %" PRIu64 " to %" PRIu64 ": %d not as expected\n", played, first,
           first + seeds - 1, bad);
    return bad ? EXIT_FAILURE : EXIT_SUCCESS;
}

/* In make check: one point a table. */
static void check_table(const char *table)
{
    size_t played = 0;
    for (size_t i = 0; i < cells.count; i++) {
        struct tally t;
        if (strcmp(cells.cells[i].table, table) != 0)
            continue;
        if (!CHECK(tally(&cells.cells[i], 1, SEEDS_IN_CHECK, &t)) || !CHECK_INT(t.good, t.seeds))
            print(&cells.cells[i], &t);
        played++;
    }
    printf("# table %s: %zu rows, seeds 1 to %d\n", table, played, SEEDS_IN_CHECK);
    CHECK(played > 0);
}

static void test_table_a(void)
{
    check_table("A");
}

static void test_table_b(void)
{
    check_table("B");
}

static void test_table_b_by_nats(void)
{
    check_table("B'");
}

int main(int argc, char **argv)
{
    if (!cells_read(&cells, TESTS_DIR "/sim/cells.tsv"))
        return EXIT_FAILURE;
    if (argc > 1)
        return print_all(strtoull(argv[1], NULL, 10), argc > 2 ? strtoull(argv[2], NULL, 10) : 1);
    RUN(test_table_a);
    RUN(test_table_b);
    RUN(test_table_b_by_nats);
    return tap_done();
}
