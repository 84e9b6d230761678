/* srcs: /v1/srcs: what earlier calls have taught about each SRC; and forgetting it.
 * Not here: learning (recorder), what a profile means (nat/srcs.h).
 * RFC 9110, RFC 9457. */
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#include "api/deletion.h"
#include "base/percent.h"

static void not_found(struct http_exchange *exchange)
{
    http_exchange_problem(exchange, 404, "src_not_found", "There is no such SRC profile.");
}

/* ---- the list ------------------------------------------------------------------------------- */

/* "udp:5060 192.0.2.10 sbc.example.com Oracle%20SBC", or "identity ..." (nat/srcs.h). */
static json_t *word(struct view *rest)
{
    struct view word, plain;
    char text[512];
    if (!view_cut(rest, ' ', &word) || word.len == 0)
        return json_null();
    if (percent_decode(word, false, text, sizeof text, &plain)) {
        json_t *string = json_stringn(plain.at, plain.len);
        if (string)
            return string;
    }
    return json_stringn(word.at, word.len); /* too long, or no UTF-8: as it is written */
}

static json_t *object_of(const struct catalog_src *src)
{
    json_t *profile = json_loads(src->profile, 0, NULL), *one = json_object();
    struct view rest = view_of_string(src->key), kind;
    bool named = view_starts_with_nocase(rest, VIEW_LIT("identity "));
    json_object_set_new(one, "id", json_string(src->id.s));
    if (named)
        (void)view_cut(&rest, ' ', &kind);
    json_object_set_new(one, "identity", named ? word(&rest) : json_null());
    json_object_set_new(one, "listener", named ? json_null() : word(&rest));
    json_object_set_new(one, "source", named ? json_null() : word(&rest));
    json_object_set_new(one, "contact", named ? json_null() : word(&rest));
    json_object_set_new(one, "user_agent", named ? json_null() : word(&rest));
    (void)json_object_update_missing(one, profile);
    json_decref(profile);
    return one;
}

static void reply(struct http_exchange *exchange, const struct catalog_srcs *srcs)
{
    json_t *list = json_array();
    for (size_t i = 0; i < srcs->count; i++)
        json_array_append_new(list, object_of(&srcs->list[i]));
    json_t *page =
        json_pack("{s:o,s:o}", "srcs", list, "next",
                  srcs->more ? json_string(srcs->list[srcs->count - 1].id.s) : json_null());
    char *text = page ? json_dumps(page, JSON_COMPACT | JSON_PRESERVE_ORDER) : NULL;
    json_decref(page);
    if (text)
        http_exchange_reply_json(exchange, 200, view_of_string(text));
    else
        api_busy_problem(exchange);
    free(text);
}

void api_srcs_list(struct http_exchange *exchange, void *context)
{
    struct api *api = context;
    struct view value;
    struct uuid after;
    struct catalog_srcs srcs;
    uint32_t limit;
    bool further = http_exchange_query(exchange, "cursor", &value);
    if (further && !uuid_parse(value, &after)) {
        http_exchange_problem(exchange, 400, "bad_cursor",
                              "cursor is what an earlier page gave as next.");
        return;
    }
    if (!api_read_limit(exchange, &limit))
        return;
    enum catalog_result result =
        catalog_reader_srcs(api->reader, further ? &after : NULL, limit, &srcs);
    if (result != CATALOG_OK) {
        api_catalog_problem(exchange, result);
        return;
    }
    reply(exchange, &srcs);
    catalog_srcs_finish(&srcs);
}

/* ---- forgetting ----------------------------------------------------------------------------- */

static enum catalog_result forgetting_run(struct api *api, const struct uuid *id, const char *by)
{
    /* The signalling thread first: what it learns from now on is a new profile. */
    api_board_forget_src(api->board, id);
    return catalog_forget_src(api->catalog, id, by);
}

static void forgetting_refuse(struct http_exchange *exchange, enum catalog_result result)
{
    if (result == CATALOG_NOT_FOUND)
        not_found(exchange);
    else
        api_catalog_problem(exchange, result);
}

void api_srcs_delete(struct http_exchange *exchange, void *context)
{
    static const struct api_deletion_kind kind = {forgetting_run, forgetting_refuse};
    api_deletion_start(context, exchange, &kind);
}
