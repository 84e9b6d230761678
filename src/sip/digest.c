/* digest: answers to a server's digest challenge: which one is taken, what Authorization says.
 * Not here: when it is sent (register.h), whose password it is.
 * RFC 7616 (and 2617, 2069 where a server knows no more), 8760 (SHA-256 in SIP), 3261 §22. */
#include "sip/digest.h"

#include <openssl/evp.h>
#include <string.h>

enum { DIGEST_HEX_SIZE = 65 };

static const struct {
    struct view name;
    enum sip_digest_algorithm algorithm;
    bool session;
} algorithms[] = {
    {VIEW("MD5"), SIP_DIGEST_MD5, false},
    {VIEW("MD5-sess"), SIP_DIGEST_MD5, true},
    {VIEW("SHA-256"), SIP_DIGEST_SHA256, false},
    {VIEW("SHA-256-sess"), SIP_DIGEST_SHA256, true},
    {VIEW("SHA-512-256"), SIP_DIGEST_SHA512_256, false},
    {VIEW("SHA-512-256-sess"), SIP_DIGEST_SHA512_256, true},
};

/* ---- challenges ----------------------------------------------------------------------------- */

/* The next "name=value" of a comma-separated list; quotes are taken off, what is escaped inside
 * stays so (RFC 7616 §3.4: unq() takes off the quotes and nothing else). */
static bool digest_parameter(struct view *rest, struct view *name, struct view *value)
{
    struct view element;
    size_t equals;
    if (!sip_list_next(rest, &element))
        return false;
    equals = view_find_char(element, '=');
    *name = view_trim(view_take(element, equals));
    *value = view_trim(view_skip(element, equals + 1));
    if (value->len >= 2 && value->at[0] == '"' && value->at[value->len - 1] == '"')
        *value = view_of(value->at + 1, value->len - 2);
    return true;
}

static bool digest_lists(struct view list, struct view wanted)
{
    struct view one;
    while (view_cut(&list, ',', &one)) {
        if (view_equal_nocase(view_trim(one), wanted))
            return true;
    }
    return false;
}

static bool digest_take_algorithm(struct sip_digest *d, struct view name)
{
    for (size_t i = 0; i < sizeof algorithms / sizeof algorithms[0]; i++) {
        if (view_equal_nocase(algorithms[i].name, name)) {
            d->algorithm = algorithms[i].algorithm;
            d->session = algorithms[i].session;
            d->algorithm_given = true;
            return true;
        }
    }
    return false;
}

/* One challenge; false when we have no answer to it. */
static bool digest_read(struct sip_digest *d, struct view challenge)
{
    struct view rest, name, value;
    bool has_realm = false, has_nonce = false, qop_given = false, good = true;
    *d = (struct sip_digest){0};
    if (!view_starts_with_nocase(challenge, VIEW_LIT("Digest ")))
        return false;
    rest = view_skip(challenge, sizeof("Digest ") - 1);
    while (good && digest_parameter(&rest, &name, &value)) {
        if (view_equal_nocase(name, VIEW_LIT("realm")))
            good = has_realm = view_copy(value, d->realm, sizeof d->realm);
        else if (view_equal_nocase(name, VIEW_LIT("nonce")))
            good = has_nonce = view_copy(value, d->nonce, sizeof d->nonce);
        else if (view_equal_nocase(name, VIEW_LIT("opaque")))
            good = view_copy(value, d->opaque, sizeof d->opaque);
        else if (view_equal_nocase(name, VIEW_LIT("stale")))
            d->stale = view_equal_nocase(value, VIEW_LIT("true"));
        else if (view_equal_nocase(name, VIEW_LIT("algorithm")))
            good = digest_take_algorithm(d, value);
        else if (view_equal_nocase(name, VIEW_LIT("qop"))) {
            qop_given = true;
            d->integrity = !digest_lists(value, VIEW_LIT("auth"));
            d->qop = !d->integrity || digest_lists(value, VIEW_LIT("auth-int"));
        }
    }
    /* -sess without qop: nothing that anybody asks for in SIP. */
    return good && has_realm && has_nonce && (d->qop || (!qop_given && !d->session));
}

bool sip_digest_take(struct sip_digest *digest, const struct sip_message *response)
{
    bool proxy = response->status == 407;
    struct view header = proxy ? VIEW_LIT("Proxy-Authenticate") : VIEW_LIT("WWW-Authenticate");
    struct sip_header at = {0};
    while (sip_message_header_named(response, header, &at)) {
        struct sip_digest read;
        if (!digest_read(&read, at.value))
            continue;
        read.proxy = proxy;
        read.set = true;
        *digest = read;
        return true;
    }
    return false;
}

void sip_digest_next(struct sip_digest *digest, const struct sip_message *response)
{
    struct view rest = sip_message_header(response, VIEW_LIT("Authentication-Info"));
    struct view name, value;
    char nonce[SIP_DIGEST_VALUE_MAX];
    while (digest->set && rest.at && digest_parameter(&rest, &name, &value)) {
        if (!view_equal_nocase(name, VIEW_LIT("nextnonce")) ||
            !view_copy(value, nonce, sizeof nonce))
            continue;
        if (strcmp(nonce, digest->nonce) != 0)
            digest->count = 0;
        memcpy(digest->nonce, nonce, sizeof nonce);
    }
}

/* ---- answers -------------------------------------------------------------------------------- */

/* H(a ":" b ":" ...), in lower-case hexadecimal. */
static void digest_hash(enum sip_digest_algorithm algorithm, const struct view *pieces, size_t n,
                        char hex[DIGEST_HEX_SIZE])
{
    static const char digits[] = "0123456789abcdef";
    const EVP_MD *type = algorithm == SIP_DIGEST_MD5      ? EVP_md5()
                         : algorithm == SIP_DIGEST_SHA256 ? EVP_sha256()
                                                          : EVP_sha512_256();
    unsigned char hash[EVP_MAX_MD_SIZE];
    unsigned int len = 0;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool good = context && EVP_DigestInit_ex(context, type, NULL) == 1;
    for (size_t i = 0; good && i < n; i++)
        good = (i == 0 || EVP_DigestUpdate(context, ":", 1) == 1) &&
               EVP_DigestUpdate(context, pieces[i].at, pieces[i].len) == 1;
    good = good && EVP_DigestFinal_ex(context, hash, &len) == 1;
    EVP_MD_CTX_free(context);
    /* Without it (MD5 in a FIPS library) the server refuses, and says so. */
    if (!good)
        len = 0;
    for (size_t i = 0; i < len; i++) {
        hex[2 * i] = digits[hash[i] >> 4];
        hex[2 * i + 1] = digits[hash[i] & 15];
    }
    hex[(size_t)len * 2] = '\0';
}

static struct view digest_qop(const struct sip_digest *d)
{
    return d->integrity ? VIEW_LIT("auth-int") : VIEW_LIT("auth");
}

/* RFC 7616 §3.4.1 to 3.4.3; RFC 2617 §3.2.2.1 without qop. */
static void digest_response(const struct sip_digest *d, const struct sip_digest_user *user,
                            struct view method, struct view uri, struct view cnonce,
                            char response[DIGEST_HEX_SIZE])
{
    char a1[DIGEST_HEX_SIZE], a2[DIGEST_HEX_SIZE], body[DIGEST_HEX_SIZE] = "", count[9];
    struct view nonce = view_of_string(d->nonce);
    struct view secret[] = {user->username, view_of_string(d->realm), user->password};
    struct writer w = writer_of(count, sizeof count);
    writer_printf(&w, "%08x", d->count);
    digest_hash(d->algorithm, secret, 3, a1);
    if (d->session) {
        struct view session[] = {view_of_string(a1), nonce, cnonce};
        digest_hash(d->algorithm, session, 3, a1);
    }
    digest_hash(d->algorithm, NULL, 0, body);
    struct view request[] = {method, uri, view_of_string(body)};
    digest_hash(d->algorithm, request, d->integrity ? 3 : 2, a2);
    if (d->qop) {
        struct view pieces[] = {view_of_string(a1), nonce, writer_done(&w), cnonce, digest_qop(d),
                                view_of_string(a2)};
        digest_hash(d->algorithm, pieces, 6, response);
    } else {
        struct view pieces[] = {view_of_string(a1), nonce, view_of_string(a2)};
        digest_hash(d->algorithm, pieces, 3, response);
    }
    explicit_bzero(a1, sizeof a1);
}

static void digest_print_quoted(struct writer *w, struct view text)
{
    for (size_t i = 0; i < text.len; i++) {
        if (text.at[i] == '"' || text.at[i] == '\\')
            writer_string(w, "\\");
        writer_view(w, view_of(text.at + i, 1));
    }
}

static struct view digest_name(const struct sip_digest *d)
{
    for (size_t i = 0; i < sizeof algorithms / sizeof algorithms[0]; i++) {
        if (algorithms[i].algorithm == d->algorithm && algorithms[i].session == d->session)
            return algorithms[i].name;
    }
    return VIEW_NONE;
}

void sip_digest_print(struct writer *w, struct sip_digest *digest,
                      const struct sip_digest_user *user, struct view method, struct view uri,
                      struct view cnonce)
{
    char response[DIGEST_HEX_SIZE];
    digest->count++;
    digest_response(digest, user, method, uri, cnonce, response);
    writer_string(w, digest->proxy ? "Proxy-Authorization" : "Authorization");
    writer_string(w, ": Digest username=\"");
    digest_print_quoted(w, user->username);
    writer_printf(w, "\", realm=\"%s\", nonce=\"%s\", uri=\"" VIEW_FMT "\", response=\"%s\"",
                  digest->realm, digest->nonce, VIEW_ARG(uri), response);
    if (digest->algorithm_given)
        writer_printf(w, ", algorithm=" VIEW_FMT, VIEW_ARG(digest_name(digest)));
    if (digest->opaque[0])
        writer_printf(w, ", opaque=\"%s\"", digest->opaque);
    if (digest->qop) /* neither qop nor nc in quotes: RFC 7616 §3.4 */
        writer_printf(w, ", cnonce=\"" VIEW_FMT "\", qop=" VIEW_FMT ", nc=%08x", VIEW_ARG(cnonce),
                      VIEW_ARG(digest_qop(digest)), digest->count);
    writer_string(w, "\r\n");
}
