/* Tests of siprec/rules, snapshot and warning: RFC 7866 §6.2, 5621 §8, 7865 §7. */
#include "siprec/rules.h"

#include "base/limits.h"
#include "siprec/snapshot.h"
#include "tap.h"

static struct siprec_body body;
static struct siprec_content content;
static struct siprec_warnings warnings;
static struct arena *arena;

static void select_from(const char *type, const char *bytes)
{
    struct siprec_body_headers headers = {.content_type = view_of_string(type)};
    memset(&warnings, 0, sizeof warnings);
    arena_reset(arena);
    siprec_body_parse(&body, &headers, view_of_string(bytes), arena, &warnings);
    siprec_rules_select(&content, &body, &warnings);
}

static void test_evidence(void)
{
    static const struct {
        const char *contact, *require;
        enum siprec_evidence want;
    } rows[] = {
        {"<sip:a@b>;+sip.src", "siprec", SIPREC_EVIDENCE_FULL},
        {"<sip:a@b>;x=y;+sip.src;z", "100rel, SIPREC", SIPREC_EVIDENCE_FULL},
        {"sip:a@b;transport=udp;+sip.src", "siprec", SIPREC_EVIDENCE_FULL},
        {"<sip:a@b;+sip.src>", "siprec", SIPREC_EVIDENCE_FULL},
        {"<sip:a@b;+sip.src", "siprec", SIPREC_EVIDENCE_FULL},
        {"<sip:a@b>;+sip.src", "", SIPREC_EVIDENCE_LOOSE},
        {"<sip:a@b>", "siprec", SIPREC_EVIDENCE_LOOSE},
        {"<sip:a@b>;src", "", SIPREC_EVIDENCE_LOOSE},
        {"<sip:a@b>;+sip-src", "", SIPREC_EVIDENCE_LOOSE},
        {"<sip:src@b>;x=src", "siprecs", SIPREC_EVIDENCE_NONE},
        {"", "", SIPREC_EVIDENCE_NONE},
    };
    select_from("application/sdp", "v=0\r\n");
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        CHECK(siprec_rules_classify(view_of_string(rows[i].contact),
                                    view_of_string(rows[i].require), &body) == rows[i].want);
    select_from("application/rs-metadata", "<recording/>");
    CHECK(siprec_rules_classify(VIEW_NONE, VIEW_NONE, &body) == SIPREC_EVIDENCE_LOOSE);
}

#define B(type, more, text) "--b\r\nContent-Type: " type "\r\n" more "\r\n" text "\r\n"

static void test_refusals(void)
{
    static const struct {
        const char *type, *bytes;
        int refusal;
        bool has_sdp;
        size_t metadata;
    } rows[] = {
        {"application/sdp", "v=0", 0, true, 0},
        {"multipart/mixed;boundary=b",
         B("application/sdp", "", "v=0") B("application/gtd", "", "x") "--b--", 0, true, 0},
        {"multipart/mixed;boundary=b",
         B("application/gtd", "", "x") B("application/sdp", "", "v=0") "--b--", 0, true, 0},
        {"multipart/mixed;boundary=b", B("application/gtd", "", "x") "--b--", 415, false, 0},
        {"multipart/mixed;boundary=b",
         B("application/gtd", "Content-Disposition: signal;handling=optional\r\n", "x") "--b--", 0,
         false, 0},
        {"multipart/mixed;boundary=b",
         B("application/gtd", "", "x") B("application/rs-metadata+xml", "", "<recording/>") "--b--",
         415, false, 1},
        {"application/rs-metadata+xml", "<recording/>", 0, false, 1},
        {"application/isup", "x", 415, false, 0},
        {"", "", 0, false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        select_from(rows[i].type, rows[i].bytes);
        CHECK_INT(content.refusal, rows[i].refusal);
        CHECK(content.has_sdp == rows[i].has_sdp);
        CHECK_INT(content.metadata_count, rows[i].metadata);
    }
}

static void test_two_of_a_kind(void)
{
    select_from("multipart/mixed;boundary=b",
                B("application/sdp", "", "v=0 1") B("application/sdp", "", "v=0 2") "--b--");
    CHECK_VIEW(content.sdp, "v=0 1");
    CHECK(siprec_warned(&warnings, SIPREC_WARN_SDP_PARTS));
    select_from("multipart/alternative;boundary=b",
                B("application/sdp", "", "v=0 1") B("application/sdp", "", "v=0 2") "--b--");
    CHECK_VIEW(content.sdp, "v=0 2");
    CHECK_INT(warnings.set, 0);
    select_from("multipart/mixed;boundary=b",
                B("application/sdp", "Content-Disposition: early-session\r\n", "v=0 1")
                    B("application/sdp", "Content-Disposition: session\r\n", "v=0 2") "--b--");
    CHECK_VIEW(content.sdp, "v=0 2");
    select_from("multipart/mixed;boundary=b",
                B("application/rs-metadata", "", "<a/>")
                    B("application/rs-metadata+xml", "", "<b/>") "--b--");
    CHECK_INT(content.metadata_count, 2);
    CHECK_VIEW(content.metadata[1], "<b/>");
    CHECK(siprec_warned(&warnings, SIPREC_WARN_METADATA_PARTS));
}

static void test_checks(void)
{
    static struct sdp_session sdp;
    select_from("application/sdp", "v=0\nm=audio 1 RTP/AVP 0\nm=audio 2 RTP/AVP "
                                   "0\na=label:1\nm=audio 3 RTP/AVP 0\na=label:1\n");
    sdp_session_parse(&sdp, content.sdp);
    siprec_rules_check(&content, &sdp, true, &warnings);
    CHECK(siprec_warned(&warnings, SIPREC_WARN_METADATA_MISSING));
    CHECK(siprec_warned(&warnings, SIPREC_WARN_SDP_LABEL_MISSING));
    CHECK(siprec_warned(&warnings, SIPREC_WARN_SDP_LABEL_REPEATED));
    CHECK(!siprec_warned(&warnings, SIPREC_WARN_SDP_LIMIT));
    select_from("application/sdp", "v=0\nm=video 1 RTP/AVP 96\nm=audio 0 RTP/AVP 0\n");
    sdp_session_parse(&sdp, content.sdp);
    siprec_rules_check(&content, &sdp, false, &warnings);
    CHECK_INT(warnings.set, 0);
}

/* xmllint as another reader of what we write. */
static void test_snapshot_request(void)
{
    char text[1024];
    struct writer w = writer_of(text, sizeof text);
    siprec_snapshot_print(&w, VIEW_LIT("a <b> & \"c\"\001 \xc3\xbc"));
    CHECK(!w.failed);
    FILE *lint = popen("xmllint --noout - >/dev/null 2>&1", "w");
    if (CHECK(lint)) {
        CHECK(fwrite(text, 1, w.len, lint) == w.len);
        int status = pclose(lint);
        if (status == 127 << 8)
            printf("# xmllint is not here\n");
        else
            CHECK_INT(status, 0);
    }
    struct view out = writer_done(&w);
    CHECK(
        view_find(out, VIEW_LIT("<requestsnapshot xmlns=\"urn:ietf:params:xml:ns:recording:1\">")) <
        out.len);
    CHECK(view_find(out, VIEW_LIT("a &lt;b&gt; &amp; \"c\" \xc3\xbc")) < out.len);
    w.len = 0;
    siprec_snapshot_print(&w, VIEW_NONE);
    out = writer_done(&w);
    CHECK(view_find(out, VIEW_LIT("requestreason")) == out.len);
    struct writer small = writer_of(text, 20);
    siprec_snapshot_print(&small, VIEW_NONE);
    CHECK(small.failed);
}

static void test_warnings(void)
{
    struct siprec_warnings w = {0};
    char longer[300];
    memset(longer, 'x', sizeof longer);
    memcpy(longer + 94, "\xc3\xbc", 2);
    longer[299] = '\0';
    siprec_warn(&w, SIPREC_WARN_SDP_PARTS, "%s", longer);
    CHECK_INT(strlen(w.detail[SIPREC_WARN_SDP_PARTS]), 94); /* no half character */
    siprec_warn(&w, SIPREC_WARN_METADATA_ROOT, "a\nb");
    siprec_warn(&w, SIPREC_WARN_METADATA_ROOT, "again");
    CHECK_TEXT(w.detail[SIPREC_WARN_METADATA_ROOT], "a b");
    for (enum siprec_warning i = 0; i < SIPREC_WARN_COUNT; i++) {
        CHECK(strlen(siprec_warning_code(i)) > 3 && strlen(siprec_warning_text(i)) > 10);
        for (enum siprec_warning k = 0; k < i; k++)
            CHECK(strcmp(siprec_warning_code(i), siprec_warning_code(k)) != 0);
    }
}

int main(void)
{
    arena = arena_create(65536, LIMIT_METADATA_SCRATCH);
    if (!arena)
        return EXIT_FAILURE;
    RUN(test_evidence);
    RUN(test_refusals);
    RUN(test_two_of_a_kind);
    RUN(test_checks);
    RUN(test_snapshot_request);
    RUN(test_warnings);
    arena_destroy(arena);
    return tap_done();
}
