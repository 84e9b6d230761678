/* nats: whole calls behind a NAT of ours: the way is open before the answer leaves, stays open as long as
 * the call lasts, and is found again when it is lost. What is expected is what the recording holds.
 * Not here: every NAT there is (tests/natsim), which path is chosen (ways.c).
 * RFC 4787, 6263, 7866 §8.1.8, 8656. */
#include "play.h"

/* Our profile, as discovery would have found the gate. */
static const struct nat_profile *profile_of(const struct gate_options *gate, uint16_t lifetime_s)
{
    struct nat_behaviour nat = {.mapping = gate->by_destination ? NAT_MAPPING_ADDRESS_PORT
                                                                : NAT_MAPPING_INDEPENDENT,
                                .filtering = gate->filtering,
                                .scope = NAT_SCOPE_MAPPING,
                                .lifetime_s = lifetime_s};
    return srs_behind(&nat);
}

static struct play *begin(uint64_t seed, const struct gate_options *gate, uint16_t lifetime_s,
                          unsigned relays)
{
    struct srs_options options = {
        .profiles = profile_of(gate, lifetime_s), .gate = gate, .relays = relays};
    struct play *play = play_begin(seed, &options);
    world_run(&play->world, 15000); /* the stock's addresses outside become known */
    return play;
}

/* All of both streams is in the document and in the journal, to the addresses that were answered last. */
static void check_whole(struct play *play)
{
    CHECK_INT(play_number(play_stream(play, 0), "packets"), play->a->sent);
    CHECK_INT(play_number(play_stream(play, 1), "packets"), play->b->sent);
}

static void hold(struct play *play, bool on)
{
    for (unsigned i = 0; i < play->src->stream_count; i++)
        (void)snprintf(play->src->streams[i].direction, sizeof play->src->streams[i].direction,
                       on ? "inactive" : "sendonly");
    src_invite(play->src, NULL);
    CHECK_INT(src_wait(play->src), 200);
}

/* S+H(ip:port): the SRC may send the moment it has the answer, and not a packet is lost. */
static void test_open_before_the_answer(void)
{
    struct gate_options gate = {.outside = SRS_OUTSIDE, .filtering = NAT_FILTERING_ADDRESS_PORT};
    struct play *play = begin(1, &gate, 0, 0);
    CHECK(src_connect(play->src, src_metadata("1", "2")));
    CHECK(addr_equal_ip(&play->a->to, &SRS_OUTSIDE));
    src_talk(play->src, true);
    world_run(&play->world, 10000);
    struct addr to = play->a->to;
    play_end(play);
    check_whole(play);
    CHECK_INT(pcap_count_rtp(play->pcap, &to, &play->a->from), play->a->sent);
    CHECK_TEXT(play_text(play_stream(play, 0), "path"), "stun");
    CHECK_TEXT(play_text(play_verdict(play, 0), "src_class"), "B1");
    CHECK_INT(play_trail(play, 0, "punched"), 1);
    play_free(play);
}

/* Only what we send keeps a mapping: RTP alone would be cut off after its lifetime (RFC 6263 §7). */
static void test_kept_open_by_what_we_send(void)
{
    for (int mux = 0; mux < 2; mux++) {
        struct gate_options gate = {
            .outside = SRS_OUTSIDE, .filtering = NAT_FILTERING_ADDRESS_PORT, .lifetime_ms = 30000};
        struct play *play = begin(2, &gate, 28, 0);
        play->a->mux = play->b->mux = mux;
        CHECK(src_connect(play->src, NULL));
        src_talk(play->src, true);
        world_run(&play->world, 200000);
        play_end(play);
        check_whole(play);
        CHECK_INT(play_number(play_stream(play, 0), "lost"), 0);
        play_free(play);
    }
}

/* A NAT that forgets sooner than anybody had told: the first time shows it, and there is no second, whether it
 * gives the port back (nothing comes, until we send) or another one (STUN shows that). */
static void test_a_lifetime_that_the_call_shows(void)
{
    for (int n = 0; n < 4; n++) {
        struct gate_options gate = {.outside = SRS_OUTSIDE,
                                    .filtering = NAT_FILTERING_ADDRESS_PORT,
                                    .lifetime_ms = 10000,
                                    .other_ports = n & 1};
        struct play *play = begin(13, &gate, 0, 0);
        play->a->mux = play->b->mux = n & 2;
        CHECK(src_connect(play->src, NULL));
        src_talk(play->src, true);
        world_run(&play->world, 20000);
        unsigned before = play->a->sent;
        world_run(&play->world, 100000);
        play_end(play);
        /* All that was sent after the first time, and before it more than half of 20 s. */
        CHECK(play_number(play_stream(play, 0), "packets") > play->a->sent - before + 600);
        CHECK(play_number(play_stream(play, 1), "packets") > play->b->sent - before + 600);
        /* What STUN saw while the port stood ready may be gone by then. */
        CHECK(play_number(play_verdict(play, 0), "first_packet_ms") < 1500);
        CHECK(play->src->reinvites <= 2);
        play_free(play);
    }
}

/* Forty minutes of hold, from before the first packet or from the midst of a call. */
static void test_hold(void)
{
    for (int talked = 0; talked < 2; talked++) {
        struct gate_options gate = {
            .outside = SRS_OUTSIDE, .filtering = NAT_FILTERING_ADDRESS_PORT, .lifetime_ms = 30000};
        struct play *play = begin(3, &gate, 28, 0);
        CHECK(src_connect(play->src, NULL));
        src_talk(play->src, talked);
        world_run(&play->world, 2000);
        src_talk(play->src, false);
        world_run(&play->world, 100);
        unsigned before = play->a->sent;
        hold(play, true);
        unsigned probes = play->src->probes;
        world_run(&play->world, 2400000);
        /* 28 s / 3, at most a fifth sooner; two streams. */
        unsigned kept = play->src->probes - probes;
        if (talked)
            CHECK(kept >= 2 * 2400 / 10 && kept <= 2 * 2400 / 7);
        hold(play, false);
        world_run(&play->world, 500);
        src_talk(play->src, true);
        world_run(&play->world, 5000);
        play_end(play);
        check_whole(play);
        CHECK(play->a->sent > before + 200);
        play_free(play);
    }
}

/* What the NAT keeps out, a relay lets in: by re-INVITE, within three seconds of the ACK. */
static void test_the_ladder_ends_at_a_relay(void)
{
    struct gate_options gate = {.outside = SRS_OUTSIDE, .filtering = NAT_FILTERING_ADDRESS_PORT};
    struct play *play = begin(4, &gate, 0, 2);
    CHECK(src_connect(play->src, NULL));
    CHECK(addr_equal_ip(&play->a->to, &SRS_OUTSIDE));
    /* It sends from other ports than it says (B2). */
    play->a->from.port = (uint16_t)(play->a->from.port + 1000);
    play->b->from.port = (uint16_t)(play->b->from.port + 1000);
    src_talk(play->src, true);
    world_run(&play->world, 3000);
    CHECK(addr_equal_ip(&play->a->to, &gate_relayed));
    unsigned before = play->a->sent;
    world_run(&play->world, 5000);
    struct addr to = play->a->to;
    play_end(play);
    CHECK_TEXT(play_text(play_stream(play, 0), "path"), "relay");
    CHECK(play_number(play_stream(play, 0), "packets") >= play->a->sent - before);
    CHECK(play_number(play_verdict(play, 0), "first_packet_ms") < 3000);
    CHECK(pcap_count_rtp(play->pcap, &to, &play->a->from) >= play->a->sent - before);
    CHECK_INT(play_trail(play, 0, "retried"), 1);
    CHECK(play->srs.gate.relays[0].bound && play->srs.gate.relays[1].bound);
    CHECK(play->srs.gate.relays[0].released == 1 && play->srs.gate.relays[1].released == 1);
    play_free(play);
}

/* Behind a symmetric NAT: the relay lets the SRC in before the answer leaves; keepalives go its way. */
static void test_relayed_from_the_start(void)
{
    struct gate_options gate = {
        .outside = SRS_OUTSIDE, .filtering = NAT_FILTERING_ADDRESS_PORT, .by_destination = true};
    struct play *play = begin(5, &gate, 0, 2);
    CHECK(src_connect(play->src, NULL));
    CHECK(addr_equal_ip(&play->a->to, &gate_relayed));
    src_talk(play->src, true);
    world_run(&play->world, 2000);
    unsigned probes = play->src->probes;
    world_run(&play->world, 100000);
    CHECK(play->src->probes >= probes + 2 * 4);
    struct addr to = play->a->to;
    play_end(play);
    check_whole(play);
    CHECK_INT(pcap_count_rtp(play->pcap, &to, &play->a->from), play->a->sent);
    CHECK_TEXT(play_text(play_stream(play, 0), "path"), "relay");
    CHECK_INT(play_trail(play, 0, "permitted"), 1);
    play_free(play);
}

/* An SRC that follows our packets comes to the raw socket while a relay was answered. */
static void test_both_ways_are_received(void)
{
    struct gate_options gate = {
        .outside = SRS_OUTSIDE, .filtering = NAT_FILTERING_ADDRESS_PORT, .by_destination = true};
    struct play *play = begin(6, &gate, 0, 2);
    CHECK(src_connect(play->src, NULL));
    struct addr to = play->a->to;
    src_talk(play->src, true);
    world_run(&play->world, 1000);
    /* Where our packets come from, as its side of the world sees it. */
    for (int i = 0; i < GATE_MAPPINGS; i++) {
        const struct gate_mapping *m = &play->srs.gate.mappings[i];
        if (m->used && addr_equal(&m->to, &play->a->from))
            play->a->to = addr_with_port(SRS_OUTSIDE, m->outside);
    }
    CHECK(addr_equal_ip(&play->a->to, &SRS_OUTSIDE));
    world_run(&play->world, 5000);
    play_end(play);
    check_whole(play);
    CHECK_INT(play_trail(play, 0, "followed"), 1);
    CHECK_INT(play_trail(play, 1, "followed"), 0);
    /* The journal names the answered address throughout. */
    CHECK_INT(pcap_count_rtp(play->pcap, &to, &play->a->from), play->a->sent);
    play_free(play);
}

/* The NAT restarts in mid-call: every mapping is gone and comes back elsewhere. */
static void test_our_nat_restarts(void)
{
    struct gate_options gate = {.outside = SRS_OUTSIDE, .filtering = NAT_FILTERING_ADDRESS};
    struct play *play = begin(7, &gate, 0, 0);
    CHECK(src_connect(play->src, NULL));
    src_talk(play->src, true);
    world_run(&play->world, 5000);
    struct addr before = play->a->to;
    unsigned sent = play->a->sent;
    gate_reboot(&play->srs.gate);
    world_run(&play->world, 12000);
    CHECK_INT(play->src->reinvites, 1);
    CHECK(!addr_equal(&play->a->to, &before));
    unsigned lost = play->a->sent - sent;
    world_run(&play->world, 5000);
    struct addr to = play->a->to;
    play_end(play);
    CHECK_INT(play->srs.file_count, 1);
    CHECK(play_number(play_stream(play, 0), "packets") > 240 + 240);
    CHECK(play_number(play_stream(play, 0), "lost") > 0 &&
          play_number(play_stream(play, 0), "lost") <= lost);
    CHECK(pcap_count_rtp(play->pcap, &before, NULL) >= 240);
    CHECK(pcap_count_rtp(play->pcap, &to, NULL) >= 240);
    /* What is missing is said from a second on: how soon the restart shows hangs on when STUN looked last. */
    int told = 0;
    for (int i = 0; i < 2; i++)
        told += play_number(play_stream(play, (unsigned)i), "lost") >= 50;
    CHECK_INT(pcap_count_events(play->pcap, "gap"), told);
    CHECK_INT(play_trail(play, 0, "address-changed"), 1);
    play_free(play);
}

static void map_all(struct play *play, bool on)
{
    for (uint32_t i = 0; i < SRS_PORTS; i++) {
        struct recorder_port port = {0, i, i + 1};
        uint16_t number = (uint16_t)(50000 + 2 * i);
        struct addr mapped[2] = {addr_with_port(SRS_OUTSIDE, number),
                                 addr_with_port(SRS_OUTSIDE, (uint16_t)(number + 1))};
        if (!on)
            memset(mapped, 0, sizeof mapped);
        (void)recorder_ticket_mapped(play->srs.recorder, srs_now(&play->srs), &port, mapped);
    }
}

/* A slow gateway: its mapping comes when everything else was tried in vain. */
static void test_a_late_mapping(void)
{
    struct gate_options gate = {.outside = SRS_OUTSIDE,
                                .filtering = NAT_FILTERING_ADDRESS_PORT,
                                .by_destination = true,
                                .open_ports = true};
    struct nat_profile profiles[2];
    memcpy(profiles, profile_of(&gate, 0), sizeof profiles);
    profile_tell_gateway(profiles, (struct tick){0},
                         &(struct gateway_status){.external = SRS_OUTSIDE});
    struct srs_options options = {.profiles = profiles, .gate = &gate};
    struct play *play = play_begin(11, &options);
    world_run(&play->world, 15000);
    CHECK(src_connect(play->src, NULL));
    src_talk(play->src, true);
    world_run(&play->world, 6000);
    CHECK_INT(play->src->reinvites, 0);
    map_all(play, true);
    world_run(&play->world, 6000);
    play_end(play);
    CHECK_INT(play->src->reinvites, 1);
    CHECK_TEXT(play_text(play_stream(play, 0), "path"), "mapped");
    CHECK(play_number(play_stream(play, 0), "packets") > 240);
    CHECK(play_number(play_stream(play, 1), "packets") > 240);
    play_free(play);
}

/* The gateway's mappings end in mid-call: the SRC is told what STUN sees. */
static void test_a_mapping_ends(void)
{
    struct gate_options gate = {
        .outside = SRS_OUTSIDE, .filtering = NAT_FILTERING_ADDRESS, .open_ports = true};
    struct nat_profile profiles[2];
    memcpy(profiles, profile_of(&gate, 0), sizeof profiles);
    profile_tell_gateway(profiles, (struct tick){0},
                         &(struct gateway_status){.external = SRS_OUTSIDE});
    struct srs_options options = {.profiles = profiles, .gate = &gate};
    struct play *play = play_begin(12, &options);
    world_run(&play->world, 15000);
    map_all(play, true);
    CHECK(src_connect(play->src, NULL));
    src_talk(play->src, true);
    world_run(&play->world, 5000);
    CHECK_INT(play->a->to.port / 1000, 50);
    map_all(play, false);
    world_run(&play->world, 5000);
    CHECK_INT(play->src->reinvites, 1);
    CHECK(play->a->to.port / 1000 != 50);
    play_end(play);
    CHECK_TEXT(play_text(play_stream(play, 0), "path"), "stun");
    CHECK_INT(play_trail(play, 0, "address-changed"), 1);
    CHECK(play_number(play_stream(play, 0), "packets") > 460);
    CHECK(play_number(play_stream(play, 1), "packets") > 460);
    play_free(play);
}

/* A relay dies in mid-call; a warm one takes over. */
static void test_a_relay_dies(void)
{
    struct gate_options gate = {
        .outside = SRS_OUTSIDE, .filtering = NAT_FILTERING_ADDRESS_PORT, .by_destination = true};
    struct play *play = begin(8, &gate, 0, 3);
    CHECK(src_connect(play->src, NULL));
    src_talk(play->src, true);
    world_run(&play->world, 5000);
    struct addr before = play->a->to;
    uint32_t slot = (uint32_t)(before.port - 49152);
    play->srs.gate.relays[slot].gone = true;
    world_run(&play->world, 500);
    struct media_relay_event lost = {.kind = MEDIA_RELAY_LOST, .slot = slot, .generation = 1};
    media_relay_event(play->srs.media, play->world.now, &lost);
    srs_relay(&play->srs, slot, true);
    world_run(&play->world, 3000);
    CHECK_INT(play->src->reinvites, 1);
    CHECK(!addr_equal(&play->a->to, &before));
    world_run(&play->world, 2000);
    struct addr to = play->a->to, other = play->b->to;
    play_end(play);
    CHECK(pcap_count_rtp(play->pcap, &to, NULL) > 100);
    CHECK_INT(pcap_count_rtp(play->pcap, &other, NULL), play->b->sent);
    CHECK_INT(play_trail(play, 0, "relay-lost"), 1);
    CHECK_INT(play_trail(play, 1, "relay-lost"), 0);
    CHECK_INT(play->srs.gate.relays[slot].released, 0); /* there is nothing to release */
    play_free(play);
}

/* An SRC that talks late is to find the relay that it was told: others that stand ready meanwhile are no better, and
 * when none is left for another try nothing else is told. */
static void test_a_late_src_finds_its_relay(void)
{
    struct gate_options gate = {
        .outside = SRS_OUTSIDE, .filtering = NAT_FILTERING_ADDRESS_PORT, .by_destination = true};
    struct play *play = begin(8, &gate, 0, 3);
    CHECK(src_connect(play->src, NULL));
    for (unsigned slot = 3; slot < 8; slot++) {
        world_run(&play->world, 3000);
        srs_relay(&play->srs, slot, false);
    }
    world_run(&play->world, 5000);
    CHECK(addr_equal_ip(&play->a->to, &gate_relayed));
    CHECK(addr_equal_ip(&play->b->to, &gate_relayed));
    src_talk(play->src, true);
    world_run(&play->world, 5000);
    play_end(play);
    CHECK(play_number(play_stream(play, 0), "packets") > 240);
    CHECK(play_number(play_stream(play, 1), "packets") > 240);
    CHECK_TEXT(play_text(play_stream(play, 0), "path"), "relay");
    CHECK_TEXT(play_text(play_stream(play, 1), "path"), "relay");
    play_free(play);
}

/* Two streams are silent on their relays, and one relay more stands ready: one of them may try it, and the other stays
 * where its SRC will find it. */
static void test_one_relay_for_two_silent_streams(void)
{
    for (unsigned more = 1; more <= 2; more++) {
        struct gate_options gate = {.outside = SRS_OUTSIDE,
                                    .filtering = NAT_FILTERING_ADDRESS_PORT,
                                    .by_destination = true};
        struct play *play = begin(14, &gate, 0, 2);
        CHECK(src_connect(play->src, NULL));
        world_run(&play->world, 10000);
        struct addr first[2] = {play->a->to, play->b->to};
        for (unsigned slot = 2; slot < 2 + more; slot++) {
            srs_relay(&play->srs, slot, false);
            world_run(&play->world, 10000);
        }
        CHECK(addr_equal_ip(&play->a->to, &gate_relayed));
        CHECK(addr_equal_ip(&play->b->to, &gate_relayed));
        unsigned same = addr_equal(&play->a->to, &first[0]) + addr_equal(&play->b->to, &first[1]);
        CHECK(more > 1 || same == 1);
        src_talk(play->src, true);
        world_run(&play->world, 5000);
        play_end(play);
        CHECK(play_number(play_stream(play, 0), "packets") > 240);
        CHECK(play_number(play_stream(play, 1), "packets") > 240);
        play_free(play);
    }
}

/* EIM+APDF and an SRC whose address only the relay shows: then the direct way, and the relay is free. */
static void test_from_the_relay_to_the_direct_way(void)
{
    struct gate_options gate = {.outside = SRS_OUTSIDE, .filtering = NAT_FILTERING_ADDRESS_PORT};
    struct play *play = begin(9, &gate, 0, 4);
    (void)snprintf(play->a->connection, sizeof play->a->connection, "10.1.2.3");
    (void)snprintf(play->b->connection, sizeof play->b->connection, "10.1.2.3");
    CHECK(src_connect(play->src, NULL));
    CHECK(addr_equal_ip(&play->a->to, &gate_relayed));
    src_talk(play->src, true);
    world_run(&play->world, 9000);
    CHECK_INT(play->src->reinvites, 0);
    world_run(&play->world, 8000);
    CHECK(play->src->reinvites >= 1);
    CHECK(addr_equal_ip(&play->a->to, &SRS_OUTSIDE));
    unsigned released = 0;
    for (unsigned i = 0; i < 4; i++)
        released += play->srs.gate.relays[i].released;
    CHECK_INT(released, 2);
    play_end(play);
    check_whole(play);
    CHECK_INT(play_number(play_stream(play, 0), "lost"), 0);
    CHECK_TEXT(play_text(play_stream(play, 0), "path"), "stun");
    CHECK_INT(play_trail(play, 0, "migrated"), 1);
    play_free(play);
}

/* One more call of the same SRC, whose one stream offers that port and comes from `by` above it. */
static void call_again(struct play *play, unsigned number, uint16_t by)
{
    (void)play_same_src(play);
    play->a->from.port = (uint16_t)(play->a->from.port + 100 * number);
    play->a->shift = by;
    CHECK(src_connect(play->src, NULL));
    src_talk(play->src, true);
}

static bool is_told_a_relay(const struct play *play)
{
    return addr_equal_ip(&play->a->to, &gate_relayed);
}

/* What came of it once it has lasted long enough to teach; the document's only stream. */
static json_t *hear_out(struct play *play, json_t **document)
{
    world_run(&play->world, 8000);
    src_hang_up(play->src);
    *document = json_loads(play->srs.files[play->srs.file_count - 1].document, 0, NULL);
    json_t *stream = json_array_get(json_object_get(*document, "streams"), 0);
    CHECK_TEXT(play_text(json_object_get(stream, "verdict"), "src_class"), "B2");
    return stream;
}

/* Behind a filter for the very port an SRC whose port is always the offered one and 1,000 gets a relay, until a
 * second call has shown that. Then what is sent there opens the way, and not a packet is lost. When the
 * number is another one day the ladder finds a relay, and so do its next calls. */
static void test_a_port_offset(void)
{
    struct gate_options gate = {.outside = SRS_OUTSIDE, .filtering = NAT_FILTERING_ADDRESS_PORT};
    struct play *play = begin(13, &gate, 0, 16);
    json_t *document, *stream;
    play->src->over = true;
    for (unsigned call = 1; call <= 2; call++) { /* by the ladder, then at once */
        call_again(play, call, 1000);
        CHECK_INT(is_told_a_relay(play), call == 2);
        (void)hear_out(play, &document);
        CHECK(is_told_a_relay(play));
        json_decref(document);
    }
    CHECK(strstr(play->srs.profile, "\"port_offset\":1000,") != NULL);
    CHECK(strstr(play->srs.profile, "\"class\":\"B2\"") != NULL);

    call_again(play, 3, 1000);
    CHECK(addr_equal_ip(&play->a->to, &SRS_OUTSIDE));
    const struct media_way *way = &play->srs.ways[0];
    CHECK(way->target_count == 2 && addr_equal(&way->targets[1], &play->a->from));
    CHECK(addr_equal_ip(&way->targets[0], &play->a->from)); /* before what is offered */
    CHECK_INT(way->targets[0].port, play->a->from.port + 1000);
    CHECK(way->target_rtcp_count == 2 && addr_equal_ip(&way->targets_rtcp[0], &play->a->from));
    CHECK_INT(way->targets_rtcp[0].port, play->a->from.port + 1001);
    stream = hear_out(play, &document);
    const json_t *verdict = json_object_get(stream, "verdict");
    CHECK_TEXT(play_text(verdict, "path"), "S+H(ip:port)");
    CHECK_INT(play_number(stream, "packets"), play->a->sent);
    CHECK(strstr(play_text(verdict, "learned"), "its port is the offered one +1000") != NULL);
    json_decref(document);

    call_again(play, 4, 1700);
    CHECK(addr_equal_ip(&play->a->to, &SRS_OUTSIDE));
    stream = hear_out(play, &document);
    CHECK(is_told_a_relay(play));
    CHECK(play_number(json_object_get(stream, "verdict"), "first_packet_ms") < 3000);
    CHECK(play_number(stream, "packets") > play->a->sent / 2);
    json_decref(document);
    CHECK(strstr(play->srs.profile, "\"port_offset\":null,") != NULL);
    call_again(play, 5, 1700);
    CHECK(is_told_a_relay(play));
    (void)hear_out(play, &document);
    json_decref(document);
    CHECK(srs_at_rest(&play->srs));
    play_free(play);
}

/* An SRC that moves to another port by its SDP before a call has taught kept its word all along. */
static void test_a_new_port_is_no_offset(void)
{
    struct gate_options gate = {.outside = SRS_OUTSIDE, .filtering = NAT_FILTERING_ADDRESS_PORT};
    struct play *play = begin(14, &gate, 0, 4);
    CHECK(src_connect(play->src, NULL));
    src_talk(play->src, true);
    world_run(&play->world, 2000);
    play->a->from.port = (uint16_t)(play->a->from.port + 500);
    play->b->from.port = (uint16_t)(play->b->from.port + 500);
    src_invite(play->src, NULL);
    CHECK_INT(src_wait(play->src), 200);
    world_run(&play->world, 8000);
    play_end(play);
    check_whole(play);
    CHECK(strstr(play->srs.profile, "\"class\":\"B1\"") != NULL);
    CHECK(strstr(play->srs.profile, "\"port_offset_seen\":null") != NULL);
    play_free(play);
}

int main(void)
{
    RUN(test_open_before_the_answer);
    RUN(test_kept_open_by_what_we_send);
    RUN(test_a_lifetime_that_the_call_shows);
    RUN(test_hold);
    RUN(test_the_ladder_ends_at_a_relay);
    RUN(test_relayed_from_the_start);
    RUN(test_both_ways_are_received);
    RUN(test_our_nat_restarts);
    RUN(test_a_late_mapping);
    RUN(test_a_mapping_ends);
    RUN(test_a_relay_dies);
    RUN(test_a_late_src_finds_its_relay);
    RUN(test_one_relay_for_two_silent_streams);
    RUN(test_from_the_relay_to_the_direct_way);
    RUN(test_a_port_offset);
    RUN(test_a_new_port_is_no_offset);
    return tap_done();
}
