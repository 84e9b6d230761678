/* Proxy URLs, the CONNECT request and its answers.
 * Not here: connections.
 * RFC 9110 §9.3.6, RFC 7617 §2 (its example). */
#include "io/proxy.h"

#include "tap.h"

static void test_urls(void)
{
    struct io_proxy proxy;
    CHECK(io_proxy_parse(VIEW_LIT("http://proxy.example:3128/"), &proxy));
    CHECK_TEXT(proxy.host, "proxy.example");
    CHECK_INT(proxy.port, 3128);
    CHECK_TEXT(proxy.authorization, "");
    CHECK(io_proxy_parse(VIEW_LIT("10.0.0.1:8080"), &proxy));
    CHECK_TEXT(proxy.host, "10.0.0.1");
    CHECK_INT(proxy.port, 8080);
    CHECK(io_proxy_parse(VIEW_LIT("HTTP://[2001:db8::7]"), &proxy));
    CHECK_TEXT(proxy.host, "2001:db8::7");
    CHECK_INT(proxy.port, 80);
    CHECK(!io_proxy_parse(VIEW_LIT(""), &proxy));
    CHECK(!io_proxy_parse(VIEW_LIT("https://proxy.example"), &proxy));
    CHECK(!io_proxy_parse(VIEW_LIT("socks5://proxy.example"), &proxy));
    CHECK(!io_proxy_parse(VIEW_LIT("http://proxy.example:0"), &proxy));
    CHECK(!io_proxy_parse(VIEW_LIT("http://proxy.example:65536"), &proxy));
    CHECK(!io_proxy_parse(VIEW_LIT("http://a b"), &proxy));
    CHECK(!io_proxy_parse(VIEW_LIT("http://x%2:y%zz@a"), &proxy));
    CHECK_TEXT(proxy.host, "");
}

/* RFC 7617 §2: Aladdin, "open sesame". */
static void test_login(void)
{
    struct io_proxy proxy;
    CHECK(io_proxy_parse(VIEW_LIT("http://Aladdin:open%20sesame@proxy.example"), &proxy));
    CHECK_TEXT(proxy.host, "proxy.example");
    CHECK_TEXT(proxy.authorization, "Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==");
    /* What coreutils' base64 makes of "user:p@ss" and "user:". */
    CHECK(io_proxy_parse(VIEW_LIT("http://user:p@ss@proxy.example"), &proxy));
    CHECK_TEXT(proxy.host, "proxy.example");
    CHECK_TEXT(proxy.authorization, "Basic dXNlcjpwQHNz");
    CHECK(io_proxy_parse(VIEW_LIT("http://user@proxy.example"), &proxy));
    CHECK_TEXT(proxy.authorization, "Basic dXNlcjo=");
}

static void test_setting(void)
{
    struct io_proxy proxy;
    unsetenv("https_proxy");
    unsetenv("HTTPS_PROXY");
    CHECK(!io_proxy_of_setting("auto", &proxy));
    CHECK(!io_proxy_of_setting("none", &proxy));
    setenv("HTTPS_PROXY", "http://upper:1", 1);
    CHECK(io_proxy_of_setting("auto", &proxy));
    CHECK_TEXT(proxy.host, "upper");
    setenv("https_proxy", "http://lower:1", 1);
    CHECK(io_proxy_of_setting("auto", &proxy));
    CHECK_TEXT(proxy.host, "lower");
    CHECK(!io_proxy_of_setting("none", &proxy));
    CHECK(io_proxy_of_setting("http://own:1", &proxy));
    CHECK_TEXT(proxy.host, "own");
}

static void test_spared(void)
{
    CHECK(io_proxy_spares(VIEW_LIT("*"), VIEW_LIT("a")));
    CHECK(io_proxy_spares(VIEW_LIT("b, sbc.example"), VIEW_LIT("SBC.example")));
    CHECK(io_proxy_spares(VIEW_LIT(".example"), VIEW_LIT("sbc.example")));
    CHECK(io_proxy_spares(VIEW_LIT("example"), VIEW_LIT("sbc.example")));
    CHECK(!io_proxy_spares(VIEW_LIT("ample"), VIEW_LIT("sbc.example")));
    CHECK(!io_proxy_spares(VIEW_LIT(""), VIEW_LIT("sbc.example")));
}

static void test_request(void)
{
    char buffer[512];
    struct io_proxy proxy;
    struct writer w = writer_of(buffer, sizeof buffer);
    CHECK(io_proxy_parse(VIEW_LIT("http://Aladdin:open%20sesame@proxy.example"), &proxy));
    io_proxy_print(&w, &proxy, VIEW_LIT("sbc.example:443"));
    CHECK_VIEW(writer_done(&w), "CONNECT sbc.example:443 HTTP/1.1\r\nHost: sbc.example:443\r\n"
                                "Proxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n\r\n");
}

static void test_answers(void)
{
    static const char granted[] = "HTTP/1.1 200 Connection established\r\nA: b\r\n\r\nrest";
    static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.0 200 OK\r\n\r\n";
    size_t len;
    unsigned status;
    for (size_t i = 0; i < sizeof granted - 5; i++)
        CHECK_INT(io_proxy_read(view_of(granted, i), &len, &status), IO_PROXY_MORE);
    CHECK_INT(io_proxy_read(view_of_string(granted), &len, &status), IO_PROXY_GRANTED);
    CHECK_TEXT(granted + len, "rest");
    CHECK_INT(io_proxy_read(view_of_string(interim), &len, &status), IO_PROXY_GRANTED);
    CHECK_INT(len, sizeof interim - 1);
    CHECK_INT(io_proxy_read(VIEW_LIT("HTTP/1.1 407 No\r\n\r\n"), &len, &status), IO_PROXY_REFUSED);
    CHECK_INT(status, 407);
    CHECK_INT(io_proxy_read(VIEW_LIT("SSH-2.0-x\r\n\r\n"), &len, &status), IO_PROXY_BROKEN);
    CHECK_INT(io_proxy_read(VIEW_LIT("HTTP/1.1 20\r\n\r\n"), &len, &status), IO_PROXY_BROKEN);
}

static void test_endless_head(void)
{
    char *head = malloc(20000);
    size_t len;
    unsigned status;
    memset(head, 'a', 20000);
    CHECK_INT(io_proxy_read(view_of(head, 20000), &len, &status), IO_PROXY_BROKEN);
    free(head);
}

int main(void)
{
    RUN(test_urls);
    RUN(test_login);
    RUN(test_setting);
    RUN(test_spared);
    RUN(test_request);
    RUN(test_answers);
    RUN(test_endless_head);
    return tap_done();
}
