/* nat: /v1/nat, what is known of the network we are in, asked of the signalling thread.
 * Not here: what the report looks like (siprecd/survey_report.c makes it).
 * RFC: none. */
#include <stdlib.h>

#include "api/resources.h"
#include "base/list.h"

#define ANSWER_MS 2000

struct nat_question {
    struct api_job job;
    struct api *api;
    struct http_exchange *exchange;
    char *report;
};

static void nat_run(struct api_job *job)
{
    struct nat_question *question = container_of(job, struct nat_question, job);
    question->report = api_board_nat(question->api->board, ANSWER_MS);
}

static void nat_done(struct api_job *job)
{
    struct nat_question *question = container_of(job, struct nat_question, job);
    if (question->report)
        http_exchange_reply_json(question->exchange, 200, view_of_string(question->report));
    else
        api_busy_problem(question->exchange);
    free(question->report);
    free(question);
}

void api_nat_get(struct http_exchange *exchange, void *context)
{
    struct api *api = context;
    struct nat_question *question = calloc(1, sizeof *question);
    if (question) {
        *question = (struct nat_question){
            .job = {.run = nat_run, .done = nat_done}, .api = api, .exchange = exchange};
        if (api_work_submit(api->quick, &question->job))
            return;
    }
    free(question);
    api_busy_problem(exchange);
}
