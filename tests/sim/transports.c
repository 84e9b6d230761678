/* transports: the same call over TCP, over IPv6, and with SIP of one family and media of the other.
 * RFC 3261 §18, 4566 §5.7, 6157; lessons.md 13, 19. */
#include "play.h"

static void play_over(bool tcp, bool ipv6)
{
    struct srs_options options = {.ipv6 = ipv6};
    struct play *play = calloc(1, sizeof *play);
    world_init(&play->world, 5);
    srs_init(&play->srs, &play->world, &options);
    play->src = src_create(&play->world);
    play->src->tcp = tcp;
    if (ipv6)
        src_use_ipv6(play->src);
    play->a = src_add_stream(play->src, "1");
    play->b = src_add_stream(play->src, "2");
    CHECK(src_connect(play->src, src_metadata("1", "2")));
    CHECK(strstr(play->src->response, tcp ? ";transport=tcp" : "Contact: <sip:") != NULL);
    CHECK(strstr(play->src->answer, ipv6 ? "c=IN IP6 2001:db8::20" : "c=IN IP4 198.51.100.20") !=
          NULL);
    src_talk(play->src, true);
    world_run(&play->world, 2000);
    (void)snprintf(play->a->direction, sizeof play->a->direction, "inactive");
    src_invite(play->src, src_metadata("1", "2"));
    CHECK_INT(src_wait(play->src), 200);
    world_run(&play->world, 500);
    play_end(play);
    CHECK_INT(pcap_count_rtp(play->pcap, &play->b->to, &play->b->from), play->b->sent);
    CHECK(pcap_count_rtp(play->pcap, &play->a->to, NULL) >= 99);
    CHECK_INT(pcap_count_sip(play->pcap, "INVITE "), 2);
    CHECK_INT(pcap_count_sip(play->pcap, "SIP/2.0 200"), 3);
    unsigned over_tcp = 0;
    for (unsigned i = 0; i < play->pcap->count; i++)
        over_tcp += play->pcap->packets[i].tcp;
    CHECK(tcp ? over_tcp >= 8 : over_tcp == 0);
    CHECK(play->src->rtcp > 0);
    play_free(play);
}

static void test_udp(void)
{
    play_over(false, false);
}

static void test_tcp(void)
{
    play_over(true, false);
}

static void test_udp_and_ipv6(void)
{
    play_over(false, true);
}

static void test_tcp_and_ipv6(void)
{
    play_over(true, true);
}

int main(void)
{
    RUN(test_udp);
    RUN(test_tcp);
    RUN(test_udp_and_ipv6);
    RUN(test_tcp_and_ipv6);
    return tap_done();
}
