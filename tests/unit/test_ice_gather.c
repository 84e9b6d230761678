/* Tests of ice/gather: tables of networks, and the candidates that RFC 8445 §5.1.1 and RFC 8421 §4
 * make of them.
 * Not here: how they are checked. */
#include "ice/gather.h"

#include "tap.h"

static struct addr ip(const char *text)
{
    struct addr a = {0};
    if (text)
        CHECK(addr_parse(view_of_string(text), 0, &a));
    return a;
}

/* One base a row, component 1 unless said; at most five wanted candidates, best first,
 * "type address". */
struct row {
    const char *address, *mapped, *reflexive, *relayed, *relayed2;
    const char *kind;
    bool way_out, temporary, deprecated;
    uint8_t preference;
    uint16_t component;
};
struct network {
    const char *name;
    struct row rows[9];
    const char *want[14];
    struct ice_gather_settings settings;
};

static const struct network networks[] = {
    {"one public address", {{"192.0.2.1:1000"}}, {"host 192.0.2.1:1000"}, {0}},
    {"behind a NAT, mapped, and a relay",
     {{"10.0.0.1:1000", "192.0.2.9:7000", "192.0.2.9:41000", "198.51.100.5:50000",
       "[2001:db8:5::1]:50000"}},
     {"host 10.0.0.1:1000", "srflx 192.0.2.9:7000", "srflx 192.0.2.9:41000",
      "relay 198.51.100.5:50000", "relay [2001:db8:5::1]:50000"},
     {0}},
    {"no NAT: what STUN saw is the host",
     {{"192.0.2.1:1000", .reflexive = "192.0.2.1:1000"}},
     {"host 192.0.2.1:1000"},
     {0}},
    /* RFC 8421 §4: two IPv4, six IPv6: an IPv4 address after four IPv6 addresses */
    {"RFC 8421's example",
     {{"192.0.2.1:1"},
      {"192.0.2.2:1"},
      {"[2001:db8:1::1]:1"},
      {"[2001:db8:2::1]:1"},
      {"[2001:db8:3::1]:1"},
      {"[2001:db8:4::1]:1"},
      {"[2001:db8:5::1]:1"},
      {"[2001:db8:6::1]:1"}},
     {"host [2001:db8:1::1]:1", "host [2001:db8:2::1]:1", "host [2001:db8:3::1]:1",
      "host [2001:db8:4::1]:1", "host 192.0.2.1:1", "host [2001:db8:5::1]:1", "host 192.0.2.2:1",
      "host [2001:db8:6::1]:1"},
     {0}},
    {"docker, a virtual machine bridge and a VPN beside the way out",
     {{"172.17.0.1:1", .kind = "bridge"},
      {"192.168.122.1:1", .kind = "bridge"},
      {"10.8.0.2:1", .kind = "wireguard"},
      {"127.0.0.1:1", .kind = "lo"},
      {"192.0.2.1:1", .way_out = true}},
     {"host 192.0.2.1:1"},
     {0}},
    {"inside a container, where the veth is the way out",
     {{"172.17.0.2:1", .kind = "veth", .way_out = true}},
     {"host 172.17.0.2:1"},
     {0}},
    {"a VPN that is wanted comes last, not mingled",
     {{"10.8.0.2:1", .kind = "tun"},
      {"[2001:db8:8::2]:1", .kind = "tun"},
      {"192.0.2.1:1", .way_out = true}},
     {"host 192.0.2.1:1", "host [2001:db8:8::2]:1", "host 10.8.0.2:1"},
     {.use_vpn = true}},
    {"the route to this peer leaves by the VPN",
     {{"10.8.0.2:1", .kind = "tun", .way_out = true}, {"192.0.2.1:1", .preference = 1}},
     {"host 10.8.0.2:1", "host 192.0.2.1:1"},
     {0}},
    {"nothing but a bridge is better than nothing",
     {{"172.17.0.1:1", .kind = "bridge"}},
     {"host 172.17.0.1:1"},
     {0}},
    {"addresses that must not be used",
     {{"[fec0::1]:1"}, {"[::ffff:192.0.2.1]:1"}, {"[::192.0.2.1]:1"}, {"0.0.0.0:1"}},
     {NULL},
     {0}},
    {"link-local and deprecated ones where there are others",
     {{"[fe80::1]:1"},
      {"169.254.3.4:1"},
      {"[2001:db8:1::1]:1", .deprecated = true},
      {"[2001:db8:2::1]:1"}},
     {"host [2001:db8:2::1]:1"},
     {0}},
    {"a temporary address hides the ones that tell who we are",
     {{"[2001:db8:1::211:22ff:fe33:4455]:1"},
      {"[2001:db8:1::7a5f:1]:1", .temporary = true},
      {"[2001:db8:9::211:22ff:fe33:4455]:1"}},
     {"host [2001:db8:1::7a5f:1]:1", "host [2001:db8:9:0:211:22ff:fe33:4455]:1"},
     {0}},
    {"the owner's preferences",
     {{"192.0.2.1:1", .preference = 2}, {"192.0.2.2:1", .preference = 1}},
     {"host 192.0.2.2:1", "host 192.0.2.1:1"},
     {0}},
    {"two components of one address stand together",
     {{"192.0.2.1:1", .component = 1},
      {"192.0.2.2:1", .component = 1},
      {"192.0.2.1:2", .component = 2},
      {"192.0.2.2:2", .component = 2}},
     {"host 192.0.2.1:1", "host 192.0.2.1:2", "host 192.0.2.2:1", "host 192.0.2.2:2"},
     {0}},
    {"relay only tells nothing else",
     {{"10.0.0.1:1", "192.0.2.9:7", "192.0.2.9:8", "198.51.100.5:50000"}},
     {"relay 198.51.100.5:50000"},
     {.relay_only = true}},
    {"lite: host candidates, 1:1 with their outside address",
     {{"10.0.0.1:1", .mapped = "192.0.2.9:1"}, {"192.0.2.1:1", .relayed = "198.51.100.5:50000"}},
     {"host 192.0.2.9:1", "host 192.0.2.1:1"},
     {.lite = true}},
};

static int by_priority(const void *a, const void *b)
{
    uint32_t x = ((const struct candidate *)a)->priority,
             y = ((const struct candidate *)b)->priority;
    return (x < y) - (x > y);
}

static size_t gather(const struct network *network, struct candidate got[ICE_LOCALS])
{
    struct ice_gather_base bases[9] = {0};
    size_t count = 0;
    for (; count < 9 && network->rows[count].address; count++) {
        const struct row *row = &network->rows[count];
        struct ice_gather_base *b = &bases[count];
        *b = (struct ice_gather_base){.base = {(uint32_t)count},
                                      .component = row->component ? row->component : 1,
                                      .interface = 1,
                                      .link =
                                          ice_link_of(view_of_string(row->kind ? row->kind : "")),
                                      .address = ip(row->address),
                                      .preference = row->preference,
                                      .is_way_out = row->way_out,
                                      .is_temporary = row->temporary,
                                      .is_deprecated = row->deprecated,
                                      .mapped = ip(row->mapped),
                                      .reflexive = ip(row->reflexive)};
        b->relayed[0].base.number = 100;
        b->relayed[0].address = ip(row->relayed);
        b->relayed[1].base.number = 101;
        b->relayed[1].address = ip(row->relayed2);
    }
    struct ice_options options = {.components = 2, .lite = network->settings.lite};
    struct ice *ice = ice_create(&options);
    size_t added = ice_gather_candidates(ice, &network->settings, bases, count);
    CHECK_INT(ice_local_candidates(ice, got, ICE_LOCALS), added);
    ice_destroy(ice);
    qsort(got, added, sizeof got[0], by_priority);
    return added;
}

static void test_networks(void)
{
    static const char *const types[] = {"host", "srflx", "prflx", "relay"};
    for (size_t n = 0; n < sizeof networks / sizeof *networks; n++) {
        struct candidate got[ICE_LOCALS];
        size_t count = gather(&networks[n], got), i = 0;
        int before = tap_failed_checks;
        for (; i < count && networks[n].want[i]; i++) {
            char text[100];
            (void)snprintf(text, sizeof text, "%s %s", types[got[i].type],
                           addr_print(&got[i].address).s);
            CHECK_TEXT(text, networks[n].want[i]);
            /* §5.1.2.1: unique in its type and component; §5.1.1.2:
             * a base other than itself is told */
            CHECK(i == 0 || got[i].priority != got[i - 1].priority);
            CHECK_INT(addr_is_set(&got[i].related), got[i].type != CANDIDATE_HOST);
        }
        CHECK_INT(count, i);
        CHECK(!networks[n].want[i]);
        if (tap_failed_checks != before)
            printf("# network: %s\n", networks[n].name);
    }
}

static void test_a_hundred_addresses_are_cut_best_first(void)
{
    struct ice_gather_base bases[100];
    struct candidate got[ICE_LOCALS];
    struct ice_gather_settings settings = {0};
    for (uint8_t i = 0; i < 100; i++)
        bases[i] = (struct ice_gather_base){.base = {i},
                                            .component = 1,
                                            .address = addr_v4(192, 0, 2, i, 1),
                                            .relayed = {{{200u + i}, addr_v4(198, 51, 100, i, 2)}}};
    struct ice_options options = {.components = 1};
    struct ice *ice = ice_create(&options);
    CHECK_INT(ice_gather_candidates(ice, &settings, bases, 100), ICE_LOCALS);
    CHECK_INT(ice_local_candidates(ice, got, ICE_LOCALS), ICE_LOCALS);
    CHECK_INT(got[0].priority, 2130706431); /* the first one's, and it has its relay beside it */
    CHECK_INT(got[1].type, CANDIDATE_RELAYED);
    ice_destroy(ice);
}

int main(void)
{
    RUN(test_networks);
    RUN(test_a_hundred_addresses_are_cut_best_first);
    return tap_done();
}
