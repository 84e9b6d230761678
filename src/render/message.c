/* message: the little of a SIP message that a journal's reader needs: is it an answer, and its
 * body.
 * Not here: checking it; the daemon did that before it wrote the journal (sip/message.h).
 * RFC 3261 §7, §7.3.1 (folding), §20 (compact forms). */
#include "render/message.h"

/* Takes a header field, folded lines included, off the front. False at the blank line that ends the
 * head; rest is then the body. */
static bool field_cut(struct view *rest, struct view *name, struct view *value)
{
    struct view line;
    const char *start = rest->at;
    if (!view_cut_line(rest, &line) || line.len == 0)
        return false;
    size_t colon = view_find_char(line, ':');
    *name = view_trim(view_take(line, colon));
    while (rest->at && rest->len > 0 && (*rest->at == ' ' || *rest->at == '\t')) {
        if (!view_cut_line(rest, &line))
            break;
    }
    const char *end = line.at + line.len;
    *value = view_trim(view_skip((struct view){start, (size_t)(end - start)}, colon + 1));
    return true;
}

static bool name_is(struct view name, const char *full, const char *compact)
{
    return view_equal_nocase(name, view_of_string(full)) ||
           (compact && view_equal_nocase(name, view_of_string(compact)));
}

static void content_type_set(struct render_message *message, struct view value)
{
    (void)view_copy(value, message->content_type, sizeof message->content_type);
    for (char *c = message->content_type; *c != '\0'; c++)
        if (*c == '\r' || *c == '\n')
            *c = ' ';
    message->headers.content_type = view_of_string(message->content_type);
}

static void start_line_read(struct render_message *message, struct view line)
{
    struct view word;
    if (!view_cut(&line, ' ', &word))
        return;
    if (view_starts_with_nocase(word, VIEW_LIT("SIP/"))) {
        uint32_t status;
        if (view_cut(&line, ' ', &word) && view_parse_u32(word, &status))
            message->status = status;
        return;
    }
    message->is_request = true;
    message->method = word;
}

static uint32_t length_parse(struct view value)
{
    uint32_t length;
    return view_parse_u32(value, &length) ? length : UINT32_MAX;
}

void render_message_parse(struct render_message *message, struct view bytes)
{
    *message = (struct render_message){0};
    struct view rest = bytes, line, name, value;
    /* RFC 3261 §7.5: blank lines before the start line are ignored. */
    do {
        if (!view_cut_line(&rest, &line))
            return;
    } while (line.len == 0);
    start_line_read(message, line);
    uint32_t length = UINT32_MAX;
    while (field_cut(&rest, &name, &value)) {
        if (name_is(name, "Content-Type", "c"))
            content_type_set(message, value);
        else if (name_is(name, "Content-Disposition", NULL))
            message->headers.content_disposition = value;
        else if (name_is(name, "Content-Transfer-Encoding", NULL))
            message->headers.content_encoding = value;
        else if (name_is(name, "Content-Length", "l"))
            length = length_parse(value);
        else if (name_is(name, "CSeq", NULL) && !message->is_request)
            message->method = view_trim(view_skip(value, view_find_char(value, ' ')));
    }
    if (rest.at)
        message->body = view_take(rest, length);
}
