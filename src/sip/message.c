/* message: one parsed SIP message: views on its start line, its headers and its body.
 * Not here: what it means (dialog.c, transaction.c), how one is built (print.c), framing
 * (stream.c).
 * RFC 3261 §7, 20, 25; most header values are read by sofia.c. */
#include "sip/message.h"

#include "sip/sofia.h"

#include <stdlib.h>
#include <string.h>

static const struct {
    enum sip_method method;
    struct view name;
} methods[] = {
    {SIP_METHOD_INVITE, VIEW("INVITE")},     {SIP_METHOD_ACK, VIEW("ACK")},
    {SIP_METHOD_CANCEL, VIEW("CANCEL")},     {SIP_METHOD_BYE, VIEW("BYE")},
    {SIP_METHOD_OPTIONS, VIEW("OPTIONS")},   {SIP_METHOD_UPDATE, VIEW("UPDATE")},
    {SIP_METHOD_INFO, VIEW("INFO")},         {SIP_METHOD_PRACK, VIEW("PRACK")},
    {SIP_METHOD_REGISTER, VIEW("REGISTER")}, {SIP_METHOD_FOREIGN, VIEW("SUBSCRIBE")},
    {SIP_METHOD_FOREIGN, VIEW("NOTIFY")},    {SIP_METHOD_FOREIGN, VIEW("REFER")},
    {SIP_METHOD_FOREIGN, VIEW("MESSAGE")},   {SIP_METHOD_FOREIGN, VIEW("PUBLISH")},
};

/* Method names are case-sensitive (RFC 3261 §7.1). */
static enum sip_method method_of(struct view name)
{
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (view_equal(name, methods[i].name))
            return methods[i].method;
    return SIP_METHOD_UNKNOWN;
}

struct view sip_method_text(enum sip_method method)
{
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++)
        if (methods[i].method == method)
            return methods[i].name;
    return VIEW_NONE;
}

/* The first complaint stays: it is the one nearest to the cause. */
static void fault(struct sip_message *m, unsigned status, const char *reason)
{
    if (m->fault_status)
        return;
    m->fault_status = status;
    m->fault_reason = reason;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* Length of the start line and the headers, without the empty line; *body_at is where the body
 * starts. False when there is no empty line. */
static bool find_body(struct view bytes, size_t *head_len, size_t *body_at)
{
    for (size_t i = 0; i < bytes.len; i++) {
        if (bytes.at[i] != '\n')
            continue;
        size_t next = i + 1;
        if (next < bytes.len && bytes.at[next] == '\r')
            next++;
        if (next < bytes.len && bytes.at[next] == '\n') {
            *head_len = i + 1;
            *body_at = next + 1;
            return true;
        }
    }
    *head_len = *body_at = bytes.len;
    return false;
}

/* Joins folded lines with blanks (RFC 3261 §7.3.1) without moving anything, so that a value stands
 * at the same place in both copies. A CR that ends no line is a blank too: sofia would take it for
 * a line end and we would not. */
static void unfold(char *text, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        bool bare_cr = text[i] == '\r' && (i + 1 >= len || text[i + 1] != '\n');
        bool folded = text[i] == '\n' && i + 1 < len && is_blank(text[i + 1]);
        /* Legal where quoted (RFC 4475 §3.1.1.2), but an end to whoever reads strings. */
        if (bare_cr || folded || text[i] == '\0')
            text[i] = ' ';
        if (folded && i > 0 && text[i - 1] == '\r')
            text[i - 1] = ' ';
    }
}

bool sip_message_header_next(const struct sip_message *m, struct sip_header *at)
{
    while (at->next < m->head.len) {
        struct view rest = view_skip(m->head, at->next);
        size_t end = view_find_char(rest, '\n');
        size_t line_len = end;
        size_t start = at->next;
        at->next += end < rest.len ? end + 1 : end;
        if (line_len > 0 && rest.at[line_len - 1] == '\r')
            line_len--;
        struct view line = view_take(rest, line_len);
        size_t colon = view_find_char(line, ':');
        if (colon == line.len)
            continue;
        at->name = view_trim(view_take(line, colon));
        at->value = view_trim(view_skip(line, colon + 1));
        at->raw = view_of(m->head_raw.at + start, line_len);
        return true;
    }
    return false;
}

/* RFC 3261 §7.3.3 and the registrations since. */
static struct view expand_compact(struct view name)
{
    static const struct {
        char letter;
        struct view name;
    } forms[] = {
        {'v', VIEW("Via")},
        {'f', VIEW("From")},
        {'t', VIEW("To")},
        {'i', VIEW("Call-ID")},
        {'m', VIEW("Contact")},
        {'l', VIEW("Content-Length")},
        {'c', VIEW("Content-Type")},
        {'e', VIEW("Content-Encoding")},
        {'k', VIEW("Supported")},
        {'s', VIEW("Subject")},
        {'x', VIEW("Session-Expires")},
        {'o', VIEW("Event")},
        {'u', VIEW("Allow-Events")},
        {'r', VIEW("Refer-To")},
        {'b', VIEW("Referred-By")},
        {'a', VIEW("Accept-Contact")},
        {'d', VIEW("Request-Disposition")},
        {'j', VIEW("Reject-Contact")},
    };
    if (name.len != 1)
        return name;
    for (size_t i = 0; i < sizeof forms / sizeof forms[0]; i++)
        if ((name.at[0] | 0x20) == forms[i].letter)
            return forms[i].name;
    return name;
}

bool sip_message_header_named(const struct sip_message *m, struct view name, struct sip_header *at)
{
    while (sip_message_header_next(m, at))
        if (view_equal_nocase(expand_compact(at->name), name))
            return true;
    return false;
}

struct view sip_message_header(const struct sip_message *m, struct view name)
{
    struct sip_header at = {0};
    if (!sip_message_header_named(m, name, &at))
        return VIEW_NONE;
    return at.value.at ? at.value : VIEW_LIT("");
}

bool sip_list_next(struct view *rest, struct view *element)
{
    bool quoted = false;
    int brackets = 0;
    size_t i = 0;
    if (!rest->at || rest->len == 0)
        return false;
    for (; i < rest->len; i++) {
        char c = rest->at[i];
        if (quoted) {
            if (c == '\\')
                i++;
            else if (c == '"')
                quoted = false;
        } else if (c == '"') {
            quoted = true;
        } else if (c == '<') {
            brackets++;
        } else if (c == '>') {
            brackets--;
        } else if (c == ',' && brackets <= 0) {
            break;
        }
    }
    *element = view_trim(view_take(*rest, i));
    *rest = view_skip(*rest, i + 1);
    return true;
}

bool sip_message_lists(const struct sip_message *m, struct view name, struct view token)
{
    struct sip_header at = {0};
    while (sip_message_header_named(m, name, &at)) {
        struct view rest = at.value, element;
        while (sip_list_next(&rest, &element))
            if (view_equal_nocase(element, token))
                return true;
    }
    return false;
}

static bool contains_nocase(struct view text, struct view needle)
{
    for (size_t i = 0; i + needle.len <= text.len; i++)
        if (view_equal_nocase(view_of(text.at + i, needle.len), needle))
            return true;
    return false;
}

bool sip_message_has_sdp(const struct sip_message *m)
{
    if (m->body.len == 0)
        return false;
    if (view_starts_with_nocase(m->content_type, VIEW_LIT("multipart/")))
        return contains_nocase(m->body, VIEW_LIT("application/sdp"));
    return view_starts_with_nocase(m->content_type, VIEW_LIT("application/sdp"));
}

struct view sip_address_uri(struct view value)
{
    struct view v = value;
    if (v.len > 0 && v.at[0] == '"') {
        size_t i = 1;
        while (i < v.len && v.at[i] != '"')
            i += v.at[i] == '\\' ? 2 : 1;
        v = view_skip(v, i + 1);
    }
    size_t open = view_find_char(v, '<');
    if (open < v.len) {
        struct view inside = view_skip(v, open + 1);
        return view_trim(view_take(inside, view_find_char(inside, '>')));
    }
    return view_trim(view_take(v, view_find_char(v, ';')));
}

static void read_uri_params(struct view params, struct sip_uri *out)
{
    struct view param;
    while (view_cut(&params, ';', &param)) {
        struct view name;
        struct view value = param;
        view_cut(&value, '=', &name);
        if (view_equal_nocase(name, VIEW_LIT("transport")))
            out->protocol = value;
        else if (view_equal_nocase(name, VIEW_LIT("lr")))
            out->loose = true;
    }
}

bool sip_uri_parse(struct view text, struct sip_uri *out)
{
    struct view rest = text;
    *out = (struct sip_uri){0};
    if (view_starts_with_nocase(rest, VIEW_LIT("sips:")))
        out->secure = true;
    else if (!view_starts_with_nocase(rest, VIEW_LIT("sip:")))
        return false;
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.at[i] <= ' ' || text.at[i] == '<' || text.at[i] == '>')
            goto broken;
    rest = view_skip(rest, view_find_char(rest, ':') + 1);
    rest = view_take(rest, view_find_char(rest, '?'));
    size_t user = view_find_char(rest, '@');
    if (user < rest.len)
        rest = view_skip(rest, user + 1);
    size_t params = view_find_char(rest, ';');
    read_uri_params(view_skip(rest, params + 1), out);
    rest = view_take(rest, params);
    size_t host_len = rest.len > 0 && rest.at[0] == '[' ? view_find_char(rest, ']') + 1
                                                        : view_find_char(rest, ':');
    out->host = view_take(rest, host_len);
    struct view port = view_skip(rest, host_len);
    if (port.len > 0 && (port.at[0] != ':' || !view_parse_u16(view_skip(port, 1), &out->port)))
        goto broken;
    if (out->host.len == 0)
        goto broken;
    out->text = text;
    return true;
broken:
    *out = (struct sip_uri){0};
    return false;
}

/* RFC 3261 §7.1: exactly METHOD SP Request-URI SP SIP-Version. */
static void read_request_line(struct sip_message *m, struct view line)
{
    size_t first = view_find_char(line, ' ');
    size_t last = line.len;
    while (last > first && line.at[last - 1] != ' ')
        last--;
    m->is_request = true;
    m->method_name = view_take(line, first);
    m->method = method_of(m->method_name);
    struct view version = view_skip(line, last);
    struct view uri = last > first + 1 ? view_of(line.at + first + 1, last - first - 2) : VIEW_NONE;
    /* A blank at the end leaves the version empty; the URI is then what stood before it. */
    if (!view_starts_with_nocase(version, VIEW_LIT("SIP/")))
        fault(m, 400, "Malformed Request-Line");
    else if (!view_equal_nocase(version, VIEW_LIT("SIP/2.0")))
        fault(m, 505, "Version Not Supported");
    m->uri = uri;
    size_t colon = view_find_char(uri, ':');
    m->uri_scheme = colon < uri.len ? view_take(uri, colon) : VIEW_NONE;
    bool broken = uri.len == 0 || colon == uri.len;
    for (size_t i = 0; i < uri.len; i++)
        broken = broken || (unsigned char)uri.at[i] <= ' ' || uri.at[i] == '<';
    if (broken)
        fault(m, 400, "Malformed Request-URI");
}

static bool is_token(struct view v)
{
    for (size_t i = 0; i < v.len; i++) {
        char c = v.at[i];
        bool alphanumeric =
            (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        if (!alphanumeric && (c == 0 || !strchr("-.!%*_+`'~", c)))
            return false;
    }
    return v.len > 0;
}

/* False when it is no SIP at all. */
static bool read_start_line(struct sip_message *m, struct view line)
{
    if (view_starts_with_nocase(line, VIEW_LIT("SIP/"))) {
        struct view version, code;
        struct view rest = line;
        uint32_t status = 0;
        view_cut(&rest, ' ', &version);
        view_cut(&rest, ' ', &code);
        if (!view_equal_nocase(version, VIEW_LIT("SIP/2.0")) || !view_parse_u32(code, &status) ||
            status < 100 || status > 699)
            return false;
        m->status = status;
        m->reason = rest;
        return true;
    }
    size_t space = view_find_char(line, ' ');
    if (space == line.len || !is_token(view_take(line, space)))
        return false;
    /* What is not SIP at all (HTTP, a port scan) gets no answer. */
    for (size_t i = space; i + 4 <= line.len; i++)
        if (view_equal_nocase(view_of(line.at + i, 4), VIEW_LIT("SIP/"))) {
            read_request_line(m, line);
            return true;
        }
    return false;
}

/* Parameter names are case-insensitive (RFC 3261 §7.3.1); sofia's are not always. */
static bool via_has(const struct sip_message *m, struct view parameter)
{
    struct view value = sip_message_header(m, VIEW_LIT("Via")), top, param;
    if (!sip_list_next(&value, &top))
        return false;
    while (view_cut(&top, ';', &param))
        if (view_equal_nocase(view_trim(param), parameter))
            return true;
    return false;
}

static void read_via(struct sip_message *m, const struct sip_sofia *s)
{
    m->via.host = s->via_host;
    m->via.valid = s->has_via && s->via_host.len > 0 &&
                   (s->via_port.len == 0 || view_parse_u16(s->via_port, &m->via.port));
    m->via.branch = s->via_branch;
    m->via.maddr = s->via_maddr;
    m->via.rport_asked = via_has(m, VIEW_LIT("rport"));
    m->via.keep_asked = via_has(m, VIEW_LIT("keep"));
    if (!m->via.valid)
        fault(m, 400, "Malformed Via");
}

static void read_contact(struct sip_message *m)
{
    struct sip_header at = {0};
    if (!sip_message_header_named(m, VIEW_LIT("Contact"), &at))
        return;
    struct view rest = at.value;
    m->has_contact = true;
    m->contact = at.value;
    if (sip_list_next(&rest, &m->contact))
        /* A Contact that cannot be read costs nothing here: requests then go where the peer's came
         * from. */
        sip_uri_parse(sip_address_uri(m->contact), &m->contact_uri);
}

/* What a response needs (RFC 3261 §8.2.6.2), and what may stand only once (§7.3.1). */
static void check_required(struct sip_message *m, const struct sip_sofia *s)
{
    static const struct {
        struct view name;
        const char *missing, *twice;
    } required[] = {
        {VIEW("Call-ID"), "Missing Call-ID", "Multiple Call-ID"},
        {VIEW("From"), "Missing From", "Multiple From"},
        {VIEW("To"), "Missing To", "Multiple To"},
        {VIEW("CSeq"), "Missing CSeq", "Multiple CSeq"},
    };
    for (size_t i = 0; i < sizeof required / sizeof required[0]; i++) {
        struct sip_header at = {0};
        if (!sip_message_header_named(m, required[i].name, &at))
            fault(m, 400, required[i].missing);
        else if (sip_message_header_named(m, required[i].name, &at))
            fault(m, 400, required[i].twice);
    }
    if (!s->has_call_id)
        fault(m, 400, "Malformed Call-ID");
    if (!s->from.valid)
        fault(m, 400, "Malformed From");
    if (!s->to.valid)
        fault(m, 400, "Malformed To");
}

static void read_cseq(struct sip_message *m)
{
    struct view method = sip_message_header(m, VIEW_LIT("CSeq"));
    size_t digits = 0;
    while (digits < method.len && method.at[digits] >= '0' && method.at[digits] <= '9')
        digits++;
    struct view number = view_take(method, digits);
    method = view_trim(view_skip(method, digits));
    /* RFC 3261 §8.1.1.5: less than 2**31. */
    if (!view_parse_u32(number, &m->cseq) || m->cseq > 0x7fffffff || !is_token(method)) {
        fault(m, 400, "Malformed CSeq");
        return;
    }
    if (!m->is_request) {
        m->method = method_of(method);
        m->method_name = method;
    } else if (!view_equal(method, m->method_name)) {
        fault(m, 400, "CSeq Method Mismatch");
    }
}

static uint32_t cap(unsigned long n)
{
    return n > INT32_MAX ? INT32_MAX : (uint32_t)n;
}

static void read_headers(struct sip_message *m, const struct sip_sofia *s)
{
    struct sip_header via = {0};
    m->answerable = sip_message_header_named(m, VIEW_LIT("Via"), &via);
    read_via(m, s);
    check_required(m, s);
    m->call_id = sip_message_header(m, VIEW_LIT("Call-ID"));
    m->from = sip_message_header(m, VIEW_LIT("From"));
    m->to = sip_message_header(m, VIEW_LIT("To"));
    m->from_uri = sip_address_uri(m->from);
    m->to_uri = sip_address_uri(m->to);
    m->from_display = s->from.display;
    m->to_display = s->to.display;
    m->from_tag = s->from.tag;
    m->to_tag = s->to.tag;
    read_cseq(m);
    m->content_type = sip_message_header(m, VIEW_LIT("Content-Type"));
    read_contact(m);
    m->session_expires_s = cap(s->session_expires_s);
    m->refresher = s->refresher;
    m->min_se_s = cap(s->min_se_s);
    m->rseq = cap(s->rseq);
    m->rack_rseq = cap(s->rack_rseq);
    m->rack_cseq = cap(s->rack_cseq);
    m->rack_method = method_of(s->rack_method);
}

/* Content-Length decides where the body ends: RFC 3261 §18.3. */
static void read_body(struct sip_message *m, struct view rest, enum sip_message_source source)
{
    struct sip_header at = {0};
    uint64_t length = rest.len;
    bool given = false;
    while (sip_message_header_named(m, VIEW_LIT("Content-Length"), &at)) {
        uint64_t n;
        if (!view_parse_u64(at.value, &n)) {
            fault(m, 400, "Malformed Content-Length");
        } else if (given && n != length) {
            fault(m, 400, "Conflicting Content-Length");
        } else {
            length = n;
            given = true;
        }
    }
    if (source == SIP_MESSAGE_HEAD_ONLY) {
        fault(m, 413, "Body Too Large");
        length = 0;
    } else if (length > rest.len || source == SIP_MESSAGE_DATAGRAM_CUT) {
        m->truncated = true;
        length = length < rest.len ? length : rest.len;
    }
    m->body = view_take(rest, (size_t)length);
    m->bytes.len = (size_t)(m->body.at - m->bytes.at) + m->body.len;
}

/* Fills everything that is read from the two copies. False when memory is out. */
static bool read_message(struct sip_message *m, size_t head_len, size_t body_at,
                         enum sip_message_source source)
{
    struct view raw = view_take(m->bytes, head_len);
    char *unfolded = m->memory + m->bytes.len;
    memcpy(unfolded, raw.at, raw.len);
    size_t line_end = view_find_char(raw, '\n');
    size_t lines_at = line_end < raw.len ? line_end + 1 : raw.len;
    unfold(unfolded + lines_at, raw.len - lines_at);
    m->head = view_of(unfolded + lines_at, raw.len - lines_at);
    m->head_raw = view_skip(raw, lines_at);

    struct view start = view_take(raw, line_end);
    if (start.len > 0 && start.at[start.len - 1] == '\r')
        start.len--;
    if (!read_start_line(m, start)) {
        fault(m, 400, "Not SIP");
        return true;
    }
    if (!sip_sofia_read(&m->parsed, m->head))
        return false;
    read_headers(m, &m->parsed);
    read_body(m, view_skip(m->bytes, body_at), source);
    return true;
}

struct sip_message *sip_message_parse(struct view bytes, enum sip_message_source source)
{
    struct sip_message *m = calloc(1, sizeof *m);
    size_t head_len, body_at;
    if (!m)
        return NULL;
    while (bytes.len > 0 && (bytes.at[0] == '\r' || bytes.at[0] == '\n'))
        bytes = view_skip(bytes, 1); /* RFC 3261 §7.5 */
    bool complete = find_body(bytes, &head_len, &body_at);
    m->references = 1;
    m->memory = malloc(bytes.len + head_len + 1);
    if (!m->memory) {
        free(m);
        return NULL;
    }
    if (bytes.len > 0)
        memcpy(m->memory, bytes.at, bytes.len);
    m->bytes = view_of(m->memory, bytes.len);
    if (!read_message(m, head_len, body_at, source)) {
        sip_message_release(m);
        return NULL;
    }
    if (!complete && source == SIP_MESSAGE_DATAGRAM_CUT)
        m->truncated = true;
    if (m->truncated)
        fault(m, 400, "Message Truncated");
    return m;
}

struct sip_message *sip_message_hold(struct sip_message *m)
{
    m->references++;
    return m;
}

void sip_message_release(struct sip_message *m)
{
    if (!m || --m->references > 0)
        return;
    sip_sofia_finish(&m->parsed);
    free(m->memory);
    free(m);
}
