/* Tests of ice: two agents over a small network of NATs, loss and delay, in simulated time; and
 * single agents fed by hand. libnice is the witness in tests/interop. */
#include "ice/ice.h"
#include "ice/priority.h"
#include "stun/key.h"

#include "tap.h"

/* ---- a network: each base has an address; a NATed base is seen from its mapping, which lets in
 * whom it sent to */

enum { BASES = 8, WIRE = 512 };

struct base {
    int owner; /* agent 0 or 1 */
    struct addr own, outside;
    bool symmetric; /* EDM+APDF: another port for each destination */
    struct addr opened[32];
    uint16_t ports[32];
    size_t opened_count;
};

static struct {
    struct ice *agents[2];
    struct base bases[BASES];
    size_t base_count;
    struct {
        int64_t at_ms;
        struct addr from, to;
        uint8_t bytes[ICE_PACKET_SIZE];
        size_t len;
    } wire[WIRE];
    size_t wire_count;
    int64_t now_ms, delay_ms;
    double loss;
    struct rng rng;
    struct ice_path selected[2][3];
    int seen[2][ICE_DIRECT + 1];
    int64_t first_ms[2][ICE_DIRECT + 1];
} net;

static struct tick now(void)
{
    return (struct tick){net.now_ms * NS_PER_MS};
}

static void reset(uint64_t seed)
{
    for (int i = 0; i < 2; i++)
        ice_destroy(net.agents[i]);
    memset(&net, 0, sizeof net);
    net.now_ms = 1000;
    net.delay_ms = 10;
    rng_init_number(&net.rng, seed);
}

static void create(int who, struct ice_options options)
{
    rng_bytes(&net.rng, options.seed, sizeof options.seed);
    if (!options.components)
        options.components = 1;
    net.agents[who] = ice_create(&options);
}

static struct addr ip(const char *text)
{
    struct addr a = {0};
    CHECK(addr_parse(view_of_string(text), 0, &a));
    return a;
}

/* A socket of an agent; outside NULL: no NAT. With a NAT its mapping becomes a srflx candidate
 * unless symmetric. */
static struct ice_base add_base(int who, uint16_t component, const char *own, const char *outside,
                                bool symmetric)
{
    struct base *b = &net.bases[net.base_count];
    struct ice_base number = {(uint32_t)net.base_count++};
    *b = (struct base){.owner = who,
                       .own = ip(own),
                       .outside = ip(outside ? outside : own),
                       .symmetric = symmetric};
    CHECK(ice_add_local(net.agents[who],
                        (struct candidate){.component = component, .address = b->own}, number,
                        65535));
    if (outside && !symmetric)
        CHECK(ice_add_local(net.agents[who],
                            (struct candidate){.type = CANDIDATE_SERVER_REFLEXIVE,
                                               .component = component,
                                               .address = b->outside,
                                               .related = b->own},
                            number, 65535));
    return number;
}

static void describe(int to, int from)
{
    struct candidate candidates[ICE_LOCALS];
    size_t count = ice_local_candidates(net.agents[from], candidates, ICE_LOCALS);
    CHECK(ice_set_remote(net.agents[to], now(), view_of_string(ice_ufrag(net.agents[from])),
                         view_of_string(ice_pwd(net.agents[from])), false));
    for (size_t i = 0; i < count; i++)
        CHECK(ice_add_remote(net.agents[to], now(), &candidates[i]));
    ice_end_remote(net.agents[to], now());
}

/* The address a datagram of b to `to` is seen from, and the right of `to` to answer. */
static struct addr translate(struct base *b, const struct addr *to)
{
    if (addr_equal(&b->own, &b->outside))
        return b->own;
    for (size_t i = 0; i < b->opened_count; i++) {
        if (addr_equal(&b->opened[i], to))
            return addr_with_port(b->outside, b->ports[i]);
    }
    uint16_t port =
        b->symmetric ? (uint16_t)(40000 + 100 * net.base_count + b->opened_count) : b->outside.port;
    b->opened[b->opened_count] = *to;
    b->ports[b->opened_count++] = port;
    return addr_with_port(b->outside, port);
}

/* The base that a datagram from `from` to `to` reaches, -1 when a NAT or nobody is in the way. */
static int reach(const struct addr *from, const struct addr *to)
{
    for (size_t i = 0; i < net.base_count; i++) {
        const struct base *b = &net.bases[i];
        bool open = addr_equal(&b->own, &b->outside);
        if (open && addr_equal(&b->own, to))
            return (int)i;
        for (size_t j = 0; !open && j < b->opened_count; j++) {
            if (addr_equal_ip(&b->outside, to) && b->ports[j] == to->port &&
                addr_equal(&b->opened[j], from))
                return (int)i;
        }
    }
    return -1;
}

static void send_all(void)
{
    struct ice_packet packet;
    struct ice_event e;
    for (int who = 0; who < 2; who++) {
        if (!net.agents[who])
            continue;
        ice_expire(net.agents[who], now());
        while (ice_output(net.agents[who], now(), &packet)) {
            struct base *b = &net.bases[packet.path.base.number];
            CHECK_INT(b->owner, who);
            struct addr from = translate(b, &packet.path.peer);
            if (rng_chance(&net.rng, net.loss) || net.wire_count == WIRE)
                continue;
            size_t at = net.wire_count++;
            net.wire[at].at_ms = net.now_ms + net.delay_ms + (int64_t)rng_below(&net.rng, 5);
            net.wire[at].from = from;
            net.wire[at].to = packet.path.peer;
            net.wire[at].len = packet.bytes.len;
            memcpy(net.wire[at].bytes, packet.bytes.at, packet.bytes.len);
        }
        while (ice_event(net.agents[who], &e)) {
            if (!net.seen[who][e.kind]++)
                net.first_ms[who][e.kind] = net.now_ms;
            if (e.kind == ICE_SELECTED)
                net.selected[who][e.component] = e.path;
        }
    }
}

static void run_until(int64_t end_ms)
{
    send_all();
    for (int steps = 0; steps < 200000; steps++) {
        int64_t next = end_ms;
        size_t first = net.wire_count;
        for (size_t i = 0; i < net.wire_count; i++) {
            if (net.wire[i].at_ms <= next) {
                next = net.wire[i].at_ms;
                first = i;
            }
        }
        for (int who = 0; who < 2; who++) {
            struct tick d = net.agents[who] ? ice_deadline(net.agents[who]) : TICK_NEVER;
            if (!tick_is_never(d) && d.ns < next * NS_PER_MS) {
                next = (d.ns + NS_PER_MS - 1) / NS_PER_MS;
                first = net.wire_count;
            }
        }
        if (next > net.now_ms)
            net.now_ms = next;
        if (first < net.wire_count) {
            struct addr from = net.wire[first].from, to = net.wire[first].to;
            uint8_t bytes[ICE_PACKET_SIZE];
            size_t len = net.wire[first].len;
            memcpy(bytes, net.wire[first].bytes, len);
            net.wire[first] = net.wire[--net.wire_count];
            int at = reach(&from, &to);
            if (at >= 0)
                (void)ice_input(net.agents[net.bases[at].owner], now(),
                                &(struct ice_path){{(uint32_t)at}, from}, view_of(bytes, len));
        }
        send_all();
        if (net.now_ms >= end_ms)
            return;
    }
    FAIL("a busy loop");
}

/* Both chose, and what each sends arrives at the other's base. */
static void check_connected(uint8_t component)
{
    for (int who = 0; who < 2; who++) {
        struct ice_path path;
        if (!CHECK(ice_selected(net.agents[who], component, &path)))
            return;
        struct addr from = translate(&net.bases[path.base.number], &path.peer);
        int at = reach(&from, &path.peer);
        CHECK(at >= 0 && net.bases[at].owner == !who);
    }
}

/* Each gets the other's description at once, and checks go on until then. */
static void meet(int64_t end_ms)
{
    describe(0, 1);
    describe(1, 0);
    run_until(end_ms);
}

static void create_two_in_the_open(uint64_t seed)
{
    reset(seed);
    create(0, (struct ice_options){.role = ICE_CONTROLLING});
    create(1, (struct ice_options){.role = ICE_CONTROLLED});
    add_base(0, 1, "192.0.2.1:1000", NULL, false);
    add_base(1, 1, "198.51.100.1:2000", NULL, false);
}

/* ---- two agents ----------------------------------------------------------------------------- */

static void test_open_to_open(void)
{
    create_two_in_the_open(1);
    meet(3000);
    check_connected(1);
    CHECK_INT(ice_status(net.agents[0]).state, ICE_STATE_COMPLETED);
    CHECK_INT(ice_status(net.agents[1]).state, ICE_STATE_COMPLETED);
    CHECK(net.first_ms[0][ICE_COMPLETED] - 1000 <=
          150); /* check, nomination: two round trips of 20 ms and Ta */
}

static void test_nats_that_keep_their_mapping(void)
{
    reset(2);
    create(0, (struct ice_options){.role = ICE_CONTROLLING, .components = 2});
    create(1, (struct ice_options){.role = ICE_CONTROLLED, .components = 2});
    add_base(0, 1, "10.0.0.1:1000", "192.0.2.1:5000", false);
    add_base(0, 2, "10.0.0.1:1001", "192.0.2.1:5001", false);
    add_base(1, 1, "10.0.0.1:1000", "198.51.100.1:6000",
             false); /* the same private address on both sides */
    add_base(1, 2, "10.0.0.1:1001", "198.51.100.1:6001", false);
    meet(5000);
    check_connected(1);
    check_connected(2);
    CHECK_TEXT(addr_print(&net.selected[0][1].peer).s, "198.51.100.1:6000");
}

static void test_symmetric_to_open_is_peer_reflexive(void)
{
    reset(3);
    create(0, (struct ice_options){.role = ICE_CONTROLLED});
    create(1, (struct ice_options){.role = ICE_CONTROLLING});
    add_base(0, 1, "10.0.0.1:1000", "192.0.2.1:5000", true);
    add_base(1, 1, "198.51.100.1:2000", NULL, false);
    meet(5000);
    check_connected(1);
}

static void test_two_symmetric_nats_fail_in_bounded_time(void)
{
    reset(4);
    create(0, (struct ice_options){.role = ICE_CONTROLLING});
    create(1, (struct ice_options){.role = ICE_CONTROLLED});
    add_base(0, 1, "10.0.0.1:1000", "192.0.2.1:5000", true);
    add_base(1, 1, "10.1.0.1:1000", "198.51.100.1:6000", true);
    meet(60000);
    CHECK_INT(net.seen[0][ICE_FAILED], 1);
    CHECK_INT(net.seen[1][ICE_FAILED], 1);
    CHECK(tick_is_never(ice_deadline(net.agents[0])));
    CHECK(net.first_ms[0][ICE_FAILED] <= 1000 + 39500 + 5000 + 500);
}

static void test_role_conflicts_are_settled(void)
{
    for (int role = ICE_CONTROLLED; role <= ICE_CONTROLLING; role++) {
        for (uint64_t seed = 1; seed <= 20; seed++) {
            reset(seed);
            create(0, (struct ice_options){.role = (enum ice_role)role});
            create(1, (struct ice_options){.role = (enum ice_role)role});
            add_base(0, 1, "10.0.0.1:1000", "192.0.2.1:5000", false);
            add_base(1, 1, "198.51.100.1:2000", NULL, false);
            meet(5000);
            check_connected(1);
            CHECK(ice_status(net.agents[0]).role != ice_status(net.agents[1]).role);
        }
    }
}

static void test_lite(void)
{
    reset(5);
    create(0, (struct ice_options){.role = ICE_CONTROLLING});
    create(1, (struct ice_options){.lite = true, .components = 1});
    add_base(0, 1, "10.0.0.1:1000", "192.0.2.1:5000", true);
    add_base(1, 1, "198.51.100.1:2000", NULL, false);
    meet(3000);
    check_connected(1);
    CHECK_INT(ice_status(net.agents[1]).checks_sent, 0);
    CHECK_INT(ice_status(net.agents[1]).state, ICE_STATE_COMPLETED);
}

static void test_checks_before_the_description_are_kept(void)
{
    reset(6);
    create(0, (struct ice_options){.role = ICE_CONTROLLING});
    create(1, (struct ice_options){.role = ICE_CONTROLLED});
    add_base(0, 1, "10.0.0.1:1000", "192.0.2.1:5000", true);
    add_base(1, 1, "198.51.100.1:2000", NULL, false);
    describe(0, 1);
    run_until(1400);
    CHECK_INT(ice_status(net.agents[1]).state, ICE_STATE_WAITING);
    CHECK(ice_set_remote(net.agents[1], now(), view_of_string(ice_ufrag(net.agents[0])),
                         view_of_string(ice_pwd(net.agents[0])),
                         false)); /* and no candidate at all */
    run_until(1700);
    check_connected(1);
}

static void test_trickled_candidates(void)
{
    struct candidate c[ICE_LOCALS];
    reset(7);
    create(0, (struct ice_options){.role = ICE_CONTROLLING});
    create(1, (struct ice_options){.role = ICE_CONTROLLED});
    CHECK(ice_set_remote(net.agents[0], now(), view_of_string(ice_ufrag(net.agents[1])),
                         view_of_string(ice_pwd(net.agents[1])), false));
    CHECK(ice_set_remote(net.agents[1], now(), view_of_string(ice_ufrag(net.agents[0])),
                         view_of_string(ice_pwd(net.agents[0])), false));
    run_until(30000);
    CHECK_INT(net.seen[0][ICE_FAILED], 0);
    add_base(0, 1, "10.0.0.1:1000", "192.0.2.1:5000", false);
    add_base(1, 1, "10.0.0.1:1000", "198.51.100.1:6000", false);
    for (int who = 0; who < 2; who++) {
        size_t n = ice_local_candidates(net.agents[who], c, ICE_LOCALS);
        for (size_t i = 0; i < n; i++) {
            CHECK(ice_add_remote(net.agents[!who], now(), &c[i]));
            run_until(net.now_ms + 70);
        }
        ice_end_remote(net.agents[!who], now());
    }
    run_until(35000);
    check_connected(1);
}

static void test_loss_and_seeds(void)
{
    /* A check and its answer get through with 0.9 * 0.9;
     * six tries in 20 s fail once in 20,000 seeds. */
    for (uint64_t seed = 1; seed <= 300; seed++) {
        reset(seed);
        net.loss = 0.1;
        create(0, (struct ice_options){.role = ICE_CONTROLLING});
        create(1, (struct ice_options){.role = ICE_CONTROLLED});
        add_base(0, 1, "10.0.0.1:1000", "192.0.2.1:5000", false);
        add_base(1, 1, "10.0.0.1:1000", "198.51.100.1:6000", false);
        meet(20000);
        int before = tap_failed_checks;
        check_connected(1);
        if (tap_failed_checks != before)
            printf("# seed %" PRIu64 "\n", seed);
    }
}

/* What one side knows and has not told yet. */
struct trickle {
    struct candidate candidates[ICE_LOCALS];
    size_t count;
    bool described, ended;
};

static void begin_trickle(int who, struct trickle *t)
{
    t->count = ice_local_candidates(net.agents[who], t->candidates, ICE_LOCALS);
    t->described = t->ended = false;
}

/* One more thing is told by `who`, as signalling would, in any order of candidates. */
static void trickle_on(int who, struct trickle *t)
{
    struct ice *peer = net.agents[!who];
    if (!t->described) {
        t->described = true;
        CHECK(ice_set_remote(peer, now(), view_of_string(ice_ufrag(net.agents[who])),
                             view_of_string(ice_pwd(net.agents[who])), false));
    } else if (t->count > 0) {
        size_t at = rng_below(&net.rng, (uint32_t)t->count);
        CHECK(ice_add_remote(peer, now(), &t->candidates[at]));
        t->candidates[at] = t->candidates[--t->count];
    } else if (!t->ended) {
        t->ended = true;
        ice_end_remote(peer, now());
    }
}

static void trickle_all(void)
{
    struct trickle sides[2];
    for (int who = 0; who < 2; who++)
        begin_trickle(who, &sides[who]);
    while (!sides[0].ended || !sides[1].ended) {
        int who = (int)rng_below(&net.rng, 2);
        trickle_on(who, &sides[who]);
        run_until(net.now_ms + (int64_t)rng_below(&net.rng, 400));
    }
}

/* Whatever the order in which things become known, lost packets, equal roles and restarts: they
 * connect. */
static void test_random_scripts_connect(void)
{
    for (uint64_t seed = 1; seed <= 300; seed++) {
        reset(seed);
        uint8_t components = (uint8_t)(1 + rng_below(&net.rng, 2));
        net.delay_ms = 1 + (int64_t)rng_below(&net.rng, 150);
        net.loss = rng_below(&net.rng, 2) ? 0.03 : 0;
        for (int who = 0; who < 2; who++) {
            create(who, (struct ice_options){.role = rng_below(&net.rng, 2) ? ICE_CONTROLLING
                                                                            : ICE_CONTROLLED,
                                             .components = components});
            bool nat = rng_below(&net.rng, 2);
            for (uint16_t c = 1; c <= components; c++) {
                char own[32], outside[32];
                (void)snprintf(own, sizeof own, "10.0.%d.1:%d", who, 1000 + c);
                (void)snprintf(outside, sizeof outside, "192.0.2.%d:%d", 1 + who, 5000 + c);
                add_base(who, c, nat ? own : outside, nat ? outside : NULL, false);
            }
        }
        int before = tap_failed_checks;
        trickle_all();
        run_until(net.now_ms + (int64_t)rng_below(&net.rng, 3) * 10000);
        uint32_t restart = rng_below(&net.rng, 3);
        int64_t apart_ms = (int64_t)rng_below(&net.rng, 200);
        if (restart > 0)
            ice_restart(net.agents[0]);
        run_until(net.now_ms + apart_ms);
        if (restart == 1) {
            ice_restart(net.agents[1]);
            trickle_all();
        } else if (restart == 2) {
            describe(1, 0); /* an offer, which is a restart to who gets it, and the answer */
            run_until(net.now_ms + apart_ms);
            describe(0, 1);
        }
        run_until(net.now_ms + 25000);
        for (int who = 0; who < 2; who++)
            CHECK_INT(ice_status(net.agents[who]).state, ICE_STATE_COMPLETED);
        CHECK(ice_status(net.agents[0]).role != ice_status(net.agents[1]).role);
        for (uint8_t c = 1; c <= components; c++)
            check_connected(c);
        CHECK_INT(net.seen[0][ICE_FAILED] + net.seen[1][ICE_FAILED], 0);
        CHECK_INT(net.seen[0][ICE_CONSENT_LOST] + net.seen[1][ICE_CONSENT_LOST], 0);
        if (tap_failed_checks != before)
            printf("# seed %" PRIu64 "\n", seed);
    }
}

static void test_restart_keeps_the_path_until_the_next(void)
{
    struct ice_path before, after;
    char ufrag[ICE_UFRAG_SIZE];
    create_two_in_the_open(8);
    meet(3000);
    CHECK(ice_selected(net.agents[0], 1, &before));
    strcpy(ufrag, ice_ufrag(net.agents[0]));
    for (int who = 0; who < 2; who++)
        ice_restart(net.agents[who]);
    CHECK(strcmp(ufrag, ice_ufrag(net.agents[0])) != 0);
    CHECK(ice_selected(net.agents[0], 1, &after));
    CHECK(addr_equal(&before.peer, &after.peer));
    meet(6000);
    CHECK_INT(net.seen[0][ICE_COMPLETED], 2);
    CHECK_INT(net.seen[1][ICE_COMPLETED], 2);
    check_connected(1);
}

static void test_consent_is_lost_after_30_seconds(void)
{
    create_two_in_the_open(9);
    meet(3600000);
    CHECK_INT(net.seen[0][ICE_CONSENT_LOST], 0);
    CHECK(ice_status(net.agents[0]).consent[0]);
    net.loss = 1.0;
    run_until(3600000 + 23000); /* the last answer is at most 6 s and a round trip old: 30 - 7 */
    CHECK_INT(net.seen[0][ICE_CONSENT_LOST], 0);
    run_until(3600000 + 31000);
    CHECK_INT(net.seen[0][ICE_CONSENT_LOST], 1);
    CHECK_INT(net.seen[1][ICE_CONSENT_LOST], 1);
    CHECK(!ice_status(net.agents[0]).consent[0]);
}

/* ---- one agent, fed by hand ----------------------------------------------------------------- */

static struct view hand_check(uint8_t *bytes, const char *pwd, enum stun_attribute_type role,
                              uint64_t tie, bool use)
{
    struct stun_transaction id = stun_transaction_make(&net.rng);
    struct stun_key *key = stun_key_create_short(view_of_string(pwd));
    char username[64];
    struct writer w = writer_of(bytes, 512);
    snprintf(username, sizeof username, "%s:peer", ice_ufrag(net.agents[0]));
    stun_begin(&w, STUN_REQUEST, STUN_BINDING, &id);
    stun_put(&w, STUN_USERNAME, view_of_string(username));
    stun_put_u32(&w, STUN_PRIORITY, 1);
    stun_put_u64(&w, role, tie);
    if (use)
        stun_put(&w, STUN_USE_CANDIDATE, VIEW_NONE);
    stun_sign(&w, key);
    stun_finish(&w, true);
    stun_key_destroy(key);
    return writer_done(&w);
}

static void start_single(enum ice_role role)
{
    reset(10);
    create(0, (struct ice_options){.role = role});
    add_base(0, 1, "192.0.2.1:1000", NULL, false);
    CHECK(ice_set_remote(net.agents[0], now(), VIEW_LIT("peer"), VIEW_LIT("0123456789012345678901"),
                         false));
}

static void test_no_check_is_answered_without_integrity(void)
{
    uint8_t bytes[512];
    struct ice_packet packet;
    struct ice_path via = {{0}, addr_v4(203, 0, 113, 5, 9)};
    start_single(ICE_CONTROLLED);
    struct view forged =
        hand_check(bytes, "not the password of this agent", STUN_ICE_CONTROLLING, 1, true);
    CHECK_INT(ice_input(net.agents[0], now(), &via, forged), ICE_REFUSED_INPUT);
    CHECK(!ice_output(net.agents[0], now(), &packet));
    CHECK_INT(ice_status(net.agents[0]).remotes, 0);
    struct view good = hand_check(bytes, ice_pwd(net.agents[0]), STUN_ICE_CONTROLLING, 1, true);
    CHECK_INT(ice_input(net.agents[0], now(), &via, good), ICE_TAKEN);
    CHECK(ice_output(net.agents[0], now(), &packet)); /* the answer */
    struct stun_message m;
    CHECK_INT(stun_message_decode(packet.bytes, &m), STUN_DECODED);
    CHECK_INT(m.class, STUN_SUCCESS);
    CHECK(ice_output(net.agents[0], now(),
                     &packet)); /* and a triggered check, back to where it came from */
    CHECK(addr_equal(&packet.path.peer, &via.peer));
    CHECK_INT(ice_input(net.agents[0], now(), &via, VIEW_LIT("\x80not stun")), ICE_NOT_MINE);
}

/* A NAT of the peer's that gives each check a new port, and ours each answer: every check of ours
 * brings another of theirs from a new address, for ever. The relay is checked all the same. */
static void test_ever_new_addresses_do_not_starve_the_relay(void)
{
    uint8_t bytes[512];
    struct ice_packet packet;
    int relay_checks = 0;
    start_single(ICE_CONTROLLED);
    struct candidate direct = {.component = 1,
                               .priority = 1694498815,
                               .type = CANDIDATE_SERVER_REFLEXIVE,
                               .foundation = "1",
                               .address = addr_v4(203, 0, 113, 5, 2000)};
    struct candidate relay = {.component = 1,
                              .priority = 16777215,
                              .type = CANDIDATE_RELAYED,
                              .foundation = "2",
                              .address = addr_v4(203, 0, 113, 200, 50000)};
    CHECK(ice_add_remote(net.agents[0], now(), &direct));
    for (uint16_t i = 0; i < 400; i++, net.now_ms += 25) {
        struct ice_path via = {{0}, addr_v4(203, 0, 113, 5, (uint16_t)(3000 + i))};
        (void)ice_input(net.agents[0], now(), &via,
                        hand_check(bytes, ice_pwd(net.agents[0]), STUN_ICE_CONTROLLING, 1, false));
        if (i == 40) /* trickled when the queue is never empty any more */
            CHECK(ice_add_remote(net.agents[0], now(), &relay));
        ice_expire(net.agents[0], now());
        while (ice_output(net.agents[0], now(), &packet)) {
            struct stun_message m;
            if (addr_equal(&packet.path.peer, &relay.address) &&
                stun_message_decode(packet.bytes, &m) == STUN_DECODED && m.class == STUN_REQUEST)
                relay_checks++;
        }
    }
    CHECK(relay_checks >= 3); /* sent, and sent again */
}

/* And when a path is chosen the chase ends: whoever asks is answered, nobody is asked back. */
static void test_no_checks_back_once_a_path_is_chosen(void)
{
    uint8_t bytes[512];
    struct ice_packet packet;
    reset(11);
    create(0, (struct ice_options){.role = ICE_CONTROLLED});
    create(1, (struct ice_options){.role = ICE_CONTROLLING});
    add_base(0, 1, "192.0.2.1:1000", NULL, false);
    add_base(1, 1, "198.51.100.1:2000", NULL, false);
    meet(3000);
    check_connected(1);
    int answers = 0, requests = 0;
    for (uint16_t i = 0; i < 50; i++) {
        struct ice_path via = {{0}, addr_v4(203, 0, 113, 5, (uint16_t)(3000 + i))};
        (void)ice_input(net.agents[0], now(), &via,
                        hand_check(bytes, ice_pwd(net.agents[0]), STUN_ICE_CONTROLLING, 1, false));
        while (ice_output(net.agents[0], now(), &packet)) {
            struct stun_message m;
            CHECK_INT(stun_message_decode(packet.bytes, &m), STUN_DECODED);
            answers += m.class == STUN_SUCCESS;
            requests += m.class == STUN_REQUEST;
        }
        net.now_ms += 50;
    }
    CHECK_INT(answers, 50);
    CHECK(requests <= 1); /* consent */
}

/* doc/nat.md 5, 9: to a peer's address outside goes what opens our NAT and no more, at once; our own
 * check waits until the peer's has come, or long enough. */
static void test_openers_leave_the_peer_the_first_word(void)
{
    uint8_t bytes[512];
    struct ice_packet packet;
    struct stun_message m;
    struct candidate reflexive = {.component = 1,
                                  .priority = 1694498815,
                                  .type = CANDIDATE_SERVER_REFLEXIVE,
                                  .foundation = "1",
                                  .address = addr_v4(203, 0, 113, 5, 2000)};
    struct ice_path via = {{0}, reflexive.address};
    for (int comes = 0; comes < 2; comes++) {
        reset(13);
        create(0, (struct ice_options){.role = ICE_CONTROLLED, .yields = true, .open_hops = 3});
        add_base(0, 1, "192.168.1.2:1000", "192.0.2.1:1000", false);
        CHECK(ice_set_remote(net.agents[0], now(), VIEW_LIT("peer"),
                             VIEW_LIT("0123456789012345678901"), false));
        CHECK(ice_add_remote(net.agents[0], now(), &reflexive));
        CHECK(ice_output(net.agents[0], now(), &packet));
        CHECK_INT(packet.hops, 3);
        CHECK(addr_equal(&packet.path.peer, &reflexive.address));
        CHECK_INT(stun_message_decode(packet.bytes, &m), STUN_DECODED);
        CHECK_INT(m.class, STUN_INDICATION);
        CHECK(!ice_output(net.agents[0], now(), &packet));
        net.now_ms += 999;
        ice_expire(net.agents[0], now());
        CHECK(!ice_output(net.agents[0], now(), &packet));
        if (comes) {
            (void)ice_input(
                net.agents[0], now(), &via,
                hand_check(bytes, ice_pwd(net.agents[0]), STUN_ICE_CONTROLLING, 1, false));
            CHECK(ice_output(net.agents[0], now(), &packet)); /* its answer */
        } else {
            CHECK_INT(ice_deadline(net.agents[0]).ns, now().ns + NS_PER_MS);
            net.now_ms++;
        }
        CHECK(ice_output(net.agents[0], now(), &packet));
        CHECK_INT(packet.hops, 0);
        CHECK_INT(stun_message_decode(packet.bytes, &m), STUN_DECODED);
        CHECK_INT(m.class, STUN_REQUEST);
    }
}

static void test_487_by_tie_breaker(void)
{
    uint8_t bytes[512];
    struct ice_packet packet;
    struct stun_message m;
    struct ice_path via = {{0}, addr_v4(203, 0, 113, 5, 9)};
    uint16_t code = 0;
    struct view reason;
    start_single(ICE_CONTROLLING);
    /* §7.3.1.1: ours >= theirs: 487, and we stay */
    CHECK_INT(ice_input(net.agents[0], now(), &via,
                        hand_check(bytes, ice_pwd(net.agents[0]), STUN_ICE_CONTROLLING, 0, false)),
              ICE_TAKEN);
    CHECK(ice_output(net.agents[0], now(), &packet));
    CHECK_INT(stun_message_decode(packet.bytes, &m), STUN_DECODED);
    CHECK(stun_read_error(&m, &code, &reason));
    CHECK_INT(code, 487);
    CHECK_INT(ice_status(net.agents[0]).role, ICE_CONTROLLING);
    CHECK_INT(ice_input(net.agents[0], now(), &via,
                        hand_check(bytes, ice_pwd(net.agents[0]), STUN_ICE_CONTROLLING, UINT64_MAX,
                                   false)),
              ICE_TAKEN);
    CHECK_INT(ice_status(net.agents[0]).role, ICE_CONTROLLED);
    start_single(ICE_CONTROLLED);
    /* ours >= theirs: we switch to controlling */
    CHECK_INT(ice_input(net.agents[0], now(), &via,
                        hand_check(bytes, ice_pwd(net.agents[0]), STUN_ICE_CONTROLLED, 0, false)),
              ICE_TAKEN);
    CHECK_INT(ice_status(net.agents[0]).role, ICE_CONTROLLING);
}

static void test_priorities_are_the_rfcs(void)
{
    /* RFC 8445 §5.1.2.1: (2^24)*type + (2^8)*local + (256 - component) */
    CHECK(ice_candidate_priority(CANDIDATE_HOST, 65535, 1) ==
          2130706431u); /* as every browser prints it */
    CHECK(ice_candidate_priority(CANDIDATE_SERVER_REFLEXIVE, 65535, 1) == 1694498815u);
    CHECK(ice_candidate_priority(CANDIDATE_RELAYED, 65535, 2) == 16777214u);
    /* §6.1.2.3: 2^32*MIN(G,D) + 2*MAX(G,D) + (G>D?1:0) */
    CHECK(ice_pair_priority(2, 1) == (UINT64_C(1) << 32) + 4 + 1);
    CHECK(ice_pair_priority(1, 2) == (UINT64_C(1) << 32) + 4);
}

static void test_bounds(void)
{
    start_single(ICE_CONTROLLED);
    for (unsigned i = 0; i < 400; i++) {
        struct candidate c = {.component = 1,
                              .priority = i + 1,
                              .foundation = "1",
                              .address =
                                  addr_v4(203, 0, 113, (uint8_t)(i % 250), (uint16_t)(1000 + i))};
        (void)ice_add_remote(net.agents[0], now(), &c);
    }
    struct ice_status status = ice_status(net.agents[0]);
    CHECK_INT(status.remotes, ICE_REMOTES);
    CHECK(status.pairs <= ICE_PAIRS);
    static const char *refused[] = {"0.0.0.0:5", "224.0.0.1:5", "255.255.255.255:5", "240.0.0.1:5",
                                    "192.0.2.9:0"};
    for (size_t i = 0; i < 5; i++) {
        struct candidate c = {.component = 1, .address = ip(refused[i])};
        CHECK(!ice_add_remote(net.agents[0], now(), &c));
    }
    CHECK(!ice_set_remote(net.agents[0], now(), VIEW_LIT("abc"), VIEW_LIT("0123456789012345678901"),
                          false));
    CHECK(!ice_set_remote(net.agents[0], now(), VIEW_LIT("abcd"), VIEW_LIT("012345678901234567890"),
                          false));
}

int main(void)
{
    RUN(test_open_to_open);
    RUN(test_nats_that_keep_their_mapping);
    RUN(test_symmetric_to_open_is_peer_reflexive);
    RUN(test_two_symmetric_nats_fail_in_bounded_time);
    RUN(test_role_conflicts_are_settled);
    RUN(test_lite);
    RUN(test_checks_before_the_description_are_kept);
    RUN(test_trickled_candidates);
    RUN(test_loss_and_seeds);
    RUN(test_random_scripts_connect);
    RUN(test_restart_keeps_the_path_until_the_next);
    RUN(test_consent_is_lost_after_30_seconds);
    RUN(test_no_check_is_answered_without_integrity);
    RUN(test_ever_new_addresses_do_not_starve_the_relay);
    RUN(test_no_checks_back_once_a_path_is_chosen);
    RUN(test_openers_leave_the_peer_the_first_word);
    RUN(test_487_by_tie_breaker);
    RUN(test_priorities_are_the_rfcs);
    RUN(test_bounds);
    reset(0);
    return tap_done();
}
