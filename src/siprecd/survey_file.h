/* survey_file: what is known of our network, as the text that is kept on disk for the next start.
 * Not here: reading and writing the file (surveyor.c), when it may be believed.
 * RFC 8259 (JSON). */
#ifndef SIPRECD_SURVEY_FILE_H
#define SIPRECD_SURVEY_FILE_H

#include "nat/profile.h"

/* Which network it is knowledge of: the same interface, address and gateway. */
struct survey_place {
    char link[16];
    struct addr local, gateway; /* port 0; gateway unset: none */
};

/* malloc'ed; NULL when memory is out. Both clocks as they are now. */
char *survey_file_print(const struct survey_place places[2], const struct nat_profile profiles[2],
                        struct tick now, struct wall wall);

/* Puts what text knows of place (of that family) into profile, with the age it has. False: it knows
 * nothing of it, or nothing younger than 30 days. */
WARN_UNUSED bool survey_file_parse(struct view text, const struct survey_place *place, bool v6,
                                   struct tick now, struct wall wall, struct nat_profile *profile);

#endif
