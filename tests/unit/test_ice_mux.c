/* Tests of ice/mux: whose a datagram is, by its ufrag first, then by its 5-tuple; and two agents on
 * one port, for real.
 * Not here: the agents' own rules (test_ice_rules.c). */
#include "ice/mux.h"
#include "stun/key.h"

#include "tap.h"

static struct rng rng;
static struct tick now;
static uint8_t bytes[512];

static struct ice_path path_of(uint16_t port)
{
    return (struct ice_path){{1}, addr_v4(203, 0, 113, 5, port)};
}

static struct ice_mux *create(size_t agents)
{
    rng_init_number(&rng, 3);
    now = (struct tick){NS_PER_S};
    return ice_mux_create(agents, &rng);
}

static struct view message(enum stun_class class, const char *username, uint8_t id)
{
    struct stun_transaction transaction = {{id}};
    struct writer w = writer_of(bytes, sizeof bytes);
    stun_begin(&w, class, STUN_BINDING, &transaction);
    if (username)
        stun_put(&w, STUN_USERNAME, view_of_string(username));
    stun_finish(&w, true);
    return writer_done(&w);
}

#define RTP VIEW_LIT("\x80\x00rtp rtp rtp")

static void test_requests_by_name_then_path(void)
{
    struct ice_mux *mux = create(4);
    struct ice_mux_agent *a = ice_mux_join(mux, 10), *b = ice_mux_join(mux, 20);
    struct ice_path path = path_of(1000);
    CHECK(ice_mux_name(mux, a, VIEW_LIT("aaaa")));
    CHECK(ice_mux_name(mux, b, VIEW_LIT("bbbb")));
    CHECK(!ice_mux_name(mux, b, VIEW_LIT("aaaa")));
    CHECK(ice_mux_find(mux, &path, message(STUN_REQUEST, "bbbb:peer", 1)) == b);
    CHECK(!ice_mux_find(mux, &path, message(STUN_REQUEST, "cccc:peer", 1)));
    CHECK(!ice_mux_find(mux, &path, message(STUN_REQUEST, "bbb:peer", 1)));
    CHECK(!ice_mux_find(mux, &path, message(STUN_REQUEST, NULL, 1)));
    CHECK(ice_mux_proved(mux, now, a, &path));
    CHECK(ice_mux_find(mux, &path, message(STUN_REQUEST, "bbbb:peer", 1)) == b); /* name first */
    CHECK(ice_mux_find(mux, &path, message(STUN_REQUEST, NULL, 1)) == a);
    CHECK(ice_mux_find(mux, &path, message(STUN_INDICATION, NULL, 1)) == a);
    CHECK_INT(ice_mux_owner(a), 10);
    ice_mux_destroy(mux);
}

static void test_answers_by_transaction_then_path(void)
{
    struct ice_mux *mux = create(4);
    struct ice_mux_agent *a = ice_mux_join(mux, 1), *b = ice_mux_join(mux, 2);
    struct ice_path path = path_of(1000);
    ice_mux_sent(mux, a, message(STUN_REQUEST, "peer:aaaa", 7));
    ice_mux_sent(mux, a, message(STUN_REQUEST, "peer:aaaa", 7));
    ice_mux_sent(mux, b, message(STUN_INDICATION, NULL, 8));
    CHECK(ice_mux_proved(mux, now, b, &path));
    CHECK(ice_mux_find(mux, &path, message(STUN_SUCCESS, NULL, 7)) == a);
    CHECK(ice_mux_find(mux, &path, message(STUN_ERROR, NULL, 7)) == a);
    CHECK(ice_mux_find(mux, &path, message(STUN_SUCCESS, NULL, 8)) == b);
    path.peer.port = 2000;
    CHECK(!ice_mux_find(mux, &path, message(STUN_SUCCESS, NULL, 8)));
    /* each agent remembers its last ones, and none of another's is lost by it */
    for (int i = 0; i < ICE_MUX_REQUESTS; i++)
        ice_mux_sent(mux, b, message(STUN_REQUEST, NULL, (uint8_t)(100 + i)));
    CHECK(ice_mux_find(mux, &path, message(STUN_SUCCESS, NULL, 7)) == a);
    CHECK(ice_mux_find(mux, &path, message(STUN_SUCCESS, NULL, 100)) == b);
    ice_mux_sent(mux, b, message(STUN_REQUEST, NULL, 99));
    CHECK(!ice_mux_find(mux, &path, message(STUN_SUCCESS, NULL, 100)));
    ice_mux_destroy(mux);
}

static void test_media_by_proven_path_only(void)
{
    struct ice_mux *mux = create(4);
    struct ice_mux_agent *a = ice_mux_join(mux, 1), *b = ice_mux_join(mux, 2);
    struct ice_path path = path_of(1000), other_base = path_of(1000);
    other_base.base.number = 2;
    CHECK(!ice_mux_find(mux, &path, RTP));
    CHECK(ice_mux_proved(mux, now, a, &path));
    CHECK(ice_mux_find(mux, &path, RTP) == a);
    CHECK(!ice_mux_find(mux, &other_base, RTP));
    /* Another agent's peer, with that source address forged, takes nothing of it... */
    CHECK(!ice_mux_proved(mux, tick_add_ms(now, 29999), b, &path));
    CHECK(ice_mux_find(mux, &path, RTP) == a);
    CHECK(ice_mux_proved(mux, tick_add_ms(now, 20000), a, &path));
    CHECK(!ice_mux_proved(mux, tick_add_ms(now, 31000), b, &path));
    /* ...but one that nobody proves any more can be had. */
    CHECK(ice_mux_proved(mux, tick_add_ms(now, 50000), b, &path));
    CHECK(ice_mux_find(mux, &path, RTP) == b);
    /* Nor is one that was proved once, and carries media: not every peer sends checks for consent. */
    for (int s = 1; s <= 60; s++) {
        ice_mux_used(mux, tick_add_ms(now, 50000 + 1000 * s), b, &path);
        ice_mux_used(mux, tick_add_ms(now, 50000 + 1000 * s), b, &other_base);
        ice_mux_used(mux, tick_add_ms(now, 50000 + 1000 * s), a, &path); /* whose it is not */
    }
    CHECK(!ice_mux_proved(mux, tick_add_ms(now, 139999), a, &path));
    CHECK(!ice_mux_find(mux, &other_base, RTP));
    CHECK(ice_mux_proved(mux, tick_add_ms(now, 140000), a, &path));
    ice_mux_destroy(mux);
}

/* RFC 8445 §19.2: a check's source may be forged, also by somebody with a call of his own on this port. An
 * answer cannot: it takes the path back, and no check takes it from then on. */
static void test_an_answer_outdoes_a_check(void)
{
    struct ice_mux *mux = create(2);
    struct ice_mux_agent *a = ice_mux_join(mux, 1), *b = ice_mux_join(mux, 2);
    struct ice_path path = path_of(4000);
    CHECK(ice_mux_proved(mux, now, a, &path)); /* b's address, forged */
    CHECK(!ice_mux_proved(mux, now, b, &path));
    CHECK(ice_mux_answered(mux, tick_add_ms(now, 50), b, &path));
    CHECK(ice_mux_find(mux, &path, RTP) == b);
    CHECK(!ice_mux_proved(mux, tick_add_ms(now, 100), a, &path));
    CHECK(!ice_mux_answered(mux, tick_add_ms(now, 100), a, &path)); /* as good, and later */
    CHECK(ice_mux_find(mux, &path, RTP) == b);
    CHECK(ice_mux_proved(mux, tick_add_ms(now, 30050), a, &path)); /* b is heard no more */
    CHECK(ice_mux_answered(mux, tick_add_ms(now, 30060), b, &path));
    ice_mux_destroy(mux);
}

static void test_bounds(void)
{
    struct ice_mux *mux = create(2);
    struct ice_mux_agent *a = ice_mux_join(mux, 1), *b = ice_mux_join(mux, 2);
    struct ice_path path = path_of(9), mine = path_of(10);
    CHECK(a && b && !ice_mux_join(mux, 3));
    CHECK(ice_mux_proved(mux, now, b, &mine));
    for (uint16_t i = 0; i < 1000; i++) {
        path = path_of((uint16_t)(1000 + i));
        CHECK(ice_mux_proved(mux, tick_add_ms(now, i), a, &path));
    }
    CHECK(ice_mux_find(mux, &path, RTP) == a);
    path = path_of(1000 + 1000 - ICE_MUX_PATHS);
    CHECK(ice_mux_find(mux, &path, RTP) == a);
    path = path_of(1000 + 999 - ICE_MUX_PATHS);
    CHECK(!ice_mux_find(mux, &path, RTP));
    CHECK(ice_mux_find(mux, &mine, RTP) == b);
    ice_mux_destroy(mux);
}

static void test_restart_and_leave(void)
{
    struct ice_mux *mux = create(1);
    struct ice_mux_agent *a = ice_mux_join(mux, 1);
    struct ice_path path = path_of(1000);
    CHECK(ice_mux_name(mux, a, VIEW_LIT("one1")));
    CHECK(ice_mux_name(mux, a, VIEW_LIT("one1")));
    CHECK(ice_mux_name(mux, a, VIEW_LIT("two2")));
    CHECK(ice_mux_find(mux, &path, message(STUN_REQUEST, "one1:x", 1)) == a);
    CHECK(ice_mux_name(mux, a, VIEW_LIT("three")));
    CHECK(!ice_mux_find(mux, &path, message(STUN_REQUEST, "one1:x", 1)));
    CHECK(ice_mux_find(mux, &path, message(STUN_REQUEST, "two2:x", 1)) == a);
    CHECK(!ice_mux_name(mux, a, VIEW_LIT("longerthanours")));
    CHECK(ice_mux_proved(mux, now, a, &path));
    ice_mux_sent(mux, a, message(STUN_REQUEST, NULL, 5));
    ice_mux_leave(mux, a);
    CHECK(!ice_mux_find(mux, &path, RTP));
    CHECK(!ice_mux_find(mux, &path, message(STUN_SUCCESS, NULL, 5)));
    CHECK(!ice_mux_find(mux, &path, message(STUN_REQUEST, "three:x", 1)));
    struct ice_mux_agent *again = ice_mux_join(mux, 2);
    CHECK(again && ice_mux_name(mux, again, VIEW_LIT("two2")));
    ice_mux_destroy(mux);
}

/* 50 pairs of agents; the controlled ones all on one port.
 * Every datagram they get goes through the mux. */
static void test_fifty_agents_on_one_port(void)
{
    enum { PAIRS = 50 };
    struct ice_mux *mux = create(PAIRS);
    struct ice *callers[PAIRS], *ours[PAIRS];
    struct ice_mux_agent *agents[PAIRS];
    struct addr port = addr_v4(198, 51, 100, 1, 7000);
    for (uint16_t i = 0; i < PAIRS; i++) {
        struct ice_options options = {.role = ICE_CONTROLLING, .components = 1};
        /* Callers behind one NAT, say: one address, many ports. */
        struct candidate theirs = {.component = 1, .address = path_of((uint16_t)(1000 + i)).peer};
        rng_bytes(&rng, options.seed, sizeof options.seed);
        callers[i] = ice_create(&options);
        rng_bytes(&rng, options.seed, sizeof options.seed);
        options.role = ICE_CONTROLLED;
        ours[i] = ice_create(&options);
        CHECK(ice_add_local(callers[i], theirs, (struct ice_base){i}, 1));
        CHECK(ice_add_local(ours[i], (struct candidate){.component = 1, .address = port},
                            (struct ice_base){1}, 1));
        struct candidate candidate;
        CHECK(ice_set_remote(callers[i], now, view_of_string(ice_ufrag(ours[i])),
                             view_of_string(ice_pwd(ours[i])), false));
        CHECK_INT(ice_local_candidates(ours[i], &candidate, 1), 1);
        CHECK(ice_add_remote(callers[i], now, &candidate));
        CHECK(ice_set_remote(ours[i], now, view_of_string(ice_ufrag(callers[i])),
                             view_of_string(ice_pwd(callers[i])), false));
        agents[i] = ice_mux_join(mux, i);
        CHECK(ice_mux_name(mux, agents[i], view_of_string(ice_ufrag(ours[i]))));
    }
    for (int step = 0; step < 40; step++, now = tick_add_ms(now, 50)) {
        struct ice_packet packet;
        for (uint16_t i = 0; i < PAIRS; i++) {
            ice_expire(callers[i], now);
            while (ice_output(callers[i], now, &packet)) {
                struct ice_path via = path_of((uint16_t)(1000 + i));
                struct ice_mux_agent *to = ice_mux_find(mux, &via, packet.bytes);
                if (!CHECK(to))
                    continue;
                uint64_t at = ice_mux_owner(to);
                CHECK_INT(at, i);
                if (ice_input(ours[at], now, &via, packet.bytes) == ICE_TAKEN)
                    CHECK(ice_mux_proved(mux, now, to, &via));
            }
            ice_expire(ours[i], now);
            while (ice_output(ours[i], now, &packet)) {
                ice_mux_sent(mux, agents[i], packet.bytes);
                struct ice_path via = {{packet.path.peer.port - 1000u}, port};
                (void)ice_input(callers[via.base.number], now, &via, packet.bytes);
            }
        }
    }
    for (uint16_t i = 0; i < PAIRS; i++) {
        struct ice_path via = path_of((uint16_t)(1000 + i));
        CHECK_INT(ice_status(ours[i]).state, ICE_STATE_COMPLETED);
        CHECK(ice_mux_find(mux, &via, RTP) == agents[i]);
        ice_destroy(callers[i]);
        ice_destroy(ours[i]);
    }
    ice_mux_destroy(mux);
}

int main(void)
{
    RUN(test_requests_by_name_then_path);
    RUN(test_answers_by_transaction_then_path);
    RUN(test_media_by_proven_path_only);
    RUN(test_an_answer_outdoes_a_check);
    RUN(test_bounds);
    RUN(test_restart_and_leave);
    RUN(test_fifty_agents_on_one_port);
    return tap_done();
}
