/* test_sip_via: where responses go and what becomes of the Via lines.
 * Not here: connections that are gone (test_sip_engine.c).
 * RFC 3261 §18.2.1, 18.2.2; RFC 3581 §4. */
#include "sip/via.h"
#include "tap.h"

static struct sip_message *parse(const char *via)
{
    char text[2048];
    snprintf(text, sizeof(text),
             "OPTIONS sip:a@b SIP/2.0\r\n%sFrom: <sip:a@b>;tag=1\r\nTo: <sip:a@b>\r\nCall-ID: c\r\n"
             "CSeq: 1 OPTIONS\r\n\r\n",
             via);
    return sip_message_parse(view_of_string(text), SIP_MESSAGE_DATAGRAM);
}

static const struct route_case {
    const char *via;
    enum sip_force_rport force;
    const char *to; /* source is 192.0.2.10:40000 */
} routes[] = {
    {"192.0.2.10:5062;branch=z9hG4bK1", SIP_FORCE_RPORT_AUTO, "192.0.2.10:5062"},
    {"192.0.2.10;branch=z9hG4bK1", SIP_FORCE_RPORT_AUTO, "192.0.2.10:5060"},
    {"192.0.2.10:5062;rport;branch=z9hG4bK1", SIP_FORCE_RPORT_AUTO, "192.0.2.10:40000"},
    {"192.0.2.10:5062;rport;branch=z9hG4bK1", SIP_FORCE_RPORT_FALSE, "192.0.2.10:40000"},
    {"192.0.2.10:5062;branch=z9hG4bK1", SIP_FORCE_RPORT_TRUE, "192.0.2.10:40000"},
    {"src.example.com:5062;branch=z9hG4bK1", SIP_FORCE_RPORT_AUTO, "192.0.2.10:5062"},
    {"203.0.113.9:5062;branch=z9hG4bK1", SIP_FORCE_RPORT_AUTO, "192.0.2.10:5062"},
    {"10.1.2.3:5062;branch=z9hG4bK1", SIP_FORCE_RPORT_AUTO, "192.0.2.10:40000"},
    {"10.1.2.3:5062;branch=z9hG4bK1", SIP_FORCE_RPORT_FALSE, "192.0.2.10:5062"},
    {"100.64.2.3:5062;branch=z9hG4bK1", SIP_FORCE_RPORT_AUTO, "192.0.2.10:40000"},
    {"[fd00::1]:5062;branch=z9hG4bK1", SIP_FORCE_RPORT_AUTO, "192.0.2.10:40000"},
    {"192.0.2.10:5062;maddr=198.51.100.7;branch=z9hG4bK1", SIP_FORCE_RPORT_AUTO,
     "198.51.100.7:5062"},
};

static void test_route(void)
{
    struct sip_flow from = {.protocol = SIP_PROTOCOL_UDP, .peer = addr_v4(192, 0, 2, 10, 40000)};
    for (size_t i = 0; i < sizeof(routes) / sizeof(routes[0]); i++) {
        char via[256];
        snprintf(via, sizeof(via), "Via: SIP/2.0/UDP %s\r\n", routes[i].via);
        struct sip_message *m = parse(via);
        struct sip_flow to = sip_via_route(&m->via, &from, routes[i].force);
        CHECK_TEXT(addr_print(&to.peer).s, routes[i].to);
        sip_message_release(m);
    }
    from.protocol = SIP_PROTOCOL_TCP;
    from.id = 9;
    struct sip_message *m = parse("Via: SIP/2.0/TCP 192.0.2.10:5062;branch=z9hG4bK1\r\n");
    struct sip_flow to = sip_via_route(&m->via, &from, SIP_FORCE_RPORT_AUTO);
    CHECK_INT(to.id, 9);
    CHECK_INT(to.peer.port, 40000);
    struct addr again = sip_via_reconnect(&m->via, &from);
    CHECK_TEXT(addr_print(&again).s, "192.0.2.10:5062");
    sip_message_release(m);
}

static const struct {
    const char *via, *want; /* source is 192.0.2.10:40000 */
} copies[] = {
    {"Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK1\r\n",
     "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK1\r\n"},
    {"v:SIP / 2.0 / UDP  192.0.2.10 ; branch = z9hG4bK1;x=\"a;b\"\r\n",
     "v:SIP / 2.0 / UDP  192.0.2.10 ; branch = z9hG4bK1;x=\"a;b\"\r\n"},
    {"Via: SIP/2.0/UDP src.example.com;branch=z9hG4bK1\r\n",
     "Via: SIP/2.0/UDP src.example.com;branch=z9hG4bK1;received=192.0.2.10\r\n"},
    {"Via: SIP/2.0/UDP 192.0.2.10;rport;branch=z9hG4bK1\r\n",
     "Via: SIP/2.0/UDP 192.0.2.10;rport=40000;branch=z9hG4bK1;received=192.0.2.10\r\n"},
    {"Via: SIP/2.0/UDP 10.0.0.1;received=1.2.3.4;branch=z9hG4bK1;RPORT, SIP/2.0/TCP b;rport\r\n"
     "Via: SIP/2.0/UDP c;received=5.6.7.8\r\n",
     "Via: SIP/2.0/UDP 10.0.0.1;branch=z9hG4bK1;rport=40000;received=192.0.2.10, SIP/2.0/TCP "
     "b;rport\r\n"
     "Via: SIP/2.0/UDP c;received=5.6.7.8\r\n"},
    {"Via: SIP/2.0/UDP 192.0.2.10\r\n ;branch=z9hG4bK1\r\n",
     "Via: SIP/2.0/UDP 192.0.2.10\r\n ;branch=z9hG4bK1\r\n"},
    {"Via: SIP/2.0/UDP 192.0.2.10\n ;branch=z9hG4bK1\n",
     "Via: SIP/2.0/UDP 192.0.2.10\r\n ;branch=z9hG4bK1\r\n"},
};

static void test_copy(void)
{
    struct sip_flow from = {.protocol = SIP_PROTOCOL_UDP, .peer = addr_v4(192, 0, 2, 10, 40000)};
    for (size_t i = 0; i < sizeof(copies) / sizeof(copies[0]); i++) {
        char out[1024];
        struct writer w = writer_of(out, sizeof(out));
        struct sip_message *m = parse(copies[i].via);
        CHECK(m->via.valid);
        sip_via_write(&w, m, &from);
        CHECK_VIEW(writer_done(&w), copies[i].want);
        sip_message_release(m);
    }
}

/* RFC 5118 §4.5: received takes an IPv6 address without brackets; sent-by has them. */
static void test_ipv6(void)
{
    struct sip_flow from = {.protocol = SIP_PROTOCOL_UDP};
    char out[1024];
    CHECK(addr_parse(VIEW_LIT("[2001:db8::5]:40000"), 0, &from.peer));
    struct sip_message *m = parse("Via: SIP/2.0/UDP [2001:db8::9]:5062;branch=z9hG4bK1\r\n");
    struct writer w = writer_of(out, sizeof(out));
    struct sip_flow to = sip_via_route(&m->via, &from, SIP_FORCE_RPORT_AUTO);
    sip_via_write(&w, m, &from);
    CHECK_VIEW(writer_done(&w), "Via: SIP/2.0/UDP [2001:db8::9]:5062;branch=z9hG4bK1;"
                                "received=2001:db8::5\r\n");
    CHECK_TEXT(addr_print(&to.peer).s, "[2001:db8::5]:5062");
    sip_message_release(m);
    m = parse("Via: SIP/2.0/UDP [2001:DB8:0::5];branch=z9hG4bK1\r\n");
    w = writer_of(out, sizeof(out));
    sip_via_write(&w, m, &from);
    CHECK_VIEW(writer_done(&w), "Via: SIP/2.0/UDP [2001:DB8:0::5];branch=z9hG4bK1\r\n");
    sip_message_release(m);
}

/* RFC 3581 §4 and its examples in §6: what a response tells of where the request came from. */
static void test_seen(void)
{
    static const char *const cases[][2] = {
        {"10.1.1.1:4540;received=192.0.2.1;rport=9988;branch=z9hG4bKkjshdyff", "192.0.2.1:9988"},
        {"10.1.1.1:4540;rport=9988;branch=z9hG4bK1", "10.1.1.1:9988"},
        {"[2001:db8::9]:1;branch=z9hG4bK1;RPORT=7;Received=2001:db8::5", "[2001:db8::5]:7"},
        {"[2001:db8::9];branch=z9hG4bK1;rport = 7; received=[2001:db8::5]", "[2001:db8::5]:7"},
        {"10.1.1.1;received=192.0.2.1;branch=z9hG4bK1", NULL},
        {"10.1.1.1;received=192.0.2.1;rport;branch=z9hG4bK1", NULL},
        {"10.1.1.1;received=192.0.2.1;rport=99999;branch=z9hG4bK1", NULL},
        {"host.example;rport=5;branch=z9hG4bK1", NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char via[256];
        snprintf(via, sizeof via, "Via: SIP/2.0/TCP %s, SIP/2.0/UDP 192.0.2.77;rport=1\r\n",
                 cases[i][0]);
        struct sip_message *m = parse(via);
        struct addr seen = sip_via_seen(m);
        CHECK_TEXT(addr_is_set(&seen) ? addr_print(&seen).s : "", cases[i][1] ? cases[i][1] : "");
        sip_message_release(m);
    }
}

int main(void)
{
    RUN(test_seen);
    RUN(test_route);
    RUN(test_ipv6);
    RUN(test_copy);
    return tap_done();
}
