/* asker: what takes its time (names, metadata, web services, UPnP, a file to write), done by a
 * thread each, so that nothing waits behind another and no call waits for any.
 * Not here: what is asked when, and what follows (surveyor.h, mapper.h).
 * RFC: none. */
#include "siprecd/asker.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "base/list.h"
#include "io/clock.h"
#include "io/fetch.h"
#include "io/file.h"
#include "io/resolve.h"

enum {
    ASKER_STACK = 512 * 1024, /* libcurl with TLS, and getaddrinfo's alloca */
    /* nat.md's 250 ms hold for all requests of one cloud; the service sits in the host below us. */
    ASKER_METADATA_MS = 250,
    ASKER_SERVICE_MS = 3000,
    ASKER_GATEWAY_MS = 700,
    ASKER_TOKEN_SIZE = 2048, /* with its header; AWS makes them of 56 characters */
};

#define METADATA_SERVICE "http://169.254.169.254"

/* Shared with the threads, which may outlive the asker: a resolver without a network waits for half
 * a minute, and nobody can stop it. */
struct asker {
    pthread_mutex_t lock;
    struct list answers;
    size_t under_way, mapping;
    bool is_over, maps_no_more;
    int fd;
};

struct errand {
    struct list link;
    struct asker *asker;
    bool maps; /* counted in its mapping */
    struct asker_answer answer;
};

struct asker *asker_create(void)
{
    struct asker *asker = calloc(1, sizeof *asker);
    if (!asker)
        return NULL;
    list_init(&asker->answers);
    pthread_mutex_init(&asker->lock, NULL);
    asker->fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    if (asker->fd < 0) {
        int error = errno;
        free(asker);
        errno = error;
        return NULL;
    }
    return asker;
}

static void errand_free(struct errand *errand)
{
    io_igd_destroy(errand->answer.question.igd);
    free(errand->answer.question.content);
    free(errand);
}

static void asker_free(struct asker *asker)
{
    list_each_safe (at, &asker->answers)
        errand_free(container_of(at, struct errand, link));
    close(asker->fd);
    pthread_mutex_destroy(&asker->lock);
    free(asker);
}

void asker_destroy(struct asker *asker)
{
    bool is_last;
    if (!asker)
        return;
    pthread_mutex_lock(&asker->lock);
    asker->is_over = true;
    is_last = asker->under_way == 0;
    pthread_mutex_unlock(&asker->lock);
    if (is_last)
        asker_free(asker);
}

int asker_fd(const struct asker *asker)
{
    return asker->fd;
}

void asker_map_no_more(struct asker *asker)
{
    pthread_mutex_lock(&asker->lock);
    asker->maps_no_more = true;
    pthread_mutex_unlock(&asker->lock);
}

bool asker_is_mapping(struct asker *asker)
{
    bool is_mapping;
    pthread_mutex_lock(&asker->lock);
    is_mapping = asker->mapping > 0;
    pthread_mutex_unlock(&asker->lock);
    return is_mapping;
}

void asker_wait(const struct asker *asker, int64_t timeout_ms)
{
    struct pollfd ready = {.fd = asker->fd, .events = POLLIN};
    if (poll(&ready, 1, (int)timeout_ms) < 0) {
        /* A signal: whoever waits looks at its own time. */
    }
}

/* ---- what the threads do -------------------------------------------------------------------- */

static void ask_name(struct asker_answer *answer)
{
    answer->count = io_resolve(answer->question.text, answer->question.port, answer->addresses,
                               ASKER_ADDRESSES);
    answer->good = answer->count > 0;
    if (!answer->good)
        snprintf(answer->why, sizeof answer->why, "no address");
}

static void ask_metadata(struct asker_answer *answer)
{
    struct tick end = tick_add_ms(io_clock_tick(), ASKER_METADATA_MS);
    struct io_fetch_answer *got = malloc(sizeof *got);
    const struct cloud_request *requests;
    char token[ASKER_TOKEN_SIZE] = "";
    struct io_dmi dmi;
    size_t count;
    io_dmi_read(&dmi);
    answer->cloud = cloud_recognise(&dmi);
    requests = cloud_requests(answer->cloud, &count);
    for (size_t i = 0; got && i < count && !answer->good; i++) {
        struct io_fetch_request request = {.method = requests[i].method, .family = ADDR_V4};
        char url[512];
        int64_t left_ms = tick_diff_ms(end, io_clock_tick());
        size_t headers = 0;
        if (left_ms <= 0 || (requests[i].token_header && token[0] == '\0'))
            break;
        snprintf(url, sizeof url, METADATA_SERVICE "%s", requests[i].path);
        request.url = url;
        request.timeout_ms = left_ms;
        if (requests[i].header)
            request.headers[headers++] = requests[i].header;
        if (requests[i].token_header)
            request.headers[headers++] = token;
        if (!io_fetch(&request, got) || got->status != 200) {
            snprintf(answer->why, sizeof answer->why, "status %ld %.64s", got->status, got->why);
            continue;
        }
        if (requests[i].gives_token)
            snprintf(token, sizeof token, "%s" VIEW_FMT, requests[i + 1].token_header,
                     VIEW_ARG(view_trim(view_of(got->body, got->len))));
        else
            answer->good = cloud_parse(view_of(got->body, got->len), &answer->addresses[0]);
    }
    answer->count = answer->good;
    free(got);
}

static void ask_service(struct asker_answer *answer)
{
    const struct asker_question *question = &answer->question;
    struct io_fetch_answer *got = malloc(sizeof *got);
    struct io_fetch_request request = {
        .url = question->text, .family = question->family, .timeout_ms = ASKER_SERVICE_MS};
    for (int by_proxy = 0; got && by_proxy < 2 && !answer->good; by_proxy++) {
        if (by_proxy && question->proxy[0] == '\0')
            break;
        request.proxy = by_proxy ? question->proxy : NULL;
        if (!io_fetch(&request, got))
            snprintf(answer->why, sizeof answer->why, "%s", got->why);
        else if (got->status != 200)
            snprintf(answer->why, sizeof answer->why, "status %ld", got->status);
        else if (cloud_parse_service(view_of(got->body, got->len), question->family,
                                     &answer->addresses[0]))
            answer->good = true;
        else
            snprintf(answer->why, sizeof answer->why, "no public IPv%d address in the answer",
                     question->family);
    }
    answer->count = answer->good;
    free(got);
}

/* From here on the end waits for this errand, for what it maps is to be given back. */
static bool errand_may_map(struct errand *errand)
{
    struct asker *asker = errand->asker;
    bool may;
    pthread_mutex_lock(&asker->lock);
    may = !asker->maps_no_more;
    if (may && !errand->maps) {
        errand->maps = true;
        asker->mapping++;
    }
    pthread_mutex_unlock(&asker->lock);
    return may;
}

static void ask_gateway(struct errand *errand)
{
    struct asker_answer *answer = &errand->answer;
    struct asker_question *question = &answer->question;
    if (!question->igd)
        question->igd = io_igd_find(&question->local, &question->gateway, ASKER_GATEWAY_MS);
    if (!question->igd) {
        snprintf(answer->why, sizeof answer->why, "no gateway speaks UPnP");
        return;
    }
    answer->good = true;
    if (!question->is_farewell)
        answer->count = io_igd_external(question->igd, &answer->addresses[0]);
    for (size_t i = 0; i < question->ports_count; i++) {
        struct asker_port *port = &question->ports[i];
        bool answers = true;
        if (port->give_back)
            answers = io_igd_unmap(question->igd, port->is_tcp, port->external);
        else if (port->is_check)
            port->is_mapped =
                io_igd_has(question->igd, port->is_tcp, port->internal, port->external);
        else if (!errand_may_map(errand))
            return;
        else
            port->is_mapped = io_igd_map(question->igd, port->is_tcp, port->internal,
                                         question->lease_s, &port->external, &port->error);
        /* It has gone, or is another one now: looked for again next time. */
        if (!answers || (!port->is_mapped && port->error < 0)) {
            io_igd_destroy(question->igd);
            question->igd = NULL;
            return;
        }
    }
}

/* Whole or not at all: written beside it, then put in its place. */
static void ask_keep(struct asker_answer *answer)
{
    const struct asker_question *question = &answer->question;
    struct iovec content = {question->content, strlen(question->content)};
    char beside[ASKER_TEXT_SIZE + 8];
    int64_t size = 0;
    int fd, error;
    snprintf(beside, sizeof beside, "%s.new", question->text);
    (void)unlink(beside); /* half of one, from before */
    fd = io_file_create(beside);
    error = fd < 0 ? errno : io_file_append(fd, &content, 1, &size);
    if (fd >= 0 && close(fd) != 0 && !error)
        error = errno;
    if (!error)
        error = io_file_put(beside, question->text);
    answer->good = error == 0;
    if (error)
        snprintf(answer->why, sizeof answer->why, "%s", strerror(error));
}

static void *errand_run(void *argument)
{
    struct errand *errand = argument;
    struct asker *asker = errand->asker;
    uint64_t one = 1;
    bool was_last;
    (void)pthread_setname_np(pthread_self(), "asker");
    switch (errand->answer.question.kind) {
    case ASKER_NAME:
        ask_name(&errand->answer);
        break;
    case ASKER_METADATA:
        ask_metadata(&errand->answer);
        break;
    case ASKER_SERVICE:
        ask_service(&errand->answer);
        break;
    case ASKER_GATEWAY:
        ask_gateway(errand);
        break;
    case ASKER_KEEP:
        ask_keep(&errand->answer);
        break;
    }
    pthread_mutex_lock(&asker->lock);
    list_append(&asker->answers, &errand->link);
    asker->under_way--;
    was_last = asker->is_over && asker->under_way == 0;
    if (write(asker->fd, &one, sizeof one) < 0) {
        /* It stands at its maximum: readable anyway. */
    }
    pthread_mutex_unlock(&asker->lock);
    if (was_last)
        asker_free(asker);
    return NULL;
}

/* ---- asking --------------------------------------------------------------------------------- */

static int errand_start(struct errand *errand)
{
    pthread_attr_t attributes;
    pthread_t thread;
    sigset_t all, before;
    int error;
    pthread_attr_init(&attributes);
    pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
    pthread_attr_setstacksize(&attributes, ASKER_STACK);
    /* Signals are the main thread's affair. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    error = pthread_create(&thread, &attributes, errand_run, errand);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    pthread_attr_destroy(&attributes);
    return error;
}

bool asker_ask(struct asker *asker, const struct asker_question *question)
{
    struct errand *errand = calloc(1, sizeof *errand);
    bool may;
    if (!errand)
        return false;
    pthread_mutex_lock(&asker->lock);
    may = asker->under_way < ASKER_AT_ONCE;
    asker->under_way += may;
    pthread_mutex_unlock(&asker->lock);
    errand->asker = asker;
    errand->answer.question = *question;
    if (may && errand_start(errand) == 0)
        return true;
    if (may) {
        pthread_mutex_lock(&asker->lock);
        asker->under_way--;
        pthread_mutex_unlock(&asker->lock);
    }
    free(errand);
    return false;
}

struct asker_answer *asker_answer(struct asker *asker)
{
    struct errand *errand = NULL;
    uint64_t count;
    pthread_mutex_lock(&asker->lock);
    if (!list_is_empty(&asker->answers)) {
        errand = container_of(asker->answers.next, struct errand, link);
        list_remove(&errand->link);
        asker->mapping -= errand->maps;
    } else if (read(asker->fd, &count, sizeof count) < 0) {
        /* Nothing to read: nothing was posted. */
    }
    pthread_mutex_unlock(&asker->lock);
    return errand ? &errand->answer : NULL;
}

void asker_answer_free(struct asker_answer *answer)
{
    if (answer)
        errand_free(container_of(answer, struct errand, answer));
}
