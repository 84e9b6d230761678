/* notify: tells the service manager how we are, where there is one (NOTIFY_SOCKET).
 * Not here: when.
 * RFC: none; sd_notify(3)'s datagrams, without its library. */
#ifndef SIPRECD_NOTIFY_H
#define SIPRECD_NOTIFY_H

/* Sends lines such as "READY=1" or "STOPPING=1\nSTATUS=draining". Without a manager: nothing. */
void notify_send(const char *state);

/* "RELOADING=1" with the time the manager wants beside it. */
void notify_reloading(void);

#endif
