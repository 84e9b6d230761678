/* test_sip_transport: the engine on connections and with messages of every size: what TCP does to
 * framing, what happens when peers close, stall, flood, or send more than we take.
 * Not here: cutting bytes alone (test_sip_stream.c).
 * RFC 3261 §18; RFC 5626 §4.4.1. */
#include "sip_peer.h"

static struct peer *tcp_peer(uint32_t dialogs)
{
    struct sip_config config = peer_config(3);
    config.dialogs_max = dialogs;
    config.connections_max = 2;
    config.body_max = 1000;
    struct peer *p = peer_create_with(&config);
    p->flow.protocol = SIP_PROTOCOL_TCP;
    p->flow.id = 1;
    return p;
}

static size_t print_invite(char *text, size_t size, unsigned n, const char *call_id)
{
    return (size_t)snprintf(
        text, size,
        "INVITE sip:198.51.100.20 SIP/2.0\r\n"
        "Via: SIP/2.0/TCP 192.0.2.10:5060;branch=z9hG4bK-%u\r\n"
        "From: <sip:a@example.com>;tag=a%u\r\nTo: <sip:198.51.100.20>\r\n"
        "Call-ID: %s\r\nCSeq: 1 INVITE\r\nContact: <sip:a@192.0.2.10;transport=tcp>\r\n"
        "Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n",
        n, n, call_id);
}

static void test_many_dialogs(void)
{
    struct peer *p = tcp_peer(100);
    static char all[100000];
    size_t len = 0;
    for (unsigned i = 0; i < 100; i++) {
        char id[16];
        snprintf(id, sizeof(id), "call-%u", i);
        len += print_invite(all + len, sizeof(all) - len, i, id);
    }
    for (size_t at = 0; at < len; at += 777)
        sip_input_stream(p->sip, p->now, &p->flow, view_take(view_of(all + at, len - at), 777));
    int invites = 0;
    struct sip_event e;
    struct sip_answer ok = {.status = 200};
    while (sip_event(p->sip, &e))
        if (e.kind == SIP_EVENT_INVITE) {
            invites++;
            CHECK(sip_answer(p->sip, p->now, e.request, &ok));
        }
    CHECK_INT(invites, 100);
    peer_pull(p);
    CHECK_INT(p->sent_count, 100);
    CHECK_INT(p->sent_flow.id, 1);
    CHECK_INT(sip_dialog_count(p->sip), 100);
    peer_destroy(p);
}

static void test_byte_by_byte(void)
{
    struct peer *p = tcp_peer(4);
    char text[2048];
    size_t n = print_invite(text, sizeof(text), 1, "slow");
    for (size_t i = 0; i < n; i++) {
        sip_input_stream(p->sip, p->now, &p->flow, view_of(text + i, 1));
        peer_pull(p);
        CHECK_INT(p->event_count, i == n - 1 ? 1 : 0);
    }
    CHECK_TEXT(p->body, "v=0\r\n");
    peer_destroy(p);
}

static void test_ping(void)
{
    struct peer *p = tcp_peer(4);
    sip_input_stream(p->sip, p->now, &p->flow, VIEW_LIT("\r\n\r\n"));
    peer_pull(p);
    CHECK_TEXT(p->sent, "\r\n");
    CHECK_INT(p->sent_flow.id, 1);
    peer_destroy(p);
}

static void test_body_too_large(void)
{
    struct peer *p = tcp_peer(4);
    char text[8192];
    size_t n = (size_t)snprintf(
        text, sizeof(text),
        "INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.10;branch=z9hG4bK-x\r\n"
        "From: <sip:a@b>;tag=1\r\nTo: <sip:b@c>\r\nCall-ID: big\r\nCSeq: 1 INVITE\r\n"
        "Content-Type: application/sdp\r\nContent-Length: 1001\r\n\r\n");
    memset(text + n, 'x', 1001);
    n += 1001;
    n += print_invite(text + n, sizeof(text) - n, 2, "next");
    sip_input_stream(p->sip, p->now, &p->flow, view_of(text, n));
    peer_pull(p);
    CHECK_INT(sent_status(p), 413);
    CHECK_INT(p->event_count, 2);
    CHECK_INT(p->events[0].kind, SIP_EVENT_REFUSED);
    CHECK_INT(p->events[0].status, 413);
    CHECK_INT(p->events[1].kind, SIP_EVENT_INVITE); /* the connection goes on */
    CHECK_INT(p->closed, 0);
    peer_destroy(p);
}

static void test_no_length(void)
{
    struct peer *p = tcp_peer(4);
    sip_input_stream(
        p->sip, p->now, &p->flow,
        VIEW_LIT("INVITE sip:a@b SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.10;branch=z9hG4bK-x\r\n"
                 "From: <sip:a@b>;tag=1\r\nTo: <sip:b@c>\r\nCall-ID: nolen\r\nCSeq: 1 INVITE\r\n"
                 "Content-Type: application/sdp\r\n\r\nv=0\r\n"));
    peer_pull(p);
    CHECK_INT(sent_status(p), 400);
    CHECK(sent_has(p, "SIP/2.0 400 Missing Content-Length\r\n"));
    CHECK_INT(p->closed, 1);
    peer_destroy(p);
}

/* A Content-Length that never comes true must not hold the connection for ever. */
static void test_stalled(void)
{
    struct peer *p = tcp_peer(4);
    char text[2048];
    size_t n = print_invite(text, sizeof(text), 1, "stalled");
    sip_input_stream(p->sip, p->now, &p->flow, view_of(text, n - 1));
    peer_at(p, 31999);
    CHECK_INT(p->closed, 0);
    peer_at(p, 32000);
    CHECK_INT(sent_status(p), 400);
    CHECK_INT(p->closed, 1);
    sip_flow_closed(p->sip, p->now, &p->flow);
    peer_pull(p);
    CHECK(tick_is_never(sip_deadline(p->sip)));
    peer_destroy(p);
}

static void test_garbage(void)
{
    struct peer *p = tcp_peer(4);
    sip_input_stream(p->sip, p->now, &p->flow, VIEW_LIT("GET / HTTP/1.1\r\nHost: x\r\n\r\n"));
    peer_pull(p);
    CHECK_INT(p->sent_count, 0);
    peer_destroy(p);
}

static void test_too_many_connections(void)
{
    struct peer *p = tcp_peer(4);
    char text[2048];
    size_t n = print_invite(text, sizeof(text), 1, "x");
    for (uint64_t id = 1; id <= 3; id++) {
        p->flow.id = id;
        sip_input_stream(p->sip, p->now, &p->flow, view_of(text, 10));
        peer_pull(p);
        CHECK_INT(p->closed, id == 3);
    }
    (void)n;
    peer_destroy(p);
}

/* The BYE goes down the connection its call came on, and after its end to where Contact says. */
static void test_reuse(void)
{
    for (int gone = 0; gone < 2; gone++) {
        struct peer *p = tcp_peer(4);
        char text[2048];
        p->flow.peer.port = 49152;
        sip_input_stream(p->sip, p->now, &p->flow,
                         view_of(text, print_invite(text, sizeof(text), 1, "x")));
        peer_pull(p);
        uint64_t id = p->events[0].dialog;
        struct sip_answer ok = {.status = 200};
        CHECK(sip_answer(p->sip, p->now, p->events[0].request, &ok));
        peer_pull(p);
        if (gone)
            sip_flow_closed(p->sip, p->now, &p->flow);
        sip_bye(p->sip, p->now, id, VIEW_NONE);
        for (int i = 0; i <= 32; i++) /* no ACK comes */
            peer_at(p, i * 1000);
        CHECK(sent_has(p, "BYE sip:a@192.0.2.10;transport=tcp SIP/2.0\r\n"));
        CHECK_INT(p->sent_flow.id, gone ? 0 : 1);
        CHECK_INT(p->sent_flow.peer.port, gone ? 5060 : 49152);
        peer_destroy(p);
    }
}

static void test_64k_datagram(void)
{
    struct peer *p = peer_create();
    static char text[70000];
    size_t head = print_invite(text, sizeof(text), 1, "large") - 5;
    char *length = strstr(text, "Content-Length: 5");
    memcpy(length, "l: 60000         ", 17);
    memset(text + head, 'm', 60000);
    memcpy(strstr(text, "/TCP"), "/UDP", 4);
    sip_input_datagram(p->sip, p->now, &p->flow, view_of(text, head + 60000), false);
    peer_pull(p);
    CHECK_INT(p->events[0].kind, SIP_EVENT_INVITE);
    CHECK_INT(strlen(p->body), 60000);
    /* the same, cut on its way */
    memcpy(strstr(text, "z9hG4bK-1"), "z9hG4bK-2", 9);
    int64_t before = metric_value(METRIC_SIP_TRUNCATED);
    sip_input_datagram(p->sip, p->now, &p->flow, view_of(text, 1472), false);
    peer_pull(p);
    CHECK_INT(sent_status(p), 400);
    CHECK_INT(metric_value(METRIC_SIP_TRUNCATED), before + 1);
    peer_destroy(p);
}

/* 10,000 bytes of anything but line ends: the dialog must work like any other. */
static void test_strange_call_id(void)
{
    struct peer *p = peer_create();
    static char id[10001], text[40000];
    for (size_t i = 0; i < 10000; i++)
        id[i] = "a/../b\\%n\xff\xfe\xc3\x28;<>\""[i % 17];
    size_t n = print_invite(text, sizeof(text), 1, id);
    memcpy(strstr(text, "/TCP"), "/UDP", 4);
    sip_input_datagram(p->sip, p->now, &p->flow, view_of(text, n), false);
    peer_pull(p);
    CHECK_INT(p->events[0].kind, SIP_EVENT_INVITE);
    struct sip_dialog_facts facts;
    CHECK(sip_dialog_facts(p->sip, p->events[0].dialog, &facts));
    CHECK(view_equal(facts.call_id, view_of(id, 10000)));
    struct sip_answer ok = {.status = 200};
    CHECK(sip_answer(p->sip, p->now, p->events[0].request, &ok));
    peer_pull(p);
    CHECK(sent_has(p, id));
    n = (size_t)snprintf(text, sizeof(text),
                         "BYE sip:a@b SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK-9\r\n"
                         "From: <sip:a@example.com>;tag=a1\r\nTo: <sip:198.51.100.20>;tag=%s\r\n"
                         "Call-ID: %s\r\nCSeq: 2 BYE\r\n\r\n",
                         sent_to_tag(p), id);
    sip_input_datagram(p->sip, p->now, &p->flow, view_of(text, n), false);
    peer_pull(p);
    CHECK_INT(sent_status(p), 200);
    CHECK(has_event(p, SIP_EVENT_ENDED));
    peer_destroy(p);
}

static void test_keepalive_datagrams(void)
{
    struct peer *p = peer_create();
    static const char *const texts[] = {"\r\n\r\n", "\r\n", "", "\n"};
    for (size_t i = 0; i < 4; i++) {
        sip_input_datagram(p->sip, p->now, &p->flow, view_of_string(texts[i]), false);
        peer_pull(p);
        CHECK_INT(p->sent_count + p->event_count, 0);
    }
    peer_destroy(p);
}

int main(void)
{
    RUN(test_many_dialogs);
    RUN(test_byte_by_byte);
    RUN(test_ping);
    RUN(test_body_too_large);
    RUN(test_no_length);
    RUN(test_stalled);
    RUN(test_garbage);
    RUN(test_too_many_connections);
    RUN(test_reuse);
    RUN(test_64k_datagram);
    RUN(test_strange_call_id);
    RUN(test_keepalive_datagrams);
    return tap_done();
}
