/* Tests of ice over TCP: RFC 6544's priorities, pairs and checks. Not here: connections
 * (tests/interop/libnice). */
#include "ice/ice.h"
#include "ice/priority.h"

#include "tap.h"

static struct ice *agents[2];
static struct tick now;

enum { LISTENER = 1, INTERFACE = 2, SOCKET = 3 };

static void create(int who, enum ice_role role)
{
    struct ice_options options = {.role = role, .components = 1, .seed = {(uint8_t)(who + 1)}};
    ice_destroy(agents[who]);
    agents[who] = ice_create(&options);
}

static bool add(int who, enum candidate_transport transport, struct addr address, uint32_t base)
{
    return ice_add_local(
        agents[who], (struct candidate){.transport = transport, .component = 1, .address = address},
        (struct ice_base){base}, 65535);
}

static void describe(int to, int from)
{
    struct candidate c[ICE_LOCALS];
    size_t count = ice_local_candidates(agents[from], c, ICE_LOCALS);
    CHECK(ice_set_remote(agents[to], now, view_of_string(ice_ufrag(agents[from])),
                         view_of_string(ice_pwd(agents[from])), false));
    for (size_t i = 0; i < count; i++)
        CHECK(ice_add_remote(agents[to], now, &c[i]));
    ice_end_remote(agents[to], now);
}

/* RFC 6544 Appendix C, the second example: the numbers of its SDP. */
static void test_priorities_of_the_rfcs_example(void)
{
    static const struct {
        enum candidate_type type;
        enum candidate_transport transport;
        uint32_t priority;
    } rows[] = {
        {CANDIDATE_HOST, CANDIDATE_TCP_ACTIVE, 2111832063},
        {CANDIDATE_HOST, CANDIDATE_TCP_PASSIVE, 2107637759},
        {CANDIDATE_SERVER_REFLEXIVE, CANDIDATE_TCP_ACTIVE, 1671430143},
        {CANDIDATE_SERVER_REFLEXIVE, CANDIDATE_TCP_PASSIVE, 1667235839},
        {CANDIDATE_HOST, CANDIDATE_UDP, 2130706431},
        {CANDIDATE_SERVER_REFLEXIVE, CANDIDATE_UDP, 1694498815},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct candidate c;
        create(0, ICE_CONTROLLED);
        CHECK(ice_add_local(agents[0],
                            (struct candidate){.type = rows[i].type,
                                               .transport = rows[i].transport,
                                               .component = 1,
                                               .address = addr_v4(10, 0, 1, 1, 9012)},
                            (struct ice_base){1}, 65535));
        CHECK_INT(ice_local_candidates(agents[0], &c, 1), 1);
        CHECK_INT(c.priority, rows[i].priority);
        /* §4.5: the port of an active candidate MUST be 9 */
        CHECK_INT(c.address.port, rows[i].transport == CANDIDATE_TCP_ACTIVE ? 9 : 9012);
    }
}

/* §6.2, and its pruning of passive ones. */
static void test_pairs(void)
{
    static const enum candidate_transport all[] = {CANDIDATE_UDP, CANDIDATE_TCP_ACTIVE,
                                                   CANDIDATE_TCP_PASSIVE};
    for (size_t l = 0; l < 3; l++) {
        for (size_t r = 0; r < 3; r++) {
            create(0, ICE_CONTROLLING);
            create(1, ICE_CONTROLLED);
            CHECK(add(0, all[l], addr_v4(192, 0, 2, 1, 1000), 1));
            CHECK(add(1, all[r], addr_v4(192, 0, 2, 2, 2000), 1));
            describe(0, 1);
            bool want = (l == 0 && r == 0) || (l == 1 && r == 2);
            CHECK_INT(ice_status(agents[0]).pairs, want);
        }
    }
    create(0, ICE_CONTROLLING);
    CHECK(!add(0, CANDIDATE_TCP_SIMULTANEOUS, addr_v4(192, 0, 2, 1, 1000), 1));
}

static struct ice_packet packet;

/* Datagrams of both until neither has more; connections from 192.0.2.1's interface come from port
 * 40000. */
static void exchange(void)
{
    struct addr caller = addr_v4(192, 0, 2, 1, 40000), listener = addr_v4(192, 0, 2, 2, 2000);
    for (bool more = true; more;) {
        more = false;
        while (ice_output(agents[0], now, &packet)) {
            CHECK_INT(packet.path.base.number, INTERFACE);
            CHECK(addr_equal(&packet.path.peer, &listener));
            CHECK_INT(
                ice_input(agents[1], now, &(struct ice_path){{LISTENER}, caller}, packet.bytes),
                ICE_TAKEN);
            more = true;
        }
        while (ice_output(agents[1], now, &packet)) {
            CHECK_INT(packet.path.base.number, LISTENER);
            CHECK(addr_equal(&packet.path.peer, &caller));
            CHECK_INT(
                ice_input(agents[0], now, &(struct ice_path){{INTERFACE}, listener}, packet.bytes),
                ICE_TAKEN);
            more = true;
        }
    }
}

static void test_active_meets_passive(void)
{
    for (int role = ICE_CONTROLLED; role <= ICE_CONTROLLING; role++) {
        struct ice_path path;
        struct ice_event e;
        now = (struct tick){NS_PER_S};
        create(0, (enum ice_role)role);
        create(1, (enum ice_role) !role);
        CHECK(add(0, CANDIDATE_TCP_ACTIVE, addr_v4(192, 0, 2, 1, 0x7fff), INTERFACE));
        CHECK(add(1, CANDIDATE_TCP_PASSIVE, addr_v4(192, 0, 2, 2, 2000), LISTENER));
        describe(0, 1);
        describe(1, 0);
        for (int i = 0; i < 30; i++) {
            exchange();
            now = tick_add_ms(now, 50);
            ice_expire(agents[0], now);
            ice_expire(agents[1], now);
        }
        CHECK_INT(ice_status(agents[0]).state, ICE_STATE_COMPLETED);
        CHECK_INT(ice_status(agents[1]).state, ICE_STATE_COMPLETED);
        CHECK(ice_selected(agents[1], 1, &path));
        CHECK_INT(path.base.number, LISTENER);
        CHECK_INT(path.peer.port, 40000);
        while (ice_event(agents[1], &e)) {
            if (e.kind == ICE_SELECTED) /* §7.2: typically peer-reflexive */
                CHECK_INT(e.remote_type, CANDIDATE_PEER_REFLEXIVE);
        }
    }
}

/* §7.1: no retransmissions; and a connection that cannot be opened fails its pair at once. */
static void test_checks_over_tcp(void)
{
    struct addr listener = addr_v4(192, 0, 2, 2, 2000);
    int sent = 0;
    now = (struct tick){NS_PER_S};
    create(0, ICE_CONTROLLING);
    create(1, ICE_CONTROLLED);
    CHECK(add(0, CANDIDATE_TCP_ACTIVE, addr_v4(192, 0, 2, 1, 0x7fff), INTERFACE));
    CHECK(add(1, CANDIDATE_TCP_PASSIVE, listener, LISTENER));
    describe(0, 1);
    for (int i = 0; i < 300; i++, now = tick_add_ms(now, 100))
        while (ice_output(agents[0], now, &packet))
            sent++;
    CHECK_INT(sent, 1);
    CHECK_INT(ice_status(agents[0]).state, ICE_STATE_RUNNING);
    ice_path_failed(agents[0], now, &(struct ice_path){{INTERFACE}, listener});
    ice_expire(agents[0], tick_add_ms(now, 5000));
    CHECK_INT(ice_status(agents[0]).state, ICE_STATE_FAILED);
}

/* One address, two transports: two candidates, and neither is taken for the other. */
static void test_transports_are_told_apart(void)
{
    struct addr ours = addr_v4(192, 0, 2, 1, 1000), theirs = addr_v4(192, 0, 2, 2, 2000);
    create(0, ICE_CONTROLLING);
    create(1, ICE_CONTROLLED);
    CHECK(add(0, CANDIDATE_UDP, ours, SOCKET));
    CHECK(add(0, CANDIDATE_TCP_PASSIVE, ours, LISTENER));
    CHECK(add(0, CANDIDATE_TCP_ACTIVE, ours, INTERFACE));
    CHECK(add(1, CANDIDATE_UDP, theirs, SOCKET));
    CHECK(add(1, CANDIDATE_TCP_PASSIVE, theirs, LISTENER));
    describe(0, 1);
    CHECK_INT(ice_status(agents[0]).remotes, 2);
    CHECK_INT(ice_status(agents[0]).pairs, 2);
    struct candidate got[4];
    CHECK_INT(ice_local_candidates(agents[0], got, 4), 3);
    CHECK(strcmp(got[0].foundation, got[1].foundation) != 0);
    CHECK(strcmp(got[1].foundation, got[2].foundation) != 0);
}

int main(void)
{
    RUN(test_priorities_of_the_rfcs_example);
    RUN(test_pairs);
    RUN(test_active_meets_passive);
    RUN(test_checks_over_tcp);
    RUN(test_transports_are_told_apart);
    for (int i = 0; i < 2; i++)
        ice_destroy(agents[i]);
    return tap_done();
}
