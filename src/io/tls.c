/* tls: connections that may be TLS, may go through an HTTP proxy, or be plain: io_tcp with the same
 * events, OPENED only once all of that stands.
 * Not here: descriptors and their limits (tcp.h), what CONNECT says (proxy.h), names (dns).
 * RFC 8446, 5246 (TLS 1.3, 1.2), 6066 §3 (SNI), 6125, 5922 (SIP domain certificates), 9110 §9.3.6. */
#include "io/tls.h"

#include <assert.h>
#include <errno.h>
#include <openssl/err.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "io/trust.h"

enum {
    TLS_READ_BYTES = 65536,
    TLS_LISTENERS_MAX = 32,
    TLS_EARLY_MAX = 1024 * 1024, /* what may wait for the handshake */
    TLS_LOG_MS = 10000,
};

/* TCP's connect has a limit of its own; this one is for what comes after it. */
static const int64_t tls_handshake_ns = 10 * NS_PER_S;
/* A client that shook hands and says nothing holds a place for nobody. */
static const int64_t tls_first_bytes_ns = 30 * NS_PER_S;

enum tls_stage {
    TLS_CONNECTING, /* TCP is */
    TLS_PROXY,      /* CONNECT went out */
    TLS_HANDSHAKE,
    TLS_OPEN,
    TLS_FAILED, /* closing, for reason and why */
};

struct tls_connection {
    uint64_t flow; /* 0: free */
    enum tls_stage stage;
    bool outgoing;
    bool sip;
    bool told; /* OPENED was given out */
    bool verified;
    SSL *ssl; /* NULL: plain, through a proxy */
    BIO *in, *out;
    struct addr peer;
    struct tick until; /* when its stage must be over; TICK_NEVER: no limit */
    char name[256];    /* what the certificate must name */
    struct io_proxy proxy;
    char *target; /* of CONNECT; NULL: no proxy */
    char *held;   /* bytes of ours that wait for OPENED */
    size_t held_len;
    char *answer; /* the proxy's, and what came with it */
    size_t answer_len;
    size_t answer_used;
    enum io_tcp_reason reason;
    char why[192];
};

struct io_tls {
    struct io_tcp *tcp;
    struct io_trust trust;
    size_t connections_max;
    struct tls_connection *connections; /* by io_tcp_slot */
    uint32_t listeners[TLS_LISTENERS_MAX];
    size_t listeners_count;
    struct tick check_at;
    uint64_t reading; /* the flow that may have more plain bytes; 0: none */
    size_t sealed;    /* bytes of its records when the last ones came */
    struct io_tcp_event event;
    char why[192]; /* of the last CLOSED */
    struct log_limit log;
    char bytes[TLS_READ_BYTES];
};

struct io_tls *io_tls_create(struct io_tcp *tcp, size_t connections_max)
{
    struct io_tls *tls = calloc(1, sizeof *tls);
    if (!tls)
        return NULL;
    tls->tcp = tcp;
    tls->connections_max = connections_max;
    tls->check_at = TICK_NEVER;
    tls->connections = calloc(connections_max, sizeof *tls->connections);
    if (!tls->connections) {
        free(tls);
        return NULL;
    }
    return tls;
}

static void tls_free(struct tls_connection *connection)
{
    SSL_free(connection->ssl); /* and both BIOs */
    free(connection->target);
    if (connection->held)
        explicit_bzero(connection->held, connection->held_len);
    free(connection->held);
    free(connection->answer);
    explicit_bzero(connection, sizeof *connection);
}

void io_tls_destroy(struct io_tls *tls)
{
    if (!tls)
        return;
    for (size_t i = 0; i < tls->connections_max; i++)
        tls_free(&tls->connections[i]);
    io_trust_finish(&tls->trust);
    free(tls->connections);
    free(tls);
}

bool io_tls_load(struct io_tls *tls, const struct io_tls_files *files, char *error,
                 size_t error_size)
{
    struct io_trust trust;
    if (!io_trust_init(&trust, files, error, error_size))
        return false;
    io_trust_finish(&tls->trust); /* its contexts live on in the connections made with them */
    tls->trust = trust;
    return true;
}

bool io_tls_check(const struct io_tls_files *files, char *error, size_t error_size)
{
    struct io_trust trust;
    if (!io_trust_init(&trust, files, error, error_size))
        return false;
    io_trust_finish(&trust);
    return true;
}

struct wall io_tls_certificate_ends(const struct io_tls *tls)
{
    return tls->trust.ends;
}

static struct tls_connection *tls_find(const struct io_tls *tls, uint64_t flow)
{
    struct tls_connection *connection = &tls->connections[io_tcp_slot(flow)];
    return connection->flow == flow ? connection : NULL;
}

static struct tls_connection *tls_take(struct io_tls *tls, uint64_t flow)
{
    struct tls_connection *connection = &tls->connections[io_tcp_slot(flow)];
    assert(connection->flow == 0);
    *connection = (struct tls_connection){.flow = flow, .until = TICK_NEVER};
    return connection;
}

static void tls_limit(struct io_tls *tls, struct tls_connection *connection, struct tick now,
                      int64_t ns)
{
    connection->until = tick_add_ns(now, ns);
    tls->check_at = tick_min(tls->check_at, connection->until);
}

/* It ends: tcp's CLOSED follows and gets this reason. why may be NULL. */
static void tls_fail(struct io_tls *tls, struct tick now, struct tls_connection *connection,
                     enum io_tcp_reason reason, const char *why)
{
    if (connection->stage == TLS_FAILED)
        return;
    connection->stage = TLS_FAILED;
    connection->reason = reason;
    connection->until = TICK_NEVER;
    snprintf(connection->why, sizeof connection->why, "%s", why ? why : "");
    io_tcp_close(tls->tcp, now, connection->flow);
}

/* ---- records -------------------------------------------------------------------------------- */

static bool tls_attach(struct tls_connection *connection, SSL *ssl)
{
    connection->in = BIO_new(BIO_s_mem());
    connection->out = BIO_new(BIO_s_mem());
    if (!ssl || !connection->in || !connection->out) {
        SSL_free(ssl);
        BIO_free(connection->in);
        BIO_free(connection->out);
        connection->in = connection->out = NULL;
        return false;
    }
    SSL_set_bio(ssl, connection->in, connection->out);
    connection->ssl = ssl;
    return true;
}

static void tls_flush(struct io_tls *tls, struct tick now, struct tls_connection *connection)
{
    char *bytes = NULL;
    long len = BIO_get_mem_data(connection->out, &bytes);
    if (len > 0)
        (void)io_tcp_send(tls->tcp, now, connection->flow, view_of(bytes, (size_t)len));
    (void)BIO_reset(connection->out);
}

static void tls_write(struct io_tls *tls, struct tick now, struct tls_connection *connection,
                      struct view bytes)
{
    size_t written = 0;
    ERR_clear_error();
    if (bytes.len > 0 && SSL_write_ex(connection->ssl, bytes.at, bytes.len, &written) != 1) {
        char why[sizeof connection->why];
        io_trust_explain(connection->ssl, why, sizeof why);
        tls_fail(tls, now, connection, IO_TCP_BY_TLS, why);
        return;
    }
    tls_flush(tls, now, connection);
}

/* All stands: what waited goes out, and OPENED is told. */
static void tls_open(struct io_tls *tls, struct tick now, struct tls_connection *connection)
{
    struct view held = view_of(connection->held, connection->held_len);
    connection->stage = TLS_OPEN;
    connection->until = TICK_NEVER;
    if (!connection->outgoing)
        tls_limit(tls, connection, now, tls_first_bytes_ns);
    if (connection->ssl)
        tls_write(tls, now, connection, held);
    else if (held.len > 0)
        (void)io_tcp_send(tls->tcp, now, connection->flow, held);
    free(connection->held);
    connection->held = NULL;
    connection->held_len = 0;
}

/* True when the certificate that ended the handshake is the one we wanted. */
static bool tls_check_peer(struct tls_connection *connection)
{
    X509 *certificate = SSL_get0_peer_certificate(connection->ssl);
    connection->verified = certificate && SSL_get_verify_result(connection->ssl) == X509_V_OK &&
                           SSL_get_verify_mode(connection->ssl) != SSL_VERIFY_NONE;
    return !connection->outgoing || !connection->sip ||
           (connection->verified && io_trust_is_domain(certificate, connection->name));
}

static void tls_shake(struct io_tls *tls, struct tick now, struct tls_connection *connection)
{
    char why[sizeof connection->why];
    int done, error;
    ERR_clear_error();
    done = SSL_do_handshake(connection->ssl);
    error = SSL_get_error(connection->ssl, done);
    tls_flush(tls, now, connection); /* alerts too */
    if (done != 1 && error == SSL_ERROR_WANT_READ)
        return;
    if (done != 1) {
        io_trust_explain(connection->ssl, why, sizeof why);
        tls_fail(tls, now, connection, IO_TCP_BY_TLS, why);
    } else if (!tls_check_peer(connection)) {
        snprintf(why, sizeof why, "its certificate is not that of %.120s", connection->name);
        tls_fail(tls, now, connection, IO_TCP_BY_TLS, why);
    } else {
        tls_open(tls, now, connection);
    }
}

/* What a plain peer sent along with the proxy's answer; false: nothing. */
static bool tls_read_rest(struct io_tls *tls, struct tls_connection *connection,
                          struct io_tcp_event *event)
{
    size_t len = connection->answer_len - connection->answer_used;
    if (len == 0)
        return false;
    *event = tls->event;
    event->what = IO_TCP_BYTES;
    event->bytes = view_of(connection->answer + connection->answer_used, len);
    connection->answer_used = connection->answer_len;
    return true;
}

/* Gives out plain bytes; false: there are none now. */
static bool tls_read(struct io_tls *tls, struct tick now, struct tls_connection *connection,
                     struct io_tcp_event *event)
{
    char why[sizeof connection->why];
    size_t got = 0;
    int error;
    if (!connection->ssl)
        return tls_read_rest(tls, connection, event);
    ERR_clear_error();
    if (SSL_read_ex(connection->ssl, tls->bytes, sizeof tls->bytes, &got) == 1) {
        connection->until = TICK_NEVER;
        *event = tls->event;
        event->what = IO_TCP_BYTES;
        event->bytes = view_of(tls->bytes, got);
        event->at = event->since = io_tcp_arrival(
            &tls->event, tls->sealed - BIO_ctrl_pending(connection->in), tls->sealed);
        tls_flush(tls, now, connection);
        return true;
    }
    error = SSL_get_error(connection->ssl, 0);
    tls_flush(tls, now, connection);
    if (error == SSL_ERROR_ZERO_RETURN) {
        tls_fail(tls, now, connection, IO_TCP_BY_PEER, NULL);
    } else if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) {
        io_trust_explain(connection->ssl, why, sizeof why);
        tls_fail(tls, now, connection, IO_TCP_BY_TLS, why);
    }
    return false;
}

/* ---- ways out ------------------------------------------------------------------------------- */

int io_tls_listen(struct io_tls *tls, const struct addr *local, uint32_t listener,
                  struct addr *bound)
{
    int error;
    if (tls->listeners_count == TLS_LISTENERS_MAX)
        return ENOSPC;
    error = io_tcp_listen(tls->tcp, local, listener, bound);
    if (error == 0)
        tls->listeners[tls->listeners_count++] = listener;
    return error;
}

static char *tls_target(const struct io_tls_route *route)
{
    char *target = NULL;
    int len;
    if (!route->proxy_target || route->proxy_target[0] == '\0')
        len = asprintf(&target, "%s", addr_print(&route->peer).s);
    else
        len = asprintf(&target, "%s:%u", route->proxy_target, route->peer.port);
    return len < 0 ? NULL : target;
}

int io_tls_connect(struct io_tls *tls, struct tick now, uint32_t listener,
                   const struct io_tls_route *route, uint64_t *flow)
{
    struct tls_connection *connection;
    int error = io_tcp_connect(tls->tcp, now, listener, &route->local,
                               route->proxy ? &route->proxy_at : &route->peer, flow);
    if (error != 0 || (!route->name && !route->proxy))
        return error;
    connection = tls_take(tls, *flow);
    connection->outgoing = true;
    connection->sip = route->sip;
    connection->peer = route->peer;
    if (route->proxy) {
        connection->proxy = *route->proxy;
        connection->target = tls_target(route);
    }
    if ((route->proxy && !connection->target) ||
        (route->name &&
         (!view_copy(view_of_string(route->name), connection->name, sizeof connection->name) ||
          !tls->trust.client ||
          !tls_attach(connection, io_trust_connect(&tls->trust, route->name, route->sip)))))
        tls_fail(tls, now, connection, IO_TCP_BY_TLS,
                 "out of memory, or no name for a certificate");
    return 0;
}

bool io_tls_find(const struct io_tls *tls, const struct addr *peer, bool secure, uint64_t *flow)
{
    for (size_t i = 0; i < tls->connections_max; i++) {
        const struct tls_connection *connection = &tls->connections[i];
        if (connection->flow != 0 && connection->stage != TLS_FAILED &&
            (connection->ssl != NULL) == secure && addr_equal(&connection->peer, peer)) {
            *flow = connection->flow;
            return true;
        }
    }
    return !secure && io_tcp_find(tls->tcp, peer, flow) && !tls_find(tls, *flow);
}

/* ---- sending -------------------------------------------------------------------------------- */

static bool tls_hold(struct io_tls *tls, struct tick now, struct tls_connection *connection,
                     struct view bytes)
{
    char *grown;
    if (connection->held_len + bytes.len > TLS_EARLY_MAX) {
        tls_fail(tls, now, connection, IO_TCP_BY_OVERFLOW, NULL);
        return true;
    }
    grown = realloc(connection->held, connection->held_len + bytes.len + 1);
    if (!grown) {
        tls_fail(tls, now, connection, IO_TCP_BY_OVERFLOW, NULL);
        return true;
    }
    memcpy(grown + connection->held_len, bytes.at, bytes.len);
    connection->held = grown;
    connection->held_len += bytes.len;
    return true;
}

bool io_tls_send(struct io_tls *tls, struct tick now, uint64_t flow, struct view bytes)
{
    struct tls_connection *connection = tls_find(tls, flow);
    if (!connection)
        return io_tcp_send(tls->tcp, now, flow, bytes);
    if (connection->stage == TLS_FAILED)
        return false;
    if (bytes.len == 0)
        return true;
    if (connection->stage != TLS_OPEN)
        return tls_hold(tls, now, connection, bytes);
    if (!connection->ssl)
        return io_tcp_send(tls->tcp, now, flow, bytes);
    tls_write(tls, now, connection, bytes);
    return true;
}

void io_tls_close(struct io_tls *tls, struct tick now, uint64_t flow)
{
    struct tls_connection *connection = tls_find(tls, flow);
    if (connection && connection->stage == TLS_OPEN && connection->ssl) {
        ERR_clear_error();
        (void)SSL_shutdown(connection->ssl); /* RFC 8446 §6.1: close_notify */
        tls_flush(tls, now, connection);
    }
    if (connection)
        tls_fail(tls, now, connection, IO_TCP_BY_US, NULL);
    else
        io_tcp_close(tls->tcp, now, flow);
}

/* ---- what tcp tells ------------------------------------------------------------------------- */

/* What comes after TCP (and the proxy): the handshake, or nothing. */
static void tls_begin(struct io_tls *tls, struct tick now, struct tls_connection *connection)
{
    if (!connection->ssl) {
        tls_open(tls, now, connection);
        return;
    }
    connection->stage = TLS_HANDSHAKE;
    tls_limit(tls, connection, now, tls_handshake_ns);
    tls_shake(tls, now, connection);
}

static void tls_ask_proxy(struct io_tls *tls, struct tick now, struct tls_connection *connection)
{
    char request[2048];
    struct writer w = writer_of(request, sizeof request);
    io_proxy_print(&w, &connection->proxy, view_of_string(connection->target));
    connection->stage = TLS_PROXY;
    tls_limit(tls, connection, now, tls_handshake_ns);
    if (w.failed)
        tls_fail(tls, now, connection, IO_TCP_BY_PROXY, "the proxy's URL is too long");
    else
        (void)io_tcp_send(tls->tcp, now, connection->flow, writer_done(&w));
    explicit_bzero(request, sizeof request);
}

/* tcp opened one. True: nobody here has anything to do with it. */
static bool tls_opened(struct io_tls *tls, struct tick now, const struct io_tcp_event *event)
{
    struct tls_connection *connection = tls_find(tls, event->flow);
    bool secure = false;
    if (event->outgoing) {
        if (connection && connection->target)
            tls_ask_proxy(tls, now, connection);
        else if (connection)
            tls_begin(tls, now, connection);
        return !connection;
    }
    for (size_t i = 0; i < tls->listeners_count; i++)
        secure = secure || tls->listeners[i] == event->listener;
    if (!secure)
        return true;
    connection = tls_take(tls, event->flow);
    connection->peer = event->peer;
    if (!tls->trust.server || !tls_attach(connection, SSL_new(tls->trust.server))) {
        tls_fail(tls, now, connection, IO_TCP_BY_TLS, "no certificate, or no memory");
        return false;
    }
    SSL_set_accept_state(connection->ssl);
    tls_begin(tls, now, connection);
    return false;
}

static void tls_refused(struct io_tls *tls, struct tick now, struct tls_connection *connection,
                        unsigned status)
{
    char why[sizeof connection->why];
    /* tinyproxy says 401 where RFC 9110 §15.5.8 has 407. */
    if (status == 407 || status == 401)
        snprintf(why, sizeof why, "the proxy %s (%u)",
                 connection->proxy.authorization[0] ? "does not take our password"
                                                    : "asks for a password",
                 status);
    else
        snprintf(why, sizeof why, "the proxy refuses CONNECT to %.100s (%u)", connection->target,
                 status);
    tls_fail(tls, now, connection, IO_TCP_BY_PROXY, why);
}

/* The proxy's answer, in pieces of any size. */
static void tls_hear_proxy(struct io_tls *tls, struct tick now, struct tls_connection *connection,
                           struct view piece)
{
    char *grown = realloc(connection->answer, connection->answer_len + piece.len + 1);
    unsigned status = 0;
    if (!grown) {
        tls_fail(tls, now, connection, IO_TCP_BY_PROXY, "out of memory");
        return;
    }
    memcpy(grown + connection->answer_len, piece.at, piece.len);
    connection->answer = grown;
    connection->answer_len += piece.len;
    switch (
        io_proxy_read(view_of(grown, connection->answer_len), &connection->answer_used, &status)) {
    case IO_PROXY_MORE:
        break;
    case IO_PROXY_GRANTED:
        tls_begin(tls, now, connection);
        tls->reading = connection->flow;
        break;
    case IO_PROXY_REFUSED:
        tls_refused(tls, now, connection, status);
        break;
    case IO_PROXY_BROKEN:
        tls_fail(tls, now, connection, IO_TCP_BY_PROXY, "the proxy does not speak HTTP");
        break;
    }
}

/* Bytes of a connection of ours. True: they are for the caller as they are. */
static bool tls_bytes(struct io_tls *tls, struct tick now, struct tls_connection *connection,
                      const struct io_tcp_event *event)
{
    if (connection->stage == TLS_FAILED)
        return false;
    if (connection->stage == TLS_PROXY) {
        /* A TLS server waits for our hello: nothing of its own comes with the proxy's answer. */
        tls_hear_proxy(tls, now, connection, event->bytes);
        return false;
    }
    if (!connection->ssl)
        return true;
    if (BIO_write(connection->in, event->bytes.at, (int)event->bytes.len) <= 0) {
        tls_fail(tls, now, connection, IO_TCP_BY_TLS, "out of memory");
        return false;
    }
    tls->sealed = BIO_ctrl_pending(connection->in);
    if (connection->stage == TLS_HANDSHAKE)
        tls_shake(tls, now, connection);
    if (connection->stage == TLS_OPEN)
        tls->reading = connection->flow;
    return false;
}

/* Its CLOSED. True: to be told. */
static bool tls_closed(struct io_tls *tls, struct tick now, struct tls_connection *connection,
                       struct io_tcp_event *event)
{
    bool tell = connection->told || connection->outgoing;
    uint64_t held_back;
    if (connection->stage == TLS_FAILED) {
        event->reason = connection->reason;
        memcpy(tls->why, connection->why, sizeof tls->why);
        event->why = tls->why[0] ? tls->why : NULL;
    } else if (connection->stage == TLS_CONNECTING && connection->target) {
        event->why = "the proxy cannot be reached";
        event->reason = IO_TCP_BY_PROXY;
    } else if (connection->stage == TLS_PROXY || connection->stage == TLS_HANDSHAKE) {
        event->why = connection->stage == TLS_PROXY ? "the proxy hung up" : "it hung up on our TLS";
        event->reason = connection->stage == TLS_PROXY ? IO_TCP_BY_PROXY : IO_TCP_BY_TLS;
    }
    if (!tell && log_limit_pass(&tls->log, now, TLS_LOG_MS, &held_back))
        LOG_WARN("io", VIEW_NONE, "tls client turned away peer=%s reason=\"%s\" held_back=%llu",
                 addr_print(&connection->peer).s, event->why ? event->why : "it hung up",
                 (unsigned long long)held_back);
    event->peer = connection->peer;
    event->secure = connection->ssl != NULL;
    if (tls->reading == connection->flow)
        tls->reading = 0;
    tls_free(connection);
    return tell;
}

/* Fills in what is told of a connection of ours; true when its OPENED is due. */
static bool tls_announce(struct tls_connection *connection, struct io_tcp_event *event)
{
    event->peer = connection->peer;
    event->secure = connection->ssl != NULL;
    event->verified = connection->verified;
    if (connection->stage != TLS_OPEN || connection->told)
        return false;
    connection->told = true;
    return true;
}

/* One event of tcp's; true: *event is for the caller. */
static bool tls_translate(struct io_tls *tls, struct tick now, struct io_tcp_event *event)
{
    struct tls_connection *connection;
    bool pass = event->what == IO_TCP_OPENED && tls_opened(tls, now, event);
    connection = tls_find(tls, event->flow);
    if (!connection)
        return pass || event->what != IO_TCP_OPENED;
    if (event->what == IO_TCP_CLOSED)
        return tls_closed(tls, now, connection, event);
    if (event->what == IO_TCP_BYTES)
        pass = tls_bytes(tls, now, connection, event);
    tls->event = *event;
    if (!tls_announce(connection, &tls->event)) {
        *event = tls->event;
        return pass;
    }
    *event = tls->event;
    event->what = IO_TCP_OPENED;
    event->bytes = VIEW_NONE;
    return true;
}

bool io_tls_event(struct io_tls *tls, struct tick now, struct io_tcp_event *event)
{
    for (;;) {
        struct tls_connection *connection = tls->reading ? tls_find(tls, tls->reading) : NULL;
        if (connection && connection->stage == TLS_OPEN && tls_read(tls, now, connection, event))
            return true;
        tls->reading = 0;
        if (!io_tcp_event(tls->tcp, now, event))
            return false;
        if (tls_translate(tls, now, event))
            return true;
    }
}

/* ---- time ----------------------------------------------------------------------------------- */

void io_tls_expire(struct io_tls *tls, struct tick now)
{
    io_tcp_expire(tls->tcp, now);
    if (!tick_due(tls->check_at, now))
        return;
    tls->check_at = TICK_NEVER;
    for (size_t i = 0; i < tls->connections_max; i++) {
        struct tls_connection *connection = &tls->connections[i];
        if (connection->flow == 0 || tick_is_never(connection->until))
            continue;
        if (!tick_due(connection->until, now))
            tls->check_at = tick_min(tls->check_at, connection->until);
        else if (connection->stage == TLS_PROXY)
            tls_fail(tls, now, connection, IO_TCP_BY_PROXY, "the proxy does not answer");
        else if (connection->stage == TLS_HANDSHAKE)
            tls_fail(tls, now, connection, IO_TCP_BY_TLS, "it does not answer in TLS");
        else
            tls_fail(tls, now, connection, IO_TCP_BY_IDLE, NULL);
    }
}

struct tick io_tls_deadline(const struct io_tls *tls)
{
    return tick_min(io_tcp_deadline(tls->tcp), tls->check_at);
}
