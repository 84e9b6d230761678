/* signalling: what can go wrong between the first INVITE and the last BYE, and who is refused.
 * RFC 3261 §9, §13.3, §14, §15, §17; 4028; lessons.md 12, 33, 34, 40, 41, 44. */
#include "play.h"

static const char *header(struct src *src, const char *name)
{
    static char value[512];
    value[0] = 0;
    (void)src_header(src->response, name, value, sizeof value);
    return value;
}

/* The 200 is repeated until the ACK comes; the SRC acknowledges each. */
static void test_lost_acks(void)
{
    struct play *play = play_begin(1, NULL);
    play->src->no_ack = true;
    CHECK(src_connect(play->src, src_metadata("1", "2")));
    src_talk(play->src, true);
    world_run(&play->world, 4000);
    CHECK(play->src->finals > 1 || play->srs.file_count == 1);
    play->src->no_ack = false;
    world_run(&play->world, 10000); /* the next 200 is acknowledged */
    CHECK_INT(play->src->byes, 0);
    play_end(play);
    CHECK_INT(pcap_count_rtp(play->pcap, &play->a->to, NULL), play->a->sent);
    CHECK_INT(pcap_count_sip(play->pcap, "ACK "), 1);
    play_free(play);
}

/* RFC 3261 §13.3.1.4: 64*T1 without an ACK: BYE. What came is kept. */
static void test_no_ack_at_all(void)
{
    struct play *play = play_begin(2, NULL);
    play->src->no_ack = true;
    CHECK(src_connect(play->src, src_metadata("1", "2")));
    src_talk(play->src, true);
    world_run(&play->world, 31000);
    CHECK_INT(play->src->byes, 0);
    world_run(&play->world, 2000);
    CHECK_INT(play->src->byes, 1);
    play_end(play);
    CHECK_TEXT(play_text(play->document, "state"), "finishing");
    CHECK(pcap_count_rtp(play->pcap, &play->a->to, NULL) > 1500);
    CHECK(json_array_size(json_object_get(play->document, "warnings")) >= 1);
    play_free(play);
}

/* Lesson 12. */
static void test_bye_before_ack(void)
{
    struct play *play = play_begin(3, NULL);
    play->src->no_ack = true;
    CHECK(src_connect(play->src, src_metadata("1", "2")));
    src_bye(play->src);
    CHECK_INT(src_wait(play->src), 200);
    play_end(play);
    CHECK_INT(play->src->byes, 0);
    play_free(play);
}

/* The CANCEL crosses our 200: the call stands, and ends by BYE as the SRC must. */
static void test_cancel_after_the_answer(void)
{
    struct play *play = play_begin(4, NULL);
    src_invite(play->src, src_metadata("1", "2"));
    src_cancel(play->src);
    CHECK_INT(src_wait(play->src), 200);
    play_end(play);
    CHECK_INT(recorder_usage(play->srs.recorder).accepted, 1);
    play_free(play);
}

/* While the INVITE waits for ports a CANCEL ends it: 487, and no recording. */
static void test_cancel_before_the_answer(void)
{
    struct srs_options options = {.ports = 1};
    struct play *play = play_begin(5, &options);
    play->srs.stingy = true;
    src_invite(play->src, src_metadata("1", "2"));
    world_run(&play->world, 100);
    src_cancel(play->src);
    CHECK_INT(src_wait(play->src), 487);
    play->srs.stingy = false; /* ports come, too late for it: they go back */
    play->srs.ports_lent = 8;
    src_request(src_create(&play->world), "OPTIONS", NULL, NULL);
    world_run(&play->world, 40000);
    CHECK(srs_at_rest(&play->srs));
    CHECK_INT(play->srs.file_count, 0);
    play_free(play);
}

/* Lesson 44: hours without SIP end nothing; a session timer that runs out does (RFC 4028 §10). */
static void test_hours_without_sip(void)
{
    struct play *play = play_begin(6, NULL);
    CHECK(src_connect(play->src, src_metadata("1", "2")));
    src_talk(play->src, true);
    world_run(&play->world, 60 * 1000);
    src_talk(play->src, false);
    world_run(&play->world, 6 * 3600 * INT64_C(1000));
    CHECK_INT(play->src->byes, 0);
    CHECK_INT(recorder_usage(play->srs.recorder).recordings, 1);
    play_end(play);
    play_free(play);
}

static void test_a_session_timer_runs_out(void)
{
    struct play *play = play_begin(7, NULL);
    play->src->headers = "Supported: timer\r\nSession-Expires: 120;refresher=uac\r\n";
    CHECK(src_connect(play->src, src_metadata("1", "2")));
    CHECK_TEXT(header(play->src, "Session-Expires"), "120;refresher=uac");
    src_talk(play->src, true);
    world_run(&play->world, 60 * 1000);
    play->src->headers = "Supported: timer\r\nSession-Expires: 120;refresher=uac\r\n";
    src_request(play->src, "UPDATE", NULL, NULL);
    CHECK_INT(src_wait(play->src), 200);
    world_run(&play->world, 70 * 1000); /* refreshed: still there */
    CHECK_INT(play->src->byes, 0);
    world_run(&play->world, 60 * 1000);
    CHECK_INT(play->src->byes, 1);
    play_end(play);
    CHECK_INT(json_array_size(json_object_get(play->document, "warnings")), 1);
    play_free(play);
}

static void test_who_is_allowed(void)
{
    struct recorder_prefixes allow = {.count = 1};
    CHECK(addr_prefix_parse(VIEW_LIT("203.0.113.0/24"), &allow.list[0]));
    struct srs_options options = {.allow = &allow};
    struct play *play = play_begin(8, &options);
    src_invite(play->src, src_metadata("1", "2"));
    CHECK_INT(src_wait(play->src), 403);
    world_run(&play->world, 40000);
    CHECK(srs_at_rest(&play->srs));
    play_free(play);
    CHECK(addr_prefix_parse(VIEW_LIT("192.0.2.10"), &allow.list[0]));
    play = play_begin(9, &options);
    CHECK(src_connect(play->src, NULL));
    play_end(play);
    play_free(play);
}

static void test_full_and_draining_and_out_of_disk(void)
{
    struct srs_options options = {.recordings = 1};
    struct play *play = play_begin(10, &options);
    struct src *late = src_create(&play->world);
    (void)src_add_stream(late, "1");
    CHECK(src_connect(play->src, src_metadata("1", "2")));
    src_invite(late, NULL);
    CHECK_INT(src_wait(late), 503);
    CHECK_TEXT(header(late, "Retry-After"), "5");
    src_request(late, "OPTIONS", NULL, NULL);
    CHECK_INT(src_wait(late), 503);
    src_bye(play->src);
    CHECK_INT(src_wait(play->src), 200);
    src_request(late, "OPTIONS", NULL, NULL);
    CHECK_INT(src_wait(late), 200);
    CHECK(src_connect(late, NULL)); /* at once: the other one's tail takes no place */

    recorder_refuse(play->srs.recorder, RECORDER_DRAINING, true);
    struct src *third = src_create(&play->world);
    (void)src_add_stream(third, "1");
    src_request(third, "OPTIONS", NULL, NULL);
    CHECK_INT(src_wait(third), 503);
    src_bye(late);
    CHECK_INT(src_wait(late), 200);
    src_invite(third, NULL);
    CHECK_INT(src_wait(third), 503);
    recorder_refuse(play->srs.recorder, RECORDER_DISK_FULL, true);
    recorder_refuse(play->srs.recorder, RECORDER_DRAINING, false);
    src_invite(third, NULL);
    CHECK_INT(src_wait(third), 503);
    recorder_refuse(play->srs.recorder, RECORDER_DISK_FULL, false);
    src_request(third, "OPTIONS", NULL, NULL);
    CHECK_INT(src_wait(third), 200);
    src_invite(third, NULL);
    CHECK_INT(src_wait(third), 200);
    src_hang_up(third);
    CHECK(srs_at_rest(&play->srs));
    CHECK_INT(recorder_usage(play->srs.recorder).accepted, 3);
    CHECK_INT(recorder_usage(play->srs.recorder).refused, 3);
    play_free(play);
}

/* The disk fills up under a running call: the SRC is told, nothing hangs. */
static void test_the_disk_fails_under_a_call(void)
{
    struct play *play = play_begin(11, NULL);
    CHECK(src_connect(play->src, src_metadata("1", "2")));
    src_talk(play->src, true);
    world_run(&play->world, 1000);
    play->srs.disk_error = 28; /* ENOSPC */
    world_run(&play->world, 1000);
    CHECK_INT(play->src->byes, 1);
    CHECK(strstr(play->src->asked, "Reason: SIP;cause=503") != NULL); /* RFC 3326 */
    world_run(&play->world, 40000);
    CHECK(srs_at_rest(&play->srs));
    struct srs_file *file = srs_only_file(&play->srs);
    CHECK(file && file->rendered && strstr(file->document, "journal-failed"));
    CHECK(file && strstr(file->document, "\"state\":\"finishing\""));
    struct pcap *pcap = file ? pcap_read(view_of(file->journal, file->journal_len)) : NULL;
    CHECK(pcap && pcap->sound && pcap_count_rtp(pcap, &play->a->to, NULL) >= 40);
    free(pcap);
    play_free(play);
}

/* A journal that cannot even be begun: the one case in which a recording has failed. */
static void test_the_disk_fails_at_once(void)
{
    struct play *play = play_begin(16, NULL);
    play->srs.disk_error = 13; /* EACCES */
    CHECK(src_connect(play->src, src_metadata("1", "2")));
    src_talk(play->src, true);
    world_run(&play->world, 1000);
    CHECK_INT(play->src->byes, 1);
    world_run(&play->world, 40000);
    CHECK(srs_at_rest(&play->srs));
    struct srs_file *file = srs_only_file(&play->srs);
    CHECK(file && !file->rendered && strstr(file->document, "\"state\":\"failed\""));
    play_free(play);
}

/* 415 only for a required part that nobody knows without any SDP beside it. */
static void test_bodies_that_nobody_knows(void)
{
    struct play *play = play_begin(12, NULL);
    src_request(play->src, "INVITE", "application/unheard-of", "x");
    CHECK_INT(src_wait(play->src), 415);
    CHECK(strstr(header(play->src, "Accept"), "application/sdp") != NULL);
    world_run(&play->world, 40000);
    CHECK(srs_at_rest(&play->srs));
    char body[SRC_TEXT];
    (void)snprintf(body, sizeof body,
                   "--foo-bar\r\nContent-Type: application/unheard-of\r\n\r\nx\r\n"
                   "--foo-bar\r\nContent-Type: application/sdp\r\n\r\n%s\r\n--foo-bar--\r\n",
                   src_sdp(play->src));
    src_request(play->src, "INVITE", SRC_MULTIPART, body);
    CHECK_INT(src_wait(play->src), 200);
    play_end(play);
    CHECK_INT(recorder_usage(play->srs.recorder).refused, 1);
    play_free(play);
}

/* Lessons 40, 47: Call-IDs are no file names and no keys: slashes, dots, 10,000 bytes, any bytes;
 * and two calls of one communication session are two recordings. */
static void test_call_ids_and_session_ids(void)
{
    struct play *play = play_begin(13, NULL);
    struct src *other = src_create(&play->world), *third = src_create(&play->world);
    (void)src_add_stream(other, "1");
    (void)src_add_stream(third, "1");
    (void)snprintf(play->src->call_id, sizeof play->src->call_id, "../../../../etc/passwd");
    memset(other->call_id, 'x', 10000);
    other->call_id[10000] = 0;
    (void)snprintf(third->call_id, sizeof third->call_id, "caf\xe9-\xff\xfe-\"quote\"");
    CHECK(src_connect(play->src, src_metadata("1", "2")));
    CHECK(src_connect(other, src_metadata("1", "2")));
    CHECK(src_connect(third, src_metadata("1", "2")));
    CHECK_INT(recorder_usage(play->srs.recorder).recordings, 3);
    src_bye(other);
    src_bye(third);
    CHECK_INT(src_wait(other), 200);
    CHECK_INT(src_wait(third), 200);
    src_hang_up(play->src);
    CHECK(srs_at_rest(&play->srs));
    CHECK_INT(play->srs.file_count, 3);
    for (unsigned i = 0; i < play->srs.file_count; i++) {
        json_error_t error;
        json_t *document = json_loads(play->srs.files[i].document, 0, &error);
        CHECK(document != NULL);
        CHECK(strstr(play->srs.files[i].directory, "..") == NULL);
        CHECK_INT(strlen(play->srs.files[i].directory), 10 + 1 + 36);
        json_decref(document);
    }
    play_free(play);
}

/* Our UPDATE and the SRC's re-INVITE meet: 491, and both try again (RFC 3261 §14). */
static void test_glare(void)
{
    struct play *play = play_begin(14, NULL);
    CHECK(src_connect(play->src, "<recording xmlns='urn:ietf:params:xml:ns:recording:1'>"
                                 "<datamode>partial</datamode><participant participant_id='YQ=='>"
                                 "<nameID aor='sip:a@example.com'/></participant></recording>"));
    play->src->reply = 491;
    world_run(&play->world, 100);
    CHECK(play->src->updates >= 1);
    world_run(&play->world, 20000);
    CHECK(play->src->updates >= 2 && play->src->updates <= 4);
    play_end(play);
    CHECK_INT(play_count(play, "warnings", "code", "metadata-incomplete"), 1);
    play_free(play);
}

/* Signalling gone, media gone: only a session timer, or the operator, ends such a call. */
static void test_the_operator_hangs_up(void)
{
    struct play *play = play_begin(15, NULL);
    CHECK(src_connect(play->src, src_metadata("1", "2")));
    src_talk(play->src, true);
    world_run(&play->world, 1000);
    recorder_refuse(play->srs.recorder, RECORDER_DRAINING, true);
    recorder_hang_up(play->srs.recorder, srs_now(&play->srs));
    recorder_hang_up(play->srs.recorder, srs_now(&play->srs)); /* twice does no harm */
    src_request(src_create(&play->world), "OPTIONS", NULL, NULL);
    world_run(&play->world, 1000);
    CHECK_INT(play->src->byes, 1);
    play_end(play);
    CHECK_TEXT(play_text(play->document, "ended_why"), "stopped");
    play_free(play);
}

int main(void)
{
    RUN(test_lost_acks);
    RUN(test_no_ack_at_all);
    RUN(test_bye_before_ack);
    RUN(test_cancel_after_the_answer);
    RUN(test_cancel_before_the_answer);
    RUN(test_hours_without_sip);
    RUN(test_a_session_timer_runs_out);
    RUN(test_who_is_allowed);
    RUN(test_full_and_draining_and_out_of_disk);
    RUN(test_the_disk_fails_under_a_call);
    RUN(test_the_disk_fails_at_once);
    RUN(test_bodies_that_nobody_knows);
    RUN(test_call_ids_and_session_ids);
    RUN(test_glare);
    RUN(test_the_operator_hangs_up);
    return tap_done();
}
