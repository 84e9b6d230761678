/* sessions: /v1/sessions, what is going on now, asked of the signalling thread.
 * Not here: what a session looks like (recorder makes the documents).
 * RFC: none. */
#include <jansson.h>
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
    struct catalog_record record; /* the one asked for; zeroed: all */
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

/* The recording as it is now; when it has just ended, or nobody answers,
 * as the catalogue has it. */
static void one_done(struct api_job *job)
{
    struct question *question = container_of(job, struct question, job);
    const struct catalog_record *record = &question->record;
    json_t *all = question->sessions ? json_loads(question->sessions, 0, NULL) : NULL;
    char *text = NULL;
    size_t i;
    const json_t *one;
    json_array_foreach(all, i, one)
    {
        const char *id = json_string_value(json_object_get(one, "id"));
        if (id && strcmp(id, record->id.s) == 0)
            text = json_dumps(one, JSON_COMPACT | JSON_PRESERVE_ORDER);
    }
    http_exchange_reply_json(question->exchange, 200,
                             text ? view_of_string(text)
                                  : view_of(record->document, record->document_len));
    free(text);
    json_decref(all);
    catalog_record_finish(&question->record);
    free(question->sessions);
    free(question);
}

static struct question *make_question(struct api *api, struct http_exchange *exchange,
                                      void (*done)(struct api_job *job))
{
    struct question *question = calloc(1, sizeof *question);
    if (question)
        *question = (struct question){
            .job = {.run = question_run, .done = done}, .api = api, .exchange = exchange};
    return question;
}

bool api_sessions_get_one(struct api *api, struct http_exchange *exchange,
                          struct catalog_record *record)
{
    struct question *question = make_question(api, exchange, one_done);
    if (!question)
        return false;
    question->record = *record;
    if (api_work_submit(api->quick, &question->job)) {
        *record = (struct catalog_record){0};
        return true;
    }
    free(question);
    return false;
}

void api_sessions_get(struct http_exchange *exchange, void *context)
{
    struct api *api = context;
    struct question *question = make_question(api, exchange, question_done);
    if (question && api_work_submit(api->quick, &question->job))
        return;
    free(question);
    api_busy_problem(exchange);
}
