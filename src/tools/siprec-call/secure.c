/* secure: TLS on the one SIP connection of a run.
 * Not here: the connection itself (net.h).
 * RFC 8446, 5246; RFC 3261 §26.2. */
#include "tools/siprec-call/secure.h"

#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/addr.h"

struct call_secure {
    SSL_CTX *context;
    SSL *ssl;
};

static bool secure_configure(struct call_secure *secure, const struct call_secure_options *options)
{
    struct addr literal;
    bool is_literal = addr_parse_ip(view_of_string(options->host), &literal);
    bool good = true;
    secure->context = SSL_CTX_new(TLS_client_method());
    if (!secure->context)
        return false;
    SSL_CTX_set_min_proto_version(secure->context, TLS1_2_VERSION);
    SSL_CTX_set_mode(secure->context,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (options->ca) {
        SSL_CTX_set_verify(secure->context, SSL_VERIFY_PEER, NULL);
        good = SSL_CTX_load_verify_locations(secure->context, options->ca, NULL) == 1;
    }
    if (good && options->certificate)
        good = SSL_CTX_use_certificate_chain_file(secure->context, options->certificate) == 1 &&
               SSL_CTX_use_PrivateKey_file(secure->context, options->certificate,
                                           SSL_FILETYPE_PEM) == 1;
    secure->ssl = good ? SSL_new(secure->context) : NULL;
    if (!secure->ssl)
        return false;
    if (is_literal)
        return X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(secure->ssl),
                                             addr_print_ip(&literal).s) == 1;
    return SSL_set_tlsext_host_name(secure->ssl, options->host) == 1 &&
           SSL_set1_host(secure->ssl, options->host) == 1;
}

static bool secure_shake(struct call_secure *secure, int fd, int timeout_ms)
{
    for (;;) {
        struct pollfd ready = {.fd = fd};
        int done = SSL_connect(secure->ssl);
        int error = SSL_get_error(secure->ssl, done);
        if (done == 1)
            return true;
        if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
            return false;
        ready.events = error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT;
        if (poll(&ready, 1, timeout_ms) != 1)
            return false;
    }
}

struct call_secure *call_secure_open(int fd, const struct call_secure_options *options,
                                     int timeout_ms, char *error, size_t size)
{
    struct call_secure *secure = calloc(1, sizeof *secure);
    ERR_clear_error();
    if (secure && secure_configure(secure, options) && SSL_set_fd(secure->ssl, fd) == 1 &&
        secure_shake(secure, fd, timeout_ms))
        return secure;
    long verdict = secure && secure->ssl ? SSL_get_verify_result(secure->ssl) : X509_V_OK;
    const char *reason = ERR_reason_error_string(ERR_get_error());
    if (options->ca && verdict != X509_V_OK)
        reason = X509_verify_cert_error_string(verdict);
    snprintf(error, size, "no TLS with %s: %s", options->host, reason ? reason : "no answer");
    call_secure_close(secure);
    return NULL;
}

void call_secure_close(struct call_secure *secure)
{
    if (!secure)
        return;
    if (secure->ssl && SSL_is_init_finished(secure->ssl))
        (void)SSL_shutdown(secure->ssl);
    SSL_free(secure->ssl);
    SSL_CTX_free(secure->context);
    free(secure);
}

/* What a failed call means in the words of a socket. */
static ssize_t secure_result(const struct call_secure *secure)
{
    int error = SSL_get_error(secure->ssl, 0);
    if (error == SSL_ERROR_ZERO_RETURN)
        return 0;
    errno = error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE ? EAGAIN : ECONNRESET;
    return -1;
}

ssize_t call_secure_send(struct call_secure *secure, const void *bytes, size_t len)
{
    size_t done = 0;
    ERR_clear_error();
    if (SSL_write_ex(secure->ssl, bytes, len, &done) == 1)
        return (ssize_t)done;
    return secure_result(secure);
}

ssize_t call_secure_receive(struct call_secure *secure, void *bytes, size_t len)
{
    size_t done = 0;
    ERR_clear_error();
    if (SSL_read_ex(secure->ssl, bytes, len, &done) == 1)
        return (ssize_t)done;
    return secure_result(secure);
}
