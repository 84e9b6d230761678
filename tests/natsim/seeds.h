/* seeds: random plays on and on, each from its number: "[COUNT [SEED]]" of a program's arguments.
 * Not here: what is played.
 * RFC: none. */
#ifndef NATSIM_SEEDS_H
#define NATSIM_SEEDS_H

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

/* play says what is wrong itself. False at the first that is not as it must be. */
static inline bool seeds_play(char **argv, bool (*play)(uint64_t seed), const char *what)
{
    uint64_t count = strtoull(argv[1], NULL, 10);
    uint64_t first = argv[2] ? strtoull(argv[2], NULL, 10) : 1;
    for (uint64_t seed = first; seed < first + count; seed++) {
        if (!play(seed))
            return false;
    }
    printf("%" PRIu64 " %s, from seed %" PRIu64 "\n", count, what, first);
    return true;
}

#endif
