/* openapi: /openapi.json, the API's description, written by hand and embedded at build time.
 * Not here: the text (openapi.json beside this file).
 * OpenAPI 3.1. */
#include "api/resources.h"

extern const char api_openapi_text[];
extern const size_t api_openapi_size;

void api_openapi_get(struct http_exchange *exchange, void *context)
{
    (void)context;
    http_exchange_reply_json(exchange, 200, view_of(api_openapi_text, api_openapi_size));
}
