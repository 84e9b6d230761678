/* Tests of base/addr: text forms from RFC 5952 §4, ranges from RFC 6890. */
#include "base/addr.h"

#include "tap.h"

static struct addr parsed(const char *text)
{
    struct addr a = {0};
    CHECK(addr_parse(view_of_string(text), 0, &a));
    return a;
}

static void test_text_forms(void)
{
    struct addr a = parsed("192.0.2.1:5060");
    CHECK_TEXT(addr_print(&a).s, "192.0.2.1:5060");
    CHECK_TEXT(addr_print_ip(&a).s, "192.0.2.1");
    a = parsed("[2001:DB8:0:0:1:0:0:1]:5060"); /* RFC 5952 §4.2.3 */
    CHECK_TEXT(addr_print(&a).s, "[2001:db8::1:0:0:1]:5060");
    CHECK_TEXT(addr_print_host(&a).s, "[2001:db8::1:0:0:1]");
    CHECK_TEXT(addr_print_ip(&a).s, "2001:db8::1:0:0:1");
    a = parsed("2001:db8::1");
    CHECK_INT(a.port, 0);
    CHECK_INT(a.family, ADDR_V6);
    a = (struct addr){0};
    CHECK_TEXT(addr_print(&a).s, "-");
}

static void test_what_is_no_address(void)
{
    struct addr a = addr_v4(1, 2, 3, 4, 5);
    const char *bad[] = {"",           "host",       "192.0.2",   "192.0.2.1:65536",
                         "192.0.2.1:", "[2001:db8:", "[::1]5060", "192.0.2.256",
                         ":5060",      "[::1]:x",    "1.2.3.4 ",  "192.0.2.1:-1"};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        if (!CHECK(!addr_parse(view_of_string(bad[i]), 0, &a)))
            printf("# %s was taken\n", bad[i]);
    }
    CHECK_INT(a.port, 5);
}

static void test_classes(void)
{
    static const struct {
        const char *text;
        char class; /* p private, l link-local, o loopback, m multicast, u unspecified, r reserved,
                       - none */
    } rows[] = {
        {"10.255.255.255", 'p'},
        {"11.0.0.0", '-'},
        {"172.16.0.1", 'p'},
        {"172.32.0.0", '-'},
        {"192.168.1.1", 'p'},
        {"100.64.0.1", 'p'},
        {"100.128.0.0", '-'},
        {"169.254.169.254", 'l'},
        {"127.255.0.1", 'o'},
        {"224.0.0.1", 'm'},
        {"255.255.255.255", 'm'},
        {"240.0.0.1", 'r'},
        {"0.0.0.0", 'u'},
        {"203.0.113.7", '-'},
        {"198.18.0.1", '-'},
        {"::", 'u'},
        {"::1", 'o'},
        {"fe80::1", 'l'},
        {"febf::1", 'l'},
        {"fec0::1", '-'},
        {"fd00::1", 'p'},
        {"fc00::", 'p'},
        {"ff02::1", 'm'},
        {"2001:db8::1", '-'},
        {"::ffff:10.0.0.1", 'p'},
        {"::ffff:127.0.0.1", 'o'},
        {"::ffff:169.254.169.254", 'l'},
        {"::ffff:0.0.0.0", 'u'},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct addr a = parsed(rows[i].text);
        char class = rows[i].class;
        int failed = tap_failed_checks;
        CHECK(addr_is_private(&a) == (class == 'p'));
        CHECK(addr_is_link_local(&a) == (class == 'l'));
        CHECK(addr_is_loopback(&a) == (class == 'o'));
        CHECK(addr_is_unspecified(&a) == (class == 'u'));
        CHECK(addr_is_multicast(&a) == (class == 'm'));
        CHECK(addr_is_reserved(&a) ==
              (class == 'r' || strcmp(rows[i].text, "255.255.255.255") == 0));
        if (tap_failed_checks != failed)
            printf("# at %s\n", rows[i].text);
    }
}

static void test_equality_and_keys(void)
{
    struct addr a = parsed("192.0.2.1:5060"), b = parsed("192.0.2.1:5061"), c = a;
    uint8_t ka[ADDR_KEY_SIZE], kb[ADDR_KEY_SIZE];
    CHECK(addr_equal(&a, &c));
    CHECK(!addr_equal(&a, &b));
    CHECK(addr_equal_ip(&a, &b));
    addr_key(&a, ka);
    addr_key(&b, kb);
    CHECK(memcmp(ka, kb, sizeof ka) != 0);
    struct addr mapped = addr_unmap(parsed("[::ffff:192.0.2.1]:5060"));
    CHECK(addr_equal(&a, &mapped));
}

static void test_prefixes(void)
{
    struct addr_prefix p;
    struct addr in = parsed("10.1.2.3:9"), out = parsed("10.2.0.0"), six = parsed("2001:db8:1::5");
    CHECK(addr_prefix_parse(VIEW_LIT("10.1.0.0/16"), &p));
    CHECK(addr_prefix_contains(&p, &in));
    CHECK(!addr_prefix_contains(&p, &out));
    CHECK(!addr_prefix_contains(&p, &six));
    CHECK(addr_prefix_parse(VIEW_LIT("10.2.0.0"), &p));
    CHECK_INT(p.bits, 32);
    CHECK(addr_prefix_contains(&p, &out));
    CHECK(addr_prefix_parse(VIEW_LIT("2001:db8::/33"), &p));
    CHECK(addr_prefix_contains(&p, &six));
    six.ip[4] = 0x80;
    CHECK(!addr_prefix_contains(&p, &six));
    CHECK(addr_prefix_parse(VIEW_LIT("0.0.0.0/0"), &p));
    CHECK(addr_prefix_contains(&p, &in));
    CHECK(!addr_prefix_parse(VIEW_LIT("10.0.0.0/33"), &p));
    CHECK(!addr_prefix_parse(VIEW_LIT("10.0.0.0/"), &p));
    CHECK(!addr_prefix_parse(VIEW_LIT("ten/8"), &p));
}

static void test_among_others(void)
{
    const struct addr list[] = {addr_v4(192, 0, 2, 1, 5060), addr_v4(192, 0, 2, 2, 0)};
    const struct addr second = addr_v4(192, 0, 2, 2, 4000), third = addr_v4(192, 0, 2, 3, 0);
    CHECK(addr_is_among(list, 2, &second) && !addr_is_among(list, 1, &second));
    CHECK(!addr_is_among(list, 2, &third) && !addr_is_among(NULL, 0, &third));
}

int main(void)
{
    RUN(test_text_forms);
    RUN(test_what_is_no_address);
    RUN(test_classes);
    RUN(test_equality_and_keys);
    RUN(test_prefixes);
    RUN(test_among_others);
    return tap_done();
}
