/* ways: how media comes to us: what is answered while the network is not known, from what stands
 * ready, and what is done when nothing arrives.
 * Not here: which path is right in which network (tests/natsim).
 * DESIGN.md, settling; RFC 3261 §8.2.6.1. */
#include "play.h"

/* Until the first profile stands an INVITE gets its 100 at once and its 200 then; OPTIONS gets 503
 * and Retry-After: 3. */
static void test_an_invite_waits_for_the_network(void)
{
    struct play *play = play_begin(1, NULL);
    char value[64] = "";
    recorder_refuse(play->srs.recorder, RECORDER_SETTLING, true);
    struct src *other = src_create(&play->world);
    src_request(other, "OPTIONS", NULL, NULL);
    CHECK_INT(src_wait(other), 503);
    CHECK(src_header(other->response, "Retry-After", value, sizeof value));
    CHECK_TEXT(value, "3");
    src_invite(play->src, src_metadata("1", "2"));
    world_run(&play->world, 50); /* sooner than the 200 ms after which any INVITE gets 100 */
    CHECK_INT(play->src->provisional, 100);
    world_run(&play->world, 1950);
    CHECK_INT(play->src->status, 0);
    recorder_refuse(play->srs.recorder, RECORDER_SETTLING, false);
    world_run(&play->world, 50);
    CHECK_INT(play->src->status, 200);
    src_request(other, "OPTIONS", NULL, NULL);
    CHECK_INT(src_wait(other), 200);
    src_talk(play->src, true);
    world_run(&play->world, 1000);
    play_end(play);
    /* The INVITE that waited is in the journal like any other. */
    CHECK_INT(pcap_count_sip(play->pcap, "INVITE "), 1);
    CHECK_INT(pcap_count_rtp(play->pcap, &play->a->to, &play->a->from), play->a->sent);
    play_free(play);
}

/* Nobody waits longer than 3 s, even if nobody says that the network is known now. */
static void test_three_seconds_at_most(void)
{
    struct play *play = play_begin(2, NULL);
    recorder_refuse(play->srs.recorder, RECORDER_SETTLING, true);
    src_invite(play->src, NULL);
    world_run(&play->world, 2900);
    CHECK_INT(play->src->status, 0);
    world_run(&play->world, 200);
    CHECK_INT(play->src->status, 200);
    play_end(play);
    play_free(play);
}

/* The SRC takes it back while it waits: nothing is left of it. */
static void test_a_wait_is_cancelled(void)
{
    struct play *play = play_begin(3, NULL);
    recorder_refuse(play->srs.recorder, RECORDER_SETTLING, true);
    src_invite(play->src, NULL);
    world_run(&play->world, 500);
    src_cancel(play->src);
    CHECK_INT(src_wait(play->src), 487);
    recorder_refuse(play->srs.recorder, RECORDER_SETTLING, false);
    world_run(&play->world, 40000);
    CHECK(srs_at_rest(&play->srs));
    CHECK_INT(play->srs.file_count, 0);
    play_free(play);
}

int main(void)
{
    RUN(test_an_invite_waits_for_the_network);
    RUN(test_three_seconds_at_most);
    RUN(test_a_wait_is_cancelled);
    return tap_done();
}
