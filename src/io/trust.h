/* trust: whom TLS believes and what we show ourselves: contexts from PEM files, names in
 * certificates.
 * Not here: connections (tls.h). Private to src/io.
 * RFC 5280, 6125 (names), 5922 §7 (SIP domain certificates). */
#ifndef IO_TRUST_H
#define IO_TRUST_H

#include <openssl/ssl.h>

#include "io/tls.h"

struct io_trust {
    SSL_CTX *client;
    SSL_CTX *server;  /* NULL without a certificate of ours */
    struct wall ends; /* of our certificate */
};

/* Reads the files into a new trust. False: a sentence in error, nothing to finish. */
WARN_UNUSED bool io_trust_init(struct io_trust *trust, const struct io_tls_files *files,
                               char *error, size_t error_size);
void io_trust_finish(struct io_trust *trust);

/* A client's side of a connection to name (SNI unless it is a literal); the chain is checked in the
 * handshake, and the name too unless sip. NULL when memory is out. */
SSL *io_trust_connect(const struct io_trust *trust, const char *name, bool sip);

/* RFC 5922 §7.1: whether the certificate is that of the SIP domain name: its URI:sip: names count
 * alone where there are any, else its DNS names (or addresses); no wildcards. */
bool io_trust_is_domain(X509 *certificate, const char *name);

/* What the last handshake failed by, in words. */
void io_trust_explain(const SSL *ssl, char *why, size_t why_size);

#endif
