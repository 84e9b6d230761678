/* Tests of nat/portmap: messages laid out by hand from RFC 6887 figures 2, 3, 9,
 * 10 and RFC 6886 §3. */
#include "nat/portmap.h"

#include "tap.h"

static void test_pcp_request(void)
{
    static const char want[] = "\x02\x01\0\0"
                               "\0\0\x1c\x20"
                               "\0\0\0\0\0\0\0\0\0\0\xff\xff\xc0\xa8\1\2"
                               "nonce-nonce-"
                               "\x11\0\0\0"
                               "\x27\x10\x27\x10"
                               "\0\0\0\0\0\0\0\0\0\0\xff\xff\0\0\0\0";
    char buffer[128];
    struct writer w = writer_of(buffer, sizeof buffer);
    struct portmap_request r = {
        .protocol = PORTMAP_UDP, .internal = addr_v4(192, 168, 1, 2, 10000), .lifetime_s = 7200};
    memcpy(r.nonce, "nonce-nonce-", 12);
    r.suggested.port = 10000;
    portmap_pcp_write(&w, &r);
    CHECK_INT(w.len, 60);
    CHECK(view_equal(writer_done(&w), view_of(want, 60)));
}

static void test_pcp_response(void)
{
    static const char bytes[] = "\x02\x81\0\0"
                                "\0\0\0\x78"
                                "\0\0\0\x05"
                                "\0\0\0\0\0\0\0\0\0\0\0\0"
                                "nonce-nonce-"
                                "\x11\0\0\0"
                                "\x27\x10\x4e\x20"
                                "\0\0\0\0\0\0\0\0\0\0\xff\xff\xcb\0\x71\x07";
    struct portmap_response r;
    CHECK(portmap_read(view_of(bytes, 60), &r));
    CHECK_INT(r.kind, PORTMAP_PCP_MAP);
    CHECK_INT(r.result, PORTMAP_OK);
    CHECK_INT(r.lifetime_s, 120);
    CHECK_INT(r.epoch_s, 5);
    CHECK_INT(r.internal_port, 10000);
    CHECK_TEXT(addr_print(&r.external).s, "203.0.113.7:20000");
    for (size_t len = 0; len < 60; len++)
        CHECK(!portmap_read(view_of(bytes, len), &r));
    char request[60];
    memcpy(request, bytes, 60);
    request[1] = 1; /* a request is no response */
    CHECK(!portmap_read(view_of(request, 60), &r));
}

static void test_natpmp(void)
{
    char buffer[32];
    struct writer w = writer_of(buffer, sizeof buffer);
    struct portmap_request r = {
        .protocol = PORTMAP_TCP, .internal = addr_v4(10, 0, 0, 1, 5060), .lifetime_s = 7200};
    struct portmap_response got;
    r.suggested.port = 5060;
    portmap_natpmp_write(&w, &r);
    CHECK(view_equal(writer_done(&w), VIEW_LIT("\0\2\0\0\x13\xc4\x13\xc4\0\0\x1c\x20")));
    r.lifetime_s = 0; /* §3.4: the suggested port MUST be zero */
    r.protocol = PORTMAP_UDP;
    w = writer_of(buffer, sizeof buffer);
    portmap_natpmp_write(&w, &r);
    CHECK(view_equal(writer_done(&w), VIEW_LIT("\0\1\0\0\x13\xc4\0\0\0\0\0\0")));
    CHECK(portmap_read(VIEW_LIT("\0\x81\0\0\0\0\0\x09\x13\xc4\x13\xc5\0\0\x0e\x10"), &got));
    CHECK_INT(got.kind, PORTMAP_NATPMP_MAP);
    CHECK_INT(got.protocol, PORTMAP_UDP);
    CHECK_INT(got.external.port, 5061);
    CHECK_INT(got.lifetime_s, 3600);
    CHECK(portmap_read(VIEW_LIT("\0\x80\0\0\0\0\0\x09\xcb\0\x71\x07"), &got));
    CHECK_INT(got.kind, PORTMAP_NATPMP_ADDRESS);
    CHECK_TEXT(addr_print_ip(&got.external).s, "203.0.113.7");
    CHECK(portmap_read(VIEW_LIT("\0\0\0\1\0\0\0\x09"), &got)); /* §3.5: unsupported version */
    CHECK_INT(got.result, PORTMAP_OTHER_VERSION);
    CHECK(portmap_read(VIEW_LIT("\0\x81\0\1\0\0\0\x09"), &got)); /* the same, of miniupnpd */
    CHECK_INT(got.result, PORTMAP_OTHER_VERSION);
    CHECK(!portmap_read(VIEW_LIT("\0\x83\0\5\0\0\0\x09"), &got));
    CHECK(!portmap_read(VIEW_LIT("\0\0"), &got)); /* our own request, reflected */
}

int main(void)
{
    RUN(test_pcp_request);
    RUN(test_pcp_response);
    RUN(test_natpmp);
    return tap_done();
}
