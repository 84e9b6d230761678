/* drain: POST /v1/drain: no more calls, and the end when the last is over.
 * Not here: draining itself (the daemon).
 * RFC: none. */
#include <jansson.h>
#include <stdio.h>

#include "api/resources.h"

void api_drain_post(struct http_exchange *exchange, void *context)
{
    struct api *api = context;
    struct api_health health;
    struct view body = view_trim(http_exchange_body(exchange));
    char text[64];
    json_t *json = body.len > 0 ? json_loadb(body.at, body.len, 0, NULL) : json_object();
    bool good = json_is_object(json);
    json_decref(json);
    if (!good) {
        http_exchange_problem(exchange, 400, "bad_body",
                              "The body is empty or a JSON object; nothing in it is looked at.");
        return;
    }
    (void)api_board_health(api->board, &health);
    api_board_want(api->board, API_WANT_DRAIN);
    snprintf(text, sizeof text, "{\"draining\":true,\"sessions\":%llu}",
             (unsigned long long)health.sessions);
    http_exchange_reply_json(exchange, 202, view_of_string(text));
}
