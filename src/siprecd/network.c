/* network: which of our addresses each SRC is told, by the settings and by what was found out.
 * Not here: finding out (surveyor.h), sockets.
 * RFC 1918, 6598, 4193 (what counts as local). */
#include "siprecd/network.h"

static void network_take_families(const struct settings *settings, enum setting setting,
                                  struct addr families[2])
{
    const struct values_addresses *addresses = &settings_meaning(settings, setting)->addresses;
    for (size_t i = 0; i < addresses->count; i++)
        families[addresses->list[i].family == ADDR_V6] = addresses->list[i];
}

struct network network_of(const struct settings *settings)
{
    struct network network = {0};
    bool explicit_external;
    network_take_families(settings, SETTING_NAT_EXTERNAL_IP, network.external);
    network_take_families(settings, SETTING_NAT_INTERNAL_IP, network.internal);
    explicit_external = addr_is_set(&network.external[0]) || addr_is_set(&network.external[1]);
    network.behind_nat = settings_number(settings, SETTING_NAT_BEHIND_NAT) != 0;
    network.local = settings_meaning(settings, SETTING_NAT_LOCAL_NETWORKS)->prefixes;
    /* Whoever says that there is a NAT and what its address is gets that address everywhere: the
     * SRCs may well be private addresses beyond it. */
    network.local_by_kind =
        network.local.is_auto &&
        !(settings_number(settings, SETTING_NAT_BEHIND_NAT) == 1 && explicit_external);
    network.listeners = settings_meaning(settings, SETTING_SIP_LISTEN)->listeners;
    return network;
}

/* True when peer reaches us without the NAT. */
static bool network_is_local(const struct network *network, const struct addr *peer)
{
    if (network->local_by_kind &&
        (addr_is_private(peer) || addr_is_link_local(peer) || addr_is_loopback(peer)))
        return true;
    for (size_t i = 0; i < network->local.count; i++) {
        if (addr_prefix_contains(&network->local.list[i], peer))
            return true;
    }
    return false;
}

struct addr network_advertise(const struct network *network, size_t listener,
                              const struct addr *local, const struct addr *peer)
{
    const struct addr *advertise = &network->listeners.list[listener].advertise;
    bool v6 = local->family == ADDR_V6;
    if (addr_is_set(advertise))
        return addr_with_port(*advertise, advertise->port != 0 ? advertise->port : local->port);
    if (network->behind_nat && !network_is_local(network, peer)) {
        if (!v6 && addr_is_set(&network->mapped[listener]))
            return network->mapped[listener];
        if (addr_is_set(&network->external[v6]))
            return addr_with_port(network->external[v6], local->port);
    }
    /* A peer on this machine reaches us where it called, whatever others are told. */
    if (addr_is_set(&network->internal[v6]) && !addr_is_loopback(local))
        return addr_with_port(network->internal[v6], local->port);
    return *local;
}
