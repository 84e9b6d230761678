/* Registrations in simulated time: what REGISTER says, what each answer leads to, keepalives,
 * back-off, flows that die.
 * Not here: the digests themselves (test_sip_digest.c), real registrars (interop).
 * RFC 3261 §10; RFC 5626 §4.2, 4.4, 4.5, 9.2. */
#include "sip/register.h"
#include "sip_peer.h"

#define INSTANCE "urn:uuid:00000000-0000-1000-8000-aabbccddeeff"
#define OUTBOUND "Require: outbound\r\nSupported: path, outbound\r\n"

struct bench {
    struct peer *peer;
    struct sip_register *reg;
    char request[4096]; /* the last one that was sent */
    int opens, closes, stuns, heard, unheard;
    uint64_t closed_flow;
    struct sip_flow told; /* of the last that was heard, or not */
    struct sip_register_target target;
    size_t index;
    const char *rport; /* what becomes of the Via's in the answers; NULL: nothing */
};

/* Takes everything out of both engines. */
static void pull(struct bench *b)
{
    struct peer *p = b->peer;
    struct sip_register_output out;
    struct sip_event event;
    struct sip_output sent;
    b->opens = b->closes = b->stuns = b->heard = b->unheard = 0;
    p->sent_count = p->event_count = 0;
    while (sip_event(p->sip, &event)) {
        if (!sip_register_input(b->reg, p->now, &event))
            p->event_count++;
    }
    while (sip_output(p->sip, &sent)) {
        CHECK(view_copy(sent.bytes, b->request, sizeof b->request));
        p->sent_flow = sent.flow;
        p->sent_count++;
    }
    while (sip_register_output(b->reg, &out)) {
        b->index = out.index;
        if (out.kind == SIP_REGISTER_OPEN) {
            b->opens++;
            b->target = out.target;
        } else if (out.kind == SIP_REGISTER_CLOSE) {
            b->closes++;
            b->closed_flow = out.flow.id;
        } else if (out.kind == SIP_REGISTER_STUN) {
            b->stuns++;
        } else {
            b->heard += out.kind == SIP_REGISTER_HEARD;
            b->unheard += out.kind == SIP_REGISTER_UNHEARD;
            b->told = out.flow;
        }
    }
}

static struct bench *bench_of(const char *uris, const char *username, const char *password)
{
    struct bench *b = calloc(1, sizeof *b);
    struct sip_register_config config = {.seed = {3},
                                         .uris = view_of_string(uris),
                                         .username = view_of_string(username),
                                         .password = view_of_string(password),
                                         .expires_s = 600,
                                         .instance = VIEW(INSTANCE),
                                         .contact_user = VIEW("siprecd"),
                                         .contact_params = VIEW(";+sip.srs")};
    b->peer = peer_create();
    b->reg = sip_register_create(&config, b->peer->sip, b->peer->now);
    return b;
}

static void bench_end(struct bench *b)
{
    sip_register_destroy(b->reg);
    peer_destroy(b->peer);
    free(b);
}

static struct sip_flow flow_of(uint64_t id, enum sip_protocol protocol)
{
    return (struct sip_flow){.id = id,
                             .listener = 1,
                             .protocol = protocol,
                             .local = addr_v4(192, 0, 2, 2, 40000),
                             .advertised = addr_v4(192, 0, 2, 2, 5060),
                             .peer = addr_v4(192, 0, 2, 15, 5060)};
}

static bool has(const struct bench *b, const char *text)
{
    bool found = strstr(b->request, text) != NULL;
    if (!found)
        printf("# no \"%s\" in:\n# %s\n", text, b->request);
    return found;
}

/* The answer to the last request, with its Contact as granted for expires seconds. */
static void answer(struct bench *b, const char *status, const char *headers)
{
    char text[8192];
    struct sip_message *m = sip_message_parse(view_of_string(b->request), SIP_MESSAGE_STREAM);
    struct sip_header at = {0};
    size_t n = (size_t)snprintf(text, sizeof text, "SIP/2.0 %s\r\n", status);
    while (sip_message_header_next(m, &at)) {
        if (b->rport && view_equal(at.name, VIEW_LIT("Via")))
            n += (size_t)snprintf(text + n, sizeof text - n, "Via: " VIEW_FMT "%s\r\n",
                                  VIEW_ARG(view_take(at.value, at.value.len - 6)), b->rport);
        else if (view_equal(at.name, VIEW_LIT("Via")) || view_equal(at.name, VIEW_LIT("From")) ||
                 view_equal(at.name, VIEW_LIT("Call-ID")) || view_equal(at.name, VIEW_LIT("CSeq")))
            n += (size_t)snprintf(text + n, sizeof text - n, VIEW_FMT "\r\n", VIEW_ARG(at.raw));
    }
    n += (size_t)snprintf(text + n, sizeof text - n,
                          "To: " VIEW_FMT ";tag=far\r\n%sContent-Length: 0\r\n\r\n",
                          VIEW_ARG(m->to), headers);
    sip_message_release(m);
    if (b->peer->sent_flow.id != 0)
        sip_input_stream(b->peer->sip, b->peer->now, &b->peer->sent_flow, view_of(text, n));
    else
        sip_input_datagram(b->peer->sip, b->peer->now, &b->peer->sent_flow, view_of(text, n),
                           false);
    pull(b);
}

static void pass(struct bench *b, int64_t ms)
{
    struct tick until = tick_add_ms(b->peer->now, ms);
    int opens = 0, closes = 0, stuns = 0, unheard = 0, sent = 0;
    for (;;) {
        struct tick next = tick_min(sip_deadline(b->peer->sip), sip_register_deadline(b->reg));
        b->peer->now = tick_min(next, until);
        if (tick_is_never(b->peer->now))
            b->peer->now = until;
        sip_expire(b->peer->sip, b->peer->now);
        sip_register_expire(b->reg, b->peer->now);
        pull(b);
        opens += b->opens;
        closes += b->closes;
        stuns += b->stuns;
        unheard += b->unheard;
        sent += b->peer->sent_count;
        if (b->peer->now.ns >= until.ns)
            break;
    }
    b->opens = opens;
    b->closes = closes;
    b->stuns = stuns;
    b->unheard = unheard;
    b->peer->sent_count = sent;
}

static struct sip_register_status status(const struct bench *b)
{
    return sip_register_status(b->reg, 0);
}

static void open_flow(struct bench *b, uint64_t id, enum sip_protocol protocol)
{
    struct sip_flow flow = flow_of(id, protocol);
    sip_register_opened(b->reg, b->peer->now, 0, &flow);
    pull(b);
}

/* Registered over a connection, outbound or not. */
static struct bench *registered(const char *headers)
{
    struct bench *b = bench_of("sip:bob@example.com;transport=tcp", "", "");
    pull(b);
    CHECK_INT(b->opens, 1);
    open_flow(b, 7, SIP_PROTOCOL_TCP);
    answer(b, "200 OK", headers);
    CHECK_INT(status(b).state, SIP_REGISTER_REGISTERED);
    return b;
}

static void pong(struct bench *b)
{
    struct sip_flow flow = flow_of(7, SIP_PROTOCOL_TCP);
    sip_input_stream(b->peer->sip, b->peer->now, &flow, VIEW_LIT("\r\n"));
    pull(b);
}

/* RFC 5626 §9.2, messages #9 and #11: the headers that it demands. */
static void test_request(void)
{
    struct bench *b =
        bench_of("sip:recorder@sbc.example:5061;transport=tls, sip:recorder@[2001:db8::1]", "", "");
    CHECK_INT(sip_register_count(b->reg), 2);
    pull(b);
    CHECK_INT(b->opens, 2);
    CHECK_TEXT(b->target.host, "2001:db8::1");
    open_flow(b, 7, SIP_PROTOCOL_TLS);
    CHECK(strncmp(b->request, "REGISTER sip:sbc.example:5061;transport=tls SIP/2.0\r\n", 53) == 0);
    CHECK(has(b, "To: <sip:recorder@sbc.example>\r\n"));
    CHECK(has(b, "From: <sip:recorder@sbc.example>;tag="));
    CHECK(has(b, "Supported: path, outbound\r\n"));
    CHECK(has(b, "Contact: <sip:siprecd@192.0.2.2:5060;transport=tls>;+sip.instance=\"<" INSTANCE
                 ">\";reg-id=1;+sip.srs\r\n"));
    CHECK(has(b, "Expires: 600\r\n"));
    CHECK(has(b, "Via: SIP/2.0/TLS "));
    CHECK(!strstr(b->request, "Authorization"));
    answer(b, "200 OK",
           OUTBOUND "Contact: <sip:bob@192.0.2.9>;expires=20, <sip:x@y>;reg-id=1;expires=300"
                    ";+sip.instance=\"<" INSTANCE ">\"\r\n");
    CHECK_INT(status(b).state, SIP_REGISTER_REGISTERED);
    CHECK(status(b).outbound);
    CHECK_INT(tick_diff_ms(status(b).expires_at, b->peer->now), 300000);
    b->index = 1;
    struct sip_flow flow = flow_of(0, SIP_PROTOCOL_UDP);
    sip_register_opened(b->reg, b->peer->now, 1, &flow);
    pull(b);
    CHECK(has(b, "REGISTER sip:[2001:db8::1] SIP/2.0\r\n"));
    CHECK(has(b, ";reg-id=2;"));
    bench_end(b);
}

/* Refreshed at half time over the same flow, with the same Call-ID and a higher CSeq. */
static void test_refresh(void)
{
    struct bench *b = registered(OUTBOUND "Expires: 60\r\n");
    struct sip_message *first = sip_message_parse(view_of_string(b->request), SIP_MESSAGE_STREAM);
    struct sip_message *second;
    pass(b, 29999);
    CHECK_INT(b->peer->sent_count, 0);
    pass(b, 1);
    CHECK_INT(b->peer->sent_count, 1);
    CHECK_INT(b->peer->sent_flow.id, 7);
    second = sip_message_parse(view_of_string(b->request), SIP_MESSAGE_STREAM);
    CHECK(view_equal(first->call_id, second->call_id));
    CHECK(view_equal(first->from_tag, second->from_tag));
    CHECK_INT(second->cseq, first->cseq + 1);
    CHECK_INT(status(b).state, SIP_REGISTER_REGISTERED);
    sip_message_release(first);
    sip_message_release(second);
    bench_end(b);
}

/* Goes on to the next ping, for at most ms. */
static void await_ping(struct bench *b, int64_t ms)
{
    b->peer->sent_count = 0;
    for (int64_t i = 0; b->peer->sent_count == 0 && i < ms; i++)
        pass(b, 1);
    CHECK_INT(b->peer->sent_count, 1);
    CHECK_TEXT(b->request, "\r\n\r\n");
}

/* RFC 5626 §4.4.1: a ping every 95 to 120 s, its pong within 10 s, else the flow is dead. */
static void test_pings(void)
{
    struct bench *b = registered(OUTBOUND "Expires: 3600\r\n");
    pass(b, 94999);
    CHECK_INT(b->peer->sent_count, 0);
    await_ping(b, 25001);
    pong(b);
    pass(b, 94999);
    CHECK_INT(status(b).state, SIP_REGISTER_REGISTERED);
    CHECK_INT(b->peer->sent_count, 0);
    await_ping(b, 25001);
    pass(b, 9999);
    CHECK_INT(status(b).state, SIP_REGISTER_REGISTERED);
    pass(b, 1);
    CHECK_INT(b->closes, 1);
    CHECK_INT(b->closed_flow, 7);
    CHECK_INT(b->opens, 1); /* it had worked: at once */
    CHECK_INT(status(b).state, SIP_REGISTER_OPENING);
    CHECK(strstr(status(b).why, "keepalive") != NULL);
    bench_end(b);
}

/* §4.4: with Flow-Timer 80 to 100 % of it. */
static void test_flow_timer(void)
{
    struct bench *b = registered(OUTBOUND "Expires: 3600\r\nFlow-Timer: 50\r\n");
    pass(b, 39999);
    CHECK_INT(b->peer->sent_count, 0);
    pass(b, 10001);
    CHECK_INT(b->peer->sent_count, 1);
    bench_end(b);
}

/* Pings that come more often than every 10 s: the first that nothing answers counts. */
static void test_quick_pings(void)
{
    struct bench *b = registered(OUTBOUND "Expires: 3600\r\nFlow-Timer: 3\r\n");
    await_ping(b, 3001);
    pong(b);
    await_ping(b, 3001);
    pass(b, 9999);
    CHECK_INT(status(b).state, SIP_REGISTER_REGISTERED);
    CHECK(b->peer->sent_count >= 3);
    pass(b, 1);
    CHECK_INT(status(b).state, SIP_REGISTER_OPENING);
    bench_end(b);
}

/* Who did not agree to RFC 5626 is pinged all the same, for the NATs, and owes nothing. */
static void test_plain_registrar(void)
{
    struct bench *b = registered("Expires: 3600\r\n");
    CHECK(!status(b).outbound);
    pass(b, 600000);
    CHECK(b->peer->sent_count >= 5);
    CHECK_INT(status(b).state, SIP_REGISTER_REGISTERED);
    sip_register_closed(b->reg, b->peer->now, 7, "the registrar closed the connection");
    pull(b);
    CHECK_INT(b->opens, 1);
    CHECK_INT(b->closes, 0);
    bench_end(b);
}

/* §4.5: the n-th failure in a row waits min(1800, 30 * 2^n) s, 50 to 100 % of it. */
static void test_back_off(void)
{
    static const int64_t most_s[] = {60, 120, 240, 480, 960, 1800, 1800};
    struct bench *b = bench_of("sip:bob@example.com;transport=tcp", "", "");
    pull(b);
    for (size_t i = 0; i < sizeof most_s / sizeof most_s[0]; i++) {
        struct sip_register_status s;
        sip_register_failed(b->reg, b->peer->now, 0, "nobody listens there");
        pull(b);
        s = status(b);
        CHECK_INT(s.state, SIP_REGISTER_WAITING);
        CHECK_TEXT(s.why, "nobody listens there");
        pass(b, most_s[i] * 500 - 1);
        CHECK_INT(b->opens, 0);
        pass(b, most_s[i] * 500 + 1);
        CHECK_INT(b->opens, 1);
    }
    bench_end(b);
}

/* §4.5: another registration that stands makes it 90 s. */
static void test_back_off_beside_a_good_one(void)
{
    struct bench *b = bench_of("sip:a@one.example, sip:a@two.example", "", "");
    struct sip_register_status s;
    pull(b);
    open_flow(b, 7, SIP_PROTOCOL_TCP);
    answer(b, "200 OK", OUTBOUND "Expires: 3600\r\n");
    sip_register_failed(b->reg, b->peer->now, 1, "no");
    s = sip_register_status(b->reg, 1);
    CHECK(tick_diff_ms(s.since, b->peer->now) >= 90000);
    CHECK(tick_diff_ms(s.since, b->peer->now) <= 180000);
    bench_end(b);
}

/* A flow that never had a pong was no success: it waits. */
static void test_unproven_flow(void)
{
    struct bench *b = registered(OUTBOUND "Expires: 3600\r\n");
    sip_register_closed(b->reg, b->peer->now, 7, "the registrar closed the connection");
    pull(b);
    CHECK_INT(b->opens, 0);
    CHECK_INT(status(b).state, SIP_REGISTER_WAITING);
    CHECK_INT(status(b).failures, 1);
    bench_end(b);
}

#define CHALLENGE(nonce, more)                                                                     \
    "WWW-Authenticate: Digest realm=\"example.com\", nonce=\"" nonce                               \
    "\", qop=\"auth\", algorithm=SHA-256" more "\r\n"

static struct bench *challenged(void)
{
    struct bench *b = bench_of("sip:bob@example.com;transport=tcp", "rec", "secret");
    pull(b);
    open_flow(b, 7, SIP_PROTOCOL_TCP);
    answer(b, "401 Unauthorized", CHALLENGE("n1", ""));
    CHECK_INT(b->peer->sent_count, 1);
    CHECK(has(b, "Authorization: Digest username=\"rec\", realm=\"example.com\", nonce=\"n1\""));
    CHECK(has(b, "uri=\"sip:example.com;transport=tcp\""));
    CHECK(has(b, "nc=00000001"));
    return b;
}

/* What comes down the flow is answered with a Contact that the registrar knows its connection by: where it
 * saw REGISTER come from (RFC 3581 §4). */
static void test_seen_from(void)
{
    struct bench *b = bench_of("sip:bob@example.com;transport=tcp", "", "");
    struct sip_flow flow = flow_of(7, SIP_PROTOCOL_TCP), other = flow_of(8, SIP_PROTOCOL_TCP);
    pull(b);
    b->rport = ";rport=40321;received=203.0.113.5";
    open_flow(b, 7, SIP_PROTOCOL_TCP);
    sip_register_mark(b->reg, &flow);
    CHECK_TEXT(addr_print(&flow.advertised).s, "192.0.2.2:5060");
    answer(b, "200 OK", OUTBOUND "Expires: 60\r\n");
    sip_register_mark(b->reg, &flow);
    CHECK(flow.trusted && flow.outbound);
    CHECK_TEXT(addr_print(&flow.advertised).s, "203.0.113.5:40321");
    sip_register_mark(b->reg, &other);
    CHECK_TEXT(addr_print(&other.advertised).s, "192.0.2.2:5060");
    b->rport = NULL;
    pass(b, 30000);
    answer(b, "200 OK", OUTBOUND "Expires: 60\r\n");
    flow = flow_of(7, SIP_PROTOCOL_TCP);
    sip_register_mark(b->reg, &flow);
    CHECK_TEXT(addr_print(&flow.advertised).s, "192.0.2.2:5060");
    bench_end(b);
}

/* The nonce is used again until the server gives another. */
static void test_digest(void)
{
    struct bench *b = challenged();
    CHECK(!strstr(b->request, "secret"));
    answer(b, "200 OK", OUTBOUND "Expires: 60\r\n");
    CHECK_INT(status(b).state, SIP_REGISTER_REGISTERED);
    pass(b, 30000);
    CHECK(has(b, "nonce=\"n1\""));
    CHECK(has(b, "nc=00000002"));
    answer(b, "401 Unauthorized", CHALLENGE("n2", "")); /* old, and nobody says so */
    CHECK(has(b, "nonce=\"n2\""));
    answer(b, "401 Unauthorized", CHALLENGE("n3", ", stale=true"));
    CHECK(has(b, "nonce=\"n3\""));
    answer(b, "200 OK", OUTBOUND "Expires: 60\r\n");
    CHECK_INT(status(b).state, SIP_REGISTER_REGISTERED);
    bench_end(b);
}

static void test_wrong_password(void)
{
    struct bench *b = challenged();
    answer(b, "401 Unauthorized", CHALLENGE("n2", ""));
    CHECK_INT(b->peer->sent_count, 0);
    CHECK_INT(status(b).state, SIP_REGISTER_WAITING);
    CHECK(strstr(status(b).why, "sip.register_password") != NULL);
    CHECK(!strstr(status(b).why, "secret"));
    CHECK_INT(b->closes, 1);
    bench_end(b);
    b = bench_of("sip:bob@example.com;transport=tcp", "", "");
    pull(b);
    open_flow(b, 7, SIP_PROTOCOL_TCP);
    answer(b, "407 Proxy Authentication Required",
           "Proxy-Authenticate: Digest realm=\"a\", nonce=\"b\"\r\n");
    CHECK_INT(status(b).state, SIP_REGISTER_WAITING);
    CHECK(strstr(status(b).why, "set sip.register_username") != NULL);
    bench_end(b);
}

/* RFC 3261 §22.3: a proxy on the way and the registrar each want their own answer, in one request; and one that either
 * does not believe is not tried again. */
static void test_two_challenges(void)
{
    struct bench *b = bench_of("sip:bob@example.com;transport=tcp", "rec", "secret");
    pull(b);
    open_flow(b, 7, SIP_PROTOCOL_TCP);
    answer(b, "407 Proxy Authentication Required",
           "Proxy-Authenticate: Digest realm=\"proxy\", nonce=\"p1\", qop=\"auth\"\r\n");
    CHECK(
        has(b, "\r\nProxy-Authorization: Digest username=\"rec\", realm=\"proxy\", nonce=\"p1\""));
    CHECK(!strstr(b->request, "\r\nAuthorization"));
    answer(b, "401 Unauthorized", CHALLENGE("n1", ""));
    CHECK(
        has(b, "\r\nProxy-Authorization: Digest username=\"rec\", realm=\"proxy\", nonce=\"p1\""));
    CHECK(
        has(b, "\r\nAuthorization: Digest username=\"rec\", realm=\"example.com\", nonce=\"n1\""));
    answer(b, "401 Unauthorized", CHALLENGE("n2", ""));
    CHECK_INT(b->peer->sent_count, 0);
    CHECK(strstr(status(b).why, "sip.register_password") != NULL);
    bench_end(b);
}

/* A server that finds every nonce stale is not asked for ever. */
static void test_endless_challenges(void)
{
    struct bench *b = challenged();
    int sent = 0;
    for (int i = 0; i < 20 && status(b).state != SIP_REGISTER_WAITING; i++) {
        answer(b, "401 Unauthorized", CHALLENGE("n2", ", stale=true"));
        sent += b->peer->sent_count;
    }
    CHECK_INT(sent, 2);
    CHECK_INT(status(b).state, SIP_REGISTER_WAITING);
    bench_end(b);
}

static void test_too_brief(void)
{
    struct bench *b = bench_of("sip:bob@example.com;transport=tcp", "", "");
    pull(b);
    open_flow(b, 7, SIP_PROTOCOL_TCP);
    answer(b, "423 Interval Too Brief", "Min-Expires: 1800\r\n");
    CHECK(has(b, "Expires: 1800\r\n"));
    answer(b, "423 Interval Too Brief", "Min-Expires: 1800\r\n");
    CHECK_INT(status(b).state, SIP_REGISTER_WAITING);
    CHECK_TEXT(status(b).why, "the registrar answers 423 Interval Too Brief");
    bench_end(b);
}

/* RFC 5626 §11.6. */
static void test_first_hop_lacks_outbound(void)
{
    struct bench *b = bench_of("sip:bob@example.com;transport=tcp", "", "");
    pull(b);
    open_flow(b, 7, SIP_PROTOCOL_TCP);
    answer(b, "439 First Hop Lacks Outbound Support", "");
    CHECK(!strstr(b->request, "reg-id"));
    CHECK(has(b, "Supported: path\r\n"));
    CHECK(has(b, "+sip.instance"));
    answer(b, "200 OK", "Expires: 60\r\n");
    CHECK_INT(status(b).state, SIP_REGISTER_REGISTERED);
    CHECK(!status(b).outbound);
    bench_end(b);
}

/* §4.2.1, 4.2.2: Retry-After is honoured, and the connection stays for it. */
static void test_retry_after(void)
{
    struct bench *b = bench_of("sip:bob@example.com;transport=tcp", "", "");
    pull(b);
    open_flow(b, 7, SIP_PROTOCOL_TCP);
    answer(b, "503 Service Unavailable", "Retry-After: 7 (soon)\r\n");
    CHECK_INT(b->closes, 0);
    pass(b, 6999);
    CHECK_INT(b->peer->sent_count, 0);
    pass(b, 1);
    CHECK_INT(b->peer->sent_count, 1);
    CHECK_INT(b->peer->sent_flow.id, 7);
    answer(b, "200 OK", OUTBOUND "Expires: 100\r\n");
    pass(b, 50000);
    answer(b, "500 Server Internal Error", "Retry-After: 9\r\n");
    CHECK_INT(status(b).state, SIP_REGISTER_REGISTERED); /* the binding lives */
    pass(b, 9000);
    CHECK_INT(b->peer->sent_count, 1);
    answer(b, "503 Service Unavailable", "");
    CHECK_INT(status(b).state, SIP_REGISTER_REGISTERED);
    bench_end(b);
}

/* §4.2.1: over UDP, too, for as long as was said; by then the name may lead elsewhere. */
static void test_retry_after_udp(void)
{
    struct bench *b = bench_of("sip:bob@example.com", "", "");
    pull(b);
    open_flow(b, 0, SIP_PROTOCOL_UDP);
    answer(b, "503 Service Unavailable", "Retry-After: 7\r\n");
    CHECK_INT(status(b).state, SIP_REGISTER_WAITING);
    pass(b, 6999);
    CHECK_INT(b->opens, 0);
    pass(b, 1);
    CHECK_INT(b->opens, 1);
    bench_end(b);
}

/* The binding ends in the registrar: nothing is said to be registered then. */
static void test_expired(void)
{
    struct bench *b = registered(OUTBOUND "Expires: 60\r\n");
    pass(b, 30000);
    for (int i = 0; i < 100 && status(b).state == SIP_REGISTER_REGISTERED; i++) {
        if (b->peer->sent_count > 0 && strncmp(b->request, "REGISTER", 8) == 0)
            answer(b, "503 Service Unavailable", "");
        pass(b, 1000);
    }
    CHECK_INT(status(b).state, SIP_REGISTER_WAITING);
    CHECK_INT(tick_diff_ms(b->peer->now, at_ms(0)), 60000);
    CHECK_TEXT(status(b).why, "the registrar answers 503 Service Unavailable");
    bench_end(b);
}

static void test_refused(void)
{
    struct bench *b = registered(OUTBOUND "Expires: 60\r\n");
    pass(b, 30000);
    answer(b, "403 Forbidden", "");
    CHECK_INT(status(b).state, SIP_REGISTER_WAITING);
    CHECK_INT(b->closes, 1);
    CHECK_TEXT(status(b).why, "the registrar answers 403 Forbidden");
    bench_end(b);
}

static void test_redirect(void)
{
    struct bench *b = bench_of("sip:bob@example.com;transport=tcp", "", "");
    pull(b);
    open_flow(b, 7, SIP_PROTOCOL_TCP);
    answer(b, "302 Moved Temporarily", "Contact: <sip:other.example:5080;transport=tls>\r\n");
    CHECK_INT(b->closes, 1);
    CHECK_INT(b->opens, 1);
    CHECK_TEXT(b->target.host, "other.example");
    CHECK_INT(b->target.port, 5080);
    CHECK_INT(b->target.protocol, SIP_PROTOCOL_TLS);
    CHECK_TEXT(addr_print(&b->target.sent_by).s, "192.0.2.15:5060");
    open_flow(b, 8, SIP_PROTOCOL_TLS);
    CHECK(has(b, "REGISTER sip:other.example:5080;transport=tls SIP/2.0\r\n"));
    CHECK(has(b, "To: <sip:bob@example.com>\r\n"));
    answer(b, "302 Moved Temporarily", "Contact: <sip:third.example;transport=tcp>\r\n");
    CHECK_INT(b->opens, 0); /* never from TLS to what is none */
    CHECK_INT(status(b).state, SIP_REGISTER_WAITING);
    pass(b, 60000);
    CHECK_INT(b->opens, 1);
    CHECK_TEXT(b->target.host, "example.com");
    CHECK(!addr_is_set(&b->target.sent_by));
    bench_end(b);
}

/* What answers one registrar's challenge is not shown to the next. */
static void test_redirect_after_a_challenge(void)
{
    struct bench *b = bench_of("sip:bob@example.com;transport=tcp", "rec", "secret");
    pull(b);
    open_flow(b, 7, SIP_PROTOCOL_TCP);
    answer(b, "401 Unauthorized",
           "WWW-Authenticate: Digest realm=\"example.com\", nonce=\"n1\", qop=\"auth\"\r\n");
    CHECK(has(b, "Authorization: "));
    answer(b, "302 Moved Temporarily", "Contact: <sip:other.example;transport=tcp>\r\n");
    open_flow(b, 8, SIP_PROTOCOL_TCP);
    CHECK(has(b, "REGISTER sip:other.example"));
    CHECK(!strstr(b->request, "Authorization"));
    bench_end(b);
}

static struct bench *over_udp(const char *headers)
{
    struct bench *b = bench_of("sip:bob@example.com", "", "");
    pull(b);
    open_flow(b, 0, SIP_PROTOCOL_UDP);
    answer(b, "200 OK", headers);
    return b;
}

/* §4.4.2: STUN every 24 to 29 s; a changed mapping is a dead flow. */
static void test_stun(void)
{
    struct bench *b = over_udp(OUTBOUND "Expires: 3600\r\n");
    struct addr seen = addr_v4(198, 51, 100, 1, 1024), other = addr_v4(198, 51, 100, 1, 1025);
    pass(b, 23999);
    CHECK_INT(b->stuns, 0);
    pass(b, 5001);
    CHECK_INT(b->stuns, 1);
    pass(b, 60000);
    CHECK_INT(b->stuns, 0); /* one at a time */
    sip_register_stun(b->reg, b->peer->now, 0, &seen);
    pass(b, 29000);
    CHECK_INT(b->stuns, 1);
    sip_register_stun(b->reg, b->peer->now, 0, &seen);
    pull(b);
    CHECK_INT(b->opens, 0);
    pass(b, 29000);
    sip_register_stun(b->reg, b->peer->now, 0, &other);
    pull(b);
    CHECK_INT(b->opens, 1);
    open_flow(b, 0, SIP_PROTOCOL_UDP);
    answer(b, "200 OK", OUTBOUND "Expires: 3600\r\n");
    pass(b, 29000);
    sip_register_stun(b->reg, b->peer->now, 0, NULL);
    pull(b);
    CHECK_INT(status(b).state, SIP_REGISTER_WAITING); /* nothing was ever answered on this one */
    bench_end(b);
}

/* Without RFC 5626 OPTIONS takes its place. */
static void test_options(void)
{
    struct bench *b = over_udp("Expires: 3600\r\n");
    pass(b, 29000);
    CHECK_INT(b->stuns, 0);
    CHECK(has(b, "OPTIONS sip:example.com SIP/2.0\r\n"));
    answer(b, "404 Not Found", "");
    CHECK_INT(status(b).state, SIP_REGISTER_REGISTERED);
    pass(b, 29000);
    CHECK(has(b, "OPTIONS "));
    pass(b, 32000); /* 64*T1: no answer */
    CHECK_INT(b->opens, 1);
    CHECK(strstr(status(b).why, "OPTIONS") != NULL);
    bench_end(b);
}

/* RFC 3261 §8.1.3.4, §20.10: of several Contacts the one with the highest q, of those as good the first; what is no
 * SIP URI is nobody's registrar, and TLS is not left. */
static void test_redirect_choice(void)
{
    static const struct {
        const char *contacts, *host;
    } cases[] = {
        {"Contact: <sip:a.example;transport=tcp>;q=0.1, <sip:b.example;transport=tcp>;q=0.9\r\n",
         "b.example"},
        {"Contact: <sip:a.example;transport=tcp>;q=0.15\r\nContact: <sip:b.example>;q=0.2\r\n",
         "b.example"},
        {"Contact: <sip:a.example>;q=0.7, <sip:b.example>, <sip:c.example>;q=1.0\r\n", "b.example"},
        {"Contact: <mailto:a@a.example>, <sip:b.example;transport=sctp>, <sip:c.example>;q=0\r\n",
         "c.example"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct bench *b = bench_of("sip:bob@example.com;transport=tcp", "", "");
        pull(b);
        open_flow(b, 7, SIP_PROTOCOL_TCP);
        answer(b, "302 Moved Temporarily", cases[i].contacts);
        CHECK_INT(b->opens, 1);
        CHECK_TEXT(b->target.host, cases[i].host);
        bench_end(b);
    }
    struct bench *b = bench_of("sip:bob@example.com;transport=tls", "", "");
    pull(b);
    open_flow(b, 7, SIP_PROTOCOL_TLS);
    answer(b, "302 Moved Temporarily",
           "Contact: <sip:a.example;transport=tcp>, <sip:b.example;transport=tls>;q=0.1\r\n");
    CHECK_TEXT(b->target.host, "b.example");
    bench_end(b);
}

static struct sip_flow place_of(uint8_t number)
{
    struct sip_flow flow = flow_of(0, SIP_PROTOCOL_UDP);
    flow.peer = addr_v4(192, 0, 2, number, 5060);
    return flow;
}

static void ask_at(struct bench *b, uint8_t number)
{
    struct sip_flow flow = place_of(number);
    CHECK(sip_register_ask(b->reg, b->peer->now, 0, &flow));
    pull(b);
    CHECK_INT(b->peer->sent_count, 1);
    CHECK(addr_equal(&b->peer->sent_flow.peer, &flow.peer));
}

/* RFC 3261 §10.2.3: a question has no Contact, so nothing is bound where the others are; what the first to
 * answer wants to know is in the one request that binds. */
static void test_asked_who_is_there(void)
{
    struct bench *b = bench_of("sip:bob@example.com", "bob", "zanzibar");
    struct sip_flow flow = place_of(22);
    unsigned asked = 0, bound = 0;
    pull(b);
    ask_at(b, 21);
    CHECK_INT(sscanf(strstr(b->request, "CSeq: "), "CSeq: %u", &asked), 1);
    CHECK(strncmp(b->request, "REGISTER sip:example.com SIP/2.0\r\n", 34) == 0);
    CHECK(!strstr(b->request, "Contact:") && !strstr(b->request, "Authorization"));
    ask_at(b, 22);
    CHECK(!strstr(b->request, "Contact:"));
    answer(b, "401 Unauthorized",
           "WWW-Authenticate: Digest realm=\"r\", nonce=\"n1\", qop=\"auth\"\r\n");
    CHECK_INT(b->heard, 1);
    CHECK_INT(b->unheard, 0);
    CHECK(addr_equal(&b->told.peer, &flow.peer));
    sip_register_opened(b->reg, b->peer->now, 0, &b->told);
    pull(b);
    CHECK(addr_equal(&b->peer->sent_flow.peer, &flow.peer));
    CHECK(has(b, "Contact: <sip:siprecd@192.0.2.2:5060>"));
    CHECK(has(b, "nonce=\"n1\""));
    CHECK_INT(sscanf(strstr(b->request, "CSeq: "), "CSeq: %u", &bound), 1);
    CHECK_INT(bound, asked + 2);
    answer(b, "200 OK", "Expires: 3600\r\n");
    CHECK_INT(status(b).state, SIP_REGISTER_REGISTERED);
    pass(b, 20000);
    CHECK_INT(b->peer->sent_count, 0); /* nor is anything said again at the other place */
    bench_end(b);
}

/* RFC 3263 §4.3: 503 and silence are none that is there. */
static void test_asked_in_vain(void)
{
    struct bench *b = bench_of("sip:bob@example.com", "", "");
    struct sip_flow first = place_of(21);
    pull(b);
    ask_at(b, 21);
    answer(b, "503 Service Unavailable", "");
    CHECK_INT(b->unheard, 1);
    CHECK(addr_equal(&b->told.peer, &first.peer));
    ask_at(b, 22);
    pass(b, 31000);
    CHECK_INT(b->unheard, 0);
    pass(b, 1000); /* 64*T1 */
    CHECK_INT(b->unheard, 1);
    CHECK_INT(status(b).state, SIP_REGISTER_OPENING);
    ask_at(b, 21);
    sip_register_failed(b->reg, b->peer->now, 0, "nobody");
    pass(b, 10000);
    CHECK_INT(b->peer->sent_count, 0);
    ask_at(b, 21);
    sip_register_renew(b->reg, b->peer->now);
    pass(b, 10000);
    CHECK_INT(b->peer->sent_count, 0);
    ask_at(b, 21);
    sip_register_stop(b->reg, b->peer->now);
    CHECK(sip_register_is_stopped(b->reg));
    pass(b, 40000);
    CHECK_INT(b->peer->sent_count, 0);
    bench_end(b);
}

static void test_silent_registrar(void)
{
    struct bench *b = bench_of("sip:bob@example.com", "", "");
    pull(b);
    open_flow(b, 0, SIP_PROTOCOL_UDP);
    pass(b, 31999);
    CHECK_INT(status(b).state, SIP_REGISTER_ASKING);
    pass(b, 1);
    CHECK_INT(status(b).state, SIP_REGISTER_WAITING);
    CHECK_TEXT(status(b).why, "the registrar does not answer");
    bench_end(b);
}

/* After a change of the network: a new flow at once; the old one ends when the new one stands. */
static void test_renew(void)
{
    struct bench *b = registered(OUTBOUND "Expires: 3600\r\n");
    struct sip_flow old = flow_of(7, SIP_PROTOCOL_TCP), new = flow_of(8, SIP_PROTOCOL_TCP);
    sip_register_renew(b->reg, b->peer->now);
    pull(b);
    CHECK_INT(b->opens, 1);
    CHECK_INT(b->closes, 0);
    sip_register_mark(b->reg, &old);
    CHECK(old.trusted);
    open_flow(b, 8, SIP_PROTOCOL_TCP);
    CHECK(has(b, ";reg-id=1;"));
    CHECK_INT(b->peer->sent_flow.id, 8);
    answer(b, "200 OK", OUTBOUND "Expires: 3600\r\n");
    CHECK_INT(b->closes, 1);
    CHECK_INT(b->closed_flow, 7);
    sip_register_mark(b->reg, &new);
    CHECK(new.trusted &&new.outbound);
    old.trusted = false;
    sip_register_mark(b->reg, &old);
    CHECK(!old.trusted);
    bench_end(b);
}

static void test_stop(void)
{
    struct bench *b = registered(OUTBOUND "Expires: 3600\r\n");
    CHECK(!sip_register_is_stopped(b->reg));
    sip_register_stop(b->reg, b->peer->now);
    pull(b);
    CHECK(has(b, "Expires: 0\r\n"));
    CHECK(has(b, ";reg-id=1;"));
    answer(b, "200 OK", "");
    CHECK(sip_register_is_stopped(b->reg));
    CHECK_INT(b->closes, 0); /* calls may still be on it */
    bench_end(b);
    b = registered(OUTBOUND "Expires: 3600\r\n");
    sip_register_stop(b->reg, b->peer->now);
    pass(b, 1999);
    CHECK(!sip_register_is_stopped(b->reg));
    pass(b, 1);
    CHECK(sip_register_is_stopped(b->reg));
    bench_end(b);
    b = bench_of("sip:bob@example.com", "", "");
    sip_register_stop(b->reg, b->peer->now);
    pull(b);
    CHECK_INT(b->opens, 0);
    CHECK(sip_register_is_stopped(b->reg));
    bench_end(b);
}

static void test_uris(void)
{
    struct bench *b = bench_of("sips:rec:pw@sbc.example;transport=tcp, sip:a@b;transport=ws,"
                               "nonsense,sip:10.0.0.1:5080",
                               "", "");
    CHECK_INT(sip_register_count(b->reg), 2);
    CHECK_VIEW(status(b).uri, "sips:rec@sbc.example");
    CHECK_VIEW(sip_register_status(b->reg, 1).uri, "sip:10.0.0.1:5080");
    pull(b);
    open_flow(b, 7, SIP_PROTOCOL_TLS);
    CHECK(has(b, "REGISTER sips:sbc.example SIP/2.0\r\n"));
    CHECK(has(b, "Contact: <sips:siprecd@"));
    CHECK(!strstr(b->request, "pw"));
    bench_end(b);
}

/* What comes when nothing is awaited changes nothing. */
static void test_strays(void)
{
    struct bench *b = bench_of("sip:bob@example.com", "", "");
    struct addr seen = addr_v4(1, 2, 3, 4, 5);
    sip_register_stun(b->reg, b->peer->now, 0, &seen);
    sip_register_closed(b->reg, b->peer->now, 99, "x");
    pull(b);
    open_flow(b, 7, SIP_PROTOCOL_TCP);
    sip_register_failed(b->reg, b->peer->now, 0, "late");
    CHECK_INT(status(b).state, SIP_REGISTER_ASKING);
    open_flow(b, 8, SIP_PROTOCOL_TCP);
    CHECK_INT(b->closed_flow, 8);
    bench_end(b);
}

int main(void)
{
    RUN(test_request);
    RUN(test_seen_from);
    RUN(test_refresh);
    RUN(test_pings);
    RUN(test_flow_timer);
    RUN(test_quick_pings);
    RUN(test_plain_registrar);
    RUN(test_back_off);
    RUN(test_back_off_beside_a_good_one);
    RUN(test_unproven_flow);
    RUN(test_digest);
    RUN(test_wrong_password);
    RUN(test_two_challenges);
    RUN(test_endless_challenges);
    RUN(test_too_brief);
    RUN(test_first_hop_lacks_outbound);
    RUN(test_retry_after);
    RUN(test_retry_after_udp);
    RUN(test_expired);
    RUN(test_refused);
    RUN(test_redirect);
    RUN(test_redirect_choice);
    RUN(test_redirect_after_a_challenge);
    RUN(test_stun);
    RUN(test_options);
    RUN(test_asked_who_is_there);
    RUN(test_asked_in_vain);
    RUN(test_silent_registrar);
    RUN(test_renew);
    RUN(test_stop);
    RUN(test_uris);
    RUN(test_strays);
    return tap_done();
}
