/* server: evhttp on a thread of its own.
 * Not here: what the routes answer.
 * RFC 9110, RFC 9112. */
#include "http/server.h"

#include <errno.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/keyvalq_struct.h>
#include <event2/listener.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include "base/metrics.h"
#include "http/access.h"
#include "http/connections.h"
#include "http/inside.h"

/* Request line and fields: a Call-ID of 10,000 bytes, each written as %XX, in the query. */
#define HEAD_MAX (64 * 1024)
/* No request of this API has a body worth more than a few bytes. evhttp itself cuts at sixteen
 * times as much; between the two the answer is a problem document. */
#define BODY_MAX (64 * 1024)
/* evhttp's own time-out would cut a long download, whose peer has nothing to say: connections.h
 * keeps time. */
#define EVHTTP_TIMEOUT_S (24 * 3600)

struct post {
    struct post *next;
    void (*call)(void *argument);
    void *argument;
};

struct http_server {
    struct event_base *base;
    struct evhttp *http;
    struct event *wake, *sweep;
    struct evconnlistener **listeners;
    size_t listener_count;
    bool listening;
    struct http_connections connections;
    size_t accepted; /* connections whose descriptor is not yet known */
    char *hostnames;
    const struct http_route *routes;
    size_t route_count;
    void *context;
    int wake_fd;
    pthread_t thread;
    bool started;
    pthread_mutex_t lock;
    struct post *posts, **posts_end; /* under lock */
    bool stop;                       /* under lock */
};

static struct tick http_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (struct tick){t.tv_sec * NS_PER_S + t.tv_nsec};
}

/* ---- connections ---------------------------------------------------------------------------- */

static void listen_while_there_is_room(struct http_server *server)
{
    bool room = server->connections.count + server->accepted < server->connections.max;
    if (room == server->listening)
        return;
    server->listening = room;
    for (size_t i = 0; i < server->listener_count; i++) {
        if (room)
            evconnlistener_enable(server->listeners[i]);
        else
            evconnlistener_disable(server->listeners[i]);
    }
}

struct newcomer {
    struct http_server *server;
    struct bufferevent *buffer;
};

/* Runs before the connection's first bytes are read: now the descriptor is known. */
static void on_accepted(evutil_socket_t fd, short what, void *argument)
{
    (void)fd;
    (void)what;
    struct newcomer *newcomer = argument;
    struct http_server *server = newcomer->server;
    evutil_socket_t got = bufferevent_getfd(newcomer->buffer);
    server->accepted--;
    if (got >= 0)
        http_connections_add(&server->connections, got, http_now());
    bufferevent_decref(newcomer->buffer);
    free(newcomer);
    listen_while_there_is_room(server);
}

static struct bufferevent *make_buffer(struct event_base *base, void *argument)
{
    struct http_server *server = argument;
    struct bufferevent *buffer = bufferevent_socket_new(base, -1, 0);
    struct newcomer *newcomer = malloc(sizeof *newcomer);
    struct timeval at_once = {0, 0};
    if (!buffer || !newcomer) {
        free(newcomer);
        return buffer;
    }
    *newcomer = (struct newcomer){server, buffer};
    bufferevent_incref(buffer);
    if (event_base_once(base, -1, EV_TIMEOUT, on_accepted, newcomer, &at_once) == 0) {
        server->accepted++;
        listen_while_there_is_room(server);
    } else {
        bufferevent_decref(buffer);
        free(newcomer);
    }
    return buffer;
}

static void on_sweep(evutil_socket_t fd, short what, void *argument)
{
    (void)fd;
    (void)what;
    struct http_server *server = argument;
    http_connections_sweep(&server->connections, http_now());
    listen_while_there_is_room(server);
}

static void on_replied(struct evhttp_request *request, void *argument)
{
    struct http_server *server = argument;
    struct evhttp_connection *connection = evhttp_request_get_connection(request);
    if (connection)
        http_connections_replied(&server->connections,
                                 bufferevent_getfd(evhttp_connection_get_bufferevent(connection)),
                                 http_now());
}

void http_server_replying(struct http_server *server, struct http_exchange *exchange)
{
    http_connections_request(&server->connections, http_exchange_fd(exchange), http_now());
    metric_add(METRIC_HTTP_REQUESTS, 1);
}

void http_server_extend(struct http_server *server, int fd, unsigned seconds)
{
    http_connections_extend(&server->connections, fd,
                            tick_add_ms(http_now(), (int64_t)seconds * 1000));
}

/* ---- requests ------------------------------------------------------------------------------- */

static enum http_method method_of(struct evhttp_request *request)
{
    switch (evhttp_request_get_command(request)) {
    case EVHTTP_REQ_GET:
        return HTTP_METHOD_GET;
    case EVHTTP_REQ_HEAD:
        return HTTP_METHOD_HEAD;
    case EVHTTP_REQ_POST:
        return HTTP_METHOD_POST;
    case EVHTTP_REQ_PUT:
        return HTTP_METHOD_PUT;
    case EVHTTP_REQ_PATCH:
        return HTTP_METHOD_PATCH;
    case EVHTTP_REQ_DELETE:
        return HTTP_METHOD_DELETE;
    case EVHTTP_REQ_OPTIONS:
        return HTTP_METHOD_OPTIONS;
    default:
        return HTTP_METHOD_OTHER;
    }
}

/* The authority of an absolute target goes before the Host field (RFC 9112 §3.2.2); two Host fields
 * are an attempt at something (§3.2). False: answered. */
static bool check_host(struct http_exchange *exchange, const struct evhttp_uri *uri)
{
    const struct evkeyvalq *fields = evhttp_request_get_input_headers(exchange->request);
    const struct evkeyval *field;
    const char *host = evhttp_uri_get_host(uri);
    const char *named = NULL;
    unsigned count = 0;
    for (field = fields->tqh_first; field; field = field->next.tqe_next) {
        if (evutil_ascii_strcasecmp(field->key, "Host") == 0) {
            count++;
            named = field->value;
        }
    }
    if (count != 1) {
        metric_add(METRIC_HTTP_REFUSED, 1);
        http_exchange_problem(exchange, 400, "host_missing",
                              "A request needs exactly one Host field.");
        return false;
    }
    struct view hostnames = view_of_string(exchange->server->hostnames);
    char bracketed[300];
    if (host && strchr(host, ':') && host[0] != '[') {
        snprintf(bracketed, sizeof bracketed, "[%s]", host);
        host = bracketed;
    }
    if (http_access_host(view_of_string(named), hostnames) &&
        (!host || http_access_host(view_of_string(host), hostnames)))
        return true;
    metric_add(METRIC_HTTP_REFUSED, 1);
    http_exchange_problem(exchange, 421, "host_not_allowed",
                          "The Host is neither an address nor localhost nor listed in "
                          "http.hostnames: %.200s",
                          host ? host : named);
    return false;
}

static void refuse_method(struct http_exchange *exchange)
{
    char allow[64] = "";
    for (enum http_method m = HTTP_METHOD_GET; m < HTTP_METHOD_COUNT; m++) {
        if (!(exchange->routing.allowed & 1U << m))
            continue;
        size_t len = strlen(allow);
        snprintf(allow + len, sizeof allow - len, "%s%s", len ? ", " : "", http_method_name(m));
    }
    http_exchange_set_field(exchange, "Allow", allow);
    http_exchange_problem(exchange, 405, "method_not_allowed", "This resource takes %s.", allow);
}

/* False: answered. */
static bool check_change(struct http_exchange *exchange)
{
    if (http_method_is_safe(exchange->method))
        return true;
    if (!http_access_json(http_exchange_field(exchange, "Content-Type"))) {
        metric_add(METRIC_HTTP_REFUSED, 1);
        http_exchange_problem(exchange, 415, "content_type",
                              "A request that changes something needs Content-Type: "
                              "application/json, even without a body.");
        return false;
    }
    if (exchange->body.len > BODY_MAX) {
        http_exchange_problem(exchange, 413, "body_too_large", "At most %d bytes.", BODY_MAX);
        return false;
    }
    return true;
}

static void read_body(struct http_exchange *exchange)
{
    struct evbuffer *input = evhttp_request_get_input_buffer(exchange->request);
    size_t len = evbuffer_get_length(input);
    exchange->body = view_of(len ? evbuffer_pullup(input, -1) : NULL, len);
}

static void dispatch(struct http_exchange *exchange)
{
    struct http_server *server = exchange->server;
    const struct evhttp_uri *uri = evhttp_request_get_evhttp_uri(exchange->request);
    if (!uri || !evhttp_uri_get_path(uri)) {
        http_exchange_problem(exchange, 400, "bad_target", "The request target is no path.");
        return;
    }
    if (!check_host(exchange, uri))
        return;
    struct view path = view_of_string(evhttp_uri_get_path(uri));
    switch (http_router_find(server->routes, server->route_count, exchange->method, path,
                             &exchange->routing)) {
    case HTTP_MATCH_BAD_PATH:
        http_exchange_problem(exchange, 400, "bad_path", "The path cannot be decoded.");
        return;
    case HTTP_MATCH_NO_PATH:
        http_exchange_problem(exchange, 404, "no_such_resource",
                              "There is no such resource; /openapi.json lists what there is.");
        return;
    case HTTP_MATCH_NO_METHOD:
        refuse_method(exchange);
        return;
    case HTTP_MATCH_FOUND:
        break;
    }
    if (!check_change(exchange))
        return;
    if (!http_exchange_read_query(exchange, view_of_string(evhttp_uri_get_query(uri)))) {
        http_exchange_problem(exchange, 400, "bad_query", "The query cannot be decoded.");
        return;
    }
    server->routes[exchange->routing.route].handle(exchange, server->context);
}

static void on_request(struct evhttp_request *request, void *argument)
{
    struct http_server *server = argument;
    struct http_exchange *exchange = calloc(1, sizeof *exchange);
    if (!exchange) {
        evhttp_send_error(request, 503, NULL);
        return;
    }
    exchange->request = request;
    exchange->server = server;
    exchange->method = method_of(request);
    evhttp_request_set_on_complete_cb(request, on_replied, server);
    http_connections_request(&server->connections, http_exchange_fd(exchange), http_now());
    read_body(exchange);
    dispatch(exchange);
}

/* ---- the thread ----------------------------------------------------------------------------- */

static void run_posts(struct http_server *server)
{
    pthread_mutex_lock(&server->lock);
    struct post *post = server->posts;
    server->posts = NULL;
    server->posts_end = &server->posts;
    pthread_mutex_unlock(&server->lock);
    while (post) {
        struct post *next = post->next;
        post->call(post->argument);
        free(post);
        post = next;
    }
}

static void on_wake(evutil_socket_t fd, short what, void *argument)
{
    (void)what;
    struct http_server *server = argument;
    uint64_t count;
    if (read(fd, &count, sizeof count) < 0 && errno != EAGAIN)
        return;
    run_posts(server);
    pthread_mutex_lock(&server->lock);
    bool stop = server->stop;
    pthread_mutex_unlock(&server->lock);
    if (stop)
        event_base_loopbreak(server->base);
}

static void *server_thread(void *argument)
{
    struct http_server *server = argument;
    sigset_t pipe;
    /* A peer that leaves in the middle of a download is an error of the write,
     * not the end of the program. */
    sigemptyset(&pipe);
    sigaddset(&pipe, SIGPIPE);
    pthread_sigmask(SIG_BLOCK, &pipe, NULL);
    event_base_dispatch(server->base);
    return NULL;
}

static void wake(struct http_server *server)
{
    uint64_t one = 1;
    /* Full means that it is awake anyway. */
    ssize_t n = write(server->wake_fd, &one, sizeof one);
    (void)n;
}

bool http_server_post(struct http_server *server, void (*call)(void *argument), void *argument)
{
    struct post *post = malloc(sizeof *post);
    if (!post)
        return false;
    *post = (struct post){NULL, call, argument};
    pthread_mutex_lock(&server->lock);
    *server->posts_end = post;
    server->posts_end = &post->next;
    pthread_mutex_unlock(&server->lock);
    wake(server);
    return true;
}

/* ---- start and end -------------------------------------------------------------------------- */

static socklen_t to_sockaddr(const struct addr *a, struct sockaddr_storage *out)
{
    memset(out, 0, sizeof *out);
    if (a->family == ADDR_V4) {
        struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(a->port)};
        memcpy(&in.sin_addr, a->ip, 4);
        memcpy(out, &in, sizeof in);
        return sizeof in;
    }
    struct sockaddr_in6 in = {
        .sin6_family = AF_INET6, .sin6_port = htons(a->port), .sin6_scope_id = a->scope};
    memcpy(&in.sin6_addr, a->ip, 16);
    memcpy(out, &in, sizeof in);
    return sizeof in;
}

static int bind_one(struct http_server *server, const struct addr *a)
{
    struct sockaddr_storage name;
    bool v6 = a->family == ADDR_V6;
    int on = 1, error = 0;
    socklen_t len = to_sockaddr(a, &name);
    int fd = socket(name.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    /* The address may come later (DHCP, a VIP): then it is heard. */
    setsockopt(fd, v6 ? IPPROTO_IPV6 : IPPROTO_IP, v6 ? IPV6_FREEBIND : IP_FREEBIND, &on,
               sizeof on);
    /* [::] and 0.0.0.0 may both be listed. */
    if (v6)
        setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on, sizeof on);
    if (bind(fd, (struct sockaddr *)&name, len) != 0 || listen(fd, 128) != 0)
        error = errno;
    struct evconnlistener *listener =
        error ? NULL
              : evconnlistener_new(server->base, NULL, NULL,
                                   LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
    if (!listener || !evhttp_bind_listener(server->http, listener)) {
        if (listener)
            evconnlistener_free(listener);
        else
            close(fd);
        return error ? error : ENOMEM;
    }
    server->listeners[server->listener_count++] = listener;
    return 0;
}

static bool make_loop(struct http_server *server, const struct http_server_options *options)
{
    struct timeval second = {1, 0};
    size_t max = options->max_connections ? options->max_connections : 256;
    int64_t idle_ms = (options->idle_seconds ? options->idle_seconds : 30) * INT64_C(1000);
    server->wake_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
    server->base = event_base_new();
    server->http = server->base ? evhttp_new(server->base) : NULL;
    server->listeners = calloc(options->listen_count, sizeof *server->listeners);
    server->hostnames = strdup(options->hostnames ? options->hostnames : "");
    if (server->wake_fd < 0 || !server->http || !server->listeners || !server->hostnames ||
        !http_connections_init(&server->connections, max, idle_ms))
        return false;
    server->wake = event_new(server->base, server->wake_fd, EV_READ | EV_PERSIST, on_wake, server);
    server->sweep = event_new(server->base, -1, EV_PERSIST, on_sweep, server);
    evhttp_set_gencb(server->http, on_request, server);
    evhttp_set_bevcb(server->http, make_buffer, server);
    evhttp_set_max_headers_size(server->http, HEAD_MAX);
    evhttp_set_max_body_size(server->http, (ev_ssize_t)BODY_MAX * 16);
    evhttp_set_timeout(server->http, EVHTTP_TIMEOUT_S);
    /* All, so that the answer to those we do not take is ours. */
    evhttp_set_allowed_methods(server->http, UINT16_MAX);
    return server->wake && server->sweep && event_add(server->wake, NULL) == 0 &&
           event_add(server->sweep, &second) == 0;
}

struct http_server *http_server_create(const struct http_server_options *options, char *error,
                                       size_t error_size)
{
    struct http_server *server = calloc(1, sizeof *server);
    snprintf(error, error_size, "no memory");
    if (!server)
        return NULL;
    pthread_mutex_init(&server->lock, NULL);
    server->posts_end = &server->posts;
    server->wake_fd = -1;
    server->routes = options->routes;
    server->route_count = options->route_count;
    server->context = options->context;
    server->listening = true;
    bool good = make_loop(server, options);
    for (size_t i = 0; good && i < options->listen_count; i++) {
        int code = bind_one(server, &options->listen[i]);
        if (code)
            snprintf(error, error_size, "cannot listen on %s: %s",
                     addr_print(&options->listen[i]).s, strerror(code));
        good = code == 0;
    }
    if (!good) {
        http_server_destroy(server);
        return NULL;
    }
    return server;
}

bool http_server_start(struct http_server *server)
{
    int error = pthread_create(&server->thread, NULL, server_thread, server);
    server->started = error == 0;
    errno = error;
    return server->started;
}

void http_server_stop(struct http_server *server)
{
    if (!server || !server->started)
        return;
    pthread_mutex_lock(&server->lock);
    server->stop = true;
    pthread_mutex_unlock(&server->lock);
    wake(server);
    pthread_join(server->thread, NULL);
    server->started = false;
}

void http_server_destroy(struct http_server *server)
{
    if (!server)
        return;
    http_server_stop(server);
    run_posts(server);
    if (server->http)
        evhttp_free(server->http); /* its listeners too */
    if (server->wake)
        event_free(server->wake);
    if (server->sweep)
        event_free(server->sweep);
    if (server->base)
        event_base_free(server->base);
    if (server->wake_fd >= 0)
        close(server->wake_fd);
    http_connections_finish(&server->connections);
    pthread_mutex_destroy(&server->lock);
    free(server->listeners);
    free(server->hostnames);
    free(server);
}

uint16_t http_server_port(const struct http_server *server, size_t n)
{
    struct sockaddr_in6 name = {0}; /* the port stands where an IPv4 address has it, too */
    socklen_t len = sizeof name;
    if (getsockname(evconnlistener_get_fd(server->listeners[n]), (struct sockaddr *)&name, &len))
        return 0;
    return ntohs(name.sin6_port);
}
