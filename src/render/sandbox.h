/* sandbox: gives up everything that decoding does not need: new files, sockets, programs, memory
 * without end.
 * Not here: opening the files first (main.c).
 * RFC: none; seccomp(2), prctl(2) PR_SET_NO_NEW_PRIVS. */
#ifndef RENDER_SANDBOX_H
#define RENDER_SANDBOX_H

#include "base/view.h"

/* For the rest of this process's life. memory: bytes of address space. NULL when all of it holds,
 * otherwise what could not be had, for the log; whatever could be had holds all the same. */
const char *render_sandbox_enter(uint64_t memory);

#endif
