/* client: requests to siprecd's API over libcurl.
 * Not here: what is asked (main.c), how answers look (show.h).
 * RFC 9110, RFC 9457. */
#ifndef SIPRECCTL_CLIENT_H
#define SIPRECCTL_CLIENT_H

#include <jansson.h>

#include "base/view.h"

struct ctl_client;

struct ctl_client *ctl_client_create(const char *url); /* NULL: libcurl would not start */
void ctl_client_destroy(struct ctl_client *client);    /* NULL is fine */

enum ctl_answer {
    CTL_ANSWER_OK,          /* 2xx; *body is its JSON, or NULL where there was none */
    CTL_ANSWER_BAD,         /* siprecd said no; its reason was printed on stderr */
    CTL_ANSWER_UNREACHABLE, /* no answer, or not siprecd's; printed on stderr */
};

/* path: with query, already encoded. On CTL_ANSWER_OK the caller owns *body. */
WARN_UNUSED enum ctl_answer ctl_client_request(struct ctl_client *client, const char *method,
                                               const char *path, json_t **body);

/* Percent-encodes for a query. malloc'ed, NULL when memory is out. */
char *ctl_client_escape(struct ctl_client *client, const char *text);

#endif
