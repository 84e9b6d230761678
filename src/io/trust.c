/* trust: whom TLS believes and what we show ourselves: contexts from PEM files, names in
 * certificates.
 * Not here: connections (tls.h). Private to src/io.
 * RFC 5280, 6125 (names), 5922 §7 (SIP domain certificates). */
#include "io/trust.h"

#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* In an operator's words, where OpenSSL's need its manual. */
static const char *trust_reason(unsigned long code, const char *what)
{
    const char *reason;
    if (ERR_SYSTEM_ERROR(code))
        return strerror(ERR_GET_REASON(code));
    if (ERR_GET_LIB(code) == ERR_LIB_X509 && ERR_GET_REASON(code) == X509_R_KEY_VALUES_MISMATCH)
        return "it is not the certificate's key";
    if (ERR_GET_REASON(code) == ERR_R_INTERRUPTED_OR_CANCELLED) /* by trust_no_passphrase() */
        return "it has a passphrase, for which nobody can be asked";
    if ((ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE) ||
        ERR_GET_LIB(code) == ERR_LIB_OSSL_DECODER)
        return strcmp(what, "key") == 0 ? "there is no key in it (PEM)"
                                        : "there is no certificate in it (PEM)";
    reason = ERR_reason_error_string(code);
    return reason ? reason : "it cannot be used";
}

static bool trust_fail(char *error, size_t error_size, const char *what, const char *file)
{
    unsigned long code = ERR_peek_error();
    snprintf(error, error_size, "%s %s: %s", what, file,
             code ? trust_reason(code, what) : "it cannot be used");
    ERR_clear_error();
    return false;
}

/* Without this OpenSSL asks whoever sits at the terminal. */
static int trust_no_passphrase(char *text, int size, int writing, void *context)
{
    (void)text, (void)size, (void)writing, (void)context;
    return -1;
}

static SSL_CTX *trust_context(const SSL_METHOD *method)
{
    SSL_CTX *context = SSL_CTX_new(method);
    if (!context)
        return NULL;
    /* RFC 8996: nothing older. Renegotiation has only ever been trouble. */
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_options(context, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
    /* A connection at rest holds no buffers. */
    SSL_CTX_set_mode(context, SSL_MODE_RELEASE_BUFFERS | SSL_MODE_AUTO_RETRY);
    SSL_CTX_set_default_passwd_cb(context, trust_no_passphrase);
    return context;
}

static bool trust_make_client(struct io_trust *trust, const struct io_tls_files *files, char *error,
                              size_t error_size)
{
    trust->client = trust_context(TLS_client_method());
    if (!trust->client || SSL_CTX_set_default_verify_paths(trust->client) != 1)
        return trust_fail(error, error_size, "certificates of", "the system");
    SSL_CTX_set_verify(trust->client, SSL_VERIFY_PEER, NULL);
    if (files->ca && files->ca[0] &&
        SSL_CTX_load_verify_locations(trust->client, files->ca, NULL) != 1)
        return trust_fail(error, error_size, "certificates in", files->ca);
    /* Shown to whom asks for it; a registrar may know us by it. */
    if (files->certificate && files->certificate[0] &&
        (SSL_CTX_use_certificate_chain_file(trust->client, files->certificate) != 1 ||
         SSL_CTX_use_PrivateKey_file(trust->client, files->key, SSL_FILETYPE_PEM) != 1))
        return trust_fail(error, error_size, "key", files->key);
    return true;
}

/* Our certificate must be good today; what is wrong with it is found now and not by the SRCs. */
static bool trust_check_dates(struct io_trust *trust, const char *file, char *error,
                              size_t error_size)
{
    const X509 *certificate = SSL_CTX_get0_certificate(trust->server);
    struct tm from = {0}, to = {0};
    char day[32];
    if (ASN1_TIME_to_tm(X509_get0_notAfter(certificate), &to) != 1 ||
        ASN1_TIME_to_tm(X509_get0_notBefore(certificate), &from) != 1) {
        snprintf(error, error_size, "certificate %s: its dates cannot be read", file);
        return false;
    }
    if (X509_cmp_current_time(X509_get0_notAfter(certificate)) < 0) {
        strftime(day, sizeof day, "%Y-%m-%d %H:%M", &to);
        snprintf(error, error_size, "certificate %s: it expired at %s UTC", file, day);
        return false;
    }
    if (X509_cmp_current_time(X509_get0_notBefore(certificate)) > 0) {
        strftime(day, sizeof day, "%Y-%m-%d %H:%M", &from);
        snprintf(error, error_size, "certificate %s: it is not valid before %s UTC", file, day);
        return false;
    }
    trust->ends.ns = (int64_t)timegm(&to) * NS_PER_S;
    return true;
}

static bool trust_make_server(struct io_trust *trust, const struct io_tls_files *files, char *error,
                              size_t error_size)
{
    static const unsigned char sessions[] = "siprecd";
    trust->server = trust_context(TLS_server_method());
    if (!trust->server)
        return trust_fail(error, error_size, "TLS", "server");
    if (SSL_CTX_use_certificate_chain_file(trust->server, files->certificate) != 1)
        return trust_fail(error, error_size, "certificate", files->certificate);
    if (SSL_CTX_use_PrivateKey_file(trust->server, files->key, SSL_FILETYPE_PEM) != 1 ||
        SSL_CTX_check_private_key(trust->server) != 1)
        return trust_fail(error, error_size, "key", files->key);
    SSL_CTX_set_session_id_context(trust->server, sessions, sizeof sessions - 1);
    if (files->ca && files->ca[0]) {
        STACK_OF(X509_NAME) *names = SSL_load_client_CA_file(files->ca);
        if (!names || SSL_CTX_load_verify_locations(trust->server, files->ca, NULL) != 1)
            return trust_fail(error, error_size, "certificates in", files->ca);
        SSL_CTX_set_client_CA_list(trust->server, names);
        /* RFC 5922 §7.4: a client may show one; then it must be good. */
        SSL_CTX_set_verify(trust->server, SSL_VERIFY_PEER, NULL);
    }
    return trust_check_dates(trust, files->certificate, error, error_size);
}

bool io_trust_init(struct io_trust *trust, const struct io_tls_files *files, char *error,
                   size_t error_size)
{
    bool has_certificate = files->certificate && files->certificate[0];
    bool has_key = files->key && files->key[0];
    struct io_tls_files used = *files;
    *trust = (struct io_trust){0};
    ERR_clear_error();
    if (has_key && !has_certificate) {
        snprintf(error, error_size, "key %s: there is no certificate for it", files->key);
        return false;
    }
    if (has_certificate && !has_key)
        used.key = used.certificate; /* one file may hold both */
    if ((has_certificate && !trust_make_server(trust, &used, error, error_size)) ||
        !trust_make_client(trust, &used, error, error_size)) {
        io_trust_finish(trust);
        return false;
    }
    return true;
}

void io_trust_finish(struct io_trust *trust)
{
    SSL_CTX_free(trust->client);
    SSL_CTX_free(trust->server);
    *trust = (struct io_trust){0};
}

static bool trust_is_literal(const char *name)
{
    struct addr addr;
    return addr_parse_ip(view_of_string(name), &addr);
}

/* A literal as OpenSSL reads it: without brackets. */
static struct addr_text trust_literal(const char *name)
{
    struct addr addr = {0};
    if (!addr_parse_ip(view_of_string(name), &addr))
        return (struct addr_text){0};
    return addr_print_ip(&addr);
}

SSL *io_trust_connect(const struct io_trust *trust, const char *name, bool sip)
{
    SSL *ssl = SSL_new(trust->client);
    bool ok = ssl != NULL;
    if (!ok)
        return NULL;
    SSL_set_connect_state(ssl);
    /* RFC 6066 §3: no literals. */
    if (!trust_is_literal(name))
        ok = SSL_set_tlsext_host_name(ssl, name) == 1;
    if (ok && !sip && trust_is_literal(name))
        ok = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), trust_literal(name).s) == 1;
    else if (ok && !sip)
        ok = SSL_set1_host(ssl, name) == 1;
    if (ok)
        return ssl;
    SSL_free(ssl);
    return NULL;
}

/* One URI of the certificate: 1 it names the domain, 0 it names another, -1 it is no SIP URI.
 * RFC 5922 §7.1: only "sip:" without a user part identifies a domain. */
static int trust_match_uri(struct view uri, struct view name)
{
    struct view host;
    if (!view_starts_with_nocase(uri, VIEW_LIT("sip:")))
        return -1;
    host = view_skip(uri, 4);
    if (view_find_char(host, '@') < host.len)
        return -1;
    host = view_take(host, view_find_char(host, ';'));
    return view_equal_nocase(host, name);
}

bool io_trust_is_domain(X509 *certificate, const char *name)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    bool has_uri = false, matches = false;
    for (int i = 0; names && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *entry = sk_GENERAL_NAME_value(names, i);
        const ASN1_IA5STRING *text = entry->d.uniformResourceIdentifier;
        int match;
        if (entry->type != GEN_URI)
            continue;
        match =
            trust_match_uri(view_of(ASN1_STRING_get0_data(text), (size_t)ASN1_STRING_length(text)),
                            view_of_string(name));
        has_uri = has_uri || match >= 0;
        matches = matches || match == 1;
    }
    GENERAL_NAMES_free(names);
    if (has_uri)
        return matches;
    if (trust_is_literal(name))
        return X509_check_ip_asc(certificate, trust_literal(name).s, 0) == 1;
    return X509_check_host(certificate, name, 0, X509_CHECK_FLAG_NO_WILDCARDS, NULL) == 1;
}

void io_trust_explain(const SSL *ssl, char *why, size_t why_size)
{
    long verdict = SSL_get_verify_result(ssl);
    unsigned long code = ERR_peek_error();
    const char *reason = code != 0 ? ERR_reason_error_string(code) : NULL;
    if (verdict != X509_V_OK)
        snprintf(why, why_size, "its certificate is not accepted: %s",
                 X509_verify_cert_error_string(verdict));
    else
        snprintf(why, why_size, "TLS failed: %s", reason ? reason : "the peer hung up");
    ERR_clear_error();
}
