/* message: reads an incoming SIP message; see message.h.
 * Not here: sending, transactions.
 * RFC 3261 §7. */
#include "tools/siprec-call/message.h"

#include <string.h>

#define ROUTES_MAX 16

/* RFC 3261 §7.3.3, 3261 §20; of the headers asked for here. */
static char compact_of(struct view name)
{
    static const struct {
        const char *name;
        char letter;
    } forms[] = {{"Via", 'v'},
                 {"From", 'f'},
                 {"To", 't'},
                 {"Call-ID", 'i'},
                 {"Contact", 'm'},
                 {"Content-Type", 'c'},
                 {"Content-Length", 'l'},
                 {"Session-Expires", 'x'},
                 {"Supported", 'k'}};
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++) {
        if (view_equal_nocase(name, view_of_string(forms[i].name)))
            return forms[i].letter;
    }
    return '\0';
}

struct view call_message_header(const struct call_message *message, const char *name, unsigned n)
{
    struct view rest = message->headers, line, field, wanted = view_of_string(name);
    char letter = compact_of(wanted);
    while (view_cut_line(&rest, &line)) {
        if (!view_cut(&line, ':', &field))
            continue;
        field = view_trim(field);
        bool same = view_equal_nocase(field, wanted) ||
                    (letter && field.len == 1 && (field.at[0] | 0x20) == letter);
        if (same && n-- == 0)
            return line.at ? view_trim(line) : view_of("", 0);
    }
    return VIEW_NONE;
}

struct view call_uri_of(struct view value)
{
    size_t open = view_find_char(value, '<');
    if (open < value.len) {
        value = view_skip(value, open + 1);
        return view_take(value, view_find_char(value, '>'));
    }
    value = view_trim(value);
    value = view_take(value, view_find_char(value, ';'));
    return view_take(value, view_find_char(value, ' '));
}

struct view call_parameter(struct view value, const char *name)
{
    size_t close = view_find_char(value, '>');
    if (close < value.len)
        value = view_skip(value, close + 1);
    struct view piece, key;
    view_cut(&value, ';', &piece);
    while (view_cut(&value, ';', &piece)) {
        view_cut(&piece, '=', &key);
        if (view_equal_nocase(view_trim(key), view_of_string(name)))
            return piece.at ? view_trim(piece) : view_of("", 0);
    }
    return VIEW_NONE;
}

/* Where the blank line ends, 0 without one; *body is behind it. */
static size_t headers_end(struct view bytes)
{
    for (size_t i = 0; i + 1 < bytes.len; i++) {
        if (bytes.at[i] != '\n')
            continue;
        if (bytes.at[i + 1] == '\n')
            return i + 2;
        if (i + 2 < bytes.len && bytes.at[i + 1] == '\r' && bytes.at[i + 2] == '\n')
            return i + 3;
    }
    return 0;
}

static void unfold(char *bytes, size_t len)
{
    for (size_t i = 1; i + 1 < len; i++) {
        if (bytes[i] == '\n' && (bytes[i + 1] == ' ' || bytes[i + 1] == '\t') &&
            bytes[i - 1] != '\n') {
            bytes[i] = ' ';
            if (bytes[i - 1] == '\r')
                bytes[i - 1] = ' ';
        }
    }
}

/* "SIP/2.0 200 OK" or "BYE sip:x SIP/2.0". */
static bool first_line_parse(struct call_message *message, struct view line)
{
    struct view word;
    uint32_t code = 0;
    view_cut(&line, ' ', &word);
    if (view_equal_nocase(word, VIEW_LIT("SIP/2.0"))) {
        view_cut(&line, ' ', &word);
        if (!view_parse_u32(word, &code) || code < 100 || code > 699)
            return false;
        message->code = code;
        message->reason = view_trim(line);
        return true;
    }
    message->request = true;
    message->method = word;
    view_cut(&line, ' ', &message->uri);
    return word.len > 0 && message->uri.len > 0 &&
           view_equal_nocase(view_trim(line), VIEW_LIT("SIP/2.0"));
}

bool call_message_parse(struct call_message *message, char *bytes, size_t len)
{
    *message = (struct call_message){0};
    size_t end = headers_end(view_of(bytes, len));
    if (end == 0)
        return false;
    unfold(bytes, end);
    struct view rest = view_of(bytes, end), line;
    if (!view_cut_line(&rest, &line) || !first_line_parse(message, line))
        return false;
    message->headers = rest;
    message->body = view_of(bytes + end, len - end);
    uint64_t length = 0;
    if (view_parse_u64(call_message_header(message, "Content-Length", 0), &length) &&
        length < message->body.len)
        message->body.len = (size_t)length;
    message->call_id = call_message_header(message, "Call-ID", 0);
    struct view number, method = call_message_header(message, "CSeq", 0);
    view_cut(&method, ' ', &number);
    if (!view_parse_u32(number, &message->cseq) || message->call_id.len == 0)
        return false;
    if (!message->request)
        message->method = view_trim(method);
    return true;
}

size_t call_message_frame(struct view stream, bool *broken)
{
    *broken = false;
    size_t lead = 0;
    while (lead < stream.len && (stream.at[lead] == '\r' || stream.at[lead] == '\n'))
        lead++;
    struct view bytes = view_skip(stream, lead);
    size_t end = headers_end(bytes);
    if (end == 0)
        return 0;
    struct call_message headers = {.headers = view_take(bytes, end)};
    uint64_t length = 0;
    struct view value = call_message_header(&headers, "Content-Length", 0);
    /* RFC 3261 §18.3: on a stream the length is a must. */
    if (!view_parse_u64(value, &length) || length > 1024 * 1024) {
        *broken = true;
        return 0;
    }
    return bytes.len - end >= length ? lead + end + (size_t)length : 0;
}

void call_route_set(const struct call_message *message, struct writer *out)
{
    struct view routes[ROUTES_MAX];
    size_t count = 0;
    for (unsigned n = 0;; n++) {
        struct view value = call_message_header(message, "Record-Route", n), one;
        if (!value.at)
            break;
        while (view_cut(&value, ',', &one)) {
            if (count < ROUTES_MAX)
                routes[count++] = view_trim(one);
        }
    }
    for (; count > 0; count--)
        writer_printf(out, "Route: " VIEW_FMT "\r\n", VIEW_ARG(routes[count - 1]));
}
