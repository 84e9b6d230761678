/* stream: cuts the bytes of one connection into messages.
 * Not here: what is in them (message.c), the connection itself (io).
 * RFC 3261 §7.5, 18.3; RFC 5626 §4.4.1 (keepalive). */
#include "sip/stream.h"

#include "base/limits.h"

#include <stdlib.h>
#include <string.h>

void sip_stream_finish(struct sip_stream *stream)
{
    free(stream->buffer);
    *stream = (struct sip_stream){0};
}

static void forget(struct sip_stream *s)
{
    free(s->buffer);
    s->buffer = NULL;
    s->len = s->size = s->scanned = s->body_at = 0;
    s->message = 0;
}

/* Line ends between messages are no part of any (RFC 3261 §7.5); two in a row ask for one back, one
 * answers two of ours (RFC 5626 §4.4.1). */
static bool skip_blank(struct sip_stream *s, struct view *rest)
{
    while (rest->len > 0 && (rest->at[0] == '\r' || rest->at[0] == '\n')) {
        bool lf = rest->at[0] == '\n';
        *rest = view_skip(*rest, 1);
        /* Two at once are the peer's own ping. */
        if (lf && s->pongs_due > 0 && s->blank == 0 && !view_starts_with(*rest, VIEW_LIT("\r\n"))) {
            s->pongs_due = 0;
            s->ponged = true;
            return true;
        }
        if (lf && ++s->blank == 2) {
            s->blank = 0;
            return true;
        }
    }
    if (rest->len > 0)
        s->blank = 0;
    return false;
}

/* Looks for the empty line in bytes from *scanned on; returns where the body starts, or 0. */
static size_t find_body(struct view bytes, size_t *scanned)
{
    for (size_t i = *scanned; i < bytes.len; i++) {
        if (bytes.at[i] != '\n')
            continue;
        size_t next = i + 1;
        if (next < bytes.len && bytes.at[next] == '\r')
            next++;
        if (next >= bytes.len) {
            *scanned = i;
            return 0;
        }
        if (bytes.at[next] == '\n')
            return next + 1;
    }
    *scanned = bytes.len;
    return 0;
}

enum length_result {
    LENGTH_GIVEN,
    LENGTH_MISSING,
    LENGTH_BROKEN,
};

static bool is_header(struct view line, const char *name, char compact, struct view *value)
{
    size_t colon = view_find_char(line, ':');
    if (colon == line.len)
        return false;
    struct view left = view_trim(view_take(line, colon));
    *value = view_trim(view_skip(line, colon + 1));
    return view_equal_nocase(left, view_of_string(name)) ||
           view_equal_nocase(left, view_of(&compact, 1));
}

static enum length_result read_length(struct view head, uint64_t *length)
{
    enum length_result result = LENGTH_MISSING;
    bool has_type = false;
    struct view line, value;
    while (view_cut_line(&head, &line)) {
        uint64_t n;
        if (is_header(line, "Content-Type", 'c', &value) && value.len > 0)
            has_type = true;
        if (!is_header(line, "Content-Length", 'l', &value))
            continue;
        if (!view_parse_u64(value, &n) || (result == LENGTH_GIVEN && n != *length))
            return LENGTH_BROKEN;
        *length = n;
        result = LENGTH_GIVEN;
    }
    if (result == LENGTH_MISSING) {
        *length = 0;
        /* RFC 3261 §20.14 makes it a MUST here. Without any body there is nothing to lose by its
         * absence. */
        return has_type ? LENGTH_BROKEN : LENGTH_GIVEN;
    }
    return result;
}

/* What is known once the headers are all there. bytes starts with the message. */
static enum sip_stream_result frame(struct sip_stream *s, struct view bytes, size_t body_max,
                                    struct view *message)
{
    uint64_t length = 0;
    *message = view_take(bytes, s->body_at);
    if (read_length(*message, &length) != LENGTH_GIVEN) {
        s->failed = true;
        return SIP_STREAM_BROKEN;
    }
    if (length > body_max) {
        s->discard = length;
        return SIP_STREAM_TOO_LARGE;
    }
    s->message = s->body_at + length;
    return SIP_STREAM_MORE;
}

static bool keep(struct sip_stream *s, struct view bytes)
{
    if (s->len + bytes.len > s->size) {
        size_t size = s->size ? s->size * 2 : 2048;
        while (size < s->len + bytes.len)
            size *= 2;
        char *larger = realloc(s->buffer, size);
        if (!larger)
            return false;
        s->buffer = larger;
        s->size = size;
    }
    memcpy(s->buffer + s->len, bytes.at, bytes.len);
    s->len += bytes.len;
    return true;
}

/* How much of rest may be added to what is kept: up to the message's end when that is known, else a
 * header's worth. */
static size_t wanted(const struct sip_stream *s, size_t available)
{
    size_t most = s->body_at ? (size_t)(s->message - s->len) : available;
    return available < most ? available : most;
}

/* A message that starts and ends in the caller's bytes is not copied. */
static enum sip_stream_result from_whole(struct sip_stream *s, struct view *rest, size_t body_max,
                                         struct view *message)
{
    size_t scanned = 0;
    s->body_at = find_body(*rest, &scanned);
    if (s->body_at == 0)
        return SIP_STREAM_MORE;
    enum sip_stream_result result = frame(s, *rest, body_max, message);
    if (result != SIP_STREAM_MORE) {
        *rest = view_skip(*rest, s->body_at);
    } else if (s->message <= rest->len) {
        *message = view_take(*rest, (size_t)s->message);
        *rest = view_skip(*rest, (size_t)s->message);
        result = SIP_STREAM_MESSAGE;
    }
    s->body_at = 0;
    s->message = 0;
    return result;
}

/* A message that came in pieces. */
static enum sip_stream_result from_pieces(struct sip_stream *s, struct view *rest, size_t body_max,
                                          struct view *message)
{
    size_t before = s->len;
    size_t n = wanted(s, rest->len);
    if (n > 0 && !keep(s, view_take(*rest, n)))
        return SIP_STREAM_NO_MEMORY;
    if (s->body_at == 0) {
        s->body_at = find_body(view_of(s->buffer, s->len), &s->scanned);
        if (s->body_at == 0) {
            *rest = view_skip(*rest, n);
            if (s->len <= LIMIT_SIP_DATAGRAM)
                return SIP_STREAM_MORE;
            s->failed = true; /* no end of the headers in sight: not SIP, or meant badly */
            *message = VIEW_NONE;
            return SIP_STREAM_BROKEN;
        }
        /* What follows the headers goes back: it may be more than this message's body. */
        size_t head_new = s->body_at - before;
        s->len = s->body_at;
        *rest = view_skip(*rest, head_new);
        enum sip_stream_result result = frame(s, view_of(s->buffer, s->len), body_max, message);
        if (result != SIP_STREAM_MORE)
            return result;
        n = wanted(s, rest->len);
        if (n > 0 && !keep(s, view_take(*rest, n)))
            return SIP_STREAM_NO_MEMORY;
    }
    *rest = view_skip(*rest, n);
    if (s->len < s->message)
        return SIP_STREAM_MORE;
    *message = view_of(s->buffer, s->len);
    return SIP_STREAM_MESSAGE;
}

enum sip_stream_result sip_stream_next(struct sip_stream *s, struct view *rest, size_t body_max,
                                       struct view *message)
{
    *message = VIEW_NONE;
    /* The message handed out by the last call is done with. */
    if (s->body_at > 0 && (s->discard > 0 || s->len >= s->message))
        forget(s);
    if (s->failed)
        *rest = VIEW_NONE;
    if (s->discard > 0) {
        size_t n = s->discard < rest->len ? (size_t)s->discard : rest->len;
        *rest = view_skip(*rest, n);
        s->discard -= n;
    }
    if (s->len == 0 && skip_blank(s, rest)) {
        bool pong = s->ponged;
        s->ponged = false;
        return pong ? SIP_STREAM_PONG : SIP_STREAM_PING;
    }
    if (rest->len == 0)
        return SIP_STREAM_MORE;
    if (s->len == 0) {
        enum sip_stream_result result = from_whole(s, rest, body_max, message);
        if (result != SIP_STREAM_MORE)
            return result;
    }
    return from_pieces(s, rest, body_max, message);
}
