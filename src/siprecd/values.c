/* values: a setting's text to what it means, with the reason where it means nothing.
 * Not here: which settings there are (schema.h), where the text came from (settings.h).
 * RFC 3986 (hosts in URIs), 7064 and 7065 (stun: and turn: URIs). */
#include "siprecd/values.h"

#include <assert.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "io/proxy.h"

static bool values_wrong(char *why, const char *format, ...) PRINTF_LIKE(2, 3);

/* Always false, so that a parser can end with it. */
static bool values_wrong(char *why, const char *format, ...)
{
    va_list args;

    va_start(args, format);
    vsnprintf(why, VALUES_REASON_SIZE, format, args);
    va_end(args);
    return false;
}

static bool values_is(struct view text, const char *word)
{
    return view_equal_nocase(text, view_of_string(word));
}

/* ---- single values -------------------------------------------------------------------------- */

static bool values_bool(struct view text, int64_t *number)
{
    static const char *const yes[] = {"true", "yes", "on", "1"};
    static const char *const no[] = {"false", "no", "off", "0"};
    for (size_t i = 0; i < 4; i++) {
        if (values_is(text, yes[i])) {
            *number = 1;
            return true;
        }
        if (values_is(text, no[i])) {
            *number = 0;
            return true;
        }
    }
    return false;
}

static bool values_number(const struct setting_info *info, struct view text, int64_t *number,
                          char *why)
{
    uint64_t value;
    if (!view_parse_u64(text, &value))
        return values_wrong(why, "\"" VIEW_FMT "\" is not a number", VIEW_ARG(text));
    if (value > INT64_MAX || (int64_t)value < info->min || (int64_t)value > info->max)
        return values_wrong(why, VIEW_FMT " is not between %" PRId64 " and %" PRId64,
                            VIEW_ARG(text), info->min, info->max);
    *number = (int64_t)value;
    return true;
}

static bool values_choice(const struct setting_info *info, struct view text, int64_t *number,
                          char *why)
{
    struct view rest = view_of_string(info->choices);
    struct view choice;
    for (*number = 0; view_cut(&rest, ' ', &choice); (*number)++) {
        if (view_equal_nocase(text, choice))
            return true;
    }
    return values_wrong(why, "\"" VIEW_FMT "\" is none of: %s", VIEW_ARG(text), info->choices);
}

/* Splits "12.5xyz" into its number, times 100, and "xyz". */
static bool values_split_hundredths(struct view text, uint64_t *hundredths, struct view *unit)
{
    size_t digits = 0;
    size_t fraction = 0;
    struct view rest;
    while (digits < text.len && text.at[digits] >= '0' && text.at[digits] <= '9')
        digits++;
    if (!view_parse_u64(view_take(text, digits), hundredths) || *hundredths > UINT64_MAX / 200)
        return false;
    *hundredths *= 100;
    rest = view_skip(text, digits);
    if (rest.len > 0 && rest.at[0] == '.') {
        uint64_t part;
        while (fraction + 1 < rest.len && rest.at[fraction + 1] >= '0' &&
               rest.at[fraction + 1] <= '9')
            fraction++;
        if (fraction < 1 || fraction > 2 ||
            !view_parse_u64(view_take(view_skip(rest, 1), fraction), &part))
            return false;
        *hundredths += fraction == 1 ? part * 10 : part;
        rest = view_skip(rest, fraction + 1);
    }
    *unit = view_trim(rest);
    return true;
}

static bool values_duration(const struct setting_info *info, struct view text, int64_t *ms,
                            char *why)
{
    static const struct {
        const char *unit;
        uint64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"", 1000}, {"m", 60000}, {"min", 60000}, {"h", 3600000}};
    uint64_t hundredths;
    struct view unit;

    if (!values_split_hundredths(text, &hundredths, &unit))
        return values_wrong(why, "\"" VIEW_FMT "\" is not a time such as 2s or 500ms",
                            VIEW_ARG(text));
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        uint64_t product;
        if (!values_is(unit, units[i].unit))
            continue;
        if (__builtin_mul_overflow(hundredths, units[i].ms, &product) ||
            product / 100 > (uint64_t)info->max || product / 100 < (uint64_t)info->min)
            return values_wrong(why, VIEW_FMT " is not between %" PRId64 "ms and %" PRId64 "ms",
                                VIEW_ARG(text), info->min, info->max);
        *ms = (int64_t)(product / 100);
        return true;
    }
    return values_wrong(why, "\"" VIEW_FMT "\" is no unit of time: use ms, s, m or h",
                        VIEW_ARG(unit));
}

static bool values_space(struct view text, struct values_space *space, char *why)
{
    static const char *const units[] = {"", "K", "M", "G", "T"};
    uint64_t hundredths;
    uint64_t scale = 1;
    struct view unit;
    if (!values_split_hundredths(text, &hundredths, &unit))
        return values_wrong(why, "\"" VIEW_FMT "\" is not an amount such as 5%% or 10G",
                            VIEW_ARG(text));
    if (values_is(unit, "%")) {
        if (hundredths > 9900)
            return values_wrong(why, VIEW_FMT " leaves no room: at most 99%%", VIEW_ARG(text));
        *space = (struct values_space){.is_percent = true, .amount = hundredths};
        return true;
    }
    if (unit.len > 0 && (unit.at[unit.len - 1] == 'B' || unit.at[unit.len - 1] == 'b'))
        unit.len--;
    if (unit.len == 2 && (unit.at[1] == 'i' || unit.at[1] == 'I'))
        unit.len--;
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++, scale *= 1024) {
        uint64_t product;
        if (!values_is(unit, units[i]))
            continue;
        if (__builtin_mul_overflow(hundredths, scale, &product))
            return values_wrong(why, VIEW_FMT " is more than can be counted", VIEW_ARG(text));
        *space = (struct values_space){.amount = product / 100};
        return true;
    }
    return values_wrong(why, "\"" VIEW_FMT "\" is no unit: use %%, K, M, G or T", VIEW_ARG(unit));
}

/* ---- addresses ------------------------------------------------------------------------------ */

/* ADDRESS:PORT; the port is needed. */
static bool values_endpoint(struct view text, struct addr *addr, char *why)
{
    if (!addr_parse(text, 0, addr))
        return values_wrong(why,
                            "\"" VIEW_FMT "\" is not ADDRESS:PORT (addresses, not names; IPv6 in "
                            "brackets)",
                            VIEW_ARG(text));
    if (addr->port == 0)
        return values_wrong(why, "\"" VIEW_FMT "\" lacks a port", VIEW_ARG(text));
    return true;
}

const char *values_protocol_name(enum sip_protocol protocol)
{
    static const char *const names[] = {"udp", "tcp", "tls"};
    return names[protocol];
}

static bool values_listener(struct view text, struct values_listener *listener, char *why)
{
    struct view word = VIEW("advertise");
    size_t at = view_find(text, word);
    struct view endpoint = view_trim(view_take(text, at));
    struct view scheme;
    *listener = (struct values_listener){0};
    if (at < text.len) {
        struct view advertised = view_trim(view_skip(text, at + word.len));
        if (!addr_parse(advertised, 0, &listener->advertise) ||
            addr_is_unspecified(&listener->advertise))
            return values_wrong(why, "\"" VIEW_FMT "\" is no address to advertise",
                                VIEW_ARG(advertised));
    }
    scheme = view_take(endpoint, view_find_char(endpoint, ':'));
    if (values_is(scheme, "tls"))
        listener->protocol = SIP_PROTOCOL_TLS;
    else if (values_is(scheme, "tcp"))
        listener->protocol = SIP_PROTOCOL_TCP;
    else if (!values_is(scheme, "udp"))
        return values_wrong(
            why, "\"" VIEW_FMT "\" does not begin with udp:, tcp: or tls:", VIEW_ARG(endpoint));
    return values_endpoint(view_skip(endpoint, scheme.len + 1), &listener->bind, why);
}

static bool values_add_listener(struct view text, struct values_listeners *listeners, char *why)
{
    struct values_listener *listener = &listeners->list[listeners->count];
    if (listeners->count == VALUES_LISTENERS_MAX)
        return values_wrong(why, "more than %d listeners", VALUES_LISTENERS_MAX);
    if (!values_listener(text, listener, why))
        return false;
    for (size_t i = 0; i < listeners->count; i++) {
        bool both_udp = listeners->list[i].protocol == SIP_PROTOCOL_UDP &&
                        listener->protocol == SIP_PROTOCOL_UDP;
        bool both_tcp = listeners->list[i].protocol != SIP_PROTOCOL_UDP &&
                        listener->protocol != SIP_PROTOCOL_UDP;
        if ((both_udp || both_tcp) && addr_equal(&listeners->list[i].bind, &listener->bind))
            return values_wrong(why, "\"" VIEW_FMT "\" is there twice", VIEW_ARG(text));
    }
    listeners->count++;
    return true;
}

static bool values_add_address(const struct setting_info *info, struct view text,
                               struct values_addresses *addresses, char *why)
{
    struct addr *addr = &addresses->list[addresses->count];
    if (addresses->count == VALUES_ADDRESSES_MAX)
        return values_wrong(why, "more than %d addresses", VALUES_ADDRESSES_MAX);
    if (info->type == SETTING_TYPE_ENDPOINTS) {
        if (!values_endpoint(text, addr, why))
            return false;
    } else if (!addr_parse_ip(text, addr)) {
        return values_wrong(why, "\"" VIEW_FMT "\" is no IP address", VIEW_ARG(text));
    }
    for (size_t i = 0; i < addresses->count; i++) {
        if (addr_equal(&addresses->list[i], addr))
            return values_wrong(why, "\"" VIEW_FMT "\" is there twice", VIEW_ARG(text));
        if (info->type == SETTING_TYPE_FAMILIES && addresses->list[i].family == addr->family)
            return values_wrong(why, "two IPv%d addresses; one of each family at most",
                                addr->family);
    }
    if (info->type == SETTING_TYPE_FAMILIES &&
        (addr_is_unspecified(addr) || addr_is_multicast(addr)))
        return values_wrong(why, VIEW_FMT " is no address anybody could send to", VIEW_ARG(text));
    addresses->count++;
    return true;
}

static bool values_add_prefix(struct view text, struct values_prefixes *prefixes, char *why)
{
    if (prefixes->count == VALUES_PREFIXES_MAX)
        return values_wrong(why, "more than %d networks", VALUES_PREFIXES_MAX);
    if (!addr_prefix_parse(text, &prefixes->list[prefixes->count]))
        return values_wrong(why, "\"" VIEW_FMT "\" is neither ADDRESS nor ADDRESS/BITS",
                            VIEW_ARG(text));
    prefixes->count++;
    return true;
}

/* ---- names and URIs ------------------------------------------------------------------------- */

static bool values_is_host_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
}

static bool values_host(struct view text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (!values_is_host_char(text.at[i]))
            return false;
    }
    return text.len > 0 && text.len <= 253 && text.at[0] != '.' && text.at[0] != '-';
}

/* HOST[:PORT]: a name, an IPv4 address, or an IPv6 address in brackets. */
static bool values_host_port(struct view text, char *why)
{
    struct addr literal;
    size_t colon = view_find_char(text, ':');
    uint16_t port;
    if (addr_parse(text, 1, &literal) && literal.port != 0)
        return true;
    if (!values_host(view_take(text, colon)))
        return values_wrong(why, "\"" VIEW_FMT "\" is not HOST[:PORT]", VIEW_ARG(text));
    if (colon < text.len && (!view_parse_u16(view_skip(text, colon + 1), &port) || port == 0))
        return values_wrong(why, "\"" VIEW_FMT "\" has no valid port", VIEW_ARG(text));
    return true;
}

static bool values_stun_server(struct view text, char *why)
{
    if (view_starts_with_nocase(text, VIEW_LIT("stun:")))
        text = view_skip(text, 5);
    return values_host_port(text, why);
}

static bool values_turn_server(struct view text, char *why)
{
    size_t query = view_find_char(text, '?');
    struct view transport = view_skip(text, query);
    bool secure = view_starts_with_nocase(text, VIEW_LIT("turns:"));
    if (!secure && !view_starts_with_nocase(text, VIEW_LIT("turn:")))
        return values_wrong(why,
                            "\"" VIEW_FMT "\" does not begin with turn: or turns:", VIEW_ARG(text));
    if (transport.len > 0 && !values_is(transport, "?transport=udp") &&
        !values_is(transport, "?transport=tcp"))
        return values_wrong(why, "\"" VIEW_FMT "\" is neither ?transport=udp nor ?transport=tcp",
                            VIEW_ARG(transport));
    return values_host_port(view_skip(view_take(text, query), secure ? 6 : 5), why);
}

static bool values_url(struct view text, bool only_http, char *why)
{
    struct view rest;
    if (view_starts_with_nocase(text, VIEW_LIT("http://")))
        rest = view_skip(text, 7);
    else if (!only_http && view_starts_with_nocase(text, VIEW_LIT("https://")))
        rest = view_skip(text, 8);
    else
        return values_wrong(why, "\"" VIEW_FMT "\" does not begin with http://%s", VIEW_ARG(text),
                            only_http ? "" : " or https://");
    rest = view_take(rest, view_find_char(rest, '/'));
    return values_host_port(rest, why);
}

/* Reasons do not repeat the URL: it may hold a password. */
static bool values_proxy(struct view text, char *why)
{
    struct io_proxy proxy;
    if (view_starts_with_nocase(text, VIEW_LIT("http://")) && io_proxy_parse(text, &proxy) &&
        (values_host(view_of_string(proxy.host)) || strchr(proxy.host, ':')))
        return true;
    if (view_find_char(text, '@') < text.len)
        return values_wrong(why, "it is not http://USER:PASSWORD@HOST:PORT");
    return values_url(text, true, why);
}

static bool values_sip_uri(struct view text, char *why)
{
    size_t scheme = view_find_char(text, ':');
    struct view name = view_take(text, scheme);
    if ((!values_is(name, "sip") && !values_is(name, "sips")) || scheme + 1 >= text.len ||
        view_find_char(text, ' ') < text.len)
        return values_wrong(why, "\"" VIEW_FMT "\" is no sip: or sips: URI", VIEW_ARG(text));
    return true;
}

static bool values_list_item(const struct setting_info *info, struct view item,
                             union setting_meaning *meaning, char *why)
{
    switch (info->type) {
    case SETTING_TYPE_LISTENERS:
        return values_add_listener(item, &meaning->listeners, why);
    case SETTING_TYPE_ENDPOINTS:
    case SETTING_TYPE_ADDRESSES:
    case SETTING_TYPE_FAMILIES:
        return values_add_address(info, item, &meaning->addresses, why);
    case SETTING_TYPE_PREFIXES:
    case SETTING_TYPE_AUTO_PREFIXES:
        return values_add_prefix(item, &meaning->prefixes, why);
    case SETTING_TYPE_STUN_SERVERS:
        return values_stun_server(item, why);
    case SETTING_TYPE_TURN_SERVERS:
        return values_turn_server(item, why);
    case SETTING_TYPE_SIP_URIS:
        return values_sip_uri(item, why);
    case SETTING_TYPE_URLS:
        return values_url(item, false, why);
    case SETTING_TYPE_HOSTNAMES:
        return values_host(item) ||
               values_wrong(why, "\"" VIEW_FMT "\" is no host name", VIEW_ARG(item));
    default:
        assert(false);
        return false;
    }
}

static bool values_list(const struct setting_info *info, struct view text,
                        union setting_meaning *meaning, char *why)
{
    struct view item;
    while (view_cut(&text, ',', &item)) {
        item = view_trim(item);
        if (item.len == 0)
            continue; /* a comma at the end, or before a continued line */
        if (!values_list_item(info, item, meaning, why))
            return false;
    }
    return true;
}

/* ---- all of them ---------------------------------------------------------------------------- */

bool values_parse(const struct setting_info *info, struct view text, union setting_meaning *meaning,
                  char *why)
{
    memset(meaning, 0, sizeof *meaning);
    switch (info->type) {
    case SETTING_TYPE_TEXT:
        return true;
    case SETTING_TYPE_PATH:
        return text.len < VALUES_PATH_SIZE || values_wrong(why, "no path is that long");
    case SETTING_TYPE_BOOL:
        return values_bool(text, &meaning->number) ||
               values_wrong(why, "\"" VIEW_FMT "\" is neither true nor false", VIEW_ARG(text));
    case SETTING_TYPE_TRISTATE:
        meaning->number = VALUES_AUTO;
        return values_is(text, "auto") || values_bool(text, &meaning->number) ||
               values_wrong(why, "\"" VIEW_FMT "\" is none of: auto true false", VIEW_ARG(text));
    case SETTING_TYPE_CHOICE:
        return values_choice(info, text, &meaning->number, why);
    case SETTING_TYPE_AUTO_NUMBER:
        meaning->number = VALUES_AUTO;
        return values_is(text, "auto") || values_number(info, text, &meaning->number, why);
    case SETTING_TYPE_NUMBER:
        return values_number(info, text, &meaning->number, why);
    case SETTING_TYPE_DURATION:
        return values_duration(info, text, &meaning->number, why);
    case SETTING_TYPE_SPACE:
        return values_space(text, &meaning->space, why);
    case SETTING_TYPE_PROXY:
        return values_is(text, "auto") || values_is(text, "none") || values_proxy(text, why);
    case SETTING_TYPE_AUTO_PREFIXES:
        meaning->prefixes.is_auto = values_is(text, "auto");
        return meaning->prefixes.is_auto || values_is(text, "none") ||
               values_list(info, text, meaning, why);
    case SETTING_TYPE_FAMILIES:
        return values_is(text, "auto") || values_list(info, text, meaning, why);
    case SETTING_TYPE_STUN_SERVERS:
    case SETTING_TYPE_URLS:
        return values_is(text, "none") || values_list(info, text, meaning, why);
    default:
        return values_list(info, text, meaning, why);
    }
}
