/* addr: an IPv4 or IPv6 address with a port, as a plain value; printing, parsing, classes.
 * Not here: sockets and names (io).
 * RFC 4291, 5952 (text), 6890 (special ranges). */
#ifndef BASE_ADDR_H
#define BASE_ADDR_H

#include <string.h>

#include "base/view.h"

enum addr_family {
    ADDR_NONE = 0,
    ADDR_V4 = 4,
    ADDR_V6 = 6,
};

/* Network order in ip (IPv4: ip[0..4), the rest zero); port in host order, 0 when there is none. An
 * all-zero struct is "no address". */
struct addr {
    uint8_t family;
    uint8_t ip[16];
    uint16_t port;
    uint32_t scope; /* IPv6 link-local interface index, else 0 */
};

struct addr addr_v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d, uint16_t port);
struct addr addr_with_port(struct addr a, uint16_t port);
/* ::ffff:a.b.c.d becomes the IPv4 address it means; others stay. */
struct addr addr_unmap(struct addr a);

static inline bool addr_is_set(const struct addr *a)
{
    return a->family != ADDR_NONE;
}

/* All 16 bytes of ip count: those that an IPv4 address leaves are zero. In line and without a branch
 * for each family, as every packet's source is compared with the one before. */
static inline bool addr_equal_ip(const struct addr *a, const struct addr *b)
{
    return a->family == b->family && memcmp(a->ip, b->ip, sizeof a->ip) == 0 &&
           a->scope == b->scope;
}

static inline bool addr_equal(const struct addr *a, const struct addr *b)
{
    return a->port == b->port && addr_equal_ip(a, b);
}

/* Whether one of them has that address; ports do not count. */
bool addr_is_among(const struct addr *list, size_t count, const struct addr *wanted);

/* For hash tables: family, ip, port and nothing else, 19 bytes. */
#define ADDR_KEY_SIZE 19
void addr_key(const struct addr *a, uint8_t key[ADDR_KEY_SIZE]);

/* "192.0.2.1", "2001:db8::1", also in brackets, no port; no names. */
WARN_UNUSED bool addr_parse_ip(struct view text, struct addr *out);
/* "192.0.2.1:5060", "[2001:db8::1]:5060"; without a port *out has default_port. */
WARN_UNUSED bool addr_parse(struct view text, uint16_t default_port, struct addr *out);

#define ADDR_TEXT_SIZE 64
struct addr_text {
    char s[ADDR_TEXT_SIZE];
};
/* "192.0.2.1:5060", "[2001:db8::1]:5060"; "-" for no address. */
struct addr_text addr_print(const struct addr *a);
/* Without port and brackets, as SDP c= wants it. */
struct addr_text addr_print_ip(const struct addr *a);
/* Without port, IPv6 in brackets, as a SIP URI wants it. */
struct addr_text addr_print_host(const struct addr *a);

/* Each looks through an IPv4-mapped form. */
bool addr_is_unspecified(const struct addr *a);
bool addr_is_loopback(const struct addr *a);
bool addr_is_link_local(const struct addr *a);
/* RFC 1918, RFC 6598 (100.64/10) and IPv6 unique local. */
bool addr_is_private(const struct addr *a);
bool addr_is_multicast(const struct addr *a); /* 255.255.255.255 too */
/* 240.0.0.0/4. */
bool addr_is_reserved(const struct addr *a);

/* A prefix such as 10.0.0.0/8 or 2001:db8::/32; a bare address means all its bits. */
struct addr_prefix {
    struct addr base;
    uint8_t bits;
};
WARN_UNUSED bool addr_prefix_parse(struct view text, struct addr_prefix *out);
bool addr_prefix_contains(const struct addr_prefix *p, const struct addr *a);

#endif
