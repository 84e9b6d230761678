/* target: whom nobody may make us send to.
 * Not here: counting.
 * RFC 6890, 6052, 3056. */
#include "base/target.h"

#include <string.h>

/* Where clouds tell a machine about itself, beside 169.254.169.254. */
static bool is_metadata(const struct addr *a)
{
    static const struct addr known[] = {
        {.family = ADDR_V6, .ip = {0xfd, 0x00, 0x0e, 0xc2, [14] = 0x02, [15] = 0x54}},
        {.family = ADDR_V4, .ip = {100, 100, 100, 200}},
        {.family = ADDR_V4, .ip = {168, 63, 129, 16}},
        {.family = ADDR_V4, .ip = {192, 0, 0, 192}},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        if (addr_equal_ip(&known[i], a))
            return true;
    }
    return false;
}

static bool is_never(const struct addr *a, bool over_loopback)
{
    bool this_network = a->family == ADDR_V4 && a->ip[0] == 0;
    return !addr_is_set(a) || addr_is_unspecified(a) || this_network || addr_is_link_local(a) ||
           addr_is_multicast(a) || addr_is_reserved(a) || is_metadata(a) ||
           (addr_is_loopback(a) && !over_loopback);
}

static struct addr v4_at(const struct addr *a, const uint8_t place[4])
{
    return addr_v4(a->ip[place[0]], a->ip[place[1]], a->ip[place[2]], a->ip[place[3]], a->port);
}

/* The IPv4 addresses that an IPv6 address may lead to by translation or a tunnel. How many. */
static size_t embedded(const struct addr *a, struct addr out[2])
{
    static const uint8_t nat64[12] = {0x00, 0x64, 0xff, 0x9b};            /* RFC 6052 §2.1 */
    static const uint8_t nat64_local[6] = {0x00, 0x64, 0xff, 0x9b, 0, 1}; /* RFC 8215 */
    static const uint8_t compatible[12] = {0};
    static const uint8_t last[4] = {12, 13, 14, 15}, by_48[4] = {6, 7, 9, 10},
                         sixto4[4] = {2, 3, 4, 5};
    if (a->family != ADDR_V6)
        return 0;
    if (memcmp(a->ip, nat64, sizeof nat64) == 0) {
        out[0] = v4_at(a, last);
        return 1;
    }
    if (memcmp(a->ip, nat64_local, sizeof nat64_local) == 0) {
        out[0] = v4_at(a, by_48); /* §2.2: byte 8 is skipped */
        out[1] = v4_at(a, last);
        return 2;
    }
    if (a->ip[0] == 0x20 && a->ip[1] == 0x02) {
        out[0] = v4_at(a, sixto4);
        return 1;
    }
    if (memcmp(a->ip, compatible, sizeof compatible) == 0 && !addr_is_loopback(a)) {
        out[0] = v4_at(a, last);
        return 1;
    }
    return 0;
}

bool target_may_get(const struct target_rule *rule, const struct addr *to, bool named)
{
    struct addr plain = addr_unmap(*to), signalled = addr_unmap(rule->signalled), inside[2];
    size_t count = embedded(&plain, inside);
    bool private = addr_is_private(&plain);
    if (is_never(&plain, addr_is_loopback(&signalled)))
        return false;
    for (size_t i = 0; i < count; i++) {
        if (is_never(&inside[i], false))
            return false;
        private = private || addr_is_private(&inside[i]);
    }
    if (!rule->listed)
        return addr_equal_ip(&plain, &signalled);
    return !private || named || addr_is_private(&signalled);
}

bool target_may_be_ours(const struct addr *told, const struct addr *own)
{
    if (!addr_is_set(told) || addr_is_unspecified(told) || addr_is_multicast(told) ||
        addr_is_reserved(told) || addr_unmap(*told).family != told->family)
        return false;
    if (!addr_is_set(own))
        return true;
    return told->family == own->family &&
           (!addr_is_loopback(told) || addr_is_loopback(own) || addr_is_unspecified(own));
}
