/* serve: the API over a recordings directory, with a signalling thread that only pretends, for
 * test_api.py. Prints its ports on one line, ends at the end of its input. Lines of input: "ready",
 * "draining", "full", "disk_full", "mute" (leave questions unanswered), "sessions JSON", "nat JSON",
 * "put JSON", "flush", "src ID KEY<tab>PROFILE", "forgotten" (how many). Each is answered by a
 * number. Use: api_serve ROOT RENDER FORMAT HOSTNAMES, or
 * api_serve routes: prints the table of routes. */
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "api/api.h"
#include "base/log.h"
#include "doctor/evidence.h"

struct pretence {
    struct catalog *catalog;
    struct api_board *board;
    struct api_health health;
    bool mute;
    unsigned forgotten;
    char sessions[65536];
    char nat[65536];
};

static void say(void *context, const struct log_line *line)
{
    (void)context;
    fprintf(stderr, "%s %s [" VIEW_FMT "] " VIEW_FMT "\n", log_level_name(line->level),
            line->module, VIEW_ARG(line->call_id), VIEW_ARG(line->text));
}

/* The real rules on what the question brings: no journal, no look from outside. */
static char *examine(void *doctor, const struct api_question *question)
{
    struct doctor_evidence evidence = {.levels = -1, .was_asked = question->was_asked};
    struct doctor_diagnosis diagnosis;
    (void)doctor;
    if (question->document)
        doctor_read_recording(question->document, &evidence);
    for (size_t i = 0; i < evidence.stream_count; i++)
        evidence.streams[i].firewall = question->firewall[i],
        evidence.streams[i].lets_answers_in = question->lets_answers_in[i];
    (void)view_copy(view_of_string(question->chain.name), evidence.chain.name,
                    sizeof evidence.chain.name);
    doctor_diagnose(&evidence, &diagnosis);
    return doctor_print_report(&evidence, &diagnosis, question->call_id);
}

/* "ID KEY...\tPROFILE" */
static int put_src(struct catalog *catalog, char *text)
{
    struct uuid id;
    char *key = strchr(text, ' '), *profile = strchr(text, '\t');
    struct wall now = {INT64_C(4000000000) * NS_PER_S}; /* nothing of 30 days before is to go */
    if (!key || !profile)
        return -1;
    *key++ = *profile++ = '\0';
    if (!uuid_parse(view_of_string(text), &id))
        return -1;
    return catalog_put_src(catalog, &id, view_of_string(key), view_of_string(profile), now);
}

static void obey(struct pretence *p, char *line)
{
    char *argument = strchr(line, ' ');
    if (argument)
        *argument++ = '\0';
    if (strcmp(line, "ready") == 0)
        p->health = (struct api_health){.answering = true};
    else if (strcmp(line, "draining") == 0)
        p->health.draining = true;
    else if (strcmp(line, "full") == 0)
        p->health.full = true;
    else if (strcmp(line, "disk_full") == 0)
        p->health.disk_full = true;
    else if (strcmp(line, "mute") == 0)
        p->mute = true;
    else if (strcmp(line, "sessions") == 0 && argument)
        snprintf(p->sessions, sizeof p->sessions, "%s", argument);
    else if (strcmp(line, "nat") == 0 && argument)
        snprintf(p->nat, sizeof p->nat, "%s", argument);
    int result = 1;
    if (strcmp(line, "put") == 0 && argument)
        result = catalog_put(p->catalog, view_of_string(argument), VIEW_NONE);
    else if (strcmp(line, "src") == 0 && argument)
        result = put_src(p->catalog, argument);
    else if (strcmp(line, "forgotten") == 0)
        result = (int)p->forgotten;
    else if (strcmp(line, "flush") == 0)
        result = catalog_flush(p->catalog, 20000);
    api_board_set_health(p->board, &p->health);
    printf("%d\n", result);
}

static void answer(struct pretence *p)
{
    unsigned wants = p->mute ? 0 : api_board_take(p->board);
    if (wants & API_WANT_NAT && api_board_publish_nat(p->board, view_of_string(p->nat)) != 0)
        fprintf(stderr, "no memory\n");
    if (wants & API_WANT_SESSIONS &&
        api_board_publish_sessions(p->board, view_of_string(p->sessions)) != 0)
        abort();
    struct uuid src;
    while (wants & API_WANT_FORGET && api_board_take_src(p->board, &src))
        p->forgotten++;
    if (wants & API_WANT_DRAIN) {
        p->health.draining = true;
        api_board_set_health(p->board, &p->health);
    }
}

static void live(struct pretence *p)
{
    static char line[65536];
    size_t len = 0;
    for (;;) {
        struct pollfd fds[] = {{.fd = 0, .events = POLLIN},
                               {.fd = p->mute ? -1 : api_board_fd(p->board), .events = POLLIN}};
        if (poll(fds, 2, -1) < 0)
            return;
        if (fds[1].revents)
            answer(p);
        if (!fds[0].revents)
            continue;
        ssize_t n = read(0, line + len, sizeof line - len - 1);
        if (n <= 0)
            return;
        len += (size_t)n;
        for (char *end; (end = memchr(line, '\n', len));) {
            *end = '\0';
            obey(p, line);
            fflush(stdout);
            len -= (size_t)(end + 1 - line);
            memmove(line, end + 1, len);
        }
    }
}

static int print_routes(void)
{
    size_t count;
    const struct http_route *routes = api_routes(&count);
    for (size_t i = 0; i < count; i++)
        printf("%s %s\n", http_method_name(routes[i].method), routes[i].path);
    return 0;
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "routes") == 0)
        return print_routes();
    static struct pretence p = {.sessions = "[]", .nat = "{}"};
    char error[256];
    struct addr listen[] = {addr_v4(127, 0, 0, 1, 0), {.family = ADDR_V6, .ip = {[15] = 1}}};
    if (argc != 5)
        return 2;
    log_set_sink(say, NULL);
    struct catalog_options options = {.root = argv[1], .busy_ms = 50, .tend_ms = 50};
    p.catalog = catalog_create(&options);
    p.board = api_board_create();
    struct api_options wanted = {.listen = listen,
                                 .listen_count = 2,
                                 .hostnames = argv[4],
                                 .root = argv[1],
                                 .format = argv[3],
                                 .render = argv[2],
                                 .catalog = p.catalog,
                                 .board = p.board,
                                 .examine = examine};
    struct api *api = api_create(&wanted, error, sizeof error);
    if (!api) {
        fprintf(stderr, "%s\n", error);
        return 3;
    }
    printf("%u %u\n", api_port(api, 0), api_port(api, 1));
    fflush(stdout);
    live(&p);
    api_destroy(api);
    catalog_destroy(p.catalog, 5000);
    api_board_destroy(p.board);
    return 0;
}
