/* Whom nobody may make us send to: RFC 6890's ranges, plain and inside IPv6. */
#include "base/target.h"

#include "tap.h"

static struct addr ip(const char *text)
{
    struct addr a = {0};
    CHECK(addr_parse_ip(view_of_string(text), &a));
    a.port = 4000;
    return a;
}

static bool may(const char *signalled, bool listed, const char *to, bool named)
{
    struct target_rule rule = {.signalled = ip(signalled), .listed = listed};
    struct addr target = ip(to);
    return target_may_get(&rule, &target, named);
}

/* Even with a prefix of sip.allow around it. */
static void test_never(void)
{
    static const char *const never[] = {
        "0.0.0.0",
        "0.1.2.3",
        "127.0.0.1",
        "127.255.0.1",
        "169.254.169.254",
        "169.254.0.1",
        "224.0.0.1",
        "239.255.255.250",
        "240.0.0.1",
        "255.255.255.255",
        "100.100.100.200",
        "168.63.129.16",
        "192.0.0.192",
        "::",
        "::1",
        "fe80::1",
        "ff02::1",
        "fd00:ec2::254",
        /* mapped */
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "::ffff:0.0.0.0",
        "::ffff:224.0.0.1",
        "::ffff:255.255.255.255",
        /* NAT64 (RFC 6052 §2.1, RFC 8215) */
        "64:ff9b::127.0.0.1",
        "64:ff9b::169.254.169.254",
        "64:ff9b::240.0.0.1",
        "64:ff9b::0.0.0.0",
        "64:ff9b:1:a9fe:a9:fe00::",
        "64:ff9b:1::169.254.169.254",
        /* 6to4 (RFC 3056 §2) */
        "2002:7f00:1::1",
        "2002:a9fe:a9fe::1",
        "2002:e000:1::",
        /* IPv4-compatible (RFC 4291 §2.5.5.1) */
        "::127.0.0.1",
        "::169.254.169.254",
    };
    for (size_t i = 0; i < sizeof never / sizeof *never; i++) {
        bool any = may("192.0.2.1", true, never[i], true) ||
                   may("10.0.0.1", true, never[i], true) ||
                   may("2001:db8::1", true, never[i], true);
        if (!CHECK(!any))
            printf("# %s\n", never[i]);
    }
}

static void test_loopback_only_over_loopback(void)
{
    CHECK(may("127.0.0.1", true, "127.0.0.1", false));
    CHECK(may("127.0.0.1", false, "127.0.0.1", false));
    CHECK(may("127.0.0.1", true, "127.0.0.2", false));
    CHECK(!may("127.0.0.1", false, "127.0.0.2", false));
    CHECK(may("::1", true, "::1", false));
    CHECK(!may("127.0.0.1", true, "64:ff9b::127.0.0.1", false));
}

/* Its SIP's address alone, whatever its SDP says. */
static void test_unlisted(void)
{
    CHECK(may("192.0.2.1", false, "192.0.2.1", false));
    CHECK(!may("192.0.2.1", false, "192.0.2.2", false));
    CHECK(!may("192.0.2.1", false, "10.0.0.1", true));
    CHECK(may("10.0.0.1", false, "10.0.0.1", false));
    CHECK(!may("10.0.0.1", false, "10.0.0.2", false));
    CHECK(may("192.0.2.1", false, "::ffff:192.0.2.1", false));
}

static void test_listed(void)
{
    static const char *const private[] = {"10.9.9.9",     "172.31.0.1",       "192.168.1.1",
                                          "100.64.0.1",   "fd12::1",          "::ffff:10.0.0.1",
                                          "2002:a00:1::", "64:ff9b::10.0.0.1"};
    CHECK(may("192.0.2.1", true, "8.8.8.8", false));
    CHECK(may("192.0.2.1", true, "2001:db8::2", false));
    CHECK(may("192.0.2.1", true, "198.18.0.1", false)); /* benchmarks: labs use them */
    CHECK(may("192.0.2.1", true, "203.0.113.1", false));
    for (size_t i = 0; i < sizeof private / sizeof *private; i++) {
        CHECK(!may("192.0.2.1", true, private[i], false));
        CHECK(may("192.0.2.1", true, private[i], true));
        CHECK(may("192.168.7.7", true, private[i], false));
        CHECK(may("100.70.0.1", true, private[i], false));
    }
}

static bool ours(const char *told, const char *own)
{
    struct addr a = ip(told), b = ip(own);
    return target_may_be_ours(&a, &b);
}

/* What a server may tell us: RFC 8489 §14.2 lets it say anything. */
static void test_ours(void)
{
    static const char *const no[] = {"0.0.0.0",         "127.0.0.1",   "224.0.0.1", "240.0.0.1",
                                     "255.255.255.255", "2001:db8::1", "::"};
    struct addr unset = {0}, ip4 = ip("203.0.113.1"), ip6 = ip("2001:db8::1");
    for (size_t i = 0; i < sizeof no / sizeof *no; i++)
        CHECK(!ours(no[i], "10.0.0.7"));
    CHECK(!ours("::ffff:203.0.113.1", "2001:db8::7"));
    CHECK(!ours("ff02::1", "2001:db8::7"));
    CHECK(!ours("::1", "2001:db8::7"));
    CHECK(!ours("203.0.113.1", "2001:db8::7"));
    CHECK(ours("203.0.113.1", "10.0.0.7"));
    CHECK(ours("10.0.0.8", "10.0.0.7"));
    CHECK(ours("127.0.0.1", "127.0.0.1"));
    CHECK(ours("127.0.0.1", "0.0.0.0"));
    CHECK(target_may_be_ours(&ip4, &unset) && target_may_be_ours(&ip6, &unset));
    CHECK(!target_may_be_ours(&unset, &ip4));
}

int main(void)
{
    RUN(test_never);
    RUN(test_loopback_only_over_loopback);
    RUN(test_unlisted);
    RUN(test_listed);
    RUN(test_ours);
    return tap_done();
}
