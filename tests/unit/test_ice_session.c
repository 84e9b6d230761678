/* Tests of ice: several streams of ours with a peer that has one agent for all of them, as RFC 8445
 * has it: one role, one tie-breaker; or, as some have it, one for each, which names a pair with each
 * check (RFC 5245 §8.1.1.2) and has done then. The peer is played by hand from §7.2.5.1 and §7.3.1.1.
 * Not here: one stream (test_ice_agent.c, test_ice_rules.c). */
#include "ice/ice.h"
#include "stun/key.h"
#include "stun/server.h"

#include "tap.h"

enum { STREAMS = 3, WIRE = 256 };

#define PEER_PWD "0123456789012345678901"

static struct ice *ours[STREAMS];
static struct ice_session session;
static int64_t now_ms;
static struct rng rng;
static double loss;

struct peer_agent {
    enum ice_role role;
    uint64_t tie_breaker;
};

static struct {
    struct peer_agent agents[STREAMS];
    bool apart;  /* one for each stream; else the first is for all */
    bool speaks; /* it has chosen its tie-breaker */
    struct stun_key *key;
    unsigned conflicts; /* 487s that it sent */
    struct peer_stream {
        struct stun_key *theirs; /* our password */
        char name[32];           /* "ours:theirs" */
        struct stun_transaction asked;
        enum ice_role asked_as;
        bool nominating;       /* the check under way does */
        bool works, nominated; /* its check was answered; the pair is chosen */
        int64_t next_ms;
    } streams[STREAMS];
    uint64_t heard[64]; /* tie-breakers of ours, each once */
    size_t heard_count;
    bool heard_of[STREAMS];
} peer;

static struct {
    int64_t at_ms;
    unsigned stream;
    bool to_us;
    uint8_t bytes[ICE_PACKET_SIZE];
    size_t len;
} wire[WIRE];
static size_t wire_count;

static struct tick now(void)
{
    return (struct tick){now_ms * NS_PER_MS};
}

static void post(unsigned stream, bool to_us, struct view bytes)
{
    if (rng_chance(&rng, loss) || !CHECK(wire_count < WIRE))
        return;
    wire[wire_count].at_ms = now_ms + 1 + rng_below(&rng, 60);
    wire[wire_count].stream = stream;
    wire[wire_count].to_us = to_us;
    wire[wire_count].len = bytes.len;
    memcpy(wire[wire_count++].bytes, bytes.at, bytes.len);
}

/* ---- the peer ------------------------------------------------------------------------------- */

static struct peer_agent *agent_of(unsigned at)
{
    return &peer.agents[peer.apart ? at : 0];
}

static void peer_ask(unsigned at)
{
    struct peer_stream *stream = &peer.streams[at];
    const struct peer_agent *agent = agent_of(at);
    uint8_t bytes[ICE_PACKET_SIZE];
    struct writer w = writer_of(bytes, sizeof bytes);
    stream->asked = stun_transaction_make(&rng);
    stream->asked_as = agent->role;
    stream->nominating =
        (stream->works || peer.apart) && agent->role == ICE_CONTROLLING && !stream->nominated;
    stun_begin(&w, STUN_REQUEST, STUN_BINDING, &stream->asked);
    stun_put(&w, STUN_USERNAME, view_of_string(stream->name));
    stun_put_u32(&w, STUN_PRIORITY, 1853824767);
    stun_put_u64(&w, agent->role == ICE_CONTROLLING ? STUN_ICE_CONTROLLING : STUN_ICE_CONTROLLED,
                 agent->tie_breaker);
    if (stream->nominating)
        stun_put(&w, STUN_USE_CANDIDATE, VIEW_NONE);
    stun_sign(&w, stream->theirs);
    stun_finish(&w, true);
    post(at, true, writer_done(&w));
}

static void peer_turn(struct peer_agent *agent)
{
    agent->role = agent->role == ICE_CONTROLLING ? ICE_CONTROLLED : ICE_CONTROLLING;
}

/* §7.3.1.1, word for word. False: 487. */
static bool peer_agrees(struct peer_agent *agent, const struct stun_message *m)
{
    uint64_t number;
    if (agent->role == ICE_CONTROLLING && stun_read_u64(m, STUN_ICE_CONTROLLING, &number)) {
        if (agent->tie_breaker >= number)
            return false;
        peer_turn(agent);
    } else if (agent->role == ICE_CONTROLLED && stun_read_u64(m, STUN_ICE_CONTROLLED, &number)) {
        if (agent->tie_breaker < number)
            return false;
        peer_turn(agent);
    }
    return true;
}

static void note(const struct stun_message *m)
{
    uint64_t number;
    CHECK(stun_read_u64(m, STUN_ICE_CONTROLLING, &number) ||
          stun_read_u64(m, STUN_ICE_CONTROLLED, &number));
    for (size_t i = 0; i < peer.heard_count; i++) {
        if (peer.heard[i] == number)
            return;
    }
    if (CHECK(peer.heard_count < 64))
        peer.heard[peer.heard_count++] = number;
}

static void peer_asked(unsigned at, const struct stun_message *m)
{
    static const uint16_t known[] = {STUN_PRIORITY, STUN_USE_CANDIDATE};
    const struct addr from = addr_v4(192, 0, 2, 1, (uint16_t)(1000 + at));
    struct peer_stream *stream = &peer.streams[at];
    struct stun_server server = {.key = peer.key, .known = known, .known_count = 2};
    uint8_t bytes[STUN_SERVER_ANSWER_MAX];
    struct writer w = writer_of(bytes, sizeof bytes);
    struct view unused;
    note(m);
    peer.heard_of[at] = true;
    if (!peer.speaks)
        return;
    if (peer_agrees(agent_of(at), m)) {
        CHECK(stun_attribute_find(m, STUN_USERNAME, &server.username));
        (void)stun_server_answer(&server, m, &from, &w);
        if (agent_of(at)->role == ICE_CONTROLLED &&
            stun_attribute_find(m, STUN_USE_CANDIDATE, &unused))
            stream->nominated = true;
    } else {
        peer.conflicts++;
        stun_server_error(m, 487, peer.key, &w);
    }
    post(at, true, writer_done(&w));
}

static void peer_answered(unsigned at, const struct stun_message *m)
{
    struct peer_stream *stream = &peer.streams[at];
    struct peer_agent *agent = agent_of(at);
    if (memcmp(&stream->asked, &m->transaction, sizeof stream->asked) != 0)
        return;
    if (m->class == STUN_SUCCESS) {
        stream->works = true;
        stream->nominated |= stream->nominating;
    } else if (stream->asked_as == agent->role && !stream->nominated) { /* §7.2.5.1 */
        peer_turn(agent);
        if (!peer.apart)
            agent->tie_breaker = rng_u64(&rng);
    }
    if (!stream->nominated)
        stream->next_ms = now_ms;
}

static void peer_hear(unsigned at, struct view bytes)
{
    struct stun_message m;
    if (!CHECK_INT(stun_message_decode(bytes, &m), STUN_DECODED))
        return;
    if (m.class == STUN_REQUEST)
        peer_asked(at, &m);
    else if (m.class != STUN_INDICATION)
        peer_answered(at, &m);
}

/* Where it stands to ours. */
enum place { BELOW, BETWEEN, ABOVE };

static void peer_choose(enum place place)
{
    uint64_t low = UINT64_MAX, high = 0;
    for (size_t i = 0; i < peer.heard_count; i++) {
        low = peer.heard[i] < low ? peer.heard[i] : low;
        high = peer.heard[i] > high ? peer.heard[i] : high;
    }
    for (unsigned i = 0; i < STREAMS; i++)
        peer.agents[i].tie_breaker = place == BELOW   ? 0
                                     : place == ABOVE ? UINT64_MAX
                                                      : low + (high - low) / 2;
    peer.speaks = true;
}

/* ---- both sides ----------------------------------------------------------------------------- */

static void add_stream(unsigned at, enum ice_role role)
{
    struct ice_options options = {.role = role, .components = 1};
    struct candidate here = {.component = 1,
                             .address = addr_v4(192, 0, 2, 1, (uint16_t)(1000 + at))};
    struct candidate there = {.component = 1,
                              .priority = 2130706431,
                              .foundation = "1",
                              .address = addr_v4(198, 51, 100, 1, (uint16_t)(2000 + at))};
    rng_bytes(&rng, options.seed, sizeof options.seed);
    ice_destroy(ours[at]);
    stun_key_destroy(peer.streams[at].theirs);
    peer.streams[at] = (struct peer_stream){.next_ms = now_ms};
    ours[at] = ice_create(&options);
    CHECK(ice_add_local(ours[at], here, (struct ice_base){at}, UINT16_MAX));
    CHECK(ice_set_remote(ours[at], now(), VIEW_LIT("peer"), VIEW_LIT(PEER_PWD), false));
    CHECK(ice_add_remote(ours[at], now(), &there));
    ice_end_remote(ours[at], now());
    ice_join(ours[at], &session);
    peer.streams[at].theirs = stun_key_create_short(view_of_string(ice_pwd(ours[at])));
    (void)snprintf(peer.streams[at].name, sizeof peer.streams[at].name, "%s:peer",
                   ice_ufrag(ours[at]));
}

static void finish(void)
{
    for (unsigned i = 0; i < STREAMS; i++) {
        ice_destroy(ours[i]);
        stun_key_destroy(peer.streams[i].theirs);
        ours[i] = NULL;
    }
    stun_key_destroy(peer.key);
    memset(&peer, 0, sizeof peer);
    session = (struct ice_session){0};
    wire_count = 0;
}

static void begin(uint64_t seed, enum ice_role role, double lost)
{
    finish();
    rng_init_number(&rng, seed);
    loss = lost;
    now_ms = 1000;
    for (unsigned i = 0; i < STREAMS; i++)
        peer.agents[i].role = role;
    peer.key = stun_key_create_short(VIEW_LIT(PEER_PWD));
}

static void deliver(void)
{
    for (size_t i = 0; i < wire_count;) {
        if (wire[i].at_ms > now_ms) {
            i++;
            continue;
        }
        uint8_t bytes[ICE_PACKET_SIZE];
        size_t len = wire[i].len;
        unsigned at = wire[i].stream;
        bool to_us = wire[i].to_us;
        struct ice_path via = {{at}, addr_v4(198, 51, 100, 1, (uint16_t)(2000 + at))};
        memcpy(bytes, wire[i].bytes, len);
        wire[i] = wire[--wire_count];
        if (to_us)
            (void)ice_input(ours[at], now(), &via, view_of(bytes, len));
        else
            peer_hear(at, view_of(bytes, len));
    }
}

static void run(int64_t ms)
{
    for (int64_t end = now_ms + ms; now_ms < end; now_ms++) {
        deliver();
        for (unsigned i = 0; i < STREAMS; i++) {
            struct ice_packet packet;
            struct peer_stream *stream = &peer.streams[i];
            if (!ours[i])
                continue;
            if (tick_due(ice_deadline(ours[i]), now()))
                ice_expire(ours[i], now());
            while (ice_output(ours[i], now(), &packet))
                post(i, false, packet.bytes);
            bool waits = stream->works && agent_of(i)->role == ICE_CONTROLLED;
            if (!peer.speaks || now_ms < stream->next_ms || (!peer.apart && stream->nominated) ||
                (waits && !stream->nominated))
                continue;
            stream->next_ms = now_ms + (stream->nominated ? 5000 : 200); /* RFC 7675 §5.1 */
            peer_ask(i);
        }
    }
}

static void check_settled(uint64_t seed, unsigned streams)
{
    int before = tap_failed_checks;
    for (unsigned i = 0; i < streams; i++) {
        CHECK_INT(ice_status(ours[i]).state, ICE_STATE_COMPLETED);
        CHECK(peer.streams[i].nominated);
        CHECK(ice_status(ours[i]).role != agent_of(i)->role);
    }
    if (tap_failed_checks != before)
        printf("# seed %" PRIu64 "\n", seed);
}

static void check_numbers(void)
{
    /* §16.1: one number for all streams, and another only after a 487. */
    CHECK(peer.heard_count <= 1 + peer.conflicts);
}

/* ---- the tests ------------------------------------------------------------------------------ */

static void play(uint64_t seed, enum ice_role role, enum place place)
{
    begin(seed, role, seed % 2 ? 0.0 : 0.05);
    add_stream(0, role);
    add_stream(1, role);
    for (int i = 0; i < 100 && !(peer.heard_of[0] && peer.heard_of[1]); i++)
        run(100);
    peer_choose(place);
    run(20000);
    check_settled(seed, 2);
    check_numbers();
}

static void test_a_peer_with_one_agent_for_two_streams(void)
{
    for (uint64_t seed = 1; seed <= 100; seed++) {
        for (int place = BELOW; place <= ABOVE; place++) {
            play(seed, ICE_CONTROLLED, (enum place)place);
            play(seed, ICE_CONTROLLING, (enum place)place);
        }
    }
}

/* A re-INVITE adds a stream, then another stream restarts: no role is chosen again. */
static void test_later_agents_take_the_role(void)
{
    for (uint64_t seed = 1; seed <= 100; seed++) {
        play(seed, ICE_CONTROLLED, BELOW);
        CHECK_INT(peer.agents[0].role, ICE_CONTROLLED);
        unsigned conflicts = peer.conflicts;
        peer.agents[0].tie_breaker =
            UINT64_MAX; /* ours would lose if there was anything to decide */
        add_stream(2, ICE_CONTROLLED);
        CHECK_INT(ice_status(ours[2]).role, ICE_CONTROLLING);
        run(20000);
        check_settled(seed, 3);
        add_stream(0, ICE_CONTROLLED);
        run(20000);
        check_settled(seed, 3);
        CHECK_INT(peer.conflicts, conflicts);
    }
}

/* Ours lies between the numbers of its agents: no role of ours fits them all. */
static void test_a_peer_with_an_agent_for_each_stream(void)
{
    for (uint64_t seed = 1; seed <= 200; seed++) {
        enum ice_role role = seed % 4 < 2 ? ICE_CONTROLLED : ICE_CONTROLLING;
        begin(seed, role, seed % 2 ? 0.0 : 0.05);
        for (unsigned i = 0; i < STREAMS; i++) {
            add_stream(i, role);
            peer.agents[i].tie_breaker = (seed + i) % 3 ? UINT64_MAX : 0;
        }
        peer.apart = peer.speaks = true;
        run(60000);
        check_settled(seed, STREAMS);
    }
}

int main(void)
{
    RUN(test_a_peer_with_one_agent_for_two_streams);
    RUN(test_later_agents_take_the_role);
    RUN(test_a_peer_with_an_agent_for_each_stream);
    finish();
    return tap_done();
}
