/* record: reading a recording's document into columns.
 * Not here: the database.
 * RFC 8259, RFC 3339. */
#include "catalog/record.h"

#include <assert.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const state_names[] = {
    [CATALOG_ACTIVE] = "active",
    [CATALOG_FINISHING] = "finishing",
    [CATALOG_FINISHED] = "finished",
    [CATALOG_FAILED] = "failed",
};

const char *catalog_state_name(enum catalog_state state)
{
    assert(state <= CATALOG_FAILED);
    return state_names[state];
}

bool catalog_state_parse(struct view name, enum catalog_state *out)
{
    for (enum catalog_state s = CATALOG_ACTIVE; s <= CATALOG_FAILED; s++) {
        if (view_equal(name, view_of_string(state_names[s]))) {
            *out = s;
            return true;
        }
    }
    return false;
}

void catalog_record_directory(struct wall started, const struct uuid *id,
                              char out[CATALOG_DIRECTORY_SIZE])
{
    struct wall_date date = wall_date_of(started);
    int n = snprintf(out, CATALOG_DIRECTORY_SIZE, "%04d/%02d/%02d/%s", date.year, date.month,
                     date.day, id->s);
    assert(n > 0 && n < CATALOG_DIRECTORY_SIZE);
}

static bool get_time(const json_t *object, const char *key, int64_t *ms)
{
    struct wall t;
    const json_t *value = json_object_get(object, key);
    if (!json_is_string(value) ||
        !wall_parse(view_of(json_string_value(value), json_string_length(value)), &t))
        return false;
    *ms = t.ns / NS_PER_MS;
    return t.ns >= 0;
}

static const char *read_columns(const json_t *root, struct catalog_record *out)
{
    const json_t *id = json_object_get(root, "id");
    const json_t *call_id = json_object_get(root, "call_id");
    const json_t *state = json_object_get(root, "state");
    const json_t *duration = json_object_get(root, "duration_ms");
    const json_t *ended = json_object_get(root, "ended_at");

    if (!json_is_string(id) ||
        !uuid_parse(view_of(json_string_value(id), json_string_length(id)), &out->id))
        return "id is no UUID";
    if (!json_is_string(call_id))
        return "call_id is no string";
    if (!json_is_string(state) ||
        !catalog_state_parse(view_of_string(json_string_value(state)), &out->state))
        return "state is none that is known";
    if (!get_time(root, "started_at", &out->started_ms))
        return "started_at is no time";
    out->ended_ms = -1;
    if (json_is_string(ended) && !get_time(root, "ended_at", &out->ended_ms))
        return "ended_at is no time";
    out->duration_ms = json_is_integer(duration) ? json_integer_value(duration) : -1;
    out->recovered = json_is_true(json_object_get(root, "recovered"));
    out->call_id = strdup(json_string_value(call_id));
    return out->call_id ? NULL : "no memory";
}

bool catalog_record_parse(struct view document, struct catalog_record *out, const char **why)
{
    *out = (struct catalog_record){0};
    json_t *root =
        json_loadb(document.at ? document.at : "", document.len, JSON_REJECT_DUPLICATES, NULL);
    *why = root ? read_columns(root, out) : "it is not JSON";
    json_decref(root);
    if (!*why && !(out->document = malloc(document.len + 1)))
        *why = "no memory";
    if (*why) {
        catalog_record_finish(out);
        return false;
    }
    memcpy(out->document, document.at, document.len);
    out->document[document.len] = '\0';
    out->document_len = document.len;
    catalog_record_directory((struct wall){out->started_ms * NS_PER_MS}, &out->id, out->directory);
    return true;
}

void catalog_record_finish(struct catalog_record *record)
{
    free(record->call_id);
    free(record->document);
    *record = (struct catalog_record){0};
}
