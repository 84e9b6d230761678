/* test_sip_message: views on messages as real devices write them.
 * Not here: RFC 4475's messages (test_sip_torture.c).
 * RFC 3261 §7, 20. */
#include "sip/message.h"
#include "tap.h"

static struct sip_message *parse(const char *text)
{
    return sip_message_parse(view_of_string(text), SIP_MESSAGE_DATAGRAM);
}

#define START                                                                                      \
    "INVITE sip:srs@198.51.100.20 SIP/2.0\r\nVia: SIP/2.0/UDP 192.0.2.10;branch=z9hG4bK1\r\n"
#define IDS "From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCall-ID: x\r\nCSeq: 1 INVITE\r\n"

static void test_plain(void)
{
    struct sip_message *m =
        parse(START IDS "Subject:  two  \r\n words \r\nX-A: 1\r\nx-a:2\r\n"
                        "Content-Type: application/sdp\r\nContent-Length: 3\r\n\r\nv=0more");
    CHECK_INT(m->fault_status, 0);
    CHECK_INT(m->method, SIP_METHOD_INVITE);
    CHECK_VIEW(m->uri, "sip:srs@198.51.100.20");
    CHECK_VIEW(m->from_uri, "sip:a@b");
    CHECK_VIEW(m->body, "v=0"); /* §18.3: what is behind Content-Length is not ours */
    CHECK_VIEW(sip_message_header(m, VIEW_LIT("subject")), "two     words");
    CHECK(sip_message_header(m, VIEW_LIT("X-B")).at == NULL);
    struct sip_header at = {0};
    CHECK(sip_message_header_named(m, VIEW_LIT("X-A"), &at));
    CHECK_VIEW(at.value, "1");
    CHECK(sip_message_header_named(m, VIEW_LIT("X-A"), &at));
    CHECK_VIEW(at.value, "2");
    CHECK_VIEW(at.raw, "x-a:2");
    CHECK(!sip_message_header_named(m, VIEW_LIT("X-A"), &at));
    CHECK(sip_message_has_sdp(m));
    sip_message_release(m);
}

static void test_compact_and_case(void)
{
    struct sip_message *m =
        parse("OPTIONS sip:a@b SIP/2.0\nv: SIP/2.0/TCP h:5070;branch=z9hG4bK7\nf: \"Bob, "
              "\\\"B\\\"\" <sip:b@c>;tag=9\n"
              "T:sip:drachtio:5060;tag=z\nI: a/b\\c@d\nCSEQ: 7 OPTIONS\nm: "
              "<sip:b@192.0.2.1:5062;transport=tcp>;src\n"
              "k: timer , 100REL\nk: siprec\nx: 1800;refresher=uas\nmin-se:  90\nl: 0\n\n");
    CHECK_INT(m->fault_status, 0);
    CHECK_VIEW(m->from_display, "Bob, \\\"B\\\"");
    CHECK_VIEW(m->from_tag, "9");
    CHECK_VIEW(m->to_uri, "sip:drachtio:5060");
    CHECK_VIEW(m->to_tag, "z");
    CHECK_VIEW(m->call_id, "a/b\\c@d");
    CHECK_INT(m->cseq, 7);
    CHECK_VIEW(m->contact_uri.host, "192.0.2.1");
    CHECK_INT(m->contact_uri.port, 5062);
    CHECK_VIEW(m->contact_uri.protocol, "tcp");
    CHECK(sip_message_lists(m, VIEW_LIT("Supported"), VIEW_LIT("100rel")));
    CHECK(sip_message_lists(m, VIEW_LIT("Supported"), VIEW_LIT("siprec")));
    CHECK_INT(m->session_expires_s, 1800);
    CHECK_VIEW(m->refresher, "uas");
    CHECK_INT(m->min_se_s, 90);
    sip_message_release(m);
}

/* Contacts as CUBE 15.6 and Metaswitch were seen to write them: the call must survive. */
static void test_broken_contact(void)
{
    static const char *const contacts[] = {"Contact: <sip192.168.33.1:5060>;+sip.src\r\n",
                                           "Contact: <sip:a@192.0.2.1;+sip.src\r\n",
                                           "Contact: \r\n", "Contact: *\r\n", ""};
    for (size_t i = 0; i < 5; i++) {
        char text[1024];
        snprintf(text, sizeof(text), START IDS "%sContent-Length: 0\r\n\r\n", contacts[i]);
        struct sip_message *m = parse(text);
        CHECK_INT(m->fault_status, 0);
        if (i != 1)
            CHECK_INT(m->contact_uri.text.len, 0);
        sip_message_release(m);
    }
}

static void test_truncated(void)
{
    struct sip_message *m = parse(START IDS "Content-Length: 100\r\n\r\nv=0\r\n");
    CHECK_INT(m->fault_status, 400);
    CHECK(m->truncated && m->answerable);
    sip_message_release(m);
    m = parse(START "From: <sip:a");
    CHECK_INT(m->fault_status, 400);
    CHECK(m->answerable);
    sip_message_release(m);
    m = sip_message_parse(VIEW_LIT(START IDS "\r\nv=0"), SIP_MESSAGE_DATAGRAM_CUT);
    CHECK(m->truncated);
    sip_message_release(m);
}

static void test_not_sip(void)
{
    static const char *const texts[] = {"GET / HTTP/1.1\r\nHost: x\r\n\r\n",
                                        "\r\n",
                                        "x",
                                        "SIP/2.0 99 x\r\n\r\n",
                                        "INVITE",
                                        " SIP/2.0\r\n\r\n",
                                        "SIP/3.0 200 OK\r\n\r\n"};
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct sip_message *m = parse(texts[i]);
        CHECK(m->fault_status != 0 && !m->answerable);
        sip_message_release(m);
    }
}

static void test_long_call_id(void)
{
    static char text[20000];
    size_t n = (size_t)snprintf(
        text, sizeof(text),
        START "From: <sip:a@b>;tag=1\r\nTo: <sip:c@d>\r\nCSeq: 1 INVITE\r\nCall-ID: ");
    for (size_t i = 0; i < 10000; i++)
        text[n++] = "ab/../%\xc3\xa9\xff;"[i % 12];
    memcpy(text + n, "\r\n\r\n", 4);
    struct sip_message *m = sip_message_parse(view_of(text, n + 4), SIP_MESSAGE_DATAGRAM);
    CHECK_INT(m->fault_status, 0);
    CHECK_INT(m->call_id.len, 10000);
    sip_message_release(m);
}

static void test_multipart_has_sdp(void)
{
    struct sip_message *m =
        parse(START IDS "Content-Type: Multipart/Mixed;boundary=b\r\n\r\n"
                        "--b\r\ncontent-type:application/SDP\r\n\r\nv=0\r\n--b--\r\n");
    CHECK(sip_message_has_sdp(m));
    sip_message_release(m);
    m = parse(START IDS "Content-Type: application/rs-metadata+xml\r\n\r\n<recording/>");
    CHECK(!sip_message_has_sdp(m));
    sip_message_release(m);
}

static const struct uri_case {
    const char *text, *host;
    int port;
    bool ok, secure, loose;
} uris[] = {
    {"sip:a@192.0.2.1:5062;lr", "192.0.2.1", 5062, true, false, true},
    {"SIPS:[2001:db8::1]:5061;transport=tls?x=y", "[2001:db8::1]", 5061, true, true, false},
    {"sip:user;par=u%40example.net@example.com", "example.com", 0, true, false, false},
    {"sip:h", "h", 0, true, false, false},
    {"sip:", "", 0, false, false, false},
    {"sip192.168.33.1:5060", "", 0, false, false, false},
    {"tel:+1202", "", 0, false, false, false},
    {"sip:a@h:99999", "", 0, false, false, false},
    {"sip:a b@h", "", 0, false, false, false},
};

static void test_uri(void)
{
    for (size_t i = 0; i < sizeof(uris) / sizeof(uris[0]); i++) {
        struct sip_uri uri;
        CHECK_INT(sip_uri_parse(view_of_string(uris[i].text), &uri), uris[i].ok);
        CHECK_VIEW(uri.host, uris[i].host);
        CHECK_INT(uri.port, uris[i].port);
        CHECK_INT(uri.secure, uris[i].secure);
        CHECK_INT(uri.loose, uris[i].loose);
    }
}

int main(void)
{
    RUN(test_plain);
    RUN(test_compact_and_case);
    RUN(test_broken_contact);
    RUN(test_truncated);
    RUN(test_not_sip);
    RUN(test_long_call_id);
    RUN(test_multipart_has_sdp);
    RUN(test_uri);
    return tap_done();
}
