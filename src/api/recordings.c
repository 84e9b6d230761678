/* recordings: /v1/recordings and what hangs below each recording.
 * Not here: rendering audio (render.c), the database (catalog).
 * RFC 9110, RFC 9457. */
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "api/deletion.h"
#include "api/render.h"

#define PAGE_DEFAULT 50

void api_catalog_problem(struct http_exchange *exchange, enum catalog_result result)
{
    http_exchange_set_field(exchange, "Retry-After", "1");
    http_exchange_problem(exchange, 503, "catalog_unavailable",
                          "The catalogue cannot be read now (%s). Recording goes on, and the "
                          "catalogue catches up from the files.",
                          catalog_result_name(result));
}

void api_busy_problem(struct http_exchange *exchange)
{
    http_exchange_set_field(exchange, "Retry-After", "5");
    http_exchange_problem(exchange, 503, "busy", "Too many requests wait for this already.");
}

bool api_read_limit(struct http_exchange *exchange, uint32_t *limit)
{
    struct view value;
    *limit = PAGE_DEFAULT;
    if (!http_exchange_query(exchange, "limit", &value) ||
        (view_parse_u32(value, limit) && *limit >= 1 && *limit <= CATALOG_PAGE_MAX))
        return true;
    http_exchange_problem(exchange, 400, "bad_limit", "limit is a number from 1 to %d.",
                          CATALOG_PAGE_MAX);
    return false;
}

static void not_found(struct http_exchange *exchange)
{
    http_exchange_problem(exchange, 404, "recording_not_found", "There is no such recording.");
}

/* The recording that the path's {id} names. False: answered (404, 503). True: the caller ends *out
 * with catalog_record_finish. */
static WARN_UNUSED bool find_recording(struct api *api, struct http_exchange *exchange,
                                       struct catalog_record *out)
{
    struct uuid id;
    enum catalog_result result = CATALOG_NOT_FOUND;
    /* An id is a UUID or no id at all, so nothing a peer sends ever becomes a path. */
    if (uuid_parse(http_exchange_parameter(exchange, 0), &id))
        result = catalog_reader_get(api->reader, &id, out);
    if (result == CATALOG_OK)
        return true;
    if (result == CATALOG_NOT_FOUND)
        not_found(exchange);
    else
        api_catalog_problem(exchange, result);
    return false;
}

/* ---- the list ------------------------------------------------------------------------------- */

struct list_request {
    struct catalog_query query;
    struct catalog_cursor cursor;
};

/* False: answered. */
static bool read_list_request(struct http_exchange *exchange, struct list_request *out)
{
    struct view value;
    uint32_t limit;
    enum catalog_state state;
    *out = (struct list_request){.query = {.state = -1}};
    if (!api_read_limit(exchange, &limit))
        return false;
    out->query.limit = limit;
    if (http_exchange_query(exchange, "cursor", &value)) {
        if (!catalog_cursor_parse(value, &out->cursor)) {
            http_exchange_problem(exchange, 400, "bad_cursor",
                                  "cursor is what an earlier page gave as next.");
            return false;
        }
        out->query.after = &out->cursor;
    }
    if (http_exchange_query(exchange, "state", &value)) {
        if (!catalog_state_parse(value, &state)) {
            http_exchange_problem(exchange, 400, "bad_state",
                                  "state is active, finishing, finished or failed.");
            return false;
        }
        out->query.state = (int)state;
    }
    if (http_exchange_query(exchange, "call_id", &out->query.call_id) &&
        out->query.call_id.len == 0) {
        http_exchange_problem(exchange, 400, "bad_call_id", "call_id must not be empty.");
        return false;
    }
    return true;
}

/* The documents are JSON text already: they are joined, not read again. */
static char *page_text(const struct catalog_page *page, size_t *len)
{
    size_t size = 128;
    for (size_t i = 0; i < page->count; i++)
        size += page->records[i].document_len + 1;
    char *text = malloc(size);
    if (!text)
        return NULL;
    size_t at = (size_t)snprintf(text, size, "{\"recordings\":[");
    for (size_t i = 0; i < page->count; i++) {
        if (i > 0)
            text[at++] = ',';
        memcpy(text + at, page->records[i].document, page->records[i].document_len);
        at += page->records[i].document_len;
    }
    if (page->more) {
        const struct catalog_record *last = &page->records[page->count - 1];
        struct catalog_cursor cursor = {last->started_ms, last->id};
        at += (size_t)snprintf(text + at, size - at, "],\"next\":\"%s\"}",
                               catalog_cursor_print(&cursor).s);
    } else {
        at += (size_t)snprintf(text + at, size - at, "],\"next\":null}");
    }
    *len = at;
    return text;
}

void api_recordings_list(struct http_exchange *exchange, void *context)
{
    struct api *api = context;
    struct list_request request;
    struct catalog_page page;
    size_t len = 0;
    if (!read_list_request(exchange, &request))
        return;
    enum catalog_result result = catalog_reader_list(api->reader, &request.query, &page);
    if (result != CATALOG_OK) {
        api_catalog_problem(exchange, result);
        return;
    }
    char *text = page_text(&page, &len);
    catalog_page_finish(&page);
    if (text)
        http_exchange_reply_json(exchange, 200, view_of(text, len));
    else
        api_busy_problem(exchange);
    free(text);
}

/* ---- one recording -------------------------------------------------------------------------- */

void api_recordings_get(struct http_exchange *exchange, void *context)
{
    struct catalog_record record;
    if (!find_recording(context, exchange, &record))
        return;
    /* What goes on has newer counts than the catalogue, which is told of events only. */
    if (record.state == CATALOG_ACTIVE && api_sessions_get_one(context, exchange, &record))
        return;
    http_exchange_reply_json(exchange, 200, view_of(record.document, record.document_len));
    catalog_record_finish(&record);
}

static enum catalog_result deletion_run(struct api *api, const struct uuid *id, const char *by)
{
    return catalog_delete(api->catalog, id, by);
}

static void deletion_refuse(struct http_exchange *exchange, enum catalog_result result)
{
    if (result == CATALOG_NOT_FOUND)
        not_found(exchange);
    else if (result == CATALOG_BUSY)
        http_exchange_problem(exchange, 409, "recording_active",
                              "The recording is still going on; end the call first.");
    else
        http_exchange_problem(exchange, 500, "not_deleted",
                              "The recording's files could not be removed; the log says why.");
}

void api_recordings_delete(struct http_exchange *exchange, void *context)
{
    static const struct api_deletion_kind kind = {deletion_run, deletion_refuse};
    api_deletion_start(context, exchange, &kind);
}

/* ---- its files ------------------------------------------------------------------------------ */

static void send_file(struct api *api, struct http_exchange *exchange, const char *name,
                      const char *content_type, const char *download)
{
    struct catalog_record record;
    char title[64];
    if (!find_recording(api, exchange, &record))
        return;
    int fd = catalog_files_open(api->root, record.directory, name);
    snprintf(title, sizeof title, "%s%s", record.id.s, download);
    if (fd >= 0)
        http_exchange_reply_file(exchange, fd, content_type, title);
    else if (errno == ENOENT)
        http_exchange_problem(exchange, 404, "file_not_found", "The recording has no %s.", name);
    else
        http_exchange_problem(exchange, 500, "unreadable", "%s: %s", name, strerror(errno));
    catalog_record_finish(&record);
}

void api_recordings_journal(struct http_exchange *exchange, void *context)
{
    send_file(context, exchange, CATALOG_FILES_JOURNAL, "application/x-pcapng", ".pcapng");
}

void api_recordings_metadata(struct http_exchange *exchange, void *context)
{
    send_file(context, exchange, CATALOG_FILES_METADATA, "application/rs-metadata+xml", ".xml");
}

static int open_audio(const struct api *api, const char *directory, const struct api_format *format)
{
    char name[32];
    snprintf(name, sizeof name, "audio.%s", format->name);
    return catalog_files_open(api->root, directory, name);
}

/* The file there is: in the format asked for; not asked, in the configured one, or else in any (the
 * setting may have been another then). -1 when there is none; *format is then the one to make. */
static int choose_audio(const struct api *api, const char *directory,
                        const struct api_format **format)
{
    if (*format)
        return open_audio(api, directory, *format);
    *format = api_format_find(view_of_string(api->format));
    int fd = open_audio(api, directory, *format);
    for (size_t i = 0; fd < 0 && i < API_FORMATS; i++) {
        fd = open_audio(api, directory, &api_formats[i]);
        if (fd >= 0)
            *format = &api_formats[i];
    }
    return fd;
}

void api_recordings_audio(struct http_exchange *exchange, void *context)
{
    struct api *api = context;
    struct catalog_record record;
    struct view wanted;
    const struct api_format *format = NULL;
    char title[64];
    if (http_exchange_query(exchange, "format", &wanted) && !(format = api_format_find(wanted))) {
        http_exchange_problem(exchange, 400, "bad_format", "format is wav, flac, opus or mp3.");
        return;
    }
    if (!find_recording(api, exchange, &record))
        return;
    bool over = record.state == CATALOG_FINISHED || record.state == CATALOG_FAILED;
    int fd = choose_audio(api, record.directory, &format);
    if (fd >= 0) {
        snprintf(title, sizeof title, "%s.%s", record.id.s, format->name);
        http_exchange_reply_file(exchange, fd, format->content_type, title);
    } else {
        api_render(api->renders, exchange, record.directory, format, over);
    }
    catalog_record_finish(&record);
}
