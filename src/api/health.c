/* health: /health/live and /health/ready.
 * Not here: when the daemon is what it says (board.h).
 * RFC: none. */
#include <jansson.h>
#include <stdlib.h>

#include "api/resources.h"

void api_health_live(struct http_exchange *exchange, void *context)
{
    (void)context;
    http_exchange_reply_json(exchange, 200, VIEW_LIT("{\"status\":\"live\"}"));
}

static json_t *reasons_of(const struct api_health *health, bool known)
{
    json_t *reasons = json_array();
    if (!known || !health->answering)
        json_array_append_new(reasons, json_string("starting"));
    if (health->draining)
        json_array_append_new(reasons, json_string("draining"));
    if (health->full)
        json_array_append_new(reasons, json_string("full"));
    if (health->disk_full)
        json_array_append_new(reasons, json_string("disk_full"));
    if (health->no_address)
        json_array_append_new(reasons, json_string("no_address"));
    return reasons;
}

void api_health_ready(struct http_exchange *exchange, void *context)
{
    struct api *api = context;
    struct api_health health;
    bool known = api_board_health(api->board, &health);
    struct catalog_status catalog = catalog_status(api->catalog);
    json_t *reasons = reasons_of(&health, known);
    bool ready = json_array_size(reasons) == 0;
    /* Calls are answered while the network settles, if up to three seconds later. */
    if (health.settling)
        json_array_append_new(reasons, json_string("settling"));
    /* The catalogue does not count: recording goes on without it. */
    const char *state = !catalog.database_ok ? "unusable" : catalog.behind ? "behind" : "ok";
    json_t *body = json_pack("{s:s,s:o,s:I,s:I,s:s}", "status", ready ? "ready" : "not_ready",
                             "reasons", reasons, "sessions", (json_int_t)health.sessions, "streams",
                             (json_int_t)health.streams, "catalog", state);
    char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
    json_decref(body);
    http_exchange_reply_json(exchange, ready ? 200 : 503, view_of_string(text));
    free(text);
}
