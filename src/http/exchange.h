/* exchange: one HTTP request and its reply, as handlers see them.
 * Not here: sockets and connections (server.h), which handler (router.h).
 * RFC 9110, RFC 9457 (problem details). */
#ifndef HTTP_EXCHANGE_H
#define HTTP_EXCHANGE_H

#include "http/router.h"

struct http_server;

/* What views point to lives as long as the exchange: until the reply. Everything here belongs to
 * the server's thread. Exactly one reply function must be called for each exchange, in the handler
 * or later. */

/* The path's nth {parameter}, decoded. */
struct view http_exchange_parameter(const struct http_exchange *exchange, size_t n);
/* A query parameter, decoded; false when it is not there. The first one counts. */
bool http_exchange_query(const struct http_exchange *exchange, const char *name,
                         struct view *value);
/* A header field's value, empty when it is not there. */
struct view http_exchange_field(const struct http_exchange *exchange, const char *name);
struct view http_exchange_body(const struct http_exchange *exchange);
/* The peer's IP address as text, "-" when it has gone. */
const char *http_exchange_peer(const struct http_exchange *exchange);

/* Adds a field to the reply. Both are copied; value must have no line end. */
void http_exchange_set_field(struct http_exchange *exchange, const char *name, const char *value);

/* The replies. content_type is copied. Each ends the exchange. */
void http_exchange_reply(struct http_exchange *exchange, int status, const char *content_type,
                         struct view body);
void http_exchange_reply_json(struct http_exchange *exchange, int status, struct view json);
void http_exchange_reply_empty(struct http_exchange *exchange, int status);

/* An RFC 9457 problem: {"type":"about:blank","title":<phrase of the
 * status>,"status","code","detail"}. code: a snake_case word for programs; the rest is a printf
 * format for people. */
void http_exchange_problem(struct http_exchange *exchange, int status, const char *code,
                           const char *format, ...) PRINTF_LIKE(4, 5);

/* Sends a file, whole or the range asked for, with ETag and Last-Modified, 304, 206 and 416 where
 * they are due. Takes fd. download: the name for Content-Disposition, NULL for none. A file that
 * grows meanwhile is sent as long as it was when this was called. */
void http_exchange_reply_file(struct http_exchange *exchange, int fd, const char *content_type,
                              const char *download);

/* For a reply that will come later than the handler's return: the connection may be silent this
 * long. */
void http_exchange_extend(struct http_exchange *exchange, unsigned seconds);

#endif
