/* proxy: an HTTP proxy that connections go through: its URL, what CONNECT says, what it answers.
 * Not here: connections (tcp.h, tls.h), resolving the proxy's name.
 * RFC 9110 §9.3.6 (CONNECT), RFC 7617 (Basic), RFC 3986 §3.2 (authority). */
#ifndef IO_PROXY_H
#define IO_PROXY_H

#include "base/addr.h"
#include "base/writer.h"

/* Plain data, copied freely. All zero: no proxy. Never logged: it may hold a password. */
struct io_proxy {
    char host[256]; /* name or literal without brackets */
    uint16_t port;
    char authorization[768]; /* "Basic ...", or empty */
};

/* Reads "http://[user:password@]host[:port][/]"; the scheme may be left out, as it often is in
 * https_proxy; without a port it is 80. False: it is no such URL, *out is all zero. */
WARN_UNUSED bool io_proxy_parse(struct view url, struct io_proxy *out);

/* What nat.proxy says: "none", a URL, or "auto": the environment's https_proxy or HTTPS_PROXY.
 * False: there is no proxy. */
bool io_proxy_of_setting(const char *text, struct io_proxy *out);

/* True when list, as no_proxy has it ("example.com,.local,192.0.2.1" or "*"), names host. */
bool io_proxy_spares(struct view list, struct view host);

/* Writes the CONNECT request for target, "host:port". */
void io_proxy_print(struct writer *w, const struct io_proxy *proxy, struct view target);

enum io_proxy_answer {
    IO_PROXY_MORE,    /* not whole yet */
    IO_PROXY_GRANTED, /* what follows *len bytes is the peer's */
    IO_PROXY_REFUSED, /* *status says how */
    IO_PROXY_BROKEN,  /* no HTTP, or a head without end */
};

/* Reads what the proxy answered so far, from its first byte on. */
enum io_proxy_answer io_proxy_read(struct view bytes, size_t *len, unsigned *status);

#endif
