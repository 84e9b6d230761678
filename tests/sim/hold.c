/* hold: pause and resume in every spelling; what is said in a pause is not in the journal.
 * RFC 7866 §7.1.1.1, 3264 §8.4; lessons.md 24, 46. */
#include "play.h"

/* The SRC's streams say they are on hold; how, is the test's business. */
static void set_direction(struct play *play, const char *direction, const char *connection)
{
    for (unsigned i = 0; i < play->src->stream_count; i++) {
        struct src_stream *stream = &play->src->streams[i];
        (void)snprintf(stream->direction, sizeof stream->direction, "%s", direction);
        (void)snprintf(stream->connection, sizeof stream->connection, "%s", connection);
    }
}

static bool resume_and_check(struct play *play, struct wall paused)
{
    struct wall resumed;
    uint16_t port = play->a->to.port;
    set_direction(play, "sendonly", "");
    src_invite(play->src, NULL);
    bool ok = CHECK_INT(src_wait(play->src), 200);
    CHECK_TEXT(play->a->answered, "recvonly");
    CHECK_INT(play->a->to.port, port);
    resumed = world_wall(&play->world);
    world_run(&play->world, 2000);
    struct addr to = play->a->to;
    unsigned sent = play->a->sent;
    play_end(play);
    if (!ok || !CHECK(play->pcap != NULL))
        return false;
    /* The answers left 1 ms before they arrived. */
    struct wall from = wall_add_ms(paused, -1), until = wall_add_ms(resumed, -1);
    CHECK_INT(play_rtp(play, &to, from, until), 0);
    unsigned before = play_rtp(play, &to, (struct wall){0}, from);
    unsigned after = play_rtp(play, &to, until, (struct wall){INT64_MAX});
    CHECK(before >= 95 && after >= 95);
    /* Every packet was either journaled or counted as paused. */
    CHECK_INT(play_number(play_stream(play, 0), "packets"), before + after);
    CHECK(play_number(play_stream(play, 0), "packets") +
              play_number(play_stream(play, 0), "paused_packets") >=
          sent);
    CHECK_INT(pcap_count_events(play->pcap, "pause"), 2);
    CHECK_INT(pcap_count_events(play->pcap, "resume"), 2);
    CHECK_INT(play_count(play, "events", "event", "pause"), 2);
    CHECK_INT(play_count(play, "events", "event", "resume"), 2);
    return true;
}

/* A pause by `method`; the SRC goes on sending for 4 s of it all the same. */
static void play_pause(const char *method, const char *direction, const char *connection)
{
    struct play *play = play_begin(2, NULL);
    CHECK(src_connect(play->src, src_metadata("1", "2")));
    src_talk(play->src, true);
    world_run(&play->world, 2000);
    set_direction(play, direction, connection);
    src_request(play->src, method, "application/sdp", src_sdp(play->src));
    CHECK_INT(src_wait(play->src), 200);
    CHECK_TEXT(play->a->answered, "inactive");
    struct wall paused = world_wall(&play->world);
    struct addr to = play->a->to;
    play->a->to = to; /* an SRC that obeys would stop; this one does not */
    world_run(&play->world, 4000);
    (void)resume_and_check(play, paused);
    play_free(play);
}

static void test_pause_by_inactive_in_a_reinvite(void)
{
    play_pause("INVITE", "inactive", "");
}

static void test_pause_by_inactive_in_an_update(void)
{
    play_pause("UPDATE", "inactive", "");
}

static void test_pause_by_connection_zero(void)
{
    play_pause("INVITE", "sendonly", "0.0.0.0");
}

static void test_pause_by_connection_zero_without_direction(void)
{
    play_pause("INVITE", "", "0.0.0.0");
}

/* Lesson 46: sendonly in an UPDATE is no hold. */
static void test_an_update_with_sendonly_pauses_nothing(void)
{
    struct play *play = play_begin(3, NULL);
    CHECK(src_connect(play->src, src_metadata("1", "2")));
    src_talk(play->src, true);
    world_run(&play->world, 1000);
    src_request(play->src, "UPDATE", "application/sdp", src_sdp(play->src));
    CHECK_INT(src_wait(play->src), 200);
    CHECK_TEXT(play->b->answered, "recvonly");
    world_run(&play->world, 1000);
    play_end(play);
    CHECK_INT(play_number(play_stream(play, 0), "paused_packets"), 0);
    CHECK_INT(pcap_count_rtp(play->pcap, &play->a->to, NULL), play->a->sent);
    play_free(play);
}

/* RFC 8068 §3.2.2: only the metadata says that somebody holds; recording goes on. */
static void test_a_hold_in_the_metadata_alone_pauses_nothing(void)
{
    static const char partial[] =
        "<recording xmlns='urn:ietf:params:xml:ns:recording:1'><datamode>partial</datamode>"
        "<participantstreamassoc participant_id=\"srfBElmCRp2QB23b7Mpk0w==\">"
        "<recv>i1Pz3to5hGk8fuXl+PbwCw==</recv></participantstreamassoc></recording>";
    struct play *play = play_begin(4, NULL);
    CHECK(src_connect(play->src, src_metadata("1", "2")));
    src_talk(play->src, true);
    world_run(&play->world, 1000);
    src_invite(play->src, partial);
    CHECK_INT(src_wait(play->src), 200);
    world_run(&play->world, 1000);
    play_end(play);
    CHECK_INT(pcap_count_rtp(play->pcap, &play->a->to, NULL), play->a->sent);
    CHECK_INT(pcap_count_events(play->pcap, "pause"), 0);
    play_free(play);
}

/* Lesson 24: an SBC stops RTP without a word, for minutes, and goes on. */
static void test_silence_without_signalling_ends_nothing(void)
{
    struct play *play = play_begin(5, NULL);
    CHECK(src_connect(play->src, src_metadata("1", "2")));
    src_talk(play->src, true);
    world_run(&play->world, 1000);
    src_talk(play->src, false);
    world_run(&play->world, 20 * 60 * 1000);
    src_talk(play->src, true);
    world_run(&play->world, 1000);
    play_end(play);
    CHECK_INT(play->src->byes, 0);
    CHECK_INT(pcap_count_rtp(play->pcap, &play->a->to, NULL), play->a->sent);
    CHECK_INT(play_number(play_stream(play, 0), "lost"), 0);
    play_free(play);
}

/* What is dialled in a pause is exactly what a pause is for. */
static void test_digits_in_a_pause_are_not_kept(void)
{
    struct play *play = play_begin(6, NULL);
    CHECK(src_connect(play->src, src_metadata("1", "2")));
    src_talk(play->src, true);
    world_run(&play->world, 500);
    src_talk(play->src, false);
    src_digit(play->src, play->a, 7, 100);
    set_direction(play, "inactive", "");
    src_invite(play->src, NULL);
    CHECK_INT(src_wait(play->src), 200);
    for (uint8_t code = 1; code <= 4; code++)
        src_digit(play->src, play->a, code, 100);
    set_direction(play, "sendonly", "");
    src_invite(play->src, NULL);
    CHECK_INT(src_wait(play->src), 200);
    src_digit(play->src, play->a, 9, 100);
    play_end(play);
    CHECK_INT(json_array_size(json_object_get(play->document, "digits")), 2);
    CHECK_INT(play_count(play, "digits", "digit", "7"), 1);
    CHECK_INT(play_count(play, "digits", "digit", "9"), 1);
    for (unsigned i = 0; i < play->pcap->count; i++) {
        const struct view payload = play->pcap->packets[i].payload;
        bool digits = payload.len == 16 && ((uint8_t)payload.at[1] & 0x7f) == 101;
        CHECK(!digits || payload.at[12] == 7 || payload.at[12] == 9);
    }
    play_free(play);
}

/* An answer that says inactive at once: nothing is recorded until it says otherwise. */
static void test_a_call_that_begins_paused(void)
{
    struct play *play = play_begin(7, NULL);
    set_direction(play, "inactive", "");
    CHECK(src_connect(play->src, src_metadata("1", "2")));
    CHECK_TEXT(play->a->answered, "inactive");
    src_talk(play->src, true);
    world_run(&play->world, 8000);
    set_direction(play, "sendonly", "");
    src_invite(play->src, NULL);
    CHECK_INT(src_wait(play->src), 200);
    struct wall resumed = wall_add_ms(world_wall(&play->world), -1);
    world_run(&play->world, 1000);
    struct addr to = play->a->to;
    play_end(play);
    CHECK_INT(play_rtp(play, &to, (struct wall){0}, resumed), 0);
    CHECK(play_rtp(play, &to, resumed, (struct wall){INT64_MAX}) >= 50);
    CHECK_INT(play_count(play, "warnings", "code", "stream-silent"), 0);
    play_free(play);
}

int main(void)
{
    RUN(test_pause_by_inactive_in_a_reinvite);
    RUN(test_pause_by_inactive_in_an_update);
    RUN(test_pause_by_connection_zero);
    RUN(test_pause_by_connection_zero_without_direction);
    RUN(test_an_update_with_sendonly_pauses_nothing);
    RUN(test_a_hold_in_the_metadata_alone_pauses_nothing);
    RUN(test_silence_without_signalling_ends_nothing);
    RUN(test_digits_in_a_pause_are_not_kept);
    RUN(test_a_call_that_begins_paused);
    return tap_done();
}
