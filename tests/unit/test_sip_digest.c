/* Digest challenges and the answers to them, against the RFCs' examples.
 * Not here: when REGISTER carries them (test_sip_register.c).
 * RFC 7616 §3.9.1, 2617 §3.5, 8760 §2.4, 3261 §22. */
#include "sip/digest.h"

#include "tap.h"

static struct sip_message *response(const char *status, const char *headers)
{
    char text[8192];
    snprintf(text, sizeof text,
             "SIP/2.0 %s\r\nVia: SIP/2.0/UDP a;branch=z9hG4bKa\r\nFrom: <sip:a@b>;tag=a\r\n"
             "To: <sip:a@b>;tag=b\r\nCall-ID: c\r\nCSeq: 1 REGISTER\r\n%sContent-Length: 0\r\n\r\n",
             status, headers);
    return sip_message_parse(view_of_string(text), SIP_MESSAGE_STREAM);
}

static bool take(struct sip_digest *d, const char *status, const char *headers)
{
    struct sip_message *m = response(status, headers);
    bool taken = sip_digest_take(d, m);
    sip_message_release(m);
    return taken;
}

/* What the header line has as name, quotes included. */
static struct view field(const char *line, const char *name)
{
    char wanted[64];
    size_t at;
    struct view rest = view_of_string(line);
    snprintf(wanted, sizeof wanted, "%s=", name);
    at = view_find(rest, view_of_string(wanted));
    rest = view_skip(rest, at + strlen(wanted));
    return view_trim(view_take(rest, view_find_char(rest, ',')));
}

static const char *answer(struct sip_digest *d, const char *user, const char *password,
                          const char *method, const char *uri, const char *cnonce)
{
    static char line[4096];
    struct sip_digest_user who = {view_of_string(user), view_of_string(password)};
    struct writer w = writer_of(line, sizeof line - 1);
    sip_digest_print(&w, d, &who, view_of_string(method), view_of_string(uri),
                     view_of_string(cnonce));
    CHECK(!w.failed);
    line[w.len] = '\0';
    return line;
}

#define RFC7616_REST                                                                               \
    "nonce=\"7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v\", "                                     \
    "opaque=\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"\r\n"

/* RFC 7616 §3.9.1, both algorithms. */
static void test_rfc7616(void)
{
    static const struct {
        const char *algorithm, *want;
    } cases[] = {
        {"MD5", "\"8ca523f5e9506fed4657c9700eebdbec\""},
        {"SHA-256", "\"753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1\""},
    };
    for (size_t i = 0; i < 2; i++) {
        char headers[512];
        struct sip_digest d = {0};
        const char *line;
        snprintf(headers, sizeof headers,
                 "WWW-Authenticate: Digest realm=\"http-auth@example.org\", "
                 "qop=\"auth, auth-int\", algorithm=%s, " RFC7616_REST,
                 cases[i].algorithm);
        if (!CHECK(take(&d, "401 Unauthorized", headers)))
            continue;
        line = answer(&d, "Mufasa", "Circle of Life", "GET", "/dir/index.html",
                      "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ");
        CHECK_VIEW(field(line, "response"), cases[i].want);
        CHECK_VIEW(field(line, "algorithm"), cases[i].algorithm);
        CHECK_VIEW(field(line, "nc"), "00000001");
        CHECK_VIEW(field(line, "qop"), "auth");
        CHECK_VIEW(field(line, "opaque"), "\"FQhe/qaU925kfnzjCev0ciny7QMkPqMAFRtzCUYo5tdS\"");
        CHECK(strncmp(line, "Authorization: Digest ", 22) == 0);
    }
}

/* RFC 2617 §3.5; and the same nonce again counts. */
static void test_rfc2617(void)
{
    struct sip_digest d = {0};
    const char *line;
    CHECK(take(&d, "407 Proxy Authentication Required",
               "Proxy-Authenticate: Digest realm=\"testrealm@host.com\", qop=\"auth,auth-int\", "
               "nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\", "
               "opaque=\"5ccc069c403ebaf9f0171e9517f40e41\"\r\n"));
    line = answer(&d, "Mufasa", "Circle Of Life", "GET", "/dir/index.html", "0a4f113b");
    CHECK(strncmp(line, "Proxy-Authorization: Digest ", 28) == 0);
    CHECK_VIEW(field(line, "response"), "\"6629fae49393a05397450978507c4ef1\"");
    CHECK(strstr(line, "algorithm") == NULL);
    line = answer(&d, "Mufasa", "Circle Of Life", "GET", "/dir/index.html", "0a4f113b");
    CHECK_VIEW(field(line, "nc"), "00000002");
}

/* Without qop, as RFC 2069 has it. The value is md5sum's:
 * md5(md5("bob:biloxi.com:zanzibar") ":" nonce ":" md5("REGISTER:sip:biloxi.com")). */
static void test_without_qop(void)
{
    struct sip_digest d = {0};
    const char *line;
    CHECK(take(&d, "401 Unauthorized",
               "WWW-Authenticate: Digest realm=\"biloxi.com\", "
               "nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"\r\n"));
    line = answer(&d, "bob", "zanzibar", "REGISTER", "sip:biloxi.com", "x");
    CHECK_VIEW(field(line, "response"), "\"4441045a8075db3ead543693997e2a0e\"");
    CHECK(strstr(line, "cnonce") == NULL && strstr(line, "nc=") == NULL);
}

/* RFC 7616 §3.4.3, of an empty body, where nothing else is offered. The value is md5sum's:
 * md5(md5("bob:biloxi.com:zanzibar") ":" nonce ":00000001:0a4f113b:auth-int:"
 * md5("REGISTER:sip:biloxi.com:" md5(""))). */
static void test_integrity(void)
{
    struct sip_digest d = {0};
    const char *line;
    CHECK(take(&d, "401 Unauthorized",
               "WWW-Authenticate: Digest realm=\"biloxi.com\", qop=\"auth-int\", "
               "nonce=\"dcd98b7102dd2f0e8b11d0f600bfb0c093\"\r\n"));
    line = answer(&d, "bob", "zanzibar", "REGISTER", "sip:biloxi.com", "0a4f113b");
    CHECK_VIEW(field(line, "qop"), "auth-int");
    CHECK_VIEW(field(line, "response"), "\"21b30cb3720f1d6f22eba30b35c52265\"");
}

/* RFC 8760 §2.4: the topmost that we know. */
static void test_choice(void)
{
    struct sip_digest d = {0};
    CHECK(take(
        &d, "401 Unauthorized",
        "WWW-Authenticate: Digest realm=\"a\", nonce=\"1\", algorithm=SHA-3, qop=\"auth\"\r\n"
        "WWW-Authenticate: Basic realm=\"a\"\r\n"
        "WWW-Authenticate: Digest realm=\"a\", nonce=\"2\", algorithm=SHA-256, qop=\"auth\"\r\n"
        "WWW-Authenticate: Digest realm=\"a\", nonce=\"3\", algorithm=MD5, qop=\"auth\"\r\n"));
    CHECK_TEXT(d.nonce, "2");
    CHECK_INT(d.algorithm, SIP_DIGEST_SHA256);
    CHECK(!d.stale);
    CHECK(take(&d, "401 Unauthorized",
               "WWW-Authenticate: Digest stale=TRUE,nonce=\"4\",realm=\"a, b=c\"\r\n"));
    CHECK(d.stale);
    CHECK_TEXT(d.realm, "a, b=c");
}

static void test_refused(void)
{
    static const char *const headers[] = {
        "",
        "WWW-Authenticate: Basic realm=\"a\"\r\n",
        "WWW-Authenticate: Digest realm=\"a\"\r\n",
        "WWW-Authenticate: Digest nonce=\"a\"\r\n",
        "WWW-Authenticate: Digest realm=\"a\", nonce=\"b\", qop=\"auth-conf\"\r\n",
        "WWW-Authenticate: Digest realm=\"a\", nonce=\"b\", algorithm=MD5-sess\r\n",
        "WWW-Authenticate: Digest\r\n",
        "WWW-Authenticate: Digest ,,,=,\"\r\n",
        "Proxy-Authenticate: Digest realm=\"a\", nonce=\"b\"\r\n",
    };
    for (size_t i = 0; i < sizeof headers / sizeof headers[0]; i++) {
        struct sip_digest d = {.set = true, .nonce = "kept"};
        CHECK(!take(&d, "401 Unauthorized", headers[i]));
        CHECK_TEXT(d.nonce, "kept");
    }
}

static void test_too_long(void)
{
    char header[2048];
    struct sip_digest d = {0};
    int n = snprintf(header, sizeof header, "WWW-Authenticate: Digest realm=\"a\", nonce=\"");
    memset(header + n, 'n', 600);
    snprintf(header + n + 600, sizeof header - (size_t)n - 600, "\"\r\n");
    CHECK(!take(&d, "401 Unauthorized", header));
    CHECK(!d.set);
}

static void test_next_nonce(void)
{
    struct sip_digest d = {.set = true, .nonce = "old", .count = 3};
    struct sip_message *m = response(
        "200 OK",
        "Authentication-Info: qop=auth, rspauth=\"1\", nextnonce=\"new\", nc=00000003\r\n");
    sip_digest_next(&d, m);
    CHECK_TEXT(d.nonce, "new");
    CHECK_INT(d.count, 0);
    sip_message_release(m);
}

/* A name with quotes in it leaves no header field. */
static void test_quotes(void)
{
    struct sip_digest d = {.set = true, .realm = "r", .nonce = "n"};
    CHECK(strstr(answer(&d, "a\"b\\c", "p", "REGISTER", "sip:a", ""),
                 "username=\"a\\\"b\\\\c\", realm") != NULL);
}

int main(void)
{
    RUN(test_rfc7616);
    RUN(test_rfc2617);
    RUN(test_without_qop);
    RUN(test_integrity);
    RUN(test_choice);
    RUN(test_refused);
    RUN(test_too_long);
    RUN(test_next_nonce);
    RUN(test_quotes);
    return tap_done();
}
