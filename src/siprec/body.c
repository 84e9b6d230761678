/* body: MIME parts of SIP bodies.
 * Not here: their contents.
 * RFC 2046 §5.1.1, 2045 §6.7, §6.8, 5621 §8. */
#include "siprec/body.h"

#include <string.h>

/* What the header fields of a message or a part say. */
struct headers {
    struct view content_type;
    struct view disposition;
    struct view encoding;
    bool any;
};

/* One parse. */
struct run {
    struct siprec_body *body;
    struct arena *arena;
    struct siprec_warnings *warnings;
    unsigned alternatives;
};

static void read_entity(struct run *run, const struct headers *headers, struct view bytes,
                        unsigned depth, unsigned alternative);

/* Splits "type; a=b" at its first ";" outside quotes. */
static void split_value(struct view value, struct view *head, struct view *parameters)
{
    size_t at = view_find_char(value, ';');
    *head = view_trim(view_take(value, at));
    *parameters = view_skip(value, at < value.len ? at + 1 : at);
}

/* The next "name=value" of a parameter list; the value without its quotes. */
static bool next_parameter(struct view *rest, struct view *name, struct view *value)
{
    while (rest->len && (rest->at[0] == ';' || rest->at[0] == ' ' || rest->at[0] == '\t' ||
                         rest->at[0] == '\r' || rest->at[0] == '\n'))
        *rest = view_skip(*rest, 1);
    if (rest->len == 0)
        return false;
    size_t n = 0;
    while (n < rest->len && rest->at[n] != '=' && rest->at[n] != ';')
        n++;
    *name = view_trim(view_take(*rest, n));
    bool has_value = n < rest->len && rest->at[n] == '=';
    *rest = view_skip(*rest, has_value ? n + 1 : n);
    *value = VIEW_NONE;
    if (!has_value)
        return true;
    while (rest->len && (rest->at[0] == ' ' || rest->at[0] == '\t'))
        *rest = view_skip(*rest, 1);
    if (rest->len && rest->at[0] == '"') {
        size_t end = 1;
        while (end < rest->len && rest->at[end] != '"')
            end += rest->at[end] == '\\' ? 2 : 1;
        if (end > rest->len)
            end = rest->len;
        *value = view_take(view_skip(*rest, 1), end - 1);
        *rest = view_skip(*rest, end + 1);
    } else {
        size_t end = view_find_char(*rest, ';');
        *value = view_trim(view_take(*rest, end));
        *rest = view_skip(*rest, end);
    }
    return true;
}

bool siprec_parameter_find(struct view parameters, struct view name, struct view *value)
{
    struct view rest = parameters, key, found;
    while (next_parameter(&rest, &key, &found)) {
        if (view_equal_nocase(key, name)) {
            *value = found;
            return true;
        }
    }
    return false;
}

/* Blanks removed and lower case: "application/ RS-Metadata +xml" is meant as what it looks like. */
static struct view squeeze(struct view type, char *buffer, size_t size)
{
    size_t n = 0;
    for (size_t i = 0; i < type.len && n < size; i++) {
        char c = type.at[i];
        if (c == ' ' || c == '\t' || c == '\r' || c == '\n')
            continue;
        buffer[n++] = c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
    }
    return view_of(buffer, n);
}

static bool looks_like_sdp(struct view bytes)
{
    return view_starts_with(view_trim(bytes), VIEW_LIT("v=0"));
}

static bool looks_like_xml(struct view bytes)
{
    struct view start = view_trim(bytes);
    if (view_starts_with(start, VIEW_LIT("\xef\xbb\xbf")))
        start = view_skip(start, 3);
    return start.len > 1 && start.at[0] == '<';
}

/* XML that speaks of a recording, whatever its type claims. */
static bool looks_like_metadata(struct view bytes)
{
    struct view start = view_take(view_trim(bytes), 1024);
    return looks_like_xml(start) && view_find(start, VIEW_LIT("recording")) < start.len;
}

static enum siprec_part_kind kind_of(const struct siprec_part *part, bool *guessed)
{
    char buffer[64];
    struct view type = squeeze(part->type, buffer, sizeof buffer);
    *guessed = false;
    if (view_equal(type, VIEW_LIT("application/sdp")))
        return SIPREC_PART_SDP;
    /* RFC 9806: with "+xml"; RFC 7866: without. */
    if (view_equal(type, VIEW_LIT("application/rs-metadata+xml")) ||
        view_equal(type, VIEW_LIT("application/rs-metadata")))
        return SIPREC_PART_METADATA;
    *guessed = true;
    if (view_equal_nocase(part->disposition, VIEW_LIT("recording-session")) &&
        looks_like_xml(part->body))
        return SIPREC_PART_METADATA;
    /* A type that says nothing, or nothing definite. */
    bool vague = type.len == 0 || view_starts_with(type, VIEW_LIT("text/")) ||
                 view_equal(type, VIEW_LIT("application/xml")) ||
                 view_equal(type, VIEW_LIT("application/+xml")) ||
                 view_equal(type, VIEW_LIT("application/octet-stream"));
    if (vague && looks_like_sdp(part->body))
        return SIPREC_PART_SDP;
    if (vague && looks_like_metadata(part->body))
        return SIPREC_PART_METADATA;
    *guessed = false;
    return SIPREC_PART_OTHER;
}

static int base64_digit(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

/* RFC 2045 §6.8: what is no digit is skipped, "=" ends it. */
static struct view decode_base64(struct view bytes, char *out)
{
    uint32_t bits = 0;
    size_t have = 0, n = 0;
    for (size_t i = 0; i < bytes.len && bytes.at[i] != '='; i++) {
        int digit = base64_digit(bytes.at[i]);
        if (digit < 0)
            continue;
        bits = bits << 6 | (uint32_t)digit;
        have += 6;
        if (have >= 8) {
            have -= 8;
            out[n++] = (char)(uint8_t)(bits >> have);
        }
    }
    return view_of(out, n);
}

/* RFC 2045 §6.7. */
static struct view decode_quoted(struct view bytes, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        uint64_t byte;
        struct view rest = view_skip(bytes, i + 1);
        if (bytes.at[i] != '=') {
            out[n++] = bytes.at[i];
        } else if (view_starts_with(rest, VIEW_LIT("\r\n"))) {
            i += 2;
        } else if (view_starts_with(rest, VIEW_LIT("\n"))) {
            i += 1;
        } else if (rest.len >= 2 && view_parse_hex(view_take(rest, 2), &byte)) {
            out[n++] = (char)(uint8_t)byte;
            i += 2;
        } else {
            out[n++] = '=';
        }
    }
    return view_of(out, n);
}

/* SIP bodies are binary (RFC 5621 §3.2), but a gateway from mail may encode them. */
static struct view decode(struct run *run, struct view encoding, struct view bytes)
{
    bool base64 = view_equal_nocase(encoding, VIEW_LIT("base64"));
    bool quoted = view_equal_nocase(encoding, VIEW_LIT("quoted-printable"));
    char *out = base64 || quoted ? arena_take(run->arena, bytes.len + 1) : NULL;
    if (!out)
        return bytes;
    return base64 ? decode_base64(bytes, out) : decode_quoted(bytes, out);
}

static void add_leaf(struct run *run, const struct headers *headers, struct view bytes,
                     unsigned alternative)
{
    struct siprec_body *body = run->body;
    struct view parameters, value;
    if (body->count == SIPREC_PARTS_MAX) {
        siprec_warn(run->warnings, SIPREC_WARN_BODY_PARTS, "more than %d", SIPREC_PARTS_MAX);
        return;
    }
    struct siprec_part *part = &body->parts[body->count++];
    *part = (struct siprec_part){.alternative = alternative,
                                 .body = decode(run, headers->encoding, bytes)};
    split_value(headers->content_type, &part->type, &part->parameters);
    split_value(headers->disposition, &part->disposition, &parameters);
    part->optional = siprec_parameter_find(parameters, VIEW_LIT("handling"), &value) &&
                     view_equal_nocase(value, VIEW_LIT("optional"));
    part->kind = kind_of(part, &part->guessed);
    if (part->guessed)
        siprec_warn(run->warnings, SIPREC_WARN_BODY_TYPE, VIEW_FMT, VIEW_ARG(part->type));
}

static bool is_field_name(struct view name)
{
    for (size_t i = 0; i < name.len; i++) {
        unsigned char c = (unsigned char)name.at[i];
        if (c <= ' ' || c >= 0x7f || strchr("()<>@,;:\\\"/[]?={}", c))
            return false;
    }
    return name.len > 0;
}

static void take_field(struct headers *headers, struct view name, struct view value)
{
    headers->any = true;
    if (view_equal_nocase(name, VIEW_LIT("Content-Type")) || view_equal_nocase(name, VIEW_LIT("c")))
        headers->content_type = value;
    else if (view_equal_nocase(name, VIEW_LIT("Content-Disposition")))
        headers->disposition = value;
    else if (view_equal_nocase(name, VIEW_LIT("Content-Transfer-Encoding")))
        headers->encoding = value;
}

/* The header fields at the front of a part, and where its body starts. A part may have none, and
 * some leave out the empty line behind none: a first line that is no header
 * field then is the body. */
static struct view read_headers(struct view part, struct headers *headers)
{
    struct view rest = part, line;
    for (;;) {
        struct view before = rest;
        if (!view_cut_line(&rest, &line))
            return rest;
        if (view_trim(line).len == 0)
            return rest;
        /* Folded (RFC 822 §3.1.1): the value goes on; the line ends stay inside it. */
        struct view field = line, next = rest, more;
        while (rest.len && (rest.at[0] == ' ' || rest.at[0] == '\t') &&
               view_cut_line(&next, &more) && view_trim(more).len) {
            field.len = (size_t)(more.at + more.len - field.at);
            rest = next;
        }
        struct view value = field, name;
        (void)view_cut(&value, ':', &name);
        name = view_trim(name);
        if (!value.at || !is_field_name(name))
            return before;
        take_field(headers, name, view_trim(value));
    }
}

enum delimiter {
    DELIMITER_NONE,
    DELIMITER_PART,
    DELIMITER_END,
};

/* RFC 2046 §5.1.1: "--", the boundary, then "--" at the end, then blanks. A line on which more
 * follows has another boundary, of which ours is but the beginning. */
static enum delimiter delimiter_of(struct view line, struct view boundary)
{
    if (!view_starts_with(line, VIEW_LIT("--")) || !view_starts_with(view_skip(line, 2), boundary))
        return DELIMITER_NONE;
    struct view rest = view_skip(line, 2 + boundary.len);
    if (view_trim(rest).len == 0)
        return DELIMITER_PART;
    if (view_starts_with(rest, VIEW_LIT("--")) && view_trim(view_skip(rest, 2)).len == 0)
        return DELIMITER_END;
    return DELIMITER_NONE;
}

/* The next delimiter line in bytes from *at on: returns what it is, sets *start to where its line
 * begins and *at behind it. Without one, *start is the end. */
static enum delimiter find_delimiter(struct view bytes, struct view boundary, size_t *at,
                                     size_t *start)
{
    struct view rest = view_skip(bytes, *at), line;
    *start = bytes.len;
    while (view_cut_line(&rest, &line)) {
        enum delimiter found = delimiter_of(line, boundary);
        if (found != DELIMITER_NONE) {
            *start = (size_t)(line.at - bytes.at);
            *at = (size_t)(rest.at - bytes.at);
            return found;
        }
    }
    *at = bytes.len;
    return DELIMITER_NONE;
}

/* A body without a usable boundary parameter shows it in its first line that begins with two
 * hyphens. */
static struct view guess_boundary(struct view bytes)
{
    struct view rest = bytes, line;
    while (view_cut_line(&rest, &line)) {
        struct view trimmed = view_trim(line);
        if (trimmed.len > 2 && view_starts_with(trimmed, VIEW_LIT("--")))
            return view_skip(trimmed, 2);
    }
    return VIEW_NONE;
}

static struct view find_boundary(struct run *run, struct view parameters, struct view bytes)
{
    struct view boundary = VIEW_NONE;
    size_t at = 0, start;
    /* §5.1.1: it never ends in a blank. */
    if (siprec_parameter_find(parameters, VIEW_LIT("boundary"), &boundary))
        boundary = view_trim(boundary);
    if (boundary.len && find_delimiter(bytes, boundary, &at, &start) != DELIMITER_NONE)
        return boundary;
    siprec_warn(run->warnings, SIPREC_WARN_BODY_BOUNDARY_MISSING, VIEW_FMT, VIEW_ARG(boundary));
    return guess_boundary(bytes);
}

/* The line end before a delimiter belongs to the delimiter. */
static struct view without_last_line_end(struct view v)
{
    if (v.len && v.at[v.len - 1] == '\n')
        v.len--;
    if (v.len && v.at[v.len - 1] == '\r')
        v.len--;
    return v;
}

static void read_multipart(struct run *run, struct view parameters, struct view bytes,
                           unsigned depth, unsigned alternative)
{
    struct view boundary = find_boundary(run, parameters, bytes);
    size_t at = 0, start;
    if (boundary.len == 0)
        return;
    enum delimiter found = find_delimiter(bytes, boundary, &at, &start); /* skips the preamble */
    while (found == DELIMITER_PART) {
        size_t from = at;
        found = find_delimiter(bytes, boundary, &at, &start);
        struct view part = view_take(view_skip(bytes, from), start - from);
        struct headers headers = {0};
        struct view body = read_headers(part, &headers);
        if (found != DELIMITER_NONE)
            body = without_last_line_end(body);
        /* An opening delimiter where the closing one should be leaves an empty part behind it. */
        if (!headers.any && view_trim(body).len == 0)
            continue;
        read_entity(run, &headers, body, depth, alternative);
    }
    if (found != DELIMITER_END) {
        run->body->closed = false;
        siprec_warn(run->warnings, SIPREC_WARN_BODY_NOT_CLOSED, VIEW_FMT, VIEW_ARG(boundary));
    }
}

static void read_entity(struct run *run, const struct headers *headers, struct view bytes,
                        unsigned depth, unsigned alternative)
{
    struct view type, parameters;
    split_value(headers->content_type, &type, &parameters);
    /* A message body without a type that begins like a multipart is one. */
    bool untyped = type.len == 0 && depth == 0 && view_starts_with(bytes, VIEW_LIT("--"));
    if (!view_starts_with_nocase(type, VIEW_LIT("multipart/")) && !untyped) {
        add_leaf(run, headers, bytes, alternative);
        return;
    }
    run->body->multipart = true;
    if (depth == SIPREC_NESTING_MAX) {
        siprec_warn(run->warnings, SIPREC_WARN_BODY_PARTS, "nested deeper than %d",
                    SIPREC_NESTING_MAX);
        return;
    }
    if (alternative == 0 && view_equal_nocase(type, VIEW_LIT("multipart/alternative")))
        alternative = ++run->alternatives;
    read_multipart(run, parameters, bytes, depth + 1, alternative);
}

void siprec_body_parse(struct siprec_body *body, const struct siprec_body_headers *headers,
                       struct view bytes, struct arena *arena, struct siprec_warnings *warnings)
{
    struct run run = {.body = body, .arena = arena, .warnings = warnings};
    struct headers top = {.content_type = headers->content_type,
                          .disposition = headers->content_disposition,
                          .encoding = headers->content_encoding};
    memset(body, 0, sizeof *body);
    body->closed = true;
    if (view_trim(bytes).len)
        read_entity(&run, &top, bytes, 0, 0);
}
