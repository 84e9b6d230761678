/* TLS on loopback: handshakes with names checked or refused, bytes both ways, client certificates,
 * new certificates while running, an HTTP proxy on the way, time limits by a clock of our own.
 * Not here: what other TLS stacks say (interop).
 * RFC 5922 §7, 6125, 9110 §9.3.6. */
#include "io/tls.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <unistd.h>

#include "io/clock.h"
#include "io/trust.h"
#include "tap.h"

/* ---- certificates --------------------------------------------------------------------------- */

struct maker {
    char dir[64];
    EVP_PKEY *ca_key;
    X509 *ca;
};

static void extend(X509 *certificate, X509 *issuer, int nid, const char *value)
{
    X509V3_CTX context;
    X509_EXTENSION *extension;
    X509V3_set_ctx(&context, issuer, certificate, NULL, NULL, 0);
    extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
    CHECK(extension && X509_add_ext(certificate, extension, -1) == 1);
    X509_EXTENSION_free(extension);
}

/* A certificate with the given names; issuer NULL: its own. days: from now, also in the past. */
static X509 *make(EVP_PKEY *key, X509 *issuer, EVP_PKEY *issuer_key, const char *names, int days)
{
    static long serial = 1;
    X509 *x = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), serial++);
    X509_gmtime_adj(X509_getm_notBefore(x), -10 * 86400);
    X509_gmtime_adj(X509_getm_notAfter(x), days * 86400L);
    X509_set_pubkey(x, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_ASC,
                               (const unsigned char *)(issuer ? "leaf" : "root"), -1, -1, 0);
    X509_set_issuer_name(x, X509_get_subject_name(issuer ? issuer : x));
    if (!issuer)
        extend(x, x, NID_basic_constraints, "critical,CA:TRUE");
    if (names)
        extend(x, issuer, NID_subject_alt_name, names);
    CHECK(X509_sign(x, issuer_key, EVP_sha256()) > 0);
    return x;
}

static const char *path_of(const struct maker *maker, const char *name)
{
    static char paths[4][128];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", maker->dir, name);
    return path;
}

/* NAME.pem (with a key) for the given names. */
static void write_leaf(const struct maker *maker, const char *name, const char *names, int days)
{
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *x = make(key, maker->ca, maker->ca_key, names, days);
    FILE *file = fopen(path_of(maker, name), "w");
    CHECK(file && PEM_write_X509(file, x) == 1 &&
          PEM_write_PrivateKey(file, key, NULL, NULL, 0, NULL, NULL) == 1);
    if (file)
        fclose(file);
    X509_free(x);
    EVP_PKEY_free(key);
}

static void maker_init(struct maker *maker)
{
    FILE *file;
    snprintf(maker->dir, sizeof maker->dir, "/tmp/test_io_tls.XXXXXX");
    CHECK(mkdtemp(maker->dir) != NULL);
    maker->ca_key = EVP_EC_gen("P-256");
    maker->ca = make(maker->ca_key, NULL, maker->ca_key, NULL, 10);
    file = fopen(path_of(maker, "ca.pem"), "w");
    CHECK(file && PEM_write_X509(file, maker->ca) == 1);
    if (file)
        fclose(file);
}

static void maker_finish(struct maker *maker)
{
    char command[128];
    X509_free(maker->ca);
    EVP_PKEY_free(maker->ca_key);
    snprintf(command, sizeof command, "rm -r %s", maker->dir);
    CHECK_INT(system(command), 0);
}

/* ---- two ends ------------------------------------------------------------------------------- */

enum { CLIENT, SERVER, PROXY, SIDES };

struct end {
    struct io_loop *loop;
    struct io_tcp *tcp;
    struct io_tls *tls;
};

struct pair {
    struct end ends[SIDES];
    struct addr bound;
    struct tick now;
};

static void end_init(struct end *end)
{
    struct io_tcp_limits limits = {.connections_max = 8,
                                   .connections_per_peer_max = 8,
                                   .listeners_max = 2,
                                   .unsent_bytes_max = 4 * 1024 * 1024,
                                   .first_bytes_ns = 1000 * NS_PER_S,
                                   .idle_ns = 1000 * NS_PER_S,
                                   .unsent_ns = 1000 * NS_PER_S,
                                   .connect_ns = 1000 * NS_PER_S};
    end->loop = io_loop_create();
    end->tcp = io_tcp_create(end->loop, 9, &limits);
    end->tls = io_tls_create(end->tcp, 8);
}

static void load(struct end *end, const struct maker *maker, const char *own, bool ca)
{
    struct io_tls_files files = {.certificate = own ? path_of(maker, own) : NULL,
                                 .ca = ca ? path_of(maker, "ca.pem") : NULL};
    char error[256] = "";
    if (!CHECK(io_tls_load(end->tls, &files, error, sizeof error)))
        printf("# %s\n", error);
}

static void pair_init(struct pair *pair, const struct maker *maker, const char *server)
{
    struct addr at = addr_v4(127, 0, 0, 1, 0);
    memset(pair, 0, sizeof *pair);
    pair->now = (struct tick){1000 * NS_PER_S};
    for (size_t i = 0; i < SIDES; i++)
        end_init(&pair->ends[i]);
    load(&pair->ends[SERVER], maker, server, false);
    load(&pair->ends[CLIENT], maker, NULL, true);
    CHECK_INT(io_tls_listen(pair->ends[SERVER].tls, &at, 3, &pair->bound), 0);
}

static void pair_finish(struct pair *pair)
{
    for (size_t i = 0; i < SIDES; i++) {
        io_tls_destroy(pair->ends[i].tls);
        io_tcp_destroy(pair->ends[i].tcp);
        io_loop_destroy(pair->ends[i].loop);
    }
}

static void end_turn(struct end *end, struct tick now)
{
    struct io_ready ready[8];
    size_t count = io_loop_wait(end->loop, tick_add_ms(io_clock_tick(), 1), ready, 8);
    for (size_t i = 0; i < count; i++)
        io_tcp_ready(end->tcp, now, &ready[i]);
}

/* The next event of one end, while the others' (but for what they answer in TLS) wait. */
static bool next(struct pair *pair, int side, struct io_tcp_event *event)
{
    struct tick until = tick_add_ms(io_clock_tick(), 5000);
    while (tick_before(io_clock_tick(), until)) {
        for (int i = 0; i < SIDES; i++) {
            struct io_tcp_event other;
            end_turn(&pair->ends[i], pair->now);
            if (i == side && io_tls_event(pair->ends[i].tls, pair->now, event))
                return true;
            if (i != side && !io_tls_event(pair->ends[i].tls, pair->now, &other))
                continue;
            if (i != side && i == SERVER && other.what == IO_TCP_BYTES)
                io_tls_send(pair->ends[i].tls, pair->now, other.flow, other.bytes);
        }
    }
    return FAIL("no event came");
}

static uint64_t dial(struct pair *pair, const char *name, bool sip)
{
    struct io_tls_route route = {.peer = pair->bound, .name = name, .sip = sip};
    uint64_t flow = 0;
    CHECK_INT(io_tls_connect(pair->ends[CLIENT].tls, pair->now, 7, &route, &flow), 0);
    return flow;
}

/* ---- tests ---------------------------------------------------------------------------------- */

static struct maker maker;

/* The server sends back what it gets; what was sent before the handshake arrives too. */
static void test_echo(void)
{
    struct pair pair;
    struct io_tcp_event event;
    uint64_t flow, found;
    pair_init(&pair, &maker, "dns.pem");
    flow = dial(&pair, "sbc.example", false);
    CHECK(io_tls_send(pair.ends[CLIENT].tls, pair.now, flow, VIEW_LIT("early")));
    CHECK(next(&pair, CLIENT, &event) && event.what == IO_TCP_OPENED);
    CHECK(event.secure && event.verified && event.outgoing);
    CHECK_INT(event.flow, flow);
    CHECK(addr_equal(&event.peer, &pair.bound));
    CHECK(next(&pair, CLIENT, &event) && event.what == IO_TCP_BYTES);
    CHECK_VIEW(event.bytes, "early");
    CHECK(io_tls_find(pair.ends[CLIENT].tls, &pair.bound, true, &found) && found == flow);
    CHECK(!io_tls_find(pair.ends[CLIENT].tls, &pair.bound, false, &found));
    io_tls_close(pair.ends[CLIENT].tls, pair.now, flow);
    CHECK(next(&pair, CLIENT, &event) && event.what == IO_TCP_CLOSED);
    CHECK_INT(event.reason, IO_TCP_BY_US);
    CHECK(!io_tls_send(pair.ends[CLIENT].tls, pair.now, flow, VIEW_LIT("late")));
    pair_finish(&pair);
}

/* A megabyte goes there and back in records. */
static void test_large(void)
{
    enum { SIZE = 1024 * 1024 };
    struct pair pair;
    struct io_tcp_event event;
    char *sent = malloc(SIZE);
    size_t got = 0;
    uint64_t flow;
    bool same = true;
    for (size_t i = 0; i < SIZE; i++)
        sent[i] = (char)(i * 7 + i / 251);
    pair_init(&pair, &maker, "dns.pem");
    flow = dial(&pair, "sbc.example", false);
    CHECK(io_tls_send(pair.ends[CLIENT].tls, pair.now, flow, view_of(sent, SIZE)));
    while (got < SIZE && next(&pair, CLIENT, &event)) {
        if (event.what != IO_TCP_BYTES)
            continue;
        same = same && got + event.bytes.len <= SIZE &&
               memcmp(sent + got, event.bytes.at, event.bytes.len) == 0;
        got += event.bytes.len;
    }
    CHECK(same);
    CHECK_INT(got, SIZE);
    free(sent);
    pair_finish(&pair);
}

/* Records that are read together have a time each. */
static void test_deferred_records(void)
{
    struct pair pair;
    struct io_tcp_event event;
    struct wall last;
    uint64_t flow;
    pair_init(&pair, &maker, "dns.pem");
    flow = dial(&pair, "sbc.example", false);
    CHECK(io_tls_send(pair.ends[CLIENT].tls, pair.now, flow, VIEW_LIT("echo")));
    while (next(&pair, CLIENT, &event) && event.what != IO_TCP_BYTES)
        continue;
    io_tcp_sweep(pair.ends[CLIENT].tcp, true);
    io_tcp_defer(pair.ends[CLIENT].tcp, flow);
    last = event.at;
    for (int i = 0; i < 3; i++)
        CHECK(io_tls_send(pair.ends[CLIENT].tls, pair.now, flow, VIEW_LIT("again")));
    for (int i = 0; i < 20; i++) { /* they come back, and lie there */
        struct io_tcp_event other;
        end_turn(&pair.ends[SERVER], pair.now);
        while (io_tls_event(pair.ends[SERVER].tls, pair.now, &other)) {
            if (other.what == IO_TCP_BYTES)
                io_tls_send(pair.ends[SERVER].tls, pair.now, other.flow, other.bytes);
        }
    }
    CHECK(!io_tls_event(pair.ends[CLIENT].tls, pair.now, &event));
    io_tcp_sweep(pair.ends[CLIENT].tcp, true);
    for (int i = 0; i < 3; i++) {
        CHECK(io_tls_event(pair.ends[CLIENT].tls, pair.now, &event) && event.what == IO_TCP_BYTES);
        CHECK_VIEW(event.bytes, "again");
        CHECK(event.at.ns > last.ns);
        CHECK(event.at.ns <= io_clock_wall().ns);
        last = event.at;
    }
    pair_finish(&pair);
}

/* Opens towards name; what became of it. why: what the words must hold. */
static void expect(const char *server, const char *name, bool sip, const char *why)
{
    struct pair pair;
    struct io_tcp_event event;
    pair_init(&pair, &maker, server);
    dial(&pair, name, sip);
    if (CHECK(next(&pair, CLIENT, &event))) {
        CHECK_INT(event.what, why ? IO_TCP_CLOSED : IO_TCP_OPENED);
        if (why && CHECK(event.reason == IO_TCP_BY_TLS && event.why) &&
            !CHECK(strstr(event.why, why) != NULL))
            printf("# said: %s\n", event.why);
    }
    pair_finish(&pair);
}

static void test_names(void)
{
    expect("dns.pem", "other.example", false, "certificate");
    expect("dns.pem", "127.0.0.1", false, "certificate");
    expect("ip.pem", "127.0.0.1", false, NULL);
    expect("ip.pem", "127.0.0.1", true, NULL);
    expect("wild.pem", "sbc.corp.example", false, NULL);
}

/* RFC 5922 §7.1, 7.2: URIs first, no wildcards. */
static void test_sip_domains(void)
{
    expect("dns.pem", "sbc.example", true, NULL);
    expect("wild.pem", "sbc.corp.example", true, "not that of");
    expect("uri.pem", "example.com", true, NULL);
    expect("uri.pem", "EXAMPLE.com", true, NULL);
    expect("uri.pem", "sbc.example", true, "not that of");
    expect("user.pem", "example.com", true, "not that of");
}

static void test_unknown_ca(void)
{
    struct pair pair;
    struct io_tcp_event event;
    pair_init(&pair, &maker, "dns.pem");
    load(&pair.ends[CLIENT], &maker, NULL, false); /* the system's alone */
    dial(&pair, "sbc.example", false);
    CHECK(next(&pair, CLIENT, &event) && event.what == IO_TCP_CLOSED);
    CHECK(event.why && strstr(event.why, "not accepted"));
    pair_finish(&pair);
}

static void test_client_certificates(void)
{
    struct pair pair;
    struct io_tcp_event event;
    pair_init(&pair, &maker, "dns.pem");
    load(&pair.ends[SERVER], &maker, "dns.pem", true);
    dial(&pair, "sbc.example", false); /* none shown: none wanted */
    CHECK(next(&pair, SERVER, &event) && event.what == IO_TCP_OPENED);
    CHECK(event.secure && !event.verified);
    CHECK_INT(event.listener, 3);
    load(&pair.ends[CLIENT], &maker, "uri.pem", true);
    dial(&pair, "sbc.example", false);
    CHECK(next(&pair, SERVER, &event) && event.what == IO_TCP_OPENED);
    CHECK(event.verified);
    pair_finish(&pair);
}

/* New files serve new connections; bad ones change nothing. */
static void test_reload(void)
{
    struct pair pair;
    struct io_tcp_event event;
    struct io_tls_files bad = {.certificate = path_of(&maker, "expired.pem")};
    char error[256] = "";
    uint64_t flow;
    pair_init(&pair, &maker, "dns.pem");
    flow = dial(&pair, "sbc.example", false);
    CHECK(next(&pair, CLIENT, &event) && event.what == IO_TCP_OPENED);
    CHECK(!io_tls_load(pair.ends[SERVER].tls, &bad, error, sizeof error));
    CHECK(strstr(error, "expired.pem") && strstr(error, "expired"));
    bad.certificate = "/nonexistent.pem";
    CHECK(!io_tls_load(pair.ends[SERVER].tls, &bad, error, sizeof error));
    CHECK(strstr(error, "/nonexistent.pem") != NULL);
    bad = (struct io_tls_files){.certificate = path_of(&maker, "dns.pem"),
                                .key = path_of(&maker, "ip.pem")};
    CHECK(!io_tls_load(pair.ends[SERVER].tls, &bad, error, sizeof error));
    load(&pair.ends[SERVER], &maker, "ip.pem", false);
    CHECK(io_tls_certificate_ends(pair.ends[SERVER].tls).ns > io_clock_wall().ns);
    CHECK(io_tls_send(pair.ends[CLIENT].tls, pair.now, flow, VIEW_LIT("still")));
    CHECK(next(&pair, CLIENT, &event) && event.what == IO_TCP_BYTES);
    dial(&pair, "127.0.0.1", false);
    CHECK(next(&pair, CLIENT, &event) && event.what == IO_TCP_OPENED);
    pair_finish(&pair);
}

/* Plain bytes at a TLS listener, and a client that never begins. */
static void test_nonsense(void)
{
    struct pair pair;
    struct io_tcp_event event;
    uint64_t flow;
    pair_init(&pair, &maker, "dns.pem");
    flow = dial(&pair, NULL, false);
    CHECK(next(&pair, CLIENT, &event) && event.what == IO_TCP_OPENED);
    CHECK(
        io_tls_send(pair.ends[CLIENT].tls, pair.now, flow, VIEW_LIT("OPTIONS sip:a SIP/2.0\r\n")));
    while (CHECK(next(&pair, CLIENT, &event)) && event.what == IO_TCP_BYTES)
        continue; /* the alert */
    CHECK_INT(event.what, IO_TCP_CLOSED);
    dial(&pair, NULL, false);
    CHECK(next(&pair, CLIENT, &event) && event.what == IO_TCP_OPENED);
    for (int i = 0; i < 1000 && io_tcp_connections(pair.ends[SERVER].tcp) == 0; i++) {
        end_turn(&pair.ends[SERVER], pair.now);
        CHECK(!io_tls_event(pair.ends[SERVER].tls, pair.now, &event));
    }
    CHECK_INT(io_tcp_connections(pair.ends[SERVER].tcp), 1);
    pair.now = tick_add_ms(pair.now, 9999);
    io_tls_expire(pair.ends[SERVER].tls, pair.now);
    CHECK(!io_tls_event(pair.ends[SERVER].tls, pair.now, &event));
    CHECK_INT(io_tcp_connections(pair.ends[SERVER].tcp), 1);
    pair.now = tick_add_ms(pair.now, 1);
    io_tls_expire(pair.ends[SERVER].tls, pair.now);
    CHECK(next(&pair, CLIENT, &event) && event.what == IO_TCP_CLOSED);
    pair_finish(&pair);
}

/* ---- through a proxy ------------------------------------------------------------------------ */

/* Plays the proxy until CONNECT is there, answers, and relays for as long as the client hears
 * nothing. Plain sockets of io_tcp on both sides. */
struct play {
    struct end behind; /* the proxy's other side */
    const char *answer;
    uint64_t client, server;
    bool answered;
};

static bool play_proxy(struct pair *pair, struct play *play, struct io_tcp_event *event)
{
    struct end *behind = &play->behind;
    struct tick until = tick_add_ms(io_clock_tick(), 5000);
    struct io_tcp_event got, here;
    while (tick_before(io_clock_tick(), until)) {
        struct end *ends[] = {&pair->ends[CLIENT], &pair->ends[SERVER], &pair->ends[PROXY], behind};
        for (size_t i = 0; i < 4; i++)
            end_turn(ends[i], pair->now);
        if (io_tls_event(pair->ends[CLIENT].tls, pair->now, event))
            return true;
        if (io_tls_event(pair->ends[SERVER].tls, pair->now, &here) && here.what == IO_TCP_BYTES)
            io_tls_send(pair->ends[SERVER].tls, pair->now, here.flow, here.bytes);
        if (io_tcp_event(pair->ends[PROXY].tcp, pair->now, &got)) {
            play->client = got.flow;
            if (got.what == IO_TCP_BYTES && !play->answered) {
                char wanted[128];
                snprintf(wanted, sizeof wanted, "CONNECT sbc.example:%u HTTP/1.1\r\n",
                         pair->bound.port);
                CHECK(view_starts_with(got.bytes, view_of_string(wanted)));
                CHECK(view_find(got.bytes, VIEW_LIT("Proxy-Authorization: Basic dXNlcjo=\r\n")) <
                      got.bytes.len);
                play->answered = true;
                CHECK_INT(
                    io_tcp_connect(behind->tcp, pair->now, 0, NULL, &pair->bound, &play->server),
                    0);
                io_tcp_send(pair->ends[PROXY].tcp, pair->now, play->client,
                            view_of_string(play->answer));
            } else if (got.what == IO_TCP_BYTES) {
                io_tcp_send(behind->tcp, pair->now, play->server, got.bytes);
            }
        }
        if (io_tcp_event(behind->tcp, pair->now, &got) && got.what == IO_TCP_BYTES)
            io_tcp_send(pair->ends[PROXY].tcp, pair->now, play->client, got.bytes);
    }
    return FAIL("no event came");
}

static void through_proxy(const char *answer, const char *why)
{
    struct pair pair;
    struct play play = {.answer = answer};
    struct io_tcp_event event;
    struct io_proxy proxy;
    struct io_tls_route route;
    struct addr at = addr_v4(127, 0, 0, 1, 0), proxy_at;
    uint64_t flow;
    pair_init(&pair, &maker, "dns.pem");
    end_init(&play.behind);
    CHECK_INT(io_tcp_listen(pair.ends[PROXY].tcp, &at, 5, &proxy_at), 0);
    CHECK(io_proxy_parse(VIEW_LIT("http://user@proxy.example"), &proxy));
    route = (struct io_tls_route){.peer = pair.bound,
                                  .name = "sbc.example",
                                  .proxy = &proxy,
                                  .proxy_at = proxy_at,
                                  .proxy_target = "sbc.example"};
    CHECK_INT(io_tls_connect(pair.ends[CLIENT].tls, pair.now, 7, &route, &flow), 0);
    CHECK(io_tls_send(pair.ends[CLIENT].tls, pair.now, flow, VIEW_LIT("early")));
    if (CHECK(play_proxy(&pair, &play, &event)) && why) {
        CHECK_INT(event.what, IO_TCP_CLOSED);
        CHECK_INT(event.reason, IO_TCP_BY_PROXY);
        CHECK(event.why && strstr(event.why, why));
    } else {
        CHECK_INT(event.what, IO_TCP_OPENED);
        CHECK(addr_equal(&event.peer, &pair.bound));
        CHECK(play_proxy(&pair, &play, &event) && event.what == IO_TCP_BYTES);
    }
    io_tls_destroy(play.behind.tls);
    io_tcp_destroy(play.behind.tcp);
    io_loop_destroy(play.behind.loop);
    pair_finish(&pair);
}

static void test_proxy_refuses(void)
{
    through_proxy("HTTP/1.1 403 Filtered\r\n\r\n<html>", "403");
    through_proxy("HTTP/1.1 407 Who are you\r\n\r\n", "password");
    through_proxy("220 mail.example ESMTP\r\n\r\n", "HTTP");
}

/* A plain connection whose peer speaks along with the proxy's answer loses no byte. */
static void test_proxy_plain(void)
{
    struct pair pair;
    struct io_tcp_event event, got;
    struct io_proxy proxy;
    struct io_tls_route route;
    struct addr at = addr_v4(127, 0, 0, 1, 0), proxy_at;
    uint64_t flow;
    pair_init(&pair, &maker, "dns.pem");
    CHECK_INT(io_tcp_listen(pair.ends[PROXY].tcp, &at, 5, &proxy_at), 0);
    CHECK(io_proxy_parse(VIEW_LIT("http://proxy.example"), &proxy));
    route = (struct io_tls_route){
        .peer = addr_v4(192, 0, 2, 1, 443), .proxy = &proxy, .proxy_at = proxy_at};
    CHECK_INT(io_tls_connect(pair.ends[CLIENT].tls, pair.now, 7, &route, &flow), 0);
    CHECK(io_tls_send(pair.ends[CLIENT].tls, pair.now, flow, VIEW_LIT("early")));
    end_turn(&pair.ends[CLIENT], pair.now);
    do {
        end_turn(&pair.ends[CLIENT], pair.now);
        end_turn(&pair.ends[PROXY], pair.now);
        CHECK(!io_tls_event(pair.ends[CLIENT].tls, pair.now, &event));
    } while (!io_tcp_event(pair.ends[PROXY].tcp, pair.now, &got) || got.what != IO_TCP_BYTES);
    CHECK_VIEW(got.bytes, "CONNECT 192.0.2.1:443 HTTP/1.1\r\nHost: 192.0.2.1:443\r\n\r\n");
    io_tcp_send(pair.ends[PROXY].tcp, pair.now, got.flow,
                VIEW_LIT("HTTP/1.1 200 OK\r\n\r\nwelcome"));
    CHECK(next(&pair, CLIENT, &event) && event.what == IO_TCP_OPENED && !event.secure);
    CHECK_INT(event.peer.port, 443);
    CHECK(next(&pair, CLIENT, &event) && event.what == IO_TCP_BYTES);
    CHECK_VIEW(event.bytes, "welcome");
    pair_finish(&pair);
}

static void test_proxy_grants(void)
{
    through_proxy("HTTP/1.0 200 Connection established\r\n\r\n", NULL);
}

int main(void)
{
    maker_init(&maker);
    write_leaf(&maker, "dns.pem", "DNS:sbc.example", 5);
    write_leaf(&maker, "ip.pem", "IP:127.0.0.1", 5);
    write_leaf(&maker, "wild.pem", "DNS:*.corp.example", 5);
    write_leaf(&maker, "uri.pem", "URI:sip:example.com,DNS:sbc.example", 5);
    write_leaf(&maker, "user.pem", "URI:sip:alice@example.com,DNS:sbc.example", 5);
    write_leaf(&maker, "expired.pem", "DNS:sbc.example", -1);
    RUN(test_echo);
    RUN(test_large);
    RUN(test_deferred_records);
    RUN(test_names);
    RUN(test_sip_domains);
    RUN(test_unknown_ca);
    RUN(test_client_certificates);
    RUN(test_reload);
    RUN(test_nonsense);
    RUN(test_proxy_grants);
    RUN(test_proxy_refuses);
    RUN(test_proxy_plain);
    maker_finish(&maker);
    return tap_done();
}
