/* secure: TLS on the one SIP connection of a run.
 * Not here: the connection itself (net.h).
 * RFC 8446, 5246; RFC 3261 §26.2. */
#ifndef TOOLS_SIPREC_CALL_SECURE_H
#define TOOLS_SIPREC_CALL_SECURE_H

#include <sys/types.h>

#include "base/view.h"

struct call_secure;

struct call_secure_options {
    const char *host;        /* as in the URI: SNI, and what the certificate must name */
    const char *ca;          /* who must have signed it; NULL: any certificate will do */
    const char *certificate; /* shown to whom asks, key in the same file; NULL: none */
};

/* Shakes hands on fd (connected, not blocking, borrowed) for at most timeout_ms. NULL with a
 * reason. */
struct call_secure *call_secure_open(int fd, const struct call_secure_options *options,
                                     int timeout_ms, char *error, size_t size);
void call_secure_close(struct call_secure *secure);

/* As send and recv of a socket that does not block: -1 with errno, EAGAIN when it would. */
ssize_t call_secure_send(struct call_secure *secure, const void *bytes, size_t len);
ssize_t call_secure_receive(struct call_secure *secure, void *bytes, size_t len);

#endif
