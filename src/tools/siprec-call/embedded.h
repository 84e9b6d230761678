/* embedded: the ready profiles and scripts, built into the program by embed.py from profiles/ and
 * scripts/.
 * Not here: reading them (profile.c, script.c).
 * RFC: none. */
#ifndef TOOLS_SIPREC_CALL_EMBEDDED_H
#define TOOLS_SIPREC_CALL_EMBEDDED_H

struct call_embedded {
    const char *name; /* the file's, without its ending; NULL ends the list */
    const char *text;
};

extern const struct call_embedded call_profiles[];
extern const struct call_embedded call_scripts[];

#endif
