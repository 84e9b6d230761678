/* Tests of siprec/body: RFC 2046 §5.1 in every spelling, and what the field makes of it. */
#include "siprec/body.h"

#include "base/limits.h"
#include "base/writer.h"
#include "tap.h"

static struct siprec_body body;
static struct siprec_warnings warnings;
static struct arena *arena;

static void parse(const char *content_type, const char *bytes)
{
    struct siprec_body_headers headers = {.content_type = view_of_string(content_type)};
    memset(&warnings, 0, sizeof warnings);
    arena_reset(arena);
    siprec_body_parse(&body, &headers, view_of_string(bytes), arena, &warnings);
}

#define SDP_TEXT "v=0\r\no=- 1 1 IN IP4 192.0.2.1\r\n"
#define XML_TEXT "<recording xmlns='urn:ietf:params:xml:ns:recording:1'/>"

static void check_two_parts(void)
{
    if (!CHECK_INT(body.count, 2))
        return;
    CHECK(body.parts[0].kind == SIPREC_PART_SDP);
    CHECK(body.parts[1].kind == SIPREC_PART_METADATA);
    CHECK_VIEW(view_trim(body.parts[0].body), "v=0\r\no=- 1 1 IN IP4 192.0.2.1");
    CHECK_VIEW(view_trim(body.parts[1].body), XML_TEXT);
}

static void test_plain(void)
{
    parse("multipart/mixed;boundary=foobar",
          "--foobar\r\nContent-Type: application/sdp\r\n\r\n" SDP_TEXT "\r\n--foobar\r\n"
          "Content-Type: application/rs-metadata+xml\r\nContent-Disposition: "
          "recording-session\r\n\r\n" XML_TEXT "\r\n--foobar--\r\n");
    check_two_parts();
    CHECK(body.multipart && body.closed);
    CHECK_VIEW(body.parts[0].body, SDP_TEXT); /* its own line end stays, the delimiter's goes */
    CHECK_VIEW(body.parts[1].body, XML_TEXT);
    CHECK_VIEW(body.parts[1].disposition, "recording-session");
    CHECK(!body.parts[0].optional && !body.parts[0].guessed);
    CHECK_INT(warnings.set, 0);
}

/* Each of these is the same two parts. */
static void test_spellings(void)
{
    static const struct {
        const char *what, *type, *bytes;
        bool closed;
    } rows[] = {
        {"quoted boundary with characters that must be quoted",
         "Multipart/Mixed; charset=utf-8 ; Boundary=\"a b:c=/?\"",
         "--a b:c=/?\r\nContent-Type:application/sdp\r\n\r\n" SDP_TEXT
         "--a b:c=/?\r\nContent-Type:application/rs-metadata\r\n\r\n" XML_TEXT "\r\n--a b:c=/?--",
         true},
        {"preamble and epilogue", "multipart/mixed;boundary=b",
         "This is for\r\n-b\r\n --b\r\nold readers\r\n--b\r\nContent-Type: "
         "application/sdp\r\n\r\n" SDP_TEXT
         "\r\n--b\r\nContent-Type: application/rs-metadata+xml\r\n\r\n" XML_TEXT
         "\r\n--b--\r\nthe end\r\n--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n",
         true},
        {"bare LF", "multipart/mixed;boundary=b",
         "--b\nContent-Type: application/sdp\n\nv=0\r\no=- 1 1 IN IP4 192.0.2.1\n"
         "--b\nContent-Type: application/rs-metadata+xml\n\n" XML_TEXT "\n--b--\n",
         true},
        {"blanks behind every line", "multipart/mixed;boundary=b",
         "--b \r\nContent-Type: application/sdp \r\n \r\n" SDP_TEXT "--b\t \r\n"
         "Content-Type: application/rs-metadata+xml \r\n\r\n" XML_TEXT "\r\n--b-- \r\n",
         true},
        {"no final boundary", "multipart/mixed;boundary=b",
         "--b\r\nContent-Type: application/sdp\r\n\r\n" SDP_TEXT
         "--b\r\nContent-Type: application/rs-metadata+xml\r\n\r\n" XML_TEXT,
         false},
        {"an opening boundary at the end", "multipart/mixed;boundary=b",
         "--b\r\nContent-Type: application/sdp\r\n\r\n" SDP_TEXT
         "--b\r\nContent-Type: application/rs-metadata+xml\r\n\r\n" XML_TEXT "\r\n--b\r\n",
         false},
        {"part Content-Length that is wrong, odd names", "multipart/mixed;boundary=b",
         "\r\n--b\r\ncontent-LENGTH: 9\r\nCONTENT-type :Application/SDP; charset=x\r\n\r\n" SDP_TEXT
         "--b\r\nContent-Length:99999\r\nc: application/rs-metadata+xml;v=1\r\n\r\n" XML_TEXT
         "\r\n--b--",
         true},
        {"folded part headers", "multipart/mixed;\r\n boundary=b",
         "--b\r\nContent-Type:\r\n application/sdp\r\nX-A: b\r\n\tc\r\n\r\n" SDP_TEXT
         "--b\r\nContent-Type: application/rs-metadata+xml;\r\n charset=\"utf-8\"\r\n\r\n" XML_TEXT
         "\r\n--b--",
         true},
        {"nested", "multipart/mixed;boundary=b",
         "--b\r\nContent-Type: multipart/related;boundary=\"b-in\"\r\n\r\n--b-in\r\n"
         "Content-Type: application/sdp\r\n\r\n" SDP_TEXT
         "--b-in\r\nContent-Type: application/rs-metadata\r\n\r\n" XML_TEXT
         "\r\n--b-in--\r\n\r\n--b--\r\n",
         true},
        {"parts that do not say what they are", "multipart/mixed;boundary=b",
         "--b\r\n\r\n" SDP_TEXT "--b\r\n\r\n" XML_TEXT "\r\n--b--", true},
        {"parts without even the empty line", "multipart/mixed;boundary=b",
         "--b\r\n" SDP_TEXT "--b\r\n" XML_TEXT "\r\n--b--", true},
        {"boundary missing", "multipart/mixed",
         "--b\r\nContent-Type: application/sdp\r\n\r\n" SDP_TEXT
         "--b\r\nContent-Type: application/rs-metadata\r\n\r\n" XML_TEXT "\r\n--b--",
         true},
        {"another boundary than declared", "multipart/mixed;boundary=c",
         "--b\r\nContent-Type: application/sdp\r\n\r\n" SDP_TEXT
         "--b\r\nContent-Type: application/rs-metadata\r\n\r\n" XML_TEXT "\r\n--b--",
         true},
        {"no Content-Type at all", "",
         "--b\r\nContent-Type: application/sdp\r\n\r\n" SDP_TEXT
         "--b\r\nContent-Type: application/rs-metadata\r\n\r\n" XML_TEXT "\r\n--b--",
         true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        printf("# %s\n", rows[i].what);
        parse(rows[i].type, rows[i].bytes);
        check_two_parts();
        CHECK(body.closed == rows[i].closed);
        CHECK(siprec_warned(&warnings, SIPREC_WARN_BODY_NOT_CLOSED) != rows[i].closed);
    }
}

/* RFC 2046 §5.1.1: a line that only begins like the delimiter is content. */
static void test_foreign_boundaries_are_content(void)
{
    parse("multipart/mixed;boundary=b",
          "--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--bb\r\n--b-x\r\n --b\r\n-- "
          "b\r\n--c\r\n--b--");
    CHECK_INT(body.count, 1);
    CHECK_VIEW(body.parts[0].body, "v=0\r\n--bb\r\n--b-x\r\n --b\r\n-- b\r\n--c");
}

static void test_single_parts(void)
{
    static const struct {
        const char *type, *bytes;
        enum siprec_part_kind kind;
        bool guessed;
    } rows[] = {
        {"application/sdp", SDP_TEXT, SIPREC_PART_SDP, false},
        {"application/SDP;charset=utf-8", SDP_TEXT, SIPREC_PART_SDP, false},
        {"application/rs-metadata+xml", XML_TEXT, SIPREC_PART_METADATA, false},
        {"APPLICATION/RS-METADATA", XML_TEXT, SIPREC_PART_METADATA, false},
        {"application / rs-metadata +xml", XML_TEXT, SIPREC_PART_METADATA, false},
        {"application/ +xml", XML_TEXT, SIPREC_PART_METADATA, true},
        {"text/xml", XML_TEXT, SIPREC_PART_METADATA, true},
        {"text/plain", SDP_TEXT, SIPREC_PART_SDP, true},
        {"", SDP_TEXT, SIPREC_PART_SDP, true},
        {"", XML_TEXT, SIPREC_PART_METADATA, true},
        {"application/gtd", "IAM,", SIPREC_PART_OTHER, false},
        {"application/gtd", SDP_TEXT, SIPREC_PART_OTHER, false},
        {"text/xml", "<other/>", SIPREC_PART_OTHER, false},
        {"application/rs-metadata-request", "x", SIPREC_PART_OTHER, false},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        parse(rows[i].type, rows[i].bytes);
        if (!CHECK_INT(body.count, 1))
            continue;
        CHECK(body.parts[0].kind == rows[i].kind);
        CHECK(body.parts[0].guessed == rows[i].guessed);
        CHECK(siprec_warned(&warnings, SIPREC_WARN_BODY_TYPE) == rows[i].guessed);
        CHECK(!body.multipart);
    }
    parse("application/sdp", "");
    CHECK_INT(body.count, 0);
    parse("application/sdp", "\r\n\r\n");
    CHECK_INT(body.count, 0);
    parse("multipart/mixed", "nothing that could be a boundary");
    CHECK_INT(body.count, 0);
}

/* RFC 2183, 5621 §8.1. */
static void test_dispositions(void)
{
    parse("multipart/mixed;boundary=b",
          "--b\r\nContent-Type: application/gtd\r\nContent-Disposition: signal ; Handling = "
          "\"Optional\"\r\n\r\nx\r\n"
          "--b\r\nContent-Type: application/gtd\r\nContent-Disposition: "
          "signal;handling=required\r\n\r\nx\r\n"
          "--b\r\nContent-Type: application/gtd\r\nContent-Disposition: "
          "signal;x=\"a;handling=optional\"\r\n\r\nx\r\n"
          "--b--");
    CHECK_INT(body.count, 3);
    CHECK(body.parts[0].optional && !body.parts[1].optional && !body.parts[2].optional);
    CHECK_VIEW(body.parts[0].disposition, "signal");
}

/* RFC 2045 §6.7, §6.8. */
static void test_transfer_encodings(void)
{
    parse("multipart/mixed;boundary=b",
          "--b\r\nContent-Type: application/sdp\r\nContent-Transfer-Encoding: base64\r\n\r\n"
          "dj0wDQpvPS0gMSAxIElOIElQNCAxOTIu\r\nMC4yLjENCg==\r\n"
          "--b\r\nContent-Type: application/rs-metadata\r\nContent-Transfer-Encoding: "
          "Quoted-Printable\r\n\r\n"
          "<recording xmlns=3D'urn:ietf:params:xml:n=\r\ns:recording:1'/>\r\n--b--");
    check_two_parts();
}

static void test_alternatives_are_marked(void)
{
    parse("multipart/mixed;boundary=o",
          "--o\r\nContent-Type: multipart/alternative;boundary=i\r\n\r\n--i\r\nContent-Type: "
          "application/sdp\r\n\r\n"
          "v=0\r\n--i\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n--i--\r\n--o\r\n"
          "Content-Type: application/sdp\r\n\r\nv=0\r\n--o--");
    CHECK_INT(body.count, 3);
    CHECK(body.parts[0].alternative && body.parts[0].alternative == body.parts[1].alternative);
    CHECK_INT(body.parts[2].alternative, 0);
}

static void test_limits(void)
{
    static char text[64 * 1024];
    struct writer w = writer_of(text, sizeof text - 1);
    for (int i = 0; i < 100; i++)
        writer_string(&w, "--b\r\nContent-Type: application/sdp\r\n\r\nv=0\r\n");
    text[w.len] = '\0';
    parse("multipart/mixed;boundary=b", text);
    CHECK_INT(body.count, SIPREC_PARTS_MAX);
    CHECK(siprec_warned(&warnings, SIPREC_WARN_BODY_PARTS));
    w.len = 0;
    for (int i = 0; i < 50; i++)
        writer_printf(&w, "--b%d\r\nContent-Type: multipart/mixed;boundary=b%d\r\n\r\n", i, i + 1);
    text[w.len] = '\0';
    parse("multipart/mixed;boundary=b0", text);
    CHECK_INT(body.count, 0);
    CHECK(siprec_warned(&warnings, SIPREC_WARN_BODY_PARTS));
}

static void test_parameters(void)
{
    struct view value, list = VIEW_LIT(" a=1; B = \"x;\\\"y\" ;c; d=2");
    CHECK(siprec_parameter_find(list, VIEW_LIT("A"), &value));
    CHECK_VIEW(value, "1");
    CHECK(siprec_parameter_find(list, VIEW_LIT("b"), &value));
    CHECK_VIEW(value, "x;\\\"y");
    CHECK(siprec_parameter_find(list, VIEW_LIT("c"), &value));
    CHECK_INT(value.len, 0);
    CHECK(siprec_parameter_find(list, VIEW_LIT("d"), &value));
    CHECK_VIEW(value, "2");
    CHECK(!siprec_parameter_find(list, VIEW_LIT("y"), &value));
    CHECK(siprec_parameter_find(VIEW_LIT("b=\"unfinished\\"), VIEW_LIT("b"), &value));
    CHECK_VIEW(value, "unfinished\\");
}

int main(void)
{
    arena = arena_create(65536, LIMIT_METADATA_SCRATCH);
    if (!arena)
        return EXIT_FAILURE;
    RUN(test_plain);
    RUN(test_spellings);
    RUN(test_foreign_boundaries_are_content);
    RUN(test_single_parts);
    RUN(test_dispositions);
    RUN(test_transfer_encodings);
    RUN(test_alternatives_are_marked);
    RUN(test_limits);
    RUN(test_parameters);
    arena_destroy(arena);
    return tap_done();
}
