/* A stream with an ICE agent: checks answered on its socket, RTP taken from paths that proved
 * themselves, RTCP on the chosen one alone, restarts, and what strangers can make it send.
 * RFC 8445 §7.3, §9, §12; 7675. */
#include "ice/ice.h"
#include "media/media.h"
#include "stun/key.h"

#include "base/metrics.h"
#include "tap.h"

static const struct wall noon = {INT64_C(1772366400) * NS_PER_S};
static struct media *media;
static struct tick now;
static struct ice *peer;
static unsigned selected, silenced, firsts, checks, reports, suspicions;
static struct addr reported_to, checked_from;
static uint32_t our_base; /* the socket that the peer's packets come by */
static enum way_reason gap_why;
static unsigned gap_ms;

static const struct addr *src(void)
{
    static struct addr a;
    a = addr_v4(192, 0, 2, 9, 5000);
    return &a;
}

static struct addr ours(void)
{
    return addr_v4(192, 0, 2, 1, 4000);
}

static struct ice *agent(enum ice_role role, uint8_t seed, const struct addr *address,
                         uint32_t base)
{
    struct ice_options options = {.role = role, .components = 1};
    memset(options.seed, seed, sizeof options.seed);
    struct ice *ice = ice_create(&options);
    CHECK(ice_add_local(ice, (struct candidate){.component = 1, .address = *address},
                        (struct ice_base){base}, UINT16_MAX));
    return ice;
}

static void introduce(struct ice *to, const struct ice *of, const struct addr *at)
{
    struct candidate c = {
        .component = 1, .address = *at, .priority = 2130706431, .foundation = "1"};
    CHECK(
        ice_set_remote(to, now, view_of_string(ice_ufrag(of)), view_of_string(ice_pwd(of)), false));
    if (addr_is_set(at))
        CHECK(ice_add_remote(to, now, &c));
    ice_end_remote(to, now);
}

static void stream_at(uint8_t port, struct ice *ice, bool stays, bool listed)
{
    struct media_command c = {.kind = MEDIA_STREAM, .recording = {1}, .at = noon};
    c.stream = (struct media_stream_facts){
        .stream = port,
        .port = port,
        .generation = 7,
        .rtcp_mux = true,
        .listed = listed,
        .bound = ours(),
        .advertised = ours(),
        .offered = addr_v4(10, 0, 0, 9, 5000), /* behind a NAT */
        .signalled = addr_v4(203, 0, 113, 1, 5060),
        .codec_count = 1,
        .codecs = {{.payload_type = 0, .clock_hz = 8000}},
        .ice = ice,
        .ice_stays = stays,
        .way.relay.held = MEDIA_SOCKET_IS_RELAY(our_base),
    };
    media_command(media, now, &c);
}

static void stream(struct ice *ice, bool stays, bool listed)
{
    stream_at(0, ice, stays, listed);
}

static void begin(void)
{
    struct media_config config = {.recordings = 2,
                                  .streams = 4,
                                  .ports = 8,
                                  .relays = 1,
                                  .silent_after_ms = 5000,
                                  .linger_ms = 200,
                                  .linger_max_ms = 2000,
                                  .apart_max = 65536};
    media = media_create(&config);
    now = (struct tick){NS_PER_S};
    media_clock(media, &(struct moment){now, noon});
    selected = silenced = firsts = checks = reports = suspicions = gap_ms = 0;
    media_command(media, now,
                  &(struct media_command){.kind = MEDIA_OPEN, .recording = {1}, .at = noon});
}

static void end(void)
{
    media_destroy(media);
    ice_destroy(peer);
    peer = NULL;
}

static void input(struct view bytes, const struct addr *from)
{
    struct datagram d = {.socket = our_base,
                         .from = *from,
                         .to = ours(),
                         .at = {noon.ns + now.ns - NS_PER_S},
                         .bytes = bytes};
    CHECK_INT(media_input(media, now, &d, 1), 1);
}

static void drain(void)
{
    struct media_write write;
    struct media_event event;
    while (media_write(media, &write))
        ;
    while (media_event(media, &event)) {
        selected += event.kind == MEDIA_EVENT_ICE && event.ice.kind == MEDIA_ICE_SELECTED;
        silenced += event.kind == MEDIA_EVENT_ICE && event.ice.kind == MEDIA_ICE_CONSENT_LOST;
        firsts += event.kind == MEDIA_EVENT_FIRST;
        if (event.kind == MEDIA_EVENT_GAP) {
            gap_why = event.reason;
            gap_ms = event.duration_ms;
        }
    }
    struct media_relay_want want;
    while (media_relay_want(media, &want))
        suspicions += want.kind == MEDIA_RELAY_SUSPECT;
}

/* What media sends: STUN to the peer if it is heard, RTCP counted. */
static void output(bool heard)
{
    struct media_packet packet;
    while (media_output(media, now, &packet)) {
        struct ice_path via = {{9}, ours()};
        bool is_stun = (unsigned char)packet.bytes.at[0] < 4;
        checks += is_stun && packet.bytes.at[0] == 0;
        if (is_stun && packet.bytes.at[0] == 0)
            checked_from = packet.from;
        reports += !is_stun;
        if (!is_stun)
            reported_to = packet.to;
        if (is_stun && heard && addr_equal(&packet.to, src()))
            (void)ice_input(peer, now, &via, packet.bytes);
    }
}

static void pass_ms(int ms, bool heard)
{
    for (int i = 0; i < ms; i += 20) {
        struct ice_packet packet;
        now = tick_add_ms(now, 20);
        if (tick_due(media_deadline(media), now))
            media_expire(media, now);
        if (heard) {
            ice_expire(peer, now);
            while (ice_output(peer, now, &packet))
                input(packet.bytes, src());
        }
        output(heard);
        drain();
    }
}

static void rtp(uint16_t seq, const struct addr *from)
{
    char bytes[172] = {(char)0x80};
    bytes[2] = (char)(seq >> 8);
    bytes[3] = (char)seq;
    input(view_of(bytes, sizeof bytes), from);
    drain();
}

static void talk_ms(uint16_t *seq, int ms)
{
    for (int i = 0; i < ms; i += 20) {
        rtp((*seq)++, src());
        pass_ms(20, true);
    }
}

/* A stream of a listed SRC's, whose agent and ours know of each other. */
static struct ice *begin_with_peer(void)
{
    struct addr at = ours();
    begin();
    peer = agent(ICE_CONTROLLING, 1, src(), 9);
    struct ice *mine = agent(ICE_CONTROLLED, 2, &at, our_base);
    introduce(peer, mine, &at);
    introduce(mine, peer, src());
    stream(mine, true, true);
    return mine;
}

static void test_media_only_where_checks_lead(void)
{
    struct addr other = addr_v4(198, 51, 100, 66, 6000);
    (void)begin_with_peer();
    output(false);
    CHECK_INT(reports, 0); /* nothing but checks before a path is chosen */
    pass_ms(3000, true);
    CHECK_INT(selected, 1);
    rtp(1, src()); /* at once, though SDP names another address */
    CHECK_INT(firsts, 1);
    rtp(1, &other);
    CHECK_INT(firsts, 1);
    pass_ms(10000, true);
    CHECK(reports > 0 && addr_equal(&reported_to, src()));
    CHECK_INT(silenced, 0);
    reports = 0;
    pass_ms(40000, false); /* RFC 7675: 30 s without an answer, then nothing more */
    CHECK_INT(silenced, 1);
    reports = 0;
    pass_ms(20000, false);
    CHECK_INT(reports, 0);
    end();
}

/* What media and the peer's two agents say to each other. */
static void exchange(struct ice *const peers[2])
{
    struct addr at = ours();
    struct media_packet packet;
    struct ice_packet theirs;
    if (tick_due(media_deadline(media), now))
        media_expire(media, now);
    for (uint8_t i = 0; i < 2; i++) {
        ice_expire(peers[i], now);
        while (ice_output(peers[i], now, &theirs)) {
            struct datagram d = {.socket = MEDIA_SOCKET(i, false),
                                 .from = addr_with_port(*src(), (uint16_t)(5000 + i)),
                                 .to = at,
                                 .at = noon,
                                 .bytes = theirs.bytes};
            CHECK_INT(media_input(media, now, &d, 1), 1);
        }
    }
    while (media_output(media, now, &packet)) {
        struct ice_path via = {{9}, at};
        if ((unsigned char)packet.bytes.at[0] < 4)
            (void)ice_input(peers[packet.to.port - 5000], now, &via, packet.bytes);
    }
    drain();
}

/* Its streams are one session (RFC 8445 §16.1), as a peer with one agent for both takes them. */
static void test_the_streams_of_a_call_come_to_one_role(void)
{
    struct addr at = ours();
    for (uint8_t seed = 1; seed <= 60; seed++) {
        struct ice *peers[2];
        struct ice_session theirs = {0};
        begin();
        for (uint8_t i = 0; i < 2; i++) {
            struct addr there = addr_with_port(*src(), (uint16_t)(5000 + i));
            struct ice *mine =
                agent(ICE_CONTROLLED, (uint8_t)(4 * seed + i), &at, MEDIA_SOCKET(i, false));
            peers[i] = agent(ICE_CONTROLLED, (uint8_t)(4 * seed + 2 + i), &there, 9);
            ice_join(peers[i], &theirs);
            introduce(peers[i], mine, &at);
            introduce(mine, peers[i], &there);
            stream_at(i, mine, true, true);
        }
        for (unsigned i = 0; i < 150; i++) {
            now = tick_add_ms(now, 20);
            exchange(peers);
        }
        if (!CHECK_INT(selected, 2) || !CHECK_INT(theirs.turns <= 1, true))
            printf("# seed %u\n", (unsigned)seed);
        ice_destroy(peers[0]);
        ice_destroy(peers[1]);
        end();
    }
}

static void test_a_restart_and_a_return_to_none(void)
{
    struct addr at = ours();
    (void)begin_with_peer();
    pass_ms(3000, true);
    CHECK_INT(selected, 1);
    ice_restart(peer);
    struct ice *again = agent(ICE_CONTROLLED, 3, &at, MEDIA_SOCKET(0, false));
    introduce(peer, again, &at);
    introduce(again, peer, src());
    stream(again, true, true);
    reports = 0;
    pass_ms(3000, true);
    CHECK_INT(selected, 2);
    rtp(1, src());
    CHECK_INT(firsts, 1);
    stream(NULL, false, true); /* a re-INVITE without ICE */
    CHECK(!media_is_hurried(media));
    end();
}

/* The path leads through a relay. Once nothing comes its server is asked whether it lives, again after two
 * seconds; not while packets come, nor on hold. When it is gone ICE begins anew elsewhere, and that is
 * why something is missing. */
static void test_a_relay_that_dies(void)
{
    struct addr at = ours();
    uint16_t seq = 1;
    our_base = MEDIA_RELAY(0);
    (void)begin_with_peer();
    pass_ms(3000, true);
    CHECK_INT(selected, 1);
    CHECK_INT(suspicions, 0);
    talk_ms(&seq, 3000);
    CHECK_INT(suspicions, 0);
    pass_ms(400, true);
    CHECK_INT(suspicions, 1);
    pass_ms(1000, true);
    CHECK_INT(suspicions, 1);
    talk_ms(&seq, 100);
    pass_ms(2000, true);
    CHECK_INT(suspicions, 2);
    struct media_relay_event lost = {.kind = MEDIA_RELAY_LOST};
    media_relay_event(media, now, &lost);
    our_base = MEDIA_SOCKET(0, false);
    ice_restart(peer);
    struct ice *again = agent(ICE_CONTROLLED, 3, &at, our_base);
    introduce(peer, again, &at);
    introduce(again, peer, src());
    stream(again, true, true);
    pass_ms(3000, true);
    CHECK_INT(selected, 2);
    talk_ms(&seq, 1000);
    CHECK(gap_ms >= 4900 && gap_ms <= 5100);
    CHECK(strcmp(way_reason_name(gap_why), "relay-lost") == 0);
    pass_ms(1000, true);
    CHECK_INT(suspicions, 2);
    end();
}

/* An SRC that is not in sip.allow names an address that never answers. */
static void test_a_stranger_makes_us_send_little(void)
{
    struct addr at = ours(), victim = addr_v4(198, 51, 100, 7, 53);
    begin();
    peer = agent(ICE_CONTROLLING, 1, src(), 9);
    struct ice *mine = agent(ICE_CONTROLLED, 2, &at, MEDIA_SOCKET(0, false));
    introduce(mine, peer, &victim);
    for (uint16_t port = 1000; port < 1031; port++) {
        struct candidate c = {
            .component = 1, .priority = port, .address = victim, .foundation = "x"};
        c.address.port = port;
        (void)ice_add_remote(mine, now, &c);
    }
    int64_t held = metric_value(METRIC_ICE_CHECKS_HELD);
    stream(mine, true, false);
    pass_ms(30000, false);
    CHECK_INT(checks, 20);
    CHECK_INT(reports, 0);
    CHECK(metric_value(METRIC_ICE_CHECKS_HELD) > held);
    end();
}

/* Checks for mine with the right names and a wrong password. */
static void flood(struct ice *mine, unsigned count, const struct addr *from)
{
    char username[64];
    uint8_t bytes[256];
    snprintf(username, sizeof username, "%s:%s", ice_ufrag(mine), ice_ufrag(peer));
    struct stun_key *key = stun_key_create_short(VIEW_LIT("not the password of anybody"));
    for (unsigned i = 0; i < count; i++) {
        struct stun_transaction id = {{(uint8_t)i, (uint8_t)(i >> 8)}};
        struct writer w = writer_of(bytes, sizeof bytes);
        stun_begin(&w, STUN_REQUEST, STUN_BINDING, &id);
        stun_put(&w, STUN_USERNAME, view_of_string(username));
        stun_put_u32(&w, STUN_PRIORITY, 1);
        stun_put_u64(&w, STUN_ICE_CONTROLLING, 1);
        stun_sign(&w, key);
        stun_finish(&w, true);
        input(writer_done(&w), from);
        output(false);
    }
    stun_key_destroy(key);
}

/* Each costs an HMAC: not for long. */
static void test_a_flood_of_wrong_signatures(void)
{
    struct addr at = ours();
    begin();
    peer = agent(ICE_CONTROLLING, 1, src(), 9);
    struct ice *mine = agent(ICE_CONTROLLED, 2, &at, MEDIA_SOCKET(0, false));
    introduce(mine, peer, src());
    stream(mine, true, true);
    int64_t refused = metric_value(METRIC_STUN_REFUSED), over = metric_value(METRIC_STUN_FLOODED);
    flood(mine, 500, src());
    CHECK_INT(metric_value(METRIC_STUN_REFUSED) - refused, 50);
    CHECK_INT(metric_value(METRIC_STUN_FLOODED) - over, 450);
    CHECK_INT(selected, 0);
    rtp(1, src()); /* and nothing is believed for it */
    CHECK_INT(firsts, 0);
    end();
}

/* RFC 7675 §5.1: 30 s without an answer and nothing may be sent any more. A stranger who floods the port
 * all the time does not bring that about. */
static void test_a_flood_does_not_end_consent(void)
{
    struct addr stranger = addr_v4(198, 51, 100, 66, 6666);
    struct ice *mine = begin_with_peer();
    pass_ms(1000, true);
    CHECK_INT(selected, 1);
    for (unsigned ms = 0; ms < 60000; ms += 500) {
        flood(mine, 60, &stranger);
        pass_ms(500, true);
    }
    CHECK_INT(silenced, 0);
    end();
}

/* The port of the other family: checks leave from where it is bound now, and none does once the stream
 * has it no more, whosever its number is then. */
static void test_the_port_of_the_other_family(void)
{
    struct media_command c = {.kind = MEDIA_STREAM, .recording = {1}, .at = noon};
    struct addr at[2], there;
    CHECK(addr_parse(VIEW_LIT("[2001:db8::1]:4006"), 0, &at[0]));
    CHECK(addr_parse(VIEW_LIT("[2001:db8::2]:4006"), 0, &at[1]));
    CHECK(addr_parse(VIEW_LIT("[2001:db8::9]:5000"), 0, &there));
    begin();
    peer = agent(ICE_CONTROLLED, 1, &there, 9);
    struct ice *mine = agent(ICE_CONTROLLING, 2, &at[0], MEDIA_SOCKET(3, false));
    introduce(mine, peer, &there);
    stream(mine, true, true);
    c.stream = (struct media_stream_facts){
        .generation = 7,
        .rtcp_mux = true,
        .listed = true,
        .bound = ours(),
        .advertised = ours(),
        .signalled = addr_v4(203, 0, 113, 1, 5060),
        .ice_stays = true,
        .second = {.held = true, .port = 3, .generation = 1},
    };
    for (unsigned i = 0; i < 2; i++) {
        struct media_command copy = c;
        copy.stream.second.bound = at[i];
        media_command(media, now, &copy);
        checks = 0;
        pass_ms(1000, false);
        CHECK(checks > 0);
        CHECK(addr_equal(&checked_from, &at[i]));
    }
    c.stream.second.held = false;
    media_command(media, now, &c);
    checks = 0;
    pass_ms(2000, false);
    CHECK_INT(checks, 0);
    end();
}

int main(void)
{
    RUN(test_the_port_of_the_other_family);
    RUN(test_media_only_where_checks_lead);
    RUN(test_the_streams_of_a_call_come_to_one_role);
    RUN(test_a_restart_and_a_return_to_none);
    RUN(test_a_relay_that_dies);
    RUN(test_a_stranger_makes_us_send_little);
    RUN(test_a_flood_of_wrong_signatures);
    RUN(test_a_flood_does_not_end_consent);
    return tap_done();
}
