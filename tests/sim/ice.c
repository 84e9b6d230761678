/* ice: what becomes of a call when an ICE agent of its streams has found a path, or none, or speaks too
 * late. The SRC's candidates lead nowhere: what is found is said by hand.
 * Not here: checks (tests/unit/test_ice_*.c, tests/natsim), SRCs with ICE of their own (tests/interop).
 * RFC 8839 §4.4, 8840. */
#include "play.h"

/* The stream has ICE, with its RTP address for its only candidate. */
static void give_ice(struct src_stream *stream, const char *ufrag)
{
    struct addr_text ip = addr_print_ip(&stream->from);
    stream->mux = true;
    (void)snprintf(stream->extra, sizeof stream->extra,
                   "a=ice-ufrag:%s\r\na=ice-pwd:0123456789abcdef012345\r\n"
                   "a=candidate:1 1 UDP 2130706431 %s %u typ host\r\n",
                   ufrag, ip.s, stream->from.port);
}

static struct play *begin(uint64_t seed, const struct srs_options *options)
{
    struct play *play = play_begin(seed, options);
    give_ice(play->a, "srcA");
    give_ice(play->b, "srcB");
    return play;
}

/* A stream that the SRC takes away while its checks go on: what they come to is nobody's business
 * any more, and the call goes on. */
static void test_an_agent_speaks_after_its_stream(void)
{
    struct play *play = begin(1, NULL);
    CHECK(src_connect(play->src, src_metadata("1", "2")));
    CHECK(strstr(play->src->answer, "a=ice-ufrag:") != NULL);
    src_talk(play->src, true);
    world_run(&play->world, 500);
    play->b->removed = true;
    play->b->talking = false;
    play->b->extra[0] = 0;
    src_invite(play->src, NULL);
    CHECK_INT(src_wait(play->src), 200);
    srs_hear_ice(&play->srs, MEDIA_ICE_FAILED, 1);
    srs_hear_ice(&play->srs, MEDIA_ICE_SELECTED, 1);
    srs_hear_ice(&play->srs, MEDIA_ICE_CONSENT_LOST, 1);
    world_run(&play->world, 1000);
    CHECK_INT(recorder_usage(play->srs.recorder).streams, 1);
    play_end(play);
    CHECK_INT(play_count(play, "warnings", "code", "ice-failed"), 0);
    CHECK_INT(play_count(play, "warnings", "code", "ice-consent-lost"), 0);
    play_free(play);
}

int main(void)
{
    RUN(test_an_agent_speaks_after_its_stream);
    return tap_done();
}
