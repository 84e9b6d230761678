/* stun_vectors: RFC vectors from tests/vectors/stun, hex text to bytes.
 * Not here: what they should decode to. */
#ifndef TESTS_STUN_VECTORS_H
#define TESTS_STUN_VECTORS_H

#include "base/view.h"
#include "tap.h"

#define VECTOR_PASSWORD   VIEW_LIT("VOkJxbRl1RmTxUk/WvJxBt")
#define VECTOR_LONG_USER  VIEW_LIT("\u30DE\u30C8\u30EA\u30C3\u30AF\u30B9")
#define VECTOR_LONG_PASS  VIEW_LIT("TheMatrIX")
#define VECTOR_LONG_REALM VIEW_LIT("example.org")

static inline struct view vector_load(const char *name, uint8_t *buffer, size_t size)
{
    char path[512], line[256];
    size_t len = 0;
    snprintf(path, sizeof path, "%s/vectors/stun/%s.hex", TESTS_DIR, name);
    FILE *file = fopen(path, "r");
    if (!CHECK(file != NULL))
        return VIEW_NONE;
    while (fgets(line, sizeof line, file)) {
        unsigned byte;
        int used;
        for (const char *at = line;
             line[0] != '#' && len < size && sscanf(at, " %2x%n", &byte, &used) == 1; at += used)
            buffer[len++] = (uint8_t)byte;
    }
    fclose(file);
    return view_of(buffer, len);
}

#endif
