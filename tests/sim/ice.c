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

static void trickle(struct src *src)
{
    src->headers = "Supported: trickle-ice\r\n";
    for (unsigned i = 0; i < 2; i++) {
        char *extra = src->streams[i].extra;
        (void)snprintf(extra + strlen(extra), sizeof src->streams[i].extra - strlen(extra),
                       "a=mid:%u\r\na=ice-options:trickle\r\n", i);
    }
}

static struct play *begin(uint64_t seed, const struct srs_options *options)
{
    struct play *play = play_begin(seed, options);
    give_ice(play->a, "srcA");
    give_ice(play->b, "srcB");
    return play;
}

/* Behind a NAT with STUN, in whose profile no path is certain. */
static struct srs_options natted(void)
{
    struct nat_behaviour nat = {.mapping = NAT_MAPPING_INDEPENDENT,
                                .filtering = NAT_FILTERING_ADDRESS_PORT};
    return (struct srs_options){.profiles = srs_behind(&nat), .seen = SRS_OUTSIDE};
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

/* Checks find nothing and go on for half a minute: that nothing comes, and the likeliest reason, is
 * told long before. */
static void test_no_check_is_answered(void)
{
    struct srs_options options = natted();
    struct play *play = begin(3, &options);
    CHECK(src_connect(play->src, NULL));
    world_run(&play->world, 12000);
    play_end(play);
    for (unsigned i = 0; i < 2; i++) {
        const json_t *verdict = play_verdict(play, i);
        CHECK_TEXT(play_text(play_stream(play, i), "path"), "none");
        CHECK(json_is_true(json_object_get(verdict, "ice")));
        CHECK_INT(play_trail(play, i, "silent"), 1);
        const json_t *trail = json_object_get(verdict, "trail");
        const json_t *last = json_array_get(trail, json_array_size(trail) - 1);
        CHECK_TEXT(play_text(last, "event"), "silent");
        CHECK(play_number(last, "t_ms") >= 4900 && play_number(last, "t_ms") < 5500);
        CHECK(strstr(play_text(json_object_get(verdict, "unreachable"), "reason"), "ICE") != NULL);
    }
    CHECK_INT(play_count(play, "warnings", "code", "unreachable"), 2);
    play_free(play);
}

/* Checks have found nothing, and now a relay stands ready: the worker knows before the SRC is asked
 * to begin anew with it, and gives it back with the call when the SRC will not have that. */
static void test_a_relay_that_is_refused(void)
{
    struct srs_options options = natted();
    struct play *play = begin(2, &options);
    CHECK(src_connect(play->src, NULL));
    play->src->reply = 488;
    play->srs.stingy = true; /* no other port: nothing but a relay can help */
    srs_hear_ice(&play->srs, MEDIA_ICE_FAILED, 0);
    world_run(&play->world, 1000);
    unsigned offers = play->src->reinvites + play->src->updates;
    srs_relay(&play->srs, 0, false);
    CHECK(play->srs.ways[0].relay.held);
    CHECK_INT(play->src->reinvites + play->src->updates, offers);
    world_run(&play->world, 2000);
    CHECK_INT(play->src->reinvites + play->src->updates, offers + 1);
    CHECK_INT(play->srs.gate.relays[0].released, 0);
    play_end(play);
    CHECK_INT(play->srs.gate.relays[0].released, 1);
    play_free(play);
}

/* The relay that carries the stream dies: ICE begins anew, and what the offer names by default is the
 * relay that is left, not the dead one (RFC 8839 §4.2.3: the likeliest to work). */
static void test_a_relay_that_dies(void)
{
    struct nat_behaviour nat = {.mapping = NAT_MAPPING_ADDRESS_PORT,
                                .filtering = NAT_FILTERING_ADDRESS_PORT};
    struct srs_options options = {.profiles = srs_behind(&nat), .relays = 2};
    struct play *play = begin(8, &options);
    play->b->removed = true;
    CHECK(src_connect(play->src, NULL));
    CHECK(strstr(play->src->answer, "c=IN IP4 203.0.113.60\r\n") != NULL);
    uint16_t port = play->a->to.port;
    srs_hear_ice_by(&play->srs, CANDIDATE_RELAYED, 0);
    srs_relay(&play->srs, port - 49152u, true);
    world_run(&play->world, 1000);
    CHECK_INT(play->src->reinvites, 1);
    CHECK(play->a->to.port != port);
    CHECK(strstr(play->src->asked, "c=IN IP4 203.0.113.60\r\n") != NULL);
    char dead[64];
    (void)snprintf(dead, sizeof dead, "203.0.113.60 %u ", port);
    CHECK(strstr(play->src->asked, dead) == NULL);
    play_end(play);
    CHECK_INT(play_trail(play, 0, "relay-lost"), 1);
    play_free(play);
}

/* The path of before a restart says nothing of what comes after it: a relay that comes meanwhile is
 * needed, and that nothing was found is news. */
static void test_a_restart_finds_nothing(void)
{
    struct srs_options options = natted();
    struct play *play = begin(3, &options);
    CHECK(src_connect(play->src, NULL));
    srs_hear_ice(&play->srs, MEDIA_ICE_SELECTED, 0);
    srs_hear_ice(&play->srs, MEDIA_ICE_SELECTED, 1);
    srs_relay(&play->srs, 0, false);
    CHECK(!play->srs.ways[0].relay.held && !play->srs.ways[1].relay.held);
    srs_hear_ice(&play->srs, MEDIA_ICE_FAILED, 0); /* RTCP's */
    give_ice(play->a, "newA");
    src_invite(play->src, NULL);
    CHECK_INT(src_wait(play->src), 200);
    srs_relay(&play->srs, 1, false);
    CHECK(play->srs.ways[0].relay.held && !play->srs.ways[1].relay.held);
    world_run(&play->world, 1000);
    unsigned offers = play->src->reinvites;
    srs_hear_ice(&play->srs, MEDIA_ICE_FAILED, 0);
    world_run(&play->world, 1000);
    CHECK_INT(play->src->reinvites, offers + 1);
    play_end(play);
    CHECK_INT(play_count(play, "warnings", "code", "ice-failed"), 1);
    play_free(play);
}

static uint16_t port_of(const char *sdp)
{
    const char *line = strstr(sdp, "m=audio ");
    return (uint16_t)(line ? atoi(line + 8) : 0);
}

static bool read_ufrag(const char *sdp, char ufrag[64])
{
    const char *line = strstr(sdp, "a=ice-ufrag:");
    return line && sscanf(line, "a=ice-ufrag:%63s", ufrag) == 1;
}

/* Checks find nothing, and there is no relay: our NAT may have given the port away. ICE begins anew at
 * another one that stands ready, for this stream alone; and once more, but not for ever. */
static void test_another_port_where_nothing_is_found(void)
{
    struct srs_options options = natted();
    struct play *play = begin(9, &options);
    char ufrag[64] = "", again[64] = "";
    CHECK(src_connect(play->src, NULL));
    uint16_t first = play->a->to.port, second = play->b->to.port;
    CHECK(read_ufrag(play->src->answer, ufrag));
    srs_hear_ice(&play->srs, MEDIA_ICE_SELECTED, 1);
    srs_hear_ice(&play->srs, MEDIA_ICE_FAILED, 0);
    world_run(&play->world, 1000);
    CHECK_INT(play->src->reinvites, 1);
    CHECK(port_of(play->src->asked) != first && play->a->to.port != first);
    CHECK_INT(play->b->to.port, second);
    CHECK(read_ufrag(play->src->asked, again) && strcmp(ufrag, again) != 0);
    char shut[64];
    (void)snprintf(shut, sizeof shut, " 203.0.113.9 %u typ srflx", first);
    CHECK(strstr(play->src->asked, shut) == NULL);
    for (unsigned i = 0; i < 4; i++) {
        srs_hear_ice(&play->srs, MEDIA_ICE_FAILED, 0);
        world_run(&play->world, 1000);
    }
    CHECK_INT(play->src->reinvites, 2);
    play_end(play);
    CHECK_INT(play_count(play, "warnings", "code", "ice-failed"), 1);
    play_free(play);
}

/* Somebody on the way has rewritten the m-line: no ICE (RFC 8839 §4.2.5), and the ladder is climbed as
 * for any SRC without it. No offer of ours speaks of ICE again. */
static void test_a_mismatch_climbs_the_ladder(void)
{
    struct srs_options options = natted();
    options.relays = 2;
    struct play *play = play_begin(10, &options);
    give_ice(play->a, "srcA");
    play->b->removed = true;
    play->a->from.port += 2; /* its m-line; and nothing comes from there */
    CHECK(src_connect(play->src, NULL));
    CHECK(strstr(play->src->answer, "a=ice-mismatch") != NULL);
    CHECK(strstr(play->src->answer, "a=candidate:") == NULL);
    CHECK(strstr(play->src->answer, "typ relay") == NULL);
    uint16_t first = play->a->to.port;
    world_run(&play->world, 4000);
    CHECK_INT(play->src->reinvites, 1);
    CHECK(play->a->to.port != first && addr_equal_ip(&play->a->to, &gate_relayed));
    CHECK(strstr(play->src->asked, "a=ice-ufrag") == NULL &&
          strstr(play->src->asked, "a=candidate:") == NULL);
    src_talk(play->src, true);
    world_run(&play->world, 1000);
    play_end(play);
    CHECK_INT(play_trail(play, 0, "retried"), 1);
    CHECK(play_number(play_stream(play, 0), "packets") > 40);
    play_free(play);
}

/* STUN sees a stream's two ports late: candidates of unlike bases have unlike foundations (RFC 8445
 * §5.1.1.3), and those of one type unlike preferences (§5.1.2.1). */
static void test_both_ports_are_seen_late(void)
{
    struct srs_options options = natted();
    options.seen = (struct addr){0};
    options.dual = true;
    struct play *play = begin(6, &options);
    struct recorder_ticket ticket = {.seen_at = play->world.now};
    char *extra = play->a->extra;
    trickle(play->src);
    (void)snprintf(extra + strlen(extra), sizeof play->a->extra - strlen(extra),
                   "a=candidate:2 1 UDP 2130706175 2001:db8::10 40000 typ host\r\n");
    CHECK(src_connect(play->src, NULL));
    world_run(&play->world, 1000);
    for (unsigned i = 0; i < 2; i++) {
        ticket.port = 1 - i;
        ticket.generation = ticket.port + 1;
        ticket.seen = addr_v4(203, 0, 113, 9, 40000);
        CHECK(!ticket.port || addr_parse(VIEW_LIT("[2001:db8:9::9]:41000"), 0, &ticket.seen));
        recorder_ticket(play->srs.recorder, srs_now(&play->srs), &ticket);
    }
    for (int ms = 0; ms < 1000 && strncmp(play->src->asked, "INFO ", 5) != 0; ms++)
        world_run(&play->world, 1);
    unsigned priority[2] = {0};
    char foundation[2][32] = {"", ""};
    for (const char *at = play->src->asked; (at = strstr(at, "a=candidate:")); at++) {
        char address[64], type[8], name[32];
        unsigned value;
        if (sscanf(at, "a=candidate:%31s 1 UDP %u %63s %*u typ %7s", name, &value, address, type) ==
                4 &&
            strcmp(type, "srflx") == 0) {
            bool v6 = strchr(address, ':') != NULL;
            priority[v6] = value;
            memcpy(foundation[v6], name, sizeof name);
        }
    }
    CHECK(foundation[0][0] && foundation[1][0] && strcmp(foundation[0], foundation[1]) != 0);
    CHECK(priority[0] > 0 && priority[1] > 0 && priority[0] != priority[1]);
    play_end(play);
    play_free(play);
}

/* Two components in two families, seen by STUN, and TCP: twelve candidates without a relay. All are
 * told, and so is a relay: one that stands ready when the SRC is answered, or afterwards. */
static void test_all_candidates_are_told(bool is_late)
{
    struct srs_options options = natted();
    options.dual = true;
    options.tcp_port = 9000;
    options.relays = is_late ? 0 : 1;
    struct play *play = begin(7, &options);
    char *extra = play->a->extra;
    unsigned types[3] = {0}; /* host, srflx, relay */
    struct addr_text ip = addr_print_ip(&play->a->from);
    play->a->mux = false;
    (void)snprintf(extra + strlen(extra), sizeof play->a->extra - strlen(extra),
                   "a=candidate:1 2 UDP 2130706430 %s %u typ host\r\n"
                   "a=candidate:2 1 UDP 2130706175 2001:db8::10 40000 typ host\r\n"
                   "a=candidate:2 2 UDP 2130706174 2001:db8::10 40001 typ host\r\n"
                   "a=candidate:3 1 TCP 2105458943 %s 9 typ host tcptype active\r\n",
                   ip.s, play->a->from.port + 1u, ip.s);
    play->b->removed = true;
    CHECK(src_connect(play->src, NULL));
    if (is_late) {
        srs_relay(&play->srs, 0, false);
        CHECK(play->srs.ways[0].relay.held);
        world_run(&play->world, 1000);
    }
    for (const char *at = play->src->answer; (at = strstr(at, "a=candidate:")); at++) {
        char type[8];
        if (sscanf(at, "a=candidate:%*s %*u %*s %*u %*s %*u typ %7s", type) == 1)
            types[type[0] == 'r' ? 2 : type[0] == 's']++;
    }
    CHECK_INT(types[0], 8);
    CHECK_INT(types[1], 4);
    CHECK_INT(types[2], 1);
    play_end(play);
    play_free(play);
}

static void test_all_candidates_are_told_at_once(void)
{
    test_all_candidates_are_told(false);
}

static void test_all_candidates_are_told_late(void)
{
    test_all_candidates_are_told(true);
}

/* We have no IPv6, and a relay has: an SRC that trickles such a candidate after the answer is told its
 * address then, once, and no other is. */
static void test_a_family_that_is_trickled(void)
{
    static const char fragment[] = "a=ice-ufrag:srcA\r\na=ice-pwd:0123456789abcdef012345\r\n"
                                   "m=audio 9 RTP/AVP 0\r\na=mid:0\r\n"
                                   "a=candidate:%u 1 UDP 2130706175 %s 40000 typ host\r\n";
    static const char *const later[] = {"192.0.2.77", "2001:db8::10", "2001:db8::11"};
    struct srs_options options = natted();
    struct play *play = begin(13, &options);
    struct recorder_relay relay = {.generation = 1,
                                   .relayed = {addr_v4(203, 0, 113, 60, 49152)},
                                   .server_address = addr_v4(203, 0, 113, 50, 3478)};
    CHECK(addr_parse(VIEW_LIT("[2001:db8:9::60]:49152"), 0, &relay.relayed[1]));
    recorder_relay(play->srs.recorder, srs_now(&play->srs), &relay);
    trickle(play->src);
    CHECK(src_connect(play->src, NULL));
    world_run(&play->world, 1000);
    for (unsigned i = 0; i < 3; i++) {
        char body[300];
        (void)snprintf(body, sizeof body, fragment, i + 2, later[i]);
        play->src->asked[0] = '\0';
        src_request(play->src, "INFO", "application/trickle-ice-sdpfrag", body);
        world_run(&play->world, 1000);
        bool told = strstr(play->src->asked, " 2001:db8:9::60 49152 typ relay") != NULL;
        if (!CHECK_INT(told, i == 1))
            printf("# after %s: %s\n", later[i], play->src->asked);
    }
    play_end(play);
    play_free(play);
}

/* The SRC lists INFO and then takes none: what it was to learn by it, it learns by an offer. Nothing is
 * left to tell after that. */
static void test_an_info_is_refused(void)
{
    struct srs_options options = natted();
    options.seen = (struct addr){0}; /* still being asked for */
    struct play *play = begin(4, &options);
    trickle(play->src);
    CHECK(src_connect(play->src, NULL));
    world_run(&play->world, 1000);
    CHECK_INT(play->src->reinvites, 0);
    play->src->asked[0] = 0;
    play->src->reply = 469; /* RFC 6086 §4.2.2: Bad Info Package */
    srs_relay(&play->srs, 0, false);
    for (int ms = 0; ms < 1000 && !play->src->asked[0]; ms++)
        world_run(&play->world, 1);
    CHECK(strncmp(play->src->asked, "INFO ", 5) == 0);
    CHECK(strstr(play->src->asked, " 203.0.113.60 49152 typ relay") != NULL);
    play->src->reply = 0;
    world_run(&play->world, 2000);
    CHECK_INT(play->src->reinvites, 1);
    CHECK(strstr(play->src->answer, " 203.0.113.60 49152 typ relay") != NULL);
    world_run(&play->world, 5000);
    CHECK_INT(play->src->reinvites, 1);
    play_end(play);
    play_free(play);
}

/* What the agent before said while its successor was on its way to the worker. That the path it had
 * answers no more is news all the same: packets come by it for as long as there is no other. */
static void test_the_agent_before_speaks(void)
{
    struct srs_options options = natted();
    struct play *play = begin(5, &options);
    char before[ICE_UFRAG_SIZE];
    CHECK(src_connect(play->src, NULL));
    memcpy(before, play->srs.agents[0], sizeof before);
    give_ice(play->a, "newA");
    src_invite(play->src, NULL);
    CHECK_INT(src_wait(play->src), 200);
    CHECK(strcmp(before, play->srs.agents[0]) != 0);
    memcpy(play->srs.agents[0], before, sizeof before);
    srs_hear_ice(&play->srs, MEDIA_ICE_FAILED, 0);
    srs_hear_ice(&play->srs, MEDIA_ICE_DIRECT, 0);
    srs_hear_ice(&play->srs, MEDIA_ICE_SELECTED, 0);
    srs_hear_ice(&play->srs, MEDIA_ICE_CONSENT_LOST, 0);
    world_run(&play->world, 1000);
    CHECK_INT(play->src->reinvites, 0);
    srs_relay(&play->srs, 0, false); /* the new one has no path yet */
    CHECK(play->srs.ways[0].relay.held);
    play_end(play);
    CHECK_INT(play_count(play, "warnings", "code", "ice-failed"), 0);
    CHECK_INT(play_count(play, "warnings", "code", "ice-consent-lost"), 1);
    play_free(play);
}

/* The address of a stream's port of the other family goes: ICE begins anew without it, and takes
 * another port when there is one again, whether the worker has closed the first or not. */
static void test_the_other_family_goes_and_comes(void)
{
    for (unsigned closed = 0; closed < 2; closed++) {
        struct srs_options options = {.dual = true};
        struct play *play = begin(7, &options);
        struct recorder *recorder = play->srs.recorder;
        struct addr both[] = {addr_v4(198, 51, 100, 20, 0), addr_with_port(play->srs.address6, 0)};
        char *extra = play->a->extra, before[ICE_UFRAG_SIZE];
        (void)snprintf(extra + strlen(extra), sizeof play->a->extra - strlen(extra),
                       "a=candidate:2 1 UDP 2130706175 2001:db8::10 40000 typ host\r\n");
        recorder_here(recorder, srs_now(&play->srs), both, 2);
        CHECK(src_connect(play->src, NULL));
        CHECK(strstr(play->src->answer, " 2001:db8::20 20002 typ host") != NULL);
        memcpy(before, play->srs.agents[0], sizeof before);
        world_run(&play->world, 1000);
        recorder_here(recorder, srs_now(&play->srs), both, 1);
        if (closed)
            recorder_port_closed(recorder, srs_now(&play->srs),
                                 &(struct recorder_port){.port = 1, .generation = 2});
        world_run(&play->world, 1000);
        CHECK_INT(play->src->reinvites, 1);
        CHECK(strstr(play->src->answer, " 2001:db8::20 ") == NULL);
        CHECK(strstr(play->src->answer, " 198.51.100.20 ") != NULL);
        CHECK(strcmp(before, play->srs.agents[0]) != 0);
        recorder_here(recorder, srs_now(&play->srs), both, 2);
        world_run(&play->world, 1000);
        give_ice(play->a, "newA");
        (void)snprintf(extra + strlen(extra), sizeof play->a->extra - strlen(extra),
                       "a=candidate:2 1 UDP 2130706175 2001:db8::10 40000 typ host\r\n");
        src_invite(play->src, NULL);
        CHECK_INT(src_wait(play->src), 200);
        CHECK(strstr(play->src->answer, " 2001:db8::20 ") != NULL);
        CHECK(strstr(play->src->answer, " 2001:db8::20 20002 ") == NULL);
        play_end(play);
        play_free(play);
    }
}

/* Another address of the other family is there instead of the first, and a port of it: 201. */
static void move_the_other_family(struct play *play, unsigned reply)
{
    struct recorder *recorder = play->srs.recorder;
    struct addr all[] = {addr_v4(198, 51, 100, 20, 0), addr_with_port(play->srs.address6, 0),
                         addr_with_port(play->srs.address6, 0)};
    char *extra = play->a->extra;
    all[2].ip[15] = 0x21;
    (void)snprintf(extra + strlen(extra), sizeof play->a->extra - strlen(extra),
                   "a=candidate:2 1 UDP 2130706175 2001:db8::10 40000 typ host\r\n");
    recorder_here(recorder, srs_now(&play->srs), all, 2);
    CHECK(src_connect(play->src, NULL));
    CHECK(strstr(play->src->answer, " 2001:db8::20 20002 typ host") != NULL);
    world_run(&play->world, 1000);
    play->src->reply = reply;
    all[1] = all[2];
    struct recorder_ticket ticket = {.is_new = true,
                                     .port = 201,
                                     .generation = 999,
                                     .bound = addr_with_port(all[1], 30000),
                                     .bound_rtcp = addr_with_port(all[1], 30001)};
    play->srs.port_used[201] = true;
    recorder_ticket(recorder, srs_now(&play->srs), &ticket);
    uint32_t tickets = recorder_usage(recorder).tickets;
    recorder_here(recorder, srs_now(&play->srs), all, 2);
    while (recorder_usage(recorder).tickets == tickets && play->src->reinvites == 0)
        world_run(&play->world, 1);
    /* What STUN shows of it while the offer is out makes no second one of it. */
    tickets = recorder_usage(recorder).tickets;
    ticket.is_new = false;
    ticket.seen_at = play->world.now;
    recorder_ticket(recorder, srs_now(&play->srs), &ticket);
    CHECK_INT(play->src->reinvites, 0);
    CHECK_INT(recorder_usage(recorder).tickets, tickets);
    world_run(&play->world, 1000);
}

static void test_the_other_family_moves(void)
{
    struct srs_options options = {.dual = true};
    struct play *play = begin(8, &options);
    move_the_other_family(play, 0);
    CHECK_INT(play->src->reinvites, 1);
    CHECK(strstr(play->src->answer, " 2001:db8::20 ") == NULL);
    CHECK(strstr(play->src->answer, " 2001:db8::21 30000 typ host") != NULL);
    play_end(play);
    play_free(play);
}

/* A gateway maps a port elsewhere in mid-call, and then no more: ICE begins anew each time, and what
 * was mapped is named no more (RFC 8445 §9). */
static void test_a_mapping_ends(void)
{
    struct srs_options options = natted();
    options.mapped = SRS_OUTSIDE;
    profile_tell_gateway((struct nat_profile *)options.profiles, (struct tick){0},
                         &(struct gateway_status){.external = SRS_OUTSIDE});
    struct play *play = begin(12, &options);
    CHECK(src_connect(play->src, NULL));
    struct addr_text ip = addr_print_ip(&SRS_OUTSIDE);
    char mapped[2][96], ufrag[64] = "";
    uint16_t port = play->a->to.port;
    CHECK(port >= 50000);
    (void)snprintf(mapped[0], sizeof mapped[0], " %s %u typ srflx", ip.s, port);
    (void)snprintf(mapped[1], sizeof mapped[1], " %s 61000 typ srflx", ip.s);
    CHECK(strstr(play->src->answer, mapped[0]) != NULL);
    (void)sscanf(strstr(play->src->answer, "a=ice-ufrag:"), "%63s", ufrag);
    srs_hear_ice(&play->srs, MEDIA_ICE_SELECTED, 0);
    srs_hear_ice(&play->srs, MEDIA_ICE_SELECTED, 1);
    world_run(&play->world, 1000);
    CHECK_INT(play->src->reinvites, 0);
    struct recorder_port of_a = {.generation = 0};
    for (uint32_t i = 0; i < SRS_PORTS && of_a.generation == 0; i++) {
        if (i * 2 + 50000 == port)
            of_a = (struct recorder_port){0, i, i + 1};
    }
    CHECK(of_a.generation > 0);
    /* It stands elsewhere by now. */
    struct addr next[2] = {addr_with_port(SRS_OUTSIDE, 61000), addr_with_port(SRS_OUTSIDE, 61001)};
    CHECK(recorder_ticket_mapped(play->srs.recorder, srs_now(&play->srs), &of_a, next));
    world_run(&play->world, 1000);
    CHECK_INT(play->src->reinvites, 1);
    CHECK(strstr(play->src->asked, "a=ice-ufrag:") && !strstr(play->src->asked, ufrag));
    CHECK(!strstr(play->src->asked, mapped[0]) && strstr(play->src->asked, mapped[1]));
    srs_hear_ice(&play->srs, MEDIA_ICE_SELECTED, 0);
    world_run(&play->world, 3000);
    /* And it is no more. */
    memset(next, 0, sizeof next);
    CHECK(recorder_ticket_mapped(play->srs.recorder, srs_now(&play->srs), &of_a, next));
    world_run(&play->world, 1000);
    CHECK_INT(play->src->reinvites, 2);
    CHECK(strstr(play->src->asked, "a=ice-ufrag:") && !strstr(play->src->asked, mapped[1]));
    play_end(play);
    CHECK_INT(play_trail(play, 0, "address-changed"), 2);
    play_free(play);
}

/* The SRC will not have it: the port that the offer named is nobody else's after that. */
static void test_the_other_family_is_refused(void)
{
    struct srs_options options = {.dual = true};
    struct play *play = begin(9, &options);
    struct recorder *recorder = play->srs.recorder;
    struct recorder_port port = {.port = 201, .generation = 999};
    const struct addr nothing[2] = {{0}};
    move_the_other_family(play, 488);
    CHECK(!recorder_ticket_mapped(recorder, srs_now(&play->srs), &port, nothing));
    CHECK(!play->srs.port_used[201]);
    play_end(play);
    play_free(play);
}

int main(void)
{
    RUN(test_a_mapping_ends);
    RUN(test_all_candidates_are_told_at_once);
    RUN(test_all_candidates_are_told_late);
    RUN(test_a_family_that_is_trickled);
    RUN(test_the_other_family_goes_and_comes);
    RUN(test_the_other_family_moves);
    RUN(test_the_other_family_is_refused);
    RUN(test_both_ports_are_seen_late);
    RUN(test_another_port_where_nothing_is_found);
    RUN(test_a_mismatch_climbs_the_ladder);
    RUN(test_the_agent_before_speaks);
    RUN(test_an_info_is_refused);
    RUN(test_a_restart_finds_nothing);
    RUN(test_no_check_is_answered);
    RUN(test_a_relay_that_is_refused);
    RUN(test_a_relay_that_dies);
    RUN(test_an_agent_speaks_after_its_stream);
    return tap_done();
}
