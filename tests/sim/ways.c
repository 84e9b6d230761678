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

/* ---- What is answered ----------------------------------------------------------------------- */

static struct nat_profile *behind(enum nat_mapping mapping, enum nat_filtering filtering)
{
    return srs_behind(&(struct nat_behaviour){.mapping = mapping, .filtering = filtering});
}

/* One call; a's answered address and the document's words for it. */
static void expect(const struct srs_options *options, uint8_t last, uint16_t base, const char *path,
                   const char *ours)
{
    struct play *play = play_begin(10, options);
    CHECK(src_connect(play->src, src_metadata("1", "2")));
    struct addr to = play->a->to, to_rtcp = play->a->to_rtcp;
    CHECK_INT(to.ip[3], last);
    CHECK_INT(to.port / 1000 * 1000, base);
    CHECK(addr_equal_ip(&to, &to_rtcp));
    play_end(play);
    const json_t *stream = play_stream(play, 0);
    CHECK_TEXT(play_text(stream, "path"), path);
    CHECK_TEXT(play_text(play_verdict(play, 0), "our_class"), ours);
    CHECK_TEXT(play_text(stream, "advertised"), addr_print(&to).s);
    CHECK(strlen(play_text(play_verdict(play, 0), "why")) > 10);
    play_free(play);
}

/* doc/nat.md's rows, one call each; the SRC is B1: it sends from what it offers. */
static void test_each_kind_of_way(void)
{
    struct srs_options nothing = {0};
    expect(&nothing, 20, 20000, "host", "open");
    struct srs_options by_order = {.behind_nat = PATH_YES, .external = SRS_OUTSIDE};
    expect(&by_order, 9, 20000, "static", "1:1");
    struct srs_options in_the_open = {
        .behind_nat = PATH_NO, .external = SRS_OUTSIDE, .seen = SRS_OUTSIDE};
    expect(&in_the_open, 20, 20000, "host", "open");
    struct srs_options stun = {.profiles =
                                   behind(NAT_MAPPING_INDEPENDENT, NAT_FILTERING_ADDRESS_PORT),
                               .seen = SRS_OUTSIDE};
    expect(&stun, 9, 40000, "stun", "EIM+APDF");
    struct srs_options relayed = {.profiles =
                                      behind(NAT_MAPPING_ADDRESS_PORT, NAT_FILTERING_ADDRESS_PORT),
                                  .seen = SRS_OUTSIDE,
                                  .relays = 4};
    expect(&relayed, 60, 49000, "relay", "EDM+APDF");
    struct srs_options hopeless = relayed;
    hopeless.relays = 0;
    expect(&hopeless, 9, 40000, "none", "EDM+APDF");
    struct srs_options gateway = stun;
    gateway.mapped = SRS_OUTSIDE;
    struct nat_profile *profiles = behind(NAT_MAPPING_ADDRESS_PORT, NAT_FILTERING_ADDRESS_PORT);
    profile_tell_gateway(profiles, (struct tick){0},
                         &(struct gateway_status){.external = SRS_OUTSIDE});
    gateway.profiles = profiles;
    expect(&gateway, 9, 50000, "mapped", "mapped");
}

/* nat.behind_nat=true promises kept ports "until STUN proves otherwise". */
static void test_ports_that_are_not_kept(void)
{
    struct srs_options options = {.profiles =
                                      behind(NAT_MAPPING_INDEPENDENT, NAT_FILTERING_INDEPENDENT),
                                  .seen = SRS_OUTSIDE};
    struct nat_profile profiles[2] = {options.profiles[0], options.profiles[1]};
    profiles[0].behind_nat = PATH_YES;
    profiles[0].told[PROFILE_SETTING].address = SRS_OUTSIDE;
    options.profiles = profiles;
    expect(&options, 9, 40000, "stun", "EIM+EIF");
    options.seen = (struct addr){0};
    expect(&options, 9, 20000, "static", "1:1");
}

/* local_networks=auto: private SRCs reach us as we are; but not one that called our address
 * outside, whose private source is a translator's. */
static void test_local_networks(void)
{
    struct srs_options options = {.profiles =
                                      behind(NAT_MAPPING_INDEPENDENT, NAT_FILTERING_INDEPENDENT),
                                  .seen = SRS_OUTSIDE};
    struct play *play = play_begin(11, &options);
    play->src->sip = addr_v4(10, 0, 0, 99, 5060);
    CHECK(src_connect(play->src, NULL));
    CHECK_INT(play->a->to.ip[3], 20);
    CHECK_INT(play->a->to.port / 1000, 20);
    play_end(play);
    CHECK_TEXT(play_text(play_stream(play, 0), "path"), "host");
    play_free(play);
    play = play_begin(11, &options);
    play->src->sip = addr_v4(10, 0, 0, 99, 5060);
    play->src->uri = "sip:srs@203.0.113.9";
    CHECK(src_connect(play->src, NULL));
    CHECK_INT(play->a->to.ip[3], 9);
    play_end(play);
    play_free(play);
}

/* Each stream has a relay of its own, and no relay serves two SRCs. */
static void test_a_relay_each(void)
{
    struct srs_options options = {.profiles =
                                      behind(NAT_MAPPING_ADDRESS_PORT, NAT_FILTERING_ADDRESS_PORT),
                                  .seen = SRS_OUTSIDE,
                                  .relays = 3};
    struct play *play = play_begin(12, &options);
    CHECK(src_connect(play->src, src_metadata("1", "2")));
    CHECK_INT(play->a->to.port, 49152);
    CHECK_INT(play->b->to.port, 49153);
    /* RTCP comes to the same port, and a=rtcp says so. */
    CHECK_INT(play->a->to_rtcp.port, 49152);
    play_end(play);
    const json_t *relay = json_object_get(play_stream(play, 0), "relay");
    CHECK_TEXT(play_text(relay, "server"), "203.0.113.50:3478");
    CHECK_TEXT(play_text(relay, "transport"), "udp");
    CHECK_INT(play_number(relay, "rtt_ms"), 12);
    const json_t *alternatives = json_object_get(play_verdict(play, 0), "alternatives");
    CHECK(json_is_array(alternatives));
    play_free(play);
}

/* An answer that does not come about leaves the relays in stock. */
static void test_relays_of_a_refused_call(void)
{
    struct srs_options options = {.profiles =
                                      behind(NAT_MAPPING_ADDRESS_PORT, NAT_FILTERING_ADDRESS_PORT),
                                  .seen = SRS_OUTSIDE,
                                  .ports = 1,
                                  .relays = 2};
    struct play *play = play_begin(13, &options);
    play->srs.stingy = true;
    src_invite(play->src, NULL);
    CHECK_INT(src_wait(play->src), 503);
    play->srs.stingy = false;
    play->srs.ports_lent = 8;
    src_invite(play->src, NULL);
    CHECK_INT(src_wait(play->src), 200);
    CHECK_INT(play->a->to.port, 49152);
    CHECK_INT(play->b->to.port, 49153);
    play_end(play);
    play_free(play);
}

/* ---- When nothing arrives, and when we move ------------------------------------------------- */

static unsigned m_lines(const char *sdp)
{
    unsigned count = 0;
    for (const char *at = sdp; (at = strstr(at, "\nm=")); at++)
        count++;
    return count;
}

/* Behind a NAT that lets in whom we sent to, with relays standing by. */
static struct srs_options punching(void)
{
    return (struct srs_options){.profiles =
                                    behind(NAT_MAPPING_INDEPENDENT, NAT_FILTERING_ADDRESS_PORT),
                                .seen = SRS_OUTSIDE,
                                .relays = 4};
}

/* The ladder's third step, for both streams at once: one re-INVITE, no stream more, to the relays
 * that stood by. */
static void test_the_next_path(void)
{
    struct srs_options options = punching();
    struct play *play = play_begin(20, &options);
    CHECK(src_connect(play->src, src_metadata("1", "2")));
    CHECK_INT(play->a->to.port / 1000, 40);
    CHECK(play->srs.ways[0].may_reinvite && play->srs.ways[0].relay.held);
    world_run(&play->world, 2500);
    CHECK_INT(play->src->reinvites, 1);
    CHECK_INT(play->src->acks, 1);
    CHECK_INT(m_lines(play->src->answer), 2);
    CHECK_INT(play->a->to.ip[3], 60);
    CHECK_INT(play->b->to.ip[3], 60);
    CHECK(play->a->to.port != play->b->to.port);
    CHECK_INT(play->srs.ways[0].choice.code, PATH_RELAY);
    CHECK_INT(play->srs.ways[0].permitted_count, 1);
    CHECK_TEXT(play->a->answered, "recvonly");
    CHECK_TEXT(play->a->answered_label, "1");
    struct addr to = play->a->to;
    play_end(play);
    const json_t *stream = play_stream(play, 0);
    CHECK_TEXT(play_text(stream, "path"), "relay");
    CHECK_TEXT(play_text(stream, "advertised"), addr_print(&to).s);
    CHECK_INT(play_trail(play, 0, "retried"), 1);
    CHECK_INT(play_number(play_verdict(play, 0), "switches"), 1);
    CHECK_TEXT(play_text(json_object_get(stream, "relay"), "server"), "203.0.113.50:3478");
    CHECK_INT(pcap_count_sip(play->pcap, "INVITE "), 2);
    play_free(play);
}

static const struct gate_options nat = {.outside = {.family = ADDR_V4, .ip = {203, 0, 113, 9}},
                                        .filtering = NAT_FILTERING_ADDRESS_PORT};

/* A call by punching, with neither relay nor anything heard yet. */
static struct play *call_without_relay(uint64_t seed)
{
    struct srs_options options = punching();
    options.relays = 0;
    options.gate = &nat;
    struct play *play = play_begin(seed, &options);
    world_run(&play->world, 2000);
    CHECK(src_connect(play->src, NULL));
    return play;
}

/* Nothing comes and there is no relay: our NAT may have moved the port, since the SRC's first packet was
 * there before ours. Another port, and this time we send first; twice at most. */
static void test_another_port(void)
{
    struct play *play = call_without_relay(33);
    struct addr first = play->a->to;
    unsigned probes = 0;
    bool moved = false;
    for (int ms = 0; ms < 2800 && play->src->reinvites == 0; ms += 10) {
        if (!moved)
            probes = play->src->probes;
        moved = play->srs.ways[0].mapped.port != first.port;
        world_run(&play->world, 10);
    }
    CHECK_INT(play->src->reinvites, 1);
    CHECK(moved && play->src->probes > probes);
    CHECK_INT(play->a->to.ip[3], 9);
    CHECK(play->a->to.port != first.port && play->b->to.port != play->a->to.port);
    world_run(&play->world, 10000);
    CHECK_INT(play->src->reinvites, 2);
    CHECK_INT(m_lines(play->src->answer), 2);
    struct addr last = play->a->to;
    src_talk(play->src, true);
    world_run(&play->world, 1000);
    play_end(play);
    CHECK_TEXT(play_text(play_stream(play, 0), "path"), "stun");
    CHECK_TEXT(play_text(play_stream(play, 0), "advertised"), addr_print(&last).s);
    CHECK_INT(play_number(play_stream(play, 0), "packets"), play->a->sent);
    CHECK_INT(play_trail(play, 0, "retried"), 2);
    play_free(play);
}

/* Both streams leave from other ports from now on, which the SRC tells only whom it answers. */
static void leave_from(struct play *play, uint16_t port)
{
    play->a->from.port = port;
    play->b->from.port = (uint16_t)(port + 2);
}

/* Other ports that it took to be heard at first are not missing when the SRC moves; and an SRC that
 * speaks at times is not asked again and again. */
static void test_another_port_in_mid_call(void)
{
    struct play *play = call_without_relay(36);
    world_run(&play->world, 10000);
    CHECK_INT(play->src->reinvites, 2);
    src_talk(play->src, true);
    for (uint16_t port = 41000; port < 43000; port = (uint16_t)(port + 1000)) {
        world_run(&play->world, 3000);
        leave_from(play, port);
        world_run(&play->world, 15000);
    }
    unsigned asked = play->src->reinvites;
    for (int silence = 0; silence < 4; silence++) {
        src_talk(play->src, false);
        world_run(&play->world, 20000);
        src_talk(play->src, true);
        world_run(&play->world, 3000);
    }
    CHECK(play->src->reinvites > asked && play->src->reinvites <= asked + 2);
    play_end(play);
    for (unsigned i = 0; i < 2; i++) {
        CHECK_INT(play_trail(play, i, "rebound"), 2);
        CHECK_TEXT(play_text(play_stream(play, i), "observed"),
                   addr_print(i == 0 ? &play->a->from : &play->b->from).s);
    }
    play_free(play);
}

/* No way was known to work, and one did: the path is that of the address that was answered. */
static void test_a_way_that_was_not_expected_to_work(void)
{
    struct srs_options options = {
        .profiles = behind(NAT_MAPPING_ADDRESS_PORT, NAT_FILTERING_ADDRESS_PORT), .gate = &nat};
    struct play *play = play_begin(35, &options);
    world_run(&play->world, 2000);
    CHECK(src_connect(play->src, NULL));
    src_talk(play->src, true);
    play->b->talking = false;
    world_run(&play->world, 1000);
    play_end(play);
    CHECK_TEXT(play_text(play_stream(play, 0), "path"), "stun");
    CHECK_TEXT(play_text(play_stream(play, 1), "path"), "none");
    play_free(play);
}

/* The SRC will not have it: what it sends to the first port is recorded still, and the other port is
 * given back. */
static void test_another_port_is_refused(void)
{
    struct play *play = call_without_relay(34);
    struct addr first = play->a->to;
    play->src->reply = 488;
    world_run(&play->world, 5000);
    CHECK_INT(play->src->reinvites, 1);
    CHECK(addr_equal(&play->a->to, &first));
    src_talk(play->src, true);
    world_run(&play->world, 40000);
    play_end(play); /* and all ports are back */
    CHECK_TEXT(play_text(play_stream(play, 0), "advertised"), addr_print(&first).s);
    CHECK_INT(play_number(play_stream(play, 0), "packets"), play->a->sent);
    play_free(play);
}

/* The SRC refuses: the session stays as it was (RFC 3261 §14.1), and it is not asked again. */
static void test_a_refusal(void)
{
    struct srs_options options = punching();
    struct play *play = play_begin(21, &options);
    CHECK(src_connect(play->src, NULL));
    struct addr to = play->a->to;
    play->src->reply = 488;
    world_run(&play->world, 4000);
    CHECK_INT(play->src->reinvites, 1);
    CHECK_INT(play->src->updates, 1); /* its Allow names UPDATE: that was worth a try */
    CHECK(!play->srs.ways[0].may_reinvite);
    CHECK_INT(play->srs.ways[0].choice.code, PATH_STUN);
    world_run(&play->world, 6000);
    CHECK_INT(play->src->reinvites, 1);
    play->src->reply = 0;
    src_talk(play->src, true); /* it comes after all, where it was told first */
    world_run(&play->world, 1000);
    play_end(play);
    CHECK_TEXT(play_text(play_stream(play, 0), "path"), "stun");
    CHECK_TEXT(play_text(play_stream(play, 0), "advertised"), addr_print(&to).s);
    CHECK_INT(play_count(play, "warnings", "code", "path-stays"), 1);
    CHECK_INT(play_number(play_verdict(play, 0), "switches"), 0);
    play_free(play);
}

/* 491: again within two seconds (§14.1). No answer at all: 32 s later the call still stands. */
static void test_glare_and_silence(void)
{
    struct srs_options options = punching();
    struct play *play = play_begin(22, &options);
    CHECK(src_connect(play->src, NULL));
    play->src->reply = 491;
    world_run(&play->world, 2100);
    CHECK_INT(play->src->reinvites, 1);
    play->src->reply = 0;
    world_run(&play->world, 2100);
    CHECK_INT(play->src->reinvites, 2);
    CHECK_INT(play->a->to.ip[3], 60);
    struct addr to = play->a->to;
    src_talk(play->src, true);
    play->src->deaf = true;
    srs_relay(&play->srs, (unsigned)(to.port - 49152), true);
    world_run(&play->world, 40000);
    play->src->deaf = false;
    CHECK_INT(play->src->byes, 0);
    CHECK_INT(recorder_usage(play->srs.recorder).recordings, 1);
    play_end(play);
    CHECK_TEXT(play_text(play_stream(play, 0), "path"), "relay");
    CHECK_TEXT(play_text(play_stream(play, 0), "advertised"), addr_print(&to).s);
    play_free(play);
}

/* A relay that is gone: the next one, of the second server say. */
static void test_a_relay_is_lost(void)
{
    struct srs_options options = {.profiles =
                                      behind(NAT_MAPPING_ADDRESS_PORT, NAT_FILTERING_ADDRESS_PORT),
                                  .seen = SRS_OUTSIDE,
                                  .relays = 3};
    struct play *play = play_begin(23, &options);
    CHECK(src_connect(play->src, NULL));
    CHECK_INT(play->a->to.port, 49152);
    srs_relay(&play->srs, 0, true);
    world_run(&play->world, 500);
    CHECK_INT(play->src->reinvites, 1);
    CHECK_INT(play->a->to.port, 49154);
    CHECK_INT(play->b->to.port, 49153);
    srs_relay(&play->srs, 2, true); /* and there is none left: nothing to offer */
    world_run(&play->world, 500);
    CHECK_INT(play->src->reinvites, 1);
    play_end(play);
    CHECK_INT(play_trail(play, 0, "retried"), 1);
    CHECK_INT(play_number(play_verdict(play, 1), "switches"), 0);
    play_free(play);
}

/* No relay stands ready when one is lost: the next that does is taken, at once. One that comes later
 * than that is taken as well: until then the SRC has the best that there is. */
static void test_a_lost_relay_is_waited_for(void)
{
    struct srs_options options = {.profiles =
                                      behind(NAT_MAPPING_ADDRESS_PORT, NAT_FILTERING_ADDRESS_PORT),
                                  .seen = SRS_OUTSIDE,
                                  .relays = 2};
    struct play *play = play_begin(28, &options);
    CHECK(src_connect(play->src, NULL));
    src_talk(play->src, true);
    world_run(&play->world, 1000);
    srs_relay(&play->srs, 0, true);
    world_run(&play->world, 2000);
    CHECK_INT(play->src->reinvites, 0);
    srs_relay(&play->srs, 2, false);
    world_run(&play->world, 200);
    CHECK_INT(play->src->reinvites, 1);
    CHECK_INT(play->a->to.port, 49154);
    srs_relay(&play->srs, 1, true);
    world_run(&play->world, 4000);
    CHECK_INT(play->src->reinvites, 2);
    CHECK_INT(play->b->to.ip[3], 9);
    world_run(&play->world, 10000);
    CHECK_INT(play->src->reinvites, 2);
    srs_relay(&play->srs, 3, false);
    world_run(&play->world, 200);
    CHECK_INT(play->src->reinvites, 3);
    CHECK_INT(play->b->to.port, 49155);
    srs_relay(&play->srs, 4, false); /* nobody is without one */
    world_run(&play->world, 2000);
    CHECK_INT(play->src->reinvites, 3);
    CHECK_INT(play->a->to.port, 49154);
    play_end(play);
    CHECK_TEXT(play_text(play_stream(play, 1), "path"), "relay");
    play_free(play);
}

/* A relay has one port, which a=rtcp names for RTCP, too. An SRC that passes over that loses its reports; those that
 * end up at its other stream's relay, the port above, change nothing there. */
static void test_reports_at_the_port_above_a_relay(void)
{
    struct nat_profile profiles[2];
    memcpy(profiles, behind(NAT_MAPPING_ADDRESS_PORT, NAT_FILTERING_ADDRESS_PORT), sizeof profiles);
    struct srs_options options = {.profiles = profiles, .seen = SRS_OUTSIDE, .relays = 2};
    struct play *play = play_begin(47, &options);
    CHECK(src_connect(play->src, NULL));
    CHECK(addr_equal(&play->a->to_rtcp, &play->a->to) &&
          addr_equal(&play->b->to_rtcp, &play->b->to));
    CHECK_INT(play->b->to.port, play->a->to.port + 1);
    src_talk(play->src, true);
    play->b->talking = false;
    world_run(&play->world, 1000);
    play->b->talking = true;
    play->b->next = play->world.now;
    world_run(&play->world, 1000);
    play->a->to_rtcp.port++;
    for (unsigned i = 0; i < 5; i++) {
        src_sender_report(play->src, play->a, i == 4);
        world_run(&play->world, 1000);
    }
    play_end(play);
    for (unsigned i = 0; i < 2; i++) {
        const json_t *stream = play_stream(play, i);
        CHECK_INT(play_number(stream, "packets"), (i ? play->b : play->a)->sent);
        CHECK_TEXT(play_text(stream, "path"), "relay");
        CHECK_INT(play_number(play_verdict(play, i), "lost_before_first"), 0);
        CHECK_INT(json_array_size(json_object_get(play_verdict(play, i), "security")), 0);
    }
    CHECK_INT(json_array_size(json_object_get(play->document, "warnings")), 1);
    CHECK_INT(play_count(play, "warnings", "code", "metadata-missing"), 1);
    play_free(play);
}

/* A relay that is lost while we have no address at all: nobody could be told. */
static void test_nobody_is_told_from_nowhere(void)
{
    struct nat_profile profiles[2];
    memcpy(profiles, behind(NAT_MAPPING_ADDRESS_PORT, NAT_FILTERING_ADDRESS_PORT), sizeof profiles);
    struct srs_options options = {.profiles = profiles, .seen = SRS_OUTSIDE, .relays = 3};
    struct play *play = play_begin(29, &options);
    CHECK(src_connect(play->src, NULL));
    (void)profile_set_local(&profiles[0], play->world.now, (struct addr){0});
    recorder_know(play->srs.recorder, srs_now(&play->srs), profiles);
    srs_relay(&play->srs, 0, true);
    world_run(&play->world, 1500);
    CHECK_INT(play->src->reinvites, 0);
    memcpy(profiles, behind(NAT_MAPPING_ADDRESS_PORT, NAT_FILTERING_ADDRESS_PORT), sizeof profiles);
    profiles[0].local = addr_v4(10, 0, 0, 8, 0);
    recorder_know(play->srs.recorder, srs_now(&play->srs), profiles);
    world_run(&play->world, 1000);
    CHECK_INT(play->src->reinvites, 1);
    CHECK_INT(play->a->to.port, 49154);
    play_end(play);
    CHECK_INT(play_trail(play, 0, "address-changed"), 1);
    CHECK_INT(play_trail(play, 0, "retried"), 1);
    play_free(play);
}

/* What is noticed late is written when it is noticed: a journal whose time goes back would be one of
 * a clock that was set, and its audio longer than the call. */
static void test_a_gap_does_not_turn_time_back(void)
{
    struct play *play = play_begin(32, NULL);
    srs_network(&play->srs, false, 1);
    CHECK(src_connect(play->src, NULL));
    src_talk(play->src, true);
    world_run(&play->world, 2000);
    src_talk(play->src, false);
    world_run(&play->world, 500);
    srs_network(&play->srs, false, 2);
    world_run(&play->world, 8000);
    src_talk(play->src, true);
    world_run(&play->world, 2000);
    play_end(play);
    CHECK_INT(play_count(play, "warnings", "code", "gap"), 2);
    struct wall latest = {0};
    int64_t back_ms = 0;
    for (unsigned i = 0; i < play->pcap->count; i++) {
        struct wall at = play->pcap->packets[i].at;
        if (wall_diff_ms(latest, at) > back_ms)
            back_ms = wall_diff_ms(latest, at);
        if (at.ns > latest.ns)
            latest = at;
    }
    CHECK(back_ms < 1000);
    play_free(play);
}

/* Neither media nor SIP comes any more, and nobody answers: the recording ends, and says why. */
static void test_the_src_is_gone(void)
{
    struct play *play = play_begin(35, NULL);
    CHECK(src_connect(play->src, NULL));
    src_talk(play->src, true);
    world_run(&play->world, 5000);
    play->src->deaf = true;
    world_run(&play->world, 300000); /* its media comes: that is enough */
    CHECK_INT(play->src->byes, 0);
    src_talk(play->src, false);
    world_run(&play->world, 55000);
    CHECK_INT(play->src->byes, 0);
    CHECK_INT(recorder_usage(play->srs.recorder).recordings, 1);
    world_run(&play->world, 300000);
    play->src->over = true;
    play_end(play);
    CHECK_INT(pcap_count_sip(play->pcap, "BYE "), 1);
    CHECK_INT(pcap_count_sip(play->pcap, "OPTIONS "), 3);
    CHECK_TEXT(play_text(play->document, "ended_why"), "no-answer");
    CHECK_INT(play_count(play, "warnings", "code", "no-answer"), 1);
    CHECK_INT(play_number(play_stream(play, 0), "packets"), play->a->sent);
    play_free(play);
}

/* One that is silent and answers is there. */
static void test_a_silent_src_is_there(void)
{
    struct play *play = play_begin(36, NULL);
    CHECK(src_connect(play->src, NULL));
    src_talk(play->src, true);
    world_run(&play->world, 2000);
    src_talk(play->src, false);
    world_run(&play->world, 900000);
    CHECK_INT(play->src->byes, 0);
    src_talk(play->src, true);
    world_run(&play->world, 1000);
    play_end(play);
    CHECK_TEXT(play_text(play->document, "ended_why"), "bye");
    CHECK_INT(play_number(play_stream(play, 0), "packets"), play->a->sent);
    play_free(play);
}

/* Another address of ours in mid-call: Contact and SDP name it, the recording stays one. */
static void change_our_address(bool apart)
{
    struct srs_options options = {.wildcard = true};
    struct play *play = play_begin(24, &options);
    struct nat_profile profiles[2];
    for (int v6 = 0; v6 < 2; v6++)
        profile_init(&profiles[v6], play->world.now, PATH_UNKNOWN, (struct addr){0});
    (void)profile_set_local(&profiles[0], play->world.now, addr_v4(198, 51, 100, 20, 0));
    recorder_know(play->srs.recorder, srs_now(&play->srs), profiles);
    CHECK(src_connect(play->src, src_metadata("1", "2")));
    src_talk(play->src, true);
    world_run(&play->world, 2000);
    if (apart) {
        (void)profile_set_local(&profiles[0], play->world.now, (struct addr){0});
        recorder_know(play->srs.recorder, srs_now(&play->srs), profiles);
        world_run(&play->world, 500);
        CHECK_INT(play->src->reinvites, 0);
    }
    play->srs.moved = addr_v4(198, 51, 100, 21, 0);
    (void)profile_set_local(&profiles[0], play->world.now, play->srs.moved);
    recorder_know(play->srs.recorder, srs_now(&play->srs), profiles);
    world_run(&play->world, 1000);
    CHECK_INT(play->src->reinvites, 1);
    char contact[256] = "";
    CHECK(src_header(play->src->asked, "Contact", contact, sizeof contact));
    CHECK(strstr(contact, "198.51.100.21") != NULL);
    CHECK_INT(play->a->to.ip[3], 21);
    CHECK_INT(play->b->to.ip[3], 21);
    recorder_know(play->srs.recorder, srs_now(&play->srs), profiles); /* nothing new */
    world_run(&play->world, 2000);
    CHECK_INT(play->src->reinvites, 1);
    struct addr to = play->a->to;
    play_end(play);
    CHECK_TEXT(play_text(play_stream(play, 0), "advertised"), addr_print(&to).s);
    CHECK_INT(play_trail(play, 0, "address-changed"), 1);
    CHECK_INT(play_number(play_stream(play, 0), "packets"), play->a->sent);
    play_free(play);
}

static void test_our_address_changes(void)
{
    change_our_address(false);
}

static void test_a_while_without_address(void)
{
    change_our_address(true);
}

/* SIP comes by IPv6, media by IPv4, and our last IPv4 address goes: there is none to offer. */
static void test_no_address_of_the_family(void)
{
    struct srs_options options = {.wildcard = true};
    struct play *play = play_begin(37, &options);
    struct recorder_settings settings = {.recordings = 64, .retry_after_s = 5};
    recorder_configure(play->srs.recorder, &settings);
    struct nat_profile profiles[2];
    for (int v6 = 0; v6 < 2; v6++)
        profile_init(&profiles[v6], play->world.now, PATH_UNKNOWN, (struct addr){0});
    (void)profile_set_local(&profiles[0], play->world.now, addr_v4(198, 51, 100, 20, 0));
    (void)profile_set_local(&profiles[1], play->world.now, addr_with_port(play->srs.address6, 0));
    recorder_know(play->srs.recorder, srs_now(&play->srs), profiles);
    struct src *src = src_create(&play->world);
    src_use_ipv6(src);
    struct src_stream *stream = src_add_stream(src, "1");
    (void)snprintf(stream->connection, sizeof stream->connection, "192.0.2.77");
    stream->from = addr_v4(192, 0, 2, 77, 40000);
    CHECK(src_connect(src, NULL));
    CHECK_INT(stream->to.ip[3], 20);
    profiles[0].local = (struct addr){0};
    profiles[0].told[PROFILE_STUN].address = SRS_OUTSIDE;
    recorder_know(play->srs.recorder, srs_now(&play->srs), profiles);
    world_run(&play->world, 6000);
    CHECK_INT(src->reinvites, 0);
    CHECK_INT(stream->to.ip[3], 20);
    src_bye(src);
    CHECK_INT(src_wait(src), 200);
    world_run(&play->world, 5000);
    play->src->over = true;
    play_free(play);
}

/* Our NAT was rebooted: STUN sees the lent port elsewhere. */
static void test_our_mapping_changes(void)
{
    struct srs_options options = punching();
    struct play *play = play_begin(25, &options);
    CHECK(src_connect(play->src, NULL));
    struct addr to = play->a->to;
    struct recorder_ticket ticket = {
        .port = 0, .generation = 1, .seen_at = play->world.now, .seen = to};
    recorder_ticket(play->srs.recorder, srs_now(&play->srs), &ticket);
    world_run(&play->world, 1000);
    CHECK_INT(play->src->reinvites, 0); /* the same as before */
    ticket.seen.port = 61000;
    ticket.seen_rtcp = addr_with_port(to, 61001);
    recorder_ticket(play->srs.recorder, srs_now(&play->srs), &ticket);
    world_run(&play->world, 1000);
    CHECK_INT(play->src->reinvites, 1);
    CHECK_INT(play->a->to.port, 61000);
    CHECK_INT(play->a->to_rtcp.port, 61001);
    CHECK_INT(play->b->to.port / 1000, 40);
    play_end(play);
    CHECK_INT(play_trail(play, 0, "address-changed"), 1);
    play_free(play);
}

/* RFC 7866 Figure 7, by nat.inactive_first: an SRC that is not known, and a path that may be none:
 * inactive at first, recvonly 300 ms after the ACK. Where the path is sure: at once. */
static void test_inactive_first(void)
{
    struct srs_options options = punching();
    options.inactive_first = true;
    struct play *play = play_begin(26, &options);
    CHECK(src_connect(play->src, NULL));
    CHECK_TEXT(play->a->answered, "inactive");
    CHECK(play->a->to.port != 0);
    world_run(&play->world, 250);
    CHECK_INT(play->src->reinvites, 0);
    world_run(&play->world, 250);
    CHECK_INT(play->src->reinvites, 1);
    CHECK_TEXT(play->a->answered, "recvonly");
    CHECK_TEXT(play->b->answered, "recvonly");
    play_end(play);
    CHECK_TEXT(play_text(play_stream(play, 0), "direction"), "recvonly");
    play_free(play);

    options.profiles = NULL;
    options.seen = (struct addr){0};
    play = play_begin(27, &options);
    CHECK(src_connect(play->src, NULL));
    CHECK_TEXT(play->a->answered, "recvonly");
    play_end(play);
    play_free(play);
}

/* ---- What is odd about an offer ------------------------------------------------------------- */

/* A private c= from a public SRC; and a public one in an SDP that is otherwise private. */
static void test_a_wrong_address_is_noted(void)
{
    struct play *play = play_begin(40, NULL);
    (void)snprintf(play->a->connection, sizeof play->a->connection, "192.168.1.5");
    CHECK(src_connect(play->src, NULL));
    CHECK(play->srs.ways[0].target_count == 1); /* and nothing is sent there */
    CHECK(addr_equal_ip(&play->srs.ways[0].targets[0], &play->src->sip));
    CHECK_INT(play->srs.ways[0].targets[0].port, play->a->from.port);
    play_end(play);
    CHECK_INT(play_count(play, "warnings", "code", "private-sdp"), 1);
    CHECK_INT(play_count(play, "warnings", "code", "alg-suspected"), 0);
    play_free(play);

    play = play_begin(41, NULL);
    play->src->contact = "192.168.1.5";
    play->src->origin = "192.168.1.5";
    CHECK(src_connect(play->src, NULL));
    play_end(play);
    CHECK_INT(play_count(play, "warnings", "code", "private-sdp"), 0);
    CHECK_INT(play_count(play, "warnings", "code", "alg-suspected"), 1);
    const json_t *security = json_object_get(play_verdict(play, 0), "security");
    CHECK_TEXT(json_string_value(json_array_get(security, 0)), "alg-suspected");
    play_free(play);
}

/* ---- How long an answer is ------------------------------------------------------------------ */

#define CODECS                                                                                     \
    "RTP/AVP 0 8 9 18 3 96 97 98 99 100 102 101 13\r\n"                                            \
    "a=rtpmap:96 opus/48000/2\r\na=fmtp:96 maxplaybackrate=16000;stereo=0;useinbandfec=1\r\n"      \
    "a=rtpmap:97 AMR-WB/16000\r\na=fmtp:97 mode-change-capability=2;max-red=0\r\n"                 \
    "a=rtpmap:98 AMR-WB/16000\r\na=fmtp:98 octet-align=1;mode-change-capability=2\r\n"             \
    "a=rtpmap:99 AMR/8000\r\na=fmtp:99 mode-change-capability=2;max-red=0\r\n"                     \
    "a=rtpmap:100 AMR/8000\r\na=fmtp:100 octet-align=1;mode-change-capability=2\r\n"               \
    "a=rtpmap:102 iLBC/8000\r\na=fmtp:102 mode=30\r\n"                                             \
    "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-16\r\na=sendonly\r\n"

static size_t answered_length(struct src *src, const char *sdp)
{
    src_request(src, "INVITE", sdp ? "application/sdp" : NULL, sdp);
    CHECK_INT(src_wait(src), 200);
    return strlen(src->response);
}

/* Over UDP an answer keeps below what networks carry in one piece: it leaves codecs out, never
 * streams; over TCP it says all. */
static void test_an_answer_fits_its_datagram(void)
{
    static const char sdp[] =
        "v=0\r\no=SRC 1 1 IN IP4 192.0.2.10\r\ns=-\r\nc=IN IP4 192.0.2.10\r\nt=0 0\r\n"
        "m=audio 40000 " CODECS "a=label:1\r\nm=audio 40004 " CODECS "a=label:2\r\n";
    struct play *play = play_begin(45, NULL);
    CHECK(answered_length(play->src, sdp) <= 1300);
    CHECK_INT(m_lines(play->src->answer), 2);
    CHECK(play->a->to.port != 0 && play->b->to.port != 0);
    CHECK(strstr(play->src->answer, "telephone-event") != NULL);
    CHECK(strstr(play->src->answer, " 0 ") != NULL); /* its favourite */
    struct src *by_tcp = src_create(&play->world), *unasked = src_create(&play->world);
    by_tcp->tcp = true;
    (void)src_add_stream(by_tcp, "1");
    CHECK(answered_length(by_tcp, sdp) > 1300);
    CHECK(strstr(by_tcp->answer, "iLBC") != NULL);
    (void)src_add_stream(unasked, "1");
    CHECK(answered_length(unasked, NULL) <= 1300);
    CHECK_INT(m_lines(unasked->answer), 2);
    play->src->over = true;
    play_free(play);
}

/* ---- What earlier calls taught -------------------------------------------------------------- */

/* The answer of a call of a new SRC at the same place; true: a relay's address. */
static bool is_relayed(struct play *play, struct src *src)
{
    bool connected = src_connect(src, NULL);
    bool relayed = connected && src->streams[0].to.ip[3] == 60;
    src_bye(src);
    CHECK_INT(src_wait(src), 200);
    world_run(&play->world, 5000);
    return relayed;
}

/* An SRC that sends from another port than it offers, which RFC 7866 §8.1.8 forbids: behind a NAT
 * that wants to know the port its next call gets a relay at once, and the verdict says why. */
static void test_a_call_teaches(void)
{
    struct nat_profile profiles[2];
    memcpy(profiles, behind(NAT_MAPPING_NONE, NAT_FILTERING_INDEPENDENT), sizeof profiles);
    profiles[0].local = profiles[0].told[PROFILE_STUN].address = addr_v4(198, 51, 100, 20, 0);
    struct srs_options options = {.profiles = profiles, .seen = SRS_OUTSIDE, .relays = 4};
    struct play *play = play_begin(30, &options);
    CHECK(src_connect(play->src, src_metadata("1", "2")));
    play->a->from.port += 1000;
    play->b->from.port += 1000;
    src_talk(play->src, true);
    world_run(&play->world, 4000);
    CHECK_INT(play->srs.lessons, 0); /* 5 s of good RTP teach */
    world_run(&play->world, 12000);
    CHECK_INT(play->srs.lessons, 2);
    src_talk(play->src, false);
    src_bye(play->src);
    CHECK_INT(src_wait(play->src), 200);
    world_run(&play->world, 5000);
    CHECK_INT(play->srs.lessons, 2);
    CHECK(strstr(play->srs.profile, "\"class\":\"B2\"") != NULL);
    CHECK(strstr(play->srs.profile, "\"calls\":1,") != NULL);
    CHECK(strstr(play->srs.profile, "\"192.0.2.10\"") != NULL);
    CHECK(strstr(play->srs.key, "192.0.2.10") != NULL);

    memcpy(profiles, behind(NAT_MAPPING_INDEPENDENT, NAT_FILTERING_ADDRESS_PORT), sizeof profiles);
    profiles[0].local = addr_v4(198, 51, 100, 20, 0);
    recorder_know(play->srs.recorder, srs_now(&play->srs), profiles);
    CHECK(is_relayed(play, play_same_src(play)));
    CHECK(strstr(play->srs.files[1].document, "it sends from another port than it offers") != NULL);
    recorder_forget_src(play->srs.recorder, &play->srs.src);
    CHECK(!is_relayed(play, play_same_src(play)));
    play->src->over = true;
    play_free(play);
}

/* What was kept counts after a restart. */
static void test_lessons_last(void)
{
    struct srs_options options = punching();
    struct play *play = play_begin(31, &options);
    struct uuid id = {"01890a5d-ac96-774b-bcce-b302099a8057"};
    struct view profile =
        VIEW_LIT("{\"class\":\"B2\",\"calls\":3,\"first_at\":\"2026-02-20T12:00:00.000Z\","
                 "\"used_at\":\"2026-02-28T12:00:00.000Z\",\"first_rtp_ms\":null,"
                 "\"facts\":{\"symmetric\":{\"is\":false,\"weight\":100}},\"media\":[]}");
    recorder_src(play->srs.recorder, &id, VIEW_LIT("udp:5060 192.0.2.10 192.0.2.10 "), profile,
                 world_wall(&play->world));
    (void)is_relayed(play, play_same_src(play)); /* (the world's first SRC stays unused) */
    CHECK(strstr(play->srs.files[0].document, "\"path\":\"relay\"") != NULL);
    play->src->over = true;
    play_free(play);
}

/* The only address that media can come to goes: for less than half a minute that is a gap, after that
 * the SRC is told by a BYE. */
static void test_the_address_of_the_ports_goes(void)
{
    struct play *play = play_begin(41, NULL);
    struct addr both[] = {addr_v4(198, 51, 100, 20, 0), addr_v4(198, 51, 100, 77, 0)};
    CHECK(src_connect(play->src, src_metadata("1", "2")));
    recorder_here(play->srs.recorder, srs_now(&play->srs), both, 2);
    world_run(&play->world, 1000);
    recorder_here(play->srs.recorder, srs_now(&play->srs), both + 1, 1);
    world_run(&play->world, 20000);
    CHECK(!play->src->over);
    recorder_here(play->srs.recorder, srs_now(&play->srs), both, 2);
    world_run(&play->world, 20000);
    CHECK(!play->src->over);
    recorder_here(play->srs.recorder, srs_now(&play->srs), both + 1, 1);
    world_run(&play->world, 40000);
    CHECK(play->src->over);
    play_end(play);
    CHECK_TEXT(play_text(play->document, "ended_why"), "address-gone");
    play_free(play);
}

/* The worker closed a port while the answer that names it was on its way: an address that comes back
 * makes the others' sockets work, not that one's. The SRC is offered the next port that there is. */
static void test_a_port_is_closed_as_it_is_named(void)
{
    struct srs_options options = {.ports = 2};
    struct play *play = play_begin(42, &options);
    struct addr both[] = {addr_v4(198, 51, 100, 20, 0), addr_v4(198, 51, 100, 77, 0)};
    struct recorder *recorder = play->srs.recorder;
    play->srs.stingy = true;
    recorder_here(recorder, srs_now(&play->srs), both, 2);
    CHECK(src_connect(play->src, src_metadata("1", "2")));
    struct addr closed = play->a->to, other = play->b->to;
    recorder_here(recorder, srs_now(&play->srs), both + 1, 1);
    struct recorder_port port = {.port = (uint32_t)(closed.port - GATE_INSIDE_FIRST) / 2};
    for (port.generation = 1; port.generation <= 2; port.generation++)
        recorder_port_closed(recorder, srs_now(&play->srs), &port);
    world_run(&play->world, 1000);
    CHECK(addr_equal(&play->a->to, &closed)); /* no other port is to be had */
    recorder_here(recorder, srs_now(&play->srs), both, 2);
    world_run(&play->world, 1000);
    play->srs.stingy = false;
    world_run(&play->world, 1000);
    CHECK(!addr_equal(&play->a->to, &closed) && play->a->to.port != 0);
    CHECK(addr_equal(&play->b->to, &other));
    play_end(play);
    play_free(play);
}

/* No port is known to let anybody in, and the one that the stream has is lost: the others go back to the
 * stock while it waits for a better one. */
static void test_ports_of_a_wait(void)
{
    struct srs_options options = {
        .profiles = behind(NAT_MAPPING_ADDRESS_PORT, NAT_FILTERING_ADDRESS_PORT), .ports = 4};
    struct play *play = play_begin(43, &options);
    struct addr both[] = {addr_v4(198, 51, 100, 20, 0), addr_v4(198, 51, 100, 77, 0)};
    recorder_here(play->srs.recorder, srs_now(&play->srs), both, 2);
    CHECK(src_connect(play->src, src_metadata("1", "2")));
    play->srs.media_ip = both[1];
    play->srs.ports_lent = 8;
    world_run(&play->world, 1000);
    recorder_here(play->srs.recorder, srs_now(&play->srs), both + 1, 1);
    world_run(&play->world, 2000);
    CHECK_INT(recorder_usage(play->srs.recorder).tickets, 8);
    unsigned used = 0;
    for (unsigned i = 0; i < SRS_PORTS; i++)
        used += play->srs.port_used[i];
    CHECK_INT(used, 8 + 2);
    world_run(&play->world, 5000);
    play_end(play);
    play_free(play);
}

/* The gateway was slow: the call's ports are not mapped, others are by the time that nothing has come.
 * Better than a relay. */
static void test_ports_that_are_mapped_since(void)
{
    struct srs_options options = {
        .profiles = behind(NAT_MAPPING_ADDRESS_PORT, NAT_FILTERING_ADDRESS_PORT), .relays = 4};
    struct nat_profile profiles[2] = {options.profiles[0], options.profiles[1]};
    struct play *play = play_begin(44, &options);
    CHECK(src_connect(play->src, src_metadata("1", "2")));
    struct addr first = play->a->to;
    profile_tell_gateway(&profiles[0], play->world.now,
                         &(struct gateway_status){.external = SRS_OUTSIDE});
    recorder_know(play->srs.recorder, srs_now(&play->srs), profiles);
    play->srs.mapped = SRS_OUTSIDE;
    play->srs.ports_lent = 68;
    world_run(&play->world, 3500);
    CHECK(!addr_equal(&play->a->to, &first));
    CHECK(addr_equal_ip(&play->a->to, &SRS_OUTSIDE) && play->a->to.port >= 50000);
    CHECK(addr_equal_ip(&play->b->to, &SRS_OUTSIDE) && play->b->to.port >= 50000);
    play_end(play);
    CHECK_TEXT(play_text(play_stream(play, 0), "path"), "mapped");
    play_free(play);
}

int main(void)
{
    RUN(test_ports_that_are_mapped_since);
    RUN(test_ports_of_a_wait);
    RUN(test_a_port_is_closed_as_it_is_named);
    RUN(test_the_address_of_the_ports_goes);
    RUN(test_an_invite_waits_for_the_network);
    RUN(test_three_seconds_at_most);
    RUN(test_a_wait_is_cancelled);
    RUN(test_each_kind_of_way);
    RUN(test_ports_that_are_not_kept);
    RUN(test_local_networks);
    RUN(test_a_relay_each);
    RUN(test_relays_of_a_refused_call);
    RUN(test_the_next_path);
    RUN(test_another_port);
    RUN(test_another_port_in_mid_call);
    RUN(test_a_way_that_was_not_expected_to_work);
    RUN(test_another_port_is_refused);
    RUN(test_a_refusal);
    RUN(test_glare_and_silence);
    RUN(test_a_relay_is_lost);
    RUN(test_a_lost_relay_is_waited_for);
    RUN(test_reports_at_the_port_above_a_relay);
    RUN(test_nobody_is_told_from_nowhere);
    RUN(test_a_gap_does_not_turn_time_back);
    RUN(test_the_src_is_gone);
    RUN(test_a_silent_src_is_there);
    RUN(test_our_address_changes);
    RUN(test_a_while_without_address);
    RUN(test_no_address_of_the_family);
    RUN(test_our_mapping_changes);
    RUN(test_inactive_first);
    RUN(test_a_wrong_address_is_noted);
    RUN(test_an_answer_fits_its_datagram);
    RUN(test_a_call_teaches);
    RUN(test_lessons_last);
    return tap_done();
}
