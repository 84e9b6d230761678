/* environment: what of our environment a program that we start is given.
 * Not here: reading it for ourselves (settings), starting programs.
 * RFC: none. */
#ifndef BASE_ENVIRONMENT_H
#define BASE_ENVIRONMENT_H

#include <stddef.h>

enum { ENVIRONMENT_CHILD_MAX = 8 };

/* Fills out with those of ours (NAME=value, NULL at the end) that a program needs to run, borrowed, and NULL.
 * Left out is all that it is not known to need: passwords, proxies, systemd's sockets. */
void environment_for_child(char *const *ours, char *out[ENVIRONMENT_CHILD_MAX]);

#endif
