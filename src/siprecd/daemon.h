/* daemon: the parts of siprecd, started in order, reloaded, drained, ended.
 * Not here: what each part does, the command line (main.c).
 * RFC: none. */
#ifndef SIPRECD_DAEMON_H
#define SIPRECD_DAEMON_H

#include "siprecd/settings.h"

struct siprecd;

/* Opens everything and starts all threads but signalling's: the API says that it is not ready.
 * Borrows settings until daemon_reload gives others. NULL with a sentence in error. */
struct siprecd *daemon_create(const struct settings *settings, char *error, size_t error_size);

/* Says on stderr where to point an SBC, where recordings go and where the API is; before
 * daemon_start. */
void daemon_announce(const struct siprecd *daemon);

/* From now on calls are recorded. False with a sentence in error. */
WARN_UNUSED bool daemon_start(struct siprecd *daemon, char *error, size_t error_size);

/* Brings what can be changed in a running daemon into force, and says what cannot. */
void daemon_reload(struct siprecd *daemon, const struct settings *settings);

/* Takes no more calls; the ones going on continue. */
void daemon_drain(struct siprecd *daemon);

/* Ends all calls with BYE. */
void daemon_hang_up(struct siprecd *daemon);

/* True once it drains and no call is left. */
bool daemon_is_over(const struct siprecd *daemon);
uint32_t daemon_calls(const struct siprecd *daemon);

/* Renders that still wait or run. */
size_t daemon_renders(const struct siprecd *daemon);

/* Stops all threads: what is not rendered is at the next start. NULL is harmless. */
void daemon_stop(struct siprecd *daemon);

#endif
