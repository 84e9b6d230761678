/* cells: lines of tab-separated fields.
 * Not here: their meaning.
 * RFC: none. */
#include "natsim/cells.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIELDS = 6 };

static bool put(char *to, size_t size, const char *text)
{
    return (size_t)snprintf(to, size, "%s", text) < size;
}

static bool read_line(struct cells *cells, char *line)
{
    char *field[FIELDS] = {NULL};
    int n = 0;
    while (n < FIELDS && (field[n] = strsep(&line, "\t")))
        n++;
    if (strcmp(field[0], "budget") == 0) {
        if (n != 5 || cells->budget_count == sizeof cells->budgets / sizeof *cells->budgets)
            return false;
        struct budget *b = &cells->budgets[cells->budget_count++];
        b->lost = atoi(field[3]);
        b->first_ms = atoi(field[4]);
        return put(b->table, sizeof b->table, field[1]) && put(b->kind, sizeof b->kind, field[2]);
    }
    if (n < 5 || cells->count == CELLS_MAX)
        return false;
    struct cell *c = &cells->cells[cells->count++];
    const char *variant = strcmp(field[3], "-") == 0 ? "" : field[3];
    return put(c->table, sizeof c->table, field[0]) && put(c->srs, sizeof c->srs, field[1]) &&
           put(c->src, sizeof c->src, field[2]) && put(c->variant, sizeof c->variant, variant) &&
           put(c->path, sizeof c->path, field[4]) &&
           put(c->learns, sizeof c->learns, n > 5 ? field[5] : "");
}

bool cells_read(struct cells *cells, const char *file)
{
    char line[512];
    bool good = true;
    FILE *f = fopen(file, "r");
    memset(cells, 0, sizeof *cells);
    if (!f) {
        fprintf(stderr, "%s: cannot be read\n", file);
        return false;
    }
    while (good && fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        if (line[0] == 0 || line[0] == '#')
            continue;
        char whole[sizeof line];
        memcpy(whole, line, sizeof line);
        good = read_line(cells, line);
        if (!good)
            fprintf(stderr, "%s: no cell and no budget: %s\n", file, whole);
    }
    fclose(f);
    return good;
}

const struct budget *cells_budget(const struct cells *cells, const char *table, const char *kind)
{
    for (size_t i = 0; i < cells->budget_count; i++) {
        if (strcmp(cells->budgets[i].table, table) == 0 &&
            strcmp(cells->budgets[i].kind, kind) == 0)
            return &cells->budgets[i];
    }
    return NULL;
}
