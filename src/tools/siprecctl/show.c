/* show: tables for people.
 * Not here: JSON for programs (main.c prints that as it came).
 * RFC: none. */
#include "tools/siprecctl/show.h"

#include <inttypes.h>
#include <string.h>

#include "base/utf8.h"

/* Widths: they and the two blanks between add up to 100. */
#define ID_WIDTH      36
#define TIME_WIDTH    19
#define LENGTH_WIDTH  8
#define STATE_WIDTH   9
#define NAMES_WIDTH   20
#define COUNT_WIDTH   9
#define ADDRESS_WIDTH 21

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

static size_t characters(const char *text)
{
    size_t n = 0;
    for (; *text; text++)
        n += !is_continuation(*text);
    return n;
}

static const char *put_character(FILE *out, const char *at)
{
    size_t len = utf8_len(view_of(at, strnlen(at, 4)));
    if (len == 0 || utf8_is_control(utf8_decode(view_of(at, len))))
        fputc('?', out);
    else
        fwrite(at, 1, len, out);
    return at + (len > 0 ? len : 1);
}

void ctl_show_text(FILE *out, const char *text)
{
    while (*text)
        text = put_character(out, text);
}

void ctl_show_json(FILE *out, const json_t *json)
{
    json_dumpf(json, out, JSON_INDENT(2) | JSON_PRESERVE_ORDER | JSON_ENSURE_ASCII);
    fputc('\n', out);
}

/* At most columns characters; returns how many it were. */
static size_t put_cut(FILE *out, const char *text, size_t columns)
{
    size_t total = characters(text), n = 0;
    while (*text && n < columns && !(total > columns && n == columns - 1)) {
        text = put_character(out, text);
        n++;
    }
    if (*text) {
        fputc('~', out);
        n++;
    }
    return n;
}

void ctl_show_cell(FILE *out, const char *text, size_t columns)
{
    for (size_t n = put_cut(out, text, columns); n < columns; n++)
        fputc(' ', out);
}

static const char *text_of(const json_t *object, const char *key, const char *otherwise)
{
    const json_t *value = json_object_get(object, key);
    return json_is_string(value) && json_string_length(value) > 0 ? json_string_value(value)
                                                                  : otherwise;
}

static int64_t number_of(const json_t *object, const char *key, int64_t otherwise)
{
    const json_t *value = json_object_get(object, key);
    return json_is_integer(value) ? json_integer_value(value) : otherwise;
}

struct time_text {
    char s[TIME_WIDTH + 1];
};

/* "2026-03-01 12:00:00", or "-". */
static struct time_text time_text(const json_t *object, const char *key)
{
    struct time_text text = {"-"};
    struct wall at;
    if (wall_parse(view_of_string(text_of(object, key, "")), &at)) {
        struct wall_text whole = wall_print(at);
        memcpy(text.s, whole.s, TIME_WIDTH);
        text.s[10] = ' ';
        text.s[TIME_WIDTH] = '\0';
    }
    return text;
}

struct length_text {
    char s[24];
};

/* "0:01:07", or "-" when it is not known. */
static struct length_text length_text(int64_t ms)
{
    struct length_text text = {"-"};
    int64_t s = ms / 1000;
    if (ms >= 0)
        snprintf(text.s, sizeof text.s, "%" PRId64 ":%02d:%02d", s / 3600, (int)(s / 60 % 60),
                 (int)(s % 60));
    return text;
}

static const char *name_of(const json_t *participant)
{
    const char *name = text_of(participant, "name", NULL);
    return name ? name : text_of(participant, "aor", text_of(participant, "id", "?"));
}

/* "Alice, Bob": a name, or else the address. */
static void put_names(FILE *out, const json_t *recording, size_t columns)
{
    char names[512] = "";
    size_t i, len = 0;
    const json_t *participant;
    json_array_foreach(json_object_get(recording, "participants"), i, participant)
    {
        int n =
            snprintf(names + len, sizeof names - len, "%s%s", i ? ", " : "", name_of(participant));
        if (n < 0 || (size_t)n >= sizeof names - len)
            break;
        len += (size_t)n;
    }
    put_cut(out, *names ? names : "-", columns);
}

static void title(FILE *out, const char *text, size_t columns)
{
    ctl_show_cell(out, text, columns);
    fputs("  ", out);
}

void ctl_show_recordings(FILE *out, const json_t *recordings)
{
    size_t i;
    const json_t *recording;
    if (json_array_size(recordings) == 0) {
        fputs("No recordings.\n", out);
        return;
    }
    title(out, "ID", ID_WIDTH);
    title(out, "STARTED (UTC)", TIME_WIDTH);
    title(out, "LENGTH", LENGTH_WIDTH);
    title(out, "STATE", STATE_WIDTH);
    fputs("PARTICIPANTS\n", out);
    json_array_foreach(recordings, i, recording)
    {
        title(out, text_of(recording, "id", "?"), ID_WIDTH);
        title(out, time_text(recording, "started_at").s, TIME_WIDTH);
        title(out, length_text(number_of(recording, "duration_ms", -1)).s, LENGTH_WIDTH);
        title(out, text_of(recording, "state", "?"), STATE_WIDTH);
        /* A mark at a glance; the recording itself says what it is. */
        bool warned = json_array_size(json_object_get(recording, "warnings")) > 0;
        put_names(out, recording, warned ? NAMES_WIDTH - 4 : NAMES_WIDTH);
        fputs(warned ? " (!)" : "", out);
        fputc('\n', out);
    }
}

static int64_t sum(const json_t *recording, const char *key)
{
    size_t i;
    const json_t *stream;
    int64_t total = 0;
    json_array_foreach(json_object_get(recording, "streams"), i, stream)
    {
        total += number_of(stream, key, 0);
    }
    return total;
}

static void put_number(FILE *out, int64_t value, size_t columns)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRId64, value);
    title(out, text, columns);
}

void ctl_show_sessions(FILE *out, const json_t *sessions, struct wall now)
{
    size_t i;
    const json_t *session;
    if (json_array_size(sessions) == 0) {
        fputs("No calls are being recorded.\n", out);
        return;
    }
    title(out, "ID", ID_WIDTH);
    title(out, "FOR", LENGTH_WIDTH);
    title(out, "STREAMS", 7);
    title(out, "PACKETS", COUNT_WIDTH);
    title(out, "LOST", 6);
    fputs("PARTICIPANTS\n", out);
    json_array_foreach(sessions, i, session)
    {
        struct wall started;
        int64_t ms = -1;
        if (wall_parse(view_of_string(text_of(session, "started_at", "")), &started))
            ms = wall_diff_ms(now, started) > 0 ? wall_diff_ms(now, started) : 0;
        title(out, text_of(session, "id", "?"), ID_WIDTH);
        title(out, length_text(ms).s, LENGTH_WIDTH);
        put_number(out, (int64_t)json_array_size(json_object_get(session, "streams")), 7);
        put_number(out, sum(session, "packets"), COUNT_WIDTH);
        put_number(out, sum(session, "lost"), 6);
        put_names(out, session, NAMES_WIDTH + 4);
        fputc('\n', out);
    }
}

static void field(FILE *out, const char *name, const char *value)
{
    ctl_show_cell(out, name, 15);
    ctl_show_text(out, value);
    fputc('\n', out);
}

static void show_participants(FILE *out, const json_t *recording)
{
    size_t i;
    const json_t *p;
    if (json_array_size(json_object_get(recording, "participants")) == 0)
        return;
    fputs("\nPARTICIPANTS\n", out);
    json_array_foreach(json_object_get(recording, "participants"), i, p)
    {
        fputs("  ", out);
        title(out, text_of(p, "name", "-"), 28);
        title(out, text_of(p, "aor", "-"), 48);
        fputs("label ", out);
        put_cut(out, text_of(p, "label", "-"), 12);
        fputc('\n', out);
    }
}

static void show_streams(FILE *out, const json_t *recording)
{
    size_t i;
    const json_t *s;
    if (json_array_size(json_object_get(recording, "streams")) == 0)
        return;
    fputs("\nSTREAMS\n  ", out);
    title(out, "LABEL", 6);
    title(out, "CODEC", 11);
    title(out, "PACKETS", 8);
    title(out, "LOST", 5);
    title(out, "FROM", ADDRESS_WIDTH);
    title(out, "TO", ADDRESS_WIDTH);
    fputs("PATH\n", out);
    json_array_foreach(json_object_get(recording, "streams"), i, s)
    {
        fputs("  ", out);
        title(out, text_of(s, "label", "-"), 6);
        title(out, text_of(s, "codec", "-"), 11);
        put_number(out, number_of(s, "packets", 0), 8);
        put_number(out, number_of(s, "lost", 0), 5);
        title(out, text_of(s, "observed", text_of(s, "offered", "-")), ADDRESS_WIDTH);
        title(out, text_of(s, "advertised", "-"), ADDRESS_WIDTH);
        ctl_show_text(out, text_of(s, "path", "-"));
        fputc('\n', out);
    }
}

static void show_warnings(FILE *out, const json_t *recording)
{
    size_t i;
    const json_t *w;
    if (json_array_size(json_object_get(recording, "warnings")) == 0)
        return;
    fputs("\nWARNINGS\n", out);
    json_array_foreach(json_object_get(recording, "warnings"), i, w)
    {
        fprintf(out, "  %s  ", time_text(w, "at").s);
        ctl_show_text(out, text_of(w, "code", "?"));
        fputs(": ", out);
        ctl_show_text(out, text_of(w, "text", ""));
        fputc('\n', out);
    }
}

void ctl_show_recording(FILE *out, const json_t *recording)
{
    bool recovered = json_is_true(json_object_get(recording, "recovered"));
    field(out, "id", text_of(recording, "id", "?"));
    field(out, "call-id", text_of(recording, "call_id", "?"));
    ctl_show_cell(out, "state", 15);
    ctl_show_text(out, text_of(recording, "state", "?"));
    fputs(recovered ? ", recovered from its journal\n" : "\n", out);
    field(out, "started (UTC)", time_text(recording, "started_at").s);
    field(out, "ended (UTC)", time_text(recording, "ended_at").s);
    field(out, "length", length_text(number_of(recording, "duration_ms", -1)).s);
    show_participants(out, recording);
    show_streams(out, recording);
    show_warnings(out, recording);
}

/* "symmetric no-latches port_offset=+1000": what is believed, by the API's own words. */
static void put_facts(FILE *out, const json_t *src, size_t columns)
{
    char facts[512] = "";
    size_t len = 0;
    const char *name;
    json_t *fact;
    json_object_foreach(json_object_get(src, "facts"), name, fact)
    {
        bool is = json_is_true(json_object_get(fact, "is"));
        char number[24] = "";
        if (is && strcmp(name, "port_offset") == 0)
            (void)snprintf(number, sizeof number, "=%+" PRId64, number_of(src, name, 0));
        int n = snprintf(facts + len, sizeof facts - len, "%s%s%s%s", len ? " " : "",
                         is ? "" : "no-", name, number);
        if (n < 0 || (size_t)n >= sizeof facts - len)
            break;
        len += (size_t)n;
    }
    put_cut(out, *facts ? facts : "-", columns);
}

void ctl_show_srcs(FILE *out, const json_t *srcs)
{
    size_t i;
    const json_t *src;
    if (json_array_size(srcs) == 0) {
        fputs("Nothing is known of any SRC yet.\n", out);
        return;
    }
    title(out, "ID", ID_WIDTH);
    title(out, "SOURCE", 15);
    title(out, "CLASS", 5);
    title(out, "CALLS", 5);
    fputs("FACTS\n", out);
    json_array_foreach(srcs, i, src)
    {
        title(out, text_of(src, "id", "?"), ID_WIDTH);
        title(out, text_of(src, "source", text_of(src, "identity", "-")), 15);
        title(out, text_of(src, "class", "-"), 5);
        put_number(out, number_of(src, "calls", 0), 5);
        put_facts(out, src, 31);
        fputc('\n', out);
    }
}
