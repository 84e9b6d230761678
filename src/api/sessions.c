/* sessions: /v1/sessions, what is going on now, asked of the signalling thread.
 * Not here: what a session looks like (recorder makes the documents).
 * RFC: none. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/resources.h"
#include "base/list.h"

#define ANSWER_MS 2000

struct question {
    struct api_job job;
    struct api *api;
    struct http_exchange *exchange;
    char *sessions;
};

static void question_run(struct api_job *job)
{
    struct question *question = container_of(job, struct question, job);
    question->sessions = api_board_sessions(question->api->board, ANSWER_MS);
}

static void question_done(struct api_job *job)
{
    struct question *question = container_of(job, struct question, job);
    size_t size = question->sessions ? strlen(question->sessions) + 32 : 0;
    char *text = size ? malloc(size) : NULL;
    if (text) {
        snprintf(text, size, "{\"sessions\":%s}", question->sessions);
        http_exchange_reply_json(question->exchange, 200, view_of_string(text));
    } else {
        api_busy_problem(question->exchange);
    }
    free(text);
    free(question->sessions);
    free(question);
}

void api_sessions_get(struct http_exchange *exchange, void *context)
{
    struct api *api = context;
    struct question *question = calloc(1, sizeof *question);
    if (question)
        *question = (struct question){
            .job = {.run = question_run, .done = question_done}, .api = api, .exchange = exchange};
    if (question && api_work_submit(api->quick, &question->job))
        return;
    free(question);
    api_busy_problem(exchange);
}
