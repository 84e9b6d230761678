/* deletion: see deletion.h.
 * Not here: what is deleted.
 * RFC 9110 §9.3.5. */
#include "api/deletion.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/list.h"

struct deletion {
    struct api_job job;
    const struct api_deletion_kind *kind;
    struct api *api;
    struct http_exchange *exchange;
    struct uuid id;
    char by[64];
    enum catalog_result result;
};

static void deletion_run(struct api_job *job)
{
    struct deletion *deletion = container_of(job, struct deletion, job);
    deletion->result = deletion->kind->run(deletion->api, &deletion->id, deletion->by);
}

static void deletion_done(struct api_job *job)
{
    struct deletion *deletion = container_of(job, struct deletion, job);
    if (job->cancelled)
        api_busy_problem(deletion->exchange);
    else if (deletion->result == CATALOG_OK)
        http_exchange_reply_empty(deletion->exchange, 204);
    else
        deletion->kind->refuse(deletion->exchange, deletion->result);
    free(deletion);
}

void api_deletion_start(struct api *api, struct http_exchange *exchange,
                        const struct api_deletion_kind *kind)
{
    struct uuid id;
    struct deletion *deletion;
    if (!uuid_parse(http_exchange_parameter(exchange, 0), &id)) {
        kind->refuse(exchange, CATALOG_NOT_FOUND);
        return;
    }
    deletion = calloc(1, sizeof *deletion);
    if (deletion) {
        *deletion = (struct deletion){.job = {.run = deletion_run, .done = deletion_done},
                                      .kind = kind,
                                      .api = api,
                                      .exchange = exchange,
                                      .id = id};
        snprintf(deletion->by, sizeof deletion->by, "api peer=%s", http_exchange_peer(exchange));
        if (api_work_submit(api->quick, &deletion->job))
            return;
    }
    free(deletion);
    api_busy_problem(exchange);
}
