/* event: a flat JSON object, put together member by member and searched without a tree.
 * Not here: what the events mean.
 * RFC 8259; RFC 3629 for UTF-8. */
#include "journal/event.h"

#include <inttypes.h>
#include <string.h>

#include "base/utf8.h"

/* Objects within objects: ours have two levels at most. */
#define DEPTH_MAX 32

static const char *const names[] = {
    [JOURNAL_EVENT_STARTED] = "started",   [JOURNAL_EVENT_PAUSE] = "pause",
    [JOURNAL_EVENT_RESUME] = "resume",     [JOURNAL_EVENT_SOURCE] = "source",
    [JOURNAL_EVENT_EPOCH] = "epoch",       [JOURNAL_EVENT_FOREIGN] = "foreign",
    [JOURNAL_EVENT_SILENT] = "silent",     [JOURNAL_EVENT_DIGIT] = "digit",
    [JOURNAL_EVENT_WARNING] = "warning",   [JOURNAL_EVENT_GAP] = "gap",
    [JOURNAL_EVENT_PATH] = "path",         [JOURNAL_EVENT_STREAM] = "stream",
    [JOURNAL_EVENT_RTCP_BYE] = "rtcp-bye", [JOURNAL_EVENT_METADATA] = "metadata",
    [JOURNAL_EVENT_ENDED] = "ended",       [JOURNAL_EVENT_RECOVERED] = "recovered",
    [JOURNAL_EVENT_OTHER] = "other",
};

const char *journal_event_name(enum journal_event_kind kind)
{
    return names[kind];
}

struct journal_event journal_object_begin(void *buffer, size_t size)
{
    struct journal_event e = {.out = writer_of(buffer, size)};
    writer_u8(&e.out, '{');
    return e;
}

struct journal_event journal_event_begin(void *buffer, size_t size, enum journal_event_kind kind)
{
    struct journal_event e = journal_object_begin(buffer, size);
    journal_event_put_text(&e, "siprecd", view_of_string(names[kind]));
    return e;
}

static void put_key(struct journal_event *e, const char *key)
{
    struct view so_far = writer_done(&e->out);
    if (so_far.len && so_far.at[so_far.len - 1] != '{')
        writer_u8(&e->out, ',');
    writer_u8(&e->out, '"');
    writer_string(&e->out, key);
    writer_string(&e->out, "\":");
}

void journal_event_put_text(struct journal_event *e, const char *key, struct view text)
{
    put_key(e, key);
    writer_u8(&e->out, '"');
    while (text.len) {
        uint8_t c = (uint8_t)text.at[0];
        size_t n = utf8_len(text);
        if (n == 0) {
            writer_string(&e->out, "\\ufffd");
            n = 1;
        } else if (c == '"' || c == '\\') {
            writer_u8(&e->out, '\\');
            writer_u8(&e->out, c);
        } else if (c < 0x20 || c == 0x7f) {
            writer_printf(&e->out, "\\u%04x", c);
        } else {
            writer_view(&e->out, view_take(text, n));
        }
        text = view_skip(text, n);
    }
    writer_u8(&e->out, '"');
}

void journal_event_put_number(struct journal_event *e, const char *key, int64_t number)
{
    put_key(e, key);
    writer_printf(&e->out, "%" PRId64, number);
}

void journal_event_put_addr(struct journal_event *e, const char *key, const struct addr *address)
{
    if (addr_is_set(address))
        journal_event_put_text(e, key, view_of_string(addr_print(address).s));
    else
        journal_event_put_json(e, key, VIEW_LIT("null"));
}

void journal_event_put_wall(struct journal_event *e, const char *key, struct wall time)
{
    journal_event_put_text(e, key, view_of_string(wall_print(time).s));
}

void journal_event_put_json(struct journal_event *e, const char *key, struct view json)
{
    put_key(e, key);
    writer_view(&e->out, json);
}

struct view journal_event_end(struct journal_event *e)
{
    writer_u8(&e->out, '}');
    return writer_done(&e->out);
}

static void skip_blanks(struct view *rest)
{
    while (rest->len && strchr(" \t\r\n", rest->at[0]) && rest->at[0])
        *rest = view_skip(*rest, 1);
}

static bool eat(struct view *rest, char c)
{
    skip_blanks(rest);
    if (rest->len == 0 || rest->at[0] != c)
        return false;
    *rest = view_skip(*rest, 1);
    return true;
}

/* A string with its quotes; *text is what stands between them, still escaped. */
static bool eat_string(struct view *rest, struct view *text)
{
    if (!eat(rest, '"'))
        return false;
    for (size_t i = 0; i < rest->len; i++) {
        if (rest->at[i] == '\\') {
            i++;
        } else if (rest->at[i] == '"') {
            *text = view_take(*rest, i);
            *rest = view_skip(*rest, i + 1);
            return true;
        }
    }
    return false;
}

/* Moves past one value without looking into it further than brackets and strings tell. */
static bool eat_value(struct view *rest)
{
    int depth = 0;
    skip_blanks(rest);
    do {
        skip_blanks(rest);
        if (rest->len == 0)
            return false;
        char c = rest->at[0];
        struct view text;
        if (c == '"') {
            if (!eat_string(rest, &text))
                return false;
        } else if (c == '{' || c == '[') {
            if (++depth > DEPTH_MAX)
                return false;
            *rest = view_skip(*rest, 1);
        } else if (c == '}' || c == ']') {
            depth--;
            *rest = view_skip(*rest, 1);
        } else if (c == ',' || c == ':') {
            if (depth == 0)
                return false;
            *rest = view_skip(*rest, 1);
        } else {
            size_t n = 0;
            while (n < rest->len && !strchr(",:{}[]\" \t\r\n", rest->at[n]))
                n++;
            if (n == 0)
                return false;
            *rest = view_skip(*rest, n);
        }
    } while (depth > 0);
    return depth == 0;
}

bool journal_event_find(struct view json, const char *key, struct view *value)
{
    struct view rest = json, wanted = view_of_string(key), name;
    if (!eat(&rest, '{'))
        return false;
    while (eat_string(&rest, &name) && eat(&rest, ':')) {
        skip_blanks(&rest);
        struct view before = rest;
        if (!eat_value(&rest))
            return false;
        if (view_equal(name, wanted)) {
            *value = view_take(before, before.len - rest.len);
            return true;
        }
        if (!eat(&rest, ','))
            return false;
    }
    return false;
}

bool journal_event_decode(struct view comment, enum journal_event_kind *kind)
{
    struct view rest = comment, name, value;
    if (!eat(&rest, '{') || !eat_string(&rest, &name) || !view_equal(name, VIEW_LIT("siprecd")) ||
        !eat(&rest, ':') || !eat_string(&rest, &value))
        return false;
    *kind = JOURNAL_EVENT_OTHER;
    for (size_t i = 0; i < JOURNAL_EVENT_OTHER; i++)
        if (view_equal(value, view_of_string(names[i])))
            *kind = (enum journal_event_kind)i;
    return true;
}

static void put_utf8(struct writer *out, uint32_t c)
{
    if (c < 0x80) {
        writer_u8(out, (uint8_t)c);
    } else if (c < 0x800) {
        writer_u16(out, (uint16_t)(0xc080 | (c & 0x7c0) << 2 | (c & 0x3f)));
    } else if (c < 0x10000) {
        writer_u8(out, (uint8_t)(0xe0 | c >> 12));
        writer_u16(out, (uint16_t)(0x8080 | (c & 0xfc0) << 2 | (c & 0x3f)));
    } else {
        writer_u32(out, 0xf0808080 | (c & 0x1c0000) << 6 | (c & 0x3f000) << 4 | (c & 0xfc0) << 2 |
                            (c & 0x3f));
    }
}

/* "\u" and four digits at the front; 0xfffd for what is none. */
static uint32_t eat_hex(struct view *text)
{
    uint64_t c = 0xfffd;
    if (text->len >= 6 && text->at[0] == '\\' && text->at[1] == 'u' &&
        view_parse_hex(view_take(view_skip(*text, 2), 4), &c))
        *text = view_skip(*text, 6);
    else
        *text = view_skip(*text, 2);
    return (uint32_t)c;
}

static void put_escape(struct writer *out, struct view *text)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    char c = text->len > 1 ? text->at[1] : 0;
    const char *plain = c ? strchr(from, c) : NULL;
    if (plain) {
        writer_u8(out, (uint8_t)to[plain - from]);
        *text = view_skip(*text, 2);
        return;
    }
    uint32_t high = eat_hex(text);
    if (high >= 0xd800 && high < 0xdc00) {
        struct view after = *text;
        uint32_t low = text->len >= 6 ? eat_hex(&after) : 0;
        bool pair = low >= 0xdc00 && low < 0xe000;
        if (pair)
            *text = after;
        high = pair ? 0x10000 + ((high - 0xd800) << 10) + (low - 0xdc00) : 0xfffd;
    } else if (high >= 0xdc00 && high < 0xe000) {
        high = 0xfffd;
    }
    put_utf8(out, high);
}

bool journal_event_text(struct view json, const char *key, char *text, size_t size)
{
    struct view value, inner;
    if (!journal_event_find(json, key, &value) || !eat_string(&value, &inner))
        return false;
    struct writer out = writer_of(text, size - 1);
    while (inner.len && !out.failed) {
        if (inner.at[0] == '\\') {
            put_escape(&out, &inner);
        } else {
            writer_u8(&out, (uint8_t)inner.at[0]);
            inner = view_skip(inner, 1);
        }
    }
    text[out.len] = 0;
    return true;
}

bool journal_event_number(struct view json, const char *key, int64_t *number)
{
    struct view value;
    uint64_t magnitude;
    if (!journal_event_find(json, key, &value) || value.len == 0)
        return false;
    bool negative = value.at[0] == '-';
    if (!view_parse_u64(view_skip(value, negative), &magnitude) || magnitude > INT64_MAX)
        return false;
    *number = negative ? -(int64_t)magnitude : (int64_t)magnitude;
    return true;
}

bool journal_event_addr(struct view json, const char *key, struct addr *address)
{
    char text[ADDR_TEXT_SIZE];
    return journal_event_text(json, key, text, sizeof text) &&
           addr_parse(view_of_string(text), 0, address);
}

bool journal_event_wall(struct view json, const char *key, struct wall *time)
{
    char text[WALL_TEXT_SIZE];
    return journal_event_text(json, key, text, sizeof text) &&
           wall_parse(view_of_string(text), time);
}
