/* test_sip_engine: the engine as a server: calls, repetitions, refusals, in integer time.
 * Not here: the client side (test_sip_client.c), torture messages (test_sip_torture.c).
 * RFC 3261 §8.2, 9, 12, 13, 14, 15, 17; RFC 3262, 3311, 4028, 6026, 6086. */
#include "sip_peer.h"

#define SDP "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\n"

static const char invite[] =
    "INVITE sip:198.51.100.20:5060 SIP/2.0\n"
    "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-1;rport\n"
    "Via: SIP/2.0/TCP p1.example.com;branch=z9hG4bK-0 ; received=10.0.0.1\n"
    "Record-Route: <sip:p2.example.com;lr>,<sip:p1.example.com;lr>\n"
    "From: \"Alice\" <sip:alice@example.com>;tag=a1\n"
    "To: <sip:198.51.100.20:5060>\n"
    "Call-ID: call-1@192.0.2.10\n"
    "CSeq: 5 INVITE\n"
    "Contact: <sip:alice@192.0.2.10:5062>;+sip.src\n"
    "Require: siprec\n"
    "Max-Forwards: 70\n"
    "Content-Type: application/sdp\n"
    "Content-Length: 37\n\n" SDP;

static void answer_ok(struct peer *p)
{
    struct sip_answer ok = {
        .status = 200, .content_type = VIEW("application/sdp"), .body = VIEW("v=0\r\n")};
    CHECK(sip_answer(p->sip, p->now, p->events[0].request, &ok));
    peer_pull(p);
}

static char dialog_tag[64];

/* A request in the dialog of the invite above. */
static void input_within(struct peer *p, const char *method, unsigned cseq, const char *more)
{
    char text[4096];
    static unsigned branch = 100;
    snprintf(text, sizeof(text),
             "%s sip:198.51.100.20:5060 SIP/2.0\n"
             "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-%u;rport\n"
             "From: \"Alice\" <sip:alice@example.com>;tag=a1\n"
             "To: <sip:198.51.100.20:5060>;tag=%s\n"
             "Call-ID: call-1@192.0.2.10\n"
             "CSeq: %u %s\n"
             "Max-Forwards: 70\n%s",
             method, branch++, dialog_tag, cseq, method, more);
    peer_input(p, text);
}

static struct peer *call_up(void)
{
    struct peer *p = peer_create();
    peer_input(p, invite);
    answer_ok(p);
    snprintf(dialog_tag, sizeof(dialog_tag), "%s", sent_to_tag(p));
    return p;
}

static struct peer *call_acked(void)
{
    struct peer *p = call_up();
    input_within(p, "ACK", 5, "Content-Length: 0\n\n");
    CHECK(has_event(p, SIP_EVENT_ACK));
    return p;
}

/* A 200 with a body of size bytes over UDP: its length. */
static size_t answer_of(size_t size, bool *has_accept)
{
    struct peer *p = peer_create();
    char body[2000];
    size_t len;
    memset(body, 'v', sizeof body);
    peer_input(p, invite);
    CHECK(sip_answer(p->sip, p->now, p->events[0].request,
                     &(struct sip_answer){.status = 200,
                                          .content_type = VIEW("application/sdp"),
                                          .body = view_of(body, size)}));
    peer_pull(p);
    *has_accept = strstr(p->sent, "\r\nAccept: ") != NULL;
    CHECK(strstr(p->sent, "\r\nAllow: ") && strstr(p->sent, "\r\nSupported: "));
    len = p->sent_len;
    peer_destroy(p);
    return len;
}

/* What need not be in a 200 is left out where it would make the datagram too long. */
static void test_brief_answer(void)
{
    bool has_accept;
    size_t head = answer_of(100, &has_accept) - 100;
    CHECK(has_accept);
    CHECK_INT(answer_of(1300 - head, &has_accept), 1300);
    CHECK(has_accept);
    CHECK(answer_of(1301 - head, &has_accept) <= 1200);
    CHECK(!has_accept);
}

static void test_invite_answer(void)
{
    struct peer *p = peer_create();
    peer_input(p, invite);
    CHECK_INT(p->event_count, 1);
    CHECK_INT(p->events[0].kind, SIP_EVENT_INVITE);
    CHECK_INT(p->trace_count, 1);
    CHECK_TEXT(p->body, SDP);
    CHECK_INT(p->sent_count, 0);
    answer_ok(p);
    CHECK_INT(p->sent_count, 1);
    CHECK_INT(sent_status(p), 200);
    CHECK(sent_has(
        p, "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-1;rport=5060;received=192.0.2.10\r\n"
           "Via: SIP/2.0/TCP p1.example.com;branch=z9hG4bK-0 ; received=10.0.0.1\r\n"));
    CHECK(sent_has(p, "Record-Route: <sip:p2.example.com;lr>,<sip:p1.example.com;lr>\r\n"));
    CHECK(sent_has(p, "From: \"Alice\" <sip:alice@example.com>;tag=a1\r\n"));
    CHECK(sent_has(p, "Call-ID: call-1@192.0.2.10\r\nCSeq: 5 INVITE\r\n"));
    CHECK(sent_has(p, "Contact: <sip:198.51.100.20:5060>;+sip.srs\r\n"));
    CHECK(sent_has(p, "Content-Type: application/sdp\r\nContent-Length: 5\r\n\r\nv=0\r\n"));
    CHECK(sent_has(p, "Allow: INVITE, ACK, CANCEL, BYE, OPTIONS, UPDATE, INFO, PRACK\r\n"));
    CHECK(strlen(sent_to_tag(p)) > 0);
    CHECK_INT(p->traced_sent, 1);
    peer_destroy(p);
}

/* §17.2.1: 100 after 200 ms, and not before. */
static void test_trying(void)
{
    struct peer *p = peer_create();
    peer_input(p, invite);
    peer_at(p, 199);
    CHECK_INT(p->sent_count, 0);
    peer_at(p, 200);
    CHECK_INT(sent_status(p), 100);
    peer_input(p, invite);
    CHECK_INT(sent_status(p), 100);
    CHECK_INT(p->event_count, 0);
    peer_destroy(p);
}

/* §13.3.1.4: T1, doubling to T2, until the ACK. */
static void test_2xx_repeated(void)
{
    struct peer *p = call_up();
    static const int due[] = {500, 1500, 3500, 7500, 11500, 15500, 19500, 23500, 27500, 31500};
    peer_input(p, invite); /* RFC 6026 §7.1: absorbed in Accepted */
    CHECK_INT(p->sent_count, 0);
    for (size_t i = 0; i < sizeof(due) / sizeof(due[0]); i++) {
        peer_at(p, due[i] - 1);
        CHECK_INT(p->sent_count, 0);
        peer_at(p, due[i]);
        CHECK_INT(p->sent_count, 1);
        CHECK_INT(sent_status(p), 200);
    }
    peer_at(p, 31999);
    CHECK_INT(p->event_count, 0);
    peer_at(p, 32000);
    CHECK(has_event(p, SIP_EVENT_ENDING));
    CHECK_INT(p->events[0].end, SIP_END_NO_ACK);
    CHECK(sent_has(p, "BYE sip:alice@192.0.2.10:5062 SIP/2.0\r\n"));
    CHECK(sent_has(p, "Route: <sip:p2.example.com;lr>\r\nRoute: <sip:p1.example.com;lr>\r\n"));
    CHECK(sent_has(p, "To: \"Alice\" <sip:alice@example.com>;tag=a1\r\n"));
    CHECK_INT(p->sent_flow.peer.port, 5060); /* the route names a host: back along the flow */
    peer_at(p, 64000);
    CHECK(has_event(p, SIP_EVENT_ENDED));
    CHECK_INT(sip_dialog_count(p->sip), 0);
    peer_destroy(p);
}

static void test_ack_stops(void)
{
    struct peer *p = call_up();
    input_within(p, "ACK", 5, "Content-Length: 0\n\n");
    CHECK(has_event(p, SIP_EVENT_ACK));
    CHECK_INT(p->trace_count, 1);
    peer_at(p, 500);
    CHECK_INT(p->sent_count, 0);
    input_within(p, "ACK", 5, "Content-Length: 0\n\n");
    CHECK_INT(p->event_count, 0);
    peer_destroy(p);
}

static void test_bye(void)
{
    struct peer *p = call_acked();
    input_within(p, "BYE", 6, "Reason: Q.850;cause=16\nContent-Length: 0\n\n");
    CHECK_INT(sent_status(p), 200);
    CHECK_INT(p->event_count, 2);
    CHECK_INT(p->events[0].kind, SIP_EVENT_BYE);
    CHECK_INT(p->events[1].kind, SIP_EVENT_ENDED);
    CHECK_INT(p->events[1].end, SIP_END_PEER_BYE);
    CHECK_INT(p->trace_count, 2);
    input_within(p, "BYE", 7, "Content-Length: 0\n\n");
    CHECK_INT(sent_status(p), 481);
    peer_destroy(p);
}

static void test_bye_before_ack(void)
{
    struct peer *p = call_up();
    input_within(p, "BYE", 6, "Content-Length: 0\n\n");
    CHECK_INT(sent_status(p), 200);
    CHECK(has_event(p, SIP_EVENT_ENDED));
    peer_at(p, 500);
    CHECK_INT(p->sent_count, 0);
    peer_destroy(p);
}

static void test_cancel(void)
{
    struct peer *p = peer_create();
    static const char cancel[] = "CANCEL sip:198.51.100.20:5060 SIP/2.0\n"
                                 "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-1;rport\n"
                                 "From: \"Alice\" <sip:alice@example.com>;tag=a1\n"
                                 "To: <sip:198.51.100.20:5060>\n"
                                 "Call-ID: call-1@192.0.2.10\n"
                                 "CSeq: 5 CANCEL\nContent-Length: 0\n\n";
    peer_input(p, cancel);
    CHECK_INT(sent_status(p), 481);
    peer_destroy(p);
    p = peer_create();
    peer_input(p, invite);
    uint64_t request = p->events[0].request;
    peer_input(p, cancel);
    CHECK_INT(p->sent_count, 2);
    CHECK_INT(sent_status(p), 487);
    CHECK_INT(p->events[0].kind, SIP_EVENT_CANCEL);
    CHECK_INT(p->events[1].kind, SIP_EVENT_ENDED);
    CHECK_INT(p->events[1].end, SIP_END_CANCELLED);
    struct sip_answer ok = {.status = 200};
    CHECK(!sip_answer(p->sip, p->now, request, &ok));
    /* timer G until the ACK */
    peer_at(p, 499);
    CHECK_INT(p->sent_count, 0);
    peer_at(p, 500);
    CHECK_INT(sent_status(p), 487);
    peer_input(p, "ACK sip:198.51.100.20:5060 SIP/2.0\n"
                  "Via: SIP/2.0/UDP 192.0.2.10:5060;branch=z9hG4bK-1;rport\n"
                  "From: \"Alice\" <sip:alice@example.com>;tag=a1\n"
                  "To: <sip:198.51.100.20:5060>;tag=x\n"
                  "Call-ID: call-1@192.0.2.10\nCSeq: 5 ACK\nContent-Length: 0\n\n");
    peer_at(p, 1500);
    CHECK_INT(p->sent_count, 0);
    peer_destroy(p);
}

static void test_unknown_dialog(void)
{
    struct peer *p = call_acked();
    snprintf(dialog_tag, sizeof(dialog_tag), "wrong");
    static const char *const methods[] = {"INVITE", "BYE", "UPDATE", "INFO", "OPTIONS", "PRACK"};
    for (size_t i = 0; i < 6; i++) {
        input_within(p, methods[i], 9, "Content-Length: 0\n\n");
        CHECK_INT(sent_status(p), 481);
    }
    input_within(p, "ACK", 9, "Content-Length: 0\n\n");
    CHECK_INT(p->sent_count, 0);
    peer_destroy(p);
}

static void test_cseq_low(void)
{
    struct peer *p = call_acked();
    input_within(p, "INFO", 4, "Content-Length: 0\n\n");
    CHECK_INT(sent_status(p), 500);
    CHECK_INT(p->event_count, 0);
    peer_destroy(p);
}

static void test_reinvite_and_glare(void)
{
    struct peer *p = call_acked();
    input_within(p, "INVITE", 6,
                 "Contact: <sip:alice@192.0.2.99:5070>\n"
                 "Content-Type: application/sdp\nContent-Length: 5\n\nv=0\r\n");
    CHECK_INT(p->events[0].kind, SIP_EVENT_REINVITE);
    uint64_t first = p->events[0].request;
    /* §14.2: a second one before the first is answered */
    input_within(p, "INVITE", 7, "Content-Type: application/sdp\nContent-Length: 5\n\nv=0\r\n");
    CHECK_INT(sent_status(p), 500);
    CHECK(sent_has(p, "Retry-After: "));
    struct sip_answer ok = {
        .status = 200, .content_type = VIEW("application/sdp"), .body = VIEW("v=0\r\n")};
    CHECK(sip_answer(p->sip, p->now, first, &ok));
    peer_pull(p);
    CHECK_INT(sent_status(p), 200);
    uint64_t dialog = p->event.dialog;
    (void)dialog;
    input_within(p, "ACK", 6, "Content-Length: 0\n\n");
    uint64_t id = p->events[0].dialog;
    struct sip_request re = {.method = SIP_METHOD_INVITE,
                             .content_type = VIEW("application/sdp"),
                             .body = VIEW("v=0\r\n")};
    CHECK(sip_request(p->sip, p->now, id, &re) != 0);
    peer_pull(p);
    CHECK(sent_has(p, "INVITE sip:alice@192.0.2.99:5070 SIP/2.0\r\n"));
    CHECK_INT(sip_request(p->sip, p->now, id, &re), 0);
    /* §14.2: ours is out */
    input_within(p, "INVITE", 8, "Content-Type: application/sdp\nContent-Length: 5\n\nv=0\r\n");
    CHECK_INT(sent_status(p), 491);
    input_within(p, "UPDATE", 9, "Content-Type: application/sdp\nContent-Length: 5\n\nv=0\r\n");
    CHECK_INT(sent_status(p), 491);
    peer_destroy(p);
}

static void test_update(void)
{
    struct peer *p = call_acked();
    input_within(p, "UPDATE", 6,
                 "Content-Type: application/rs-metadata+xml\nContent-Length: 4\n\n<a/>");
    CHECK_INT(p->events[0].kind, SIP_EVENT_UPDATE);
    CHECK_TEXT(p->body, "<a/>");
    uint64_t request = p->events[0].request;
    input_within(p, "UPDATE", 7, "Content-Length: 0\n\n"); /* RFC 3311 §5.2 */
    CHECK_INT(sent_status(p), 500);
    struct sip_answer ok = {.status = 200};
    CHECK(sip_answer(p->sip, p->now, request, &ok));
    peer_pull(p);
    CHECK_INT(sent_status(p), 200);
    CHECK(sent_has(p, "Contact: <sip:198.51.100.20:5060>;+sip.srs\r\n"));
    CHECK(!sip_answer(p->sip, p->now, request, &ok));
    peer_destroy(p);
}

static void test_info(void)
{
    struct peer *p = call_acked();
    input_within(p, "INFO", 6, "Info-Package: chess\nContent-Length: 0\n\n");
    CHECK_INT(sent_status(p), 469);
    input_within(p, "INFO", 7,
                 "Content-Type: application/rs-metadata+xml\nContent-Length: 4\n\n<a/>");
    CHECK_INT(sent_status(p), 200);
    CHECK_INT(p->events[0].kind, SIP_EVENT_INFO);
    CHECK_TEXT(p->body, "<a/>");
    peer_destroy(p);
}

static void test_options(void)
{
    struct peer *p = peer_create();
    static const char options[] = "OPTIONS sip:198.51.100.20:5060 SIP/2.0\n"
                                  "Via: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK-o%d\n"
                                  "From: <sip:t@example.com>;tag=x\nTo: <sip:198.51.100.20>\n"
                                  "Call-ID: ping\nCSeq: 1 OPTIONS\nContent-Length: 0\n\n";
    char text[1024];
    snprintf(text, sizeof(text), options, 1);
    p->flow.peer.port = 40000;
    peer_input(p, text);
    CHECK_INT(sent_status(p), 200);
    CHECK_INT(p->sent_flow.peer.port, 5060); /* §18.2.2: no rport asked, no port in the Via */
    CHECK(sent_has(p, "Accept: application/sdp, "));
    CHECK(sent_has(p, "Contact: "));
    CHECK(sent_has(p, "Supported: trickle-ice\r\n")); /* RFC 8840 §5 */
    CHECK(sent_has(p, "Recv-Info: trickle-ice\r\n"));
    sip_set_available(p->sip, false, 30);
    snprintf(text, sizeof(text), options, 2);
    peer_input(p, text);
    CHECK_INT(sent_status(p), 503);
    CHECK(sent_has(p, "Retry-After: 30\r\n"));
    peer_destroy(p);
}

static void test_refusals(void)
{
    static const struct {
        const char *line, *require, *method;
        int status;
        const char *has;
    } cases[] = {
        {"INVITE sip:a@b", "Require: siprec, foo, bar\n", "INVITE", 420,
         "Unsupported: foo, bar\r\n"},
        {"INVITE tel:+1", "", "INVITE", 416, ""},
        {"MESSAGE sip:a@b", "", "MESSAGE", 405, "Allow: INVITE"},
        {"REGISTER sip:a@b", "", "REGISTER", 405, "Allow: INVITE"},
        {"CHEESE sip:a@b", "", "CHEESE", 501, "Allow: INVITE"},
        {"INVITE sip:a@b", "", "BYE", 400, "SIP/2.0 400 CSeq Method Mismatch\r\n"},
        {"BYE sip:a@b", "", "BYE", 481, ""},
        {"INVITE sip:a@b", "Content-Length: 500\n", "INVITE", 400,
         "SIP/2.0 400 Message Truncated\r\n"},
        {"INVITE sip:a@b", "Session-Expires: 60\nSupported: timer\n", "INVITE", 422,
         "Min-SE: 90\r\n"},
        {"BYE sip:a@b", "Require: foo\n", "BYE", 420, "Unsupported: foo\r\n"},
        {"INVITE sip:a b", "", "INVITE", 400, ""},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct peer *p = peer_create();
        char text[2048];
        snprintf(text, sizeof(text),
                 "%s SIP/2.0\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK-%zu\n"
                 "From: <sip:t@example.com>;tag=x\nTo: <sip:198.51.100.20>\n"
                 "Call-ID: c%zu\nCSeq: 1 %s\nProxy-Require: privacy\n%s\n",
                 cases[i].line, i, i, cases[i].method, cases[i].require);
        peer_input(p, text);
        CHECK_INT(sent_status(p), cases[i].status);
        CHECK(sent_has(p, cases[i].has));
        if (strncmp(cases[i].line, "INVITE", 6) == 0)
            CHECK(has_event(p, SIP_EVENT_REFUSED));
        CHECK_INT(sip_dialog_count(p->sip), 0);
        peer_destroy(p);
    }
}

static void test_version(void)
{
    struct peer *p = peer_create();
    peer_input(p, "INVITE sip:a@b SIP/7.0\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK-1\n"
                  "From: <sip:t@example.com>;tag=x\nTo: <sip:b>\nCall-ID: c\nCSeq: 1 INVITE\n\n");
    CHECK_INT(sent_status(p), 505);
    peer_destroy(p);
}

/* §8.2.2.2 */
static void test_merged(void)
{
    struct peer *p = peer_create();
    peer_input(p, invite);
    char text[2048];
    snprintf(text, sizeof(text), "%s", invite);
    memcpy(strstr(text, "z9hG4bK-1"), "z9hG4bK-2", 9);
    peer_input(p, text);
    CHECK_INT(sent_status(p), 482);
    /* another From tag is another call */
    memcpy(strstr(text, "z9hG4bK-2"), "z9hG4bK-3", 9);
    memcpy(strstr(text, ";tag=a1"), ";tag=a2", 7);
    peer_input(p, text);
    CHECK_INT(p->events[0].kind, SIP_EVENT_INVITE);
    CHECK_INT(sip_dialog_count(p->sip), 2);
    peer_destroy(p);
}

static void test_full(void)
{
    struct sip_config config = peer_config(1);
    config.dialogs_max = 1;
    struct peer *p = peer_create_with(&config);
    peer_input(p, invite);
    char text[2048];
    snprintf(text, sizeof(text), "%s", invite);
    memcpy(strstr(text, "z9hG4bK-1"), "z9hG4bK-3", 9);
    memcpy(strstr(text, ";tag=a1"), ";tag=a2", 7);
    peer_input(p, text);
    CHECK_INT(sent_status(p), 503);
    CHECK(sent_has(p, "Retry-After: "));
    CHECK(has_event(p, SIP_EVENT_REFUSED));
    peer_destroy(p);
}

/* RFC 3262 §3 */
static void test_100rel(void)
{
    struct peer *p = peer_create();
    char text[4096];
    snprintf(text, sizeof(text), "%s", invite);
    memcpy(strstr(text, "Require: siprec"), "Require: 100rel", 15);
    peer_input(p, text);
    uint64_t request = p->events[0].request;
    struct sip_answer early = {
        .status = 183, .content_type = VIEW("application/sdp"), .body = VIEW("v=0\r\n")};
    struct sip_answer ok = {.status = 200};
    CHECK(sip_answer(p->sip, p->now, request, &early));
    peer_pull(p);
    CHECK_INT(sent_status(p), 183);
    CHECK(sent_has(p, "Require: 100rel\r\n"));
    snprintf(dialog_tag, sizeof(dialog_tag), "%s", sent_to_tag(p));
    unsigned rseq = (unsigned)strtoul(strstr(p->sent, "RSeq: ") + 6, NULL, 10);
    peer_at(p, 499);
    CHECK_INT(p->sent_count, 0);
    peer_at(p, 500);
    CHECK_INT(sent_status(p), 183);
    CHECK(sip_answer(p->sip, p->now, request, &ok));
    peer_pull(p);
    CHECK_INT(p->sent_count, 0); /* waits for the PRACK */
    snprintf(text, sizeof(text), "RAck: %u 5 INVITE\nContent-Length: 0\n\n", rseq + 1);
    input_within(p, "PRACK", 6, text);
    CHECK_INT(sent_status(p), 481);
    snprintf(text, sizeof(text), "RAck: %u 5 INVITE\nContent-Length: 0\n\n", rseq);
    input_within(p, "PRACK", 7, text);
    CHECK_INT(p->sent_count, 2);
    CHECK(has_event(p, SIP_EVENT_PRACK));
    CHECK(sent_has(p, "CSeq: 5 INVITE\r\n"));
    CHECK_INT(sent_status(p), 200);
    input_within(p, "ACK", 5, "Content-Length: 0\n\n");
    CHECK(has_event(p, SIP_EVENT_ACK));
    peer_destroy(p);
}

static void test_no_prack(void)
{
    struct peer *p = peer_create();
    char text[4096];
    snprintf(text, sizeof(text), "%s", invite);
    memcpy(strstr(text, "Require: siprec"), "Require: 100rel", 15);
    peer_input(p, text);
    struct sip_answer early = {.status = 180};
    CHECK(sip_answer(p->sip, p->now, p->events[0].request, &early));
    peer_at(p, 31999);
    CHECK_INT(p->event_count, 0);
    peer_at(p, 32000);
    CHECK_INT(sent_status(p), 504);
    CHECK_INT(p->event.end, SIP_END_NO_PRACK);
    peer_destroy(p);
}

/* RFC 4028 §9, 10: the peer refreshes; BYE min(32 s, a third) before the end. */
static void test_session_expires(void)
{
    struct peer *p = peer_create();
    char text[4096];
    snprintf(text, sizeof(text), "%s", invite);
    char *at = strstr(text, "Max-Forwards: 70\n");
    char rest[3000];
    snprintf(rest, sizeof(rest), "%s", at);
    snprintf(at, 3500, "Supported: timer\nSession-Expires: 90\n%s", rest);
    peer_input(p, text);
    answer_ok(p);
    CHECK(sent_has(p, "Session-Expires: 90;refresher=uac\r\nRequire: timer\r\n"));
    snprintf(dialog_tag, sizeof(dialog_tag), "%s", sent_to_tag(p));
    input_within(p, "ACK", 5, "Content-Length: 0\n\n");
    peer_at(p, 59999);
    CHECK_INT(p->sent_count, 0);
    peer_at(p, 60000); /* 90 - 30 */
    CHECK_INT(p->events[0].kind, SIP_EVENT_ENDING);
    CHECK_INT(p->events[0].end, SIP_END_EXPIRED);
    CHECK(sent_has(p, "BYE sip:alice@192.0.2.10:5062 SIP/2.0\r\n"));
    peer_destroy(p);
}

/* RFC 4028 §7.4, 9: we refresh, at half the interval, by UPDATE. */
static void test_we_refresh(void)
{
    struct peer *p = peer_create();
    char text[4096], reply[4096];
    snprintf(text, sizeof(text), "%s", invite);
    char *at = strstr(text, "Max-Forwards: 70\n");
    char rest[3000];
    snprintf(rest, sizeof(rest), "%s", at);
    snprintf(at, 3500, "Supported: timer\nSession-Expires: 1800;refresher=uas\n%s", rest);
    peer_input(p, text);
    answer_ok(p);
    CHECK(sent_has(p, "Session-Expires: 1800;refresher=uas\r\n"));
    snprintf(dialog_tag, sizeof(dialog_tag), "%s", sent_to_tag(p));
    input_within(p, "ACK", 5, "Content-Length: 0\n\n");
    peer_at(p, 899999);
    CHECK_INT(p->sent_count, 0);
    peer_at(p, 900000);
    CHECK(sent_has(p, "UPDATE sip:alice@192.0.2.10:5062 SIP/2.0\r\n"));
    CHECK(sent_has(p, "Session-Expires: 1800;refresher=uac\r\n"));
    char *via = strstr(p->sent, "Via: ");
    snprintf(reply, sizeof(reply), "SIP/2.0 405 No\r\n%.*s", (int)strcspn(via, "\n") + 1, via);
    char *from = strstr(p->sent, "From: ");
    snprintf(reply + strlen(reply), sizeof(reply) - strlen(reply), "%.*sContent-Length: 0\r\n\r\n",
             (int)(strstr(from, "Contact: ") - from), from);
    sip_input_datagram(p->sip, p->now, &p->flow, view_of_string(reply), false);
    peer_pull(p);
    /* refused: the next one is a re-INVITE with what we said last */
    peer_at(p, 910000);
    CHECK(sent_has(p, "INVITE sip:alice@192.0.2.10:5062 SIP/2.0\r\n"));
    CHECK(sent_has(p, "\r\n\r\nv=0\r\n"));
    peer_destroy(p);
}

/* RFC 3261 §18.2.2: a response whose connection is gone opens another, to the port of the Via. */
static void test_tcp_gone(void)
{
    struct peer *p = peer_create();
    p->flow.protocol = SIP_PROTOCOL_TCP;
    p->flow.id = 77;
    p->flow.peer.port = 41234;
    peer_input(p, invite);
    CHECK_INT(p->events[0].kind, SIP_EVENT_INVITE);
    struct sip_event first = p->events[0];
    sip_flow_closed(p->sip, p->now, &p->flow);
    peer_pull(p);
    p->events[0] = first;
    answer_ok(p);
    CHECK_INT(p->sent_flow.id, 0);
    CHECK_INT(p->sent_flow.peer.port, 5060);
    CHECK(sent_has(p, "Contact: <sip:198.51.100.20:5060;transport=tcp>;+sip.srs\r\n"));
    peer_at(p, 500);
    CHECK_INT(sent_status(p), 200); /* §13.3.1.4: over TCP too */
    peer_destroy(p);
}

static void test_sip_bye(void)
{
    struct peer *p = call_up();
    uint64_t id = p->events[0].dialog;
    struct peer *q = NULL;
    (void)q;
    (void)id;
    peer_destroy(p);

    p = peer_create();
    peer_input(p, invite);
    id = p->events[0].dialog;
    answer_ok(p);
    snprintf(dialog_tag, sizeof(dialog_tag), "%s", sent_to_tag(p));
    sip_bye(p->sip, p->now, id, VIEW_LIT("Reason: SIP;cause=200\r\n"));
    peer_pull(p);
    CHECK_INT(p->sent_count, 0); /* §15: not before the ACK */
    input_within(p, "ACK", 5, "Content-Length: 0\n\n");
    CHECK(sent_has(p, "BYE sip:alice@192.0.2.10:5062 SIP/2.0\r\n"));
    CHECK(sent_has(p, "Reason: SIP;cause=200\r\n"));
    peer_destroy(p);

    p = peer_create();
    peer_input(p, invite);
    sip_bye(p->sip, p->now, p->events[0].dialog, VIEW_NONE);
    peer_pull(p);
    CHECK_INT(sent_status(p), 480);
    CHECK_INT(p->event.end, SIP_END_OUR_BYE);
    peer_destroy(p);
}

static void test_early_bye(void)
{
    struct peer *p = peer_create();
    peer_input(p, invite);
    struct sip_answer ringing = {.status = 180};
    CHECK(sip_answer(p->sip, p->now, p->events[0].request, &ringing));
    peer_pull(p);
    snprintf(dialog_tag, sizeof(dialog_tag), "%s", sent_to_tag(p));
    input_within(p, "BYE", 6, "Content-Length: 0\n\n");
    CHECK_INT(p->sent_count, 2);
    CHECK_INT(sent_status(p), 487);
    CHECK(has_event(p, SIP_EVENT_ENDED));
    peer_destroy(p);
}

int main(void)
{
    RUN(test_invite_answer);
    RUN(test_brief_answer);
    RUN(test_trying);
    RUN(test_2xx_repeated);
    RUN(test_ack_stops);
    RUN(test_bye);
    RUN(test_bye_before_ack);
    RUN(test_cancel);
    RUN(test_unknown_dialog);
    RUN(test_cseq_low);
    RUN(test_reinvite_and_glare);
    RUN(test_update);
    RUN(test_info);
    RUN(test_options);
    RUN(test_refusals);
    RUN(test_version);
    RUN(test_merged);
    RUN(test_full);
    RUN(test_100rel);
    RUN(test_no_prack);
    RUN(test_session_expires);
    RUN(test_we_refresh);
    RUN(test_tcp_gone);
    RUN(test_sip_bye);
    RUN(test_early_bye);
    return tap_done();
}
