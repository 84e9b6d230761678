/* proxy: an HTTP proxy that connections go through: its URL, what CONNECT says, what it answers.
 * Not here: connections (tcp.h, tls.h), resolving the proxy's name.
 * RFC 9110 §9.3.6 (CONNECT), RFC 7617 (Basic), RFC 3986 §3.2 (authority). */
#include "io/proxy.h"

#include <stdlib.h>
#include <string.h>

#include "base/percent.h"

enum {
    PROXY_PORT = 80,
    PROXY_HEAD_MAX = 16384, /* nobody's refusal page has a longer head */
    PROXY_LOGIN_MAX = 512,
};

static void proxy_base64(struct writer *w, const char *bytes, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < len; i += 3) {
        uint32_t three = (uint32_t)(uint8_t)bytes[i] << 16;
        if (i + 1 < len)
            three |= (uint32_t)(uint8_t)bytes[i + 1] << 8;
        if (i + 2 < len)
            three |= (uint8_t)bytes[i + 2];
        writer_u8(w, (uint8_t)digits[three >> 18 & 63]);
        writer_u8(w, (uint8_t)digits[three >> 12 & 63]);
        writer_u8(w, (uint8_t)(i + 1 < len ? digits[three >> 6 & 63] : '='));
        writer_u8(w, (uint8_t)(i + 2 < len ? digits[three & 63] : '='));
    }
}

static bool proxy_parse_login(struct view text, struct io_proxy *out)
{
    char login[PROXY_LOGIN_MAX];
    struct view decoded;
    struct writer w = writer_of(out->authorization, sizeof out->authorization - 1);
    bool has_colon = view_find_char(text, ':') < text.len;
    if (!percent_decode(text, false, login, sizeof login - 1, &decoded))
        return false;
    size_t len = decoded.len;
    if (!has_colon)
        login[len++] = ':';
    writer_string(&w, "Basic ");
    proxy_base64(&w, login, len);
    explicit_bzero(login, sizeof login);
    out->authorization[w.len] = '\0';
    return !w.failed;
}

static bool proxy_parse_host(struct view text, struct io_proxy *out)
{
    size_t close = view_find_char(text, ']');
    struct view host, rest;
    out->port = PROXY_PORT;
    if (text.len > 0 && text.at[0] == '[') {
        if (close == text.len)
            return false;
        host = view_take(view_skip(text, 1), close - 1);
        rest = view_skip(text, close + 1);
    } else {
        host = view_take(text, view_find_char(text, ':'));
        rest = view_skip(text, host.len);
    }
    if (rest.len > 0 &&
        (rest.at[0] != ':' || !view_parse_u16(view_skip(rest, 1), &out->port) || out->port == 0))
        return false;
    for (size_t i = 0; i < host.len; i++) {
        if ((uint8_t)host.at[i] <= ' ' || host.at[i] == 0x7f)
            return false;
    }
    return host.len > 0 && view_copy(host, out->host, sizeof out->host);
}

bool io_proxy_parse(struct view url, struct io_proxy *out)
{
    struct view rest = view_trim(url);
    struct view login = VIEW_NONE;
    size_t at;
    *out = (struct io_proxy){0};
    if (view_starts_with_nocase(rest, VIEW_LIT("http://")))
        rest = view_skip(rest, sizeof("http://") - 1);
    else if (view_find(rest, VIEW_LIT("://")) < rest.len)
        return false;
    rest = view_take(rest, view_find_char(rest, '/'));
    /* The last "@" ends the login: passwords are not always escaped. */
    for (at = rest.len; at > 0 && rest.at[at - 1] != '@';)
        at--;
    if (at > 0)
        login = view_take(rest, at - 1);
    if (proxy_parse_host(view_skip(rest, at), out) &&
        (login.len == 0 || proxy_parse_login(login, out)))
        return true;
    *out = (struct io_proxy){0};
    return false;
}

bool io_proxy_of_setting(const char *text, struct io_proxy *out)
{
    static const char *const names[] = {"https_proxy", "HTTPS_PROXY"};
    *out = (struct io_proxy){0};
    if (strcmp(text, "auto") != 0)
        return text[0] != '\0' && strcmp(text, "none") != 0 &&
               io_proxy_parse(view_of_string(text), out);
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        const char *value = getenv(names[i]);
        if (value && value[0] != '\0')
            return io_proxy_parse(view_of_string(value), out);
    }
    return false;
}

bool io_proxy_spares(struct view list, struct view host)
{
    struct view item;
    while (view_cut(&list, ',', &item)) {
        item = view_trim(item);
        if (view_equal(item, VIEW_LIT("*")) || (item.len > 0 && view_equal_nocase(item, host)))
            return true;
        while (item.len > 0 && item.at[0] == '.')
            item = view_skip(item, 1);
        /* A domain spares what is in it. */
        if (item.len > 0 && host.len > item.len && host.at[host.len - item.len - 1] == '.' &&
            view_equal_nocase(view_skip(host, host.len - item.len), item))
            return true;
    }
    return false;
}

void io_proxy_print(struct writer *w, const struct io_proxy *proxy, struct view target)
{
    writer_string(w, "CONNECT ");
    writer_view(w, target);
    writer_string(w, " HTTP/1.1\r\nHost: ");
    writer_view(w, target);
    writer_string(w, "\r\n");
    if (proxy->authorization[0] != '\0') {
        writer_string(w, "Proxy-Authorization: ");
        writer_string(w, proxy->authorization);
        writer_string(w, "\r\n");
    }
    writer_string(w, "\r\n");
}

static bool proxy_parse_status(struct view head, unsigned *status)
{
    struct view line, version;
    uint16_t number;
    if (!view_cut_line(&head, &line) || !view_cut(&line, ' ', &version) ||
        !view_starts_with(version, VIEW_LIT("HTTP/1.")))
        return false;
    line = view_take(line, 3);
    if (line.len != 3 || !view_parse_u16(line, &number) || number < 100)
        return false;
    *status = number;
    return true;
}

enum io_proxy_answer io_proxy_read(struct view bytes, size_t *len, unsigned *status)
{
    struct view rest = bytes;
    *len = 0;
    for (;;) {
        size_t end = view_find(rest, VIEW_LIT("\r\n\r\n"));
        if (end == rest.len)
            return bytes.len < PROXY_HEAD_MAX ? IO_PROXY_MORE : IO_PROXY_BROKEN;
        if (!proxy_parse_status(rest, status))
            return IO_PROXY_BROKEN;
        *len += end + 4;
        /* RFC 9110 §15.2: interim answers come before the one that counts. */
        if (*status >= 200)
            return *status < 300 ? IO_PROXY_GRANTED : IO_PROXY_REFUSED;
        rest = view_skip(bytes, *len);
    }
}
