/* test_sip_dialog: where requests in a dialog go, and what a dialog learns from its peer.
 * Not here: the life of a call (test_sip_engine.c).
 * RFC 3261 §12.1.1, 12.2.1.1, 9.2, 13.3.1.4; RFC 3311 §4; RFC 4028 §10; RFC 7989. */
#include "sip_peer.h"

struct call {
    struct peer *p;
    uint64_t id;
    char tag[64];
};

/* An INVITE from the peer's flow with these lines, answered 200 and, when acked, acknowledged. */
static struct call start(struct sip_flow flow, const char *uri, const char *lines, bool acked)
{
    struct call c = {.p = peer_create()};
    struct sip_answer ok = {.status = 200};
    char text[4096];
    c.p->flow = flow;
    snprintf(text, sizeof(text),
             "INVITE %s SIP/2.0\n%sFrom: <sip:a@example.com>;tag=a1\nTo: <sip:b@example.com>\n"
             "Call-ID: d1\nCSeq: 1 INVITE\nContent-Length: 0\n\n",
             uri, lines);
    peer_input(c.p, text);
    c.id = c.p->events[0].dialog;
    CHECK(sip_answer(c.p->sip, c.p->now, c.p->events[0].request, &ok));
    peer_pull(c.p);
    snprintf(c.tag, sizeof(c.tag), "%s", sent_to_tag(c.p));
    if (acked) {
        snprintf(
            text, sizeof(text),
            "ACK %s SIP/2.0\n%sFrom: <sip:a@example.com>;tag=a1\nTo: <sip:b@example.com>;tag=%s\n"
            "Call-ID: d1\nCSeq: 1 ACK\nContent-Length: 0\n\n",
            uri, lines, c.tag);
        peer_input(c.p, text);
        CHECK(has_event(c.p, SIP_EVENT_ACK)); /* under the INVITE's own branch, as some do */
    }
    return c;
}

static struct sip_flow udp_flow(struct addr peer)
{
    return (struct sip_flow){.listener = 1,
                             .protocol = SIP_PROTOCOL_UDP,
                             .local = addr_v4(198, 51, 100, 20, 5060),
                             .advertised = addr_v4(198, 51, 100, 20, 5060),
                             .peer = peer};
}

#define VIA         "Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKd\n"
#define PRIVATE_VIA "Via: SIP/2.0/UDP 10.0.0.5;branch=z9hG4bKd\n"

static const struct {
    const char *lines, *uri, *has, *to;
    bool private_peer;
} paths[] = {
    {VIA "Contact: <sip:a@192.0.2.77:5070>\n", "a@192.0.2.77:5070", "", "192.0.2.77:5070", false},
    {VIA "Contact: <sip:a@192.0.2.77>\n", "a@192.0.2.77", "", "192.0.2.77:5060", false},
    {VIA "Contact: <sip:a@src.example.com>\n", "a@src.example.com", "", "192.0.2.10:40000", false},
    /* behind a NAT only the way it came leads back */
    {PRIVATE_VIA "Contact: <sip:a@203.0.113.9>\n", "a@203.0.113.9", "", "192.0.2.10:40000", false},
    {VIA "Contact: <sip:a@10.0.0.5>\n", "a@10.0.0.5", "", "192.0.2.10:40000", false},
    {PRIVATE_VIA "Contact: <sip:a@10.0.0.9>\n", "a@10.0.0.9", "", "10.0.0.9:5060", true},
    {VIA "Contact: <sip:a@0.0.0.0>\n", "a@0.0.0.0", "", "192.0.2.10:40000", false},
    {VIA "Contact: <sip:a@192.0.2.77;transport=tcp>\n", "a@192.0.2.77;transport=tcp", "",
     "192.0.2.10:40000", false},
    /* CUBE 15.6 wrote this */
    {VIA "Contact: <sip192.168.33.1:5060>\n", "192.0.2.10:40000", "", "192.0.2.10:40000", false},
    {VIA, "192.0.2.10:40000", "", "192.0.2.10:40000", false},
    /* §12.2.1.1: a loose and a strict router */
    {VIA "Contact: <sip:a@192.0.2.77>\nRecord-Route: <sip:192.0.2.3:5090;lr>\n", "a@192.0.2.77",
     "Route: <sip:192.0.2.3:5090;lr>\r\n", "192.0.2.3:5090", false},
    {VIA "Contact: <sip:a@192.0.2.77>\nRecord-Route: <sip:192.0.2.3:5090>, <sip:192.0.2.4;lr>\n",
     "192.0.2.3:5090", "Route: <sip:192.0.2.4;lr>\r\nRoute: <sip:a@192.0.2.77>\r\n",
     "192.0.2.3:5090", false},
};

static void test_paths(void)
{
    for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
        struct addr peer =
            paths[i].private_peer ? addr_v4(10, 0, 0, 5, 40000) : addr_v4(192, 0, 2, 10, 40000);
        struct call c = start(udp_flow(peer), "sip:b@example.com", paths[i].lines, true);
        char line[256];
        sip_bye(c.p->sip, c.p->now, c.id, VIEW_NONE);
        peer_pull(c.p);
        snprintf(line, sizeof(line), "BYE sip:%s SIP/2.0\r\n", paths[i].uri);
        CHECK(sent_has(c.p, line));
        CHECK(sent_has(c.p, paths[i].has));
        CHECK_TEXT(addr_print(&c.p->sent_flow.peer).s, paths[i].to);
        peer_destroy(c.p);
    }
}

static void test_allow(void)
{
    static const struct {
        const char *lines;
        bool want;
    } cases[] = {{VIA "Allow: INVITE, ACK, UPDATE\n", true},
                 {VIA "Allow: INVITE\nAllow: update\n", true},
                 {VIA "Allow: INVITE\n", false},
                 {VIA, false}};
    for (size_t i = 0; i < 4; i++) {
        struct call c = start(udp_flow(addr_v4(192, 0, 2, 10, 5060)), "sip:b@example.com",
                              cases[i].lines, true);
        struct sip_dialog_facts facts = {0};
        CHECK(sip_dialog_facts(c.p->sip, c.id, &facts));
        CHECK_INT(facts.peer_allows_update, cases[i].want);
        CHECK(facts.confirmed && facts.acknowledged);
        CHECK_VIEW(facts.remote_tag, "a1");
        peer_destroy(c.p);
    }
}

/* §12.1.1: sips begets sips. */
static void test_secure_contact(void)
{
    struct sip_flow flow = udp_flow(addr_v4(192, 0, 2, 10, 41000));
    flow.protocol = SIP_PROTOCOL_TLS;
    flow.id = 4;
    struct call c =
        start(flow, "sips:b@example.com", "Via: SIP/2.0/TLS 192.0.2.10;branch=z9hG4bKd\n", false);
    CHECK(sent_has(c.p, "Contact: <sips:198.51.100.20:5060;transport=tls>;+sip.srs\r\n"));
    peer_destroy(c.p);
}

/* RFC 7989: ours before, theirs as remote; nothing to who does not know it. */
static void test_session_id(void)
{
    struct sip_flow flow = udp_flow(addr_v4(192, 0, 2, 10, 5060));
    struct call c = start(
        flow, "sip:b@example.com",
        VIA
        "Session-ID: ab30317f1a784dc48ff824d0d3715d86;remote=00000000000000000000000000000000\n",
        false);
    CHECK(sent_has(c.p, ";remote=ab30317f1a784dc48ff824d0d3715d86\r\n"));
    peer_destroy(c.p);
    c = start(flow, "sip:b@example.com", VIA, false);
    CHECK(strstr(c.p->sent, "Session-ID") == NULL);
    peer_destroy(c.p);
}

/* §9.2: a CANCEL after the final answer changes nothing. */
static void test_late_cancel(void)
{
    struct call c = start(udp_flow(addr_v4(192, 0, 2, 10, 5060)), "sip:b@example.com", VIA, false);
    peer_input(c.p, "CANCEL sip:b@example.com SIP/2.0\n" VIA
                    "From: <sip:a@example.com>;tag=a1\nTo: <sip:b@example.com>\n"
                    "Call-ID: d1\nCSeq: 1 CANCEL\nContent-Length: 0\n\n");
    CHECK_INT(c.p->sent_count, 1);
    CHECK_INT(sent_status(c.p), 200);
    CHECK(sent_has(c.p, "CSeq: 1 CANCEL\r\n"));
    CHECK_INT(c.p->event_count, 0);
    CHECK_INT(sip_dialog_count(c.p->sip), 1);
    peer_destroy(c.p);
}

/* Metadata in an INFO is taken whatever package it names;
 * other packages get 469 (RFC 6086 §4.2.2). */
static void test_info_package(void)
{
    struct call c = start(udp_flow(addr_v4(192, 0, 2, 10, 5060)), "sip:b@example.com", VIA, true);
    char text[2048];
    snprintf(
        text, sizeof(text),
        "INFO sip:b@example.com SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bKi\n"
        "From: <sip:a@example.com>;tag=a1\nTo: <sip:b@example.com>;tag=%s\nCall-ID: d1\nCSeq: 2 "
        "INFO\n"
        "Info-Package: siprec\nContent-Type: application/rs-metadata\nContent-Length: 4\n\n<a/>",
        c.tag);
    peer_input(c.p, text);
    CHECK_INT(sent_status(c.p), 200);
    CHECK(has_event(c.p, SIP_EVENT_INFO));
    peer_destroy(c.p);
}

/* RFC 4028 §10: nobody answers our refresh. */
static void test_refresh_unanswered(void)
{
    struct call c = start(udp_flow(addr_v4(192, 0, 2, 10, 5060)), "sip:b@example.com",
                          VIA "Contact: <sip:a@192.0.2.10>\nSupported: timer\n"
                              "Session-Expires: 1800;refresher=uas\n",
                          true);
    peer_at(c.p, 900000);
    CHECK(sent_has(c.p, "UPDATE sip:a@192.0.2.10 SIP/2.0\r\n"));
    for (int64_t ms = 900000; ms <= 932000; ms += 500) {
        peer_at(c.p, ms);
        if (has_event(c.p, SIP_EVENT_ENDING))
            break;
    }
    CHECK_INT(c.p->events[0].end, SIP_END_NO_ANSWER);
    CHECK(sent_has(c.p, "BYE sip:a@192.0.2.10 SIP/2.0\r\n"));
    peer_destroy(c.p);
}

/* RFC 4475 §3.2.1: a branch that is only the cookie identifies nothing. */
static void test_bare_branch(void)
{
    struct peer *p = peer_create();
    for (int i = 0; i < 2; i++) {
        char text[1024];
        snprintf(text, sizeof(text),
                 "OPTIONS sip:b@example.com SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK\n"
                 "From: <sip:a@example.com>;tag=a%d\nTo: <sip:b@example.com>\nCall-ID: c%d\nCSeq: "
                 "1 OPTIONS\n\n",
                 i, i);
        peer_input(p, text);
        CHECK(has_event(p, SIP_EVENT_OPTIONS));
        CHECK(sent_has(p, i ? "Call-ID: c1\r\n" : "Call-ID: c0\r\n"));
    }
    peer_destroy(p);
}

int main(void)
{
    RUN(test_paths);
    RUN(test_allow);
    RUN(test_secure_contact);
    RUN(test_session_id);
    RUN(test_late_cancel);
    RUN(test_info_package);
    RUN(test_refresh_unanswered);
    RUN(test_bare_branch);
    return tap_done();
}
