/* Which address an SRC is told: the table of the design, one row a case.
 * Not here: finding addresses out.
 * RFC 1918, 6598, 4193. */
#include "siprecd/network.h"
#include "tap.h"

struct network_case {
    const char *file; /* settings */
    const char *local;
    const char *peer;
    const char *told;
};

static const struct network_case cases[] = {
    /* nothing is known: our own address */
    {"", "10.0.0.5:5060", "198.51.100.9:5060", "10.0.0.5:5060"},
    {"[nat]\nbehind_nat=true\n", "10.0.0.5:5060", "198.51.100.9:5060", "10.0.0.5:5060"},
    /* auto: public SRCs get the external one, private and link-local ones our own */
    {"[nat]\nexternal_ip=203.0.113.7\n", "10.0.0.5:5060", "198.51.100.9:5060", "203.0.113.7:5060"},
    {"[nat]\nexternal_ip=203.0.113.7\n", "10.0.0.5:5060", "192.168.1.9:5060", "10.0.0.5:5060"},
    {"[nat]\nexternal_ip=203.0.113.7\n", "10.0.0.5:5060", "100.64.0.9:5060", "10.0.0.5:5060"},
    {"[nat]\nexternal_ip=203.0.113.7\n", "127.0.0.1:5060", "127.0.0.1:9", "127.0.0.1:5060"},
    {"[nat]\nexternal_ip=2001:db8::7\n", "[fd00::5]:5060", "[fd00::9]:5060", "[fd00::5]:5060"},
    {"[nat]\nexternal_ip=2001:db8::7\n", "[fd00::5]:5060", "[2001:db8:9::9]:5060",
     "[2001:db8::7]:5060"},
    /* the external address of the other family is no help */
    {"[nat]\nexternal_ip=2001:db8::7\n", "10.0.0.5:5060", "198.51.100.9:5060", "10.0.0.5:5060"},
    /* true and explicit: everybody but local_networks */
    {"[nat]\nbehind_nat=true\nexternal_ip=203.0.113.7\n", "10.0.0.5:5060", "192.168.1.9:5060",
     "203.0.113.7:5060"},
    {"[nat]\nbehind_nat=true\nexternal_ip=203.0.113.7\nlocal_networks=192.168.0.0/16\n",
     "10.0.0.5:5060", "192.168.1.9:5060", "10.0.0.5:5060"},
    {"[nat]\nexternal_ip=203.0.113.7\nlocal_networks=198.51.100.0/24\n", "10.0.0.5:5060",
     "198.51.100.9:5060", "10.0.0.5:5060"},
    {"[nat]\nexternal_ip=203.0.113.7\nlocal_networks=none\n", "10.0.0.5:5060", "192.168.1.9:5060",
     "203.0.113.7:5060"},
    /* false: never the external one */
    {"[nat]\nbehind_nat=false\nexternal_ip=203.0.113.7\n", "10.0.0.5:5060", "198.51.100.9:5060",
     "10.0.0.5:5060"},
    /* internal_ip instead of the address that was called */
    {"[nat]\ninternal_ip=10.0.0.6\n", "10.0.0.5:5060", "198.51.100.9:5060", "10.0.0.6:5060"},
    {"[nat]\nbehind_nat=false\ninternal_ip=10.0.0.6\n", "10.0.0.5:5070", "10.0.0.9:5060",
     "10.0.0.6:5070"},
    {"[nat]\ninternal_ip=10.0.0.6\n", "127.0.0.1:5060", "127.0.0.1:5070", "127.0.0.1:5060"},
    /* a listener's own */
    {"[sip]\nlisten=udp:10.0.0.5:5060 advertise 203.0.113.8\n", "10.0.0.5:5060", "192.168.1.9:5060",
     "203.0.113.8:5060"},
    {"[sip]\nlisten=udp:10.0.0.5:5060 advertise 203.0.113.8:5090\n[nat]\nexternal_ip=203.0.113.7\n",
     "10.0.0.5:5060", "198.51.100.9:5060", "203.0.113.8:5090"},
};

static void test_table(void)
{
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct settings_source source = {.file = "f", .file_text = view_of_string(cases[i].file)};
        struct settings *settings = settings_read(&source);
        struct network network = network_of(settings);
        struct addr local, peer, told;
        CHECK_INT(settings_errors(settings), 0);
        CHECK(addr_parse(view_of_string(cases[i].local), 0, &local));
        CHECK(addr_parse(view_of_string(cases[i].peer), 0, &peer));
        told = network_advertise(&network, 0, &local, &peer);
        if (!CHECK_TEXT(addr_print(&told).s, cases[i].told))
            printf("# case %zu: %s\n", i, cases[i].file);
        settings_destroy(settings);
    }
}

/* What the gateway maps SIP's port to is where SRCs beyond it reach us. */
static void test_mapped(void)
{
    struct settings_source source = {.file = "f", .file_text = VIEW_LIT("")};
    struct settings *settings = settings_read(&source);
    struct network network = network_of(settings);
    struct addr local = addr_v4(192, 168, 1, 5, 5060), inside = addr_v4(192, 168, 1, 9, 5060);
    struct addr outside = addr_v4(198, 51, 100, 9, 5060), told;
    network.external[0] = addr_v4(203, 0, 113, 7, 0);
    network.mapped[1] = addr_v4(203, 0, 113, 7, 40001);
    told = network_advertise(&network, 1, &local, &outside);
    CHECK_TEXT(addr_print(&told).s, "203.0.113.7:40001");
    told = network_advertise(&network, 0, &local, &outside);
    CHECK_TEXT(addr_print(&told).s, "203.0.113.7:5060");
    told = network_advertise(&network, 1, &local, &inside);
    CHECK_TEXT(addr_print(&told).s, "192.168.1.5:5060");
    network.behind_nat = false;
    told = network_advertise(&network, 1, &local, &outside);
    CHECK_TEXT(addr_print(&told).s, "192.168.1.5:5060");
    settings_destroy(settings);
}

int main(void)
{
    RUN(test_table);
    RUN(test_mapped);
    return tap_done();
}
