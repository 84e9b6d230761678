/* document: see document.h. Names and order of members are those that the API promises.
 * Not here: what the numbers mean (record.h, media.h).
 * RFC 8259, 3339. */
#include "recorder/document.h"

#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "base/utf8.h"
#include "recorder/record.h"
#include "siprec/voices.h"

/* ---- Values --------------------------------------------------------------------------------- */

/* Whatever bytes a peer sent become a JSON string; those that are no UTF-8 become U+FFFD. */
static json_t *text_of(struct view v)
{
    char *clean = malloc(v.len * 3 + 1);
    size_t len = 0;
    if (!clean)
        return NULL;
    while (v.len) {
        size_t n = utf8_len(v);
        if (n)
            memcpy(clean + len, v.at, n);
        else
            memcpy(clean + len, "\xef\xbf\xbd", 3);
        len += n ? n : 3;
        v = view_skip(v, n ? n : 1);
    }
    json_t *text = json_stringn(clean, len);
    free(clean);
    return text;
}

static json_t *string_of(const char *s)
{
    return s[0] ? text_of(view_of_string(s)) : json_null();
}

static json_t *time_of(struct wall t)
{
    return t.ns ? json_string(wall_print(t).s) : json_null();
}

static json_t *addr_of(const struct addr *a)
{
    return addr_is_set(a) ? json_string(addr_print(a).s) : json_null();
}

static void put(json_t *object, const char *key, json_t *value)
{
    (void)json_object_set_new(object, key, value);
}

static void put_number(json_t *object, const char *key, int64_t value)
{
    put(object, key, json_integer(value));
}

/* ---- Who is heard where --------------------------------------------------------------------- */

struct voices {
    unsigned count;
    struct siprec_voice of[LIMIT_STREAMS_PER_RECORDING]; /* by stream number */
};

static void find_voices(const struct recorder_record *record, struct voices *voices)
{
    struct siprec_line lines[LIMIT_STREAMS_PER_RECORDING];
    struct siprec_warnings ignored = {0};
    voices->count = record->has_metadata ? record->stream_count : 0;
    for (unsigned i = 0; i < voices->count; i++)
        lines[i] =
            (struct siprec_line){.label = view_of_string(record->streams[i].label), .active = true};
    if (voices->count)
        siprec_voices_find(voices->of, &record->metadata, lines, voices->count, &ignored);
}

/* Of the stream that carries him, or carried him last. */
static json_t *label_of(const struct recorder_record *record, const struct siprec_participant *who)
{
    for (unsigned i = 0; i < record->speaker_count; i++) {
        if (record->speakers[i].who == who)
            return string_of(record->streams[record->speakers[i].stream].label);
    }
    return json_null();
}

static json_t *participants_of(const struct recorder_record *record)
{
    json_t *list = json_array();
    const struct siprec_participant *who =
        record->has_metadata ? record->metadata.participants : NULL;
    for (; who; who = who->next) {
        if (!who->declared)
            continue;
        struct view name = siprec_participant_name(who);
        json_t *one = json_object();
        put(one, "id", text_of(who->id));
        put(one, "aor", text_of(siprec_participant_aor(who)));
        put(one, "name", name.len ? text_of(name) : json_null());
        put(one, "label", label_of(record, who));
        (void)json_array_append_new(list, one);
    }
    return list;
}

/* ---- Streams -------------------------------------------------------------------------------- */

static json_t *json_of(struct view text)
{
    json_error_t error;
    json_t *json = text.len ? json_loadb(text.at, text.len, 0, &error) : NULL;
    return json ? json : json_null();
}

/* What the verdict leaves to the API: nothing was decided about this stream's way. */
static json_t *no_verdict(void)
{
    static const char *const unknown[] = {"src_class", "our_class", "why", "first_packet_ms",
                                          "lost_before_first"};
    json_t *verdict = json_object();
    for (size_t i = 0; i < sizeof unknown / sizeof *unknown; i++)
        put(verdict, unknown[i], json_null());
    put(verdict, "alternatives", json_array());
    put(verdict, "trail", json_array());
    put_number(verdict, "switches", 0);
    put(verdict, "security", json_array());
    return verdict;
}

static json_t *verdict_of(const struct recorder_stream *stream)
{
    char text[RECORDER_STORY_SIZE];
    json_t *verdict = json_of(recorder_story_print(&stream->story, text));
    if (json_is_object(verdict))
        return verdict;
    json_decref(verdict);
    return no_verdict();
}

static json_t *stream_of(const struct recorder_record *record, const struct voices *voices,
                         unsigned number)
{
    const struct recorder_stream *stream = &record->streams[number];
    const struct siprec_voice *voice = number < voices->count ? &voices->of[number] : NULL;
    json_t *one = json_object();
    put(one, "label", string_of(stream->label));
    put(one, "mline", json_integer(stream->mline));
    put(one, "participant", voice && voice->count == 1 ? text_of(voice->who[0]->id) : json_null());
    put(one, "codec", string_of(stream->codec));
    put_number(one, "packets", (int64_t)(stream->counters.packets - stream->counters.paused));
    put_number(one, "lost", (int64_t)stream->counters.lost);
    put_number(one, "paused_packets", (int64_t)stream->counters.paused);
    put_number(one, "foreign_packets", (int64_t)stream->counters.foreign);
    put_number(one, "keepalives", (int64_t)stream->counters.keepalives);
    put(one, "offered", addr_of(&stream->offered));
    put(one, "advertised", addr_of(&stream->advertised));
    put(one, "bound", addr_of(&stream->bound));
    put(one, "observed", addr_of(&stream->observed));
    put(one, "path",
        json_string(stream->ice_path        ? stream->ice_path
                    : stream->story.path[0] ? stream->story.path
                                            : "none"));
    put(one, "relay", json_of(view_of_string(stream->story.relay)));
    put(one, "direction", json_string(recorder_stream_direction(stream)));
    put(one, "verdict", verdict_of(stream));
    return one;
}

/* ---- What happened -------------------------------------------------------------------------- */

static json_t *warning_of(const char *code, struct view text, struct wall at)
{
    json_t *one = json_object();
    put(one, "code", json_string(code));
    put(one, "text", text_of(text));
    put(one, "at", time_of(at));
    return one;
}

static json_t *label_or_null(const struct recorder_record *record, int stream)
{
    if (stream < 0 || (unsigned)stream >= record->stream_count)
        return json_null();
    return string_of(record->streams[stream].label);
}

static json_t *happenings_of(const struct recorder_record *record,
                             const struct recorder_happenings *happenings)
{
    json_t *list = json_array();
    for (unsigned i = 0; i < happenings->count; i++) {
        const struct recorder_happening *what = &happenings->list[i];
        json_t *one = json_object();
        put(one, "at", time_of(what->at));
        if (what->kind == JOURNAL_EVENT_DIGIT) {
            char digit[2] = {what->digit, 0};
            put(one, "digit", json_string(digit));
            put_number(one, "duration_ms", what->duration_ms);
        } else {
            put(one, "event", json_string(journal_event_name(what->kind)));
            if (what->duration_ms)
                put_number(one, "duration_ms", what->duration_ms);
        }
        put(one, "label", label_or_null(record, what->stream));
        if (what->stream >= 0)
            put_number(one, "stream", what->stream);
        if (addr_is_set(&what->addr))
            put(one, "address", addr_of(&what->addr));
        if (what->ssrc)
            put_number(one, "ssrc", what->ssrc);
        (void)json_array_append_new(list, one);
    }
    return list;
}

/* ---- The whole ------------------------------------------------------------------------------ */

static json_t *document_of(const struct recorder_record *record)
{
    struct voices *voices = calloc(1, sizeof *voices);
    if (!voices)
        return NULL;
    find_voices(record, voices);
    json_t *document = json_object();
    put(document, "id", json_string(record->id.s));
    put(document, "call_id", text_of(view_of_string(record->call_id)));
    static const char *const states[] = {[RECORDER_ACTIVE] = "active",
                                         [RECORDER_FINISHING] = "finishing",
                                         [RECORDER_FAILED] = "failed"};
    put(document, "state", json_string(states[record->state]));
    put(document, "recovered", json_boolean(record->recovered));
    put(document, "started_at", time_of(record->started));
    put(document, "ended_at", time_of(record->ended));
    put(document, "ended_why", string_of(record->ended_why));
    put(document, "duration_ms",
        record->ended.ns ? json_integer(wall_diff_ms(record->ended, record->started))
                         : json_null());
    put(document, "participants", participants_of(record));
    json_t *streams = json_array();
    for (unsigned i = 0; i < record->stream_count; i++)
        (void)json_array_append_new(streams, stream_of(record, voices, i));
    put(document, "streams", streams);
    json_t *warnings = json_array();
    for (unsigned i = 0; i < record->warning_count; i++) {
        const struct recorder_warning *warning = &record->warnings[i];
        (void)json_array_append_new(
            warnings, warning_of(warning->code, view_of_string(warning->text), warning->at));
    }
    put(document, "warnings", warnings);
    put(document, "digits", happenings_of(record, &record->digits));
    put(document, "events", happenings_of(record, &record->events));
    put(document, "channels", json_array());
    put(document, "audio", json_null());
    free(voices);
    return document;
}

static char *print(json_t *json)
{
    char *text = json ? json_dumps(json, JSON_COMPACT | JSON_ENSURE_ASCII) : NULL;
    json_decref(json);
    return text;
}

char *recorder_document_print(const struct recorder_record *record)
{
    return print(document_of(record));
}

void recorder_documents_begin(struct recorder_documents *all)
{
    all->array = json_array();
}

void recorder_documents_add(struct recorder_documents *all, const struct recorder_record *record)
{
    (void)json_array_append_new(all->array, document_of(record));
}

char *recorder_documents_end(struct recorder_documents *all)
{
    return print(all->array);
}

/* ---- After the render ----------------------------------------------------------------------- */

static json_t *parse(struct view text)
{
    json_error_t error;
    json_t *json = json_loadb(text.at ? text.at : "", text.len, JSON_REJECT_DUPLICATES, &error);
    if (json && !json_is_object(json)) {
        json_decref(json);
        return NULL;
    }
    return json;
}

static bool same_member(const json_t *a, const json_t *b, const char *key)
{
    const json_t *x = json_object_get(a, key), *y = json_object_get(b, key);
    return x && y && json_equal(x, y);
}

static void merge_warnings(json_t *document, const json_t *rendered)
{
    json_t *all = json_object_get(document, "warnings"), *one;
    size_t i, k;
    json_array_foreach(json_object_get(rendered, "warnings"), i, one)
    {
        json_t *known;
        bool found = false;
        json_array_foreach(all, k, known)
        {
            found |= same_member(known, one, "code") && same_member(known, one, "text");
        }
        if (!found)
            (void)json_array_append(all, one);
    }
}

/* The renderer counts what the journal holds; it also sees what came late or twice. Its streams are
 * in the order of their numbers, or carry the number. */
static void merge_streams(json_t *document, const json_t *rendered)
{
    static const char *const keys[] = {"packets",   "lost",  "duplicates", "reordered",
                                       "drift_ppm", "clock", "epochs"};
    json_t *streams = json_object_get(document, "streams"), *one;
    size_t i;
    json_array_foreach(json_object_get(rendered, "streams"), i, one)
    {
        json_t *number = json_object_get(one, "stream");
        size_t at = json_is_integer(number) ? (size_t)json_integer_value(number) : i;
        json_t *stream = json_array_get(streams, at);
        for (size_t k = 0; stream && k < sizeof keys / sizeof keys[0]; k++) {
            json_t *value = json_object_get(one, keys[k]);
            if (value)
                (void)json_object_set(stream, keys[k], value);
        }
    }
}

static json_t *channel_of(const json_t *rendered_channel)
{
    json_t *one = json_deep_copy(rendered_channel);
    json_t *who = json_object_get(one, "participant");
    json_t *id = json_object_get(who, "id");
    if (id)
        (void)json_object_set(one, "participant", id);
    return one;
}

/* Names as they stand in the recording's folder, whatever place they were rendered to before. */
static json_t *files_of(const json_t *rendered)
{
    json_t *names = json_array(), *one;
    size_t i;
    json_array_foreach(json_object_get(rendered, "files"), i, one)
    {
        struct view name = view_of_string(json_string_value(one));
        for (size_t slash; (slash = view_find_char(name, '/')) < name.len;)
            name = view_skip(name, slash + 1);
        size_t part = view_find(name, VIEW_LIT(".part"));
        (void)json_array_append_new(names, text_of(view_take(name, part)));
    }
    return names;
}

static void merge_audio(json_t *document, const json_t *rendered)
{
    static const char *const keys[] = {"format", "layout",           "sample_rate",
                                       "frames", "audio_started_at", "duration_ms"};
    json_t *audio = json_object(), *channels = json_array(), *one;
    size_t i;
    for (size_t k = 0; k < sizeof keys / sizeof keys[0]; k++) {
        json_t *value = json_object_get(rendered, keys[k]);
        if (value)
            (void)json_object_set(audio, keys[k], value);
    }
    if (json_is_array(json_object_get(rendered, "files")))
        put(audio, "files", files_of(rendered));
    put(document, "audio", audio);
    json_array_foreach(json_object_get(rendered, "channels"), i, one)
    {
        (void)json_array_append_new(channels, channel_of(one));
    }
    put(document, "channels", channels);
}

char *recorder_document_merge(struct view document, struct view rendered)
{
    json_t *whole = parse(document), *found = parse(rendered);
    json_t *duration = json_object_get(found, "duration_ms");
    if (!whole || !found || !json_is_number(duration)) {
        json_decref(whole);
        json_decref(found);
        return NULL;
    }
    put(whole, "state", json_string("finished"));
    (void)json_object_set(whole, "duration_ms", duration);
    merge_audio(whole, found);
    merge_streams(whole, found);
    merge_warnings(whole, found);
    json_t *digits = json_object_get(found, "digits");
    if (json_array_size(json_object_get(whole, "digits")) == 0 && json_is_array(digits))
        (void)json_object_set(whole, "digits", digits);
    json_decref(found);
    return print(whole);
}

char *recorder_document_failed(struct view document, struct view reason, struct wall at)
{
    json_t *whole = parse(document);
    if (!whole)
        return NULL;
    put(whole, "state", json_string("finished"));
    (void)json_array_append_new(json_object_get(whole, "warnings"),
                                warning_of("render-failed", reason, at));
    return print(whole);
}
