/* Tests of ice, one rule at a time: a single agent, with the peer's part played by hand from RFC
 * 8445's sentences.
 * Not here: two agents over a network (test_ice_agent.c). */
#include "ice/ice.h"
#include "stun/key.h"

#include "tap.h"

#define PEER_PWD "0123456789012345678901"

static struct ice *ice;
static struct stun_key *peer_key;
static struct tick now;
static struct rng rng;
static struct ice_packet packet;
static struct stun_message sent;
static uint8_t bytes[1024];
static int events[ICE_DIRECT + 1];
static struct ice_path selected[ICE_COMPONENTS + 1];

static const struct ice_path from_5 = {{1}, {.family = ADDR_V4, .ip = {203, 0, 113, 5}, .port = 9}};
static const struct ice_path from_6 = {{1}, {.family = ADDR_V4, .ip = {203, 0, 113, 6}, .port = 9}};

static void set_up(struct ice_options options)
{
    ice_destroy(ice);
    stun_key_destroy(peer_key);
    peer_key = stun_key_create_short(VIEW_LIT(PEER_PWD));
    now = (struct tick){NS_PER_S};
    rng_init_number(&rng, 7);
    options.components = options.components ? options.components : 1;
    ice = ice_create(&options);
    memset(events, 0, sizeof events);
    for (uint16_t c = 1; c <= options.components; c++)
        CHECK(
            ice_add_local(ice,
                          (struct candidate){.component = c,
                                             .address = addr_v4(192, 0, 2, 1, (uint16_t)(999 + c))},
                          (struct ice_base){c}, 65535));
}

static bool describe(bool lite)
{
    return ice_set_remote(ice, now, VIEW_LIT("peer"), VIEW_LIT(PEER_PWD), lite);
}

static struct candidate host(struct addr address, uint16_t component)
{
    struct candidate c = {.component = component, .priority = 2130706431, .address = address};
    (void)snprintf(c.foundation, sizeof c.foundation, "%u", address.ip[3]);
    return c;
}

static bool add(const struct ice_path *via)
{
    struct candidate c = host(via->peer, (uint16_t)via->base.number);
    return ice_add_remote(ice, now, &c);
}

static void read_events(void)
{
    struct ice_event e;
    while (ice_event(ice, &e)) {
        events[e.kind]++;
        if (e.kind == ICE_SELECTED)
            selected[e.component] = e.path;
    }
}

static void pass_ms(int64_t ms)
{
    now = tick_add_ms(now, ms);
    ice_expire(ice, now);
}

/* The next datagram, decoded to `sent`. */
static bool pull(void)
{
    return ice_output(ice, now, &packet) &&
           CHECK_INT(stun_message_decode(packet.bytes, &sent), STUN_DECODED);
}

static bool pull_class(enum stun_class class)
{
    while (pull()) {
        if (sent.class == class)
            return true;
    }
    return false;
}

/* Time passes in steps of Ta until a request to `to` leaves, at most 3 s. */
static bool pull_request_to(const struct addr *to)
{
    for (int i = 0; i < 60; i++) {
        while (pull_class(STUN_REQUEST)) {
            if (addr_equal(&packet.path.peer, to))
                return true;
        }
        pass_ms(50);
    }
    return false;
}

static bool sends_use_candidate(void)
{
    struct view value;
    return stun_attribute_find(&sent, STUN_USE_CANDIDATE, &value);
}

struct check {
    enum stun_attribute_type role;
    uint64_t tie;
    bool use, no_priority;
    uint16_t unknown;        /* so many attributes that nobody knows */
    const char *ufrag, *pwd; /* NULL: the agent's own as they are */
};

static enum ice_input_result check(const struct ice_path *via, struct check c)
{
    struct stun_transaction id = stun_transaction_make(&rng);
    struct stun_key *key = stun_key_create_short(view_of_string(c.pwd ? c.pwd : ice_pwd(ice)));
    char username[64];
    struct writer w = writer_of(bytes, sizeof bytes);
    (void)snprintf(username, sizeof username, "%s:peer", c.ufrag ? c.ufrag : ice_ufrag(ice));
    stun_begin(&w, STUN_REQUEST, STUN_BINDING, &id);
    stun_put(&w, STUN_USERNAME, view_of_string(username));
    if (!c.no_priority)
        stun_put_u32(&w, STUN_PRIORITY, 110u << 24 | 65535 << 8 | 255);
    stun_put_u64(&w, c.role ? c.role : STUN_ICE_CONTROLLING, c.tie);
    if (c.use)
        stun_put(&w, STUN_USE_CANDIDATE, VIEW_NONE);
    for (uint16_t i = 0; i < c.unknown; i++)
        stun_put(&w, (enum stun_attribute_type)(0x7a00 + i), VIEW_LIT("what"));
    stun_sign(&w, key);
    stun_finish(&w, true);
    stun_key_destroy(key);
    return ice_input(ice, now, via, writer_done(&w));
}

/* The peer's answer to `sent`. code 0: success. */
static enum ice_input_result answer(const struct ice_path *via, uint16_t code, bool unknown)
{
    struct stun_message request = sent;
    struct addr seen = addr_v4(192, 0, 2, 1, 1000);
    struct writer w = writer_of(bytes, sizeof bytes);
    stun_begin_answer(&w, code ? STUN_ERROR : STUN_SUCCESS, &request);
    if (code)
        stun_put_error(&w, code, "no");
    else
        stun_put_address(&w, STUN_XOR_MAPPED_ADDRESS, &seen);
    if (unknown)
        stun_put(&w, (enum stun_attribute_type)0x7abc, VIEW_LIT("what"));
    stun_sign(&w, peer_key);
    stun_finish(&w, true);
    return ice_input(ice, now, via, writer_done(&w));
}

static uint16_t error_sent(void)
{
    uint16_t code = 0;
    struct view reason;
    CHECK(stun_read_error(&sent, &code, &reason));
    return code;
}

/* A controlling agent with one path chosen, by its own nomination. */
static void connect(void)
{
    set_up((struct ice_options){.role = ICE_CONTROLLING});
    CHECK(describe(false));
    CHECK(add(&from_5));
    ice_end_remote(ice, now);
    CHECK(pull_request_to(&from_5.peer));
    CHECK_INT(answer(&from_5, 0, false), ICE_TAKEN);
    CHECK(pull_request_to(&from_5.peer));
    CHECK(sends_use_candidate());
    CHECK_INT(answer(&from_5, 0, false), ICE_TAKEN);
    read_events();
    CHECK_INT(events[ICE_COMPLETED], 1);
}

/* ---- lite ----------------------------------------------------------------------------------- */

static void test_lite_nominated_before_the_description(void)
{
    set_up((struct ice_options){.lite = true});
    CHECK_INT(check(&from_5, (struct check){.use = true}), ICE_TAKEN);
    CHECK(describe(false));
    read_events();
    CHECK_INT(events[ICE_SELECTED], 1);
    CHECK_INT(events[ICE_COMPLETED], 1);
    CHECK_INT(ice_status(ice).state, ICE_STATE_COMPLETED);
}

/* §6.1.1: the lite agent MUST take the controlled role:
 * a full peer that thinks so too must hear of it. */
static void test_lite_stays_controlled(void)
{
    for (uint64_t tie = 0; tie != 2; tie++) {
        set_up((struct ice_options){.lite = true});
        CHECK(describe(false));
        CHECK_INT(check(&from_5, (struct check){.role = STUN_ICE_CONTROLLED, .tie = tie - 1}),
                  ICE_TAKEN);
        CHECK(pull());
        CHECK_INT(error_sent(), 487);
        CHECK_INT(ice_status(ice).role, ICE_CONTROLLED);
    }
}

/* §11: all endpoints MUST send keepalives, Tr of 15 s; an indication without credentials,
 * FINGERPRINT alone. */
static void test_lite_keeps_its_paths_alive(void)
{
    const struct ice_path rtcp = {{2}, from_5.peer};
    set_up((struct ice_options){.lite = true, .components = 2});
    CHECK(describe(false));
    CHECK_INT(check(&from_5, (struct check){.use = true}), ICE_TAKEN);
    CHECK_INT(check(&rtcp, (struct check){.use = true}), ICE_TAKEN);
    CHECK(pull() && pull());
    CHECK(!pull());
    pass_ms(14900);
    CHECK(!pull());
    pass_ms(100);
    for (uint32_t base = 1; base <= 2; base++) {
        CHECK(pull());
        CHECK_INT(sent.class, STUN_INDICATION);
        CHECK_INT(packet.path.base.number, base);
        CHECK_INT(packet.bytes.len, 20 + 8);
        CHECK(sent.fingerprint == 20);
    }
    CHECK(!pull());
    CHECK_INT(tick_diff_ms(ice_deadline(ice), now), 15000);
}

/* §8.2: no checks; of one pair a component, that pair. */
static void test_both_lite(void)
{
    set_up((struct ice_options){.lite = true, .role = ICE_CONTROLLING});
    CHECK(describe(true));
    CHECK_INT(ice_status(ice).role, ICE_CONTROLLING);
    CHECK(add(&from_5));
    ice_end_remote(ice, now);
    read_events();
    CHECK_INT(events[ICE_COMPLETED], 1);
    CHECK(addr_equal(&selected[1].peer, &from_5.peer));
    CHECK(!pull());
}

/* §6.1.1: against a lite agent the full one controls, whatever anybody says. */
static void test_a_lite_peer_never_takes_control(void)
{
    set_up((struct ice_options){.role = ICE_CONTROLLING});
    CHECK(describe(true));
    CHECK(add(&from_5));
    CHECK_INT(check(&from_5, (struct check){.tie = UINT64_MAX}), ICE_TAKEN);
    CHECK(pull());
    CHECK_INT(error_sent(), 487);
    CHECK(pull_request_to(&from_5.peer));
    CHECK_INT(answer(&from_5, 487, false), ICE_TAKEN);
    CHECK_INT(ice_status(ice).role, ICE_CONTROLLING);
}

static void test_lite_follows_a_peer_that_moves_often(void)
{
    set_up((struct ice_options){.lite = true});
    CHECK(describe(false));
    for (uint16_t i = 0; i < 300; i++) {
        struct ice_path via = {{1}, addr_v4(203, 0, 113, 5, (uint16_t)(1000 + i))};
        CHECK_INT(check(&via, (struct check){.use = i == 299}), ICE_TAKEN);
        CHECK(pull_class(STUN_SUCCESS));
    }
    read_events();
    CHECK_INT(events[ICE_SELECTED], 1);
    CHECK_INT(selected[1].peer.port, 1299);
}

/* ---- requests ------------------------------------------------------------------------------- */

/* RFC 8489 §6.3.1: not understood is not obeyed: 420, which names them, and nothing changes. */
static void test_unknown_attributes_are_refused_first(void)
{
    for (uint16_t unknown = 1; unknown <= 20; unknown++) {
        set_up((struct ice_options){.role = ICE_CONTROLLING});
        CHECK(describe(false));
        CHECK_INT(check(&from_5, (struct check){.tie = UINT64_MAX, .unknown = unknown}), ICE_TAKEN);
        CHECK(pull());
        CHECK_INT(error_sent(), 420);
        struct view named;
        CHECK(stun_attribute_find(&sent, STUN_UNKNOWN_ATTRIBUTES, &named));
        CHECK_INT(named.len, 2 * (unknown < 16 ? unknown : 16));
        CHECK_INT(ice_status(ice).role, ICE_CONTROLLING);
        CHECK_INT(ice_status(ice).remotes, 0);
    }
}

/* §7.1.1: PRIORITY MUST be there. */
static void test_a_check_without_priority_is_bad(void)
{
    set_up((struct ice_options){.role = ICE_CONTROLLED});
    CHECK(describe(false));
    CHECK_INT(check(&from_5, (struct check){.no_priority = true}), ICE_TAKEN);
    CHECK(pull());
    CHECK_INT(error_sent(), 400);
    CHECK(sent.integrity != 0);
    CHECK_INT(ice_status(ice).remotes, 0);
}

static void test_repeated_early_checks_take_one_place(void)
{
    set_up((struct ice_options){.role = ICE_CONTROLLED});
    for (int i = 0; i < 40; i++) {
        CHECK_INT(check(&from_5, (struct check){.use = i == 20}), ICE_TAKEN);
        CHECK(pull());
    }
    CHECK_INT(check(&from_6, (struct check){0}), ICE_TAKEN);
    CHECK(pull());
    CHECK(describe(false));
    CHECK(pull_request_to(&from_5.peer));
    CHECK_INT(answer(&from_5, 0, false), ICE_TAKEN);
    read_events();
    CHECK_INT(events[ICE_SELECTED], 1); /* USE-CANDIDATE of one of them counts */
    set_up((struct ice_options){.role = ICE_CONTROLLED});
    for (int i = 0; i < 40; i++) {
        CHECK_INT(check(&from_5, (struct check){0}), ICE_TAKEN);
        CHECK(pull());
    }
    CHECK_INT(check(&from_6, (struct check){0}), ICE_TAKEN);
    CHECK(describe(false));
    CHECK(pull_request_to(&from_6.peer));
}

/* A proven check makes its pair known, however many candidates and pairs there are. */
static void test_full_tables_make_room_for_proven_checks(void)
{
    set_up((struct ice_options){.role = ICE_CONTROLLED});
    for (uint16_t i = 0; i < 8; i++)
        CHECK(ice_add_local(
            ice,
            (struct candidate){.component = 1, .address = addr_v4(192, 0, 2, 2, (uint16_t)(1 + i))},
            (struct ice_base){10u + i}, 65000));
    CHECK(describe(false));
    for (uint16_t i = 0; i < 50; i++) {
        struct candidate c = host(addr_v4(203, 0, 113, 99, (uint16_t)(1000 + i)), 1);
        (void)ice_add_remote(ice, now, &c);
    }
    CHECK_INT(ice_status(ice).remotes, ICE_REMOTES);
    CHECK_INT(ice_status(ice).pairs, ICE_PAIRS);
    CHECK_INT(check(&from_5, (struct check){.use = true}), ICE_TAKEN);
    CHECK(pull_request_to(&from_5.peer));
    CHECK_INT(answer(&from_5, 0, false), ICE_TAKEN);
    read_events();
    CHECK_INT(events[ICE_SELECTED], 1);
    CHECK(addr_equal(&selected[1].peer, &from_5.peer));
    CHECK(ice_status(ice).pairs <= ICE_PAIRS);
}

/* ---- answers -------------------------------------------------------------------------------- */

/* RFC 8489 §6.3.3: with comprehension-required attributes unknown to us the transaction has
 * failed. */
static void test_an_answer_not_understood_fails_the_pair(void)
{
    set_up((struct ice_options){.role = ICE_CONTROLLING});
    CHECK(describe(false));
    CHECK(add(&from_5));
    ice_end_remote(ice, now);
    CHECK(pull_request_to(&from_5.peer));
    CHECK_INT(answer(&from_5, 0, true), ICE_TAKEN);
    pass_ms(6000);
    read_events();
    CHECK_INT(events[ICE_FAILED], 1);
    CHECK_INT(events[ICE_SELECTED], 0);
}

/* A peer that answers 487 to each role gets an end, not a game without end. */
static void test_role_conflicts_without_end_end(void)
{
    int requests = 0;
    set_up((struct ice_options){.role = ICE_CONTROLLING});
    CHECK(describe(false));
    CHECK(add(&from_5));
    ice_end_remote(ice, now);
    while (pull_request_to(&from_5.peer) && ++requests < 1000)
        CHECK_INT(answer(&from_5, 487, false), ICE_TAKEN);
    CHECK(requests < 20);
    pass_ms(6000);
    read_events();
    CHECK_INT(events[ICE_FAILED], 1);
}

/* A controlling agent with two valid pairs, which has just nominated that of from_5. */
static void nominate_the_better_of_two(void)
{
    set_up((struct ice_options){.role = ICE_CONTROLLING});
    CHECK(describe(false));
    struct candidate second = host(from_6.peer, 1);
    second.priority--;
    CHECK(ice_add_remote(ice, now, &second));
    CHECK(pull_request_to(&from_6.peer));
    struct stun_message first_check = sent;
    uint8_t copy[256];
    memcpy(copy, packet.bytes.at, packet.bytes.len);
    first_check.bytes = view_of(copy, packet.bytes.len);
    CHECK(add(&from_5));
    ice_end_remote(ice, now);
    CHECK(pull_request_to(&from_5.peer));
    CHECK_INT(answer(&from_5, 0, false), ICE_TAKEN); /* the better one: nominated next */
    sent = first_check;
    CHECK_INT(answer(&from_6, 0, false), ICE_TAKEN);
    CHECK(pull_request_to(&from_5.peer));
    CHECK(sends_use_candidate());
}

static void check_second_is_chosen(void)
{
    CHECK(addr_equal(&packet.path.peer, &from_6.peer));
    CHECK(sends_use_candidate());
    CHECK_INT(answer(&from_6, 0, false), ICE_TAKEN);
    read_events();
    CHECK_INT(events[ICE_COMPLETED], 1);
    CHECK(addr_equal(&selected[1].peer, &from_6.peer));
}

/* §8.1.1, §7.2.5.2: the nominated pair failed, so another is taken. */
static void test_a_failed_nomination_is_followed_by_the_next(void)
{
    nominate_the_better_of_two();
    CHECK_INT(answer(&from_5, 400, false), ICE_TAKEN);
    CHECK(pull_request_to(&from_6.peer));
    check_second_is_chosen();
}

/* §7.2.5.2.3: so it is where nobody answers; and at the moment that it is known, nothing is left
 * that was due. */
static void test_a_silent_nomination_is_followed_by_the_next(void)
{
    nominate_the_better_of_two();
    for (int i = 0; i < 100 && !addr_equal(&packet.path.peer, &from_6.peer); i++) {
        CHECK(!pull());
        CHECK(tick_before(now, ice_deadline(ice)));
        now = ice_deadline(ice);
        ice_expire(ice, now);
        (void)pull();
    }
    check_second_is_chosen();
}

/* §8.1.2: a chosen pair ends the retransmissions of the others of its component. */
static void test_a_choice_ends_the_other_checks(void)
{
    set_up((struct ice_options){.role = ICE_CONTROLLED});
    CHECK(describe(false));
    CHECK(add(&from_6));
    CHECK(pull_request_to(&from_6.peer));
    CHECK_INT(check(&from_5, (struct check){.use = true}), ICE_TAKEN);
    CHECK(pull_request_to(&from_5.peer));
    CHECK_INT(answer(&from_5, 0, false), ICE_TAKEN);
    read_events();
    CHECK_INT(events[ICE_COMPLETED], 1);
    for (int i = 0; i < 400; i++) {
        pass_ms(10);
        while (pull())
            CHECK(!addr_equal(&packet.path.peer, &from_6.peer));
    }
}

static void peer_nominates(const struct ice_path *via)
{
    CHECK_INT(check(via, (struct check){.use = true}), ICE_TAKEN);
    CHECK(pull_request_to(&via->peer));
    CHECK_INT(answer(via, 0, false), ICE_TAKEN);
}

/* A relay is chosen for one component while the other still seeks: a direct path that the peer tries
 * meanwhile for the first is none the less looked at (§7.3.1.4), and told of in the end. */
static void test_a_direct_check_before_all_is_chosen_counts(void)
{
    const struct ice_path relays[] = {{{1}, addr_v4(198, 51, 100, 9, 50000)},
                                      {{2}, addr_v4(198, 51, 100, 9, 50001)}};
    set_up((struct ice_options){.role = ICE_CONTROLLED, .components = 2});
    CHECK(describe(false));
    for (uint16_t c = 1; c <= 2; c++) {
        struct candidate relay = host(relays[c - 1].peer, c);
        relay.type = CANDIDATE_RELAYED;
        relay.priority = c;
        CHECK(ice_add_remote(ice, now, &relay));
    }
    ice_end_remote(ice, now);
    peer_nominates(&relays[0]);
    CHECK_INT(check(&from_5, (struct check){0}), ICE_TAKEN);
    CHECK(pull_request_to(&from_5.peer));
    CHECK_INT(answer(&from_5, 0, false), ICE_TAKEN);
    peer_nominates(&relays[1]);
    read_events();
    CHECK_INT(events[ICE_COMPLETED], 1);
    CHECK_INT(events[ICE_DIRECT], 0);
    pass_ms(1000);
    read_events();
    CHECK_INT(events[ICE_DIRECT], 1);
}

/* ---- candidates ----------------------------------------------------------------------------- */

static void test_a_late_candidate_of_ours_is_paired(void)
{
    set_up((struct ice_options){.role = ICE_CONTROLLING});
    CHECK(describe(false));
    CHECK(add(&from_5));
    CHECK(pull_request_to(&from_5.peer));
    pass_ms(300);
    while (pull())
        ;
    CHECK(ice_add_local(ice,
                        (struct candidate){.type = CANDIDATE_RELAYED,
                                           .component = 1,
                                           .address = addr_v4(198, 51, 100, 9, 50000)},
                        (struct ice_base){7}, 65535));
    CHECK(tick_due(ice_deadline(ice), now));
    bool found = false;
    for (int i = 0; i < 3 && !found; i++, pass_ms(50)) {
        while (pull())
            found |= packet.path.base.number == 7;
    }
    CHECK(found);
}

/* §5.1.1.3: different when the type, the base's IP, or the server differs; never one for two. */
static void test_foundations(void)
{
    struct candidate got[ICE_LOCALS];
    struct candidate relay = {.type = CANDIDATE_RELAYED,
                              .component = 1,
                              .address = addr_v4(198, 51, 100, 9, 50000),
                              .related = addr_v4(203, 0, 113, 77, 1000)};
    struct candidate reflexive = {.type = CANDIDATE_SERVER_REFLEXIVE,
                                  .component = 1,
                                  .address = addr_v4(203, 0, 113, 77, 1000),
                                  .related = addr_v4(192, 0, 2, 1, 1000)};
    set_up((struct ice_options){.role = ICE_CONTROLLED});
    CHECK(describe(false));
    CHECK(add(&from_5));
    CHECK(pull_request_to(&from_5.peer));
    CHECK_INT(check(&from_6, (struct check){0}), ICE_TAKEN);
    CHECK(pull_request_to(&from_6.peer));
    {
        /* an answer that shows a peer-reflexive candidate of ours,
         * which the restart will take away */
        struct stun_message request = sent;
        struct addr seen = addr_v4(192, 0, 2, 200, 7);
        struct writer w = writer_of(bytes, sizeof bytes);
        stun_begin_answer(&w, STUN_SUCCESS, &request);
        stun_put_address(&w, STUN_XOR_MAPPED_ADDRESS, &seen);
        stun_sign(&w, peer_key);
        stun_finish(&w, true);
        CHECK_INT(ice_input(ice, now, &from_6, writer_done(&w)), ICE_TAKEN);
    }
    CHECK(ice_add_local(ice, relay, (struct ice_base){7}, 1));
    relay.address = addr_v4(198, 51, 100, 10, 50000); /* another server, the same mapping */
    CHECK(ice_add_local(ice, relay, (struct ice_base){8}, 1));
    ice_restart(ice);
    CHECK(ice_add_local(ice, reflexive, (struct ice_base){1}, 1));
    CHECK_INT(ice_local_candidates(ice, got, ICE_LOCALS), 4);
    for (int i = 0; i < 4; i++) {
        for (int j = 0; j < i; j++)
            CHECK(strcmp(got[i].foundation, got[j].foundation) != 0);
    }
}

/* Whom our own machine alone can reach is for our own machine's addresses only. */
static void test_loopback_goes_with_loopback(void)
{
    set_up((struct ice_options){.role = ICE_CONTROLLING});
    CHECK(describe(false));
    struct candidate inside = host(addr_v4(127, 0, 0, 1, 25), 1);
    CHECK(ice_add_remote(ice, now, &inside));
    CHECK_INT(ice_status(ice).pairs, 0);
    CHECK(addr_parse(VIEW_LIT("[::ffff:203.0.113.5]:9"), 0, &inside.address));
    CHECK(ice_add_remote(ice, now, &inside));
    CHECK_INT(ice_status(ice).pairs, 1); /* it is IPv4, whatever it is written as */
}

/* RFC 8656 §7.1: one allocation has an address of each family; what comes by IPv6 is IPv6's. */
static void test_a_relay_of_both_families(void)
{
    struct ice_path by_v6 = {{7}, {0}};
    struct candidate relay = {.type = CANDIDATE_RELAYED,
                              .component = 1,
                              .address = addr_v4(198, 51, 100, 9, 50000),
                              .related = addr_v4(203, 0, 113, 77, 1000)};
    set_up((struct ice_options){.role = ICE_CONTROLLED});
    CHECK(ice_add_local(ice, relay, by_v6.base, 1));
    CHECK(addr_parse(VIEW_LIT("[2001:db8::9]:50000"), 0, &relay.address));
    CHECK(ice_add_local(ice, relay, by_v6.base, 1));
    CHECK(describe(false));
    CHECK(addr_parse(VIEW_LIT("[2001:db8::5]:9"), 0, &by_v6.peer));
    struct candidate theirs = host(by_v6.peer, 1);
    CHECK(ice_add_remote(ice, now, &theirs));
    CHECK_INT(ice_status(ice).pairs, 1);
    CHECK_INT(check(&by_v6, (struct check){0}), ICE_TAKEN);
    CHECK_INT(ice_status(ice).pairs, 1); /* it has been paired already */
    CHECK(pull_request_to(&by_v6.peer));
    CHECK_INT(packet.path.base.number, 7);
}

/* §6.1.2.2: the number of components is the lesser of both sides'. */
static void test_a_peer_with_one_component(void)
{
    set_up((struct ice_options){.role = ICE_CONTROLLED, .components = 2});
    CHECK(describe(false));
    CHECK(add(&from_5));
    ice_end_remote(ice, now);
    CHECK_INT(check(&from_5, (struct check){.use = true}), ICE_TAKEN);
    CHECK(pull_request_to(&from_5.peer));
    CHECK_INT(answer(&from_5, 0, false), ICE_TAKEN);
    read_events();
    CHECK_INT(events[ICE_COMPLETED], 1);
    CHECK_INT(ice_status(ice).state, ICE_STATE_COMPLETED);
}

/* RFC 8838 §8.2: without end-of-candidates more may come;
 * a check that did come revives what was given up. */
static void test_a_trickling_peer_is_waited_for(void)
{
    set_up((struct ice_options){.role = ICE_CONTROLLED});
    CHECK(describe(false));
    CHECK(add(&from_5));
    CHECK(pull_request_to(&from_5.peer));
    CHECK_INT(answer(&from_5, 400, false), ICE_TAKEN);
    pass_ms(20000);
    read_events();
    CHECK_INT(events[ICE_FAILED], 0);
    ice_end_remote(ice, now);
    pass_ms(5000);
    read_events();
    CHECK_INT(events[ICE_FAILED], 1);
    /* §7.3.1.4: from Failed to Waiting, and the checklist with it */
    CHECK_INT(check(&from_5, (struct check){.use = true}), ICE_TAKEN);
    CHECK(pull_request_to(&from_5.peer));
    CHECK_INT(answer(&from_5, 0, false), ICE_TAKEN);
    read_events();
    CHECK_INT(events[ICE_COMPLETED], 1);
}

/* ---- a description again, restart, consent -------------------------------------------------- */

static void test_the_same_description_again_changes_nothing(void)
{
    connect();
    CHECK(describe(false));
    CHECK(add(&from_5));
    ice_end_remote(ice, now);
    CHECK_INT(ice_status(ice).state, ICE_STATE_COMPLETED);
    read_events();
    CHECK_INT(events[ICE_COMPLETED], 1);
}

static void test_another_description_is_a_restart(void)
{
    char ufrag[ICE_UFRAG_SIZE];
    connect();
    strcpy(ufrag, ice_ufrag(ice));
    CHECK(ice_set_remote(ice, now, VIEW_LIT("anew"), VIEW_LIT("x123456789012345678901"), false));
    CHECK(strcmp(ufrag, ice_ufrag(ice)) != 0);
    CHECK_INT(ice_status(ice).state, ICE_STATE_RUNNING);
    CHECK_INT(ice_status(ice).remotes, 0); /* the old ones went with the old credentials */
}

/* RFC 7675 §5.1: consent goes on while the old path is used, with the credentials it was obtained
 * with; and §7.3: a peer that has not heard of the restart yet gets its answers. */
static void test_a_restart_keeps_consent_on_the_old_path(void)
{
    char ufrag[ICE_UFRAG_SIZE], pwd[ICE_PWD_SIZE], want[64];
    connect();
    strcpy(ufrag, ice_ufrag(ice));
    strcpy(pwd, ice_pwd(ice));
    ice_restart(ice);
    CHECK_INT(
        check(&from_5, (struct check){.role = STUN_ICE_CONTROLLED, .ufrag = ufrag, .pwd = pwd}),
        ICE_TAKEN);
    CHECK(pull_class(STUN_SUCCESS));
    CHECK_INT(ice_status(ice).remotes, 0);
    for (int i = 0; i < 20; i++) {
        struct view username;
        for (int j = 0; j < 70 && !pull_class(STUN_REQUEST); j++)
            pass_ms(100);
        CHECK(stun_attribute_find(&sent, STUN_USERNAME, &username));
        (void)snprintf(want, sizeof want, "peer:%s", ufrag);
        CHECK_VIEW(username, want);
        CHECK_INT(answer(&from_5, 0, false), ICE_TAKEN);
    }
    read_events();
    CHECK_INT(events[ICE_CONSENT_LOST], 0);
    CHECK(ice_set_remote(ice, now, VIEW_LIT("anew"), VIEW_LIT("x123456789012345678901"), false));
    bool old_goes_on = false;
    for (int i = 0; i < 70; i++, pass_ms(100)) {
        struct view username;
        while (pull_class(STUN_REQUEST))
            old_goes_on |= stun_attribute_find(&sent, STUN_USERNAME, &username) &&
                           view_equal(username, view_of_string(want));
    }
    CHECK(old_goes_on);
}

/* RFC 7675 §5.2. */
static void test_consent_taken_back(void)
{
    connect();
    for (int i = 0; i < 70 && !pull_class(STUN_REQUEST); i++)
        pass_ms(100);
    CHECK_INT(answer(&from_6, 403, false), ICE_TAKEN); /* not from where it was sent to (§5.1) */
    CHECK(ice_status(ice).consent[0]);
    CHECK_INT(answer(&from_5, 403, false), ICE_TAKEN);
    CHECK(!ice_status(ice).consent[0]);
    read_events();
    CHECK_INT(events[ICE_CONSENT_LOST], 1);
    CHECK_INT(answer(&from_5, 0, false),
              ICE_NOT_MINE); /* too late: only a restart gives it again */
    CHECK(!ice_status(ice).consent[0]);
    pass_ms(60000);
    CHECK(!pull());
}

static void test_consent_answers_count_for_hours(void)
{
    connect();
    for (int i = 0; i < 1000; i++) {
        for (int j = 0; j < 70 && !pull_class(STUN_REQUEST); j++)
            pass_ms(100);
        struct tick before = ice_deadline(ice);
        CHECK(ice_status(ice).consent[0]);
        if (!CHECK_INT(answer(&from_5, 0, false), ICE_TAKEN))
            return;
        CHECK(!tick_is_never(before));
    }
}

static void test_events_are_not_lost(void)
{
    set_up((struct ice_options){.role = ICE_CONTROLLED});
    CHECK(describe(false));
    for (int i = 0; i < 100; i++) {
        enum stun_attribute_type same =
            ice_status(ice).role == ICE_CONTROLLED ? STUN_ICE_CONTROLLED : STUN_ICE_CONTROLLING;
        CHECK_INT(
            check(&from_5, (struct check){.role = same,
                                          .tie = same == STUN_ICE_CONTROLLED ? 0 : UINT64_MAX}),
            ICE_TAKEN);
        CHECK(pull_class(STUN_SUCCESS));
    }
    CHECK_INT(ice_status(ice).role, ICE_CONTROLLED);
    CHECK_INT(check(&from_5, (struct check){.use = true}), ICE_TAKEN);
    CHECK(pull_request_to(&from_5.peer));
    CHECK_INT(answer(&from_5, 0, false), ICE_TAKEN);
    read_events();
    CHECK_INT(events[ICE_SELECTED], 1);
    CHECK_INT(events[ICE_COMPLETED], 1);
}

/* §11: whose keepalive it is shows its path. */
static void test_keepalives_are_taken(void)
{
    struct stun_transaction id = {{1}};
    struct writer w = writer_of(bytes, sizeof bytes);
    connect();
    stun_begin(&w, STUN_INDICATION, STUN_BINDING, &id);
    stun_finish(&w, true);
    CHECK_INT(ice_input(ice, now, &from_5, writer_done(&w)), ICE_TAKEN);
    CHECK_INT(ice_input(ice, now, &from_6, writer_done(&w)), ICE_NOT_MINE);
}

int main(void)
{
    RUN(test_lite_nominated_before_the_description);
    RUN(test_lite_stays_controlled);
    RUN(test_lite_keeps_its_paths_alive);
    RUN(test_both_lite);
    RUN(test_a_lite_peer_never_takes_control);
    RUN(test_lite_follows_a_peer_that_moves_often);
    RUN(test_unknown_attributes_are_refused_first);
    RUN(test_a_check_without_priority_is_bad);
    RUN(test_repeated_early_checks_take_one_place);
    RUN(test_full_tables_make_room_for_proven_checks);
    RUN(test_an_answer_not_understood_fails_the_pair);
    RUN(test_role_conflicts_without_end_end);
    RUN(test_a_failed_nomination_is_followed_by_the_next);
    RUN(test_a_silent_nomination_is_followed_by_the_next);
    RUN(test_a_choice_ends_the_other_checks);
    RUN(test_a_direct_check_before_all_is_chosen_counts);
    RUN(test_a_late_candidate_of_ours_is_paired);
    RUN(test_foundations);
    RUN(test_loopback_goes_with_loopback);
    RUN(test_a_relay_of_both_families);
    RUN(test_a_peer_with_one_component);
    RUN(test_a_trickling_peer_is_waited_for);
    RUN(test_the_same_description_again_changes_nothing);
    RUN(test_another_description_is_a_restart);
    RUN(test_a_restart_keeps_consent_on_the_old_path);
    RUN(test_consent_taken_back);
    RUN(test_consent_answers_count_for_hours);
    RUN(test_events_are_not_lost);
    RUN(test_keepalives_are_taken);
    ice_destroy(ice);
    stun_key_destroy(peer_key);
    return tap_done();
}
