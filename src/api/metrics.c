/* metrics: /metrics, every series of base/metrics.h in Prometheus' text format 0.0.4.
 * Not here: counting.
 * RFC: none. */
#include "base/metrics.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

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

static void put_head(struct writer *w, const struct metric_info *info)
{
    static const char *const kinds[] = {"counter", "gauge", "histogram"};
    writer_printf(w, "# HELP %s ", info->name);
    put_help(w, info->help);
    writer_printf(w, "\n# TYPE %s %s\n", info->name, kinds[info->kind]);
}

static void put_series(struct writer *w, const struct metric_info *info, int64_t value)
{
    bool sum = info->suffix && strcmp(info->suffix, "_sum") == 0;
    writer_printf(w, "%s%s%s%s%s %" PRId64, info->name, info->suffix ? info->suffix : "",
                  info->labels ? "{" : "", info->labels ? info->labels : "",
                  info->labels ? "}" : "", sum ? value / 1000 : value);
    if (sum) /* thousandths: metric_observe_ms() */
        writer_printf(w, ".%03d", (int)(value % 1000));
    writer_string(w, "\n");
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
        if (m == 0 || strcmp(metric_info((enum metric)((int)m - 1))->name, info->name) != 0)
            put_head(&w, info);
        put_series(&w, info, metric_value(m));
    }
    assert(!w.failed);
    http_exchange_reply(exchange, 200, "text/plain; version=0.0.4; charset=utf-8", writer_done(&w));
    free(text);
}
