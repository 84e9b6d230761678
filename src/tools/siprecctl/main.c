/* siprecctl: the operator's tool: asks a running siprecd over its HTTP API.
 * Not here: reading recordings from disk; that is siprecd's own affair.
 * RFC: none. */
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "tools/siprecctl/client.h"
#include "tools/siprecctl/doctor.h"
#include "tools/siprecctl/options.h"
#include "tools/siprecctl/show.h"
#include "tools/siprecctl/show_nat.h"

/* The API's own bound. */
#define PAGE_MAX 1000

static char *page_path(struct ctl_client *client, const struct ctl_options *options, unsigned limit,
                       const char *cursor)
{
    char *call_id = options->call_id ? ctl_client_escape(client, options->call_id) : NULL;
    char *path = NULL;
    if (asprintf(&path, "/v1/recordings?limit=%u%s%s%s%s%s%s", limit, cursor ? "&cursor=" : "",
                 cursor ? cursor : "", call_id ? "&call_id=" : "", call_id ? call_id : "",
                 options->state ? "&state=" : "", options->state ? options->state : "") < 0)
        path = NULL;
    free(call_id);
    return path;
}

/* Reads pages until there are as many as asked for. *all: {"recordings","next"}, the caller's. */
static enum ctl_answer read_pages(struct ctl_client *client, const struct ctl_options *options,
                                  json_t **all)
{
    json_t *list = json_array();
    json_t *next = json_null();
    enum ctl_answer answer = CTL_ANSWER_OK;
    while (answer == CTL_ANSWER_OK && json_array_size(list) < options->limit) {
        json_t *page = NULL;
        unsigned rest = options->limit - (unsigned)json_array_size(list);
        char *path =
            page_path(client, options, rest < PAGE_MAX ? rest : PAGE_MAX, json_string_value(next));
        answer = path ? ctl_client_request(client, "GET", path, &page) : CTL_ANSWER_BAD;
        free(path);
        if (answer == CTL_ANSWER_OK) {
            json_array_extend(list, json_object_get(page, "recordings"));
            json_decref(next);
            next = json_incref(json_object_get(page, "next"));
        }
        json_decref(page);
        if (!json_is_string(next))
            break;
    }
    *all = json_pack("{s:o,s:o}", "recordings", list, "next", next ? next : json_null());
    return answer;
}

static enum ctl_answer list_recordings(struct ctl_client *client, const struct ctl_options *options)
{
    json_t *all = NULL;
    enum ctl_answer answer = read_pages(client, options, &all);
    if (answer == CTL_ANSWER_OK && options->json) {
        ctl_show_json(stdout, all);
    } else if (answer == CTL_ANSWER_OK) {
        ctl_show_recordings(stdout, json_object_get(all, "recordings"));
        if (json_is_string(json_object_get(all, "next")))
            printf("There are more: --limit N shows N of them.\n");
    }
    json_decref(all);
    return answer;
}

static enum ctl_answer one_recording(struct ctl_client *client, const struct ctl_options *options)
{
    char path[80];
    json_t *body = NULL;
    snprintf(path, sizeof path, "/v1/recordings/%s", options->id);
    enum ctl_answer answer =
        ctl_client_request(client, options->delete_it ? "DELETE" : "GET", path, &body);
    if (answer != CTL_ANSWER_OK)
        return answer;
    if (options->delete_it && options->json)
        printf("{\"deleted\": \"%s\"}\n", options->id);
    else if (options->delete_it)
        printf("Deleted %s.\n", options->id);
    else if (options->json)
        ctl_show_json(stdout, body);
    else
        ctl_show_recording(stdout, body);
    json_decref(body);
    return answer;
}

static enum ctl_answer sessions(struct ctl_client *client, const struct ctl_options *options)
{
    json_t *body = NULL;
    struct timespec t;
    enum ctl_answer answer = ctl_client_request(client, "GET", "/v1/sessions", &body);
    clock_gettime(CLOCK_REALTIME, &t);
    if (answer == CTL_ANSWER_OK && options->json)
        ctl_show_json(stdout, body);
    else if (answer == CTL_ANSWER_OK)
        ctl_show_sessions(stdout, json_object_get(body, "sessions"),
                          (struct wall){t.tv_sec * NS_PER_S + t.tv_nsec});
    json_decref(body);
    return answer;
}

/* All of them: a page holds more than most installations have SRCs. */
static enum ctl_answer list_srcs(struct ctl_client *client, const struct ctl_options *options)
{
    json_t *list = json_array(), *next = json_null();
    enum ctl_answer answer;
    do {
        char path[128];
        json_t *page = NULL;
        const char *cursor = json_string_value(next);
        snprintf(path, sizeof path, "/v1/srcs?limit=%d%s%s", PAGE_MAX, cursor ? "&cursor=" : "",
                 cursor ? cursor : "");
        answer = ctl_client_request(client, "GET", path, &page);
        json_array_extend(list, json_object_get(page, "srcs"));
        json_decref(next);
        next = json_incref(json_object_get(page, "next"));
        json_decref(page);
    } while (answer == CTL_ANSWER_OK && json_is_string(next));
    json_t *all = json_pack("{s:o}", "srcs", list);
    if (answer == CTL_ANSWER_OK && options->json)
        ctl_show_json(stdout, all);
    else if (answer == CTL_ANSWER_OK)
        ctl_show_srcs(stdout, list);
    json_decref(next);
    json_decref(all);
    return answer;
}

static enum ctl_answer srcs(struct ctl_client *client, const struct ctl_options *options)
{
    char path[80];
    json_t *body = NULL;
    if (!options->id)
        return list_srcs(client, options);
    snprintf(path, sizeof path, "/v1/srcs/%s", options->id);
    enum ctl_answer answer = ctl_client_request(client, "DELETE", path, &body);
    if (answer == CTL_ANSWER_OK)
        printf(options->json ? "{\"forgotten\": \"%s\"}\n" : "Forgotten %s.\n", options->id);
    json_decref(body);
    return answer;
}

static enum ctl_answer nat(struct ctl_client *client, const struct ctl_options *options)
{
    json_t *body = NULL;
    enum ctl_answer answer = ctl_client_request(client, "GET", "/v1/nat", &body);
    if (answer == CTL_ANSWER_OK && options->json)
        ctl_show_json(stdout, body);
    else if (answer == CTL_ANSWER_OK)
        ctl_show_nat(stdout, body);
    json_decref(body);
    return answer;
}

static enum ctl_answer drain(struct ctl_client *client, const struct ctl_options *options)
{
    json_t *body = NULL;
    enum ctl_answer answer = ctl_client_request(client, "POST", "/v1/drain", &body);
    if (answer == CTL_ANSWER_OK && options->json)
        ctl_show_json(stdout, body);
    else if (answer == CTL_ANSWER_OK)
        printf("Draining: no more calls are taken, %lld still going on.\n",
               (long long)json_integer_value(json_object_get(body, "sessions")));
    json_decref(body);
    return answer;
}

/* *is_healthy: false where the answer is bad news although all went well. */
static enum ctl_answer run(struct ctl_client *client, const struct ctl_options *options,
                           bool *is_healthy)
{
    switch (options->command) {
    case CTL_RECORDINGS:
        return options->id ? one_recording(client, options) : list_recordings(client, options);
    case CTL_SESSIONS:
        return sessions(client, options);
    case CTL_SRCS:
        return srcs(client, options);
    case CTL_NAT:
        return nat(client, options);
    case CTL_DOCTOR:
        return ctl_doctor(client, options, is_healthy);
    case CTL_DRAIN:
        return drain(client, options);
    }
    return CTL_ANSWER_BAD;
}

int main(int argc, char **argv)
{
    static const int exit_codes[] = {
        [CTL_ANSWER_OK] = 0, [CTL_ANSWER_BAD] = 1, [CTL_ANSWER_UNREACHABLE] = 3};
    struct ctl_options options;
    enum ctl_usage usage = ctl_options_parse(&options, argc, argv);
    if (usage != CTL_USAGE_RUN)
        return usage == CTL_USAGE_DONE ? 0 : 2;
    struct ctl_client *client = ctl_client_create(options.url);
    if (!client) {
        fprintf(stderr, "siprecctl: libcurl does not start\n");
        return 3;
    }
    bool is_healthy = true;
    int code = exit_codes[run(client, &options, &is_healthy)];
    if (code == 0 && !is_healthy)
        code = 1;
    ctl_client_destroy(client);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        perror("siprecctl");
        return 1;
    }
    return code;
}
