/* fetch: one small HTTP request and its small answer.
 * Not here: threads (it waits), what the answer means.
 * RFC 9110, by libcurl. */
#ifndef IO_FETCH_H
#define IO_FETCH_H

#include <stddef.h>
#include <stdint.h>

#include "base/addr.h"

/* UPnP descriptions are the longest: some routers tell of all that they have in 40 KiB. */
enum { IO_FETCH_BODY_MAX = 65536 };

struct io_fetch_request {
    const char *url;         /* http or https; redirects are not followed */
    const char *method;      /* NULL: GET */
    const char *headers[4];  /* "Name: value", NULL at the end */
    enum addr_family family; /* ADDR_NONE: either */
    int64_t timeout_ms;      /* all of it, names included */
    const char *proxy;       /* URL of an HTTP proxy; NULL: none, whatever the environment says */
};

struct io_fetch_answer {
    long status; /* 0: none came */
    size_t len;
    char body[IO_FETCH_BODY_MAX + 1]; /* ends in NUL */
    char why[128];                    /* where no answer came */
};

/* Once, before threads start. */
void io_fetch_prepare(void);

/* Waits for the answer. False: none, or longer than IO_FETCH_BODY_MAX. */
bool io_fetch(const struct io_fetch_request *request, struct io_fetch_answer *answer);

#endif
