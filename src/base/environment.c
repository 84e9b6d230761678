/* environment: what of our environment a program that we start is given.
 * Not here: reading it for ourselves (settings), starting programs.
 * RFC: none. */
#include "base/environment.h"

#include <assert.h>

#include "base/view.h"

static const char *const environment_needed[] = {"PATH",     "LANG", "LC_ALL",
                                                 "LC_CTYPE", "TZ",   "LD_LIBRARY_PATH"};

static_assert(sizeof environment_needed / sizeof *environment_needed < ENVIRONMENT_CHILD_MAX,
              "there is room for each, once, and for NULL");

void environment_for_child(char *const *ours, char *out[ENVIRONMENT_CHILD_MAX])
{
    size_t count = 0;
    for (size_t i = 0; i < sizeof environment_needed / sizeof *environment_needed; i++) {
        struct view needed = view_of_string(environment_needed[i]);
        for (char *const *at = ours; *at; at++) {
            struct view entry = view_of_string(*at);
            if (view_starts_with(entry, needed) && entry.len > needed.len &&
                entry.at[needed.len] == '=') {
                out[count++] = *at;
                break;
            }
        }
    }
    out[count] = NULL;
}
