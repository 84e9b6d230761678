/* api: the table of routes, start and end.
 * Not here: the resources, one file each.
 * RFC 9110. */
#include "api/api.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/render.h"
#include "api/resources.h"

/* Renders are as many processes at full load; deletions and questions are short. */
#define RENDER_THREADS 2
#define QUICK_THREADS  2
#define WAITING_MAX    64

static const struct http_route routes[] = {
    {HTTP_METHOD_GET, "/v1/recordings", api_recordings_list},
    {HTTP_METHOD_GET, "/v1/recordings/{id}", api_recordings_get},
    {HTTP_METHOD_DELETE, "/v1/recordings/{id}", api_recordings_delete},
    {HTTP_METHOD_GET, "/v1/recordings/{id}/audio", api_recordings_audio},
    {HTTP_METHOD_GET, "/v1/recordings/{id}/journal", api_recordings_journal},
    {HTTP_METHOD_GET, "/v1/recordings/{id}/metadata", api_recordings_metadata},
    {HTTP_METHOD_GET, "/v1/sessions", api_sessions_get},
    {HTTP_METHOD_GET, "/v1/srcs", api_srcs_list},
    {HTTP_METHOD_DELETE, "/v1/srcs/{id}", api_srcs_delete},
    {HTTP_METHOD_GET, "/v1/nat", api_nat_get},
    {HTTP_METHOD_GET, "/v1/doctor", api_doctor_get},
    {HTTP_METHOD_POST, "/v1/drain", api_drain_post},
    {HTTP_METHOD_GET, "/health/live", api_health_live},
    {HTTP_METHOD_GET, "/health/ready", api_health_ready},
    {HTTP_METHOD_GET, "/metrics", api_metrics_get},
    {HTTP_METHOD_GET, "/openapi.json", api_openapi_get},
};

const struct http_route *api_routes(size_t *count)
{
    *count = sizeof routes / sizeof *routes;
    return routes;
}

static bool make_parts(struct api *api, const struct api_options *options)
{
    api->catalog = options->catalog;
    api->board = options->board;
    api->examine = options->examine;
    api->doctor = options->doctor;
    api->root = strdup(options->root);
    api->format = strdup(options->format);
    api->reader = catalog_reader_create(options->root, options->catalog);
    api->renders = api_renders_create(api, options->render);
    return api->root && api->format && api->reader && api->renders;
}

struct api *api_create(const struct api_options *options, char *error, size_t error_size)
{
    struct api *api = calloc(1, sizeof *api);
    snprintf(error, error_size, "no memory");
    if (!api || !make_parts(api, options)) {
        api_destroy(api);
        return NULL;
    }
    struct http_server_options server = {
        .listen = options->listen,
        .listen_count = options->listen_count,
        .hostnames = options->hostnames,
        .routes = routes,
        .route_count = sizeof routes / sizeof *routes,
        .context = api,
    };
    api->server = http_server_create(&server, error, error_size);
    if (!api->server) {
        api_destroy(api);
        return NULL;
    }
    api->quick = api_work_create(api->server, QUICK_THREADS, WAITING_MAX);
    api->slow = api_work_create(api->server, RENDER_THREADS, WAITING_MAX);
    if (!api->quick || !api->slow || !http_server_start(api->server)) {
        snprintf(error, error_size, "cannot start a thread: %s", strerror(errno));
        api_destroy(api);
        return NULL;
    }
    return api;
}

void api_destroy(struct api *api)
{
    if (!api)
        return;
    /* No more requests; then those that wait get their answer, which the server still takes; then
     * the server. */
    http_server_stop(api->server);
    api_work_destroy(api->quick);
    api_work_destroy(api->slow);
    http_server_destroy(api->server);
    api_renders_destroy(api->renders);
    catalog_reader_destroy(api->reader);
    free(api->root);
    free(api->format);
    free(api);
}

uint16_t api_port(const struct api *api, size_t n)
{
    return http_server_port(api->server, n);
}
