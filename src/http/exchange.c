/* exchange: requests and replies over evhttp.
 * Not here: connections and routing (server.c).
 * RFC 9110, RFC 9457. */
#include "http/exchange.h"

#include <assert.h>
#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/keyvalq_struct.h>
#include <jansson.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "base/percent.h"
#include "http/inside.h"
#include "http/range.h"

struct view http_exchange_parameter(const struct http_exchange *exchange, size_t n)
{
    assert(n < exchange->routing.parameter_count);
    return exchange->routing.parameters[n];
}

bool http_exchange_read_query(struct http_exchange *exchange, struct view query)
{
    struct view piece;
    size_t used = 0, size = query.len + 1;
    exchange->query_text = malloc(size);
    if (!exchange->query_text)
        return false;
    while (view_cut(&query, '&', &piece)) {
        struct http_query_parameter *p = &exchange->query[exchange->query_count];
        struct view name = view_take(piece, view_find_char(piece, '='));
        struct view value = view_skip(piece, name.len + 1);
        if (piece.len == 0 || exchange->query_count == HTTP_QUERY_MAX)
            continue;
        if (!percent_decode(name, true, exchange->query_text + used, size - used, &p->name))
            return false;
        used += p->name.len;
        if (!percent_decode(value, true, exchange->query_text + used, size - used, &p->value))
            return false;
        used += p->value.len;
        exchange->query_count++;
    }
    return true;
}

bool http_exchange_query(const struct http_exchange *exchange, const char *name, struct view *value)
{
    for (size_t i = 0; i < exchange->query_count; i++) {
        if (view_equal(exchange->query[i].name, view_of_string(name))) {
            *value = exchange->query[i].value;
            return true;
        }
    }
    *value = VIEW_NONE;
    return false;
}

struct view http_exchange_field(const struct http_exchange *exchange, const char *name)
{
    return view_of_string(
        evhttp_find_header(evhttp_request_get_input_headers(exchange->request), name));
}

struct view http_exchange_body(const struct http_exchange *exchange)
{
    return exchange->body;
}

const char *http_exchange_peer(const struct http_exchange *exchange)
{
    struct evhttp_connection *connection = evhttp_request_get_connection(exchange->request);
    char *address = NULL;
    ev_uint16_t port;
    if (connection)
        evhttp_connection_get_peer(connection, &address, &port);
    return address ? address : "-";
}

void http_exchange_set_field(struct http_exchange *exchange, const char *name, const char *value)
{
    struct evkeyvalq *fields = evhttp_request_get_output_headers(exchange->request);
    evhttp_remove_header(fields, name);
    evhttp_add_header(fields, name, value);
}

int http_exchange_fd(const struct http_exchange *exchange)
{
    struct evhttp_connection *connection = evhttp_request_get_connection(exchange->request);
    return connection ? bufferevent_getfd(evhttp_connection_get_bufferevent(connection)) : -1;
}

static const char *phrase_of(int status)
{
    static const struct {
        int status;
        const char *phrase;
    } phrases[] = {
        {200, "OK"},
        {202, "Accepted"},
        {204, "No Content"},
        {206, "Partial Content"},
        {304, "Not Modified"},
        {400, "Bad Request"},
        {404, "Not Found"},
        {405, "Method Not Allowed"},
        {409, "Conflict"},
        {412, "Precondition Failed"},
        {413, "Content Too Large"},
        {415, "Unsupported Media Type"},
        {416, "Range Not Satisfiable"},
        {421, "Misdirected Request"},
        {500, "Internal Server Error"},
        {501, "Not Implemented"},
        {503, "Service Unavailable"},
        {504, "Gateway Timeout"},
    };
    for (size_t i = 0; i < sizeof phrases / sizeof *phrases; i++) {
        if (phrases[i].status == status)
            return phrases[i].phrase;
    }
    assert(false); /* a status that nobody has given its phrase */
    return "";
}

static bool may_have_content(int status)
{
    return status != 204 && status != 304;
}

/* Ends the exchange. content: NULL or len bytes, which this empties;
 * a HEAD gets its length only. */
static void send_reply(struct http_exchange *exchange, int status, struct evbuffer *content,
                       uint64_t len)
{
    bool head = exchange->method == HTTP_METHOD_HEAD;
    char text[24];
    snprintf(text, sizeof text, "%llu", (unsigned long long)len);
    if (may_have_content(status))
        http_exchange_set_field(exchange, "Content-Length", text);
    /* What a browser gets here is never a page, whatever it may look like. */
    http_exchange_set_field(exchange, "X-Content-Type-Options", "nosniff");
    http_server_replying(exchange->server, exchange);
    evhttp_send_reply(exchange->request, status, phrase_of(status), head ? NULL : content);
    free(exchange->query_text);
    free(exchange);
}

void http_exchange_reply(struct http_exchange *exchange, int status, const char *content_type,
                         struct view body)
{
    struct evbuffer *content = evbuffer_new();
    if (content && body.len > 0)
        evbuffer_add(content, body.at, body.len);
    http_exchange_set_field(exchange, "Content-Type", content_type);
    http_exchange_set_field(exchange, "Cache-Control", "no-store");
    send_reply(exchange, status, content, content ? evbuffer_get_length(content) : 0);
    if (content)
        evbuffer_free(content);
}

void http_exchange_reply_json(struct http_exchange *exchange, int status, struct view json)
{
    http_exchange_reply(exchange, status, "application/json", json);
}

void http_exchange_reply_empty(struct http_exchange *exchange, int status)
{
    send_reply(exchange, status, NULL, 0);
}

void http_exchange_problem(struct http_exchange *exchange, int status, const char *code,
                           const char *format, ...)
{
    char detail[512];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(detail, sizeof detail, format, arguments);
    va_end(arguments);
    /* The detail may quote what the peer sent, in any encoding. */
    for (char *c = detail; *c; c++) {
        if (*c & 0x80)
            *c = '?';
    }
    json_t *problem =
        json_pack("{s:s,s:s,s:i,s:s,s:s}", "type", "about:blank", "title", phrase_of(status),
                  "status", status, "code", code, "detail", detail);
    char *text = problem ? json_dumps(problem, JSON_COMPACT) : NULL;
    json_decref(problem);
    http_exchange_reply(exchange, status, "application/problem+json", view_of_string(text));
    free(text);
}

static bool is_not_modified(const struct http_exchange *exchange, const struct http_validators *now)
{
    struct view none_match = http_exchange_field(exchange, "If-None-Match");
    if (none_match.len > 0)
        return http_range_match(none_match, now, false);
    return view_equal(http_exchange_field(exchange, "If-Modified-Since"), now->last_modified);
}

static void send_part(struct http_exchange *exchange, int status, int fd,
                      const struct http_range *range)
{
    struct evbuffer *content = evbuffer_new();
    struct evbuffer_file_segment *segment = NULL;
    if (content && range->len > 0 && exchange->method != HTTP_METHOD_HEAD) {
        /* So that the kernel copies file to socket, and the file is not mapped. */
        evbuffer_set_flags(content, EVBUFFER_FLAG_DRAINS_TO_FD);
        segment = evbuffer_file_segment_new(fd, (ev_off_t)range->first, (ev_off_t)range->len,
                                            EVBUF_FS_CLOSE_ON_FREE);
        if (segment)
            evbuffer_add_file_segment(content, segment, 0, (ev_off_t)range->len);
    }
    if (!segment)
        close(fd);
    else
        evbuffer_file_segment_free(segment);
    send_reply(exchange, status, content, range->len);
    if (content)
        evbuffer_free(content);
}

struct file_state {
    uint64_t size;
    char etag[64];
    char modified[40];
};

static bool read_state(int fd, struct file_state *out)
{
    struct stat status;
    struct tm tm;
    if (fstat(fd, &status) != 0 || !S_ISREG(status.st_mode))
        return false;
    out->size = (uint64_t)status.st_size;
    snprintf(out->etag, sizeof out->etag, "\"%llx-%llx-%llx\"", (unsigned long long)status.st_ino,
             (unsigned long long)status.st_size,
             (unsigned long long)(status.st_mtim.tv_sec * NS_PER_S + status.st_mtim.tv_nsec));
    gmtime_r(&status.st_mtim.tv_sec, &tm);
    return strftime(out->modified, sizeof out->modified, "%a, %d %b %Y %H:%M:%S GMT", &tm) > 0;
}

static void set_file_fields(struct http_exchange *exchange, const struct file_state *file,
                            const char *content_type, const char *download)
{
    char text[256];
    http_exchange_set_field(exchange, "Content-Type", content_type);
    http_exchange_set_field(exchange, "ETag", file->etag);
    http_exchange_set_field(exchange, "Last-Modified", file->modified);
    http_exchange_set_field(exchange, "Accept-Ranges", "bytes");
    http_exchange_set_field(exchange, "Cache-Control", "no-cache");
    if (download) {
        snprintf(text, sizeof text, "attachment; filename=\"%s\"", download);
        http_exchange_set_field(exchange, "Content-Disposition", text);
    }
}

void http_exchange_reply_file(struct http_exchange *exchange, int fd, const char *content_type,
                              const char *download)
{
    struct file_state file;
    char text[128];
    if (!read_state(fd, &file)) {
        close(fd);
        http_exchange_problem(exchange, 500, "unreadable", "The file cannot be read.");
        return;
    }
    struct http_validators now = {view_of_string(file.etag), view_of_string(file.modified)};
    struct http_range range = {.first = 0, .len = file.size};
    struct view if_match = http_exchange_field(exchange, "If-Match");
    /* In the order of RFC 9110 §13.2.2. */
    if (if_match.len > 0 && !http_range_match(if_match, &now, true)) {
        close(fd);
        http_exchange_problem(exchange, 412, "changed", "The file is no longer the one named.");
        return;
    }
    set_file_fields(exchange, &file, content_type, download);
    if (is_not_modified(exchange, &now)) {
        close(fd);
        http_exchange_reply_empty(exchange, 304);
        return;
    }
    enum http_range_result result = HTTP_RANGE_WHOLE;
    /* Range is defined for GET alone (§14.2). */
    if (exchange->method == HTTP_METHOD_GET &&
        http_range_if(http_exchange_field(exchange, "If-Range"), &now))
        result = http_range_parse(http_exchange_field(exchange, "Range"), file.size, &range);
    if (result == HTTP_RANGE_UNSATISFIABLE) {
        close(fd);
        snprintf(text, sizeof text, "bytes */%llu", (unsigned long long)file.size);
        evhttp_clear_headers(evhttp_request_get_output_headers(exchange->request));
        http_exchange_set_field(exchange, "Content-Range", text);
        http_exchange_set_field(exchange, "Accept-Ranges", "bytes");
        http_exchange_problem(exchange, 416, "range_not_satisfiable", "The file has %llu bytes.",
                              (unsigned long long)file.size);
        return;
    }
    if (result == HTTP_RANGE_PART) {
        snprintf(text, sizeof text, "bytes %llu-%llu/%llu", (unsigned long long)range.first,
                 (unsigned long long)(range.first + range.len - 1), (unsigned long long)file.size);
        http_exchange_set_field(exchange, "Content-Range", text);
    }
    send_part(exchange, result == HTTP_RANGE_PART ? 206 : 200, fd, &range);
}

void http_exchange_extend(struct http_exchange *exchange, unsigned seconds)
{
    http_server_extend(exchange->server, http_exchange_fd(exchange), seconds);
}
