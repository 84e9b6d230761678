/* metrics: /metrics, every series of base/metrics.h in Prometheus' text format 0.0.4.
 * Not here: counting.
 * RFC: none. */
#include "base/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

#include "api/resources.h"
#include "base/writer.h"

#define SERIES_MAX 1024

/* Help text: backslash and line feed are escaped, nothing else. */
static void put_help(struct writer *w, const char *help)
{
    for (; *help; help++) {
        if (*help == '\\')
            writer_string(w, "\\\\");
        else if (*help == '\n')
            writer_string(w, "\\n");
        else
            writer_u8(w, (uint8_t)*help);
    }
}

void api_metrics_get(struct http_exchange *exchange, void *context)
{
    (void)context;
    size_t size = (size_t)METRIC_COUNT * SERIES_MAX;
    char *text = malloc(size);
    if (!text) {
        api_busy_problem(exchange);
        return;
    }
    struct writer w = writer_of(text, size);
    for (enum metric m = 0; m < METRIC_COUNT; m++) {
        const struct metric_info *info = metric_info(m);
        writer_printf(&w, "# HELP %s ", info->name);
        put_help(&w, info->help);
        writer_printf(&w, "\n# TYPE %s %s\n%s %" PRId64 "\n", info->name,
                      info->kind == METRIC_COUNTER ? "counter" : "gauge", info->name,
                      metric_value(m));
    }
    assert(!w.failed);
    http_exchange_reply(exchange, 200, "text/plain; version=0.0.4; charset=utf-8", writer_done(&w));
    free(text);
}
