/* deletion: DELETE of one thing of the catalogue, by a thread that may wait for the disk.
 * Not here: what is deleted (recordings.c, srcs.c).
 * RFC 9110 §9.3.5. */
#ifndef API_DELETION_H
#define API_DELETION_H

#include "api/resources.h"

struct api_deletion_kind {
    /* On a thread of api->quick. by: who asked, for the audit line. */
    enum catalog_result (*run)(struct api *api, const struct uuid *id, const char *by);
    /* Answers what is no success. */
    void (*refuse)(struct http_exchange *exchange, enum catalog_result result);
};

/* Deletes what the path's first parameter names, and answers: 204, 503, or as kind (borrowed, static)
 * refuses; a name that is none is CATALOG_NOT_FOUND. */
void api_deletion_start(struct api *api, struct http_exchange *exchange,
                        const struct api_deletion_kind *kind);

#endif
