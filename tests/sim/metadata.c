/* metadata: never a reason to refuse: missing, doubled, old, broken, partial, enormous, hostile.
 * RFC 7865, 7866 §9; lessons.md 1, 2, 10, 13, 14, 16, 17. */
#include "play.h"

#define HEAD "<?xml version=\"1.0\"?><recording xmlns=\"urn:ietf:params:xml:ns:recording:1\">"

/* A call with this body of INVITE goes through whole,
 * and has a warning of that code (NULL: none). */
static struct play *play_body(const char *type, const char *body, const char *code)
{
    struct play *play = play_begin(1, NULL);
    src_request(play->src, "INVITE", type, body);
    CHECK_INT(src_wait(play->src), 200);
    src_talk(play->src, true);
    world_run(&play->world, 500);
    play_end(play);
    if (!CHECK(play->document != NULL))
        return play;
    CHECK_INT(pcap_count_rtp(play->pcap, &play->a->to, NULL), play->a->sent);
    if (code && !CHECK_INT(play_count(play, "warnings", "code", code), 1))
        printf("# no warning %s in %s\n", code, play->file->document);
    return play;
}

static void with_metadata(const char *metadata, const char *code)
{
    struct play *play = play_begin(1, NULL);
    char body[SRC_TEXT];
    (void)snprintf(body, sizeof body, "%s", src_multipart(play->src, src_sdp(play->src), metadata));
    play_free(play);
    play = play_body(SRC_MULTIPART, body, code);
    CHECK(play->file && play->file->metadata && strcmp(play->file->metadata, metadata) == 0);
    play_free(play);
}

static void test_none(void)
{
    struct play *play = play_begin(1, NULL);
    char sdp[SRC_TEXT];
    (void)snprintf(sdp, sizeof sdp, "%s", src_sdp(play->src));
    play_free(play);
    play_free(play_body("application/sdp", sdp, "metadata-missing"));
}

static void test_broken(void)
{
    with_metadata(HEAD "<session", "metadata-broken");
    with_metadata("this is no XML", "metadata-broken");
    with_metadata(HEAD "<participant participant_id=\"YQ==\"><nameID aor=\"<sip:x>\"/>",
                  "metadata-broken");
}

static void test_old_namespaces_and_strange_roots(void)
{
    with_metadata("<recording xmlns='urn:ietf:params:xml:ns:recording'>"
                  "<participant id='1' session='2'><nameID aor='sip:a@example.com'/></participant>"
                  "</recording>",
                  "metadata-namespace");
    with_metadata("<unheard-of/>", "metadata-root");
}

static void test_labels_that_match_nothing(void)
{
    struct play *play = play_begin(2, NULL);
    CHECK(src_connect(play->src, src_metadata("77", "78")));
    src_talk(play->src, true);
    world_run(&play->world, 500);
    play_end(play);
    CHECK_INT(play_count(play, "warnings", "code", "label-unmatched"), 1);
    CHECK_INT(json_array_size(json_object_get(play->document, "participants")), 2);
    play_free(play);
}

/* An entity bomb, deep nesting: read so far as is wise, and recorded all the same. */
static void test_hostile_documents(void)
{
    char deep[16000] = HEAD;
    for (int i = 0; i < 2000; i++)
        strcat(deep, "<a>");
    with_metadata(deep, NULL);
    with_metadata("<?xml version=\"1.0\"?><!DOCTYPE x [<!ENTITY a \"aaaaaaaaaa\">"
                  "<!ENTITY b \"&a;&a;&a;&a;&a;&a;&a;&a;\"><!ENTITY c \"&b;&b;&b;&b;&b;&b;&b;\">"
                  "<!ENTITY d SYSTEM \"file:///etc/passwd\">]><recording>&c;&d;</recording>",
                  NULL);
}

/* A partial update first: the SRC is asked once for everything, by an UPDATE without SDP,
 * and sends it in a transaction of its own. */
static void test_a_snapshot_is_asked_for(void)
{
    struct play *play = play_begin(3, NULL);
    CHECK(src_connect(play->src, HEAD "<datamode>partial</datamode>"
                                      "<participant participant_id=\"YQ==\"><nameID "
                                      "aor=\"sip:carol@example.com\"/></participant></recording>"));
    world_run(&play->world, 500);
    CHECK_INT(play->src->updates, 1);
    CHECK(strstr(play->src->asked, "requestsnapshot") != NULL);
    CHECK(strstr(play->src->asked, "Content-Type: application/rs-metadata") != NULL);
    CHECK(strstr(play->src->asked, "Content-Disposition: recording-session") != NULL);
    CHECK(strstr(play->src->asked, "v=0") == NULL);
    src_request(play->src, "UPDATE", "application/rs-metadata+xml", src_metadata("1", "2"));
    CHECK_INT(src_wait(play->src), 200);
    world_run(&play->world, 5000);
    play_end(play);
    CHECK_INT(play->src->updates, 1);
    CHECK_INT(play_count(play, "warnings", "code", "metadata-partial"), 1);
    CHECK_INT(play_count(play, "warnings", "code", "metadata-incomplete"), 0);
    CHECK_INT(play_count(play, "participants", "name", "Bob"), 1);
    CHECK_INT(pcap_count_sip(play->pcap, "UPDATE "), 2);
    play_free(play);
}

/* An SRC that refuses UPDATE, or never said that it takes it. */
static void test_an_src_without_update(void)
{
    static const char partial[] =
        HEAD "<datamode>partial</datamode><participant participant_id=\"YQ==\"/></recording>";
    struct play *play = play_begin(4, NULL);
    play->src->reply = 405;
    CHECK(src_connect(play->src, partial));
    world_run(&play->world, 20000);
    CHECK_INT(play->src->updates, 1);
    play_end(play);
    CHECK_INT(play_count(play, "warnings", "code", "metadata-incomplete"), 1);
    play_free(play);
}

/* In re-INVITE, UPDATE, INFO and BYE too; each adds, nothing that was known is lost. */
static void test_metadata_in_every_message(void)
{
    static const char *const names[] = {"INFO", "UPDATE", "BYE"};
    struct play *play = play_begin(5, NULL);
    CHECK(src_connect(play->src, src_metadata("1", "2")));
    for (int i = 0; i < 3; i++) {
        char xml[1024];
        (void)snprintf(xml, sizeof xml,
                       HEAD "<datamode>partial</datamode><participant participant_id=\"p%d\">"
                            "<nameID aor=\"sip:%s@example.com\"/></participant></recording>",
                       i, names[i]);
        src_request(play->src, names[i], "application/rs-metadata+xml", xml);
        CHECK_INT(src_wait(play->src), 200);
    }
    play_end(play);
    CHECK_INT(json_array_size(json_object_get(play->document, "participants")), 5);
    for (int i = 0; i < 3; i++) {
        char aor[64];
        (void)snprintf(aor, sizeof aor, "sip:%s@example.com", names[i]);
        CHECK_INT(play_count(play, "participants", "aor", aor), 1);
    }
    CHECK_INT(play->src->updates, 0);
    play_free(play);
}

/* Lesson 13: 30 KB of metadata in one UDP datagram; folded, in any order, without a final
 * boundary. */
static void test_a_big_body(void)
{
    static char metadata[31000];
    strcpy(metadata, HEAD "<datamode>complete</datamode>");
    for (int i = 0; i < 300; i++)
        (void)snprintf(metadata + strlen(metadata), sizeof metadata - strlen(metadata),
                       "<participant participant_id=\"p%d\"><nameID aor=\"sip:%d@example.com\"/>"
                       "</participant>\r\n",
                       i, i);
    strcat(metadata, "</recording>");
    struct play *play = play_begin(6, NULL);
    CHECK(src_connect(play->src, metadata));
    src_talk(play->src, true);
    world_run(&play->world, 500);
    play_end(play);
    CHECK_INT(json_array_size(json_object_get(play->document, "participants")), 300);
    CHECK(play->file && strcmp(play->file->metadata, metadata) == 0);
    play_free(play);
}

static void test_bodies_in_odd_shapes(void)
{
    struct play *play = play_begin(7, NULL);
    char sdp[8192], body[SRC_TEXT];
    (void)snprintf(sdp, sizeof sdp, "%s", src_sdp(play->src));
    play_free(play);
    /* Metadata first, no final boundary, no blank line at the end; an unknown optional part. */
    (void)snprintf(body, sizeof body,
                   "preamble\r\n--foo-bar\r\nContent-Type: application/rs-metadata\r\n\r\n%s\r\n"
                   "--foo-bar\r\nContent-Type: application/gtd\r\n"
                   "Content-Disposition: signal;handling=optional\r\n\r\nIAM,\r\n"
                   "--foo-bar\r\nContent-Type: APPLICATION/SDP; charset=utf-8\r\n\r\n%s",
                   src_metadata("1", "2"), sdp);
    play_free(play_body("Multipart/Mixed; boundary=foo-bar", body, "body-not-closed"));
    /* LF alone all through the body. */
    char lf[SRC_TEXT];
    size_t n = 0;
    for (const char *at = body; *at; at++) {
        if (*at != '\r')
            lf[n++] = *at;
    }
    lf[n] = 0;
    play_free(play_body("multipart/mixed;boundary=foo-bar", lf, NULL));
}

int main(void)
{
    RUN(test_none);
    RUN(test_broken);
    RUN(test_old_namespaces_and_strange_roots);
    RUN(test_labels_that_match_nothing);
    RUN(test_hostile_documents);
    RUN(test_a_snapshot_is_asked_for);
    RUN(test_an_src_without_update);
    RUN(test_metadata_in_every_message);
    RUN(test_a_big_body);
    RUN(test_bodies_in_odd_shapes);
    return tap_done();
}
