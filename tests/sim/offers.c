/* offers: re-INVITE and UPDATE that add, remove, re-order and re-address streams; offers that
 * cannot be agreed; INVITEs without an offer. RFC 3264 §8, 3261 §14, 3311, 6141, 7866 §7;
 * lessons.md 4, 5, 15, 18, 21, 29. */
#include "play.h"

static char *header(struct src *src, const char *name)
{
    static char value[512];
    value[0] = 0;
    (void)src_header(src->response, name, value, sizeof value);
    return value;
}

static unsigned count_lines(const char *text, const char *start)
{
    unsigned count = 0;
    for (const char *at = text; at && *at; at = strchr(at, '\n')) {
        at += *at == '\n';
        count += strncmp(at, start, strlen(start)) == 0;
    }
    return count;
}

static unsigned long origin_version(const struct src *src)
{
    unsigned long id = 0, version = 0;
    (void)sscanf(strstr(src->answer, "o="), "o=%*s %lu %lu", &id, &version);
    return version;
}

static struct play *begin_talking(uint64_t seed)
{
    struct play *play = play_begin(seed, NULL);
    CHECK(src_connect(play->src, src_metadata("1", "2")));
    src_talk(play->src, true);
    world_run(&play->world, 1000);
    return play;
}

/* The same offer again (session refresh): the same answer, the same version. */
static void test_the_same_offer_again_changes_nothing(void)
{
    struct play *play = begin_talking(1);
    unsigned long version = origin_version(play->src);
    uint16_t port = play->a->to.port;
    CHECK(strstr(play->src->answer, "o=SRC") == NULL); /* not a mirror of the SRC's (lesson 4) */
    src_invite(play->src, NULL);
    CHECK_INT(src_wait(play->src), 200);
    CHECK_INT(origin_version(play->src), version);
    CHECK_INT(play->a->to.port, port);
    world_run(&play->world, 1000);
    play_end(play);
    CHECK_INT(pcap_count_rtp(play->pcap, &play->a->to, NULL), play->a->sent);
    CHECK_INT(json_array_size(json_object_get(play->document, "streams")), 2);
    play_free(play);
}

static void test_a_stream_is_added(void)
{
    struct play *play = begin_talking(2);
    unsigned long version = origin_version(play->src);
    uint16_t port = play->a->to.port;
    struct src_stream *c = src_add_stream(play->src, "3");
    src_invite(play->src, NULL);
    CHECK_INT(src_wait(play->src), 200);
    CHECK_INT(origin_version(play->src), version + 1);
    CHECK_INT(play->a->to.port, port);
    CHECK(c->to.port != 0 && c->to.port != port);
    src_talk(play->src, true);
    world_run(&play->world, 1000);
    play_end(play);
    CHECK_INT(json_array_size(json_object_get(play->document, "streams")), 3);
    CHECK_TEXT(play_text(play_stream(play, 2), "label"), "3");
    CHECK_INT(pcap_count_rtp(play->pcap, &c->to, &c->from), c->sent);
    play_free(play);
}

static void test_a_stream_is_removed_and_comes_back(void)
{
    struct play *play = begin_talking(3);
    struct addr first = play->b->to;
    play->b->removed = true;
    play->b->talking = false;
    world_run(&play->world, 10);
    src_invite(play->src, NULL);
    CHECK_INT(src_wait(play->src), 200);
    CHECK_INT(play->b->to.port, 0);
    CHECK(play->a->to.port != 0);
    world_run(&play->world, 5000);
    /* Its port rests, the other stream goes on. */
    CHECK_INT(recorder_usage(play->srs.recorder).streams, 1);
    CHECK_INT(media_usage(play->srs.media).ports, 1);
    play->b->removed = false;
    src_invite(play->src, NULL);
    CHECK_INT(src_wait(play->src), 200);
    CHECK(play->b->to.port != 0);
    unsigned sent = play->b->sent;
    src_talk(play->src, true);
    world_run(&play->world, 1000);
    play_end(play);
    /* The same stream, twice on the air: two interfaces, one number (docs: "streams" has two). */
    CHECK_INT(json_array_size(json_object_get(play->document, "streams")), 2);
    if (!addr_equal(&first, &play->b->to)) {
        CHECK_INT(pcap_count_rtp(play->pcap, &first, NULL), sent);
        CHECK_INT(pcap_count_rtp(play->pcap, &play->b->to, NULL), play->b->sent - sent);
    }
    CHECK_INT(play_number(play_stream(play, 1), "packets"), play->b->sent);
    play_free(play);
}

/* A session that lives for days (RFC 7866 §10, 8068 §3.4): streams come and go, ever new ones. */
static void test_streams_come_and_go_for_ever(void)
{
    struct play *play = begin_talking(15);
    for (unsigned i = 0; i < 40; i++) {
        play->b->removed = i % 2 == 0;
        play->b->talking = false;
        world_run(&play->world, 10);
        if (!play->b->removed)
            (void)snprintf(play->b->label, sizeof play->b->label, "new%u", i);
        src_invite(play->src, NULL);
        CHECK_INT(src_wait(play->src), 200);
        CHECK_INT(play->b->to.port != 0, !play->b->removed);
        if (i % 2) {
            src_talk(play->src, true);
            world_run(&play->world, 300);
        }
        world_run(&play->world, 3000);
    }
    for (unsigned i = 0; i < 60; i++) { /* more than there are numbers */
        (void)snprintf(play->b->label, sizeof play->b->label, "other%u", i);
        play->b->removed = true;
        src_invite(play->src, NULL);
        CHECK_INT(src_wait(play->src), 200);
        world_run(&play->world, 3000);
        play->b->removed = false;
        (void)snprintf(play->b->label, sizeof play->b->label, "more%u", i);
        src_invite(play->src, NULL);
        CHECK_INT(src_wait(play->src), 200);
        if (!CHECK(play->b->to.port != 0))
            break;
        world_run(&play->world, 300);
    }
    play_end(play);
    CHECK_INT(json_array_size(json_object_get(play->document, "streams")),
              LIMIT_STREAMS_PER_RECORDING);
    CHECK_INT(pcap_count_rtp(play->pcap, &play->a->to, NULL), play->a->sent);
    play_free(play);
}

/* The same labels in another order: each keeps its port, the answer follows the new order. */
static void test_streams_are_reordered(void)
{
    struct play *play = begin_talking(4);
    struct addr a = play->a->to, b = play->b->to;
    char label[32];
    struct src_stream swap = *play->a;
    *play->a = *play->b;
    *play->b = swap;
    src_invite(play->src, NULL);
    CHECK_INT(src_wait(play->src), 200);
    (void)snprintf(label, sizeof label, "%s", play->a->answered_label);
    CHECK_TEXT(label, "2");
    CHECK_INT(play->a->to.port, b.port);
    CHECK_INT(play->b->to.port, a.port);
    world_run(&play->world, 1000);
    play_end(play);
    CHECK_TEXT(play_text(play_stream(play, 0), "label"), "1");
    CHECK_INT(play_number(play_stream(play, 0), "mline"), 1);
    CHECK_INT(pcap_count_rtp(play->pcap, &b, NULL), play->a->sent);
    CHECK_INT(pcap_count_rtp(play->pcap, &a, NULL), play->b->sent);
    play_free(play);
}

/* The SRC moves its RTP elsewhere and says so: accepted at once, no stranger. */
static void test_streams_are_readdressed(void)
{
    struct play *play = begin_talking(5);
    uint16_t port = play->a->to.port;
    play->a->from.port = 40040;
    play->b->from.port = 40044;
    src_invite(play->src, NULL);
    CHECK_INT(src_wait(play->src), 200);
    CHECK_INT(play->a->to.port, port);
    world_run(&play->world, 2000);
    play_end(play);
    CHECK_INT(pcap_count_rtp(play->pcap, &play->a->to, NULL), play->a->sent);
    CHECK_INT(play_number(play_stream(play, 0), "packets"), play->a->sent);
    CHECK_INT(play_number(play_stream(play, 0), "lost"), 0);
    CHECK_TEXT(play_text(play_stream(play, 0), "observed"), "192.0.2.10:40040");
    CHECK_INT(play_count(play, "warnings", "code", "second-sender"), 0);
    CHECK_INT(pcap_count_events(play->pcap, "source"), 2);
    play_free(play);
}

/* RFC 3261 §14.2: what cannot be agreed leaves the session as it was. */
static void test_an_offer_that_cannot_be_agreed(void)
{
    struct play *play = begin_talking(6);
    uint16_t port = play->a->to.port;
    src_request(play->src, "INVITE", "application/sdp",
                "v=0\r\no=- 1 9 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n"
                "m=video 5000 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n"
                "m=video 5002 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n");
    CHECK_INT(src_wait(play->src), 488);
    world_run(&play->world, 1000);
    CHECK_INT(recorder_usage(play->srs.recorder).recordings, 1);
    play_end(play);
    CHECK_INT(play->a->to.port, port);
    CHECK_INT(pcap_count_rtp(play->pcap, &play->a->to, NULL), play->a->sent);
    CHECK_INT(json_array_size(json_object_get(play->document, "streams")), 2);
    play_free(play);
}

/* Lessons 14, 15: metadata alone in an UPDATE is answered without SDP; with SDP, every m-line. */
static void test_metadata_in_an_update(void)
{
    struct play *play = play_begin(7, NULL);
    CHECK(src_connect(play->src, NULL));
    src_request(play->src, "UPDATE", "application/rs-metadata+xml", src_metadata("1", "2"));
    CHECK_INT(src_wait(play->src), 200);
    CHECK_TEXT(header(play->src, "Content-Length"), "0");
    src_request(play->src, "UPDATE", SRC_MULTIPART,
                src_multipart(play->src, src_sdp(play->src), src_metadata("1", "2")));
    CHECK_INT(src_wait(play->src), 200);
    CHECK_INT(count_lines(strstr(play->src->response, "\r\n\r\n"), "m=audio"), 2);
    src_talk(play->src, true);
    world_run(&play->world, 200);
    play_end(play);
    CHECK_INT(json_array_size(json_object_get(play->document, "participants")), 2);
    CHECK_INT(play_count(play, "participants", "name", "Bob"), 1);
    CHECK_INT(play_count(play, "warnings", "code", "metadata-missing"), 1);
    play_free(play);
}

/* We offer two labelled audio m-lines, the ACK answers. */
static void test_an_invite_without_an_offer(void)
{
    struct play *play = play_begin(8, NULL);
    struct src *src = play->src;
    char answer[1024];
    (void)snprintf(answer, sizeof answer,
                   "v=0\r\no=SRC 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n"
                   "m=audio %u RTP/AVP 0\r\na=sendonly\r\nm=audio %u RTP/AVP 0\r\na=sendonly\r\n",
                   play->a->from.port, play->b->from.port);
    src->ack_type = "application/sdp";
    src->ack_body = answer;
    src_request(src, "INVITE", NULL, NULL);
    CHECK_INT(src_wait(src), 200);
    CHECK_INT(count_lines(src->answer, "m=audio"), 2);
    CHECK_INT(count_lines(src->answer, "a=recvonly"), 2);
    CHECK_TEXT(play->a->answered_label, "1");
    CHECK_TEXT(play->b->answered_label, "2");
    src_talk(src, true);
    world_run(&play->world, 2000);
    play_end(play);
    CHECK_INT(pcap_count_rtp(play->pcap, &play->a->to, NULL), play->a->sent);
    CHECK_INT(pcap_count_rtp(play->pcap, &play->b->to, NULL), play->b->sent);
    CHECK_TEXT(play_text(play_stream(play, 0), "offered"), "192.0.2.10:40000");
    CHECK_TEXT(play_text(play_stream(play, 1), "codec"), "PCMU");
    play_free(play);
}

/* RFC 8068 §3.4.1: a re-INVITE with metadata only is one without an offer: the 200 carries ours. */
static void test_a_reinvite_without_an_offer(void)
{
    struct play *play = begin_talking(9);
    struct addr a = play->a->to;
    char answer[SRC_TEXT];
    (void)snprintf(answer, sizeof answer, "%s", src_sdp(play->src));
    play->src->ack_type = "application/sdp";
    play->src->ack_body = answer;
    src_request(play->src, "INVITE", "application/rs-metadata+xml", src_metadata("1", "2"));
    CHECK_INT(src_wait(play->src), 200);
    CHECK_INT(count_lines(play->src->answer, "m=audio"), 2);
    CHECK(addr_equal(&play->a->to, &a));
    world_run(&play->world, 1000);
    play_end(play);
    CHECK_INT(pcap_count_rtp(play->pcap, &a, NULL), play->a->sent);
    CHECK_INT(json_array_size(json_object_get(play->document, "streams")), 2);
    play_free(play);
}

/* Lessons 29, 49: what cannot be recorded keeps its place with port 0. */
static void test_mixed_media_are_answered_in_place(void)
{
    struct play *play = play_begin(10, NULL);
    src_request(play->src, "INVITE", "application/sdp",
                "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n"
                "m=video 5000 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\na=label:v\r\n"
                "m=audio 40000 RTP/AVP 0\r\na=sendonly\r\na=label:1\r\n"
                "m=message 5004 TCP/MSRP *\r\n"
                "m=audio 40004 RTP/AVP 0\r\na=recvonly\r\na=label:2\r\n");
    CHECK_INT(src_wait(play->src), 200);
    CHECK_INT(count_lines(play->src->answer, "m=video 0 "), 1);
    CHECK_INT(count_lines(play->src->answer, "m=message 0 "), 1);
    CHECK_INT(count_lines(play->src->answer, "m="), 4);
    CHECK_INT(count_lines(play->src->answer, "a=recvonly"), 1);
    CHECK_INT(count_lines(play->src->answer, "a=sendonly"), 1); /* lesson 5 */
    const char *video = strstr(play->src->answer, "m=video");
    const char *message = strstr(play->src->answer, "m=message");
    CHECK(video < strstr(play->src->answer, "m=audio") &&
          strstr(play->src->answer, "m=audio") < message);
    world_run(&play->world, 10000);
    play_end(play);
    /* No packet is due on what the SRC only receives: no warning of its silence. */
    CHECK_INT(play_count(play, "warnings", "code", "stream-silent"), 1);
    CHECK_TEXT(play_text(play_stream(play, 1), "direction"), "sendonly");
    play_free(play);
}

/* Lesson 18. */
static void test_nothing_to_record_is_488(void)
{
    static const char *const bodies[] = {
        ("v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n"
         "m=video 5000 RTP/AVP 96\r\n"),
        "v=0\r\no=- 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n",
        "v=0\r\nm=audio 0 RTP/AVP 0\r\n",
        "v=0\r\nc=IN IP4 192.0.2.10\r\nm=audio 4000 RTP/AVP 97\r\na=rtpmap:97 SPEEX/8000\r\n",
        "garbage",
    };
    for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
        struct play *play = play_begin(11, NULL);
        src_request(play->src, "INVITE", "application/sdp", bodies[i]);
        CHECK_INT(src_wait(play->src), 488);
        world_run(&play->world, 40000);
        CHECK(srs_at_rest(&play->srs));
        CHECK_INT(play->srs.file_count, 0);
        CHECK_INT(recorder_usage(play->srs.recorder).refused, 1);
        play_free(play);
    }
}

/* Fewer ports than added streams: those that fit are taken, the others are refused, the call goes
 * on. */
static void test_an_added_stream_without_a_port(void)
{
    struct srs_options options = {.ports = 2};
    struct play *play = play_begin(12, &options);
    CHECK(src_connect(play->src, src_metadata("1", "2")));
    src_talk(play->src, true);
    play->srs.stingy = true;
    struct src_stream *c = src_add_stream(play->src, "3"), *d = src_add_stream(play->src, "4");
    struct src_stream *e = src_add_stream(play->src, "5");
    src_invite(play->src, NULL);
    CHECK_INT(src_wait(play->src), 200);
    CHECK(c->to.port != 0 && d->to.port != 0);
    CHECK_INT(e->to.port, 0);
    play->srs.stingy = false;
    play_end(play);
    CHECK_INT(play_count(play, "warnings", "code", "no-port"), 1);
    play_free(play);
}

/* More audio lines at once than a recording has streams: as many as it can have are recorded, the others
 * refused in place, also when the SRC offers them all again. */
static void test_more_streams_than_there_may_be(void)
{
    enum { MORE = 33 };
    struct play *play = play_begin(19, NULL);
    for (unsigned i = 0; i < MORE; i++)
        strcat(play->b->extra, "m=audio 1 RTP/AVP 0\r\n");
    CHECK(src_connect(play->src, src_metadata("1", "2")));
    src_talk(play->src, true);
    for (unsigned turn = 0; turn < 3; turn++) {
        unsigned lines = 0, refused = 0;
        for (const char *at = play->src->answer; (at = strstr(at, "m=audio ")); at++) {
            lines++;
            refused += strncmp(at, "m=audio 0 ", 10) == 0;
        }
        CHECK_INT(lines, 2 + MORE);
        CHECK_INT(refused, 2 + MORE - LIMIT_STREAMS_PER_RECORDING);
        CHECK_INT(recorder_usage(play->srs.recorder).streams, LIMIT_STREAMS_PER_RECORDING);
        world_run(&play->world, 1000);
        src_invite(play->src, NULL);
        CHECK_INT(src_wait(play->src), 200);
    }
    play_end(play);
    CHECK_INT(play_number(play_stream(play, 0), "packets"), play->a->sent);
    CHECK_INT(play_number(play_stream(play, 1), "packets"), play->b->sent);
    play_free(play);
}

/* "503 only when none is free": an INVITE waits for ports that come in time. */
static void test_an_invite_waits_for_ports(void)
{
    struct srs_options options = {.ports = 1};
    struct play *play = play_begin(13, &options);
    play->srs.stingy = true;
    src_invite(play->src, src_metadata("1", "2"));
    world_run(&play->world, 100);
    CHECK_INT(play->src->status, 0);
    play->srs.stingy = false;
    play->srs.ports_lent = 8;
    src_request(src_create(&play->world), "OPTIONS", NULL,
                NULL); /* any event lets the world lend */
    CHECK_INT(src_wait(play->src), 200);
    src_talk(play->src, true);
    world_run(&play->world, 500);
    play_end(play);
    CHECK_INT(pcap_count_sip(play->pcap, "INVITE "), 1);
    CHECK_INT(pcap_count_rtp(play->pcap, &play->a->to, NULL), play->a->sent);
    play_free(play);
}

static void test_an_invite_that_gets_no_ports_is_503(void)
{
    struct srs_options options = {.ports = 1};
    struct play *play = play_begin(14, &options);
    play->srs.stingy = true;
    src_invite(play->src, src_metadata("1", "2"));
    CHECK_INT(src_wait(play->src), 503);
    CHECK_TEXT(header(play->src, "Retry-After"), "5");
    world_run(&play->world, 40000);
    CHECK(srs_at_rest(&play->srs));
    CHECK_INT(play->srs.file_count, 0);
    play_free(play);
}

int main(void)
{
    RUN(test_the_same_offer_again_changes_nothing);
    RUN(test_a_stream_is_added);
    RUN(test_a_stream_is_removed_and_comes_back);
    RUN(test_streams_come_and_go_for_ever);
    RUN(test_streams_are_reordered);
    RUN(test_streams_are_readdressed);
    RUN(test_an_offer_that_cannot_be_agreed);
    RUN(test_metadata_in_an_update);
    RUN(test_an_invite_without_an_offer);
    RUN(test_a_reinvite_without_an_offer);
    RUN(test_mixed_media_are_answered_in_place);
    RUN(test_nothing_to_record_is_488);
    RUN(test_an_added_stream_without_a_port);
    RUN(test_more_streams_than_there_may_be);
    RUN(test_an_invite_waits_for_ports);
    RUN(test_an_invite_that_gets_no_ports_is_503);
    return tap_done();
}
