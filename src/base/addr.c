/* addr: printing, parsing and classifying addresses.
 * Not here: sockets and names.
 * RFC 4291, 5952, 6890. */
#include "base/addr.h"

#include "base/reader.h"
#include "base/writer.h"

#include <arpa/inet.h>
#include <assert.h>
#include <stdio.h>
#include <string.h>

struct addr addr_v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port)
{
    return (struct addr){.family = ADDR_V4, .ip = {a, b, c, d}, .port = port};
}

struct addr addr_with_port(struct addr a, uint16_t port)
{
    a.port = port;
    return a;
}

struct addr addr_unmap(struct addr a)
{
    static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};
    if (a.family != ADDR_V6 || memcmp(a.ip, mapped, sizeof mapped) != 0)
        return a;
    return addr_v4(a.ip[12], a.ip[13], a.ip[14], a.ip[15], a.port);
}

static size_t ip_len(const struct addr *a)
{
    return a->family == ADDR_V4 ? 4 : a->family == ADDR_V6 ? 16 : 0;
}

bool addr_is_among(const struct addr *list, size_t count, const struct addr *wanted)
{
    for (size_t i = 0; i < count; i++) {
        if (addr_equal_ip(&list[i], wanted))
            return true;
    }
    return false;
}

void addr_key(const struct addr *a, uint8_t key[ADDR_KEY_SIZE])
{
    memset(key, 0, ADDR_KEY_SIZE);
    key[0] = a->family;
    memcpy(key + 1, a->ip, ip_len(a));
    key[17] = (uint8_t)(a->port >> 8);
    key[18] = (uint8_t)a->port;
}

static struct view without_brackets(struct view v)
{
    if (v.len < 2)
        return v;
    assert(v.at);
    return v.at[0] == '[' && v.at[v.len - 1] == ']' ? view_take(view_skip(v, 1), v.len - 2) : v;
}

bool addr_parse_ip(struct view text, struct addr *out)
{
    char s[INET6_ADDRSTRLEN + 1];
    struct addr a = {0};
    if (!view_copy(without_brackets(text), s, sizeof s))
        return false;
    if (inet_pton(AF_INET, s, a.ip) == 1)
        a.family = ADDR_V4;
    else if (inet_pton(AF_INET6, s, a.ip) == 1)
        a.family = ADDR_V6;
    else
        return false;
    *out = a;
    return true;
}

bool addr_parse(struct view text, uint16_t default_port, struct addr *out)
{
    struct addr a;
    uint16_t port = default_port;
    struct view host = text;
    size_t bracket = view_find_char(text, ']');
    size_t colon = view_find_char(text, ':');
    if (bracket < text.len) {
        struct view after = view_skip(text, bracket + 1);
        host = view_take(text, bracket + 1);
        if (after.len && (after.at[0] != ':' || !view_parse_u16(view_skip(after, 1), &port)))
            return false;
    } else if (colon < text.len &&
               view_find_char(view_skip(text, colon + 1), ':') == text.len - colon - 1) {
        host = view_take(text, colon); /* one colon only: not a bare IPv6 address */
        if (!view_parse_u16(view_skip(text, colon + 1), &port))
            return false;
    }
    if (!addr_parse_ip(host, &a))
        return false;
    *out = addr_with_port(a, port);
    return true;
}

struct addr_text addr_print_ip(const struct addr *a)
{
    struct addr_text text = {"-"};
    if (a->family == ADDR_V4)
        (void)inet_ntop(AF_INET, a->ip, text.s, sizeof text.s);
    else if (a->family == ADDR_V6)
        (void)inet_ntop(AF_INET6, a->ip, text.s, sizeof text.s);
    return text;
}

struct addr_text addr_print_host(const struct addr *a)
{
    struct addr_text ip = addr_print_ip(a), text;
    (void)snprintf(text.s, sizeof text.s, a->family == ADDR_V6 ? "[%.46s]" : "%.46s", ip.s);
    return text;
}

struct addr_text addr_print(const struct addr *a)
{
    struct addr_text host = addr_print_host(a), text;
    if (!addr_is_set(a))
        return host;
    (void)snprintf(text.s, sizeof text.s, "%.48s:%u", host.s, (unsigned)a->port);
    return text;
}

/* An IPv4 address as one number, mapped ones too; 0 and false for IPv6. */
static bool v4_number(const struct addr *a, uint32_t *number)
{
    struct addr plain = addr_unmap(*a);
    struct reader r = reader_of(view_of(plain.ip, 4));
    *number = reader_u32(&r);
    return plain.family == ADDR_V4;
}

static bool v4_within(uint32_t number, uint32_t base, int bits)
{
    return (number ^ base) >> (32 - bits) == 0;
}

bool addr_is_unspecified(const struct addr *a)
{
    static const uint8_t zero[16];
    struct addr plain = addr_unmap(*a);
    return addr_is_set(a) && memcmp(plain.ip, zero, ip_len(&plain)) == 0;
}

bool addr_is_loopback(const struct addr *a)
{
    static const uint8_t one[16] = {[15] = 1};
    uint32_t n;
    if (v4_number(a, &n))
        return v4_within(n, 0x7f000000, 8);
    return a->family == ADDR_V6 && memcmp(a->ip, one, sizeof one) == 0;
}

bool addr_is_link_local(const struct addr *a)
{
    uint32_t n;
    if (v4_number(a, &n))
        return v4_within(n, 0xa9fe0000, 16);
    return a->family == ADDR_V6 && a->ip[0] == 0xfe && (a->ip[1] & 0xc0) == 0x80;
}

bool addr_is_private(const struct addr *a)
{
    uint32_t n;
    if (v4_number(a, &n))
        return v4_within(n, 0x0a000000, 8) || v4_within(n, 0xac100000, 12) ||
               v4_within(n, 0xc0a80000, 16) || v4_within(n, 0x64400000, 10);
    return a->family == ADDR_V6 && (a->ip[0] & 0xfe) == 0xfc;
}

bool addr_is_multicast(const struct addr *a)
{
    uint32_t n;
    if (v4_number(a, &n))
        return v4_within(n, 0xe0000000, 4) || n == UINT32_MAX;
    return a->family == ADDR_V6 && a->ip[0] == 0xff;
}

bool addr_is_reserved(const struct addr *a)
{
    uint32_t n;
    return v4_number(a, &n) && v4_within(n, 0xf0000000, 4);
}

bool addr_prefix_parse(struct view text, struct addr_prefix *out)
{
    struct view rest = text, host;
    struct addr_prefix p;
    uint16_t bits;
    (void)view_cut(&rest, '/', &host);
    if (!addr_parse_ip(host, &p.base))
        return false;
    bits = (uint16_t)(ip_len(&p.base) * 8);
    if (rest.at) {
        uint16_t asked;
        if (!view_parse_u16(rest, &asked) || asked > bits)
            return false;
        bits = asked;
    }
    p.bits = (uint8_t)bits;
    *out = p;
    return true;
}

bool addr_prefix_contains(const struct addr_prefix *p, const struct addr *a)
{
    struct addr plain = addr_unmap(*a);
    if (plain.family != p->base.family)
        return false;
    size_t whole = p->bits / 8, odd = p->bits % 8;
    if (memcmp(plain.ip, p->base.ip, whole) != 0)
        return false;
    return odd == 0 || (plain.ip[whole] ^ p->base.ip[whole]) >> (8 - odd) == 0;
}
