/* resources: what the API's files share: the API's inside, and one handler a route.
 * Not here: anything for the daemon (api.h).
 * RFC: none. */
#ifndef API_RESOURCES_H
#define API_RESOURCES_H

#include "api/api.h"
#include "api/work.h"
#include "catalog/files.h"
#include "catalog/reader.h"
#include "http/exchange.h"

struct api {
    struct http_server *server;
    struct catalog *catalog;       /* borrowed */
    struct catalog_reader *reader; /* of the HTTP thread */
    struct api_board *board;       /* borrowed */
    struct api_work *quick;        /* deleting, asking the signalling thread */
    struct api_work *slow;         /* renders */
    struct api_renders *renders;
    char *(*examine)(void *doctor, const struct api_question *question);
    void *doctor; /* borrowed */
    char *root;
    char *format;
};

/* The handlers; context is the struct api. */
void api_recordings_list(struct http_exchange *exchange, void *context);
void api_recordings_get(struct http_exchange *exchange, void *context);
void api_recordings_delete(struct http_exchange *exchange, void *context);
void api_recordings_audio(struct http_exchange *exchange, void *context);
void api_recordings_journal(struct http_exchange *exchange, void *context);
void api_recordings_metadata(struct http_exchange *exchange, void *context);
void api_srcs_list(struct http_exchange *exchange, void *context);
void api_srcs_delete(struct http_exchange *exchange, void *context);
void api_sessions_get(struct http_exchange *exchange, void *context);
void api_nat_get(struct http_exchange *exchange, void *context);
void api_doctor_get(struct http_exchange *exchange, void *context);
void api_drain_post(struct http_exchange *exchange, void *context);
void api_health_live(struct http_exchange *exchange, void *context);
void api_health_ready(struct http_exchange *exchange, void *context);
void api_metrics_get(struct http_exchange *exchange, void *context);
void api_openapi_get(struct http_exchange *exchange, void *context);

/* Answers with the recording as it is this moment, if the signalling thread has it. True: *record
 * is taken and the exchange will be answered; false: too many ask, both stay the caller's. */
WARN_UNUSED bool api_sessions_get_one(struct api *api, struct http_exchange *exchange,
                                      struct catalog_record *record);
/* How many a page of a list shall have: limit of the query, or 50. False: answered. */
WARN_UNUSED bool api_read_limit(struct http_exchange *exchange, uint32_t *limit);
/* A problem for what the catalogue could not do. */
void api_catalog_problem(struct http_exchange *exchange, enum catalog_result result);
/* 503 with Retry-After: too many wait for this already. */
void api_busy_problem(struct http_exchange *exchange);

#endif
