/* doctor: GET /v1/doctor: why is there no media? The call asked for, or the latest one.
 * Not here: the examination (the daemon's, api_options.examine).
 * RFC 9457. */
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "api/resources.h"
#include "base/list.h"

enum { DOCTOR_ASK_MS = 2000, DOCTOR_SECONDS = 60 };

struct examination {
    struct api_job job;
    struct api *api;
    struct http_exchange *exchange;
    char *call_id; /* NULL: the latest */
    bool was_asked;
    struct firewall {
        enum path_answer drops[API_QUESTION_STREAMS];
        bool lets_answers_in[API_QUESTION_STREAMS];
    } firewall;
    struct api_chain chain;
    struct catalog_record record; /* as the catalogue has it; zeroed: it has none */
    char *report;
};

static void forget(struct examination *e)
{
    catalog_record_finish(&e->record);
    free(e->report);
    free(e->call_id);
    free(e);
}

/* The call as it is this moment, if it goes on. */
static char *find_live(const char *sessions, const char *call_id)
{
    json_t *all = sessions ? json_loads(sessions, 0, NULL) : NULL;
    const json_t *one, *found = NULL;
    char *text = NULL;
    size_t i;
    json_array_foreach(all, i, one)
    {
        const char *id = json_string_value(json_object_get(one, "call_id"));
        if (!call_id || (id && strcmp(id, call_id) == 0))
            found = one;
    }
    if (found)
        text = json_dumps(found, JSON_COMPACT);
    json_decref(all);
    return text;
}

static void take_live(struct examination *e)
{
    char *sessions = api_board_sessions(e->api->board, DOCTOR_ASK_MS);
    char *live = find_live(sessions, e->call_id);
    struct catalog_record record;
    const char *why;
    if (live && catalog_record_parse(view_of_string(live), &record, &why)) {
        catalog_record_finish(&e->record);
        e->record = record;
    }
    free(live);
    free(sessions);
}

static void run(struct api_job *job)
{
    struct examination *e = container_of(job, struct examination, job);
    struct api_question question = {
        .call_id = e->call_id, .was_asked = e->was_asked, .chain = e->chain};
    char *network = api_board_nat(e->api->board, DOCTOR_ASK_MS);
    memcpy(question.firewall, e->firewall.drops, sizeof question.firewall);
    memcpy(question.lets_answers_in, e->firewall.lets_answers_in, sizeof question.lets_answers_in);
    take_live(e);
    if (e->record.document) {
        question.call_id = e->record.call_id;
        question.document = e->record.document;
        question.directory = e->record.directory;
        question.started = (struct wall){e->record.started_ms * NS_PER_MS};
        if (e->record.ended_ms > 0)
            question.ended = (struct wall){e->record.ended_ms * NS_PER_MS};
    }
    question.network = network;
    e->report = e->api->examine(e->api->doctor, &question);
    free(network);
}

static void done(struct api_job *job)
{
    struct examination *e = container_of(job, struct examination, job);
    if (e->report)
        http_exchange_reply_json(e->exchange, 200, view_of_string(e->report));
    else
        api_busy_problem(e->exchange);
    forget(e);
}

/* The newest recording of the call, or of all. False: answered. */
static bool find_record(struct api *api, struct http_exchange *exchange, struct examination *e)
{
    struct catalog_query query = {.state = -1, .limit = 1};
    struct catalog_page page;
    enum catalog_result result;
    if (e->call_id)
        query.call_id = view_of_string(e->call_id);
    result = catalog_reader_list(api->reader, &query, &page);
    if (result != CATALOG_OK) {
        api_catalog_problem(exchange, result);
        return false;
    }
    if (page.count > 0) {
        e->record = page.records[0];
        page.records[0] = (struct catalog_record){0};
    }
    catalog_page_finish(&page);
    return true;
}

static bool parse_firewall(struct view word, enum path_answer *drops, bool *lets_answers_in)
{
    static const struct {
        const char *word;
        enum path_answer drops;
        bool lets_answers_in;
    } words[] = {{"open", PATH_NO, true},
                 {"closed", PATH_YES, false},
                 {"stateful", PATH_YES, true},
                 {"unknown", PATH_UNKNOWN, false}};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++) {
        if (view_equal(word, view_of_string(words[i].word))) {
            *drops = words[i].drops;
            *lets_answers_in = words[i].lets_answers_in;
            return true;
        }
    }
    return false;
}

/* One word for each stream in the order of the recording, the last also for those behind it. */
static bool read_firewall(struct http_exchange *exchange, struct firewall *out)
{
    struct view value, word;
    enum path_answer drops = PATH_UNKNOWN;
    bool lets_answers_in = false;
    if (!http_exchange_query(exchange, "firewall", &value))
        return true;
    for (size_t i = 0; i < API_QUESTION_STREAMS; i++) {
        if (view_cut(&value, ',', &word) && !parse_firewall(word, &drops, &lets_answers_in)) {
            http_exchange_problem(exchange, 400, "bad_firewall",
                                  "firewall is a list of open, closed, stateful and unknown.");
            return false;
        }
        out->drops[i] = drops;
        out->lets_answers_in[i] = lets_answers_in;
    }
    return true;
}

static bool is_name(struct view word)
{
    for (size_t i = 0; i < word.len; i++) {
        char c = word.at[i];
        if (!(c >= 'a' && c <= 'z') && !(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') &&
            c != '_' && c != '-' && c != '.')
            return false;
    }
    return word.len > 0;
}

/* "inet/filter/input": goes into a command that somebody pastes. */
static bool read_chain(struct http_exchange *exchange, struct api_chain *out)
{
    struct view value, family, table;
    if (!http_exchange_query(exchange, "chain", &value))
        return true;
    if (!view_cut(&value, '/', &family) || !view_cut(&value, '/', &table) || !is_name(family) ||
        !is_name(table) || !is_name(value) || !view_copy(family, out->family, sizeof out->family) ||
        !view_copy(table, out->table, sizeof out->table) ||
        !view_copy(value, out->name, sizeof out->name)) {
        http_exchange_problem(exchange, 400, "bad_chain", "chain is FAMILY/TABLE/CHAIN.");
        return false;
    }
    return true;
}

void api_doctor_get(struct http_exchange *exchange, void *context)
{
    struct api *api = context;
    struct examination *e;
    struct view call_id;
    struct firewall firewall = {0};
    struct api_chain chain = {0};
    if (!read_firewall(exchange, &firewall) || !read_chain(exchange, &chain))
        return;
    e = calloc(1, sizeof *e);
    if (!e || !api->examine) {
        free(e);
        api_busy_problem(exchange);
        return;
    }
    *e = (struct examination){.job = {.run = run, .done = done},
                              .api = api,
                              .exchange = exchange,
                              .firewall = firewall,
                              .chain = chain};
    e->was_asked = http_exchange_query(exchange, "call_id", &call_id) && call_id.len > 0;
    if (e->was_asked && !(e->call_id = strndup(call_id.at, call_id.len))) {
        api_busy_problem(exchange);
        forget(e);
        return;
    }
    http_exchange_extend(exchange, DOCTOR_SECONDS);
    if (!find_record(api, exchange, e)) {
        forget(e);
    } else if (!api_work_submit(api->slow, &e->job)) {
        api_busy_problem(exchange);
        forget(e);
    }
}
