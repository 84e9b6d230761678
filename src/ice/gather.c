/* gather: the rules of choosing and ordering addresses.
 * Not here: where they come from.
 * RFC 8445 §5.1.1.1, RFC 8421 §4. */
#include "ice/gather.h"

#define BASES 32 /* looked at; more would never fit in ICE_LOCALS */
#define STEP  4  /* of local preference between addresses: room for the candidates of one */

enum ice_link ice_link_of(struct view kind)
{
    static const struct {
        const char *kind;
        enum ice_link link;
    } kinds[] = {
        {"bridge", ICE_LINK_CONTAINER}, {"veth", ICE_LINK_CONTAINER},
        {"dummy", ICE_LINK_CONTAINER},  {"ifb", ICE_LINK_CONTAINER},
        {"vxlan", ICE_LINK_CONTAINER},  {"openvswitch", ICE_LINK_CONTAINER},
        {"tun", ICE_LINK_VPN},          {"wireguard", ICE_LINK_VPN},
        {"ppp", ICE_LINK_VPN},          {"ipip", ICE_LINK_VPN},
        {"gre", ICE_LINK_VPN},          {"gretap", ICE_LINK_VPN},
        {"ip6gre", ICE_LINK_VPN},       {"ip6tnl", ICE_LINK_VPN},
        {"sit", ICE_LINK_VPN},          {"vti", ICE_LINK_VPN},
        {"vti6", ICE_LINK_VPN},         {"xfrm", ICE_LINK_VPN},
        {"lo", ICE_LINK_LOOPBACK},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        if (view_equal(kind, view_of_string(kinds[i].kind)))
            return kinds[i].link;
    }
    return ICE_LINK_PLAIN; /* hardware; bond, vlan, ipvlan...: as good as what is below */
}

/* §5.1.1.1: what MUST NOT or SHOULD NOT be a candidate, whatever else there is. */
static bool is_barred(const struct ice_gather_base *b)
{
    static const char *const bars[] = {"fec0::/10", "::/96"}; /* site-local, IPv4-compatible */
    if (!addr_is_set(&b->address) || addr_is_unspecified(&b->address) ||
        addr_is_multicast(&b->address) ||
        addr_unmap(b->address).family != b->address.family) /* IPv4-mapped */
        return true;
    for (size_t i = 0; i < 2 && b->address.family == ADDR_V6; i++) {
        struct addr_prefix prefix;
        if (!addr_is_loopback(&b->address) && addr_prefix_parse(view_of_string(bars[i]), &prefix) &&
            addr_prefix_contains(&prefix, &b->address))
            return true;
    }
    return false;
}

/* A temporary address of the same interface (and, but for link-local,
 * the same /64) hides this one. */
static bool is_hidden(const struct ice_gather_base *b, const struct ice_gather_base *bases,
                      size_t count)
{
    if (b->address.family != ADDR_V6 || b->is_temporary)
        return false;
    for (size_t i = 0; i < count; i++) {
        const struct ice_gather_base *t = &bases[i];
        struct addr_prefix net = {.base = t->address, .bits = 64};
        if (t->is_temporary && !t->is_deprecated && t->interface == b->interface &&
            t->component == b->component &&
            (addr_is_link_local(&b->address) || addr_prefix_contains(&net, &b->address)))
            return true;
    }
    return false;
}

static bool leads_somewhere(const struct ice_gather_settings *settings,
                            const struct ice_gather_base *b)
{
    if (b->link == ICE_LINK_LOOPBACK || addr_is_loopback(&b->address) ||
        addr_is_link_local(&b->address) || b->is_deprecated)
        return false;
    return b->is_way_out || b->link == ICE_LINK_PLAIN ||
           (b->link == ICE_LINK_VPN && settings->use_vpn);
}

static bool is_unreliable(const struct ice_gather_base *b)
{
    return b->link == ICE_LINK_VPN && !b->is_way_out;
}

/* Reliable ones first, then what the owner prefers,
 * then the order they came in (the sort is stable). */
static bool is_before(const struct ice_gather_base *a, const struct ice_gather_base *b)
{
    if (is_unreliable(a) != is_unreliable(b))
        return is_unreliable(b);
    return a->preference < b->preference;
}

struct chosen {
    const struct ice_gather_base *bases[BASES];
    size_t count;
};

static void insert(struct chosen *chosen, const struct ice_gather_base *b)
{
    size_t at = chosen->count++;
    while (at > 0 && is_before(b, chosen->bases[at - 1])) {
        chosen->bases[at] = chosen->bases[at - 1];
        at--;
    }
    chosen->bases[at] = b;
}

static void choose(struct chosen *chosen, const struct ice_gather_settings *settings,
                   const struct ice_gather_base *bases, size_t count)
{
    for (int strict = 1; strict >= 0 && chosen->count == 0; strict--) {
        for (size_t i = 0; i < count && chosen->count < BASES; i++) {
            const struct ice_gather_base *b = &bases[i];
            if (!is_barred(b) && !is_hidden(b, bases, count) &&
                (!strict || leads_somewhere(settings, b)))
                insert(chosen, b);
        }
    }
}

/* The component 1 base of the same IP, or the base itself:
 * both components of an address get one preference. */
static bool is_first_of_its_ip(const struct chosen *chosen, size_t at)
{
    for (size_t i = 0; i < at; i++) {
        if (addr_equal_ip(&chosen->bases[i]->address, &chosen->bases[at]->address))
            return false;
    }
    return true;
}

/* RFC 8421 §4: IPv6 first, a head start of Hi = (N4 + N6) / N4, then in turns; what is unreliable
 * follows. Writes the order of IPs as indices of chosen. */
static size_t mingle(const struct chosen *chosen, bool unreliable, size_t *order)
{
    size_t v4[BASES], v6[BASES], n4 = 0, n6 = 0, i4 = 0, i6 = 0, count = 0;
    for (size_t i = 0; i < chosen->count; i++) {
        if (is_unreliable(chosen->bases[i]) != unreliable || !is_first_of_its_ip(chosen, i))
            continue;
        if (chosen->bases[i]->address.family == ADDR_V4)
            v4[n4++] = i;
        else
            v6[n6++] = i;
    }
    size_t head_start = n4 ? (n4 + n6) / n4 : n6;
    while (i4 < n4 || i6 < n6) {
        bool turn_of_v6 = count < head_start || (count - head_start) % 2 == 1;
        if (i6 < n6 && (turn_of_v6 || i4 == n4))
            order[count++] = v6[i6++];
        else if (i4 < n4)
            order[count++] = v4[i4++];
    }
    return count;
}

static size_t add(struct ice *ice, enum candidate_type type, struct addr address,
                  const struct ice_gather_base *b, struct ice_base base, size_t preference)
{
    struct candidate c = {
        .type = type, .transport = b->transport, .component = b->component, .address = address};
    if (!addr_is_set(&address))
        return 0;
    if (type == CANDIDATE_SERVER_REFLEXIVE)
        c.related = b->address;
    else if (type == CANDIDATE_RELAYED)
        c.related = addr_is_set(&b->reflexive) ? b->reflexive : b->address;
    return ice_add_local(ice, c, base, (uint16_t)preference);
}

static size_t add_base(struct ice *ice, const struct ice_gather_settings *settings,
                       const struct ice_gather_base *b, size_t preference)
{
    size_t added = 0;
    if (settings->lite)
        return add(ice, CANDIDATE_HOST, addr_is_set(&b->mapped) ? b->mapped : b->address, b,
                   b->base, preference);
    if (!settings->relay_only) {
        added += add(ice, CANDIDATE_HOST, b->address, b, b->base, preference);
        added += add(ice, CANDIDATE_SERVER_REFLEXIVE, b->mapped, b, b->base, preference);
        if (!addr_equal(&b->reflexive, &b->address))
            added += add(ice, CANDIDATE_SERVER_REFLEXIVE, b->reflexive, b, b->base, preference - 1);
    }
    for (size_t i = 0; i < ICE_GATHER_RELAYS; i++)
        added += add(ice, CANDIDATE_RELAYED, b->relayed[i].address, b, b->relayed[i].base,
                     preference - i);
    return added;
}

size_t ice_gather_candidates(struct ice *ice, const struct ice_gather_settings *settings,
                             const struct ice_gather_base *bases, size_t count)
{
    struct chosen chosen = {.count = 0};
    size_t order[2 * BASES], added = 0;
    choose(&chosen, settings, bases, count);
    size_t ips = mingle(&chosen, false, order);
    ips += mingle(&chosen, true, order + ips);
    for (size_t rank = 0; rank < ips; rank++) {
        for (size_t i = 0; i < chosen.count; i++) {
            if (addr_equal_ip(&chosen.bases[i]->address, &chosen.bases[order[rank]]->address))
                added += add_base(ice, settings, chosen.bases[i], UINT16_MAX - rank * STEP);
        }
    }
    return added;
}
